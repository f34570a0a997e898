//! The modules of a wheel by the names of its members.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::source::FileKind;

/// A module that a wheel holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The name of the member.
    pub(super) member: Box<str>,
    pub(super) kind: FileKind,
    pub(super) is_package: bool,
}

impl Held {
    /// Whether this is the `__init__.py` of a package.
    pub(super) fn is_source_package(&self) -> bool {
        self.is_package && self.kind == FileKind::Source
    }

    /// The path once it is installed.
    pub(super) fn path(&self) -> &str {
        installed(&self.member).unwrap_or(&self.member)
    }
}

/// The modules of a wheel.
#[derive(Debug, Default)]
pub(super) struct Modules {
    held: FxHashMap<Box<str>, Held>,
    /// Packages without an `__init__`, and those with one.
    parents: FxHashSet<Box<str>>,
}

impl Modules {
    /// Adds a member, if it is a module.
    pub(super) fn add(&mut self, member: &str) {
        let Some((name, kind, is_package)) = module_of(member) else { return };
        for (at, _) in name.match_indices('.') {
            if !self.parents.contains(&name[..at]) {
                self.parents.insert(name[..at].into());
            }
        }
        let new = Held { member: member.into(), kind, is_package };
        match self.held.get_mut(name.as_str()) {
            // A package wins over a module, a source over what is compiled, that over a stub.
            Some(known) if rank(&new) > rank(known) => *known = new,
            Some(_) => {}
            None => {
                self.held.insert(name.into_boxed_str(), new);
            }
        }
    }

    /// The module of a dotted name.
    pub(super) fn get(&self, name: &str) -> Option<&Held> {
        self.held.get(name)
    }

    /// Whether a dotted name is a module, or a folder with modules in it.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.held.contains_key(name) || self.parents.contains(name)
    }

    /// The modules that no other module of the wheel lies above.
    pub(super) fn roots(&self) -> impl Iterator<Item = &str> {
        let is_root = |name: &&str| !ancestors(name).any(|parent| self.held.contains_key(parent));
        self.held.keys().map(|name| &**name).filter(is_root)
    }

    /// Whether a module that is missing could only be in this wheel: the nearest parent there is, is a
    /// package with an `__init__.py`.
    pub(super) fn is_own(&self, name: &str) -> bool {
        let parent = ancestors(name).find(|parent| self.contains(parent));
        parent.and_then(|parent| self.get(parent)).is_some_and(Held::is_source_package)
    }
}

/// The dotted parents of a name, the nearest first.
pub(super) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    name.rmatch_indices('.').map(|(at, _)| &name[..at])
}

fn rank(held: &Held) -> u8 {
    let kind = match held.kind {
        FileKind::Source => 2,
        FileKind::Compiled => 1,
        FileKind::Stub => 0,
    };
    kind + if held.is_package { 3 } else { 0 }
}

/// Where a member stands once it is installed; `None` when it is not among the modules.
fn installed(member: &str) -> Option<&str> {
    match member.split_once('/') {
        Some((top, _)) if top.ends_with(".dist-info") => None,
        Some((top, rest)) if top.ends_with(".data") => match rest.split_once('/') {
            Some(("purelib" | "platlib", rest)) => Some(rest),
            _ => None,
        },
        _ => Some(member),
    }
}

/// The dotted name of the module in a member, its kind, and whether it is a package.
pub(super) fn module_of(member: &str) -> Option<(String, FileKind, bool)> {
    let path = installed(member)?;
    let (stem, kind) = if let Some(stem) = path.strip_suffix(".py") {
        (stem, FileKind::Source)
    } else if let Some(stem) = path.strip_suffix(".pyi") {
        (stem, FileKind::Stub)
    } else if path.ends_with(".so") || path.ends_with(".pyd") || path.ends_with(".pyc") {
        let begin = path.rfind('/').map_or(0, |at| at + 1);
        let base = path[begin..].find('.')?;
        if base == 0 {
            return None;
        }
        (&path[..begin + base], FileKind::Compiled)
    } else {
        return None;
    };
    let (stem, is_package) = match stem.strip_suffix("/__init__") {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let (top, rest) = stem.split_once('/').unwrap_or((stem, ""));
    let top = top.strip_suffix("-stubs").unwrap_or(top);
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c == '_' || c.is_alphabetic())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    };
    if !is_identifier(top) || (!rest.is_empty() && !rest.split('/').all(is_identifier)) {
        return None;
    }
    let mut name = String::with_capacity(stem.len());
    name.push_str(top);
    for part in rest.split('/').filter(|part| !part.is_empty()) {
        name.push('.');
        name.push_str(part);
    }
    Some((name, kind, is_package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_modules_where_they_are_installed() {
        let name = |member: &str| module_of(member).map(|(name, ..)| name);
        assert_eq!(name("a/b/__init__.py").as_deref(), Some("a.b"));
        assert_eq!(name("a-1.data/purelib/a/c.py").as_deref(), Some("a.c"));
        assert_eq!(name("a/_c.cpython-311-x86_64-linux-gnu.so").as_deref(), Some("a._c"));
        assert_eq!(name("a-stubs/b.pyi").as_deref(), Some("a.b"));
        for member in ["a-1.data/scripts/a.py", "a-1.dist-info/x.py", "a/b-c.py", "a/b.txt", "a/.so", ".py"] {
            assert_eq!(name(member), None, "{member}");
        }
    }

    #[test]
    fn own_is_what_a_package_here_must_hold() {
        let mut modules = Modules::default();
        for member in ["a/__init__.py", "a/b.py", "space/c/__init__.py", "stub/__init__.pyi"] {
            modules.add(member);
        }
        assert!(modules.is_own("a.x") && modules.is_own("a.x.y") && modules.is_own("space.c.x"));
        assert!(!modules.is_own("a.b.x") && !modules.is_own("space.x") && !modules.is_own("stub.x"));
        assert!(!modules.is_own("other.x") && !modules.is_own("x"));
        assert!(modules.contains("space") && modules.get("space").is_none());
    }
}
