//! What comes after a publish: the annotated tag at the commit of the merge, and the release shown at the forge.
//!
//! Each is an effect of its own, looked for before and after, so that a run that was killed in between finishes
//! later. Neither is ever moved or replaced.

use serde::Serialize;
use shipway_dist::Version;

use super::short;
use super::source::RELEASE_BRANCH;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::notes;
use crate::ops::forge::{Forge, NewForgeRelease, PullRequest};
use crate::ops::git::Git;
use crate::ops::process::crash_point;

/// What stands at the forge now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FinishReport {
    /// The version.
    pub version: String,
    /// The commit of the merge.
    pub commit: String,
    /// The tag.
    pub tag: String,
    /// Whether it stood there already.
    pub tag_already: bool,
    /// The page of the release.
    pub url: String,
    /// Whether it was shown already.
    pub release_already: bool,
}

/// Tags a release that the index holds, and shows it at the forge.
///
/// # Errors
/// When it is not published (row A18), its pull request was not merged, or the tag stands elsewhere.
pub fn finish(context: &Context<'_>, forge: &dyn Forge, version: &str) -> Result<FinishReport> {
    let target = context.target()?;
    let record = target.project(&context.config.name)?;
    let parsed = parse(version)?;
    let is_there = record.iter().flat_map(|record| &record.releases).any(|release| {
        release.blocked.is_none() && release.version.parse::<Version>().is_ok_and(|one| one == parsed)
    });
    if !is_there {
        let text = format!("{version} is not published on {}, so that it gets no tag", target.label());
        return Err(Error::refused("not-published", text).hint("shipway publish"));
    }
    tag_and_show(context, forge, version)
}

fn parse(version: &str) -> Result<Version> {
    version.parse().map_err(|_| Error::usage("bad-version", format!("`{version}` is no version")))
}

/// Tags the merge of a release and shows it; whether it is published is the caller's to know.
///
/// # Errors
/// When its pull request was not merged, or the tag stands elsewhere.
pub fn tag_and_show(context: &Context<'_>, forge: &dyn Forge, version: &str) -> Result<FinishReport> {
    let config = &context.config;
    let parsed = parse(version)?;
    let branch = format!("{RELEASE_BRANCH}{parsed}");
    let commit = merge_commit(context, forge, &branch)?;
    let tag = config.tag_of(&parsed);
    let tag_already = stands_at(forge, &tag, &commit)?;
    if !tag_already {
        let made = forge.create_tag(&tag, &commit, &format!("{} {parsed}", config.name));
        crash_point(&context.environment, "forge.tagged");
        // The answer may be lost although the request was not, and another run may have been faster.
        if let Err(error) = made
            && !stands_at(forge, &tag, &commit)?
        {
            return Err(error);
        }
        context.progress.done("tag", &format!("{tag} at {}", short(&commit)));
    }
    if let Some(found) = forge.release_of(&tag)? {
        return Ok(FinishReport {
            version: parsed.to_string(),
            commit,
            tag,
            tag_already,
            url: found.html_url,
            release_already: true,
        });
    }
    let new = NewForgeRelease {
        title: format!("{} {parsed}", config.name),
        body: rendered(context, forge, &commit, &parsed)?,
        prerelease: parsed.any_prerelease(),
        tag: tag.clone(),
    };
    let shown = match forge.create_release(&new) {
        Ok(shown) => shown,
        Err(error) => forge.release_of(&tag)?.ok_or(error)?,
    };
    crash_point(&context.environment, "forge.shown");
    context.progress.done("release", &shown.html_url);
    Ok(FinishReport {
        version: parsed.to_string(),
        commit,
        tag,
        tag_already,
        url: shown.html_url,
        release_already: false,
    })
}

/// The commit that the merge of the release branch made.
fn merge_commit(context: &Context<'_>, forge: &dyn Forge, branch: &str) -> Result<String> {
    let base = &context.config.base_branch;
    let listed = forge.pull_requests_from(branch)?;
    let is_own = |one: &&PullRequest| {
        let same = one.head.repo.as_ref().map(|repo| repo.id) == one.base.repo.as_ref().map(|repo| repo.id);
        one.merged_at.is_some() && one.base.branch == *base && same
    };
    let merged: Vec<&PullRequest> = listed.iter().filter(is_own).collect();
    match merged.as_slice() {
        [PullRequest { merge_commit_sha: Some(sha), .. }] => Ok(sha.clone()),
        other => Err(Error::refused(
            "pr-merged",
            format!("{} pull requests from `{branch}` into `{base}` were merged, expected one", other.len()),
        )
        .hint("merge the release pull request first")),
    }
}

/// Whether the tag stands at the commit; refused when it stands elsewhere.
fn stands_at(forge: &dyn Forge, tag: &str, commit: &str) -> Result<bool> {
    let Some(found) = forge.tags(tag)?.into_iter().find(|one| one.name == tag) else { return Ok(false) };
    let is_here = if found.is_commit {
        found.object == commit
    } else {
        forge.compare(commit, &format!("refs/tags/{tag}"))?.is_some_and(|one| one.status == "identical")
    };
    if is_here {
        return Ok(true);
    }
    Err(Error::refused("tag-elsewhere", format!("the tag `{tag}` stands elsewhere"))
        .cause(format!("expected `{commit}`, found `{}`", found.object)))
}

/// The notes of the version as they stand in the changelog at the commit.
fn rendered(context: &Context<'_>, forge: &dyn Forge, commit: &str, version: &Version) -> Result<String> {
    let config = &context.config;
    let Some(path) = &config.changelog else { return Ok(String::new()) };
    let prefix = match Git::open(&config.directory, &context.environment) {
        Ok(git) => git.prefix_of(&config.directory)?,
        Err(_) => String::new(),
    };
    let blob = forge.file(&format!("{prefix}{path}"), commit)?;
    let text = blob.and_then(|blob| String::from_utf8(blob.bytes).ok()).unwrap_or_default();
    let section = notes::section_of(&text, &version.to_string());
    Ok(section.and_then(|section| text.get(section.body)).unwrap_or_default().trim().to_owned())
}
