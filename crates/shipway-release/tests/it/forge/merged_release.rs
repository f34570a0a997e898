//! Commits that are merged releases, however they were merged, and those that are something else.

use std::time::Duration;

use serde_json::json;
use shipway_release::steps::forge::{MergedReleaseRequest, Subject, merged_release, report};
use shipway_release::{Error, steps::forge::Decision};
use shipway_testing::forge::{ApiDate, Fault, Instead, Strategy};

use super::table::{none, release, run_all};
use super::world::{World, pyproject};

pub(crate) fn pull(number: u64) -> MergedReleaseRequest {
    MergedReleaseRequest {
        subject: Subject::PullRequest(number),
        wait: Duration::ZERO,
        dispatch: Some("publish.yml".to_owned()),
    }
}

pub(crate) fn commit(sha: &str) -> MergedReleaseRequest {
    MergedReleaseRequest { subject: Subject::Commit(sha.to_owned()), ..pull(0) }
}

pub(crate) fn waiting(request: MergedReleaseRequest) -> MergedReleaseRequest {
    MergedReleaseRequest { wait: Duration::from_secs(60), ..request }
}

/// Decides, and reports as a CI run does.
pub(crate) fn act(world: &World, request: &MergedReleaseRequest) -> Result<Decision, Error> {
    world.run(|context, forge| {
        let decision = merged_release(context, forge, request)?;
        report(context, forge, &decision, "merged-release")?;
        Ok(decision)
    })
}

