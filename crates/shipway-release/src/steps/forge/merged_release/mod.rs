//! Whether a commit is the merge of a release pull request, and the publish started when it is (rows B1 to B22).
//!
//! Taken from what the forge says of the pull request, the commit and the run. The text of a commit explains a
//! missing run and decides nothing (row B13).

mod dispatch;
mod find;
mod judge;

use std::time::Duration;

use serde_json::Value;

use super::runs::{Wanted, push_run};
use super::source::{Source, claims_release};
use super::{Decision, Flag, Making, Outcome, is_commit_id, short};
use crate::config::{Environment, ForgeKind, environment};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::{Forge, PullRequest, Repository};

pub use dispatch::publish_title;
pub(super) use judge::files as release_files;
pub(crate) use judge::{Judged, judge_release};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct MergedReleaseRequest {
    /// The pull request or commit.
    pub subject: Subject,
    /// How long to wait for what the forge does not list yet.
    pub wait: Duration,
    /// The workflow to start when it is a release.
    pub dispatch: Option<String>,
}

/// What is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The pull request with this number.
    PullRequest(u64),
    /// The commit with this id.
    Commit(String),
    /// What the event of the CI run names.
    Event,
}

/// The event of the CI run, as far as it is used: it names, and never decides.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Event {
    #[serde(default)]
    pub(crate) pull_request: Option<Numbered>,
    #[serde(default)]
    pub(crate) repository: Option<Repository>,
    #[serde(default)]
    after: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
}

