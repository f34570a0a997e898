//! What a wheel contains: WHEEL, entry points, licenses, documents, `.data`, what can be imported.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::check::entry_points::{self, EntryPoint};
use crate::check::metadata::{fields, imports};
use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::wheel as rules;
use crate::stdlib::is_stdlib;

use super::wheel_file;

/// Top-level directories that belong to a project's repository and not into site-packages.
const STRAYS: [&str; 10] =
    ["build", "dist", "doc", "docs", "examples", "scripts", "src", "test", "tests", "benchmarks"];

pub(super) struct Content<'c> {
    pub(super) dist_info: Option<&'c str>,
    pub(super) captured: HashMap<&'c str, &'c [u8]>,
    pub(super) files: &'c HashMap<&'c str, u32>,
    pub(super) parsed: Option<&'c DistributionFilename>,
}

impl Content<'_> {
    /// The content of a file in the `.dist-info` directory.
    pub(super) fn in_dist_info(&self, name: &str) -> Option<&[u8]> {
        self.captured.get(format!("{}/{name}", self.dist_info?).as_str()).copied()
    }

    /// Judges everything that is not metadata; returns the entry points.
    pub(super) fn judge(&self, metadata: Option<&Metadata>, findings: &mut Findings) -> Vec<EntryPoint> {
        let mut entry_points = Vec::new();
        if let Some(dist_info) = self.dist_info {
            match self.in_dist_info("WHEEL") {
                Some(bytes) => wheel_file::judge(bytes, self.parsed, findings),
                None => findings.push(
                    &rules::WHEEL_MISSING,
                    format!("`{}/WHEEL` is not there or cannot be read", shown(dist_info)),
                ),
            }
            if let Some(bytes) = self.in_dist_info("entry_points.txt") {
                entry_points = entry_points::judge(bytes, findings);
            }
            if let Some(metadata) = metadata {
                self.check_licenses(metadata, dist_info, findings);
            }
        }
        self.check_data(findings);
        self.check_imports(metadata, &entry_points, findings);
        entry_points
    }

    /// The top-level packages and modules that no other project can share.
    pub(super) fn imports(&self) -> Vec<String> {
        let installed = self.files.keys().filter_map(|name| match name.split_once(".data/") {
            Some((_, rest)) => rest.strip_prefix("purelib/").or_else(|| rest.strip_prefix("platlib/")),
            None => Some(*name),
        });
        let names: BTreeSet<&str> = installed.filter_map(own_name).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn check_licenses(&self, metadata: &Metadata, dist_info: &str, findings: &mut Findings) {
        if !fields::is_at_least(metadata, "2.4") {
            return;
        }
        for path in metadata.all("License-File") {
            let member = format!("{dist_info}/licenses/{path}");
            if !self.files.contains_key(member.as_str()) {
                findings.add(&rules::LICENSE_FILE, || {
                    rules::LICENSE_FILE
                        .finding(format!("`{}` is not there", shown(&member)))
                        .field("License-File")
                });
            }
        }
    }

    fn check_data(&self, findings: &mut Findings) {
        let expected = self.parsed.map(|parsed| format!("{}-{}.data", parsed.name_part, parsed.version_part));
        let mut names: Vec<&str> =
            self.files.keys().copied().filter(|name| name.contains(".data/")).collect();
        names.sort_unstable();
        for name in names {
            let Some((top, rest)) = name.split_once('/').filter(|(top, _)| top.ends_with(".data")) else {
                continue;
            };
            let scheme = rest.split_once('/').map(|(scheme, _)| scheme);
            if expected.as_ref().is_some_and(|expected| top != expected) {
                // An installer takes only its own directory for special, another is just a directory.
                let message = format!("`{}` is not the directory of this wheel", shown(top));
                findings.member(&rules::DATA_DIRECTORY, name, message);
            } else if !matches!(scheme, Some("purelib" | "platlib" | "headers" | "scripts" | "data")) {
                findings.member(&rules::DATA_DIRECTORY, name, "lies in no installation scheme");
            }
        }
        let mut scripts: Vec<_> =
            self.captured.iter().filter(|(name, _)| name.contains(".data/scripts/")).collect();
        scripts.sort_unstable();
        for (name, bytes) in scripts {
            if bytes.starts_with(b"#!") && !bytes.starts_with(b"#!python") {
                let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
                let message = format!("begins with `{}`", shown(&String::from_utf8_lossy(line)));
                findings.member(&rules::DATA_SCRIPT, name, message);
            }
        }
    }

    fn check_imports(
        &self,
        metadata: Option<&Metadata>,
        entry_points: &[EntryPoint],
        findings: &mut Findings,
    ) {
        let mut tops: BTreeMap<&str, bool> = BTreeMap::new();
        let (mut anything, mut usable) = (false, false);
        for name in self.files.keys() {
            let (top, rest) = name.split_once('/').unwrap_or((name, ""));
            if top.ends_with(".dist-info") {
                continue;
            }
            anything = true;
            usable |= is_usable(name);
            let installed = if top.ends_with(".data") {
                match rest.split_once('/') {
                    Some(("purelib" | "platlib", installed)) => installed,
                    _ => continue,
                }
            } else {
                *name
            };
            if let Some((top, is_package)) = top_level(installed) {
                *tops.entry(top).or_default() |= is_package;
            }
        }
        if !anything {
            let depends = metadata.is_some_and(|metadata| metadata.all("Requires-Dist").next().is_some());
            if depends || !entry_points.is_empty() {
                findings.push(&rules::META_ONLY, "the wheel holds metadata and requirements only");
            } else {
                findings.push(&rules::NO_CODE, "the wheel holds nothing but metadata");
            }
        } else if !usable && !declares_no_module(metadata) {
            let message = "the wheel holds data files only: no module, script, library or data scheme";
            findings.push(&rules::NO_MODULE, message);
        }
        for (&top, &is_package) in &tops {
            if is_stdlib(top) {
                let message = format!("`{}` is a module of the standard library", shown(top));
                findings.push(&rules::IMPORT_STDLIB, message);
            } else if is_package && STRAYS.contains(&top) {
                findings.push(&rules::TOP_LEVEL_STRAY, format!("`{}` is installed at top level", shown(top)));
            }
        }
        if let Some(metadata) = metadata {
            let mut absent = false;
            for name in imports::names(metadata, "Import-Name") {
                let top = name.split('.').next().unwrap_or(name);
                if !tops.contains_key(top) {
                    absent = true;
                    findings.field(
                        &rules::IMPORT_NAME,
                        "Import-Name",
                        format!("`{}` is declared, the wheel holds no `{}`", shown(name), shown(top)),
                    );
                }
            }
            // A name that is misspelled is one mistake and not two.
            if !absent {
                check_undeclared(metadata, tops.keys().copied(), findings);
            }
        }
    }
}

