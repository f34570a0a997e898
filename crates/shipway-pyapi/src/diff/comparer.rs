//! The state of one comparison, and how findings come into being.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{DiffOptions, NotChecked, signature};
use crate::contract::{Mode, Standing};
use crate::finding::{ApiFinding, FindingSide, Level};
use crate::parse::model::{DefKind, Deprecation, Function};
use crate::resolve::public::Why;
use crate::resolve::{DefKey, Resolver};
use crate::rules::rule;
use crate::surface::Surface;

/// Which side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Old,
    New,
}

/// Something public with all its paths.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) paths: Vec<String>,
    pub(crate) why: Why,
    /// The path that names the item best, when that is not the shortest.
    pub(crate) best: Option<String>,
}

impl Item {
    pub(crate) fn new(paths: Vec<String>, why: Why) -> Self {
        Self { paths, why, best: None }
    }

    /// The path that names the item best: that of the class that defines it, else the shortest.
    pub(crate) fn symbol(&self) -> &str {
        let shortest = || self.paths.iter().min_by(|a, b| path_order(a).cmp(&path_order(b)));
        self.best.as_ref().or_else(shortest).map_or("", String::as_str)
    }

    /// The item of a member.
    pub(crate) fn member(&self, name: &str) -> Self {
        Self {
            paths: self.paths.iter().map(|path| format!("{path}.{name}")).collect(),
            why: self.why,
            best: self.best.as_ref().map(|path| format!("{path}.{name}")),
        }
    }

    /// Takes the paths of another item of the same object.
    pub(crate) fn add(&mut self, other: &Self) {
        self.paths.extend(other.paths.iter().cloned());
        if self.best.is_none() {
            self.best.clone_from(&other.best);
        }
        self.why = self.why.min(other.why);
    }

    /// The item with its shortest path as the best one, whatever is added later.
    pub(crate) fn settled(mut self) -> Self {
        self.best = Some(self.symbol().to_owned());
        self
    }

    /// All paths, the shortest first, each once.
    fn into_paths(self) -> Vec<String> {
        let mut paths = self.paths;
        paths.sort_by(|a, b| path_order(a).cmp(&path_order(b)));
        paths.dedup();
        paths
    }
}

fn path_order(path: &str) -> (usize, usize, &str) {
    (path.matches('.').count(), path.len(), path)
}

/// A finding in the making.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) id: &'static str,
    pub(crate) level: Option<Level>,
    pub(crate) item: Item,
    pub(crate) detail: String,
    pub(crate) old: Option<FindingSide>,
    pub(crate) new: Option<FindingSide>,
    pub(crate) deprecation: Option<Deprecation>,
}

/// One comparison.
pub(crate) struct Comparer<'s> {
    pub(crate) old: Resolver<'s>,
    pub(crate) new: Resolver<'s>,
    pub(crate) options: &'s DiffOptions,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) not_checked: Vec<NotChecked>,
    /// Comparisons already made of two functions, and the drafts that came of them.
    pub(crate) compared: FxHashMap<(DefKey, DefKey), std::ops::Range<usize>>,
    /// New class for old class, from public paths.
    pub(crate) counterparts: FxHashMap<DefKey, DefKey>,
    /// The Pythons that both sides support, bit n for 3.n.
    pub(crate) supported: u32,
    /// Classes that are public under a name of their own, old and new.
    pub(crate) public_classes: (FxHashSet<DefKey>, FxHashSet<DefKey>),
}

impl<'s> Comparer<'s> {
    pub(crate) fn new(old: &'s Surface, new: &'s Surface, options: &'s DiffOptions) -> Self {
        let pythons = |surface: &Surface| {
            surface.info.requires_python.as_deref().map_or(u32::MAX, super::requirements::python_mask)
        };
        Self {
            // Before 3.7 and after 3.14 nobody looks.
            supported: pythons(old) & pythons(new) & 0x7f80,
            old: Resolver::new(old),
            new: Resolver::new(new),
            options,
            drafts: Vec::new(),
            not_checked: Vec::new(),
            compared: FxHashMap::default(),
            counterparts: FxHashMap::default(),
            public_classes: Default::default(),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.options.mode
    }

    pub(crate) fn resolver(&self, which: Which) -> &Resolver<'s> {
        match which {
            Which::Old => &self.old,
            Which::New => &self.new,
        }
    }

    pub(crate) fn skip(&mut self, side: &'static str, symbol: &str, reason: &str) {
        let entry = NotChecked { side, symbol: symbol.to_owned(), reason: reason.to_owned() };
        self.not_checked.push(entry);
    }

    /// A finding without sides.
    pub(crate) fn draft(&self, id: &'static str, item: &Item, detail: impl Into<String>) -> Draft {
        Draft {
            id,
            level: None,
            item: item.clone(),
            detail: detail.into(),
            old: None,
            new: None,
            deprecation: None,
        }
    }

    pub(crate) fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// Reports a change between two definitions.
    pub(crate) fn report(
        &mut self,
        id: &'static str,
        level: Option<Level>,
        item: &Item,
        detail: impl Into<String>,
        (old, new): (Option<DefKey>, Option<DefKey>),
    ) {
        let draft = Draft {
            id,
            level,
            item: item.clone(),
            detail: detail.into(),
            old: old.map(|key| self.side(Which::Old, key)),
            new: new.map(|key| self.side(Which::New, key)),
            deprecation: old.and_then(|key| self.deprecation(Which::Old, key)),
        };
        self.drafts.push(draft);
    }

