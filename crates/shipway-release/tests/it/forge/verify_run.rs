//! Runs that built the release.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::Value;
use shipway_dist::Sha256;
use shipway_release::Error;
use shipway_release::steps::forge::{Decision, VerifyRunRequest, report, verify_run};
use shipway_testing::forge::{ApiDate, Fault, Instead, Strategy};
use shipway_testing::zip_of;

use super::fixture::{Named, manifest, sdist, wheel, zipped};
use super::merged_release::transfer;
use super::table::{Want, release, run_all};
use super::world::{Merged, World, workflow_path};

pub(crate) fn request(run: u64) -> VerifyRunRequest {
    VerifyRunRequest {
        run: run.to_string(),
        version: "1.4.0".to_owned(),
        artifacts: Vec::new(),
        manifest_sha256: None,
        out: PathBuf::from("dist"),
    }
}

pub(crate) fn act(world: &World, request: &VerifyRunRequest) -> Result<Decision, Error> {
    world.run(|context, forge| {
        let decision = verify_run(context, forge, request)?;
        report(context, forge, &decision, "verify-run")?;
        Ok(decision)
    })
}

/// The files of a good release.
pub(crate) fn files(world: &World) -> Vec<Named> {
    vec![sdist("demo", "1.4.0"), wheel(&world.path("made"), "demo", "1.4.0")]
}

