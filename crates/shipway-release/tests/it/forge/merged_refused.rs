//! What must never be published, and what could not be found out.

use serde_json::json;
use shipway_release::steps::forge::{MergedReleaseRequest, Subject};
use shipway_testing::forge::{Fault, Instead, Origin, Strategy};

use super::merged_release::{act, commit, pull, waiting};
use super::table::{Want, refused, run_all};
use super::world::{World, pyproject};

type Case = (&'static str, Want, fn(&World) -> MergedReleaseRequest);

/// A merged release after something about its pull request was changed.
fn changed(world: &World, change: impl FnOnce(&mut shipway_testing::forge::Pull)) -> MergedReleaseRequest {
    let number = world.release("1.4.0", Strategy::Merge).number;
    change(world.forge.state().pull(number));
    pull(number)
}

/// A release whose branch holds these files instead of what a bump writes.
fn cut_with(world: &World, branch: &str, files: &[(&str, Option<&str>)]) -> MergedReleaseRequest {
    world.commit(branch, files, "cut");
    let number = world.forge.open(branch, "main");
    let sha = world.forge.merge(number, Strategy::Squash);
    world.forge.push_run("main", &sha);
    pull(number)
}

/// A merged release whose run is not as it should be.
fn with_run(
    world: &World,
    change: impl FnOnce(&mut shipway_testing::forge::RunState),
) -> MergedReleaseRequest {
    let merged = world.release("1.4.0", Strategy::Merge);
    change(world.forge.state().run(merged.run));
    pull(merged.number)
}

/// A merged release without any run.
fn without_run(world: &World, message: &str) -> MergedReleaseRequest {
    let number = world.open("1.4.0");
    world.forge.merge_as(number, Strategy::Squash, message);
    pull(number)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn pull_requests_that_are_no_release_as_it_must_be_are_refused() {
    let cases: Vec<Case> = vec![
        ("b6 open", refused(1, "pr-merged"), |world| pull(world.open("1.4.0"))),
        ("b2 closed without a merge", refused(1, "pr-merged").flags("abandoned"), |world| {
            let number = world.open("1.4.0");
            world.forge.close(number);
            pull(number)
        }),
        ("b5 from a fork", refused(1, "pr-head-repository"), |world| {
            changed(world, |pull| pull.origin = Origin::Fork(815))
        }),
        ("b5 from a fork that was deleted", refused(1, "pr-head-repository"), |world| {
            changed(world, |pull| pull.origin = Origin::Deleted)
        }),
        ("b5 from a fork, open, a great version", refused(1, "pr-head-repository"), |world| {
            world.cut_from("main", "9.9.9");
            let number = world.forge.open("release/v9.9.9", "main");
            world.forge.state().pull(number).origin = Origin::Fork(815);
            pull(number)
        }),
        ("race: retargeted after it was opened", refused(1, "pr-base"), |world| {
            changed(world, |pull| pull.base = "develop".to_owned())
        }),
        ("another repository of the same name", refused(1, "pr-repository"), |world| {
            world.set("GITHUB_REPOSITORY_ID", "4712");
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("the branch has no version", refused(1, "release-branch"), |world| {
            cut_with(world, "release/next", &[("pyproject.toml", Some(&pyproject("1.4.0")))])
        }),
        ("the branch has no v", refused(1, "release-branch"), |world| {
            cut_with(world, "release/1.4.0", &[("pyproject.toml", Some(&pyproject("1.4.0")))])
        }),
        ("the branch writes the version otherwise", refused(1, "release-branch"), |world| {
            cut_with(world, "release/v1.4.0-rc1", &[("pyproject.toml", Some(&pyproject("1.4.0rc1")))])
        }),
        ("b7 the commit has an equal version, written otherwise", refused(1, "version-at-merge"), |world| {
            cut_with(world, "release/v1.4", &[("pyproject.toml", Some(&pyproject("1.4.0")))])
        }),
        ("b7 the commit has another version", refused(1, "version-at-merge"), |world| {
            cut_with(world, "release/v1.4.0", &[("pyproject.toml", Some(&pyproject("1.4.1")))])
        }),
        ("b7 the commit has no version", refused(1, "version-at-merge"), |world| {
            cut_with(world, "release/v1.4.0", &[("pyproject.toml", Some("[project]\nname = \"demo\"\n"))])
        }),
        ("b7 the places disagree", refused(1, "version-at-merge"), |world| {
            world.configure("[tool.shipway.version]\nfiles = [\"src/version.py\"]\n");
            let files = [
                ("pyproject.toml", Some(pyproject("1.4.0"))),
                ("src/version.py", Some("__version__ = \"1.3.9\"\n".to_owned())),
            ];
            let files: Vec<(&str, Option<&str>)> =
                files.iter().map(|(path, text)| (*path, text.as_deref())).collect();
            cut_with(world, "release/v1.4.0", &files)
        }),
        ("b8 an earlier version", refused(1, "version-newer"), |world| {
            cut_with(world, "release/v1.2.9", &[("pyproject.toml", Some(&pyproject("1.2.9")))])
        }),
        ("b8 the version that is released", refused(1, "version-newer"), |world| {
            world.chore("x");
            let text = format!("{}# again\n", pyproject("1.3.0"));
            cut_with(world, "release/v1.3.0", &[("pyproject.toml", Some(&text))])
        }),
        ("b8 a later one was released from the base", refused(1, "version-latest"), |world| {
            let first = world.release("1.4.0", Strategy::Merge).number;
            let second = world.release("1.5.0", Strategy::Merge);
            world.forge.git().tag("v1.5.0", &second.sha, true);
            pull(first)
        }),
        ("b21 the version of a release that was reverted", refused(1, "version-free"), |world| {
            let first = world.release("1.4.0", Strategy::Merge);
            world.forge.git().tag("v1.4.0", &first.sha, true);
            world.merged_chore("revert", &[("pyproject.toml", Some(&pyproject("1.3.0")))], Strategy::Squash);
            world.forge.git().set_branch("release/v1.4.0", None);
            pull(world.release("1.4.0", Strategy::Squash).number)
        }),
        ("b21 a lower version than one that was reverted", refused(1, "version-latest"), |world| {
            let first = world.release("1.4.0", Strategy::Merge);
            world.forge.git().tag("v1.4.0", &first.sha, true);
            world.merged_chore("revert", &[("pyproject.toml", Some(&pyproject("1.3.0")))], Strategy::Squash);
            pull(world.release("1.3.5", Strategy::Squash).number)
        }),
        ("b11 it changes code", refused(1, "pr-files"), |world| {
            world.cut_from("main", "1.4.0");
            cut_with(world, "release/v1.4.0", &[("src/demo.py", Some("A = 2\nB = 1\nC = 1\n"))])
        }),
        ("b11 it moves code", refused(1, "pr-files"), |world| {
            world.cut_from("main", "1.4.0");
            let files = [("src/demo.py", None), ("uv.lock", Some("A = 1\nB = 1\nC = 1\n"))];
            cut_with(world, "release/v1.4.0", &files)
        }),
        ("b11 it changes the workflow", refused(1, "pr-files"), |world| {
            world.cut_from("main", "1.4.0");
            cut_with(world, "release/v1.4.0", &[(".github/workflows/ci.yml", Some("name: none\n"))])
        }),
        ("a fast-forward without the policy", refused(1, "merge-strategy"), |world| {
            pull(world.release("1.4.0", Strategy::FastForward).number)
        }),
        ("a merge of something else", refused(1, "merge-strategy"), |world| {
            let number = world.open("1.4.0");
            let evil = world.commit("evil", &[("pyproject.toml", Some(&pyproject("1.4.0")))], "evil");
            let sha = world.forge.git().merge("main", &evil, Strategy::Merge, "merge");
            world.forge.push_run("main", &sha);
            let mut state = world.forge.state();
            let one = state.pull(number);
            (one.state, one.merged, one.merge_commit) = ("closed", true, Some(sha));
            one.merged_at = Some("2026-01-02T00:00:00Z".to_owned());
            pull(number)
        }),
        ("race: the base was rewound after the merge", refused(1, "commit-on-base"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            let before = world.forge.git().sha(&format!("{}^", merged.sha)).unwrap();
            world.forge.git().set_branch("main", Some(&before));
            pull(merged.number)
        }),
        ("race: the base was forced elsewhere", refused(1, "commit-on-base"), |world| {
            let merged = world.release("1.4.0", Strategy::Squash);
            let before = world.forge.git().sha(&format!("{}^", merged.sha)).unwrap();
            world.forge.git().commit("main", Some(&before), &[("other", Some("1"))], "forced");
            pull(merged.number)
        }),
        ("race: the base was renamed", refused(1, "commit-on-base"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            world.forge.git().set_branch("trunk", Some(&merged.sha));
            world.forge.git().set_branch("main", None);
            world.forge.state().default_branch = "trunk".to_owned();
            pull(merged.number)
        }),
        ("the commit is gone", refused(1, "commit-on-base"), |world| {
            changed(world, |pull| {
                pull.merge_commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned())
            })
        }),
    ];
    run_all("merged_refused_pulls", cases, act, |_, _, _, _| {});
}

#[test]
fn commits_and_runs_that_are_not_as_they_must_be_are_refused() {
    let cases: Vec<Case> = vec![
        ("b3 a direct push", refused(1, "pull-request"), |world| waiting(commit(&world.chore("direct")))),
        ("b4 the push of a tag at a direct push", refused(1, "pull-request"), |world| {
            let sha = world.chore("direct");
            world.forge.git().tag("v1.4.0", &sha, true);
            commit(&sha)
        }),
        ("b6 a commit that only an open pull request holds", refused(1, "pull-request"), |world| {
            world.open("1.4.0");
            commit(&world.forge.git().branch("release/v1.4.0"))
        }),
        ("b1 not the last of a rebase", refused(1, "pull-request"), |world| {
            world.cut_from("main", "1.4.0");
            world.commit("release/v1.4.0", &[("CHANGELOG.md", Some("# Changelog\n"))], "notes");
            let number = world.forge.open("release/v1.4.0", "main");
            world.chore("between");
            let sha = world.forge.merge(number, Strategy::Rebase);
            commit(&world.forge.git().sha(&format!("{sha}^")).unwrap())
        }),
        ("two pull requests claim the commit", refused(1, "pull-request"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            let mut state = world.forge.state();
            let mut twin = state.pull(merged.number).clone();
            twin.number = 77;
            state.pulls.push(twin);
            commit(&merged.sha)
        }),
        ("b16 a direct push to another base", refused(1, "pull-request"), |world| {
            world.configure("base-branch = \"1.x\"\n");
            let main = world.forge.git().branch("main");
            world.forge.git().set_branch("1.x", Some(&main));
            commit(&world.commit("1.x", &[("src/x.py", Some("X = 1\n"))], "direct"))
        }),
        ("b19 skip ci", refused(1, "push-run"), |world| without_run(world, "v1.4.0 [skip ci]")),
        ("b19 merged by a workflow", refused(1, "push-run"), |world| {
            let request = without_run(world, "v1.4.0");
            world.forge.state().pull(1).merged_by = ("actions[bot]".to_owned(), "Bot".to_owned());
            request
        }),
        ("b19 the workflow is disabled", refused(1, "push-run"), |world| {
            world.forge.state().workflows[0].state = "disabled_manually".to_owned();
            without_run(world, "v1.4.0")
        }),
        ("b19 there is no such workflow", refused(1, "not-found"), |world| {
            world.forge.state().workflows.remove(0);
            without_run(world, "v1.4.0")
        }),
        ("b19 paths, or not yet", refused(1, "push-run"), |world| waiting(without_run(world, "v1.4.0"))),
        ("merge queue, the later commit has another version", refused(1, "push-run"), |world| {
            let request = without_run(world, "v1.4.0");
            world.release("1.5.0", Strategy::Squash);
            request
        }),
        ("the run failed", refused(1, "push-run"), |world| {
            with_run(world, |run| run.conclusion = Some("failure".to_owned()))
        }),
        ("race: a newer push cancelled the run", refused(1, "push-run"), |world| {
            with_run(world, |run| run.conclusion = Some("cancelled".to_owned()))
        }),
        ("the run was skipped", refused(1, "push-run"), |world| {
            with_run(world, |run| run.conclusion = Some("skipped".to_owned()))
        }),
        ("the run has no conclusion", refused(1, "push-run"), |world| {
            with_run(world, |run| run.conclusion = None)
        }),
        ("the run is not over", refused(3, "run-not-finished"), |world| {
            waiting(with_run(world, |run| (run.status, run.conclusion) = ("in_progress".to_owned(), None)))
        }),
        ("the run waits for a person", refused(3, "run-not-finished"), |world| {
            with_run(world, |run| (run.status, run.conclusion) = ("waiting".to_owned(), None))
        }),
        ("two successful runs", refused(1, "push-run"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            world.forge.push_run("main", &merged.sha);
            pull(merged.number)
        }),
        ("the newest of two runs failed", refused(1, "push-run"), |world| {
            let merged = world.release("1.4.0", Strategy::Merge);
            let run = world.forge.push_run("main", &merged.sha);
            world.forge.state().run(run).conclusion = Some("failure".to_owned());
            pull(merged.number)
        }),
        ("a run of another event", refused(1, "push-run"), |world| {
            with_run(world, |run| run.event = "workflow_dispatch".to_owned())
        }),
        ("a run of another workflow", refused(1, "push-run"), |world| {
            with_run(world, |run| run.workflow = 63)
        }),
        ("a run on a tag called otherwise", refused(1, "push-run"), |world| {
            with_run(world, |run| run.branch = Some("v1.4.0".to_owned()))
        }),
    ];
    run_all("merged_refused_commits", cases, act, |_, _, _, _| {});
}

fn faulty(world: &World, on: &str, instead: Instead) -> MergedReleaseRequest {
    let number = world.release("1.4.0", Strategy::Merge).number;
    world.forge.fault(Fault::always(on, instead));
    pull(number)
}

fn status(code: u16, body: &str) -> Instead {
    Instead::Status(code, Vec::new(), body.to_owned())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn b14_what_cannot_be_found_out_is_never_a_no() {
    let cases: Vec<Case> = vec![
        ("e15 401", refused(3, "unauthenticated"), |world| {
            faulty(world, "/pulls/1", status(401, "{\"message\":\"Bad credentials\"}"))
        }),
        ("e15 403", refused(3, "forbidden"), |world| {
            faulty(world, "/pulls/1", status(403, "{\"message\":\"Resource not accessible by integration\"}"))
        }),
        ("e15 404", refused(1, "not-found"), |world| faulty(world, "/pulls/1", status(404, "{}"))),
        ("e15 410", refused(1, "gone"), |world| faulty(world, "/pulls/1", status(410, "{}"))),
        ("e15 422", refused(1, "unprocessable"), |world| {
            faulty(
                world,
                "/pulls/1",
                status(422, "{\"message\":\"no\",\"errors\":[{\"message\":\"why\"},\"so\"]}"),
            )
        }),
        ("e15 429 without retry-after", refused(3, "rate-limited"), |world| {
            faulty(world, "/pulls/1", status(429, "{}"))
        }),
        ("e15 429 with a long retry-after", refused(3, "rate-limited"), |world| {
            faulty(
                world,
                "/pulls/1",
                Instead::Status(429, vec![("retry-after", "3600".to_owned())], "{}".to_owned()),
            )
        }),
        ("e15 403 secondary limit", refused(3, "rate-limited"), |world| {
            faulty(
                world,
                "/pulls/1",
                status(403, "{\"message\":\"You have exceeded a secondary rate limit\"}"),
            )
        }),
        ("e15 403 the allowance is used up", refused(3, "rate-limited"), |world| {
            let headers = vec![
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-reset", "1767315600".to_owned()),
            ];
            faulty(world, "/pulls/1", Instead::Status(403, headers, "{}".to_owned()))
        }),
        ("e15 500", refused(3, "server-error"), |world| faulty(world, "/pulls/1", status(500, "<html>"))),
        ("e15 503", refused(3, "server-error"), |world| faulty(world, "/pulls/1", status(503, ""))),
        ("every answer breaks off", refused(3, "truncated"), |world| {
            faulty(world, "/pulls/1", Instead::Truncated)
        }),
        ("html", refused(3, "not-json"), |world| faulty(world, "/pulls/1", Instead::Html)),
        ("a gigabyte", refused(3, "answer-too-large"), |world| faulty(world, "/pulls/1", Instead::Endless)),
        ("half of a JSON text", refused(3, "truncated"), |world| {
            faulty(world, "/pulls/1", Instead::Json("{\"number\":1".to_owned()))
        }),
        ("JSON of another shape", refused(3, "unexpected-answer"), |world| {
            faulty(world, "/pulls/1", Instead::Json("[]".to_owned()))
        }),
        ("a redirect to another host", refused(3, "redirected"), |world| {
            faulty(world, "/pulls/1", Instead::Elsewhere)
        }),
        ("race: the name leads to another repository now", refused(3, "redirected"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            let mut state = world.forge.state();
            state.earlier_name = Some("team/demo".to_owned());
            (state.full_name, state.id) = ("stranger/demo".to_owned(), 4712);
            pull(number)
        }),
        ("nobody answers", refused(3, "unreachable"), |world| faulty(world, "/pulls/1", Instead::Dropped)),
        ("the comparison fails", refused(3, "server-error"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.forge.fault(Fault::always("/compare/", status(500, "")).and_below());
            pull(number)
        }),
        ("the tags are forbidden", refused(3, "forbidden"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.forge.fault(Fault::always("/matching-refs/", status(403, "{}")).and_below());
            pull(number)
        }),
        ("the runs are html", refused(3, "not-json"), |world| faulty(world, "/ci.yml/runs", Instead::Html)),
        ("some files are missing from the list", refused(3, "incomplete-answer"), |world| {
            faulty(world, "/files", Instead::Json("[{\"filename\":\"pyproject.toml\"}]".to_owned()))
        }),
        ("b14 the list of the commit is an error", refused(3, "server-error"), |world| {
            let sha = world.release("1.4.0", Strategy::Merge).sha;
            world.forge.fault(Fault::always(&format!("{sha}/pulls"), status(502, "")));
            commit(&sha)
        }),
        ("b14 the list of the commit is html", refused(3, "not-json"), |world| {
            let sha = world.release("1.4.0", Strategy::Merge).sha;
            world.forge.fault(Fault::always(&format!("{sha}/pulls"), Instead::Html));
            commit(&sha)
        }),
        ("b15 the list of the commit stays empty", refused(1, "pull-request"), |world| {
            let sha = world.release("1.4.0", Strategy::Merge).sha;
            world.forge.fault(Fault::always(&format!("{sha}/pulls"), Instead::Empty));
            waiting(commit(&sha))
        }),
        ("race: the token ends in the middle", refused(3, "unauthenticated"), |world| {
            let number = world.release("1.4.0", Strategy::Merge).number;
            world.forge.fault(Fault::always("GET ", status(401, "{}")).and_below().after(4));
            pull(number)
        }),
        ("the start is forbidden", refused(3, "forbidden"), |world| {
            faulty(
                world,
                "/dispatches",
                status(403, "{\"message\":\"Resource not accessible by integration\"}"),
            )
        }),
        ("the start fails, and is not sent twice", refused(3, "server-error"), |world| {
            faulty(world, "/dispatches", status(502, ""))
        }),
        ("no such pull request", refused(1, "not-found"), |_| pull(99)),
        ("no token", refused(3, "unauthenticated"), |world| {
            world.set("GITHUB_TOKEN", "");
            world.set("GH_TOKEN", "");
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("a wrong token", refused(3, "unauthenticated"), |world| {
            world.set("GITHUB_TOKEN", "ghs_canary_of_another");
            pull(world.release("1.4.0", Strategy::Merge).number)
        }),
        ("no whole commit id", refused(2, "bad-commit"), |_| commit("main")),
        ("a commit id with capitals", refused(2, "bad-commit"), |_| commit(&"A".repeat(40))),
        ("nothing is named", refused(2, "no-subject"), |_| MergedReleaseRequest {
            subject: Subject::Event,
            ..pull(0)
        }),
        ("the event is no JSON", refused(2, "bad-event"), |world| {
            world.event(&json!("x"));
            MergedReleaseRequest { subject: Subject::Event, ..pull(0) }
        }),
        ("the workflow to start is no file name", refused(2, "bad-workflow"), |world| MergedReleaseRequest {
            dispatch: Some("publish".to_owned()),
            ..pull(world.open("1.4.0"))
        }),
    ];
    run_all("merged_refused_faults", cases, act, |case, world, _, _| {
        if case == "the start fails, and is not sent twice" {
            let sent = world.forge.state().log.iter().filter(|line| line.starts_with("POST")).count();
            assert_eq!(sent, 1, "{case}");
        }
    });
}