type Case = (&'static str, super::table::Want, fn(&World) -> MergedReleaseRequest);

#[test]
fn b1_every_merge_of_a_release_is_released() {
    let cases: Vec<Case> = vec![
        ("b1 merge commit", release(), |world| pull(world.release("1.4.0", Strategy::Merge).number)),
        ("b1 squash", release(), |world| pull(world.release("1.4.0", Strategy::Squash).number)),
        ("b1 rebase", release(), |world| pull(world.release("1.4.0", Strategy::Rebase).number)),
        ("b1 rebase of two commits", release(), |world| {
            world.cut_from("main", "1.4.0");
            world.commit("release/v1.4.0", &[("CHANGELOG.md", Some("# Changelog\n\n- better\n"))], "notes");
            let number = world.forge.open("release/v1.4.0", "main");
            world.chore("between");
            let sha = world.forge.merge(number, Strategy::Rebase);
            world.forge.push_run("main", &sha);
            pull(number)
        }),
        ("b1 fast-forward where the policy allows it", release().flags("fast-forward"), |world| {
            world.configure("[tool.shipway.forge]\nfast-forward = true\n");
            pull(world.release("1.4.0", Strategy::FastForward).number)
        }),
        ("b1 by commit, merge", release(), |world| commit(&world.release("1.4.0", Strategy::Merge).sha)),
        ("b1 by commit, squash", release(), |world| commit(&world.release("1.4.0", Strategy::Squash).sha)),
        ("b1 by commit, rebase", release(), |world| commit(&world.release("1.4.0", Strategy::Rebase).sha)),
        ("b1 merge queue, the run is of a later commit", release().flags("merge-queue"), |world| {
            let number = world.open("1.4.0");
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            let other = world.forge.open("chore/x", "main");
            world.forge.merge(number, Strategy::Squash);
            let last = world.forge.merge(other, Strategy::Squash);
            world.forge.push_run("main", &last);
            pull(number)
        }),
        ("b7 a pre-release", release(), |world| pull(world.release("1.4.0rc1", Strategy::Merge).number)),
        ("b8 a later version on another line", release(), |world| {
            let main = world.forge.git().branch("main");
            world.forge.git().set_branch("2.x", Some(&main));
            let there = world.commit("2.x", &[("pyproject.toml", Some(&pyproject("2.0.0")))], "two");
            world.forge.git().tag("v2.0.0", &there, true);
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("b11 a further file that the policy allows", release(), |world| {
            world.configure("[tool.shipway.forge]\nallow = [\"docs/releases/*.md\"]\n");
            world.cut_from("main", "1.4.0");
            world.commit("release/v1.4.0", &[("docs/releases/1.4.0.md", Some("new\n"))], "notes");
            let number = world.forge.open("release/v1.4.0", "main");
            let sha = world.forge.merge(number, Strategy::Squash);
            world.forge.push_run("main", &sha);
            pull(number)
        }),
        ("b13 the text of the commit says otherwise", release(), |world| {
            let number = world.open("1.4.0");
            let sha = world.forge.merge_as(number, Strategy::Squash, "docs: nothing (from x/release/v9.9.9)");
            world.forge.push_run("main", &sha);
            pull(number)
        }),
        ("b15 the pull request of the commit is listed late", release(), |world| {
            let sha = world.release("1.4.0", Strategy::Squash).sha;
            world.forge.fault(Fault::once("/pulls", Instead::Empty).times(3));
            waiting(commit(&sha))
        }),
        ("b15 the run is listed late", release(), |world| {
            let number = world.release("1.4.0", Strategy::Squash).number;
            world.forge.fault(Fault::once("/ci.yml/runs", Instead::Empty).times(3));
            waiting(pull(number))
        }),
        ("b15 the run ends while it is waited for", release(), |world| {
            let merged = world.release("1.4.0", Strategy::Squash);
            world.forge.state().run(merged.run).status = "in_progress".to_owned();
            let run = merged.run;
            let ends =
                Instead::After(Box::new(move |state, _| state.run(run).status = "completed".to_owned()));
            world.forge.fault(Fault::once("/ci.yml/runs", ends).after(2));
            waiting(pull(merged.number))
        }),
        ("b16 another base, by number", release(), |world| pull(maintained(world).0)),
        ("b16 another base, by commit", release(), |world| commit(&maintained(world).1)),
        ("b5 the release branch was deleted", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.forge.git().set_branch("release/v1.4.0", None);
            pull(number)
        }),
        ("b10 a commit came after the merge", release().flags("stranded"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.commit("release/v1.4.0", &[("src/late.py", Some("L = 1\n"))], "late");
            pull(number)
        }),
        ("b10 the branch was deleted and made again", release().flags("stranded"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.forge.git().set_branch("release/v1.4.0", None);
            world.commit("release/v1.4.0", &[("src/other.py", Some("O = 1\n"))], "again");
            pull(number)
        }),
        ("the newer date of the API", release(), |world| {
            world.forge.state().date = ApiDate::Of2026;
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("short pages", release(), |world| {
            world.forge.state().page = 1;
            commit(&world.release("1.4.0", Strategy::Merge).sha)
        }),
        ("the repository was renamed", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            let mut state = world.forge.state();
            state.earlier_name = Some("team/demo".to_owned());
            state.full_name = "team/thermostat".to_owned();
            pull(number)
        }),
        ("race: the repository was transferred, by number", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            transfer(world);
            pull(number)
        }),
        ("race: the repository was transferred, by commit on another base", release(), |world| {
            let sha = maintained(world).1;
            transfer(world);
            commit(&sha)
        }),
        (
            "race: the branch was deleted, made again and merged by a second pull request",
            release(),
            |world| {
                let first = world.open("1.4.0");
                world.forge.close(first);
                world.forge.git().set_branch("release/v1.4.0", None);
                world.chore("meanwhile");
                pull(world.release("1.4.0", Strategy::Squash).number)
            },
        ),
        ("the number of the repository is asked for", release(), |world| {
            world.set("GITHUB_REPOSITORY_ID", "");
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("the event names the pull request", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.event(&json!({ "action": "closed", "pull_request": { "number": number } }));
            MergedReleaseRequest { subject: Subject::Event, ..pull(0) }
        }),
        ("the event names the commit", release(), |world| {
            let sha = world.release("1.4.0", Strategy::Merge).sha;
            let repository = json!({ "id": 4711, "full_name": "team/demo", "default_branch": "main" });
            world.event(&json!({ "after": sha, "repository": repository }));
            MergedReleaseRequest { subject: Subject::Event, ..pull(0) }
        }),
        ("race: two releases merged within a second, the first", release(), |world| pull(two(world).0)),
        ("race: two releases merged within a second, the second", release(), |world| pull(two(world).1)),
        ("a limit with retry-after", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            let wait = Instead::Status(429, vec![("retry-after", "7".to_owned())], "{}".to_owned());
            world.forge.fault(Fault::once("/files", wait));
            pull(number)
        }),
        ("a limit with a reset", release(), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            let headers = vec![
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-reset", "1767312030".to_owned()),
            ];
            world.forge.fault(Fault::once("/files", Instead::Status(403, headers, "{}".to_owned())));
            pull(number)
        }),
        ("one 502", release(), |world| once(world, Instead::Status(502, Vec::new(), "bad".to_owned()))),
        ("one answer that breaks off", release(), |world| once(world, Instead::Truncated)),
        ("one connection that drops", release(), |world| once(world, Instead::Dropped)),
        ("b17 the forge does not tell the run that it starts", release(), |world| {
            world.forge.state().tells_run = false;
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("b17 the publish was started before", release().flags("already-dispatched"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            act(world, &pull(number)).unwrap();
            pull(number)
        }),
        ("b17 two deliveries, one is started between", release().flags("already-dispatched"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            act(world, &pull(number)).unwrap();
            world.forge.state().tells_run = false;
            pull(number)
        }),
    ];
    run_all("merged_released", cases, act, |case, world, _, want| {
        if want.dispatches == 0 {
            return;
        }
        let dispatched = world.forge.state().dispatches[0].clone();
        assert_eq!(dispatched.0, "publish.yml", "{case}");
        let version = dispatched.1["inputs"]["version"].as_str().unwrap().to_owned();
        assert!(["1.4.0", "1.4.0rc1", "1.5.0", "1.3.1"].contains(&version.as_str()), "{case}");
    });
}

/// The repository belongs to somebody else from now on, under another name; its number stays.
pub(crate) fn transfer(world: &World) {
    let mut state = world.forge.state();
    state.earlier_name = Some("team/demo".to_owned());
    state.full_name = "group/thermostat".to_owned();
}

fn once(world: &World, instead: Instead) -> MergedReleaseRequest {
    let number = world.release("1.4.0", Strategy::Merge).number;
    world.forge.fault(Fault::once("/files", instead));
    pull(number)
}

/// A release on `1.x`, where `main` is the default branch and further on.
fn maintained(world: &World) -> (u64, String) {
    world.configure("base-branch = \"1.x\"\n");
    let main = world.forge.git().branch("main");
    world.forge.git().set_branch("1.x", Some(&main));
    let two = world.commit("main", &[("pyproject.toml", Some(&pyproject("2.0.0")))], "the new line");
    world.forge.git().tag("v2.0.0", &two, true);
    let branch = world.cut_from("1.x", "1.3.1");
    let number = world.forge.open(&branch, "1.x");
    let sha = world.forge.merge(number, Strategy::Squash);
    world.forge.push_run("1.x", &sha);
    (number, sha)
}

fn two(world: &World) -> (u64, u64) {
    let first = world.release("1.4.0", Strategy::Merge).number;
    let second = world.release("1.5.0", Strategy::Merge).number;
    (first, second)
}

#[test]
fn what_is_no_release_is_none() {
    let cases: Vec<Case> = vec![
        ("a chore", none(""), |world| {
            pull(world.merged_chore("chore/x", &[("src/x.py", Some("X = 1\n"))], Strategy::Merge))
        }),
        ("a chore that is open", none(""), |world| {
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            pull(world.forge.open("chore/x", "main"))
        }),
        ("a chore that was closed", none(""), |world| {
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "x");
            let number = world.forge.open("chore/x", "main");
            world.forge.close(number);
            pull(number)
        }),
        ("b13 a chore whose text names a release", none(""), |world| {
            world.commit("chore/x", &[("src/x.py", Some("X = 1\n"))], "chore(release): v9.9.9");
            let number = world.forge.open("chore/x", "main");
            world.forge.merge_as(number, Strategy::Merge, "Merge pull request #1 from team/release/v9.9.9");
            pull(number)
        }),
        ("b9 a chore that changes the version, squashed", none("version-bump"), |world| {
            pull(world.merged_chore(
                "chore/x",
                &[("pyproject.toml", Some(&pyproject("1.4.0")))],
                Strategy::Squash,
            ))
        }),
        ("b9 a chore that changes the version, rebased", none("version-bump"), |world| {
            world.commit("chore/x", &[("pyproject.toml", Some(&pyproject("1.4.0")))], "one");
            pull(world.merged_chore("chore/x", &[("src/x.py", Some("X = 1\n"))], Strategy::Rebase))
        }),
        ("b10 a fix into a release that was merged", none("stranded"), |world| {
            world.release("1.4.0", Strategy::Merge);
            world.commit("release/v1.4.0", &[], "point");
            let tip = world.forge.git().branch("release/v1.4.0");
            world.forge.git().commit("fix/x", Some(&tip), &[("src/x.py", Some("X = 1\n"))], "fix");
            let number = world.forge.open("fix/x", "release/v1.4.0");
            world.forge.merge(number, Strategy::Merge);
            pull(number)
        }),
        ("b10 a fix into a release that is still open", none(""), |world| {
            world.open("1.4.0");
            let tip = world.forge.git().branch("release/v1.4.0");
            world.forge.git().commit("fix/x", Some(&tip), &[("src/x.py", Some("X = 1\n"))], "fix");
            let number = world.forge.open("fix/x", "release/v1.4.0");
            world.forge.merge(number, Strategy::Merge);
            pull(number)
        }),
        ("b21 a revert of a release", none("revert"), |world| {
            world.release("1.4.0", Strategy::Squash);
            pull(world.merged_chore(
                "revert-1-release/v1.4.0",
                &[("pyproject.toml", Some(&pyproject("1.3.0")))],
                Strategy::Squash,
            ))
        }),
        ("b17 released before, a plain tag", none("already-released"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            world.forge.git().tag("v1.4.0", &merged.sha, false);
            pull(merged.number)
        }),
        ("b17 released before, an annotated tag", none("already-released"), |world| {
            let merged = world.release("1.4.0", Strategy::Squash);
            world.forge.git().tag("v1.4.0", &merged.sha, true);
            pull(merged.number)
        }),
        ("b4 the push of a tag at a release", none("already-released"), |world| {
            let merged = world.release("1.4.0", Strategy::Squash);
            world.forge.git().tag("v1.4.0", &merged.sha, true);
            commit(&merged.sha)
        }),
    ];
    run_all("merged_none", cases, act, |_, _, _, _| {});
}
