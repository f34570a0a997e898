//! Row A23 and the steps after the bump: released whole, resumed after a kill at every point, refused whole.

use serde_json::Value;

use crate::project::{PYPROJECT, Project};

/// The state that every way must end in.
#[track_caller]
pub(crate) fn assert_released(project: &Project, version: &str) -> Value {
    let status = project.run(&["status", "--json"]).json();
    for channel in status["channels"].as_array().unwrap() {
        assert_eq!(channel["version"], version, "{status:#}");
        assert_eq!(channel["files"], status["channels"][0]["files"]);
    }
    let manifest: Value = serde_json::from_str(&project.read(".shipway/manifest.json")).unwrap();
    let digests = |files: &Value| {
        files.as_array().unwrap().iter().map(|file| file["sha256"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&manifest["files"]), digests(&status["channels"][0]["files"]));
    let tag = format!("v{version}");
    let commit = project.git_in(&project.remote(), &["rev-parse", &format!("{tag}^{{commit}}")]);
    assert_eq!(project.git_in(&project.remote(), &["cat-file", "-t", &tag]), "tag", "annotated");
    assert_eq!(commit, project.git_in(&project.remote(), &["rev-parse", "main"]));
    assert_eq!(commit, project.git(&["rev-parse", "main"]));
    assert_eq!(commit, manifest["commit"]);
    assert_eq!(project.git(&["branch", "--show-current"]), "main");
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(
        project.git(&["log", "--format=%s", &format!("{tag}^..{tag}")]),
        format!("chore(release): v{version}")
    );
    manifest
}

#[test]
fn a23_c1_c9_a_release_goes_through_all_steps_and_again_says_nothing_new() {
    let project = Project::demo();
    let run = project.run(&["release", "patch", "--json"]);
    run.assert(0, &["base", "publish", "smoke", "promote", "tag"]);
    let document = run.json();
    assert_eq!(document["version"], "1.2.4");
    assert_eq!(document["channels"], serde_json::json!(["dev", "stable"]));
    let manifest = assert_released(&project, "1.2.4");
    assert_eq!(manifest["schema"], "shipway.manifest/1");
    assert_eq!(manifest["tree"], project.git(&["rev-parse", "v1.2.4^{tree}"]));
    let files: Vec<_> =
        manifest["files"].as_array().unwrap().iter().map(|file| file["filename"].as_str().unwrap()).collect();
    assert_eq!(files, ["demo_pkg-1.2.4-py3-none-any.whl", "demo_pkg-1.2.4.tar.gz"]);
    let mut dist: Vec<_> = std::fs::read_dir(project.root().join("dist"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    dist.sort();
    assert_eq!(dist, files, "the distribution files, and only them");
    for key in ["python", "shipway", "build-backend", "flit_core", "build"] {
        assert!(manifest["tools"][key].is_string(), "{key}");
    }
    let before = project.state();
    project.run(&["release", "patch"]).assert(0, &["nothing new since v1.2.4"]);
    assert_eq!(project.state(), before);
    // The statements are with the release.
    let kept: Vec<_> = std::fs::read_dir(project.root().join(".shipway/evidence/1.2.4"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in [
        "build.json",
        "distribution.json",
        "publish@dev.json",
        "smoke@dev.json",
        "promote@stable.json",
        "smoke@stable.json",
    ] {
        assert!(kept.contains(&name.to_owned()), "{name} in {kept:?}");
    }
}

#[test]
fn a18_g4_a_release_that_fails_its_smoke_is_blocked_and_the_next_one_goes_on() {
    let project = Project::demo();
    project.write(
        "demo_pkg/__init__.py",
        "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 41\n\n\ndef main():\n    print(answer())\n",
    );
    project.commit("wrong answer");
    // The gates refuse it first; by hand it reaches the channel all the same.
    let texts = ["does not pass: installed-path", "probe `answers`: stdout does not hold `42`"];
    project.run(&["release", "patch"]).assert(1, &texts);
    project.run(&["bump", "patch"]).assert(0, &[]);
    project.run(&["build"]).assert(0, &[]);
    project.git(&["push", "--quiet", "origin", "release/v1.2.4:main"]);
    project.git(&["fetch", "--quiet", "origin", "main:main"]);
    project.git(&["switch", "--quiet", "main"]);
    project.run(&["publish"]).assert(0, &[]);
    let run = project.run(&["smoke", "1.2.4", "--json"]);
    run.assert(1, &["demo-pkg 1.2.4 does not work", "probe `answers`: stdout does not hold `42`", "blocked"]);
    assert_eq!(run.json()["code"], "smoke-failed");
    let status = project.run(&["status", "--json"]).json();
    assert!(
        status["channels"].as_array().unwrap().iter().all(|channel| channel["version"].is_null()),
        "{status:#}"
    );
    assert_eq!(status["blocked"][0]["version"], "1.2.4");
    assert_eq!(
        project.git_in(&project.remote(), &["tag", "--list"]),
        "",
        "no tag without a published release"
    );
    project.run(&["promote", "1.2.4", "--to", "stable", "--yes"]).assert(1, &["blocked"]);
    assert_eq!(project.git(&["branch", "--show-current"]), "main");
    project.write(
        "demo_pkg/__init__.py",
        "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n\n\ndef main():\n    print(answer())\n",
    );
    project.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- Right again.\n");
    project.commit("right answer");
    project.run(&["release", "patch"]).assert(0, &["1.2.4 → 1.2.5"]);
    assert_released(&project, "1.2.5");
}

#[test]
fn d5_a_stable_symbol_that_does_not_import_from_the_wheel_blocks() {
    let text = PYPROJECT.replace("demo_pkg.answer", "demo_pkg.extra.thing");
    let project = Project::demo();
    // It is there to be read, and does not import where its dependency is not declared.
    project.write("demo_pkg/extra.py", "import a_module_that_is_nowhere\n\nthing = 1\n");
    project.write("pyproject.toml", &text);
    project.commit("promise more");
    let run = project.run(&["release", "patch"]);
    run.assert(1, &["stable-symbol: `demo_pkg.extra.thing` does not import"]);
}

#[test]
fn c7_a_console_script_that_does_not_load_from_the_wheel_blocks() {
    let project = Project::demo();
    // The static judgement sees the function; only the installed release shows that its module does not import.
    project.write("demo_pkg/cli.py", "import a_module_that_is_nowhere\n\n\ndef main():\n    pass\n");
    let text = PYPROJECT
        .replace("demo = \"demo_pkg:main\"", "demo = \"demo_pkg:main\"\nother = \"demo_pkg.cli:main\"");
    project.write("pyproject.toml", &text);
    project.commit("another script");
    let run = project.run(&["release", "patch"]);
    run.assert(1, &["script-broken: `other = demo_pkg.cli:main` does not load", "a_module_that_is_nowhere"]);
    let status = project.run(&["status", "--json"]).json();
    assert!(status["channels"][1]["version"].is_null(), "{status}");
}

#[test]
fn a23_a_gate_that_fails_stops_before_the_base_moves() {
    let project = Project::demo();
    project.write(
        "pyproject.toml",
        &format!(
            "{PYPROJECT}\n[[tool.shipway.gate]]\nid = \"tests\"\nrun = \"sh -c 'echo two failed; exit 5'\"\n"
        ),
    );
    project.commit("a gate");
    let base = project.git_in(&project.remote(), &["rev-parse", "main"]);
    project.run(&["release", "patch"]).assert(1, &["tests-failed", "exit code 5", "two failed"]);
    assert_eq!(project.git_in(&project.remote(), &["rev-parse", "main"]), base);
    let status = project.run(&["status", "--json"]).json();
    assert!(status["channels"][0]["version"].is_null());
}

#[test]
fn a22_no_credential_reaches_backend_gate_or_probe() {
    let mut project = Project::demo();
    let seen = |name: &str| project.home().join(name).display().to_string();
    let (probe, gate, backend) = (seen("probe"), seen("gate"), seen("backend"));
    let spy = format!(
        "import os\nfrom flit_core.buildapi import *\nopen({backend:?}, 'w').write(repr(dict(os.environ)))\n"
    );
    project.write("spy_backend.py", &spy);
    let text = PYPROJECT
        .replace(
            "build-backend = \"flit_core.buildapi\"",
            "build-backend = \"spy_backend\"\nbackend-path = [\".\"]",
        )
        .replace("run = \"demo\"", &format!("run = '''sh -c \"env > {probe}; demo\"'''"));
    let flit = "\n[tool.flit.sdist]\ninclude = [\"spy_backend.py\"]\n";
    let gate_table = format!("\n[[tool.shipway.gate]]\nid = \"lint\"\nrun = '''sh -c \"env > {gate}\"'''\n");
    project.write("pyproject.toml", &format!("{text}{gate_table}{flit}"));
    project.commit("spies");
    for name in ["SHIPWAY_TOKEN", "GITHUB_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN"] {
        project.set(name, "canary-secret");
    }
    project.run(&["release", "patch"]).assert(0, &[]);
    for path in [probe, gate, backend] {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("C.UTF-8") && text.contains("PATH"), "{path}: it was run: {text}");
        assert!(!text.contains("canary"), "{path}: {text}");
    }
}

#[test]
fn a_backend_that_fails_is_shown_and_leaves_nothing() {
    let project = Project::demo();
    project.write("pyproject.toml", &PYPROJECT.replace("demo-pkg", "other-pkg"));
    project.commit("no such module");
    let run = project.run(&["build"]);
    run.assert(1, &["the build backend failed", "other_pkg"]);
    assert!(!project.root().join("dist").exists() && !project.root().join(".shipway/manifest.json").exists());
}

#[test]
fn f2_f3_a_changed_file_is_not_published_and_identical_ones_always_are() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &["built demo-pkg 1.2.3"]);
    project.run(&["publish", "--dry-run"]).assert(0, &["would be published"]);
    assert!(
        project.run(&["status", "--json"]).json()["channels"][0]["version"].is_null(),
        "F14: nothing was uploaded"
    );
    project.run(&["publish"]).assert(0, &["(uploaded)"]);
    project.run(&["publish"]).assert(0, &["(already there)"]);
    let wheel = "dist/demo_pkg-1.2.3-py3-none-any.whl";
    let path = project.root().join(wheel);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, &bytes).unwrap();
    project.run(&["publish"]).assert(1, &["is not what was built", "manifest sha256"]);
    // The manifest changed too: then the index refuses.
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    std::fs::remove_file(project.root().join(".shipway/manifest.json")).unwrap();
    let other = project.read("demo_pkg/__init__.py").replace("Demo.", "Other demo.");
    project.write("demo_pkg/__init__.py", &other);
    project.commit("other bytes, same version");
    project.run(&["build"]).assert(0, &[]);
    let run = project.run(&["publish", "--json"]);
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(run.stderr.contains("conflict"), "{run:#?}");
    project.run(&["publish", "--dry-run"]).assert(1, &["conflict"]);
}

#[test]
fn g1_g5_g9_smoke_promote_yank_block_and_rollback_by_hand() {
    let mut project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    project.run(&["publish"]).assert(0, &[]);
    project.run(&["promote", "1.2.3", "--to", "nowhere"]).assert(1, &["nowhere"]);
    let smoke = project.run(&["smoke", "1.2.3", "--json"]).json();
    assert_eq!(smoke["passed"], true, "{smoke:#}");
    assert_eq!(smoke["installed"][0]["from_index"], true);
    project
        .run(&["promote", "1.2.3", "--to", "stable", "--yes", "--dry-run"])
        .assert(0, &["would be promoted"]);
    let run = project.run(&["promote", "1.2.3", "--to", "stable"]);
    run.assert(1, &["there is nobody to ask", "add --yes"]);
    project.run(&["promote", "1.2.3", "--to", "stable", "--yes"]).assert(0, &["the same bytes"]);
    let again = project.run(&["promote", "1.2.3", "--to", "stable", "--yes", "--json"]).json();
    assert_eq!(again["changed"], false);
    project.run(&["yank", "1.2.3", "--reason", "slow", "--yes"]).assert(0, &["yank done"]);
    project.run(&["yank", "1.2.3", "--reason", "slow", "--yes"]).assert(0, &["already so"]);
    project.run(&["smoke", "1.2.3", "--from", "stable"]).assert(0, &["works"]);
    project.run(&["unyank", "1.2.3"]).assert(0, &[]);
    project.run(&["rollback", "1.2.3", "--reason", "bad", "--yes"]).assert(1, &["earlier"]);
    project.run(&["block", "1.2.3", "--reason", "bad", "--yes"]).assert(0, &[]);
    project.run(&["smoke", "1.2.3"]).assert(1, &["is blocked"]);
    project.run(&["unblock", "1.2.3"]).assert(0, &[]);
    assert_eq!(project.run(&["status", "--json"]).json()["channels"][1]["version"], "1.2.3");
    project.set("SHIPWAY_PYTHON", "/nowhere/python3");
    project.run(&["smoke", "1.2.3"]).assert(3, &["/nowhere/python3"]);
    let status = project.run(&["status", "--json"]).json();
    assert!(status["blocked"].as_array().unwrap().is_empty(), "G4: what could not run blocks nothing");
}

#[test]
fn a17_f11_a_dry_run_of_a_release_names_every_problem_of_every_step() {
    let mut project = Project::demo();
    let gate = "\n[[tool.shipway.gate]]\nid = \"lint\"\nrun = \"no-such-linter .\"\n";
    project.write("pyproject.toml", &format!("{PYPROJECT}{gate}"));
    project.commit("a gate that is not here");
    project.git(&["tag", "v1.2.4"]);
    project.set("SHIPWAY_PYTHON", "/nowhere/python3");
    let before = project.state();
    let texts =
        ["/nowhere/python3", "the gate `lint` cannot run `no-such-linter`", "version `1.2.4` exists already"];
    project.run(&["release", "patch", "--dry-run"]).assert(1, &texts);
    project.run(&["release", "patch"]).assert(3, &texts[..2]);
    assert_eq!(project.state(), before);
}

#[test]
fn a23_a_dry_run_of_a_release_writes_nothing() {
    let project = Project::demo();
    let before = project.state();
    project
        .run(&["release", "patch", "--dry-run"])
        .assert(0, &["1.2.3 → 1.2.4", "nothing was written", "1.2.4 would be released up to stable"]);
    assert_eq!(project.state(), before);
    assert!(!project.root().join("dist").exists() && !project.root().join(".shipway").exists());
}

#[test]
fn j13_release_branches_of_an_earlier_life_are_left_alone() {
    let project = Project::demo();
    project.git(&["push", "--quiet", "origin", "main:refs/heads/release/v1.0.0"]);
    project.write("README.md", "# later\n");
    project.commit("later");
    project.run(&["release", "patch", "--dry-run"]).assert(0, &["1.2.3 → 1.2.4"]);
    // One that is ahead of the base, and cut by nobody else, is unfinished.
    project.run(&["bump", "patch", "--no-switch"]).assert(0, &[]);
    project.run(&["release", "minor", "--dry-run"]).assert(0, &["1.2.4 is unfinished"]);
    project
        .run(&["release", "1.3.0", "--dry-run"])
        .assert(1, &["1.2.4 is unfinished", "shipway release 1.2.4"]);
    project.write("README.md", "# later still\n");
    project.commit("later still");
    project
        .run(&["release", "patch"])
        .assert(1, &["moved on since release/v1.2.4 was cut", "git branch -D release/v1.2.4"]);
}

#[test]
fn d1_a_base_that_another_worktree_stands_on_is_not_moved_under_it() {
    let project = Project::demo();
    project.git(&["switch", "--quiet", "-c", "work"]);
    let other = project.root().join("../other");
    project.git(&["worktree", "add", "--quiet", other.to_str().unwrap(), "main"]);
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &[]);
    assert_eq!(project.git_in(&other, &["status", "--porcelain"]), "", "nothing there turned into a change");
    let remote = project.git_in(&project.remote(), &["rev-parse", "main"]);
    assert_eq!(remote, project.git(&["rev-parse", "v1.2.4^{commit}"]));
}

