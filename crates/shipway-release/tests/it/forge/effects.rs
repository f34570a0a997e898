//! What shipway changes at a forge: pull requests, tags, releases, comments; each once.

use serde_json::Value;
use shipway_release::ops::forge::NewPullRequest;
use shipway_release::steps::bump::open_pull_request;
use shipway_release::steps::forge::{merged_release, report, tag_and_show};
use shipway_testing::forge::{Face, Fault, Instead, Strategy};

use super::merged_release::{act, pull};
use super::world::World;

/// Both forges.
const FACES: [Face; 2] = [Face::GitHub, Face::GitLab];

const NOTES: &str = "# Changelog\n\n## [1.4.0] - 2026-01-01\n\n### Added\n\n- a `thing` & more\n";

#[test]
fn a16_the_pull_request_has_title_and_body_and_is_opened_once() {
    for face in FACES {
        let world = World::at(face);
        let branch = world.cut_from("main", "1.4.0");
        let open = || {
            world
                .run(|context, forge| open_pull_request(context, forge, &branch, "1.4.0", Some(NOTES)))
                .unwrap()
        };
        let first = open();
        assert_eq!((first.number, first.already, first.base.as_str()), (1, false, "main"));
        let second = open();
        assert_eq!((second.number, second.already), (1, true));
        let state = world.forge.state();
        assert_eq!(state.pulls.len(), 1);
        assert_eq!(state.pulls[0].title, "chore(release): v1.4.0");
    }
}

#[test]
fn a10_the_pull_request_goes_to_the_configured_base() {
    for face in FACES {
        let world = World::at(face);
        world.configure("base-branch = \"1.x\"\n");
        let main = world.forge.git().branch("main");
        world.forge.git().set_branch("1.x", Some(&main));
        let branch = world.cut_from("1.x", "1.3.1");
        let opened =
            world.run(|context, forge| open_pull_request(context, forge, &branch, "1.3.1", None)).unwrap();
        assert_eq!(opened.base, "1.x");
        assert_eq!(world.forge.state().pulls[0].base, "1.x");
    }
}

#[test]
fn a16_a_pull_request_that_fails_leaves_the_branch_and_gives_the_page() {
    type Case = (&'static str, fn() -> Fault);
    let cases: [Case; 4] = [
        ("forbidden", || {
            Fault::always("POST /repos/team/demo/pulls", Instead::Status(403, Vec::new(), "{}".to_owned()))
        }),
        ("html", || Fault::always("POST /repos/team/demo/pulls", Instead::Html)),
        ("dropped", || Fault::always("POST /repos/team/demo/pulls", Instead::Dropped)),
        ("the list fails", || {
            Fault::always("GET /repos/team/demo/pulls", Instead::Status(500, Vec::new(), "{}".to_owned()))
        }),
    ];
    for (face, (name, fault)) in FACES.into_iter().flat_map(|face| cases.map(|case| (face, case))) {
        let world = World::at(face);
        let branch = world.cut_from("main", "1.4.0");
        world.forge.fault(fault());
        let error = world
            .run(|context, forge| open_pull_request(context, forge, &branch, "1.4.0", Some(NOTES)))
            .unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("pull-request-failed", 3), "{name}");
        let hint = error.problems()[0].hint.clone().unwrap();
        let page = match face {
            Face::GitHub => "compare/main...release%2Fv1.4.0?expand=1&title=".to_owned(),
            Face::GitLab => {
                let parameter = |name: &str| format!("merge_request%5B{name}%5D=");
                let (from, to) = (parameter("source_branch"), parameter("target_branch"));
                format!("-/merge_requests/new?{from}release%2Fv1.4.0&{to}main&{}", parameter("title"))
            }
        };
        let page = format!("{}/team/demo/{page}", world.forge.url());
        assert!(hint.contains(&page), "{name}: {hint}");
        assert!(hint.contains("chore%28release%29%3A+v1.4.0"), "{name}: {hint}");
        assert!(hint.contains("a+%60thing%60+%26+more"), "{name}: {hint}");
        assert!(world.forge.git().sha("refs/heads/release/v1.4.0").is_some(), "{name}");
        assert!(world.forge.state().pulls.is_empty(), "{name}");
    }
}

#[test]
fn a16_a_lost_answer_is_no_failure() {
    for face in FACES {
        let world = World::at(face);
        let branch = world.cut_from("main", "1.4.0");
        world.forge.fault(Fault::once("POST /repos/team/demo/pulls", Instead::Truncated));
        let opened =
            world.run(|context, forge| open_pull_request(context, forge, &branch, "1.4.0", None)).unwrap();
        assert_eq!((opened.number, opened.already), (1, false));
        assert_eq!(world.forge.state().pulls.len(), 1);
    }
}

#[test]
fn a_very_long_body_is_left_out_of_the_page() {
    let world = World::new();
    let new = NewPullRequest {
        head: "release/v1.4.0".to_owned(),
        base: "main".to_owned(),
        title: "t".to_owned(),
        body: "x".repeat(10_000),
    };
    let url = world.run(|_, forge| forge.compare_url(&new));
    assert!(url.len() < 300 && !url.contains("body="), "{url}");
}