/// Names the top-level modules that are not declared, where any are.
fn check_undeclared<'t>(metadata: &Metadata, tops: impl Iterator<Item = &'t str>, findings: &mut Findings) {
    let fields = ["Import-Name", "Import-Namespace"];
    let given = fields.iter().flat_map(|field| metadata.all(field));
    let count = given.filter(|value| !value.trim().is_empty()).count();
    if fields.iter().all(|field| metadata.get(field).is_none()) {
        return;
    }
    let declared: Vec<&str> = fields
        .into_iter()
        .flat_map(|field| imports::names(metadata, field))
        .map(|name| name.split('.').next().unwrap_or(name))
        .collect();
    // What is malformed has a finding of its own.
    if declared.len() < count {
        return;
    }
    for top in tops.filter(|top| !declared.contains(top)) {
        findings.field(
            &rules::IMPORT_UNDECLARED,
            "Import-Name",
            format!("the wheel holds `{}`, which is not declared", shown(top)),
        );
    }
}

/// Whether a file is of use without any other file of the wheel: a module, a shared library, a path
/// file, or a file that `.data/` installs elsewhere.
fn is_usable(name: &str) -> bool {
    if let Some((_, rest)) = name.split_once('/').filter(|(top, _)| top.ends_with(".data")) {
        return match rest.split_once('/') {
            Some(("scripts" | "headers" | "data", _)) => true,
            Some((_, installed)) => is_usable(installed),
            None => false,
        };
    }
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_library = file
        .split_once(".so")
        .is_some_and(|(stem, rest)| !stem.is_empty() && (rest.is_empty() || rest.starts_with('.')));
    is_library
        || [".py", ".pyi", ".pyd", ".dll", ".dylib"].iter().any(|extension| file.ends_with(extension))
        || (file.ends_with(".pyc") && !folder.ends_with("__pycache__"))
        || (file.ends_with(".pth") && folder.is_empty())
}

/// Whether the metadata says, with an empty `Import-Name`, that there is nothing to import (PEP 794).
fn declares_no_module(metadata: Option<&Metadata>) -> bool {
    metadata.is_some_and(|metadata| metadata.all("Import-Name").any(|name| name.trim().is_empty()))
}

/// The top-level name that a file makes importable for its project alone: a module, or a package with an
/// `__init__`. A folder without one is a namespace, which projects share, and stubs have the name of others.
fn own_name(name: &str) -> Option<&str> {
    let (stem, file) = match name.split_once('/') {
        Some((top, file)) if file.starts_with("__init__.") && !file.contains('/') => (top, file),
        Some(_) => return None,
        None => (name.split('.').next().unwrap_or_default(), name),
    };
    let is_code = [".py", ".so", ".pyd"].iter().any(|extension| file.ends_with(extension));
    (is_code && imports::is_identifier(stem)).then_some(stem)
}

/// The top-level name that a file makes importable, and whether it is a directory.
fn top_level(name: &str) -> Option<(&str, bool)> {
    let code = [".py", ".so", ".pyd", ".pyi"].iter().any(|extension| name.ends_with(extension));
    if !code {
        return None;
    }
    match name.split_once('/') {
        Some((top, _)) => {
            let top = top.strip_suffix("-stubs").unwrap_or(top);
            imports::is_identifier(top).then_some((top, true))
        }
        None => {
            let stem = name.split('.').next().unwrap_or_default();
            imports::is_identifier(stem).then_some((stem, false))
        }
    }
}
