//! Starts the publish, once for a pull request (row B17).

use shipway_dist::Version;

use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::{Forge, PullRequest, Run, RunQuery};
use crate::steps::forge::{Dispatched, Flag, Making};

/// The title that the publish workflow gives its run, by which an earlier start is found again.
pub fn publish_title(version: &str, pull_request: u64) -> String {
    format!("Publish {version} (#{pull_request})")
}

/// Starts the workflow on the base unless a run for this pull request exists already.
pub(super) fn start(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    workflow: &str,
    pull_request: &PullRequest,
    version: &Version,
    run: &Run,
) -> Result<()> {
    let base = &context.config.base_branch;
    let query = RunQuery {
        event: Some("workflow_dispatch"),
        branch: Some(base.clone()),
        head_sha: None,
        since: pull_request.merged_at.clone(),
    };
    let own = publish_title(&version.to_string(), pull_request.number);
    let earlier = forge.runs(workflow, &query)?.into_iter().find(|run| run.display_title == own);
    if let Some(earlier) = earlier {
        making.flag(Flag::AlreadyDispatched);
        let state = super::super::runs::conclusion(&earlier);
        making.check(
            "dispatch",
            true,
            format!("run `{}` of `{workflow}` was started before: {state}", earlier.id),
        );
        making.decision().dispatched =
            Some(Dispatched { workflow: workflow.to_owned(), run: Some(earlier.id), already: true });
        return Ok(());
    }
    let inputs = [
        ("version", version.to_string()),
        ("build_run_id", run.id.to_string()),
        ("pull_request", pull_request.number.to_string()),
    ];
    let id = forge.dispatch(workflow, base, &inputs)?;
    let which = id.map_or("a run".to_owned(), |id| format!("run `{id}`"));
    making.check("dispatch", true, format!("{which} of `{workflow}` was started"));
    making.decision().dispatched =
        Some(Dispatched { workflow: workflow.to_owned(), run: id, already: false });
    Ok(())
}
