//! `shipway forge`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use shipway_release::steps::forge::{
    Decision, MergedReleaseRequest, Outcome as Decided, Subject, VerifyRunRequest, check_pull_request,
    finish, merged_release, open, report, tag_and_show, verify_run,
};
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The decisions of CI about releases, taken from what the forge says now
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Whether a pull request touches what only a release may, or is a release as it must be
    CheckPr {
        /// The pull request; default: the one of the event
        number: Option<u64>,
        /// The branch that releases are cut from, instead of the configuration's
        #[arg(long, value_name = "BRANCH")]
        base_branch: Option<String>,
    },
    /// Whether a commit is the merge of a release pull request, and which run built it
    ///
    /// Without --pr and --sha, what the event names is judged. `release` and `none` exit 0, a refusal exits 1, and
    /// what could not be found out exits 3.
    MergedRelease(MergedRelease),
    /// Whether a CI run built a release; hands its files to `dist/` and its manifest to `.shipway/`
    VerifyRun(VerifyRun),
    /// Tag a published release at the commit of its merge and show it at the forge, each once
    Finish {
        /// The version
        version: String,
        /// It is known to be published: the index is not asked, so that no credential of it is needed
        #[arg(long)]
        published: bool,
        /// The branch that releases are cut from, instead of the configuration's
        #[arg(long, value_name = "BRANCH")]
        base_branch: Option<String>,
    },
}

#[derive(Debug, Args)]
struct MergedRelease {
    /// The pull request
    #[arg(long, value_name = "N", conflicts_with = "sha")]
    pr: Option<u64>,
    /// The commit on the base
    #[arg(long, value_name = "SHA")]
    sha: Option<String>,
    /// How long to wait for what the forge does not list yet, such as 90, 90s or 10m
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    wait: Duration,
    /// Start this workflow when it is a release, once for a pull request
    #[arg(long, value_name = "WORKFLOW")]
    dispatch: Option<String>,
    /// The branch that releases are cut from, instead of the configuration's
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<String>,
}

#[derive(Debug, Args)]
struct VerifyRun {
    /// The run's number
    #[arg(value_name = "RUN_ID", allow_hyphen_values = true)]
    run: String,
    /// The version to publish
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// The artifact to take, where several have one name; repeat for several
    #[arg(long, value_name = "ID")]
    artifact_id: Vec<u64>,
    /// The sha256 that the manifest must have
    #[arg(long, value_name = "SHA256")]
    manifest_sha256: Option<String>,
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// The branch that releases are cut from, instead of the configuration's
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<String>,
}

/// Seconds, or a number with `s`, `m` or `h`.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("expected seconds, or a number with `s`, `m` or `h`".to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds
        .filter(|seconds| *seconds <= 86_400)
        .map(Duration::from_secs)
        .ok_or("expected at most a day".to_owned())
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let overrides = |base: &Option<String>| Overrides { base_branch: base.clone(), ..Overrides::default() };
    let (decision, schema) = match &arguments.action {
        Action::CheckPr { number, base_branch } => {
            let context = session.context(&overrides(base_branch))?;
            let forge = open(&context)?;
            let decision = check_pull_request(&context, &*forge, *number)?;
            report(&context, &*forge, &decision, "check-pr")?;
            (decision, "shipway.forge-check-pr/1")
        }
        Action::MergedRelease(arguments) => {
            let context = session.context(&overrides(&arguments.base_branch))?;
            let subject = match (arguments.pr, &arguments.sha) {
                (Some(number), _) => Subject::PullRequest(number),
                (None, Some(sha)) => Subject::Commit(sha.clone()),
                (None, None) => Subject::Event,
            };
            let request =
                MergedReleaseRequest { subject, wait: arguments.wait, dispatch: arguments.dispatch.clone() };
            let forge = open(&context)?;
            let decision = merged_release(&context, &*forge, &request)?;
            report(&context, &*forge, &decision, "merged-release")?;
            (decision, "shipway.forge-merged-release/1")
        }
        Action::VerifyRun(arguments) => {
            let context = session.context(&overrides(&arguments.base_branch))?;
            let manifest_sha256 = arguments.manifest_sha256.as_deref().map(|text| {
                text.parse().map_err(|_| Error::usage("bad-digest", format!("`{text}` is no sha256")))
            });
            let request = VerifyRunRequest {
                run: arguments.run.clone(),
                version: arguments.version.clone(),
                artifacts: arguments.artifact_id.clone(),
                manifest_sha256: manifest_sha256.transpose()?,
                out: arguments.out.clone(),
            };
            let forge = open(&context)?;
            let decision = verify_run(&context, &*forge, &request)?;
            report(&context, &*forge, &decision, "verify-run")?;
            (decision, "shipway.forge-verify-run/1")
        }
        Action::Finish { version, published, base_branch } => {
            let context = session.context(&overrides(base_branch))?;
            let forge = open(&context)?;
            let report = if *published {
                tag_and_show(&context, &*forge, version)?
            } else {
                finish(&context, &*forge, version)?
            };
            let made = |already: bool| if already { "there already" } else { "made" };
            let text = format!(
                "tag {} at {} ({})\nrelease {} ({})\n",
                report.tag,
                report.commit,
                made(report.tag_already),
                report.url,
                made(report.release_already)
            );
            return Ok(Outcome::new(&report).schema("shipway.forge-finish/1").print(text));
        }
    };
    Ok(outcome(decision, schema))
}

fn outcome(decision: Decision, schema: &'static str) -> Outcome {
    let word = match decision.decision {
        Decided::Release => "release",
        Decided::None => "none",
        Decided::Refused => "refused",
    };
    let mut text = String::new();
    for check in &decision.checks {
        text.push_str(&format!("{}  {}: {}\n", if check.ok { "ok" } else { "no" }, check.id, check.detail));
    }
    text.push_str(&format!("decision: {word}\n"));
    let mut outcome = Outcome::new(&decision).schema(schema).print(text);
    if let Some(dispatched) = &decision.dispatched {
        let which = dispatched.run.map_or("a run".to_owned(), |run| format!("run {run}"));
        let verb = if dispatched.already { "had been started" } else { "was started" };
        outcome = outcome.say(format!("{which} of {} {verb}", dispatched.workflow));
    }
    outcome.refused(decision.refusal)
}
