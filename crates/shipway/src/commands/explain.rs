//! `shipway explain`

use clap::Args;
use serde_json::json;
use shipway_dist::GateId;
use shipway_release::{Error, Result};

use crate::output::Outcome;
use crate::session::Session;

/// What a finding, a gate or an API rule means, and how to fix it
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
    if let Some(rule) = shipway_dist::rules::find(id) {
        return Ok(finding(rule.id, rule.why, rule.fix));
    }
    let own = || shipway_release::rules::RULES.iter().chain(shipway_release::rules_of_ci::RULES);
    if let Some(rule) = own().find(|rule| rule.id == id) {
        return Ok(finding(rule.id, rule.why, rule.fix));
    }
    if let Some(rule) = shipway_pyapi::rule(id) {
        let id = format!("{}-{}", rule.id, rule.name);
        return Ok(finding(&id, &format!("{} {}", rule.explanation, rule.breaks), rule.fix));
    }
    let known = shipway_dist::rules::all().map(|rule| rule.id).chain(own().map(|rule| rule.id));
    let near: Vec<&str> =
        known.filter(|known| known.contains(id) || strsim::jaro_winkler(known, id) > 0.9).take(5).collect();
    let error = Error::usage("unknown-id", format!("`{id}` is no finding, gate or API rule"));
    Err(if near.is_empty() {
        error.hint("shipway gate list")
    } else {
        error.hint(format!("did you mean {}?", near.join(", ")))
    })
}

fn finding(id: &str, why: &str, fix: &str) -> Outcome {
    let document = json!({ "id": id, "kind": "finding", "about": why, "fix": fix });
    Outcome::new(&document).print(format!("{id} (finding)\n\n{why}\n\nto mend it: {fix}\n"))
}
