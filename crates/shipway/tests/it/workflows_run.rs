//! The generated workflows run from the pull request to the tag, script by script, against a fake forge and a real
//! index.

use std::os::unix::fs::PermissionsExt as _;

use shipway_release::ops::yaml::{Node, parse};
use shipway_testing::forge::{CANARY, Forge, Strategy};
use shipway_testing::{Place, Project, Server};

use crate::runner::{Names, Run};

const PROJECT: &str = "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
    [project]\nname = \"demo-pkg\"\nversion = \"1.2.3\"\ndescription = \"Demo\"\nrequires-python = \">=3.10\"\n\n\
    [[tool.shipway.gate]]\nid = \"lint\"\nrun = \"python -c 'pass'\"\n\n\
    [[tool.shipway.gate]]\nid = \"tests\"\nrun = \"python -I -c 'import demo_pkg; assert demo_pkg.answer() == 42'\"\n\n\
    [tool.shipway.forge]\nrepository = \"team/demo\"\n\n\
    [tool.shipway.workflows]\nrequirements = \"dev.txt\"\ngates-environment = \"gates\"\nsecrets.key = \"CI_KEY\"\n\n\
    [tool.shipway.workflows.binary.linux-x86_64]\nurl = \"https://files.lab.example/shipway\"\n\
    sha256 = \"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9\"\n\n[tool.shipway]\n";

fn names(pairs: &[(&str, &str)]) -> Names {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
#[ignore = "a minute and more: every job of seven runs, each in an environment of its own"]
fn long_f14_and_b1_a_merged_pull_request_goes_through_every_job_to_the_last_channel_and_the_tag() {
    let place = Place::new(env!("CARGO_BIN_EXE_shipway"));
    let forge = Forge::start(&place.folder("forge"), "team/demo");
    let server = Server::start(&place, &place.data(), ["--upstream", "auto"]);
    let create = [
        "admin",
        "token",
        "create",
        "--name",
        "ci",
        "--action",
        "upload,promote,block,read,evidence",
        "--data",
    ];
    let token = place.shipway(create).arg(place.data()).must().stdout.trim().to_owned();
    let key = place.path("ci.pem");
    place
        .shipway(["admin", "key", "create", "--role", "ci", "--name", "ci", "--data"])
        .arg(place.data())
        .arg("--out")
        .arg(&key)
        .must();
    let key = std::fs::read_to_string(key).expect("a key");

    let pyproject = format!("{PROJECT}index = \"{}\"\n", server.url());
    let project = Project::from_files(
        &place,
        &[
            ("pyproject.toml", &pyproject),
            ("demo_pkg.py", "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n"),
            ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- an answer\n"),
            ("dev.txt", "# the tests need nothing besides the project\n"),
            (".gitignore", "/dist/\n/.shipway/*\n!/.shipway/bin/\n"),
        ],
    );
    project.shipway(["workflows", "generate"]).must();
    // The script itself has a test of its own; here it would hash the binary at every step.
    let script = project.directory().join(".shipway/bin/shipway");
    let stub = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_shipway"));
    std::fs::write(&script, stub).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let url = forge.git().path().to_str().expect("a path").to_owned();
    project.git(["remote", "set-url", "origin", &url]).must();
    project.git(["add", "--all"]).must();
    project.git(["commit", "--quiet", "-m", "ci: release with shipway"]).must();
    project.git(["push", "--quiet", "-u", "origin", "main"]).must();
    let read =
        |name: &str| -> Node { parse(&project.read(&format!(".github/workflows/{name}"))).expect("a tree") };
    let (ci, release, publish) = (read("ci.yml"), read("release.yml"), read("publish.yml"));

    let bump = forge
        .variables()
        .into_iter()
        .fold(project.shipway(["bump", "minor"]), |program, (name, value)| program.env(name, value));
    bump.must();
    let head = forge.git().branch("release/v1.3.0");
    let event = names(&[
        ("github.event_name", "pull_request"),
        ("matrix.python", "3.14"),
        ("github.event.pull_request.number", "1"),
        ("github.token", CANARY),
    ]);
    let run = |commit: &str, id: u64, label: &'static str, names: Names| Run {
        place: &place,
        forge: &forge,
        commit: commit.to_owned(),
        id,
        label,
        names,
    };
    let ran = run(&head, 8000, "pr", event).workflow(&ci);
    assert_eq!(ran, ["pull-request", "build", "checks", "test"]);

    let sha = forge.merge(1, Strategy::Squash);
    let built = forge.push_run("main", &sha);
    let ran = run(&sha, built, "push", names(&[("github.event_name", "push"), ("matrix.python", "3.14")]))
        .workflow(&ci);
    assert_eq!(ran, ["build", "checks", "test"]);

    let merged = names(&[
        ("github.event.pull_request.merged", "true"),
        ("github.event.pull_request.head.ref", "release/v1.3.0"),
        ("github.event.pull_request.head.repo.id", "4711"),
        ("github.event.repository.id", "4711"),
        ("github.event.pull_request.number", "1"),
        ("github.event.pull_request.merge_commit_sha", &sha),
        ("github.token", CANARY),
    ]);
    let mut unmerged = run(&sha, 8001, "unmerged", merged.clone());
    unmerged.names.insert("github.event.pull_request.merged".to_owned(), "false".to_owned());
    assert_eq!(unmerged.workflow(&release), [] as [String; 0]);
    assert_eq!(run(&sha, 8001, "merged", merged).workflow(&release), ["notice"]);
    let started = forge.state().dispatches.clone();
    assert_eq!((started.len(), started[0].0.as_str()), (1, "publish.yml"));

    let start = |dry: &str, channel: &str| {
        let mut known = names(&[
            ("github.ref", "refs/heads/main"),
            ("github.token", CANARY),
            ("secrets.SHIPWAY_TOKEN", &token),
            ("secrets.CI_KEY", &key),
            ("inputs.dry_run", dry),
            ("inputs.channel", channel),
        ]);
        for (name, value) in started[0].1["inputs"].as_object().expect("inputs") {
            known.insert(format!("inputs.{name}"), value.as_str().expect("a text").to_owned());
        }
        known
    };
    let holds = |channel: &str| {
        let status = project.shipway(["status", "--json"]).env("SHIPWAY_TOKEN", &token).run().json();
        let channels = status["channels"].as_array().cloned().unwrap_or_default();
        channels.iter().any(|one| one["name"] == channel && one["version"] == "1.3.0")
    };
    let ran = run(&sha, 8002, "dry", start("true", "stable")).workflow(&publish);
    assert_eq!(ran, ["verify", "gates", "publish"]);
    assert!(!holds("dev") && forge.git().sha("refs/tags/v1.3.0").is_none(), "a dry run changes nothing");

    let ran = run(&sha, 8003, "first", start("false", "staging")).workflow(&publish);
    assert_eq!(ran, ["verify", "gates", "publish", "finish"]);
    assert_eq!((holds("dev"), holds("staging"), holds("stable")), (true, true, false));
    let tag = forge.git().sha("refs/tags/v1.3.0");
    assert!(tag.is_some());

    // Started again it uploads nothing and goes on to the channel that is asked for now.
    let ran = run(&sha, 8004, "second", start("false", "stable")).workflow(&publish);
    assert_eq!(ran, ["verify", "publish", "finish"]);
    assert!(holds("stable"));
    assert_eq!((forge.git().sha("refs/tags/v1.3.0"), forge.state().releases.len()), (tag, 1));
}
