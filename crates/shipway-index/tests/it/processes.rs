//! Several processes over one data directory; here several servers with connections of their own.

use std::time::Instant;

use serde_json::Value;
use shipway_index::{Action, embedded};

use crate::kit::{JSON, Kit, client, config, wheel};

#[tokio::test]
async fn f2_a_write_on_one_server_is_seen_by_the_next_request_on_another() {
    let one = Kit::new().await;
    let other = embedded(config(one.folder.path())).await.unwrap();
    let http = client();
    let url = |path: &str| format!("{}{path}", other.running.url());
    let page = async || -> Option<usize> {
        let response = http.get(url("/dev/simple/demo/")).header("accept", JSON).send().await.unwrap();
        if response.status() == 404 {
            return None;
        }
        let page: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        Some(page["files"].as_array().unwrap().len())
    };
    assert_eq!(page().await, None);
    for at in 0..20 {
        let dist = wheel("demo", &format!("1.{at}"), "a");
        assert_eq!(one.upload(&dist).await.status(), 200);
        assert_eq!(page().await, Some(at + 1));
        let file = url(&format!("/files/{}/{}", dist.sha256(), dist.filename));
        assert_eq!(http.get(file).send().await.unwrap().status(), 200);
    }
    let body = serde_json::json!({ "project": "demo", "version": "1.3", "set": true, "reason": "r" });
    assert_eq!(one.post("/api/v1/blocks", body).await.0, 200);
    assert_eq!(page().await, Some(19));

    // The other way round, through tokens: made beside both servers, seen by both.
    let token = one.token("ci", &[], &[], &[Action::Upload]).await;
    assert_eq!(one.upload_as(&wheel("demo", "2.0", "a"), token.expose(), "/dev/").await.status(), 200);
    assert_eq!(page().await, Some(20));
    let get = async || {
        let request = http.get(url("/dev/simple/")).bearer_auth(token.expose());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get().await, 200);
    let admin = one.admin().await;
    admin.revoke_token("ci").await.unwrap();
    assert_eq!(get().await, 401);
    admin.close().await;
    // The token of an embedded index holds in its own process alone.
    let foreign = http.get(url("/dev/simple/")).bearer_auth(one.server.token.expose());
    assert_eq!(foreign.send().await.unwrap().status(), 401);
    other.running.shutdown().await;
    assert_eq!(one.listed("dev", "demo").await.unwrap().len(), 20);
}

#[tokio::test]
async fn data_outlives_the_server_and_a_second_start_is_quick() {
    let Kit { folder, server, http } = Kit::new().await;
    let kit = Kit { folder, server, http };
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    kit.vouch("demo", "1.0").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    let Kit { folder, server, http } = kit;
    server.running.shutdown().await;
    let began = Instant::now();
    let server = embedded(config(folder.path())).await.unwrap();
    let took = began.elapsed();
    println!("second start: {took:?}");
    let kit = Kit { folder, server, http };
    assert_eq!(kit.listed("staging", "demo").await.unwrap(), [dist.filename]);
}

#[tokio::test]
async fn a_channel_made_beside_a_running_server_is_there() {
    let kit = Kit::new().await;
    assert_eq!(kit.get("/edge/simple/").send().await.unwrap().status(), 404);
    let admin = kit.admin().await;
    let edge = shipway_index::ChannelConfig {
        name: "edge".parse().unwrap(),
        accepts_uploads: false,
        local_versions: false,
    };
    admin.create_channel(&edge).await.unwrap();
    assert!(admin.create_channel(&edge).await.is_err());
    assert_eq!(admin.channels().await.unwrap().len(), 4);
    assert_eq!(kit.get("/edge/simple/").send().await.unwrap().status(), 200);
    admin.close().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_the_key_named() {
    let folder = tempfile::tempdir().unwrap();
    for (database, storage, key) in [
        (Some("mysql://localhost/x"), None, "database"),
        (Some("sqlite::memory:"), None, "database"),
        (None, Some("ftp://bucket"), "storage"),
        (None, Some("s3://"), "storage"),
    ] {
        let mut config = config(folder.path());
        config.database = database.map(str::to_owned);
        config.storage = storage.map(str::to_owned);
        let error = embedded(config).await.err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_flight_end() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    let body = serde_json::json!({
        "project": "demo", "version": "1.0", "channel": "dev", "files": [dist.entry()],
    });
    let (_, begun) = kit.post("/api/v1/sessions", body).await;
    let path = format!("/api/v1/sessions/{}/files/{}", begun["id"].as_str().unwrap(), dist.filename);
    let (first, second) = dist.bytes.split_at(100);
    let (first, second) = (first.to_vec(), second.to_vec());
    let (begun, began) = tokio::sync::oneshot::channel();
    let slow = futures_util::stream::once(async move {
        let _ = begun.send(());
        Ok::<_, std::io::Error>(first)
    });
    let rest = futures_util::stream::once(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        Ok(second)
    });
    let body = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(slow, rest));
    let request = kit.request(reqwest::Method::PUT, &path).body(body);
    let sending = tokio::spawn(async move { request.send().await.unwrap().status() });
    began.await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let Kit { server, .. } = kit;
    server.running.shutdown().await;
    assert_eq!(sending.await.unwrap(), 200);
}

#[tokio::test]
async fn i4_over_tls_pages_answer_304_and_files_come_whole() {
    let folder = tempfile::tempdir().unwrap();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls");
    let mut with_tls = config(folder.path());
    with_tls.tls =
        Some(shipway_index::TlsFiles { certificate: here.join("cert.pem"), key: here.join("key.pem") });
    let running = shipway_index::start(with_tls.clone(), "127.0.0.1:0").await.unwrap();
    assert!(running.url().starts_with("https://"));
    let root = reqwest::Certificate::from_pem(&std::fs::read(here.join("cert.pem")).unwrap()).unwrap();
    drop(client());
    let http = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
    let page = http.get(format!("{}/dev/simple/", running.url())).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let etag = page.headers()["etag"].clone();
    let again = http.get(format!("{}/dev/simple/", running.url())).header("if-none-match", etag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    running.shutdown().await;

    with_tls.tls =
        Some(shipway_index::TlsFiles { certificate: here.join("key.pem"), key: here.join("key.pem") });
    assert!(shipway_index::start(with_tls, "127.0.0.1:0").await.is_err());
}
