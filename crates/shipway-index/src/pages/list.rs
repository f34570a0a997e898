//! The list of the projects of a channel, in segments, so that a write costs one segment and not the list.
//!
//! Names stand sorted in segments of about a thousand. Each segment is rendered and compressed once, alone:
//! a gzip body is one member whose deflate blocks end at byte boundaries with the window reset (RFC 1951), a
//! zstd body is a row of frames (RFC 8878, 3.1), so pieces are put together without touching their bytes.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use http::HeaderValue;
use serde::Serialize as _;
use shipway_dist::digest::{Hasher, Sha256};
use shipway_dist::simple::{API_VERSION, ProjectListEntry};

use super::{Coding, Format, etag};
use crate::error::IndexError;

/// Names in a segment; one that grows to twice as many is parted.
const NAMES: usize = 1024;

/// The list of a channel at one moment.
#[derive(Debug, Default)]
pub(crate) struct List {
    segments: Vec<Arc<Segment>>,
    bodies: [OnceLock<Arc<ListBody>>; 6],
}

/// A list as it is sent.
#[derive(Debug)]
pub(crate) struct ListBody {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) length: usize,
    pub(crate) etag: HeaderValue,
}

/// Neighbouring names, normalized and as written, by normalized name.
#[derive(Debug)]
struct Segment {
    names: Vec<(String, String)>,
    json: Piece,
    html: Piece,
}

/// A piece of a body in every coding.
#[derive(Debug, Default)]
struct Piece {
    identity: OnceLock<Plain>,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
}

#[derive(Debug)]
struct Plain {
    bytes: Bytes,
    digest: Sha256,
    crc: flate2::Crc,
}

impl Piece {
    fn of(text: &str) -> Self {
        let piece = Self::default();
        piece.plain(|| text.as_bytes().to_vec());
        piece
    }

    fn plain(&self, render: impl FnOnce() -> Vec<u8>) -> &Plain {
        self.identity.get_or_init(|| {
            let bytes = render();
            let mut crc = flate2::Crc::new();
            crc.update(&bytes);
            Plain { digest: Sha256::of(&bytes), crc, bytes: bytes.into_boxed_slice().into() }
        })
    }

    fn coded(&self, plain: &Plain, coding: Coding) -> Result<Bytes, IndexError> {
        let cell = match coding {
            Coding::Identity => return Ok(plain.bytes.clone()),
            Coding::Gzip => &self.gzip,
            Coding::Zstd => &self.zstd,
        };
        if let Some(bytes) = cell.get() {
            return Ok(bytes.clone());
        }
        let bytes = match coding {
            Coding::Zstd => zstd::bulk::compress(&plain.bytes, 3),
            Coding::Identity | Coding::Gzip => deflated(&plain.bytes),
        };
        let bytes = bytes.map_err(IndexError::io("compress", "the list of projects"))?;
        Ok(cell.get_or_init(|| bytes.into_boxed_slice().into()).clone())
    }
}

impl Segment {
    fn new(names: Vec<(String, String)>) -> Arc<Self> {
        Arc::new(Self { names, json: Piece::default(), html: Piece::default() })
    }

    fn piece(&self, format: Format) -> (&Piece, &Plain) {
        match format {
            Format::Json => (&self.json, self.json.plain(|| self.json_text())),
            Format::SimpleHtml | Format::Html => (&self.html, self.html.plain(|| self.html_text())),
        }
    }

    fn json_text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.names.len() * 32);
        for (at, (_, display)) in self.names.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let entry = ProjectListEntry { name: display.clone() };
            // Writing a name to memory cannot fail.
            let _ = entry.serialize(&mut serde_json::Serializer::new(&mut text));
        }
        text
    }

    fn html_text(&self) -> Vec<u8> {
        let links = maud::html! {
            @for (normalized, display) in &self.names {
                a href={ (normalized) "/" } { (display) } br; "\n"
            }
        };
        links.into_string().into_bytes()
    }
}

impl List {
    /// A list of names that are sorted by normalized name.
    pub(crate) fn new(names: Vec<(String, String)>) -> Self {
        let mut segments = Vec::with_capacity(names.len() / NAMES + 1);
        let mut names = names.into_iter();
        loop {
            let part: Vec<_> = names.by_ref().take(NAMES).collect();
            if part.is_empty() {
                break;
            }
            segments.push(Segment::new(part));
        }
        Self { segments, bodies: Default::default() }
    }

