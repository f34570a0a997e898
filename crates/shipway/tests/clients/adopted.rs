//! A project whose earlier releases were made by hand is taken over as it stands (row J13).

use shipway_testing::{Project, Server, Tools, Wheel};

use crate::index::Index;

#[test]
fn adopted_project_is_compared_with_what_twine_uploaded_and_told_what_was_not_with_tools_from_the_registry() {
    let index = Index::new();
    let by_hand = Wheel::new("gauge", "0.4.0").write(&index.place.folder("by-hand"));
    index.upload(&by_hand);
    let Index { place, server, .. } = index;
    server.end();
    let pyproject = "[build-system]\nrequires = [\"flit_core>=3.9,<4\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
        [project]\nname = \"gauge\"\nversion = \"0.4.0\"\ndescription = \"Reads a gauge\"\n";
    let module = "\"\"\"Reads a gauge.\"\"\"\n\nVERSION = \"0.5.0\"\n";
    let project = Project::from_files(&place, &[("pyproject.toml", pyproject), ("gauge.py", module)]);
    project.shipway(["init"]).must();
    project.commit_and_push("build: release with shipway");

    let dry = project.shipway(["release", "minor", "--dry-run"]).must();
    dry.says("0.4.0, made without shipway: adopted, no evidence is asked of it").says("not compared: ");
    let ran = project.shipway(["release", "minor", "--json"]).must();
    let report = ran.json();
    assert_eq!(
        (&report["version"], &report["previous"]),
        (&"0.5.0".into(), &"0.4.0".into()),
        "{}",
        ran.all()
    );
    let baseline = &report["baseline"];
    assert_eq!((&baseline["version"], &baseline["adopted"]), (&"0.4.0".into(), &true.into()));
    let not_compared = baseline["not_compared"].as_array().expect("a list");
    assert!(not_compared.iter().any(|what| what.as_str().is_some_and(|what| what.contains("evidence"))));
    ran.says("made without shipway");

    // The release before stays what it was: in its channel, with its bytes, and nothing is claimed of it.
    let status = project.shipway(["status", "0.4.0", "--json"]).must().json();
    assert_eq!(status["channels"][0]["files"][0]["sha256"], by_hand.sha256.as_str(), "{status}");
    assert!(status["channels"][2]["version"].is_null(), "{status}");
    let server = Server::start(&place, &place.data(), []);
    for (channel, expected) in [("dev", &["0.4.0", "0.5.0"][..]), ("stable", &["0.5.0"][..])] {
        let pip =
            place.program(Tools::get().client("pip")).args(["index", "versions", "gauge", "--index-url"]);
        let said = pip.arg(server.simple(channel)).must().stdout;
        for version in ["0.4.0", "0.5.0"] {
            assert_eq!(said.contains(version), expected.contains(&version), "{channel}: {said}");
        }
    }
    server.end();

    // The next one follows a release that shipway made.
    let changelog = project.read("CHANGELOG.md");
    let changelog =
        changelog.replacen("## [Unreleased]", "## [Unreleased]\n\n### Added\n\n- Another gauge.", 1);
    project.write("CHANGELOG.md", &changelog);
    project.write("gauge.py", "\"\"\"Reads a gauge.\"\"\"\n\nVERSION = \"0.6.0\"\n");
    project.commit_and_push("read another gauge");
    let next = project.shipway(["release", "minor", "--dry-run", "--json"]).must().json();
    let baseline = &next["baseline"];
    assert_eq!((&baseline["version"], &baseline["adopted"]), (&"0.5.0".into(), &false.into()), "{next}");
}
