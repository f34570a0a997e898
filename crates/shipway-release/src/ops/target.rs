//! The index that a project releases to: the embedded one, a shipway index, or a foreign one.

use shipway_dist::wire::ProjectRecord;
use shipway_dist::{ChannelName, ProjectName};
use url::Url;

use crate::config::{Config, Environment};
use crate::error::{Error, Result};
use crate::ops::credentials::{self, Ask, Credential};
use crate::ops::foreign::{Endpoint, ForeignIndex};
use crate::ops::http::Http;
use crate::ops::index::IndexClient;
use crate::ops::python::Python;
use crate::ops::secret::{Secret, public_url};
use crate::progress::Progress;

/// Starts the embedded index; implemented by the binary, which knows the server.
pub trait Embedded {
    /// Starts the index in `data` and gives its root URL and a token for this process alone.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&self, config: &Config) -> Result<(Url, Secret)>;
}

/// An index to release to.
#[derive(Debug)]
pub enum Target {
    /// A shipway index.
    Shipway {
        /// Its client.
        client: IndexClient,
        /// Whether it runs in this process.
        embedded: bool,
    },
    /// Any other index.
    Foreign(ForeignIndex),
}

impl Target {
    /// Opens the index that the configuration names; nothing is asked of it yet.
    ///
    /// # Errors
    /// When a credential is ambiguous, the embedded index does not start, or the index is public and the
    /// configuration does not allow that.
    pub fn open(
        config: &Config,
        environment: &Environment,
        embedded: &dyn Embedded,
        ask: Option<&dyn Ask>,
        section: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let find = |url: &Url| -> Result<Option<Credential>> {
            let found = credentials::find(url, section, environment, ask, &|text| progress.warn(text))?;
            if let Some(found) = &found {
                progress.done("credential", &format!("for {} from {}", public_url(url), found.source));
            }
            Ok(found)
        };
        if config.is_foreign() {
            for channel in config.foreign.values() {
                refuse_public(config, environment, &channel.upload)?;
            }
            let mut channels = Vec::new();
            for name in &config.channels {
                let Some(urls) = config.foreign.get(name) else { continue };
                let http = Http::new(find(&urls.upload)?)?;
                channels.push((name.clone(), Endpoint { urls: urls.clone(), http }));
            }
            return Ok(Self::Foreign(ForeignIndex { channels }));
        }
        if let Some(root) = &config.index {
            refuse_public(config, environment, root)?;
            let client = IndexClient::new(root.clone(), Http::new(find(root)?)?);
            return Ok(Self::Shipway { client, embedded: false });
        }
        let (root, token) = embedded.start(config)?;
        let source = "the embedded index".to_owned();
        let credential = Credential { user: "__token__".to_owned(), secret: token, source };
        let client = IndexClient::new(root, Http::new(Some(credential))?);
        let there: Vec<ChannelName> =
            client.channels()?.channels.into_iter().map(|channel| channel.name).collect();
        if there != config.channels {
            let names = |channels: &[ChannelName]| {
                channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            return Err(Error::usage(
                "channels-differ",
                "the embedded index has other channels than the configuration",
            )
            .cause(format!("the index in `{}`: {}", config.data_dir.display(), names(&there)))
            .cause(format!("the configuration: {}", names(&config.channels)))
            .hint("make `channels` equal, or set SHIPWAY_DATA_DIR to a folder of this project's own"));
        }
        Ok(Self::Shipway { client, embedded: true })
    }

    /// Whether the index runs in this process.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Shipway { embedded: true, .. })
    }

    /// The index, for people: its URL, or `the embedded index`.
    pub fn label(&self) -> String {
        match self {
            Self::Shipway { embedded: true, .. } => "the embedded index".to_owned(),
            Self::Shipway { client, embedded: false } => public_url(client.root()).to_string(),
            Self::Foreign(index) => index
                .channels
                .iter()
                .map(|(_, one)| public_url(&one.urls.simple).to_string())
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// The simple index of a channel, for installers.
    ///
    /// # Errors
    /// When a foreign index has no such channel.
    pub fn simple(&self, channel: &ChannelName) -> Result<Url> {
        match self {
            Self::Shipway { client, .. } => Ok(client.simple(channel)),
            Self::Foreign(index) => Ok(index.endpoint(channel)?.urls.simple.clone()),
        }
    }

    /// The client that reads a channel.
    ///
    /// # Errors
    /// When a foreign index has no such channel.
    pub fn http(&self, channel: &ChannelName) -> Result<&Http> {
        match self {
            Self::Shipway { client, .. } => Ok(client.http()),
            Self::Foreign(index) => Ok(&index.endpoint(channel)?.http),
        }
    }

    /// Everything that the index says about a project; none when it has none.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn project(&self, name: &ProjectName) -> Result<Option<ProjectRecord>> {
        match self {
            Self::Shipway { client, .. } => client.project(name),
            Self::Foreign(index) => index.project(name),
        }
    }

    /// The client of a shipway index.
    ///
    /// # Errors
    /// A refusal that names what a foreign index cannot do.
    pub fn shipway(&self, what: &str) -> Result<&IndexClient> {
        match self {
            Self::Shipway { client, .. } => Ok(client),
            Self::Foreign(_) => {
                Err(Error::refused("foreign-index", format!("shipway cannot {what} on a foreign index"))
                    .hint(format!("do it with the index's own tools; `{}`", self.label())))
            }
        }
    }
}

/// Refuses a public index unless the configuration says so (row F7).
fn refuse_public(config: &Config, environment: &Environment, url: &Url) -> Result<()> {
    let host = url.host_str().unwrap_or_default();
    let is_local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    if config.public || is_local {
        return Ok(());
    }
    let python = Python::find(config.python.as_deref(), environment)?;
    let public = python.public_hosts(environment)?;
    let is_public = public.iter().any(|one| host == one || host.ends_with(&format!(".{one}")));
    if is_public {
        return Err(Error::refused("public-index", format!("{} is a public index", public_url(url)))
            .cause("what is published there can be read by everybody and never be taken back")
            .hint("set `public = true` in the configuration if that is meant"));
    }
    Ok(())
}
