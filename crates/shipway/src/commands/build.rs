//! `shipway build`

use std::path::PathBuf;

use clap::Args;
use shipway_dist::Severity;
use shipway_release::Result;
use shipway_release::steps::build::{BuildRequest, Verified, build, refusal};

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
    /// Build a second time elsewhere, and the wheel from the tree too, and name the first member that differs
    #[arg(long)]
    verify: bool,
    /// Only say what would be built
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let request = BuildRequest {
        commit: arguments.commit.clone(),
        out: arguments.out.clone(),
        verify: arguments.verify,
        dry_run: arguments.dry_run,
    };
    let report = build(&context, &request)?;
    let mut outcome = Outcome::new(&report).refused(report.verified.as_ref().and_then(refusal));
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
    if let Some(verified) = &report.verified {
        for line in verdict(verified) {
            outcome = outcome.say(line);
        }
    }
    Ok(if outcome.refusal.is_none() { outcome.say("next: shipway publish") } else { outcome })
}

/// What a second build said, for people.
fn verdict(verified: &Verified) -> Vec<String> {
    let mut lines = Vec::new();
    if verified.reproducible {
        let (files, backend) = (verified.files.len(), &verified.backend);
        lines.push(format!("reproducible: {files} files have the same bytes again ({backend})"));
    }
    for finding in verified.findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        lines.push(finding.message.clone());
        lines.extend(finding.hint.as_ref().map(|hint| format!("  hint: {hint}")));
    }
    lines
}
