//! Follows names across the modules of a distribution to what they mean.
//!
//! What cannot be followed is [`Target::Unknown`] or [`Target::External`]; nothing is guessed and
//! no cycle of imports or bases keeps it busy.

pub(crate) mod classes;
pub(crate) mod external;
pub(crate) mod fields;
pub(crate) mod function;
pub(crate) mod public;
pub(crate) mod types;

use std::cell::RefCell;
use std::sync::Arc;

use ruff_python_ast::name::Name;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::parse::model::{
    Class, Def, DefKind, Entry, ExportItem, ExportStep, Function, Import, Module, When,
};
use crate::parse::value::Value;
use crate::surface::Surface;

/// How long a chain of imports is followed.
const MAX_STEPS: u32 = 60;

/// A definition: module and index in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DefKey {
    pub(crate) module: u32,
    pub(crate) def: u32,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// A function, class or value of this distribution.
    Def(DefKey),
    /// A module of this distribution.
    Module(u32),
    /// Something of another distribution, by its dotted name.
    External(Box<str>),
    /// Served by the module's `__getattr__`.
    Served { module: u32, name: Name, deprecated: bool },
    /// Bound, but to what is not known.
    Unknown,
}

/// What `__all__` evaluates to.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    pub(crate) names: Vec<Name>,
    /// Whether every part could be evaluated.
    pub(crate) is_complete: bool,
}

/// Resolves names of one surface.
pub(crate) struct Resolver<'s> {
    pub(crate) surface: &'s Surface,
    names: RefCell<FxHashMap<(u32, Name), Option<Target>>>,
    busy: RefCell<FxHashSet<(u32, Name)>>,
    exports: RefCell<FxHashMap<u32, Option<Arc<Exports>>>>,
    stars: RefCell<FxHashMap<u32, Arc<Vec<Name>>>>,
    pub(crate) mros: RefCell<FxHashMap<DefKey, Arc<classes::Mro>>>,
    pub(crate) members: RefCell<FxHashMap<DefKey, Arc<classes::Members<'s>>>>,
    steps: std::cell::Cell<u32>,
}

impl<'s> Resolver<'s> {
    pub(crate) fn new(surface: &'s Surface) -> Self {
        Self {
            surface,
            names: RefCell::default(),
            busy: RefCell::default(),
            exports: RefCell::default(),
            stars: RefCell::default(),
            mros: RefCell::default(),
            members: RefCell::default(),
            steps: std::cell::Cell::new(0),
        }
    }

