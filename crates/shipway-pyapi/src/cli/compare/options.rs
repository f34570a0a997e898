//! Options: removed, spelled otherwise, demanded, narrowed, defaulted otherwise, added.

use super::super::model::{Arity, Command, Opt, Preset};
use super::Pair;
use crate::finding::FindingSide;

type Sides = (Option<FindingSide>, Option<FindingSide>);

impl Pair<'_> {
    pub(super) fn options(&mut self, old: &Command, new: &Command) {
        let shares = |a: &Opt, b: &Opt| a.spellings().any(|flag| b.spellings().any(|other| other == flag));
        let added: Vec<&Opt> = new
            .options
            .iter()
            .filter(|after| !old.options.iter().any(|before| shares(before, after)))
            .collect();
        let mut renamed: Vec<&str> = Vec::new();
        for before in &old.options {
            let symbol = format!("{} {}", old.path, before.name());
            let found: Vec<&Opt> = new.options.iter().filter(|after| shares(before, after)).collect();
            let Some(after) = found.first().copied() else {
                if !new.partial.is_empty() {
                    continue;
                }
                let twin =
                    added.iter().find(|after| !renamed.contains(&after.name()) && is_twin(before, after));
                let detail = match twin {
                    Some(twin) => {
                        renamed.push(twin.name());
                        format!(
                            "option `{}` is gone; `{}` looks like its new name",
                            before.name(),
                            twin.name()
                        )
                    }
                    None => match below(before, new) {
                        Some(path) => {
                            format!("option `{}` is gone; `{path}` takes it now", before.name())
                        }
                        None => format!("option `{}` is gone", before.name()),
                    },
                };
                self.report("G02", symbol, detail, (Some(side(before)), twin.map(|twin| side(twin))));
                continue;
            };
            let sides = || (Some(side(before)), Some(side(after)));
            let lost: Vec<String> = before
                .spellings()
                .filter(|flag| !found.iter().any(|after| after.spellings().any(|other| other == *flag)))
                .map(|flag| format!("`{flag}`"))
                .collect();
            if !lost.is_empty() && new.partial.is_empty() {
                let detail = format!("option `{}` is no longer spelled {}", after.name(), lost.join(", "));
                self.report("G03", symbol.clone(), detail, sides());
            }
            self.option(before, after, &symbol, sides());
        }
        if !old.partial.is_empty() {
            return;
        }
        for after in added {
            if renamed.contains(&after.name()) {
                continue;
            }
            let symbol = format!("{} {}", old.path, after.name());
            let sides = (None, Some(side(after)));
            if after.required {
                let detail = format!("option `{}` is new and must be given", after.name());
                self.report("G04", symbol, detail, sides);
                continue;
            }
            self.report("G13", symbol.clone(), format!("option `{}` is new", after.name()), sides.clone());
            if old.abbreviates
                && new.abbreviates
                && let Some((short, meant)) = ambiguous(old, new, after)
            {
                let detail = format!("`{short}` stood for `{meant}`, and could be `{}` now", after.name());
                self.report("G11", symbol, detail, sides);
            }
        }
    }

    fn option(&mut self, before: &Opt, after: &Opt, symbol: &str, sides: Sides) {
        let name = before.name();
        if !before.required && after.required {
            self.report(
                "G04",
                symbol.to_owned(),
                format!("option `{name}` must be given now"),
                sides.clone(),
            );
        }
        let shape = shape(&before.arity, before.multiple, &after.arity, after.multiple);
        let is_other = shape.is_some();
        if let Some(detail) = shape {
            self.report("G08", symbol.to_owned(), format!("option `{name}` {detail}"), sides.clone());
        } else {
            let what = format!("option `{name}`");
            let kinds = (before.kind.as_deref(), after.kind.as_deref());
            self.values(symbol, &what, (&before.choices, &after.choices), kinds, &sides);
        }
        if !is_other && self.same_framework() && !after.required {
            self.default(symbol, &format!("option `{name}`"), (&before.default, &after.default), &sides);
        }
        self.environment(symbol, (&before.env, &after.env), &sides);
        for (what, old, new) in
            [("hidden", before.hidden, after.hidden), ("deprecated", before.deprecated, after.deprecated)]
        {
            if !old && new {
                let detail = format!("option `{name}` is {what} now");
                self.report("G14", symbol.to_owned(), detail, sides.clone());
            }
        }
        if let (Some(a), Some(b)) = (&before.help, &after.help)
            && a != b
        {
            let detail = format!("the help text of `{name}` changed");
            self.report("G15", symbol.to_owned(), detail, sides);
        }
    }

    pub(super) fn values(
        &mut self,
        symbol: &str,
        what: &str,
        (old, new): (&[String], &[String]),
        (old_kind, new_kind): (Option<&str>, Option<&str>),
        sides: &Sides,
    ) {
        if old.is_empty() && new.is_empty() {
            if self.same_framework() && is_narrower(old_kind, new_kind) {
                let shown = |kind: Option<&str>| kind.unwrap_or("any text").to_owned();
                let detail = format!("{what} took {}, takes {}", shown(old_kind), shown(new_kind));
                self.report("G07", symbol.to_owned(), detail, sides.clone());
            }
            return;
        }
        if old.is_empty() {
            let detail = format!("{what} takes only {} now", list(new));
            self.report("G07", symbol.to_owned(), detail, sides.clone());
            return;
        }
        let lost: Vec<String> = old.iter().filter(|one| !new.contains(one)).cloned().collect();
        let gained: Vec<String> = new.iter().filter(|one| !old.contains(one)).cloned().collect();
        if !lost.is_empty() && !new.is_empty() {
            let detail = format!("{what} no longer takes {}", list(&lost));
            self.report("G07", symbol.to_owned(), detail, sides.clone());
        } else if !gained.is_empty() {
            let detail = format!("{what} also takes {}", list(&gained));
            self.report("G13", symbol.to_owned(), detail, sides.clone());
        }
    }

    pub(super) fn default(
        &mut self,
        symbol: &str,
        what: &str,
        (old, new): (&Preset, &Preset),
        sides: &Sides,
    ) {
        let known = |preset: &Preset| match preset {
            Preset::Absent => Some("None".to_owned()),
            Preset::Known(text) => Some(text.clone()),
            Preset::Unknown(_) => None,
        };
        let (Some(a), Some(b)) = (known(old), known(new)) else { return };
        // A switch that is off is off, whichever way it is written.
        let plain =
            |text: &str| if matches!(text, "False" | "None") { "off".to_owned() } else { text.to_owned() };
        if plain(&a) != plain(&b) {
            let detail = format!("the default of {what} was `{a}`, is `{b}`");
            self.report("G09", symbol.to_owned(), detail, sides.clone());
        }
    }

    pub(super) fn environment(&mut self, symbol: &str, (old, new): (&[String], &[String]), sides: &Sides) {
        let lost: Vec<String> = old.iter().filter(|one| !new.contains(one)).cloned().collect();
        if lost.is_empty() {
            return;
        }
        let detail = match new.is_empty() {
            true => format!("{} no longer sets it", list(&lost)),
            false => format!("{} no longer sets it; {} does", list(&lost), list(new)),
        };
        self.report("G10", symbol.to_owned(), detail, sides.clone());
    }
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

