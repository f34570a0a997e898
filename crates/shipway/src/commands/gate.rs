//! `shipway gate`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_dist::GateId;
use shipway_release::steps::build::require_manifest;
use shipway_release::steps::gate;
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// List the gates, or run them over the built release and record what they find
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The gates that can be run here
    List,
    /// Run gates: all that are declared, or those named
    Run {
        /// Gate ids
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// The folder with the built files
        #[arg(long, default_value = "dist", value_name = "DIR")]
        dist: PathBuf,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    match &arguments.action {
        Action::List => {
            let mut text = String::new();
            let gates = gate::available(&context);
            for id in &gates {
                let _ = writeln!(text, "{id:<14} {}", id.about());
            }
            let list: Vec<_> = gates.iter().map(|id| json!({ "id": id, "about": id.about() })).collect();
            Ok(Outcome::new(&json!({ "gates": list })).print(text))
        }
        Action::Run { ids, dist } => {
            let wanted: Vec<GateId> = ids
                .iter()
                .map(|id| {
                    id.parse::<GateId>()
                        .map_err(|error| Error::usage("no-gate", error.to_string()).hint("shipway gate list"))
                })
                .collect::<Result<_>>()?;
            let folder = context.config.directory.join(dist);
            let manifest = require_manifest(&context, &folder)?;
            let report = gate::run(&context, &manifest, &folder, &wanted)?;
            let mut outcome = Outcome::new(&report);
            for one in &report.gates {
                let word = if one.holds() { "passed" } else { "failed" };
                outcome = outcome.say(format!("{:>14}  {word}", one.id.as_str()));
            }
            Ok(outcome.refused(gate::refusal(&report)))
        }
    }
}
