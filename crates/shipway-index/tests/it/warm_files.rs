//! Files that were given lately: the same answer from memory, and never one that a commit made wrong.

use serde_json::json;
use shipway_index::Action;

use crate::kit::{Kit, wheel};

/// Status, and the body, of a file asked for with a token.
async fn get(kit: &Kit, path: &str, token: &str) -> (u16, Vec<u8>) {
    let response = kit.http.get(kit.url(path)).bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn i9_a_warm_file_is_given_to_whoever_may_read_it_now() {
    let kit = Kit::with(|config| config.anonymous_read = Some(false)).await;
    let (dist, other) = (wheel("demo", "1.0", "a"), wheel("other", "1.0", "a"));
    for dist in [&dist, &other] {
        assert_eq!(kit.upload(dist).await.status(), 200);
    }
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let sidecar = format!("{file}.metadata");
    let reader = kit.token("reader", &["demo"], &["dev"], &[Action::Read]).await;
    let stranger = kit.token("stranger", &["other"], &["dev"], &[Action::Read]).await;
    let check = async |status: u16, file: &str, bytes: &[u8]| {
        // Cold, warm, and warm once more.
        for _ in 0..3 {
            let (found, body) = get(&kit, file, reader.expose()).await;
            assert_eq!(found, status, "{file}");
            assert!(status != 200 || body == bytes, "{file}");
            assert_eq!(get(&kit, file, stranger.expose()).await.0, 404, "{file}");
            assert_eq!(kit.http.get(kit.url(file)).send().await.unwrap().status(), 401, "{file}");
        }
    };
    let both = async |status: u16| {
        check(status, &file, &dist.bytes).await;
        check(status, &sidecar, &dist.metadata).await;
    };
    both(200).await;
    for (blocked, status) in [(true, 403), (false, 200)] {
        let body = json!({ "project": "demo", "version": "1.0", "set": blocked, "reason": "bad" });
        assert_eq!(kit.post("/api/v1/blocks", body).await.0, 200);
        both(status).await;
    }
    // A token that is revoked, by another process, reads nothing more.
    let gone = kit.token("gone", &["demo"], &["dev"], &[Action::Read]).await;
    assert_eq!(get(&kit, &file, gone.expose()).await.0, 200);
    let admin = kit.admin().await;
    admin.revoke_token("gone").await.unwrap();
    assert_eq!(get(&kit, &file, gone.expose()).await.0, 401);
    admin.remove_file(&dist.filename, "court order").await.unwrap();
    both(410).await;
}

#[tokio::test]
async fn i4_a_warm_file_has_the_fields_of_a_cold_one_and_its_parts() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    for path in [file.clone(), format!("{file}.metadata")] {
        let fields = async || {
            let response = kit.get(&path).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let mut headers = response.headers().clone();
            assert!(headers.remove("x-request-id").is_some() && headers.remove("date").is_some());
            let etag = headers["etag"].to_str().unwrap().to_owned();
            (headers, etag)
        };
        let (cold, etag) = fields().await;
        assert!(["last-modified", "accept-ranges", "vary"].iter().all(|name| cold.contains_key(*name)));
        assert_eq!(fields().await.0, cold, "{path}");
        let part = kit.get(&path).header("range", "bytes=0-3").send().await.unwrap();
        assert_eq!((part.status().as_u16(), part.bytes().await.unwrap().len()), (206, 4));
        let known = kit.get(&path).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(known.status(), 304);
        let head = kit.request(reqwest::Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], cold["content-length"]);
        assert_eq!(fields().await.0, cold, "{path}");
    }
}
