//! Upload sessions.

use reqwest::Method;
use serde_json::{Value, json};
use shipway_index::Action;

use crate::kit::{Dist, Kit, answer, digest_of, sdist, session, wheel, wheel_with};

fn release(version: &str) -> Vec<Dist> {
    vec![wheel("demo", version, "a"), sdist("demo", version, "a")]
}

#[tokio::test]
async fn f4_a_release_is_visible_only_when_all_files_are_in() {
    let kit = Kit::new().await;
    let files = release("1.0");
    let (status, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    assert_eq!((status, begun["state"].as_str()), (201, Some("open")), "{begun}");
    assert_eq!(begun["missing"].as_array().unwrap().len(), 2);
    let id = begun["id"].as_str().unwrap();
    let publish = format!("/api/v1/sessions/{id}/publish");

    for file in &files {
        let (status, refused) = kit.post(&publish, json!({})).await;
        assert_eq!((status, refused["code"].as_str()), (422, Some("session-incomplete")), "{refused}");
        assert_eq!(kit.listed("dev", "demo").await, None);
        let (status, taken) = kit.put(id, file).await;
        assert_eq!(
            (status, taken["sha256"].as_str()),
            (200, Some(file.sha256().to_hex().as_str())),
            "{taken}"
        );
        let path = format!("/files/{}/{}", file.sha256(), file.filename);
        assert_eq!(kit.get(&path).send().await.unwrap().status(), 404);
    }
    assert_eq!(kit.listed("dev", "demo").await, None);
    let (status, published) = kit.post(&publish, json!({})).await;
    assert_eq!((status, published["state"].as_str()), (200, Some("published")), "{published}");
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);

    let project = kit.project("demo").await;
    let release = &project["releases"][0];
    assert_eq!(release["commit"], "c0ffee");
    assert_eq!(release["manifest_digest"], digest_of(&files).to_hex());
    assert_eq!(project["channels"][0]["current"], "1.0");
    assert_eq!(project["channels"][1]["current"], Value::Null);

    // A lost answer: the same again is the same.
    let (status, published) = kit.post(&publish, json!({})).await;
    assert_eq!((status, published["state"].as_str()), (200, Some("published")));
    let before = kit.stored().await;
    let (status, again) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    assert_eq!((status, again["state"].as_str(), again["id"].as_str()), (200, Some("published"), Some("")));
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn f5_an_interrupted_upload_is_resumed() {
    let kit = Kit::new().await;
    let files = release("1.0");
    let (_, first) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    kit.put(first["id"].as_str().unwrap(), &files[0]).await;
    let (status, second) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    assert_eq!((status, &second["id"]), (200, &first["id"]));
    assert_eq!(second["missing"], json!([files[1].filename]));
    // The same file again does no harm.
    assert_eq!(kit.put(first["id"].as_str().unwrap(), &files[0]).await.0, 200);
    kit.publish("demo", "1.0", &files).await;
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);
}

#[tokio::test]
async fn f4_the_bytes_must_be_those_announced() {
    let kit = Kit::new().await;
    let files = release("1.0");
    let (_, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    let id = begun["id"].as_str().unwrap();
    let before = kit.stored().await;
    let other = Dist { bytes: wheel("demo", "1.0", "b").bytes, ..files[0].clone() };
    let (status, refused) = kit.put(id, &other).await;
    assert_eq!((status, refused["code"].as_str()), (400, Some("invalid-distribution")), "{refused}");
    let longer = Dist { bytes: [&files[0].bytes[..], b"more"].concat(), ..files[0].clone() };
    assert_eq!(kit.put(id, &longer).await.0, 400);
    let unlisted = wheel_with("demo", "1.0", "py2-none-any", "c");
    assert_eq!(kit.put(id, &unlisted).await.0, 404);
    assert_eq!(kit.put("nosuch", &files[0]).await.0, 404);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn f4_an_unsound_file_is_refused_before_anything_is_visible() {
    let kit = Kit::new().await;
    let broken = Dist { bytes: b"PK no zip".to_vec(), ..wheel("demo", "1.0", "a") };
    let (_, begun) =
        kit.post("/api/v1/sessions", session("demo", "1.0", std::slice::from_ref(&broken))).await;
    let before = kit.stored().await;
    let (status, refused) = kit.put(begun["id"].as_str().unwrap(), &broken).await;
    assert_eq!((status, refused["code"].as_str()), (400, Some("invalid-distribution")), "{refused}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn f3_a_published_release_takes_no_other_files() {
    let kit = Kit::new().await;
    kit.publish("demo", "1.0", &release("1.0")).await;
    let before = kit.stored().await;
    let changed = vec![wheel("demo", "1.0", "b"), sdist("demo", "1.0", "a")];
    let (status, refused) = kit.post("/api/v1/sessions", session("demo", "1.0", &changed)).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("digest-conflict")), "{refused}");
    let fewer = vec![wheel("demo", "1.0", "a")];
    let (status, refused) = kit.post("/api/v1/sessions", session("demo", "1.0", &fewer)).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("release-conflict")), "{refused}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn f5_a_legacy_half_release_is_completed_by_a_session() {
    let kit = Kit::new().await;
    let files = release("1.0");
    assert_eq!(kit.upload(&files[0]).await.status(), 200);
    let (_, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    assert_eq!(begun["missing"], json!([files[1].filename]), "{begun}");
    kit.publish("demo", "1.0", &files).await;
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);
}

