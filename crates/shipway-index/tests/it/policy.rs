//! What a channel asks of a release, and who may answer: evidence, keys, promotion.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use shipway_dist::evidence::Verdict;
use shipway_dist::signing::Envelope;
use shipway_index::Action;

use crate::kit::{Dist, Kit, sdist, wheel};
use crate::vouch::{approves, enrolling, key, says, says_in, signed};

fn files() -> Vec<Dist> {
    vec![wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a")]
}

async fn published() -> Kit {
    let kit = Kit::new().await;
    kit.publish("demo", "1.0", &files()).await;
    kit
}

fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

/// The findings of a refusal: id and item.
fn lacks(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{body}"));
    errors.iter().map(|error| (text(&error["id"]), text(&error["field"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, item)| ((*id).to_owned(), (*item).to_owned())).collect()
}

#[tokio::test]
async fn evidence_is_kept_signed_and_the_same_again_is_success() {
    let kit = published().await;
    let statement = says("tests", &files());
    let (status, stored) = kit.send("demo", "1.0", enrolling(&statement, &key(1))).await;
    assert_eq!(status, 201, "{stored}");
    let one = &stored["statements"][0];
    assert_eq!((&one["role"], &one["signer"]), (&json!("ci"), &json!("embedded")), "{one}");
    let before = kit.stored().await;
    let (status, again) = kit.send("demo", "1.0", signed(&statement, &key(1))).await;
    assert_eq!((status, &again["statements"][0]["id"]), (200, &one["id"]));
    // The same payload by the same key in another wrapping: no second statement, so no later one.
    let mut other = Envelope::sign(&statement, &key(1));
    other.payload = URL_SAFE.encode(STANDARD.decode(&other.payload).unwrap());
    other.signatures[0].keyid = String::new();
    let (status, again) = kit.send("demo", "1.0", json!({ "envelope": other })).await;
    assert_eq!((status, &again["statements"][0]["id"]), (200, &one["id"]), "{again}");
    assert_eq!(kit.send("demo", "2.0", signed(&statement, &key(1))).await.0, 404);
    assert_eq!(kit.stored().await, before);
    let list = kit.json("/api/v1/projects/demo/releases/1.0/evidence").await;
    assert_eq!(list["statements"].as_array().unwrap().len(), 1);
    assert_eq!(&list["statements"][0], one);
    let envelope: Envelope = serde_json::from_value(one["envelope"].clone()).unwrap();
    assert_eq!(envelope.digest().to_hex(), one["id"]);
    // The leaf holds digests, never the envelope.
    assert!(!before.lines().any(|line| line.starts_with("journal") && line.contains(&envelope.payload)));
}

#[tokio::test]
async fn what_no_known_key_signed_is_refused_and_nothing_is_kept() {
    let kit = published().await;
    kit.send("demo", "1.0", enrolling(&says("lint", &files()), &key(1))).await;
    let before = kit.stored().await;
    let statement = says("tests", &files());
    let refused = async |body: Value| {
        let (status, answer) = kit.send("demo", "1.0", body).await;
        (status, code(&answer).to_owned(), answer.to_string())
    };
    let untrusted = |(status, code, text): (u16, String, String)| {
        assert_eq!((status, code.as_str()), (422, "untrusted-evidence"), "{text}");
        text
    };
    let text = untrusted(refused(signed(&statement, &key(2))).await);
    assert!(text.contains("shipway admin key add"), "{text}");
    // A key that is offered and did not sign.
    let body = json!({ "envelope": Envelope::sign(&statement, &key(2)), "public_key": key(3).public() });
    untrusted(refused(body).await);
    let mut resigned = Envelope::sign(&statement, &key(2));
    resigned.signatures[0].keyid = key(1).public().id().to_hex();
    untrusted(refused(json!({ "envelope": resigned })).await);
    let mut swapped = Envelope::sign(&statement, &key(1));
    swapped.payload = Envelope::sign(&says("types", &files()), &key(1)).payload;
    untrusted(refused(json!({ "envelope": swapped })).await);
    // An approval is not for a pipeline to give, and an offered key is one.
    untrusted(refused(signed(&approves("stable", "fine", &files()), &key(1))).await);
    untrusted(refused(enrolling(&approves("stable", "fine", &files()), &key(2))).await);

    let malformed = |(status, code, text): (u16, String, String)| {
        assert_eq!((status, code.as_str()), (400, "bad-request"), "{text}");
    };
    let mut cut = Envelope::sign(&statement, &key(1));
    cut.payload.truncate(5);
    malformed(refused(json!({ "envelope": cut })).await);
    let mut typed = Envelope::sign(&statement, &key(1));
    typed.payload_type = "application/json".to_owned();
    malformed(refused(json!({ "envelope": typed })).await);
    let mut two = Envelope::sign(&statement, &key(1));
    two.signatures.extend(Envelope::sign(&statement, &key(2)).signatures);
    malformed(refused(json!({ "envelope": two })).await);
    two.signatures.clear();
    malformed(refused(json!({ "envelope": two })).await);
    let mut no_evidence = statement.clone();
    no_evidence.predicate_type = "https://example.com/other/v1".to_owned();
    malformed(refused(signed(&no_evidence, &key(1))).await);
    let mut nobody = statement.clone();
    nobody.subject.clear();
    malformed(refused(signed(&nobody, &key(1))).await);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn adding_evidence_needs_its_action() {
    let kit = published().await;
    let token = kit.token("up", &["demo"], &[], &[Action::Upload, Action::Promote]).await;
    let before = kit.stored().await;
    let body = enrolling(&says("tests", &files()), &key(1));
    let path = kit.url("/api/v1/projects/demo/releases/1.0/evidence");
    let request = kit.http.post(&path).bearer_auth(token.expose()).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(kit.http.post(&path).json(&body).send().await.unwrap().status(), 401);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn g6_missing_stale_and_other_bytes_are_refused_by_name() {
    let kit = published().await;
    let (status, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, code(&refused)), (422, "not-ready"), "{refused}");
    assert_eq!(
        lacks(&refused),
        pairs(&[("evidence-missing", "distribution"), ("evidence-missing", "smoke@dev")])
    );
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("`distribution`") && message.contains("`smoke@dev`"), "{message}");
    assert_eq!(refused["errors"][1]["hint"], "shipway smoke 1.0 --from dev");
    assert!(kit.listed("staging", "demo").await.is_none());

    let mut stale = says("distribution", &files());
    stale.predicate.commit = "another".to_owned();
    kit.send("demo", "1.0", enrolling(&stale, &key(1))).await;
    let other = [wheel("demo", "1.0", "b"), sdist("demo", "1.0", "b")];
    let (status, kept) = kit.send("demo", "1.0", signed(&says_in("smoke", "dev", &other), &key(1))).await;
    assert_eq!(status, 201, "{kept}");
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(
        lacks(&refused),
        pairs(&[("evidence-stale", "distribution"), ("evidence-other-bytes", "smoke@dev")]),
        "{refused}"
    );

    let mut failed = says("distribution", &files());
    kit.send("demo", "1.0", signed(&failed, &key(1))).await;
    kit.send("demo", "1.0", signed(&says_in("smoke", "dev", &files()), &key(1))).await;
    failed.predicate.result = Verdict::Failed;
    kit.send("demo", "1.0", signed(&failed, &key(1))).await;
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-failed", "distribution")]), "a later FAILED outranks");
    // A replay of the earlier PASSED makes nothing later.
    let passed = says("distribution", &files());
    assert_eq!(kit.send("demo", "1.0", signed(&passed, &key(1))).await.0, 200);
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 422);
    let mut again = passed;
    again.predicate.started_on = "2030-01-02T00:00:00Z".to_owned();
    kit.send("demo", "1.0", signed(&again, &key(1))).await;
    let (status, change) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(status, 200, "{change}");
    assert!(change["items"].as_array().unwrap().iter().all(|item| item["verdict"] == "passed"), "{change}");
    assert_eq!(change.get("passed_over"), None);
}

#[tokio::test]
async fn a_refusal_is_signed_and_logged_once_and_a_dry_run_writes_nothing() {
    let kit = published().await;
    let digest = crate::kit::manifest_digest(&kit.project("demo").await, "1.0");
    let before = kit.stored().await;
    let body = json!({
        "project": "demo", "version": "1.0", "to": "staging", "manifest_digest": digest, "dry_run": true,
    });
    let (status, dry) = kit.post("/api/v1/promotions", body).await;
    assert_eq!((status, code(&dry)), (422, "not-ready"));
    assert_eq!(kit.stored().await, before);
    let (_, real) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(dry, real);
    let once = kit.stored().await;
    assert_ne!(once, before);
    assert_eq!(kit.promote("demo", "1.0", "staging").await.1, real);
    assert_eq!(kit.stored().await, once, "nothing new to judge, nothing new to write");
    assert_eq!(once.matches("'refuse-promotion'").count(), 1);
    let channels = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("channel_releases")).map(str::to_owned).collect()
    };
    assert_eq!(channels(&once), channels(&before));

    let decision = last_decision(&kit).await;
    assert_eq!(decision["predicate"]["verificationResult"], "FAILED");
    assert_eq!(decision["predicate"]["inputAttestations"], json!([]));
    assert_eq!(decision["predicate"]["items"][0]["verdict"], "missing");
    kit.vouch("demo", "1.0").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    let decision = last_decision(&kit).await;
    assert_eq!(decision["predicate"]["verificationResult"], "PASSED", "{decision}");
    let origin = kit.json("/api/v1/log").await["origin"].clone();
    assert_eq!(decision["predicate"]["verifier"]["id"], origin);
    let policy = kit.json("/api/v1/policy").await;
    assert_eq!(decision["predicate"]["policy"]["digest"]["sha256"], policy["digest"]);
    assert_eq!(decision["predicate"]["inputAttestations"].as_array().unwrap().len(), 3);
}

/// The last decision of the index, verified with the key that it says is its own.
async fn last_decision(kit: &Kit) -> Value {
    let list = kit.json("/api/v1/projects/demo/releases/1.0/evidence").await;
    let decisions = list["statements"].as_array().unwrap().iter().filter(|one| one["role"] == "index");
    let last = decisions.last().unwrap();
    let keys = kit.json("/api/v1/keys").await;
    let known = keys["keys"].as_array().unwrap().iter().find(|known| known["id"] == last["key"]).unwrap();
    assert_eq!((&known["role"], &known["registered"]), (&json!("index"), &json!(true)));
    let public = serde_json::from_value(known["public"].clone()).unwrap();
    let envelope: Envelope = serde_json::from_value(last["envelope"].clone()).unwrap();
    serde_json::from_slice(&envelope.open(&|_| vec![public]).unwrap().payload).unwrap()
}
