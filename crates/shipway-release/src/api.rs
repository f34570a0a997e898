//! The public API of a release judged against the last one.
//!
//! The baseline is always what the index holds, never something of the commit that is judged.

use std::path::Path;

use serde::Serialize;
use shipway_dist::wire::{FileRecord, ProjectRecord, ReleaseRecord};
use shipway_dist::{ChannelName, Version};
use shipway_pyapi::{ApiDiff, ApiFinding, Contract, DiffOptions, ExtractOptions, PyApiError, Surface};

use crate::config::{Config, Declared, Scheme};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::api_source::from_index;
use crate::ops::git::Git;

/// The verdict over a release that is to be.
#[derive(Debug, Serialize)]
pub struct ApiCheck {
    /// The release compared with; none for the first.
    pub baseline: Option<String>,
    /// The difference.
    #[serde(flatten)]
    pub diff: ApiDiff,
    /// Breaks that the notes of the new version do not name, as Markdown bullets.
    pub unnamed: Option<String>,
}

/// Judges the API at `new` as version `version` (read from the distribution when none is given).
///
/// # Errors
/// When one side cannot be read or fetched.
pub fn judge(context: &Context<'_>, new: &Path, version: Option<&Version>) -> Result<ApiCheck> {
    let config = &context.config;
    // Sources that are not bumped yet carry the version of the release that they are compared with.
    let may_be_same = version.is_none() && new.is_dir();
    let new = shipway_pyapi::extract(new, &ExtractOptions::default()).map_err(|error| unreadable(&error))?;
    let version =
        version.cloned().or_else(|| new.info().version.as_deref().and_then(|text| text.parse().ok()));
    let record = context.target()?.project(&config.name)?;
    let baseline = record
        .as_ref()
        .and_then(|record| baseline(record, config.last_channel(), version.as_ref(), may_be_same));
    let mut options = diff_options(config)?;
    options.new_version = version.as_ref().map(ToString::to_string);
    options.today = Some(context.today().to_string());
    let Some((old_version, channel)) = baseline else {
        options.accepted.clear();
        // Nothing to compare with; what is wrong in itself is found by comparing the release with itself.
        return Ok(ApiCheck {
            baseline: None,
            diff: shipway_pyapi::diff(&new, &new, &options),
            unnamed: None,
        });
    };
    options.old_contract = contract_at(context, &old_version)?;
    let old = from_index(context, &config.name, &old_version, &[channel])?;
    let old =
        shipway_pyapi::extract(&old.path, &ExtractOptions::default()).map_err(|error| unreadable(&error))?;
    let diff = shipway_pyapi::diff(&old, &new, &options);
    // Sources that are not bumped yet have their notes under *Unreleased*.
    let bumped = version.as_ref().filter(|version| **version != old_version);
    let unnamed = unnamed(config, &diff, bumped)?;
    Ok(ApiCheck { baseline: Some(old_version.to_string()), diff, unnamed })
}

/// The breaks that the notes do not name, as bullets; none when every one is named or there are no notes.
fn unnamed(config: &Config, diff: &ApiDiff, version: Option<&Version>) -> Result<Option<String>> {
    let Some(path) = config.changelog.as_ref().map(|path| config.directory.join(path)) else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    let section = notes_section(&text, version.map(ToString::to_string).as_deref());
    let body = section.map(|section| text[section.body].to_owned()).unwrap_or_default();
    let missing: Vec<&ApiFinding> = shipway_pyapi::report::unnamed(diff, &body);
    Ok((!missing.is_empty()).then(|| shipway_pyapi::report::markdown(missing)))
}

/// The section that says what a version changes: its own, else *Unreleased*.
pub(crate) fn notes_section(text: &str, version: Option<&str>) -> Option<crate::notes::Section> {
    version
        .and_then(|version| crate::notes::section_of(text, version))
        .or_else(|| crate::notes::unreleased(text))
}

/// The release that a new one is compared with: the newest below it in the last channel, else anywhere.
fn baseline(
    record: &ProjectRecord,
    last: &ChannelName,
    new: Option<&Version>,
    may_be_same: bool,
) -> Option<(Version, ChannelName)> {
    let mut releases: Vec<(Version, &ReleaseRecord)> = record
        .releases
        .iter()
        .filter(|release| release.blocked.is_none())
        .filter_map(|release| Some((release.version.parse::<Version>().ok()?, release)))
        .filter(|(version, _)| new.is_none_or(|new| version < new || (may_be_same && version == new)))
        .collect();
    releases.sort_by(|a, b| b.0.cmp(&a.0));
    let in_last = releases.iter().find(|(_, release)| release.channels.contains(last));
    let (version, release) = in_last.or(releases.first())?;
    let channel =
        if release.channels.contains(last) { last.clone() } else { release.channels.last()?.clone() };
    Some((version.clone(), channel))
}

