//! `shipway log`: what happened, and that nothing of it was rewritten.

use crate::project::Project;

#[test]
fn g11_the_log_is_shown_pinned_and_a_rewritten_one_refused() {
    let project = Project::demo();
    project.run(&["release", "patch"]).assert(0, &[]);
    project.run(&["yank", "1.2.4", "--reason", "wrong date", "--yes"]).assert(0, &[]);
    let shown = project.run(&["log", "show"]);
    shown.assert(0, &[]);
    assert!(shown.stdout.contains("promote") && shown.stdout.contains("\"wrong date\""), "{shown:#?}");
    let json = project.run(&["log", "show", "--json", "-n", "2"]).json();
    assert_eq!(json["schema"], "shipway.log-show/1");
    assert_eq!(json["entries"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["entries"][0]["action"], "yank");
    assert_eq!(json["entries"][1]["action"], "evidence", "the step's own statement");

    let first = project.run(&["log", "verify", "--json"]);
    first.assert(0, &["nothing was pinned before", "log.pin"]);
    let pin = project.read(".shipway/log.pin");
    assert!(pin.starts_with("shipway-log/"), "{pin}");
    project.run(&["unyank", "1.2.4", "--yes"]).assert(0, &[]);
    let size = first.json()["size"].as_u64().unwrap();
    let second = project.run(&["log", "verify", "--json", "--no-pin"]);
    second.assert(0, &[&format!("it begins with the {size} entries that were pinned")]);
    assert!(second.json()["size"].as_u64() > Some(size));
    assert_eq!(project.read(".shipway/log.pin"), pin, "--no-pin leaves it");

    // Whoever runs the index rewrites an entry and publishes the log anew, with the log's own key.
    let data = project.data_dir();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute(\"UPDATE journal SET actor = 'somebody else' WHERE serial = 2\"); db.commit()";
    let rewrite = project.command("python3", &data).args(["-c", script, "index.sqlite"]).output().unwrap();
    assert!(rewrite.status.success(), "{}", String::from_utf8_lossy(&rewrite.stderr));
    std::fs::remove_dir_all(data.join("log")).unwrap();
    let refused = project.run(&["log", "verify", "--json"]);
    refused.assert(1, &["the log of the index is not the one that was pinned", "no longer what was pinned"]);
    assert_eq!(refused.json()["code"], "log-rewritten");
    assert_eq!(project.read(".shipway/log.pin"), pin, "a refused log is not pinned");

    // Another key is another log.
    std::fs::remove_dir_all(data.join("log")).unwrap();
    std::fs::remove_dir_all(data.join("keys")).unwrap();
    project.run(&["log", "verify"]).assert(2, &["log.pem` is missing"]);
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute('DELETE FROM signers'); db.commit()";
    let forget = project.command("python3", &data).args(["-c", script, "index.sqlite"]).output().unwrap();
    assert!(forget.status.success(), "{}", String::from_utf8_lossy(&forget.stderr));
    project.run(&["log", "verify"]).assert(1, &["pinned key"]);
    project.write(".shipway/log.pin", &pin.replace('\u{2014}', "-"));
    project.run(&["log", "verify"]).assert(1, &["pins no checkpoint", "restore it from git"]);
}
