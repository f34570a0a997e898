//! Makes the same bytes visible in the next channel.
//!
//! On a shipway index that moves a reference. On a foreign index it downloads, verifies, uploads and reads
//! back; the bytes are compared with their digests at every turn.

use serde::Serialize;
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::policy::{Item, ItemVerdict};
use shipway_dist::wire::{Moved, Override, PromotionRequest, ReleaseRecord};
use shipway_dist::{ChannelName, Manifest, ManifestFile, Sha256};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::foreign::ForeignIndex;
use crate::ops::process::crash_point;
use crate::ops::target::Target;
use crate::readiness::{Readiness, next_command};
use crate::steps::build::temporary;
use crate::steps::publish::{manifest_of, require_record, require_release};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PromoteRequest {
    /// The version.
    pub version: String,
    /// The target channel.
    pub to: ChannelName,
    /// A person's decision to pass over a rule.
    pub over: Option<Override>,
    /// Check everything, change nothing.
    pub dry_run: bool,
}

/// What a promotion did.
#[derive(Debug, Clone, Serialize)]
pub struct PromoteReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The target channel.
    pub to: ChannelName,
    /// Whether anything changed (or would).
    pub changed: bool,
    /// The promotion's id at the index; empty on a foreign index and in a dry run.
    pub id: String,
    /// The channels whose current release moved.
    pub moved: Vec<Moved>,
    /// What the channel asks and how it stood; empty on a foreign index.
    pub items: Vec<Item>,
    /// What did not hold and was passed over.
    pub passed_over: Vec<String>,
    /// The files, the same as before.
    pub files: Vec<ManifestFile>,
    /// Whether nothing was changed because nothing was to be.
    pub dry_run: bool,
}

/// Promotes.
///
/// # Errors
/// When the release is not in the channel before, is blocked, or is not the bytes that the manifest says.
pub fn promote(context: &Context<'_>, request: &PromoteRequest) -> Result<PromoteReport> {
    let target = context.target()?;
    let record = require_record(context, target)?;
    let release = require_release(&record, &request.version, target)?;
    let manifest = manifest_of(context, release)?;
    let clocked = Clocked::start(context);
    let report = match target {
        Target::Shipway { client, .. } => {
            let change = client.promote(&PromotionRequest {
                project: context.config.name.clone(),
                version: release.version.clone(),
                to: request.to.clone(),
                manifest_digest: manifest.digest(),
                over: request.over.clone(),
                dry_run: request.dry_run,
            })?;
            crash_point(&context.environment, "promote.done");
            let after = require_release(&change.project, &release.version, target)?;
            if after.manifest_digest != manifest.digest() {
                return Err(Error::refused("bytes-differ", "the index changed bytes during the promotion")
                    .cause(format!("before `{}`, after `{}`", manifest.digest(), after.manifest_digest)));
            }
            PromoteReport {
                id: change.id,
                moved: change.moved,
                items: change.items,
                passed_over: change.passed_over,
                ..report(request, &manifest, change.changed)
            }
        }
        Target::Foreign(index) => promote_foreign(context, index, release, &manifest, request)?,
    };
    if !report.passed_over.is_empty() {
        context.progress.warn(&format!("passed over: {}", report.passed_over.join(", ")));
    }
    if !request.dry_run {
        let detail = json!({ "index": target.label(), "id": report.id, "changed": report.changed });
        let found = Found { detail, channel: Some(request.to.to_string()), ..Found::default() };
        evidence::record_done(
            context,
            &release.version,
            &clocked.step("promote", &manifest, Verdict::Passed, found),
        )?;
    }
    Ok(report)
}

fn report(request: &PromoteRequest, manifest: &Manifest, changed: bool) -> PromoteReport {
    PromoteReport {
        project: manifest.project.to_string(),
        version: manifest.version.to_string(),
        to: request.to.clone(),
        changed,
        id: String::new(),
        moved: Vec::new(),
        items: Vec::new(),
        passed_over: Vec::new(),
        files: manifest.files.clone(),
        dry_run: request.dry_run,
    }
}

