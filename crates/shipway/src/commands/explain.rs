//! `shipway explain`

use clap::Args;
use serde_json::json;
use shipway_dist::GateId;
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::Session;

/// What a finding or a gate means, and how to fix it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The id of a finding or a gate
    id: String,
}

pub(crate) fn run(arguments: &Arguments, _session: &Session) -> Result<Outcome> {
    let id = arguments.id.as_str();
    if let Ok(gate) = id.parse::<GateId>() {
        let document = json!({ "id": id, "kind": "gate", "about": gate.about() });
        return Ok(Outcome::new(&document).print(format!("{id} (gate)\n\n{}\n", gate.about())));
    }
    Err(Error::usage("unknown-id", format!("`{id}` is neither a finding nor a gate"))
        .hint("shipway gate list"))
}
