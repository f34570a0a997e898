//! `shipway notes`

use clap::{Args, Subcommand};
use shipway_release::steps::notes;
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The release notes: whether they name every break of the API
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Refuse breaks that the notes of the version do not name
    Check {
        /// What to judge; default: the built wheel of HEAD, else the sources of HEAD
        new: Option<String>,
        /// Insert a bullet for each of them; every other byte stays
        #[arg(long)]
        fix: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let Action::Check { new, fix } = &arguments.action;
    let context = session.context(&Overrides::default())?;
    let report = notes::check(&context, new.as_deref(), *fix)?;
    let (file, section) = (report.file.as_deref(), report.section.as_deref().unwrap_or("none"));
    let text = match (&report.missing, file) {
        (_, None) => "there is no changelog to check\n".to_owned(),
        (None, Some(file)) => format!("{file}: section {section} names every break\n"),
        (Some(bullets), Some(file)) if report.inserted => {
            format!("{file}: inserted into section {section}:\n{bullets}")
        }
        (Some(bullets), Some(_)) => bullets.clone(),
    };
    let refusal = (report.missing.is_some() && !report.inserted).then(|| {
        Error::refused("break-not-named", "the notes do not name every break")
            .hint("shipway notes check --fix")
    });
    Ok(Outcome::new(&report).print(text).refused(refusal))
}
