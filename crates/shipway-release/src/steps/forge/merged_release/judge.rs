//! The checks of a release pull request and of the commit that its merge made.

use shipway_dist::Version;

use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::github::plain;
use crate::ops::forge::{Commit, Forge, PullRequest, Tag};
use crate::steps::forge::source::{Source, version_of_branch};
use crate::steps::forge::{Flag, Making, short};

/// What the checks came to.
pub(crate) enum Judged {
    /// It may be a release, as far as the checks hold.
    Release {
        /// The version.
        version: Version,
        /// The commit on the base.
        sha: String,
        /// The commit as the forge described it.
        commit: Option<Commit>,
        /// Whether the tag stands at it already.
        released: bool,
    },
    /// It is none; the checks say why.
    Refused,
}

/// Makes every check of a pull request that claims to be a release.
pub(crate) fn judge_release(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    pull_request: &PullRequest,
    repository: u64,
) -> Result<Judged> {
    let config = &context.config;
    let base = pull_request.base.repo.as_ref();
    let found = base.map_or("a deleted repository".to_owned(), |one| format!("repository {}", one.id));
    making.check(
        "pr-repository",
        base.is_some_and(|one| one.id == repository),
        format!("it goes to {found}, configured is repository {repository}"),
    );
    let base_ok = making.check(
        "pr-base",
        pull_request.base.branch == config.base_branch,
        format!("it goes to `{}`, releases go to `{}`", plain(&pull_request.base.branch), config.base_branch),
    );
    let (own, whose) = match (&pull_request.head.repo, base) {
        (None, _) => (false, "its repository was deleted".to_owned()),
        (Some(head), Some(base)) if head.id == base.id => {
            (true, "it comes from the repository itself".to_owned())
        }
        (Some(head), _) => (false, format!("it comes from another repository, `{}`", plain(&head.full_name))),
    };
    let own_ok = making.check("pr-head-repository", own, whose);
    let version = match version_of_branch(&pull_request.head.branch) {
        Ok(version) => {
            making.check("release-branch", true, format!("`{}`", pull_request.head.branch));
            Some(version)
        }
        Err(why) => {
            making.check("release-branch", false, plain(&why));
            None
        }
    };
    let is_merged = pull_request.merged == Some(true) && pull_request.merged_at.is_some();
    let state = if is_merged { "it was merged" } else { "it was not merged" };
    making.check("pr-merged", is_merged, format!("{state}; its state is `{}`", plain(&pull_request.state)));
    if !is_merged && pull_request.state == "closed" && own_ok {
        making.flag(Flag::Abandoned);
    }
    let sha = pull_request.merge_commit_sha.clone().filter(|_| is_merged);
    let (Some(version), Some(sha), true, true) = (version, sha, base_ok, own_ok) else {
        return Ok(Judged::Refused);
    };
    making.decision().sha = Some(sha.clone());
    let Some((tip, commit)) = on_base(context, forge, making, &sha)? else { return Ok(Judged::Refused) };
    strategy(context, making, pull_request, &commit);
    let there = source.version_at(&sha)?;
    let version_ok = making.check(
        "version-at-merge",
        there.is(&version),
        format!("the branch says `{version}`, the commit {there}"),
    );
    files(forge, source, making, pull_request)?;
    let mut released = false;
    if version_ok {
        newer_than_before(source, making, pull_request, &commit, &version)?;
        released = tags(context, forge, making, &version, &sha, &tip)?;
    }
    stranded(forge, making, pull_request)?;
    Ok(Judged::Release { version, sha, commit: Some(commit), released })
}

/// Whether the commit is on the base as the server has it now; gives the tip and the commit.
fn on_base(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    sha: &str,
) -> Result<Option<(String, Commit)>> {
    let base = &context.config.base_branch;
    let Some(branch) = forge.branch(base)? else {
        making.check("commit-on-base", false, format!("there is no branch `{base}`; was it renamed"));
        return Ok(None);
    };
    let tip = branch.commit.sha;
    let Some(comparison) = forge.compare(sha, &tip)? else {
        let text =
            format!("`{}` does not exist any more, or has nothing in common with `{base}`", short(sha));
        making.check("commit-on-base", false, text);
        return Ok(None);
    };
    let ok = comparison.contains(sha);
    let text = if ok { "is in the history of" } else { "is not in the history of" };
    let detail =
        format!("`{}` {text} `{base}` at `{}` ({})", short(sha), short(&tip), plain(&comparison.status));
    Ok(making.check("commit-on-base", ok, detail).then_some((tip, comparison.merge_base_commit)))
}

