//! Declared data files: they are in the wheel (row C6), and other copies of them are the same (row D14).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::archive::{ArchiveError, Limits, list_members, read_members};
use crate::digest::Sha256;
use crate::finding::{Finding, Findings, shown};
use crate::globs::Globs;
use crate::rules::{sdist, wheel as rules};

/// One archive of a release.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its filename, which says what it is.
    pub filename: &'a str,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    archive: String,
    path: String,
    sha256: Sha256,
}

/// Compares every file of a wheel and an sdist that is called like a declared data file with that file.
///
/// `patterns` are [`Globs`] of paths in the wheel. A pattern that matches nothing is a finding, and so is
/// a copy with other bytes. Among several declared files of one name a copy is compared with the one
/// whose path its own path ends in, else it must be the same as one of them.
///
/// # Errors
/// When an archive cannot be read or is not safe to read.
pub fn data_files(
    wheel: Archive<'_>,
    sdist: Option<Archive<'_>>,
    patterns: &[String],
) -> Result<Vec<Finding>, ArchiveError> {
    let mut findings = Findings::default();
    let limits = Limits::default();
    let members = list_members(wheel.path, wheel.filename, &limits)?;
    // Who reads a configuration refuses what is no glob.
    let globs = Globs::new(patterns.iter().map(String::as_str)).unwrap_or_default();
    let mut matched = BTreeSet::new();
    let mut declared: BTreeSet<&str> = BTreeSet::new();
    for path in members.iter().map(|member| installed(&member.name)) {
        let matching = globs.matching(path);
        if !matching.is_empty() {
            declared.insert(path);
        }
        matched.extend(matching);
    }
    for (_, pattern) in patterns.iter().enumerate().filter(|(at, _)| !matched.contains(at)) {
        let message = format!("`{}` matches no file of `{}`", shown(pattern), wheel.filename);
        findings.push(&rules::DATA_MISSING, message);
    }
    let names: BTreeSet<&str> = declared.iter().map(|path| file_name(path)).collect();
    if names.is_empty() {
        return Ok(findings.finish(false));
    }
    let mut originals: BTreeMap<&str, Vec<Copy>> = BTreeMap::new();
    let mut copies = Vec::new();
    for (archive, is_wheel) in [(Some(wheel), true), (sdist, false)] {
        let Some(archive) = archive else { continue };
        let mut wanted = |name: &str| names.contains(file_name(name));
        for (name, bytes) in read_members(archive.path, archive.filename, &mut wanted, &limits)? {
            let path = if is_wheel { installed(&name) } else { &name };
            let copy =
                Copy { archive: archive.filename.to_owned(), path: name.clone(), sha256: Sha256::of(&bytes) };
            match declared.get(path).filter(|_| is_wheel) {
                Some(path) => originals.entry(file_name(path)).or_default().push(copy),
                None => copies.push(copy),
            }
        }
    }
    for copy in &copies {
        let Some(originals) = originals.get(file_name(&copy.path)) else { continue };
        compare(copy, originals, &mut findings);
    }
    Ok(findings.finish(false))
}

fn compare(copy: &Copy, originals: &[Copy], findings: &mut Findings) {
    let lies_below = |original: &&Copy| {
        copy.path
            .strip_suffix(installed(&original.path))
            .is_some_and(|top| top.is_empty() || top.ends_with('/'))
    };
    let nearest = originals.iter().filter(lies_below).max_by_key(|original| original.path.len());
    let original = match nearest {
        Some(original) => original,
        None if originals.iter().any(|original| original.sha256 == copy.sha256) => return,
        None => match originals.first() {
            Some(original) => original,
            None => return,
        },
    };
    if original.sha256 == copy.sha256 {
        return;
    }
    findings.add(&sdist::DATA_COPY, || {
        let message = format!(
            "`{}` in `{}` has sha256 {}, the declared `{}` in `{}` has {}",
            shown(&copy.path),
            copy.archive,
            copy.sha256,
            shown(&original.path),
            original.archive,
            original.sha256
        );
        let finding = sdist::DATA_COPY.finding(message).member(shown(&copy.path));
        finding.differ(original.sha256.to_hex(), copy.sha256.to_hex())
    });
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Where a member of a wheel is installed, as far as it goes to the libraries.
pub fn installed(member: &str) -> &str {
    let inner = member.split_once(".data/").filter(|(top, _)| !top.contains('/'));
    let inner = inner.and_then(|(_, rest)| rest.strip_prefix("purelib/").or(rest.strip_prefix("platlib/")));
    inner.unwrap_or(member)
}
