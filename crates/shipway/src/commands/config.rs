//! `shipway config`

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_release::Result;

use crate::output::Outcome;
use crate::session::{Overrides, Session};

/// Show the configuration and where each value came from, or its JSON schema
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The merged configuration
    Show {
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
    },
    /// The JSON schema of `[tool.shipway]`
    Schema,
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    match &arguments.action {
        Action::Schema => {
            let schema = shipway_release::config::schema();
            Ok(Outcome::new(&json!({ "config": schema })).print(format!("{schema:#}\n")))
        }
        Action::Show { origin } => {
            let context = session.context(&Overrides::default())?;
            let mut text = String::new();
            for setting in &context.config.origins {
                let _ = write!(text, "{} = {}", setting.key, setting.value);
                let _ = if *origin { writeln!(text, "  # {}", setting.origin) } else { writeln!(text) };
            }
            Ok(Outcome::new(&json!({ "settings": context.config.origins })).print(text))
        }
    }
}
