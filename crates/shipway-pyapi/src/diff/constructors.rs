//! What calling a class takes, compared, wherever it comes from.

use super::comparer::{Comparer, Item};
use super::parameters::{self, Context};
use crate::finding::Level;
use crate::parse::model::{Function, Parameter};
use crate::resolve::DefKey;
use crate::resolve::fields::{Constructor, DataKind};
use crate::resolve::function::{Binding, visible};

impl Comparer<'_> {
    /// Compares the effective constructors of two classes.
    pub(crate) fn constructors(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let (a, b) = (self.old.constructor(old), self.new.constructor(new));
        let keys = (Some(old), Some(new));
        let mut paths = item.clone();
        paths.paths.extend(item.paths.iter().map(|path| format!("{path}.__init__")).collect::<Vec<_>>());
        let (old_fields, new_fields) = (self.old.fields(old), self.new.fields(new));
        if let (Some(x), Some(y)) = (&old_fields, &new_fields) {
            let both = matches!((&a, &b), (Constructor::Fields(_), Constructor::Fields(_)))
                || x.kind == DataKind::TypedDict
                || y.kind == DataKind::TypedDict;
            if both {
                if !x.is_open && !y.is_open {
                    self.fields(item, keys, x, y);
                } else {
                    self.skip("both", item.symbol(), "fields of bases that were not read");
                }
                return;
            }
        }
        match (&a, &b) {
            (
                Constructor::Function { key: x, function: f },
                Constructor::Function { key: y, function: g },
            ) => {
                let is_owner = self.old.def(*x).parent == Some(old.def) && x.module == old.module;
                self.functions((*x, f), (*y, g), &paths, is_owner);
            }
            (Constructor::Empty, _) => {
                let Some(parameters) = b.parameters() else { return };
                let required: Vec<String> = required(&parameters);
                let side = (Some(old), Some(constructor_key(&b).unwrap_or(new)));
                if required.is_empty() {
                    if !parameters.is_empty() {
                        self.report("C04", None, &paths, "constructor takes optional arguments now", side);
                    }
                } else {
                    self.report("D17", None, &paths, format!("needs `{}` now", required.join("`, `")), side);
                }
            }
            (Constructor::Anything, Constructor::Function { .. } | Constructor::Fields(_)) => {
                let Some(parameters) = b.parameters() else { return };
                let required = required(&parameters);
                if required.len() > 1 || (!required.is_empty() && !self.old.mro(old).is_exception()) {
                    let side = (Some(old), Some(constructor_key(&b).unwrap_or(new)));
                    let level = (!self.old.mro(old).is_exception()).then_some(Level::Warn);
                    self.report("D17", level, &paths, format!("needs `{}` now", required.join("`, `")), side);
                }
            }
            (Constructor::Unknown, _) | (_, Constructor::Unknown) => {
                self.skip("both", item.symbol(), "its constructor cannot be followed");
            }
            (Constructor::Fields(_) | Constructor::Function { .. }, Constructor::Empty) => {
                let Some(parameters) = a.parameters().filter(|p| !p.is_empty()) else { return };
                let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
                let was_data = old_fields.is_some() && new_fields.is_none();
                if !was_data {
                    let side = (Some(constructor_key(&a).unwrap_or(old)), Some(new));
                    self.report(
                        "C01",
                        None,
                        &paths,
                        format!("constructor no longer takes `{}`", names.join("`, `")),
                        side,
                    );
                }
            }
            (Constructor::Fields(_), Constructor::Function { .. })
            | (Constructor::Function { .. }, Constructor::Fields(_)) => {
                let (Some(x), Some(y)) = (a.parameters(), b.parameters()) else { return };
                let sides = (constructor_key(&a).or(Some(old)), constructor_key(&b).or(Some(new)));
                for change in parameters::compare(&x, &y, &Context::default()) {
                    self.report(change.id, change.level, &paths, change.detail, sides);
                }
            }
            _ => {}
        }
    }

    /// Two constructors that are functions; classes that share them share the findings.
    fn functions(
        &mut self,
        (old, f): (DefKey, &Function),
        (new, g): (DefKey, &Function),
        item: &Item,
        is_owner: bool,
    ) {
        if let Some(range) = self.compared.get(&(old, new)).cloned() {
            for draft in &mut self.drafts[range] {
                if is_owner {
                    draft.item.best = Some(item.symbol().to_owned());
                }
                draft.item.add(item);
            }
            return;
        }
        let settled = item.clone().settled();
        let item = if is_owner { &settled } else { item };
        let start = self.drafts.len();
        if f.body_digest != g.body_digest || f.head_digest != g.head_digest {
            let (x, y) = (visible(f, Binding::Instance), visible(g, Binding::Instance));
            for change in self.parameter_changes((old, x, f), (new, y, g)) {
                self.report(change.id, change.level, item, change.detail, (Some(old), Some(new)));
            }
            let callable = |key, function| crate::resolve::function::Callable {
                key,
                function,
                overloads: Vec::new(),
                binding: Binding::Instance,
            };
            self.constructor_types(&callable(old, f), &callable(new, g), item);
        }
        self.compared.insert((old, new), start..self.drafts.len());
    }
}

fn constructor_key(constructor: &Constructor<'_>) -> Option<DefKey> {
    match constructor {
        Constructor::Function { key, .. } => Some(*key),
        _ => None,
    }
}

fn required(parameters: &[Parameter]) -> Vec<String> {
    use crate::parse::model::ParameterKind::{VarKeyword, VarPositional};
    parameters
        .iter()
        .filter(|p| p.default.is_none() && !matches!(p.kind, VarPositional | VarKeyword))
        .map(|p| p.name.to_string())
        .collect()
}
