//! Modules and names: what is gone, what is new, what means something else now.

use rustc_hash::{FxHashMap, FxHashSet};

use super::comparer::{Comparer, Draft, Item, Which};
use crate::finding::Level;
use crate::parse::model::When;
use crate::resolve::function::Shape;
use crate::resolve::public::{Public, PublicName, Why};
use crate::resolve::{DefKey, Resolver, Target, availability};

/// Names of one object that meet the same fate.
struct Fate<'p> {
    old: Target,
    new: Option<Target>,
    names: Vec<&'p PublicName>,
}

/// An object that is no longer bound under some of its names.
pub(crate) struct Gone {
    pub(crate) target: Target,
    pub(crate) item: Item,
    /// Every module that lacks it may add names at run time.
    pub(crate) is_open: bool,
    /// Only type checkers saw it.
    pub(crate) is_for_checkers: bool,
}

impl Comparer<'_> {
    /// Compares everything that has a path.
    pub(crate) fn run(&mut self) {
        let (old, new) = self.publics();
        self.note_limits(&old, &new);
        let removed_modules = self.modules(&old, &new);
        let fates = self.fates(&old, &removed_modules);
        for fate in &fates {
            if let (Target::Def(a), Some(Target::Def(b))) = (&fate.old, &fate.new) {
                self.counterparts.entry(*a).or_insert(*b);
            }
        }
        let mut classes = Vec::new();
        let mut gone: Vec<Gone> = Vec::new();
        for fate in fates {
            let item = item_of(&fate.names);
            match &fate.new {
                None => {
                    let is_open = fate.names.iter().all(|name| {
                        let module = &name.path[..name.module_length];
                        self.new.surface.module(module).is_some_and(|module| self.new.is_open(module))
                    });
                    let is_for_checkers = fate.names.iter().all(|name| {
                        let entries = self.old.module(name.module).scope.get(&name.name);
                        !entries.is_empty() && entries.iter().all(|entry| entry.when.is_type_checking)
                    });
                    gone.push(Gone { target: fate.old, item, is_open, is_for_checkers });
                }
                Some(target) => {
                    self.changed_name(&fate.names, &item);
                    self.present(&fate.old, target, &item, &mut classes);
                }
            }
        }
        gone.retain(|name| match &name.target {
            Target::Module(module) => !removed_modules.contains(&*self.old.module(*module).name),
            _ => true,
        });
        let added = self.added(&old, &new);
        self.gone(gone, added, &new);
        self.dropped_from_all(&old);
        self.classes(classes);
        self.loggers();
        self.contract(&new);
    }

    /// Everything public on both sides, with the orders of the classes, each side on a thread of its own.
    fn publics(&mut self) -> (Public, Public) {
        let mode = self.mode();
        let list = |resolver: &mut Resolver<'_>| {
            let public = resolver.public(mode);
            for name in &public.names {
                if let Target::Def(key) = name.target
                    && resolver.class(key).is_some()
                {
                    resolver.mro(key);
                }
            }
            public
        };
        let (old, new) = (&mut self.old, &mut self.new);
        match crate::surface::pool() {
            Ok(pool) => pool.join(|| list(old), || list(new)),
            Err(_) => (list(old), list(new)),
        }
    }

    fn note_limits(&mut self, old: &Public, new: &Public) {
        for (which, side) in [(Which::Old, "old"), (Which::New, "new")] {
            let unread: Vec<(String, String)> = self
                .resolver(which)
                .surface
                .unread()
                .filter(|(name, _)| !self.resolver(which).is_private_path(name))
                .map(|(name, why)| (name.to_owned(), why.to_owned()))
                .collect();
            for (name, why) in unread {
                self.skip(side, &name, &why);
            }
        }
        for (which, side, public) in [(Which::Old, "old", old), (Which::New, "new", new)] {
            for (path, id) in &public.modules {
                let resolver = self.resolver(which);
                let (incomplete, open) = (
                    resolver.exports(*id).is_some_and(|exports| !exports.is_complete),
                    resolver.is_open(*id) && !resolver.is_opaque(*id),
                );
                if incomplete {
                    self.skip(side, path, "`__all__` cannot be evaluated without running it");
                }
                if open {
                    self.skip(side, path, "names may be added at run time");
                }
            }
        }
    }

    /// Compares the modules; gives the paths of those that are gone.
    fn modules(&mut self, old: &Public, new: &Public) -> FxHashSet<String> {
        let present: FxHashSet<&str> = new.modules.iter().map(|(path, _)| path.as_str()).collect();
        let mut gone: Vec<(&str, u32)> = Vec::new();
        for (path, id) in &old.modules {
            if !present.contains(path.as_str())
                && self.new.surface.module(path).is_none_or(|m| self.new.module(m).file.is_empty())
            {
                gone.push((path, *id));
            }
        }
        gone.sort_unstable();
        let all: FxHashSet<String> = gone.iter().map(|(path, _)| (*path).to_owned()).collect();
        // A namespace that is left without modules goes with them.
        for (path, id) in &gone {
            let is_below = path.rsplit_once('.').is_some_and(|(parent, _)| all.contains(parent));
            if is_below {
                continue;
            }
            let below = format!("{path}.");
            let paths = gone
                .iter()
                .map(|(path, _)| (*path).to_owned())
                .filter(|p| p == path || p.starts_with(&below));
            let item = Item::new(paths.collect(), Why::Module);
            self.module_gone(path, *id, &item);
        }
        let known: FxHashSet<&str> = old.modules.iter().map(|(path, _)| path.as_str()).collect();
        let mut fresh: Vec<(&str, u32)> = new
            .modules
            .iter()
            .filter(|(path, _)| {
                !known.contains(path.as_str())
                    && self.old.surface.module(path).is_none_or(|m| self.old.module(m).file.is_empty())
            })
            .map(|(path, id)| (path.as_str(), *id))
            .collect();
        fresh.sort_unstable();
        for (path, id) in &fresh {
            if fresh
                .iter()
                .any(|(other, _)| path.len() > other.len() && path.starts_with(&format!("{other}.")))
            {
                continue;
            }
            let below = format!("{path}.");
            let paths =
                fresh.iter().map(|(p, _)| (*p).to_owned()).filter(|p| p == path || p.starts_with(&below));
            let item = Item::new(paths.collect(), Why::Module);
            let top = path.split('.').next().unwrap_or(path);
            let is_top =
                !path.contains('.') && !self.old.surface.info.top_level.iter().any(|known| known == top);
            let (rule, detail) = if is_top && !self.old.surface.info.top_level.is_empty() {
                ("A02", format!("import package `{path}` is new"))
            } else {
                ("B03", format!("module `{path}` is new"))
            };
            let side = Some(self.module_side(Which::New, *id));
            self.push(Draft { new: side, ..self.draft(rule, &item, detail) });
        }
        all
    }

    fn module_gone(&mut self, path: &str, id: u32, item: &Item) {
        let side = Some(self.module_side(Which::Old, id));
        let deprecation = self.old.module(id).deprecation.clone();
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        if parent.is_empty() {
            let detail = format!("import package `{path}` is gone");
            self.push(Draft { old: side, deprecation, ..self.draft("A01", item, detail) });
            return;
        }
        let target = self.new.surface.module(parent).and_then(|module| self.new.name(module, name));
        let new_side = match &target {
            Some(Target::Def(key)) => Some(self.side(Which::New, *key)),
            _ => None,
        };
        let shape = target.map(|target| self.new.shape(&target));
        let (rule, detail) = match shape {
            Some(shape @ (Shape::Callable(_) | Shape::Class(_) | Shape::Value(..))) => {
                ("B06", format!("module `{path}` is a {} now", shape.word()))
            }
            _ => match self.new.surface.module(&format!("{parent}._{name}")) {
                Some(_) => ("B02", format!("module `{path}` is now `{parent}._{name}`")),
                None => ("B01", format!("module `{path}` is gone")),
            },
        };
        self.push(Draft { old: side, new: new_side, deprecation, ..self.draft(rule, item, detail) });
    }

    /// Groups the old names by object and by what the new side binds in their place.
    fn fates<'p>(&mut self, old: &'p Public, removed: &FxHashSet<String>) -> Vec<Fate<'p>> {
        let mut fates: Vec<Fate<'p>> = Vec::new();
        let mut index: FxHashMap<(Target, Option<Target>), usize> = FxHashMap::default();
        // Names that went with their module, by object.
        let mut with_module: FxHashMap<&Target, Vec<&'p PublicName>> = FxHashMap::default();
        for name in &old.names {
            let module_path = &name.path[..name.module_length];
            let inside_removed = removed.contains(module_path);
            let module = match self.new.surface.module(module_path) {
                Some(module) if !inside_removed => Some(module),
                _ if inside_removed => None,
                _ => self.module_by_path(module_path),
            };
            let Some(module) = module else {
                with_module.entry(&name.target).or_default().push(name);
                continue;
            };
            if self.new.is_opaque(module) {
                continue;
            }
            let target = self.new.name(module, &name.name);
            // Things without identity are told apart by path.
            let identity = match &name.target {
                Target::Def(_) | Target::Module(_) => name.target.clone(),
                other => {
                    let key = (other.clone(), target.clone());
                    if index.contains_key(&key) && matches!(other, Target::External(_)) {
                        other.clone()
                    } else {
                        Target::External(name.path.as_str().into())
                    }
                }
            };
            let at = *index.entry((identity, target.clone())).or_insert_with(|| {
                fates.push(Fate { old: name.target.clone(), new: target, names: Vec::new() });
                fates.len() - 1
            });
            fates[at].names.push(name);
        }
        for fate in &mut fates {
            if fate.new.is_none()
                && let Some(more) = with_module.get(&fate.old).filter(|_| matches!(fate.old, Target::Def(_)))
            {
                fate.names.extend(more);
            }
        }
        fates
    }

    /// A module that is reached through an alias on the new side.
    fn module_by_path(&self, path: &str) -> Option<u32> {
        let (parent, name) = path.rsplit_once('.')?;
        let parent = self.new.surface.module(parent)?;
        match self.new.name(parent, name)? {
            Target::Module(module) => Some(module),
            _ => None,
        }
    }

    /// The object is bound on both sides.
    fn present(
        &mut self,
        old: &Target,
        new: &Target,
        item: &Item,
        classes: &mut Vec<(DefKey, DefKey, Item)>,
    ) {
        match (old, new) {
            (Target::Served { .. }, _) | (Target::Unknown, _) | (_, Target::Unknown) => {}
            (_, Target::Served { module, deprecated, .. }) => {
                let detail = if *deprecated {
                    "served by the module's `__getattr__` with a deprecation warning"
                } else {
                    "served by the module's `__getattr__`"
                };
                let side = Some(self.module_side(Which::New, *module));
                let old_side = match old {
                    Target::Def(key) => Some(self.side(Which::Old, *key)),
                    _ => None,
                };
                self.push(Draft { old: old_side, new: side, ..self.draft("B17", item, detail) });
            }
            (Target::External(_), _) => {}
            (Target::Def(_), Target::External(path)) => {
                let detail = format!("now comes from elsewhere, as `{path}`, and was not compared");
                self.push(self.draft("B21", item, detail));
            }
            (Target::Module(_), Target::Module(_)) => {}
            _ => {
                let (a, b) = (self.old.shape(old), self.new.shape(new));
                self.shapes(&a, &b, item, classes);
            }
        }
    }

    /// Where the binding itself changed: fewer branches, other conditions.
    fn changed_name(&mut self, names: &[&PublicName], item: &Item) {
        let Some(name) = names.first() else { return };
        let Some(module) = self.new.surface.module(&name.path[..name.module_length]) else { return };
        let old_entries = self.old.module(name.module).scope.get(&name.name);
        let new_entries = self.new.module(module).scope.get(&name.name);
        if old_entries.is_empty() || new_entries.is_empty() {
            return;
        }
        let (a, b) = (availability(old_entries), availability(new_entries));
        if let Some(lost) = lost(a, b, self.supported) {
            let old = old_entries.first().map(|entry| DefKey { module: name.module, def: entry.def });
            let new = new_entries.first().map(|entry| DefKey { module, def: entry.def });
            self.report("B22", None, item, format!("no longer bound {lost}"), (old, new));
        }
    }

    /// Names that are new, apart from those in new modules.
    fn added(&self, old: &Public, new: &Public) -> Vec<(Target, Item)> {
        let mut groups: Vec<(Target, Vec<&PublicName>)> = Vec::new();
        let mut index: FxHashMap<Target, usize> = FxHashMap::default();
        let old_paths: FxHashSet<&str> = old.names.iter().map(|name| name.path.as_str()).collect();
        for name in &new.names {
            if old_paths.contains(name.path.as_str()) {
                continue;
            }
            let module_path = &name.path[..name.module_length];
            let Some(module) = self.old.surface.module(module_path) else { continue };
            let is_bound = self.old.is_opaque(module) || self.old.name(module, &name.name).is_some();
            if name.why.is_weak()
                || self.old.module(module).file.is_empty()
                || is_bound
                || matches!(name.target, Target::Module(_))
            {
                continue;
            }
            let key = match &name.target {
                Target::Def(_) => name.target.clone(),
                _ => Target::External(name.path.as_str().into()),
            };
            let at = *index.entry(key).or_insert_with(|| {
                groups.push((name.target.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(name);
        }
        groups.into_iter().map(|(target, names)| (target, item_of(&names))).collect()
    }

    /// Names that `__all__` no longer lists, or leaves out when it appears.
    fn dropped_from_all(&mut self, old: &Public) {
        let mut introduced: FxHashMap<u32, Vec<String>> = FxHashMap::default();
        for name in &old.names {
            let Some(module) = self.new.surface.module(&name.path[..name.module_length]) else { continue };
            let Some(exports) = self.new.exports(module).filter(|exports| exports.is_complete) else {
                continue;
            };
            let is_bound = self.new.name(module, &name.name).is_some();
            if !is_bound || exports.names.binary_search(&name.name).is_ok() {
                continue;
            }
            match name.why {
                Why::Listed => {
                    let level = (self.mode() == crate::contract::Mode::Strict).then_some(Level::Major);
                    let item = Item::new(vec![name.path.clone()], Why::Listed);
                    let detail = format!("`{}` is no longer listed in `__all__`", name.name);
                    self.push(Draft { level, ..self.draft("B15", &item, detail) });
                }
                Why::Definition | Why::Redundant | Why::Star | Why::InitReexport
                    if self.old.exports(name.module).is_none() =>
                {
                    introduced.entry(module).or_default().push(name.name.to_string());
                }
                _ => {}
            }
        }
        let mut introduced: Vec<_> = introduced.into_iter().collect();
        introduced.sort();
        for (module, mut names) in introduced {
            names.sort();
            let item = Item::new(vec![self.new.module(module).name.to_string()], Why::Module);
            let detail = format!("`__all__` appears and leaves out {}", names.join(", "));
            let side = Some(self.module_side(Which::New, module));
            self.push(Draft { new: side, ..self.draft("B16", &item, detail) });
        }
    }
}

fn item_of(names: &[&PublicName]) -> Item {
    let why = names.iter().map(|name| name.why).min().unwrap_or(Why::Definition);
    Item::new(names.iter().map(|name| name.path.clone()).collect(), why)
}

/// Under which circumstances a name is bound on the old side and not on the new one.
fn lost(old: When, new: When, supported: u32) -> Option<String> {
    if old.is_type_checking || new.is_type_checking {
        return (!old.is_type_checking && new.is_type_checking).then(|| "at run time".to_owned());
    }
    let pythons = old.pythons & !new.pythons & supported;
    if pythons != 0 {
        let list: Vec<String> =
            (0..32).filter(|n| pythons & (1 << n) != 0).map(|n| format!("3.{n}")).collect();
        return Some(format!("on Python {}", list.join(", ")));
    }
    let platforms = old.platforms & !new.platforms;
    if platforms != 0 {
        let names = [(1, "Linux"), (2, "Windows"), (4, "macOS"), (8, "others")];
        let list: Vec<&str> =
            names.iter().filter(|(bit, _)| platforms & bit != 0).map(|(_, name)| *name).collect();
        return Some(format!("on {}", list.join(", ")));
    }
    (!old.is_partial && new.is_partial).then(|| "in every branch".to_owned())
}