/// In which way another number of values is taken, when old command lines suffer from it.
pub(super) fn shape(old: &Arity, old_multiple: bool, new: &Arity, new_multiple: bool) -> Option<String> {
    let text = |arity: &Arity| match arity {
        Arity::Flag => "no value".to_owned(),
        Arity::One => "one value".to_owned(),
        Arity::Exactly(count) => format!("{count} values"),
        Arity::Optional => "a value or none".to_owned(),
        Arity::Any => "any number of values".to_owned(),
        Arity::Some => "one value or more".to_owned(),
        Arity::Rest => "all that follows".to_owned(),
        Arity::Unknown => "what is not known".to_owned(),
    };
    let is_wider = match (old, new) {
        (Arity::Unknown, _) | (_, Arity::Unknown) => true,
        (a, b) if a == b => true,
        (Arity::One, Arity::Optional | Arity::Any | Arity::Some | Arity::Exactly(1)) => true,
        (Arity::Exactly(1), Arity::One) => true,
        (Arity::Flag, Arity::Optional | Arity::Any) => true,
        (Arity::Optional | Arity::Some | Arity::Exactly(_), Arity::Any) => true,
        (Arity::Exactly(count), Arity::Some) => *count > 0,
        _ => false,
    };
    if !is_wider {
        return Some(format!("took {}, takes {}", text(old), text(new)));
    }
    (old_multiple && !new_multiple).then(|| "may be given only once now".to_owned())
}

