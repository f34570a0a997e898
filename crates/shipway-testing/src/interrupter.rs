//! Stands between a program and its servers, passes whole requests on, counts them, and ends the program at a chosen
//! one with SIGKILL: when its server has done what was asked, before the answer comes back or right after.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::program::{Program, Ran};

/// When a program is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The server has done it, and the program never hears of it.
    BeforeTheAnswer,
    /// The program has just been answered.
    AfterTheAnswer,
}

/// Which request of a program is its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The request, from 1.
    pub at: usize,
    /// When.
    pub moment: Moment,
}

/// Routes to servers on loopback; they end with the test's process.
#[derive(Debug, Default)]
pub struct Interrupter {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    routes: Mutex<Vec<(String, String)>>,
    requests: Mutex<Vec<String>>,
    strike: Mutex<Option<Strike>>,
    child: Mutex<Option<Child>>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interrupter {
    /// A way to a server by a plain `http` URL without a path; gives the URL to use instead.
    ///
    /// # Panics
    /// When no port is free.
    pub fn route(&self, server: &str) -> String {
        let server = server.trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        lock(&self.shared.routes).push((server.clone(), own.clone()));
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, server) = (Arc::clone(&shared), server.clone());
                std::thread::spawn(move || {
                    // A client or server that goes away ends its exchange.
                    let _ = pass(&shared, &client, &server);
                });
            }
        });
        own
    }

    /// Runs a program to its end, or to the strike; a program that was ended has no exit code.
    ///
    /// # Panics
    /// When it cannot be started, or takes more than five minutes.
    pub fn run(&self, program: &Program, strike: Option<Strike>) -> Ran {
        lock(&self.shared.requests).clear();
        *lock(&self.shared.strike) = strike;
        let mut child = program
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program that can be started");
        let outputs = [child.stdout.take().map(read_all), child.stderr.take().map(read_all)];
        *lock(&self.shared.child) = Some(child);
        let until = Instant::now() + Duration::from_secs(300);
        let status = loop {
            let ended =
                lock(&self.shared.child).as_mut().and_then(|child| child.try_wait().expect("a process"));
            if let Some(status) = ended {
                break status;
            }
            assert!(Instant::now() < until, "{program:?} does not end");
            std::thread::sleep(Duration::from_millis(3));
        };
        *lock(&self.shared.child) = None;
        let [stdout, stderr] = outputs.map(|one| {
            // What a program left behind may hold the pipe; what was said is read all the same.
            one.map(|text| text.join().unwrap_or_default()).unwrap_or_default()
        });
        Ran { command: format!("{program:?}"), code: status.code(), stdout, stderr }
    }

    /// The requests of the last run: method and path.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }
}

fn read_all(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn strike(shared: &Shared) {
    if let Some(child) = lock(&shared.child).as_mut() {
        child.kill().expect("a process that can be ended");
        child.wait().expect("a process that has ended");
    }
}

/// Passes one request on and its answer back; every request has a connection of its own.
fn pass(shared: &Shared, client: &TcpStream, server: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (line, head, body) = read_message(&mut reader)?;
    if line.is_empty() {
        return Ok(());
    }
    let number = {
        let mut requests = lock(&shared.requests);
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        requests.push(words.join(" "));
        requests.len()
    };
    let strike_here = lock(&shared.strike).filter(|strike| strike.at == number);
    let mut upstream = TcpStream::connect(server.trim_start_matches("http://"))?;
    let head: String =
        head.into_iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    upstream.write_all(format!("{line}{head}connection: close\r\n\r\n").as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if strike_here.is_some_and(|strike| strike.moment == Moment::BeforeTheAnswer) {
        self::strike(shared);
        return Ok(());
    }
    let mut client = client;
    client.write_all(&rewritten(shared, &answer))?;
    client.flush()?;
    if strike_here.is_some() {
        self::strike(shared);
    }
    Ok(())
}

/// First line, header lines and body, each line with its end.
fn read_message(reader: &mut BufReader<&TcpStream>) -> std::io::Result<(String, Vec<String>, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut head = Vec::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut one = String::new();
        reader.read_line(&mut one)?;
        let Some((name, value)) = one.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
        head.push(one);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let count = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let mut piece = vec![0; count + 2];
        reader.read_exact(&mut piece)?;
        body.extend_from_slice(size.as_bytes());
        body.extend_from_slice(&piece);
        chunked = count > 0;
    }
    Ok((line, head, body))
}

/// The answer with redirects to the servers turned into redirects to their routes.
fn rewritten(shared: &Shared, answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 2);
    let mut head = String::from_utf8_lossy(&answer[..end]).into_owned();
    for (server, own) in lock(&shared.routes).iter() {
        head = head.replace(server.as_str(), own);
    }
    if !head.to_ascii_lowercase().contains("connection: close") {
        head.push_str("connection: close\r\n");
    }
    let mut whole = head.into_bytes();
    whole.extend_from_slice(&answer[end..]);
    whole
}
