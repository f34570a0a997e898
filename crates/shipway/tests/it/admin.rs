//! `shipway admin project|namespace|channel set|token`, and the yank of one file, from the command line.

use crate::project::Project;

#[test]
fn g9_one_file_is_yanked_by_its_name() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    project.run(&["publish"]).assert(0, &[]);
    let status = project.run(&["status", "--json"]).json();
    let files = status["channels"][0]["files"].as_array().unwrap();
    let names = files.iter().map(|file| file["filename"].as_str().unwrap());
    let wheel = names.into_iter().find(|name| name.ends_with(".whl")).unwrap();
    let yank = ["yank", "1.2.3", "--file", wheel, "--reason", "slow", "--yes"];
    project.run(&[&yank[..], &["--dry-run"]].concat()).assert(0, &["would change it"]);
    project.run(&yank).assert(0, &["yank done"]);
    project.run(&yank).assert(0, &["already so"]);
    let unknown = ["yank", "1.2.3", "--file", "nosuch-1.2.3.tar.gz", "--yes"];
    project.run(&unknown).assert(1, &["`nosuch-1.2.3.tar.gz`"]);
    let entries = project.run(&["log", "show", "--json"]).json();
    let is_it = |entry: &&serde_json::Value| entry["action"] == "yank" && entry["object"] == wheel;
    assert_eq!(entries["entries"].as_array().unwrap().iter().filter(is_it).count(), 1, "{entries}");
    project.run(&["unyank", "1.2.3", "--file", wheel]).assert(0, &["unyank done"]);
    project.run(&["block", "1.2.3", "--file", wheel, "--reason", "x"]).assert(2, &["--file"]);
}

#[test]
fn i2_an_administrator_sets_the_status_and_the_limits_of_a_project() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    // The embedded index gets the channels of whoever opens it first.
    project.run(&["publish", "--dry-run"]).assert(0, &[]);
    project.run(&["admin", "project", "show", "demo-pkg"]).assert(1, &["`demo-pkg`"]);
    project.run(&["admin", "project", "create", "Demo.Pkg"]).assert(0, &["created `demo-pkg`"]);
    project.run(&["admin", "project", "create", "demo-pkg"]).assert(0, &["there already"]);
    let archived = ["admin", "project", "status", "demo-pkg", "archived", "--reason", "use other"];
    project.run(&archived).assert(0, &["`demo-pkg`: archived"]);
    project.run(&archived).assert(0, &["already so"]);
    project.run(&["admin", "project", "status", "demo-pkg", "gone"]).assert(2, &["archived, quarantined"]);
    project.run(&["publish"]).assert(1, &["is archived: use other"]);
    project.run(&["publish", "--dry-run"]).assert(1, &["is archived: use other"]);
    project.run(&["admin", "project", "limit", "demo-pkg", "--file", "5"]).assert(0, &["limits set"]);
    let shown = project.run(&["admin", "project", "show", "demo-pkg", "--json"]).json();
    assert_eq!((shown["status"].as_str(), shown["file_limit"].as_u64()), (Some("archived"), Some(5 << 20)));
    project.run(&["admin", "project", "status", "demo-pkg", "active"]).assert(0, &[]);
    project.run(&["publish"]).assert(0, &[]);
}

#[test]
fn i5_an_administrator_says_who_may_make_what() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    project.run(&["publish", "--dry-run"]).assert(0, &[]);
    project.run(&["admin", "namespace", "grant", "demo", "--token", "lab"]).assert(0, &["`demo`: lab"]);
    let list = project.run(&["admin", "namespace", "list", "--json"]).json();
    assert_eq!(list["namespaces"][0]["owners"][0], "lab", "{list}");
    project.run(&["publish", "--dry-run"]).assert(1, &["the namespace `demo` belongs to `lab`"]);
    project.run(&["admin", "namespace", "revoke", "demo"]).assert(0, &["open to everybody"]);
    project.run(&["admin", "channel", "set", "stable", "--refuse", "dev,pre"]).assert(0, &["set `stable`"]);
    project.run(&["admin", "channel", "set", "stable", "--refuse", "final"]).assert(2, &["dev, pre, post"]);
    project.run(&["admin", "channel", "set", "stable", "--refuse", "none"]).assert(0, &[]);
    let once = ["admin", "token", "create", "--name", "once", "--action", "upload", "--uses", "1"];
    project.run(&[&once[..], &["--not-before", "1h"]].concat()).assert(0, &[]);
    let tokens = project.run(&["admin", "token", "list"]);
    tokens.assert(0, &[]);
    assert!(tokens.stdout.contains("used 0 of 1") && tokens.stdout.contains("from 20"), "{tokens:#?}");
    project.run(&["publish"]).assert(0, &[]);
}
