//! What the pipeline and the index say to each other under `/api/v1`.
//!
//! Every answer is a JSON object with `schema` and `ok`. An answer that is not 2xx is an [`ApiError`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::channel::ChannelName;
use crate::digest::Sha256;
use crate::evidence::Statement;
use crate::finding::Finding;
use crate::manifest::ManifestFile;
use crate::name::ProjectName;
use crate::policy::{Item, Policy, Requirement, Role};
use crate::signing::{Envelope, KeyId, PublicKey};

/// An answer that is not 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiError {
    /// `shipway.error/1`.
    pub schema: String,
    /// Always false.
    pub ok: bool,
    /// Stable, for programs; see [`code`].
    pub code: String,
    /// One line for people.
    pub message: String,
    /// All problems, where there can be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Finding>,
}

/// The values of [`ApiError::code`].
pub mod code {
    /// 401: no token, or one that is unknown, expired or revoked.
    pub const UNAUTHENTICATED: &str = "unauthenticated";
    /// 403: the token does not reach this project, channel or action.
    pub const TOKEN_SCOPE: &str = "token-scope";
    /// 403: the channel takes no uploads.
    pub const CHANNEL_CLOSED: &str = "channel-takes-no-uploads";
    /// 404: no such project, release, file, channel or session, or none that the reader may see.
    pub const NOT_FOUND: &str = "not-found";
    /// 422: other bytes stand under that filename, or stood once.
    pub const DIGEST_CONFLICT: &str = "digest-conflict";
    /// 422: the release is published with another set of files.
    pub const RELEASE_CONFLICT: &str = "release-conflict";
    /// 422: another session for this release is open with other files.
    pub const SESSION_CONFLICT: &str = "session-conflict";
    /// 422: not every file of the session is there yet.
    pub const SESSION_INCOMPLETE: &str = "session-incomplete";
    /// 400: the distribution file or the form is not sound; `errors` says all of it.
    pub const INVALID_DISTRIBUTION: &str = "invalid-distribution";
    /// 400: the request itself is malformed.
    pub const BAD_REQUEST: &str = "bad-request";
    /// 403: the release is blocked.
    pub const BLOCKED: &str = "blocked";
    /// 422: the release is not in the channel that comes before the target.
    pub const NOT_IN_CHANNEL: &str = "not-in-previous-channel";
    /// 422: the release lacks what the channel asks; `errors` names every item.
    pub const NOT_READY: &str = "not-ready";
    /// 403: the release was built on a person's machine, and nobody who may has approved that.
    pub const LOCAL_RELEASE: &str = "local-release";
    /// 403: the project is archived or quarantined.
    pub const PROJECT_STATUS: &str = "project-status";
    /// 403 and 422: the name is not free for whoever asks: the project must be created first, its namespace belongs to
    /// others, or it came from upstream.
    pub const NAME_REFUSED: &str = "name-refused";
    /// 422: a statement whose key the index does not know, or whose signature does not hold.
    pub const UNTRUSTED: &str = "untrusted-evidence";
    /// 422: there is no earlier release to roll back to.
    pub const NO_EARLIER_RELEASE: &str = "no-earlier-release";
    /// 410: the file was removed.
    pub const REMOVED: &str = "removed";
    /// 413: larger than the index accepts.
    pub const TOO_LARGE: &str = "too-large";
    /// 507: no space is left.
    pub const STORAGE_FULL: &str = "storage-full";
    /// 502: the upstream index did not answer, or not what it should.
    pub const UPSTREAM_FAILED: &str = "upstream-failed";
    /// 500 and 503: the index failed or is going away.
    pub const INTERNAL: &str = "internal";
}

/// `GET /api/v1/channels`: the channels in order of promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelList {
    /// `shipway.index.channels/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The channels.
    pub channels: Vec<ChannelEntry>,
}

/// A channel of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelEntry {
    /// Its name.
    pub name: ChannelName,
    /// Whether it takes uploads.
    pub accepts_uploads: bool,
}

/// `GET /api/v1/projects/{project}`: everything about one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectRecord {
    /// `shipway.index.project/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The project.
    pub project: ProjectName,
    /// One entry a channel of the index, in order of promotion.
    pub channels: Vec<ProjectChannel>,
    /// All releases, oldest version first; those that nobody can install included.
    pub releases: Vec<ReleaseRecord>,
}

