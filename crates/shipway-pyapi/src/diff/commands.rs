//! The command lines of both sides, read from their sources.

use super::DiffOptions;
use super::comparer::{Comparer, Draft, Item};
use crate::cli;
use crate::contract::Mode;
use crate::finding::{ApiFinding, Level};
use crate::resolve::public::Why;
use crate::rules::rule;
use crate::surface::Surface;

/// Compares the command lines of both sides; what could not be read is listed.
pub(crate) fn compare(comparer: &mut Comparer<'_>) {
    let (old, new) = (comparer.old.surface, comparer.new.surface);
    let (before, after) = (cli::read(old, &[]), cli::read(new, &[]));
    let outcome = cli::compare::compare(&before, &after);
    comparer.not_checked.extend(outcome.not_checked);
    for change in outcome.changes {
        let item = Item::new(vec![change.symbol], Why::Script);
        let level = change.level.or_else(|| level(comparer.options, change.id, &change.script));
        let draft = comparer.draft(change.id, &item, change.detail);
        comparer.push(Draft { level, old: change.old, new: change.new, ..draft });
    }
}

/// The level of a change at a script that the contract does not promise.
fn level(options: &DiffOptions, id: &str, script: &str) -> Option<Level> {
    let is_promised = options.mode != Mode::Contract
        || options.commands.is_empty()
        || options.commands.iter().any(|name| name == script);
    if is_promised { None } else { rule(id).map(|rule| rule.level.min(Level::Warn)) }
}

/// The findings about command lines alone.
pub(crate) fn diff_of_commands(old: &Surface, new: &Surface, options: &DiffOptions) -> Vec<ApiFinding> {
    let mut comparer = Comparer::new(old, new, options);
    compare(&mut comparer);
    comparer.finish().0
}
