//! The server's configuration file: the options of `serve` as keys.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use shipway_dist::ChannelName;
use shipway_dist::name::ProjectName;
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
    /// Prefixes of names that upstream is never asked about.
    #[serde(default)]
    pub(crate) reserved: Vec<ProjectName>,
    /// How old a file of upstream must be, such as `7d`.
    pub(crate) cool_down: Option<String>,
    /// Projects, or releases as `name==version`, that need not be that old.
    #[serde(default)]
    pub(crate) cool_down_except: Vec<String>,
    /// The address that answers `/metrics`.
    pub(crate) metrics: Option<String>,
    /// How many requests one token, or one address, may make in a minute.
    pub(crate) requests_per_minute: Option<NonZeroU32>,
    /// How many uploads are judged at once.
    pub(crate) uploads: Option<NonZeroU32>,
    /// How many MiB the largest file may have, whatever its project.
    pub(crate) file_mib: Option<NonZeroU32>,
    /// How many MiB a file may have, where its project has no limit of its own.
    pub(crate) project_file_mib: Option<NonZeroU32>,
    /// How many MiB all files of a project may have, where it has no limit of its own.
    pub(crate) project_total_mib: Option<NonZeroU32>,
    /// How long after its first file a release takes further ones, such as `14d`, or `never` for no end.
    pub(crate) close_after: Option<String>,
    /// How many projects one token may make in a day.
    pub(crate) new_projects_per_day: Option<NonZeroU32>,
    /// Names that no upload makes a project of.
    #[serde(default)]
    pub(crate) prohibited: Vec<ProjectName>,
    /// Whether the first upload makes the project.
    pub(crate) auto_create: Option<bool>,
    /// Whether a name that has come from upstream must be claimed before it is uploaded to.
    #[serde(default)]
    pub(crate) require_claim: bool,
    /// How many MiB of projects and pages are kept in memory.
    pub(crate) cache_mib: Option<NonZeroU32>,
    /// Addresses and networks of proxies that are believed when they say who asks.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<String>,
    /// The field in which they say it.
    pub(crate) proxy_header: Option<ProxyHeader>,
    /// How many connections are open at once.
    pub(crate) connections: Option<NonZeroU32>,
    /// How many minutes one upload may take.
    pub(crate) upload_minutes: Option<NonZeroU32>,
    /// How many bytes a second an upload must bring at least.
    pub(crate) upload_rate: Option<u64>,
    /// How many MiB of last good pages of upstream are kept on disk.
    pub(crate) upstream_disk_mib: Option<NonZeroU32>,
    /// The channels of a new index, in order of promotion; the first takes uploads.
    #[serde(default)]
    pub(crate) channels: Vec<ChannelName>,
}

/// The field in which proxies say who asks.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProxyHeader {
    XForwardedFor,
    Forwarded,
}

impl Settings {
    /// Takes the keys over that are no options of the command line.
    pub(crate) fn apply(&self, config: &mut shipway_index::Config) -> Result<()> {
        let (rules, limits) = (&mut config.upstream_rules, &mut config.limits);
        rules.reserved.clone_from(&self.reserved);
        rules.cool_down_except.clone_from(&self.cool_down_except);
        if let Some(text) = &self.cool_down {
            rules.cool_down = duration("cool-down", text)?;
        }
        config.metrics.clone_from(&self.metrics);
        limits.requests_per_minute = self.requests_per_minute;
        let number = |value: NonZeroU32| usize::try_from(value.get()).unwrap_or(usize::MAX);
        limits.uploads = self.uploads.map_or(limits.uploads, number);
        limits.connections = self.connections.map(|number| number.try_into().unwrap_or(NonZeroUsize::MAX));
        limits.upload_time = self
            .upload_minutes
            .map_or(limits.upload_time, |minutes| Duration::from_secs(u64::from(minutes.get()) * 60));
        limits.upload_rate = self.upload_rate.unwrap_or(limits.upload_rate);
        let bytes =
            |value: Option<NonZeroU32>, default| value.map_or(default, |mib| u64::from(mib.get()) << 20);
        limits.file_size = bytes(self.file_mib, limits.file_size);
        limits.project_file = bytes(self.project_file_mib, limits.project_file);
        limits.project_total = bytes(self.project_total_mib, limits.project_total);
        limits.new_projects_per_day = self.new_projects_per_day;
        limits.close_after = match self.close_after.as_deref() {
            None => limits.close_after,
            Some("never") => None,
            Some(text) => Some(duration("close-after", text)?),
        };
        config.names.prohibited.clone_from(&self.prohibited);
        config.names.auto_create = self.auto_create.unwrap_or(config.names.auto_create);
        config.names.require_claim = self.require_claim;
        config.trusted_proxies.clone_from(&self.trusted_proxies);
        config.proxy_header = match self.proxy_header {
            None | Some(ProxyHeader::XForwardedFor) => shipway_index::ProxyHeader::XForwardedFor,
            Some(ProxyHeader::Forwarded) => shipway_index::ProxyHeader::Forwarded,
        };
        limits.upstream_disk =
            self.upstream_disk_mib.map_or(limits.upstream_disk, |mib| u64::from(mib.get()) * 1024 * 1024);
        limits.cache = self.cache_mib.map_or(limits.cache, |mib| number(mib).saturating_mul(1024 * 1024));
        Ok(())
    }

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

fn duration(key: &str, text: &str) -> Result<std::time::Duration> {
    let parsed = shipway_index::parse_duration(text).map_err(|error| {
        Error::usage("server-config", format!("`{key}` is no duration")).cause(error.to_string())
    })?;
    Ok(parsed.unsigned_abs())
}
