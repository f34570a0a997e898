//! The OpenAPI document: kept in the documents, judged by another reader, and true of what the index answers.

use reqwest::Method;
use serde_json::{Value, json};
use shipway_dist::signing::PrivateKey;
use shipway_index::{Action, openapi};
use shipway_testing::Tools;

use crate::kit::{Dist, Kit, answer, digest_of, session, wheel};
use crate::vouch::{enrolling, key, says};

/// An index, and every answer that it gave.
struct Recorder {
    kit: Kit,
    answers: Vec<Value>,
}

impl Recorder {
    async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let token = self.kit.server.token.expose().to_owned();
        self.call_as(Some(&token), method, path, body).await
    }

    async fn call_as(
        &mut self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self.kit.http.request(method.clone(), self.kit.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.note(method, path, request.send().await.unwrap()).await
    }

    async fn note(&mut self, method: Method, path: &str, response: reqwest::Response) -> (u16, Value) {
        let (status, body) = answer(response).await;
        self.answers.push(json!({ "method": method.as_str(), "path": path, "status": status, "body": body }));
        (status, body)
    }

    async fn get(&mut self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn put(&mut self, id: &str, filename: &str, bytes: &[u8]) -> (u16, Value) {
        let path = format!("/api/v1/sessions/{id}/files/{filename}");
        let response = self.kit.request(Method::PUT, &path).body(bytes.to_vec()).send().await.unwrap();
        self.note(Method::PUT, &path, response).await
    }

    /// A release by a session, with its refusals on the way.
    async fn publish(&mut self, version: &str) -> Dist {
        let file = wheel("demo", version, "a");
        let request = session("demo", version, std::slice::from_ref(&file));
        assert_eq!(self.post("/api/v1/preflight", request.clone()).await.0, 200);
        let (status, begun) = self.post("/api/v1/sessions", request.clone()).await;
        assert_eq!(status, 201, "{begun}");
        assert_eq!(self.post("/api/v1/sessions", request).await.0, 200);
        let id = begun["id"].as_str().unwrap().to_owned();
        assert_eq!(self.get(&format!("/api/v1/sessions/{id}")).await.0, 200);
        assert_eq!(self.put(&id, &file.filename, b"no wheel").await.0, 400);
        assert_eq!(self.put(&id, "demo-9.tar.gz", b"x").await.0, 404);
        let publish = format!("/api/v1/sessions/{id}/publish");
        assert_eq!(self.post(&publish, json!({})).await.1["code"], "session-incomplete");
        assert_eq!(self.put(&id, &file.filename, &file.bytes).await.0, 200);
        assert_eq!(self.post(&publish, json!({})).await.0, 200);
        file
    }

    async fn promote(&mut self, version: &str, files: &[Dist], dry_run: bool) -> (u16, Value) {
        let body = json!({
            "project": "demo", "version": version, "to": "staging", "manifest_digest": digest_of(files),
            "dry_run": dry_run,
        });
        self.post("/api/v1/promotions", body).await
    }
}

async fn everything() -> Recorder {
    let mut index = Recorder { kit: Kit::new().await, answers: Vec::new() };
    for path in ["openapi.json", "channels", "policy", "keys", "log"] {
        assert_eq!(index.get(&format!("/api/v1/{path}")).await.0, 200, "{path}");
    }
    let first = index.publish("1.0").await;
    let other = wheel("demo", "1.0", "other");
    let conflict = index.post("/api/v1/sessions", session("demo", "1.0", &[other])).await;
    assert_eq!((conflict.0, conflict.1["code"].as_str()), (422, Some("digest-conflict")), "{}", conflict.1);
    let closed = json!({ "project": "demo", "version": "3", "channel": "stable", "files": [] });
    assert!(index.post("/api/v1/sessions", closed).await.0 >= 400);

    let evidence = "/api/v1/projects/demo/releases/1.0/evidence";
    let statement = enrolling(&says("distribution", std::slice::from_ref(&first)), &key(1));
    assert_eq!(index.post(evidence, statement.clone()).await.0, 201);
    assert_eq!(index.post(evidence, statement).await.0, 200);
    assert_eq!(index.get(evidence).await.0, 200);
    assert!(index.get("/api/v1/projects/demo/releases/not a version/evidence").await.0 >= 400);
    let stranger: PrivateKey = key(2);
    let mut unknown = enrolling(&says("tests", std::slice::from_ref(&first)), &stranger);
    unknown.as_object_mut().unwrap().remove("public_key");
    assert_eq!(index.post(evidence, unknown).await.0, 422);

    let files = std::slice::from_ref(&first);
    assert_eq!(index.promote("1.0", files, false).await.1["code"], "not-ready");
    index.kit.vouch("demo", "1.0").await;
    assert_eq!(index.promote("1.0", files, true).await.0, 200);
    assert_eq!(index.promote("1.0", files, false).await.0, 200);
    assert_eq!(index.promote("7.0", files, false).await.0, 404);

    let mark = |set: bool, version: &str| json!({ "project": "demo", "version": version, "set": set, "reason": "r" });
    for path in ["/api/v1/yanks", "/api/v1/blocks"] {
        assert_eq!(index.post(path, mark(true, "1.0")).await.0, 200);
        assert_eq!(index.post(path, mark(false, "1.0")).await.0, 200);
        assert_eq!(index.post(path, json!({ "project": 1 })).await.0, 400);
    }
    let bad = |version: &str| json!({ "project": "demo", "version": version, "reason": "r" });
    assert_eq!(index.post("/api/v1/rollbacks", bad("1.0")).await.1["code"], "no-earlier-release");
    index.publish("1.1").await;
    assert_eq!(index.post("/api/v1/rollbacks", bad("1.1")).await.0, 200);
    assert_eq!(index.get("/api/v1/projects/demo").await.0, 200);
    assert_eq!(index.get("/api/v1/projects/nosuch").await.0, 404);

    let given_up = wheel("demo", "2.0", "a");
    let (_, begun) = index.post("/api/v1/sessions", session("demo", "2.0", &[given_up])).await;
    let path = format!("/api/v1/sessions/{}", begun["id"].as_str().unwrap());
    assert_eq!(index.call(Method::DELETE, &path, None).await.0, 200);
    assert_eq!(index.get(&path).await.0, 404);

    let limited = index.kit.token("limited", &["other"], &[], &[Action::Read]).await;
    for (token, status) in [(None, 401), (Some("shipway_no_such"), 401), (Some(limited.expose()), 403)] {
        let (found, body) =
            index.call_as(token, Method::POST, "/api/v1/yanks", Some(mark(true, "1.0"))).await;
        assert_eq!(found, status, "{body}");
    }
    index
}

#[tokio::test]
async fn every_answer_of_a_run_is_as_the_document_says_and_another_reader_takes_it() {
    let index = everything().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let served = index.answers[0]["body"].clone();
    assert_eq!(served, openapi());
    let python = Tools::get().alone("openapi-spec-validator", "python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi.py");
    let judge = |answers: &Value| {
        let (document, answers) = (write("document.json", &served), write("answers.json", answers));
        std::process::Command::new(&python).arg(script).arg(document).arg(answers).output().unwrap()
    };
    let answers = Value::Array(index.answers.clone());
    let judged = judge(&answers);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    // The reader sees what does not fit.
    let mut wrong = answers;
    wrong[1]["body"]["channels"] = json!("none");
    assert!(!judge(&wrong).status.success());
}

#[tokio::test]
async fn every_path_of_the_document_takes_its_methods_and_no_other() {
    let kit = Kit::new().await;
    let document = openapi();
    for (path, item) in document["paths"].as_object().unwrap() {
        let asked = path.replace("{project}", "demo").replace("{version}", "1").replace("{id}", "x");
        let asked = asked.replace("{filename}", "f");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let described = item.get(method.to_lowercase()).is_some();
            let response = kit.request(method.parse().unwrap(), &asked).send().await.unwrap();
            assert_eq!(response.status() != 405, described, "{method} {path}");
            let body = response.text().await.unwrap();
            assert!(!body.contains("this path"), "{method} {path}: {body}");
        }
    }
    let unknown = kit.get("/api/v1/nosuch").send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}

#[test]
fn the_document_that_is_kept_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
    let text = format!("{:#}\n", openapi());
    if std::env::var_os("SHIPWAY_REFRESH").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "SHIPWAY_REFRESH=1 refreshes it");
}
