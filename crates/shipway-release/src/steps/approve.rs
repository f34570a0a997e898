//! A person's signed approval over the digests of a release.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;
use shipway_dist::evidence::{APPROVAL, Predicate, Resource, Statement, Verdict};
use shipway_dist::signing::Envelope;
use shipway_dist::{ChannelName, Manifest, Sha256, policy};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::keys::manager_key;
use crate::evidence::{keep_envelope, send};
use crate::ops::target::Target;
use crate::steps::build::read_manifest;
use crate::steps::publish::{manifest_of, require_release};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct ApproveRequest {
    /// The version.
    pub version: String,
    /// The channel that it may enter.
    pub to: Option<ChannelName>,
    /// Why; for a release that was built on a person's machine, why the CI was unavailable.
    pub reason: Option<String>,
    /// Take an approval back.
    pub withdraw: bool,
    /// The release manager's key; none for the one in the data directory.
    pub key: Option<PathBuf>,
    /// A manifest to approve, where the release is not at the index and not built here.
    pub manifest: Option<PathBuf>,
    /// Where to write the approval, for somebody else to publish with.
    pub out: Option<PathBuf>,
    /// Say what would be signed, and sign nothing.
    pub dry_run: bool,
}

/// An approval.
#[derive(Debug, Clone, Serialize)]
pub struct ApproveReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The channel.
    pub to: ChannelName,
    /// The key that signed.
    pub key: Sha256,
    /// The files approved.
    pub files: Vec<shipway_dist::ManifestFile>,
    /// Whether it was taken back.
    pub withdrawn: bool,
    /// Whether the index holds it.
    pub at_index: bool,
    /// Where it is kept, when it is.
    pub kept: Option<PathBuf>,
    /// Whether nothing was signed because nothing was to be.
    pub dry_run: bool,
}

/// Approves.
///
/// # Errors
/// When there is no such release, no key, or the index does not take the approval.
pub fn approve(context: &Context<'_>, request: &ApproveRequest) -> Result<ApproveReport> {
    let config = &context.config;
    let to = request.to.clone().unwrap_or_else(|| config.last_channel().clone());
    if !config.channels.contains(&to) {
        return Err(Error::usage("no-channel", format!("there is no channel `{to}`")));
    }
    let (manifest, published) = subject(context, request)?;
    let key = manager_key(context, request.key.as_deref())?;
    let mut report = ApproveReport {
        project: config.name.to_string(),
        version: manifest.version.to_string(),
        to: to.clone(),
        key: key.public().id(),
        files: manifest.files.clone(),
        withdrawn: request.withdraw,
        at_index: false,
        kept: None,
        dry_run: request.dry_run,
    };
    if request.dry_run {
        return Ok(report);
    }
    let statement = Statement::about(&manifest, APPROVAL, predicate(context, request, &manifest, &to));
    let envelope = Envelope::sign(&statement, &key);
    if published {
        send(context, &report.version, &envelope)?;
        report.at_index = true;
    }
    report.kept = match &request.out {
        Some(path) => Some(write(path, &envelope)?),
        None if !published => Some(keep_envelope(context, &report.version, &statement, &envelope)?),
        None => None,
    };
    Ok(report)
}

fn predicate(
    context: &Context<'_>,
    request: &ApproveRequest,
    manifest: &Manifest,
    to: &ChannelName,
) -> Predicate {
    Predicate {
        gate: policy::APPROVAL.to_owned(),
        result: if request.withdraw { Verdict::Failed } else { Verdict::Passed },
        commit: manifest.commit.clone(),
        run: manifest.run.clone(),
        attempt: manifest.attempt,
        channel: Some(to.to_string()),
        configuration: vec![Resource::commit(&manifest.commit)],
        started_on: (context.clock)().to_string(),
        duration_ms: 0,
        tools: std::collections::BTreeMap::new(),
        provenance: None,
        findings: Vec::new(),
        detail: json!({
            "project": manifest.project,
            "version": manifest.version.to_string(),
            "reason": request.reason.clone().unwrap_or_default(),
        }),
    }
}

/// What is approved: a manifest that was named, the release at the index, or what is built here.
fn subject(context: &Context<'_>, request: &ApproveRequest) -> Result<(Manifest, bool)> {
    let target = context.target()?;
    if let Some(path) = &request.manifest {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
            Error::usage("manifest", format!("`{}` is not a manifest", path.display()))
                .cause(error.to_string())
        })?;
        return Ok((require_version(context, manifest, &request.version)?, false));
    }
    if let (Target::Shipway { .. }, Some(record)) = (target, target.project(&context.config.name)?)
        && let Ok(release) = require_release(&record, &request.version, target)
    {
        return Ok((manifest_of(context, release)?, true));
    }
    match read_manifest(context)? {
        Some(manifest) => Ok((require_version(context, manifest, &request.version)?, false)),
        None => Err(Error::refused(
            "no-release",
            format!(
                "{} has no `{}` {}, and nothing is built here",
                target.label(),
                context.config.name,
                request.version
            ),
        )
        .hint("give the publisher's `.shipway/manifest.json` with --manifest")),
    }
}

fn require_version(context: &Context<'_>, manifest: Manifest, version: &str) -> Result<Manifest> {
    let same = version.parse::<shipway_dist::Version>().is_ok_and(|version| version == manifest.version);
    if same && manifest.project == context.config.name {
        return Ok(manifest);
    }
    Err(Error::refused("manifest", format!("the manifest is of `{}` {}", manifest.project, manifest.version))
        .cause(format!("the approval is asked for `{}` {version}", context.config.name)))
}

fn write(path: &std::path::Path, envelope: &Envelope) -> Result<PathBuf> {
    let text = serde_json::to_vec_pretty(envelope).unwrap_or_default();
    std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))?;
    Ok(path.to_owned())
}
