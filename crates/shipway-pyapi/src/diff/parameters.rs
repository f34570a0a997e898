//! Parameter lists compared: what calls that were right before are no longer?

use ruff_python_ast::name::Name;

use crate::finding::Level;
use crate::parse::model::{Parameter, ParameterKind};
use crate::parse::value::Value;

/// One change of a parameter list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: &'static str,
    pub(crate) level: Option<Level>,
    pub(crate) detail: String,
}

/// Tells whether two values are the same when names are resolved.
pub(crate) type SameValue<'a> = dyn Fn(&Value, &Value) -> bool + 'a;

/// What is known of each side beyond the list.
#[derive(Default)]
pub(crate) struct Context<'a> {
    pub(crate) old_keys: &'a [Name],
    pub(crate) new_keys: &'a [Name],
    /// Whether two defaults that differ in text are the same value.
    pub(crate) same_default: Option<&'a SameValue<'a>>,
}

struct Comparison<'a> {
    old: &'a [Parameter],
    new: &'a [Parameter],
    context: &'a Context<'a>,
    changes: Vec<Change>,
    /// Indices of new parameters that an old one accounts for.
    taken: Vec<usize>,
}

fn is_positional(parameter: &Parameter) -> bool {
    parameter.kind <= ParameterKind::PositionalOrKeyword
}

/// `__x` is positional-only by the convention that preceded PEP 570.
fn is_positional_only(parameter: &Parameter) -> bool {
    parameter.kind == ParameterKind::PositionalOnly
        || (parameter.kind == ParameterKind::PositionalOrKeyword
            && parameter.name.starts_with("__")
            && !parameter.name.ends_with("__"))
}

fn takes_keyword(parameter: &Parameter) -> bool {
    matches!(parameter.kind, ParameterKind::PositionalOrKeyword | ParameterKind::KeywordOnly)
        && !is_positional_only(parameter)
}

fn position(list: &[Parameter], index: usize) -> Option<usize> {
    is_positional(&list[index]).then_some(index)
}

fn find(list: &[Parameter], kind: ParameterKind) -> Option<usize> {
    list.iter().position(|parameter| parameter.kind == kind)
}

/// Compares two parameter lists as a caller sees them.
pub(crate) fn compare(old: &[Parameter], new: &[Parameter], context: &Context<'_>) -> Vec<Change> {
    if old == new && context.old_keys == context.new_keys {
        return Vec::new();
    }
    let mut comparison = Comparison { old, new, context, changes: Vec::new(), taken: Vec::new() };
    comparison.run();
    comparison.changes
}

