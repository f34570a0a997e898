//! What to say of names that are gone: removed, renamed, moved, refused.

use super::comparer::{Comparer, Draft, Item, Which};
use super::names::Gone;
use crate::finding::Level;
use crate::parse::model::DefKind;
use crate::resolve::function::Shape;
use crate::resolve::public::{Public, PublicName, Why};
use crate::resolve::{DefKey, Target};

impl Comparer<'_> {
    /// Reports what is gone and what is new; one of each that are the same thing is a rename.
    pub(crate) fn gone(&mut self, gone: Vec<Gone>, mut added: Vec<(Target, Item)>, new: &Public) {
        for Gone { target, item, is_open, is_for_checkers } in gone {
            let renamed = self.renamed(&target, &item, &added);
            let mut level = is_open.then_some(Level::Warn);
            if item.paths.iter().all(|path| path.ends_with(".__version__")) {
                level = Some(Level::Warn);
            }
            let moved = renamed.map(|at| added.remove(at).1.symbol().to_owned());
            let (rule, mut detail) = if is_for_checkers {
                let name = item.symbol().rsplit('.').next().unwrap_or_default();
                ("B23", format!("`{name}` was bound for type checkers only and is gone"))
            } else {
                self.rule_of_gone(&target, &item, moved.as_deref(), new)
            };
            if is_open {
                detail.push_str("; the module may add it at run time");
            }
            let (old, deprecation) = match &target {
                Target::Def(key) => (Some(self.side(Which::Old, *key)), self.deprecation(Which::Old, *key)),
                _ => (None, None),
            };
            self.push(Draft { level, old, deprecation, ..self.draft(rule, &item, detail) });
        }
        for (target, item) in added {
            let shape = self.new.shape(&target);
            let is_alias = match &target {
                Target::Def(key) => self.counterparts.values().any(|known| known == key),
                _ => false,
            };
            let (rule, detail) = match shape {
                _ if is_alias => ("B09", "has another public name".to_owned()),
                Shape::Class(_) => ("D02", "class is new".to_owned()),
                other => ("B08", format!("{} is new", other.word())),
            };
            let new = match &target {
                Target::Def(key) => Some(self.side(Which::New, *key)),
                _ => None,
            };
            self.push(Draft { new, ..self.draft(rule, &item, detail) });
        }
    }

    /// The index of the addition that is the removed thing under another name.
    fn renamed(&self, target: &Target, item: &Item, added: &[(Target, Item)]) -> Option<usize> {
        let Target::Def(key) = target else { return None };
        let name = self.old.def(*key).name.as_str();
        let parent_of = |item: &Item| item.symbol().rsplit_once('.').map(|(parent, _)| parent.to_owned());
        let digest = |which, key: DefKey| match &self.resolver(which).def(key).kind {
            DefKind::Function(function) => Some(function.body_digest),
            DefKind::Class(class) => Some(class.digest),
            _ => None,
        };
        let mine = digest(Which::Old, *key);
        let candidates = added.iter().enumerate().filter_map(|(at, (target, other))| match target {
            Target::Def(other_key) => Some((at, *other_key, other)),
            _ => None,
        });
        let mut same_text = None;
        for (at, other_key, other) in candidates {
            let same_name = self.new.def(other_key).name.as_str() == name;
            let same_kind = std::mem::discriminant(&self.old.def(*key).kind)
                == std::mem::discriminant(&self.new.def(other_key).kind);
            if same_name && same_kind && mine.is_some() {
                return Some(at);
            }
            if mine.is_some() && digest(Which::New, other_key) == mine && parent_of(item) == parent_of(other)
            {
                same_text.get_or_insert(at);
            }
        }
        same_text
    }

    fn rule_of_gone(
        &self,
        target: &Target,
        item: &Item,
        moved: Option<&str>,
        new: &Public,
    ) -> (&'static str, String) {
        let symbol = item.symbol();
        let name = symbol.rsplit('.').next().unwrap_or(symbol);
        let module_path = symbol.rsplit_once('.').map_or("", |(module, _)| module);
        let refuses = self.new.surface.module(module_path).is_some_and(|module| {
            let getattr = self.new.module(module).getattr.as_ref();
            getattr.is_some_and(|getattr| getattr.refuses.iter().any(|refused| refused.as_str() == name))
        });
        if refuses {
            return ("B18", format!("`{name}` is refused by the module's `__getattr__`"));
        }
        let Target::Def(key) = target else {
            return match target {
                Target::Served { .. } => ("B19", format!("`{name}` is no longer served")),
                Target::External(path) => ("B14", format!("`{path}` is no longer re-exported")),
                Target::Module(_) => ("B07", format!("`{name}` is gone")),
                _ => ("B07", format!("`{name}` is gone")),
            };
        };
        if let Some(moved) = moved {
            let what = if moved.rsplit('.').next() == Some(name) { "is now" } else { "is now called" };
            return (self.removed_rule(*key), format!("`{name}` {what} `{moved}`"));
        }
        // Is the object still there, under another path?
        let path = self.old.definition_path(*key);
        let survivor = self.new_definition(&path).filter(|survivor| {
            std::mem::discriminant(&self.new.def(*survivor).kind)
                == std::mem::discriminant(&self.old.def(*key).kind)
        });
        if let Some(survivor) = survivor.filter(|_| !item.paths.contains(&path)) {
            let elsewhere =
                new.names.iter().find(|n| n.target == Target::Def(survivor)).map(|n| n.path.as_str());
            let rule = match item.why {
                Why::Listed => "B10",
                Why::Redundant => "B11",
                Why::Star => "B13",
                Why::InitReexport => "B12",
                _ => self.removed_rule(*key),
            };
            let still = elsewhere.unwrap_or(&path);
            return (rule, format!("`{name}` can no longer be imported from there; it is `{still}`"));
        }
        let is_moved = |n: &&PublicName| match n.target {
            Target::Def(found) => {
                n.name.as_str() == name
                    && !n.why.is_weak()
                    && std::mem::discriminant(&self.new.def(found).kind)
                        == std::mem::discriminant(&self.old.def(*key).kind)
                    && matches!(self.new.def(found).kind, DefKind::Function(_) | DefKind::Class(_))
            }
            _ => false,
        };
        if let Some(found) = new.names.iter().find(is_moved) {
            return (
                self.removed_rule(*key),
                format!("`{name}` can no longer be imported from there; it is `{}`", found.path),
            );
        }
        let kind = self.old.shape_of(*key).word();
        (self.removed_rule(*key), format!("{kind} `{name}` is gone"))
    }

    fn removed_rule(&self, key: DefKey) -> &'static str {
        match self.old.def(key).kind {
            DefKind::Class(_) if self.old.mro(key).is_exception() => "F13",
            DefKind::Class(_) => "D01",
            _ => "B07",
        }
    }

    /// The definition at a dotted path of the new side.
    pub(crate) fn new_definition(&self, path: &str) -> Option<DefKey> {
        let (module_path, name) = path.rsplit_once('.')?;
        let module = self.new.surface.module(module_path)?;
        match self.new.name(module, name)? {
            Target::Def(key) => Some(key),
            _ => None,
        }
    }
}
