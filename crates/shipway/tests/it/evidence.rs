//! Evidence, policy and readiness: what is signed, what a channel asks, and what is refused without it.

use std::path::Path;

use serde_json::Value;
use shipway_dist::Sha256;
use shipway_dist::evidence::Statement;
use shipway_dist::signing::{Envelope, PrivateKey};

use crate::project::{Project, Run};

/// The demo project, built and judged by every gate, with a policy for its channels.
fn judged(policy: &str) -> Project {
    let project = Project::demo();
    if !policy.is_empty() {
        // The first look makes the embedded index, with the project's channels.
        project.run(&["status"]).assert(0, &[]);
        set_policy(&project, policy);
    }
    project.run(&["build"]).assert(0, &[]);
    project.run(&["gate", "run"]).assert(0, &[]);
    project
}

/// The same, published and smoked in dev.
fn published(policy: &str) -> Project {
    let project = judged(policy);
    project.run(&["publish"]).assert(0, &[]);
    project.run(&["smoke", "1.2.3"]).assert(0, &[]);
    project
}

fn set_policy(project: &Project, text: &str) {
    project.write("../policy.toml", text);
    project.run(&["admin", "policy", "set", "../policy.toml", "--data", "../index"]).assert(0, &[]);
}

/// The verdict of every gate of a `ready` document, as `id verdict`.
fn verdicts(ready: &Value) -> Vec<String> {
    let text = |gate: &Value, key: &str| gate[key].as_str().unwrap().to_owned();
    let gates = ready["gates"].as_array().unwrap();
    gates.iter().map(|gate| format!("{} {}", text(gate, "id"), text(gate, "verdict"))).collect()
}

/// Runs a command that must be refused, and asserts that the index holds what it held.
#[track_caller]
fn refused(project: &Project, arguments: &[&str], code: &str, says: &[&str]) -> Run {
    let before = channels(project);
    let run = project.run(arguments);
    run.assert(1, says);
    assert_eq!(run.json()["code"], code, "{run:#?}");
    assert_eq!(channels(project), before, "a refusal changes nothing");
    run
}

/// What stands in each channel.
fn channels(project: &Project) -> Vec<String> {
    let status = project.run(&["status", "--json"]).json();
    let channels = status["channels"].as_array().unwrap();
    channels.iter().map(|channel| format!("{} {}", channel["name"], channel["version"])).collect()
}

fn kept(project: &Project, gate: &str) -> Statement {
    let text = project.read(&format!(".shipway/evidence/1.2.3/{gate}.json"));
    serde_json::from_str::<Envelope>(&text).unwrap().unverified().unwrap()
}

