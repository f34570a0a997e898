//! Row E16: an attestation counts when its signature, chain and log hold, and when it is that of the build workflow.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_release::ops::attestation::{Expected, Trust};
use shipway_release::steps::forge::{Outcome, VerifyRunRequest};
use shipway_testing::{Signed, Sigstore};

use super::verify_run::{act, files, good};
use super::world::World;

/// A project whose files must be attested by an instance of its own.
pub(crate) fn asks(world: &World) -> Sigstore {
    let sigstore = Sigstore::new();
    world.configure("[tool.shipway.forge]\nattestations = true\ntrusted-root = \"trusted_root.json\"\n");
    std::fs::write(world.project().join("trusted_root.json"), sigstore.trusted_root().to_string()).unwrap();
    sigstore
}

/// What the build workflow of a run says about some digests.
fn right(world: &World, request: &VerifyRunRequest, digests: &[String]) -> Signed {
    let commit = world.forge.state().run(request.run.parse().unwrap()).sha.clone();
    let (server, git_ref) = (world.forge.url().to_owned(), "refs/heads/main".to_owned());
    let repository = format!("{server}/team/demo");
    let path = ".github/workflows/ci.yml";
    let subject: Vec<Value> =
        digests.iter().map(|one| json!({ "name": "x", "digest": { "sha256": one } })).collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": { "buildDefinition": { "externalParameters": {
            "workflow": { "path": path, "ref": git_ref, "repository": repository } } } },
    });
    Signed {
        identity: format!("{repository}/{path}@{git_ref}"),
        issuer: format!("{server}/_services/token"),
        repository,
        repository_id: "4711".to_owned(),
        git_ref,
        commit,
        statement,
        late: Duration::ZERO,
    }
}

fn digests(world: &World) -> Vec<String> {
    files(world).iter().map(|(_, bytes)| Sha256::of(bytes).to_hex()).collect()
}

fn keep(world: &World, digest: &str, bundles: Vec<Value>) {
    let bundles = bundles.into_iter().map(|one| json!({ "repository_id": 4711, "bundle": one })).collect();
    world.forge.state().attestations.insert(format!("sha256:{digest}"), bundles);
}

/// Attests every file by itself.
pub(crate) fn attest(world: &World, sigstore: &Sigstore, request: &VerifyRunRequest) {
    for digest in digests(world) {
        let bundle = sigstore.bundle(&right(world, request, std::slice::from_ref(&digest)));
        keep(world, &digest, vec![bundle]);
    }
}

