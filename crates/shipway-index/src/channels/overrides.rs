//! Overrides: what a person may pass over, and which items of a policy that is.

use shipway_dist::gate::GateId;
use shipway_dist::policy::{APPROVAL, Item, Requirement};
use shipway_dist::wire::Override;

use crate::error::IndexError;
use crate::project::Channel;

/// The rule that an override names to promote past a channel.
pub(super) const SKIP_CHANNEL: &str = "skip-channel";
/// The item of a release that was built on a person's machine.
pub(super) const LOCAL: &str = "local";

/// Judges an override by itself, whatever it is used for.
///
/// # Errors
/// When it gives no reason or no person, or names something that cannot be passed over.
pub(super) fn judge(over: Option<&Override>, channels: &[Channel]) -> Result<(), IndexError> {
    let Some(over) = over else { return Ok(()) };
    if over.reason.trim().is_empty() || over.approver.trim().is_empty() || over.gates.is_empty() {
        let why = "an override needs what it passes over, a reason and an approver";
        return Err(IndexError::bad_request(why));
    }
    let known = |named: &str| {
        let held = |requirement: Requirement| {
            requirement.channel.is_none_or(|named| channels.iter().any(|channel| channel.name == named))
        };
        [SKIP_CHANNEL, LOCAL, APPROVAL].contains(&named) || named.parse().is_ok_and(held)
    };
    let unknown: Vec<_> = over
        .gates
        .iter()
        .filter(|named| !known(named))
        .map(|named| format!("`{}`", named.chars().take(80).collect::<String>()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let gates: Vec<_> = GateId::ALL.iter().map(|gate| gate.as_str()).collect();
    Err(IndexError::bad_request(format!(
        "{} cannot be passed over; what can is {APPROVAL}, {LOCAL}, {SKIP_CHANNEL}, GATE and GATE@CHANNEL of a \
         channel of this index, where GATE is one of {}",
        unknown.join(", "),
        gates.join(", ")
    )))
}

/// Whether an override names an item; a gate stands for the gate in whatever channel.
pub(super) fn names(named: &str, item: &Item) -> bool {
    named == item.id || item.id.split_once('@').is_some_and(|(gate, _)| gate == named)
}

/// Everything that an override passes over: the items that it names, and what it names beside them.
pub(super) fn passed_over(over: Option<&Override>, items: &[Item]) -> Vec<String> {
    let mut passed: Vec<String> = Vec::new();
    for named in over.iter().flat_map(|over| &over.gates) {
        let mut found: Vec<_> =
            items.iter().filter(|item| names(named, item)).map(|item| item.id.clone()).collect();
        if found.is_empty() {
            found.push(named.clone());
        }
        found.retain(|id| !passed.contains(id));
        passed.extend(found);
    }
    passed
}
