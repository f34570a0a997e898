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

/// An sdist with nothing but its metadata.
fn sdist() -> Vec<u8> {
    let script = "import io,sys,tarfile;b=io.BytesIO();t=tarfile.open(fileobj=b,mode='w:gz');\
        d=b'Metadata-Version: 2.2\\nName: demo\\nVersion: 1.4.0\\nSummary: s\\n';\
        i=tarfile.TarInfo('demo-1.4.0/PKG-INFO');i.size=len(d);t.addfile(i,io.BytesIO(d));\
        p=b'[project]\\nname=\"demo\"\\nversion=\"1.4.0\"\\n';i=tarfile.TarInfo('demo-1.4.0/pyproject.toml');\
        i.size=len(p);t.addfile(i,io.BytesIO(p));t.close();sys.stdout.buffer.write(b.getvalue())";
    std::process::Command::new("python3").args(["-c", script]).output().expect("python3").stdout
}

#[test]
#[ignore = "long: half a gigabyte"]
fn long_e9_half_a_gigabyte_is_verified_in_little_memory() {
    let place = place();
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let project = at_forge(&place, &forge);
    in_ci(project.shipway(["bump", "minor", "--no-switch"]), &forge).must();
    let sha = forge.merge(1, Strategy::Squash);
    let run = forge.push_run("main", &sha);
    let made = shipway_testing::Wheel::new("demo", "1.4.0")
        .noise("demo/data.bin", 500 << 20)
        .write(&place.folder("made"));
    let wheel = std::fs::read(&made.path).expect("a wheel");
    let sdist = sdist();
    let file = |name: &str, bytes: &[u8]| serde_json::json!({ "filename": name, "size": bytes.len(), "sha256": shipway_dist::Sha256::of(bytes) });
    let manifest = serde_json::json!({
        "schema": "shipway.manifest/1", "ok": true, "project": "demo", "version": "1.4.0", "commit": sha,
        "tree": "0".repeat(40), "run": run.to_string(), "attempt": 1, "source_date_epoch": 1_767_225_600,
        "tools": {}, "files": [file(&made.filename, &wheel), file("demo-1.4.0.tar.gz", &sdist)],
    });
    forge.upload(run, "manifest.json", manifest.to_string().into_bytes());
    forge.upload(run, "demo-1.4.0.tar.gz", sdist);
    forge.upload(run, &made.filename, wheel);
    let run = run.to_string();
    let script = "import resource,subprocess,sys;c=subprocess.run(sys.argv[1:]).returncode;\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss);sys.exit(c)";
    let shipway = env!("CARGO_BIN_EXE_shipway");
    let ran = in_ci(place.program("python3"), &forge)
        .env("SHIPWAY_DATA_DIR", place.data())
        .at(project.directory())
        .args(["-c", script, shipway, "forge", "verify-run", &run, "--version", "1.4.0"])
        .must();
    let kilobytes: u64 =
        ran.stdout.lines().last().and_then(|line| line.trim().parse().ok()).expect("a figure");
    println!("500 MB verified with {} MB of memory", kilobytes / 1024);
    assert!(kilobytes < 50 * 1024, "{kilobytes} KB");
}
