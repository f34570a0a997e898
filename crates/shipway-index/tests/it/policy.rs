//! What a channel asks of a release: evidence at the door, promotion, overrides, the policy itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use shipway_dist::evidence::Verdict;
use shipway_dist::policy::Role;
use shipway_dist::signing::Envelope;
use shipway_index::{Action, Clock, IndexError};

use crate::kit::{Kit, manifest_digest, sdist, wheel};
use crate::vouch::{approves, code, enrolling, files, key, lacks, pairs, says, says_in, signed};

async fn published() -> Kit {
    let kit = Kit::new().await;
    kit.publish("demo", "1.0", &files()).await;
    kit
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
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
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
    let mut decisions = list["statements"].as_array().unwrap().iter().filter(|one| one["role"] == "index");
    let last = decisions.next_back().unwrap();
    let keys = kit.json("/api/v1/keys").await;
    let known = keys["keys"].as_array().unwrap().iter().find(|known| known["id"] == last["key"]).unwrap();
    assert_eq!((&known["role"], &known["registered"]), (&json!("index"), &json!(true)));
    let public = serde_json::from_value(known["public"].clone()).unwrap();
    let envelope: Envelope = serde_json::from_value(last["envelope"].clone()).unwrap();
    serde_json::from_slice(&envelope.open(&|_| vec![public]).unwrap().payload).unwrap()
}

async fn promotion(kit: &Kit, over: Value) -> (u16, Value) {
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
    let body = json!({
        "project": "demo", "version": "1.0", "to": "staging", "manifest_digest": digest, "over": over,
    });
    kit.post("/api/v1/promotions", body).await
}

#[tokio::test]
async fn an_override_is_a_persons_and_is_logged_even_where_policy_would_have_passed() {
    let kit = published().await;
    let over = |gates: &[&str], reason: &str, approver: &str| json!({ "gates": gates, "reason": reason, "approver": approver });
    let before = kit.stored().await;
    for (gates, reason, approver) in [
        (&["smoke"][..], " ", "ada"),
        (&["smoke"], "r", ""),
        (&[], "r", "ada"),
        (&["test"], "r", "ada"),
        (&["smoke@nowhere"], "r", "ada"),
        (&["everything"], "r", "ada"),
    ] {
        let (status, refused) = promotion(&kit, over(gates, reason, approver)).await;
        assert_eq!((status, code(&refused)), (400, "bad-request"), "{gates:?} {refused}");
    }
    let (_, refused) = promotion(&kit, over(&["test"], "r", "ada")).await;
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("`test`") && message.contains("skip-channel") && message.contains("tests"));
    assert_eq!(kit.stored().await, before);

    // Only what is named is passed over.
    let (status, refused) = promotion(&kit, over(&["smoke"], "urgent fix", "ada")).await;
    assert_eq!((status, lacks(&refused)), (422, pairs(&[("evidence-missing", "distribution")])));
    kit.send("demo", "1.0", enrolling(&says("distribution", &files()), &key(1))).await;
    let (status, change) = promotion(&kit, over(&["smoke@dev", "distribution"], "urgent fix", "ada")).await;
    assert_eq!(status, 200, "{change}");
    assert_eq!(change["passed_over"], json!(["smoke@dev", "distribution"]));
    let stored = kit.stored().await;
    let entry =
        stored.lines().find(|line| line.starts_with("journal") && line.contains("'promote'")).unwrap();
    for part in ["urgent fix", "ada", r#""passed_over":["smoke@dev","distribution"]"#] {
        assert!(entry.contains(part), "{entry}");
    }
    // Passed over is not passed: what the index signs says how it stood.
    assert_eq!(last_decision(&kit).await["predicate"]["verificationResult"], "FAILED");
}

