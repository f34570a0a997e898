//! The server's configuration file: the options of `serve` as keys.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shipway_dist::ChannelName;
use shipway_release::{Error, Result};

/// The keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) data: Option<PathBuf>,
    pub(crate) database: Option<String>,
    pub(crate) storage: Option<String>,
    pub(crate) keys: Option<PathBuf>,
    #[serde(default)]
    pub(crate) redirect_files: bool,
    pub(crate) bind: Option<String>,
    pub(crate) anonymous_read: Option<bool>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) upstream: Option<String>,
    /// The channels of a new index, in order of promotion; the first takes uploads.
    #[serde(default)]
    pub(crate) channels: Vec<ChannelName>,
}

impl Settings {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage("server-config", format!("cannot read `{}`", path.display()))
                .cause(error.to_string())
        })?;
        toml_edit::de::from_str(&text).map_err(|error| {
            Error::usage("server-config", format!("`{}` is not a server configuration", path.display()))
                .cause(error.to_string().trim_end().to_owned())
        })
    }
}
