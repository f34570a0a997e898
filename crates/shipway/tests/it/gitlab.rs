//! A release at GitLab with the real command: bump, build in a job, verification against the index's keys, publish,
//! tag and release. Row E8: whose signature counts is the index's word.

use serde_json::Value;
use shipway_dist::evidence::Statement;
use shipway_dist::signing::{Envelope, PrivateKey};
use shipway_testing::forge::{CANARY, Face, Forge, Strategy};
use shipway_testing::zip_of;

use crate::project::Project;

/// The demo project at a forge of GitLab's kind, merged as 1.3.0; gives the pipeline.
fn merged(project: &mut Project, forge: &Forge) -> u64 {
    project.git(&["remote", "set-url", "origin", forge.git().path().to_str().unwrap()]);
    project.write(".gitlab-ci.yml", "build:\n  script: [shipway build]\n");
    project.commit("with a CI file");
    for (name, value) in forge.variables() {
        project.set(name, &value);
    }
    let bumped = project.run(&["bump", "minor", "--pr", "--json"]);
    bumped.assert(0, &[]);
    assert_eq!(bumped.json()["pull_request"]["number"], 1);
    assert_eq!(bumped.json()["pull_request"]["base"], "main");
    assert_eq!(forge.state().pulls[0].title, "chore(release): v1.3.0");
    project.run(&["forge", "check-pr", "1"]).assert(0, &[]);
    let sha = forge.merge(1, Strategy::Squash);
    let run = forge.push_run("main", &sha);
    project.git(&["fetch", "--quiet", "origin"]);
    project.git(&["checkout", "--quiet", "main"]);
    project.git(&["reset", "--quiet", "--hard", &sha]);
    run
}

/// Everything that a job leaves, with the build's statement signed anew by `key`.
fn archive(project: &Project, key: Option<&PrivateKey>) -> Vec<u8> {
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in std::fs::read_dir(project.root().join("dist")).unwrap().flatten() {
        let name = format!("dist/{}", entry.file_name().to_str().unwrap());
        members.push((name, std::fs::read(entry.path()).unwrap()));
    }
    members.sort();
    let manifest = ".shipway/manifest.json";
    members.push((manifest.to_owned(), project.read(manifest).into_bytes()));
    let path = ".shipway/evidence/1.3.0/build.json";
    let text = project.read(path);
    let text = match key {
        None => text,
        Some(key) => {
            let own: Statement = serde_json::from_str::<Envelope>(&text).unwrap().unverified().unwrap();
            serde_json::to_string(&Envelope::sign(&own, key)).unwrap()
        }
    };
    members.push((path.to_owned(), text.into_bytes()));
    zip_of(&members)
}

fn key_of(project: &Project, role: &str, name: &str) -> PrivateKey {
    let out = format!("../{name}.pem");
    let arguments =
        ["admin", "key", "create", "--role", role, "--name", name, "--out", &out, "--data", "../index"];
    project.run(&arguments).assert(0, &[]);
    PrivateKey::from_pem(&project.read(&out)).unwrap()
}

#[test]
fn e8_a_release_at_gitlab_is_let_in_by_the_key_that_the_index_knows() {
    let mut project = Project::demo();
    let folder = tempfile::tempdir().unwrap();
    let forge = Forge::start_as(Face::GitLab, folder.path(), "team/apps/demo");
    let run = merged(&mut project, &forge);
    project.run(&["status"]).assert(0, &[]);
    key_of(&project, "ci", "builder");
    let manager = key_of(&project, "release-manager", "ada");
    let revoked = key_of(&project, "ci", "old");
    project.run(&["admin", "key", "revoke", "old", "--data", "../index"]).assert(0, &[]);

    let job = forge.state().last + 1 + 70_000;
    let builder = project.root().join("../builder.pem");
    project.set("SHIPWAY_KEY", builder.to_str().unwrap());
    project.set("CI_PIPELINE_ID", &run.to_string());
    project.set("CI_JOB_ID", &job.to_string());
    project.set("CI_CONFIG_PATH", ".gitlab-ci.yml");
    project.run(&["build"]).assert(0, &[]);
    let built = project.statement("1.3.0", "build");
    let details = &built["predicate"]["runDetails"];
    assert_eq!(details["metadata"]["invocationId"], format!("{run}/jobs/{job}"));
    assert_eq!(built["predicate"]["buildDefinition"]["externalParameters"]["repository"], "team/apps/demo");

    let good = archive(&project, None);
    let unknown = PrivateKey::from_seed(&[9; 32]);
    let cases = [
        (archive(&project, Some(&unknown)), "build-key", "no signature is by a known key"),
        (archive(&project, Some(&manager)), "build-key-role", "is `release-manager`"),
        (archive(&project, Some(&revoked)), "build-key", "was revoked"),
    ];
    std::fs::remove_dir_all(project.root().join("dist")).unwrap();
    std::fs::remove_dir_all(project.root().join(".shipway")).unwrap();
    assert_eq!(forge.upload(run, "build", good.clone()), job);
    project.set("CI_PIPELINE_ID", "777");
    project.set("SHIPWAY_DOTENV", "shipway.env");
    let number = run.to_string();
    let verify = ["forge", "verify-run", &number, "--version", "1.3.0", "--json"];
    for (bytes, code, says) in cases {
        forge.state().artifact("build").bytes = bytes;
        let refused = project.run(&verify);
        refused.assert(1, &[says]);
        assert_eq!(refused.json()["code"], code, "{refused:#?}");
        assert!(!project.root().join("dist").exists(), "{code}: files in dist");
        assert!(project.read("shipway.env").starts_with("SHIPWAY_DECISION=refused\n"), "{code}");
    }
    forge.state().artifact("build").bytes = good;
    let verified = project.run(&verify);
    verified.assert(0, &[]);
    let document = verified.json();
    assert_eq!(document["decision"], "release", "{document:#}");
    assert_eq!(document["attempt"], Value::Null);
    let variables = project.read("shipway.env");
    assert!(variables.contains("SHIPWAY_DECISION=release\nSHIPWAY_VERSION=1.3.0\n"), "{variables}");
    assert_eq!(project.statement("1.3.0", "build"), built, "the build's own statement goes along");

    project.run(&["publish"]).assert(0, &[]);
    project.run(&["forge", "finish", "1.3.0"]).assert(0, &[]);
    let sha = forge.git().branch("main");
    assert_eq!(forge.git().sha("refs/tags/v1.3.0"), Some(sha));
    assert_eq!(forge.git().git(&["cat-file", "-t", "refs/tags/v1.3.0"]), "tag");
    let state = forge.state();
    assert_eq!(state.releases[0]["tag_name"], "v1.3.0");
    let notes: Vec<&str> = state.comments.iter().filter_map(|(_, body)| body.lines().nth(1)).collect();
    assert_eq!(notes.last(), Some(&"## shipway forge verify-run: release"), "{notes:?}");
    for said in [&verified.stdout, &verified.stderr, &variables] {
        assert!(!said.contains(CANARY), "a token is in the output: {said}");
    }
}
