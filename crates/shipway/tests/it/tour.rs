//! Row K1: one command shows the whole life of a release.

use crate::project::Project;

#[test]
fn k1_the_tour_goes_through_with_dependencies_from_the_registry() {
    let project = Project::demo();
    let mut command = project.command(env!("CARGO_BIN_EXE_shipway"), &project.home());
    // The sample has a real dependency and a backend of its own, which come from where this machine takes them.
    command.env_remove("PIP_NO_INDEX").env_remove("PIP_FIND_LINKS").args(["tour", "--json"]);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "shipway.tour/1");
    for channel in document["status"]["channels"].as_array().unwrap() {
        assert_eq!(channel["version"], "0.5.0", "{document:#}");
    }
    let blocked = document["status"]["blocked"].as_array().unwrap();
    let blocked: Vec<_> = blocked.iter().map(|one| one["version"].clone()).collect();
    assert_eq!(blocked, ["0.5.1"]);
    for said in [
        "approval-missing",
        "statements verify from one file, without the index",
        "entries are under one signed root",
    ] {
        assert!(stderr.contains(said), "`{said}`: {stderr}");
    }
    let refused =
        "default-changed: `safety-defaults:defaults.allow_writes`: declared as `false`, now as `true`";
    assert!(stderr.contains(refused), "{stderr}");
}
