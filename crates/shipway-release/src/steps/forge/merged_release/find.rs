//! The pull request that a commit is the merge of.

use std::time::Duration;

use super::Event;
use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::{Forge, PullRequest};
use crate::steps::forge::source::{RELEASE_BRANCH, Source};
use crate::steps::forge::{Making, Patience, short};

/// Finds the one pull request whose merge made the commit; notes the check `pull-request`.
pub(super) fn of_commit(
    context: &Context<'_>,
    forge: &dyn Forge,
    event: &Event,
    source: &Source<'_>,
    making: &mut Making,
    sha: &str,
    wait: Duration,
) -> Result<Option<PullRequest>> {
    making.decision().sha = Some(sha.to_owned());
    let same = |one: &&crate::ops::forge::Repository| {
        one.full_name.eq_ignore_ascii_case(&forge.location().repository)
    };
    let told = event.repository.as_ref().filter(same).and_then(|one| one.default_branch.clone());
    let default = match told {
        Some(default) => Some(default),
        None => forge.repository()?.default_branch,
    };
    let base = &context.config.base_branch;
    let listed = if default.as_ref() == Some(base) {
        let mut patience = Patience::new(wait);
        loop {
            let listed = forge.pull_requests_of(sha)?;
            // The forge's index may lag behind its own merge (row B15).
            if !listed.is_empty() || !patience.wait(forge) {
                break listed;
            }
        }
    } else {
        // For any other base the forge lists open pull requests only (row B16): the version at the commit names
        // the branch that it must have come from.
        let declared = source.version_at(sha)?;
        let Some(version) = declared.version() else {
            making.check("pull-request", false, format!("the version at `{}` is {declared}", short(sha)));
            return Ok(None);
        };
        forge.pull_requests_from(&format!("{RELEASE_BRANCH}{version}"))?
    };
    let is_merge = |one: &&PullRequest| {
        one.merged_at.is_some() && one.merge_commit_sha.as_deref() == Some(sha) && one.base.branch == *base
    };
    let merged: Vec<&PullRequest> = listed.iter().filter(is_merge).collect();
    match merged.as_slice() {
        [one] => {
            making.check("pull-request", true, format!("#{} was merged as `{}`", one.number, short(sha)));
            // Items of a list lack `merged`.
            forge.pull_request(one.number).map(Some)
        }
        [] => {
            let seen: Vec<String> = listed.iter().map(describe).collect();
            let seen = if seen.is_empty() { "none at all".to_owned() } else { seen.join(", ") };
            let text = format!("no pull request was merged into `{base}` as `{sha}`; the forge lists {seen}");
            making.check("pull-request", false, text);
            Ok(None)
        }
        many => {
            let numbers: Vec<String> = many.iter().map(|one| format!("#{}", one.number)).collect();
            let text = format!("{} all claim to be merged as `{}`", numbers.join(", "), short(sha));
            making.check("pull-request", false, text);
            Ok(None)
        }
    }
}

fn describe(one: &PullRequest) -> String {
    match (&one.merged_at, one.merge_commit_sha.as_deref()) {
        (Some(_), Some(sha)) => format!("#{} (merged as `{}`)", one.number, short(sha)),
        _ => format!("#{} ({}, not merged)", one.number, one.state),
    }
}
