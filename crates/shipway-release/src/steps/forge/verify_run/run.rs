//! The comparisons of a run with what the configuration expects of it.

use shipway_dist::Version;

use crate::config::ReleaseFrom;
use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::github::plain;
use crate::ops::forge::{Forge, PullRequest, Run};
use crate::steps::forge::runs::conclusion;
use crate::steps::forge::source::{RELEASE_BRANCH, Source};
use crate::steps::forge::{Flag, Making, short};

/// Makes every comparison of the run itself; what costs further requests only when the run stands so far. Gives the
/// commit before the release: where its pull request found the base, else the run's own.
pub(super) fn judge(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    run: &Run,
    id: u64,
    repository: u64,
    version: &Version,
) -> Result<String> {
    let config = &context.config;
    let base = &config.base_branch;
    let before = run.head_sha.clone();
    making.check(
        "run-repository",
        run.repository.id == repository && run.id == id,
        format!(
            "run `{}` of repository {}, configured is repository {repository}",
            run.id, run.repository.id
        ),
    );
    let is_good = run.status.as_deref() == Some("completed") && run.conclusion.as_deref() == Some("success");
    let state = match (run.status.as_deref(), run.conclusion.as_deref()) {
        (Some("completed"), _) | (None, _) => conclusion(run),
        (Some(status), _) => format!("`{}`, not over", plain(status)),
    };
    making.check("run-conclusion", is_good, format!("it is {state}"));
    making.check(
        "run-event",
        run.event == "push",
        format!("`{}` started it, expected `push`", plain(&run.event)),
    );
    let branch = run.head_branch.as_deref();
    making.check(
        "run-branch",
        branch == Some(base),
        format!(
            "it ran on {}, expected `{base}`",
            branch.map_or("no branch".to_owned(), |one| format!("`{}`", plain(one)))
        ),
    );
    let head = run.head_repository.as_ref();
    making.check(
        "run-head-repository",
        head.is_some_and(|head| head.id == run.repository.id),
        match head {
            None => "its commit came from a repository that was deleted".to_owned(),
            Some(head) => {
                format!("its commit came from repository {}, it ran in {}", head.id, run.repository.id)
            }
        },
    );
    let file = &config.forge.build_workflow;
    let workflow = forge.workflow(file)?;
    let expected = forge.location().kind.workflow_path(file);
    // Without a path of its own, the run is of the project's one CI file.
    let own = run.path.as_ref().unwrap_or(&workflow.path);
    // Some servers add the ref that the file was taken from.
    let path = own.strip_suffix(&format!("@refs/heads/{base}")).unwrap_or(own);
    let number = |id: Option<u64>| id.map(|id| format!("{id} ")).unwrap_or_default();
    making.check(
        "run-workflow",
        run.workflow_id == workflow.id && path == expected && workflow.path == expected,
        format!(
            "it is of workflow {}`{}`, expected {}`{expected}`",
            number(run.workflow_id),
            plain(own),
            number(workflow.id)
        ),
    );
    if !making.holds() {
        return Ok(before);
    }
    let Some(tip) = forge.branch(base)?.map(|branch| branch.commit.sha) else {
        making.check("run-on-base", false, format!("there is no branch `{base}`; was it renamed"));
        return Ok(before);
    };
    let sha = &run.head_sha;
    let comparison = if *sha == tip { None } else { forge.compare(sha, &tip)? };
    let (ok, text) = match &comparison {
        _ if *sha == tip => (true, "is in the history of"),
        Some(one) if one.contains(sha) => (true, "is in the history of"),
        Some(_) => (false, "is not in the history of"),
        None => (false, "has nothing in common with"),
    };
    making.check("run-on-base", ok, format!("`{}` {text} `{base}` at `{}`", short(sha), short(&tip)));
    if !ok {
        return Ok(before);
    }
    workflow_file(context, forge, making, &expected, sha, &tip)?;
    match config.forge.release_from {
        ReleaseFrom::MergedRelease => {
            Ok(merged(context, forge, making, run, repository, version)?.unwrap_or(before))
        }
        ReleaseFrom::BaseRun => {
            making.flag(Flag::BaseRun);
            making.check("merged-release-pr", true, "any successful run of the base may be published here");
            Ok(before)
        }
    }
}

/// The workflow that ran is the one on the base, or one that was reviewed (row E7).
fn workflow_file(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    path: &str,
    sha: &str,
    tip: &str,
) -> Result<()> {
    let Some(ran) = forge.file(path, sha)? else {
        making.check("workflow-file", false, format!("there is no `{path}` at `{}`", short(sha)));
        return Ok(());
    };
    let reviewed = &context.config.forge.reviewed_workflows;
    if reviewed.contains(&ran.sha) {
        making.check("workflow-file", true, format!("`{}` is listed in forge.reviewed-workflows", ran.sha));
        return Ok(());
    }
    let now = if sha == tip { Some(ran.clone()) } else { forge.file(path, tip)? };
    let (ok, detail) = match now {
        Some(now) if now.sha == ran.sha => (true, format!("`{path}` is blob `{}`, as on the base", ran.sha)),
        Some(now) => (
            false,
            format!(
                "`{path}` was blob `{}`, on the base it is `{}` now; list the first in forge.reviewed-workflows if it is good",
                ran.sha, now.sha
            ),
        ),
        None => (false, format!("`{path}` was blob `{}`, the base has none now", ran.sha)),
    };
    making.check("workflow-file", ok, detail);
    Ok(())
}

/// The commit of the run is the merge of the release pull request of this version (row B12); gives where it found the base.
fn merged(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    run: &Run,
    repository: u64,
    version: &Version,
) -> Result<Option<String>> {
    let base = &context.config.base_branch;
    let branch = format!("{RELEASE_BRANCH}{version}");
    let listed = forge.pull_requests_from(&branch)?;
    let fits = |one: &&PullRequest| one.merged_at.is_some() && one.base.branch == *base;
    let merged: Vec<&PullRequest> = listed.iter().filter(fits).collect();
    let direct = merged.iter().find(|one| one.merge_commit_sha.as_ref() == Some(&run.head_sha));
    let found = match (direct, merged.as_slice()) {
        (Some(one), _) => Some((**one).clone()),
        (None, [one]) => {
            let sha = one.merge_commit_sha.clone().unwrap_or_default();
            let is_later =
                forge.compare(&sha, &run.head_sha)?.is_some_and(|comparison| comparison.contains(&sha));
            let same = is_later && Source::new(context, forge)?.version_at(&run.head_sha)?.is(version);
            if same {
                making.flag(Flag::MergeQueue);
            }
            same.then(|| (*one).clone())
        }
        (None, _) => None,
    };
    let Some(found) = found else {
        let text = format!(
            "`{}` is not the merge of a pull request from `{branch}` into `{base}` ({} merged)",
            short(&run.head_sha),
            merged.len()
        );
        making.check("merged-release-pr", false, text);
        return Ok(None);
    };
    let found = forge.pull_request(found.number)?;
    making.decision().pull_request = Some(found.number);
    let is_own = found.head.repo.as_ref().is_some_and(|head| head.id == repository)
        && found.base.repo.as_ref().is_some_and(|base| base.id == repository);
    let ok =
        found.merged == Some(true) && is_own && found.head.branch == branch && found.base.branch == *base;
    let detail = if ok {
        format!("#{} from `{branch}` was merged as `{}`", found.number, short(&run.head_sha))
    } else {
        format!("#{} is not a merged pull request of the repository's own `{branch}`", found.number)
    };
    making.check("merged-release-pr", ok, detail);
    Ok(Some(found.base.sha).filter(|sha| !sha.is_empty()))
}
