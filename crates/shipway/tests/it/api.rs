//! The API contract in the pipeline: compared with the last release on the index, never with the same commit.

use crate::project::{PYPROJECT, Project};

const CODE: &str = "\"\"\"Demo.\"\"\"\n\n\ndef answer(question=None):\n    return 42\n\n\ndef main():\n    print(answer())\n";

/// The demo with one release on the index.
fn released() -> Project {
    let project = Project::demo();
    change(&project, CODE, "Takes a question.");
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &["stable-api", "semver"]);
    project
}

fn change(project: &Project, code: &str, note: &str) {
    project.write("demo_pkg/__init__.py", code);
    project.write("CHANGELOG.md", &format!("# Changelog\n\n## [Unreleased]\n\n- {note}\n"));
    project.commit(note);
}

#[test]
fn d6_j5_the_bump_must_be_enough_for_what_changed() {
    let project = released();
    // J5: a feature under a patch.
    change(&project, &format!("{CODE}\n\ndef more():\n    return 43\n"), "More.");
    project.run(&["api", "status"]).assert(0, &[]);
    assert!(
        project.run(&["api", "status"]).stdout.starts_with("minor: "),
        "{:?}",
        project.run(&["api", "status"])
    );
    let before = project.state();
    project.run(&["release", "patch", "--to", "dev"]).assert(1, &["does not pass: semver", "B08-name-added"]);
    assert_eq!(project.state(), before, "the branch that was cut is taken back");
    assert_eq!(project.run(&["status", "--json"]).json()["channels"][0]["version"], "1.2.4");
    // A24: auto takes what is asked for, and says why.
    project.run(&["release", "auto", "--to", "dev"]).assert(0, &["1.2.4 → 1.3.0 (minor: "]);
    // D6, D7: a break under a minor.
    change(&project, &CODE.replace("question=None", "question"), "Stricter.");
    project.run(&["bump", "auto", "--dry-run"]).assert(0, &["1.3.0 → 2.0.0 (major: "]);
    project.run(&["release", "minor", "--to", "dev"]).assert(1, &["semver", "C09-param-default-removed"]);
}

#[test]
fn d19_j8_a_break_must_be_named_in_the_notes() {
    let project = released();
    change(&project, &CODE.replace("def answer(question=None)", "def answer()"), "Simpler.");
    let run = project.run(&["release", "major", "--to", "dev"]);
    run.assert(1, &["break-not-named", "- `demo_pkg.answer`: parameter `question` is gone."]);
    change(
        &project,
        &CODE.replace("def answer(question=None)", "def answer()"),
        "`demo_pkg.answer` takes no question.",
    );
    project.run(&["release", "major", "--to", "dev"]).assert(0, &[]);
}

#[test]
fn j8_notes_check_fix_inserts_what_the_notes_do_not_name() {
    let project = released();
    change(&project, &CODE.replace("def answer(question=None)", "def answer()"), "Simpler.");
    let before = project.read("CHANGELOG.md");
    project.run(&["notes", "check"]).assert(1, &["do not name every break", "shipway notes check --fix"]);
    assert_eq!(project.read("CHANGELOG.md"), before);
    project.run(&["notes", "check", "--fix"]).assert(0, &[]);
    let bullet = "### Breaking\n\n- `demo_pkg.answer`: parameter `question` is gone.\n\n";
    assert_eq!(project.read("CHANGELOG.md"), before.replace("- Simpler.", &format!("{bullet}- Simpler.")));
    project.run(&["notes", "check"]).assert(0, &[]);
    let after = project.read("CHANGELOG.md");
    project.run(&["notes", "check", "--fix"]).assert(0, &[]);
    assert_eq!(project.read("CHANGELOG.md"), after, "nothing is inserted twice");
}

#[test]
fn api_diff_prints_witnesses_when_asked() {
    let project = released();
    change(&project, &CODE.replace("question=None", "question"), "Stricter.");
    let run = project.run(&["api", "diff", "v1.2.4", "HEAD", "--witness"]);
    run.assert(0, &[]);
    assert!(run.stdout.contains("inspect.signature(answer).bind()"), "{}", run.stdout);
    let without = project.run(&["api", "diff", "v1.2.4", "HEAD", "--json"]);
    assert!(without.json()["findings"][0].get("witness").is_none());
}