fn key(path: &Path) -> PrivateKey {
    PrivateKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Puts a statement in the place of a kept one, signed with the machine's own key or another.
fn replace(project: &Project, gate: &str, statement: &Statement, with: Option<&PrivateKey>) {
    let own = key(&project.data_dir().join("keys/ci.pem"));
    let envelope = Envelope::sign(statement, with.unwrap_or(&own));
    let text = serde_json::to_string(&envelope).unwrap();
    project.write(&format!(".shipway/evidence/1.2.3/{gate}.json"), &text);
}

const ASKS: &str = "[publish]\nlocal = \"allow\"\nenrol-keys = true\n\n[channel.stable]\nallow-local = true\n\
                    requires = [\"distribution\", \"semver\", \"smoke@dev\"]\n";

#[test]
fn g6_a_promotion_needs_what_the_channel_asks_and_names_what_lacks() {
    let project = judged("");
    let ready = project.run(&["ready", "--for", "stable", "--json"]);
    ready.assert(1, &["is not ready for `stable`", "smoke@dev"]);
    let document = ready.json();
    assert_eq!(document["schema"], "shipway.ready/1");
    assert!(verdicts(&document).contains(&"distribution passed".to_owned()), "{document:#}");
    assert!(verdicts(&document).contains(&"smoke@dev missing".to_owned()), "{document:#}");
    assert_eq!(document["next"], "shipway smoke 1.2.3 --from dev");

    project.run(&["ready", "--for", "dev"]).assert(0, &[]);
    project.run(&["publish"]).assert(0, &[]);
    let lacks = project.run(&["status", "--json"]).json();
    assert_eq!(lacks["channels"][1]["lacks"], serde_json::json!(["smoke@dev"]));
    assert_eq!(lacks["next"], "shipway smoke 1.2.3 --from dev");
    let promote = ["promote", "1.2.3", "--to", "stable", "--yes", "--json"];
    refused(&project, &promote, "not-ready", &["evidence-missing", "smoke@dev", "shipway smoke 1.2.3"]);

    project.run(&["smoke", "1.2.3"]).assert(0, &[]);
    let ready = project.run(&["ready", "--json"]);
    ready.assert(0, &[]);
    assert_eq!(ready.json()["channel"], "stable", "the next one");
    let promoted = project.run(&promote);
    promoted.assert(0, &[]);
    assert_eq!(promoted.json()["items"].as_array().map(Vec::len), Some(2));
    // Again: the same record, whatever the policy says by now.
    set_policy(&project, &ASKS.replace("\"semver\"", "\"tests\""));
    let again = project.run(&promote);
    again.assert(0, &["is in stable already"]);
    assert_eq!(again.json()["id"], promoted.json()["id"]);
}

#[test]
fn d2_d3_absent_stale_and_foreign_evidence_block_by_name() {
    let project = published(ASKS);
    let promote = ["promote", "1.2.3", "--to", "stable", "--yes", "--json"];
    let good = kept(&project, "semver");
    // The index has the good statement; a later one of another commit does not take its place, one that failed does.
    let mut failed = good.clone();
    failed.predicate.result = shipway_dist::evidence::Verdict::Failed;
    failed.predicate.started_on = "2001-01-01T00:00:00Z".to_owned();
    replace(&project, "semver", &failed, None);
    project.run(&["evidence", "send"]).assert(0, &[]);
    refused(&project, &promote, "not-ready", &["evidence-failed", "semver"]);

    for (change, code, verdict) in [
        ("commit", "evidence-stale", "semver stale"),
        ("bytes", "evidence-other-bytes", "semver other-bytes"),
        ("nothing", "evidence-missing", "semver missing"),
    ] {
        let project = judged(ASKS);
        let mut statement = kept(&project, "semver");
        match change {
            "commit" => statement.predicate.commit = "0".repeat(40),
            "bytes" => statement.subject[0].digest.sha256 = Sha256::of(b"other"),
            _ => {}
        }
        replace(&project, "semver", &statement, None);
        if change == "nothing" {
            std::fs::remove_file(project.root().join(".shipway/evidence/1.2.3/semver.json")).unwrap();
        }
        let ready = project.run(&["ready", "--for", "stable", "--json"]).json();
        assert!(verdicts(&ready).contains(&verdict.to_owned()), "{ready:#}");
        project.run(&["publish"]).assert(0, &[]);
        project.run(&["smoke", "1.2.3"]).assert(0, &[]);
        if change == "bytes" {
            // Kept here about other bytes, it is not sent by itself; whoever sends it says so at the index too.
            let missing = refused(&project, &promote, "not-ready", &["semver"]);
            assert!(missing.stderr.contains("evidence-missing"), "{missing:#?}");
            continue;
        }
        refused(&project, &promote, "not-ready", &[code, "semver"]);
    }
}

#[test]
fn a_statement_of_an_unknown_key_or_the_wrong_role_does_not_count() {
    let strict = ASKS.replace("enrol-keys = true", "enrol-keys = false");
    let project = judged(&strict);
    project.run(&["publish"]).assert(1, &["untrusted-evidence", "shipway admin key add"]);

    let roles = format!("{ASKS}roles = {{ semver = \"release-manager\" }}\n");
    let project = published(&roles);
    let ready = project.run(&["ready", "--for", "stable", "--json"]);
    ready.assert(1, &[]);
    let document = ready.json();
    assert!(verdicts(&document).contains(&"semver missing".to_owned()), "{document:#}");
    let promote = ["promote", "1.2.3", "--to", "stable", "--yes", "--json"];
    refused(&project, &promote, "not-ready", &["only a statement of `release-manager` counts"]);
}

#[test]
fn approvals_are_signed_by_a_release_manager_over_the_digests() {
    let project = published(&format!("{ASKS}approvals = 1\n"));
    let promote = ["promote", "1.2.3", "--to", "stable", "--yes", "--json"];
    refused(&project, &promote, "not-ready", &["approval-missing", "shipway approve 1.2.3 --to stable"]);
    project.run(&["approve", "1.2.3"]).assert(1, &["there is no release manager's key", "admin key create"]);
    let create = |role: &str, name: &str, out: &str| {
        let arguments =
            ["admin", "key", "create", "--role", role, "--name", name, "--out", out, "--data", "../index"];
        project.run(&arguments).assert(0, &[]);
    };
    create("ci", "robot", "../robot.pem");
    project.run(&["approve", "1.2.3", "--key", "../robot.pem"]).assert(1, &["untrusted-evidence"]);
    create("release-manager", "ada", "../ada.pem");
    let approved =
        project.run(&["approve", "1.2.3", "--key", "../ada.pem", "--reason", "tried it", "--json"]);
    approved.assert(0, &["approved demo-pkg 1.2.3 for stable"]);
    assert_eq!(approved.json()["at_index"], true);
    project.run(&["approve", "1.2.3", "--key", "../ada.pem", "--withdraw"]).assert(0, &["withdrew"]);
    refused(&project, &promote, "not-ready", &["approval-missing"]);
    project.run(&["approve", "1.2.3", "--key", "../ada.pem"]).assert(0, &[]);
    project.run(&promote).assert(0, &[]);

    // A key that is revoked signs nothing more.
    project.run(&["admin", "key", "revoke", "ada", "--data", "../index"]).assert(0, &[]);
    project.run(&["approve", "1.2.3", "--key", "../ada.pem"]).assert(1, &["untrusted-evidence", "revoked"]);
}

#[test]
fn an_override_is_logged_and_audit_refuses_nothing() {
    let project = published(&ASKS.replace("\"semver\"", "\"tests\""));
    let promote = ["promote", "1.2.3", "--to", "stable", "--yes", "--json"];
    refused(&project, &promote, "not-ready", &["tests"]);
    let over = ["--override", "tests", "--reason", "the runner is down", "--approver", "ada"];
    let unknown = [&promote[..], &["--override", "test", "--reason", "x", "--approver", "ada"]].concat();
    project.run(&unknown).assert(1, &["`test`"]);
    let promoted = project.run(&[&promote[..], &over[..]].concat());
    promoted.assert(0, &["passed over: tests"]);
    assert_eq!(promoted.json()["passed_over"], serde_json::json!(["tests"]));
    let log = project.run(&["log", "show", "--json"]).json().to_string();
    assert!(log.contains("the runner is down") && log.contains("ada"), "{log}");

    let audit = format!("{}mode = \"audit\"\n", ASKS.replace("\"semver\"", "\"tests\""));
    let project = published(&audit);
    let promoted = project.run(&promote);
    promoted.assert(0, &["passed over: tests"]);
    let log = project.run(&["log", "show", "--json"]).json().to_string();
    assert!(log.contains("would_refuse"), "{log}");
}

#[test]
fn a_bundle_is_verified_without_the_index_and_any_change_is_found() {
    let mut project = published("");
    let listed = project.run(&["evidence", "list", "--json"]);
    listed.assert(0, &[]);
    let statements = listed.json()["statements"].as_array().unwrap().clone();
    let gates: Vec<&str> = statements.iter().map(|one| one["gate"].as_str().unwrap()).collect();
    for gate in ["build", "distribution", "semver", "publish@dev", "smoke@dev"] {
        assert!(gates.contains(&gate), "{gate}: {gates:?}");
    }
    let shown = project.run(&["evidence", "show", "smoke"]);
    shown.assert(0, &[]);
    assert!(shown.stdout.contains("https://in-toto.io/attestation/test-result/v0.1"), "{shown:#?}");
    project.run(&["evidence", "show", "tests"]).assert(1, &["has no statement `tests`", "there are: "]);

    project.run(&["evidence", "export", "--out", "../bundle.jsonl"]).assert(0, &[]);
    let keys = project.run(&["evidence", "keys", "--json"]);
    project.write("../keys.json", &keys.stdout);
    project.set("SHIPWAY_INDEX", "http://127.0.0.1:9/");
    let manifest = "../manifest.json";
    std::fs::copy(project.root().join(".shipway/manifest.json"), project.root().join(manifest)).unwrap();
    let verify =
        ["evidence", "verify", "../bundle.jsonl", "--keys", "../keys.json", "--manifest", manifest, "--json"];
    let verified = project.run(&verify);
    verified.assert(0, &[]);
    assert_eq!(verified.json()["verified"].as_u64(), Some(statements.len() as u64));

    let bundle = project.read("../bundle.jsonl");
    let lines: Vec<&str> = bundle.lines().collect();
    // Truncated.
    project.write("../bundle.jsonl", &bundle[..bundle.len() - 40]);
    project.run(&verify).assert(1, &["no envelope"]);
    // Signed anew by somebody else.
    let other = PrivateKey::from_seed(&[9; 32]);
    let statement: Statement = serde_json::from_str::<Envelope>(lines[1]).unwrap().unverified().unwrap();
    let forged = serde_json::to_string(&Envelope::sign(&statement, &other)).unwrap();
    project.write("../bundle.jsonl", &format!("{}\n{forged}\n", lines[0]));
    let run = project.run(&verify);
    run.assert(1, &["line 2: no signature is by a known key"]);
    assert_eq!(run.json()["verified"], 1);
    // Of other files.
    let text = project.read(manifest).replace(&first_digest(&project), &Sha256::of(b"x").to_hex());
    project.write(manifest, &text);
    project.write("../bundle.jsonl", &bundle);
    project.run(&verify).assert(1, &["it is not about every file of the manifest"]);
    project.write("../bundle.jsonl", "");
    project.run(&verify).assert(1, &["holds no statement"]);
}

fn first_digest(project: &Project) -> String {
    let manifest: Value = serde_json::from_str(&project.read(".shipway/manifest.json")).unwrap();
    manifest["files"][0]["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn evidence_replayed_for_another_project_is_about_other_bytes() {
    let project = published(ASKS);
    let other = Project::demo();
    let text = project.read("pyproject.toml");
    other
        .write("pyproject.toml", &format!("{text}\n[tool.shipway.channel.stable]\nrequires = [\"tests\"]\n"));
    other.write("demo_pkg/more.py", "MORE = 1\n");
    other.commit("other bytes");
    other.run(&["build"]).assert(0, &[]);
    let replayed = project.read(".shipway/evidence/1.2.3/distribution.json");
    other.write(".shipway/evidence/1.2.3/distribution.json", &replayed);
    let ready = other.run(&["ready", "--for", "stable", "--json"]);
    ready.assert(1, &[]);
    let document = ready.json();
    let found = verdicts(&document);
    // The other machine's key is not known here either.
    assert!(
        found.iter().any(|one| one.starts_with("distribution ") && !one.ends_with("passed")),
        "{found:?}"
    );
    assert!(found.contains(&"tests missing".to_owned()), "the project's own wish: {found:?}");

    other.write(".shipway/evidence/1.2.3/distribution.json", &replayed[..replayed.len() / 2]);
    other.run(&["ready", "--for", "stable"]).assert(3, &["is no signed statement", "shipway gate run"]);
}

#[test]
fn ready_says_what_is_missing_before_anything_is_built() {
    let project = Project::demo();
    project.run(&["ready"]).assert(1, &["nothing is built", "shipway build"]);
    project.run(&["ready", "--for", "files"]).assert(2, &["files"]);
    project.run(&["build"]).assert(0, &[]);
    project.run(&["ready", "--for", "prod"]).assert(2, &["there is no channel `prod`", "dev, stable"]);
    let ready = project.run(&["ready", "--json"]);
    ready.assert(1, &["is not ready for `dev`", "shipway gate run"]);
    assert!(verdicts(&ready.json()).iter().all(|one| one.ends_with(" missing")), "{:#}", ready.json());
}
