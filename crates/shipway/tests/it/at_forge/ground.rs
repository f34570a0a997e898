//! A project at a forge, with an index, and what stands between the command and both.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shipway_testing::forge::{Forge, Strategy};
use shipway_testing::{Interrupter, Place, Program, Ran, Server, zip_of};

use crate::project::wheels;

const PYPROJECT: &str = "[build-system]
requires = [\"flit_core>=3.9\"]
build-backend = \"flit_core.buildapi\"

[project]
name = \"demo\"
version = \"1.3.0\"
description = \"A demo.\"
readme = \"README.md\"
requires-python = \">=3.8\"

[tool.shipway]
channels = [\"dev\", \"stable\"]

[tool.shipway.contract]
stable = [\"demo.answer\"]

[tool.shipway.forge]
";

const CHANGELOG: &str =
    "# Changelog\n\n## [Unreleased]\n\n- better & faster\n\n## [1.3.0] - 2026-01-01\n\n- made\n";

/// What a run of the CI made for a commit.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) commit: String,
    pub(crate) run: u64,
    artifacts: Vec<(String, Vec<u8>)>,
}

/// What is the same for every ground of a test, made once.
pub(crate) struct Template {
    folder: tempfile::TempDir,
    token: String,
}

impl Template {
    /// An index with channels `dev` and `stable` and a token; `policy` is what its channels ask, when it is given.
    pub(crate) fn new(policy: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = place();
        let data = folder.path().join("index");
        // The first look makes an index with the project's channels.
        place.write("shipway.toml", "channels = [\"dev\", \"stable\"]\n");
        place.write("pyproject.toml", "[project]\nname = \"demo\"\nversion = \"1.3.0\"\n");
        place.shipway_without_tools(["status"]).env("SHIPWAY_DATA_DIR", &data).must();
        let admin = |arguments: &[&str]| {
            place.shipway_without_tools(["admin"]).args(arguments).arg("--data").arg(&data).must()
        };
        if let Some(policy) = policy {
            let file = place.write("policy.toml", policy);
            admin(&["policy", "set", file.to_str().unwrap()]);
        }
        let actions = "upload,promote,block,read,evidence";
        let created = admin(&["token", "create", "--name", "ci", "--action", actions]);
        Self { token: created.stdout.trim().to_owned(), folder }
    }
}

fn place() -> Place {
    let mut place = Place::new(env!("CARGO_BIN_EXE_shipway"));
    place.set("PIP_NO_INDEX", "1");
    place.set("PIP_FIND_LINKS", wheels().to_str().unwrap());
    // The same commits in every ground, so that files of one commit are those of another ground's.
    for who in ["AUTHOR", "COMMITTER"] {
        place.set(&format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    place
}

/// A project at a forge.
pub(crate) struct Ground {
    pub(crate) place: Place,
    pub(crate) forge: Forge,
    pub(crate) between: Interrupter,
    pub(crate) index: String,
    pub(crate) token: String,
    server: Option<Server>,
    variables: Vec<(String, String)>,
}

impl Ground {
    /// A project `demo` whose release 1.3.0 is tagged on `main`; `configuration` is added to `[tool.shipway.forge]`.
    pub(crate) fn new(template: &Template, configuration: &str) -> Self {
        let place = place();
        let forge = Forge::start(&place.folder("forge"), "team/demo");
        let data = place.path("index");
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .arg(template.folder.path().join("index"))
            .arg(&data)
            .status()
            .unwrap();
        assert!(copied.success());
        let server = Server::start(&place, &data, []);
        let between = Interrupter::default();
        let index = between.route(server.url());
        let api = between.route(forge.url());
        between.route(forge.store());
        let mut variables: Vec<(String, String)> =
            forge.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        variables.retain(|(name, _)| name != "GITHUB_API_URL");
        variables.push(("GITHUB_API_URL".to_owned(), api));
        variables.push(("SHIPWAY_INDEX".to_owned(), index.clone()));
        variables.push(("SHIPWAY_TOKEN".to_owned(), template.token.clone()));
        let ground = Self {
            place,
            forge,
            between,
            index,
            token: template.token.clone(),
            server: Some(server),
            variables,
        };
        let folder = ground.project();
        for (path, text) in [
            ("pyproject.toml", format!("{PYPROJECT}{configuration}").as_str()),
            ("README.md", "# demo\n"),
            ("CHANGELOG.md", CHANGELOG),
            ("demo.py", "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n"),
            (".github/workflows/ci.yml", "name: CI\non: push\n"),
            (".gitignore", "/.shipway/\n/dist/\n"),
        ] {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let git = |arguments: &[&str]| ground.place.program("git").at(&folder).args(arguments).must();
        git(&["init", "--quiet", "-b", "main"]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "-m", "the project as it is"]);
        git(&["tag", "v1.3.0"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", "work since then"]);
        git(&["remote", "add", "origin", ground.forge.git().path().to_str().unwrap()]);
        git(&["push", "--quiet", "-u", "origin", "main", "v1.3.0"]);
        ground
    }

    /// The developer's clone.
    pub(crate) fn project(&self) -> PathBuf {
        self.place.folder("project")
    }

    /// A fresh clone of a commit, as a CI job has it; the one that is there already is used again.
    pub(crate) fn job(&self, name: &str, commit: &str) -> PathBuf {
        let folder = self.place.path(name);
        if !folder.exists() {
            let remote = self.forge.git().path().to_owned();
            self.place.program("git").args(["clone", "--quiet"]).arg(remote).arg(&folder).must();
            self.place.git(&folder, ["checkout", "--quiet", "--detach", commit]).must();
        }
        folder
    }

    /// Sets a variable for the commands that follow.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(one, _)| one != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The command in a folder, with the environment of a CI job.
    pub(crate) fn command(&self, folder: &Path, arguments: &[&str]) -> Program {
        let program = self.place.shipway([]).at(folder).args(arguments);
        self.variables.iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, folder: &Path, arguments: &[&str]) -> Ran {
        self.between.run(&self.command(folder, arguments), None)
    }

    /// Merges the release's pull request; gives the commit of the merge, and the commit that the CI builds.
    pub(crate) fn merge(&self, number: u64, way: Way) -> (String, String) {
        let git = self.forge.git();
        let aside = |branch: &str, path: &str| {
            git.commit(branch, Some(&git.branch("main")), &[(path, Some("X = 1\n"))], "work")
        };
        match way {
            Way::Merge | Way::Squash | Way::Rebase => {
                aside("main", "between.txt");
                let strategy = match way {
                    Way::Merge => Strategy::Merge,
                    Way::Squash => Strategy::Squash,
                    _ => Strategy::Rebase,
                };
                let sha = self.forge.merge(number, strategy);
                (sha.clone(), sha)
            }
            Way::FastForward => {
                let sha = self.forge.merge(number, Strategy::FastForward);
                (sha.clone(), sha)
            }
            Way::Queue => {
                aside("chore/x", "later.txt");
                let other = self.forge.open("chore/x", "main");
                let sha = self.forge.merge(number, Strategy::Squash);
                let last = self.forge.merge(other, Strategy::Squash);
                (sha, last)
            }
        }
    }

    /// The run of the forge's CI for the push of a commit: its artifacts are what `shipway build` makes there, or made
    /// of the very same commit before.
    pub(crate) fn ci(&self, commit: &str, before: Option<&Built>) -> Built {
        let run = self.forge.begin_run("main", commit);
        let built = match before.filter(|built| built.commit == commit && built.run == run) {
            Some(built) => built.clone(),
            None => Built { commit: commit.to_owned(), run, artifacts: self.build(commit, run) },
        };
        for (name, bytes) in &built.artifacts {
            self.forge.upload(run, name, bytes.clone());
        }
        self.forge.end_run(run);
        built
    }

    fn build(&self, commit: &str, run: u64) -> Vec<(String, Vec<u8>)> {
        let folder = self.job("ci", commit);
        let build = self.place.shipway(["build"]).at(&folder);
        build.env("GITHUB_RUN_ID", run.to_string()).env("GITHUB_RUN_ATTEMPT", "1").must();
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder.join("dist"))
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
            })
            .collect();
        files.sort();
        let manifest = std::fs::read(folder.join(".shipway/manifest.json")).unwrap();
        vec![
            ("dist".to_owned(), zip_of(&files)),
            ("manifest".to_owned(), zip_of(&[("manifest.json".to_owned(), manifest)])),
        ]
    }

    /// Every entry of the index's log about the project.
    pub(crate) fn log(&self) -> Vec<Value> {
        let shown = self.run(&self.project(), &["log", "show", "-n", "500", "--json"]).ended(0).json();
        shown["entries"].as_array().unwrap().clone()
    }

    /// What the index's server said.
    pub(crate) fn server_log(&self) -> String {
        self.server.as_ref().map(Server::log).unwrap_or_default()
    }
}

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Merge,
    Squash,
    Rebase,
    FastForward,
    Queue,
}
