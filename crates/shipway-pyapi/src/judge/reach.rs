//! Which modules run when a wheel is used as it is meant to be: imported by its top-level names, or
//! called by a command.
//!
//! A module that nothing reaches may import what is not there: leftovers of tests, benchmarks and
//! backends for other platforms do, in many popular wheels, and break nobody.

use rustc_hash::{FxHashMap, FxHashSet};

use super::modules::{Modules, ancestors, module_of};

/// The imports of a wheel's modules, as far as they begin a line.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// What each module imports: `module`, or `module` NUL `name`.
    by_importer: FxHashMap<String, Vec<Box<str>>>,
}

impl Imports {
    /// Adds what one member imports.
    pub(super) fn add(&mut self, member: &str, target: &str) {
        if let Some((importer, ..)) = module_of(member) {
            self.by_importer.entry(importer).or_default().push(target.into());
        }
    }

    /// The modules that are imported, step by step, with the top-level names and with `others`.
    pub(super) fn reached<'m>(
        &'m self,
        modules: &'m Modules,
        others: impl Iterator<Item = &'m str>,
    ) -> FxHashSet<String> {
        let mut reached: FxHashSet<String> = FxHashSet::default();
        let mut open: Vec<String> = modules.roots().map(str::to_owned).collect();
        open.extend(others.map(str::to_owned));
        while let Some(name) = open.pop() {
            if !modules.contains(&name) || reached.contains(&name) {
                continue;
            }
            open.extend(ancestors(&name).map(str::to_owned));
            for target in self.by_importer.get(&name).into_iter().flatten() {
                match target.split_once('\0') {
                    Some((module, attribute)) => {
                        open.push(module.to_owned());
                        open.push(format!("{module}.{attribute}"));
                    }
                    None => open.push(target.to_string()),
                }
            }
            reached.insert(name);
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_imports_from_the_top() {
        let mut modules = Modules::default();
        let mut imports = Imports::default();
        for (member, targets) in [
            ("a/__init__.py", &["a\0b"][..]),
            ("a/b/__init__.py", &["a.b.c"]),
            ("a/b/c.py", &["os"]),
            ("a/left.py", &["a.b"]),
            ("a/cli/main.py", &["a.other\0x"]),
            ("a/other.py", &[]),
            ("space/d/__init__.py", &[]),
        ] {
            modules.add(member);
            for target in targets {
                imports.add(member, target);
            }
        }
        let mut reached: Vec<String> = imports.reached(&modules, std::iter::empty()).into_iter().collect();
        reached.sort();
        assert_eq!(reached, ["a", "a.b", "a.b.c", "space", "space.d"]);
        let reached = imports.reached(&modules, ["a.cli.main"].into_iter());
        assert!(reached.contains("a.other") && reached.contains("a.cli") && !reached.contains("a.left"));
    }
}
