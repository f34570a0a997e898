//! Crashes: the process aborts after each write, starts again, and the state is before or after.
//!
//! A test starts this very test binary again as a child whose index aborts at a named point.

use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shipway_dist::policy::Role;
use shipway_index::{Clock, Faults};

use crate::backend::{Backend, ENDPOINT, backend, endpoint};
use crate::kit::{Folder, Kit, blobs, manifest_digest, sdist, wheel};
use crate::vouch::{enrolling, key, says};

const FOLDER: &str = "SHIPWAY_TEST_FOLDER";
const POINT: &str = "SHIPWAY_TEST_POINT";
const SCENARIO: &str = "SHIPWAY_TEST_SCENARIO";

/// Runs a scenario in a child that aborts at `point`.
fn crash(folder: &Path, scenario: &str, point: &str) {
    let child = format!("{}::crash::child", backend().module());
    let mut command = Command::new(std::env::current_exe().unwrap());
    if backend() == Backend::Postgres {
        command.env(ENDPOINT, endpoint(folder));
    }
    let output = command
        .args([child.as_str(), "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(POINT, point)
        .env(SCENARIO, scenario)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        None,
        "{point} was not passed: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of the crash tests"]
async fn child() {
    let (Ok(folder), Ok(point)) = (std::env::var(FOLDER), std::env::var(POINT)) else { return };
    let faults = Faults { crash_at: Some(point), ..Faults::default() };
    let kit = Kit::over(Folder::Lent(folder.into()), |config| config.faults = faults).await;
    run(&kit, &std::env::var(SCENARIO).unwrap()).await;
}

async fn run(kit: &Kit, scenario: &str) {
    match scenario {
        "upload" => {
            let response = kit.upload(&wheel("demo", "2.0", "a")).await;
            assert_eq!(response.status(), 200);
        }
        "publish" => {
            kit.publish("demo", "2.0", &[wheel("demo", "2.0", "a"), sdist("demo", "2.0", "a")]).await;
        }
        "promote" => assert_eq!(kit.promote("demo", "1.1", "stable").await.0, 200),
        "evidence" => {
            let statement = says("tests", &[wheel("demo", "1.1", "a"), sdist("demo", "1.1", "a")]);
            assert_eq!(kit.send("demo", "1.1", enrolling(&statement, &key(9))).await.0 / 100, 2);
        }
        "key" => {
            let admin = kit.admin_with(kit_faults()).await;
            admin.add_key(Role::Ci, "pipeline", &key(8).public()).await.unwrap();
            admin.close().await;
        }
        "policy" => {
            let admin = kit.admin_with(kit_faults()).await;
            admin.set_policy("[channel.staging]\nrequires = [\"tests\"]\n").await.unwrap();
            admin.close().await;
        }
        "refusal" => assert_eq!(kit.promote("demo", "1.2", "staging").await.0, 422),
        "rollback" => {
            let body = json!({ "project": "demo", "version": "1.1", "reason": "bad" });
            assert_eq!(kit.post("/api/v1/rollbacks", body).await.0, 200);
        }
        "yank" => {
            let body = json!({ "project": "demo", "version": "1.1", "reason": "bad", "set": true });
            assert_eq!(kit.post("/api/v1/yanks", body).await.0, 200);
        }
        "remove" => {
            let admin = kit.admin_with(kit_faults()).await;
            let removed = admin.remove_file("demo-1.1-py3-none-any.whl", "court order").await;
            // Removed by the run before the crash, it is not there.
            assert!(removed.is_ok_and(|()| true) || !seen(kit).await.contains("demo-1.1-py3"));
            admin.close().await;
        }
        "expire" => later(kit.folder.path(), kit_faults()).await,
        "log" => {
            kit.get("/log/checkpoint").send().await.unwrap();
        }
        other => panic!("no scenario {other}"),
    }
}

/// The faults of the child, for what it opens besides the server.
fn kit_faults() -> Faults {
    Faults { crash_at: std::env::var(POINT).ok(), ..Faults::default() }
}

/// 1.0 in every channel, 1.1 in the first two.
async fn prepare() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
    for version in ["1.0", "1.1"] {
        kit.publish("demo", version, &[wheel("demo", version, "a"), sdist("demo", version, "a")]).await;
        kit.vouch("demo", version).await;
        assert_eq!(kit.promote("demo", version, "staging").await.0, 200);
    }
    assert_eq!(kit.promote("demo", "1.0", "stable").await.0, 200);
    kit.server.running.shutdown().await;
    folder
}

/// What readers see: pages of every channel, and the record.
async fn seen(kit: &Kit) -> String {
    let mut text = kit.project("demo").await.to_string();
    for channel in ["dev", "staging", "stable"] {
        text.push_str(&kit.json(&format!("/{channel}/simple/demo/")).await.to_string());
    }
    // When a file came differs from run to run.
    without_times(&text)
}

/// Takes times out of a text.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\"20") {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let end = tail[1..].find('"').map_or(tail.len(), |end| end + 2);
        let time = &tail[..end];
        out.push_str(if time.ends_with("Z\"") { "\"time\"" } else { time });
        rest = &tail[end..];
    }
    out + rest
}

