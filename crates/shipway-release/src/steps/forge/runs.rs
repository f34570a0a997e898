//! The push run of a commit: found, waited for, or explained when there is none.

use std::time::Duration;

use shipway_dist::Version;

use super::source::Source;
use super::{Flag, Making, Patience, short};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::{Commit, Forge, PullRequest, Run, RunQuery};

/// What a run is looked for.
pub(crate) struct Wanted<'a> {
    /// The commit on the base.
    pub(crate) sha: &'a str,
    /// The version there.
    pub(crate) version: &'a Version,
    /// The pull request that was merged.
    pub(crate) pull_request: &'a PullRequest,
    /// The commit as the forge described it; explains only.
    pub(crate) commit: Option<&'a Commit>,
    /// How long to wait.
    pub(crate) wait: Duration,
}

/// Finds the one successful push run of the commit; notes the check `push-run`.
pub(crate) fn push_run(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    wanted: &Wanted<'_>,
) -> Result<Option<Run>> {
    let config = &context.config;
    let workflow = &config.forge.build_workflow;
    let query = RunQuery {
        event: Some("push"),
        branch: Some(config.base_branch.clone()),
        head_sha: Some(wanted.sha.to_owned()),
        since: None,
    };
    let mut patience = Patience::new(wanted.wait);
    let task = context.progress.begin(&format!("waiting for the push run of {}", short(wanted.sha)));
    let runs = loop {
        let runs = forge.runs(workflow, &query)?;
        let is_over = !runs.is_empty() && runs.iter().all(|run| run.status.as_deref() == Some("completed"));
        if is_over || !patience.wait(forge) {
            break runs;
        }
        task.update(&format!("{} runs of {} so far", runs.len(), short(wanted.sha)));
    };
    drop(task);
    if runs.is_empty() {
        return group_run(context, forge, source, making, wanted);
    }
    if let Some(run) = runs.iter().find(|run| run.status.as_deref() != Some("completed")) {
        return Err(Error::incomplete(
            "run-not-finished",
            format!("run `{}` of `{workflow}` is not over", run.id),
        )
        .cause(format!("it is `{}`", run.status.as_deref().unwrap_or("unknown")))
        .hint("run it again later, or with a longer --wait"));
    }
    let good: Vec<&Run> = runs.iter().filter(|run| run.conclusion.as_deref() == Some("success")).collect();
    let newest = &runs[0];
    let (ok, detail) = match good.as_slice() {
        [only] if only.id == newest.id => (true, format!("run `{}` of `{workflow}` succeeded", only.id)),
        [only] => (
            false,
            format!("run `{}` succeeded, but the newer `{}` is {}", only.id, newest.id, conclusion(newest)),
        ),
        [] => (
            false,
            format!(
                "run `{}` of `{workflow}` is {}{}",
                newest.id,
                conclusion(newest),
                because(forge, newest, wanted)
            ),
        ),
        many => {
            let ids: Vec<String> = many.iter().map(|run| format!("`{}`", run.id)).collect();
            (
                false,
                format!(
                    "runs {} all succeeded, so that it is not clear which bytes are meant",
                    ids.join(", ")
                ),
            )
        }
    };
    making.check("push-run", ok, detail);
    Ok(ok.then(|| newest.clone()))
}

/// What the run of a later commit of one push says: a merge queue pushes several merges at once.
fn group_run(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    wanted: &Wanted<'_>,
) -> Result<Option<Run>> {
    const MOST: usize = 3;
    let config = &context.config;
    let query = RunQuery {
        event: Some("push"),
        branch: Some(config.base_branch.clone()),
        head_sha: None,
        since: wanted.pull_request.merged_at.clone(),
    };
    let mut later = forge.runs(&config.forge.build_workflow, &query)?;
    later.retain(|run| run.conclusion.as_deref() == Some("success"));
    later.sort_by_key(|run| run.id);
    for run in later.into_iter().take(MOST) {
        let Some(comparison) = forge.compare(wanted.sha, &run.head_sha)? else { continue };
        if !comparison.contains(wanted.sha) {
            continue;
        }
        let there = source.version_at(&run.head_sha)?;
        let ok = there.is(wanted.version);
        let what = format!("run `{}` is of the later commit `{}`", run.id, short(&run.head_sha));
        if ok {
            making.flag(Flag::MergeQueue);
            making.check("push-run", true, format!("{what}, which has the same version"));
            return Ok(Some(run));
        }
        making.check(
            "push-run",
            false,
            format!("{what}, which has version {there}, not `{}`", wanted.version),
        );
        return Ok(None);
    }
    let why = explain(context, forge, wanted)?;
    making.check("push-run", false, format!("no push run for `{}`: {why}", wanted.sha));
    Ok(None)
}

/// Why the forge started no run (row B19). Only a guess where it does not say.
fn explain(context: &Context<'_>, forge: &dyn Forge, wanted: &Wanted<'_>) -> Result<String> {
    let file = &context.config.forge.build_workflow;
    let state = match forge.workflow(file) {
        Ok(workflow) => workflow.state,
        Err(error) if error.code() == "not-found" => {
            return Ok(format!("there is no workflow `{file}`, or the token may not read it"));
        }
        Err(error) => return Err(error),
    };
    if state != "active" {
        return Ok(format!("the workflow `{file}` is `{state}`"));
    }
    if let Some(mark) = skip_mark(forge, wanted) {
        return Ok(format!(
            "the text of the commit holds `{mark}`; push an empty commit, or cut the next version"
        ));
    }
    if let Some(who) = wanted.pull_request.merged_by.as_ref().filter(|who| who.kind == "Bot") {
        return Ok(format!(
            "`{}` merged it, and a merge with a workflow's own token starts no run; merge as a person or an app",
            crate::ops::forge::github::plain(&who.login)
        ));
    }
    Ok(format!(
        "the forge lists none yet (--wait), or the triggers of `{file}` leave this push out (branches, paths)"
    ))
}

/// The mark in the commit's text for which the forge starts nothing.
fn skip_mark(forge: &dyn Forge, wanted: &Wanted<'_>) -> Option<&'static str> {
    let message = wanted.commit?.commit.as_ref()?.message.to_lowercase();
    forge.location().kind.skip_marks().iter().copied().find(|mark| message.contains(mark))
}

pub(crate) fn conclusion(run: &Run) -> String {
    match (run.status.as_deref(), run.conclusion.as_deref()) {
        (_, Some(conclusion)) => format!("`{conclusion}`"),
        (Some(status), None) => format!("`{status}` without a conclusion"),
        (None, None) => "without status and conclusion".to_owned(),
    }
}

fn because(forge: &dyn Forge, run: &Run, wanted: &Wanted<'_>) -> String {
    match (run.conclusion.as_deref(), skip_mark(forge, wanted)) {
        (Some("cancelled" | "canceled"), _) => {
            " (a newer push may have cancelled it; let pushes to the base run to their end)".to_owned()
        }
        (Some("skipped"), Some(mark)) => format!(" (the text of the commit holds `{mark}`)"),
        _ => String::new(),
    }
}
