//! Whether the release holds what the tree holds: every importable module under the source root, and every
//! declared data file. Part of the gate `distribution`.
//!
//! Three releases of one project were wheels of data files only, and nothing noticed: the tests ran in the
//! editable checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use shipway_dist::archive::{Limits, list_members};
use shipway_dist::check::{Archive, data_files, installed};
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::{Finding, Globs, Manifest};

use crate::context::Context;
use crate::error::{Error, Result};

/// How many files a finding names.
const NAMED: usize = 20;

/// What is compared.
#[derive(Debug, Clone, Default)]
struct Contents {
    /// The project's normalized name, with `_`.
    own: String,
    /// Every file of the tree, relative to the project.
    tree: Vec<String>,
    /// The files of the wheel.
    wheel: Vec<String>,
    /// The files of the sdist, without the folder at its top.
    sdist: Vec<String>,
    /// Paths of the tree that are left out on purpose.
    excluded: Globs,
    /// Data files of the contract, as paths in the wheel.
    data: Globs,
    /// Data files that the backend's configuration declares, as package and pattern.
    package_data: Vec<(String, Globs)>,
}

/// Compares the wheels and the sdist of a manifest in `folder` with the commit that they were built from.
///
/// # Errors
/// When a file or the commit cannot be read.
pub fn contents(context: &Context<'_>, manifest: &Manifest, folder: &Path) -> Result<Vec<Finding>> {
    // Where files are published from a machine without git or without the commit, the gate was run elsewhere.
    let unknown = |why: &str| {
        let what = format!("{why}: the files of commit `{}` were not compared", manifest.commit);
        Ok(vec![Finding::warning("tree-unknown", what)])
    };
    let git = match context.repository() {
        Ok(git) => git,
        Err(error) => return unknown(&error.to_string()),
    };
    if git.commit_of(&manifest.commit)?.is_none() {
        return unknown("it is not in this repository");
    }
    let prefix = git.prefix_of(&context.config.directory)?;
    let pyproject = git.show(&manifest.commit, &format!("{prefix}pyproject.toml"))?.unwrap_or_default();
    let mut found = Contents {
        own: manifest.project.normalized().replace('-', "_"),
        tree: git.files(&manifest.commit, &prefix)?,
        excluded: globs(&context.config.build.exclude),
        data: globs(&context.config.contract.data),
        package_data: setuptools_package_data(&pyproject),
        ..Contents::default()
    };
    let (mut wheels, mut sdist) = (Vec::new(), None);
    for file in &manifest.files {
        let path = folder.join(&file.filename);
        let Ok(members) = list_members(&path, &file.filename, &Limits::default()) else { continue };
        let names = members.into_iter().map(|member| member.name);
        match file.filename.parse::<DistributionFilename>().map(|parsed| parsed.kind) {
            Ok(Kind::Sdist) => {
                sdist = Some((path, file.filename.clone()));
                found.sdist =
                    names.filter_map(|name| name.split_once('/').map(|(_, rest)| rest.to_owned())).collect();
            }
            Ok(Kind::Wheel) => wheels.push((path, file.filename.clone(), names.collect::<Vec<_>>())),
            Err(error) => return Err(Error::refused("wrong-build", error.to_string())),
        }
    }
    let mut findings = Vec::new();
    let declared = &context.config.contract.data;
    for (path, filename, members) in wheels {
        found.wheel = members;
        let mut here = found.judge(&filename);
        let wheel = Archive { path: &path, filename: &filename };
        let sdist = sdist.as_ref().map(|(path, filename)| Archive { path, filename });
        // What cannot be read is refused by the judgement of the file itself.
        here.extend(data_files(wheel, sdist, declared).unwrap_or_default());
        for finding in here {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// The configuration refuses what is no glob.
fn globs(patterns: &[String]) -> Globs {
    Globs::new(patterns.iter().map(String::as_str)).unwrap_or_default()
}

/// `tool.setuptools.package-data`: packages (`*` for any) and their patterns.
fn setuptools_package_data(pyproject: &[u8]) -> Vec<(String, Globs)> {
    let text = String::from_utf8_lossy(pyproject);
    let Ok(value) = toml_edit::de::from_str::<Value>(text.trim_start_matches('\u{feff}')) else {
        return Vec::new();
    };
    let declared = value.pointer("/tool/setuptools/package-data").and_then(Value::as_object);
    let globs = |patterns: &Value| {
        // What is no glob to setuptools either declares nothing.
        Globs::new(patterns.as_array().into_iter().flatten().filter_map(Value::as_str)).unwrap_or_default()
    };
    declared.into_iter().flatten().map(|(package, patterns)| (package.clone(), globs(patterns))).collect()
}

impl Contents {
    fn judge(&self, wheel: &str) -> Vec<Finding> {
        let roots = self.roots();
        let in_sdist: BTreeSet<&str> = self.sdist.iter().map(String::as_str).collect();
        let in_wheel: BTreeSet<&str> = self.wheel.iter().map(|name| installed(name)).collect();
        let compiled: BTreeSet<String> =
            self.wheel.iter().filter_map(|name| extension_module(name)).collect();
        let (mut lacks_wheel, mut lacks_sdist, mut lacks_data) = (Vec::new(), Vec::new(), Vec::new());
        for path in self.tree.iter().filter(|path| !self.excluded.is_match(path)) {
            let Some(place) = place(&roots, path) else { continue };
            if is_module(place) {
                let stem = place.strip_suffix(".py").unwrap_or(place);
                if !in_wheel.contains(place) && !compiled.contains(stem) {
                    lacks_wheel.push(path.as_str());
                }
                if !in_sdist.contains(path.as_str()) {
                    lacks_sdist.push(path.as_str());
                }
            } else if !in_wheel.contains(place) && (self.data.is_match(place) || self.is_package_data(place))
            {
                lacks_data.push(path.as_str());
            }
        }
        let sdist = "the sdist";
        let mut findings = Vec::new();
        for (file, what, id, missing) in [
            (wheel, "modules of the tree", "module-missing", lacks_wheel),
            (sdist, "modules of the tree", "module-missing", lacks_sdist),
            (wheel, "declared data files", "data-missing", lacks_data),
        ] {
            if let Some(first) = missing.first() {
                let hint = match id {
                    "module-missing" => format!("if that is meant: `build.exclude = [\"{first}\"]`"),
                    _ => "correct the backend's package data, or the declaration".to_owned(),
                };
                let message = format!("`{file}` lacks {} {what}: {}", missing.len(), name_some(&missing));
                findings.push(Finding::error(id, message).hint(hint));
            }
        }
        findings
    }

    /// Where the wheel's packages lie in the tree: the folder above them (ending in `/`, or empty), and which
    /// top-level names count there; none means every one.
    ///
    /// All that lies in a folder `src` is meant to be shipped; elsewhere only packages that the wheel has, or
    /// that are called like the project, are.
    fn roots(&self) -> BTreeMap<String, Option<BTreeSet<String>>> {
        let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in self.tree.iter().filter(|path| path.ends_with(".py")) {
            by_name.entry(file_name(path)).or_default().push(path);
        }
        let mut votes: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for module in self.wheel.iter().map(|name| installed(name)).filter(|name| is_module(name)) {
            for path in by_name.get(file_name(module)).into_iter().flatten() {
                let Some(root) = path.strip_suffix(module) else { continue };
                if root.is_empty() || root.ends_with('/') {
                    *votes.entry(top_of(module)).or_default().entry(root).or_default() += 1;
                }
            }
        }
        let mut roots: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        let mut add = |root: &str, top: &str| {
            if root == "src/" || root.ends_with("/src/") {
                roots.insert(root.to_owned(), None);
            } else if let Some(tops) = roots.entry(root.to_owned()).or_insert_with(|| Some(BTreeSet::new())) {
                tops.insert(top.to_owned());
            }
        };
        for (top, found) in &votes {
            let most = found.iter().max_by_key(|(root, count)| (**count, std::cmp::Reverse(root.len())));
            if let Some((root, _)) = most {
                add(root, top);
            }
        }
        let own_folder = format!("{}/", self.own);
        let own_module = format!("{}.py", self.own);
        for root in ["src/", ""] {
            let is_own = |path: &String| {
                path.strip_prefix(root).is_some_and(|rest| {
                    is_module(rest) && (root == "src/" || rest.starts_with(&own_folder) || rest == own_module)
                })
            };
            if self.tree.iter().any(is_own) {
                add(root, &self.own);
                break;
            }
        }
        roots
    }

    fn is_package_data(&self, place: &str) -> bool {
        self.package_data.iter().any(|(package, globs)| {
            if package == "*" || package.is_empty() {
                return place.match_indices('/').any(|(at, _)| globs.is_match(&place[at + 1..]));
            }
            let folder = format!("{}/", package.replace('.', "/"));
            place.strip_prefix(&folder).is_some_and(|rest| globs.is_match(rest))
        })
    }
}

/// The path in the wheel that a path of the tree has, if it lies below a root and counts there.
fn place<'p>(roots: &BTreeMap<String, Option<BTreeSet<String>>>, path: &'p str) -> Option<&'p str> {
    roots.iter().find_map(|(root, tops)| {
        let rest = path.strip_prefix(root.as_str())?;
        let counts = tops.as_ref().is_none_or(|tops| tops.contains(top_of(rest)));
        counts.then_some(rest)
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn top_of(path: &str) -> &str {
    path.split_once('/').map_or_else(|| path.strip_suffix(".py").unwrap_or(path), |(top, _)| top)
}

/// Whether a path can be imported: every part is an identifier.
fn is_module(path: &str) -> bool {
    let is_identifier = |part: &str| {
        part.chars().all(|c| c == '_' || c.is_alphanumeric())
            && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    let Some(stem) = path.strip_suffix(".py") else { return false };
    if matches!(stem, "setup" | "conftest" | "noxfile" | "tasks") {
        return false;
    }
    !stem.is_empty() && stem.split('/').all(|part| !part.is_empty() && is_identifier(part))
}

/// The path without the ending of a compiled module, for one.
fn extension_module(name: &str) -> Option<String> {
    let (folder, file) = installed(name).rsplit_once('/').map_or(("", installed(name)), |(a, b)| (a, b));
    let is_compiled = [".so", ".pyd", ".pyc"].iter().any(|ending| file.ends_with(ending));
    let stem = file.split('.').next()?;
    is_compiled.then(|| if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") })
}

fn name_some(paths: &[&str]) -> String {
    let mut text = paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    if paths.len() > NAMED {
        text.push_str(&format!(" and {} more", paths.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    fn sample() -> Contents {
        let tree = owned(&[
            "src/demo/__init__.py",
            "src/demo/core.py",
            "src/demo/data/default.yaml",
            "src/demo/data/notes.txt",
            "tests/test_core.py",
            "setup.py",
        ]);
        Contents {
            own: "demo".to_owned(),
            wheel: owned(&[
                "demo/__init__.py",
                "demo/core.py",
                "demo/data/default.yaml",
                "demo-1.0.dist-info/METADATA",
            ]),
            sdist: tree.clone(),
            tree,
            data: globs(&owned(&["demo/data/*.yaml"])),
            ..Contents::default()
        }
    }

    fn found(contents: &Contents) -> Vec<(String, String)> {
        contents
            .judge("demo-1.0-py3-none-any.whl")
            .into_iter()
            .map(|finding| (finding.id, finding.message))
            .collect()
    }

    #[test]
    fn c5_every_module_is_in_wheel_and_sdist_or_excluded() {
        let whole = sample();
        assert_eq!(found(&whole), []);
        let mut empty = sample();
        empty.wheel = owned(&["demo-1.0.dist-info/METADATA"]);
        empty.data = Globs::default();
        assert_eq!(
            found(&empty),
            [(
                "module-missing".to_owned(),
                "`demo-1.0-py3-none-any.whl` lacks 2 modules of the tree: `src/demo/__init__.py`, `src/demo/core.py`"
                    .to_owned()
            )],
            "a wheel without code"
        );
        empty.excluded = globs(&owned(&["src/demo/*.py"]));
        assert_eq!(found(&empty), []);
        let mut sdist = sample();
        sdist.sdist.retain(|path| path != "src/demo/core.py");
        assert!(found(&sdist)[0].1.starts_with("`the sdist` lacks 1 modules"));
    }

    #[test]
    fn c5_a_flat_layout_counts_only_its_own_packages() {
        let mut flat = sample();
        flat.tree = owned(&[
            "demo/__init__.py",
            "demo/sub/__init__.py",
            "tests/__init__.py",
            "docs/conf.py",
            "tools/x.py",
        ]);
        flat.sdist = flat.tree.clone();
        flat.data = Globs::default();
        flat.wheel = owned(&["demo/__init__.py"]);
        let missing = found(&flat);
        assert_eq!(missing.len(), 1);
        assert!(missing[0].1.ends_with("lacks 1 modules of the tree: `demo/sub/__init__.py`"), "{missing:?}");
        flat.wheel.push("demo/sub/__init__.cpython-311-x86_64-linux-gnu.so".to_owned());
        assert_eq!(found(&flat), [], "a compiled module is a module");
    }

    #[test]
    fn c6_declared_data_is_in_the_wheel() {
        let mut lacking = sample();
        lacking.wheel.retain(|path| !path.ends_with(".yaml"));
        assert_eq!(found(&lacking)[0].0, "data-missing");
        // One star stays in its folder, here as in the judgement of copies.
        let mut nested = sample();
        nested.tree.push("src/demo/data/more/other.yaml".to_owned());
        assert_eq!(found(&nested), []);
        nested.data = globs(&owned(&["demo/data/**/*.yaml"]));
        assert_eq!(found(&nested)[0].0, "data-missing");
        let mut setuptools = sample();
        assert_eq!(found(&setuptools), []);
        setuptools.package_data =
            setuptools_package_data(b"[tool.setuptools.package-data]\ndemo = [\"data/*.txt\"]\n");
        assert_eq!(
            found(&setuptools),
            [(
                "data-missing".to_owned(),
                "`demo-1.0-py3-none-any.whl` lacks 1 declared data files: `src/demo/data/notes.txt`"
                    .to_owned()
            )]
        );
        setuptools.wheel.push("demo-1.0.data/purelib/demo/data/notes.txt".to_owned());
        assert_eq!(found(&setuptools), []);
    }
}
