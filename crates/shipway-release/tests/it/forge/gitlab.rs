//! What is GitLab's own: which scenarios of the tables do not exist there or end otherwise, and those that exist
//! only there.

use serde_json::json;
use shipway_release::steps::forge::{MergedReleaseRequest, VerifyRunRequest, check_pull_request};
use shipway_testing::forge::{Face, Fault, Instead, Strategy};
use shipway_testing::zip_of;

use super::fixture::manifest;
use super::merged_release::{act, commit, pull};
use super::table::{Case, Want, refused, release, run_at};
use super::verify_run::{act as verify, files, good, request};
use super::world::{World, build_key, build_statement, signing_key};

/// Scenarios about what only GitHub has: dates of its API, several workflows, digests, attestations, attempts,
/// raw artifacts, two artifacts of one name, its conclusions.
const NOT_AT_GITLAB: [&str; 32] = [
    "the newer date of the API",
    "b19 the workflow is disabled",
    "b19 there is no such workflow",
    "a run of another workflow",
    "the workflow to start is no file name",
    "the event is no JSON",
    "raw artifacts",
    "a wheel that was zipped under its own name",
    "e8 one of two of a name is chosen",
    "e8 two of a name",
    "e8 no digest",
    "e16 every file is attested",
    "e16 no attestation",
    "e16 an attestation of nothing",
    "the path names the ref",
    "e2 neutral",
    "e2 timed_out",
    "e2 action_required",
    "e2 stale",
    "e2 null",
    "e3 pull_request_target",
    "e5 another workflow of that path",
    "e5 a path that only begins so",
    "e5 the path at another ref",
    "e6 a fork",
    "e6 a fork that was deleted",
    "race: a re-run between check and download",
    "the manifest is of a later attempt",
    "two raw artifacts hold one file",
    "e10 the second attempt keeps an artifact of the first",
    "b17 the forge does not tell the run that it starts",
    "the repository was renamed",
];

/// Scenarios that end otherwise there, each for the reason beside it.
const OTHERWISE_AT_GITLAB: [(&str, Want); 11] = [
    // A rebase is one of the branch, and then a fast-forward, which the policy must allow.
    ("b1 rebase", refused(1, "merge-strategy")),
    ("b1 rebase of two commits", refused(1, "merge-strategy")),
    ("b1 by commit, rebase", refused(1, "merge-strategy")),
    // The number is a part of every address.
    ("another repository of the same name", refused(1, "not-found")),
    ("race: the name leads to another repository now", refused(1, "not-found")),
    // The faults answer in GitHub's shape.
    ("some files are missing from the list", refused(3, "unexpected-answer")),
    ("the list of artifacts is cut", refused(3, "unexpected-answer")),
    // A pipeline says whether it is one of a tag.
    ("e4 a tag called main", refused(1, "run-branch")),
    // Without a digest, what was swapped is met when it is read.
    ("e9 swapped bytes", refused(1, "artifact-members")),
    ("race: expired between list and download", refused(1, "not-found")),
    ("b8 a later version on another line", release()),
];

/// How a scenario of the tables must end at GitLab; none when it does not exist there.
pub(crate) fn wanted(case: &str, at_github: Want) -> Option<Want> {
    if NOT_AT_GITLAB.contains(&case) {
        return None;
    }
    let otherwise = OTHERWISE_AT_GITLAB.iter().find(|(one, _)| *one == case);
    Some(otherwise.map_or(at_github, |(_, want)| *want))
}

fn released(world: &World, number: u64, sha: &str) -> MergedReleaseRequest {
    world.forge.push_run("main", sha);
    pull(number)
}

fn cut(world: &World) -> u64 {
    let number = world.open("1.4.0");
    world.chore("between");
    number
}

