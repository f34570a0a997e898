//! Judges a file while it arrives.
//!
//! A wheel's central directory stands at its end, so what can be done before is what costs the time:
//! walking from local header to local header, inflating each member, comparing size and CRC with the local
//! header, hashing. The judgement at the end is the ordinary one; it takes a member from this table when
//! the central directory says the same of it, and inflates it otherwise. So a local header can lie about
//! nothing but time. An sdist is judged from front to back anyway.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sha2::Digest as _;

use super::{FileReport, Given, Judged, Observer, Options, check_source, filename, sdist};
use crate::archive::Limits;
use crate::archive::growing::Growing;
use crate::archive::inflate::{Packed, with_inflater};
use crate::archive::source::{FileSource, ReadAt, read_vec};
use crate::archive::zip::{Entry, LOCAL_HEADER, Local};
use crate::digest::Sha256;
use crate::finding::Findings;

/// From this many bytes behind on, members are inflated on the shared threads and not in order.
const BEHIND: u64 = 1 << 20;

/// A judgement under way.
pub struct Ahead {
    source: Arc<Growing>,
    worker: Option<JoinHandle<Found>>,
    observer: Arc<dyn Observer + Send + Sync>,
    filename: String,
}

/// What was found before the file was whole.
enum Found {
    Wheel(Table),
    Sdist(Box<io::Result<(Judged, Findings)>>),
    Nothing,
}

/// Members that were found sound, by the offset of their local headers.
#[derive(Default)]
pub(crate) struct Table(HashMap<u64, Sound>);

/// A member whose data has the size and the CRC that its local header states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sound {
    stated: Stated,
    sha256: [u8; 32],
}

/// What must agree with the central directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stated {
    header: u64,
    compressed: u64,
    size: u64,
    crc: u32,
    method: u16,
}

impl Table {
    /// The digest of a member, if the central directory says of it what its local header said.
    pub(crate) fn digest(&self, entry: &Entry, header: u64) -> Option<[u8; 32]> {
        let stated = Stated {
            header,
            compressed: entry.compressed,
            size: entry.size,
            crc: entry.crc,
            method: entry.method,
        };
        self.0.get(&entry.offset).filter(|sound| sound.stated == stated).map(|sound| sound.sha256)
    }

    /// Whether a member at this offset was looked at.
    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        self.0.contains_key(&entry.offset)
    }
}

impl Ahead {
    /// Begins to judge a file that is still empty; `file` is read while others write it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(file: File, filename: &str, observer: Arc<dyn Observer + Send + Sync>) -> io::Result<Self> {
        let source = Arc::new(Growing::new(file));
        let (growing, name, seer) = (source.clone(), filename.to_owned(), observer.clone());
        let work = move || {
            if name.ends_with(".whl") {
                return Found::Wheel(walk(&growing, &*seer));
            }
            if name.ends_with(".tar.gz") {
                let (parsed, mut findings) =
                    (filename::judge(&name, &mut Findings::default()), Findings::default());
                let judged = sdist::judge(&*growing, parsed.as_ref(), &Limits::default(), &mut findings);
                return Found::Sdist(Box::new(judged.map(|judged| (judged, findings))));
            }
            Found::Nothing
        };
        let worker = std::thread::Builder::new().name("judge".to_owned()).spawn(work)?;
        Ok(Self { source, worker: Some(worker), observer, filename: filename.to_owned() })
    }

    /// Says that the first `size` bytes are written.
    pub fn grow(&self, size: u64) {
        self.source.grow(size);
    }

    /// Says that the file is whole.
    pub fn end(&self) {
        self.source.end();
    }

    /// Judges the whole file, which is at `path` and has the digest `sha256`.
    ///
    /// # Errors
    /// As [`super::check_file`].
    pub fn finish(mut self, path: &Path, sha256: Sha256, options: &Options) -> io::Result<FileReport> {
        self.end();
        let found = self.worker.take().and_then(|worker| worker.join().ok()).unwrap_or(Found::Nothing);
        let mut given = Given { sha256: Some(sha256), ..Given::new(&*self.observer) };
        let table = match found {
            Found::Wheel(table) => table,
            Found::Sdist(judged) => {
                given.sdist = Mutex::new((*judged).ok());
                Table::default()
            }
            Found::Nothing => Table::default(),
        };
        given.table = Some(&table);
        let source = FileSource::open(path)?;
        let report = check_source(&source, &self.filename, options, &given)?;
        source.refuse_if_changed()?;
        Ok(report)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.source.abandon();
    }
}

/// Walks from local header to local header for as long as they make sense.
fn walk(source: &Growing, observer: &dyn Observer) -> Table {
    let table = Mutex::new(Table::default());
    rayon::in_place_scope(|scope| {
        let limits = Limits::default();
        let (mut at, mut total, mut count) = (0, 0_u64, 0);
        while let Some((local, packed)) = next(source, at) {
            count += 1;
            total = total.saturating_add(packed.size);
            // What the bounds refuse is not inflated at the end either.
            let is_bomb = total > limits.ratio_from && total / source.least_size().max(1) >= limits.ratio;
            if count > limits.members || packed.size > limits.member || total > limits.total || is_bomb {
                break;
            }
            let begin = at;
            at = packed.at + packed.compressed;
            let table = &table;
            let judge = move || member(source, (&local, &packed), observer).map(|sound| (begin, sound));
            let keep = move |sound: Option<(u64, Sound)>| {
                if let Some((begin, sound)) = sound {
                    table.lock().unwrap_or_else(PoisonError::into_inner).0.insert(begin, sound);
                }
            };
            let there = source.least_size();
            if there >= at && there - begin >= BEHIND {
                scope.spawn(move |_| keep(judge()));
            } else {
                keep(judge());
            }
        }
    });
    table.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The member at a position; `None` where none begins or it cannot be told where it ends.
fn next(source: &Growing, at: u64) -> Option<(Local, Packed)> {
    let header = read_vec(source, at, LOCAL_HEADER).ok()?;
    let length = Local::length_of(&header)?;
    let local = Local::parse(&read_vec(source, at, length).ok()?)?;
    let packed = local.packed(at)?;
    Some((local, packed))
}

/// Inflates and hashes one member, and shows it if it is wanted.
fn member(source: &Growing, (local, packed): (&Local, &Packed), observer: &dyn Observer) -> Option<Sound> {
    let name = local.name()?;
    let is_shown = !name.ends_with('/') && observer.wants(name, packed.size);
    let mut content = Vec::new();
    let mut hash = sha2::Sha256::new();
    let result = with_inflater(|inflater| {
        inflater.run(source, packed, |bytes| {
            hash.update(bytes);
            if is_shown {
                content.extend_from_slice(bytes);
            }
        })
    });
    result.ok()?;
    if is_shown {
        observer.member(name, &content);
    }
    let stated = Stated {
        header: local.length(),
        compressed: packed.compressed,
        size: packed.size,
        crc: packed.crc,
        method: if packed.deflated { 8 } else { 0 },
    };
    Some(Sound { stated, sha256: hash.finalize().into() })
}
