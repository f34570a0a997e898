//! Connections that are silent, or whose client does not read its answer, are ended; and no more are open at
//! once than the server can bear.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use shipway_index::{Config, TlsFiles};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::kit::{Kit, client, config, wheel};

/// What a client of HTTP/2 begins with: the preface and an empty frame of settings.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Longer than any limit of these tests, shorter than those of a server that has none.
const LONG: Duration = Duration::from_secs(20);

fn impatient(config: &mut Config) {
    config.limits.silence = Duration::from_millis(300);
    config.limits.unread = Duration::from_millis(300);
}

async fn connect(kit: &Kit) -> TcpStream {
    TcpStream::connect(kit.server.running.addr()).await.unwrap()
}

/// Reads until the server ends the connection.
async fn ends(mut stream: impl AsyncRead + Unpin, what: &str) -> Vec<u8> {
    let mut read = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut read)).await;
    // Cut off or closed.
    let _ = ended.unwrap_or_else(|_| panic!("{what}: still open"));
    read
}

/// The connections that the server says are open; one of them asks.
async fn open(kit: &Kit) -> usize {
    let text = kit.get("/metrics").send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("shipway_connections ")).unwrap();
    line.parse().unwrap()
}

/// Waits until only this many are open.
async fn settles(kit: &Kit, number: usize) {
    let until = Instant::now() + LONG;
    loop {
        let open = open(kit).await;
        if open <= number {
            return;
        }
        assert!(Instant::now() < until, "{open} are open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn l5_silent_connections_are_closed() {
    let kit = Kit::with(impatient).await;
    let begun: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("half a preface", &HTTP2[..7]),
        ("no request in HTTP/2", HTTP2),
        ("half a head", b"GET / HTTP/1.1\r\nhost: "),
        ("no second request", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"),
    ];
    let mut silent = Vec::new();
    for (what, bytes) in begun.iter().cycle().take(50) {
        let mut stream = connect(&kit).await;
        stream.write_all(bytes).await.unwrap();
        silent.push((what, stream));
    }
    for (what, stream) in silent {
        let read = ends(stream, what).await;
        assert_eq!(read.starts_with(b"HTTP/1.1 200"), *what == "no second request", "{what}");
    }
    settles(&kit, 1).await;
}

#[tokio::test]
async fn l5_a_head_that_trickles_is_not_waited_for() {
    let kit = Kit::with(impatient).await;
    let (reader, mut writer) = connect(&kit).await.into_split();
    let trickle = tokio::spawn(async move {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\nx: ").await;
        while writer.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(ends(reader, "a head").await.is_empty());
    trickle.await.unwrap();
}

#[tokio::test]
async fn l5_silent_connections_are_closed_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls");
    let mut config = config(folder.path());
    impatient(&mut config);
    config.tls = Some(TlsFiles { certificate: here.join("cert.pem"), key: here.join("key.pem") });
    let running = shipway_index::start(config, "127.0.0.1:0").await.unwrap();
    // Before the handshake, and after it.
    ends(TcpStream::connect(running.addr()).await.unwrap(), "no handshake").await;
    let root = here.join("cert.pem");
    let shaken = handshake(TcpStream::connect(running.addr()).await.unwrap(), &root).await;
    ends(shaken, "no request").await;
    running.shutdown().await;
}

async fn handshake(stream: TcpStream, root: &Path) -> tokio_rustls::client::TlsStream<TcpStream> {
    use rustls::pki_types::pem::PemObject as _;
    // Chooses the cryptography of the process.
    drop(client());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(root).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn l5_a_client_that_does_not_read_is_cut_off() {
    let kit = Kit::with(impatient).await;
    // More than the buffers of both ends hold.
    let mut noise = shipway_testing::Random(7);
    let salt: String = (0..24 << 20).map(|_| char::from(b'a' + (noise.number() % 26) as u8)).collect();
    let file = wheel("held", "1.0", &salt);
    assert_eq!(kit.upload(&file).await.status(), 200);
    let path = format!("/files/{}/{}", file.sha256(), file.filename);
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        kit.server.token.expose()
    );
    let mut unread = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&kit).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first, *b"HTTP/1.1 200");
        unread.push(stream);
    }
    settles(&kit, 1).await;
    for stream in unread {
        assert!(ends(stream, "unread").await.len() < file.bytes.len());
    }
    // Who reads gets it all.
    let whole = kit.get(&path).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(whole.len(), file.bytes.len());
}

#[tokio::test]
async fn l5_more_connections_than_there_are_places_for_wait() {
    let kit = Kit::with(|config| config.limits.connections = NonZeroUsize::new(3)).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&kit).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    let mut waiting = connect(&kit).await;
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.read_u8()).await;
    assert!(early.is_err(), "it is answered though there is no place");
    drop(held.pop());
    assert!(ends(waiting, "a place").await.starts_with(b"HTTP/1.1 200"));
}