#[test]
fn j7_a_stable_symbol_that_is_missing_is_refused_at_the_first_release() {
    let project = Project::demo();
    project.write("pyproject.toml", &PYPROJECT.replace("demo_pkg.answer", "demo_pkg.nowhere"));
    project.commit("promise");
    project
        .run(&["release", "patch", "--to", "dev"])
        .assert(1, &["stable-api", "K01-contract-symbol-missing", "demo_pkg.nowhere"]);
    assert!(project.run(&["status", "--json"]).json()["channels"][0]["version"].is_null());
}

#[test]
fn j6_an_import_that_leads_nowhere_is_refused_whatever_the_bump() {
    let project = Project::demo();
    change(&project, &format!("from demo_pkg.missing import thing\n{CODE}"), "Broken.");
    project
        .run(&["release", "major", "--to", "dev"])
        .assert(1, &["stable-api", "dangling-import", "demo_pkg.missing"]);
}

#[test]
fn d21_dropping_a_stable_entry_in_the_same_commit_is_a_break() {
    let project = released();
    project.write(
        "pyproject.toml",
        &project
            .read("pyproject.toml")
            .replace("stable = [\"demo_pkg.answer\"]", "stable = [\"demo_pkg.main\"]"),
    );
    change(&project, CODE, "Promise something else.");
    project
        .run(&["release", "patch", "--to", "dev"])
        .assert(1, &["semver", "K02-contract-entry-removed", "demo_pkg.answer"]);
}

#[test]
fn j9_an_accepted_break_needs_a_reason_and_ends() {
    let project = released();
    let accept = |expires: &str, symbol: &str| {
        let entry = format!(
            "\n[[tool.shipway.accept]]\nid = \"C01\"\nsymbol = \"{symbol}\"\nreason = \"nobody passed it\"\nexpires = \"{expires}\"\n"
        );
        project.write("pyproject.toml", &format!("{}{entry}", PYPROJECT.replace("1.2.3", "1.2.4")));
        change(
            &project,
            &CODE.replace("def answer(question=None)", "def answer()"),
            "`demo_pkg.answer` takes no question.",
        );
        let run = project.run(&["api", "check", "HEAD"]);
        project.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        project.git(&["push", "--quiet", "--force", "origin", "main"]);
        run
    };
    accept("2999-01-01", "demo_pkg.answer").assert(0, &[]);
    accept("2020-01-01", "demo_pkg.answer").assert(1, &["K05"]);
    accept("2999-01-01", "demo_pkg.other").assert(1, &["K04"]);
    project.write(
        "pyproject.toml",
        &format!("{PYPROJECT}\n[[tool.shipway.accept]]\nid = \"C01\"\nsymbol = \"x\"\n"),
    );
    project.run(&["api", "check"]).assert(2, &["`accept[0]` needs"]);
}

#[test]
fn api_diff_shows_and_exits_0_and_api_check_decides() {
    let project = released();
    change(&project, &CODE.replace("question=None", "question"), "Stricter.");
    let run = project.run(&["api", "diff", "demo-pkg==1.2.4", "HEAD", "--json"]);
    run.assert(0, &[]);
    let document = run.json();
    assert_eq!(document["schema"], "shipway.api-diff/1");
    assert_eq!(document["verdict"]["required"], "major");
    assert_eq!(document["findings"][0]["symbol"], "demo_pkg.answer");
    project.run(&["api", "diff", "v1.2.4", "HEAD"]).assert(0, &[]);
    project.run(&["api", "check", "HEAD"]).assert(1, &["C09-param-default-removed"]);
    assert!(
        project
            .run(&["api", "diff", "v1.2.4", "HEAD", "--format", "markdown"])
            .stdout
            .starts_with("- `demo_pkg.answer`")
    );
    assert!(
        project
            .run(&["api", "diff", "v1.2.4", "HEAD", "--format", "sarif"])
            .stdout
            .contains("\"version\": \"2.1.0\"")
    );
    project.run(&["api", "diff", "nowhere", "HEAD"]).assert(2, &["`nowhere` names nothing"]);
    project.run(&["api", "diff", "demo-pkg==9.9", "HEAD"]).assert(1, &["has no `demo-pkg` 9.9"]);
    project.write("no.whl", "x");
    project.run(&["api", "show", "no.whl"]).assert(2, &["no.whl"]);
    project.run(&["api", "show", "README.md"]).assert(2, &["README.md"]);
}
