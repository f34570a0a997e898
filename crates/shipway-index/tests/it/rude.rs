//! Clients that break off, lie about lengths, trickle and talk nonsense: a right answer where one can be
//! given, and nothing is kept of them.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::kills::prepare;
use crate::child::Child;
use crate::kit::{Dist, client, wheel};
use crate::load::Client;
use crate::model::Op;

/// What a process holds: open files, and memory in KiB.
fn held(id: u32) -> (usize, u64) {
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    (files, line.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/// How many files wait in the folders of the processes.
fn unfinished(folder: &Path) -> usize {
    let of =
        |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders = ["data/blobs/unfinished", "data/unfinished"];
    folders.iter().flat_map(|name| of(&folder.join(name))).map(|own| of(&own).count()).sum()
}

/// An upload as bytes: what stands before the body, and the body.
fn upload(client: &Client, dist: &Dist, announced: impl Fn(usize) -> usize) -> (Vec<u8>, Vec<u8>) {
    let mut body = Vec::new();
    let fields =
        [(":action", "file_upload"), ("name", "demo"), ("version", "1.0"), ("metadata_version", "2.1")];
    for (name, value) in fields.into_iter().chain([("filetype", "bdist_wheel"), ("pyversion", "py3")]) {
        let part = format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.into_bytes());
    }
    let part = format!(
        "--b\r\ncontent-disposition: form-data; name=\"content\"; filename=\"{}\"\r\n\r\n",
        dist.filename
    );
    body.extend(part.into_bytes());
    body.extend(&dist.bytes);
    body.extend(b"\r\n--b--\r\n");
    let head = format!(
        "POST /dev/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n",
        client.token,
        announced(body.len())
    );
    (head.into_bytes(), body)
}

async fn connect(client: &Client) -> TcpStream {
    TcpStream::connect(client.url.trim_start_matches("http://")).await.unwrap()
}

/// Everything that comes back until the server closes or is silent for long.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Half of an upload, and then nothing more: the connection is cut.
async fn breaks_off(client: &Client, dist: &Dist) {
    let (head, body) = upload(client, dist, |length| length);
    let mut stream = connect(client).await;
    stream.write_all(&head).await.unwrap();
    let _ = stream.write_all(&body[..body.len() / 2]).await;
}

/// Announces more than it sends, and waits; the form has no end.
async fn announces_more(client: &Client, dist: &Dist) {
    let (head, body) = upload(client, dist, |length| length);
    let mut stream = connect(client).await;
    stream.write_all(&[&head, &body[..body.len() - 9]].concat()).await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

/// Announces less than it sends: the form ends in the middle.
async fn announces_less(client: &Client, dist: &Dist) {
    let (head, body) = upload(client, dist, |length| length / 2);
    let mut stream = connect(client).await;
    stream.write_all(&head).await.unwrap();
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
}

/// Sends a byte now and then, for as long as it may.
async fn trickles(client: &Client, dist: &Dist) {
    let (head, body) = upload(client, dist, |length| length);
    let (mut reader, mut writer) = connect(client).await.into_split();
    writer.write_all(&head).await.unwrap();
    let trickle = async {
        for byte in &body {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = [0; 12];
    tokio::select! {
        read = reader.read_exact(&mut said) => drop(read.unwrap()),
        () = trickle => {}
    }
    assert_eq!(said, *b"HTTP/1.1 408");
}

/// A body that never comes to the boundary that it names.
async fn has_no_boundary(client: &Client) {
    let mut stream = connect(client).await;
    let head = format!(
        "POST /dev/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n",
        client.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65_536], b"\r\n"].concat();
    for _ in 0..800 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut said = [0; 12];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(said, *b"HTTP/1.1 400");
}

/// No request at all.
async fn talks_nonsense(client: &Client) {
    let mut stream = connect(client).await;
    let _ = stream.write_all(b"\x16\x03\x01 not what was asked for\r\n\r\n").await;
    let said = rest(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
}

/// Asks for a file and does not read it.
async fn does_not_read(client: &Client, dist: &Dist) {
    let mut stream = connect(client).await;
    let head = format!(
        "GET /files/{}/{} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        dist.sha256(),
        dist.filename,
        client.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn everybody(client: &Client, file: &Dist, number: usize) {
    let dist = wheel("demo", "1.0", &format!("{number}").repeat(20_000));
    tokio::join!(
        breaks_off(client, &dist),
        announces_more(client, &dist),
        announces_less(client, &dist),
        trickles(client, &dist),
        talks_nonsense(client),
        does_not_read(client, file),
    );
}

/// The most memory that a process ever had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l6_a_form_without_a_boundary_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let token = prepare(folder.path()).await;
    let mut child = Child::spawn(folder.path(), 0, &[]);
    let client = Client { http: client(), url: child.ready().unwrap(), token };
    let dist = wheel("demo", "1.0", "a");
    client.perform("demo", &Op::Upload { version: "1.0".into(), file: dist }).await.unwrap();
    let before = peak(child.id());
    // Fifty MiB, of which the last byte is read: what is not the index's is thrown away.
    has_no_boundary(&client).await;
    let after = peak(child.id());
    println!("peak {before} before, {after} after");
    assert!(after < before + 10_000, "memory in KiB: {before} before, {after} after");
    assert_eq!(unfinished(folder.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_rude_clients_get_a_right_answer_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let token = prepare(folder.path()).await;
    let mut child = Child::spawn(folder.path(), 0, &[]);
    let url = child.ready().unwrap();
    let polite = Client { http: client(), url, token };
    let file = wheel("held", "1.0", &"x".repeat(3_000_000));
    polite.perform("held", &Op::Upload { version: "1.0".into(), file: file.clone() }).await.unwrap();
    // Once for what is made at first use.
    everybody(&polite, &file, 0).await;
    let rounds = async |from: usize| {
        let all = (from..from + 10).map(|number| everybody(&polite, &file, number));
        futures_util::future::join_all(all).await;
    };
    rounds(1).await;
    let settled = async || {
        let mut now = held(child.id());
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let next = held(child.id());
            if next.0 == now.0 || Instant::now() > until {
                return next;
            }
            now = next;
        }
    };
    let before = settled().await;
    rounds(11).await;
    rounds(21).await;
    let after = settled().await;
    println!("before {before:?}, after {after:?}");
    assert!(after.0 <= before.0 + 5, "open files: {before:?} before, {after:?} after");
    assert!(after.1 < before.1 + 30_000, "memory in KiB: {before:?} before, {after:?} after");
    assert_eq!(unfinished(folder.path()), 0);
    assert_eq!(polite.shown("demo").await.unwrap(), serde_json::Value::Null, "no project came of it");
    let last = wheel("demo", "1.0", "at last");
    polite.perform("demo", &Op::Upload { version: "1.0".into(), file: last }).await.unwrap();
}
