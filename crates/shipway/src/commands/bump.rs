//! `shipway bump`

use clap::Args;
use shipway_release::steps::bump::{BumpPlan, BumpRequest, Wish, bump, resume_pull_request};
use shipway_release::version::Level;
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Cut a release: branch `release/vX.Y.Z` with exactly one commit, pushed
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) level: LevelArguments,
    /// Compute and check everything, write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Stay on the branch that is checked out
    #[arg(long)]
    no_switch: bool,
    /// Open the pull request at the forge, also of a release branch that is pushed already; default with
    /// `[tool.shipway.forge]`
    #[arg(long, conflicts_with = "no_pr")]
    pr: bool,
    /// Open no pull request
    #[arg(long)]
    no_pr: bool,
}

/// How far to bump; shared with `release`.
#[derive(Debug, Args)]
pub(crate) struct LevelArguments {
    /// major, minor, patch; alpha, beta, rc, final, post, dev; auto; or a version
    #[arg(value_name = "LEVEL|VERSION")]
    pub(crate) level: String,
    /// Begin a pre-release of the next version
    #[arg(long, value_name = "alpha|beta|rc")]
    pub(crate) pre: Option<String>,
    /// The branch to cut from, instead of the configuration's
    #[arg(long, value_name = "BRANCH", allow_hyphen_values = true)]
    pub(crate) base_branch: Option<String>,
}

impl LevelArguments {
    /// The request that the arguments stand for.
    pub(crate) fn request(&self, dry_run: bool, no_switch: bool) -> Result<BumpRequest> {
        let Ok(level) = self.level.parse::<Level>();
        let pre = match self.pre.as_deref().map(str::parse::<Level>) {
            None => None,
            Some(Ok(Level::Pre(kind))) => Some(kind),
            Some(Ok(other)) => {
                return Err(
                    Error::usage("level", format!("`--pre {other}` is no pre-release")).hint("--pre rc")
                );
            }
        };
        Ok(BumpRequest { level, pre, dry_run, no_switch, pull_request: Wish::No })
    }

    /// What the arguments say about configuration.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { base_branch: self.base_branch.clone(), ..Overrides::default() }
    }
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let mut request = arguments.level.request(arguments.dry_run, arguments.no_switch)?;
    request.pull_request = match (arguments.pr, arguments.no_pr) {
        (true, _) => Wish::Yes,
        (false, true) => Wish::No,
        (false, false) => Wish::Configured,
    };
    let context = session.context(&arguments.level.overrides())?;
    // The branch of an exact version may be there already: then only its pull request is missing.
    if let (Level::Exact(version), true, false) = (&request.level, arguments.pr, arguments.dry_run)
        && let Some(opened) = resume_pull_request(&context, version, request.pull_request)?
    {
        let document = serde_json::json!({ "version": version, "dry_run": false, "pull_request": opened });
        return Ok(Outcome::new(&document).say(format!("next: review and merge {}", opened.url)));
    }
    let report = bump(&context, &request)?;
    let outcome = Outcome::new(&report);
    if report.dry_run {
        return Ok(plan_lines(outcome, &report.plan));
    }
    Ok(match &report.pull_request {
        Some(opened) => outcome.say(format!("next: review and merge {}", opened.url)),
        None => outcome.say("next: shipway build"),
    })
}

/// The plan, line by line.
pub(crate) fn plan_lines(outcome: Outcome, plan: &BumpPlan) -> Outcome {
    let outcome = outcome
        .say(format!("{} {} → {} ({})", plan.project, plan.old, plan.new, plan.why))
        .say(format!(
            "base {} at {}{}",
            plan.base,
            plan.base_commit,
            if plan.fast_forward { ", moved forward" } else { "" }
        ))
        .say(format!(
            "branch {} with one commit, pull request against {}",
            plan.branch, plan.pull_request_base
        ))
        .say("files:");
    let outcome = plan.files.iter().fold(outcome, |outcome, file| outcome.say(format!("  {file}")));
    outcome.say("nothing was written")
}
