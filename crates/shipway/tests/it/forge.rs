//! `shipway forge` and `bump --pr` as a CI job runs them: exit code, document, outputs, and no token anywhere.

use serde_json::Value;
use shipway_testing::forge::{CANARY, Fault, Forge, Instead, Strategy};
use shipway_testing::{Place, Program, Project};

const PYPROJECT: &str = "[project]\nname = \"demo\"\nversion = \"1.3.0\"\n\n[tool.shipway.forge]\n";
const CHANGELOG: &str =
    "# Changelog\n\n## [Unreleased]\n\n- better & faster\n\n## [1.3.0] - 2026-01-01\n\n- made\n";

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_shipway"))
}

/// A clone whose remote is the repository of a forge.
fn at_forge<'p>(place: &'p Place, forge: &Forge) -> Project<'p> {
    let project = Project::from_files(
        place,
        &[
            ("pyproject.toml", PYPROJECT),
            ("CHANGELOG.md", CHANGELOG),
            ("src/demo.py", "A = 1\n"),
            (".github/workflows/ci.yml", "name: CI\n"),
            (".gitignore", "/.shipway/\n/dist/\n"),
        ],
    );
    let url = forge.git().path().to_str().expect("a path").to_owned();
    project.git(["remote", "set-url", "origin", &url]).must();
    project.git(["push", "--quiet", "-u", "origin", "main"]).must();
    project
}

fn in_ci(program: Program, forge: &Forge) -> Program {
    forge.variables().into_iter().fold(program, |program, (name, value)| program.env(name, value))
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_release_goes_from_bump_to_the_decision() {
    let place = place();
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let project = at_forge(&place, &forge);
    let bumped = in_ci(project.shipway(["bump", "minor", "--json"]), &forge).run();
    assert_eq!(bumped.code, Some(0), "{}", bumped.stderr);
    let bumped = document(&bumped.stdout);
    assert_eq!(bumped["pull_request"]["number"], 1);
    assert_eq!(bumped["pull_request"]["base"], "main");

    let open = in_ci(project.shipway(["forge", "check-pr", "1", "--json"]), &forge).run();
    assert_eq!(
        (open.code, &document(&open.stdout)["decision"]),
        (Some(0), &Value::from("release")),
        "{}",
        open.stderr
    );
    let early = in_ci(project.shipway(["forge", "merged-release", "--pr", "1", "--json"]), &forge).run();
    let early_document = document(&early.stdout);
    assert_eq!(
        (early.code, &early_document["decision"]),
        (Some(1), &Value::from("refused")),
        "{}",
        early.stderr
    );
    assert_eq!(
        (&early_document["ok"], &early_document["code"]),
        (&Value::from(false), &Value::from("pr-merged"))
    );

    let sha = forge.merge(1, Strategy::Squash);
    forge.push_run("main", &sha);
    let outputs = place.path("outputs");
    let decide = || {
        let arguments = [
            "forge",
            "merged-release",
            "--sha",
            &sha,
            "--wait",
            "5s",
            "--dispatch",
            "publish.yml",
            "--json",
            "-vv",
        ];
        in_ci(project.shipway(arguments), &forge).env("GITHUB_OUTPUT", &outputs).run()
    };
    let first = decide();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let decided = document(&first.stdout);
    assert_eq!(decided["schema"], "shipway.forge-merged-release/1");
    assert_eq!(decided["decision"], "release");
    assert_eq!(decided["version"], "1.4.0");
    assert!(decided["checks"].as_array().expect("checks").iter().all(|check| check["ok"] == true));
    let again = document(&decide().stdout);
    assert_eq!(again["flags"], serde_json::json!(["already-dispatched"]));
    assert_eq!(forge.state().dispatches.len(), 1);
    let text = std::fs::read_to_string(&outputs).expect("outputs");
    assert!(text.starts_with("decision=release\nversion=1.4.0\npull-request=1\n"), "{text}");
    for said in [&first.stdout, &first.stderr, &text] {
        assert!(!said.contains(CANARY), "a token is in the output: {said}");
    }
}

#[test]
fn a16_a_pull_request_that_fails_can_be_opened_later() {
    let place = place();
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let project = at_forge(&place, &forge);
    let no = Instead::Status(403, Vec::new(), "{\"message\":\"no\"}".to_owned());
    forge.fault(Fault::once("POST /repos/team/demo/pulls", no));
    let failed = in_ci(project.shipway(["bump", "minor", "--json"]), &forge).run();
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    assert_eq!(document(&failed.stdout)["code"], "pull-request-failed");
    assert!(
        failed.stderr.contains("/team/demo/compare/main...release%2Fv1.4.0?expand=1"),
        "{}",
        failed.stderr
    );
    assert!(forge.git().sha("refs/heads/release/v1.4.0").is_some());
    let later = in_ci(project.shipway(["bump", "1.4.0", "--pr", "--json"]), &forge).run();
    assert_eq!(later.code, Some(0), "{}", later.stderr);
    assert_eq!(document(&later.stdout)["pull_request"]["already"], false);
    assert_eq!(forge.state().pulls.len(), 1);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_asked() {
    let place = place();
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let project = at_forge(&place, &forge);
    let cases: [(&[&str], &str); 4] = [
        (&["forge", "verify-run", "latest", "--version", "1.4.0"], "bad-run-id"),
        (&["forge", "verify-run", "-1", "--version", "1.4.0"], "bad-run-id"),
        (&["forge", "merged-release", "--sha", "main"], "bad-commit"),
        (&["forge", "merged-release"], "no-subject"),
    ];
    for (arguments, code) in cases {
        let ran = in_ci(project.shipway(["--json"]).args(arguments), &forge).run();
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert_eq!(document(&ran.stdout)["code"], code, "{arguments:?}");
    }
    assert!(forge.state().log.is_empty());
    let lost = project.shipway(["forge", "merged-release", "--pr", "1", "--json"]).run();
    assert_eq!((lost.code, &document(&lost.stdout)["code"]), (Some(2), &Value::from("no-forge")));
}
