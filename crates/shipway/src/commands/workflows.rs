//! `shipway workflows`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shipway_release::Result;
use shipway_release::steps::workflows::{
    GenerateRequest, State, WorkflowsReport, check, generate, refusal, upgrade,
};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The workflows of CI: written from the configuration, and kept equal to it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write those that are missing or no longer what the configuration says
    Generate {
        /// Show what would be written
        #[arg(long, short = 'n')]
        dry_run: bool,
        /// Write also over what was written or changed by hand
        #[arg(long)]
        overwrite: bool,
        /// Also write an action for single steps into this folder of the repository
        #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".github/actions/shipway")]
        composite_action: Option<PathBuf>,
    },
    /// Refuse those that are not what the configuration says, and every workflow that the forge could not load
    Check,
    /// Move them, and the pins in those changed by hand, to what this shipway writes
    Upgrade {
        /// Show what would be written
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    match &arguments.action {
        Action::Generate { dry_run, overwrite, composite_action } => {
            let request = GenerateRequest {
                dry_run: *dry_run,
                overwrite: *overwrite,
                composite_action: composite_action.clone(),
            };
            let report = generate(&context, &request)?;
            let refused = refusal(&report);
            let outcome = Outcome::new(&report).schema("shipway.workflows-generate/1").refused(refused);
            let diffs = if *dry_run { diffs(&report) } else { String::new() };
            Ok(told(outcome.print(diffs), &report))
        }
        Action::Check => {
            let report = check(&context)?;
            let refused = refusal(&report);
            let outcome = Outcome::new(&report).schema("shipway.workflows-check/1").refused(refused);
            Ok(told(outcome.print(diffs(&report)), &report))
        }
        Action::Upgrade { dry_run } => {
            let report = upgrade(&context, *dry_run)?;
            let outcome = Outcome::new(&report).schema("shipway.workflows-upgrade/1");
            let diffs = if *dry_run { diffs(&report) } else { String::new() };
            Ok(told(outcome.print(diffs), &report))
        }
    }
}

fn diffs(report: &WorkflowsReport) -> String {
    report.files.iter().map(|file| file.diff.as_str()).collect()
}

fn told(outcome: Outcome, report: &WorkflowsReport) -> Outcome {
    report.files.iter().fold(outcome, |outcome, file| {
        let word = match (file.state, file.written, report.dry_run) {
            (_, true, true) => "would be written",
            (_, true, false) => "written",
            (State::Fresh, false, _) => "as the configuration says",
            (State::Missing, false, _) => "missing",
            (State::Stale, false, _) => "not what the configuration says now",
            (State::Edited, false, _) => {
                "changed by hand, left as it is; `shipway workflows generate --overwrite` writes it anew"
            }
            (State::Foreign, false, _) => {
                "written by hand, left as it is; `shipway workflows generate --overwrite` replaces it"
            }
        };
        outcome.say(format!("{}: {word}", file.path))
    })
}
