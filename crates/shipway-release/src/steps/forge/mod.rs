//! The decisions of CI about releases, taken from what the forge says now and never from the text of a commit.
//!
//! Every decision names each check that it made. What could not be found out refuses; it is never a "no release".

mod check_pr;
mod finish;
mod merged_release;
mod record;
mod runs;
mod source;
mod verify_run;

use jiff::SignedDuration;
use serde::Serialize;

use crate::config::ForgeKind;
use crate::context::Context;
use crate::error::{Error, Problem, Result};
use crate::ops::forge::github::GitHub;
use crate::ops::forge::gitlab::GitLab;
use crate::ops::forge::{Forge, Location, Requests};
use crate::ops::git::Git;

pub use check_pr::check_pull_request;
pub use finish::{FinishReport, finish, tag_and_show};
pub use merged_release::{MergedReleaseRequest, Subject, merged_release, publish_title};
pub use record::report;
pub use verify_run::{VerifyRunRequest, verify_run};

/// How a decision went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// This is to be released; of a run: these bytes may be published; of a pull request: it may be merged.
    Release,
    /// This is no release, and nothing is wrong.
    None,
    /// It must not be released; of a pull request: it must not be merged.
    Refused,
}

/// One check of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its id, which `shipway explain` knows.
    pub id: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found, both values where two differ.
    pub detail: String,
}

/// Something that a decision noticed and that does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Commits were added to a release branch that was merged already.
    Stranded,
    /// A release pull request was closed without a merge.
    Abandoned,
    /// A pull request that is no release changed the version.
    VersionBump,
    /// A pull request takes a release back.
    Revert,
    /// The run is that of a later commit of the same push.
    MergeQueue,
    /// The branch reached the base without a merge by the forge, which the configuration allows.
    FastForward,
    /// The release was made before.
    AlreadyReleased,
    /// The publish was started before.
    AlreadyDispatched,
    /// Any successful run of the base may be published.
    BaseRun,
}

/// A decision with everything that led to it.
#[derive(Debug, Serialize)]
pub struct Decision {
    /// How it went.
    pub decision: Outcome,
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// What else was noticed.
    pub flags: Vec<Flag>,
    /// The project.
    pub project: String,
    /// The pull request.
    pub pull_request: Option<u64>,
    /// The version.
    pub version: Option<String>,
    /// The commit on the base.
    pub sha: Option<String>,
    /// The run that built it.
    pub run: Option<u64>,
    /// Its attempt.
    pub attempt: Option<u32>,
    /// The publish that was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatched: Option<Dispatched>,
    /// The files, of a verified run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<shipway_dist::ManifestFile>,
    /// The digest of the manifest's bytes, of a verified run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<shipway_dist::Sha256>,
    /// What stands against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What was asked of the forge.
    pub requests: Requests,
    /// The refusal; decides the exit code.
    #[serde(skip)]
    pub refusal: Option<Error>,
}

/// A publish that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dispatched {
    /// The workflow.
    pub workflow: String,
    /// Its run, where the forge tells it.
    pub run: Option<u64>,
    /// Whether an earlier call had started it.
    pub already: bool,
}

/// A decision while it is made.
pub(crate) struct Making {
    what: String,
    decision: Decision,
}

impl Making {
    pub(crate) fn new(context: &Context<'_>, what: String) -> Self {
        let decision = Decision {
            decision: Outcome::Refused,
            checks: Vec::new(),
            flags: Vec::new(),
            project: context.config.name.to_string(),
            pull_request: None,
            version: None,
            sha: None,
            run: None,
            attempt: None,
            dispatched: None,
            files: Vec::new(),
            manifest_sha256: None,
            problems: Vec::new(),
            requests: Requests::default(),
            refusal: None,
        };
        Self { what, decision }
    }

    /// Notes a check.
    pub(crate) fn check(&mut self, id: &'static str, ok: bool, detail: impl Into<String>) -> bool {
        self.decision.checks.push(Check { id, ok, detail: detail.into() });
        ok
    }

    pub(crate) fn flag(&mut self, flag: Flag) {
        if !self.decision.flags.contains(&flag) {
            self.decision.flags.push(flag);
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.decision.checks.iter().all(|check| check.ok)
    }

    pub(crate) fn decision(&mut self) -> &mut Decision {
        &mut self.decision
    }

    /// Ends with what the checks say, or with what kept them from being made: an error refuses too (row B14).
    pub(crate) fn finish(mut self, outcome: Result<Outcome>, forge: &dyn Forge) -> Decision {
        self.decision.requests = forge.requests();
        match outcome {
            Ok(outcome) if self.holds() => self.decision.decision = outcome,
            Ok(_) => {
                let failed: Vec<&Check> = self.decision.checks.iter().filter(|check| !check.ok).collect();
                let code = failed.first().map_or("refused", |check| check.id);
                let error = Error::refused(code, format!("{} is refused", self.what))
                    .hint(format!("shipway explain {code}"));
                let error = failed
                    .iter()
                    .fold(error, |error, check| error.cause(format!("{}: {}", check.id, check.detail)));
                self.decision.refusal = Some(error);
            }
            Err(error) => self.decision.refusal = Some(error),
        }
        if let Some(refusal) = &self.decision.refusal {
            self.decision.decision = Outcome::Refused;
            self.decision.problems = refusal.problems().into_iter().cloned().collect();
        }
        self.decision
    }
}

/// The forge of the project.
///
/// # Errors
/// When nothing names one, or what names it is wrong.
pub fn open(context: &Context<'_>) -> Result<Box<dyn Forge>> {
    match find(context)? {
        Some(forge) => Ok(forge),
        None => {
            Err(Error::usage("no-forge", "nothing says which forge holds the repository").hint(match context
                .config
                .forge
                .kind
            {
                ForgeKind::GitHub => "set GITHUB_REPOSITORY and GITHUB_API_URL, or `[tool.shipway.forge]`",
                ForgeKind::GitLab => "set CI_PROJECT_PATH and CI_API_V4_URL, or `[tool.shipway.forge]`",
            }))
        }
    }
}

/// The forge of the project, when it has one.
///
/// # Errors
/// When what names it is wrong.
pub fn find(context: &Context<'_>) -> Result<Option<Box<dyn Forge>>> {
    // The commands of CI run in an empty directory too.
    let git = Git::open(&context.config.directory, &context.environment).ok();
    let Some(location) = Location::find(&context.config, &context.environment, git.as_ref())? else {
        return Ok(None);
    };
    Ok(Some(match location.kind {
        ForgeKind::GitHub => Box::new(GitHub::new(location, std::thread::sleep)?),
        ForgeKind::GitLab => Box::new(GitLab::new(location, std::thread::sleep)?),
    }))
}

/// The first characters of a commit id, for people.
pub(crate) fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}

/// Whether a text is a whole commit id.
pub(crate) fn is_commit_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Waiting that grows from half a second to 15 and ends at a deadline.
pub(crate) struct Patience {
    left: SignedDuration,
    next: SignedDuration,
}

impl Patience {
    pub(crate) fn new(wait: std::time::Duration) -> Self {
        let left = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        Self { left, next: SignedDuration::from_millis(500) }
    }

    /// Waits a while; false when there is no time left.
    pub(crate) fn wait(&mut self, forge: &dyn Forge) -> bool {
        let time = self.next.min(self.left);
        if time <= SignedDuration::ZERO {
            return false;
        }
        forge.pause(time.unsigned_abs());
        self.left -= time;
        self.next = (self.next * 2).min(SignedDuration::from_secs(15));
        true
    }
}
