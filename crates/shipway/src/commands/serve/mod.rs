//! `shipway serve`

pub(crate) mod admin;
mod settings;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shipway_index::{StorageOptions, TlsFiles};
use shipway_release::{Error, Result};

use crate::embedded::{channels, discover, index_error, runtime};
use crate::output::{Outcome, write_stderr, write_stdout};
use crate::session::Session;
use settings::Settings;

/// Run the index server
///
/// It is ready when /healthz answers 200; its URL is printed on stdout. Without --data it serves the
/// embedded index that the other commands use.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,
    /// Let anybody read without a token (the default on a loopback address)
    #[arg(long, overrides_with = "no_anonymous_read")]
    anonymous_read: bool,
    /// Ask every reader for a token
    #[arg(long)]
    no_anonymous_read: bool,
    /// Answer downloads with a redirect to a signed URL of the S3 storage
    #[arg(long)]
    redirect_files: bool,
    /// A certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where other projects come from: a simple index URL, or `off`; default: what this machine's installers use
    #[arg(long, value_name = "URL|off")]
    upstream: Option<String>,
    /// A TOML file with these options as keys, and `channels`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the index is kept; the same for `serve` and `admin`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Store {
    /// The data directory
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// The database, `sqlite:PATH` or `postgres://USER@HOST/NAME`; default: in the data directory
    #[arg(long, value_name = "URL", global = true)]
    database: Option<String>,
    /// The files, a folder or `s3://BUCKET/PREFIX`; default: in the data directory
    #[arg(long, value_name = "URL", global = true)]
    storage: Option<String>,
    /// The folder of the index's private keys; default: in the data directory
    #[arg(long, value_name = "DIR", global = true)]
    keys: Option<PathBuf>,
}

impl Store {
    /// Whether the command line says where the index is.
    pub(crate) fn is_named(&self) -> bool {
        self.data.is_some() || self.database.is_some()
    }

    /// The server's configuration with this store.
    pub(crate) fn config(&self, session: &Session) -> Result<shipway_index::Config> {
        let data = match &self.data {
            Some(data) => data.clone(),
            None => shipway_release::config::data_dir(&session.environment)?,
        };
        let mut config = shipway_index::Config::new(data);
        config.database.clone_from(&self.database);
        config.storage.clone_from(&self.storage);
        config.keys.clone_from(&self.keys);
        let text =
            |(name, value): (&str, &std::ffi::OsString)| Some((name.to_owned(), value.to_str()?.to_owned()));
        config.storage_options = StorageOptions::of(session.environment.iter().filter_map(text));
        Ok(config)
    }
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let settings = arguments.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    let store = Store {
        data: arguments.store.data.clone().or(settings.data),
        database: arguments.store.database.clone().or(settings.database),
        storage: arguments.store.storage.clone().or(settings.storage),
        keys: arguments.store.keys.clone().or(settings.keys),
    };
    let mut config = store.config(session)?;
    config.anonymous_read = match (arguments.anonymous_read, arguments.no_anonymous_read) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => settings.anonymous_read,
    };
    config.channels = channels(&settings.channels);
    config.redirect_files = arguments.redirect_files || settings.redirect_files;
    let tls =
        arguments.tls_cert.clone().or(settings.tls_cert).zip(arguments.tls_key.clone().or(settings.tls_key));
    config.tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    config.upstream = match arguments.upstream.as_deref().or(settings.upstream.as_deref()) {
        None => {
            let python = session.environment.path(shipway_release::config::environment::PYTHON);
            discover(&session.environment, python)
        }
        Some("off") => shipway_index::Upstream::Off,
        Some(url) => shipway_index::Upstream::Url(url.to_owned()),
    };
    let bind = arguments.bind.clone().or(settings.bind).unwrap_or_else(|| "127.0.0.1:8600".to_owned());
    serve(config, &bind)
}

/// Serves until the process is told to end.
pub(crate) fn serve(config: shipway_index::Config, bind: &str) -> Result<Outcome> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let data = config.data.clone();
        let running = shipway_index::start(config, bind).await.map_err(|error| index_error(&error))?;
        let url = running.url();
        write_stdout(&format!("{url}\n"));
        write_stderr(&format!("serving the index in {} at {url}; end it with Ctrl-C", data.display()));
        stop_signal().await?;
        write_stderr("finishing requests in flight");
        running.shutdown().await;
        Ok(Outcome::new(&json!({ "url": url })))
    })
}

async fn stop_signal() -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::incomplete("signal", "cannot wait for a signal").cause(error.to_string())
    };
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(failed)
}
