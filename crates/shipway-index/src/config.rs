//! What the index is started with. Everything is passed in: no environment is read here.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shipway_dist::channel::{self, ChannelName};
use shipway_dist::name::ProjectName;

use crate::error::IndexError;
use crate::store::Database;

/// How to run the index.
#[derive(Clone)]
pub struct Config {
    /// The data directory; created when it is missing.
    pub data: PathBuf,
    /// Where the database is, `sqlite:PATH` or `postgres://…`; absent: `index.sqlite` in the data directory.
    pub database: Option<String>,
    /// Where the files are, a path, `file://PATH` or `s3://BUCKET/PREFIX`; absent: `blobs` in the data
    /// directory.
    pub storage: Option<String>,
    /// Credentials, endpoint and region of an `s3:` storage.
    pub storage_options: StorageOptions,
    /// Where the private keys of the index are; absent: `keys` in the data directory. All servers of one
    /// database have the same.
    pub keys: Option<PathBuf>,
    /// Whether a download is a redirect to a signed URL of the storage, where it has such URLs.
    pub redirect_files: bool,
    /// Whether readers need no token; absent: only when bound to a loopback address.
    pub anonymous_read: Option<bool>,
    /// The channels of a new data directory in order of promotion; empty: dev (takes uploads), staging, stable.
    pub channels: Vec<ChannelConfig>,
    /// Where projects come from that the index does not hold itself.
    pub upstream: Upstream,
    /// What of the upstream is passed on.
    pub upstream_rules: UpstreamRules,
    /// The address (`HOST:PORT`) that answers `/metrics`; absent: the one that serves pages, for whoever may
    /// read every project.
    pub metrics: Option<String>,
    /// Which names a new project may have.
    pub names: NameRules,
    /// What the index accepts.
    pub limits: Limits,
    /// Addresses and networks (`10.0.0.0/8`) of proxies, which are believed when they say who asks.
    pub trusted_proxies: Vec<String>,
    /// The field in which they say it. The other one is not read: a proxy passes on what a client wrote there.
    pub proxy_header: ProxyHeader,
    /// Certificate and key, both PEM; absent: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The clock.
    pub clock: Clock,
    /// Faults to inject; nothing by default.
    pub faults: Faults,
}

impl Config {
    /// The defaults over a data directory: no upstream, default channels.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            database: None,
            storage: None,
            storage_options: StorageOptions::default(),
            keys: None,
            redirect_files: false,
            anonymous_read: None,
            channels: Vec::new(),
            upstream: Upstream::Off,
            upstream_rules: UpstreamRules::default(),
            metrics: None,
            names: NameRules::default(),
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            tls: None,
            clock: Clock::system(),
            faults: Faults::default(),
        }
    }

    /// The channels to create: those configured, else the defaults, of which the first takes uploads.
    pub(crate) fn channels(&self) -> Vec<ChannelConfig> {
        if !self.channels.is_empty() {
            return self.channels.clone();
        }
        let default = |(at, name): (usize, &&str)| ChannelConfig {
            name: name.parse::<ChannelName>().expect("the default channels are channel names"),
            accepts_uploads: at == 0,
            local_versions: at == 0,
        };
        channel::DEFAULT.iter().enumerate().map(default).collect()
    }

    /// The database of the URL.
    ///
    /// # Errors
    /// When the URL names another kind of database.
    pub(crate) fn database(&self) -> Result<Database, IndexError> {
        let Some(text) = &self.database else { return Ok(Database::Sqlite(self.data.join("index.sqlite"))) };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Database::Postgres(text.clone()));
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:"));
        match path {
            Some(path) if !path.is_empty() && !path.starts_with(":memory:") => {
                Ok(Database::Sqlite(PathBuf::from(path)))
            }
            Some(_) => Err(IndexError::Config { key: "database", why: "the database must be a file".into() }),
            None => Err(IndexError::Config {
                key: "database",
                why: "neither `sqlite:PATH` nor `postgres://USER@HOST/NAME`".into(),
            }),
        }
    }

    /// The place of the files.
    ///
    /// # Errors
    /// When the URL names another kind of storage.
    pub(crate) fn storage(&self) -> Result<Storage, IndexError> {
        let Some(text) = &self.storage else { return Ok(Storage::Folder(self.data.join("blobs"))) };
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Storage::Folder(PathBuf::from(path)));
        }
        let wrong = |why: &str| Err(IndexError::Config { key: "storage", why: why.into() });
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() || bucket.contains('@') {
                return wrong("expected `s3://BUCKET/PREFIX`; credentials stand in AWS_ variables");
            }
            let (bucket, prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
            return Ok(Storage::S3 { bucket, prefix });
        }
        if text.contains("://") {
            return wrong("neither a path, `file://PATH` nor `s3://BUCKET/PREFIX`");
        }
        Ok(Storage::Folder(PathBuf::from(text)))
    }

    /// Where the private keys of the index are.
    pub(crate) fn keys(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.data.join("keys"))
    }
}

/// Without the database's URL, which may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("storage", &self.storage)
            .field("storage_options", &self.storage_options)
            .field("channels", &self.channels)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A place for files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Storage {
    Folder(PathBuf),
    S3 { bucket: String, prefix: String },
}

/// Settings of the storage by the names of their variables, credentials among them: never shown.
#[derive(Clone, Default)]
pub struct StorageOptions(BTreeMap<String, String>);

impl StorageOptions {
    /// Takes the variables whose names begin with `AWS_`.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect())
    }

    /// Each name and its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A channel to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Its name.
    pub name: ChannelName,
    /// Whether it takes uploads.
    pub accepts_uploads: bool,
    /// Whether it takes versions with a local part (`1.0+abc`).
    pub local_versions: bool,
}