    pub(crate) fn module(&self, module: u32) -> &'s Module {
        &self.surface.modules[module as usize]
    }

    pub(crate) fn def(&self, key: DefKey) -> &'s Def {
        &self.module(key.module).defs[key.def as usize]
    }

    pub(crate) fn class(&self, key: DefKey) -> Option<&'s Class> {
        match &self.def(key).kind {
            DefKind::Class(class) => Some(class),
            _ => None,
        }
    }

    pub(crate) fn function(&self, key: DefKey) -> Option<&'s Function> {
        match &self.def(key).kind {
            DefKind::Function(function) => Some(function),
            _ => None,
        }
    }

    /// The dotted path at which something is defined.
    pub(crate) fn definition_path(&self, key: DefKey) -> String {
        let def = self.def(key);
        let mut path = def.name.to_string();
        let mut parent = def.parent;
        while let Some(index) = parent {
            let outer = self.def(DefKey { module: key.module, def: index });
            path = format!("{}.{path}", outer.name);
            parent = outer.parent;
        }
        format!("{}.{path}", self.module(key.module).name)
    }

    /// What a name means in a module; `None` when it is not bound there.
    pub(crate) fn name(&self, module: u32, name: &str) -> Option<Target> {
        let key = (module, Name::new(name));
        if let Some(known) = self.names.borrow().get(&key) {
            return known.clone();
        }
        if self.steps.get() > MAX_STEPS || !self.busy.borrow_mut().insert(key.clone()) {
            return Some(Target::Unknown);
        }
        self.steps.set(self.steps.get() + 1);
        let target = self.find_name(module, name);
        self.steps.set(self.steps.get() - 1);
        self.busy.borrow_mut().remove(&key);
        // Inside a cycle the answer is provisional.
        if self.busy.borrow().is_empty() || !matches!(target, Some(Target::Unknown) | None) {
            self.names.borrow_mut().insert(key, target.clone());
        }
        target
    }

    fn find_name(&self, module_id: u32, name: &str) -> Option<Target> {
        let module = self.module(module_id);
        let entries = module.scope.get(name);
        if let Some(entry) = effective(module, entries) {
            return match &module.defs[entry.def as usize].kind {
                DefKind::Deleted => None,
                _ => Some(self.follow(DefKey { module: module_id, def: entry.def })),
            };
        }
        if !entries.is_empty() {
            return None;
        }
        for star in module.stars.iter().rev() {
            let Some(source) = self.surface.module(&star.module) else { continue };
            if self.star_names(source).binary_search_by(|exported| exported.as_str().cmp(name)).is_ok()
                && let Some(target) = self.name(source, name)
            {
                return Some(target);
            }
        }
        if module.is_package
            && let Some(child) = self.surface.module(&format!("{}.{name}", module.name))
        {
            return Some(Target::Module(child));
        }
        self.served(module_id, name)
    }

    /// What the module's `__getattr__` gives for a name.
    pub(crate) fn served(&self, module_id: u32, name: &str) -> Option<Target> {
        let getattr = self.module(module_id).getattr.as_ref()?;
        let (_, target, deprecated) = getattr.serves.iter().find(|(served, ..)| served.as_str() == name)?;
        if let (Some(Value::Name(path)), false) = (target, *deprecated) {
            let resolved = self.relative(module_id, path);
            if !matches!(resolved, Target::Unknown) {
                return Some(resolved);
            }
        }
        Some(Target::Served { module: module_id, name: Name::new(name), deprecated: *deprecated })
    }

    /// Resolves a path that may begin with dots, as in an import.
    fn relative(&self, module_id: u32, path: &str) -> Target {
        let level = path.len() - path.trim_start_matches('.').len();
        if level == 0 {
            return self.dotted(module_id, None, path).unwrap_or(Target::Unknown);
        }
        let module = self.module(module_id);
        let rest = path.trim_start_matches('.');
        let mut base = module.name.to_string();
        for _ in 0..(if module.is_package { level - 1 } else { level }) {
            base.truncate(base.rfind('.').unwrap_or(0));
        }
        let full = format!("{base}.{rest}");
        match full.rsplit_once('.') {
            Some((source, name)) => self.import(source, Some(name)),
            None => Target::Unknown,
        }
    }

    /// What a definition stands for: imports and plain aliases are followed.
    pub(crate) fn follow(&self, key: DefKey) -> Target {
        match &self.def(key).kind {
            DefKind::Import(import) => {
                let Import { module, name, .. } = &**import;
                let own = self.module(key.module);
                if let Some(name) =
                    name.as_ref().filter(|name| *own.name == **module && self.def(key).name == **name)
                {
                    // `from . import name` in a package finds the submodule, not the name it binds.
                    let child = self.surface.module(&format!("{module}.{name}"));
                    return child.map_or(Target::Unknown, Target::Module);
                }
                self.import(module, name.as_ref().map(Name::as_str))
            }
            DefKind::Value(assigned) if assigned.annotation.is_none() || assigned.is_type_alias => {
                let Some(Value::Name(path)) = &assigned.value else { return Target::Def(key) };
                let parent = self.def(key).parent.map(|def| DefKey { module: key.module, def });
                let first = path.split('.').next().unwrap_or(path);
                let scope = parent.filter(|_| self.bound_above(key, first).is_some());
                match self.dotted(key.module, scope, path) {
                    Some(Target::Def(other)) if self.is_value(other) => Target::Def(key),
                    Some(Target::Unknown | Target::Served { .. }) | None => Target::Def(key),
                    Some(other) => other,
                }
            }
            _ => Target::Def(key),
        }
    }

    fn is_value(&self, key: DefKey) -> bool {
        matches!(self.def(key).kind, DefKind::Value(_))
    }

    /// What `import module` or `from module import name` binds.
    fn import(&self, module: &str, name: Option<&str>) -> Target {
        let Some(source) = self.surface.module(module) else {
            return Target::External(match name {
                Some(name) => format!("{module}.{name}").into_boxed_str(),
                None => module.into(),
            });
        };
        match name {
            None => Target::Module(source),
            Some(name) if self.is_opaque(source) => match self.surface.module(&format!("{module}.{name}")) {
                Some(child) => Target::Module(child),
                None => Target::Unknown,
            },
            Some(name) => self.name(source, name).unwrap_or_else(|| {
                // In a cycle of imports the submodule may be meant although a name hides it.
                self.surface.module(&format!("{module}.{name}")).map_or(Target::Unknown, Target::Module)
            }),
        }
    }

    /// Whether nothing is known about the names of a module.
    pub(crate) fn is_opaque(&self, module: u32) -> bool {
        let module = self.module(module);
        module.error.is_some() || module.is_compiled
    }

    /// Whether a module may bind names that cannot be listed.
    pub(crate) fn is_open(&self, module_id: u32) -> bool {
        let module = self.module(module_id);
        self.is_opaque(module_id)
            || module.is_dynamic
            || module.getattr.as_ref().is_some_and(|getattr| getattr.is_open)
            || module.stars.iter().any(|star| match self.surface.module(&star.module) {
                Some(source) => self.is_opaque(source),
                None => !is_known_star(&star.module),
            })
    }

    /// Resolves a dotted path as seen inside a module (and class body).
    pub(crate) fn dotted(&self, module: u32, class: Option<DefKey>, path: &str) -> Option<Target> {
        let mut parts = path.split('.');
        let first = parts.next()?;
        let mut target = class
            .and_then(|class| self.own_member(class, first))
            .map(|key| self.follow(key))
            .or_else(|| self.name(module, first))
            .or_else(|| {
                external::is_builtin(first).then(|| Target::External(format!("builtins.{first}").into()))
            })?;
        for part in parts {
            target = match target {
                Target::Module(module) => self.name(module, part).unwrap_or(Target::Unknown),
                Target::External(base) => Target::External(format!("{base}.{part}").into_boxed_str()),
                Target::Def(key) => match self.class(key) {
                    Some(_) => match self.member(key, part) {
                        Some(key) => self.follow(key),
                        None => Target::Unknown,
                    },
                    None => Target::Unknown,
                },
                Target::Served { .. } | Target::Unknown => Target::Unknown,
            };
        }
        Some(target)
    }

    /// A name bound in the body of a class itself.
    pub(crate) fn own_member(&self, class: DefKey, name: &str) -> Option<DefKey> {
        let module = self.module(class.module);
        let entry = effective(module, self.class(class)?.scope.get(name))?;
        Some(DefKey { module: class.module, def: entry.def })
    }

    /// What a name in the body of the class of `key` means there: a body sees of itself what stands above, and a name
    /// that it binds below is still the module's.
    pub(crate) fn bound_above(&self, key: DefKey, name: &str) -> Option<DefKey> {
        let class = DefKey { module: key.module, def: self.def(key).parent? };
        self.own_member(class, name).filter(|own| self.def(*own).line < self.def(key).line)
    }

    /// The names that `from module import *` binds, in order.
    pub(crate) fn star_names(&self, module_id: u32) -> Arc<Vec<Name>> {
        if let Some(known) = self.stars.borrow().get(&module_id) {
            return Arc::clone(known);
        }
        let names = Arc::new(self.list_star_names(module_id));
        self.stars.borrow_mut().insert(module_id, Arc::clone(&names));
        names
    }

    fn list_star_names(&self, module_id: u32) -> Vec<Name> {
        if let Some(exports) = self.exports(module_id) {
            return exports.names.clone();
        }
        let mut names = FxHashSet::default();
        let mut pending = vec![module_id];
        let mut seen = FxHashSet::default();
        while let Some(current) = pending.pop() {
            if !seen.insert(current) {
                continue;
            }
            let module = self.module(current);
            let own = module.scope.groups().map(|group| &group[0].name);
            names.extend(own.filter(|name| !name.starts_with('_')).cloned());
            for star in &module.stars {
                let Some(source) = self.surface.module(&star.module) else { continue };
                match self.exports(source) {
                    Some(exports) => names.extend(exports.names.iter().cloned()),
                    None => pending.push(source),
                }
            }
        }
        let mut names: Vec<Name> = names.into_iter().collect();
        names.sort_unstable();
        names
    }

    /// What `__all__` of a module evaluates to, where it has one.
    pub(crate) fn exports(&self, module_id: u32) -> Option<Arc<Exports>> {
        if let Some(known) = self.exports.borrow().get(&module_id) {
            return known.clone();
        }
        // A cycle of `__all__` sees itself as empty.
        self.exports.borrow_mut().insert(module_id, Some(Arc::new(Exports::default())));
        let evaluated = self.evaluate_exports(module_id).map(Arc::new);
        self.exports.borrow_mut().insert(module_id, evaluated.clone());
        evaluated
    }

    fn evaluate_exports(&self, module_id: u32) -> Option<Exports> {
        let module = self.module(module_id);
        if module.exports.is_empty() {
            return None;
        }
        let mut exports = Exports { names: Vec::new(), is_complete: true };
        for step in &module.exports {
            let items = match step {
                ExportStep::Set(items) => {
                    exports = Exports { names: Vec::new(), is_complete: true };
                    items
                }
                ExportStep::Extend(items) => items,
                ExportStep::Remove(name) => {
                    exports.names.retain(|known| known.as_str() != &**name);
                    continue;
                }
            };
            for item in items {
                match item {
                    ExportItem::Name(name) => exports.names.push(Name::new(&**name)),
                    ExportItem::AllOf(path) => match self.dotted(module_id, None, path) {
                        Some(Target::Module(source)) => match self.exports(source) {
                            Some(inner) => {
                                exports.names.extend(inner.names.iter().cloned());
                                exports.is_complete &= inner.is_complete;
                            }
                            None => exports.is_complete = false,
                        },
                        _ => exports.is_complete = false,
                    },
                    ExportItem::Unknown => exports.is_complete = false,
                }
            }
        }
        exports.names.sort_unstable();
        exports.names.dedup();
        Some(exports)
    }
}

