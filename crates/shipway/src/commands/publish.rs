//! `shipway publish`

use std::path::PathBuf;

use clap::Args;
use shipway_dist::wire::Need;
use shipway_release::steps::build::take_manifest;
use shipway_release::steps::publish::PublishRequest;
use shipway_release::steps::publish_summary::publish_and_tell;
use shipway_release::{Error, Result};

use crate::commands::channel;
use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Upload the files of the manifest: all become visible together, or none does
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The channel; default: the first
    #[arg(long, value_name = "CHANNEL")]
    to: Option<String>,
    /// The folder with the built files
    #[arg(long, default_value = "dist", value_name = "DIR")]
    dist: PathBuf,
    /// The manifest, where another job made it; default: `.shipway/manifest.json`
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The sha256 that the manifest must have
    #[arg(long, value_name = "SHA256")]
    manifest_sha256: Option<String>,
    /// Prove target, credential and files; upload nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// A section of .pypirc to take the credential from
    #[arg(long, short, value_name = "SECTION")]
    repository: Option<String>,
    /// A release manager's approval, where the index asks for one of a release from a person's machine
    #[arg(long, value_name = "FILE")]
    approval: Option<PathBuf>,
    /// Accepted for twine's sake: identical files always pass, others never
    #[arg(long, hide = true)]
    skip_existing: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context =
        session.context(&Overrides { section: arguments.repository.clone(), ..Overrides::default() })?;
    if arguments.manifest.is_some() || arguments.manifest_sha256.is_some() {
        let expected = arguments.manifest_sha256.as_deref().map(|text| {
            text.parse().map_err(|_| Error::usage("bad-digest", format!("`{text}` is no sha256")))
        });
        let own = PathBuf::from(".shipway/manifest.json");
        take_manifest(&context, arguments.manifest.as_ref().unwrap_or(&own), expected.transpose()?)?;
    }
    let request = PublishRequest {
        to: arguments.to.as_deref().map(channel).transpose()?,
        dist: arguments.dist.clone(),
        dry_run: arguments.dry_run,
        also: vec![Need { action: "evidence".to_owned(), channel: None }],
        approval: arguments.approval.clone(),
    };
    let report = publish_and_tell(&context, &request)?;
    let mut outcome = Outcome::new(&report);
    if arguments.skip_existing {
        outcome =
            outcome.say("note: --skip-existing does nothing; identical files always pass, others never");
    }
    outcome = outcome.say(match (report.dry_run, report.already) {
        (true, _) => format!(
            "{} {} would be published to {} on {}",
            report.project, report.version, report.channel, report.index
        ),
        (false, true) => format!(
            "{} {} is in {} on {} already",
            report.project, report.version, report.channel, report.index
        ),
        (false, false) => format!(
            "published {} {} to {} on {}",
            report.project, report.version, report.channel, report.index
        ),
    });
    for file in &report.files {
        outcome = outcome.say(format!("  {}  {} ({})", file.sha256, file.filename, file.result));
    }
    for what in &report.unproven {
        outcome = outcome.say(format!("not proven: {what}"));
    }
    Ok(outcome.say(format!("next: shipway smoke {}", report.version)))
}
