//! A project at a fake forge: its history, its releases, and shipway's view of it.

use std::path::PathBuf;
use std::time::Duration;

use shipway_release::config::{Environment, Flags, load};
use shipway_release::context::Opened;
use shipway_release::error::Result;
use shipway_release::ops::forge::Location;
use shipway_release::ops::forge::github::GitHub;
use shipway_release::ops::secret::Secret;
use shipway_release::ops::target::Embedded;
use shipway_release::{Config, Context, Error};
use shipway_testing::forge::{Forge, Strategy};

use super::watch::{Telling, listen};

/// The workflow file of the project.
pub(crate) const WORKFLOW: &str = "name: CI\non: push\n";

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
    pub(crate) forge: Forge,
    variables: std::cell::RefCell<Vec<(&'static str, String)>>,
}

/// A release that was merged.
pub(crate) struct Merged {
    pub(crate) number: u64,
    pub(crate) sha: String,
    pub(crate) run: u64,
}

pub(crate) fn pyproject(version: &str) -> String {
    format!("[project]\nname = \"demo\"\nversion = \"{version}\"\n")
}

impl World {
    /// A project `demo` whose release 1.3.0 is tagged on `main`.
    pub(crate) fn new() -> Self {
        listen();
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join(".pypirc"), "[pypi]\nusername = u\npassword = canary-pypirc\n").unwrap();
        std::fs::write(home.join(".netrc"), "machine 127.0.0.1\nlogin u\npassword canary-netrc\n").unwrap();
        let forge = Forge::start(folder.path(), "team/demo");
        let first = forge.git().commit(
            "main",
            None,
            &[
                ("pyproject.toml", Some(&pyproject("1.3.0"))),
                ("CHANGELOG.md", Some("# Changelog\n\n## [1.3.0]\n\n- made\n")),
                ("src/demo.py", Some("A = 1\nB = 1\nC = 1\n")),
                (".github/workflows/ci.yml", Some(WORKFLOW)),
            ],
            "the project as it is",
        );
        forge.git().tag("v1.3.0", &first, false);
        let world = Self { folder, variables: std::cell::RefCell::new(forge.variables()), forge };
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
        let text = format!("{}\n[tool.shipway]\n{text}", pyproject("1.3.0"));
        std::fs::write(self.project().join("pyproject.toml"), text).unwrap();
        std::fs::write(self.project().join("CHANGELOG.md"), "# Changelog\n").unwrap();
    }

    /// Sets a variable of the CI run; an empty value unsets it.
    pub(crate) fn set(&self, name: &'static str, value: impl Into<String>) {
        let mut variables = self.variables.borrow_mut();
        variables.retain(|(one, _)| *one != name);
        variables.push((name, value.into()));
    }

    /// Writes the event of the CI run.
    pub(crate) fn event(&self, value: &serde_json::Value) {
        let path = self.path("event.json");
        std::fs::write(&path, value.to_string()).unwrap();
        self.set("GITHUB_EVENT_PATH", path.to_str().unwrap());
    }

    /// Runs something with the project's context and a client that never sleeps.
    pub(crate) fn run<T>(&self, act: impl FnOnce(&Context<'_>, &GitHub) -> T) -> T {
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
        let forge = GitHub::new(location, |_: Duration| {}).unwrap();
        act(&context, &forge)
    }

    /// Commits files on a branch, which is made from `main` when it does not exist.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, Option<&str>)], message: &str) -> String {
        let git = self.forge.git();
        let parent = git.sha(&format!("refs/heads/{branch}")).unwrap_or_else(|| git.branch("main"));
        git.commit(branch, Some(&parent), files, message)
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
