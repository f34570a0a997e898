//! `shipway docs`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_release::{Error, Result, documents};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The documents that are written from the configuration: stable surface, checklist of a release
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write those that are missing or no longer true; what was written by hand stays
    Generate {
        /// Write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Refuse those that no longer say what the configuration says
    Check,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    let (list, is_check) = match arguments.action {
        Action::Generate { dry_run } => (documents::generate(&context, dry_run)?, false),
        Action::Check => (documents::all(&context)?, true),
    };
    let mut text = String::new();
    for one in &list {
        let state = match (one.state, is_check) {
            ("missing" | "stale", false) => "written",
            ("foreign", _) => "written by hand, left alone",
            (state, _) => state,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {state}", one.path);
    }
    let stale = list.iter().filter(|one| one.state == "stale");
    let refusal = is_check
        .then(|| {
            stale.fold(None, |error: Option<Error>, one| {
                let first = || Error::refused("docs-drift", "documents are not what the configuration says");
                Some(error.unwrap_or_else(first).cause(format!("`{}`", one.path)))
            })
        })
        .flatten()
        .map(|error| error.hint("shipway docs generate"));
    Ok(Outcome::new(&json!({ "documents": list })).print(text).refused(refusal))
}
