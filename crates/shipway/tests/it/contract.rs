//! What a change of the Python API asks for, seen through `shipway api diff` of two revisions of a project.

use serde_json::Value;

use crate::project::{PYPROJECT, Project};

/// A project with two commits, the second with another version, and what `api diff` says of them.
struct Pair {
    project: Project,
    contract: &'static str,
}

impl Pair {
    fn new(contract: &'static str, version: &str, code: &[(&str, &str)]) -> Self {
        let pair = Self { project: Project::demo(), contract };
        pair.write(version, code);
        pair
    }

    fn write(&self, version: &str, code: &[(&str, &str)]) {
        let text = PYPROJECT.replace("stable = [\"demo_pkg.answer\"]", self.contract);
        assert_ne!(text, PYPROJECT);
        self.project.write("pyproject.toml", &text.replace("1.2.3", version));
        for (path, text) in code {
            self.project.write(path, text);
        }
        self.project.commit(version);
    }

    /// The difference to a further commit.
    fn diff(&self, version: &str, code: &[(&str, &str)]) -> Value {
        self.write(version, code);
        let run = self.project.run(&["api", "diff", "HEAD~1", "HEAD", "--json"]);
        run.assert(0, &[]);
        run.json()
    }
}

/// `id level symbol` of every finding.
fn findings(diff: &Value) -> Vec<String> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all = diff["findings"].as_array().unwrap();
    all.iter().map(|one| ["id", "level", "symbol"].map(|key| text(one, key)).join(" ")).collect()
}

const INIT: &str = "demo_pkg/__init__.py";
const STABLE: &str = "stable = [\"demo_pkg.answer\", \"demo_pkg.ALLOW_WRITES\"]";
const CODE: &str =
    "ALLOW_WRITES = False\n\n\ndef answer(question, unit=1):\n    return 42\n\n\ndef main():\n    pass\n";

#[test]
fn d7_signatures_are_part_of_the_contract() {
    for (signature, finding) in [
        ("answer(question)", "C01 major demo_pkg.answer"),
        ("answer(question, unit)", "C09 major demo_pkg.answer"),
        ("answer(question, unit=2)", "C11 warn demo_pkg.answer"),
        ("answer(question, unit=1, *, more)", "C03 major demo_pkg.answer"),
        ("answer(query, unit=1)", "major demo_pkg.answer"),
    ] {
        let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
        let diff = pair.diff("1.0.1", &[(INIT, &CODE.replace("answer(question, unit=1)", signature))]);
        let found = findings(&diff);
        assert!(found.len() == 1 && found[0].ends_with(finding), "{signature}: {found:?}");
        assert_eq!(diff["verdict"]["sufficient"], finding.contains("warn"), "{signature}");
    }
    // A near miss: another spelling of the same default.
    let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
    let diff = pair.diff("1.0.1", &[(INIT, &CODE.replace("unit=1", "unit=0x1"))]);
    assert!(findings(&diff).is_empty(), "{diff:#}");
}

#[test]
fn d8_a_newly_public_symbol_that_is_not_declared_is_reported() {
    let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
    let diff = pair.diff("1.1.0", &[(INIT, &format!("{CODE}\n\ndef more():\n    pass\n"))]);
    assert_eq!(findings(&diff), ["B08 minor demo_pkg.more", "K03 warn demo_pkg.more"]);
    assert_eq!(diff["findings"][1]["name"], "undeclared-name", "neither stable nor provisional");
    assert_eq!(diff["verdict"]["sufficient"], true);
}

#[test]
fn d13_a_change_of_a_declared_default_is_breaking() {
    let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
    let diff = pair.diff("1.1.0", &[(INIT, &CODE.replace("= False", "= True"))]);
    assert_eq!(findings(&diff), ["F11 major demo_pkg.ALLOW_WRITES"]);
    assert_eq!(diff["findings"][0]["detail"], "was False, is True");
    assert_eq!(diff["verdict"]["required"], "major");
    // Not declared, it is told and refuses nothing.
    let pair = Pair::new("stable = [\"demo_pkg.answer\"]\nmode = \"compat\"", "1.0.0", &[(INIT, CODE)]);
    let diff = pair.diff("1.0.1", &[(INIT, &CODE.replace("= False", "= True"))]);
    assert_eq!(findings(&diff), ["F11 warn demo_pkg.ALLOW_WRITES"]);
    assert_eq!(diff["verdict"]["sufficient"], true);
}

