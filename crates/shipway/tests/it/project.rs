//! A project with a repository and a remote of its own, and the command run on it with an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// A project.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    unset: Vec<&'static str>,
}

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code and that stderr holds every text.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, texts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in {self:#?}");
        }
        self
    }
}

pub(crate) const PYPROJECT: &str = "[build-system]
requires = [\"flit_core>=3.9\"]
build-backend = \"flit_core.buildapi\"

[project]
name = \"demo-pkg\"
version = \"1.2.3\"
description = \"A demo.\"
readme = \"README.md\"
requires-python = \">=3.8\"

[project.scripts]
demo = \"demo_pkg:main\"

[tool.shipway]
channels = [\"dev\", \"stable\"]

[tool.shipway.contract]
stable = [\"demo_pkg.answer\"]

[[tool.shipway.probe]]
id = \"answers\"
kind = \"smoke\"
run = \"demo\"
stdout = \"42\"
";

impl Project {
    /// The demo project, pushed.
    pub(crate) fn demo() -> Self {
        Self::with(&[
            ("pyproject.toml", PYPROJECT),
            ("README.md", "# demo\n"),
            (
                "demo_pkg/__init__.py",
                "\"\"\"Demo.\"\"\"\n\n\ndef answer():\n    return 42\n\n\ndef main():\n    print(answer())\n",
            ),
            (
                "CHANGELOG.md",
                "# Changelog\n\n## [Unreleased]\n\n- First.\n\n## [1.2.3] - 2026-01-05\n\n- Begin.\n",
            ),
            (".gitignore", "/dist/\n/.shipway/*\n"),
        ])
    }

    /// A project of these files, pushed.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("shipway-test-").tempdir().unwrap();
        let project = Self { folder, variables: Vec::new(), unset: Vec::new() };
        std::fs::create_dir_all(project.root()).unwrap();
        std::fs::create_dir_all(project.folder.path().join("home")).unwrap();
        for (path, text) in files {
            project.write(path, text);
        }
        project.git_in(
            project.folder.path(),
            &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"],
        );
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project.git(&["config", "user.name", "Test"]);
        project.git(&["config", "user.email", "test@example.invalid"]);
        project.git(&["remote", "add", "origin", "../remote.git"]);
        project.commit("begin");
        project
    }

    /// A project of its own that is like this one.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("shipway-test-").tempdir().unwrap();
        copy(self.folder.path(), folder.path());
        Self { folder, variables: self.variables.clone(), unset: self.unset.clone() }
    }

    /// A copy of a project (repository, remote, index, home) that is made once a build of the command; what `make` sets
    /// for its runs is not kept.
    pub(crate) fn made_once(name: &str, make: impl FnOnce() -> Self) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let binary = std::fs::metadata(env!("CARGO_BIN_EXE_shipway")).unwrap();
        let modified = binary.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        let base = target.join(name);
        let kept = base.join(format!("{}-{}", binary.len(), modified.as_nanos()));
        let lock = std::fs::File::create(target.join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        if !kept.join("complete").exists() {
            let _ = std::fs::remove_dir_all(&base);
            copy(make().folder.path(), &kept);
            std::fs::write(kept.join("complete"), "").unwrap();
        }
        let folder = tempfile::Builder::new().prefix("shipway-test-").tempdir().unwrap();
        copy(&kept, folder.path());
        Self { folder, variables: Vec::new(), unset: Vec::new() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.folder.path().join("remote.git")
    }

    /// The data directory of the embedded index.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Sets a variable for the runs that follow.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Unsets one of the variables that every run has.
    pub(crate) fn unset(&mut self, name: &'static str) {
        self.unset.push(name);
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        String::from_utf8(std::fs::read(self.root().join(path)).unwrap()).unwrap()
    }

    /// A kept statement of a gate or step, its envelope taken off.
    pub(crate) fn statement(&self, version: &str, gate: &str) -> Value {
        let text = self.read(&format!(".shipway/evidence/{version}/{gate}.json"));
        serde_json::from_str::<shipway_dist::signing::Envelope>(&text).unwrap().payload_json().unwrap()
    }

    /// Commits everything and pushes main.
    pub(crate) fn commit(&self, subject: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", subject]);
        self.git(&["push", "--quiet", "-u", "origin", "main"]);
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.root(), arguments)
    }

    pub(crate) fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.command("git", folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs the command in the project.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output =
            self.command(env!("CARGO_BIN_EXE_shipway"), &self.root()).args(arguments).output().unwrap();
        finished(output)
    }

    /// Runs the command until it reaches a point where it is killed.
    #[track_caller]
    pub(crate) fn run_until(&self, point: &str, arguments: &[&str]) {
        let mut command = self.command(env!("CARGO_BIN_EXE_shipway"), &self.root());
        let output = command.args(arguments).env("SHIPWAY_CRASH_AT", point).output().unwrap();
        assert_eq!(output.status.code(), None, "it was not killed at {point}: {:#?}", finished(output));
    }

    /// A program with this project's environment and nothing of the machine's user.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear();
        for name in ["PATH", "TMPDIR", "SSL_CERT_FILE", "PIP_CERT"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("SHIPWAY_DATA_DIR", self.folder.path().join("index"))
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", wheels())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        for name in &self.unset {
            command.env_remove(name);
        }
        command
    }

    /// Everything that a refused command must leave as it was: refs here and there, HEAD, the tree, the index's rows.
    pub(crate) fn state(&self) -> String {
        let refs = self.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        let remote = self.git_in(&self.remote(), &["for-each-ref", "--format=%(refname) %(objectname)"]);
        let head = self.git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
        let status = self.git(&["status", "--porcelain", "--untracked-files=all"]);
        let worktrees = self.git(&["worktree", "list", "--porcelain"]);
        let left = self.root().join(".git/shipway");
        // The lock's file stays; whether it is held goes with the process.
        let left: Vec<_> = std::fs::read_dir(left)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name())
            .filter(|name| name != "lock")
            .collect();
        format!("{refs}\n--\n{remote}\n--\n{head}\n--\n{status}\n--\n{worktrees}\n--\n{left:?}")
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

fn finished(output: Output) -> Run {
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What builds in tests are made with: the `build` library, the backends of the field, and what renders.
const TOOLS: [&str; 7] = [
    "build==1.3.0",
    "flit_core==3.12.0",
    "setuptools==80.9.0",
    "hatchling==1.27.0",
    "poetry-core==2.2.1",
    "pdm-backend==2.4.5",
    "docutils==0.22.2",
];

/// The wheels that a build needs, fetched once with the ordinary pip; builds in tests then use no network.
pub(crate) fn wheels() -> &'static Path {
    static WHEELS: OnceLock<PathBuf> = OnceLock::new();
    WHEELS.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = target.join("wheels-3");
        let lock = std::fs::File::create(target.join("wheels.lock")).unwrap();
        lock.lock().unwrap();
        if !folder.join("complete").exists() {
            let output = Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest"])
                .arg(&folder)
                .args(TOOLS)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::write(folder.join("complete"), "").unwrap();
        }
        folder
    })
}