impl Comparison<'_> {
    fn report(&mut self, id: &'static str, detail: String) {
        self.changes.push(Change { id, level: None, detail });
    }

    fn report_at(&mut self, id: &'static str, level: Level, detail: String) {
        self.changes.push(Change { id, level: Some(level), detail });
    }

    fn has_new(&self, kind: ParameterKind) -> bool {
        find(self.new, kind).is_some()
    }

    fn run(&mut self) {
        let variadic_gone = self.variadics();
        // Pairs (old index, new index) of parameters that are the same by name or, positional-only, by place.
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        let mut missing: Vec<usize> = Vec::new();
        for (at, parameter) in self.old.iter().enumerate() {
            if matches!(parameter.kind, ParameterKind::VarPositional | ParameterKind::VarKeyword) {
                continue;
            }
            match self.counterpart(at) {
                Some(found) => {
                    self.taken.push(found);
                    pairs.push((at, found));
                }
                None => missing.push(at),
            }
        }
        let mut gone: Vec<usize> = Vec::new();
        for at in missing {
            if !self.renamed(at, &mut pairs) {
                gone.push(at);
            }
        }
        for at in &gone {
            self.removed(*at);
        }
        for (at, found) in &pairs {
            self.pair(*at, *found);
        }
        let moved = self.reordered(&pairs);
        self.added(&pairs, variadic_gone, moved);
        self.keys();
    }

    /// The new parameter that an old one is, by name; positional-only ones by place.
    fn counterpart(&self, at: usize) -> Option<usize> {
        let parameter = &self.old[at];
        let by_name = self.new.iter().position(|candidate| {
            candidate.name == parameter.name
                && !matches!(candidate.kind, ParameterKind::VarPositional | ParameterKind::VarKeyword)
        });
        if is_positional_only(parameter) && by_name.is_none() {
            return (at < self.new.len() && is_positional(&self.new[at])).then_some(at).filter(|found| {
                // The place may belong to another old parameter that kept its name.
                !self.old.iter().any(|other| other.name == self.new[*found].name)
            });
        }
        by_name
    }

    /// A pair of removed and added at one place is one rename.
    fn renamed(&mut self, at: usize, pairs: &mut Vec<(usize, usize)>) -> bool {
        let parameter = &self.old[at];
        let is_free = |comparison: &Self, found: usize| {
            !comparison.taken.contains(&found)
                && !comparison.old.iter().any(|other| other.name == comparison.new[found].name)
        };
        let candidate = if is_positional(parameter) {
            // By place among what is left on both sides, so that an earlier removal does not confuse.
            let rank = self.old[..at]
                .iter()
                .filter(|other| is_positional(other) && self.new.iter().any(|new| new.name == other.name))
                .count();
            let same_place = (at < self.new.len() && is_positional(&self.new[at])).then_some(at);
            same_place.filter(|found| is_free(self, *found)).or_else(|| {
                (rank < self.new.len() && is_positional(&self.new[rank]))
                    .then_some(rank)
                    .filter(|found| is_free(self, *found))
            })
        } else {
            let similar = |new: &Parameter| {
                new.kind == ParameterKind::KeywordOnly
                    && new.default == parameter.default
                    && (new.annotation == parameter.annotation && parameter.annotation.is_some())
            };
            let mut all =
                (0..self.new.len()).filter(|found| is_free(self, *found) && similar(&self.new[*found]));
            match (all.next(), all.next()) {
                (Some(found), None) => Some(found),
                _ => None,
            }
        };
        let Some(found) = candidate else { return false };
        let new = &self.new[found];
        // A required parameter in the place of an optional one is another parameter.
        if parameter.default.is_some() && new.default.is_none() && is_positional(parameter) {
            return false;
        }
        self.taken.push(found);
        if !is_positional_only(parameter) {
            let swallowed = takes_keyword(parameter) && self.has_new(ParameterKind::VarKeyword);
            let is_private = parameter.name.starts_with('_');
            let detail = format!("parameter `{}` is now called `{}`", parameter.name, new.name);
            let level = (swallowed || is_private).then_some(Level::Warn);
            self.changes.push(Change { id: "C06", level, detail });
        }
        pairs.push((at, found));
        pairs.sort_unstable();
        true
    }

    fn removed(&mut self, at: usize) {
        let parameter = &self.old[at];
        let name = &parameter.name;
        let by_place = is_positional(parameter);
        let by_name = takes_keyword(parameter);
        let place_kept = !by_place || self.has_new(ParameterKind::VarPositional);
        let name_kept = !by_name || self.has_new(ParameterKind::VarKeyword);
        let key_kept = self.context.new_keys.iter().any(|key| key == name);
        if name_kept && key_kept && place_kept {
            return;
        }
        if place_kept && name_kept {
            let detail =
                format!("parameter `{name}` is gone; what is passed for it lands in `*args` or `**kwargs`");
            self.report("C02", detail);
        } else if name_kept && by_name {
            let detail = format!(
                "parameter `{name}` is gone; by keyword it lands in `**kwargs`, by position it fails"
            );
            self.report_at("C02", Level::Major, detail);
        } else if name.starts_with('_') {
            self.report_at("C01", Level::Warn, format!("parameter `{name}` is gone"));
        } else {
            self.report("C01", format!("parameter `{name}` is gone"));
        }
    }

    fn pair(&mut self, at: usize, found: usize) {
        use ParameterKind::{KeywordOnly, PositionalOnly, PositionalOrKeyword};
        let (old, new) = (&self.old[at], &self.new[found]);
        let name = &old.name;
        match (old.kind, new.kind) {
            (PositionalOrKeyword, KeywordOnly) => {
                let level = self.has_new(ParameterKind::VarPositional).then_some(Level::Warn);
                let detail = format!("parameter `{name}` can no longer be passed by position");
                self.changes.push(Change { id: "C14", level, detail });
            }
            (PositionalOrKeyword, PositionalOnly)
                if takes_keyword(old) && !self.has_new(ParameterKind::VarKeyword) =>
            {
                self.report("C15", format!("parameter `{name}` can no longer be passed by keyword"));
            }
            (PositionalOnly, KeywordOnly) | (KeywordOnly, PositionalOnly) => {
                self.report("C17", format!("parameter `{name}` is passed in another way"));
            }
            (PositionalOnly | KeywordOnly, PositionalOrKeyword) => {
                self.report("C16", format!("parameter `{name}` can be passed by position and by keyword"));
            }
            _ => {}
        }
        match (&old.default, &new.default) {
            (Some(_), None) => self.report("C09", format!("parameter `{name}` is required now")),
            (None, Some(_)) => self.report("C10", format!("parameter `{name}` is optional now")),
            (Some(a), Some(b)) if a != b => self.default(name, a, b),
            _ => {}
        }
    }

    fn default(&mut self, name: &Name, old: &Value, new: &Value) {
        if self.context.same_default.is_some_and(|same| same(old, new)) {
            return;
        }
        let detail = format!("default of `{name}` was {}, is {}", old.render(), new.render());
        let is_sentinel = |value: &Value| match value {
            Value::None => true,
            Value::Name(path) => {
                !path.rsplit('.').next().is_some_and(|last| last.starts_with(char::is_lowercase))
            }
            Value::Call(call) => call.arguments.is_empty() && call.keywords.is_empty(),
            _ => false,
        };
        if is_sentinel(new) && *new != Value::None || (*new == Value::None && *old != Value::None) {
            self.report("C12", detail);
        } else if matches!((old, new), (Value::Opaque(..), _) | (_, Value::Opaque(..))) {
            self.report_at("C11", Level::Note, detail);
        } else {
            self.report("C11", detail);
        }
    }

    /// Whether parameters that both sides have changed their order.
    fn reordered(&mut self, pairs: &[(usize, usize)]) -> bool {
        let places: Vec<(usize, usize)> = pairs
            .iter()
            .filter_map(|(at, found)| Some((position(self.old, *at)?, position(self.new, *found)?)))
            .collect();
        let mut sorted = places.clone();
        sorted.sort_unstable_by_key(|(at, _)| *at);
        if sorted.windows(2).all(|pair| pair[0].1 < pair[1].1) {
            return false;
        }
        let names: Vec<String> = sorted
            .windows(2)
            .filter(|pair| pair[0].1 > pair[1].1)
            .map(|pair| format!("`{}` and `{}`", self.old[pair[0].0].name, self.old[pair[1].0].name))
            .collect();
        self.report("C08", format!("order of {} is reversed", names.join(", ")));
        true
    }

    fn added(&mut self, pairs: &[(usize, usize)], variadic_gone: bool, moved: bool) {
        let old_variadic = find(self.old, ParameterKind::VarPositional).is_some();
        let new_variadic = self.has_new(ParameterKind::VarPositional);
        for found in 0..self.new.len() {
            let parameter = &self.new[found];
            let is_variadic =
                matches!(parameter.kind, ParameterKind::VarPositional | ParameterKind::VarKeyword);
            if is_variadic || self.taken.contains(&found) {
                continue;
            }
            let name = parameter.name.clone();
            let was_key = self.context.old_keys.contains(&name);
            if parameter.default.is_none() {
                let was_accepted = variadic_gone || (was_key && parameter.kind == ParameterKind::KeywordOnly);
                if !was_accepted {
                    self.report("C03", format!("parameter `{name}` is new and required"));
                }
                continue;
            }
            // A positional that now stands where an old one stood takes its argument.
            let shifts = is_positional(parameter)
                && pairs.iter().any(|(at, other)| {
                    is_positional(&self.old[*at])
                        && is_positional(&self.new[*other])
                        && *other > found
                        && *at < *other
                        && !self.old[*at].name.starts_with('_')
                });
            let captures = is_positional(parameter) && old_variadic && new_variadic;
            if shifts && moved {
                // The order is the finding.
            } else if shifts || captures {
                self.report(
                    "C05",
                    format!(
                        "optional parameter `{name}` is inserted before others that are passed by position"
                    ),
                );
            } else if !was_key {
                self.report("C04", format!("optional parameter `{name}` is new"));
            }
        }
    }

    /// `*args` and `**kwargs` gone or new. Says whether named parameters took the place of one.
    fn variadics(&mut self) -> bool {
        let named = |list: &[Parameter]| {
            list.iter()
                .filter(|p| p.kind != ParameterKind::VarPositional && p.kind != ParameterKind::VarKeyword)
                .count()
        };
        let (old_args, new_args) =
            (find(self.old, ParameterKind::VarPositional), find(self.new, ParameterKind::VarPositional));
        let (old_kwargs, new_kwargs) =
            (find(self.old, ParameterKind::VarKeyword), find(self.new, ParameterKind::VarKeyword));
        let was_pass_through = named(self.old) == 0 && old_args.is_some() && old_kwargs.is_some();
        if was_pass_through && named(self.new) > 0 && (new_args.is_none() || new_kwargs.is_none()) {
            self.report_at("C19", Level::Warn, "`*args, **kwargs` became an explicit signature".to_owned());
            return true;
        }
        let mut gone = false;
        if let (Some(at), None) = (old_args, new_args) {
            self.report("C18", format!("`*{}` is gone", self.old[at].name));
            gone = true;
        }
        if old_args.is_none() && new_args.is_some() {
            self.report("C21", "takes any number of positional arguments".to_owned());
        }
        if let (Some(at), None) = (old_kwargs, new_kwargs) {
            let fresh: Vec<&Name> = self
                .new
                .iter()
                .filter(|new| takes_keyword(new) && !self.old.iter().any(|old| old.name == new.name))
                .map(|new| &new.name)
                .collect();
            let keys = self.context.old_keys;
            let all_named =
                !keys.is_empty() && keys.iter().all(|key| self.new.iter().any(|new| new.name == *key));
            if all_named {
                // Replaced by the names that it took.
            } else if fresh.is_empty() {
                self.report("C19", format!("`**{}` is gone", self.old[at].name));
            } else {
                self.report_at(
                    "C19",
                    Level::Warn,
                    format!("`**{}` became named parameters", self.old[at].name),
                );
            }
            return gone || !fresh.is_empty();
        }
        if old_kwargs.is_none() && new_kwargs.is_some() {
            self.report("C21", "takes any keyword arguments".to_owned());
        }
        gone
    }

    /// Keys that used to be read from `**kwargs`.
    fn keys(&mut self) {
        if !self.has_new(ParameterKind::VarKeyword) || find(self.old, ParameterKind::VarKeyword).is_none() {
            return;
        }
        for key in self.context.old_keys {
            let kept = self.context.new_keys.contains(key) || self.new.iter().any(|new| new.name == *key);
            if !kept {
                self.report("C22", format!("keyword `{key}` is no longer read from `**kwargs`"));
            }
        }
    }
}