#[test]
fn a18_the_tag_is_annotated_at_the_merge_and_the_release_has_the_notes() {
    for face in FACES {
        for strategy in [Strategy::Merge, Strategy::Squash, Strategy::Rebase] {
            let world = World::at(face);
            let merged = world.release("1.4.0", strategy);
            let finish = || world.run(|context, forge| tag_and_show(context, forge, "1.4.0")).unwrap();
            let first = finish();
            assert_eq!(
                (first.commit.as_str(), first.tag_already, first.release_already),
                (merged.sha.as_str(), false, false)
            );
            let git = world.forge.git();
            assert_eq!(git.git(&["cat-file", "-t", "refs/tags/v1.4.0"]), "tag");
            assert_eq!(git.sha("refs/tags/v1.4.0").unwrap(), merged.sha);
            let second = finish();
            assert!(second.tag_already && second.release_already);
            let state = world.forge.state();
            assert_eq!(state.releases.len(), 1);
            let (notes, prerelease) = match face {
                Face::GitHub => ("body", Value::Bool(false)),
                Face::GitLab => ("description", Value::Null),
            };
            assert_eq!(state.releases[0][notes], "- changed");
            assert_eq!(state.releases[0]["prerelease"], prerelease);
        }
    }
}

#[test]
fn a18_a_finish_that_was_cut_short_goes_on() {
    for face in FACES {
        for on in ["/git/tags", "/git/refs", "/releases"] {
            for instead in
                [Instead::Dropped, Instead::Truncated, Instead::Status(502, Vec::new(), String::new())]
            {
                let world = World::at(face);
                let merged = world.release("1.4.0", Strategy::Squash);
                world.forge.fault(Fault::once(&format!("POST /repos/team/demo{on}"), instead));
                let finish = || world.run(|context, forge| tag_and_show(context, forge, "1.4.0"));
                // It may have failed or found its effect; the next run ends the same way.
                let _ = finish();
                finish().unwrap();
                assert_eq!(world.forge.git().sha("refs/tags/v1.4.0").unwrap(), merged.sha, "{on}");
                assert_eq!(world.forge.state().releases.len(), 1, "{on}");
            }
        }
    }
}

#[test]
fn a18_a_tag_elsewhere_and_a_release_that_was_not_merged_are_refused() {
    for face in FACES {
        let world = World::at(face);
        world.open("1.5.0");
        let error = world.run(|context, forge| tag_and_show(context, forge, "1.5.0")).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("pr-merged", 1));
        world.release("1.4.0", Strategy::Merge);
        world.forge.git().tag("v1.4.0", &world.chore("elsewhere"), true);
        let error = world.run(|context, forge| tag_and_show(context, forge, "1.4.0")).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("tag-elsewhere", 1));
        assert!(world.forge.state().releases.is_empty());
    }
}

#[test]
fn b22_a_refusal_after_the_merge_is_told_once_on_the_pull_request_and_nothing_can_be_injected() {
    let world = World::new();
    world.set("GITHUB_RUN_ID", "5");
    world.set("GITHUB_OUTPUT", world.path("output").to_str().unwrap());
    world.set("GITHUB_STEP_SUMMARY", world.path("summary").to_str().unwrap());
    world.cut_from("main", "1.4.0");
    world.commit("release/v1.4.0", &[("src/<b>|@all`x.py", Some("X = 1\n"))], "more");
    let number = world.forge.open("release/v1.4.0", "main");
    world.forge.merge(number, Strategy::Merge);
    for _ in 0..2 {
        let decision = act(&world, &pull(number)).unwrap();
        assert!(decision.refusal.is_some());
    }
    let state = world.forge.state();
    assert_eq!(state.comments.len(), 1, "told once");
    let text = &state.comments[0].1;
    assert!(text.contains("| `pr-files` | **no** |") && text.contains("&lt;b>\\|@\u{2060}all"), "{text}");
    drop(state);
    let outputs = std::fs::read_to_string(world.path("output")).unwrap();
    assert_eq!(outputs.lines().filter(|line| *line == "decision=refused").count(), 2, "{outputs}");
    assert!(outputs.lines().all(|line| line.split('=').count() == 2), "{outputs}");
    assert!(std::fs::read_to_string(world.path("summary")).unwrap().contains("pr-files"));
    let kept = world.project().join(".shipway/decisions/merged-release-pr-1.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(document["document"]["decision"], "refused");
}

#[test]
fn b18_where_the_files_are_here_the_decision_is_a_statement() {
    let world = World::new();
    let request = super::verify_run::good(&world);
    super::verify_run::act(&world, &request).unwrap();
    let decision = world
        .run(|context, forge| {
            let decision = merged_release(context, forge, &pull(1))?;
            report(context, forge, &decision, "merged-release")?;
            Ok::<_, shipway_release::Error>(decision)
        })
        .unwrap();
    assert!(decision.refusal.is_none());
    let kept = world.project().join(".shipway/evidence/1.4.0/merged-release.json");
    assert!(kept.exists());
}
