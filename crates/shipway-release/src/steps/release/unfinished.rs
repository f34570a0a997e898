//! Finds the release that was begun and has not come to its end, and tells it from an earlier life's branches.

use shipway_dist::wire::ProjectRecord;
use shipway_dist::{ChannelName, Version};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::{Git, RemoteRefs};
use crate::version::Level;

/// A release that was begun.
pub(super) struct Unfinished {
    pub(super) version: Version,
    pub(super) commit: String,
}

/// The release that was cut and has not come to its end: a release branch without its tag.
pub(super) fn find_unfinished(
    context: &Context<'_>,
    git: &Git,
    remote: &RemoteRefs,
    record: Option<&ProjectRecord>,
    last: &ChannelName,
) -> Result<Option<Unfinished>> {
    let config = &context.config;
    let mut newest: Option<Unfinished> = None;
    for (name, commit) in &remote.refs {
        let Some(version) =
            name.strip_prefix("refs/heads/release/v").and_then(|text| text.parse::<Version>().ok())
        else {
            continue;
        };
        if newest.as_ref().is_none_or(|found| found.version < version) {
            newest = Some(Unfinished { version, commit: commit.clone() });
        }
    }
    let Some(found) = newest else { return Ok(None) };
    let release = record.and_then(|record| {
        record
            .releases
            .iter()
            .find(|one| one.version.parse::<Version>().is_ok_and(|version| version == found.version))
    });
    // A blocked release is over; what mends it is the next version.
    if release.is_some_and(|release| release.blocked.is_some()) {
        return Ok(None);
    }
    let there = release.is_some_and(|release| release.channels.contains(last));
    if remote.get(&format!("refs/tags/{}", config.tag_of(&found.version))).is_some() && there {
        return Ok(None);
    }
    if !git.has_object(&found.commit)? {
        git.fetch_objects(&config.remote, &[format!("refs/heads/release/v{}", found.version)])?;
    }
    let base = remote.get(&format!("refs/heads/{}", config.base_branch)).unwrap_or_default().to_owned();
    if !base.is_empty() && !git.has_object(&base)? {
        git.fetch_objects(&config.remote, &[format!("refs/heads/{}", config.base_branch)])?;
    }
    if release.is_none() && is_history(context, git, remote, &base, &found)? {
        return Ok(None);
    }
    if release.is_none()
        && !git.is_ancestor(&base, &found.commit)?
        && !git.is_ancestor(&found.commit, &base)?
    {
        return Err(Error::refused(
            "base-moved",
            format!("`{}` moved on since release/v{} was cut", config.base_branch, found.version),
        )
        .cause(format!("base `{base}`, release commit `{}`", found.commit))
        .hint(format!(
            "git push {} --delete release/v{} && git branch -D release/v{}; then release again",
            config.remote, found.version, found.version
        )));
    }
    Ok(Some(found))
}

/// Whether a release branch belongs to the time before shipway: the base has gone on to a later version, or a
/// tag of some other name marks its commit.
fn is_history(
    context: &Context<'_>,
    git: &Git,
    remote: &RemoteRefs,
    base: &str,
    found: &Unfinished,
) -> Result<bool> {
    let own = format!("refs/tags/{}", context.config.tag_of(&found.version));
    let marked = remote.refs.iter().any(|(name, commit)| {
        let name = name.trim_end_matches("^{}");
        name.starts_with("refs/tags/") && name != own && *commit == found.commit
    });
    let prefix = git.prefix_of(&context.config.directory)?;
    let read = |path: &str| git.show(base, &format!("{prefix}{path}"));
    let now = crate::version::find_places(&read, &[])
        .ok()
        .and_then(|places| places[0].value.parse::<Version>().ok());
    Ok(marked || now.is_some_and(|now| now > found.version))
}

pub(super) fn refuse_other_version(level: &Level, found: &Unfinished) -> Result<()> {
    if let Level::Exact(text) = level
        && text.parse::<Version>().is_ok_and(|version| version != found.version)
    {
        return Err(Error::refused("unfinished-release", format!("{} is unfinished", found.version))
            .hint(format!("shipway release {}", found.version)));
    }
    Ok(())
}

/// The tag at the base's commit, when the base is exactly what was released last.
pub(super) fn released_tag(context: &Context<'_>, git: &Git, remote: &RemoteRefs) -> Result<Option<String>> {
    let config = &context.config;
    let Some(base) = remote.get(&format!("refs/heads/{}", config.base_branch)) else { return Ok(None) };
    let local = git.commit_of(&format!("refs/heads/{}", config.base_branch))?;
    if local.is_some_and(|local| local != base) {
        return Ok(None);
    }
    let (before, after) = config.tag.split_once("{version}").unwrap_or_default();
    let before = before.replace("{name}", config.name.normalized());
    let is_release = |name: &str| {
        let text = name.strip_prefix("refs/tags/").map(|name| name.trim_end_matches("^{}"))?;
        let version = text.strip_prefix(before.as_str())?.strip_suffix(after)?;
        version.parse::<Version>().ok().map(|_| text.to_owned())
    };
    Ok(remote.refs.iter().filter(|(_, commit)| commit == base).find_map(|(name, _)| is_release(name)))
}
