//! Two readings of command lines compared: the rules of group G.

mod options;
mod positionals;

use std::collections::BTreeSet;

use super::model::{Command, CommandLine, Reading};
use super::not_read;
use crate::diff::NotChecked;
use crate::finding::{FindingSide, Level};

/// A change of a command line.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) id: &'static str,
    /// When it is not that of the rule.
    pub(crate) level: Option<Level>,
    pub(crate) script: String,
    /// The words that lead there, joined by blanks.
    pub(crate) symbol: String,
    pub(crate) detail: String,
    pub(crate) old: Option<FindingSide>,
    pub(crate) new: Option<FindingSide>,
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) changes: Vec<Change>,
    pub(crate) not_checked: Vec<NotChecked>,
}

/// Compares two readings. Scripts that stand on one side only are the metadata's rules' (A13).
pub(crate) fn compare(old: &Reading, new: &Reading) -> Outcome {
    let mut outcome = Outcome::default();
    for (side, reading) in [("old", old), ("new", new)] {
        outcome.not_checked.extend(not_read(reading, side));
    }
    for before in &old.commands {
        let Some(after) = new.commands.iter().find(|line| line.script == before.script) else { continue };
        let mut pair = Pair { old: before, new: after, outcome: &mut outcome };
        pair.commands(&before.tree, &after.tree);
    }
    outcome
}

/// One script on both sides.
struct Pair<'c> {
    old: &'c CommandLine,
    new: &'c CommandLine,
    outcome: &'c mut Outcome,
}

impl Pair<'_> {
    fn same_framework(&self) -> bool {
        self.old.framework == self.new.framework
    }

    fn report(
        &mut self,
        id: &'static str,
        symbol: String,
        detail: String,
        (old, new): (Option<FindingSide>, Option<FindingSide>),
    ) {
        let script = self.old.script.clone();
        self.outcome.changes.push(Change { id, level: None, script, symbol, detail, old, new });
    }

    fn commands(&mut self, old: &Command, new: &Command) {
        let sides = || (Some(side(old)), Some(side(new)));
        for (what, before, after) in
            [("hidden", old.hidden, new.hidden), ("deprecated", old.deprecated, new.deprecated)]
        {
            if !before && after {
                self.report("G14", old.path.clone(), format!("command is {what} now"), sides());
            }
        }
        if let (Some(a), Some(b)) = (&old.help, &new.help)
            && a != b
            && self.same_framework()
        {
            self.report("G15", old.path.clone(), "the help text changed".to_owned(), sides());
        }
        self.options(old, new);
        self.positionals(old, new);
        if !old.needs_subcommand && new.needs_subcommand && !old.subcommands.is_empty() {
            self.report("G05", old.path.clone(), "a command below it must be named now".to_owned(), sides());
        }
        self.subcommands(old, new);
    }

    fn subcommands(&mut self, old: &Command, new: &Command) {
        let answers = |command: &Command, name: &str| {
            command.name() == name || command.aliases.iter().any(|alias| alias == name)
        };
        let added: Vec<&Command> = new
            .subcommands
            .iter()
            .filter(|after| !old.subcommands.iter().any(|before| is_same(before, after)))
            .collect();
        let mut renamed: Vec<&str> = Vec::new();
        for before in &old.subcommands {
            let Some(after) = new.subcommands.iter().find(|after| is_same(before, after)) else {
                if !new.partial.is_empty() {
                    continue;
                }
                let twin =
                    added.iter().find(|after| !renamed.contains(&after.name()) && is_twin(before, after));
                let detail = match twin {
                    Some(twin) => {
                        renamed.push(twin.name());
                        format!("command `{}` is gone; `{}` takes the same", before.name(), twin.name())
                    }
                    None => format!("command `{}` is gone", before.name()),
                };
                let sides = (Some(side(before)), twin.map(|twin| side(twin)));
                self.report("G01", before.path.clone(), detail, sides);
                continue;
            };
            for name in std::iter::once(before.name()).chain(before.aliases.iter().map(String::as_str)) {
                if !answers(after, name) {
                    let detail = format!("command `{}` no longer answers to `{name}`", after.name());
                    let symbol = format!("{} {name}", old.path);
                    self.report("G01", symbol, detail, (Some(side(before)), Some(side(after))));
                }
            }
            self.commands(before, after);
        }
        if !old.partial.is_empty() {
            return;
        }
        for after in added {
            if !renamed.contains(&after.name()) {
                let detail = format!("command `{}` is new", after.name());
                self.report("G13", after.path.clone(), detail, (None, Some(side(after))));
            }
        }
    }
}

/// Whether a command answers to a word that the other answers to.
fn is_same(old: &Command, new: &Command) -> bool {
    let words = |command: &Command| -> BTreeSet<String> {
        std::iter::once(command.name().to_owned()).chain(command.aliases.iter().cloned()).collect()
    };
    !words(old).is_disjoint(&words(new))
}

/// Whether two commands take the same: one is the other's new name.
fn is_twin(old: &Command, new: &Command) -> bool {
    let spellings = |command: &Command| -> BTreeSet<String> {
        let all = command.options.iter().flat_map(|option| option.spellings().cloned());
        all.filter(|flag| flag != "--help" && flag != "-h").collect()
    };
    let names = |command: &Command| -> Vec<String> {
        command.positionals.iter().map(|one| one.name.clone()).collect()
    };
    let below = |command: &Command| -> Vec<String> {
        command.subcommands.iter().map(|one| one.name().to_owned()).collect()
    };
    let says_something =
        !spellings(old).is_empty() || !old.positionals.is_empty() || !old.subcommands.is_empty();
    let same_help = old.help.is_some() && old.help == new.help;
    (says_something || same_help)
        && spellings(old) == spellings(new)
        && names(old) == names(new)
        && below(old) == below(new)
}

fn side(command: &Command) -> FindingSide {
    FindingSide { signature: command.path.clone(), file: command.file.clone(), line: command.line }
}
