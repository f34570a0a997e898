//! Cuts a release: one branch, one commit, pushed; or nothing at all.
//!
//! The commit is made by the user's git in a working tree of its own inside `.git`, so that hooks and
//! signing work and the user's tree is not touched until the release branch stands on the remote. A failure
//! leaves nothing; a kill leaves a journal that the next command reads.

mod journal;
mod plan;
mod pull_request;

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::{Git, Push};
use crate::ops::process::crash_point;

use journal::{Journal, remove_worktree, undo};
pub use journal::{has_journal, recover};
pub use plan::{BumpPlan, BumpRequest, plan};
pub use pull_request::{ReleasePullRequest, Wish, open_pull_request};

use pull_request::forge_of;

/// What a bump did, or in a dry run would do.
#[derive(Debug, Clone, Serialize)]
pub struct BumpReport {
    /// The plan.
    #[serde(flatten)]
    pub plan: BumpPlan,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The release commit.
    pub commit: Option<String>,
    /// The pull request, where one was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<ReleasePullRequest>,
}

/// Plans a bump and executes exactly that plan.
///
/// # Errors
/// Everything that stands against it, with nothing changed.
pub fn bump(context: &Context<'_>, request: &BumpRequest) -> Result<BumpReport> {
    let git = context.repository()?;
    // A forge that is wanted and cannot be found is known before anything is written.
    let forge = forge_of(context, request.pull_request)?;
    if request.dry_run {
        let quarantine =
            tempfile::tempdir().map_err(|error| Error::io("create", &std::env::temp_dir(), &error))?;
        let git = git.quarantined(quarantine.path());
        let plan = plan(context, &git, request)?;
        if let Some(forge) = &forge {
            forge.pull_requests_from(&plan.branch)?;
        }
        return Ok(BumpReport { plan, dry_run: true, commit: None, pull_request: None });
    }
    context.lock(&git)?;
    let plan = plan(context, &git, request)?;
    context.progress.done("plan", &format!("{} {} → {} ({})", plan.project, plan.old, plan.new, plan.why));
    let commit = execute(context, &git, &plan, request.no_switch)?;
    let short = commit.get(..12).unwrap_or(&commit);
    context
        .progress
        .done("bump", &format!("{} at {short}, pushed to {}", plan.branch, context.config.remote));
    let pull_request = match &forge {
        Some(forge) => Some(open_for(context, &git, forge.as_ref(), &plan.branch, &plan.new, &commit)?),
        None => None,
    };
    Ok(BumpReport { plan, dry_run: false, commit: Some(commit), pull_request })
}

/// Opens the pull request of a release branch that stands on the remote already: what a bump did not get to, or a
/// forge refused. None when there is no such branch, so that it is to be cut.
///
/// # Errors
/// When a wanted forge cannot be found, or the pull request cannot be opened.
pub fn resume_pull_request(
    context: &Context<'_>,
    version: &str,
    wish: Wish,
) -> Result<Option<ReleasePullRequest>> {
    let git = context.repository()?;
    let Some(forge) = forge_of(context, wish)? else { return Ok(None) };
    let branch = format!("release/v{version}");
    let full = format!("refs/heads/{branch}");
    let Some(commit) = git.ls_remote(&context.config.remote)?.get(&full).map(str::to_owned) else {
        return Ok(None);
    };
    if !git.has_object(&commit)? {
        git.fetch_objects(&context.config.remote, std::slice::from_ref(&full))?;
    }
    open_for(context, &git, forge.as_ref(), &branch, version, &commit).map(Some)
}

fn open_for(
    context: &Context<'_>,
    git: &Git,
    forge: &dyn crate::ops::forge::Forge,
    branch: &str,
    version: &str,
    commit: &str,
) -> Result<ReleasePullRequest> {
    crash_point(&context.environment, "bump.pull-request");
    let changelog = match &context.config.changelog {
        Some(path) => git.show(commit, &format!("{}{path}", git.prefix_of(&context.config.directory)?))?,
        None => None,
    };
    let text = changelog.and_then(|bytes| String::from_utf8(bytes).ok());
    let opened = open_pull_request(context, forge, branch, version, text.as_deref())?;
    let word = if opened.already { "is open already" } else { "opened" };
    let text = format!("#{} against {} {word}: {}", opened.number, opened.base, opened.url);
    context.progress.done("pull request", &text);
    Ok(opened)
}

fn execute(context: &Context<'_>, git: &Git, plan: &BumpPlan, no_switch: bool) -> Result<String> {
    let mut journal = Journal { branch: plan.branch.clone(), commit: None };
    journal.write(git)?;
    let point = |name: &str| crash_point(&context.environment, name);
    point("bump.journal");
    let result = commit(git, plan).and_then(|commit| {
        point("bump.commit");
        journal.commit = Some(commit.clone());
        journal.write(git)?;
        point("bump.commit-journal");
        let head = format!("refs/heads/{}", plan.branch);
        git.read(["update-ref", &head, &commit, ""])?;
        point("bump.branch");
        push(context, git, plan, &commit)?;
        point("bump.push");
        Ok(commit)
    });
    let commit = match result {
        Ok(commit) => commit,
        Err(error) => {
            undo(git, &context.config, &journal, context.progress)?;
            return Err(error);
        }
    };
    // From here on the bump stands; the rest only brings this clone along.
    remove_worktree(git)?;
    if let Err(error) = follow(context, git, plan, &commit, no_switch) {
        let causes: Vec<String> =
            error.problems().iter().flat_map(|problem| problem.causes.clone()).collect();
        let text = format!(
            "{} stands on the remote, but this clone could not follow: {}",
            plan.branch,
            causes.join("; ")
        );
        context.progress.warn(&text);
    }
    point("bump.follow");
    Journal::remove(git)?;
    Ok(commit)
}

