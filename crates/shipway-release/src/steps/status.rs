//! What is where, and what the next promotion still lacks.

use serde::Serialize;
use shipway_dist::evidence::{Statement, Verdict};
use shipway_dist::wire::ReleaseRecord;
use shipway_dist::{ChannelName, GateId, Sha256};

use crate::context::Context;
use crate::error::Result;
use crate::evidence;
use crate::ops::target::Target;
use crate::steps::publish::{manifest_of, require_release};

/// What is where.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// The project.
    pub project: String,
    /// The index, for people.
    pub index: String,
    /// One entry a channel, in order of promotion.
    pub channels: Vec<ChannelStatus>,
    /// Releases that nobody can install, and why.
    pub blocked: Vec<Blocked>,
    /// The command that gets further, where there is one.
    pub next: Option<String>,
}

/// A channel.
#[derive(Debug, Clone, Serialize)]
pub struct ChannelStatus {
    /// The channel.
    pub name: ChannelName,
    /// The current release.
    pub version: Option<String>,
    /// Its files.
    pub files: Vec<FileStatus>,
    /// What the newest release of the channel before still lacks to come here; empty when nothing is lacking
    /// or nothing waits.
    pub lacks: Vec<String>,
}

/// A file of a current release.
#[derive(Debug, Clone, Serialize)]
pub struct FileStatus {
    /// The filename.
    pub filename: String,
    /// The digest.
    pub sha256: Sha256,
}

/// A blocked release.
#[derive(Debug, Clone, Serialize)]
pub struct Blocked {
    /// The version.
    pub version: String,
    /// Why.
    pub reason: String,
}

/// Asks the index; with a version, channels show that release instead of their current one.
///
/// # Errors
/// When the index does not answer, or has no such version.
pub fn status(context: &Context<'_>, version: Option<&str>) -> Result<StatusReport> {
    let target = context.target()?;
    let record = target.project(&context.config.name)?;
    let mut report = StatusReport {
        project: context.config.name.to_string(),
        index: target.label(),
        channels: Vec::new(),
        blocked: Vec::new(),
        next: None,
    };
    let names: Vec<ChannelName> = match &record {
        Some(record) => record.channels.iter().map(|channel| channel.name.clone()).collect(),
        None => context.config.channels.clone(),
    };
    let wanted = match (&record, version) {
        (Some(record), Some(version)) => Some(require_release(record, version, target)?.version.clone()),
        (None, Some(version)) => {
            let record = super::publish::require_record(context, target)?;
            Some(require_release(&record, version, target)?.version.clone())
        }
        (_, None) => None,
    };
    let mut waiting: Option<(ChannelName, String)> = None;
    for name in names {
        let channel = record.iter().flat_map(|record| &record.channels).find(|channel| channel.name == name);
        let current = match &wanted {
            Some(wanted) => {
                channel.filter(|channel| channel.versions.contains(wanted)).map(|_| wanted.clone())
            }
            None => channel.and_then(|channel| channel.current.clone()),
        };
        let release_of = |version: &String| {
            record.iter().flat_map(|record| &record.releases).find(|one| one.version == *version)
        };
        let mut lacks = Vec::new();
        if let Some((before, version)) = &waiting
            && current.as_ref() != Some(version)
            && let Some(release) = release_of(version)
        {
            lacks = lacking(context, target, release, before)?;
            if report.next.is_none() {
                report.next = Some(match lacks.first().map(String::as_str) {
                    Some(lack) if lack.starts_with("smoke") => {
                        format!("shipway smoke {version} --from {before}")
                    }
                    Some(_) => "shipway publish".to_owned(),
                    None => format!("shipway promote {version} --to {name}"),
                });
            }
        }
        let files = current.as_ref().and_then(release_of).map(|release| {
            release
                .files
                .iter()
                .map(|file| FileStatus { filename: file.filename.clone(), sha256: file.sha256 })
                .collect()
        });
        if let Some(version) = &current {
            waiting = Some((name.clone(), version.clone()));
        }
        report.channels.push(ChannelStatus {
            name,
            version: current,
            files: files.unwrap_or_default(),
            lacks,
        });
    }
    for release in record.iter().flat_map(|record| &record.releases) {
        if let Some(reason) = &release.blocked {
            report.blocked.push(Blocked { version: release.version.clone(), reason: reason.clone() });
        }
    }
    if record.is_none() {
        report.next = Some("shipway release patch".to_owned());
    }
    Ok(report)
}

/// What the default policy asks for and no statement shows: `distribution`, and `smoke` of the channel before.
fn lacking(
    context: &Context<'_>,
    target: &Target,
    release: &ReleaseRecord,
    before: &ChannelName,
) -> Result<Vec<String>> {
    let statements: Vec<Statement> = match target {
        Target::Shipway { client, .. } => {
            let list = client.evidence(&context.config.name, &release.version)?;
            list.into_iter().flat_map(|list| list.statements).map(|stored| stored.statement).collect()
        }
        Target::Foreign(_) => match manifest_of(context, release) {
            Ok(manifest) => evidence::kept(context, &manifest)?,
            Err(_) => Vec::new(),
        },
    };
    let holds = |gate: GateId, channel: Option<&ChannelName>| {
        let mine = statements.iter().filter(|one| {
            one.predicate.gate == gate.as_str()
                && channel.is_none_or(|channel| one.predicate.channel.as_deref() == Some(channel.as_str()))
        });
        let results: Vec<Verdict> = mine.map(|one| one.predicate.result).collect();
        !results.is_empty() && !results.contains(&Verdict::Failed)
    };
    let mut lacks = Vec::new();
    if !holds(GateId::Distribution, None) {
        lacks.push("distribution".to_owned());
    }
    if !holds(GateId::Smoke, Some(before)) {
        lacks.push(format!("smoke@{before}"));
    }
    Ok(lacks)
}
