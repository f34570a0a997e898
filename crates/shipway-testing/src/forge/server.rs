//! The sockets of the fake forge: one for the API, one on another port (another host, to a client) for the store.
//!
//! Written on sockets, because faults are about bytes: half an answer, one without an end, a connection that drops.

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use shipway_dist::Sha256;

use super::answers;
use super::fault::Instead;
use super::gitlab;
use super::repository::Repository;
use super::state::{Face, State};
use crate::listener;

/// What both sockets share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) repository: Repository,
    pub(super) token: String,
    pub(super) api: String,
    pub(super) store: String,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) target: String,
}

impl Request {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: value.to_string().into_bytes() }
    }

    pub(super) fn message(status: u16, text: &str) -> Self {
        Self::json(status, &json!({ "message": text, "documentation_url": "", "status": status.to_string() }))
    }
}

/// Binds both sockets and answers until the process ends.
pub(super) fn serve(repository: Repository, state: State, token: &str) -> Arc<Shared> {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (api, store) = (bind(), bind());
    let url = |one: &TcpListener| format!("http://{}", one.local_addr().expect("an address"));
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        repository,
        token: token.to_owned(),
        api: url(&api),
        store: url(&store),
    });
    for (listener, is_api) in [(api, true), (store, false)] {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A client that goes away in the middle is part of some tests.
                    let _ = if is_api { answer_api(&shared, stream) } else { answer_store(&shared, stream) };
                });
            }
        });
    }
    shared
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let one = listener::read_request(&mut BufReader::new(stream))?;
    let pairs = one.query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (decode(name), decode(&value.replace('+', " ")))).collect();
    let target = if one.query.is_empty() { one.path.clone() } else { format!("{}?{}", one.path, one.query) };
    Ok(Request {
        method: one.method,
        path: one.path,
        query,
        headers: one.headers,
        body: serde_json::from_slice(&one.body).unwrap_or(Value::Null),
        target,
    })
}

/// Undoes percent-encoding.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn write_reply(mut stream: &TcpStream, reply: &Reply, cut: bool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Answer\r\nconnection: close\r\n", reply.status);
    head.push_str("date: Fri, 02 Jan 2026 00:00:00 GMT\r\nx-ratelimit-limit: 1000\r\n");
    if !reply.headers.iter().any(|(name, _)| *name == "x-ratelimit-remaining") {
        head.push_str("x-ratelimit-remaining: 900\r\n");
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !matches!(reply.status, 204 | 304) {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let end = if cut { reply.body.len() / 2 } else { reply.body.len() };
    if !matches!(reply.status, 204 | 304) {
        stream.write_all(&reply.body[..end])?;
    }
    stream.flush()
}

fn answer_api(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let request = read_request(&stream)?;
    let mut state = shared.state();
    let said = format!("{} {}", request.method, decode(&request.path));
    state.log.push(format!("{} {}", request.method, request.target));
    let expected = format!("Bearer {}", shared.token);
    let is_github = state.face == Face::GitHub;
    let fault = state.faults.iter_mut().find_map(|fault| fault.hits(&said).then(|| fault.instead.take()));
    let mut cut = false;
    let reply = match fault.flatten() {
        Some(instead) => {
            // What stays wrong is wrong the next time too; what changed once has changed.
            let reply = match &instead {
                Instead::Status(status, headers, body) => {
                    let mut reply = Reply::json(*status, &Value::Null);
                    reply.headers.extend(headers.iter().map(|(name, value)| (*name, value.clone())));
                    reply.body = body.clone().into_bytes();
                    reply
                }
                Instead::Truncated => {
                    cut = true;
                    answer(shared, &mut state, &request)
                }
                Instead::Html => Reply {
                    status: 200,
                    headers: vec![("content-type", "text/html".to_owned())],
                    body: b"<!doctype html><title>Sign in</title>".to_vec(),
                },
                Instead::Endless => {
                    restore(&mut state, &said, instead);
                    drop(state);
                    return endless(&stream);
                }
                Instead::Empty => answers::empty(&request),
                Instead::Elsewhere => Reply {
                    status: 302,
                    headers: vec![("location", format!("{}/elsewhere", shared.store))],
                    body: Vec::new(),
                },
                Instead::Dropped => {
                    restore(&mut state, &said, instead);
                    return Ok(());
                }
                Instead::Json(text) => {
                    let mut reply = Reply::json(200, &Value::Null);
                    reply.body = text.clone().into_bytes();
                    reply
                }
                Instead::After(_) => {
                    if let Instead::After(change) = instead {
                        change(&mut state, &shared.repository);
                    }
                    let reply = answer(shared, &mut state, &request);
                    drop(state);
                    return write_reply(&stream, &reply, false);
                }
            };
            restore(&mut state, &said, instead);
            reply
        }
        None if is_github && request.header("authorization") != Some(&expected) => {
            Reply::message(401, "Bad credentials")
        }
        None => answer(shared, &mut state, &request),
    };
    drop(state);
    write_reply(&stream, &tagged(&request, reply), cut)
}

fn answer(shared: &Shared, state: &mut State, request: &Request) -> Reply {
    match state.face {
        Face::GitHub => answers::answer(shared, state, request),
        Face::GitLab => gitlab::answer(shared, state, request),
    }
}

fn restore(state: &mut State, said: &str, instead: Instead) {
    let fits = |fault: &&mut super::fault::Fault| {
        fault.instead.is_none()
            && if fault.whole { said.ends_with(&fault.on) } else { said.contains(&fault.on) }
    };
    if let Some(fault) = state.faults.iter_mut().find(fits) {
        fault.instead = Some(instead);
    }
}

/// With an `etag`, and "as before" when the client has these bytes.
fn tagged(request: &Request, mut reply: Reply) -> Reply {
    if request.method != "GET" || reply.status != 200 {
        return reply;
    }
    let tag = format!("W/\"{}\"", Sha256::of(&reply.body).short());
    if request.header("if-none-match") == Some(&tag) {
        return Reply { status: 304, headers: vec![("etag", tag)], body: Vec::new() };
    }
    reply.headers.push(("etag", tag));
    reply
}

fn endless(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[")?;
    let block = vec![b' '; 64 * 1024];
    // A gigabyte; the client goes away long before.
    for _ in 0..16 * 1024 {
        stream.write_all(&block)?;
    }
    Ok(())
}

fn answer_store(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let request = read_request(&stream)?;
    let mut state = shared.state();
    if ["authorization", "private-token", "job-token"].iter().any(|name| request.header(name).is_some()) {
        state.leaked = true;
    }
    let said = format!("STORE {}", request.path);
    let hit = state.faults.iter_mut().find_map(|fault| fault.hits(&said).then(|| fault.instead.take()));
    let cut = matches!(hit, Some(Some(Instead::Truncated)));
    let status = match &hit {
        Some(Some(Instead::Status(status, _, _))) => Some(*status),
        _ => None,
    };
    if let Some(Some(instead)) = hit {
        restore(&mut state, &said, instead);
    }
    let id = request.path.rsplit('/').next().and_then(|text| text.parse::<u64>().ok());
    let found = state.artifacts.iter().find(|one| Some(one.id) == id);
    let reply = match (status, found) {
        (Some(status), _) => Reply::message(status, "the store says no"),
        (None, Some(one)) => Reply {
            status: 200,
            headers: vec![("content-type", one.content_type.to_owned())],
            body: one.bytes.clone(),
        },
        (None, None) => Reply::message(404, "no such blob"),
    };
    drop(state);
    write_reply(&stream, &reply, cut)
}
