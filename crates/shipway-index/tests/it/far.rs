//! An upstream whose answers a test sets: slow, broken off, held back, or changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use serde_json::json;
use shipway_dist::Sha256;
use shipway_index::{Config, Upstream};
use tokio::sync::{Notify, Semaphore};

use crate::kit::{JSON, Kit};

/// How the file is sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    #[default]
    Whole,
    /// Half of it, and then the connection breaks.
    Broken,
    /// A byte now and then, without an end.
    Trickling,
    /// Nothing, until [`Far::release`] has a permit.
    Held,
    /// More than anybody wants.
    Endless,
}

/// An upstream of one project, `library`.
pub(crate) struct Far {
    requests: AtomicUsize,
    pub(crate) unchanged: AtomicUsize,
    pub(crate) delay_ms: AtomicU64,
    pub(crate) status: AtomicUsize,
    page: std::sync::Mutex<String>,
    pub(crate) sending: std::sync::Mutex<Sending>,
    /// Requests for the file.
    pub(crate) files: AtomicUsize,
    /// Told at each request for the file.
    pub(crate) asked_for_file: Notify,
    pub(crate) release: Semaphore,
}

pub(crate) const BYTES: &[u8] = b"the bytes of a file";
pub(crate) const METADATA: &[u8] = b"Metadata-Version: 2.1\nName: library\nVersion: 1.0\n";
pub(crate) const FILENAME: &str = "library-1.0-py3-none-any.whl";

impl Far {
    fn new() -> Self {
        let far = Self {
            requests: AtomicUsize::new(0),
            unchanged: AtomicUsize::new(0),
            delay_ms: AtomicU64::new(0),
            status: AtomicUsize::new(0),
            page: std::sync::Mutex::default(),
            sending: std::sync::Mutex::default(),
            files: AtomicUsize::new(0),
            asked_for_file: Notify::new(),
            release: Semaphore::new(0),
        };
        far.set(&[(FILENAME, Some("2020-01-01T00:00:00Z"))]);
        far
    }

    /// Lists files with the digest of [`BYTES`] and their times.
    pub(crate) fn set(&self, files: &[(&str, Option<&str>)]) {
        let files: Vec<_> = files.iter().map(|(filename, time)| (*filename, *time, BYTES)).collect();
        self.set_bytes(&files);
    }

    /// Lists files with the digests of bytes.
    pub(crate) fn set_bytes(&self, files: &[(&str, Option<&str>, &[u8])]) {
        let file = |(filename, time, bytes): &(&str, Option<&str>, &[u8])| {
            json!({
                "filename": filename, "url": "/bytes", "hashes": { "sha256": Sha256::of(bytes) },
                "upload-time": time, "core-metadata": { "sha256": Sha256::of(METADATA) },
            })
        };
        let files: Vec<_> = files.iter().map(file).collect();
        let versions = ["1.0", "1.1", "1.2"];
        *self.page.lock().unwrap() = json!({ "files": files, "versions": versions }).to_string();
    }

    pub(crate) fn send(&self, sending: Sending) {
        *self.sending.lock().unwrap() = sending;
    }

    pub(crate) fn asked(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn bytes(&self, bytes: &'static [u8]) -> Response {
        self.files.fetch_add(1, Ordering::SeqCst);
        self.asked_for_file.notify_one();
        let sending = *self.sending.lock().unwrap();
        match sending {
            Sending::Whole => bytes.into_response(),
            Sending::Broken => {
                let half = Bytes::from_static(&bytes[..bytes.len() / 2]);
                let parts = [Ok(half), Err(std::io::Error::other("broken off"))];
                Body::from_stream(stream::iter(parts)).into_response()
            }
            Sending::Trickling => {
                let byte = move |at: usize| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let at = at % bytes.len();
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(&bytes[at..=at])), at + 1))
                };
                Body::from_stream(stream::unfold(0, byte)).into_response()
            }
            Sending::Held => {
                self.release.acquire().await.unwrap().forget();
                bytes.into_response()
            }
            Sending::Endless => {
                let more =
                    stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 64 * 1024])));
                Body::from_stream(more).into_response()
            }
        }
    }
}

async fn answer(State(far): State<Arc<Far>>, Path(path): Path<String>, headers: HeaderMap) -> Response {
    far.requests.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(far.delay_ms.load(Ordering::SeqCst))).await;
    let status = far.status.load(Ordering::SeqCst);
    if status != 0 {
        return http::StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap().into_response();
    }
    match path.trim_matches('/') {
        "bytes" => far.bytes(BYTES).await,
        "bytes.metadata" => far.bytes(METADATA).await,
        "library" => {
            let page = far.page.lock().unwrap().clone();
            let etag = format!("\"{}\"", Sha256::of(page.as_bytes()));
            if headers.get("if-none-match").is_some_and(|known| known == etag.as_str()) {
                far.unchanged.fetch_add(1, Ordering::SeqCst);
                return http::StatusCode::NOT_MODIFIED.into_response();
            }
            ([("content-type", JSON), ("etag", etag.as_str())], page).into_response()
        }
        _ => http::StatusCode::NOT_FOUND.into_response(),
    }
}

pub(crate) async fn far() -> (Arc<Far>, String) {
    let far = Arc::new(Far::new());
    let router = Router::new().route("/{*path}", get(answer)).with_state(far.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (far, format!("http://{address}/"))
}

/// An index that believes nothing for long.
pub(crate) async fn near(url: &str, change: impl FnOnce(&mut Config)) -> Kit {
    let url = url.to_owned();
    Kit::with(|config| {
        config.upstream = Upstream::Url(url);
        config.limits.upstream_page = Duration::ZERO;
        change(config);
    })
    .await
}

pub(crate) fn file_path(suffix: &str) -> String {
    format!("/files/{}/{FILENAME}{suffix}", Sha256::of(BYTES))
}

pub(crate) async fn status(kit: &Kit, path: &str) -> u16 {
    kit.get(path).send().await.unwrap().status().as_u16()
}
