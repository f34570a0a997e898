//! `shipway log`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use shipway_release::Result;
use shipway_release::steps::log::{LogRequest, show, verify};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// The tamper-evident log of the index: who changed what, when and why
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The newest entries, oldest first
    Show {
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
        limit: usize,
        /// Entries of every project, not only of this one
        #[arg(long)]
        all: bool,
    },
    /// Prove that nothing was rewritten since the checkpoint in .shipway/log.pin, and pin the new one
    ///
    /// The first run pins the log's key and checkpoint; commit the file. Every later run asks the index to prove
    /// that its log begins with what was pinned, and reads every entry.
    Verify {
        /// Leave .shipway/log.pin as it is
        #[arg(long)]
        no_pin: bool,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    match &arguments.action {
        Action::Show { limit, all } => {
            let report = show(&context, &LogRequest { own: !all, limit: *limit })?;
            let mut text = String::new();
            for entry in &report.entries {
                let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                let reason =
                    entry["detail"]["reason"].as_str().map(|why| format!("  \"{why}\"")).unwrap_or_default();
                let gate =
                    entry["detail"]["gate"].as_str().map(|gate| format!(" {gate}")).unwrap_or_default();
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{:>6}  {}  {:<14} {:<12} {} {}{gate}{reason}",
                    entry["serial"],
                    field("at"),
                    field("actor"),
                    field("action"),
                    field("project"),
                    field("object"),
                );
            }
            let what = format!("{} of {} entries of {}", report.entries.len(), report.size, report.origin);
            Ok(Outcome::new(&report).schema("shipway.log-show/1").print(text).say(what))
        }
        Action::Verify { no_pin } => {
            let report = verify(&context, !no_pin)?;
            let since = match report.pinned {
                Some(pinned) => format!("it begins with the {pinned} entries that were pinned"),
                None => "nothing was pinned before: trust begins here".to_owned(),
            };
            let mut outcome = Outcome::new(&report)
                .schema("shipway.log-verify/1")
                .say(format!("{}: {} entries verified; {since}", report.origin, report.entries));
            if report.written {
                outcome = outcome.say(format!("pinned in {}; commit it", report.pin.display()));
            }
            Ok(outcome)
        }
    }
}