#[test]
fn j13_a_tagged_release_that_the_index_does_not_know_is_not_made_again() {
    let mut project = Project::demo();
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &[]);
    project.write("README.md", "# new\n");
    project.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- New.\n");
    project.commit("something new");
    // Another machine, another index: the branch and the tag are on the remote, the index is empty.
    let elsewhere = project.home().join("another index");
    project.set("SHIPWAY_DATA_DIR", elsewhere.to_str().unwrap());
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &["1.2.4 → 1.2.5"]);
    assert_eq!(project.run(&["status", "--json"]).json()["channels"][0]["version"], "1.2.5");
}

#[test]
fn a23_c1_a_published_release_is_resumed_from_the_index_when_its_files_are_gone() {
    let project = Project::demo();
    project.run_until("release.published", &["release", "patch"]);
    let before = project.run(&["status", "--json"]).json()["channels"][0]["files"].clone();
    project.git(&["clean", "-xfdq"]);
    project.run(&["release", "patch"]).assert(0, &["restore", "from the index"]);
    let after = assert_released(&project, "1.2.4");
    assert_eq!(after["files"][0]["sha256"], before[0]["sha256"]);
}

#[test]
fn g3_a_probe_does_not_pass_on_a_program_of_the_users() {
    let mut project = Project::demo();
    let text = PYPROJECT.replace("[project.scripts]\ndemo = \"demo_pkg:main\"\n", "");
    project.write("pyproject.toml", &text);
    project.commit("the script is forgotten");
    let bin = project.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("demo"), "#!/bin/sh\necho 42\n").unwrap();
    std::process::Command::new("chmod").arg("+x").arg(bin.join("demo")).status().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    project.set("PATH", &path);
    project
        .run(&["release", "patch", "--to", "stable"])
        .assert(1, &["the installed release has no command `demo`"]);
    assert!(project.run(&["status", "--json"]).json()["channels"][0]["version"].is_null());
}

