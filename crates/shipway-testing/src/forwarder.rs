//! Stands between a client and a server and counts: which requests went through, how many bytes came back. And
//! does what networks do: is away, is slow, breaks off.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A connection's request lines and the bytes that came back over it.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The request lines, such as `GET /dev/simple/ HTTP/1.1`.
    pub requests: Vec<String>,
    /// The bytes of the answers, headers included.
    pub bytes: usize,
}

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// New connections are closed at once, and those that are open.
    Away,
    /// Every piece of an answer waits so long.
    Slow(Duration),
    /// An answer ends after so many bytes of its connection.
    Truncating(usize),
    /// Connections stay open and nothing goes through, as when the other side is stopped; it goes on later.
    Silent,
    /// Every request of HTTP is answered with an error of the server.
    Failing,
}

/// A forwarder on a free loopback port; it ends with the test's process.
#[derive(Debug)]
pub struct Forwarder {
    url: String,
    seen: Arc<Mutex<Exchange>>,
    trouble: Arc<Mutex<Trouble>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
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
        let trouble = Arc::new(Mutex::new(Trouble::None));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (shared, troubled, opened) = (Arc::clone(&seen), Arc::clone(&trouble), Arc::clone(&open));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if *lock(&troubled) == Trouble::Away {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&host) else { continue };
                lock(&opened).push(client.try_clone().expect("a socket"));
                let (from, to) =
                    (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                let (up, down) = (Arc::clone(&shared), Arc::clone(&shared));
                let mut refused = client.try_clone().expect("a socket");
                let refusing = Arc::clone(&troubled);
                std::thread::spawn(move || {
                    pump(from, to, |bytes| {
                        note_requests(&up, bytes);
                        if after_silence(&refusing) != Trouble::Failing {
                            return true;
                        }
                        let _ = refused.write_all(FAILURE);
                        let _ = refused.shutdown(Shutdown::Both);
                        false
                    });
                });
                let troubled = Arc::clone(&troubled);
                std::thread::spawn(move || {
                    let mut sent = 0;
                    pump(server, client, |bytes| {
                        sent += bytes.len();
                        let trouble = after_silence(&troubled);
                        if let Trouble::Slow(wait) = trouble {
                            std::thread::sleep(wait);
                        }
                        lock(&down).bytes += bytes.len();
                        !matches!(trouble, Trouble::Truncating(most) if sent > most)
                    });
                });
            }
        });
        Self { url: own, seen, trouble, open }
    }

    /// Makes trouble from now on, or ends it.
    pub fn trouble(&self, trouble: Trouble) {
        *lock(&self.trouble) = trouble;
        if trouble == Trouble::Away {
            for connection in lock(&self.open).drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
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

/// What a failing server answers.
const FAILURE: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The trouble, as soon as it is not silence.
fn after_silence(trouble: &Mutex<Trouble>) -> Trouble {
    loop {
        let now = *lock(trouble);
        if now != Trouble::Silent {
            return now;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().expect("no panic while counting")
}

/// Passes on what comes, as long as `note` says so.
fn pump(mut from: impl Read, mut to: TcpStream, mut note: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || !note(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn note_requests(seen: &Mutex<Exchange>, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0"));
    lock(seen).requests.extend(lines.map(str::to_owned));
}
