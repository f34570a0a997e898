//! `shipway evidence`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_release::steps::evidence::{
    EvidenceReport, VerifyReport, VerifyRequest, bundle, find, keys, list, read_keys, refusal, send, verify,
};
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The record of a release: signed statements of gates and steps about exactly its bytes
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// One line a statement, oldest first
    List {
        /// The version; default: what is built here, else the newest at the index
        version: Option<String>,
    },
    /// Statements in full
    Show {
        /// A gate (`tests`, `smoke@staging`), or the beginning of an id
        what: String,
        /// The version; default as for list
        version: Option<String>,
    },
    /// All statements as one bundle: JSON lines, one signed envelope a line
    Export {
        /// The version; default as for list
        version: Option<String>,
        /// The file; default: stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Verify every signature of a bundle, without the index when keys are given
    Verify {
        /// The bundle
        bundle: PathBuf,
        /// A public key in PEM; may be given several times
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// The keys of the index, as `shipway evidence keys --json` printed them
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
        /// The manifest whose files the statements must be about
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
    },
    /// Send what is kept here to the release at the index
    Send {
        /// The version; default: what is built here
        version: Option<String>,
    },
    /// The keys that the index knows
    Keys,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    match &arguments.action {
        Action::List { version } => {
            let report = list(&session.context(&Overrides::default())?, version.as_deref())?;
            let text = table(&report);
            Ok(Outcome::new(&report).schema("shipway.evidence-list/1").print(text))
        }
        Action::Show { what, version } => {
            let report = list(&session.context(&Overrides::default())?, version.as_deref())?;
            let rows = find(&report, what)?;
            let text: String = rows.iter().map(|row| format!("{:#}\n", row.statement)).collect();
            let document =
                json!({ "project": report.project, "version": report.version, "statements": rows });
            Ok(Outcome::new(&document).schema("shipway.evidence-show/1").print(text))
        }
        Action::Export { version, out } => {
            let report = list(&session.context(&Overrides::default())?, version.as_deref())?;
            export(&report, out.as_deref())
        }
        Action::Verify { bundle, key, keys: key_list, manifest } => {
            let request =
                VerifyRequest { bundle: bundle.clone(), keys: key.clone(), manifest: manifest.clone() };
            let known = match (key_list, key.is_empty()) {
                (Some(path), _) => read_keys(path)?,
                (None, false) => Vec::new(),
                (None, true) => keys(&session.context(&Overrides::default())?)?.keys,
            };
            let report = verify(&request, &known)?;
            let text = checked(&report);
            let refusal = refusal(&report);
            Ok(Outcome::new(&report).schema("shipway.evidence-verify/1").print(text).refused(refusal))
        }
        Action::Send { version } => {
            let sent = send(&session.context(&Overrides::default())?, version.as_deref())?;
            let outcome = Outcome::new(&json!({ "sent": sent })).schema("shipway.evidence-send/1");
            Ok(outcome.say(format!("{sent} statements are with the release")))
        }
        Action::Keys => {
            let list = keys(&session.context(&Overrides::default())?)?;
            let mut text = String::new();
            for key in &list.keys {
                let how = if key.registered { "registered" } else { "enrolled" };
                let until = key.revoked_at.as_deref().map(|at| format!(", revoked {at}")).unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}  {:<16} {:<20} {how}{until}", key.id, key.role.as_str(), key.name);
            }
            Ok(Outcome::new(&list).schema("shipway.index.keys/1").print(text))
        }
    }
}

fn table(report: &EvidenceReport) -> String {
    let mut text = String::new();
    let widest = report.statements.iter().map(|row| row.gate.len()).max().unwrap_or_default();
    for row in &report.statements {
        let by = match (&row.signer, &row.role) {
            (Some(signer), Some(role)) => format!("{signer} ({role})"),
            _ => "-".to_owned(),
        };
        let void = row.void.as_deref().map(|why| format!("  does not count: {why}")).unwrap_or_default();
        let at = row.received_at.as_deref().unwrap_or("-");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}  {:<widest$}  {:<7} {at:<21} {by}{void}",
            row.id.short(),
            row.gate,
            row.result
        );
    }
    text
}

fn export(report: &EvidenceReport, out: Option<&Path>) -> Result<Outcome> {
    let text = bundle(report);
    let count = report.statements.len();
    let outcome = Outcome::new(&json!({
        "project": report.project,
        "version": report.version,
        "statements": count,
        "out": out,
    }))
    .schema("shipway.evidence-export/1");
    let Some(path) = out else { return Ok(outcome.print(text)) };
    std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))?;
    Ok(outcome.say(format!("{count} statements in {}", path.display())))
}

fn checked(report: &VerifyReport) -> String {
    let mut text = String::new();
    for one in &report.statements {
        let (word, rest) = match (&one.problem, &one.signer) {
            (Some(problem), _) => ("bad", problem.as_str()),
            (None, Some(signer)) => ("good", signer.as_str()),
            (None, None) => ("good", ""),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:>4}  {word:<4}  {:<24} {:<7} {rest}", one.line, one.gate, one.result);
    }
    text
}
