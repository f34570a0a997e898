//! Collects, while a wheel is inflated, what its modules import, and says afterwards what is suspicious.
//!
//! Nothing is parsed here. A suspicion is an import of this wheel's own that the names of its modules and
//! a look at the `__init__.py` concerned do not explain; healthy wheels have few.

use std::sync::Mutex;

use memchr::memmem;
use rustc_hash::{FxHashMap, FxHashSet};
use shipway_dist::check::Observer;

use super::modules::{Modules, module_of};
use super::reach::Imports;
use super::scan;
use crate::source::FileKind;
use crate::surface::ExtractOptions;

/// The largest source that is looked at.
const MOST_SOURCE: u64 = 1 << 20;
/// How much is kept of what is imported, in bytes, what holds it included.
const MOST_TARGETS: usize = 16 << 20;
/// What a target takes besides its text.
const TARGET: usize = 128;
/// How many suspicions are followed.
const MOST_SUSPICIONS: usize = 2_000;
/// How much is kept of `__init__.py`, in bytes.
const MOST_PACKAGES: usize = 12 << 20;
/// How many importers of one target are looked at.
const MOST_IMPORTERS: usize = 100;

/// An import that may lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suspicion {
    /// The dotted module, and the name imported from it.
    pub(super) module: String,
    pub(super) name: Option<String>,
    /// Members that import it, and their sizes.
    pub(super) importers: Vec<(String, u64)>,
}

/// Sees the members of one wheel.
#[derive(Default)]
pub(super) struct Collector {
    state: Mutex<State>,
    options: ExtractOptions,
}

#[derive(Default)]
struct State {
    names: Vec<Box<str>>,
    importers: Vec<(Box<str>, u64)>,
    /// `module`, or `module` NUL `name`, and who imports it.
    targets: FxHashMap<Box<str>, Vec<u32>>,
    /// The sources of packages, by member.
    packages: FxHashMap<Box<str>, Box<[u8]>>,
    taken: usize,
    taken_packages: usize,
}

impl Observer for Collector {
    fn names(&self, names: &mut dyn Iterator<Item = &str>) {
        let is_module = |name: &&str| {
            [".py", ".pyi", ".so", ".pyd", ".pyc"].iter().any(|extension| name.ends_with(extension))
        };
        let names = names.filter(is_module).map(Into::into).collect();
        if let Ok(mut state) = self.state.lock() {
            state.names = names;
        }
    }

    fn wants(&self, name: &str, size: u64) -> bool {
        size <= MOST_SOURCE && name.ends_with(".py")
    }

    fn member(&self, member: &str, content: &[u8]) {
        let Some((module, FileKind::Source, is_package)) = module_of(member) else { return };
        let mut found = String::new();
        let is_full = self.state.lock().is_ok_and(|state| state.taken > MOST_TARGETS);
        if !is_full && !crate::checks::is_left_out(&module, &self.options) {
            find(&module, is_package, content, &mut found);
        }
        let Ok(mut state) = self.state.lock() else { return };
        if is_package && state.taken_packages + content.len() <= MOST_PACKAGES {
            state.taken_packages += content.len();
            state.packages.insert(member.into(), content.into());
        }
        if !found.is_empty() {
            state.add(member, content.len() as u64, &found);
        }
    }
}

/// Writes the targets of a source's imports, a line each.
fn find(importer: &str, is_package: bool, content: &[u8], found: &mut String) {
    scan::imports(content, &mut |level, written, name| {
        let base = match level {
            0 => "",
            _ => match parent(importer, if is_package { level - 1 } else { level }) {
                Some(base) => base,
                None => return,
            },
        };
        found.push_str(base);
        if !base.is_empty() && !written.is_empty() {
            found.push('.');
        }
        found.push_str(written);
        if let Some(name) = name {
            found.push('\0');
            found.push_str(name);
        }
        found.push('\n');
    });
}

fn parent(module: &str, up: usize) -> Option<&str> {
    (0..up).try_fold(module, |module, _| module.rsplit_once('.').map(|(parent, _)| parent))
}

impl State {
    fn add(&mut self, member: &str, size: u64, found: &str) {
        let importer = self.importers.len() as u32;
        self.importers.push((member.into(), size));
        self.taken += member.len() + TARGET;
        for target in found.lines() {
            if self.taken > MOST_TARGETS {
                return;
            }
            if let Some(importers) = self.targets.get_mut(target) {
                if importers.last() != Some(&importer) {
                    importers.push(importer);
                    self.taken += 4;
                }
            } else {
                self.targets.insert(target.into(), vec![importer]);
                self.taken += target.len() + TARGET;
            }
        }
    }
}

/// What was seen of a wheel.
pub(super) struct Collected {
    pub(super) modules: Modules,
    /// Every import of its own that the modules do not explain, in order.
    pub(super) suspicions: Vec<Suspicion>,
    importers: Vec<(Box<str>, u64)>,
    targets: FxHashMap<Box<str>, Vec<u32>>,
}

impl Collected {
    /// Who imports what.
    pub(super) fn imports(&self) -> Imports {
        let mut imports = Imports::default();
        for (target, importers) in &self.targets {
            for &importer in importers {
                if let Some((member, _)) = self.importers.get(importer as usize) {
                    imports.add(member, target);
                }
            }
        }
        imports
    }
}

