//! `shipway smoke`

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::smoke::{SmokeRequest, refusal, smoke};

use crate::commands::channel;
use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Install a release from its channel into a fresh environment and try it; block it when it fails
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The version
    version: String,
    /// The channel; default: the first
    #[arg(long, value_name = "CHANNEL")]
    from: Option<String>,
    /// Install the sdist instead of the wheel
    #[arg(long)]
    sdist: bool,
    /// Try it, and neither record nor block
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let request = SmokeRequest {
        version: arguments.version.clone(),
        from: arguments.from.as_deref().map(channel).transpose()?,
        sdist: arguments.sdist,
        dry_run: arguments.dry_run,
    };
    let report = smoke(&context, &request)?;
    let mut outcome = Outcome::new(&report);
    for file in &report.installed {
        outcome = outcome.say(format!(
            "  installed {} from {}",
            file.filename,
            if file.from_index { "the index" } else { file.url.as_str() }
        ));
    }
    for import in &report.imports {
        outcome = outcome.say(format!(
            "  {} {}",
            if import.error.is_none() { "imported" } else { "FAILED  " },
            import.symbol
        ));
    }
    for probe in &report.probes {
        outcome = outcome.say(format!("  {} {}", if probe.ok { "probed  " } else { "FAILED  " }, probe.id));
    }
    if report.passed {
        outcome = outcome
            .say(format!("{} {} works, installed from {}", report.project, report.version, report.channel));
    }
    Ok(outcome.refused(refusal(&report)))
}