    /// A listed name, normalized and as written.
    pub(crate) fn name(&self, normalized: &str) -> Option<&(String, String)> {
        let after = self.segments.partition_point(|segment| segment.names[0].0.as_str() <= normalized);
        let names = &self.segments.get(after.checked_sub(1)?)?.names;
        let at = names.binary_search_by(|(held, _)| held.as_str().cmp(normalized)).ok()?;
        names.get(at)
    }

    /// The names, sorted.
    #[cfg(test)]
    fn names(&self) -> impl Iterator<Item = &(String, String)> {
        self.segments.iter().flat_map(|segment| &segment.names)
    }

    /// The list after changes: each names a project and how it is written, or nothing when it is not listed.
    ///
    /// Segments without a change are shared with this list, compressed forms included.
    pub(crate) fn changed(&self, changes: &[(String, Option<String>)]) -> Self {
        let mut segments = self.segments.clone();
        for (name, display) in changes {
            // The last segment that begins at or before the name, else the first.
            let after = segments.partition_point(|segment| segment.names[0].0 <= *name);
            let at = after.saturating_sub(1);
            let held = segments.get(at).map(|segment| segment.names.as_slice()).unwrap_or_default();
            let found = held.binary_search_by(|(held, _)| held.as_str().cmp(name));
            let mut names = match (&found, display) {
                (Ok(same), Some(display)) if held[*same].1 == *display => continue,
                (Err(_), None) => continue,
                _ => held.to_vec(),
            };
            match (found, display) {
                (Ok(same), Some(display)) => names[same].1.clone_from(display),
                (Ok(same), None) => drop(names.remove(same)),
                (Err(place), Some(display)) => names.insert(place, (name.clone(), display.clone())),
                (Err(_), None) => {}
            }
            let rest = (names.len() > 2 * NAMES).then(|| names.split_off(NAMES));
            let parts = [Some(names).filter(|names| !names.is_empty()), rest];
            let held = at..(at + 1).min(segments.len());
            segments.splice(held, parts.into_iter().flatten().map(Segment::new));
        }
        Self { segments, bodies: Default::default() }
    }

    /// The list as it is sent, if it was put together.
    pub(crate) fn ready(&self, format: Format, coding: Coding) -> Option<&Arc<ListBody>> {
        self.bodies[slot(format, coding)].get()
    }

    /// The list as it is sent. Compresses what is new; not for a thread that answers requests.
    pub(crate) fn body(&self, format: Format, coding: Coding) -> Result<Arc<ListBody>, IndexError> {
        let cell = &self.bodies[slot(format, coding)];
        if let Some(body) = cell.get() {
            return Ok(body.clone());
        }
        let body = Arc::new(self.build(format, coding)?);
        Ok(cell.get_or_init(|| body).clone())
    }

    fn build(&self, format: Format, coding: Coding) -> Result<ListBody, IndexError> {
        let (head, between, tail) = match format {
            Format::Json => {
                let head = format!("{{\"meta\":{{\"api-version\":\"{API_VERSION}\"}},\"projects\":[");
                (head, ",", "]}".to_owned())
            }
            Format::SimpleHtml | Format::Html => {
                let (head, tail) = super::render::around("Simple index");
                (head, "", tail)
            }
        };
        let (head, between, tail) = (Piece::of(&head), Piece::of(between), Piece::of(&tail));
        let mut pieces = Vec::with_capacity(2 * self.segments.len() + 4);
        let (mut digest, mut crc) = (Hasher::default(), flate2::Crc::new());
        let mut size: u32 = 0;
        if coding == Coding::Gzip {
            pieces.push(Bytes::from_static(GZIP_HEAD));
        }
        let mut add = |piece: &Piece, plain: &Plain| {
            if plain.bytes.is_empty() {
                return Ok::<_, IndexError>(());
            }
            digest.update(plain.digest.as_bytes());
            crc.combine(&plain.crc);
            size = size.wrapping_add(plain.bytes.len() as u32);
            pieces.push(piece.coded(plain, coding)?);
            Ok(())
        };
        add(&head, head.plain(Vec::new))?;
        for (at, segment) in self.segments.iter().enumerate() {
            if at > 0 {
                add(&between, between.plain(Vec::new))?;
            }
            let (piece, plain) = segment.piece(format);
            add(piece, plain)?;
        }
        add(&tail, tail.plain(Vec::new))?;
        if coding == Coding::Gzip {
            pieces.push(gzip_end(&crc, size).into());
        }
        let (digest, _) = digest.finish();
        let length = pieces.iter().map(Bytes::len).sum();
        Ok(ListBody { pieces, length, etag: etag(&digest.to_hex(), coding) })
    }
}

