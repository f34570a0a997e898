//! Row E17: releases from a person's machine.

use serde_json::{Value, json};
use shipway_dist::evidence::{Statement, Verdict};
use shipway_dist::policy::Role;
use shipway_dist::signing::{Envelope, PrivateKey};

use crate::kit::{Kit, session, wheel};
use crate::vouch::{approves, code, files, key, says};

async fn standing(local: &str) -> Kit {
    let kit = Kit::standing().await;
    kit.policy(&format!("[publish]\nlocal = \"{local}\"\n")).await;
    kit.register(Role::Ci, "pipeline", &key(1)).await;
    kit.register(Role::ReleaseManager, "ada", &key(2)).await;
    kit.register(Role::ReleaseManager, "ci-token", &key(3)).await;
    kit
}

fn request(local: bool, vouchers: &[Envelope]) -> Value {
    let mut body = session("demo", "1.0", &files());
    body["local"] = json!(local);
    body["vouchers"] = json!(vouchers);
    body
}

fn seal(statement: &Statement, key: &PrivateKey) -> Envelope {
    Envelope::sign(statement, key)
}

/// Publishes, and gives the release's record.
async fn publish(kit: &Kit, body: Value) -> Value {
    let (status, begun) = kit.post("/api/v1/sessions", body).await;
    assert_eq!(status, 201, "{begun}");
    let id = begun["id"].as_str().unwrap();
    for file in files() {
        assert_eq!(kit.put(id, &file).await.0, 200);
    }
    let (status, body) = kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await;
    assert_eq!(status, 200, "{body}");
    kit.project("demo").await["releases"][0].clone()
}

/// A request that is refused by session and preflight alike, and leaves nothing.
async fn refused(kit: &Kit, body: Value) -> String {
    let before = kit.stored().await;
    let (status, answer) = kit.post("/api/v1/sessions", body.clone()).await;
    assert_eq!((status, code(&answer)), (403, "local-release"), "{answer}");
    let (status, preflight) = kit.post("/api/v1/preflight", body).await;
    assert_eq!((status, &preflight["ok"]), (200, &json!(false)));
    let problem = &preflight["problems"][0];
    assert_eq!((&problem["id"], &problem["message"]), (&json!("local-release"), &answer["message"]));
    assert_eq!(problem["hint"], answer["errors"][0]["hint"]);
    assert_eq!(kit.stored().await, before);
    answer.to_string()
}

#[tokio::test]
async fn e17_allow_takes_it_and_marks_what_says_that_it_is_local() {
    let kit = standing("allow").await;
    assert_eq!(publish(&kit, request(false, &[])).await["local"], false);
    let kit = standing("allow").await;
    assert_eq!(publish(&kit, request(true, &[])).await["local"], true);
    // Once local, always local: the same bytes with a voucher change nothing.
    kit.policy("[publish]\nlocal = \"approve\"\n").await;
    let before = kit.stored().await;
    let voucher = seal(&says("tests", &files()), &key(1));
    let (status, again) = kit.post("/api/v1/sessions", request(false, &[voucher])).await;
    assert_eq!((status, &again["state"]), (200, &json!("published")));
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.project("demo").await["releases"][0]["local"], true);
}

#[tokio::test]
async fn e17_approve_takes_ci_or_an_approval_and_says_what_lacks() {
    let kit = standing("approve").await;
    let text = refused(&kit, request(true, &[])).await;
    assert!(text.contains("shipway approve 1.0 --to dev --reason TEXT"), "{text}");
    refused(&kit, request(false, &[])).await;
    let good = says("tests", &files());
    let mut failed = good.clone();
    failed.predicate.result = Verdict::Failed;
    let mut commit = good.clone();
    commit.predicate.commit = "another".to_owned();
    let half = says("tests", &files()[..1]);
    let mut more = files();
    more.push(wheel("demo", "1.0", "b"));
    let mut swapped = seal(&good, &key(1));
    swapped.payload = seal(&half, &key(1)).payload;
    for (envelope, says) in [
        (seal(&good, &key(9)), "no signature is by a known key"),
        (swapped, "does not hold"),
        (seal(&failed, &key(1)), "failed"),
        (seal(&commit, &key(1)), "another commit"),
        (seal(&half, &key(1)), "not about exactly these files"),
        (seal(&crate::vouch::says("tests", &more), &key(1)), "not about exactly these files"),
        (seal(&good, &key(2)), "is no approval"),
        (seal(&approves("dev", "ci is down", &files()), &key(1)), "only a `release-manager` approves"),
        (seal(&approves("staging", "ci is down", &files()), &key(2)), "is not for `dev`"),
        (seal(&approves("dev", " ", &files()), &key(2)), "gives no reason"),
        (seal(&approves("dev", "ci is down", &files()), &key(3)), "cannot approve it"),
    ] {
        let text = refused(&kit, request(true, &[envelope])).await;
        assert!(text.contains(says), "{says}: {text}");
    }

    let approval = approves("dev", "ci is down", &files());
    let release = publish(&kit, request(false, &[seal(&approval, &key(2))])).await;
    assert_eq!(release["local"], true, "an approval is for a local release");
    let kept = kit.json("/api/v1/projects/demo/releases/1.0/evidence").await;
    assert_eq!(kept["statements"][0]["signer"], "ada");
    assert_eq!(kept["statements"].as_array().unwrap().len(), 1);

    let kit = standing("approve").await;
    let voucher = seal(&good, &key(1));
    let release = publish(&kit, request(false, std::slice::from_ref(&voucher))).await;
    assert_eq!(release["local"], false);
    let kit = standing("approve").await;
    assert_eq!(publish(&kit, request(true, &[voucher])).await["local"], true);
}

