//! Runs and artifacts that must never be published; nothing is left in `dist/` then.

use serde_json::json;
use shipway_dist::Sha256;
use shipway_release::steps::forge::VerifyRunRequest;
use shipway_testing::forge::{Fault, Instead, Origin, RunState, Strategy};
use shipway_testing::zip_of;

use super::fixture::{manifest, metadata, renamed, sdist, sdist_of, wheel, with_link, zipped};
use super::table::{Want, refused, run_all};
use super::verify_run::{act, archives, files, good, request, uploaded, with_manifest};
use super::world::{Merged, World};

type Case = (&'static str, Want, fn(&World) -> VerifyRunRequest);

/// A good run after something about it was changed.
fn changed(world: &World, change: impl FnOnce(&mut RunState)) -> VerifyRunRequest {
    let request = good(world);
    change(world.forge.state().run(request.run.parse().unwrap()));
    request
}

/// A good run that changes while the nth request for something is answered.
fn meanwhile(
    world: &World,
    on: &str,
    after: u32,
    change: impl FnOnce(&mut shipway_testing::forge::State, u64) + Send + 'static,
) -> VerifyRunRequest {
    let request = good(world);
    let run: u64 = request.run.parse().unwrap();
    let instead = Instead::After(Box::new(move |state, _| change(state, run)));
    world.forge.fault(Fault::once(&on.replace("RUN", &request.run), instead).after(after));
    request
}

/// A run whose `dist` holds these bytes.
fn dist(world: &World, bytes: impl FnOnce(&World) -> Vec<u8>) -> VerifyRunRequest {
    uploaded(world, |world, merged| {
        let mut all = archives(merged, &files(world));
        all[0].1 = bytes(world);
        all
    })
}

fn unchanged(case: &str, world: &World) {
    let dist = world.project().join("dist");
    let left = std::fs::read_dir(&dist).map(|entries| entries.count()).unwrap_or(0);
    assert_eq!(left, 0, "{case}: files in dist");
    assert!(!world.project().join(".shipway/manifest.json").exists(), "{case}: a manifest");
    assert!(!world.project().join(".shipway/evidence").exists(), "{case}: evidence");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn runs_that_are_not_the_configured_one_are_refused() {
    let cases: Vec<Case> = vec![
        ("e14 a word", refused(2, "bad-run-id"), |world| text_run(world, "latest")),
        ("e14 a path", refused(2, "bad-run-id"), |world| text_run(world, "1/../2")),
        ("e14 a sign", refused(2, "bad-run-id"), |world| text_run(world, "+1")),
        ("e14 nothing", refused(2, "bad-run-id"), |world| text_run(world, "")),
        ("e14 too many digits", refused(2, "bad-run-id"), |world| text_run(world, "99999999999999999999")),
        ("e14 other digits", refused(2, "bad-run-id"), |world| text_run(world, "\u{661}\u{662}")),
        ("a version that is none", refused(2, "bad-version"), |world| VerifyRunRequest {
            version: "next".to_owned(),
            ..good(world)
        }),
        ("a version written otherwise", refused(2, "bad-version"), |world| VerifyRunRequest {
            version: "v1.4.0".to_owned(),
            ..good(world)
        }),
        ("e1 another repository", refused(1, "run-repository"), |world| {
            changed(world, |run| run.repository = 5)
        }),
        ("e1 no such run", refused(1, "not-found"), |_| request(12)),
        ("e2 failure", refused(1, "run-conclusion"), |world| concluded(world, "failure")),
        ("e2 neutral", refused(1, "run-conclusion"), |world| concluded(world, "neutral")),
        ("e2 skipped", refused(1, "run-conclusion"), |world| concluded(world, "skipped")),
        ("e2 cancelled", refused(1, "run-conclusion"), |world| concluded(world, "cancelled")),
        ("e2 timed_out", refused(1, "run-conclusion"), |world| concluded(world, "timed_out")),
        ("e2 action_required", refused(1, "run-conclusion"), |world| concluded(world, "action_required")),
        ("e2 stale", refused(1, "run-conclusion"), |world| concluded(world, "stale")),
        ("e2 null", refused(1, "run-conclusion"), |world| changed(world, |run| run.conclusion = None)),
        ("e2 in progress", refused(1, "run-conclusion"), |world| {
            changed(world, |run| (run.status, run.conclusion) = ("in_progress".to_owned(), None))
        }),
        ("e2 success that is still waiting", refused(1, "run-conclusion"), |world| {
            changed(world, |run| run.status = "waiting".to_owned())
        }),
        ("e3 a pull request", refused(1, "run-event"), |world| event(world, "pull_request")),
        ("e3 started by hand", refused(1, "run-event"), |world| event(world, "workflow_dispatch")),
        ("e3 pull_request_target", refused(1, "run-event"), |world| event(world, "pull_request_target")),
        ("e4 a branch", refused(1, "run-branch"), |world| {
            changed(world, |run| run.branch = Some("dev".to_owned()))
        }),
        ("e4 no branch", refused(1, "run-branch"), |world| changed(world, |run| run.branch = None)),
        ("e4 a tag called main", refused(1, "run-on-base"), |world| {
            let request = good(world);
            let side = world.commit("side", &[("x", Some("1"))], "side");
            world.forge.git().tag("main", &side, false);
            world.forge.state().run(request.run.parse().unwrap()).sha = side;
            request
        }),
        ("race: the base was rewound after the run", refused(1, "run-on-base"), |world| {
            let request = good(world);
            let before = world.forge.git().sha("refs/heads/main^").unwrap();
            world.forge.git().set_branch("main", Some(&before));
            request
        }),
        ("race: the base was renamed", refused(1, "run-on-base"), |world| {
            let request = good(world);
            world.forge.git().set_branch("trunk", Some(&world.forge.git().branch("main")));
            world.forge.git().set_branch("main", None);
            request
        }),
        ("e5 another workflow of that path", refused(1, "run-workflow"), |world| {
            changed(world, |run| run.workflow = 63)
        }),
        ("e5 a path that only begins so", refused(1, "run-workflow"), |world| {
            changed(world, |run| run.path = ".github/workflows/ci.yml.bak".to_owned())
        }),
        ("e5 the path at another ref", refused(1, "run-workflow"), |world| {
            changed(world, |run| run.path = ".github/workflows/ci.yml@refs/heads/dev".to_owned())
        }),
        ("e6 a fork", refused(1, "run-head-repository"), |world| {
            changed(world, |run| run.origin = Origin::Fork(815))
        }),
        ("e6 a fork that was deleted", refused(1, "run-head-repository"), |world| {
            changed(world, |run| run.origin = Origin::Deleted)
        }),
        ("e7 the workflow was edited", refused(1, "workflow-file"), |world| {
            let request = good(world);
            world.commit("main", &[(".github/workflows/ci.yml", Some("name: newer\n"))], "ci");
            request
        }),
        ("e7 the workflow is absent at the commit", refused(1, "workflow-file"), |world| {
            world.commit("main", &[(".github/workflows/ci.yml", None)], "no ci");
            good(world)
        }),
        ("b12 a run of a direct push", refused(1, "merged-release-pr"), |world| {
            let sha = world.chore("direct");
            run_of(world, sha)
        }),
        ("b12 a run of a push before the release", refused(1, "merged-release-pr"), |world| {
            let sha = world.chore("before");
            world.release("1.4.0", Strategy::Merge);
            run_of(world, sha)
        }),
        ("b12 the release pull request is a fork's", refused(1, "merged-release-pr"), |world| {
            let request = good(world);
            world.forge.state().pull(1).origin = Origin::Fork(815);
            request
        }),
        ("b12 the release was merged elsewhere", refused(1, "merged-release-pr"), |world| {
            let request = good(world);
            world.forge.state().pull(1).base = "dev".to_owned();
            request
        }),
        ("race: approved was one run, named is another", refused(1, "merged-release-pr"), |world| {
            good(world);
            let other = world.release("1.6.0", Strategy::Squash);
            request(other.run)
        }),
    ];
    run_all("verify_refused_runs", cases, act, |case, world, request, want| {
        unchanged(case, world);
        if want.code == "bad-run-id" || want.code == "bad-version" {
            assert!(world.forge.state().log.is_empty(), "{case}: a request for `{}`", request.run);
        }
    });
}

fn answer(code: u16) -> Instead {
    Instead::Status(code, Vec::new(), "{}".to_owned())
}

fn text_run(_: &World, run: &str) -> VerifyRunRequest {
    VerifyRunRequest { run: run.to_owned(), ..request(1) }
}

fn concluded(world: &World, conclusion: &str) -> VerifyRunRequest {
    changed(world, |run| run.conclusion = Some(conclusion.to_owned()))
}

fn event(world: &World, event: &str) -> VerifyRunRequest {
    changed(world, |run| run.event = event.to_owned())
}

fn run_of(world: &World, sha: String) -> VerifyRunRequest {
    let run = world.forge.push_run("main", &sha);
    let merged = Merged { number: 0, sha, run };
    for (name, bytes) in archives(&merged, &files(world)) {
        world.upload(run, name, bytes);
    }
    request(run)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn artifacts_that_are_not_what_they_must_be_are_refused() {
    let cases: Vec<Case> = vec![
        ("e8 none at all", refused(1, "artifacts"), |world| uploaded(world, |_, _| Vec::new())),
        ("e8 no manifest", refused(1, "artifacts"), |world| {
            uploaded(world, |world, merged| archives(merged, &files(world)).into_iter().take(1).collect())
        }),
        ("e8 no files", refused(1, "artifacts"), |world| {
            uploaded(world, |world, merged| archives(merged, &files(world)).into_iter().skip(1).collect())
        }),
        ("e8 expired", refused(1, "artifacts"), |world| {
            let request = good(world);
            world.forge.state().artifact("dist").expired = true;
            request
        }),
        ("e8 two of a name", refused(1, "artifacts"), |world| {
            let request = good(world);
            world.upload(request.run.parse().unwrap(), "dist", b"PK".to_vec());
            request
        }),
        ("e8 the chosen one is of another run", refused(1, "artifacts"), |world| VerifyRunRequest {
            artifacts: vec![123],
            ..good(world)
        }),
        ("e8 a wheel beside the archive", refused(1, "artifacts"), |world| {
            let request = good(world);
            world.upload(request.run.parse().unwrap(), "demo-1.4.0-py3-none-any.whl", b"PK".to_vec());
            request
        }),
        ("e8 no digest", refused(1, "build-statement"), |world| {
            let request = good(world);
            world.forge.state().artifact("dist").digest = None;
            request
        }),
        ("e8 it says that it is of another run", refused(1, "artifacts"), |world| {
            let request = good(world);
            world.forge.state().artifact("dist").claims_run = Some(5);
            request
        }),
        ("e9 swapped bytes", refused(1, "artifact-digest"), |world| {
            let request = good(world);
            world.forge.state().artifact("dist").bytes = zip_of(&[("x.whl".to_owned(), b"x".to_vec())]);
            request
        }),
        ("e9 the bytes are not those of the manifest", refused(1, "manifest"), |world| {
            dist(world, |world| {
                let mut files = files(world);
                files[0] = sdist_of("demo", "1.4.0", &[("PKG-INFO", metadata("demo", "1.4.0"))]);
                zip_of(&files)
            })
        }),
        ("race: a re-run between check and download", refused(1, "run-unchanged"), |world| {
            meanwhile(world, "/artifacts", 0, |state, run| state.run(run).attempt = 2)
        }),
        ("e10 the run changed meanwhile", refused(1, "run-unchanged"), |world| {
            meanwhile(world, "/runs/RUN", 1, |state, run| {
                state.run(run).updated = "2026-02-02T00:00:00Z".to_owned();
            })
        }),
        ("e10 the run failed meanwhile", refused(1, "run-unchanged"), |world| {
            meanwhile(world, "/runs/RUN", 1, |state, run| {
                state.run(run).conclusion = Some("failure".to_owned());
            })
        }),
        ("race: the artifact was deleted and made again", refused(1, "run-unchanged"), |world| {
            meanwhile(world, "/artifacts", 1, |state, _| state.artifact("dist").id = 99_999)
        }),
        ("race: a second artifact of the name meanwhile", refused(1, "run-unchanged"), |world| {
            meanwhile(world, "/artifacts", 1, |state, _| {
                let mut twin = state.artifact("dist").clone();
                twin.id += 10;
                state.artifacts.push(twin);
            })
        }),
        ("race: expired between list and download", refused(1, "gone"), |world| {
            meanwhile(world, "/zip", 0, |state, _| {
                state.artifacts.iter_mut().for_each(|one| one.expired = true);
            })
        }),
        ("race: deleted between list and download", refused(1, "not-found"), |world| {
            meanwhile(world, "/zip", 0, |state, _| state.artifacts.clear())
        }),
        ("race: a re-run after the publish made other bytes", refused(1, "manifest"), |world| {
            let request = good(world);
            let digest = Sha256::of(b"the manifest that was published");
            VerifyRunRequest { manifest_sha256: Some(digest), ..request }
        }),
        ("e16 no attestation", refused(1, "attestation"), |world| {
            world.configure("[tool.shipway.forge]\nattestations = true\n");
            good(world)
        }),
        ("e16 an attestation of nothing", refused(1, "attestation"), |world| {
            world.configure("[tool.shipway.forge]\nattestations = true\n");
            for (_, bytes) in files(world) {
                let one = json!({ "repository_id": 4711, "bundle": {} });
                world.forge.state().attestations.insert(format!("sha256:{}", Sha256::of(&bytes)), vec![one]);
            }
            good(world)
        }),
        ("e15 the store is forbidden", refused(3, "forbidden"), |world| {
            let no = Instead::Status(403, Vec::new(), String::new());
            world.forge.fault(Fault::always("STORE /store/", no).and_below());
            good(world)
        }),
        ("e15 the list of artifacts is forbidden", refused(3, "forbidden"), |world| {
            world.forge.fault(Fault::always("/artifacts", answer(403)));
            good(world)
        }),
        ("e15 the list of artifacts is limited", refused(3, "rate-limited"), |world| {
            world.forge.fault(Fault::always("/artifacts", answer(429)));
            good(world)
        }),
        ("e15 the list of artifacts fails", refused(3, "server-error"), |world| {
            world.forge.fault(Fault::always("/artifacts", answer(503)));
            good(world)
        }),
        ("e15 the run is gone", refused(1, "gone"), |world| {
            let request = good(world);
            world.forge.fault(Fault::always(&format!("/runs/{}", request.run), answer(410)));
            request
        }),
        ("a download that always breaks off", refused(3, "truncated"), |world| {
            world.forge.fault(Fault::always("STORE /store/", Instead::Truncated).and_below());
            good(world)
        }),
        ("the list of artifacts is html", refused(3, "not-json"), |world| {
            world.forge.fault(Fault::always("/artifacts", Instead::Html));
            good(world)
        }),
        ("the list of artifacts is cut", refused(3, "incomplete-answer"), |world| {
            let text = "{\"total_count\":3,\"artifacts\":[]}".to_owned();
            world.forge.fault(Fault::always("/artifacts", Instead::Json(text)));
            good(world)
        }),
        ("race: the token ends in the middle", refused(3, "unauthenticated"), |world| {
            let no = Instead::Status(401, Vec::new(), "{}".to_owned());
            world.forge.fault(Fault::always("/zip", no));
            good(world)
        }),
    ];
    run_all("verify_refused_artifacts", cases, act, |case, world, _, _| unchanged(case, world));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn contents_that_are_not_a_release_are_refused() {
    let cases: Vec<Case> = vec![
        ("e12 no zip", refused(1, "artifact-members"), |world| dist(world, |_| b"not a zip".to_vec())),
        ("e12 an empty zip", refused(1, "artifact-members"), |world| dist(world, |_| zip_of(&[]))),
        ("e12 half a zip", refused(1, "artifact-members"), |world| {
            dist(world, |world| {
                let bytes = zip_of(&files(world));
                bytes[..bytes.len() / 2].to_vec()
            })
        }),
        ("e12 a folder", refused(1, "artifact-members"), |world| {
            dist(world, |world| {
                let mut files = files(world);
                files[0].0 = format!("dist/{}", files[0].0);
                zip_of(&files)
            })
        }),
        ("e12 another file", refused(1, "artifact-members"), |world| {
            dist(world, |world| {
                let mut files = files(world);
                files.push(("README.md".to_owned(), b"hello".to_vec()));
                zip_of(&files)
            })
        }),
        ("e12 a link", refused(1, "artifact-members"), |world| {
            dist(world, |world| with_link(&files(world), "demo-1.4.0-py2-none-any.whl", "/etc/passwd"))
        }),
        ("e12 a name twice", refused(1, "artifact-members"), |world| {
            dist(world, |world| {
                let mut files = files(world);
                let mut twin = files[1].clone();
                twin.0 = twin.0.replace("py3", "py2");
                files.push(twin);
                renamed(zip_of(&files), "demo-1.4.0-py2-none-any.whl", "demo-1.4.0-py3-none-any.whl")
            })
        }),
        ("e12 a name that leads up", refused(1, "artifact-members"), |world| {
            dist(world, |world| renamed(zip_of(&files(world)), "demo-1.4.0.tar.gz", "../o-1.4.0.tar.gz"))
        }),
        ("e12 an absolute name", refused(1, "artifact-members"), |world| {
            dist(world, |world| renamed(zip_of(&files(world)), "demo-1.4.0.tar.gz", "/tmp/demo0.tar.gz"))
        }),
        ("e12 a backslash", refused(1, "artifact-members"), |world| {
            dist(world, |world| renamed(zip_of(&files(world)), "demo-1.4.0.tar.gz", "a\\emo-1.40.tar.gz"))
        }),
        ("e12 a damaged member", refused(1, "artifact-members"), |world| {
            dist(world, |world| {
                let mut bytes = zip_of(&files(world));
                bytes[200] ^= 0xff;
                bytes
            })
        }),
        ("e11 another project", refused(1, "distribution-metadata"), |world| {
            let made = vec![sdist("other", "1.4.0"), wheel(&world.path("made"), "other", "1.4.0")];
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("e11 another version", refused(1, "distribution-metadata"), |world| {
            let made = vec![sdist("demo", "1.4.1"), wheel(&world.path("made"), "demo", "1.4.1")];
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("e11 the name of the file disagrees", refused(1, "distribution-metadata"), |world| {
            let mut made = files(world);
            made[0] = sdist_of("demo", "1.4.0", &[("PKG-INFO", metadata("demo", "1.3.0"))]);
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("e13 an sdist without metadata at its top", refused(1, "distribution-metadata"), |world| {
            let mut made = files(world);
            made[0] = sdist_of("demo", "1.4.0", &[("demo.egg-info/PKG-INFO", metadata("demo", "1.4.0"))]);
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("no sdist", refused(1, "distribution-metadata"), |world| {
            let made = vec![wheel(&world.path("made"), "demo", "1.4.0")];
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("no wheel", refused(1, "distribution-metadata"), |world| {
            let made = vec![sdist("demo", "1.4.0")];
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("a wheel that is none", refused(1, "distribution-metadata"), |world| {
            let mut made = files(world);
            made[1].1 = zip_of(&[("x".to_owned(), b"x".to_vec())]);
            uploaded(world, |_, merged| archives(merged, &made))
        }),
        ("the manifest is no JSON", refused(1, "manifest"), |world| {
            uploaded(world, |world, _| {
                vec![("dist", zip_of(&files(world))), ("manifest", zipped("manifest.json", b"{"))]
            })
        }),
        ("the manifest is a folder of things", refused(1, "artifact-members"), |world| {
            uploaded(world, |world, _| {
                vec![("dist", zip_of(&files(world))), ("manifest", zipped("other.json", b"{}"))]
            })
        }),
        ("the manifest is of another commit", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["commit"] = json!("0".repeat(40)))
        }),
        ("the manifest is of another run", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["run"] = json!("1"))
        }),
        ("the manifest is of a later attempt", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["attempt"] = json!(2))
        }),
        ("the manifest is of another version", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["version"] = json!("1.4.1"))
        }),
        ("the manifest is of another project", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["project"] = json!("other"))
        }),
        ("the manifest has another schema", refused(1, "manifest"), |world| {
            with_manifest(world, |value| value["schema"] = json!("shipway.manifest/2"))
        }),
        ("the manifest names a file more", refused(1, "manifest"), |world| {
            with_manifest(world, |value| {
                let mut more = value["files"][0].clone();
                more["filename"] = json!("demo-1.4.0-py2-none-any.whl");
                value["files"].as_array_mut().unwrap().push(more);
            })
        }),
        ("the manifest names a file less", refused(1, "manifest"), |world| {
            with_manifest(world, |value| {
                value["files"].as_array_mut().unwrap().pop();
            })
        }),
        ("the manifest names a file twice", refused(1, "manifest"), |world| {
            with_manifest(world, |value| {
                let twin = value["files"][0].clone();
                value["files"].as_array_mut().unwrap().push(twin);
            })
        }),
        ("two raw artifacts hold one file", refused(1, "artifact-members"), |world| {
            uploaded(world, |world, merged| {
                let files = files(world);
                let text = manifest("1.4.0", &merged.sha, merged.run, &files).to_string();
                vec![
                    ("manifest", zipped("manifest.json", text.as_bytes())),
                    ("demo-1.4.0.tar.gz", files[0].1.clone()),
                    ("demo-1.4.0-py3-none-any.whl", files[1].1.clone()),
                    ("again.tar.gz", zipped(&files[0].0, &files[0].1)),
                ]
            })
        }),
    ];
    run_all("verify_refused_contents", cases, act, |case, world, _, _| unchanged(case, world));
}