#[test]
fn a_build_of_another_project_is_refused_and_leaves_nothing() {
    let project = Project::demo();
    let text = PYPROJECT.replace("[tool.shipway]\n", "[tool.shipway]\nname = \"other\"\n");
    project.write("pyproject.toml", &text);
    project.commit("another name");
    project.run(&["build"]).assert(1, &["is a file of `demo_pkg`, not of `other`"]);
    assert!(!project.root().join("dist").exists() && !project.root().join(".shipway/manifest.json").exists());
}

#[test]
fn d9_of_two_at_once_one_cuts_the_release_and_the_other_is_told() {
    let project = Project::demo();
    let start = || {
        let mut command = project.command(env!("CARGO_BIN_EXE_shipway"), &project.root());
        command
            .args(["bump", "patch"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let ends: Vec<_> =
        [start(), start()].into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let mut codes: Vec<_> = ends.iter().map(|end| end.status.code()).collect();
    codes.sort();
    assert_eq!(codes, [Some(0), Some(1)], "{ends:?}");
    let loser = ends.iter().find(|end| end.status.code() == Some(1)).unwrap();
    let said = String::from_utf8_lossy(&loser.stderr);
    assert!(
        said.contains("another shipway is releasing this project") || said.contains("exists already"),
        "{said}"
    );
    assert_eq!(project.git(&["log", "--format=%s", "main..origin/release/v1.2.4"]), "chore(release): v1.2.4");
}

#[test]
fn f1_f2_publish_needs_no_build_tool_and_notices_other_bytes_at_the_index() {
    let mut project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    let empty = project.home().join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    project.set("PATH", empty.to_str().unwrap());
    project.run(&["publish"]).assert(0, &["(uploaded)"]);
    let manifest: Value = serde_json::from_str(&project.read(".shipway/manifest.json")).unwrap();
    let digest = manifest["files"][0]["sha256"].as_str().unwrap();
    let blobs = project.root().join("../index/blobs");
    let blob = blobs.join(&digest[..2]).join(&digest[2..4]).join(digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[0] ^= 1;
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, &bytes).unwrap();
    project.run(&["publish"]).assert(1, &["the index gives other bytes", "manifest sha256"]);
}
