//! Open pull requests: what only a release may touch, and releases as they must be.

use serde_json::json;
use shipway_release::Error;
use shipway_release::steps::forge::{Decision, check_pull_request, report};
use shipway_testing::forge::{Fault, Instead, Origin, Strategy};

use super::table::{Want, none, refused, release, run_all};
use super::world::{World, pyproject};

fn act(world: &World, number: &Option<u64>) -> Result<Decision, Error> {
    world.run(|context, forge| {
        let decision = check_pull_request(context, forge, *number)?;
        report(context, forge, &decision, "check-pr")?;
        Ok(decision)
    })
}

fn opened(world: &World, branch: &str, files: &[(&str, Option<&str>)]) -> Option<u64> {
    world.commit(branch, files, "work");
    Some(world.forge.open(branch, "main"))
}

type Case = (&'static str, Want, fn(&World) -> Option<u64>);

#[test]
fn pull_requests_are_checked_before_they_are_merged() {
    let good = Want { dispatches: 0, ..release() };
    let cases: Vec<Case> = vec![
        ("b11 a release", good, |world| Some(world.open("1.4.0"))),
        ("b11 a release that is behind its base", good, |world| {
            let number = world.open("1.4.0");
            world.chore("later");
            Some(number)
        }),
        ("the event names it", good, |world| {
            let number = world.open("1.4.0");
            world.event(&json!({ "pull_request": { "number": number } }));
            None
        }),
        ("a chore", none(""), |world| opened(world, "chore/x", &[("src/x.py", Some("X = 1\n"))])),
        ("a chore cut before the last release", none(""), |world| {
            let number = opened(world, "chore/x", &[("src/x.py", Some("X = 1\n"))]);
            world.release("1.4.0", Strategy::Merge);
            number
        }),
        ("a chore that changes another key of that file", none(""), |world| {
            let text = format!("{}dependencies = [\"x\"]\n", pyproject("1.3.0"));
            opened(world, "chore/x", &[("pyproject.toml", Some(&text))])
        }),
        ("b21 a revert of a release", none("revert"), |world| {
            world.release("1.4.0", Strategy::Squash);
            opened(world, "revert-1", &[("pyproject.toml", Some(&pyproject("1.3.0")))])
        }),
        ("b21 a revert of a merge commit", none("revert"), |world| {
            world.release("1.4.0", Strategy::Merge);
            world.chore("after");
            opened(world, "revert-1", &[("pyproject.toml", Some(&pyproject("1.3.0")))])
        }),
        (
            "b21 back to a version that the release did not come from",
            refused(1, "version-change").flags("version-bump"),
            |world| {
                world.release("1.4.0", Strategy::Squash);
                opened(world, "back", &[("pyproject.toml", Some(&pyproject("1.2.0")))])
            },
        ),
        (
            "b9 a chore that changes the version",
            refused(1, "version-change").flags("version-bump"),
            |world| opened(world, "chore/x", &[("pyproject.toml", Some(&pyproject("1.4.0")))]),
        ),
        ("b9 a chore that breaks the version", refused(1, "version-change").flags("version-bump"), |world| {
            opened(world, "chore/x", &[("pyproject.toml", Some("[project]\nname = \"demo\"\n"))])
        }),
        ("b9 a chore that lowers the version", refused(1, "version-change").flags("version-bump"), |world| {
            opened(world, "chore/x", &[("pyproject.toml", Some(&pyproject("1.0.0")))])
        }),
        ("b10 a fix into a release that was merged", refused(1, "pr-base").flags("stranded"), |world| {
            world.release("1.4.0", Strategy::Merge);
            let tip = world.forge.git().branch("release/v1.4.0");
            world.forge.git().commit("fix/x", Some(&tip), &[("src/x.py", Some("X = 1\n"))], "fix");
            Some(world.forge.open("fix/x", "release/v1.4.0"))
        }),
        ("b10 a fix into a release that is open", none(""), |world| {
            world.open("1.4.0");
            let tip = world.forge.git().branch("release/v1.4.0");
            world.forge.git().commit("fix/x", Some(&tip), &[("src/x.py", Some("X = 1\n"))], "fix");
            Some(world.forge.open("fix/x", "release/v1.4.0"))
        }),
        ("b5 a release from a fork", refused(1, "pr-head-repository"), |world| {
            let number = world.open("1.4.0");
            world.forge.state().pull(number).origin = Origin::Fork(815);
            Some(number)
        }),
        ("b11 a release that changes code", refused(1, "pr-files"), |world| {
            world.cut_from("main", "1.4.0");
            opened(world, "release/v1.4.0", &[("src/demo.py", Some("A = 2\n"))])
        }),
        ("b7 a release of another version", refused(1, "version-at-merge"), |world| {
            opened(world, "release/v1.4.0", &[("pyproject.toml", Some(&pyproject("1.5.0")))])
        }),
        ("b8 a release that is not newer", refused(1, "version-newer"), |world| {
            opened(world, "release/v1.2.0", &[("pyproject.toml", Some(&pyproject("1.2.0")))])
        }),
        ("a release of no version", refused(1, "release-branch"), |world| {
            opened(world, "release/soon", &[("pyproject.toml", Some(&pyproject("1.4.0")))])
        }),
        ("a release into another base", refused(1, "pr-base"), |world| {
            let main = world.forge.git().branch("main");
            world.forge.git().set_branch("dev", Some(&main));
            world.cut_from("main", "1.4.0");
            Some(world.forge.open("release/v1.4.0", "dev"))
        }),
        ("nothing is named", refused(2, "no-subject"), |_| None),
        ("b14 the forge fails", refused(3, "server-error"), |world| {
            world.forge.fault(Fault::always("/pulls/1", Instead::Status(500, Vec::new(), String::new())));
            Some(world.open("1.4.0"))
        }),
    ];
    run_all("check_pr", cases, act, |_, _, _, _| {});
}
