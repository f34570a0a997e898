//! `shipway doctor`

use std::fmt::Write as _;

use clap::Args;
use shipway_release::Result;
use shipway_release::steps::doctor::{DoctorReport, DoctorRequest, Level, doctor, refusal, unreadable};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// What is missing around releases: on this machine, in the workflows, at the forge
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Also ask the forge what it guards the repository with
    #[arg(long)]
    forge: bool,
    /// Ask no index and no forge
    #[arg(long, conflicts_with = "forge")]
    offline: bool,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let request = DoctorRequest { forge: arguments.forge, offline: arguments.offline };
    let (report, refused) = match session.context(&Overrides::default()) {
        Ok(context) => {
            let report = doctor(&context, request);
            let refused = refusal(&report);
            (report, refused)
        }
        // What is wrong with the configuration is an answer of this command, and still its exit code.
        Err(error) => (unreadable(&error), Some(error)),
    };
    Ok(Outcome::new(&report).print(table(&report)).refused(refused))
}

fn table(report: &DoctorReport) -> String {
    let mut text = String::new();
    for look in &report.looks {
        let word = match look.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Unknown => "unknown",
            Level::Error => "ERROR",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{word:<8} {:<10} {:<22} {}", look.area, look.id, look.message);
        if let (Some(hint), true) = (&look.hint, look.level != Level::Ok) {
            for line in hint.lines() {
                let _ = writeln!(text, "{:43}{line}", "");
            }
        }
    }
    text
}
