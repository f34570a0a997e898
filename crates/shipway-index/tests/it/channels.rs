//! Promote, roll back, yank, block.

use serde_json::{Value, json};
use shipway_index::Action;

use crate::kit::{Kit, manifest_digest, sdist, wheel, wheel_with};

async fn released(versions: &[&str]) -> Kit {
    let kit = Kit::new().await;
    for version in versions {
        kit.publish("demo", version, &[wheel("demo", version, "a"), sdist("demo", version, "a")]).await;
        kit.vouch("demo", version).await;
    }
    kit
}

fn mark(version: &str, set: bool, reason: &str) -> Value {
    json!({ "project": "demo", "version": version, "set": set, "reason": reason })
}

async fn current(kit: &Kit) -> Vec<Option<String>> {
    let project = kit.project("demo").await;
    let channels = project["channels"].as_array().unwrap();
    channels.iter().map(|channel| channel["current"].as_str().map(str::to_owned)).collect()
}

fn some(versions: [&str; 3]) -> Vec<Option<String>> {
    versions.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect()
}

#[tokio::test]
async fn g5_promotion_moves_a_reference_to_the_same_bytes() {
    let kit = released(&["1.0"]).await;
    let blobs = crate::kit::blobs(kit.folder.path());
    let (status, change) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, change["changed"].as_bool()), (200, Some(true)), "{change}");
    assert_eq!(change["moved"], json!([{ "channel": "staging", "before": null, "after": "1.0" }]));
    assert_eq!(crate::kit::blobs(kit.folder.path()), blobs);
    assert_eq!(kit.listed("staging", "demo").await, kit.listed("dev", "demo").await);

    // Repeated: the same record.
    let before = kit.stored().await;
    let (status, again) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, again["changed"].as_bool(), &again["id"]), (200, Some(false), &change["id"]));
    assert_eq!(kit.stored().await, before);

    let body =
        json!({ "project": "demo", "version": "1.0", "to": "stable", "manifest_digest": "0".repeat(64) });
    let (status, refused) = kit.post("/api/v1/promotions", body).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("release-conflict")), "{refused}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn g7_a_channel_is_skipped_only_with_a_recorded_override() {
    let kit = released(&["1.0"]).await;
    let before = kit.stored().await;
    let (status, refused) = kit.promote("demo", "1.0", "stable").await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("not-in-previous-channel")), "{refused}");
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
    let body = |reason: &str| {
        json!({
            "project": "demo", "version": "1.0", "to": "stable", "manifest_digest": digest,
            "over": { "gates": ["skip-channel"], "reason": reason, "approver": "ada" },
        })
    };
    assert_eq!(kit.post("/api/v1/promotions", body("")).await.0, 400);
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.post("/api/v1/promotions", body("urgent fix")).await.0, 200);
    assert!(kit.stored().await.contains("urgent fix"));
}

