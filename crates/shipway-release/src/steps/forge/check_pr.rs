//! Whether an open pull request touches what only a release may, or is a release as it must be (rows B9 to B11, B21).

use shipway_dist::Version;

use super::merged_release::{Event, expected_repository, release_files};
use super::source::{Declared, RELEASE_BRANCH, Source, claims_release, version_of_branch};
use super::{Decision, Flag, Making, Outcome};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::github::plain;
use crate::ops::forge::{Forge, PullRequest};

/// Judges an open pull request; without a number, the one that the event of the CI run names.
///
/// The decision is `release` for a release pull request that may be merged, `none` for any other that may.
///
/// # Errors
/// When no pull request is named; nothing was asked then.
pub fn check_pull_request(context: &Context<'_>, forge: &dyn Forge, number: Option<u64>) -> Result<Decision> {
    let event = Event::read(context)?;
    let Some(number) = number.or(event.pull_request.as_ref().map(|one| one.number)) else {
        return Err(Error::usage("no-subject", "no pull request is named").hint("give its number"));
    };
    let mut making = Making::new(context, format!("pull request #{number}"));
    making.decision().pull_request = Some(number);
    let outcome = decide(context, forge, &event, number, &mut making);
    Ok(making.finish(outcome, forge))
}

fn decide(
    context: &Context<'_>,
    forge: &dyn Forge,
    event: &Event,
    number: u64,
    making: &mut Making,
) -> Result<Outcome> {
    let source = Source::new(context, forge)?;
    let found = forge.pull_request(number)?;
    making.check(
        "pull-request",
        found.number == number,
        format!("#{} is {}", found.number, plain(&found.state)),
    );
    making.decision().sha = Some(found.head.sha.clone());
    let base = &found.base.branch;
    if claims_release(base) && is_merged_release(context, forge, base)? {
        making.flag(Flag::Stranded);
        let text = format!("it goes to `{base}`, which was merged already: it would reach no release");
        making.check("pr-base", false, text);
        return Ok(Outcome::Refused);
    }
    if claims_release(&found.head.branch) {
        release(context, forge, &source, making, &found, expected_repository(forge, event)?)?;
        return Ok(Outcome::Release);
    }
    if *base != context.config.base_branch {
        making.check("pr-base", true, format!("it goes to `{}`, where no release comes from", plain(base)));
        return Ok(Outcome::None);
    }
    let (old, new) = source.versions_of(&found)?;
    if old == new {
        making.check("version-change", true, format!("it leaves the version at {new}"));
        return Ok(Outcome::None);
    }
    if is_revert(context, forge, &source, &old, &new)? {
        making.flag(Flag::Revert);
        making.check(
            "version-change",
            true,
            format!("it takes the release of {old} back to {new}; {old} stays used"),
        );
        return Ok(Outcome::None);
    }
    making.flag(Flag::VersionBump);
    let text = format!("it changes the version from {old} to {new}; only `shipway bump` does that");
    making.check("version-change", false, text);
    Ok(Outcome::Refused)
}

fn release(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    found: &PullRequest,
    repository: u64,
) -> Result<()> {
    let config = &context.config;
    making.check(
        "pr-base",
        found.base.branch == config.base_branch,
        format!("it goes to `{}`, releases go to `{}`", plain(&found.base.branch), config.base_branch),
    );
    let own = found.head.repo.as_ref().is_some_and(|head| head.id == repository);
    let whose = if own { "it comes from the repository itself" } else { "it comes from another repository" };
    making.check("pr-head-repository", own, whose);
    let version = match version_of_branch(&found.head.branch) {
        Ok(version) => {
            making.check("release-branch", true, format!("`{}`", found.head.branch));
            version
        }
        Err(why) => {
            making.check("release-branch", false, plain(&why));
            return Ok(());
        }
    };
    making.decision().version = Some(version.to_string());
    let (old, new) = source.versions_of(found)?;
    let text = format!("the branch says `{version}`, its commit {new}");
    making.check("version-at-merge", new.is(&version), text);
    let newer = old.version().is_some_and(|old| *old < version);
    making.check("version-newer", newer, format!("`{version}` after {old}"));
    release_files(forge, source, making, found)
}

fn is_merged_release(context: &Context<'_>, forge: &dyn Forge, branch: &str) -> Result<bool> {
    let listed = forge.pull_requests_from(branch)?;
    Ok(listed.iter().any(|one| one.merged_at.is_some() && one.base.branch == context.config.base_branch))
}

/// Whether the version goes back to what it was before the release of `old` was merged.
fn is_revert(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    old: &Declared,
    new: &Declared,
) -> Result<bool> {
    let (Some(old), Some(new)): (Option<&Version>, Option<&Version>) = (old.version(), new.version()) else {
        return Ok(false);
    };
    if new >= old {
        return Ok(false);
    }
    let listed = forge.pull_requests_from(&format!("{RELEASE_BRANCH}{old}"))?;
    let fits = |one: &&PullRequest| one.merged_at.is_some() && one.base.branch == context.config.base_branch;
    for one in listed.iter().filter(fits) {
        // Items of a list may lack where the branch began.
        let whole = forge.pull_request(one.number)?;
        if source.versions_of(&whole)?.0.version() == Some(new) {
            return Ok(true);
        }
    }
    Ok(false)
}
