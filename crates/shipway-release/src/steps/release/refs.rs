//! What a release does to branches and tags: the base moves forward, the tag comes last. Nothing is forced.

use shipway_dist::Version;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::{Git, Push};
use crate::ops::process::crash_point;
use crate::steps::bump;

/// Moves the base forward to the release commit, on the remote and here; never forced (row A23).
pub(super) fn move_base(context: &Context<'_>, git: &Git, commit: &str) -> Result<()> {
    let config = &context.config;
    let full = format!("refs/heads/{}", config.base_branch);
    let remote = git.ls_remote(&config.remote)?;
    let on_remote = remote.get(&full).unwrap_or_default().to_owned();
    let is_in =
        on_remote == commit || (git.has_object(&on_remote)? && git.is_ancestor(commit, &on_remote)?);
    if !is_in {
        match git.push(&config.remote, &[(commit.to_owned(), full.clone(), None)], false)? {
            Push::Done => {}
            Push::Rejected(said) => {
                let error = Error::refused(
                    "base-push-rejected",
                    format!("`{}` cannot be moved forward to the release commit", config.base_branch),
                )
                .hint(
                    "protected by a forge? Merge the release branch there, then run `shipway release` again",
                );
                return Err(said.into_iter().fold(error, Error::cause));
            }
            Push::Failed(said) => {
                let error = Error::incomplete("push-failed", format!("cannot push to `{}`", config.remote));
                return Err(said.into_iter().fold(error, Error::cause));
            }
        }
        git.read(["update-ref", &format!("refs/remotes/{}/{}", config.remote, config.base_branch), commit])?;
        bump::advance_base(git, &config.base_branch, commit, &config.remote)?;
    }
    let text = if is_in { "holds the release commit already" } else { "moved forward to the release commit" };
    context.progress.done("base", &format!("{} {text}", config.base_branch));
    Ok(())
}

/// An annotated tag at the release commit, made and pushed after everything else (row A18).
pub(super) fn make_tag(context: &Context<'_>, git: &Git, version: &Version, commit: &str) -> Result<String> {
    let config = &context.config;
    let tag = config.tag_of(version);
    let full = format!("refs/tags/{tag}");
    match git.commit_of(&full)? {
        Some(found) if found == commit => {}
        Some(found) => {
            return Err(Error::refused("tag-elsewhere", format!("the tag `{tag}` stands elsewhere"))
                .cause(format!("expected `{commit}`, found `{found}`")));
        }
        None => {
            git.read(["tag", "--annotate", "-m", &format!("{} {version}", config.name), &tag, commit])?;
        }
    }
    crash_point(&context.environment, "release.tagged");
    if git.ls_remote(&config.remote)?.get(&full).is_none() {
        match git.push(&config.remote, &[(full.clone(), full, Some(String::new()))], false)? {
            Push::Done => {}
            Push::Rejected(said) => {
                let error =
                    Error::refused("tag-rejected", format!("`{}` refused the tag `{tag}`", config.remote));
                return Err(said.into_iter().fold(error, Error::cause));
            }
            Push::Failed(said) => {
                let error = Error::incomplete("push-failed", format!("cannot push to `{}`", config.remote));
                return Err(said.into_iter().fold(error, Error::cause));
            }
        }
    }
    Ok(tag)
}

pub(super) fn leave_release_branch(context: &Context<'_>, git: &Git) -> Result<()> {
    let branch = git.branch()?.unwrap_or_default();
    if branch.starts_with("release/v") && git.dirty()?.is_empty() {
        git.read(["switch", "--quiet", &context.config.base_branch])?;
    }
    Ok(())
}

/// Takes back a release branch that this run cut: nothing was published from it and the base does not hold it.
pub(super) fn withdraw(context: &Context<'_>, git: &Git, version: &Version, commit: &str) -> Result<()> {
    let branch = format!("release/v{version}");
    let full = format!("refs/heads/{branch}");
    let remote = &context.config.remote;
    leave_release_branch(context, git)?;
    // With the expectation, a branch that somebody moved meanwhile stays.
    let outcome = git.push(remote, &[(String::new(), full.clone(), Some(commit.to_owned()))], false)?;
    if outcome == Push::Done {
        git.read(["update-ref", "-d", &full, commit])?;
        git.read(["update-ref", "-d", &format!("refs/remotes/{remote}/{branch}")])?;
        context.progress.done("withdraw", &format!("{branch}; nothing was published"));
    } else {
        context.progress.warn(&format!("`{branch}` stays on `{remote}`: it could not be removed"));
    }
    Ok(())
}