#[tokio::test]
async fn an_auditing_channel_lets_in_and_says_what_it_would_have_refused() {
    let kit = published().await;
    kit.policy("[channel.staging]\nrequires = [\"tests\", \"lint\"]\nmode = \"audit\"\n").await;
    kit.send("demo", "1.0", signed(&says("lint", &files()), &key(1))).await;
    let (status, change) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, &change["passed_over"]), (200, &json!(["tests", "lint"])), "{change}");
    assert!(kit.stored().await.contains(r#""would_refuse":["tests","lint"]"#));
    assert!(kit.listed("staging", "demo").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_promotions_at_once_are_one() {
    let kit = Arc::new(published().await);
    kit.vouch("demo", "1.0").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let kit = kit.clone();
        tasks.spawn(async move { kit.promote("demo", "1.0", "staging").await });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, change)| change["changed"] == true).count(), 1);
    assert!(answers.iter().all(|(_, change)| change["id"] == answers[0].1["id"]));
    // What is there is not asked about again, whatever the policy says now.
    kit.policy("[channel.staging]\nrequires = [\"tests\"]\n").await;
    let before = kit.stored().await;
    let (status, again) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, &again["changed"]), (200, &json!(false)));
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn the_servers_clock_counts_and_order_of_arrival_not_the_signers_dates() {
    let now = Arc::new(AtomicI64::new(1_900_000_000));
    let clock = now.clone();
    let kit = Kit::with(move |config| {
        config.clock =
            Clock::new(move || jiff::Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap());
    })
    .await;
    kit.publish("demo", "1.0", &files()).await;
    kit.policy("[publish]\nenrol-keys = true\n[channel.staging]\nrequires = [\"tests\"]\nfresh = \"1h\"\n")
        .await;
    let mut statement = says("tests", &files());
    statement.predicate.started_on = "2999-01-01T00:00:00Z".to_owned();
    kit.send("demo", "1.0", enrolling(&statement, &key(1))).await;
    now.fetch_add(2 * 3600, Ordering::Relaxed);
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-stale", "tests")]), "{refused}");
    // Set back far: what comes now is later all the same.
    now.store(1_800_000_000, Ordering::Relaxed);
    statement.predicate.result = Verdict::Failed;
    statement.predicate.started_on = "1999-01-01T00:00:00Z".to_owned();
    kit.send("demo", "1.0", signed(&statement, &key(1))).await;
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-failed", "tests")]), "{refused}");
    assert!(kit.listed("staging", "demo").await.is_none());
}

#[tokio::test]
async fn a_project_asks_for_more_and_never_for_less() {
    let kit = Kit::new().await;
    let mut session = crate::kit::session("demo", "1.0", &files());
    session["requires"] = json!({ "staging": ["notes"] });
    session["run"] = json!("7");
    session["attempt"] = json!(2);
    let (_, begun) = kit.post("/api/v1/sessions", session).await;
    let id = begun["id"].as_str().unwrap();
    for file in files() {
        kit.put(id, &file).await;
    }
    assert_eq!(kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await.0, 200);
    let release = kit.project("demo").await["releases"][0].clone();
    assert_eq!((&release["run"], &release["attempt"]), (&json!("7"), &json!(2)), "{release}");
    assert_eq!((&release["publisher"], &release["local"]), (&json!("embedded"), &json!(false)));
    kit.vouch("demo", "1.0").await;
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    let stale = [("evidence-stale", "distribution"), ("evidence-stale", "smoke@dev")];
    assert_eq!(lacks(&refused), pairs(&[stale[0], stale[1], ("evidence-missing", "notes")]), "{refused}");
    for gate in ["distribution", "smoke", "notes"] {
        let mut statement = says_in(gate, "dev", &files());
        statement.predicate.run = Some("7".to_owned());
        statement.predicate.attempt = Some(1);
        kit.send("demo", "1.0", enrolling(&statement, &key(1))).await;
        statement.predicate.attempt = Some(2);
        kit.send("demo", "1.0", enrolling(&statement, &key(1))).await;
    }
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
}

