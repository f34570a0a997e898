//! `shipway build`

use std::path::PathBuf;

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::build::{BuildRequest, build};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Build a commit once, from a clean checkout: one sdist, the wheels, and a manifest with digests
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The commit to build
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    commit: String,
    /// The folder for the files, and only them
    #[arg(long, short, default_value = "dist", value_name = "DIR")]
    out: PathBuf,
    /// Only say what would be built
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let request = BuildRequest {
        commit: arguments.commit.clone(),
        out: arguments.out.clone(),
        dry_run: arguments.dry_run,
    };
    let report = build(&context, &request)?;
    let mut outcome = Outcome::new(&report);
    let short = report.commit.get(..12).unwrap_or(&report.commit).to_owned();
    outcome = match (&report.manifest, report.already) {
        (Some(_), true) => outcome.say(format!("{short} is built already")),
        (Some(manifest), false) => {
            outcome.say(format!("built {} {} from {short}", manifest.project, manifest.version))
        }
        (None, _) => outcome.say(format!("would build {short} into {}", report.out.display())),
    };
    for file in report.manifest.iter().flat_map(|manifest| &manifest.files) {
        outcome = outcome.say(format!("  {}  {:>9}  {}", file.sha256, file.size, file.filename));
    }
    Ok(outcome.say("next: shipway publish"))
}
