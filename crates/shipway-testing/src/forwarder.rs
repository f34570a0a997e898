//! Stands between a client and a server, and counts: which requests went through, how many bytes came back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A connection's request lines and the bytes that came back over it.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The request lines, such as `GET /dev/simple/ HTTP/1.1`.
    pub requests: Vec<String>,
    /// The bytes of the answers, headers included.
    pub bytes: usize,
}

/// A forwarder on a free loopback port; it ends with the test's process.
#[derive(Debug)]
pub struct Forwarder {
    url: String,
    seen: Arc<Mutex<Exchange>>,
}

impl Forwarder {
    /// Forwards to a plain `http` URL's host.
    ///
    /// # Panics
    /// When no port is free.
    pub fn to(url: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Exchange::default()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&host) else { continue };
                let (from, to) =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
                std::thread::spawn(move || pump(from, to, |bytes| note_requests(&up, bytes)));
                std::thread::spawn(move || {
                    pump(server, client, |bytes| lock(&down).bytes += bytes.len());
                });
            }
        });
        Self { url: own, seen }
    }

    /// Its URL, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What went through so far.
    pub fn seen(&self) -> Exchange {
        lock(&self.seen).clone()
    }
}

fn lock(seen: &Mutex<Exchange>) -> std::sync::MutexGuard<'_, Exchange> {
    seen.lock().expect("no panic while counting")
}

fn pump(mut from: impl Read, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        note(&buffer[..count]);
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn note_requests(seen: &Mutex<Exchange>, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0"));
    lock(seen).requests.extend(lines.map(str::to_owned));
}