/// Modules whose star import brings names that no package re-exports on purpose.
fn is_known_star(module: &str) -> bool {
    matches!(module.split('.').next(), Some("typing" | "ctypes" | "math" | "struct" | "__future__"))
}

/// The bindings that count at the end of the module: the last unconditional one and what follows.
pub(crate) fn counting(entries: &[Entry]) -> &[Entry] {
    let settled = entries.iter().rposition(|entry| is_settled(entry.when)).unwrap_or(0);
    &entries[settled..]
}

fn is_settled(when: When) -> bool {
    !when.is_branch
        && !when.is_partial
        && !when.is_type_checking
        && when.pythons == u32::MAX
        && when.platforms == 0xf
}

/// The binding that best stands for a name.
pub(crate) fn effective<'e>(module: &Module, entries: &'e [Entry]) -> Option<&'e Entry> {
    let entries = counting(entries);
    if entries.len() <= 1 {
        return entries.first();
    }
    let newest = |entry: &&Entry| u32::BITS - (entry.when.pythons & 0x00ff_ffff).leading_zeros();
    let kind = |entry: &Entry| &module.defs[entry.def as usize].kind;
    let weight = |entry: &&Entry| {
        let is_none = match kind(entry) {
            DefKind::Value(assigned) => matches!(assigned.value, Some(Value::None) | None),
            DefKind::Deleted => true,
            _ => false,
        };
        (!entry.when.is_type_checking, !is_none, newest(entry), entry.when.platforms & 1)
    };
    let best = entries.iter().map(|entry| weight(&entry)).max()?;
    // Several functions of one name without a condition are overloads or accessors: the last counts.
    let mut alternatives = entries.iter().filter(|entry| weight(entry) == best);
    let first = alternatives.next()?;
    if first.when.is_branch {
        return Some(first);
    }
    Some(alternatives.rfind(|entry| !entry.when.is_branch).unwrap_or(first))
}

/// Under which circumstances a name is bound at run time.
pub(crate) fn availability(entries: &[Entry]) -> When {
    let entries = counting(entries);
    let mut union =
        When { pythons: 0, platforms: 0, is_branch: true, is_partial: true, is_type_checking: true };
    for entry in entries {
        let when = entry.when;
        union.is_type_checking &= when.is_type_checking;
        if !when.is_type_checking {
            union.pythons |= when.pythons;
            union.platforms |= when.platforms;
            union.is_partial &= when.is_partial;
            union.is_branch &= when.is_branch;
        }
    }
    union
}
