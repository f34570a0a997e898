//! The user's Python: found once, asked once, and fresh environments made from it.
//!
//! Environments are made by `uv` when it is there (its cache makes them fast), else by `python -m venv`.
//! pip always comes from the base interpreter and is pointed at the environment, so nothing but the release
//! and its dependencies is ever in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::process::Call;

/// What the interpreter says about itself.
const QUESTION: &str = "
import json, os, sys
try:
    import pip
    pip_version = pip.__version__
    pip_runner = os.path.join(os.path.dirname(pip.__file__), '__pip-runner__.py')
except Exception:
    pip_version = pip_runner = None
print(json.dumps({
    'executable': sys.executable,
    'version': '.'.join(map(str, sys.version_info[:3])),
    'pip': pip_version,
    'pip_runner': pip_runner if pip_runner and os.path.isfile(pip_runner) else None,
}))
";

/// Asks pip for the hosts that are public (row F7): its built-in default and that one's test sibling.
const PUBLIC_QUESTION: &str = "
from pip._internal.models.index import PyPI, TestPyPI
print(PyPI.netloc)
print(TestPyPI.netloc)
";

/// An interpreter.
#[derive(Debug, Clone, Deserialize)]
pub struct Python {
    /// The real executable, no shim.
    pub executable: PathBuf,
    /// Its version.
    pub version: String,
    /// The version of its pip, when it has one.
    pub pip: Option<String>,
    /// The script with which pip runs itself in another environment, when it has one.
    pub pip_runner: Option<PathBuf>,
    /// uv, when it is on the path.
    #[serde(skip)]
    pub uv: Option<PathBuf>,
}

/// A fresh environment.
#[derive(Debug, Clone)]
pub struct Venv {
    /// Its folder.
    pub directory: PathBuf,
    /// Its interpreter.
    pub python: PathBuf,
    /// Where its scripts are.
    pub scripts: PathBuf,
}

impl Python {
    /// Finds the interpreter that is asked for, else `python3`, else `python`.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(wanted: Option<&Path>, environment: &Environment) -> Result<Self> {
        let candidates = match wanted {
            Some(python) => vec![python.to_owned()],
            None => vec![PathBuf::from("python3"), PathBuf::from("python")],
        };
        let mut problem = None;
        for candidate in candidates {
            let directory = std::env::temp_dir();
            let call = Call::new(&candidate, &directory).allowed(environment).args(["-c", QUESTION]);
            match call.timeout(Duration::from_secs(60)).must("python", "ask Python about itself") {
                Ok(output) => match serde_json::from_slice::<Self>(&output.stdout) {
                    Ok(mut python) => {
                        let path = environment.path("PATH");
                        python.uv = which::which_in("uv", path, "/").ok();
                        return Ok(python);
                    }
                    Err(error) => {
                        problem = Some(
                            Error::incomplete("python", format!("`{}` is not Python 3", candidate.display()))
                                .cause(error.to_string()),
                        )
                    }
                },
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem
            .unwrap_or_else(|| Error::incomplete("python", "no Python was found"))
            .hint("install Python 3, or set SHIPWAY_PYTHON to an interpreter"))
    }

    /// Makes a fresh environment without pip in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_venv(&self, directory: &Path, environment: &Environment) -> Result<Venv> {
        let parent = directory.parent().unwrap_or(Path::new("/"));
        match &self.uv {
            Some(uv) => Call::new(uv, parent)
                .allowed(environment)
                .args(["venv", "--quiet", "--no-config", "--python"])
                .arg(&self.executable)
                .arg(directory)
                .must("venv", "make a fresh environment")?,
            None => Call::new(&self.executable, parent)
                .allowed(environment)
                .args(["-m", "venv", "--without-pip"])
                .arg(directory)
                .must("venv", "make a fresh environment")?,
        };
        let scripts = directory.join(if cfg!(windows) { "Scripts" } else { "bin" });
        let python = scripts.join(if cfg!(windows) { "python.exe" } else { "python" });
        Ok(Venv { directory: directory.to_owned(), python, scripts })
    }

    /// Installs requirements into an environment, the way the user's installer is configured.
    ///
    /// # Errors
    /// When the installer fails.
    pub fn install(&self, venv: &Venv, arguments: &[String], environment: &Environment) -> Result<()> {
        let directory = &venv.directory;
        let call = match &self.uv {
            Some(uv) => {
                Call::new(uv, directory).args(["pip", "install", "--quiet", "--python"]).arg(&venv.python)
            }
            None => self.pip(venv, directory)?.args(["install", "--quiet", "--disable-pip-version-check"]),
        };
        let call = call.allowed(environment).installer(environment).args(arguments);
        call.must("install-failed", "install into a fresh environment").map(|_| ())
    }

    /// Whether the interpreter has a pip that can do what is asked of it.
    ///
    /// # Errors
    /// When the interpreter has no pip, or one before 22.3 (`--python` and `--report`).
    pub fn check_pip(&self) -> Result<()> {
        let version = self.pip.as_deref().unwrap_or_default();
        let oldest = pep440_rs::Version::new([22, 3]);
        if version.parse::<pep440_rs::Version>().is_ok_and(|found| found >= oldest) {
            return Ok(());
        }
        let found = if version.is_empty() { "has no pip".to_owned() } else { format!("has pip {version}") };
        Err(Error::incomplete("pip-missing", format!("`{}` {found}", self.executable.display()))
            .cause("pip 22.3 or later is needed, for its installation report")
            .hint(format!("{} -m pip install --upgrade pip", self.executable.display())))
    }

    /// pip of the base interpreter, working on an environment.
    ///
    /// `pip --python ENVIRONMENT` starts, reads itself and starts again as `ENVIRONMENT/python __pip-runner__.py`. That
    /// is called at once where pip has it: half the time (measured with pip 23.2: 0.7 s of processor instead of 1.4 s).
    ///
    /// # Errors
    /// See [`Python::check_pip`].
    pub fn pip<'a>(&self, venv: &Venv, directory: &'a Path) -> Result<Call<'a>> {
        self.check_pip()?;
        if let Some(runner) = &self.pip_runner {
            return Ok(Call::new(&venv.python, directory).arg(runner));
        }
        Ok(Call::new(&self.executable, directory).args(["-m", "pip", "--python"]).arg(&venv.python))
    }

    /// The hosts that pip takes for public.
    ///
    /// # Errors
    /// When pip does not say.
    pub fn public_hosts(&self, environment: &Environment) -> Result<Vec<String>> {
        let directory = std::env::temp_dir();
        let call = Call::new(&self.executable, &directory).allowed(environment).args(["-c", PUBLIC_QUESTION]);
        let output = call.must("python", "ask pip for the public index")?;
        Ok(output.stdout_text().split_whitespace().map(str::to_owned).collect())
    }
}
