//! The public API: shown, compared, and judged against the last release.

use std::path::Path;

use shipway_pyapi::{ApiDiff, ApiShow, DiffOptions, ExtractOptions, Mode};

use crate::api::{ApiCheck, diff_options, judge, unreadable};
use crate::config::Config;
use crate::context::Context;
use crate::error::Result;
use crate::ops::api_source::{ApiSource, locate};
use crate::ops::git::Git;
use crate::steps::build::require_manifest;

/// Shows the public API of a distribution or a folder.
///
/// # Errors
/// When it cannot be read.
pub fn show(path: &Path, mode: Mode) -> Result<ApiShow> {
    let surface =
        shipway_pyapi::extract(path, &ExtractOptions::default()).map_err(|error| unreadable(&error))?;
    Ok(surface.show(mode))
}

/// How `api diff` compares.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiffRequest {
    /// What counts as public, when it is not what the project says.
    pub mode: Option<Mode>,
    /// Compare although they are different projects.
    pub force: bool,
    /// Write a witness for every break.
    pub witness: bool,
}

/// Compares two distributions by their paths; `config` is the project's when there is one.
///
/// # Errors
/// When one cannot be read, or they are of different projects and `force` is not set.
pub fn diff(old: &Path, new: &Path, config: Option<&Config>, request: DiffRequest) -> Result<ApiDiff> {
    let options = ExtractOptions::default();
    let (old, new) = shipway_pyapi::extract_pair(old, new, &options).map_err(|error| unreadable(&error))?;
    let of_project = |config: &&Config| {
        old.info()
            .name
            .as_deref()
            .is_some_and(|name| shipway_dist::name::normalize(name) == config.name.normalized())
    };
    let mut options = match config.filter(of_project) {
        Some(config) => diff_options(config)?,
        None => DiffOptions::default(),
    };
    options.force = request.force;
    options.witness = request.witness;
    options.mode = request.mode.unwrap_or(options.mode);
    shipway_pyapi::diff_of_one_project(&old, &new, &options)
        .map_err(|error| unreadable(&error).hint("--force"))
}

/// Finds OLD and NEW of `api diff`, wherever they are.
///
/// # Errors
/// When one names nothing.
pub fn locate_both(context: &Context<'_>, old: &str, new: &str) -> Result<(ApiSource, ApiSource)> {
    Ok((locate(context, old)?, locate(context, new)?))
}

/// Judges a release against the last one: the built files when they are of the current commit, else the
/// sources of HEAD; or whatever `new` names.
///
/// # Errors
/// When one side cannot be read or fetched.
pub fn check(context: &Context<'_>, new: Option<&str>) -> Result<ApiCheck> {
    let (source, version) = match new {
        Some(text) => (locate(context, text)?, None),
        None => current(context)?,
    };
    judge(context, &source.path, version.as_ref())
}

/// The built wheel when it is of HEAD, else the sources of HEAD.
fn current(context: &Context<'_>) -> Result<(ApiSource, Option<shipway_dist::Version>)> {
    let git = Git::open(&context.config.directory, &context.environment)?;
    let head = git.commit_of("HEAD")?.unwrap_or_default();
    let dist = context.config.directory.join("dist");
    if let Ok(manifest) = require_manifest(context, &dist)
        && manifest.commit == head
        && let Some(wheel) = manifest.files.iter().find(|file| file.filename.ends_with(".whl"))
    {
        let path = dist.join(&wheel.filename).display().to_string();
        return Ok((locate(context, &path)?, Some(manifest.version)));
    }
    // Sources that are not bumped yet carry the version of the release before; the verdict is over what they ask for.
    Ok((locate(context, "HEAD")?, None))
}

/// The level that a bump must have, asked of the API of `commit` against the last release (row A24), and why.
///
/// # Errors
/// When one side cannot be read or fetched.
pub fn level_for(context: &Context<'_>, commit: &str) -> Result<(&'static str, String)> {
    let source = locate(context, commit)?;
    let check = judge(context, &source.path, None)?;
    let Some(baseline) = check.baseline else {
        return Ok(("patch", "patch: there is no earlier release to compare with".to_owned()));
    };
    let level = match check.diff.verdict.required {
        "major" => "major",
        "minor" => "minor",
        _ => "patch",
    };
    let first = check.diff.findings.iter().find(|finding| finding.accepted.is_none());
    let why = match (level, first) {
        ("patch", _) | (_, None) => format!("patch: nothing public changed since {baseline}"),
        (level, Some(finding)) => {
            format!("{level}: {} ({} {}) since {baseline}", finding.detail, finding.id, finding.symbol)
        }
    };
    Ok((level, why))
}
