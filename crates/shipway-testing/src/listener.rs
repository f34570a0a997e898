//! A server of a test on a free loopback port: one request a connection, over TLS where a test wants that.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use crate::authority::Authority;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without its mark.
    pub query: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer to send.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, besides the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

impl Reply {
    /// An answer with a body of a kind.
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body: body.into() }
    }

    /// JSON.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    /// A line of text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain", text)
    }
}

/// Answers until the process ends; gives the URL without a final slash. `handler` gives none to drop the connection.
///
/// # Panics
/// When no port is free.
pub fn listen(
    tls: Option<&Authority>,
    handler: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
    let tls = tls.map(Authority::server);
    let handler = Arc::new(handler);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, handler) = (tls.clone(), Arc::clone(&handler));
            std::thread::spawn(move || {
                // A client that goes away, or does not trust the certificate, is part of some tests.
                let _ = match tls {
                    None => answer(stream, &*handler),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a connection");
                        answer(StreamOwned::new(connection, stream), &*handler)
                    }
                };
            });
        }
    });
    url
}

fn answer(stream: impl Read + Write, handler: &impl Fn(&Request) -> Option<Reply>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let request = read_request(&mut reader)?;
    let mut stream = reader.into_inner();
    let Some(reply) = handler(&request) else { return Ok(()) };
    let mut head = format!("HTTP/1.1 {} Answer\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", reply.body.len()));
    stream.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        stream.write_all(&reply.body)?;
    }
    stream.flush()
}

/// Reads one request with its body.
pub(crate) fn read_request(reader: &mut impl std::io::BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(std::io::Error::other("no request line"));
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Ok(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}
