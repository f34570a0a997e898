//! Every environment variable that shipway reads for itself, by name; and the environment as a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The index's URL.
pub const INDEX: &str = "SHIPWAY_INDEX";
/// The index's token.
pub const TOKEN: &str = "SHIPWAY_TOKEN";
/// The key that evidence is signed with: PKCS#8 PEM, or the path of its file.
pub const KEY: &str = "SHIPWAY_KEY";
/// Where the embedded index and keys live.
pub const DATA_DIR: &str = "SHIPWAY_DATA_DIR";
/// The Python interpreter.
pub const PYTHON: &str = "SHIPWAY_PYTHON";
/// The log filter.
pub const LOG: &str = "SHIPWAY_LOG";
/// How a line of the log is written: `json`, else text.
pub const LOG_FORMAT: &str = "SHIPWAY_LOG_FORMAT";
/// The user at an index that is imported from.
pub const SOURCE_USERNAME: &str = "SHIPWAY_SOURCE_USERNAME";
/// The password at an index that is imported from.
pub const SOURCE_PASSWORD: &str = "SHIPWAY_SOURCE_PASSWORD";
/// For tests: abort the process when it reaches the named point.
pub const CRASH_AT: &str = "SHIPWAY_CRASH_AT";

/// The forge's API.
pub const FORGE_API: &str = "GITHUB_API_URL";
/// The forge's pages for people.
pub const FORGE_SERVER: &str = "GITHUB_SERVER_URL";
/// `OWNER/NAME` of the repository on the forge.
pub const FORGE_REPOSITORY: &str = "GITHUB_REPOSITORY";
/// The number of that repository, which a rename does not change.
pub const FORGE_REPOSITORY_ID: &str = "GITHUB_REPOSITORY_ID";
/// The token for the forge's API; the second is what its own command line reads.
pub const FORGE_TOKEN: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];
/// The event that started the CI run, as a JSON file.
pub const FORGE_EVENT: &str = "GITHUB_EVENT_PATH";
/// The file that takes a CI step's outputs.
pub const FORGE_OUTPUT: &str = "GITHUB_OUTPUT";
/// The file that takes a CI step's summary.
pub const FORGE_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// The CI run.
pub const FORGE_RUN: &str = "GITHUB_RUN_ID";
/// The attempt of the CI run.
pub const FORGE_ATTEMPT: &str = "GITHUB_RUN_ATTEMPT";

/// The environment of a run, captured once and passed in.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// Captures the process's environment; variables whose names are not UTF-8 are left out.
    pub fn capture() -> Self {
        Self {
            variables: std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v))).collect(),
        }
    }

    /// Builds an environment from pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { variables: pairs.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect() }
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same environment with one variable unset.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The value of a variable that is set, not empty and UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// The value of a variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl std::fmt::Debug for Environment {
    // Values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
