//! A release on a public index (rows F13, D23, F3, F5, F7): the bytes of the CI run, published by digest, read back,
//! tried from there, tagged. The index is played by a server that behaves as the public one does.

use std::time::Duration;

use serde_json::Value;
use shipway_testing::forge::{Forge, Strategy};
use shipway_testing::public::{PASSWORD, PublicIndex};
use shipway_testing::zip_of;

use crate::project::{PYPROJECT, Project};

/// A release whose run is over, at a forge, to be published on a public index.
struct Ground {
    folder: tempfile::TempDir,
    project: Project,
    forge: Forge,
    index: PublicIndex,
    run: u64,
    sha: String,
}

fn pyproject(index: &PublicIndex) -> String {
    let url = index.url();
    let text =
        PYPROJECT.replace("channels = [\"dev\", \"stable\"]", "channels = [\"public\"]\npublic = true");
    format!(
        "{text}\n[tool.shipway.channel.public]\nupload = \"{url}/legacy/\"\nsimple = \"{url}/simple/\"\n\n[tool.shipway.forge]\n"
    )
}

impl Ground {
    /// The release 1.2.4, merged and built by CI.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let forge = Forge::start(folder.path(), "team/demo-pkg");
        let index = PublicIndex::start(None);
        let mut project = Project::demo();
        project.write("pyproject.toml", &pyproject(&index));
        project.write(".github/workflows/ci.yml", "name: CI\n");
        project.commit("a public index");
        project.git(&["remote", "set-url", "origin", forge.git().path().to_str().unwrap()]);
        project.git(&["push", "--quiet", "-u", "origin", "main"]);
        project.set("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
        for (name, value) in forge.variables() {
            project.set(name, &value);
        }
        project.run(&["bump", "patch"]).assert(0, &[]);
        let sha = forge.merge(1, Strategy::Squash);
        let run = forge.push_run("main", &sha);
        // What the run of CI does: it builds the commit of the merge, and hands over files and manifest.
        project.git(&["fetch", "--quiet", "origin", "main"]);
        project.git(&["checkout", "--quiet", "-B", "main", &sha]);
        project.set("GITHUB_RUN_ID", &run.to_string());
        project.set("GITHUB_RUN_ATTEMPT", "1");
        project.run(&["build"]).assert(0, &[]);
        let read = |path: &std::path::Path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        };
        let dist = std::fs::read_dir(project.root().join("dist")).unwrap();
        let files: Vec<_> = dist.map(|entry| read(&entry.unwrap().path())).collect();
        let manifest = read(&project.root().join(".shipway/manifest.json"));
        forge.upload(run, "dist", zip_of(&files));
        forge.upload(run, "manifest", zip_of(&[manifest]));
        std::fs::remove_dir_all(project.root().join("dist")).unwrap();
        std::fs::remove_dir_all(project.root().join(".shipway")).unwrap();
        project.set("TWINE_PASSWORD", PASSWORD);
        Self { folder, project, forge, index, run, sha }
    }

    fn verify(&self) -> Value {
        let run = self.run.to_string();
        let ran = self.project.run(&["forge", "verify-run", &run, "--version", "1.2.4", "--json"]);
        ran.assert(0, &[]).json()
    }

    fn manifest(&self) -> Vec<(String, String)> {
        let manifest: Value = serde_json::from_str(&self.project.read(".shipway/manifest.json")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let files = manifest["files"].as_array().unwrap();
        files.iter().map(|file| (text(&file["filename"]), text(&file["sha256"]))).collect()
    }

    fn uploads(&self) -> Vec<u16> {
        self.index.shelf().uploads.iter().map(|(_, status)| *status).collect()
    }

    fn tags(&self) -> String {
        self.forge.git().git(&["tag", "--list"])
    }
}