#[test]
fn e16_one_attestation_of_all_files_counts_for_each_beside_others_that_do_not() {
    let world = World::new();
    let sigstore = asks(&world);
    let request = good(&world);
    let all = digests(&world);
    let bundle = sigstore.bundle(&right(&world, &request, &all));
    let other = Sigstore::new().bundle(&right(&world, &request, &all));
    for digest in &all {
        keep(&world, digest, vec![json!({}), other.clone(), bundle.clone()]);
    }
    let decision = act(&world, &request).unwrap();
    assert_eq!(decision.decision, Outcome::Release, "{:#?}", decision.checks);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn e16_an_attestation_that_says_or_is_anything_else_refuses() {
    type Change = fn(&World, &mut Signed);
    fn elsewhere(text: &str) -> String {
        text.replace("/team/demo", "/fork/demo")
    }
    let says: Vec<(&str, Change, &str)> = vec![
        (
            "another repository",
            |_, one| {
                one.identity = elsewhere(&one.identity);
                one.repository = elsewhere(&one.repository);
            },
            "identity mismatch",
        ),
        ("a repository made again", |_, one| one.repository_id = "4712".to_owned(), "number is `4712`"),
        (
            "a caller of another repository",
            |_, one| one.repository = elsewhere(&one.repository),
            "certificate's repository is",
        ),
        (
            "another workflow",
            |_, one| one.identity = one.identity.replace("ci.yml", "pr.yml"),
            "identity mismatch",
        ),
        (
            "a tag",
            |_, one| one.identity = one.identity.replace("refs/heads/main", "refs/tags/v1.4.0"),
            "identity mismatch",
        ),
        (
            "a ref that the name hides",
            |_, one| one.git_ref = "refs/pull/1/merge".to_owned(),
            "certificate's ref is",
        ),
        ("another commit", |_, one| one.commit = "0".repeat(40), "certificate's commit is"),
        ("another issuer", |_, one| one.issuer = "https://issuer.invalid".to_owned(), "issuer mismatch"),
        (
            "an address",
            |_, one| one.identity = "mailto:somebody@test.invalid".to_owned(),
            "identity mismatch",
        ),
        ("too late", |_, one| one.late = Duration::from_secs(3600), "certificate chain is invalid"),
        (
            "another digest",
            |_, one| one.statement["subject"][0]["digest"]["sha256"] = "ab".repeat(32).into(),
            "does not match any subject",
        ),
        (
            "a stranger's file too",
            |_, one| {
                let stranger = json!({ "name": "y", "digest": { "sha256": "ab".repeat(32) } });
                one.statement["subject"].as_array_mut().unwrap().push(stranger);
            },
            "is no file of the release",
        ),
        (
            "a subject without digest",
            |_, one| {
                one.statement["subject"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({ "name": "y", "digest": { "sha1": "00" } }));
            },
            "a subject has no sha256",
        ),
        ("no subject", |_, one| one.statement["subject"] = json!([]), "no subjects"),
        (
            "another predicate",
            |_, one| {
                one.statement["predicateType"] = "https://in-toto.io/attestation/release/v0.2".into();
            },
            "its predicate is",
        ),
        (
            "a workflow that the statement names otherwise",
            |_, one| {
                let path = "/predicate/buildDefinition/externalParameters/workflow/path";
                *one.statement.pointer_mut(path).unwrap() = "other.yml".into();
            },
            "its workflow's path is `other.yml`",
        ),
    ];
    for (name, change, text) in says {
        let world = World::new();
        let sigstore = asks(&world);
        let request = good(&world);
        for digest in digests(&world) {
            let mut signed = right(&world, &request, std::slice::from_ref(&digest));
            change(&world, &mut signed);
            keep(&world, &digest, vec![sigstore.bundle(&signed)]);
        }
        assert_refused(&world, &request, name, text);
    }
    type Spoil = fn(&mut Value);
    let spoilt: Vec<(&str, Spoil, &str)> = vec![
        (
            "no log",
            |one| one["verificationMaterial"]["tlogEntries"] = json!([]),
            "must have an inclusion proof",
        ),
        (
            "no promise",
            |one| {
                one["verificationMaterial"]["tlogEntries"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("inclusionPromise");
            },
            "no verified timestamp",
        ),
        (
            "another time",
            |one| {
                let entry = &mut one["verificationMaterial"]["tlogEntries"][0];
                let before: u64 = entry["integratedTime"].as_str().unwrap().parse().unwrap();
                entry["integratedTime"] = (before - 1).to_string().into();
            },
            "inclusion promise",
        ),
        (
            "another signature",
            |one| {
                let text = one["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap().to_owned();
                let mut bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                one["dsseEnvelope"]["signatures"][0]["sig"] =
                    base64::engine::general_purpose::STANDARD.encode(bytes).into();
            },
            "signature",
        ),
        (
            "another payload",
            |one| {
                let text = one["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
                let mut bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
                bytes.push(b' ');
                one["dsseEnvelope"]["payload"] =
                    base64::engine::general_purpose::STANDARD.encode(bytes).into();
            },
            "signature",
        ),
        (
            "no certificate",
            |one| {
                one["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
            },
            "no bundle",
        ),
        ("nothing", |one| *one = json!({}), "no bundle"),
    ];
    for (name, spoil, text) in spoilt {
        let world = World::new();
        let sigstore = asks(&world);
        let request = good(&world);
        for digest in digests(&world) {
            let mut bundle = sigstore.bundle(&right(&world, &request, std::slice::from_ref(&digest)));
            spoil(&mut bundle);
            keep(&world, &digest, vec![bundle]);
        }
        assert_refused(&world, &request, name, text);
    }
}

#[track_caller]
fn assert_refused(world: &World, request: &VerifyRunRequest, name: &str, text: &str) {
    let decision = act(world, request).unwrap();
    assert_eq!(decision.decision, Outcome::Refused, "{name}");
    let failed: Vec<_> = decision.checks.iter().filter(|check| !check.ok).collect();
    assert!(failed.len() == 1 && failed[0].id == "attestation", "{name}: {failed:#?}");
    assert!(failed[0].detail.contains(text), "{name}: {}", failed[0].detail);
    assert!(!world.project().join("dist").exists(), "{name}: files are left");
    assert!(!world.project().join(".shipway/manifest.json").exists(), "{name}: a manifest is left");
}

#[test]
fn e16_one_file_of_two_is_not_enough_and_another_instance_is_nobody() {
    let world = World::new();
    let sigstore = asks(&world);
    let request = good(&world);
    attest(&world, &sigstore, &request);
    let one = format!("sha256:{}", digests(&world)[0]);
    let kept = world.forge.state().attestations.remove(&one).unwrap();
    assert_refused(&world, &request, "one of two", "there is none");
    world.forge.state().attestations.insert(one, kept);
    // Without a file of its own the project trusts the instances that the program knows.
    world.configure("[tool.shipway.forge]\nattestations = true\n");
    assert_refused(&world, &request, "a private instance", "No log key valid");
    let text = "[tool.shipway.forge]\nattestations = true\ntrusted-root = \"none.json\"\n";
    world.configure(text);
    let decision = act(&world, &request).unwrap();
    assert_eq!((decision.decision, decision.refusal.unwrap().code()), (Outcome::Refused, "io"));
    std::fs::write(world.project().join("none.json"), "{\"mediaType\":\"x\"}").unwrap();
    let decision = act(&world, &request).unwrap();
    assert_eq!((decision.decision, decision.refusal.unwrap().code()), (Outcome::Refused, "trusted-root"));
}

/// The repository, its number, the workflow, the ref and the commit of that bundle.
const REAL: (&str, u64, &str, &str, &str) = (
    "https://github.com/prefix-dev/sigstore-example",
    1_048_392_115,
    ".github/workflows/action.yaml",
    "refs/heads/main",
    "193b5bd7d3985809503963ae400594ea16df31cf",
);

/// A bundle that the public instance signed for a real workflow, from the test data of the crate `sigstore-verify`
/// (Apache-2.0): all of the cryptography holds, and the predicate is another one.
#[test]
fn e16_a_bundle_of_the_public_instance_verifies_against_the_embedded_root() {
    let bundle: Value = serde_json::from_str(include_str!("real_bundle.json")).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let digest: Sha256 = statement["subject"][0]["digest"]["sha256"].as_str().unwrap().parse().unwrap();
    let mut expected = Expected {
        repository: REAL.0.to_owned(),
        repository_id: REAL.1,
        workflow: REAL.2.to_owned(),
        git_ref: REAL.3.to_owned(),
        commit: REAL.4.to_owned(),
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        digests: vec![digest],
    };
    let trust = Trust::embedded().unwrap();
    let why = trust.verify(&bundle, &digest, &expected).unwrap_err();
    assert!(why.starts_with("its predicate is"), "signature and claims hold: {why}");
    expected.commit = "0".repeat(40);
    let why = trust.verify(&bundle, &digest, &expected).unwrap_err();
    assert!(why.starts_with("the certificate's commit is"), "{why}");
    let why = trust.verify(&bundle, &Sha256::of(b"other"), &expected).unwrap_err();
    assert!(why.contains("does not match any subject"), "{why}");
    expected.git_ref = "refs/tags/v1".to_owned();
    let why = trust.verify(&bundle, &digest, &expected).unwrap_err();
    assert!(why.contains("identity mismatch"), "{why}");
}