fn promote_foreign(
    context: &Context<'_>,
    index: &ForeignIndex,
    release: &ReleaseRecord,
    manifest: &Manifest,
    request: &PromoteRequest,
) -> Result<PromoteReport> {
    let config = &context.config;
    let to = index.endpoint(&request.to)?;
    let Some(before) = config.channel_before(&request.to) else {
        return Err(Error::usage(
            "first-channel",
            format!("nothing is promoted to `{}`, the first channel", request.to),
        )
        .hint("shipway publish"));
    };
    let skips =
        request.over.as_ref().is_some_and(|over| over.gates.iter().any(|gate| gate == "skip-channel"));
    let source = if release.channels.contains(before) {
        before
    } else {
        match release.channels.first().filter(|_| skips) {
            Some(any) => any,
            None => {
                return Err(Error::refused(
                    "not-in-previous-channel",
                    format!("`{}` {} is not in `{before}`", config.name, release.version),
                )
                .hint(format!("shipway promote {} --to {before}", release.version)));
            }
        }
    };
    refuse_unready(context, manifest, request)?;
    super::publish::require_credential(context, context.target()?, &request.to)?;
    let from = index.endpoint(source)?;
    let listed = from.files(&config.name)?.unwrap_or_default();
    let known = to.files(&config.name)?.unwrap_or_default();
    let folder = temporary()?;
    let mut changed = false;
    for file in &manifest.files {
        let digest = known.iter().find(|one| one.filename == file.filename).map(|one| match one.sha256 {
            Some(sha256) => Ok(sha256),
            None => to.fetch_digest(one),
        });
        match digest.transpose()? {
            Some(sha256) if sha256 == file.sha256 => continue,
            Some(sha256) => return Err(differs(file, &request.to, sha256)),
            None => {}
        }
        changed = true;
        let Some(found) = listed.iter().find(|one| one.filename == file.filename) else {
            return Err(Error::refused(
                "not-in-channel",
                format!("`{source}` does not list `{}`", file.filename),
            ));
        };
        let path = folder.path().join(&file.filename);
        let (sha256, _) = from.http.download(&found.url, &path)?;
        if sha256 != file.sha256 {
            return Err(differs(file, source, sha256));
        }
        if !request.dry_run {
            let task = context.progress.begin(&format!("promoting {}", file.filename));
            to.upload_file(&config.name, &path, file)?;
            drop(task);
            crash_point(&context.environment, "promote.file");
        }
    }
    if !request.dry_run {
        to.wait_until_listed(&config.name, &manifest.files, &|_, _| {})?;
        for file in &manifest.files {
            let files = to.files(&config.name)?.unwrap_or_default();
            let Some(found) = files.iter().find(|one| one.filename == file.filename) else {
                return Err(Error::incomplete(
                    "not-visible",
                    format!("`{}` does not list `{}`", request.to, file.filename),
                ));
            };
            let sha256 = to.fetch_digest(found)?;
            if sha256 != file.sha256 {
                return Err(differs(file, &request.to, sha256));
            }
        }
    }
    Ok(report(request, manifest, changed))
}

fn differs(file: &ManifestFile, channel: &ChannelName, found: Sha256) -> Error {
    Error::refused("digest-conflict", format!("`{channel}` holds other bytes as `{}`", file.filename))
        .cause(format!("manifest sha256 `{}`, found `{found}`", file.sha256))
        .hint("versions are never overwritten; release the next version")
}

/// A foreign index asks for nothing, so what a new shipway index would ask is asked here, of the statements kept
/// beside the project (rows F12, G4, G6).
fn refuse_unready(context: &Context<'_>, manifest: &Manifest, request: &PromoteRequest) -> Result<()> {
    let passed_over = request.over.as_ref().map(|over| over.gates.as_slice()).unwrap_or_default();
    let readiness = Readiness::of(context, manifest, None)?;
    let mut lacks = readiness.lacks(&request.to);
    lacks.retain(|item| !passed_over.contains(&item.id));
    let Some(first) = lacks.first() else { return Ok(()) };
    let names: Vec<&str> = lacks.iter().map(|item| item.id.as_str()).collect();
    let version = manifest.version.to_string();
    let what =
        format!("`{}` {version} is not ready for `{}`: {}", manifest.project, request.to, names.join(", "));
    let failed_smoke = first.verdict == ItemVerdict::Failed && first.id.starts_with("smoke");
    let error = Error::refused(if failed_smoke { "smoke-failed" } else { "not-ready" }, what);
    let error = lacks.iter().fold(error, |error, item| {
        error.cause(format!("{} ({}): {}", item.id, item.verdict.as_str(), item.why))
    });
    Err(error.hint(next_command(first, &version, &request.to)))
}
