//! A page with many files, in parts, so that a write costs the parts that it changes.
//!
//! The text of a page is cut after files that their own digest chooses, so that a new file moves no cut but its
//! own. Each part is deflated alone, and a page that follows takes over the deflated parts that are the same;
//! together they are one gzip member (RFC 1951, 1952). zstd is fast enough for the whole, and parts of it would
//! be frames, of which installers before the spring of 2025 read the first alone.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Crc;
use shipway_dist::digest::{Hasher, Sha256};
use shipway_dist::simple::{PageFile, ProjectPage};

use super::list::{GZIP_HEAD, deflated, gzip_end};
use super::{Format, render};
use crate::error::IndexError;

/// Pages with fewer files are compressed whole, and so a little smaller.
const FILES: usize = 256;
/// One file of so many ends a part.
const EACH: u8 = 64;

/// The text of a page, and where it is cut; nowhere when it is small.
pub(crate) struct Text {
    pub(crate) bytes: Vec<u8>,
    cuts: Vec<usize>,
}

/// A part of a page's text.
#[derive(Debug)]
pub(super) struct Part {
    range: Range<usize>,
    coded: Arc<Coded>,
}

/// A part, deflated when first asked for.
#[derive(Debug)]
struct Coded {
    digest: Sha256,
    crc: Crc,
    deflated: OnceLock<Bytes>,
}

/// The parts of an earlier page, by the digest of their text.
#[derive(Debug, Default, Clone)]
pub(crate) struct Former(HashMap<Sha256, Arc<Coded>>);

