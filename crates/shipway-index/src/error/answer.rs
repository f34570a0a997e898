//! How an error answers over HTTP: its status, its code, and whether trying again helps.
//!
//! It refuses to guess: the mappings name every variant.

use std::io;

use http::StatusCode;
use shipway_dist::wire::code;

use super::IndexError;
use crate::store;

/// 502: upstream could not answer, or answered wrongly.
const UPSTREAM_FAILED: &str = "upstream-failed";

/// 503: the database or the storage does not answer.
pub(crate) const UNAVAILABLE: &str = "unavailable";

/// 503: disk or database take no writes.
pub(crate) const READ_ONLY: &str = "read-only";

/// 429: the identity asked for more than its share.
pub(crate) const TOO_MANY_REQUESTS: &str = "too-many-requests";

/// 503: as many uploads as are taken at once are under way.
pub(crate) const BUSY: &str = "busy";

impl IndexError {
    /// The status that says so over HTTP.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::TokenScope { .. }
            | Self::ChannelClosed { .. }
            | Self::Blocked { .. }
            | Self::ProjectStatus { .. }
            | Self::NoProject { .. }
            | Self::Namespace { .. }
            | Self::LocalRelease { .. } => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            // 422 and not 409: skip options of clients take 409 for success.
            Self::DigestConflict { .. }
            | Self::FilenameConflict { .. }
            | Self::ReleaseConflict { .. }
            | Self::Inconsistent { .. }
            | Self::Unclaimed { .. }
            | Self::SessionConflict { .. }
            | Self::SessionIncomplete { .. }
            | Self::NotInChannel { .. }
            | Self::NotReady { .. }
            | Self::Untrusted { .. }
            | Self::NoEarlierRelease { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Invalid { .. } | Self::InvalidPolicy { .. } | Self::BadRequest { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::UnsupportedType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
            Self::Stalled { .. } | Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::RemovedAction { .. } | Self::Removed { .. } => StatusCode::GONE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::StorageFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Upstream { .. } => StatusCode::BAD_GATEWAY,
            Self::TooMany { .. } | Self::NewProjects { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ShuttingDown | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database { source } if store::is_full(source) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Database { source } if store::is_away(source) || store::is_read_only(source) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Storage { source, .. } if !matches!(source, object_store::Error::NotFound { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Config { .. }
            | Self::Database { .. }
            | Self::Corrupt { .. }
            | Self::Key { .. }
            | Self::Log { .. }
            | Self::Behind { .. }
            | Self::Newer { .. }
            | Self::Io { .. }
            | Self::Storage { .. }
            | Self::Keys { .. }
            | Self::Export { .. }
            | Self::Bind { .. }
            | Self::Tls { .. }
            | Self::Task { .. }
            | Self::Lingers { .. }
            | Self::Json { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code for programs; see [`shipway_dist::wire::code`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated { .. } => code::UNAUTHENTICATED,
            Self::TokenScope { .. } => code::TOKEN_SCOPE,
            Self::ChannelClosed { .. } => code::CHANNEL_CLOSED,
            Self::NotFound { .. } => code::NOT_FOUND,
            Self::DigestConflict { .. } | Self::FilenameConflict { .. } => code::DIGEST_CONFLICT,
            Self::ReleaseConflict { .. } | Self::Inconsistent { .. } => code::RELEASE_CONFLICT,
            Self::ProjectStatus { .. } => code::PROJECT_STATUS,
            Self::NoProject { .. } | Self::Unclaimed { .. } | Self::Namespace { .. } => code::NAME_REFUSED,
            Self::SessionConflict { .. } => code::SESSION_CONFLICT,
            Self::SessionIncomplete { .. } => code::SESSION_INCOMPLETE,
            Self::Invalid { .. } => code::INVALID_DISTRIBUTION,
            Self::BadRequest { .. }
            | Self::InvalidPolicy { .. }
            | Self::UnsupportedType { .. }
            | Self::Method { .. }
            | Self::NotAcceptable { .. }
            | Self::Stalled { .. }
            | Self::TooSlow { .. }
            | Self::RemovedAction { .. } => code::BAD_REQUEST,
            Self::Blocked { .. } => code::BLOCKED,
            Self::NotInChannel { .. } => code::NOT_IN_CHANNEL,
            Self::NotReady { .. } => code::NOT_READY,
            Self::LocalRelease { .. } => code::LOCAL_RELEASE,
            Self::Untrusted { .. } => code::UNTRUSTED,
            Self::NoEarlierRelease { .. } => code::NO_EARLIER_RELEASE,
            Self::Removed { .. } => code::REMOVED,
            Self::TooLarge { .. } => code::TOO_LARGE,
            Self::StorageFull { .. } => code::STORAGE_FULL,
            Self::Upstream { .. } => UPSTREAM_FAILED,
            Self::TooMany { .. } | Self::NewProjects { .. } => TOO_MANY_REQUESTS,
            Self::Busy { .. } => BUSY,
            Self::Database { source } if store::is_full(source) => code::STORAGE_FULL,
            Self::Database { source } if store::is_read_only(source) => READ_ONLY,
            Self::Io { .. } if self.is_passing() => READ_ONLY,
            Self::Database { .. } | Self::Storage { .. } if self.is_passing() => UNAVAILABLE,
            Self::ShuttingDown
            | Self::Config { .. }
            | Self::Database { .. }
            | Self::Corrupt { .. }
            | Self::Key { .. }
            | Self::Log { .. }
            | Self::Behind { .. }
            | Self::Newer { .. }
            | Self::Io { .. }
            | Self::Storage { .. }
            | Self::Keys { .. }
            | Self::Export { .. }
            | Self::Bind { .. }
            | Self::Tls { .. }
            | Self::Task { .. }
            | Self::Lingers { .. }
            | Self::Json { .. } => code::INTERNAL,
        }
    }

    /// Whether the same request may succeed in a while.
    pub fn is_passing(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE
    }
}