/// A project in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectChannel {
    /// The channel.
    pub name: ChannelName,
    /// The current release: the last one promoted (or uploaded, in the first channel) and not blocked.
    pub current: Option<String>,
    /// Every version in the channel that is not blocked, in order of promotion.
    pub versions: Vec<String>,
}

/// A release, as the index holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseRecord {
    /// The version, canonical.
    pub version: String,
    /// The files, by filename.
    pub files: Vec<FileRecord>,
    /// See [`crate::manifest::digest_of_files`].
    pub manifest_digest: Sha256,
    /// The channels that hold it.
    pub channels: Vec<ChannelName>,
    /// The commit it was built from, where the publisher said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Why it is blocked, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Whether every file of it is yanked.
    pub yanked: bool,
    /// Whether it was built on a person's machine instead of the configured CI.
    #[serde(default)]
    pub local: bool,
    /// The CI run that built it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The name of the token that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
}

/// A file, as the index holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// The filename.
    pub filename: String,
    /// The digest.
    pub sha256: Sha256,
    /// The size in bytes.
    pub size: u64,
    /// When it came, RFC 3339 in UTC.
    pub uploaded_at: String,
    /// Where the bytes are, relative to the root of the index: `/files/{sha256}/{filename}`.
    pub url: String,
    /// Why it is yanked, when it is; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
}

/// `POST /api/v1/sessions`: begin (or resume) the upload of a whole release; and
/// `POST /api/v1/preflight`: would that be accepted, writing nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRequest {
    /// The project.
    pub project: ProjectName,
    /// The version, canonical.
    pub version: String,
    /// The channel, one that takes uploads.
    pub channel: ChannelName,
    /// Exactly the files that the release will have.
    pub files: Vec<ManifestFile>,
    /// The commit they were built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the release was built on a person's machine instead of the configured CI.
    #[serde(default)]
    pub local: bool,
    /// The CI run that built it, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What the project asks of later channels besides their policies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<ChannelName, Vec<Requirement>>,
    /// Statements over exactly these files that an index may ask for before it takes them: of a known CI key, or
    /// a release manager's approval of a local release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vouchers: Vec<Envelope>,
    /// What the run is going to do besides, so that a preflight can say early what the token does not reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Need>,
}

/// An action that a run is going to need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// The action of a token: `promote`, `block`, `evidence`.
    pub action: String,
    /// The channel, where the action is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
}

/// Answer to a session request: 201 for a new session, 200 for one that was open already, and 200 with
/// state `published` when exactly these bytes are a visible release already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// `shipway.index.session/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The session's id; empty when already published.
    pub id: String,
    /// Where it stands.
    pub state: SessionState,
    /// The files that the index still lacks, by filename.
    pub missing: Vec<String>,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Files are taken, nothing is visible.
    Open,
    /// The release is visible with all its files.
    Published,
}

/// Answer of `POST /api/v1/preflight`: always 200 when the token is good; the problems are data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preflight {
    /// `shipway.index.preflight/1`.
    pub schema: String,
    /// Whether the same request would be accepted as a session.
    pub ok: bool,
    /// Everything that stands against it; ids are the codes of [`code`].
    pub problems: Vec<Finding>,
}

/// Answer of `PUT /api/v1/sessions/{id}/files/{filename}` (the raw bytes as the body).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileAccepted {
    /// `shipway.index.file/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The filename.
    pub filename: String,
    /// The digest of the bytes received.
    pub sha256: Sha256,
    /// Findings that do not refuse.
    pub warnings: Vec<Finding>,
}

/// `POST /api/v1/promotions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromotionRequest {
    /// The project.
    pub project: ProjectName,
    /// The version.
    pub version: String,
    /// The target channel.
    pub to: ChannelName,
    /// What the caller believes the bytes are; another digest is refused with `release-conflict`.
    pub manifest_digest: Sha256,
    /// Allows what policy refuses, and says why; logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Override>,
    /// Whether to only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// A person's decision to pass over a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// The gates or rules passed over (`skip-channel` for a channel that was left out).
    pub gates: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub approver: String,
}

