//! `shipway promote`

use clap::Args;
use shipway_dist::wire::Override;
use shipway_release::steps::promote::{PromoteRequest, promote};
use shipway_release::{Error, Result};

use crate::commands::channel;
use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Make the same bytes visible in the next channel
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The version
    version: String,
    /// The target channel
    #[arg(long, value_name = "CHANNEL")]
    to: String,
    /// A gate or rule to pass over (`skip-channel` for a channel left out); needs --reason and --approver
    #[arg(long = "override", value_name = "GATE", requires_all = ["reason", "approver"])]
    over: Vec<String>,
    /// Why it is passed over
    #[arg(long, value_name = "TEXT", requires = "over")]
    reason: Option<String>,
    /// Who decided that
    #[arg(long, value_name = "NAME", requires = "over")]
    approver: Option<String>,
    /// Check everything, change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let to = channel(&arguments.to)?;
    let over = match (&arguments.reason, &arguments.approver) {
        (Some(reason), Some(approver)) if reason.trim().is_empty() || approver.trim().is_empty() => {
            return Err(Error::usage("no-reason", "an override needs a reason and an approver"));
        }
        (Some(reason), Some(approver)) => Some(Override {
            gates: arguments.over.clone(),
            reason: reason.clone(),
            approver: approver.clone(),
        }),
        _ => None,
    };
    let request = PromoteRequest { version: arguments.version.clone(), to, over, dry_run: arguments.dry_run };
    if request.to == *context.config.last_channel() && !arguments.dry_run {
        // What would be refused anyway needs no answer.
        promote(&context, &PromoteRequest { dry_run: true, ..request.clone() })?;
        let (name, version) = (&context.config.name, &arguments.version);
        session.confirm(&format!("promote {name} {version} to {}, the last channel", request.to))?;
    }
    let report = promote(&context, &request)?;
    let mut outcome = Outcome::new(&report).say(match (report.dry_run, report.changed) {
        (true, true) => format!("{} {} would be promoted to {}", report.project, report.version, report.to),
        (false, true) => {
            format!("promoted {} {} to {}, the same bytes", report.project, report.version, report.to)
        }
        (_, false) => format!("{} {} is in {} already", report.project, report.version, report.to),
    });
    for file in &report.files {
        outcome = outcome.say(format!("  {}  {}", file.sha256, file.filename));
    }
    Ok(outcome)
}
