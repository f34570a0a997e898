//! Decides suspicions: parses the few modules concerned and asks the rules of [`crate::checks`].
//!
//! Every other module counts as present and opaque, so that nothing is claimed about what was not read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashSet;
use shipway_dist::Finding;
use shipway_dist::archive::{ArchiveError, Limits, read_members};
use shipway_dist::check::EntryPoint;
use shipway_dist::rules::python as rules;

use super::collect::Collected;
use super::modules::{ancestors, module_of};
use crate::checks::{self, Dangling};
use crate::parse::model::{DefKind, Module};
use crate::parse::{self, guard};
use crate::resolve::Resolver;
use crate::source::FileKind;
use crate::source::metadata::DistributionInfo;
use crate::surface::{ExtractOptions, Surface};

/// The largest source that is parsed; its syntax tree takes up to a hundred times as much.
const MOST_SOURCE: u64 = 512 << 10;
/// How much source is parsed for one wheel, in bytes.
const MOST_PARSED: u64 = 2 << 20;
/// How often star imports are followed to the object of an entry point.
const MOST_ROUNDS: usize = 4;

/// A wheel and what is suspicious about it.
pub(super) struct Case<'c> {
    pub(super) path: &'c Path,
    pub(super) filename: &'c str,
    pub(super) collected: Collected,
    pub(super) entry_points: &'c [EntryPoint],
}

