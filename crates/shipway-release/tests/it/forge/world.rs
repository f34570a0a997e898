//! A project at a fake forge: its history, its releases, and shipway's view of it.

use std::path::PathBuf;
use std::time::Duration;

use shipway_dist::Manifest;
use shipway_dist::evidence::{
    BUILD, BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Predicate, Provenance, Resource, RunDetails,
    SLSA_PROVENANCE, Statement, Verdict,
};
use shipway_dist::signing::{Envelope, PrivateKey};
use shipway_release::config::{Environment, Flags, load};
use shipway_release::context::Opened;
use shipway_release::error::Result;
use shipway_release::ops::forge::github::GitHub;
use shipway_release::ops::forge::gitlab::GitLab;
use shipway_release::ops::forge::{Forge as ForgeClient, Location};
use shipway_release::ops::secret::Secret;
use shipway_release::ops::target::Embedded;
use shipway_release::{Config, Context, Error};
use shipway_testing::forge::{Face, Forge, Strategy};

use super::watch::{Telling, listen};

/// The workflow file of the project.
pub(crate) const WORKFLOW: &str = "name: CI\non: push\n";

/// Where the workflow file stands.
pub(crate) fn workflow_path(face: Face) -> &'static str {
    match face {
        Face::GitHub => ".github/workflows/ci.yml",
        Face::GitLab => ".gitlab-ci.yml",
    }
}

/// No index is ever opened by these tests.
struct NoIndex;

impl Embedded for NoIndex {
    fn start(&self, _config: &Config) -> Result<(url::Url, Secret)> {
        Err(Error::refused("no-index", "these tests have no index"))
    }
}

/// Where credentials may come from besides the forge's own; each holds a canary (row F8).
const CREDENTIALS: [&str; 6] = [
    "GH_TOKEN",
    "SHIPWAY_TOKEN",
    "UV_PUBLISH_TOKEN",
    "UV_PUBLISH_PASSWORD",
    "TWINE_PASSWORD",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// A project at a forge.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) face: Face,
    pub(crate) forge: Forge,
    variables: std::cell::RefCell<Vec<(&'static str, String)>>,
}

/// A release that was merged.
pub(crate) struct Merged {
    pub(crate) number: u64,
    pub(crate) sha: String,
    pub(crate) run: u64,
}

/// The project's file at a commit; it lists the key of its builds.
pub(crate) fn pyproject(version: &str) -> String {
    let key = build_key();
    format!("{}\n[tool.shipway.forge]\nbuild-keys = [\"{key}\"]\n", bare(version))
}

/// The same without the key, as it stands in an sdist.
pub(crate) fn bare(version: &str) -> String {
    format!("[project]\nname = \"demo\"\nversion = \"{version}\"\n")
}

/// The key that builds are signed with.
pub(crate) fn signing_key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// The public half of it, as the configuration lists it.
pub(crate) fn build_key() -> String {
    signing_key().public().to_pem().lines().nth(1).unwrap().to_owned()
}

/// The signed statement of the build that a manifest is of, after something about it was changed.
pub(crate) fn build_statement(
    manifest: &Manifest,
    job: Option<u64>,
    key: &PrivateKey,
    change: impl FnOnce(&mut Statement),
) -> Envelope {
    let run = manifest.run.clone().unwrap_or_default();
    let invocation = match job {
        Some(job) => format!("{run}/jobs/{job}"),
        None => format!("{run}/attempts/1"),
    };
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: std::collections::BTreeMap::new(),
            resolved_dependencies: vec![Resource::commit(&manifest.commit)],
        },
        run_details: RunDetails {
            builder: Builder { id: "https://forge.invalid".to_owned() },
            metadata: BuildMetadata {
                invocation_id: Some(invocation),
                started_on: "2026-01-03T00:00:00Z".to_owned(),
            },
            byproducts: vec![Resource::file("manifest", &manifest.digest())],
        },
    };
    let predicate = Predicate {
        gate: BUILD.to_owned(),
        result: Verdict::Passed,
        commit: manifest.commit.clone(),
        run: manifest.run.clone(),
        attempt: manifest.attempt,
        channel: None,
        configuration: vec![Resource::commit(&manifest.commit)],
        started_on: "2026-01-03T00:00:00Z".to_owned(),
        duration_ms: 1,
        tools: std::collections::BTreeMap::new(),
        provenance: Some(Box::new(provenance)),
        findings: Vec::new(),
        detail: serde_json::Value::Null,
    };
    let mut statement = Statement::about(manifest, SLSA_PROVENANCE, predicate);
    change(&mut statement);
    Envelope::sign(&statement, key)
}