#[tokio::test]
async fn e17_a_key_that_is_enrolled_or_revoked_vouches_for_nothing() {
    let kit = standing("approve").await;
    kit.policy("[publish]\nlocal = \"approve\"\nenrol-keys = true\n").await;
    publish_other(&kit).await;
    let body = crate::vouch::enrolling(&says("tests", &[wheel("other", "1.0", "a")]), &key(7));
    assert_eq!(kit.send("other", "1.0", body).await.0, 201);
    let good = says("tests", &files());
    let text = refused(&kit, request(false, &[seal(&good, &key(7))])).await;
    assert!(text.contains("only enrolled"), "{text}");
    // A voucher is judged again when the release becomes visible.
    let (_, begun) = kit.post("/api/v1/sessions", request(false, &[seal(&good, &key(1))])).await;
    let id = begun["id"].as_str().unwrap();
    for file in files() {
        kit.put(id, &file).await;
    }
    kit.revoke("pipeline", false).await;
    let before = kit.stored().await;
    let (status, late) = kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await;
    assert_eq!((status, code(&late)), (403, "local-release"), "{late}");
    assert_eq!(kit.stored().await, before);
    // Resumed with an approval, it is published as what it is.
    let approval = seal(&approves("dev", "ci is down", &files()), &key(2));
    let (status, _) = kit.post("/api/v1/sessions", request(true, &[approval])).await;
    assert_eq!(status, 200);
    assert_eq!(kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await.0, 200);
    assert_eq!(kit.project("demo").await["releases"][0]["local"], true);
}

/// A release of another project, by CI.
async fn publish_other(kit: &Kit) {
    let files = [wheel("other", "1.0", "a")];
    let mut body = session("other", "1.0", &files);
    body["vouchers"] = json!([seal(&says("tests", &files), &key(1))]);
    let (_, begun) = kit.post("/api/v1/sessions", body).await;
    let id = begun["id"].as_str().unwrap();
    kit.put(id, &files[0]).await;
    assert_eq!(kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await.0, 200);
}

#[tokio::test]
async fn e17_refuse_takes_ci_alone() {
    let kit = standing("refuse").await;
    let approval = seal(&approves("dev", "ci is down", &files()), &key(2));
    let text = refused(&kit, request(true, &[approval])).await;
    assert!(text.contains("from CI alone") && !text.contains("shipway approve"), "{text}");
    let voucher = seal(&says("tests", &files()), &key(1));
    refused(&kit, request(true, std::slice::from_ref(&voucher))).await;
    assert_eq!(publish(&kit, request(false, &[voucher])).await["local"], false);
}

#[tokio::test]
async fn e17_the_legacy_api_carries_no_voucher() {
    for (local, status) in [("allow", 200), ("approve", 403), ("refuse", 403)] {
        let kit = standing(local).await;
        let before = kit.stored().await;
        let response = kit.upload(&files()[0]).await;
        assert_eq!(response.status(), status, "{local}");
        if status == 403 {
            let text = response.text().await.unwrap().to_lowercase();
            assert!(text.contains("local") || text.contains("signed statement"), "{text}");
            for phrase in [
                "already exist",
                "updating asset",
                "cannot be updated",
                "already been taken",
                "overwrite artifact",
            ] {
                assert!(!text.contains(phrase), "{text}");
            }
            assert_eq!(kit.stored().await, before);
        }
    }
}

#[tokio::test]
async fn e17_a_local_release_stays_out_where_the_channel_takes_none() {
    let kit = standing("allow").await;
    publish(&kit, request(true, &[])).await;
    kit.policy("[publish]\nlocal = \"allow\"\n[channel.staging]\n[channel.stable]\nallow-local = true\n")
        .await;
    let (status, answer) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, code(&answer)), (422, "not-ready"));
    assert_eq!(crate::vouch::lacks(&answer), crate::vouch::pairs(&[("local-release", "local")]));
    assert!(kit.listed("staging", "demo").await.is_none());
    kit.policy("[publish]\nlocal = \"allow\"\n[channel.staging]\nallow-local = true\n").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
}

#[tokio::test]
async fn e17_the_embedded_index_takes_local_releases_whatever_the_policy_says() {
    let kit = Kit::new().await;
    kit.policy("[publish]\nlocal = \"refuse\"\n").await;
    assert_eq!(publish(&kit, request(true, &[])).await["local"], true);
    assert_eq!(kit.upload(&wheel("legacy", "1.0", "a")).await.status(), 200);
}
