//! Names of loggers that changed: what people filter by.

use rustc_hash::FxHashSet;

use super::comparer::{Comparer, Draft, Item, Which};
use crate::finding::FindingSide;
use crate::parse::model::{DefKind, Module};
use crate::parse::value::Value;
use crate::resolve::public::Why;

/// The names by which a module asks for loggers, with the line.
fn loggers(module: &Module) -> Vec<(String, u32)> {
    let asked = module.defs.iter().filter(|def| def.parent.is_none()).filter_map(|def| {
        let DefKind::Value(assigned) = &def.kind else { return None };
        let call = assigned.value.as_ref()?.call()?;
        if call.function.last() != Some("getLogger") {
            return None;
        }
        let name = match call.arguments.first()? {
            Value::Str(name) => name.to_string(),
            Value::Name(name) if &**name == "__name__" => module.name.to_string(),
            _ => return None,
        };
        Some((name, def.line))
    });
    asked.collect()
}

impl Comparer<'_> {
    /// Reports loggers that a module asks for under another name.
    pub(crate) fn loggers(&mut self) {
        let (old, new) = (self.old.surface, self.new.surface);
        let mut known: Option<FxHashSet<String>> = None;
        for (at, module) in (0_u32..).zip(&old.modules) {
            let Some(counterpart) = new.module(&module.name) else { continue };
            let after = &new.modules[counterpart as usize];
            if std::sync::Arc::ptr_eq(module, after) {
                continue;
            }
            let (before, now) = (loggers(module), loggers(after));
            for (name, line) in &before {
                let known = known.get_or_insert_with(|| {
                    new.modules.iter().flat_map(|module| loggers(module)).map(|(name, _)| name).collect()
                });
                let fresh = now.iter().find(|(other, _)| !before.iter().any(|(old, _)| old == other));
                let (false, Some((other, new_line))) = (known.contains(name), fresh) else { continue };
                let side = |which: Which, module: u32, name: &str, line: u32| {
                    let file = self.resolver(which).module(module).file.to_string();
                    Some(FindingSide { signature: format!("getLogger({name:?})"), file, line })
                };
                let (a, b) =
                    (side(Which::Old, at, name, *line), side(Which::New, counterpart, other, *new_line));
                let item = Item::new(vec![module.name.to_string()], Why::Module);
                let draft = self.draft("F20", &item, format!("logger `{name}` is now called `{other}`"));
                self.push(Draft { old: a, new: b, ..draft });
            }
        }
    }
}
