//! The headers of the central directory.

use super::extra::{Extra, Sized64};
use super::{Entry, u16_at, u32_at};
use crate::archive::Limits;
use crate::finding::Findings;
use crate::rules::framing as rules;

const HEADER: usize = 46;
/// The version of the format that zip64 needs (APPNOTE 4.4.3); some readers refuse later ones. The upper
/// half of the field is a host: of a member that needs VMS unzip asks whether it is wanted.
pub(super) const MOST_NEEDED: u16 = 45;

/// Reads `count` headers that fill `bytes` exactly; stops at the first that cannot be read.
pub(super) fn parse(bytes: &[u8], count: u64, limits: &Limits, findings: &mut Findings) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(count.min(bytes.len() as u64 / HEADER as u64) as usize);
    let mut at = 0;
    while at < bytes.len() {
        if entries.len() as u64 > count {
            break;
        }
        let Some(header) = bytes.get(at..at + HEADER).filter(|header| header.starts_with(b"PK\x01\x02"))
        else {
            findings.push(
                &rules::ZIP_RECORD,
                format!("no central directory header at byte {at} of the central directory"),
            );
            break;
        };
        let lengths = [28, 30, 32].map(|field| usize::from(u16_at(header, field)));
        let after = at + HEADER + lengths.iter().sum::<usize>();
        if after > bytes.len() {
            findings.push(&rules::ZIP_DIRECTORY, "the last header reaches beyond the central directory");
            break;
        }
        let name = at + HEADER..at + HEADER + lengths[0];
        let extra = name.end..name.end + lengths[1];
        entries.push(entry(header, name, &bytes[extra], lengths[2], bytes, limits, findings));
        at = after;
    }
    if entries.len() as u64 != count {
        findings.push(
            &rules::ZIP_DIRECTORY,
            format!("the end record states {count} members, the central directory has {}", entries.len()),
        );
    }
    entries
}

fn entry(
    header: &[u8],
    name: std::ops::Range<usize>,
    extra: &[u8],
    comment: usize,
    bytes: &[u8],
    limits: &Limits,
    findings: &mut Findings,
) -> Entry {
    let text = String::from_utf8_lossy(&bytes[name.clone()]);
    let flags = u16_at(header, 8);
    let method = u16_at(header, 10);
    let attributes = u32_at(header, 38);
    let mut values = Sized64 {
        size: u64::from(u32_at(header, 24)),
        compressed: u64::from(u32_at(header, 20)),
        offset: Some(u64::from(u32_at(header, 42))),
    };
    match Extra::parse(extra).and_then(|extra| extra.resolve(&mut values).map(|()| extra)) {
        Ok(extra) => {
            if extra.unicode_path.as_ref().is_some_and(|path| *path != bytes[name.clone()]) {
                findings.member(&rules::ZIP_EXTRA, &text, "the Unicode path extra field has another name");
            }
        }
        Err(why) => findings.member(&rules::ZIP_EXTRA, &text, why),
    }
    if comment != 0 {
        findings.member(&rules::ZIP_COMMENT, &text, format!("a comment of {comment} bytes"));
    }
    if u16_at(header, 34) != 0 {
        findings.member(&rules::ZIP_DISK, &text, format!("lies on disk {}", u16_at(header, 34)));
    }
    if values.size > limits.member {
        findings.member(
            &rules::BOUND,
            &text,
            format!("inflates to {} bytes, the bound is {}", values.size, limits.member),
        );
    }
    let needed = u16_at(header, 6);
    if needed > MOST_NEEDED {
        findings.member(&rules::ZIP_METHOD, &text, format!("needs version {needed} of the format"));
    }
    check_flags(&text, flags, method, !bytes[name.clone()].is_ascii(), findings);
    // Only a Unix host means a mode by the upper half, but most readers take it for one from every host.
    let mode = attributes >> 16;
    let kind = mode & 0o170_000;
    if !matches!(kind, 0 | 0o100_000 | 0o040_000) {
        let what = if kind == 0o120_000 { "a symbolic link" } else { "a device or other special file" };
        findings.member(&rules::MEMBER_KIND, &text, format!("is {what} (mode {mode:o})"));
    }
    let is_directory = text.ends_with('/');
    if (kind == 0o040_000) != is_directory && kind != 0 {
        findings.member(
            &rules::MEMBER_KIND,
            &text,
            format!("mode {mode:o} and the end of the name disagree whether this is a directory"),
        );
    }
    if is_directory && values.size != 0 {
        findings.member(&rules::MEMBER_KIND, &text, format!("a directory with {} bytes", values.size));
    }
    Entry {
        name: name.start as u32..name.end as u32,
        flags,
        method,
        time: u32_at(header, 12),
        crc: u32_at(header, 16),
        compressed: values.compressed,
        size: values.size,
        offset: values.offset.unwrap_or_default(),
        span: 0,
    }
}

fn check_flags(text: &str, flags: u16, method: u16, beyond_ascii: bool, findings: &mut Findings) {
    if flags & 0x2041 != 0 {
        findings.member(&rules::ZIP_METHOD, text, "is encrypted");
    }
    if flags & 0x0008 != 0 {
        findings.member(&rules::ZIP_DESCRIPTOR, text, "has a data descriptor");
    }
    if flags & 0x0020 != 0 {
        findings.member(&rules::ZIP_METHOD, text, "is patched data");
    }
    if !matches!(method, 0 | 8) {
        findings.member(&rules::ZIP_METHOD, text, format!("compression method {method}, expected 0 or 8"));
    }
    if beyond_ascii && flags & 0x0800 == 0 {
        findings.member(&rules::ZIP_METHOD, text, "the name is not ASCII and not marked as UTF-8");
    }
}
