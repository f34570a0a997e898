//! The public reader: list members, read chosen ones.

use std::collections::HashSet;
use std::path::Path;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::inflate::{InflateError, Packed, with_inflater};
use super::source::{FileSource, ReadAt};
use super::{ArchiveError, Limits, path, tar, zip};
use crate::finding::{Findings, shown};

/// One file in an archive; directories are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, relative, with `/`.
    pub name: String,
    /// The inflated size that the archive states.
    pub size: u64,
}

/// Lists the files of a `.whl` or `.tar.gz` in the order they stand there.
///
/// `filename` decides the kind, so that a file may be spooled under another name.
///
/// # Errors
/// When the archive cannot be read or is not safe to read.
pub fn list_members(path: &Path, filename: &str, limits: &Limits) -> Result<Vec<Member>, ArchiveError> {
    let source = FileSource::open(path)?;
    if filename.ends_with(".whl") {
        let (directory, files) = open_zip(&source, limits)?;
        let member = |at: u32| {
            let entry = &directory.entries[at as usize];
            Member { name: directory.name(entry).to_owned(), size: entry.size }
        };
        return Ok(files.into_iter().map(member).collect());
    }
    let mut members = Vec::new();
    tar::read(&source, limits, &mut |name, size| {
        members.push(Member { name: name.to_owned(), size });
        None
    })?;
    source.refuse_if_changed()?;
    Ok(members)
}

/// Reads the files of a `.whl` or `.tar.gz` whose name `wanted` accepts, in the order they stand there.
///
/// Wheels are inflated in parallel, sdists in one pass. Sizes and CRCs are verified; a name that
/// escapes, an overlap, a damaged member or a bound exceeded is an error.
///
/// # Errors
/// When the archive cannot be read or is not safe to read.
pub fn read_members(
    path: &Path,
    filename: &str,
    wanted: &mut dyn FnMut(&str) -> bool,
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let source = FileSource::open(path)?;
    let members = if filename.ends_with(".whl") {
        read_zip(&source, wanted, limits)?
    } else {
        let mut names = Vec::new();
        let mut total = 0_u64;
        let contents = tar::read(&source, limits, &mut |name, size| {
            if !wanted(name) {
                return None;
            }
            names.push(name.to_owned());
            total = total.saturating_add(size);
            Some(total <= limits.wanted)
        })?;
        let mut seen = HashSet::with_capacity(names.len());
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(ArchiveError::Malformed { why: format!("two members are called `{}`", shown(name)) });
        }
        names.into_iter().zip(contents).collect()
    };
    source.refuse_if_changed()?;
    Ok(members)
}

fn open_zip(source: &dyn ReadAt, limits: &Limits) -> Result<(zip::Directory, Vec<u32>), ArchiveError> {
    let mut findings = Findings::default();
    let directory = zip::read_directory(source, limits, &mut findings)?;
    let Some(directory) = directory else {
        let why = findings.first_error().map_or("no zip file", |finding| finding.message.as_str());
        return Err(ArchiveError::Malformed { why: why.to_owned() });
    };
    let mut total = 0_u64;
    let mut files = Vec::with_capacity(directory.entries.len());
    for (at, entry) in directory.entries.iter().enumerate() {
        let name = directory.name(entry);
        if !path::is_safe(name) || std::str::from_utf8(directory.raw_name(entry)).is_err() {
            return Err(ArchiveError::Malformed { why: format!("member name `{}`", shown(name)) });
        }
        total = total.saturating_add(entry.size);
        if entry.size > limits.member || total > limits.total {
            let why = format!("member `{}` inflates to {} bytes, {total} in all", shown(name), entry.size);
            return Err(ArchiveError::TooLarge { why });
        }
        if !name.ends_with('/') {
            files.push(at as u32);
        }
    }
    Ok((directory, files))
}

fn read_zip(
    source: &dyn ReadAt,
    wanted: &mut dyn FnMut(&str) -> bool,
    limits: &Limits,
) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
    let (directory, mut files) = open_zip(source, limits)?;
    files.retain(|&at| wanted(directory.name(&directory.entries[at as usize])));
    let mut seen = HashSet::with_capacity(files.len());
    if let Some(&at) =
        files.iter().find(|&&at| !seen.insert(directory.raw_name(&directory.entries[at as usize])))
    {
        let name = shown(directory.name(&directory.entries[at as usize]));
        return Err(ArchiveError::Malformed { why: format!("two members are called `{name}`") });
    }
    let total: u64 = files.iter().map(|&at| directory.entries[at as usize].size).sum();
    if total > limits.wanted {
        let why = format!("{total} bytes are wanted, the bound is {}", limits.wanted);
        return Err(ArchiveError::TooLarge { why });
    }
    files.into_par_iter().map(|at| read_one(source, &directory, at)).collect()
}

fn read_one(
    source: &dyn ReadAt,
    directory: &zip::Directory,
    at: u32,
) -> Result<(String, Vec<u8>), ArchiveError> {
    let entry = &directory.entries[at as usize];
    let name = directory.name(entry).to_owned();
    let malformed = |why: &str| ArchiveError::Malformed { why: format!("member `{}`: {why}", shown(&name)) };
    if !matches!(entry.method, 0 | 8) || entry.flags & 0x2041 != 0 {
        return Err(malformed("neither stored nor deflated, or encrypted"));
    }
    let local = zip::read_local(source, entry)?.ok_or_else(|| malformed("no local header"))?;
    if !local.is_named(directory.raw_name(entry)) {
        return Err(malformed("the local header has another name"));
    }
    if local.length().saturating_add(entry.compressed) > entry.span {
        return Err(malformed("overlaps another member"));
    }
    let packed = Packed {
        at: entry.offset + local.length(),
        compressed: entry.compressed,
        size: entry.size,
        crc: entry.crc,
        deflated: entry.method == 8,
    };
    // The stated size may be a lie, so it is no reason to allocate more than the input can hold.
    let likely = entry.size.min(entry.compressed.saturating_mul(1032));
    let mut content = Vec::with_capacity(likely as usize);
    with_inflater(|inflater| inflater.run(source, &packed, |bytes| content.extend_from_slice(bytes)))
        .map_err(|error| match error {
            InflateError::Io(error) => ArchiveError::Io(error),
            InflateError::Damaged(why) => malformed(&why),
        })?;
    Ok((name, content))
}
