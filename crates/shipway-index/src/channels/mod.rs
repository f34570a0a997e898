//! Changes of releases: promote, roll back, yank, block. Each is one transaction and one journal entry.
//!
//! [`rules`] decides on a value in memory; this file reads that value, lets the rule change it, and writes
//! exactly the change. A dry run takes the same path and ends before the first write.

mod overrides;
mod promotion;
mod rules;

use serde_json::json;
use shipway_dist::channel::ChannelName;
use shipway_dist::name::ProjectName;
use shipway_dist::wire::{Change, MarkRequest, Moved, Override, PromotionRequest, RollbackRequest};
use sqlx::AnyConnection;

use crate::accept::parse_version;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::{Membership, Project};
use crate::store::{self, Entry};
use crate::tokens::{Action, Identity};
use promotion::{Decision, Promotion};

/// What to do to a release.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Promote {
        to: ChannelName,
        manifest_digest: shipway_dist::Sha256,
        over: Option<Override>,
    },
    Rollback {
        reason: String,
    },
    /// Of all files of the release, or of those that are named.
    Yank {
        reason: String,
        files: Vec<String>,
    },
    Unyank {
        files: Vec<String>,
    },
    Block {
        reason: String,
    },
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
            Self::Unyank { .. } => "unyank",
            Self::Block { .. } => "block",
            Self::Unblock => "unblock",
        }
    }

    fn needs(&self) -> Action {
        match self {
            Self::Promote { .. } => Action::Promote,
            Self::Yank { .. } | Self::Unyank { .. } => Action::Yank,
            Self::Rollback { .. } | Self::Block { .. } | Self::Unblock => Action::Block,
        }
    }

    fn detail(&self) -> serde_json::Value {
        match self {
            Self::Promote { to, manifest_digest, over } => {
                json!({ "to": to, "manifest_digest": manifest_digest, "override": over })
            }
            Self::Rollback { reason } | Self::Block { reason } => json!({ "reason": reason }),
            Self::Yank { reason, files } if files.is_empty() => json!({ "reason": reason }),
            Self::Yank { reason, files } => json!({ "reason": reason, "files": files }),
            Self::Unyank { files } if !files.is_empty() => json!({ "files": files }),
            Self::Unyank { .. } | Self::Unblock => json!({}),
        }
    }

    /// What it is done to, as the journal names it.
    fn object(&self, version: &pep440_rs::Version) -> String {
        match self {
            Self::Promote { to, .. } => format!("{version} in {to}"),
            Self::Yank { files, .. } | Self::Unyank { files } if !files.is_empty() => files.join(", "),
            _ => version.to_string(),
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
        let MarkRequest { project, version, set, mut files, reason, dry_run } = request;
        files.sort_unstable();
        files.dedup();
        let act = if set { Act::Yank { reason, files } } else { Act::Unyank { files } };
        Self { project, version, act, dry_run }
    }

    pub(crate) fn block(request: MarkRequest) -> Result<Self, IndexError> {
        let MarkRequest { project, version, set, files, reason, dry_run } = request;
        if !files.is_empty() {
            return Err(IndexError::bad_request("a block is of a whole release; `files` can be yanked"));
        }
        Ok(Self { project, version, act: if set { Act::Block { reason } } else { Act::Unblock }, dry_run })
    }
}

/// A change as the journal names it.
struct Made<'a> {
    normalized: &'a str,
    version: &'a pep440_rs::Version,
    object: &'a str,
    moved: &'a [Moved],
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

        let mut write = match request.dry_run {
            true => self.store.snapshot().await?,
            false => self.store.write_project(normalized).await?,
        };
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
        let promotion = match &request.act {
            Act::Promote { to, over, .. } if changed => {
                Some(Promotion { project: normalized, release, to, over: over.as_ref() })
            }
            _ => None,
        };
        let mut decision = match &promotion {
            Some(promotion) => Some(self.decide(&mut write, promotion).await?),
            None => None,
        };
        let refusal = decision.as_mut().and_then(|decision| decision.refusal.take());
        if let (Some(refusal), Some(promotion), Some(decision)) = (refusal, &promotion, &decision) {
            if !request.dry_run && self.note_refusal(&mut write, who.name(), promotion, decision).await? {
                write.commit().await?;
                self.faults.pass("refusal.committed");
            }
            return Err(refusal);
        }
        let object = request.act.object(&version);
        let moved = rules::moved(&before, &after, &channels);
        let mut id = String::new();
        if changed && !request.dry_run {
            let made = Made { normalized, version: &version, object: &object, moved: &moved };
            let decided = promotion.as_ref().zip(decision.as_ref());
            self.spend(&mut write, who).await?;
            id = self.write_change(&mut write, who.name(), &request.act, &made, decided).await?;
            after = store::load_project(&mut write, normalized).await?.ok_or_else(not_found)?;
            write.commit().await?;
            self.faults.pass("change.committed");
            tracing::info!(project = normalized, version = %version, actor = who.name(), "{}", request.act.name());
        } else if !request.dry_run {
            id = self.record_of(&mut write, &before, request, &version, &object).await?;
        }
        let (items, passed_over) =
            decision.map(|decision| (decision.items, decision.passed_over)).unwrap_or_default();
        Ok(Change {
            schema: "shipway.index.change/1".to_owned(),
            ok: true,
            changed,
            id,
            moved,
            items,
            passed_over,
            project: after.record(&channels),
        })
    }

    /// Writes a change: one entry of the journal, the rows, and the signed decision of a promotion.
    async fn write_change(
        &self,
        write: &mut AnyConnection,
        actor: &str,
        act: &Act,
        made: &Made<'_>,
        decided: Option<(&Promotion<'_>, &Decision)>,
    ) -> Result<String, IndexError> {
        let at = self.clock.text();
        let mut detail = act.detail();
        detail["moved"] = json!(made.moved);
        let mut signed = None;
        if let Some((promotion, decision)) = decided {
            decision.note(&mut detail);
            let envelope = self.sign_decision(decision, promotion)?;
            detail["decision"] = json!(envelope.0.digest());
            signed = Some((promotion, envelope));
        }
        let (project, object) = (made.normalized, made.object);
        let entry = Entry { at: &at, actor, action: act.name(), project, object, detail };
        let (serial, record) = store::append(write, entry).await?;
        self.faults.pass("change.journal");
        if let Some((promotion, signed)) = &signed {
            self.keep_decision(write, promotion, signed, (serial, &at)).await?;
            self.faults.pass("change.decision");
        }
        let membership = Membership { serial, record: record.clone() };
        persist(write, (project, made.version), act, &membership, &at).await?;
        self.faults.pass("change.rows");
        store::touch(write, project, serial).await?;
        self.faults.pass("change.touched");
        Ok(record)
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
        Act::Yank { reason, files } => yank(connection, release, files, Some(reason.as_str())).await,
        Act::Unyank { files } => yank(connection, release, files, None).await,
    }
}

async fn yank(
    connection: &mut AnyConnection,
    release: (&str, &pep440_rs::Version),
    files: &[String],
    reason: Option<&str>,
) -> Result<(), IndexError> {
    if files.is_empty() {
        return store::yank(connection, release, reason).await;
    }
    for filename in files {
        store::yank_file(connection, filename, reason).await?;
    }
    Ok(())
}
