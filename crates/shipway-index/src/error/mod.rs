//! The one error type of the index: what was refused or went wrong, and which status says so.
//!
//! The mappings to a status and to a code stand in [`answer`].

use std::io;
use std::path::PathBuf;

use shipway_dist::digest::Sha256;
use shipway_dist::finding::Finding;

pub(crate) use answer::{BUSY, READ_ONLY, TOO_MANY_REQUESTS, UNAVAILABLE};

mod answer;

/// Everything that the index refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// No identity, or one that does not hold.
    #[error("{why}")]
    Unauthenticated {
        /// Which part failed; never the token.
        why: String,
    },
    /// The token does not reach this far.
    #[error("the token `{name}` is limited to {has}; this needs {needs}")]
    TokenScope {
        /// The token's name.
        name: String,
        /// What it allows.
        has: String,
        /// What was asked for.
        needs: String,
    },
    /// The channel takes no uploads.
    #[error("channel `{channel}` takes no uploads; upload to {open} and promote")]
    ChannelClosed {
        /// The channel.
        channel: String,
        /// The channels that take uploads, for people.
        open: String,
    },
    /// There is no such thing, or none that the reader may see.
    #[error("{what} is not here")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// Other bytes stand under the filename.
    // The wording avoids every phrase that a client's "skip existing" takes for success (clients.md).
    #[error(
        "digest conflict: `{filename}` is held with sha256 {held}, the upload has sha256 {sent}; versions are never overwritten, publish a new version"
    )]
    DigestConflict {
        /// The filename.
        filename: String,
        /// The digest that the index holds.
        held: Sha256,
        /// The digest of what was sent.
        sent: Sha256,
    },
    /// The filename cannot be used, though no digest differs.
    #[error("{why}; publish a new version")]
    FilenameConflict {
        /// The filename and what stands against it.
        why: String,
    },
    /// The release is published with another set of files, or closed.
    #[error("{why}")]
    ReleaseConflict {
        /// Both sides.
        why: String,
    },
    /// Another session for the release is open with other files.
    #[error(
        "another session for `{project}` {version} is open with other files; finish or delete session {id}"
    )]
    SessionConflict {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// The open session.
        id: String,
    },
    /// Files of the session are missing.
    #[error("the session lacks {}", missing.join(", "))]
    SessionIncomplete {
        /// The filenames.
        missing: Vec<String>,
    },
    /// The distribution file or the form is not sound.
    #[error("{}", first_of(findings))]
    Invalid {
        /// Everything that is wrong.
        findings: Vec<Finding>,
    },
    /// The request is malformed.
    #[error("{why}")]
    BadRequest {
        /// How.
        why: String,
    },
    /// The body is of a type that the route does not take.
    #[error("{why}")]
    UnsupportedType {
        /// What was expected.
        why: String,
    },
    /// The route does not take the method.
    #[error("{why}")]
    Method {
        /// What to do instead.
        why: String,
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// No representation that the client accepts.
    #[error("none of the accepted types is offered: {offered}")]
    NotAcceptable {
        /// What is offered.
        offered: String,
    },
    /// The client stopped sending.
    #[error("the upload stalled for {seconds} seconds")]
    Stalled {
        /// How long.
        seconds: u64,
    },
    /// The client sends so slowly that others would have to wait for it.
    #[error("the upload is too slow: {why}")]
    TooSlow {
        /// Which bound.
        why: String,
    },
    /// An action of the upload API that standards removed.
    #[error("`:action` `{action}` was removed from the upload API; upload files with `file_upload`")]
    RemovedAction {
        /// The action.
        action: String,
    },
    /// The release is blocked.
    #[error("`{project}` {version} is blocked: {reason}")]
    Blocked {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// Why.
        reason: String,
    },
    /// The release is not in the channel before the target.
    #[error("`{project}` {version} is not in `{before}`, the channel before `{to}`; promote it there first")]
    NotInChannel {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// The channel before.
        before: String,
        /// The target.
        to: String,
    },
    /// The release lacks what the channel asks.
    #[error("`{project}` {version} is not ready for `{to}`: {}", every(findings))]
    NotReady {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// The channel.
        to: String,
        /// One for each item that does not hold.
        findings: Vec<Finding>,
    },
    /// The release was built on a person's machine, and nobody who may has approved that.
    #[error("{}", finding.message)]
    LocalRelease {
        /// What is asked, and how to get it.
        finding: Box<Finding>,
    },
    /// A statement that nobody who is known and may say it signed.
    #[error("{}", finding.message)]
    Untrusted {
        /// What does not hold, and how to mend it.
        finding: Box<Finding>,
    },
    /// A policy that cannot be used.
    #[error("{}", every(findings))]
    InvalidPolicy {
        /// Everything that is wrong.
        findings: Vec<Finding>,
    },
    /// The project takes or serves no files.
    #[error("`{project}` is {status}{}", because(reason.as_deref()))]
    ProjectStatus {
        /// The project.
        project: String,
        /// `archived` or `quarantined`.
        status: &'static str,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// The project does not exist, and this index makes none by itself.
    #[error("there is no project `{project}`, and uploads make none here; an administrator creates it first")]
    NoProject {
        /// The project.
        project: String,
    },
    /// The name is known from upstream and not claimed for this index.
    #[error(
        "`{project}` has come from upstream and would be shadowed; an administrator claims the name first"
    )]
    Unclaimed {
        /// The project.
        project: String,
    },
    /// The name lies in a namespace of others.
    #[error("the namespace `{prefix}` belongs to {owners}; `{project}` can be made by them alone")]
    Namespace {
        /// The prefix.
        prefix: String,
        /// The names of the tokens that own it.
        owners: String,
        /// The project.
        project: String,
    },
    /// The identity made as many projects as it may for now.
    #[error("more than {limit} new projects in a day; try again in {seconds} seconds")]
    NewProjects {
        /// The limit.
        limit: u32,
        /// When the next one is taken.
        seconds: u64,
    },
    /// The file says other things than the other files of its release.
    #[error("{}", every(findings))]
    Inconsistent {
        /// Every field.
        findings: Vec<Finding>,
    },
    /// No earlier release to go back to.
    #[error(
        "`{project}` {version} is the only release in {channels}: there is no earlier release to roll back to; `shipway block` takes it out without a replacement"
    )]
    NoEarlierRelease {
        /// The project.
        project: String,
        /// The version.
        version: String,
        /// The channels concerned.
        channels: String,
    },
    /// The file was removed.
    #[error("`{filename}` was removed{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Removed {
        /// The filename.
        filename: String,
        /// Why, where that is known.
        reason: Option<String>,
    },
    /// The file was removed, and its bytes are still there.
    #[error(
        "`{filename}` is removed from every page, but its bytes are still there; a server tries again every hour"
    )]
    Lingers {
        /// The filename.
        filename: String,
        /// Why they could not be removed.
        #[source]
        source: Box<IndexError>,
    },
    /// Larger than the index accepts.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// No space is left on the storage.
    #[error("no space is left on the index's storage")]
    StorageFull {
        /// The original error.
        #[source]
        source: io::Error,
    },
    /// Upstream failed, or what it gave is not what it promised.
    #[error("upstream: {why}")]
    Upstream {
        /// What went wrong; URLs stand without credentials.
        why: String,
    },
    /// The identity asked for more than its share.
    #[error("more than {limit} requests a minute; try again in {seconds} seconds")]
    TooMany {
        /// The limit.
        limit: u32,
        /// When the next request is taken.
        seconds: u64,
    },
    /// As many uploads as the index takes at once are under way.
    #[error("too many uploads are under way; try again in {seconds} seconds")]
    Busy {
        /// When to try again.
        seconds: u64,
    },
    /// The server is shutting down.
    #[error("the index is shutting down")]
    ShuttingDown,
    /// The configuration cannot be used.
    #[error("configuration `{key}`: {why}")]
    Config {
        /// The key.
        key: &'static str,
        /// Why.
        why: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Database {
        /// The original error.
        #[from]
        source: sqlx::Error,
    },
    /// The log and the journal no longer agree, or a file of the log is damaged.
    #[error("the log cannot go on: {why}")]
    Log {
        /// What does not agree.
        why: String,
    },
    /// The database is an older copy than the log that was made of it.
    #[error(
        "the database is behind its log: {why}; put back a copy of the database that is as new as the log, or \
         begin a new log, as \"Restore\" in docs/guide/running-the-index.md says"
    )]
    Behind {
        /// What it lacks.
        why: String,
    },
    /// A file that should hold a key of the index does not.
    #[error("`{}` holds no key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why; never what stands in it.
        #[source]
        source: shipway_dist::signing::KeyError,
    },
    /// A stored value cannot be read back.
    #[error("the database holds `{value}` in {place}")]
    Corrupt {
        /// Table and column.
        place: &'static str,
        /// The value.
        value: String,
    },
    /// The database was written by a later shipway.
    #[error("the database is at migration {found}, this shipway knows {known}; use a newer shipway")]
    Newer {
        /// What was found.
        found: i64,
        /// What is known.
        known: i64,
    },
    /// A file of the data directory cannot be used.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// The verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The original error.
        #[source]
        source: io::Error,
    },
    /// The storage of the files failed.
    #[error("cannot {action} `{object}` in the storage")]
    Storage {
        /// The verb.
        action: &'static str,
        /// The object's name.
        object: String,
        /// The original error.
        #[source]
        source: object_store::Error,
    },
    /// The keys of this server are not those of the index.
    #[error("{why}")]
    Keys {
        /// Which key, and where it is to come from.
        why: String,
    },
    /// An export cannot be read, or cannot be taken in here.
    #[error("the export cannot be used: {why}")]
    Export {
        /// What is wrong.
        why: String,
    },
    /// The address cannot be bound.
    #[error("cannot bind `{address}`")]
    Bind {
        /// The address.
        address: String,
        /// The original error.
        #[source]
        source: io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error("the TLS certificate or key cannot be used")]
    Tls {
        /// The original error.
        #[source]
        source: rustls::Error,
    },
    /// A task of the server ended early.
    #[error("a task of the index failed")]
    Task {
        /// The original error.
        #[from]
        source: tokio::task::JoinError,
    },
    /// A value could not be encoded or decoded.
    #[error("a document could not be encoded")]
    Json {
        /// The original error.
        #[from]
        source: serde_json::Error,
    },
}

fn first_of(findings: &[Finding]) -> String {
    match findings {
        [] => "the distribution file is not sound".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn every(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
}

impl IndexError {
    /// Wraps an error of the file system; a full disk becomes [`IndexError::StorageFull`].
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull { source },
            _ => Self::Io { action, path, source },
        }
    }

    /// Whether it says that a file of the storage is not there.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Storage { source, .. } => matches!(source, object_store::Error::NotFound { .. }),
            _ => false,
        }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn bad_request(why: impl Into<String>) -> Self {
        Self::BadRequest { why: why.into() }
    }

    /// All findings, where the refusal has several.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Invalid { findings }
            | Self::InvalidPolicy { findings }
            | Self::Inconsistent { findings }
            | Self::NotReady { findings, .. } => findings,
            Self::LocalRelease { finding } | Self::Untrusted { finding } => std::slice::from_ref(&**finding),
            _ => &[],
        }
    }
}
