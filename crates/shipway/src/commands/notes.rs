//! `shipway notes`

use clap::{Args, Subcommand};
use shipway_release::steps::{notes, render};
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The release notes: whether they are complete and true, in full, and a draft of the next
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Refuse notes that the gate `notes` would refuse, and breaks that they do not name
    Check {
        /// What to judge; default: the built wheel of HEAD, else the sources of HEAD
        new: Option<String>,
        /// Insert a bullet for each break that is not named; every other byte stays
        #[arg(long)]
        fix: bool,
    },
    /// The full notes of a version: its section, the supported Pythons, how to install it
    Render {
        /// Default: the project's version
        version: Option<String>,
    },
    /// Propose the next section from what changed and the subjects of commits
    Draft {
        /// Insert it into *Unreleased*
        #[arg(long)]
        write: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    match &arguments.action {
        Action::Check { new, fix } => {
            let report = notes::check(&context, new.as_deref(), *fix)?;
            let refusal = refusal(&report);
            Ok(Outcome::new(&report).print(text(&report)).refused(refusal))
        }
        Action::Render { version } => {
            let version = match version {
                Some(text) => {
                    text.parse().map_err(|_| Error::usage("version", format!("`{text}` is not a version")))?
                }
                None => render::current(&context)?,
            };
            let rendered = render::render(&context, &version)?;
            Ok(Outcome::new(&rendered).schema("shipway.notes/1").print(rendered.text.clone()))
        }
        Action::Draft { write } => {
            let draft = render::draft(&context, *write)?;
            Ok(Outcome::new(&draft).schema("shipway.notes-draft/1").print(draft.text.clone()))
        }
    }
}

fn text(report: &notes::NotesReport) -> String {
    let (file, section) = (report.file.as_deref(), report.section.as_deref().unwrap_or("none"));
    match (&report.missing, file) {
        (_, None) => "there is no changelog to check\n".to_owned(),
        (None, Some(file)) => format!("{file}: section {section} names every break\n"),
        (Some(bullets), Some(file)) if report.inserted => {
            format!("{file}: inserted into section {section}:\n{bullets}")
        }
        (Some(bullets), Some(_)) => bullets.clone(),
    }
}

fn refusal(report: &notes::NotesReport) -> Option<Error> {
    if report.missing.is_some() && !report.inserted {
        return Some(
            Error::refused("break-not-named", "the notes do not name every break")
                .hint("shipway notes check --fix"),
        );
    }
    let first = report.findings.first()?;
    let error = Error::refused("notes-failed", "the notes are not complete and true");
    let error =
        report.findings.iter().fold(error, |error, one| error.cause(format!("{}: {}", one.id, one.message)));
    Some(match &first.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    })
}
