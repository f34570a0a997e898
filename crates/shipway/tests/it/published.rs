//! What is published: by two at once, and promoted when nothing but the index holds the bytes.

use crate::project::{Project, Run};

#[test]
fn f6_two_publishes_at_once_end_with_one_release() {
    let project = Project::demo();
    project.run(&["build"]).assert(0, &[]);
    let mut other = project.copy();
    other.set("SHIPWAY_DATA_DIR", project.data_dir().to_str().unwrap());
    // The same files from two checkouts at once.
    let runs: Vec<Run> = std::thread::scope(|scope| {
        let publish = |of: &'static str, project| {
            scope.spawn(move || {
                let project: &Project = project;
                (of, project.run(&["publish", "--json"]))
            })
        };
        let all = [publish("one", &project), publish("other", &other)];
        all.into_iter()
            .map(|running| {
                let (of, run) = running.join().unwrap();
                assert_eq!(run.code, Some(0), "{of}: {run:#?}");
                run
            })
            .collect()
    });
    assert_eq!(runs[0].json()["files"].as_array().map(Vec::len), Some(2), "{runs:#?}");
    let log = project.run(&["log", "show", "--json"]).json();
    let entries = log["entries"].as_array().unwrap();
    let published = entries.iter().filter(|entry| entry["action"] == "publish").count();
    assert_eq!(published, 1, "the second sees the result of the first: {log:#}");
}

#[test]
fn g12_a_promotion_needs_nothing_but_the_index() {
    let project = Project::demo();
    project.run(&["release", "patch", "--to", "dev"]).assert(0, &[]);
    project.run(&["smoke", "1.2.4", "--from", "dev"]).assert(0, &[]);
    let digests = project.run(&["status", "--json"]).json()["channels"][0]["files"].clone();
    // The run's artifacts have expired, and so has every copy of them.
    for kept in ["dist", ".shipway"] {
        std::fs::remove_dir_all(project.root().join(kept)).unwrap();
    }
    let empty = project.home().join("elsewhere");
    std::fs::create_dir(&empty).unwrap();
    let arguments = ["promote", "1.2.4", "--to", "stable", "--name", "demo-pkg", "--yes"];
    let promote = || project.command(env!("CARGO_BIN_EXE_shipway"), &empty).args(arguments).output().unwrap();
    // Without a configuration there are three channels, and nothing is added to an index that holds two others.
    assert_eq!(promote().status.code(), Some(2));
    std::fs::write(empty.join("shipway.toml"), "channels = [\"dev\", \"stable\"]\n").unwrap();
    let output = promote();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stable = project.run(&["status", "--json"]).json()["channels"][1].clone();
    assert_eq!(stable["version"], "1.2.4");
    assert_eq!(stable["files"], digests, "the same bytes");
}
