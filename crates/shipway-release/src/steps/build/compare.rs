//! Compares two distribution files member by member, so that a difference has a name.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use shipway_dist::Sha256;

use crate::error::{Error, Result};

/// The most differences that a comparison lists.
const MOST: usize = 50;

/// A member that is not the same in both files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The member; `gzip header` or `container` when no member differs and the bytes still do.
    pub member: String,
    /// What differs: `contents`, `missing`, `added`, `order`, `time`, `mode`, `owner` or `bytes`.
    pub what: &'static str,
    /// What the first file has.
    pub first: String,
    /// What the second file has.
    pub second: String,
}

/// A member as it stands in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) sha256: Sha256,
    time: String,
    mode: String,
    owner: String,
}

/// The members of a wheel or sdist that a backend has just made, in the order they stand there.
pub(super) fn members(path: &Path) -> Result<Vec<Seen>> {
    let read = if path.extension().is_some_and(|extension| extension == "whl") { wheel } else { sdist };
    read(path).map_err(|error| Error::io("read", path, &error))
}

fn digest(mut reader: impl Read) -> std::io::Result<Sha256> {
    Sha256::of_reader(&mut reader).map(|(sha256, _)| sha256)
}

fn wheel(path: &Path) -> std::io::Result<Vec<Seen>> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path)?)?;
    let mut members = Vec::with_capacity(archive.len());
    for at in 0..archive.len() {
        let mut file = archive.by_index(at)?;
        let mode = file.unix_mode().map(|mode| format!("{mode:o}")).unwrap_or_default();
        let time = file.last_modified().map(|time| time.to_string()).unwrap_or_default();
        members.push(Seen {
            name: file.name()?.into_owned(),
            sha256: digest(&mut file)?,
            time,
            mode,
            owner: String::new(),
        });
    }
    Ok(members)
}

fn sdist(path: &Path) -> std::io::Result<Vec<Seen>> {
    let file = std::io::BufReader::new(std::fs::File::open(path)?);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut members = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let header = entry.header();
        let name_of =
            |name: std::result::Result<Option<&str>, _>| name.ok().flatten().unwrap_or_default().to_owned();
        let owner = format!(
            "{}:{} {}:{}",
            header.uid()?,
            header.gid()?,
            name_of(header.username()),
            name_of(header.groupname())
        );
        let (mode, time) = (format!("{:o}", header.mode()?), header.mtime()?.to_string());
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        members.push(Seen { name, sha256: digest(&mut entry)?, time, mode, owner });
    }
    Ok(members)
}

/// What differs between two files that are not the same, in the order of the first.
pub(super) fn compare(first: &Path, second: &Path) -> Result<Vec<Difference>> {
    let found = differences(&members(first)?, &members(second)?);
    if !found.is_empty() {
        return Ok(found);
    }
    let head = |path: &Path| -> Result<[u8; 10]> {
        let mut head = [0; 10];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
        read.map_err(|error| Error::io("read", path, &error))?;
        Ok(head)
    };
    let (one, other) = (head(first)?, head(second)?);
    // RFC 1952: two bytes of magic, method, flags, then MTIME in four bytes.
    let time = |head: &[u8; 10]| u32::from_le_bytes([head[4], head[5], head[6], head[7]]).to_string();
    let is_gzip = one.starts_with(&[0x1f, 0x8b]) && other.starts_with(&[0x1f, 0x8b]);
    Ok(vec![if is_gzip && time(&one) != time(&other) {
        Difference { member: "gzip header".to_owned(), what: "time", first: time(&one), second: time(&other) }
    } else {
        let (first, second) = (String::new(), String::new());
        Difference { member: "container".to_owned(), what: "bytes", first, second }
    }])
}

/// What differs, in the order of the first file; what only the second has comes last.
pub(super) fn differences(first: &[Seen], second: &[Seen]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |member: &str, what, one: &str, other: &str| {
        if found.len() < MOST {
            found.push(Difference {
                member: member.to_owned(),
                what,
                first: one.to_owned(),
                second: other.to_owned(),
            });
        }
    };
    let by_name: std::collections::HashMap<&str, &Seen> =
        second.iter().map(|seen| (seen.name.as_str(), seen)).collect();
    let in_first: std::collections::HashSet<&str> = first.iter().map(|seen| seen.name.as_str()).collect();
    let shared = second.iter().filter(|seen| in_first.contains(seen.name.as_str()));
    let mut order = shared.map(|seen| seen.name.as_str());
    let mut is_ordered = true;
    for one in first {
        let Some(other) = by_name.get(one.name.as_str()) else {
            add(&one.name, "missing", &one.sha256.to_string(), "");
            continue;
        };
        if let Some(there) = order.next().filter(|there| is_ordered && *there != one.name) {
            is_ordered = false;
            add(&one.name, "order", &one.name, there);
        }
        if one.sha256 != other.sha256 {
            add(&one.name, "contents", &one.sha256.to_string(), &other.sha256.to_string());
        } else if one.time != other.time {
            add(&one.name, "time", &one.time, &other.time);
        } else if one.mode != other.mode {
            add(&one.name, "mode", &one.mode, &other.mode);
        } else if one.owner != other.owner {
            add(&one.name, "owner", &one.owner, &other.owner);
        }
    }
    for other in second.iter().filter(|other| !in_first.contains(other.name.as_str())) {
        add(&other.name, "added", "", &other.sha256.to_string());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, contents: &str, time: &str) -> Seen {
        Seen {
            name: name.to_owned(),
            sha256: Sha256::of(contents.as_bytes()),
            time: time.to_owned(),
            mode: "644".to_owned(),
            owner: String::new(),
        }
    }

    fn names(first: &[Seen], second: &[Seen]) -> Vec<(String, &'static str)> {
        differences(first, second).into_iter().map(|one| (one.member, one.what)).collect()
    }

    #[test]
    fn each_difference_has_its_member_and_its_kind() {
        let base = [seen("a", "1", "0"), seen("b", "2", "0"), seen("c", "3", "0")];
        assert!(names(&base, &base.clone()).is_empty());
        let changed = [seen("a", "1", "0"), seen("b", "x", "0"), seen("c", "3", "9")];
        assert_eq!(names(&base, &changed), [("b".to_owned(), "contents"), ("c".to_owned(), "time")]);
        let fewer = [seen("a", "1", "0"), seen("c", "3", "0"), seen("d", "4", "0")];
        assert_eq!(names(&base, &fewer), [("b".to_owned(), "missing"), ("d".to_owned(), "added")]);
        let turned = [seen("b", "2", "0"), seen("a", "1", "0"), seen("c", "3", "0")];
        assert_eq!(names(&base, &turned), [("a".to_owned(), "order")], "one root, one difference");
    }
}
