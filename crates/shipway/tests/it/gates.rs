//! Rows D1 to D3, D9 to D17, D21, G10 and J10: each defect, seeded alone into a released project, is refused before
//! anything is published, by the gate that is meant for it.

use serde_json::Value;

use crate::project::Project;

const PYPROJECT: &str = r#"[build-system]
requires = ["flit_core>=3.9"]
build-backend = "flit_core.buildapi"

[project]
name = "demo-pkg"
version = "1.2.3"
description = "A demo."
readme = "README.md"
requires-python = ">=3.8"

[project.scripts]
demo = "demo_pkg.cli:main"

[tool.shipway]
channels = ["dev"]

[[tool.shipway.gate]]
id = "tests"
run = "sh check.sh"

[tool.shipway.contract]
stable = ["demo_pkg.answer"]
commands = ["demo"]
data = ["demo_pkg/defaults.json", "demo_pkg/*.json"]
errors = ["invalid-input"]

[[tool.shipway.probe]]
id = "answers"
kind = "smoke"
run = "demo get answer"
stdout = "42"

[[tool.shipway.probe]]
id = "configured"
kind = "smoke"
run = "sh -c 'cat site.txt ~/.config/site.txt'"
files = { "site.txt" = "here", "~/.config/site.txt" = " and at home" }
stdout = "here and at home"

[[tool.shipway.probe]]
id = "safe"
kind = "safety"
run = "demo capabilities --json"
json = { "defaults.allow_writes" = false }

[[tool.shipway.probe]]
id = "unknown"
kind = "error"
class = "invalid-input"
run = "demo get nosuch"
exit = 3
stderr = "unknown name"
"#;

const CLI: &str = r#"import argparse
import json
import os
import pathlib
import sys

DEFAULTS = pathlib.Path(__file__).with_name("defaults.json")
FORMAT = 1


def remember():
    path = pathlib.Path(os.environ["HOME"], ".config", "demo.json")
    known = json.loads(path.read_text()) if path.exists() else {"format": FORMAT}
    if known["format"] > FORMAT:
        sys.exit("demo: cannot read " + str(path))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"format": FORMAT}))


def main():
    parser = argparse.ArgumentParser(prog="demo")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    capabilities = commands.add_parser("capabilities", help="what it can do")
    capabilities.add_argument("--json", action="store_true")
    get = commands.add_parser("get", help="get a value")
    get.add_argument("name")
    get.add_argument("--unit", help="its unit")
    options = parser.parse_args()
    remember()
    defaults = json.loads(DEFAULTS.read_text())
    if options.command == "capabilities":
        print(json.dumps({"defaults": defaults, "limits": {"most": 3}}))
    elif options.name == "answer":
        print(42)
    else:
        print("demo: unknown name", file=sys.stderr)
        sys.exit(3)
"#;

fn demo() -> Project {
    Project::with(&[
        ("pyproject.toml", PYPROJECT),
        ("README.md", "# demo\n"),
        ("demo_pkg/__init__.py", "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n"),
        ("demo_pkg/cli.py", CLI),
        ("demo_pkg/defaults.json", "{\"allow_writes\": false}\n"),
        ("check.sh", "grep -q '\"allow_writes\": false' demo_pkg/defaults.json\n"),
        ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- First.\n"),
        (".gitignore", "/dist/\n/.shipway/*\n"),
    ])
}

/// The demo, released once as 1.2.4; made once for all tests of one binary.
fn released() -> Project {
    Project::made_once("gates-base", || {
        let project = demo();
        project.run(&["release", "patch"]).assert(0, &["rollback-rehearsal passed"]);
        project.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- More.\n");
        project.commit("go on");
        project
    })
}

/// A replacement in a file.
type Edit<'a> = (&'a str, &'a str, &'a str);

