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

/// The newest release of this base that was cut and has not come to its end.
///
/// A release branch counts when it was cut from this base and its version is either on the index and not yet
/// in its last channel with its tag, or nowhere at all: a tag without a record at the index is an earlier life.
pub(super) fn find_unfinished(
    context: &Context<'_>,
    git: &Git,
    remote: &RemoteRefs,
    record: Option<&ProjectRecord>,
    last: &ChannelName,
) -> Result<Option<Unfinished>> {
    let config = &context.config;
    let Some(base) = base_of(context, git, remote)? else { return Ok(None) };
    let branch = |(name, commit): &(String, String)| {
        let version = name.strip_prefix("refs/heads/release/v")?.parse::<Version>().ok()?;
        Some(Unfinished { version, commit: commit.clone() })
    };
    let mut candidates: Vec<Unfinished> = remote.refs.iter().filter_map(branch).collect();
    candidates.sort_by(|a, b| b.version.cmp(&a.version));
    let now = version_at(context, git, &base)?;
    for found in candidates {
        let tag = remote.get(&format!("refs/tags/{}", config.tag_of(&found.version)));
        let same = |one: &&shipway_dist::wire::ReleaseRecord| {
            one.version.parse::<Version>().is_ok_and(|version| version == found.version)
        };
        let release = record.and_then(|record| record.releases.iter().find(same));
        let is_over = match release {
            // What mends a blocked release is the next version.
            Some(release) => release.blocked.is_some() || (tag.is_some() && release.channels.contains(last)),
            None => {
                tag.is_some()
                    || is_marked(remote, &found)
                    || now.as_ref().is_some_and(|now| *now > found.version)
            }
        };
        if is_over {
            continue;
        }
        if !git.has_object(&found.commit)? {
            git.fetch_objects(&config.remote, &[format!("refs/heads/release/v{}", found.version)])?;
        }
        if git.is_ancestor(&base, &found.commit)? || git.is_ancestor(&found.commit, &base)? {
            return Ok(Some(found));
        }
        let parent = git.commit_of(&format!("{}^", found.commit))?.unwrap_or_default();
        // One that was cut from another line is that line's business.
        if release.is_none() && git.is_ancestor(&parent, &base)? {
            return Err(base_moved(context, &base, &found));
        }
    }
    Ok(None)
}

fn base_moved(context: &Context<'_>, base: &str, found: &Unfinished) -> Error {
    let (config, version) = (&context.config, &found.version);
    Error::refused(
        "base-moved",
        format!("`{}` moved on since release/v{version} was cut", config.base_branch),
    )
    .cause(format!("base `{base}`, release commit `{}`", found.commit))
    .hint(format!(
        "git push {} --delete release/v{version} && git branch -D release/v{version}; then release again",
        config.remote
    ))
}

/// The base's commit on the remote, its objects brought here.
pub(super) fn base_of(context: &Context<'_>, git: &Git, remote: &RemoteRefs) -> Result<Option<String>> {
    let full = format!("refs/heads/{}", context.config.base_branch);
    let Some(base) = remote.get(&full).map(str::to_owned) else { return Ok(None) };
    if !git.has_object(&base)? {
        git.fetch_objects(&context.config.remote, &[full])?;
    }
    Ok(Some(base))
}

/// Whether a tag of any name marks the commit.
fn is_marked(remote: &RemoteRefs, found: &Unfinished) -> bool {
    remote.refs.iter().any(|(name, commit)| name.starts_with("refs/tags/") && *commit == found.commit)
}

pub(super) fn version_at(context: &Context<'_>, git: &Git, commit: &str) -> Result<Option<Version>> {
    let prefix = git.prefix_of(&context.config.directory)?;
    let read = |path: &str| git.show(commit, &format!("{prefix}{path}"));
    Ok(crate::version::find_places(&read, &[]).ok().and_then(|places| places[0].value.parse().ok()))
}

pub(super) fn refuse_other_version(level: &Level, found: &Version) -> Result<()> {
    if let Level::Exact(text) = level
        && text.parse::<Version>().is_ok_and(|version| version != *found)
    {
        return Err(Error::refused("unfinished-release", format!("{found} is unfinished"))
            .hint(format!("shipway release {found}")));
    }
    Ok(())
}

/// The tag at the base's commit, when the base is exactly what was released last.
pub(super) fn released_tag(context: &Context<'_>, git: &Git, remote: &RemoteRefs) -> Result<Option<String>> {
    let config = &context.config;
    let Some(base) = base_of(context, git, remote)? else { return Ok(None) };
    if let Some(local) = git.commit_of(&format!("refs/heads/{}", config.base_branch))?
        && !git.is_ancestor(&local, &base)?
    {
        return Ok(None);
    }
    let (before, after) = config.tag.split_once("{version}").unwrap_or_default();
    let before = before.replace("{name}", config.name.normalized());
    let is_release = |name: &str| {
        let text = name.strip_prefix("refs/tags/").map(|name| name.trim_end_matches("^{}"))?;
        let version = text.strip_prefix(before.as_str())?.strip_suffix(after)?;
        version.parse::<Version>().ok().map(|_| text.to_owned())
    };
    Ok(remote.refs.iter().filter(|(_, commit)| *commit == base).find_map(|(name, _)| is_release(name)))
}