impl Former {
    pub(super) fn add(&mut self, parts: &[Part]) {
        self.0.extend(parts.iter().map(|part| (part.coded.digest, part.coded.clone())));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes a project page in a format.
pub(crate) fn text(page: &ProjectPage, format: Format) -> Result<Text, IndexError> {
    if page.files.len() < FILES {
        return Ok(Text { bytes: super::rendered(page, format)?, cuts: Vec::new() });
    }
    let (head, tail) = around(page, format)?;
    let mut text = Text { bytes: head, cuts: Vec::new() };
    text.cuts.push(text.bytes.len());
    for (at, file) in page.files.iter().enumerate() {
        match format {
            Format::Json => {
                serde_json::to_writer(&mut text.bytes, file)?;
                if at + 1 < page.files.len() {
                    text.bytes.push(b',');
                }
            }
            Format::SimpleHtml | Format::Html => {
                text.bytes.extend_from_slice(render::link(file).into_string().as_bytes());
            }
        }
        if ends_part(file) {
            text.cuts.push(text.bytes.len());
        }
    }
    text.cuts.push(text.bytes.len());
    text.bytes.extend_from_slice(&tail);
    text.cuts.push(text.bytes.len());
    text.cuts.dedup();
    Ok(text)
}

/// What stands before and after the files.
fn around(page: &ProjectPage, format: Format) -> Result<(Vec<u8>, Vec<u8>), IndexError> {
    let empty = ProjectPage {
        meta: page.meta.clone(),
        name: page.name.clone(),
        versions: page.versions.clone(),
        files: Vec::new(),
        project_status: page.project_status.clone(),
    };
    let whole = super::rendered(&empty, format)?;
    let mark: &[u8] = match format {
        Format::Json => b"\"files\":[",
        // The heading is the last thing before the links.
        Format::SimpleHtml | Format::Html => b"</h1>\n",
    };
    let found = whole.windows(mark.len()).position(|window| window == mark);
    let at = found.map_or(whole.len(), |at| at + mark.len());
    let tail = whole[at..].to_vec();
    Ok((whole[..at].to_vec(), tail))
}

fn ends_part(file: &PageFile) -> bool {
    let digest = file.hashes.get("sha256").and_then(|hex| hex.get(..4));
    digest
        .and_then(|hex| u16::from_str_radix(hex, 16).ok())
        .is_some_and(|number| number % u16::from(EACH) == 0)
}

impl Text {
    /// The parts, and the digest of the whole; compressed forms are taken over from `former`.
    pub(super) fn parts(&self, former: Option<&Former>) -> (Vec<Part>, Sha256) {
        if self.cuts.is_empty() {
            return (Vec::new(), Sha256::of(&self.bytes));
        }
        let (mut parts, mut whole) = (Vec::with_capacity(self.cuts.len()), Hasher::default());
        let mut from = 0;
        for to in &self.cuts {
            let digest = Sha256::of(&self.bytes[from..*to]);
            whole.update(digest.as_bytes());
            let held = former.and_then(|former| former.0.get(&digest)).cloned();
            let coded = held.unwrap_or_else(|| {
                let mut crc = Crc::new();
                crc.update(&self.bytes[from..*to]);
                Arc::new(Coded { digest, crc, deflated: OnceLock::new() })
            });
            parts.push(Part { range: from..*to, coded });
            from = *to;
        }
        (parts, whole.finish().0)
    }
}

impl Coded {
    /// The deflated part, and how many bytes that added to memory.
    fn get(&self, text: &[u8]) -> std::io::Result<(&Bytes, usize)> {
        if let Some(bytes) = self.deflated.get() {
            return Ok((bytes, 0));
        }
        let bytes = deflated(text)?;
        let added = bytes.len();
        Ok((self.deflated.get_or_init(|| bytes.into_boxed_slice().into()), added))
    }
}

/// Puts the parts of a text together as gzip; also says how many bytes the parts themselves added to memory.
pub(super) fn gzip(text: &[u8], parts: &[Part]) -> std::io::Result<(Vec<u8>, usize)> {
    let (mut out, mut added, mut crc) = (GZIP_HEAD.to_vec(), 0, Crc::new());
    for part in parts {
        let (bytes, new) = part.coded.get(&text[part.range.clone()])?;
        out.extend_from_slice(bytes);
        crc.combine(&part.coded.crc);
        added += new;
    }
    // The length counts modulo 2^32.
    out.extend_from_slice(&gzip_end(&crc, text.len() as u32));
    Ok((out, added))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use shipway_dist::simple::{CoreMetadata, Meta, Yanked};

    use super::*;

    fn file(at: usize) -> PageFile {
        let sha256 = Sha256::of(at.to_string().as_bytes()).to_hex();
        PageFile {
            filename: format!("a-1.{at}-py3-none-any.whl"),
            url: format!("../../../files/{sha256}/a-1.{at}-py3-none-any.whl"),
            hashes: [("sha256".to_owned(), sha256)].into(),
            size: Some(5),
            upload_time: None,
            requires_python: Some(">=3.8".to_owned()),
            yanked: Yanked::Flag(false),
            core_metadata: CoreMetadata::Flag(false),
            dist_info_metadata: CoreMetadata::Flag(false),
            provenance: None,
        }
    }

    fn page(files: impl IntoIterator<Item = usize>) -> ProjectPage {
        let files: Vec<_> = files.into_iter().map(file).collect();
        let versions = (0..files.len()).map(|at| format!("1.{at}")).collect();
        ProjectPage { meta: Meta::default(), name: "a".to_owned(), versions, files, project_status: None }
    }

    #[test]
    fn i2_a_page_in_parts_is_the_page() {
        for format in [Format::Json, Format::Html] {
            for count in [0, 1, FILES - 1, FILES, 2_500] {
                let page = page(0..count);
                let text = text(&page, format).unwrap();
                assert!(text.bytes == crate::pages::rendered(&page, format).unwrap(), "{count}");
                assert_eq!(text.cuts.is_empty(), count < FILES);
                let (parts, _) = text.parts(None);
                if parts.is_empty() {
                    continue;
                }
                let (zipped, _) = gzip(&text.bytes, &parts).unwrap();
                let mut unzipped = Vec::new();
                flate2::bufread::GzDecoder::new(&zipped[..]).read_to_end(&mut unzipped).unwrap();
                assert!(unzipped == text.bytes);
                let whole = crate::pages::compress(&text.bytes, crate::pages::Coding::Gzip).unwrap();
                assert!(zipped.len() < whole.len() * 12 / 10, "{} and {} whole", zipped.len(), whole.len());
            }
        }
    }

    #[test]
    fn a_new_file_costs_its_own_part() {
        let before = text(&page(0..2_500), Format::Json).unwrap();
        let (parts, digest) = before.parts(None);
        gzip(&before.bytes, &parts).unwrap();
        let mut former = Former::default();
        former.add(&parts);
        for changed in [page(0..2_501), page((0..1_000).chain([9_999]).chain(1_000..2_500)), page(1..2_500)] {
            let after = text(&changed, Format::Json).unwrap();
            let (parts, other) = after.parts(Some(&former));
            assert_ne!(digest, other);
            let new = parts.iter().filter(|part| part.coded.deflated.get().is_none()).count();
            assert!(parts.len() > 20 && new <= 4, "{new} of {}", parts.len());
        }
    }
}
