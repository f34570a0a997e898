//! What is where, and what the next promotion still lacks.

use serde::Serialize;
use shipway_dist::policy::Item;
use shipway_dist::wire::{ProjectRecord, ReleaseRecord};
use shipway_dist::{ChannelName, Sha256};

use crate::context::Context;
use crate::error::Result;
use crate::ops::git::Git;
use crate::readiness::{Readiness, next_command};
use crate::steps;
use crate::steps::publish::{manifest_of, require_release};
use crate::steps::release::{PullRequestStatus, waiting_pull_request};

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
    /// The release pull request that is open at the forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestStatus>,
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
        pull_request: if version.is_none() { open_pull_request(context, record.as_ref()) } else { None },
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
    let mut waiting: Option<String> = None;
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
        if let Some(version) = &waiting
            && current.as_ref() != Some(version)
            && let Some(release) = release_of(version)
        {
            lacks = lacking(context, release, &name)?;
            if report.next.is_none() {
                report.next = Some(match lacks.first() {
                    Some(item) => next_command(item, version, &name),
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
            waiting = Some(version.clone());
        }
        report.channels.push(ChannelStatus {
            name,
            version: current,
            files: files.unwrap_or_default(),
            lacks: lacks.into_iter().map(|item| item.id).collect(),
        });
    }
    for release in record.iter().flat_map(|record| &record.releases) {
        if let Some(reason) = &release.blocked {
            report.blocked.push(Blocked { version: release.version.clone(), reason: reason.clone() });
        }
    }
    if let Some(open) = &report.pull_request {
        report.next = Some(format!("review and merge {}", open.url));
    } else if record.is_none() {
        report.next = Some("shipway release patch".to_owned());
    }
    Ok(report)
}

/// The open release pull request, where the project has a forge. What the index says is told without it too.
fn open_pull_request(context: &Context<'_>, record: Option<&ProjectRecord>) -> Option<PullRequestStatus> {
    if !context.config.forge.configured {
        return None;
    }
    let look = || -> Result<Option<PullRequestStatus>> {
        let git = Git::open(&context.config.directory, &context.environment)?;
        waiting_pull_request(context, &git, steps::forge::open(context)?.as_ref(), record)
    };
    look().unwrap_or_else(|error| {
        context.progress.warn(&format!("the forge does not say whether a release is open: {error}"));
        None
    })
}

/// What the release lacks for a channel, as the index would say.
fn lacking(context: &Context<'_>, release: &ReleaseRecord, channel: &ChannelName) -> Result<Vec<Item>> {
    // Of a release that was built anew since, what is kept here says nothing.
    let Ok(manifest) = manifest_of(context, release) else { return Ok(Vec::new()) };
    Ok(Readiness::of(context, &manifest, Some(release))?.lacks(channel))
}