impl Collector {
    /// Compares what was imported with what is there.
    pub(super) fn finish(self) -> Collected {
        let state = self.state.into_inner().unwrap_or_default();
        let mut modules = Modules::default();
        for name in &state.names {
            modules.add(name);
        }
        let mut packages: FxHashMap<&str, Package<'_>> = FxHashMap::default();
        let mut suspicious = Vec::new();
        for (target, importers) in &state.targets {
            let (module, name) = match target.split_once('\0') {
                Some((module, name)) => (module, Some(name)),
                None => (&**target, None),
            };
            if crate::checks::is_never_read(module, &self.options) {
                continue;
            }
            let importer = |at: &u32| state.importers.get(*at as usize).map_or("", |(member, _)| member);
            let is_suspicious = match (modules.get(module), name) {
                (None, _) => !modules.contains(module) && modules.is_own(module),
                (Some(held), Some(name)) if held.is_source_package() && !name.starts_with("__") => {
                    let from_itself = importers.iter().any(|at| *importer(at) == *held.member);
                    let mut is_bound = || match packages.get(module) {
                        Some(package) => package.binds(name),
                        None => {
                            let source = state.packages.get(&held.member).map(|source| &**source);
                            packages.entry(module).or_insert(Package::read(source)).binds(name)
                        }
                    };
                    !modules.contains(&format!("{module}.{name}")) && (from_itself || !is_bound())
                }
                _ => false,
            };
            if is_suspicious {
                suspicious.push((module, name, importers));
            }
        }
        // The same ones whichever thread came first.
        suspicious.sort_unstable_by_key(|&(module, name, _)| (module, name));
        suspicious.truncate(MOST_SUSPICIONS);
        let suspicions = suspicious
            .into_iter()
            .map(|(module, name, importers)| {
                let importer = |at: &u32| state.importers.get(*at as usize);
                let importers = importers.iter().filter_map(importer);
                let mut importers: Vec<(String, u64)> =
                    importers.map(|(member, size)| (member.to_string(), *size)).collect();
                importers.sort_unstable();
                importers.truncate(MOST_IMPORTERS);
                Suspicion { module: module.to_owned(), name: name.map(str::to_owned), importers }
            })
            .collect();
        Collected { modules, suspicions, importers: state.importers, targets: state.targets }
    }
}

/// What a look at the source of a package tells.
struct Package<'s> {
    /// `None` when its names cannot be told.
    source: Option<&'s [u8]>,
    imported: FxHashSet<&'s str>,
}

impl<'s> Package<'s> {
    fn read(source: Option<&'s [u8]>) -> Self {
        let is_open = |source: &&[u8]| {
            [&b"import *"[..], b"__getattr__", b"__path__", b"globals(", b"sys.modules["]
                .iter()
                .any(|sign| memmem::find(source, sign).is_some())
        };
        let source = source.filter(|source| !is_open(source));
        let mut imported = FxHashSet::default();
        if let Some(source) = source {
            scan::imports(source, &mut |_, module, name| {
                imported.insert(name.unwrap_or_else(|| module.split('.').next().unwrap_or(module)));
            });
        }
        Self { source, imported }
    }

    /// Whether a name may be bound here: it is defined, assigned or imported somewhere.
    fn binds(&self, name: &str) -> bool {
        let Some(source) = self.source else { return true };
        if self.imported.contains(name) {
            return true;
        }
        memmem::find_iter(source, name.as_bytes()).any(|at| {
            let (before, after) = (&source[..at], &source[at + name.len()..]);
            if before.last().is_some_and(|&byte| scan::is_word(byte) || byte == b'.')
                || after.first().is_some_and(|&byte| scan::is_word(byte))
            {
                return false;
            }
            let before = before.trim_ascii_end();
            let is_named = [&b"def"[..], b"class", b"as"].iter().any(|word| before.ends_with(word));
            let next = after.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
            is_named || matches!(next, Some(b'=' | b':'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicions(files: &[(&str, &str)]) -> Vec<String> {
        let collector = Collector::default();
        collector.names(&mut files.iter().map(|(name, _)| *name));
        for (name, content) in files {
            if collector.wants(name, content.len() as u64) {
                collector.member(name, content.as_bytes());
            }
        }
        collector
            .finish()
            .suspicions
            .into_iter()
            .map(|found| format!("{} {}", found.module, found.name.unwrap_or_default()).trim().to_owned())
            .collect()
    }

    #[test]
    fn what_the_wheel_explains_is_not_suspicious() {
        let files = [
            (
                "a/__init__.py",
                "from . import b\nfrom .b import x\nY = 1\nimport a.c\nfrom .ext import fast\n",
            ),
            ("a/b.py", "from a import Y, b\nfrom . import c\nfrom ..elsewhere import q\nimport os.path\n"),
            ("a/c/__init__.py", "from .. import Y as Z\nfrom .d import *\n"),
            ("a/c/d.py", "from a.c import anything\n"),
            ("a/ext.abi3.so", ""),
            ("a/test_x.py", "from .gone import z\n"),
            ("space/e.py", "import space.other\nfrom space import other\n"),
        ];
        assert_eq!(suspicions(&files), [""; 0]);
    }

    #[test]
    fn what_it_does_not_explain_is() {
        let files = [
            ("a/__init__.py", "from . import b\nfrom .sub.deep import x\n"),
            ("a/c.py", "import a.gone\nfrom a import nothing, c\n"),
        ];
        assert_eq!(suspicions(&files), ["a b", "a nothing", "a.gone", "a.sub.deep x"]);
    }
}
