//! What is public: the precedence of the contract's specification, applied to access paths.

use ruff_python_ast::name::Name;
use rustc_hash::FxHashSet;

use super::{Resolver, Target, effective};
use crate::contract::Mode;
use crate::parse::model::{DefKind, Entry};

/// Which rule made a name public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    Module,
    Listed,
    Redundant,
    Star,
    Definition,
    InitReexport,
    Served,
    ForeignReexport,
    OutsideAll,
    Script,
}

impl Why {
    /// The rule in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Module => "a module whose path has no private part",
            Self::Listed => "listed in `__all__`",
            Self::Redundant => "re-exported as `X as X`",
            Self::Star => "re-exported by a star import",
            Self::Definition => "defined in a public module under a name without underscore",
            Self::InitReexport => {
                "imported from its own distribution in a package `__init__` without `__all__`"
            }
            Self::Served => "served by the module's `__getattr__`",
            Self::ForeignReexport => "imported from another distribution in a package `__init__`",
            Self::OutsideAll => "defined in a public module, though outside its `__all__`",
            Self::Script => "part of the command line of an installed script",
        }
    }

    /// Whether findings about the name are no more than warnings.
    pub(crate) fn is_weak(self) -> bool {
        matches!(self, Self::ForeignReexport | Self::OutsideAll)
    }
}

/// A public name.
#[derive(Debug, Clone)]
pub(crate) struct PublicName {
    pub(crate) path: String,
    /// Length of the module part of the path.
    pub(crate) module_length: usize,
    /// The module in which the name is bound.
    pub(crate) module: u32,
    pub(crate) name: Name,
    pub(crate) target: Target,
    pub(crate) why: Why,
}

/// Everything public, modules apart from names.
#[derive(Debug, Default)]
pub(crate) struct Public {
    /// Access path and module.
    pub(crate) modules: Vec<(String, u32)>,
    pub(crate) names: Vec<PublicName>,
}

impl Resolver<'_> {
    /// Whether a module's path makes it private.
    pub(crate) fn is_private_path(&self, path: &str) -> bool {
        let mut end = 0;
        path.split('.').enumerate().any(|(at, part)| {
            end += part.len() + usize::from(at > 0);
            let is_dunder = part.starts_with("__") && part.ends_with("__") && part != "__main__";
            (part.starts_with('_') && !is_dunder)
                || (self.is_never_public(at, part) && !self.surface.test_apis.contains(&path[..end]))
        })
    }

    fn is_never_public(&self, at: usize, part: &str) -> bool {
        // A distribution may itself be called `test` or `vendor`.
        (at > 0 || part == "tests") && self.surface.options.never_public.iter().any(|never| never == part)
    }

    /// Lists everything public.
    pub(crate) fn public(&self, mode: Mode) -> Public {
        let mut public = Public::default();
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        let mut pending: Vec<(String, u32)> = Vec::new();
        for (id, module) in (0_u32..).zip(&self.surface.modules) {
            if self.is_private_path(&module.name) {
                continue;
            }
            if !module.file.is_empty() {
                public.modules.push((module.name.to_string(), id));
            }
            seen.insert(id);
            pending.push((module.name.to_string(), id));
        }
        let mut at = 0;
        while at < pending.len() {
            let (path, id) = pending[at].clone();
            at += 1;
            let before = public.names.len();
            self.public_names(&path, id, mode, &mut public.names);
            // A private module under a public name is public through that name.
            for name in &public.names[before..] {
                if let Target::Module(inner) = name.target {
                    let belongs = self.is_private_path(&self.module(inner).name);
                    if belongs && path.len() < 200 && seen.insert(inner) {
                        pending.push((name.path.clone(), inner));
                    }
                }
            }
        }
        public
    }

    fn public_names(&self, path: &str, id: u32, mode: Mode, found: &mut Vec<PublicName>) {
        let module = self.module(id);
        let exports = self.exports(id);
        let listed = exports.as_ref().filter(|exports| exports.is_complete);
        let mut add = |name: &Name, target: Target, why: Why| {
            found.push(PublicName {
                path: format!("{path}.{name}"),
                module_length: path.len(),
                module: id,
                name: name.clone(),
                target,
                why,
            });
        };
        if let Some(exports) = &exports {
            for name in &exports.names {
                if let Some(target) = self.name(id, name) {
                    add(name, target, Why::Listed);
                }
            }
        }
        let is_listed = |name: &Name| exports.as_ref().is_some_and(|e| e.names.binary_search(name).is_ok());
        for group in module.scope.groups() {
            let name = &group[0].name;
            if is_listed(name) || !is_public_name(name) {
                continue;
            }
            let Some(entry) = effective(module, group) else { continue };
            let Some(why) = self.why(id, entry, listed.is_some(), mode) else { continue };
            if let Some(target) = self.name(id, name) {
                let why = match (&target, why) {
                    (Target::External(path), Why::InitReexport) if is_standard(path) => continue,
                    (Target::External(_), Why::InitReexport) => Why::ForeignReexport,
                    // `from . import submodule`: the submodule is an item of its own.
                    (Target::Module(inner), _) if *self.module(*inner).name == *format!("{path}.{name}") => {
                        continue;
                    }
                    (_, why) => why,
                };
                add(name, target, why);
            }
        }
        if listed.is_none() {
            for star in &module.stars {
                let Some(source) = self.surface.module(&star.module) else { continue };
                for name in self.star_names(source).iter() {
                    if module.scope.get(name).is_empty()
                        && !is_listed(name)
                        && !name.starts_with('_')
                        && let Some(target) = self.name(id, name)
                    {
                        add(name, target, Why::Star);
                    }
                }
            }
        }
        for (name, ..) in module.getattr.iter().flat_map(|getattr| &getattr.serves) {
            if module.scope.get(name).is_empty()
                && !is_listed(name)
                && is_public_name(name)
                && let Some(target) = self.name(id, name)
            {
                add(name, target, Why::Served);
            }
        }
    }

    /// Which rule makes a bound name public, if any.
    fn why(&self, id: u32, entry: &Entry, has_all: bool, mode: Mode) -> Option<Why> {
        let module = self.module(id);
        match &module.defs[entry.def as usize].kind {
            DefKind::Deleted => None,
            DefKind::Import(import) => {
                if has_all {
                    return None;
                }
                if import.is_redundant {
                    return Some(Why::Redundant);
                }
                let is_init = module.is_package && !module.file.is_empty();
                let is_from = import.name.is_some();
                (is_init && is_from && mode != Mode::Strict && !entry.when.is_type_checking)
                    .then_some(Why::InitReexport)
            }
            DefKind::Function(_) | DefKind::Class(_) if has_all => {
                (mode != Mode::Strict).then_some(Why::OutsideAll)
            }
            DefKind::Value(_) if has_all => (mode != Mode::Strict).then_some(Why::OutsideAll),
            DefKind::Function(_) | DefKind::Class(_) | DefKind::Value(_) => Some(Why::Definition),
        }
    }
}

fn is_public_name(name: &Name) -> bool {
    !name.starts_with('_') || name == "__version__"
}

/// Whether a dotted path begins with a module that packages import for their own use: one of the standard library,
/// or one that stands for it on older Pythons.
pub(crate) fn is_standard(path: &str) -> bool {
    let top = path.split('.').next().unwrap_or(path);
    shipway_dist::is_stdlib(top) || matches!(top, "__future__" | "typing_extensions" | "six")
}