/// Where projects come from that the index does not hold itself.
#[derive(Debug, Clone, Default)]
pub enum Upstream {
    /// Nowhere.
    #[default]
    Off,
    /// The simple API at this URL; userinfo in it is used as credentials.
    Url(String),
    /// What an installer on this machine would use, found out at the first request that needs it.
    Discover {
        /// The Python whose pip is asked.
        python: PathBuf,
        /// The environment to look into and to run pip in.
        env: BTreeMap<String, String>,
    },
}

/// What of the upstream is passed on. Names that the index holds or claims are never asked for anyway.
#[derive(Debug, Clone)]
pub struct UpstreamRules {
    /// Prefixes of names that belong to this index: `acme` reserves `acme` and `acme-*` (PEP 752). Upstream is
    /// never asked about them.
    pub reserved: Vec<ProjectName>,
    /// How old a file must be; younger ones, and ones without a time, are held back.
    pub cool_down: Duration,
    /// What is passed on at once all the same: projects, or releases as `name==version`.
    pub cool_down_except: Vec<String>,
    /// After this long a page that is known from before is served while upstream is still being asked.
    pub patience: Duration,
}

impl Default for UpstreamRules {
    fn default() -> Self {
        Self {
            reserved: Vec::new(),
            cool_down: Duration::ZERO,
            cool_down_except: Vec::new(),
            patience: Duration::from_secs(3),
        }
    }
}

/// The field in which a proxy says who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which nearly every proxy writes.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Which names a new project may have. One that an administrator created may have any.
#[derive(Debug, Clone)]
pub struct NameRules {
    /// Names that no upload makes a project of; those of the standard library's modules are refused anyway.
    pub prohibited: Vec<ProjectName>,
    /// Whether the first upload makes the project.
    pub auto_create: bool,
    /// Whether a name that has come from upstream must be claimed before it is uploaded to.
    pub require_claim: bool,
}

impl Default for NameRules {
    fn default() -> Self {
        Self { prohibited: Vec::new(), auto_create: true, require_claim: false }
    }
}

/// What the index accepts.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest size of a distribution file in bytes, whatever its project.
    pub file_size: u64,
    /// The size of a distribution file of a project that has no limit of its own.
    pub project_file: u64,
    /// The size of all files of a project that has no limit of its own.
    pub project_total: u64,
    /// How long after its first file a release takes further ones; absent: until it is promoted.
    pub close_after: Option<Duration>,
    /// How many projects one identity may make in a day; absent: as many as it likes.
    pub new_projects_per_day: Option<NonZeroU32>,
    /// How long an upload may stand still.
    pub stall: Duration,
    /// How many bytes a second an upload must bring at least, measured over `stall`; 0: as few as it likes.
    pub upload_rate: u64,
    /// How long the server waits for the bytes of one upload altogether.
    pub upload_time: Duration,
    /// How long a connection may be silent: in the TLS handshake, before its first request, within the head of
    /// one, and between two.
    pub silence: Duration,
    /// How long a client may read nothing of its answer.
    pub unread: Duration,
    /// How many connections are open at once; more wait to be accepted. Absent: as many as the process may have
    /// open files for.
    pub connections: Option<NonZeroUsize>,
    /// How long an open session is kept after it was last touched.
    pub session: Duration,
    /// How long a page of the upstream is believed.
    pub upstream_page: Duration,
    /// The number of files of a release.
    pub release_files: usize,
    /// How often a server looks for what was left behind, and for sessions that expired.
    pub sweep: Duration,
    /// How old an unfinished upload must be before it is removed, where the file system cannot tell whether the
    /// process that left it lives.
    pub unfinished: Duration,
    /// More bytes of projects and pages than this are not kept in memory.
    pub cache: usize,
    /// How many uploads are received and judged at once; more wait. Each takes two threads.
    pub uploads: usize,
    /// How many bytes of last good pages of upstream stay on disk.
    pub upstream_disk: u64,
    /// How many requests one identity may make in a minute; absent: as many as it likes.
    pub requests_per_minute: Option<NonZeroU32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_size: 1024 * 1024 * 1024,
            project_file: 100 * 1024 * 1024,
            project_total: 10 * 1024 * 1024 * 1024,
            close_after: Some(Duration::from_secs(14 * 24 * 60 * 60)),
            new_projects_per_day: None,
            stall: Duration::from_secs(60),
            upload_rate: 1024,
            upload_time: Duration::from_secs(60 * 60),
            silence: Duration::from_secs(30),
            unread: Duration::from_secs(60),
            connections: None,
            session: Duration::from_secs(24 * 60 * 60),
            upstream_page: Duration::from_secs(60),
            release_files: 5_000,
            sweep: Duration::from_secs(60 * 60),
            unfinished: Duration::from_secs(24 * 60 * 60),
            cache: 64 * 1024 * 1024,
            uploads: 32,
            upstream_disk: 512 * 1024 * 1024,
            requests_per_minute: None,
        }
    }
}

/// Certificate chain and private key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// Says what time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// The time as it is stored and shown: RFC 3339 in UTC with six digits of a second (PEP 700).
    pub(crate) fn text(&self) -> String {
        time_text(self.now())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A time as it is stored: all texts have the same length, so that they sort as times.
pub(crate) fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Faults that tests inject, to show what a crash or a full disk leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Aborts the process when it passes the point of this name.
    pub crash_at: Option<String>,
    /// Makes the storage full after this many bytes of one upload.
    pub disk_full_after: Option<u64>,
}

impl Faults {
    /// Passes a point where a crash must leave the state before or after, never between.
    pub(crate) fn pass(&self, point: &str) {
        if self.crash_at.as_deref() == Some(point) {
            std::process::abort();
        }
    }
}