impl Case<'_> {
    /// Parses what is needed and says what is wrong.
    pub(super) fn decide(&self) -> io::Result<Vec<Finding>> {
        let mut wanted = self.wanted();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut parsed = BTreeMap::new();
        for _ in 0..MOST_ROUNDS {
            if !self.parse(&wanted, &mut parsed)? {
                return Ok(Vec::new());
            }
            wanted = self.starred(&parsed);
            if wanted.is_empty() {
                break;
            }
        }
        let surface = self.surface(parsed);
        let mut findings = self.dangling(&surface);
        findings.extend(checks::script_targets(&surface));
        Ok(findings)
    }

    /// One finding for each module that is missing, by an importer that is reached if there is one.
    fn dangling(&self, surface: &Surface) -> Vec<Finding> {
        let mut all = checks::all_dangling(&Resolver::new(surface));
        if all.is_empty() {
            return Vec::new();
        }
        let imports = self.collected.imports();
        let entries = self.entry_points.iter().map(|entry| entry.module.as_str());
        let reached = imports.reached(&self.collected.modules, entries);
        all.sort_by_cached_key(|import| (import.target.clone(), !reached.contains(&import.module)));
        all.dedup_by(|a, b| a.target == b.target);
        let finding = |import: &Dangling| {
            let is_reached = reached.contains(&import.module);
            let rule = if is_reached { &rules::DANGLING_IMPORT } else { &rules::DANGLING_IMPORT_UNREACHED };
            import.finding(rule)
        };
        all.iter().map(finding).collect()
    }

    /// The modules that are parsed first: importers, packages that are imported from, entry points.
    fn wanted(&self) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        let mut left = MOST_PARSED;
        for suspicion in &self.collected.suspicions {
            for (member, size) in &suspicion.importers {
                let Some((name, ..)) = module_of(member) else { continue };
                if *size <= left.min(MOST_SOURCE) && wanted.insert(name) {
                    left -= size;
                }
            }
            wanted.insert(suspicion.module.clone());
            wanted.extend(ancestors(&suspicion.module).map(str::to_owned));
        }
        for entry in self.entry_points {
            wanted.insert(entry.module.clone());
            wanted.extend(ancestors(&entry.module).map(str::to_owned));
        }
        wanted.retain(|name| {
            self.collected.modules.get(name).is_some_and(|held| held.kind == FileKind::Source)
        });
        wanted
    }

    /// Modules whose names all go into the module of an entry point and that were not parsed.
    fn starred(&self, parsed: &BTreeMap<String, Module>) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self.entry_points.iter().map(|entry| entry.module.as_str()).collect();
        while let Some(name) = open.pop() {
            if seen.insert(name.to_owned())
                && let Some(module) = parsed.get(name)
            {
                open.extend(module.stars.iter().map(|star| &*star.module));
            }
        }
        let is_source = |name: &String| {
            self.collected.modules.get(name).is_some_and(|held| held.kind == FileKind::Source)
        };
        seen.into_iter().filter(|name| !parsed.contains_key(name) && is_source(name)).collect()
    }

    /// Parses modules; false when the archive is not safe to read, which has findings of its own.
    fn parse(&self, wanted: &BTreeSet<String>, parsed: &mut BTreeMap<String, Module>) -> io::Result<bool> {
        let by_member: BTreeMap<&str, &String> = wanted
            .iter()
            .filter_map(|name| Some((&*self.collected.modules.get(name)?.member, name)))
            .collect();
        let mut left = MOST_PARSED;
        let mut choose = |name: &str| by_member.contains_key(name);
        let limits = Limits { wanted: MOST_PARSED.saturating_mul(4), ..Limits::default() };
        let read = match read_members(self.path, self.filename, &mut choose, &limits) {
            Ok(read) => read,
            Err(ArchiveError::Io(error)) => return Err(error),
            Err(ArchiveError::Malformed { .. } | ArchiveError::TooLarge { .. }) => return Ok(false),
        };
        let parse_all = || {
            for (member, bytes) in read {
                let Some(&name) = by_member.get(member.as_str()) else { continue };
                let length = bytes.len() as u64;
                let shell = self.shell(name);
                let is_read = length <= MOST_SOURCE && length <= left;
                let module = if is_read {
                    parse::module(Module { is_compiled: false, ..shell }, &bytes)
                } else {
                    shell
                };
                left -= if is_read { length } else { 0 };
                parsed.insert(name.clone(), module);
            }
        };
        guard::on_large_stack(parse_all).map_err(io::Error::other)?;
        Ok(true)
    }

    /// A module that is there and of which nothing is known.
    fn shell(&self, name: &str) -> Module {
        let held = self.collected.modules.get(name);
        Module {
            name: name.into(),
            file: held.map(|held| held.path().into()).unwrap_or_default(),
            is_package: held.is_none_or(|held| held.is_package),
            // A folder without an `__init__` is known to bind nothing.
            is_compiled: held.is_some(),
            ..Module::default()
        }
    }

    fn surface(&self, mut all: BTreeMap<String, Module>) -> Surface {
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut name = |module: &str, attribute: Option<&str>| {
            named.insert(module.to_owned());
            named.extend(ancestors(module).map(str::to_owned));
            if let Some(attribute) = attribute {
                named.insert(format!("{module}.{attribute}"));
            }
        };
        for module in all.values() {
            for import in &module.imports {
                name(&import.module, import.name.as_deref());
            }
            for star in &module.stars {
                name(&star.module, None);
            }
            for def in &module.defs {
                if let DefKind::Import(import) = &def.kind {
                    name(&import.module, import.name.as_deref());
                }
            }
        }
        let mut info = DistributionInfo { kind: "wheel", ..DistributionInfo::default() };
        for entry in self.entry_points {
            let first = entry.attribute.as_deref().and_then(|path| path.split('.').next());
            name(&entry.module, first);
            let target = match &entry.attribute {
                Some(attribute) => format!("{}:{attribute}", entry.module),
                None => entry.module.clone(),
            };
            info.add_entry_point(&entry.group, &entry.name, &target);
        }
        for name in named {
            if !all.contains_key(&name) && self.collected.modules.contains(&name) {
                let shell = self.shell(&name);
                all.insert(name, shell);
            }
        }
        let modules: Vec<Arc<Module>> = all.into_values().map(Arc::new).collect();
        let index = (0_u32..).zip(&modules).map(|(at, module)| (module.name.clone(), at)).collect();
        Surface {
            info,
            modules,
            index,
            options: ExtractOptions::default(),
            test_apis: FxHashSet::default(),
            origin: PathBuf::new(),
        }
    }
}
