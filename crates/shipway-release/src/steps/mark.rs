//! Yank, block and roll back: what installers may still get. Bytes are never touched.

use serde::Serialize;
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::wire::{Change, MarkRequest, Moved, RollbackRequest};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::process::crash_point;
use crate::steps::publish::{manifest_of, require_record, require_release};

/// What to do with a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Hide it from resolvers; `==` still installs.
    Yank,
    /// Undo a yank.
    Unyank,
    /// Make it not installable and not promotable.
    Block,
    /// Undo a block.
    Unblock,
    /// Block it, and set every channel whose current release it is back to the earlier one.
    Rollback,
}

impl Mark {
    /// The command.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yank => "yank",
            Self::Unyank => "unyank",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Rollback => "rollback",
        }
    }
}

/// What is asked of a release.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What to do.
    pub mark: Mark,
    /// The version.
    pub version: &'a str,
    /// The files to yank, by filename; none: all of the release.
    pub files: &'a [String],
    /// Why.
    pub reason: &'a str,
    /// Whether to change nothing.
    pub dry_run: bool,
}

/// What changed.
#[derive(Debug, Clone, Serialize)]
pub struct MarkReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The files concerned, where not all of the release are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Whether anything changed (or would).
    pub changed: bool,
    /// The change's id at the index; empty in a dry run.
    pub id: String,
    /// The channels whose current release moved.
    pub moved: Vec<Moved>,
    /// Whether nothing was changed because nothing was to be.
    pub dry_run: bool,
}

/// Marks a release.
///
/// # Errors
/// When the release or a file of it does not exist, a reason is missing, or the index is a foreign one.
pub fn mark(context: &Context<'_>, asked: &Asked<'_>) -> Result<MarkReport> {
    let Asked { mark, version, files, reason, dry_run } = *asked;
    if reason.trim().is_empty() && matches!(mark, Mark::Block | Mark::Rollback) {
        return Err(Error::usage("no-reason", format!("`{}` needs a reason", mark.as_str()))
            .hint("--reason \"what is wrong with it\""));
    }
    let target = context.target()?;
    let client = target.shipway(if mark == Mark::Rollback { "roll back" } else { mark.as_str() })?;
    let record = require_record(context, target)?;
    let release = require_release(&record, version, target)?;
    let manifest = manifest_of(context, release);
    let clocked = Clocked::start(context);
    let project = context.config.name.clone();
    let version = release.version.clone();
    let request = |set| MarkRequest {
        project: project.clone(),
        version: version.clone(),
        set,
        files: files.to_vec(),
        reason: reason.to_owned(),
        dry_run,
    };
    let change: Change = match mark {
        Mark::Yank => client.yank(&request(true))?,
        Mark::Unyank => client.yank(&request(false))?,
        Mark::Block => client.block(&request(true))?,
        Mark::Unblock => client.block(&request(false))?,
        Mark::Rollback => client.rollback(&RollbackRequest {
            project: project.clone(),
            version: version.clone(),
            reason: reason.to_owned(),
            dry_run,
        })?,
    };
    crash_point(&context.environment, "mark.done");
    // A release may be marked although its bytes are not those of the local manifest.
    if let (false, Ok(manifest)) = (dry_run, manifest) {
        let mut detail =
            json!({ "reason": reason, "id": change.id, "changed": change.changed, "moved": change.moved });
        if !files.is_empty() {
            detail["files"] = json!(files);
        }
        let found = Found { detail, ..Found::default() };
        evidence::record_done(
            context,
            &version,
            &clocked.step(mark.as_str(), &manifest, Verdict::Passed, found),
        )?;
    }
    Ok(MarkReport {
        project: project.to_string(),
        version,
        files: files.to_vec(),
        changed: change.changed,
        id: change.id,
        moved: change.moved,
        dry_run,
    })
}
