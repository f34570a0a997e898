//! The end record of a zip file, plain and zip64.

use std::io;

use super::{u16_at, u32_at, u64_at};
use crate::archive::source::{ReadAt, read_vec};
use crate::finding::Findings;
use crate::rules::framing as rules;

const END: &[u8; 4] = b"PK\x05\x06";
const END64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const END_LENGTH: usize = 22;
const END64_LENGTH: u64 = 56;
const LOCATOR_LENGTH: u64 = 20;
/// The end record with the longest comment there can be.
const TAIL: u64 = END_LENGTH as u64 + 0xffff;

/// Where the central directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) count: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

/// Finds the end record, exactly one, at the very end.
pub(super) fn read_end(source: &dyn ReadAt, findings: &mut Findings) -> io::Result<Option<End>> {
    let total = source.size();
    let tail_length = total.min(TAIL);
    let tail_at = total - tail_length;
    let tail = read_vec(source, tail_at, tail_length)?;
    let Some(at) = choose(&tail, findings) else { return Ok(None) };
    let record = &tail[at..];
    let end_at = tail_at + at as u64;
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || u16_at(record, 8) != u16_at(record, 10) {
        findings.push(
            &rules::ZIP_DISK,
            format!(
                "disk {}, directory on disk {}, {} of {} records on this disk",
                u16_at(record, 4),
                u16_at(record, 6),
                u16_at(record, 8),
                u16_at(record, 10)
            ),
        );
    }
    let plain = End {
        count: u64::from(u16_at(record, 10)),
        size: u64::from(u32_at(record, 12)),
        offset: u64::from(u32_at(record, 16)),
    };
    let (end, limit) = match read_end64(source, end_at, plain, findings)? {
        End64::Absent => (plain, end_at),
        End64::Present(end, at) => (end, at),
        End64::Broken => return Ok(None),
    };
    if end.offset.checked_add(end.size) != Some(limit) {
        findings.push(
            &rules::ZIP_DIRECTORY,
            format!(
                "the central directory is said to take {} bytes from {}, but its end record stands at {limit}",
                end.size, end.offset
            ),
        );
        return Ok(None);
    }
    Ok(Some(end))
}

/// The place of the end record in the tail: the last one, and no other may claim the end of the file.
fn choose(tail: &[u8], findings: &mut Findings) -> Option<usize> {
    let places: Vec<usize> =
        memchr::memmem::find_iter(tail, END).filter(|&at| at + END_LENGTH <= tail.len()).collect();
    let Some(&last) = places.last() else {
        findings.push(&rules::ZIP_END, "there is no end record, the file is truncated or no zip file");
        return None;
    };
    let reaches = |at: usize| at + END_LENGTH + usize::from(u16_at(tail, at + 20));
    let claiming = places.iter().filter(|&&at| reaches(at) == tail.len()).count();
    if reaches(last) != tail.len() {
        let distance = tail.len().abs_diff(reaches(last));
        let what = if reaches(last) < tail.len() { "follow the end record" } else { "are missing" };
        findings.push(&rules::ZIP_END, format!("{distance} bytes {what}"));
        return None;
    }
    if claiming > 1 || tail[last + END_LENGTH..].windows(2).any(|pair| pair == b"PK") {
        findings.push(&rules::ZIP_END, "the archive comment holds another zip record");
    }
    Some(last)
}

enum End64 {
    Absent,
    Present(End, u64),
    Broken,
}

fn read_end64(source: &dyn ReadAt, end_at: u64, plain: End, findings: &mut Findings) -> io::Result<End64> {
    let locator = match end_at.checked_sub(LOCATOR_LENGTH) {
        Some(at) => read_vec(source, at, LOCATOR_LENGTH)?,
        None => Vec::new(),
    };
    if !locator.starts_with(LOCATOR) {
        // 65,535 members without zip64 are legal, and every reader takes the number as it stands.
        if plain.size == 0xffff_ffff || plain.offset == 0xffff_ffff {
            findings.push(&rules::ZIP_ZIP64, "the end record refers to a zip64 record that is not there");
            return Ok(End64::Broken);
        }
        return Ok(End64::Absent);
    }
    let stated = u64_at(&locator, 8);
    let expected = (end_at - LOCATOR_LENGTH).checked_sub(END64_LENGTH);
    if expected != Some(stated) {
        findings.push(
            &rules::ZIP_ZIP64,
            format!("the locator points at {stated}, the zip64 end record must stand right before it"),
        );
        return Ok(End64::Broken);
    }
    let record = read_vec(source, stated, END64_LENGTH)?;
    if !record.starts_with(END64) || u64_at(&record, 4) != END64_LENGTH - 12 {
        findings.push(
            &rules::ZIP_ZIP64,
            format!("no zip64 end record of size 44 at {stated}, where the locator points"),
        );
        return Ok(End64::Broken);
    }
    if u32_at(&locator, 4) != 0
        || u32_at(&locator, 16) != 1
        || u32_at(&record, 16) != 0
        || u32_at(&record, 20) != 0
        || u64_at(&record, 24) != u64_at(&record, 32)
    {
        findings.push(&rules::ZIP_DISK, "the zip64 end record speaks of several disks");
    }
    let end = End { count: u64_at(&record, 32), size: u64_at(&record, 40), offset: u64_at(&record, 48) };
    let agrees = (plain.count == end.count || plain.count == 0xffff)
        && (plain.size == end.size || plain.size == 0xffff_ffff)
        && (plain.offset == end.offset || plain.offset == 0xffff_ffff);
    if !agrees {
        findings.push(
            &rules::ZIP_ZIP64,
            format!(
                "end record and zip64 end record differ: {} and {} members, size {} and {}, offset {} and {}",
                plain.count, end.count, plain.size, end.size, plain.offset, end.offset
            ),
        );
        return Ok(End64::Broken);
    }
    Ok(End64::Present(end, stated))
}