#[tokio::test]
async fn two_sessions_for_one_release_conflict_until_one_is_deleted() {
    let kit = Kit::new().await;
    let (one, two) = (vec![wheel("demo", "1.0", "a")], vec![wheel("demo", "1.0", "b")]);
    let (_, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &one)).await;
    let id = begun["id"].as_str().unwrap();
    kit.put(id, &one[0]).await;
    let before = kit.stored().await;
    let (status, refused) = kit.post("/api/v1/sessions", session("demo", "1.0", &two)).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("session-conflict")), "{refused}");
    assert_eq!(kit.stored().await, before);
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(kit.json(&path).await["state"], "open");
    assert_eq!(kit.request(Method::DELETE, &path).send().await.unwrap().status(), 200);
    assert_eq!(kit.get(&path).send().await.unwrap().status(), 404);
    assert_eq!(crate::kit::blobs(kit.folder.path()).len(), 0);
    kit.publish("demo", "1.0", &two).await;
}

#[tokio::test]
async fn an_expired_session_stands_in_nobodys_way() {
    let kit = Kit::with(|config| config.limits.session = std::time::Duration::ZERO).await;
    let (one, two) = (vec![wheel("demo", "1.0", "a")], vec![wheel("demo", "1.0", "b")]);
    let (_, first) = kit.post("/api/v1/sessions", session("demo", "1.0", &one)).await;
    assert_eq!(kit.put(first["id"].as_str().unwrap(), &one[0]).await.0, 200);
    let (status, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &two)).await;
    assert_eq!(status, 201, "{begun}");
    assert_eq!(crate::kit::blobs(kit.folder.path()).len(), 0);
}

#[tokio::test]
async fn f14_preflight_says_all_problems_and_writes_nothing() {
    let kit = Kit::new().await;
    kit.publish("demo", "1.0", &release("1.0")).await;
    kit.post("/api/v1/sessions", session("demo", "1.1", &release("1.1"))).await;
    let before = kit.stored().await;
    let ids = |body: &Value| -> Vec<String> {
        let problems = body["problems"].as_array().unwrap();
        problems.iter().map(|problem| problem["id"].as_str().unwrap().to_owned()).collect()
    };
    let (status, fine) = kit.post("/api/v1/preflight", session("demo", "1.2", &release("1.2"))).await;
    assert_eq!((status, fine["ok"].as_bool()), (200, Some(true)), "{fine}");
    let (_, there) = kit.post("/api/v1/preflight", session("demo", "1.0", &release("1.0"))).await;
    assert_eq!(there["ok"], true, "{there}");

    let mut request = session("demo", "1.0", &[wheel("demo", "1.0", "b"), wheel("other", "1.0", "b")]);
    request["channel"] = json!("stable");
    let (status, bad) = kit.post("/api/v1/preflight", request).await;
    assert_eq!((status, bad["ok"].as_bool()), (200, Some(false)));
    let mut found = ids(&bad);
    found.sort();
    found.dedup();
    let expected =
        ["channel-takes-no-uploads", "digest-conflict", "invalid-distribution", "release-conflict"];
    assert_eq!(found, expected, "{bad}");

    let (_, open) = kit.post("/api/v1/preflight", session("demo", "1.1", &[wheel("demo", "1.1", "c")])).await;
    assert_eq!(ids(&open), ["session-conflict"]);
    assert_eq!(kit.stored().await, before);

    let token = kit.token("other", &["other"], &[], &[Action::Upload]).await;
    let request = |token: &str| {
        let body = session("demo", "1.2", &release("1.2"));
        kit.http.post(kit.url("/api/v1/preflight")).bearer_auth(token).json(&body).send()
    };
    let (status, scope) = answer(request(token.expose()).await.unwrap()).await;
    assert_eq!((status, ids(&scope)), (200, vec!["token-scope".to_owned()]));
    assert_eq!(request("shipway_no_token").await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_session_beyond_the_tokens_reach_is_not_found() {
    let kit = Kit::new().await;
    let files = release("1.0");
    let (_, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    let token = kit.token("other", &["other"], &[], &[Action::Upload]).await;
    let path = format!("/api/v1/sessions/{}", begun["id"].as_str().unwrap());
    let before = kit.stored().await;
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/publish")),
        (Method::PUT, format!("{path}/files/{}", files[0].filename)),
    ] {
        let request = kit.http.request(method, kit.url(&path)).bearer_auth(token.expose());
        assert_eq!(request.body(files[0].bytes.clone()).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn malformed_documents_are_400_in_json() {
    let kit = Kit::new().await;
    for body in ["", "{", "[]", r#"{"project":"-bad-","version":"1","channel":"dev","files":[]}"#] {
        let response = kit.request(Method::POST, "/api/v1/sessions").body(body).send().await.unwrap();
        let (status, body) = answer(response).await;
        assert_eq!((status, body["code"].as_str()), (400, Some("bad-request")), "{body}");
    }
    let (status, body) = kit.post("/api/v1/sessions", session("demo", "1.x", &[])).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("bad-request")), "{body}");
    let (status, body) = kit.post("/api/v1/sessions", session("demo", "1.0", &[])).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("invalid-distribution")), "{body}");
}
