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
/// For tests: abort the process when it reaches the named point.
pub const CRASH_AT: &str = "SHIPWAY_CRASH_AT";

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