/// A merged release whose run uploaded these artifacts.
pub(crate) fn uploaded(
    world: &World,
    artifacts: impl FnOnce(&World, &Merged) -> Vec<(&'static str, Vec<u8>)>,
) -> VerifyRunRequest {
    let merged = world.release("1.4.0", Strategy::Merge);
    for (name, bytes) in artifacts(world, &merged) {
        world.upload(merged.run, name, bytes);
    }
    request(merged.run)
}

/// A zip of the files, and one of their manifest.
pub(crate) fn archives(merged: &Merged, files: &[Named]) -> Vec<(&'static str, Vec<u8>)> {
    let text = manifest("1.4.0", &merged.sha, merged.run, files).to_string();
    vec![("dist", zip_of(files)), ("manifest", zipped("manifest.json", text.as_bytes()))]
}

/// A release whose run is good in every way.
pub(crate) fn good(world: &World) -> VerifyRunRequest {
    uploaded(world, |world, merged| archives(merged, &files(world)))
}

/// A good one after something about the manifest was changed.
pub(crate) fn with_manifest(world: &World, change: impl FnOnce(&mut Value)) -> VerifyRunRequest {
    uploaded(world, |world, merged| {
        let files = files(world);
        let mut value = manifest("1.4.0", &merged.sha, merged.run, &files);
        change(&mut value);
        vec![("dist", zip_of(&files)), ("manifest", zipped("manifest.json", value.to_string().as_bytes()))]
    })
}

type Case = (&'static str, Want, fn(&World) -> VerifyRunRequest);

fn verified() -> Want {
    Want { dispatches: 0, ..release() }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn runs_that_built_the_release_are_handed_over() {
    let cases: Vec<Case> = vec![
        ("zip artifacts", verified(), good),
        ("raw artifacts", verified(), |world| {
            uploaded(world, |world, merged| {
                let files = files(world);
                let text = manifest("1.4.0", &merged.sha, merged.run, &files).to_string();
                let mut all = vec![("manifest.json", text.into_bytes())];
                for (name, bytes) in files {
                    let name = if name.ends_with(".whl") {
                        "demo-1.4.0-py3-none-any.whl"
                    } else {
                        "demo-1.4.0.tar.gz"
                    };
                    all.push((name, bytes));
                }
                all
            })
        }),
        ("a wheel that was zipped under its own name", verified(), |world| {
            uploaded(world, |world, merged| {
                let files = files(world);
                let text = manifest("1.4.0", &merged.sha, merged.run, &files).to_string();
                vec![
                    ("manifest", zipped("manifest.json", text.as_bytes())),
                    ("demo-1.4.0.tar.gz", zipped(&files[0].0, &files[0].1)),
                    ("demo-1.4.0-py3-none-any.whl", zipped(&files[1].0, &files[1].1)),
                ]
            })
        }),
        ("other artifacts beside them", verified(), |world| {
            let request = good(world);
            let run = request.run.parse().unwrap();
            world.upload(run, "coverage", b"PK".to_vec());
            world.upload(run, "test-report", b"text".to_vec());
            request
        }),
        ("race: the repository was transferred", verified(), |world| {
            let request = good(world);
            transfer(world);
            request
        }),
        ("one artifact a page", verified(), |world| {
            world.forge.state().page = 1;
            good(world)
        }),
        ("the newer date of the API", verified(), |world| {
            world.forge.state().date = ApiDate::Of2026;
            good(world)
        }),
        ("e8 one of two of a name is chosen", verified(), |world| {
            let request = good(world);
            let run = request.run.parse().unwrap();
            let first = world.forge.state().artifact("dist").id;
            world.forge.state().artifact("dist").digest = Some("sha256:00".to_owned());
            let bytes = world.forge.state().artifact("dist").bytes.clone();
            let second = world.upload(run, "dist", bytes);
            assert_ne!(first, second);
            VerifyRunRequest { artifacts: vec![second], ..request }
        }),
        ("the manifest is pinned", verified(), |world| {
            let request = good(world);
            let mut manifest_bytes = Vec::new();
            let bytes = world.forge.state().artifact("manifest").bytes.clone();
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
            std::io::Read::read_to_end(&mut archive.by_index(0).unwrap(), &mut manifest_bytes).unwrap();
            VerifyRunRequest { manifest_sha256: Some(Sha256::of(&manifest_bytes)), ..request }
        }),
        ("e10 the second attempt keeps an artifact of the first", verified(), |world| {
            let request = good(world);
            world.forge.state().run(request.run.parse().unwrap()).attempt = 2;
            request
        }),
        ("e7 a reviewed workflow", verified(), |world| {
            let request = good(world);
            let blob = world.forge.git().git(&["rev-parse", &format!("main:{}", workflow_path(world.face))]);
            world.configure(&format!("[tool.shipway.forge]\nreviewed-workflows = [\"{blob}\"]\n"));
            world.commit("main", &[(".github/workflows/ci.yml", Some("name: newer\n"))], "ci");
            request
        }),
        ("e4 the base went on", verified(), |world| {
            let request = good(world);
            world.chore("later");
            request
        }),
        ("b12 any run of the base, where the policy allows it", verified().flags("base-run"), |world| {
            world.configure("[tool.shipway.forge]\nrelease-from = \"base-run\"\n");
            let sha = world.chore("direct");
            let run = world.forge.push_run("main", &sha);
            let merged = Merged { number: 0, sha, run };
            for (name, bytes) in archives(&merged, &files(world)) {
                world.upload(run, name, bytes);
            }
            request(run)
        }),
        ("b12 the run of a merge queue", verified().flags("merge-queue"), |world| {
            let number = world.open("1.4.0");
            world.forge.merge(number, Strategy::Squash);
            let sha = world.chore("queued");
            let run = world.forge.push_run("main", &sha);
            let merged = Merged { number, sha, run };
            for (name, bytes) in archives(&merged, &files(world)) {
                world.upload(run, name, bytes);
            }
            request(run)
        }),
        ("e16 every file is attested", verified(), |world| {
            let sigstore = super::attested::asks(world);
            let request = good(world);
            super::attested::attest(world, &sigstore, &request);
            request
        }),
        ("a download that breaks off once", verified(), |world| {
            world.forge.fault(Fault::once("STORE /store/", Instead::Truncated).and_below());
            good(world)
        }),
        ("a store that fails once", verified(), |world| {
            let bad = Instead::Status(503, Vec::new(), String::new());
            world.forge.fault(Fault::once("STORE /store/", bad).and_below());
            good(world)
        }),
        ("the path names the ref", verified(), |world| {
            let request = good(world);
            let path = ".github/workflows/ci.yml@refs/heads/main".to_owned();
            world.forge.state().run(request.run.parse().unwrap()).path = path;
            request
        }),
        ("twice", verified(), |world| {
            let request = good(world);
            act(world, &request).unwrap();
            request
        }),
    ];
    run_all("verified", cases, act, |case, world, _, _| {
        let dist = world.project().join("dist");
        for (name, bytes) in files(world) {
            assert_eq!(std::fs::read(dist.join(&name)).unwrap(), bytes, "{case}: {name}");
        }
        assert_eq!(std::fs::read_dir(&dist).unwrap().count(), 2, "{case}");
        let records = world.project().join(".shipway");
        let text = std::fs::read_to_string(records.join("manifest.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["version"], "1.4.0", "{case}");
        assert!(records.join("evidence/1.4.0/provenance.json").exists(), "{case}");
    });
}

#[test]
fn the_statement_has_the_fields_of_provenance() {
    let world = World::new();
    let request = good(&world);
    world.set("GITHUB_OUTPUT", world.path("output").to_str().unwrap());
    world.set("GITHUB_STEP_SUMMARY", world.path("summary").to_str().unwrap());
    let decision = act(&world, &request).unwrap();
    let text =
        std::fs::read_to_string(world.project().join(".shipway/evidence/1.4.0/provenance.json")).unwrap();
    let envelope: Value = serde_json::from_str(&text).unwrap();
    let payload =
        base64::engine::general_purpose::STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let detail = &statement["predicate"];
    let sha = decision.sha.unwrap();
    assert_eq!(detail["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"], *sha);
    assert_eq!(detail["buildDefinition"]["externalParameters"]["workflow"], ".github/workflows/ci.yml");
    let invocation = detail["runDetails"]["metadata"]["invocationId"].as_str().unwrap();
    assert!(
        invocation.ends_with(&format!("/team/demo/actions/runs/{}/attempts/1", request.run)),
        "{invocation}"
    );
    let outputs = std::fs::read_to_string(world.path("output")).unwrap();
    assert!(outputs.contains("decision=release\nversion=1.4.0\npull-request=1\n"), "{outputs}");
    assert!(
        outputs.contains(&format!("manifest-sha256={}\n", decision.manifest_sha256.unwrap())),
        "{outputs}"
    );
    let summary = std::fs::read_to_string(world.path("summary")).unwrap();
    assert!(summary.contains("| `demo-1.4.0-py3-none-any.whl` |"), "{summary}");
}
