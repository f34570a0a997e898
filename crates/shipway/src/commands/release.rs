//! `shipway release`

use std::time::Duration;

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::release::{ReleaseRequest, release};

use crate::commands::bump::{LevelArguments, plan_lines};
use crate::commands::channel;
use crate::commands::forge::duration;
use crate::output::Outcome;
use crate::session::Session;

/// Run all steps in order on this machine; stops at the first refusal, run again to resume
///
/// With `[tool.shipway.forge]` it stops at the open pull request; run again after the merge, it publishes the files
/// that the CI run built.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    level: LevelArguments,
    /// The last channel to promote to; default: the last
    #[arg(long, value_name = "CHANNEL")]
    to: Option<String>,
    /// With a forge: how long to wait for the merge, and then for the CI run, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    wait: Duration,
    /// Compute and check everything, write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let bump = arguments.level.request(arguments.dry_run, true)?;
    let context = session.context(&arguments.level.overrides())?;
    let to = arguments.to.as_deref().map(channel).transpose()?;
    let report = release(&context, &ReleaseRequest { bump, to, wait: arguments.wait })?;
    let outcome = Outcome::new(&report);
    if let Some(nothing) = &report.nothing {
        return Ok(outcome.say(format!("{}: {nothing}", report.project)));
    }
    let version = report.version.clone().unwrap_or_default();
    let outcome = match &report.pull_request {
        Some(one) => outcome.say(format!("pull request #{} is {}: {}", one.number, one.state, one.url)),
        None => outcome,
    };
    if report.dry_run {
        let outcome = match &report.plan {
            Some(plan) => plan_lines(outcome, plan),
            None => outcome,
        };
        return Ok(outcome.say(format!("{} {version} would be released up to {}", report.project, report.to)));
    }
    if let Some(waiting) = &report.waiting {
        return Ok(outcome.say(format!("next: {waiting}")));
    }
    let last = report.channels.last().map(ToString::to_string).unwrap_or_default();
    let outcome = outcome.say(format!("{} {version} is in {last}", report.project));
    Ok(match (&report.install_from, context.target()?.is_embedded()) {
        (Some(url), false) => outcome.say(format!("install it: pip install --index-url {url} {}=={version}", report.project)),
        _ => outcome.say(format!(
            "install it: shipway serve --bind 127.0.0.1:8600, then pip install --index-url http://127.0.0.1:8600/{last}/simple/ {}=={version}",
            report.project
        )),
    })
}
