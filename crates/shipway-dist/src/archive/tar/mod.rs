//! Reads a gzipped tar front to back, judged for differential safety.
//!
//! What is accepted is what GNU tar, Python's `tarfile` and the usual libraries read alike: one gzip
//! member, headers with correct checksums, at most one extended header before a member and none that
//! contradicts it, zero blocks at the end and nothing behind them. Nothing is unpacked to disk.

mod gunzip;
mod header;
mod pax;

use std::io;

use super::source::ReadAt;
use super::{ArchiveError, Limits, path};
use crate::finding::{Findings, shown};
use crate::rules::Rule;
use crate::rules::framing as rules;

use gunzip::Gunzip;
use header::{Format, RawHeader};
use pax::Extended;

/// Bytes of a tar block.
const BLOCK: usize = 512;
/// The longest extended header that is read.
const MOST_EXTENDED: u64 = 1 << 20;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    SymbolicLink,
    HardLink,
    /// A device, FIFO or a type that readers treat differently.
    Other(u8),
}

/// One member.
#[derive(Debug)]
pub(crate) struct Header {
    /// The name as it stands there, trailing `/` included.
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u64,
    pub(crate) size: u64,
}

/// Why reading cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The file could not be read.
    Io(io::Error),
    /// What is wrong with the archive, and the rule it breaks.
    Broken(&'static Rule, String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(crate) struct Reader<'s> {
    gunzip: Gunzip<'s>,
    /// What is left of the current member's data, and of the padding behind it.
    data: u64,
    padding: u64,
    count: u64,
    limits: &'s Limits,
    /// The oldest format seen, with the member that has it.
    pub(crate) old_format: Option<(&'static str, String)>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s dyn ReadAt, limits: &'s Limits) -> Result<Self, Stop> {
        let gunzip = Gunzip::new(source, limits)?;
        Ok(Self { gunzip, data: 0, padding: 0, count: 0, limits, old_format: None })
    }

    /// The next member; `None` at a proper end.
    pub(crate) fn next(&mut self) -> Result<Option<Header>, Stop> {
        self.skip()?;
        let mut extended = Extended::default();
        loop {
            let Some(block) = self.gunzip.block()? else {
                return Err(broken(&rules::TAR_END, "the archive ends without two zero blocks"));
            };
            if block.iter().all(|&byte| byte == 0) {
                if !extended.is_empty() {
                    return Err(broken(&rules::TAR_EXTENSION, "an extended header precedes no member"));
                }
                self.end()?;
                return Ok(None);
            }
            self.count += 1;
            if self.count > self.limits.members {
                return Err(broken(
                    &rules::BOUND,
                    format!("more than {} members and extended headers", self.limits.members),
                ));
            }
            let raw = RawHeader::parse(&block).map_err(|why| {
                broken(&rules::TAR_HEADER, format!("header at {}: {why}", self.gunzip.position() - 512))
            })?;
            match raw.kind {
                b'x' | b'g' | b'L' | b'K' => {
                    let content = self.extended(raw.size)?;
                    extended
                        .add(raw.kind, &content)
                        .map_err(|(rule, why)| broken(rule, format!("extended header: {why}")))?;
                    if matches!(raw.kind, b'L' | b'K') {
                        self.note_format("GNU", &raw);
                    }
                }
                _ => return self.member(raw, extended).map(Some),
            }
        }
    }

    fn member(&mut self, raw: RawHeader, extended: Extended) -> Result<Header, Stop> {
        match raw.format {
            Format::Ustar => {}
            Format::Gnu => self.note_format("GNU", &raw),
            Format::V7 => self.note_format("v7", &raw),
        }
        let slash = raw.name.ends_with(b"/");
        let name = extended.path.unwrap_or(raw.name);
        let link = extended.link.unwrap_or(raw.link);
        let text = shown(&String::from_utf8_lossy(&name));
        if raw.kind == b'S' {
            return Err(broken(&rules::TAR_SPARSE, format!("`{text}` is sparse")));
        }
        if extended.size.is_some_and(|size| size != raw.size) {
            return Err(broken(
                &rules::TAR_EXTENSION,
                format!(
                    "`{text}` has {} bytes by its header, {} by its extended header",
                    raw.size,
                    extended.size.unwrap_or_default()
                ),
            ));
        }
        let kind = match raw.kind {
            // What v7, which had no directories, meant by a slash. Of other types the header's own name may
            // have been cut off there.
            0 if slash && name.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' if name.ends_with(b"/") || (slash && raw.kind == 0) => {
                return Err(broken(
                    &rules::TAR_HEADER,
                    format!("`{text}` is a directory by its name and a file by its type"),
                ));
            }
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'5' => Kind::Directory,
            other => Kind::Other(other),
        };
        // Some readers skip the data of these, some take it for the next header.
        if raw.size != 0 && kind != Kind::File {
            return Err(broken(
                &rules::TAR_HEADER,
                format!("`{text}` is no regular file but has {} bytes", raw.size),
            ));
        }
        if raw.size > self.limits.member {
            return Err(broken(
                &rules::BOUND,
                format!("`{text}` has {} bytes, the bound is {}", raw.size, self.limits.member),
            ));
        }
        self.data = raw.size;
        self.padding = raw.size.next_multiple_of(BLOCK as u64) - raw.size;
        Ok(Header { name, link, kind, mode: raw.mode, size: raw.size })
    }

    fn note_format(&mut self, format: &'static str, raw: &RawHeader) {
        self.old_format.get_or_insert_with(|| (format, String::from_utf8_lossy(&raw.name).into_owned()));
    }

    /// Hands the data of the current member to `sink` piece by piece.
    pub(crate) fn data(&mut self, mut sink: impl FnMut(&[u8])) -> Result<(), Stop> {
        while self.data > 0 {
            let piece = self.gunzip.piece(self.data)?;
            if piece.is_empty() {
                return Err(broken(&rules::TAR_END, "the archive ends within a member"));
            }
            self.data -= piece.len() as u64;
            sink(piece);
        }
        Ok(())
    }

    fn skip(&mut self) -> Result<(), Stop> {
        self.data(|_| ())?;
        self.data = std::mem::take(&mut self.padding);
        self.data(|_| ())
    }

    fn extended(&mut self, size: u64) -> Result<Vec<u8>, Stop> {
        if size > MOST_EXTENDED {
            return Err(broken(&rules::BOUND, format!("an extended header of {size} bytes")));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        let mut content = Vec::with_capacity(size as usize);
        self.data(|piece| content.extend_from_slice(piece))?;
        self.skip()?;
        Ok(content)
    }

    /// After the first zero block: a second one, then zeros only, to the end of the gzip member.
    fn end(&mut self) -> Result<(), Stop> {
        let first = self.gunzip.position();
        loop {
            let at = self.gunzip.position();
            let piece = self.gunzip.piece(u64::MAX)?;
            if piece.is_empty() {
                break;
            }
            if let Some(place) = piece.iter().position(|&byte| byte != 0) {
                return Err(broken(
                    &rules::TAR_END,
                    format!("bytes follow the end of the archive, at {}", at + place as u64),
                ));
            }
        }
        let zeros = self.gunzip.position() - first;
        if zeros < BLOCK as u64 || !zeros.is_multiple_of(BLOCK as u64) {
            return Err(broken(
                &rules::TAR_END,
                format!(
                    "{zeros} zero bytes follow the first zero block, expected whole blocks, at least one"
                ),
            ));
        }
        Ok(())
    }
}

fn broken(rule: &'static Rule, why: impl Into<String>) -> Stop {
    Stop::Broken(rule, why.into())
}

/// Reads a whole archive; `choose` is asked for each file and answers whether to skip it (`None`), to
/// read it (`Some(true)`), or to stop because it is too much (`Some(false)`).
pub(crate) fn read(
    source: &dyn ReadAt,
    limits: &Limits,
    choose: &mut dyn FnMut(&str, u64) -> Option<bool>,
) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let stop = |stop| match stop {
        Stop::Io(error) => ArchiveError::Io(error),
        Stop::Broken(rule, why) if std::ptr::eq(rule, &rules::BOUND) || std::ptr::eq(rule, &rules::RATIO) => {
            ArchiveError::TooLarge { why }
        }
        Stop::Broken(_, why) => ArchiveError::Malformed { why },
    };
    let mut contents = Vec::new();
    let mut reader = Reader::new(source, limits).map_err(stop)?;
    while let Some(header) = reader.next().map_err(stop)? {
        let name = std::str::from_utf8(&header.name).ok().filter(|name| path::is_safe(name));
        let Some(name) = name else {
            let why = format!("member name `{}`", shown(&String::from_utf8_lossy(&header.name)));
            return Err(ArchiveError::Malformed { why });
        };
        if header.kind != Kind::File {
            continue;
        }
        match choose(name, header.size) {
            None => {}
            Some(false) => {
                return Err(ArchiveError::TooLarge {
                    why: format!("the wanted members have more than {} bytes", limits.wanted),
                });
            }
            Some(true) => {
                let mut content = Vec::new();
                reader.data(|piece| content.extend_from_slice(piece)).map_err(stop)?;
                contents.push(content);
            }
        }
    }
    Ok(contents)
}

/// Adds what stopped a reading to the findings; a failure to read the file is passed on.
pub(crate) fn note(stop: Stop, findings: &mut Findings) -> io::Result<()> {
    match stop {
        Stop::Io(error) => Err(error),
        Stop::Broken(rule, why) => {
            findings.push(rule, why);
            Ok(())
        }
    }
}