/// Makes the release commit in a working tree of its own.
fn commit(git: &Git, plan: &BumpPlan) -> Result<String> {
    remove_worktree(git)?;
    let tree = Journal::worktree(git);
    git.call(["worktree", "add", "--quiet", "--detach"])
        .arg(&tree)
        .arg(&plan.base_commit)
        .must("git-failed", "check out the base in a working tree of its own")?;
    for (path, bytes) in &plan.contents {
        let path = tree.join(path);
        std::fs::write(&path, bytes).map_err(|error| Error::io("write", &path, &error))?;
    }
    let files: Vec<&String> = plan.contents.keys().collect();
    git.call_in(&tree, ["add", "--"]).args(&files).must("git-failed", "stage the release")?;
    let subject = format!("chore(release): v{}", plan.new);
    let output = git.call_in(&tree, ["commit", "--quiet", "-m", &subject]).run()?;
    if !output.success() {
        let error =
            Error::refused("commit-refused", "git did not make the release commit (a hook, or signing)");
        return Err(output.tail(12).into_iter().fold(error, Error::cause));
    }
    let read = |arguments: &[&str]| -> Result<String> {
        let output = git.call_in(&tree, arguments).must("git-failed", "ask git")?;
        Ok(output.stdout_text().trim_end_matches(['\n', '\r']).to_owned())
    };
    let commit = read(&["rev-parse", "HEAD"])?;
    let parent = read(&["rev-parse", "HEAD^"])?;
    let changed = read(&["diff-tree", "--no-commit-id", "--name-only", "-r", "-z", "HEAD"])?;
    let mut changed: Vec<&str> = changed.split('\0').filter(|path| !path.is_empty()).collect();
    changed.sort_unstable();
    if parent != plan.base_commit || !changed.iter().eq(plan.contents.keys()) {
        let error =
            Error::refused("commit-differs", "the release commit would hold more or less than the plan")
                .cause(format!("planned: {}", plan.files.join(", ")))
                .cause(format!("found: {}", changed.join(", ")));
        return Err(error.hint("a commit hook changes files; let it leave release commits alone"));
    }
    for (path, bytes) in &plan.contents {
        if git.show(&commit, path)?.as_ref() != Some(bytes) {
            return Err(Error::refused(
                "commit-differs",
                format!("the release commit holds another `{path}` than planned"),
            )
            .hint("a commit hook changes files; let it leave release commits alone"));
        }
    }
    let found = read(&["log", "-1", "--format=%s"])?;
    if found != subject {
        return Err(Error::refused(
            "commit-differs",
            format!("the release commit is called `{found}`, not `{subject}`"),
        )
        .hint("a commit-msg hook rewrites the message; let it leave release commits alone"));
    }
    Ok(commit)
}

fn push(context: &Context<'_>, git: &Git, plan: &BumpPlan, commit: &str) -> Result<()> {
    let remote = &context.config.remote;
    let target = format!("refs/heads/{}", plan.branch);
    let task = context.progress.begin(&format!("pushing {} to {remote}", plan.branch));
    // The empty expectation: the branch must not exist there.
    let outcome = git.push(remote, &[(commit.to_owned(), target.clone(), Some(String::new()))], false)?;
    drop(task);
    let (error, said) = match outcome {
        Push::Done => return Ok(()),
        Push::Rejected(said) => (
            Error::refused("push-rejected", format!("`{remote}` refused the push of `{}`", plan.branch)),
            said,
        ),
        Push::Failed(said) => (Error::incomplete("push-failed", format!("cannot push to `{remote}`")), said),
    };
    // The answer may be lost although the push was not.
    if git.ls_remote(remote).is_ok_and(|refs| refs.get(&target) == Some(commit)) {
        return Ok(());
    }
    Err(said.into_iter().fold(error, Error::cause))
}

/// Brings the local base forward and switches to the release branch.
fn follow(context: &Context<'_>, git: &Git, plan: &BumpPlan, commit: &str, no_switch: bool) -> Result<()> {
    let remote = &context.config.remote;
    let tracking = |branch: &str| format!("refs/remotes/{remote}/{branch}");
    git.read(["update-ref", &tracking(&plan.branch), commit])?;
    git.read(["update-ref", &tracking(&plan.base), &plan.base_commit])?;
    advance_base(git, &plan.base, &plan.base_commit, remote)?;
    git.read(["config", &format!("branch.{}.remote", plan.branch), remote])?;
    git.read(["config", &format!("branch.{}.merge", plan.branch), &format!("refs/heads/{}", plan.branch)])?;
    if !no_switch {
        git.read(["switch", "--quiet", &plan.branch])?;
    }
    Ok(())
}

/// Moves the local base forward to `commit`, working tree included when it is checked out; makes it when missing.
pub(crate) fn advance_base(git: &Git, base: &str, commit: &str, remote: &str) -> Result<()> {
    let full = format!("refs/heads/{base}");
    match git.commit_of(&full)? {
        None => git.read(["branch", "--quiet", "--track", base, &format!("{remote}/{base}")]).map(|_| ()),
        Some(local) if local == commit => Ok(()),
        Some(local) if git.is_ancestor(&local, commit)? => {
            if git.branch()?.as_deref() == Some(base) {
                git.read(["merge", "--quiet", "--ff-only", commit]).map(|_| ())
            } else if git.is_checked_out(base)? {
                // Another working tree stands on it: moving the ref under it would turn its files into changes.
                Ok(())
            } else {
                git.read(["update-ref", &full, commit, &local]).map(|_| ())
            }
        }
        Some(local) => Err(Error::refused("base-diverged", format!("`{base}` cannot be moved forward"))
            .cause(format!("local `{local}`"))
            .cause(format!("remote `{commit}`"))),
    }
}