async fn every_point(scenario: &str, points: &[&str]) {
    // What the scenario leads to without a crash.
    let folder = prepare().await;
    let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
    let before = seen(&kit).await;
    run(&kit, scenario).await;
    let after = seen(&kit).await;
    let files = blobs(folder.path()).len();
    assert_ne!(before, after);
    drop(kit);
    for point in points {
        let folder = prepare().await;
        crash(folder.path(), scenario, point);
        let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
        let now = seen(&kit).await;
        let committed = (point.ends_with("committed") || *point == "remove.bytes")
            && *point != "file.committed"
            && *point != "session.committed";
        assert_eq!(now, if committed { after.clone() } else { before.clone() }, "{scenario} at {point}");
        // The same again ends in the same state, with no remains.
        run(&kit, scenario).await;
        assert_eq!(seen(&kit).await, after, "{scenario} again after {point}");
        assert_eq!(blobs(folder.path()).len(), files, "{scenario} at {point}");
        kit.server.running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_crash_in_upload_leaves_before_or_after() {
    let points = ["blob.staged", "blob.placed", "upload.rows", "upload.touched", "upload.committed"];
    every_point("upload", &points).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_crash_in_publish_leaves_before_or_after() {
    let points = [
        "session.rows",
        "session.committed",
        "blob.staged",
        "blob.placed",
        "file.rows",
        "file.committed",
        "publish.journal",
        "publish.file",
        "publish.membership",
        "publish.state",
        "publish.committed",
    ];
    every_point("publish", &points).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g5_a_crash_in_promote_rollback_or_yank_leaves_before_or_after() {
    for scenario in ["promote", "rollback", "yank"] {
        every_point(scenario, &["change.journal", "change.rows", "change.touched", "change.committed"]).await;
    }
    every_point("promote", &["change.decision"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i17_a_crash_in_a_removal_leaves_before_or_after_and_no_bytes() {
    let points = ["remove.journal", "remove.rows", "remove.committed", "remove.bytes"];
    every_point("remove", &points).await;
}

/// Opens the index a day later, which ends the sessions that expired.
async fn later(folder: &Path, faults: Faults) {
    let mut config = crate::kit::config(folder);
    config.clock = Clock::new(|| Timestamp::now() + SignedDuration::from_hours(25));
    config.faults = faults;
    shipway_index::Admin::open(&config).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l4_a_crash_in_the_end_of_an_expired_session_is_gone_on_with() {
    for point in ["end.journal", "end.committed"] {
        let folder = tempfile::tempdir().unwrap();
        let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
        let dist = wheel("demo", "1.0", "a");
        let begin = crate::kit::session("demo", "1.0", std::slice::from_ref(&dist));
        let (_, begun) = kit.post("/api/v1/sessions", begin).await;
        assert_eq!(kit.put(begun["id"].as_str().unwrap(), &dist).await.0, 200);
        kit.server.running.shutdown().await;
        crash(folder.path(), "expire", point);
        assert_eq!(blobs(folder.path()).len(), 1, "{point}");
        later(folder.path(), Faults::default()).await;
        assert_eq!(blobs(folder.path()).len(), 0, "{point}");
        let stored = crate::kit::stored(folder.path()).await;
        assert_eq!(stored.matches("cancel-session").count(), 1, "{point}: {stored}");
    }
}

/// How many rows the tables have that evidence touches.
async fn rows(kit: &Kit) -> Vec<usize> {
    let stored = kit.stored().await;
    let tables = ["journal: ", "evidence: ", "keys: ", "policy: ", "channel_releases: "];
    tables.map(|table| stored.lines().filter(|line| line.starts_with(table)).count()).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_a_crash_around_evidence_keys_and_policies_leaves_before_or_after() {
    let evidence = &["enrol.rows", "evidence.journal", "evidence.rows", "evidence.committed"][..];
    let refusal = &["refusal.journal", "refusal.decision", "refusal.committed"][..];
    for (scenario, points) in
        [("evidence", evidence), ("refusal", refusal), ("key", &["key.rows"]), ("policy", &["policy.rows"])]
    {
        for point in points {
            let folder = prepare().await;
            let open = || Kit::over(Folder::Lent(folder.path().into()), |_| {});
            let kit = open().await;
            kit.publish("demo", "1.2", &[wheel("demo", "1.2", "a")]).await;
            let before = rows(&kit).await;
            kit.server.running.shutdown().await;
            crash(folder.path(), scenario, point);
            let kit = open().await;
            let now = rows(&kit).await;
            // Again: what was committed is not written twice.
            run(&kit, scenario).await;
            let after = rows(&kit).await;
            assert_ne!(before, after, "{scenario}");
            assert_eq!(
                now,
                if point.ends_with("committed") { after } else { before },
                "{scenario} at {point}"
            );
            let checkpoint = kit.get("/log/checkpoint").send().await.unwrap();
            assert_eq!(checkpoint.status(), 200, "{scenario} at {point}");
            kit.server.running.shutdown().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l4_a_crash_while_the_log_grows_leaves_a_log_that_goes_on() {
    use shipway_dist::log::{Checkpoint, VerifierKey};
    for point in ["log.tile", "log.checkpoint"] {
        let folder = prepare().await;
        crash(folder.path(), "log", point);
        let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
        let key: VerifierKey =
            kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
        let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
        let first = Checkpoint::verify(&note, &key).unwrap();
        run(&kit, "yank").await;
        let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
        assert_eq!(Checkpoint::verify(&note, &key).unwrap().size, first.size + 1, "{point}");
    }
}

#[tokio::test]
async fn a_second_server_sees_before_or_after_while_another_crashes() {
    let folder = prepare().await;
    let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
    let before = seen(&kit).await;
    crash(folder.path(), "promote", "change.touched");
    assert_eq!(seen(&kit).await, before);
    crash(folder.path(), "promote", "change.committed");
    assert_ne!(seen(&kit).await, before);
    assert_eq!(manifest_digest(&kit.project("demo").await, "1.1").len(), 64);
}