#[test]
fn f13_a_merged_release_goes_from_the_run_of_ci_to_a_public_index_and_its_tag() {
    let ground = Ground::new();
    let verified = ground.verify();
    assert_eq!(verified["decision"], "release", "{verified:#}");
    let manifest = ground.manifest();

    // D23: the publish is the last word here, so everything declared must hold for exactly these digests.
    let refused = ground.project.run(&["publish", "--json"]);
    refused.assert(1, &["stable-api", "shipway gate run"]);
    assert_eq!(refused.json()["code"], "not-ready");
    let early = ground.project.run(&["forge", "finish", "1.2.4", "--json"]);
    assert_eq!((early.code, &early.json()["code"]), (Some(1), &Value::from("not-published")), "{early:#?}");
    assert_eq!((ground.index.taken(), ground.tags()), (Vec::new(), String::new()));
    ground.project.run(&["gate", "run"]).assert(0, &[]);
    ground.project.run(&["publish", "--dry-run"]).assert(0, &["would be published", "not proven: whether"]);
    assert_eq!(ground.index.taken(), []);

    // Killed after the first file, and the page does not list it yet: the next run is answered with 400 for bytes that
    // are there, and goes on by their digest.
    ground.index.shelf().delay = Duration::from_secs(5);
    ground.project.run_until("publish.file", &["publish"]);
    assert_eq!(ground.index.taken().len(), 1);
    ground.project.run(&["publish"]).assert(0, &["published"]);
    assert_eq!(ground.index.taken(), manifest, "the bytes of the run");
    assert_eq!(ground.uploads(), [200, 400, 200]);
    ground.project.run(&["publish"]).assert(0, &["already"]);
    assert_eq!(ground.uploads(), [200, 400, 200], "what is there is not sent again");

    let smoke = ground.project.run(&["smoke", "1.2.4", "--json"]);
    smoke.assert(0, &[]);
    let installed = smoke.json()["installed"][0]["url"].as_str().unwrap_or_default().to_owned();
    assert!(installed.starts_with(ground.index.url()), "{smoke:#?}");
    ground.project.run(&["forge", "finish", "1.2.4"]).assert(0, &[]);
    assert_eq!(ground.tags(), "v1.2.4");
    assert_eq!(ground.forge.git().git(&["rev-parse", "v1.2.4^{commit}"]), ground.sha);
    ground.project.run(&["forge", "finish", "1.2.4"]).assert(0, &[]);

    // Provenance is that of a private release: the run, its commit, its workflow.
    let statement = ground.project.statement("1.2.4", "provenance");
    let parameters = &statement["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(parameters["workflow"], ".github/workflows/ci.yml", "{statement:#}");
    let found = std::process::Command::new("grep")
        .args(["-r", PASSWORD, "--"])
        .args([ground.project.root(), ground.project.data_dir(), ground.folder.path().to_owned()])
        .output()
        .unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));

    what_is_refused(&ground);
}

/// What is wrong on such an index, and that nothing changes then.
fn what_is_refused(ground: &Ground) {
    let shelf = || std::mem::take(&mut ground.index.shelf().files);
    let published = shelf();
    ground.index.shelf().uploads.clear();
    ground.index.shelf().html = true;

    // The answer is lost after the bytes were taken: the page knows, in HTML as well.
    ground.index.shelf().delay = Duration::ZERO;
    ground.index.shelf().loses_answer = true;
    ground.project.run(&["publish"]).assert(0, &["published"]);
    assert_eq!(ground.index.taken(), ground.manifest());
    assert_eq!(
        ground.uploads(),
        [0, 400, 200],
        "taken, refused as a name that is taken, and then the other file"
    );

    // Other bytes under one name: the text of the refusal is the same, the digest is not.
    shelf();
    let mut other = published.clone();
    other.truncate(1);
    other[0].bytes.push(0);
    other[0].at = std::time::Instant::now();
    let filename = other[0].filename.clone();
    ground.index.shelf().files = other;
    ground.index.shelf().uploads.clear();
    ground.project.run(&["publish"]).assert(1, &["with another digest", &filename]);
    ground.index.shelf().delay = Duration::from_secs(4);
    ground.index.shelf().files[0].at = std::time::Instant::now();
    let late = ground.project.run(&["publish"]);
    late.assert(1, &["with another digest", &filename]);
    assert_eq!(ground.index.taken().len(), 1, "nothing else was uploaded: {late:#?}");

    // A page that never lists what was uploaded: the limit is kept, and said.
    shelf();
    ground.index.shelf().delay = Duration::from_secs(3600);
    let mut command = ground.project.command(env!("CARGO_BIN_EXE_shipway"), &ground.project.root());
    let output = command.args(["publish", "--json"]).env("SHIPWAY_VISIBLE_WITHIN", "2").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("does not list") && said.contains("nothing is uploaded twice"), "{said}");
    assert_eq!(ground.index.taken().len(), 2);
    ground.index.shelf().delay = Duration::ZERO;
    ground.project.run(&["publish"]).assert(0, &["already"]);
}