/// The released demo with a change committed.
#[track_caller]
fn seeded(edits: &[Edit<'_>]) -> Project {
    let project = released();
    edit(&project, edits);
    project.commit("change something");
    project
}

#[track_caller]
fn edit(project: &Project, edits: &[Edit<'_>]) {
    for (path, from, to) in edits {
        let text = if project.root().join(path).exists() { project.read(path) } else { String::new() };
        assert!(text.contains(from), "`{from}` is not in {path}");
        project.write(path, &text.replacen(from, to, 1));
    }
}

/// Asserts that the next patch is refused by exactly these gates, with these findings, and that nothing changed.
#[track_caller]
fn assert_refused(edits: &[Edit<'_>], gates: &str, findings: &[&str]) -> Project {
    let project = seeded(edits);
    let before = (project.state(), project.run(&["status", "--json"]).stdout);
    let run = project.run(&["release", "patch", "--json"]);
    run.assert(1, &[&format!("1.2.5 does not pass: {gates}\n")]).assert(1, findings);
    assert_eq!(run.json()["code"], "gate-failed");
    let after = (project.state(), project.run(&["status", "--json"]).stdout);
    assert_eq!(before, after, "a refused release changes nothing");
    project
}

/// The outcome of a gate's last run over 1.2.5.
fn outcome(project: &Project, gate: &str) -> Value {
    serde_json::from_str(&project.read(&format!(".shipway/gates/1.2.5/{gate}.json"))).unwrap()
}

#[test]
fn d1_d3_gates_pass_and_record_what_they_ran_on() {
    let project = released();
    project.run(&["release", "patch"]).assert(0, &["installed-path passed", "cli-contract passed"]);
    let manifest: Value = serde_json::from_str(&project.read(".shipway/manifest.json")).unwrap();
    let evidence = |gate: &str| -> Value { project.statement("1.2.5", gate) };
    for gate in
        ["tests", "installed-path", "safety-defaults", "error-contract", "cli-contract", "rollback-rehearsal"]
    {
        let statement = evidence(gate);
        let (predicate, detail) = (&statement["predicate"], &statement["predicate"]["detail"]);
        assert_eq!(predicate["result"], "PASSED", "{statement:#}");
        assert_eq!(detail["commit"], manifest["commit"]);
        assert_eq!(detail["tree"], manifest["tree"]);
        assert!(detail["toolVersions"]["python"].is_string(), "{detail:#}");
        for (file, subject) in
            manifest["files"].as_array().unwrap().iter().zip(statement["subject"].as_array().unwrap())
        {
            assert_eq!(file["sha256"], subject["digest"]["sha256"]);
        }
        assert_eq!(outcome(&project, gate)["state"], "passed");
        assert!(!project.read(&format!(".shipway/logs/1.2.5/{gate}.log")).is_empty());
        if gate != "tests" {
            assert_eq!(detail["baseline"], "1.2.4");
            assert!(detail["notCompared"].as_array().unwrap().is_empty(), "{detail:#}");
        }
    }
    let tests = &evidence("tests")["predicate"]["detail"];
    assert_eq!((&tests["command"], &tests["exitCode"]), (&"sh check.sh".into(), &0.into()));
    assert!(tests["stdoutSha256"].is_string());
    let installed = &evidence("installed-path")["predicate"]["detail"];
    assert!(["none", "open"].iter().any(|network| installed["isolation"]["network"] == *network));
    assert!(installed["isolation"]["why"].is_string() && installed["sitePackages"]["hashed"] == true);
    let rehearsal = &evidence("rollback-rehearsal")["predicate"]["detail"]["phases"];
    let phases: Vec<&Value> = rehearsal.as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(phases, ["1.2.4", "1.2.5", "1.2.4"]);
    assert_eq!(rehearsal[0]["sha256"], rehearsal[2]["sha256"]);
    let list = project.run(&["gate", "list", "--json"]).json();
    let of =
        |id: &str| list["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == id).unwrap().clone();
    assert_eq!(
        (&of("tests")["source"], &of("tests")["last"]["state"]),
        (&"declared".into(), &"passed".into())
    );
    assert_eq!(
        (&of("semver")["source"], &of("lint")["source"]),
        (&"built in".into(), &"not declared".into())
    );
}

#[test]
fn d12_d13_a_flipped_default_is_refused_although_its_test_and_its_probe_are_edited_too() {
    let edits = [
        ("demo_pkg/defaults.json", "false", "true"),
        ("check.sh", "false", "true"),
        ("pyproject.toml", "\"defaults.allow_writes\" = false", "\"defaults.allow_writes\" = true"),
    ];
    let project = assert_refused(
        &edits,
        "safety-defaults",
        &["default-changed: `safe:defaults.allow_writes`: declared as `false`, now as `true` (major)"],
    );
    // As a major release it may be, when the notes say so (row D19).
    project
        .run(&["release", "major"])
        .assert(1, &["does not pass: notes\n", "do not name `safe:defaults.allow_writes`"]);
    edit(&project, &[("CHANGELOG.md", "- More.", "- More, and `allow_writes` is on by default.")]);
    project.commit("say so");
    project.run(&["release", "major"]).assert(0, &["safety-defaults warned"]);
}

#[test]
fn d12_d21_a_default_is_compared_although_its_probe_is_removed() {
    let probe = &PYPROJECT[PYPROJECT.find("[[tool.shipway.probe]]\nid = \"safe\"").unwrap()
        ..PYPROJECT.find("[[tool.shipway.probe]]\nid = \"unknown\"").unwrap()];
    // The gate is not asked any more, so that `semver` says it.
    assert_refused(
        &[("pyproject.toml", probe, "")],
        "semver",
        &["contract-entry-removed: `safe`: the previous release declared this probe"],
    );
}

#[test]
fn d15_a_default_that_is_read_from_the_working_directory_is_refused() {
    let from = "pathlib.Path(__file__).with_name(\"defaults.json\")";
    let gates = "cli-contract, safety-defaults, error-contract, installed-path, rollback-rehearsal";
    assert_refused(
        &[("demo_pkg/cli.py", from, "pathlib.Path(\"demo_pkg/defaults.json\")")],
        gates.trim_end_matches(", rollback-rehearsal"),
        &["smoke-probe: probe `answers`: exit code 1, expected exit code 0", "defaults.json"],
    );
}

#[test]
fn d17_what_is_written_into_site_packages_is_refused() {
    let write = "    remember()\n    pathlib.Path(__file__).with_name(\"cache.txt\").write_text(\"x\")\n";
    assert_refused(
        &[("demo_pkg/cli.py", "    remember()\n    defaults", &format!("{write}    defaults"))],
        "installed-path",
        &["site-packages-written: while probes ran, something created `", "demo_pkg/cache.txt`"],
    );
}

#[test]
fn c7_a_console_script_that_does_not_load_is_refused_before_the_publish() {
    let project = seeded(&[(
        "pyproject.toml",
        "demo = \"demo_pkg.cli:main\"",
        "demo = \"demo_pkg.cli:main\"\nother = \"demo_pkg.other:main\"",
    )]);
    project.write("demo_pkg/other.py", "import a_module_that_is_nowhere\n\n\ndef main():\n    pass\n");
    project.commit("another script");
    let run = project.run(&["release", "minor"]);
    run.assert(1, &["does not pass: installed-path\n", "script-broken: `other = demo_pkg.other:main`"]);
    assert_eq!(outcome_of(&project, "1.3.0", "cli-contract"), "warned", "it is not documented either");
}

fn outcome_of(project: &Project, version: &str, gate: &str) -> Value {
    let path = format!(".shipway/gates/{version}/{gate}.json");
    serde_json::from_str::<Value>(&project.read(&path)).unwrap()["state"].clone()
}

#[test]
fn d9_j10_a_json_key_that_is_dropped_and_an_option_that_is_renamed_are_refused() {
    assert_refused(
        &[
            ("demo_pkg/cli.py", ", \"limits\": {\"most\": 3}", ""),
            ("demo_pkg/cli.py", "\"--unit\"", "\"--units\""),
        ],
        "cli-contract, notes",
        &[
            "json-key-removed: `safe:limits`: `demo capabilities --json` no longer prints the key (major)",
            "G02: `demo get --unit`: option `--unit` is gone; `--units` looks like its new name (major)",
        ],
    );
}

#[test]
fn d10_commands_that_are_documented_and_absent_or_the_other_way_round_are_named() {
    assert_refused(
        &[
            ("pyproject.toml", "commands = [\"demo\"]", "commands = [\"demo\", \"democtl\"]"),
            (
                "pyproject.toml",
                "demo = \"demo_pkg.cli:main\"",
                "demo = \"demo_pkg.cli:main\"\ndemo2 = \"demo_pkg.cli:main\"",
            ),
        ],
        "semver, cli-contract",
        &["command-missing: `contract.commands` names `democtl`"],
    );
}

#[test]
fn d11_an_exit_code_that_changed_is_refused_although_its_probe_is_edited_too() {
    assert_refused(
        &[
            ("demo_pkg/cli.py", "sys.exit(3)", "sys.exit(4)"),
            ("pyproject.toml", "exit = 3", "exit = 4"),
            // A promised class of error needs a probe.
            (
                "pyproject.toml",
                "errors = [\"invalid-input\"]",
                "errors = [\"invalid-input\", \"connection\"]",
            ),
        ],
        "error-contract",
        &[
            "exit-code-changed: `unknown`: declared as 3, now as 4 (major)",
            "error-class-missing: `contract.errors` names `connection`",
        ],
    );
}

#[test]
fn d11_error_text_on_stdout_is_refused() {
    assert_refused(
        &[(
            "demo_pkg/cli.py",
            "print(\"demo: unknown name\", file=sys.stderr)",
            "print(\"demo: unknown name\")",
        )],
        "error-contract",
        &["error-stream: probe `unknown`: the error text is on stdout, not on stderr: demo: unknown name"],
    );
}

#[test]
fn g10_a_configuration_that_the_old_release_cannot_read_is_refused() {
    assert_refused(
        &[("demo_pkg/cli.py", "FORMAT = 1", "FORMAT = 2")],
        "rollback-rehearsal",
        &[
            "rollback-broken: after going back from 1.2.5 to 1.2.4: probe `answers`: exit code 1",
            "cannot read",
        ],
    );
}

#[test]
fn d21_what_the_configuration_no_longer_names_is_refused() {
    let gate = "[[tool.shipway.gate]]\nid = \"tests\"\nrun = \"sh check.sh\"\n";
    let project = assert_refused(
        &[
            ("pyproject.toml", gate, ""),
            ("pyproject.toml", "\"demo_pkg/defaults.json\", ", ""),
            ("pyproject.toml", "errors = [\"invalid-input\"]", "errors = []"),
        ],
        "semver, error-contract, installed-path",
        &[
            "gate-removed: `tests`: the previous release declared this gate",
            "contract-entry-removed: `demo_pkg/defaults.json`: the previous release declared it in `contract.data`",
            "contract-entry-removed: `invalid-input`",
        ],
    );
    let accept = ["gate-removed", "contract-entry-removed"].map(|id| {
        format!("[[tool.shipway.accept]]\nid = \"{id}\"\nsymbol = \"*\"\nreason = \"tried by hand\"\nexpires = \"2999-01-01\"\n\n")
    });
    let first = "[[tool.shipway.probe]]\nid = \"answers\"";
    edit(&project, &[("pyproject.toml", first, &format!("{}{first}", accept.concat()))]);
    project.commit("accept it");
    project.run(&["release", "patch"]).assert(0, &["semver warned", "installed-path warned"]);
}

#[test]
fn bad_input_probes_that_misbehave_are_named_and_leave_no_process() {
    let mark = format!("86{:05}", std::process::id() % 100_000);
    let probe = |id: &str, run: &str| {
        format!("[[tool.shipway.probe]]\nid = \"{id}\"\nkind = \"smoke\"\ntimeout = 5\nrun = {run:?}\n\n")
    };
    let probes = [
        probe("hangs", &format!("sh -c 'sleep {mark}'")),
        probe(
            "floods",
            "sh -c 'while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done'",
        ),
        probe(
            "daemonizes",
            &format!("sh -c 'setsid sh -c \"sleep {mark} & sleep {mark} &\" >/dev/null 2>&1 &'"),
        ),
        probe("kills", "sh -c 'kill -9 0'"),
        probe("scatters", "sh -c 'touch \"$TMPDIR/left\"'"),
        probe("connects", "sh -c 'test $(wc -l </proc/net/dev) -gt 3 || exit 7'"),
    ];
    let first = "[[tool.shipway.probe]]\nid = \"answers\"";
    assert_refused(
        &[("pyproject.toml", first, &format!("{}{first}", probes.concat()))],
        "installed-path, rollback-rehearsal".trim_end_matches(", rollback-rehearsal"),
        &[
            "smoke-probe: probe `hangs`: it did not end within 5 s",
            "probe-manners: probe `floods`: it wrote more than 8 MiB and was stopped",
            "probe-manners: probe `daemonizes`: it left a process running, which was ended",
            "smoke-probe: probe `kills`: ended by a signal",
            "file-outside: probe `scatters`: it created `tmp/left`",
        ],
    );
    let alive = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line) == format!("sleep\0{mark}\0"))
    });
    assert_eq!(alive.count(), 0, "a process is left");
}

