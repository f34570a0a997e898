//! `shipway approve`

use std::path::PathBuf;

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::approve::{ApproveRequest, approve};

use crate::commands::channel;
use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Sign an approval of a release, over the digests of its files, as a release manager
///
/// The key is a release manager's that the index knows (`shipway admin key create --role release-manager`). Whoever
/// published a release cannot approve it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The version
    version: String,
    /// The channel that it may enter; default: the last
    #[arg(long, value_name = "CHANNEL")]
    to: Option<String>,
    /// Why; for a release from a person's machine: why the CI was unavailable
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Take an approval back
    #[arg(long)]
    withdraw: bool,
    /// The release manager's private key, PKCS#8 PEM; default: keys/release-manager.pem in the data directory
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The publisher's manifest, for a release that is not at the index yet
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Write the approval to a file, for `shipway publish --approval FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show what would be signed, sign nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let request = ApproveRequest {
        version: arguments.version.clone(),
        to: arguments.to.as_deref().map(channel).transpose()?,
        reason: arguments.reason.clone(),
        withdraw: arguments.withdraw,
        key: arguments.key.clone(),
        manifest: arguments.manifest.clone(),
        out: arguments.out.clone(),
        dry_run: arguments.dry_run,
    };
    let report = approve(&context, &request)?;
    let word = match (report.dry_run, report.withdrawn) {
        (true, _) => "would sign for",
        (false, true) => "withdrew the approval of",
        (false, false) => "approved",
    };
    let what = format!("{word} {} {} for {}", report.project, report.version, report.to);
    let mut outcome = Outcome::new(&report).say(format!("{what}, with key {}", report.key.short()));
    for file in &report.files {
        outcome = outcome.say(format!("  {}  {}", file.sha256, file.filename));
    }
    if let Some(path) = &report.kept {
        outcome = outcome.say(format!("kept in {}", path.display()));
    }
    Ok(outcome)
}
