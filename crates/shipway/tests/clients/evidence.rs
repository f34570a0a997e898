//! The bundle of a release, read by other people's libraries.

use shipway_testing::{Project, Tools};

use crate::index::Index;

#[test]
fn a_bundle_is_verified_by_the_libraries_of_in_toto_and_securesystemslib() {
    let index = Index::with(["--upstream", "auto"]);
    let project = demo(&index);
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

/// A project of one module.
fn demo(index: &Index) -> Project<'_> {
    let pyproject = "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
                     [project]\nname = \"demo-pkg\"\nversion = \"1.2.3\"\ndescription = \"Demo\"\n";
    let module = "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n";
    let files =
        [("pyproject.toml", pyproject), ("demo_pkg.py", module), (".gitignore", "/dist/\n/.shipway/*\n")];
    Project::from_files(&index.place, &files)
}

#[test]
fn e17_a_release_from_a_persons_machine_needs_an_approval_and_stays_local_for_ever() {
    let index = Index::with(["--upstream", "auto"]);
    let project = demo(&index);
    let shipway = |arguments: &[&str]| {
        let program = project.shipway(["--index"]).arg(index.server.url()).args(arguments);
        program.env("SHIPWAY_TOKEN", &index.token)
    };
    let admin = |arguments: &[&str]| {
        index.place.shipway(["admin"]).args(arguments).arg("--data").arg(index.place.data()).must()
    };
    let path = |name: &str| index.place.path(name).to_str().expect("a path").to_owned();
    let policy =
        "[publish]\nlocal = \"approve\"\nenrol-keys = true\n\n[channel.staging]\nallow-local = true\n";
    index.place.write("policy.toml", policy);
    admin(&["policy", "set", &path("policy.toml")]);
    admin(&["key", "create", "--role", "release-manager", "--name", "ada", "--out", &path("ada.pem")]);
    shipway(&["build"]).must();
    let refused = shipway(&["publish", "--json"]).run().ended(1);
    assert_eq!(refused.json()["code"], "local-release", "{}", refused.all());
    refused.says("is a local release").says("shipway approve 1.2.3");
    assert!(shipway(&["status", "--json"]).must().json()["channels"][0]["version"].is_null());

    let manifest = project.directory().join(".shipway/manifest.json");
    let manifest = manifest.to_str().expect("a path");
    let approve = |out: &str, more: &[&str]| {
        let (key, out) = (path("ada.pem"), path(out));
        let fixed = ["approve", "1.2.3", "--to", "dev", "--manifest", manifest, "--key", &key, "--out", &out];
        shipway(&[&fixed[..], more].concat()).must();
        out
    };
    let without_reason = approve("silent.json", &[]);
    shipway(&["publish", "--approval", &without_reason]).run().ended(1).says("reason");
    let approval = approve("approval.json", &["--reason", "the CI is down since noon"]);
    shipway(&["publish", "--approval", &approval]).must();
    shipway(&["smoke", "1.2.3"]).must();
    shipway(&["promote", "1.2.3", "--to", "staging"]).must();
    // The last channel is not named in the policy, which does not let it in.
    let refused = shipway(&["promote", "1.2.3", "--to", "stable", "--yes", "--json"]).run().ended(1);
    assert_eq!(refused.json()["code"], "not-ready", "{}", refused.all());
    refused.says("local-release");
    let status = shipway(&["status", "--json"]).must().json();
    assert!(status["channels"][2]["version"].is_null(), "{status}");
    assert!(status["channels"][2]["lacks"].to_string().contains("local"), "{status}");
}