impl Event {
    /// Reads the file that `GITHUB_EVENT_PATH` names, on GitLab the variables of the job; nothing when there is none.
    pub(crate) fn read(context: &Context<'_>) -> Result<Self> {
        if context.config.forge.kind == ForgeKind::GitLab {
            return Ok(Self::of_job(&context.environment));
        }
        let Some(path) = context.environment.path(environment::FORGE_EVENT) else {
            return Ok(Self::default());
        };
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let wrong = |error: serde_json::Error| {
            Error::usage("bad-event", format!("`{}` is no event of the forge", path.display()))
                .cause(error.to_string())
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        serde_json::from_value(value).map_err(wrong)
    }

    /// What the variables of a job of GitLab name; a commit only when it was pushed to a branch.
    fn of_job(variables: &Environment) -> Self {
        let number = |name: &str| variables.get(name).and_then(|text| text.parse::<u64>().ok());
        let text = |name: &str| variables.get(name).map(str::to_owned);
        let is_push = variables.get(environment::GITLAB_SOURCE) == Some("push")
            && variables.get(environment::GITLAB_BRANCH).is_some();
        let repository = number(environment::GITLAB_REPOSITORY_ID).map(|id| Repository {
            id,
            full_name: text(environment::GITLAB_REPOSITORY).unwrap_or_default(),
            default_branch: text(environment::GITLAB_DEFAULT_BRANCH),
        });
        Self {
            pull_request: number(environment::GITLAB_MERGE_REQUEST).map(|number| Numbered { number }),
            repository,
            after: text(environment::GITLAB_COMMIT).filter(|_| is_push),
        }
    }
}

/// Decides whether this is a merged release, and starts the publish when that is asked for.
///
/// Whatever keeps it from being found out is a refusal in the decision, with its own code and exit code.
///
/// # Errors
/// When the request itself is wrong; nothing was asked then.
pub fn merged_release(
    context: &Context<'_>,
    forge: &dyn Forge,
    request: &MergedReleaseRequest,
) -> Result<Decision> {
    let event = Event::read(context)?;
    let subject = match (&request.subject, &event) {
        (Subject::Event, Event { pull_request: Some(one), .. }) => Subject::PullRequest(one.number),
        (Subject::Event, Event { after: Some(sha), .. }) => Subject::Commit(sha.clone()),
        (Subject::Event, _) => {
            return Err(Error::usage("no-subject", "neither a pull request nor a commit is named")
                .hint("give --pr N or --sha S"));
        }
        (other, _) => other.clone(),
    };
    let what = match &subject {
        Subject::Commit(sha) if !is_commit_id(sha) => {
            return Err(Error::usage("bad-commit", format!("`{sha}` is no whole commit id"))
                .hint("give all 40 or 64 lower-case hexadecimal digits"));
        }
        Subject::Commit(sha) => format!("the release of commit `{}`", short(sha)),
        Subject::PullRequest(number) => format!("the release of pull request #{number}"),
        Subject::Event => "the release".to_owned(),
    };
    if let Some(workflow) = &request.dispatch
        && !forge.location().kind.is_workflow(workflow)
    {
        return Err(Error::usage("bad-workflow", format!("`{workflow}` is no file name of a workflow"))
            .hint(format!("--dispatch {}", context.config.forge.publish_workflow)));
    }
    let mut making = Making::new(context, what);
    let outcome = decide(context, forge, &event, &subject, request, &mut making);
    Ok(making.finish(outcome, forge))
}

fn decide(
    context: &Context<'_>,
    forge: &dyn Forge,
    event: &Event,
    subject: &Subject,
    request: &MergedReleaseRequest,
    making: &mut Making,
) -> Result<Outcome> {
    let source = Source::new(context, forge)?;
    let found = match subject {
        Subject::PullRequest(number) => {
            let found = forge.pull_request(*number)?;
            making.check("pull-request", found.number == *number, format!("#{}", found.number));
            Some(found)
        }
        Subject::Commit(sha) => find::of_commit(context, forge, event, &source, making, sha, request.wait)?,
        Subject::Event => None,
    };
    let Some(pull_request) = found else { return Ok(Outcome::Refused) };
    making.decision().pull_request = Some(pull_request.number);
    if !claims_release(&pull_request.head.branch) {
        return ordinary(context, forge, &source, making, &pull_request);
    }
    let expected = expected_repository(forge, event)?;
    let Judged::Release { version, sha, commit, released } =
        judge_release(context, forge, &source, making, &pull_request, expected)?
    else {
        return Ok(Outcome::Refused);
    };
    making.decision().version = Some(version.to_string());
    making.decision().sha = Some(sha.clone());
    if released {
        making.flag(Flag::AlreadyReleased);
        return Ok(Outcome::None);
    }
    if !making.holds() {
        return Ok(Outcome::Refused);
    }
    let wanted = Wanted {
        sha: &sha,
        version: &version,
        pull_request: &pull_request,
        commit: commit.as_ref(),
        wait: request.wait,
    };
    let Some(run) = push_run(context, forge, &source, making, &wanted)? else { return Ok(Outcome::Refused) };
    making.decision().run = Some(run.id);
    making.decision().attempt = run.run_attempt;
    if let (Some(workflow), true) = (&request.dispatch, making.holds()) {
        dispatch::start(context, forge, making, workflow, &pull_request, &version, &run)?;
    }
    Ok(Outcome::Release)
}

/// A pull request that is no release: says so, and reports a change of the version that came with it (row B9).
fn ordinary(
    context: &Context<'_>,
    forge: &dyn Forge,
    source: &Source<'_>,
    making: &mut Making,
    pull_request: &PullRequest,
) -> Result<Outcome> {
    let head = crate::ops::forge::github::plain(&pull_request.head.branch);
    making.check(
        "release-branch",
        true,
        format!("`{head}` is no release branch, so that nothing is released"),
    );
    let is_merged = pull_request.merged == Some(true);
    let base = &pull_request.base.branch;
    if is_merged && claims_release(base) {
        let releases = forge.pull_requests_from(base)?;
        let late = releases.iter().filter(|one| one.base.branch == context.config.base_branch).any(|one| {
            matches!((&one.merged_at, &pull_request.merged_at), (Some(release), Some(own)) if release <= own)
        });
        if late {
            making.flag(Flag::Stranded);
            let text = format!(
                "it was merged into `{base}` after that had been released; cut the next version with it"
            );
            making.check("stranded", true, text);
        }
    }
    let sha =
        pull_request.merge_commit_sha.as_ref().filter(|_| is_merged && *base == context.config.base_branch);
    if let Some(sha) = sha {
        making.decision().sha = Some(sha.clone());
        let (old, new) = source.versions_of(pull_request)?;
        if old != new {
            let is_back = matches!((old.version(), new.version()), (Some(old), Some(new)) if new < old);
            making.flag(if is_back { Flag::Revert } else { Flag::VersionBump });
            let text = format!("it changes the version from {old} to {new}, which is not released");
            making.check("version-change", true, text);
        }
    }
    Ok(Outcome::None)
}

/// The number of the configured repository: from the configuration, the environment or the event, else asked for.
pub(crate) fn expected_repository(forge: &dyn Forge, event: &Event) -> Result<u64> {
    let location = forge.location();
    if let Some(id) = location.repository_id {
        return Ok(id);
    }
    let same = |one: &&Repository| one.full_name.eq_ignore_ascii_case(&location.repository);
    match event.repository.as_ref().filter(same) {
        Some(repository) => Ok(repository.id),
        None => Ok(forge.repository()?.id),
    }
}