fn slot(format: Format, coding: Coding) -> usize {
    let format = usize::from(format != Format::Json);
    let coding = match coding {
        Coding::Identity => 0,
        Coding::Gzip => 1,
        Coding::Zstd => 2,
    };
    format * 3 + coding
}

/// What a gzip member of deflate blocks begins with.
pub(super) const GZIP_HEAD: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty last block, then the trailer (RFC 1952, 2.3.1).
pub(super) fn gzip_end(crc: &flate2::Crc, size: u32) -> Vec<u8> {
    let mut end = vec![3, 0];
    end.extend(crc.sum().to_le_bytes());
    end.extend(size.to_le_bytes());
    end
}

/// Deflate blocks that end at a byte boundary and forget what came before.
pub(super) fn deflated(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = Compress::new(Compression::new(6), false);
    let mut out = Vec::with_capacity(bytes.len() / 3 + 1024);
    loop {
        let taken = usize::try_from(encoder.total_in()).unwrap_or(usize::MAX);
        encoder.compress_vec(&bytes[taken..], &mut out, FlushCompress::Full)?;
        // Room was left, so everything is out.
        if out.len() < out.capacity() && encoder.total_in() == bytes.len() as u64 {
            return Ok(out);
        }
        out.reserve(out.capacity().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<(String, String)> {
        range.map(|at| (format!("project-{at:06}"), format!("Project_{at:06}"))).collect()
    }

    fn bytes(list: &List, format: Format, coding: Coding) -> Vec<u8> {
        let body = list.body(format, coding).unwrap();
        let bytes = body.pieces.concat();
        assert_eq!(bytes.len(), body.length);
        bytes
    }

    /// Every form decodes to the same text, and the text is what a list built at once has.
    fn check(list: &List, expected: &[(String, String)]) {
        let held: Vec<_> = list.names().cloned().collect();
        assert_eq!(held, expected);
        assert!(expected.iter().all(|name| list.name(&name.0) == Some(name)));
        assert!(["", "project-", "zzz"].iter().all(|name| list.name(name).is_none()));
        let json = bytes(list, Format::Json, Coding::Identity);
        let document: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let projects = document["projects"].as_array().unwrap();
        assert_eq!(projects.len(), expected.len());
        assert_eq!(document["meta"]["api-version"], API_VERSION);
        for format in [Format::Json, Format::Html] {
            let plain = bytes(list, format, Coding::Identity);
            let zipped = bytes(list, format, Coding::Gzip);
            let mut unzipped = Vec::new();
            // One member: a reader that knows no second one sees everything.
            flate2::bufread::GzDecoder::new(&zipped[..]).read_to_end(&mut unzipped).unwrap();
            assert!(unzipped == plain);
            assert!(zstd::decode_all(&bytes(list, format, Coding::Zstd)[..]).unwrap() == plain);
        }
    }

    #[test]
    fn i2_a_list_is_put_together_from_segments() {
        for count in [0, 1, NAMES, NAMES + 1, 5 * NAMES] {
            check(&List::new(names(0..count)), &names(0..count));
        }
    }

    #[test]
    fn i2_a_change_touches_one_segment() {
        let list = List::new(names(0..5 * NAMES));
        let name = "project-001500".to_owned();
        let changed = list.changed(&[(name.clone(), None)]);
        let shared = list.segments.iter().zip(&changed.segments).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!((shared, changed.segments.len()), (4, 5));
        assert_ne!(
            list.body(Format::Json, Coding::Gzip).unwrap().etag,
            changed.body(Format::Json, Coding::Gzip).unwrap().etag
        );
        let again = changed.changed(&[(name.clone(), Some("Project_001500".to_owned()))]);
        check(&again, &names(0..5 * NAMES));
        let same = again.changed(&[(name, Some("Project_001500".to_owned())), ("zzz".to_owned(), None)]);
        assert!(same.segments.iter().zip(&again.segments).all(|(a, b)| Arc::ptr_eq(a, b)));
    }

    #[test]
    fn i2_names_come_and_go_everywhere() {
        let mut list = List::default();
        for (name, display) in names(0..3 * NAMES).into_iter().rev() {
            list = list.changed(&[(name, Some(display))]);
        }
        check(&list, &names(0..3 * NAMES));
        let gone: Vec<_> = names(NAMES..3 * NAMES).into_iter().map(|(name, _)| (name, None)).collect();
        check(&list.changed(&gone), &names(0..NAMES));
        let all: Vec<_> = names(0..3 * NAMES).into_iter().map(|(name, _)| (name, None)).collect();
        check(&list.changed(&all), &[]);
    }
}
