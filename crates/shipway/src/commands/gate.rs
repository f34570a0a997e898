//! `shipway gate`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_dist::GateId;
use shipway_release::steps::build::require_manifest;
use shipway_release::steps::{gate, gate_environment};
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
    /// Every gate, what it asks, and how it ended over the built release
    List,
    /// Run gates: all that are declared, or those named
    Run {
        /// Gate ids
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// The folder with the built files
        #[arg(long, default_value = "dist", value_name = "DIR")]
        dist: PathBuf,
        /// Run commands with what this file locks by hash and with the built wheel, in a fresh environment
        #[arg(long, value_name = "FILE")]
        requirements: Option<PathBuf>,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let context = session.context(&Overrides::default())?;
    match &arguments.action {
        Action::List => {
            let folder = context.config.directory.join("dist");
            let built = require_manifest(&context, &folder).ok().map(|manifest| manifest.version.to_string());
            let gates = gate::list(&context, built.as_deref());
            let mut text = String::new();
            for one in &gates {
                let last = one.last.as_ref().map_or("-", |last| last.state.as_str());
                let _ = writeln!(text, "{:<19} {:<12} {last:<7} {}", one.id.as_str(), one.source, one.about);
            }
            Ok(Outcome::new(&json!({ "version": built, "gates": gates })).print(text))
        }
        Action::Run { ids, dist, requirements } => {
            let wanted: Vec<GateId> = ids
                .iter()
                .map(|id| {
                    id.parse::<GateId>()
                        .map_err(|error| Error::usage("no-gate", error.to_string()).hint("shipway gate list"))
                })
                .collect::<Result<_>>()?;
            let folder = context.config.directory.join(dist);
            let manifest = require_manifest(&context, &folder)?;
            let report = match requirements {
                Some(file) => {
                    let own = gate_environment::prepare(&context, &manifest, &folder, file)?;
                    gate::run_with(&context, &manifest, &folder, &wanted, &own.environment)?
                }
                None => gate::run(&context, &manifest, &folder, &wanted)?,
            };
            let outcome = Outcome::new(&report);
            Ok(outcome.refused(gate::refusal(&report)))
        }
    }
}
