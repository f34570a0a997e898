//! Finds the release of a project with a forge that was begun and has not come to its end: by its pull request.
//!
//! The branch may be gone after the merge, so that the version on the base names it too. What a pull request says
//! is the forge's word of now.

use serde::Serialize;
use shipway_dist::wire::ProjectRecord;
use shipway_dist::{ChannelName, Version};

use super::unfinished::{base_of, version_at};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::{Forge, PullRequest};
use crate::ops::git::{Git, RemoteRefs};

/// A release pull request as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullRequestStatus {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The version that it releases.
    pub version: String,
    /// The branch that it goes to.
    pub base: String,
    /// `open`, `merged` or `closed`.
    pub state: &'static str,
}

impl PullRequestStatus {
    pub(super) fn of(one: &PullRequest, version: &Version) -> Self {
        let state = match (&one.merged_at, one.state.as_str()) {
            (Some(_), _) => "merged",
            (None, "open") => "open",
            (None, _) => "closed",
        };
        Self {
            number: one.number,
            url: one.html_url.clone(),
            version: version.to_string(),
            base: one.base.branch.clone(),
            state,
        }
    }
}

/// A release that was begun.
pub(super) enum Begun {
    /// Its branch stands on the remote, and no pull request brings it.
    Cut(Version),
    /// Its pull request is open.
    Open(Version, PullRequest),
    /// Its pull request was merged, and something is still to be done.
    Merged(Version, PullRequest),
}

/// The newest release of this base that was begun and has not come to its end.
///
/// # Errors
/// When the forge does not say, or its pull request was closed without a merge.
pub(super) fn find_begun(
    context: &Context<'_>,
    git: &Git,
    forge: &dyn Forge,
    remote: &RemoteRefs,
    record: Option<&ProjectRecord>,
    last: &ChannelName,
) -> Result<Option<Begun>> {
    let config = &context.config;
    let Some(base) = base_of(context, git, remote)? else { return Ok(None) };
    let now = version_at(context, git, &base)?;
    for version in candidates(remote, now.as_ref()) {
        let is_now = now.as_ref() == Some(&version);
        let tag = config.tag_of(&version);
        let is_tagged = remote.get(&format!("refs/tags/{tag}")).is_some();
        let release = record.and_then(|record| {
            let same = |one: &&_| version_of(one).is_some_and(|found| found == version);
            record.releases.iter().find(same)
        });
        let is_promoted = release.is_some_and(|release| release.channels.contains(last));
        let is_over = match release {
            Some(release) if release.blocked.is_some() => true,
            // Of the release that the base holds now, its page at the forge may be all that lacks.
            Some(_) => is_tagged && is_promoted && !is_now,
            None => is_tagged || now.as_ref().is_some_and(|now| *now > version),
        };
        if is_over {
            continue;
        }
        let branch = format!("release/v{version}");
        let own: Vec<PullRequest> = pull_requests_of(context, forge, &branch)?;
        if let Some(merged) = own.iter().find(|one| one.merged_at.is_some()) {
            if is_tagged && is_promoted && forge.release_of(&tag)?.is_some() {
                continue;
            }
            return Ok(Some(Begun::Merged(version, merged.clone())));
        }
        if let Some(open) = own.iter().find(|one| one.state == "open") {
            return Ok(Some(Begun::Open(version, open.clone())));
        }
        // Without its branch, a pull request that was closed was given up.
        let Some(tip) = remote.get(&format!("refs/heads/{branch}")).map(str::to_owned) else { continue };
        if let Some(closed) = own.first() {
            return Err(was_closed(context, closed, &version));
        }
        if is_cut_from(context, git, &branch, &tip, &base)? {
            return Ok(Some(Begun::Cut(version)));
        }
    }
    Ok(None)
}

/// The open pull request of the newest release that was cut and is not at the index; for people, who are told of it.
///
/// # Errors
/// When remote or forge do not say.
pub(crate) fn waiting_pull_request(
    context: &Context<'_>,
    git: &Git,
    forge: &dyn Forge,
    record: Option<&ProjectRecord>,
) -> Result<Option<PullRequestStatus>> {
    const MOST: usize = 3;
    let remote = git.ls_remote(&context.config.remote)?;
    let mut asked = 0;
    for version in candidates(&remote, None) {
        let is_known = record
            .iter()
            .flat_map(|record| &record.releases)
            .any(|one| version_of(one).is_some_and(|found| found == version));
        let is_tagged = remote.get(&format!("refs/tags/{}", context.config.tag_of(&version))).is_some();
        if is_known || is_tagged || asked == MOST {
            continue;
        }
        asked += 1;
        let own = pull_requests_of(context, forge, &format!("release/v{version}"))?;
        if let Some(open) = own.iter().find(|one| one.state == "open") {
            return Ok(Some(PullRequestStatus::of(open, &version)));
        }
    }
    Ok(None)
}

fn version_of(release: &shipway_dist::wire::ReleaseRecord) -> Option<Version> {
    release.version.parse().ok()
}

/// The versions that release branches name, and that of the base; the newest first.
fn candidates(remote: &RemoteRefs, now: Option<&Version>) -> Vec<Version> {
    let named =
        |(name, _): &(String, String)| name.strip_prefix("refs/heads/release/v")?.parse::<Version>().ok();
    let mut all: Vec<Version> = remote.refs.iter().filter_map(named).chain(now.cloned()).collect();
    all.sort_by(|left, right| right.cmp(left));
    all.dedup();
    all
}

/// The pull requests of the repository's own branch into the base.
fn pull_requests_of(context: &Context<'_>, forge: &dyn Forge, branch: &str) -> Result<Vec<PullRequest>> {
    let mut listed = forge.pull_requests_from(branch)?;
    listed.retain(|one| {
        let id = |repository: &Option<crate::ops::forge::Repository>| repository.as_ref().map(|one| one.id);
        one.base.branch == context.config.base_branch && id(&one.head.repo) == id(&one.base.repo)
    });
    Ok(listed)
}

/// One that was cut from another line is that line's business.
fn is_cut_from(context: &Context<'_>, git: &Git, branch: &str, tip: &str, base: &str) -> Result<bool> {
    if !git.has_object(tip)? {
        git.fetch_objects(&context.config.remote, &[format!("refs/heads/{branch}")])?;
    }
    let parent = git.commit_of(&format!("{tip}^"))?.unwrap_or_default();
    git.is_ancestor(&parent, base)
}

/// A pull request that was closed without a merge: nothing of it is published, and nobody is to guess what was meant.
pub(super) fn was_closed(context: &Context<'_>, closed: &PullRequest, version: &Version) -> Error {
    let remote = &context.config.remote;
    Error::refused(
        "pr-closed",
        format!("pull request #{} of release {version} was closed without a merge", closed.number),
    )
    .cause(format!("nothing of {version} was published; see {}", closed.html_url))
    .hint(format!(
        "reopen it there; or give the release up: git push {remote} --delete release/v{version} && git branch -D release/v{version}"
    ))
}
