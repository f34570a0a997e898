//! `shipway status`

use std::fmt::Write as _;

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::status::{StatusReport, status};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// What is in each channel, and what the next promotion still lacks
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show where this version is, instead of the current ones
    version: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let report = status(&context, arguments.version.as_deref())?;
    Ok(Outcome::new(&report).print(text(&report)))
}

/// The report on one screen.
pub(crate) fn text(report: &StatusReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} on {}", report.project, report.index);
    for channel in &report.channels {
        let version = channel.version.as_deref().unwrap_or("-");
        let lacks = if channel.lacks.is_empty() {
            String::new()
        } else {
            format!("lacks {}", channel.lacks.join(", "))
        };
        let _ = writeln!(text, "  {:<12} {version:<14} {lacks}", channel.name.as_str());
        for file in &channel.files {
            let _ = writeln!(text, "  {:<12} {}  {}", "", file.sha256.short(), file.filename);
        }
    }
    for blocked in &report.blocked {
        let _ = writeln!(text, "  blocked      {:<14} {}", blocked.version, blocked.reason);
    }
    if let Some(open) = &report.pull_request {
        let _ =
            writeln!(text, "  open         {:<14} pull request #{} {}", open.version, open.number, open.url);
    }
    if let Some(next) = &report.next {
        let _ = writeln!(text, "next: {next}");
    }
    text
}
