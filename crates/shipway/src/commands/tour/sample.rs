//! The sample project of the tour: copied out of the binary, with a git repository and a remote of its own.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use shipway_release::ops::git::Git;
use shipway_release::{Environment, Error, Result};

static SAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/thermostat");

/// The project.
pub(super) struct Sample {
    /// Its folder.
    pub(super) directory: PathBuf,
    git: Git,
}

impl Sample {
    /// Writes the project below `folder` and pushes it to a bare remote beside it.
    pub(super) fn create(folder: &Path, environment: &Environment) -> Result<Self> {
        let directory = folder.join("thermostat");
        let remote = folder.join("remote.git");
        write(&SAMPLE, &directory)?;
        leave_out_missing_tools(&directory, environment)?;
        run(folder, environment, &["init", "--quiet", "--bare", "--initial-branch=main"], Some(&remote))?;
        run(&directory, environment, &["init", "--quiet", "--initial-branch=main"], None)?;
        let settings = [
            ("user.name", "shipway tour"),
            ("user.email", "tour@shipway.invalid"),
            ("commit.gpgSign", "false"),
            ("tag.gpgSign", "false"),
            ("core.hooksPath", ".git/no-hooks"),
        ];
        for (key, value) in settings {
            run(&directory, environment, &["config", key, value], None)?;
        }
        run(&directory, environment, &["remote", "add", "origin"], Some(&remote))?;
        let git = Git::open(&directory, environment)?;
        let sample = Self { directory, git };
        sample.commit("the thermostat")?;
        Ok(sample)
    }

    /// Replaces text in a file; the text must be there.
    pub(super) fn edit(&self, path: &str, from: &str, to: &str) -> Result<()> {
        let path = self.directory.join(path);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
        if !text.contains(from) {
            return Err(Error::incomplete("tour", format!("`{}` does not hold `{from}`", path.display())));
        }
        std::fs::write(&path, text.replacen(from, to, 1)).map_err(|error| Error::io("write", &path, &error))
    }

    /// Notes a change in the changelog.
    pub(super) fn note(&self, text: &str) -> Result<()> {
        self.edit(
            "CHANGELOG.md",
            "## [Unreleased]\n",
            &format!("## [Unreleased]\n\n### Changed\n\n- {text}\n"),
        )
    }

    /// Commits everything on main and pushes it.
    pub(super) fn commit(&self, subject: &str) -> Result<()> {
        self.git.read(["add", "--all"])?;
        self.git.read(["commit", "--quiet", "-m", subject])?;
        self.git.read(["push", "--quiet", "--set-upstream", "origin", "main"]).map(|_| ())
    }
}

fn write(dir: &Dir<'_>, to: &Path) -> Result<()> {
    for file in dir.files() {
        let path = to.join(file.path());
        if path.components().any(|part| part.as_os_str() == "__pycache__") {
            continue;
        }
        // Written from the configuration, of which the tour may leave out gates.
        if file.path().starts_with("docs") {
            continue;
        }
        let folder = path.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
        std::fs::write(&path, file.contents()).map_err(|error| Error::io("write", &path, &error))?;
    }
    dir.dirs().try_for_each(|inner| write(inner, to))
}

/// The sample's linters may not be on this machine; a gate that cannot run would stop the tour.
fn leave_out_missing_tools(directory: &Path, environment: &Environment) -> Result<()> {
    let path = directory.join("pyproject.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Error::incomplete("tour", "the sample's pyproject.toml is not valid").cause(error.to_string())
    })?;
    let search = environment.path("PATH");
    if let Some(gates) = document["tool"]["shipway"]["gate"].as_array_of_tables_mut() {
        gates.retain(|gate| {
            let run = gate.get("run").and_then(|item| item.as_str()).unwrap_or_default();
            let program = run.split_whitespace().next().unwrap_or_default();
            let paths = search
                .as_ref()
                .map(|search| std::env::split_paths(search).collect::<Vec<_>>())
                .unwrap_or_default();
            paths
                .iter()
                .any(|path| path.join(program).is_file() || path.join(format!("{program}.exe")).is_file())
        });
    }
    std::fs::write(&path, document.to_string()).map_err(|error| Error::io("write", &path, &error))
}

fn run(directory: &Path, environment: &Environment, arguments: &[&str], last: Option<&Path>) -> Result<()> {
    let call = shipway_release::ops::process::Call::new("git", directory).users(environment).args(arguments);
    let call = match last {
        Some(path) => call.arg(path),
        None => call,
    };
    call.must("git-failed", "prepare the sample's repository").map(|_| ())
}
