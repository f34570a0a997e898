//! Local headers, compared with the central directory.

use std::io;

use super::central::MOST_NEEDED;
use super::extra::{Extra, Sized64};
use super::{Directory, Entry, LOCAL_HEADER, u16_at, u32_at};
use crate::archive::inflate::Packed;
use crate::archive::source::ReadAt;
use crate::finding::Findings;
use crate::rules::framing as rules;

/// A local header.
#[derive(Debug)]
pub(crate) struct Local {
    needed: u16,
    flags: u16,
    method: u16,
    time: u32,
    crc: u32,
    compressed: u32,
    size: u32,
    name: Vec<u8>,
    extra: Vec<u8>,
}

impl Local {
    /// The bytes from the local header to the data.
    pub(crate) fn length(&self) -> u64 {
        LOCAL_HEADER + self.name.len() as u64 + self.extra.len() as u64
    }

    /// The bytes from a local header to its data, by its fixed part; `None` when it is none.
    pub(crate) fn length_of(header: &[u8]) -> Option<u64> {
        let is_whole = header.len() as u64 >= LOCAL_HEADER && header.starts_with(b"PK\x03\x04");
        is_whole.then(|| LOCAL_HEADER + u64::from(u16_at(header, 26)) + u64::from(u16_at(header, 28)))
    }

    /// The data of a member whose local header stands at a position, where the header alone says what it is.
    pub(crate) fn packed(&self, at: u64) -> Option<Packed> {
        // Encrypted, with a data descriptor, patched, or of sizes that stand elsewhere.
        let is_told = self.flags & 0x2069 == 0
            && matches!(self.method, 0 | 8)
            && self.compressed != u32::MAX
            && self.size != u32::MAX;
        is_told.then(|| Packed {
            at: at + self.length(),
            compressed: u64::from(self.compressed),
            size: u64::from(self.size),
            crc: self.crc,
            deflated: self.method == 8,
        })
    }

    /// The name, where it is UTF-8.
    pub(crate) fn name(&self) -> Option<&str> {
        std::str::from_utf8(&self.name).ok()
    }

    /// Whether the header names a member so.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        self.name == name
    }

    /// Reads a local header from the first bytes of a member; `None` when it is no local header or cut off.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..LOCAL_HEADER as usize).filter(|header| header.starts_with(b"PK\x03\x04"))?;
        let name_end = LOCAL_HEADER as usize + usize::from(u16_at(header, 26));
        let extra_end = name_end + usize::from(u16_at(header, 28));
        Some(Self {
            needed: u16_at(header, 4),
            flags: u16_at(header, 6),
            method: u16_at(header, 8),
            time: u32_at(header, 10),
            crc: u32_at(header, 14),
            compressed: u32_at(header, 18),
            size: u32_at(header, 22),
            name: bytes.get(LOCAL_HEADER as usize..name_end)?.to_vec(),
            extra: bytes.get(name_end..extra_end)?.to_vec(),
        })
    }
}

/// Reads the local header of a member.
pub(crate) fn read_local(source: &dyn ReadAt, entry: &Entry) -> io::Result<Option<Local>> {
    let mut header = [0; LOCAL_HEADER as usize];
    if entry.span < LOCAL_HEADER {
        return Ok(None);
    }
    source.read_exact_at(entry.offset, &mut header)?;
    let length = LOCAL_HEADER + u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
    if length > entry.span {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    source.read_exact_at(entry.offset, &mut bytes)?;
    Ok(Local::parse(&bytes))
}

/// Compares a local header with the central directory; says whether the data can be read.
pub(crate) fn check_local(
    directory: &Directory,
    entry: &Entry,
    local: Option<&Local>,
    findings: &mut Findings,
) -> bool {
    let name = directory.name(entry);
    let Some(local) = local else {
        findings.member(
            &rules::ZIP_RECORD,
            name,
            format!("no whole local header at offset {}", entry.offset),
        );
        return false;
    };
    if local.name != directory.raw_name(entry) {
        let found = String::from_utf8_lossy(&local.name).into_owned();
        findings.add(&rules::ZIP_LOCAL_NAME, || {
            rules::ZIP_LOCAL_NAME
                .finding(format!(
                    "the local header says `{}`, the central directory `{}`",
                    crate::finding::shown(&found),
                    crate::finding::shown(name)
                ))
                .member(crate::finding::shown(name))
                .differ(name, found.as_str())
        });
    }
    let mut values =
        Sized64 { size: u64::from(local.size), compressed: u64::from(local.compressed), offset: None };
    match Extra::parse(&local.extra).and_then(|extra| extra.resolve(&mut values).map(|()| extra)) {
        Ok(extra) => {
            if extra.unicode_path.is_some_and(|path| path != local.name) {
                findings.member(&rules::ZIP_EXTRA, name, "the Unicode path extra field has another name");
            }
        }
        Err(why) => findings.member(&rules::ZIP_EXTRA, name, format!("local header: {why}")),
    }
    if local.needed > MOST_NEEDED {
        let message = format!("the local header needs version {} of the format", local.needed);
        findings.member(&rules::ZIP_METHOD, name, message);
    }
    // With a data descriptor, which has a finding of its own, these three stand behind the data.
    let described = entry.flags & 0x0008 != 0;
    let pairs = [
        ("flags", u64::from(entry.flags), u64::from(local.flags), false),
        ("method", u64::from(entry.method), u64::from(local.method), false),
        ("time", u64::from(entry.time), u64::from(local.time), false),
        ("CRC", u64::from(entry.crc), u64::from(local.crc), described),
        ("compressed size", entry.compressed, values.compressed, described),
        ("size", entry.size, values.size, described),
    ];
    for (field, expected, found, excused) in pairs {
        if expected != found && !excused {
            findings.add(&rules::ZIP_LOCAL_FIELD, || {
                rules::ZIP_LOCAL_FIELD
                    .finding(format!("{field}: local header {found}, central directory {expected}"))
                    .member(crate::finding::shown(name))
                    .differ(expected.to_string(), found.to_string())
            });
        }
    }
    let taken = local.length().saturating_add(entry.compressed);
    if taken > entry.span {
        findings.member(
            &rules::ZIP_OVERLAP,
            name,
            format!("takes {taken} bytes at offset {}, only {} are its own", entry.offset, entry.span),
        );
        return false;
    }
    if taken < entry.span && !described {
        findings.member(
            &rules::ZIP_GAP,
            name,
            format!("{} bytes follow it that belong to no member", entry.span - taken),
        );
    }
    true
}
