//! Changes of releases: promote, roll back, yank, block. Each is one transaction and one journal entry.
//!
//! [`rules`] decides on a value in memory; this file reads that value, lets the rule change it, and writes
//! exactly the change. A dry run takes the same path and ends before the first write.

mod rules;

use serde_json::json;
use shipway_dist::channel::ChannelName;
use shipway_dist::name::ProjectName;
use shipway_dist::wire::{Change, MarkRequest, Override, PromotionRequest, RollbackRequest};
use sqlx::AnyConnection;

use crate::accept::parse_version;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::{Membership, Project};
use crate::store::{self, Entry};
use crate::tokens::{Action, Identity};

/// What to do to a release.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Promote { to: ChannelName, manifest_digest: shipway_dist::Sha256, over: Option<Override> },
    Rollback { reason: String },
    Yank { reason: String },
    Unyank,
    Block { reason: String },
    Unblock,
}

/// A change of a release.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRequest {
    pub(crate) project: ProjectName,
    pub(crate) version: String,
    pub(crate) act: Act,
    pub(crate) dry_run: bool,
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Promote { .. } => "promote",
            Self::Rollback { .. } => "rollback",
            Self::Yank { .. } => "yank",
            Self::Unyank => "unyank",
            Self::Block { .. } => "block",
            Self::Unblock => "unblock",
        }
    }

    fn needs(&self) -> Action {
        match self {
            Self::Promote { .. } => Action::Promote,
            Self::Yank { .. } | Self::Unyank => Action::Yank,
            Self::Rollback { .. } | Self::Block { .. } | Self::Unblock => Action::Block,
        }
    }

    fn detail(&self) -> serde_json::Value {
        match self {
            Self::Promote { to, manifest_digest, over } => {
                json!({ "to": to, "manifest_digest": manifest_digest, "override": over })
            }
            Self::Rollback { reason } | Self::Yank { reason } | Self::Block { reason } => {
                json!({ "reason": reason })
            }
            Self::Unyank | Self::Unblock => json!({}),
        }
    }
}

impl From<PromotionRequest> for ChangeRequest {
    fn from(request: PromotionRequest) -> Self {
        let PromotionRequest { project, version, to, manifest_digest, over, dry_run } = request;
        Self { project, version, act: Act::Promote { to, manifest_digest, over }, dry_run }
    }
}

impl From<RollbackRequest> for ChangeRequest {
    fn from(request: RollbackRequest) -> Self {
        let RollbackRequest { project, version, reason, dry_run } = request;
        Self { project, version, act: Act::Rollback { reason }, dry_run }
    }
}

impl ChangeRequest {
    pub(crate) fn yank(request: MarkRequest) -> Self {
        let MarkRequest { project, version, set, reason, dry_run } = request;
        Self { project, version, act: if set { Act::Yank { reason } } else { Act::Unyank }, dry_run }
    }

    pub(crate) fn block(request: MarkRequest) -> Self {
        let MarkRequest { project, version, set, reason, dry_run } = request;
        Self { project, version, act: if set { Act::Block { reason } } else { Act::Unblock }, dry_run }
    }
}

impl Index {
    /// Makes a change, or says what it would be.
    ///
    /// # Errors
    /// Whatever the rules refuse; nothing is written then.
    pub(crate) async fn change(&self, who: &Identity, request: &ChangeRequest) -> Result<Change, IndexError> {
        let version = parse_version(&request.version)?;
        let normalized = request.project.normalized();
        let grant = who.grant()?;
        // Before anything is looked up: a token that does not reach the project learns nothing of it.
        let channel = match &request.act {
            Act::Promote { to, .. } => Some(to.as_str()),
            _ => None,
        };
        grant.require(request.act.needs(), Some(normalized), channel)?;

        let mut write =
            if request.dry_run { self.store.snapshot().await? } else { self.store.write().await? };
        let channels = store::channels(&mut write).await?;
        let not_found = || IndexError::not_found(format!("`{normalized}` {version}"));
        let before = store::load_project(&mut write, normalized).await?.ok_or_else(not_found)?;
        let release = before.release(&version).ok_or_else(not_found)?;
        if channel.is_none() {
            // Yank, block and rollback reach every channel that lists the release.
            for channel in release.channels.keys() {
                grant.require(request.act.needs(), Some(normalized), Some(channel.as_str()))?;
            }
        }
        let mut after = before.clone();
        let changed = rules::apply(&mut after, &version, &channels, &request.act)?;
        let at = self.clock.text();
        let object = match &request.act {
            Act::Promote { to, .. } => format!("{version} in {to}"),
            _ => version.to_string(),
        };
        let mut id = String::new();
        if changed && !request.dry_run {
            let moved = rules::moved(&before, &after, &channels);
            let mut detail = request.act.detail();
            detail["moved"] = json!(moved);
            let entry = Entry {
                at: &at,
                actor: who.name(),
                action: request.act.name(),
                project: normalized,
                object: &object,
                detail,
            };
            let (serial, record) = store::append(&mut write, entry).await?;
            self.faults.pass("change.journal");
            let membership = Membership { serial, record: record.clone() };
            persist(&mut write, (normalized, &version), &request.act, &membership, &at).await?;
            self.faults.pass("change.rows");
            store::touch(&mut write, normalized, serial).await?;
            self.faults.pass("change.touched");
            id = record;
            after = store::load_project(&mut write, normalized).await?.ok_or_else(not_found)?;
            write.commit().await?;
            self.faults.pass("change.committed");
            tracing::info!(project = normalized, version = %version, actor = who.name(), "{}", request.act.name());
        } else if !request.dry_run {
            id = self.record_of(&mut write, &before, request, &version, &object).await?;
        }
        Ok(Change {
            schema: "shipway.index.change/1".to_owned(),
            ok: true,
            changed,
            id,
            moved: rules::moved(&before, &after, &channels),
            project: after.record(&channels),
        })
    }

    /// The record of the change that made the state that was asked for.
    async fn record_of(
        &self,
        connection: &mut AnyConnection,
        project: &Project,
        request: &ChangeRequest,
        version: &pep440_rs::Version,
        object: &str,
    ) -> Result<String, IndexError> {
        if let Act::Promote { to, .. } = &request.act {
            let release = project.release(version);
            let membership = release.and_then(|release| release.channels.get(to));
            return Ok(membership.map(|membership| membership.record.clone()).unwrap_or_default());
        }
        let normalized = project.name.normalized();
        let found = store::last_record(connection, normalized, object, request.act.name()).await?;
        Ok(found.unwrap_or_default())
    }
}

async fn persist(
    connection: &mut AnyConnection,
    release: (&str, &pep440_rs::Version),
    act: &Act,
    membership: &Membership,
    at: &str,
) -> Result<(), IndexError> {
    match act {
        Act::Promote { to, .. } => store::insert_membership(connection, to, release, membership, at).await,
        Act::Rollback { reason } | Act::Block { reason } => {
            store::block(connection, release, reason, at).await
        }
        Act::Unblock => store::unblock(connection, release).await,
        Act::Yank { reason } => store::yank(connection, release, Some(reason)).await,
        Act::Unyank => store::yank(connection, release, None).await,
    }
}
