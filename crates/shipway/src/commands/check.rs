//! `shipway check`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shipway_dist::{Finding, Severity, report};
use shipway_release::config;
use shipway_release::progress::Progress as _;
use shipway_release::steps::check::{CheckReport, CheckRequest, check};
use shipway_release::{Error, Result, rules};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The most annotations that a run of a workflow shows.
const ANNOTATIONS: usize = 50;

/// Judge distribution files: framing, metadata, RECORD, names and contents
///
/// Every byte is read once and everything that is wrong is said at once. A finding refuses (error) or tells
/// (warning); `shipway explain ID` says why it matters and what mends it. In a project, the levels that
/// `[[tool.shipway.level]]` sets hold.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Wheels and sdists, or folders that hold some
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Refuse also what is only unusual; implies --render
    #[arg(long)]
    strict: bool,
    /// Render descriptions in reStructuredText with the docutils of `python3` or SHIPWAY_PYTHON, where it has it
    #[arg(long)]
    render: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// Annotations of a GitHub job
    Github,
    /// SARIF 2.1.0
    Sarif,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let directory = session.directory()?;
    let levels = if config::is_configured(&directory)? {
        session.context(&Overrides::default())?.config.levels
    } else {
        Vec::new()
    };
    let request = CheckRequest {
        paths: arguments.files.clone(),
        strict: arguments.strict,
        render: arguments.render || arguments.strict,
        python: session.environment.path(config::environment::PYTHON),
        levels,
    };
    let report = check(&request, &session.environment)?;
    let files: Vec<(String, &[Finding])> =
        report.files.iter().map(|file| (file.path.display().to_string(), file.findings.as_slice())).collect();
    for ignored in &report.ignored {
        session.talk.warn(&format!("not judged: {ignored}"));
    }
    let text = match arguments.format {
        Format::Text => text(&report, session),
        Format::Github => {
            let lines = report::annotations(files.iter().map(borrowed), ANNOTATIONS);
            lines.into_iter().map(|line| line + "\n").collect()
        }
        Format::Sarif => format!("{:#}\n", report::sarif(files.iter().map(borrowed), &explain)),
    };
    Ok(Outcome::new(&report).print(text).refused(refusal(&report)))
}

fn borrowed<'f>((path, findings): &'f (String, &'f [Finding])) -> (&'f str, &'f [Finding]) {
    (path, findings)
}

fn explain(id: &str) -> Option<(String, String)> {
    rules::RULES.iter().find(|rule| rule.id == id).map(|rule| (rule.why.to_owned(), rule.fix.to_owned()))
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