#[tokio::test]
async fn a_policy_is_set_whole_or_not_at_all_and_every_problem_is_named() {
    let kit = published().await;
    let default = kit.json("/api/v1/policy").await;
    assert_eq!(default["is_default"], true);
    let admin = kit.admin().await;
    let before = kit.stored().await;
    let wrong = "colour = 1\n[publish]\nlocal = \"maybe\"\nenrol = true\n[channel.edge]\n\
                 [channel.stable]\nrequires = [\"test\", \"smoke@nowhere\", 3]\nroles = { tests = \"boss\", x = \"ci\" }\n\
                 approvals = -1\nmode = \"sometimes\"\nfresh = \"soon\"\nallow = true\n";
    let error = admin.set_policy(wrong).await.unwrap_err();
    let IndexError::InvalidPolicy { findings } = &error else { panic!("{error}") };
    let text = error.to_string();
    for part in [
        "colour",
        "maybe",
        "publish.enrol",
        "`edge`",
        "`test`",
        "`nowhere`",
        "`3`",
        "`boss`",
        "`x`",
        "approvals",
        "sometimes",
        "`soon`",
        "channel.stable.allow",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(findings.len(), 13, "{findings:#?}");
    assert!(admin.set_policy("[channel").await.is_err());
    assert_eq!(kit.stored().await, before);

    let text = "[publish]\nlocal = \"approve\"\n\n[channel.stable]\nrequires = [\"tests\", \"smoke@staging\"]\n\
                roles = { tests = \"ci\", approval = \"release-manager\" }\napprovals = 1\nfresh = \"30d\"\n";
    assert!(admin.set_policy(text).await.unwrap());
    assert!(!admin.set_policy(text).await.unwrap(), "the same again changes nothing");
    let document = admin.policy().await.unwrap();
    let shown = shipway_index::policy_text(&document.policy).unwrap();
    assert!(!admin.set_policy(&shown).await.unwrap(), "what is shown is what would be read: {shown}");
    let seen = kit.json("/api/v1/policy").await;
    assert_eq!((&seen["is_default"], &seen["digest"]), (&json!(false), &json!(document.digest)));
    assert!(kit.stored().await.contains("'set-policy'"));
    assert!(admin.reset_policy().await.unwrap());
    assert!(!admin.reset_policy().await.unwrap());
    assert_eq!(kit.json("/api/v1/policy").await, default);
    admin.close().await;
}

#[tokio::test]
async fn policy_and_keys_are_for_whoever_may_read() {
    let kit = Kit::with(|config| config.anonymous_read = Some(false)).await;
    let reader = kit.token("reader", &["demo"], &[], &[Action::Read]).await;
    for path in ["/api/v1/policy", "/api/v1/keys"] {
        assert_eq!(kit.http.get(kit.url(path)).send().await.unwrap().status(), 401);
        let request = kit.http.get(kit.url(path)).bearer_auth(reader.expose());
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

/// Not a bar: what a promotion costs with many statements, printed with `--no-capture`.
#[tokio::test]
async fn a_promotion_with_a_thousand_statements() {
    let kit = published().await;
    let admin = kit.admin().await;
    admin.add_key(Role::Ci, "pipeline", &key(1).public()).await.unwrap();
    admin.close().await;
    for number in 0..1000 {
        let mut statement = says_in(if number % 2 == 0 { "distribution" } else { "smoke" }, "dev", &files());
        statement.predicate.duration_ms = number;
        assert_eq!(kit.send("demo", "1.0", signed(&statement, &key(1))).await.0, 201);
    }
    let digest = manifest_digest(&kit.project("demo").await, "1.0");
    let body = |dry_run: bool| {
        json!({
            "project": "demo", "version": "1.0", "to": "staging", "manifest_digest": digest, "dry_run": dry_run,
        })
    };
    for dry_run in [true, true, false] {
        let began = std::time::Instant::now();
        assert_eq!(kit.post("/api/v1/promotions", body(dry_run)).await.0, 200);
        println!("promotion with 1,000 statements, dry run {dry_run}: {:?}", began.elapsed());
    }
}