#[test]
fn d2_a_gate_that_cannot_run_is_no_failed_gate() {
    let project = demo();
    let lint = "[[tool.shipway.gate]]\nid = \"lint\"\nrun = \"no-such-linter .\"\n\n";
    edit(
        &project,
        &[("pyproject.toml", "[tool.shipway.contract]", &format!("{lint}[tool.shipway.contract]"))],
    );
    project.commit("a linter that is not here");
    project.run(&["build"]).assert(0, &[]);
    let verdict = |run: &crate::project::Run, id: &str| -> Value {
        let document = run.json();
        let gate = document["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == id).cloned();
        gate.map(|gate| gate["verdict"].clone()).unwrap_or_default()
    };
    let run = project.run(&["gate", "run", "lint", "tests", "distribution", "--json"]);
    run.assert(3, &["1.2.3 was not judged by: lint", "lint could not run: cannot run `no-such-linter`"]);
    assert_eq!((verdict(&run, "lint"), verdict(&run, "tests")), ("error".into(), "passed".into()));
    assert_eq!(verdict(&run, "distribution"), "passed", "the others go on");
    assert_eq!(run.json()["code"], "gate-error");
    assert!(!project.root().join(".shipway/evidence/1.2.3/lint.json").exists(), "no evidence of nothing");
    assert_eq!(outcome_of(&project, "1.2.3", "lint"), "error");
    let list = project.run(&["gate", "list"]);
    assert!(list.stdout.contains("error"), "{}", list.stdout);
    // A failed gate outweighs it.
    project.write("demo_pkg/defaults.json", "{\"allow_writes\": true}\n");
    project.commit("flip");
    project.run(&["build"]).assert(0, &[]);
    let run = project.run(&["gate", "run", "lint", "tests", "--json"]);
    run.assert(1, &["1.2.3 does not pass: tests", "lint could not run"]);
    assert_eq!((verdict(&run, "lint"), verdict(&run, "tests")), ("error".into(), "failed".into()));
    // pip that is down is no failed release either.
    let mut project = project;
    project.set("SHIPWAY_PYTHON", "/nowhere/python3");
    let run = project.run(&["gate", "run", "installed-path", "--json"]);
    run.assert(3, &["installed-path could not run", "/nowhere/python3"]);
    assert_eq!(verdict(&run, "installed-path"), "error");
}