/// How the pull request reached the base.
fn strategy(context: &Context<'_>, making: &mut Making, pull_request: &PullRequest, commit: &Commit) {
    let head = &pull_request.head.sha;
    let parents = &commit.parents;
    if commit.sha == *head {
        let allowed = context.config.forge.fast_forward;
        if allowed {
            making.flag(Flag::FastForward);
        }
        let text = "the branch itself became the base, by fast-forward or by hand";
        making.check("merge-strategy", allowed, format!("{text}; forge.fast-forward is {allowed}"));
        return;
    }
    let (ok, detail) = match parents.as_slice() {
        [_] => (true, "a squash or a rebase".to_owned()),
        [_, second] if second.sha == *head => (true, "a merge commit of the branch".to_owned()),
        [_, second] if Some(&second.sha) == pull_request.squash_commit_sha.as_ref() => {
            (true, "a merge commit of the branch, squashed".to_owned())
        }
        [_, second] => (
            false,
            format!("a merge commit of `{}`, the pull request has `{}`", short(&second.sha), short(head)),
        ),
        other => (false, format!("a commit with {} parents", other.len())),
    };
    making.check("merge-strategy", ok, detail);
}

/// A release touches what a bump writes, and nothing else (row B11).
pub(in crate::steps::forge) fn files(
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    pull_request: &PullRequest,
) -> Result<()> {
    let files = forge.changed_files(pull_request)?;
    let paths = files.iter().flat_map(|one| [Some(one.filename.as_str()), one.previous_filename.as_deref()]);
    let foreign: Vec<String> = source
        .foreign(paths.flatten())
        .into_iter()
        .take(10)
        .map(|path| format!("`{}`", plain(path)))
        .collect();
    let detail = if foreign.is_empty() {
        format!("{} files, all of a release", files.len())
    } else {
        format!("it changes {}", foreign.join(", "))
    };
    making.check("pr-files", foreign.is_empty() && !files.is_empty(), detail);
    Ok(())
}

/// The version must be greater than that of the base before the merge (row B8).
fn newer_than_before(
    source: &Source<'_>,
    making: &mut Making,
    pull_request: &PullRequest,
    commit: &Commit,
    version: &Version,
) -> Result<()> {
    let parent = commit.parents.first().map_or(pull_request.base.sha.as_str(), |parent| &parent.sha);
    let mut before = source.version_at(parent)?;
    // Of several commits that were replayed the last one's parent is a part of the release itself.
    if before.is(version) && parent != pull_request.base.sha {
        before = source.version_at(&pull_request.base.sha)?;
    }
    let ok = before.version().is_some_and(|before| before < version);
    making.check("version-newer", ok, format!("`{version}` after {before}"));
    Ok(())
}

/// The version has no tag yet, and no tag of a later version is on the base. True when its own tag stands at this
/// very commit: then it is released already.
fn tags(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    version: &Version,
    sha: &str,
    tip: &str,
) -> Result<bool> {
    const MOST: usize = 3;
    let config = &context.config;
    let template = config.tag.replace("{name}", config.name.normalized());
    let (head, tail) = template.split_once("{version}").unwrap_or((&template, ""));
    let parse = |tag: &Tag| {
        let found = tag.name.strip_prefix(head)?.strip_suffix(tail)?.parse::<Version>().ok()?;
        Some((found, tag.clone()))
    };
    let mut tagged: Vec<(Version, Tag)> = forge.tags(head)?.iter().filter_map(parse).collect();
    tagged.sort_by(|left, right| left.0.cmp(&right.0));
    let reference = |tag: &Tag| format!("refs/tags/{}", tag.name);
    if let Some((_, own)) = tagged.iter().find(|(found, _)| found == version) {
        let is_here = if own.is_commit {
            own.object == sha
        } else {
            forge.compare(sha, &reference(own))?.is_some_and(|one| one.status == "identical")
        };
        let text = if is_here { "stands at this commit: it is released" } else { "stands at another commit" };
        making.check("version-free", is_here, format!("the tag `{}` {text}", own.name));
        return Ok(is_here);
    }
    making.check("version-free", true, format!("there is no tag of `{version}`"));
    // A later version may be on another line, so that each is asked for; the nearest are the likely ones, and the
    // index refuses what this leaves out.
    let later: Vec<&(Version, Tag)> = tagged.iter().filter(|(found, _)| found > version).collect();
    for (found, tag) in later.into_iter().take(MOST) {
        let place = if tag.is_commit { tag.object.clone() } else { reference(tag) };
        let is_on_base = forge
            .compare(&place, tip)?
            .is_some_and(|one| matches!(one.status.as_str(), "identical" | "ahead"));
        if is_on_base {
            let text = format!("the later `{found}` was released from `{}` before", config.base_branch);
            making.check("version-latest", false, text);
            return Ok(false);
        }
    }
    making.check("version-latest", true, format!("nothing later was released from `{}`", config.base_branch));
    Ok(false)
}

/// Commits that were added to the release branch after the merge are told, for they are not in the release.
fn stranded(forge: &dyn Forge, making: &mut Making, pull_request: &PullRequest) -> Result<()> {
    let head = &pull_request.head;
    let Some(branch) = forge.branch(&head.branch)? else { return Ok(()) };
    if branch.commit.sha != head.sha {
        making.flag(Flag::Stranded);
        let text = format!(
            "`{}` stands at `{}` now, merged was `{}`; what was added is not in the release",
            head.branch,
            short(&branch.commit.sha),
            short(&head.sha)
        );
        making.check("stranded", true, text);
    }
    Ok(())
}
