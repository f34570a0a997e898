//! The bundle of a release, read by other people's libraries.

use shipway_testing::{Project, Tools};

use crate::index::Index;

#[test]
fn a_bundle_is_verified_by_the_libraries_of_in_toto_and_securesystemslib() {
    let index = Index::with(["--upstream", "auto"]);
    let pyproject = "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
                     [project]\nname = \"demo-pkg\"\nversion = \"1.2.3\"\ndescription = \"Demo\"\n";
    let module = "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n";
    let files =
        [("pyproject.toml", pyproject), ("demo_pkg.py", module), (".gitignore", "/dist/\n/.shipway/*\n")];
    let project = Project::from_files(&index.place, &files);
    let shipway = |arguments: &[&str]| {
        let program = project.shipway(["--index"]).arg(index.server.url()).args(arguments);
        program.env("SHIPWAY_TOKEN", &index.token)
    };
    shipway(&["build"]).must();
    shipway(&["gate", "run"]).must();
    shipway(&["publish"]).must();
    shipway(&["smoke", "1.2.3"]).must();
    shipway(&["promote", "1.2.3", "--to", "staging"]).must();
    let bundle = index.place.path("evidence.jsonl");
    shipway(&["evidence", "export", "--out"]).arg(&bundle).must();
    let keys = index.place.path("keys.json");
    std::fs::write(&keys, shipway(&["evidence", "keys", "--json"]).must().stdout).unwrap();

    let read = |bundle: &std::path::Path| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/read_bundle.py");
        index.place.program(Tools::get().verifier("python")).arg(script).arg(bundle).arg(&keys)
    };
    let seen = read(&bundle).must().stdout;
    for kind in [
        "test-result/v0.1",
        "slsa.dev/provenance/v1",
        "verification_summary/v1",
        "shipway.dev/distribution/v1",
    ] {
        assert!(seen.contains(kind), "{kind}: {seen}");
    }
    // What they refuse we refuse too.
    let text = std::fs::read_to_string(&bundle).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let at = first.find("\"payload\":\"").unwrap() + 40;
    let other = if &first[at..=at] == "A" { "B" } else { "A" };
    std::fs::write(&bundle, format!("{}{other}{}\n{rest}", &first[..at], &first[at + 1..])).unwrap();
    read(&bundle).run().failed();
    shipway(&["evidence", "verify"]).arg(&bundle).arg("--keys").arg(&keys).run().ended(1).says("line 1");
}