#[tokio::test]
async fn dry_runs_write_nothing_and_refuse_as_the_real_run_does() {
    let kit = released(&["1.0", "1.1"]).await;
    kit.promote("demo", "1.0", "staging").await;
    let digest = manifest_digest(&kit.project("demo").await, "1.1");
    let before = kit.stored().await;
    let promotion = |to: &str| json!({ "project": "demo", "version": "1.1", "to": to, "manifest_digest": digest, "dry_run": true });
    let (status, change) = kit.post("/api/v1/promotions", promotion("staging")).await;
    assert_eq!((status, change["changed"].as_bool(), change["id"].as_str()), (200, Some(true), Some("")));
    assert_eq!(change["moved"][0], json!({ "channel": "staging", "before": "1.0", "after": "1.1" }));
    assert_eq!(kit.post("/api/v1/promotions", promotion("stable")).await.0, 422);
    let dry = json!({ "project": "demo", "version": "1.1", "set": true, "reason": "r", "dry_run": true });
    assert_eq!(kit.post("/api/v1/yanks", dry.clone()).await.1["changed"], true);
    assert_eq!(kit.post("/api/v1/blocks", dry.clone()).await.1["changed"], true);
    assert_eq!(kit.post("/api/v1/rollbacks", dry).await.1["changed"], true);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn a_promoted_release_takes_no_further_files() {
    let kit = released(&["1.0"]).await;
    kit.promote("demo", "1.0", "staging").await;
    let before = kit.stored().await;
    let late = wheel_with("demo", "1.0", "cp312-none-any", "late");
    let response = kit.upload(&late).await;
    assert_eq!(response.status(), 422);
    assert!(response.text().await.unwrap().contains("promoted"));
    // What is there is still there.
    assert_eq!(kit.upload(&wheel("demo", "1.0", "a")).await.status(), 200);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn rollback_gives_back_the_earlier_release_and_blocks_the_bad_one() {
    let kit = released(&["1.0", "1.1", "1.2"]).await;
    for version in ["1.0", "1.1", "1.2"] {
        kit.promote("demo", version, "staging").await;
        kit.promote("demo", version, "stable").await;
    }
    assert_eq!(current(&kit).await, some(["1.2", "1.2", "1.2"]));
    let body = |version: &str| json!({ "project": "demo", "version": version, "reason": "it eats data" });
    let (status, change) = kit.post("/api/v1/rollbacks", body("1.2")).await;
    assert_eq!((status, change["changed"].as_bool()), (200, Some(true)), "{change}");
    assert_eq!(change["moved"].as_array().unwrap().len(), 3);
    assert_eq!(current(&kit).await, some(["1.1", "1.1", "1.1"]));
    let (_, again) = kit.post("/api/v1/rollbacks", body("1.2")).await;
    assert_eq!((again["changed"].as_bool(), &again["id"]), (Some(false), &change["id"]));
    kit.post("/api/v1/rollbacks", body("1.1")).await;
    assert_eq!(current(&kit).await, some(["1.0", "1.0", "1.0"]));
    assert_eq!(kit.listed("stable", "demo").await.unwrap().len(), 2);

    let before = kit.stored().await;
    let (status, refused) = kit.post("/api/v1/rollbacks", body("1.0")).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("no-earlier-release")), "{refused}");
    assert_eq!(kit.stored().await, before);

    let (status, refused) = kit.promote("demo", "1.2", "stable").await;
    assert_eq!((status, refused["code"].as_str()), (403, Some("blocked")), "{refused}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn g9_yank_hides_from_ranges_block_refuses_both_keep_bytes() {
    let kit = released(&["1.0", "1.1"]).await;
    let blobs = crate::kit::blobs(kit.folder.path());
    let file = wheel("demo", "1.1", "a");
    let path = format!("/files/{}/{}", file.sha256(), file.filename);

    let (status, yanked) = kit.post("/api/v1/yanks", mark("1.1", true, "broken metadata")).await;
    assert_eq!((status, yanked["changed"].as_bool()), (200, Some(true)), "{yanked}");
    let page = kit.json("/dev/simple/demo/").await;
    let yanks: Vec<_> = page["files"].as_array().unwrap().iter().map(|file| file["yanked"].clone()).collect();
    assert_eq!(yanks, [json!(false), json!(false), json!("broken metadata"), json!("broken metadata")]);
    assert_eq!(kit.get(&path).send().await.unwrap().status(), 200);
    let (_, again) = kit.post("/api/v1/yanks", mark("1.1", true, "broken metadata")).await;
    assert_eq!((again["changed"].as_bool(), &again["id"]), (Some(false), &yanked["id"]));
    assert_eq!(kit.post("/api/v1/yanks", mark("1.1", false, "")).await.1["changed"], true);
    assert_eq!(kit.json("/dev/simple/demo/").await["files"][2]["yanked"], false);

    assert_eq!(kit.post("/api/v1/blocks", mark("1.1", true, "")).await.0, 400);
    let (status, _) = kit.post("/api/v1/blocks", mark("1.1", true, "malware")).await;
    assert_eq!(status, 200);
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);
    let refused = kit.get(&path).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("malware"));
    assert_eq!(kit.get(&format!("{path}.metadata")).send().await.unwrap().status(), 403);
    assert_eq!(crate::kit::blobs(kit.folder.path()), blobs);
    let before = kit.stored().await;
    assert_eq!(kit.upload(&wheel_with("demo", "1.1", "cp312-none-any", "x")).await.status(), 403);
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.post("/api/v1/blocks", mark("1.1", false, "")).await.1["changed"], true);
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 4);
}

#[tokio::test]
async fn i8_changes_need_their_own_action_and_channel() {
    let kit = released(&["1.0"]).await;
    kit.promote("demo", "1.0", "staging").await;
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
    let promotion = json!({ "project": "demo", "version": "1.0", "to": "stable", "manifest_digest": digest });
    let rollback = json!({ "project": "demo", "version": "1.0", "reason": "r" });
    let dev = kit.token("dev", &["demo"], &["dev"], Action::ALL).await;
    let reader = kit.token("reader", &["demo"], &[], &[Action::Read]).await;
    let other = kit.token("other", &["other"], &[], Action::ALL).await;
    let before = kit.stored().await;
    for token in [&dev, &reader, &other] {
        for (path, body) in [
            ("/api/v1/promotions", promotion.clone()),
            ("/api/v1/rollbacks", rollback.clone()),
            ("/api/v1/yanks", mark("1.0", true, "r")),
            ("/api/v1/blocks", mark("1.0", true, "r")),
        ] {
            let request = kit.http.post(kit.url(path)).bearer_auth(token.expose()).json(&body);
            let (status, refused) = crate::kit::answer(request.send().await.unwrap()).await;
            assert_eq!((status, refused["code"].as_str()), (403, Some("token-scope")), "{path} {refused}");
            let anonymous = kit.http.post(kit.url(path)).json(&body).send().await.unwrap();
            assert_eq!(anonymous.status(), 401, "{path}");
        }
    }
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn unknown_releases_channels_and_projects_are_404() {
    let kit = released(&["1.0"]).await;
    let before = kit.stored().await;
    for (project, version) in [("demo", "9.9"), ("nosuch", "1.0")] {
        let body = json!({ "project": project, "version": version, "set": true, "reason": "r" });
        assert_eq!(kit.post("/api/v1/yanks", body).await.0, 404);
    }
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
    let body = json!({ "project": "demo", "version": "1.0", "to": "nosuch", "manifest_digest": digest });
    assert_eq!(kit.post("/api/v1/promotions", body).await.0, 404);
    assert_eq!(kit.stored().await, before);
}
