//! Declared data files: they are in the wheel (row C6), and other copies of them are the same (row D14).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::archive::{ArchiveError, Limits, list_members, read_members};
use crate::digest::Sha256;
use crate::finding::{Finding, Findings, shown};
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
/// `patterns` are matched against paths in the wheel: `*` and `?` stay in one directory, `**` does not. A
/// pattern that matches nothing is a finding, and so is a copy with other bytes. Among several declared
/// files of one name a copy is compared with the one whose path its own path ends in, else it must be
/// the same as one of them.
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
    let mut declared: BTreeSet<&str> = BTreeSet::new();
    for pattern in patterns {
        let matching: Vec<&str> = members
            .iter()
            .map(|member| installed(&member.name))
            .filter(|path| matches(pattern, path))
            .collect();
        if matching.is_empty() {
            let message = format!("`{}` matches no file of `{}`", shown(pattern), wheel.filename);
            findings.push(&rules::DATA_MISSING, message);
        }
        declared.extend(matching);
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

/// Where a member of a wheel is installed.
fn installed(member: &str) -> &str {
    let inner = member.split_once(".data/").filter(|(top, _)| !top.contains('/'));
    let inner = inner.and_then(|(_, rest)| rest.strip_prefix("purelib/").or(rest.strip_prefix("platlib/")));
    inner.unwrap_or(member)
}

/// Whether a pattern matches a whole path.
fn matches(pattern: &str, path: &str) -> bool {
    let patterns: Vec<&str> = pattern.split('/').collect();
    // Which beginnings of the pattern match what was seen of the path; `**` may stand for nothing.
    let mut reached = vec![false; patterns.len() + 1];
    reached[0] = true;
    let skip = |reached: &mut Vec<bool>| {
        for (at, pattern) in patterns.iter().enumerate() {
            reached[at + 1] |= *pattern == "**" && reached[at];
        }
    };
    skip(&mut reached);
    for part in path.split('/') {
        let mut next = vec![false; patterns.len() + 1];
        for (at, pattern) in patterns.iter().enumerate() {
            if *pattern == "**" {
                next[at] |= reached[at];
                next[at + 1] |= reached[at];
            } else if reached[at] && matches_part(pattern.as_bytes(), part.as_bytes()) {
                next[at + 1] = true;
            }
        }
        skip(&mut next);
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

fn matches_part(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((from, begun)) => {
                    star = Some((from, begun + 1));
                    (at, place) = (from + 1, begun + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("a/b.yaml", "a/b.yaml"),
            ("a/*.yaml", "a/b.yaml"),
            ("a/**/*.yaml", "a/b.yaml"),
            ("a/**/*.yaml", "a/c/d/b.yaml"),
            ("a/**", "a/b/c"),
            ("**/b.*", "b.x"),
            ("a/?.y*l", "a/b.yaml"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("a/*.yaml", "a/c/b.yaml"),
            ("*.yaml", "a/b.yaml"),
            ("a/*.yaml", "a/b.yml"),
            ("a/**/c.yaml", "b/c.yaml"),
            ("a", "a/b"),
            ("a/?", "a/bc"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