    /// The mark of a definition, or of what stands around it.
    pub(crate) fn deprecation(&self, which: Which, key: DefKey) -> Option<Deprecation> {
        let resolver = self.resolver(which);
        let own = match &resolver.def(key).kind {
            DefKind::Function(function) => function.deprecation.clone(),
            DefKind::Class(class) => class.deprecation.clone(),
            _ => None,
        };
        let parent = resolver.def(key).parent.map(|def| DefKey { module: key.module, def });
        own.or_else(|| parent.and_then(|parent| self.deprecation(which, parent)))
            .or_else(|| resolver.module(key.module).deprecation.clone())
    }

    /// Signature, file and line of a definition.
    pub(crate) fn side(&self, which: Which, key: DefKey) -> FindingSide {
        let resolver = self.resolver(which);
        let def = resolver.def(key);
        let name = def.name.as_str();
        let text = match &def.kind {
            DefKind::Function(function) => function_text(name, function),
            DefKind::Class(class) => {
                let bases: Vec<String> = class.bases.iter().map(crate::parse::value::Value::render).collect();
                if bases.is_empty() {
                    format!("class {name}")
                } else {
                    format!("class {name}({})", bases.join(", "))
                }
            }
            DefKind::Value(assigned) => {
                let annotation =
                    assigned.annotation.as_ref().map(|a| format!(": {}", a.render())).unwrap_or_default();
                let value = assigned.value.as_ref().map(|v| format!(" = {}", v.render())).unwrap_or_default();
                format!("{name}{annotation}{value}")
            }
            DefKind::Import(import) => match &import.name {
                Some(imported) => format!("from {} import {imported}", import.module),
                None => format!("import {}", import.module),
            },
            DefKind::Deleted => format!("del {name}"),
        };
        FindingSide { signature: text, file: resolver.module(key.module).file.to_string(), line: def.line }
    }

    /// The beginning of a module as a side.
    pub(crate) fn module_side(&self, which: Which, module: u32) -> FindingSide {
        let module = self.resolver(which).module(module);
        FindingSide { signature: format!("module {}", module.name), file: module.file.to_string(), line: 1 }
    }

    /// Turns drafts into findings under the contract, the mode and the project's own levels.
    pub(crate) fn finish(mut self) -> (Vec<ApiFinding>, Vec<NotChecked>) {
        let drafts = std::mem::take(&mut self.drafts);
        let mut findings = Vec::with_capacity(drafts.len());
        for draft in drafts {
            findings.extend(self.finding(draft));
        }
        (findings, self.not_checked)
    }

    fn finding(&self, draft: Draft) -> Option<ApiFinding> {
        let rule = rule(draft.id)?;
        let mut level = draft.level.unwrap_or(rule.level);
        if draft.item.why.is_weak() && level < Level::Error {
            level = level.min(Level::Warn);
        }
        let (standing, path) = self.standing(&draft.item);
        level = match standing {
            _ if level == Level::Error => level,
            Standing::Internal => level.min(Level::Note),
            Standing::Provisional => level.min(Level::Patch),
            Standing::Stable => {
                // A promised name is public whatever else says, and so is the value of a promised constant.
                let promised = draft.item.why.is_weak() || draft.id == "F11";
                if promised {
                    draft.level.unwrap_or(if draft.id == "F11" { Level::Major } else { rule.level })
                } else {
                    level
                }
            }
            Standing::Unlisted if self.mode() == Mode::Contract && self.options.contract.has_stable() => {
                if self.is_about_names(draft.id) {
                    level.min(Level::Warn)
                } else {
                    level
                }
            }
            Standing::Unlisted => level,
        };
        for (key, chosen) in &self.options.levels {
            let applies = crate::rules::rule(key).is_some_and(|found| found.id == rule.id)
                || key == rule.audience.as_str();
            if applies && level != Level::Error {
                level = *chosen;
            }
        }
        Some(ApiFinding {
            id: rule.id,
            name: rule.name,
            level,
            audience: rule.audience,
            symbol: path.unwrap_or_else(|| draft.item.symbol()).to_owned(),
            detail: draft.detail,
            old: draft.old,
            new: draft.new,
            why_public: draft.item.why.text().to_owned(),
            why_breaking: rule.breaks,
            fix: rule.fix,
            standing: match standing {
                Standing::Stable => "stable",
                Standing::Provisional => "provisional",
                Standing::Internal => "internal",
                Standing::Unlisted => "unlisted",
            },
            accepted: None,
            was_deprecated: draft.deprecation.is_some(),
            witness: None,
            paths: draft.item.into_paths(),
        })
    }

    /// Metadata and the contract's own rules do not concern a name that could be declared.
    fn is_about_names(&self, id: &str) -> bool {
        !id.starts_with(['A', 'G', 'K'])
    }

    /// Where the contract places an item: the strongest standing of its paths.
    fn standing<'i>(&self, item: &'i Item) -> (Standing, Option<&'i str>) {
        let contract = &self.options.contract;
        if contract.is_empty() {
            return (Standing::Unlisted, None);
        }
        let find = |wanted: Standing| item.paths.iter().find(|path| contract.standing(path) == wanted);
        if let Some(path) = find(Standing::Stable) {
            return (Standing::Stable, Some(path));
        }
        for standing in [Standing::Unlisted, Standing::Provisional] {
            if find(standing).is_some() {
                return (standing, None);
            }
        }
        (Standing::Internal, None)
    }
}

/// A function with its decorators that decide how it is used.
pub(crate) fn function_text(name: &str, function: &Function) -> String {
    let keyword = if function.is_async { "async def " } else { "def " };
    let text = signature::render(name, &function.parameters, function.returns.as_ref(), false);
    let decorators: Vec<String> = function
        .decorators
        .iter()
        .filter_map(|decorator| decorator.last())
        .map(|last| format!("@{last} "))
        .collect();
    format!("{}{keyword}{text}", decorators.concat())
}
