//! What every command shares: exit codes, JSON, help, secrets.

use crate::project::Project;

#[test]
fn k3_help_teaches_and_wrong_usage_is_exit_2() {
    let project = Project::demo();
    let help = project.run(&["--help"]);
    help.assert(0, &[]);
    for command in [
        "init", "bump", "build", "check", "publish", "smoke", "promote", "rollback", "release", "status",
        "serve", "tour",
    ] {
        assert!(help.stdout.contains(&format!("  {command} ")), "{command}");
        let one = project.run(&[command, "--help"]);
        one.assert(0, &[]);
        assert!(one.stdout.contains("Usage: shipway"), "{command}");
    }
    project.run(&["bmup"]).assert(2, &["bump"]);
    project.run(&["promote", "1.0.0"]).assert(2, &["--to"]);
    project.run(&["--project", "nowhere", "status"]).assert(2, &["cannot open the project `nowhere`"]);
}

#[test]
fn k3_what_is_not_there_is_named_with_the_next_command() {
    let project = Project::demo();
    project.run(&["publish"]).assert(1, &["nothing is built", "hint: shipway build"]);
    project.run(&["smoke", "9.9.9"]).assert(1, &["no project `demo-pkg`", "hint: shipway publish"]);
    project.run(&["promote", "9.9.9", "--to", "stable", "--yes"]).assert(1, &["no project `demo-pkg`"]);
    project.run(&["rollback", "9.9.9", "--yes"]).assert(2, &["needs a reason"]);
    project.run(&["status"]).assert(0, &[]);
    let status = project.run(&["status", "--json"]).json();
    assert_eq!(status["schema"], "shipway.status/1");
    assert_eq!(status["channels"][1]["name"], "stable");
    assert!(status["channels"][1]["version"].is_null());
}

#[test]
fn f11_a_missing_credential_is_named_before_any_work() {
    let mut project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    project.set("SHIPWAY_INDEX", "http://127.0.0.1:9/");
    let run = project.run(&["publish"]);
    run.assert(3, &["no credential for http://127.0.0.1:9/", "SHIPWAY_TOKEN", ".pypirc"]);
    assert!(!run.stderr.contains("cannot reach"), "nothing was asked of the index");
}

#[test]
fn f7_a_public_index_is_refused_unless_configured() {
    let mut project = Project::demo();
    // The host is asked from pip, here as there: it stands nowhere in this repository.
    let question =
        "from pip._internal.models.index import PyPI, TestPyPI; print(PyPI.netloc, TestPyPI.netloc)";
    let answer = project.command("python3", &project.root()).args(["-c", question]).output().unwrap();
    let hosts = String::from_utf8(answer.stdout).unwrap();
    for host in hosts.split_whitespace().flat_map(|host| [host.to_owned(), format!("upload.{host}")]) {
        project.set("SHIPWAY_INDEX", &format!("https://{host}/"));
        for arguments in
            [&["status"][..], &["publish"], &["release", "patch"], &["bump", "patch", "--dry-run"]]
        {
            let run = project.run(arguments);
            if arguments[0] == "publish" {
                run.assert(1, &["nothing is built"]);
            } else {
                run.assert(1, &["is a public index", "public = true"]);
            }
        }
    }
    project.set("SHIPWAY_INDEX", "https://not-public.invalid/");
    assert!(!project.run(&["status"]).stderr.contains("public index"));
}

#[test]
fn f8_no_secret_appears_in_any_output() {
    let mut project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    std::fs::write(
        project.home().join(".pypirc"),
        "[x]\nrepository=http://127.0.0.1:9/\nusername=u\npassword=canary-pypirc\nbroken canary-line\n",
    )
    .unwrap();
    for (name, value) in [
        ("SHIPWAY_TOKEN", "canary-token"),
        ("UV_PUBLISH_PASSWORD", "canary-uv"),
        ("TWINE_PASSWORD", "canary-twine"),
    ] {
        project.set(name, value);
    }
    project.set("SHIPWAY_INDEX", "http://127.0.0.1:9/");
    project.git(&["remote", "set-url", "origin", "http://user:canary-git@127.0.0.1:9/x.git"]);
    for arguments in [
        &["publish", "-vv"][..],
        &["publish", "-vv", "--dry-run", "--json"],
        &["release", "patch", "-vv"],
        &["bump", "patch", "-vv", "--json"],
        &["status", "-vv", "--json"],
        &["smoke", "1.0.0", "-vv"],
        &["config", "show", "--origin"],
    ] {
        let run = project.run(arguments);
        assert!(!format!("{run:?}").contains("canary"), "{arguments:?}: {run:#?}");
    }
    let records = std::process::Command::new("grep")
        .args(["-r", "canary", ".shipway"])
        .current_dir(project.root())
        .output()
        .unwrap();
    assert_eq!(records.status.code(), Some(1), "{}", String::from_utf8_lossy(&records.stdout));
}

#[test]
fn check_refuses_and_explains_every_finding_of_a_broken_wheel() {
    let project = Project::demo();
    project.write("broken-1.0-py3-none-any.whl", "this is no zip");
    let run = project.run(&["check", "broken-1.0-py3-none-any.whl", "--json"]);
    run.assert(1, &[]);
    let document = run.json();
    assert_eq!(document["schema"], "shipway.check/1");
    assert_eq!(document["files"][0]["ok"], false);
    for finding in document["files"][0]["findings"].as_array().unwrap() {
        project.run(&["explain", finding["id"].as_str().unwrap()]).assert(0, &[]);
    }
    project.run(&["check", "nowhere.whl"]).assert(2, &["`nowhere.whl` does not exist"]);
    project.run(&["explain", "nonsense"]).assert(2, &["nonsense"]);
}

/// The help of every command and subcommand, as one document.
fn reference(project: &Project) -> String {
    fn add(project: &Project, path: &[&str], text: &mut String) {
        let mut arguments = path.to_vec();
        arguments.push("--help");
        let help = project.run(&arguments).stdout;
        let title = [&["shipway"], path].concat().join(" ");
        text.push_str(&format!("## {title}\n\n```text\n{}\n```\n\n", help.trim_end()));
        let commands = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            if line.starts_with("  ") && !line.starts_with("   ") {
                add(project, &[path, &[name]].concat(), text);
            }
        }
    }
    let mut text = "# Command reference\n\nGenerated from the commands' help; refresh with `SHIPWAY_REFRESH=1 cargo test -p shipway reference`.\n\n".to_owned();
    add(project, &[], &mut text);
    text.trim_end().to_owned() + "\n"
}

#[test]
fn the_command_reference_is_fresh() {
    let project = Project::demo();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/commands.md");
    let text = reference(&project);
    if std::env::var_os("SHIPWAY_REFRESH").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(text.contains("## shipway admin token create"), "subcommands are in it");
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "SHIPWAY_REFRESH=1 refreshes it");
}