const FAST_FORWARD: &str = "[tool.shipway.forge]\nfast-forward = true\n";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn merges_of_gitlab_are_told_by_their_commits() {
    let cases: Vec<Case<MergedReleaseRequest>> = vec![
        ("b1 semi-linear", release(), |world| {
            let number = cut(world);
            let sha = world.forge.merge_semi_linear(number);
            released(world, number, &sha)
        }),
        ("b1 semi-linear, by commit", release(), |world| {
            let number = cut(world);
            let sha = world.forge.merge_semi_linear(number);
            released(world, number, &sha);
            commit(&sha)
        }),
        ("b1 squash and fast-forward", release(), |world| {
            let number = cut(world);
            let sha = world.forge.merge_squash_forward(number);
            released(world, number, &sha)
        }),
        ("b1 squash and fast-forward, by commit", release(), |world| {
            let number = cut(world);
            let sha = world.forge.merge_squash_forward(number);
            released(world, number, &sha);
            commit(&sha)
        }),
        (
            "b1 rebase and fast-forward, where the policy allows it",
            release().flags("fast-forward"),
            |world| {
                world.configure(FAST_FORWARD);
                let number = cut(world);
                let sha = world.forge.merge(number, Strategy::Rebase);
                released(world, number, &sha)
            },
        ),
        ("b1 a merge train, each with its pipeline", release(), |world| {
            let number = world.open("1.4.0");
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            let other = world.forge.open("chore/x", "main");
            for sha in world.forge.merge_train(&[number, other]) {
                world.forge.push_run("main", &sha);
            }
            pull(number)
        }),
        ("b1 a merge train, one pipeline for all", release().flags("merge-queue"), |world| {
            let number = world.open("1.4.0");
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            let other = world.forge.open("chore/x", "main");
            let all = world.forge.merge_train(&[number, other]);
            world.forge.push_run("main", &all[1]);
            pull(number)
        }),
        ("race: the newer merge of a train cancelled the pipeline", refused(1, "push-run"), |world| {
            let number = world.open("1.4.0");
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            let other = world.forge.open("chore/x", "main");
            let all = world.forge.merge_train(&[number, other]);
            let first = world.forge.push_run("main", &all[0]);
            world.forge.push_run("main", &all[1]);
            world.forge.state().run(first).conclusion = Some("canceled".to_owned());
            pull(number)
        }),
        ("b19 skip ci leaves a skipped pipeline", refused(1, "push-run"), |world| {
            let number = cut(world);
            let sha = world.forge.merge_as(number, Strategy::Merge, "release [ci skip]");
            let run = world.forge.push_run("main", &sha);
            world.forge.state().run(run).conclusion = Some("skipped".to_owned());
            pull(number)
        }),
        ("b19 jobs are switched off", refused(1, "push-run"), |world| {
            world.forge.state().builds_access = "disabled";
            let number = cut(world);
            world.forge.merge(number, Strategy::Merge);
            pull(number)
        }),
        ("b11 the changes are not counted yet", refused(3, "incomplete-answer"), |world| {
            world.forge.state().uncounted = true;
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("b11 some files are missing from the list", refused(3, "incomplete-answer"), |world| {
            let one = "[{\"old_path\":\"pyproject.toml\",\"new_path\":\"pyproject.toml\"}]".to_owned();
            world.forge.fault(Fault::always("/diffs", Instead::Json(one)));
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("e15 a token without the scope", refused(3, "forbidden"), |world| {
            let text = "{\"error\":\"insufficient_scope\",\"error_description\":\"needs api\"}".to_owned();
            world.forge.fault(Fault::always("/diffs", Instead::Status(403, Vec::new(), text)));
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("e15 a limit in the words of GitLab", release(), |world| {
            let headers =
                vec![("ratelimit-remaining", "0".to_owned()), ("ratelimit-reset", "1767312030".to_owned())];
            let text = "{\"message\":{\"error\":\"too many times\"}}".to_owned();
            world.forge.fault(Fault::once("/diffs", Instead::Status(429, headers, text)));
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("the token of a job may not read pipelines", refused(3, "unauthenticated"), |world| {
            world.set("GITLAB_TOKEN", "");
            world.set("CI_JOB_TOKEN", shipway_testing::forge::CANARY);
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("an access token in the place of a job's", refused(3, "unauthenticated"), |world| {
            world.set("GITLAB_TOKEN", "glpat-canary-of-another");
            world.set("CI_JOB_TOKEN", shipway_testing::forge::CANARY);
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("the project is named by its path", release(), |world| {
            world.set("CI_PROJECT_ID", "");
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("a path through groups", release(), |world| {
            world.set("CI_PROJECT_ID", "");
            world.set("CI_PROJECT_PATH", "team/apps/edge/demo");
            world.forge.state().full_name = "team/apps/edge/demo".to_owned();
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("tags on several pages, by token", refused(1, "version-latest"), |world| {
            world.forge.state().page = 1;
            let number = world.release("1.4.0", Strategy::Merge).number;
            let second = world.release("1.5.0", Strategy::Merge);
            world.forge.git().tag("v1.2.0", &second.sha, false);
            world.forge.git().tag("v1.5.0", &second.sha, true);
            pull(number)
        }),
        ("the workflow to start is no plain word", refused(2, "bad-workflow"), |world| {
            MergedReleaseRequest { dispatch: Some("publish it".to_owned()), ..pull(world.open("1.4.0")) }
        }),
    ];
    run_at(Face::GitLab, "gitlab_merged", cases, &act, &mut |_, _, _, _| {});
}

/// One job whose archive holds everything, as the generated CI file leaves it.
fn one_archive(world: &World, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> VerifyRunRequest {
    world.configure("");
    let text = std::fs::read_to_string(world.project().join("pyproject.toml")).unwrap();
    let text = text.replace("artifact = \"dist\"\nmanifest-artifact = \"manifest\"\n", "");
    std::fs::write(world.project().join("pyproject.toml"), text).unwrap();
    let merged = world.release("1.4.0", Strategy::Merge);
    let made = files(world);
    let text = manifest("1.4.0", &merged.sha, merged.run, &made).to_string();
    let next = world.forge.state().last + 1 + 70_000;
    let parsed = serde_json::from_str(&text).unwrap();
    let envelope = build_statement(&parsed, Some(next), &signing_key(), |_| {});
    let mut members: Vec<(String, Vec<u8>)> =
        made.iter().map(|(name, bytes)| (format!("dist/{name}"), bytes.clone())).collect();
    members.push((".shipway/manifest.json".to_owned(), text.into_bytes()));
    let statement = serde_json::to_vec(&envelope).unwrap();
    members.push((".shipway/evidence/1.4.0/build.json".to_owned(), statement));
    members.push((".shipway/evidence/1.4.0/tests.json".to_owned(), b"{}".to_vec()));
    change(&mut members);
    assert_eq!(world.forge.upload(merged.run, "build", zip_of(&members)), next);
    request(merged.run)
}

fn verified() -> Want {
    Want { dispatches: 0, ..release() }
}

#[test]
fn pipelines_of_gitlab_are_verified() {
    let cases: Vec<Case<VerifyRunRequest>> = vec![
        ("e8 one archive of one job", verified(), |world| one_archive(world, |_| {})),
        ("e12 one archive with another file", refused(1, "artifact-members"), |world| {
            one_archive(world, |members| members.push(("dist/README.md".to_owned(), b"x".to_vec())))
        }),
        ("e12 one archive with a folder more", refused(1, "artifact-members"), |world| {
            one_archive(world, |members| {
                members.push(("src/demo-1.4.0-py2-none-any.whl".to_owned(), b"x".to_vec()));
            })
        }),
        ("e12 one archive with two manifests", refused(1, "artifact-members"), |world| {
            one_archive(world, |members| members.push(("manifest.json".to_owned(), members[2].1.clone())))
        }),
        ("e12 one archive without a manifest", refused(1, "artifact-members"), |world| {
            one_archive(world, |members| members.retain(|one| !one.0.ends_with("manifest.json")))
        }),
        ("e8 one archive without a statement", refused(1, "build-statement"), |world| {
            one_archive(world, |members| members.retain(|one| !one.0.ends_with("build.json")))
        }),
        ("e8 the job failed and was allowed to", refused(1, "artifacts"), |world| {
            let request = one_archive(world, |_| {});
            world.forge.state().failed_jobs.push("build".to_owned());
            request
        }),
        ("race: the job was run again", refused(1, "run-unchanged"), |world| {
            let request = one_archive(world, |_| {});
            let again = Instead::After(Box::new(|state, _| state.artifact("build").id += 1000));
            world.forge.fault(Fault::once("/jobs", again).after(1));
            request
        }),
        ("e8 the statement is of the job before it was run again", refused(1, "build-run"), |world| {
            let request = one_archive(world, |_| {});
            world.forge.state().artifact("build").id += 1000;
            request
        }),
        ("e2 blocked by a manual job", refused(1, "run-conclusion"), |world| {
            let request = good(world);
            let run = request.run.parse().unwrap();
            (world.forge.state().run(run).status) = "manual".to_owned();
            request
        }),
        ("e3 a schedule", refused(1, "run-event"), |world| of_source(world, "schedule")),
        ("e3 a trigger", refused(1, "run-event"), |world| of_source(world, "trigger")),
        ("e3 a child pipeline", refused(1, "run-event"), |world| of_source(world, "parent_pipeline")),
        ("e6 the merge request of a fork, run in the project", refused(1, "run-event"), |world| {
            let request = good(world);
            let run = request.run.parse().unwrap();
            let mut state = world.forge.state();
            state.run(run).event = "merge_request_event".to_owned();
            state.run(run).branch = Some("refs/merge-requests/1/head".to_owned());
            request
        }),
        ("e5 the CI file stands elsewhere", refused(1, "run-workflow"), |world| {
            world.forge.state().ci_file = Some("ci/main.yml@other/project".to_owned());
            good(world)
        }),
        ("e5 the CI file is a URL", refused(1, "run-workflow"), |world| {
            world.forge.state().ci_file = Some("https://ci.example/main.yml".to_owned());
            good(world)
        }),
        ("e5 the CI file that the policy names", verified(), |world| {
            world.forge.state().ci_file = Some("ci/main.yml".to_owned());
            world.configure("[tool.shipway.forge]\nbuild-workflow = \"ci/main.yml\"\n");
            world.commit("main", &[("ci/main.yml", Some("stages: [build]\n"))], "ci");
            good(world)
        }),
        ("e7 the CI file that the policy names was edited", refused(1, "workflow-file"), |world| {
            world.forge.state().ci_file = Some("ci/main.yml".to_owned());
            world.configure("[tool.shipway.forge]\nbuild-workflow = \"ci/main.yml\"\n");
            world.commit("main", &[("ci/main.yml", Some("stages: [build]\n"))], "ci");
            let request = good(world);
            world.commit("main", &[("ci/main.yml", Some("stages: [other]\n"))], "ci");
            request
        }),
    ];
    run_at(Face::GitLab, "gitlab_verified", cases, &verify, &mut |case, world, _, want| {
        let left = std::fs::read_dir(world.project().join("dist")).map(Iterator::count).unwrap_or(0);
        assert_eq!(left, if want.exit == 0 { 2 } else { 0 }, "{case}: files in dist");
        let kept = world.project().join(".shipway/evidence/1.4.0/build.json");
        assert_eq!(kept.exists(), want.exit == 0, "{case}: the build's statement");
    });
}

fn of_source(world: &World, source: &str) -> VerifyRunRequest {
    let request = good(world);
    world.forge.state().run(request.run.parse().unwrap()).event = source.to_owned();
    request
}

#[test]
fn check_pr_takes_the_merge_request_of_the_job() {
    let world = World::at(Face::GitLab);
    let number = world.open("1.4.0");
    world.set("CI_MERGE_REQUEST_IID", number.to_string());
    let decision = world.run(|context, forge| check_pull_request(context, forge, None)).unwrap();
    assert_eq!(decision.pull_request, Some(number));
    assert!(decision.refusal.is_none(), "{:?}", decision.refusal);
}

#[test]
fn a_job_token_goes_into_its_own_header_and_starts_pipelines_as_a_trigger() {
    let world = World::at(Face::GitLab);
    world.set("GITLAB_TOKEN", "");
    world.set("CI_JOB_TOKEN", shipway_testing::forge::CANARY);
    let number = world.open("1.4.0");
    world.run(|_, forge| {
        assert_eq!(forge.pull_request(number).unwrap().head.branch, "release/v1.4.0");
        assert!(forge.branch("main").unwrap().is_some());
        let id = forge.dispatch("publish", "main", &[("version", "1.4.0".to_owned())]).unwrap();
        assert!(id.is_some());
        let error = forge.run(1).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("unauthenticated", 3));
    });
    let state = world.forge.state();
    assert_eq!(state.dispatches[0].1["inputs"], json!({ "version": "1.4.0", "workflow": "publish" }));
    assert!(state.log.iter().any(|line| line.starts_with("POST /api/v4/projects/4711/trigger/pipeline")));
}

#[test]
fn a_redirect_to_another_host_gets_no_token() {
    for (on, is_download) in [("/merge_requests/1", false), ("/artifacts", true)] {
        let world = World::at(Face::GitLab);
        world.open("1.4.0");
        world
            .forge
            .fault(Fault::always(&format!("/api/v4/projects/4711{on}"), Instead::Elsewhere).and_below());
        world.forge.fault(Fault { on: on.to_owned(), ..Fault::always(on, Instead::Elsewhere) });
        let path = world.path("download");
        let error = world.run(|_, forge| match is_download {
            true => forge.download(1, &path, 10).unwrap_err(),
            false => forge.pull_request(1).unwrap_err(),
        });
        let expected = if is_download { "not-found" } else { "redirected" };
        assert_eq!(error.code(), expected, "{error}");
        assert!(!world.forge.state().leaked, "{on}");
    }
}

#[test]
fn the_keys_of_builds_are_public_keys_and_no_secret() {
    let world = World::at(Face::GitLab);
    assert!(build_key().starts_with("MCowBQYDK2VwAyEA"));
    world.run(|context, _| assert_eq!(context.config.forge.build_keys.as_ref().unwrap().len(), 1));
}

#[test]
fn b22_a_job_leaves_variables_and_a_note_instead_of_a_summary() {
    let world = World::at(Face::GitLab);
    world.set("CI_PIPELINE_ID", "5");
    world.set("SHIPWAY_DOTENV", "shipway.env");
    let request = good(&world);
    for _ in 0..2 {
        act(&world, &pull(1)).unwrap();
        verify(&world, &request).unwrap();
    }
    let text = std::fs::read_to_string(world.project().join("shipway.env")).unwrap();
    assert!(
        text.starts_with("SHIPWAY_DECISION=release\nSHIPWAY_VERSION=1.4.0\nSHIPWAY_PULL_REQUEST=1\n"),
        "{text}"
    );
    let is_plain = |line: &str| {
        line.split_once('=').is_some_and(|(name, _)| {
            name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
        })
    };
    assert!(text.lines().all(is_plain) && text.contains("SHIPWAY_MANIFEST_SHA256="), "{text}");
    let state = world.forge.state();
    let heads: Vec<&str> = state.comments.iter().filter_map(|(_, body)| body.lines().nth(1)).collect();
    assert_eq!(heads, ["## shipway forge merged-release: release", "## shipway forge verify-run: release"]);
    assert!(state.comments.iter().all(|(_, body)| body.contains("pull request !1") && !body.contains("#1")));
}

#[test]
fn b22_a_refusal_is_told_once_on_the_merge_request() {
    let world = World::at(Face::GitLab);
    world.set("CI_PIPELINE_ID", "5");
    world.cut_from("main", "1.4.0");
    world.commit("release/v1.4.0", &[("src/<b>|@all`x.py", Some("X = 1\n"))], "more");
    let number = world.forge.open("release/v1.4.0", "main");
    world.forge.merge(number, Strategy::Merge);
    for _ in 0..2 {
        assert!(act(&world, &pull(number)).unwrap().refusal.is_some());
    }
    let state = world.forge.state();
    assert_eq!(state.comments.len(), 1, "told once");
    assert!(state.comments[0].1.contains("&lt;b>\\|@\u{2060}all"), "{}", state.comments[0].1);
}
