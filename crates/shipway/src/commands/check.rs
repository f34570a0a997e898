//! `shipway check`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use shipway_dist::check::Options;
use shipway_dist::{Finding, Severity};
use shipway_release::steps::check::{CheckReport, check};
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::Session;

/// Judge distribution files: framing, metadata, RECORD, names and contents
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Wheels and sdists, or folders that hold some
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Refuse also what is only unusual
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let options = Options { strict: arguments.strict };
    let report = check(&arguments.files, &options)?;
    Ok(Outcome::new(&report).print(text(&report, session)).refused(refusal(&report)))
}

fn text(report: &CheckReport, session: &Session) -> String {
    let style = session.style();
    let mut text = String::new();
    for file in &report.files {
        let (color, word) = if file.ok { (&style.good, "ok") } else { (&style.bad, "refused") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {color}{word}{}", file.path.display(), style.end);
        for finding in &file.findings {
            let _ = writeln!(text, "  {}", line(finding));
        }
    }
    text
}

/// A finding on one line.
fn line(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let member = finding.member.as_ref().map(|member| format!("{member}: ")).unwrap_or_default();
    format!("{word} {}: {member}{}", finding.id, finding.message)
}

fn refusal(report: &CheckReport) -> Option<Error> {
    let refused: Vec<String> = report
        .files
        .iter()
        .filter(|file| !file.ok)
        .map(|file| format!("`{}`", file.path.display()))
        .collect();
    let first =
        report.files.iter().flat_map(|file| &file.findings).find(|one| one.severity == Severity::Error)?;
    let what = format!("{} of {} files refused: {}", refused.len(), report.files.len(), refused.join(", "));
    Some(Error::refused("distribution", what).hint(format!("shipway explain {}", first.id)))
}