/// Whether every value of the new type is one of the old, and not the reverse.
fn is_narrower(old: Option<&str>, new: Option<&str>) -> bool {
    let rank = |kind: Option<&str>| match kind.map(|kind| kind.rsplit('.').next().unwrap_or(kind)) {
        None | Some("str" | "STRING") => Some(0),
        Some("float" | "FLOAT") => Some(1),
        Some("int" | "INT") => Some(2),
        Some("bool" | "BOOL") => Some(3),
        _ => None,
    };
    matches!((rank(old), rank(new)), (Some(a), Some(b)) if b > a)
}

/// Whether an option is another's new name: it sets the same value, or says the same of itself.
fn is_twin(old: &Opt, new: &Opt) -> bool {
    let same_help = old.help.as_ref().is_some_and(|help| !help.is_empty() && new.help.as_ref() == Some(help));
    let same_shape = old.arity == new.arity && old.multiple == new.multiple && old.choices == new.choices;
    same_shape && !new.required && (same_help || (old.dest == new.dest && !old.dest.is_empty()))
}

/// The command below that takes an option now.
fn below(option: &Opt, command: &Command) -> Option<String> {
    let inner = command.subcommands.iter().flat_map(Command::walk);
    let takes = |command: &&Command| {
        command.options.iter().any(|one| one.spellings().any(|flag| flag.as_str() == option.name()))
    };
    inner.into_iter().find(takes).map(|command| command.path.clone())
}

/// An abbreviation that stood for one option and does not any longer.
fn ambiguous(old: &Command, new: &Command, added: &Opt) -> Option<(String, String)> {
    let long = |flag: &&String| flag.starts_with("--");
    let all: Vec<&String> = old.options.iter().flat_map(Opt::spellings).filter(long).collect();
    for fresh in added.spellings().filter(long) {
        for option in &old.options {
            // What is gone is not abbreviated any more.
            let kept =
                |flag: &&String| new.options.iter().any(|one| one.spellings().any(|other| other == *flag));
            for flag in option.spellings().filter(long).filter(kept) {
                let common = flag.bytes().zip(fresh.bytes()).take_while(|(a, b)| a == b).count();
                for length in (3..=common).rev() {
                    let Some(short) = flag.get(..length) else { continue };
                    let is_exact = all.iter().any(|other| other.as_str() == short) || fresh == short;
                    let is_unique = all
                        .iter()
                        .filter(|other| other.starts_with(short))
                        .all(|other| option.spellings().any(|own| own == *other));
                    if !is_exact && is_unique {
                        return Some((short.to_owned(), flag.clone()));
                    }
                }
            }
        }
    }
    None
}

fn side(option: &Opt) -> FindingSide {
    let mut words: Vec<String> = option.spellings().cloned().collect();
    match &option.arity {
        Arity::Flag => {}
        Arity::One => words.push(option.dest.to_uppercase()),
        Arity::Exactly(count) => words.push(format!("{}×{count}", option.dest.to_uppercase())),
        Arity::Optional => words.push(format!("[{}]", option.dest.to_uppercase())),
        _ => words.push(format!("{}…", option.dest.to_uppercase())),
    }
    FindingSide { signature: words.join(" "), file: option.file.clone(), line: option.line }
}
