//! The index that a project releases to: the embedded one, a shipway index, or a foreign one.

use shipway_dist::wire::ProjectRecord;
use shipway_dist::{ChannelName, ProjectName};
use url::Url;

use crate::config::{Config, Environment};
use crate::error::{Error, Result};
use crate::ops::credentials::{self, Ask, Credential};
use crate::ops::foreign::{Endpoint, ForeignIndex};
use crate::ops::http::{Authority, Http};
use crate::ops::identity::{self, Minter};
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
        clock: fn() -> jiff::Timestamp,
    ) -> Result<Self> {
        let mut minters: Vec<(Vec<Url>, Minter)> = Vec::new();
        let mut find = |urls: &[&Url], shipway: bool| -> Result<Http> {
            let warn = |text: &str| progress.warn(text);
            let place = public_url(urls[0]);
            let said = |found: &Credential| {
                progress.done("credential", &format!("for {place} from {}", found.source));
            };
            if let Some(found) = credentials::find(urls[0], section, environment, &warn)? {
                said(&found);
                return Http::with(Authority::Known(found), urls);
            }
            let source = match identity::find(environment)? {
                identity::Found::Here(source) => source,
                identity::Found::Absent(why) => {
                    let Some(found) = credentials::ask(urls[0], ask) else {
                        return Http::with(Authority::None(why.into_iter().collect()), urls);
                    };
                    said(&found);
                    return Http::with(Authority::Known(found), urls);
                }
            };
            let own: Vec<Url> = urls.iter().map(|url| (*url).clone()).collect();
            // One token does for the channels of one index.
            let known = minters.iter().find(|(of, _)| hosts(of) == hosts(&own)).map(|(_, one)| one.clone());
            let minter = match known {
                Some(minter) => minter,
                None => Minter::new(urls, source, environment, clock)?,
            };
            progress
                .done("credential", &format!("for {place} by {}, where the index takes it", minter.label()));
            minters.push((own, minter.clone()));
            // A minted token is for uploads: only the host that takes them gets it.
            Http::with(Authority::Identity { minter, shipway }, &urls[..1])
        };
        if config.is_foreign() {
            for channel in config.foreign.values() {
                refuse_public(config, environment, &channel.upload)?;
            }
            let visible_within = visible_within(environment)?;
            let mut channels = Vec::new();
            for name in &config.channels {
                let Some(urls) = config.foreign.get(name) else { continue };
                let http = find(&[&urls.upload, &urls.simple], false)?;
                channels.push((name.clone(), Endpoint { urls: urls.clone(), http, visible_within }));
            }
            return Ok(Self::Foreign(ForeignIndex { channels }));
        }
        if let Some(root) = &config.index {
            refuse_public(config, environment, root)?;
            let client = IndexClient::new(root.clone(), find(&[root], true)?);
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

/// How long an upload may take until the index lists it.
fn visible_within(environment: &Environment) -> Result<std::time::Duration> {
    let name = crate::config::environment::VISIBLE_WITHIN;
    let Some(text) = environment.get(name) else { return Ok(crate::ops::foreign::VISIBLE_WITHIN) };
    text.parse().map(std::time::Duration::from_secs).map_err(|_| {
        Error::usage("config-value", format!("`{name}` is `{text}`, which is no number of seconds"))
    })
}

fn hosts(urls: &[Url]) -> Vec<url::Origin> {
    urls.iter().map(Url::origin).collect()
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
