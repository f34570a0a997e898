//! `shipway init`

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::init::{InitRequest, init};

use crate::output::Outcome;
use crate::session::Session;

/// Prepare this project: write `[tool.shipway]`, a changelog if there is none, and ignore rules
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show what would be written
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Commit what was written
    #[arg(long)]
    commit: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let request = InitRequest { dry_run: arguments.dry_run, commit: arguments.commit };
    let report = init(&session.directory()?, &session.environment, &request)?;
    let mut outcome = Outcome::new(&report).say(format!(
        "{} {}, version in {}, built by {}",
        report.project, report.version, report.version_place, report.backend
    ));
    if report.already {
        return Ok(outcome.say("prepared already; nothing to write"));
    }
    for (path, added) in &report.files {
        outcome = outcome.say(format!("{} {path}", if report.dry_run { "would write" } else { "wrote" }));
        if report.dry_run {
            outcome = added.lines().fold(outcome, |outcome, line| outcome.say(format!("  + {line}")));
        }
    }
    outcome = outcome.say("next:");
    Ok(report.next.iter().fold(outcome, |outcome, command| outcome.say(format!("  {command}"))))
}
