//! Positional arguments: their number and order is what callers rely on, not their names.

use super::super::model::{Arity, Command, Positional};
use super::Pair;
use super::options::shape;
use crate::finding::FindingSide;

impl Pair<'_> {
    pub(super) fn positionals(&mut self, old: &Command, new: &Command) {
        if !old.partial.is_empty() || !new.partial.is_empty() {
            return;
        }
        let names = |command: &Command| -> Vec<String> {
            command.positionals.iter().map(|one| one.name.clone()).collect()
        };
        let (before, after) = (names(old), names(new));
        let symbol = |name: &str| format!("{} {name}", old.path);
        let kept: Vec<&String> = before.iter().filter(|name| after.contains(name)).collect();
        let kept_after: Vec<&String> = after.iter().filter(|name| before.contains(name)).collect();
        if kept != kept_after {
            let detail =
                format!("the positional arguments were {}, are {}", before.join(" "), after.join(" "));
            self.report("G06", old.path.clone(), detail, (Some(whole(old)), Some(whole(new))));
            return;
        }
        // Without names in common they pair up by position: only what is shown changed.
        let renamed = before.len() == after.len();
        let mut pairs: Vec<(&Positional, &Positional)> = Vec::new();
        if renamed {
            pairs.extend(old.positionals.iter().zip(&new.positionals));
        } else {
            for one in &old.positionals {
                match new.positionals.iter().find(|other| other.name == one.name) {
                    Some(other) => pairs.push((one, other)),
                    None => {
                        let detail = format!("positional argument `{}` is gone", one.name);
                        self.report("G06", symbol(&one.name), detail, (Some(side(one)), None));
                    }
                }
            }
            let last_known = after.iter().rposition(|name| before.contains(name));
            for (at, one) in new.positionals.iter().enumerate() {
                if before.contains(&one.name) {
                    continue;
                }
                let (id, detail) = if one.required {
                    ("G05", format!("positional argument `{}` is new and must be given", one.name))
                } else if last_known.is_some_and(|last| at < last) {
                    ("G06", format!("positional argument `{}` is put before others", one.name))
                } else {
                    ("G13", format!("positional argument `{}` is new", one.name))
                };
                self.report(id, symbol(&one.name), detail, (None, Some(side(one))));
            }
        }
        for (one, other) in pairs {
            self.positional(one, other, &symbol(&one.name));
        }
    }

    fn positional(&mut self, old: &Positional, new: &Positional, symbol: &str) {
        let sides = (Some(side(old)), Some(side(new)));
        let what = format!("positional argument `{}`", old.name);
        if !old.required && new.required {
            self.report("G05", symbol.to_owned(), format!("{what} must be given now"), sides);
            return;
        }
        if let Some(detail) = shape(&old.arity, false, &new.arity, false) {
            self.report("G08", symbol.to_owned(), format!("{what} {detail}"), sides);
            return;
        }
        let kinds = (old.kind.as_deref(), new.kind.as_deref());
        self.values(symbol, &what, (&old.choices, &new.choices), kinds, &sides);
        if self.same_framework() && !new.required {
            self.default(symbol, &what, (&old.default, &new.default), &sides);
        }
        self.environment(symbol, (&old.env, &new.env), &sides);
        if old.name != new.name || (old.help.is_some() && new.help.is_some() && old.help != new.help) {
            let detail = format!("what the help says of {what} changed");
            self.report("G15", symbol.to_owned(), detail, sides);
        }
    }
}

fn whole(command: &Command) -> FindingSide {
    let words: Vec<String> = command.positionals.iter().map(shown).collect();
    let signature = format!("{} {}", command.path, words.join(" "));
    FindingSide { signature, file: command.file.clone(), line: command.line }
}

fn side(one: &Positional) -> FindingSide {
    FindingSide { signature: shown(one), file: one.file.clone(), line: one.line }
}

fn shown(one: &Positional) -> String {
    let dots = if matches!(one.arity, Arity::Any | Arity::Some | Arity::Rest) { "…" } else { "" };
    let name = format!("{}{dots}", one.name.to_uppercase());
    if one.required { name } else { format!("[{name}]") }
}
