//! A place of one test: a temporary directory, a HOME in it, and a cleared environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::program::Program;
use crate::tools::Tools;

/// What a test inherits when it is set: where installers find packages and whom they trust. These are the
/// machine's own settings; a machine that reads packages through a mirror tests through that mirror.
const INHERITED: &[&str] = &[
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "TMPDIR",
    "SYSTEMROOT",
    "PYENV_ROOT",
    "PYENV_VERSION",
];

/// A place of one test.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    shipway: PathBuf,
    variables: Vec<(String, String)>,
}

impl Place {
    /// Makes a place for tests of the binary `shipway`.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new(shipway: impl Into<PathBuf>) -> Self {
        let folder = tempfile::Builder::new().prefix("shipway-test-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("home")).expect("a folder for HOME");
        Self { folder, shipway: shipway.into(), variables: Vec::new() }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// HOME.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// `SHIPWAY_DATA_DIR`.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Makes a folder in it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }

    /// Writes a file in it, readable by nobody else.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a written file");
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("a private file");
        path
    }

    /// Sets a variable for every program of this place.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A program in the cleared environment, run in this place.
    pub fn program(&self, program: impl Into<PathBuf>) -> Program {
        let mut run = Program::new(program, self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                run = run.env(name, value);
            }
        }
        for (name, value) in ["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
            [(format!("GIT_{who}_NAME"), "Tester"), (format!("GIT_{who}_EMAIL"), "tester@test.invalid")]
        }) {
            run = run.env(name, value);
        }
        for (name, value) in &self.variables {
            run = run.env(name, value);
        }
        run
    }

    /// git in a folder.
    pub fn git<const N: usize>(&self, directory: &Path, arguments: [&str; N]) -> Program {
        self.program("git").at(directory).args(arguments)
    }

    /// The `shipway` binary with this place's data directory; uv is on its path.
    pub fn shipway<const N: usize>(&self, arguments: [&str; N]) -> Program {
        let tools = Tools::get();
        self.shipway_without_tools(arguments)
            .env("PATH", first_in_path(&tools.uv_folder()))
            .env("UV_CACHE_DIR", tools.uv_cache())
    }

    /// The `shipway` binary with this place's data directory and nothing of the tools.
    pub fn shipway_without_tools<const N: usize>(&self, arguments: [&str; N]) -> Program {
        self.program(&self.shipway).env("SHIPWAY_DATA_DIR", self.data()).args(arguments)
    }
}

/// PATH with a folder in front.
fn first_in_path(folder: &Path) -> OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(paths).expect("a PATH")
}
