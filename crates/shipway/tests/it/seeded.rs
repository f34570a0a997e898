//! The sample project seeded with one defect at a time: each is refused by the gate that is meant for it, with its id
//! in the JSON, and nothing in any channel changes; the unseeded project passes.

use std::path::Path;

use serde_json::Value;
use shipway_dist::Sha256;
use shipway_dist::evidence::{Statement, Verdict};
use shipway_dist::signing::{Envelope, PrivateKey};

use crate::project::Project;

/// A replacement in a file; an empty `from` makes the file.
type Edit = (&'static str, &'static str, &'static str);

/// A defect and the gate that is meant for it.
struct Seed {
    name: &'static str,
    edits: &'static [Edit],
    gate: &'static str,
    id: &'static str,
}

const fn seed(name: &'static str, gate: &'static str, id: &'static str, edits: &'static [Edit]) -> Seed {
    Seed { name, edits, gate, id }
}

const SAFETY: &str = "src/thermostat/resources/config/safety.yaml";
const CLI: &str = "src/thermostat/cli.py";
const CONFIG: &str = "src/thermostat/config.py";
const LOADED: &str = "    folder = resources.files(\"thermostat.resources\").joinpath(\"config\")\n";

/// The defects in what is built.
const SEEDS: &[Seed] = &[
    seed(
        "flipped default",
        "safety-defaults",
        "default-changed",
        &[
            (SAFETY, "allow_writes: false", "allow_writes: true"),
            ("tests/test_defaults.py", "\"safety.allow_writes\": False", "\"safety.allow_writes\": True"),
            ("pyproject.toml", "\"defaults.allow_writes\" = false", "\"defaults.allow_writes\" = true"),
        ],
    ),
    seed(
        "two copies of a default that differ",
        "distribution",
        "data-copy-111",
        &[("tools/safety.yaml", "", "allow_writes: true\n")],
    ),
    seed(
        "default read from the working directory",
        "installed-path",
        "smoke-probe",
        &[(CONFIG, LOADED, "    folder = Path(\"src/thermostat/resources/config\")\n")],
    ),
    seed(
        "writes into site-packages",
        "installed-path",
        "site-packages-written",
        &[(
            CONFIG,
            LOADED,
            "    folder = resources.files(\"thermostat.resources\").joinpath(\"config\")\n    \
                          Path(__file__).with_name(\"seen.txt\").write_text(\"x\")\n",
        )],
    ),
    seed(
        "package data missing",
        "distribution",
        "data-missing-102",
        &[(
            "pyproject.toml",
            "packages = [\"src/thermostat\"]",
            "packages = [\"src/thermostat\"]\nexclude = [\"*.yaml\"]",
        )],
    ),
    seed(
        "console script broken",
        "installed-path",
        "script-broken",
        &[("pyproject.toml", "thermctl = \"thermostat.cli:main\"", "thermctl = \"thermostat.cli:run\"")],
    ),
    seed(
        "stable symbol moved",
        "stable-api",
        "K01-",
        &[("src/thermostat/client.py", "def create_client(", "def open_client(")],
    ),
    seed(
        "JSON key dropped",
        "cli-contract",
        "json-key-removed",
        &[(
            CLI,
            "        \"exit_codes\": {kind.error_class: kind.exit_code for kind in ERROR_CLASSES},\n",
            "",
        )],
    ),
    seed(
        "option renamed",
        "cli-contract",
        "G0",
        &[(CLI, "\"--record\", action", "\"--write\", dest=\"record\", action")],
    ),
    seed(
        "exit code changed",
        "error-contract",
        "exit-code-changed",
        &[
            ("src/thermostat/errors.py", "exit_code = 3", "exit_code = 7"),
            ("pyproject.toml", "exit = 3\n", "exit = 7\n"),
        ],
    ),
    seed(
        "error text to stdout",
        "error-contract",
        "error-stream",
        &[(CLI, "{reason}\", file=sys.stderr)", "{reason}\")")],
    ),
    seed(
        "contract entry removed in the same commit",
        "semver",
        "K02-",
        &[("pyproject.toml", "    \"thermostat.config.load_settings\",\n", "")],
    ),
    seed(
        "test gate failing",
        "tests",
        "tests-failed",
        &[("tests/test_defaults.py", "\"safety.dry_run\": True", "\"safety.dry_run\": False")],
    ),
    seed(
        "gate removed from the configuration",
        "semver",
        "gate-removed",
        &[(
            "pyproject.toml",
            "[[tool.shipway.gate]]\nid = \"tests\"\nrun = \"python3 tools/run_tests.py\"\n",
            "",
        )],
    ),
    seed(
        "config that the old version cannot read after a rollback",
        "rollback-rehearsal",
        "rollback-broken",
        &[
            (
                "src/thermostat/journal.py",
                "        json.dumps({\"time\": time, **_entry(reading)}) + \"\\n\" for reading in readings",
                "        json.dumps({\"at\": time, **_entry(reading)}) + \"\\n\" for reading in readings",
            ),
            (
                "src/thermostat/journal.py",
                "or not {\"time\", \"parameter\"} <= entry.keys()",
                "or \"parameter\" not in entry",
            ),
        ],
    ),
    seed("no notes section", "notes", "notes-section", &[("CHANGELOG.md", "## [0.5.1]", "## [0.9.9]")]),
    seed(
        "notes with an impossible date",
        "notes",
        "notes-date",
        &[("CHANGELOG.md", "## [0.5.1] - 2", "## [0.5.1] - 2025-10-XX 2")],
    ),
    seed(
        "wrong supported Pythons",
        "notes",
        "notes-python",
        &[("CHANGELOG.md", "- Steadier.\n", "- Steadier.\n\nSupported Pythons: 3.7 and later\n")],
    ),
    seed(
        "a break announced under a patch",
        "notes",
        "breaking-under-patch",
        &[(
            "CHANGELOG.md",
            "- Steadier.\n",
            "- Steadier.\n\n### Breaking\n\n- `thermctl plan` is gone; use a script.\n",
        )],
    ),
    seed(
        "generated page that drifted",
        "notes",
        "docs-drift",
        &[("docs/stable-surface.md", "- `thermostat.driver.Thermostat`\n", "")],
    ),
];

/// The sample, released as 0.5.0 and bumped to 0.5.1; made once for all tests of one binary.
fn prepared() -> Project {
    let mut project = Project::made_once("seeded-base", || {
        let mut project = sample();
        online(&mut project);
        project.run(&["release", "minor"]).assert(0, &["rollback-rehearsal passed"]);
        let text = project.read("CHANGELOG.md");
        let noted = text.replacen("## [Unreleased]\n", "## [Unreleased]\n\n### Changed\n\n- Steadier.\n", 1);
        project.write("CHANGELOG.md", &noted);
        project.commit("steadier");
        project.run(&["bump", "patch"]).assert(0, &[]);
        project
    });
    online(&mut project);
    project
}

/// The sample's dependency comes from where this machine's pip takes it.
fn online(project: &mut Project) {
    project.unset("PIP_NO_INDEX");
    project.unset("PIP_FIND_LINKS");
}

/// The sample without the gates whose tools a machine may not have; its documents follow.
fn sample() -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/thermostat");
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if entry.file_type().is_file() && !path.contains("__pycache__") {
            files.push((path, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    let pyproject = files.iter_mut().find(|(path, _)| path == "pyproject.toml").unwrap();
    for gate in [
        "[[tool.shipway.gate]]\nid = \"lint\"\nrun = \"ruff check .\"\n\n",
        "[[tool.shipway.gate]]\nid = \"format\"\nrun = \"black --check .\"\n\n",
        "[[tool.shipway.gate]]\nid = \"types\"\nrun = \"mypy\"\n\n",
    ] {
        assert!(pyproject.1.contains(gate), "{gate}");
        pyproject.1 = pyproject.1.replace(gate, "");
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let project = Project::with(&files);
    project.run(&["docs", "generate"]).assert(0, &[]);
    project.commit("documents");
    project
}

fn channels(project: &Project) -> String {
    project.run(&["status", "--json"]).json()["channels"].to_string()
}

#[track_caller]
fn edit(project: &Project, name: &str, edits: &[Edit]) {
    for (path, from, to) in edits {
        let text = if from.is_empty() { String::new() } else { project.read(path) };
        assert!(text.contains(from), "{name}: `{from}` is not in {path}");
        project.write(path, &text.replacen(from, to, 1));
    }
    project.git(&["add", "--all"]);
    project.git(&["commit", "--quiet", "-m", name]);
}

/// The findings of a gate in a `gate run --json` document, as ids.
fn found(document: &Value, gate: &str) -> Vec<String> {
    let gates = document["gates"].as_array().unwrap();
    let gate = gates.iter().find(|one| one["id"] == gate).unwrap_or(&Value::Null);
    let findings = gate["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let errors = findings.iter().filter(|one| one["severity"] == "error");
    errors.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn refuse(seeds: &[Seed]) {
    for seed in seeds {
        let project = prepared();
        let before = channels(&project);
        edit(&project, seed.name, seed.edits);
        project.run(&["build"]).assert(0, &[]);
        let run = project.run(&["gate", "run", seed.gate, "--json"]);
        run.assert(1, &[]);
        let ids = found(&run.json(), seed.gate);
        assert!(ids.iter().any(|id| id.starts_with(seed.id)), "{}: {ids:?} {run:#?}", seed.name);
        // What the gate found is what `ready` shows.
        let ready = project.run(&["ready", "--for", "stable", "--json"]);
        ready.assert(1, &[]);
        let gate =
            ready.json()["gates"].as_array().unwrap().iter().find(|one| one["id"] == seed.gate).cloned();
        if seed.name != "gate removed from the configuration" {
            assert_eq!(gate.unwrap_or_default()["verdict"], "failed", "{}: {ready:#?}", seed.name);
        }
        assert_eq!(channels(&project), before, "{}", seed.name);
    }
}

#[test]
fn seeds_of_the_installed_release_with_dependencies_from_the_registry() {
    let of = ["installed-path", "safety-defaults", "error-contract"];
    refuse(&SEEDS.iter().filter(|seed| of.contains(&seed.gate)).map(copy).collect::<Vec<_>>());
}

#[test]
fn seeds_of_commands_and_rollback_with_dependencies_from_the_registry() {
    let of = ["cli-contract", "rollback-rehearsal"];
    refuse(&SEEDS.iter().filter(|seed| of.contains(&seed.gate)).map(copy).collect::<Vec<_>>());
}

#[test]
fn seeds_of_files_api_and_tests_with_dependencies_from_the_registry() {
    let of = ["distribution", "stable-api", "semver", "tests"];
    refuse(&SEEDS.iter().filter(|seed| of.contains(&seed.gate)).map(copy).collect::<Vec<_>>());
}

#[test]
fn seeds_of_the_notes_with_dependencies_from_the_registry() {
    refuse(&SEEDS.iter().filter(|seed| seed.gate == "notes").map(copy).collect::<Vec<_>>());
}

fn copy(seed: &Seed) -> Seed {
    Seed { name: seed.name, edits: seed.edits, gate: seed.gate, id: seed.id }
}

/// Puts a changed statement in the place of the kept one of `distribution`.
fn tamper(project: &Project, change: impl FnOnce(&mut Statement), key: Option<&PrivateKey>) {
    let path = ".shipway/evidence/0.5.1/distribution.json";
    let envelope: Envelope = serde_json::from_str(&project.read(path)).unwrap();
    let mut statement = envelope.unverified().unwrap();
    change(&mut statement);
    let pem = std::fs::read_to_string(project.data_dir().join("keys/ci.pem")).unwrap();
    let own = PrivateKey::from_pem(&pem).unwrap();
    let signed = Envelope::sign(&statement, key.unwrap_or(&own));
    project.write(path, &serde_json::to_string(&signed).unwrap());
}

#[test]
fn the_unseeded_sample_passes_and_seeds_of_evidence_and_files_do_not_with_dependencies_from_the_registry() {
    let mut project = prepared();
    // As in a CI run, so that the attempt is known.
    project.set("GITHUB_RUN_ID", "77");
    project.set("GITHUB_RUN_ATTEMPT", "2");
    project.run(&["build"]).assert(0, &[]);
    project.run(&["gate", "run", "--json"]).assert(0, &[]);
    let ready = |project: &Project| project.run(&["ready", "--for", "dev", "--json"]);
    ready(&project).assert(0, &[]);
    let before = channels(&project);
    let good = project.read(".shipway/evidence/0.5.1/distribution.json");
    let stranger = PrivateKey::from_seed(&[5; 32]);
    let verdict = |project: &Project| {
        let run = ready(project);
        run.assert(1, &["distribution"]);
        let document = run.json();
        let gates = document["gates"].as_array().unwrap();
        gates.iter().find(|one| one["id"] == "distribution").unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    tamper(&project, |statement| statement.predicate.commit = "0".repeat(40), None);
    assert_eq!(verdict(&project), "stale", "evidence of another commit");
    project.write(".shipway/evidence/0.5.1/distribution.json", &good);
    tamper(&project, |statement| statement.predicate.attempt = Some(1), None);
    assert_eq!(verdict(&project), "stale", "evidence of another attempt");
    project.write(".shipway/evidence/0.5.1/distribution.json", &good);
    tamper(&project, |statement| statement.subject[0].digest.sha256 = Sha256::of(b"x"), None);
    assert_eq!(verdict(&project), "other-bytes", "evidence of other bytes");
    project.write(".shipway/evidence/0.5.1/distribution.json", &good);
    tamper(&project, |_| {}, Some(&stranger));
    assert_eq!(verdict(&project), "missing", "signed by nobody known");
    project.write(".shipway/evidence/0.5.1/distribution.json", &good);
    tamper(&project, |statement| statement.predicate.result = Verdict::Failed, None);
    assert_eq!(verdict(&project), "failed");
    project.write(".shipway/evidence/0.5.1/distribution.json", &good);

    // Files: an extra wheel beside the manifest, and a file of another project with the right version in it.
    let extra = "dist/other-0.5.1-py3-none-any.whl";
    project.write(extra, "not even a wheel");
    let run = project.run(&["gate", "run", "distribution", "--json"]);
    run.assert(1, &["manifest-extra"]);
    std::fs::remove_file(project.root().join(extra)).unwrap();
    let wheel = shipway_testing::Wheel::new("other", "0.5.1").write(&project.root().join("dist"));
    let mut manifest: Value = serde_json::from_str(&project.read(".shipway/manifest.json")).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    let at = files.iter().position(|file| file["filename"].as_str().unwrap().ends_with(".whl")).unwrap();
    let bytes = std::fs::read(&wheel.path).unwrap();
    std::fs::remove_file(project.root().join("dist").join(files[at]["filename"].as_str().unwrap())).unwrap();
    files[at] = serde_json::json!({
        "filename": "other-0.5.1-py3-none-any.whl", "size": bytes.len(), "sha256": Sha256::of(&bytes),
    });
    project.write(".shipway/manifest.json", &manifest.to_string());
    let run = project.run(&["gate", "run", "distribution", "--json"]);
    run.assert(1, &["manifest-name"]);
    project.run(&["publish"]).assert(1, &[]);
    assert_eq!(channels(&project), before);
}