/// The release that `version` is compared with, and the channel that has it.
///
/// # Errors
/// When the index does not answer.
pub(crate) fn baseline_of(context: &Context<'_>, version: &Version) -> Result<Option<Baseline>> {
    let Some(record) = context.target()?.project(&context.config.name)? else { return Ok(None) };
    let found = baseline(&record, context.config.last_channel(), Some(version), false);
    let Some((version, channel)) = found else { return Ok(None) };
    let same =
        |release: &ReleaseRecord| release.version.parse::<Version>().is_ok_and(|found| found == version);
    let Some(release) = record.releases.iter().find(|release| same(release)) else { return Ok(None) };
    let declared = declared_at(context, &version, release.commit.as_deref())?;
    Ok(Some(Baseline { version, channel, files: release.files.clone(), declared }))
}

/// The release that another one is compared with.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// Its version.
    pub(crate) version: Version,
    /// A channel that has it.
    pub(crate) channel: ChannelName,
    /// Its files.
    pub(crate) files: Vec<FileRecord>,
    /// What it declared; none when its commit is not here.
    pub(crate) declared: Option<Declared>,
}

/// The contract of an earlier release (row D21); none when its commit is not here or it has none.
fn contract_at(context: &Context<'_>, version: &Version) -> Result<Option<Contract>> {
    let table = table_at(context, version, None)?;
    let Some(table) = table.filter(|table| table.get("contract").is_some()) else { return Ok(None) };
    let contract = Declared::read(&table).contract;
    Ok(Contract::new(&contract.stable, &contract.provisional, &contract.internal).ok())
}

/// What an earlier release declared: at the commit that the index names, else at its tag.
fn declared_at(context: &Context<'_>, version: &Version, commit: Option<&str>) -> Result<Option<Declared>> {
    Ok(table_at(context, version, commit)?.map(|table| Declared::read(&table)))
}

fn table_at(
    context: &Context<'_>,
    version: &Version,
    commit: Option<&str>,
) -> Result<Option<serde_json::Value>> {
    let Ok(git) = Git::open(&context.config.directory, &context.environment) else { return Ok(None) };
    let tag = format!("refs/tags/{}", context.config.tag_of(version));
    let known = match commit.filter(|commit| !commit.is_empty()) {
        Some(commit) => git.commit_of(commit)?,
        None => None,
    };
    let commit = match known {
        Some(commit) => Some(commit),
        None => git.commit_of(&tag)?,
    };
    let Some(commit) = commit else { return Ok(None) };
    let prefix = git.prefix_of(&context.config.directory)?;
    for (file, pointer) in [("shipway.toml", ""), ("pyproject.toml", "/tool/shipway")] {
        let Some(bytes) = git.show(&commit, &format!("{prefix}{file}"))? else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let value: Option<serde_json::Value> =
            toml_edit::de::from_str(text.trim_start_matches('\u{feff}')).ok();
        if let Some(table) = value.as_ref().and_then(|value| value.pointer(pointer)) {
            return Ok(Some(table.clone()));
        }
    }
    Ok(None)
}

/// How the project wants to be compared.
///
/// # Errors
/// When a pattern of the contract is malformed.
pub fn diff_options(config: &Config) -> Result<DiffOptions> {
    let contract = &config.contract;
    Ok(DiffOptions {
        mode: contract.mode,
        contract: Contract::new(&contract.stable, &contract.provisional, &contract.internal)
            .map_err(|error| Error::usage("contract", error.to_string()))?,
        accepted: config
            .accepted
            .iter()
            .filter(|entry| !crate::gates::installed::is_finding(&entry.id))
            .cloned()
            .collect(),
        commands: contract.commands.clone(),
        scheme: match config.scheme {
            Scheme::Calver => shipway_pyapi::Scheme::Calver,
            Scheme::Semver | Scheme::Pep440 => shipway_pyapi::Scheme::Semver,
        },
        ..DiffOptions::default()
    })
}

/// The findings of a surface that are wrong in any release: imports that lead nowhere, scripts without a target.
pub(crate) fn broken(surface: &Surface) -> Vec<shipway_dist::Finding> {
    let mut findings = shipway_pyapi::dangling_imports(surface);
    findings.extend(shipway_pyapi::script_targets(surface));
    findings
}

/// The code of a distribution or sources that cannot be read.
pub(crate) const UNREADABLE: &str = "api";

pub(crate) fn unreadable(error: &PyApiError) -> Error {
    let result = Error::usage(UNREADABLE, error.to_string());
    match std::error::Error::source(error) {
        Some(source) => result.cause(source.to_string()),
        None => result,
    }
}
