//! Framing of zip files, judged for differential safety.
//!
//! What is accepted here is one sequence of local headers with their data, one central directory that
//! describes exactly them, and one end record (APPNOTE 6.3.10), so that a reader that streams and a
//! reader that seeks see the same members. Nothing is inflated here.

mod central;
mod end;
mod extra;
mod local;

use std::io;
use std::ops::Range;

use crate::archive::Limits;
use crate::archive::source::{ReadAt, read_vec};
use crate::finding::Findings;
use crate::rules::framing as rules;

pub(crate) use local::{Local, check_local, read_local};

/// Bytes of a local header before the name.
pub(crate) const LOCAL_HEADER: u64 = 30;

/// The central directory of a zip file.
#[derive(Debug)]
pub(crate) struct Directory {
    bytes: Vec<u8>,
    /// The members in the order of the central directory.
    pub(crate) entries: Vec<Entry>,
    /// Where the central directory begins; no member may reach beyond.
    pub(crate) offset: u64,
}

/// One member, as the central directory describes it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    name: Range<u32>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u32,
    pub(crate) crc: u32,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    pub(crate) offset: u64,
    /// From the local header to the next one, or to the central directory.
    pub(crate) span: u64,
}

impl Entry {
    /// The bytes that the member takes at least.
    fn least(&self) -> u64 {
        (LOCAL_HEADER + u64::from(self.name.end - self.name.start)).saturating_add(self.compressed)
    }
}

impl Directory {
    /// The raw name of a member.
    pub(crate) fn raw_name(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.name.start as usize..entry.name.end as usize).unwrap_or_default()
    }

    /// The name of a member; names that are not UTF-8 have a finding of their own.
    pub(crate) fn name(&self, entry: &Entry) -> &str {
        std::str::from_utf8(self.raw_name(entry)).unwrap_or("\u{fffd}")
    }
}

/// Reads the end record and the central directory; `None` when there is no telling where the members are.
pub(crate) fn read_directory(
    source: &dyn ReadAt,
    limits: &Limits,
    findings: &mut Findings,
) -> io::Result<Option<Directory>> {
    let Some(end) = end::read_end(source, findings)? else { return Ok(None) };
    if end.count > limits.members {
        findings.push(&rules::BOUND, format!("{} members, the bound is {}", end.count, limits.members));
        return Ok(None);
    }
    if end.size > limits.directory {
        findings.push(
            &rules::BOUND,
            format!("a central directory of {} bytes, the bound is {}", end.size, limits.directory),
        );
        return Ok(None);
    }
    let bytes = read_vec(source, end.offset, end.size)?;
    let entries = central::parse(&bytes, end.count, limits, findings);
    let mut directory = Directory { bytes, entries, offset: end.offset };
    lay_out(&mut directory, findings);
    Ok(Some(directory))
}

/// Finds the span of each member and refuses what lies before, between and over them.
fn lay_out(directory: &mut Directory, findings: &mut Findings) {
    let mut order: Vec<u32> = (0..directory.entries.len() as u32).collect();
    order.sort_by_key(|&at| directory.entries[at as usize].offset);
    let offset_of = |at: &u32| directory.entries[*at as usize].offset;
    let first = order.first().map_or(directory.offset, offset_of);
    if first != 0 {
        findings.push(
            &rules::ZIP_RECORD,
            format!("{first} bytes stand before the first member, expected a local header at 0"),
        );
    }
    for place in 0..order.len() {
        let next = order.get(place + 1).map_or(directory.offset, |at| directory.entries[*at as usize].offset);
        let at = order[place] as usize;
        let entry = &directory.entries[at];
        let span = next.min(directory.offset).saturating_sub(entry.offset);
        if entry.least() > span {
            findings.member(
                &rules::ZIP_OVERLAP,
                directory.name(entry),
                format!(
                    "needs at least {} bytes at offset {}, only {span} are its own",
                    entry.least(),
                    entry.offset
                ),
            );
        }
        directory.entries[at].span = span;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