/// `POST /api/v1/rollbacks`: the version is blocked, and every channel whose current release it was gets
/// the earlier one back, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackRequest {
    /// The project.
    pub project: ProjectName,
    /// The bad version.
    pub version: String,
    /// Why.
    pub reason: String,
    /// Whether to only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/v1/yanks` and `POST /api/v1/blocks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MarkRequest {
    /// The project.
    pub project: ProjectName,
    /// The version.
    pub version: String,
    /// True to yank or block, false to undo it.
    pub set: bool,
    /// To yank files of the release alone, by filename; none: all of it. Blocks are of releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Why; required to block.
    #[serde(default)]
    pub reason: String,
    /// Whether to only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// Answer to every change of a release: what changed, and how the project stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `shipway.index.change/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// False when the state asked for held already (or would, in a dry run).
    pub changed: bool,
    /// The record's id; the same when the same change is asked for again. Empty in a dry run.
    pub id: String,
    /// The channels whose current release moved: name, version before, version after.
    pub moved: Vec<Moved>,
    /// What the channel asks and how it stands; empty for anything but a promotion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// The items that did not hold and were passed over: by a person, or because the channel only audits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
    /// The project afterwards.
    pub project: ProjectRecord,
}

/// A channel whose current release moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// The channel.
    pub channel: ChannelName,
    /// Its current release before.
    pub before: Option<String>,
    /// Its current release now.
    pub after: Option<String>,
}

/// `POST /api/v1/projects/{project}/releases/{version}/evidence`: a signed statement to keep with the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceRequest {
    /// The statement, signed by a known key. One about other bytes is kept too, and counts as such.
    pub envelope: Envelope,
    /// The public half of the key, in PEM, for an index that does not know it yet and enrols keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
}

/// `GET /api/v1/projects/{project}/releases/{version}/evidence`, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceList {
    /// `shipway.index.evidence/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The statements.
    pub statements: Vec<StoredStatement>,
}

/// A statement that the index keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoredStatement {
    /// Digest of the envelope, its id; of a statement without signatures that of its bytes.
    pub id: Sha256,
    /// When it came, RFC 3339 in UTC.
    pub received_at: String,
    /// The name of the token that brought it.
    pub by: String,
    /// The key that signed it.
    pub key: Option<KeyId>,
    /// The name that the key is known by.
    pub signer: Option<String>,
    /// The key's role.
    pub role: Option<Role>,
    /// Why it counts for nothing, when it does: its key was revoked, is only enrolled, is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
    /// The statement, signed; without signatures where it came before evidence was signed.
    pub envelope: Envelope,
}

impl StoredStatement {
    /// The statement, where it is one that gates, steps and people make; none for a decision of the index.
    pub fn statement(&self) -> Option<Statement> {
        self.envelope.unverified().ok()
    }
}

/// `GET /api/v1/policy`: what the channels ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyDocument {
    /// `shipway.index.policy/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The policy.
    pub policy: Policy,
    /// Its digest; see [`Policy::digest`].
    pub digest: Sha256,
    /// Whether nobody set it, so that it is that of a new index.
    pub is_default: bool,
}

/// `GET /api/v1/keys`: who may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyList {
    /// `shipway.index.keys/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// Every key ever known, oldest first.
    pub keys: Vec<KeyRecord>,
}

/// A key that an index knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Who it is: a person, a pipeline, a machine.
    pub name: String,
    /// What it may speak as.
    pub role: Role,
    /// The public half, in PEM.
    pub public: PublicKey,
    /// Whether an administrator registered it; false when a token enrolled it.
    pub registered: bool,
    /// When it became known, RFC 3339 in UTC.
    pub since: String,
    /// When it was revoked: what came later does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// Whether nothing that it ever signed counts.
    #[serde(default)]
    pub compromised: bool,
}

/// `GET /api/v1/log`: who signs the checkpoints of the tamper-evident log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogInfo {
    /// `shipway.index.log/1`.
    pub schema: String,
    /// Always true.
    pub ok: bool,
    /// The log's name, as its checkpoints begin.
    pub origin: String,
    /// The key that signs them, as signed-note writes it.
    pub verifier_key: String,
}
