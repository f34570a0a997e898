//! Projects passed through from another index. That one is a second shipway, or a server that misbehaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use shipway_index::{Action, Upstream};

use crate::kit::{Dist, JSON, Kit, sdist, wheel};

async fn pair() -> (Kit, Kit) {
    let far = Kit::new().await;
    far.upload(&wheel("library", "1.0", "far")).await;
    far.upload(&sdist("library", "1.0", "far")).await;
    far.upload(&wheel("demo", "9.9", "far")).await;
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    (far, near)
}

fn path_of(dist: &Dist) -> String {
    format!("/files/{}/{}", dist.sha256(), dist.filename)
}

#[tokio::test]
async fn g2_what_is_not_held_comes_through_this_index() {
    let (far, near) = pair().await;
    let page = near.json("/stable/simple/library/").await;
    assert_eq!(page["files"].as_array().unwrap().len(), 2, "{page}");
    for dist in [wheel("library", "1.0", "far"), sdist("library", "1.0", "far")] {
        let file =
            page["files"].as_array().unwrap().iter().find(|file| file["filename"] == dist.filename).unwrap();
        assert_eq!(file["hashes"]["sha256"], dist.sha256().to_hex());
        assert_eq!(file["upload-time"].as_str().unwrap().len(), 27);
        let base = reqwest::Url::parse(&near.url("/stable/simple/library/")).unwrap();
        let url = base.join(file["url"].as_str().unwrap()).unwrap();
        assert_eq!(url.path(), path_of(&dist));
        let whole = near.get(url.path()).send().await.unwrap();
        assert_eq!(whole.bytes().await.unwrap(), dist.bytes);
        let part = near.get(url.path()).header("range", "bytes=2-5").send().await.unwrap();
        assert_eq!(
            (part.status().as_u16(), part.bytes().await.unwrap()),
            (206, dist.bytes[2..6].to_vec().into())
        );
    }
    // Kept: the other index may go away.
    let Kit { server, .. } = far;
    server.running.shutdown().await;
    let dist = wheel("library", "1.0", "far");
    assert_eq!(near.get(&path_of(&dist)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn i3_metadata_of_upstream_is_passed_on() {
    let (_far, near) = pair().await;
    let dist = wheel("library", "1.0", "far");
    let page = near.json("/dev/simple/library/").await;
    let file =
        page["files"].as_array().unwrap().iter().find(|file| file["filename"] == dist.filename).unwrap();
    let sha256 = shipway_dist::Sha256::of(&dist.metadata).to_hex();
    assert_eq!(file["core-metadata"]["sha256"], sha256, "{page}");
    for _ in 0..2 {
        let response = near.get(&format!("{}.metadata", path_of(&dist))).send().await.unwrap();
        assert_eq!(response.bytes().await.unwrap(), dist.metadata);
    }
}

#[tokio::test]
async fn a_local_name_always_wins_and_is_never_asked_for_upstream() {
    let (_far, near) = pair().await;
    assert_eq!(near.listed("dev", "demo").await.unwrap(), ["demo-9.9-py3-none-any.whl"]);
    // The name is claimed from the first session on, before anything is visible.
    let own = wheel("demo", "1.0", "near");
    let (status, begun) =
        near.post("/api/v1/sessions", crate::kit::session("demo", "1.0", std::slice::from_ref(&own))).await;
    assert_eq!(status, 201);
    assert_eq!(near.listed("dev", "demo").await, None);
    near.put(begun["id"].as_str().unwrap(), &own).await;
    near.publish("demo", "1.0", std::slice::from_ref(&own)).await;
    assert_eq!(near.listed("dev", "demo").await.unwrap(), [own.filename]);
    // Not in this channel, and so nowhere: page and download decide alike.
    assert_eq!(near.listed("stable", "demo").await, None);
    let far = near.get(&path_of(&wheel("demo", "9.9", "far"))).send().await.unwrap();
    assert_eq!(far.status(), 404);
}

#[tokio::test]
async fn upstream_is_for_whoever_may_read_the_channel() {
    let (far, _) = pair().await;
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| {
        config.upstream = Upstream::Url(url);
        config.anonymous_read = Some(false);
    })
    .await;
    let reader = near.token("reader", &["demo"], &["dev"], &[Action::Read]).await;
    let promoter = near.token("promoter", &["demo"], &["dev"], &[Action::Promote]).await;
    let get = async |path: &str, token: Option<&str>| {
        let request = near.http.get(near.url(path));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    let file = path_of(&wheel("library", "1.0", "far"));
    for path in ["/dev/simple/library/", file.as_str()] {
        assert_eq!(get(path, Some(reader.expose())).await, 200);
        assert_eq!(get(path, Some(promoter.expose())).await, 404);
        assert_eq!(get(path, None).await, 401);
    }
    assert_eq!(get("/stable/simple/library/", Some(reader.expose())).await, 404);
}

/// A server whose answers a test sets.
#[derive(Default)]
struct Odd {
    requests: AtomicUsize,
    authorization: std::sync::Mutex<Vec<Option<String>>>,
    pages: std::sync::Mutex<BTreeMap<String, (u16, &'static str, String)>>,
}

impl Odd {
    fn set(&self, name: &str, status: u16, content_type: &'static str, body: String) {
        self.pages.lock().unwrap().insert(name.to_owned(), (status, content_type, body));
    }
}

async fn odd() -> (Arc<Odd>, String) {
    let odd = Arc::new(Odd::default());
    let answer =
        async |State(odd): State<Arc<Odd>>, Path(path): Path<String>, headers: http::HeaderMap| -> Response {
            odd.requests.fetch_add(1, Ordering::SeqCst);
            let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            odd.authorization.lock().unwrap().push(authorization);
            let page = odd.pages.lock().unwrap().get(path.trim_matches('/')).cloned();
            let (status, content_type, body) = page.unwrap_or((404, "text/plain", String::new()));
            (http::StatusCode::from_u16(status).unwrap(), [("content-type", content_type)], body)
                .into_response()
        };
    let router = Router::new().route("/{*path}", get(answer)).with_state(odd.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (odd, format!("http://reader:hunter2@{address}/"))
}

fn page(files: &[(&str, &str, &str)]) -> String {
    let file = |(filename, sha256, url): &(&str, &str, &str)| json!({ "filename": filename, "url": url, "hashes": { "sha256": sha256 } });
    let files: Vec<Value> = files.iter().map(file).collect();
    json!({ "meta": { "api-version": "1.0" }, "name": "x", "files": files }).to_string()
}

#[tokio::test]
async fn upstream_bytes_that_differ_from_the_page_are_not_served() {
    let (odd, url) = odd().await;
    let near = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    let dist = wheel("library", "1.0", "a");
    let sha256 = dist.sha256().to_hex();
    odd.set("library", 200, JSON, page(&[(&dist.filename, &sha256, "/bytes")]));
    odd.set("bytes", 200, "application/zip", "other bytes".into());
    let before = crate::kit::blobs(near.folder.path());
    let response = near.get(&path_of(&dist)).send().await.unwrap();
    assert_eq!(response.status(), 502);
    let text = response.text().await.unwrap();
    assert!(text.contains("promised") && !text.contains("hunter2"), "{text}");
    assert_eq!(crate::kit::blobs(near.folder.path()), before);
}

#[tokio::test]
async fn an_upstream_failure_is_502_and_never_404() {
    let (odd, url) = odd().await;
    let near = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    odd.set("broken", 500, "text/plain", String::new());
    odd.set("nonsense", 200, JSON, "nonsense".into());
    odd.set("denied", 403, "text/plain", String::new());
    for (name, status) in [("broken", 502), ("nonsense", 502), ("denied", 502), ("absent", 404)] {
        let response = near.get(&format!("/dev/simple/{name}/")).send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert!(!response.text().await.unwrap().contains("hunter2"));
    }
    let gone = Kit::with(|config| config.upstream = Upstream::Url("http://127.0.0.1:1/simple/".into())).await;
    assert_eq!(gone.get("/dev/simple/library/").send().await.unwrap().status(), 502);
}

#[tokio::test]
async fn upstream_pages_are_kept_for_a_while_and_asked_for_with_the_urls_credentials() {
    let (odd, url) = odd().await;
    let near = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    let sha256 = "0".repeat(64);
    odd.set(
        "library",
        200,
        JSON,
        page(&[("library-1.0.tar.gz", &sha256, "x"), ("library-1.0.exe", &sha256, "y")]),
    );
    for _ in 0..3 {
        assert_eq!(near.listed("dev", "library").await.unwrap(), ["library-1.0.tar.gz"]);
    }
    assert_eq!(odd.requests.load(Ordering::SeqCst), 1);
    let sent = odd.authorization.lock().unwrap()[0].clone();
    // reader:hunter2
    assert_eq!(sent.unwrap(), "Basic cmVhZGVyOmh1bnRlcjI=");
}

#[tokio::test]
async fn a_digest_once_served_is_pinned() {
    let (odd, url) = odd().await;
    let near = Kit::with(|config| {
        config.upstream = Upstream::Url(url);
        config.limits.upstream_page = std::time::Duration::ZERO;
    })
    .await;
    let (first, second) = (b"first".as_slice(), b"second".as_slice());
    let filename = "library-1.0.tar.gz";
    let path = |bytes: &[u8]| format!("/files/{}/{filename}", shipway_dist::Sha256::of(bytes));
    for (bytes, status) in [(first, 200), (second, 404)] {
        let sha256 = shipway_dist::Sha256::of(bytes).to_hex();
        odd.set("library", 200, JSON, page(&[(filename, &sha256, "/bytes")]));
        odd.set("bytes", 200, "application/gzip", String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(near.get(&path(bytes)).send().await.unwrap().status(), status);
    }
    assert_eq!(near.listed("dev", "library").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_upstream_is_discovered_at_the_first_request() {
    let (far, _) = pair().await;
    let env = BTreeMap::from([("PIP_INDEX_URL".to_owned(), far.url("/dev/simple"))]);
    let near = Kit::with(|config| {
        config.upstream = Upstream::Discover { python: "/nonexistent/python".into(), env };
    })
    .await;
    assert_eq!(near.listed("dev", "library").await.unwrap().len(), 2);
    let lost = Kit::with(|config| {
        config.upstream = Upstream::Discover { python: "/nonexistent/python".into(), env: BTreeMap::new() };
    })
    .await;
    let response = lost.get("/dev/simple/library/").send().await.unwrap();
    assert_eq!(response.status(), 502);
    assert!(response.text().await.unwrap().contains("/nonexistent/python"));
}
