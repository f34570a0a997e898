//! The embedded index: the same server as `shipway serve`, in this process, on a loopback port.

use std::collections::BTreeMap;
use std::sync::Mutex;

use shipway_index::{ChannelConfig, Embedded as Server, Upstream};
use shipway_release::config::Config;
use shipway_release::ops::secret::Secret;
use shipway_release::ops::target::Embedded;
use shipway_release::{Environment, Error, Result};
use tokio::runtime::Runtime;
use url::Url;

/// Starts the index when a command first needs it, and stops it with the command.
pub(crate) struct EmbeddedIndex {
    environment: Environment,
    started: Mutex<Option<Started>>,
}

struct Started {
    runtime: Runtime,
    server: Option<Server>,
}

impl EmbeddedIndex {
    /// Nothing is started yet.
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, started: Mutex::new(None) }
    }
}

impl Embedded for EmbeddedIndex {
    fn start(&self, config: &Config) -> Result<(Url, Secret)> {
        let runtime = runtime()?;
        let mut server_config = shipway_index::Config::new(&config.data_dir);
        server_config.channels = channels(&config.channels);
        let crash_at = self.environment.get(shipway_release::config::environment::CRASH_AT);
        server_config.faults.crash_at = crash_at.map(str::to_owned);
        server_config.upstream = discover(&self.environment, config.python.clone());
        let server =
            runtime.block_on(shipway_index::embedded(server_config)).map_err(|error| index_error(&error))?;
        let url = format!("{}/", server.running.url());
        let token = Secret::new(server.token.expose());
        let url =
            url.parse().map_err(|error: url::ParseError| Error::incomplete("internal", error.to_string()))?;
        let mut started = self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *started = Some(Started { runtime, server: Some(server) });
        Ok((url, token))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.running.shutdown());
        }
    }
}

/// The runtime of a server in this process.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Error::incomplete("runtime", "cannot start the server's threads").cause(error.to_string())
    })
}

/// The channels of a new index: the first takes uploads.
pub(crate) fn channels(names: &[shipway_dist::ChannelName]) -> Vec<ChannelConfig> {
    let channel = |(at, name): (usize, &shipway_dist::ChannelName)| ChannelConfig {
        name: name.clone(),
        accepts_uploads: at == 0,
        local_versions: at == 0,
    };
    names.iter().enumerate().map(channel).collect()
}

/// Dependencies come from where this machine's installers take them.
pub(crate) fn discover(environment: &Environment, python: Option<std::path::PathBuf>) -> Upstream {
    let text =
        |(name, value): (&str, &std::ffi::OsString)| Some((name.to_owned(), value.to_str()?.to_owned()));
    let env: BTreeMap<String, String> = environment.iter().filter_map(text).collect();
    Upstream::Discover { python: python.unwrap_or_else(|| "python3".into()), env }
}

/// An error of the server as one of the command, causes included.
pub(crate) fn index_error(error: &shipway_index::IndexError) -> Error {
    let mut result = match error {
        shipway_index::IndexError::Bind { source, .. }
            if !matches!(
                source.kind(),
                std::io::ErrorKind::AddrInUse | std::io::ErrorKind::PermissionDenied
            ) =>
        {
            Error::usage("bind", error.to_string()).hint("--bind 127.0.0.1:8600")
        }
        shipway_index::IndexError::Config { .. } | shipway_index::IndexError::Keys { .. } => {
            Error::usage("index-config", error.to_string())
        }
        _ => Error::incomplete("index", error.to_string()),
    };
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        result = result.cause(inner.to_string());
        source = inner.source();
    }
    result
}
