//! `shipway ready`

use std::fmt::Write as _;

use clap::Args;
use shipway_dist::policy::ItemVerdict;
use shipway_release::Result;
use shipway_release::steps::ready::{ReadyReport, ReadyRequest, ready, refusal};

use crate::commands::channel;
use crate::output::{Outcome, Style};
use crate::session::{Overrides, Session};

/// Everything that a channel asks of a release, as one table; exit 1 unless all of it holds
///
/// It runs nothing: it shows what the recorded evidence says of exactly these bytes, judged as the index will judge
/// it. What lacks is named, with the command that gets it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The version; default: what is built here
    version: Option<String>,
    /// The channel to be ready for; default: the next one that the release is not in
    #[arg(long = "for", value_name = "CHANNEL")]
    channel: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let request = ReadyRequest {
        version: arguments.version.clone(),
        channel: arguments.channel.as_deref().map(channel).transpose()?,
    };
    let report = ready(&context, &request)?;
    Ok(Outcome::new(&report).print(text(&report, &session.style())).refused(refusal(&report)))
}

/// The report as a table.
pub(crate) fn text(report: &ReadyReport, style: &Style) -> String {
    let mut text = String::new();
    let where_it_is = if report.published { "" } else { " (not published)" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{} {} for {}{where_it_is}", report.project, report.version, report.channel);
    let widest = report.gates.iter().map(|gate| gate.id.len()).max().unwrap_or_default();
    for gate in &report.gates {
        let holds = gate.verdict == ItemVerdict::Passed;
        let color = if holds { &style.good } else { &style.bad };
        let (id, verdict) = (&gate.id, gate.verdict.as_str());
        let by = gate.signer.as_deref().map(|signer| format!("signed by {signer}"));
        let evidence = gate.evidence.first().map(|id| format!("  {}", id.short())).unwrap_or_default();
        let why = if holds { format!("{}{evidence}", by.unwrap_or_default()) } else { gate.why.clone() };
        let _ = writeln!(text, "  {id:<widest$}  {color}{verdict:<11}{}  {why}", style.end);
    }
    if report.gates.is_empty() {
        let _ = writeln!(text, "  nothing is asked");
    }
    if report.audit {
        let _ = writeln!(text, "{} only audits: it would let the release in all the same", report.channel);
    }
    match &report.next {
        Some(next) => {
            let _ = writeln!(text, "next: {next}");
        }
        None if report.published => {
            let _ = writeln!(text, "next: shipway promote {} --to {}", report.version, report.channel);
        }
        None => {
            let _ = writeln!(text, "next: shipway publish");
        }
    }
    text
}