impl World {
    /// A project `demo` whose release 1.3.0 is tagged on `main`.
    pub(crate) fn new() -> Self {
        Self::at(Face::GitHub)
    }

    /// The same project at this forge.
    pub(crate) fn at(face: Face) -> Self {
        listen();
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(
            home.join(".pypirc"),
            "[pypi]
username = u
password = canary-pypirc
",
        )
        .unwrap();
        std::fs::write(
            home.join(".netrc"),
            "machine 127.0.0.1
login u
password canary-netrc
",
        )
        .unwrap();
        let forge = Forge::start_as(face, folder.path(), "team/demo");
        let workflow = workflow_path(face);
        let first = forge.git().commit(
            "main",
            None,
            &[
                ("pyproject.toml", Some(&pyproject("1.3.0"))),
                ("CHANGELOG.md", Some("# Changelog\n\n## [1.3.0]\n\n- made\n")),
                ("src/demo.py", Some("A = 1\nB = 1\nC = 1\n")),
                (workflow, Some(WORKFLOW)),
            ],
            "the project as it is",
        );
        forge.git().tag("v1.3.0", &first, false);
        let world = Self { folder, face, variables: std::cell::RefCell::new(forge.variables()), forge };
        world.configure("");
        world
    }

    /// A folder of the scenario.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The project's folder, which is no clone.
    pub(crate) fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes the project's configuration.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::create_dir_all(self.project()).unwrap();
        let text = match self.face {
            Face::GitHub => text.to_owned(),
            // The tables upload two artifacts; the builds are signed.
            Face::GitLab => {
                let own = format!(
                    "[tool.shipway.forge]\nartifact = \"dist\"\nmanifest-artifact = \"manifest\"\nbuild-keys = [\"{}\"]\n",
                    build_key()
                );
                match text.contains("[tool.shipway.forge]\n") {
                    true => text.replace("[tool.shipway.forge]\n", &own),
                    false => format!("{text}\n{own}"),
                }
            }
        };
        let text = format!("{}\n[tool.shipway]\n{text}", bare("1.3.0"));
        std::fs::write(self.project().join("pyproject.toml"), text).unwrap();
        std::fs::write(self.project().join("CHANGELOG.md"), "# Changelog\n").unwrap();
    }

    /// Sets a variable of the CI run; an empty value unsets it.
    pub(crate) fn set(&self, name: &'static str, value: impl Into<String>) {
        let name = match (self.face, name) {
            (Face::GitLab, "GITHUB_REPOSITORY_ID") => "CI_PROJECT_ID",
            (Face::GitLab, "GITHUB_TOKEN") => "GITLAB_TOKEN",
            (Face::GitLab, "GITHUB_RUN_ID") => "CI_PIPELINE_ID",
            (Face::GitLab, "GITHUB_OUTPUT") => "SHIPWAY_DOTENV",
            (_, name) => name,
        };
        let mut variables = self.variables.borrow_mut();
        variables.retain(|(one, _)| *one != name);
        variables.push((name, value.into()));
    }

    /// Writes the event of the CI run.
    pub(crate) fn event(&self, value: &serde_json::Value) {
        if self.face == Face::GitLab {
            if let Some(number) = value["pull_request"]["number"].as_u64() {
                self.set("CI_MERGE_REQUEST_IID", number.to_string());
            }
            if let Some(sha) = value["after"].as_str() {
                self.set("CI_COMMIT_SHA", sha);
                self.set("CI_COMMIT_BRANCH", "main");
                self.set("CI_PIPELINE_SOURCE", "push");
            }
            return;
        }
        let path = self.path("event.json");
        std::fs::write(&path, value.to_string()).unwrap();
        self.set("GITHUB_EVENT_PATH", path.to_str().unwrap());
    }

    /// Runs something with the project's context and a client that never sleeps.
    pub(crate) fn run<T>(&self, act: impl FnOnce(&Context<'_>, &dyn ForgeClient) -> T) -> T {
        let mut environment =
            Environment::from_pairs([("PATH", std::env::var("PATH").unwrap_or_default().as_str())]);
        for name in CREDENTIALS {
            environment = environment.with(name, format!("canary-{name}"));
        }
        for (name, value) in self.variables.borrow().iter() {
            environment = environment.with(name, value.as_str());
        }
        environment = environment.with("SHIPWAY_DATA_DIR", self.path("data").as_os_str());
        environment = environment.with("HOME", self.path("home").as_os_str());
        let config = load(&self.project(), &environment, &Flags::default()).unwrap();
        let context = Context {
            config,
            environment,
            progress: &Telling,
            embedded: &NoIndex,
            ask: None,
            section: None,
            clock: || "2026-01-03T00:00:00Z".parse().unwrap(),
            opened: Opened::default(),
        };
        let location = Location::find(&context.config, &context.environment, None).unwrap().unwrap();
        let sleep = |_: Duration| {};
        match self.face {
            Face::GitHub => act(&context, &GitHub::new(location, sleep).unwrap()),
            Face::GitLab => act(&context, &GitLab::new(location, sleep).unwrap()),
        }
    }

    /// Gives a run an artifact. At GitLab, which knows no digests, the build's signed statement lies beside the
    /// manifest.
    pub(crate) fn upload(&self, run: u64, name: &str, bytes: Vec<u8>) -> u64 {
        if self.face == Face::GitLab && name == "manifest" {
            let job = self.forge.state().artifacts.iter().find(|one| one.run == run).map(|one| one.id);
            let key = signing_key();
            let bytes = with_statement(bytes, |manifest| build_statement(manifest, job, &key, |_| {}));
            return self.forge.upload(run, name, bytes);
        }
        self.forge.upload(run, name, bytes)
    }

    /// Commits files on a branch, which is made from `main` when it does not exist.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, Option<&str>)], message: &str) -> String {
        let git = self.forge.git();
        let parent = git.sha(&format!("refs/heads/{branch}")).unwrap_or_else(|| git.branch("main"));
        let place = |path| if path == workflow_path(Face::GitHub) { workflow_path(self.face) } else { path };
        let files: Vec<(&str, Option<&str>)> =
            files.iter().map(|(path, text)| (place(*path), *text)).collect();
        git.commit(branch, Some(&parent), &files, message)
    }

    /// Cuts a release branch from a base, as `shipway bump` does.
    pub(crate) fn cut_from(&self, base: &str, version: &str) -> String {
        let branch = format!("release/v{version}");
        let tip = self.forge.git().branch(base);
        let notes = format!("# Changelog\n\n## [{version}]\n\n- changed\n");
        let files = [("pyproject.toml", Some(pyproject(version))), ("CHANGELOG.md", Some(notes))];
        let files: Vec<(&str, Option<&str>)> =
            files.iter().map(|(path, text)| (*path, text.as_deref())).collect();
        self.forge.git().commit(&branch, Some(&tip), &files, &format!("chore(release): v{version}"));
        branch
    }

    /// Cuts a release from `main` and opens its pull request.
    pub(crate) fn open(&self, version: &str) -> u64 {
        let branch = self.cut_from("main", version);
        self.forge.open(&branch, "main")
    }

    /// Cuts, opens and merges a release; its push run succeeds.
    pub(crate) fn release(&self, version: &str, strategy: Strategy) -> Merged {
        let number = self.open(version);
        if strategy != Strategy::FastForward && strategy != Strategy::Rebase {
            self.chore("between");
        }
        let sha = self.forge.merge(number, strategy);
        let run = self.forge.push_run("main", &sha);
        Merged { number, sha, run }
    }

    /// A commit on `main` by hand.
    pub(crate) fn chore(&self, what: &str) -> String {
        self.commit("main", &[(&format!("src/{what}.py"), Some("X = 1\n"))], what)
    }

    /// A pull request that is no release, merged.
    pub(crate) fn merged_chore(
        &self,
        branch: &str,
        files: &[(&str, Option<&str>)],
        strategy: Strategy,
    ) -> u64 {
        self.commit(branch, files, "work");
        let number = self.forge.open(branch, "main");
        self.forge.merge(number, strategy);
        number
    }
}

/// A zip of a manifest with the build's statement beside it; what holds no manifest stays as it is.
pub(crate) fn with_statement(bytes: Vec<u8>, sign: impl FnOnce(&Manifest) -> Envelope) -> Vec<u8> {
    let mut text = Vec::new();
    let Ok(mut archive) = zip::ZipArchive::new(std::io::Cursor::new(&bytes)) else { return bytes };
    let read = archive
        .by_name("manifest.json")
        .map(|mut member| std::io::Read::read_to_end(&mut member, &mut text).unwrap());
    if read.is_err() {
        return bytes;
    }
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else { return bytes };
    let envelope = serde_json::to_vec(&sign(&manifest)).unwrap();
    shipway_testing::zip_of(&[("manifest.json".to_owned(), text), ("build.json".to_owned(), envelope)])
}