#[test]
fn d24_provisional_and_internal_names_are_reported_and_never_refuse_a_0x_bump() {
    let contract = "stable = [\"demo_pkg.answer\"]\nprovisional = [\"demo_pkg.beta.*\"]\ninternal = [\"demo_pkg.wire.*\"]";
    let (beta, wire) = ("demo_pkg/beta.py", "demo_pkg/wire.py");
    let code = "def plan(a, b):\n    pass\n";
    let pair = Pair::new(contract, "0.3.0", &[(INIT, CODE), (beta, code), (wire, code)]);
    let changed = "def plan(a):\n    pass\n";
    let diff = pair.diff("0.3.1", &[(beta, changed), (wire, changed)]);
    let found = findings(&diff);
    assert!(found.iter().any(|one| one.ends_with("demo_pkg.beta.plan")), "{found:?}");
    assert_eq!(diff["verdict"]["sufficient"], true, "{diff:#}");
    // The same change of a stable name does refuse.
    let diff = pair.diff("0.3.2", &[(INIT, &CODE.replace("answer(question, unit=1)", "answer(question)"))]);
    assert_eq!(diff["verdict"]["sufficient"], false, "{diff:#}");
    assert_eq!(diff["verdict"]["required"], "minor", "0.x: a break asks for a minor");
}

#[test]
fn j2_a_finding_says_what_where_why_and_how_to_mend_it() {
    let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
    let diff = pair.diff("1.0.1", &[(INIT, &CODE.replace("answer(question, unit=1)", "answer(question)"))]);
    assert_eq!(diff["schema"], "shipway.api-diff/1");
    let finding = &diff["findings"][0];
    for key in ["id", "name", "level", "audience", "symbol", "detail", "why_public", "why_breaking", "fix"] {
        assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {finding:#}");
    }
    for (side, signature) in [("old", "def answer(question, unit=1)"), ("new", "def answer(question)")] {
        assert_eq!(finding[side]["signature"], signature);
        assert_eq!(finding[side]["file"], INIT);
        assert_eq!(finding[side]["line"], 4);
    }
    assert_eq!(diff["verdict"]["line"].as_str().unwrap().lines().count(), 1);
}

#[test]
fn j4_one_cause_is_one_finding_with_all_its_paths() {
    let core = "demo_pkg/core.py";
    let code = "class Client:\n    def get(self, url, retry=1):\n        pass\n\n\nclass Special(Client):\n    pass\n";
    let init = "from demo_pkg.core import Client, Special\nfrom demo_pkg.core import Client as Session\n\n\ndef answer():\n    pass\n\n\ndef main():\n    pass\n";
    let contract = "stable = [\"demo_pkg.answer\"]\nmode = \"compat\"";
    let pair = Pair::new(contract, "1.0.0", &[(INIT, init), (core, code)]);
    let diff = pair.diff("1.0.1", &[(core, &code.replace(", retry=1", ""))]);
    assert_eq!(diff["findings"].as_array().map(Vec::len), Some(1), "{diff:#}");
    let paths: Vec<&str> =
        diff["findings"][0]["paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for path in
        ["demo_pkg.Client.get", "demo_pkg.core.Client.get", "demo_pkg.Session.get", "demo_pkg.Special.get"]
    {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
}

#[test]
fn j11_what_was_not_checked_is_always_listed() {
    let pair = Pair::new(STABLE, "1.0.0", &[(INIT, CODE)]);
    let broken = "demo_pkg/broken.py";
    let diff = pair.diff("1.0.1", &[(broken, "def half(:\n")]);
    let reasons = diff["not_checked"].as_array().unwrap();
    assert!(
        reasons.iter().any(|one| one["symbol"].as_str().is_some_and(|s| s.contains("demo_pkg.broken"))),
        "{diff:#}"
    );
    assert!(reasons.iter().any(|one| one["reason"] == "what functions do is not compared"), "{diff:#}");
    let text = pair.project.run(&["api", "diff", "HEAD~1", "HEAD"]);
    assert!(text.stdout.contains("not checked"), "{text:#?}");
}

#[test]
fn a24_auto_takes_the_level_that_the_verdict_asks_for_and_says_why() {
    let project = Project::demo();
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &[]);
    let init = project.read(INIT);
    let change = |code: &str, note: &str| {
        project.write(INIT, code);
        project.write("CHANGELOG.md", &format!("# Changelog\n\n## [Unreleased]\n\n- {note}\n"));
        project.commit(note);
        project.run(&["bump", "auto", "--dry-run"])
    };
    change(&init.replace("return 42", "return 40 + 2"), "Faster.").assert(0, &["1.2.4 → 1.2.5 (patch: "]);
    change(&format!("{init}\n\ndef more():\n    pass\n"), "More.").assert(0, &["1.2.4 → 1.3.0 (minor: "]);
    change(&init.replace("def answer():", "def answer(question):"), "`demo_pkg.answer` asks.")
        .assert(0, &["1.2.4 → 2.0.0 (major: "]);
}
