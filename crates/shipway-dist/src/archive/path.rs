//! Names of members: what escapes, what no file system can hold, what is one name on some of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use unicode_normalization::UnicodeNormalization as _;

use crate::archive::Limits;
use crate::finding::Findings;
use crate::rules::framing as rules;

/// Names that Windows reserves, whatever the extension.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Whether a name is safe to join to a directory: relative, `/` only, no `..`, no control character.
pub(crate) fn is_safe(name: &str) -> bool {
    escape(name).is_none() && !name.is_empty() && !name.chars().any(char::is_control)
}

/// Why a name leads out of the directory it is unpacked into.
fn escape(name: &str) -> Option<&'static str> {
    let bytes = name.as_bytes();
    if name.starts_with('/') {
        Some("is absolute")
    } else if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        Some("begins with a drive letter")
    } else if name.contains('\\') {
        Some("holds a backslash")
    } else if name.split('/').any(|part| part == "..") {
        Some("holds `..`")
    } else {
        None
    }
}

/// Judges one name by itself.
pub(crate) fn check_name(raw: &[u8], limits: &Limits, findings: &mut Findings) {
    let Ok(name) = std::str::from_utf8(raw) else {
        let name = String::from_utf8_lossy(raw);
        findings.member(&rules::PATH_TEXT, &name, "the name is not UTF-8");
        return;
    };
    if name.is_empty() {
        findings.member(&rules::PATH_TEXT, name, "the name is empty");
        return;
    }
    if name.len() > limits.name {
        findings.member(
            &rules::BOUND,
            name,
            format!("a name of {} bytes, the bound is {}", name.len(), limits.name),
        );
    }
    if name.chars().any(char::is_control) {
        findings.member(&rules::PATH_TEXT, name, "the name holds a control character");
    }
    if let Some(why) = escape(name) {
        findings.member(&rules::PATH_ESCAPE, name, format!("the name {why}"));
        return;
    }
    let plain = name.strip_suffix('/').unwrap_or(name);
    let mut depth = 0;
    for part in plain.split('/') {
        depth += 1;
        if part.is_empty() || part == "." {
            findings.member(&rules::PATH_NOT_NORMAL, name, "the name holds an empty part or `.`");
        } else if !is_portable(part) {
            findings.member(
                &rules::PATH_PORTABLE,
                name,
                format!("Windows cannot hold the name `{}`", crate::finding::shown(part)),
            );
        }
    }
    if depth > limits.depth {
        findings.member(
            &rules::BOUND,
            name,
            format!("{depth} directories deep, the bound is {}", limits.depth),
        );
    }
}

fn is_portable(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |prefix: &str| stem.strip_prefix(prefix).is_some_and(|rest| matches!(rest.as_bytes(), [b'1'..=b'9']));
    !(part.ends_with(['.', ' '])
        || part.contains(['<', '>', ':', '"', '|', '?', '*'])
        || RESERVED.contains(&stem.as_str())
        || numbered("com")
        || numbered("lpt"))
}

/// Finds names that are equal, equal to some file systems, or both file and directory.
///
/// Holds hashes, not names, so that 200,000 names cost a few megabytes; `name_of` gives a name back.
#[derive(Default)]
pub(crate) struct Names {
    folded: HashMap<u64, u32>,
    /// Directories that a file lies in, by the hash of their folded name; true when a file has the name.
    buffer: String,
}

/// How a name relates to one that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    /// The very same name as the member with this number.
    Same(u32),
    /// Another name that some file systems take for the same.
    Folded(u32),
}

impl Names {
    /// Adds a member's name; says which earlier one it clashes with.
    pub(crate) fn add<'n>(
        &mut self,
        number: u32,
        name: &str,
        name_of: impl Fn(u32) -> &'n str,
    ) -> Option<Clash> {
        let key = self.key(name);
        match self.folded.entry(key) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(number);
                None
            }
            std::collections::hash_map::Entry::Occupied(occupied) => {
                let earlier = *occupied.get();
                if trimmed(name_of(earlier)) == trimmed(name) {
                    Some(Clash::Same(earlier))
                } else {
                    Some(Clash::Folded(earlier))
                }
            }
        }
    }

    /// The number of the member whose folded name is that of `directory`, a proper prefix of `name`.
    pub(crate) fn ancestors<'s>(
        &'s mut self,
        name: &'s str,
    ) -> impl Iterator<Item = (u32, &'s str)> + use<'s> {
        let name = trimmed(name);
        name.match_indices('/').filter_map(|(at, _)| {
            let directory = &name[..at];
            let key = self.key(directory);
            self.folded.get(&key).map(|&number| (number, directory))
        })
    }

    fn key(&mut self, name: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        let name = trimmed(name);
        if name.is_ascii() {
            self.buffer.clear();
            self.buffer.push_str(name);
            self.buffer.make_ascii_lowercase();
            self.buffer.hash(&mut hasher);
        } else {
            fold(name).hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn trimmed(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

/// A form that is equal for names that a file system without case, or with normalized names, takes for one.
fn fold(name: &str) -> String {
    name.nfc()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}
