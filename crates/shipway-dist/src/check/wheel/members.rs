//! Every member of a wheel inflated and hashed once, in parallel, the largest first.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::archive::inflate::{InflateError, Inflater, Packed, with_inflater};
use crate::archive::source::ReadAt;
use crate::archive::zip::{self, Directory, Entry, Local};
use crate::check::Observer;
use crate::check::ahead::Table;
use crate::check::record::{Algorithm, Hash, Record};
use crate::finding::Findings;
use crate::rules::{framing, wheel};

/// How much of a member is kept while it is inflated.
#[derive(Clone, Copy)]
pub(super) enum Capture<'o> {
    Nothing,
    /// The first bytes.
    Beginning(usize),
    /// All of it; the caller has looked at its size.
    Whole,
    /// All of it, to be judged as JSON and dropped.
    Document,
    /// All of it, to be shown and dropped.
    Shown(&'o dyn Observer),
}

impl Capture<'_> {
    fn most(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Beginning(most) => most,
            Self::Whole | Self::Document | Self::Shown(_) => usize::MAX,
        }
    }
}

/// What one member gave.
pub(super) struct Outcome {
    pub(super) findings: Findings,
    pub(super) captured: Option<(u32, Vec<u8>)>,
}

pub(super) struct Work<'w> {
    pub(super) source: &'w dyn ReadAt,
    pub(super) directory: &'w Directory,
    /// What `RECORD` states, by the number of the member.
    pub(super) expected: Record,
    /// Members that were inflated and hashed while the file arrived.
    pub(super) table: Option<&'w Table>,
}

impl Work<'_> {
    /// Inflates and hashes all members that are left, the largest first.
    pub(super) fn all<'c>(
        &self,
        done: Option<u32>,
        capture: &(dyn Fn(&str, u64) -> Capture<'c> + Sync),
        findings: &mut Findings,
    ) -> io::Result<Vec<(u32, Vec<u8>)>> {
        let entries = &self.directory.entries;
        let mut order: Vec<u32> = (0..entries.len() as u32).filter(|&at| Some(at) != done).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(entries[at as usize].size));
        let next = AtomicUsize::new(0);
        let results = Mutex::new((Vec::new(), None::<io::Error>));
        let worker = || {
            let mut mine = Vec::new();
            while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = self.directory.name(&entries[at as usize]);
                match self.member(at, capture(name, entries[at as usize].size)) {
                    Ok(outcome) if outcome.captured.is_none() && outcome.findings.is_empty() => {}
                    Ok(outcome) => mine.push((at, outcome)),
                    Err(error) => {
                        next.store(order.len(), Ordering::Relaxed);
                        if let Ok(mut results) = results.lock() {
                            results.1 = Some(error);
                        }
                    }
                }
            }
            if let Ok(mut results) = results.lock() {
                results.0.append(&mut mine);
            }
        };
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads().min(order.len()) {
                scope.spawn(|_| worker());
            }
            worker();
        });
        let (mut outcomes, error) = results.into_inner().unwrap_or_default();
        if let Some(error) = error {
            return Err(error);
        }
        // In the order of the archive, whichever thread came first.
        outcomes.sort_by_key(|&(at, _)| at);
        let mut captured = Vec::new();
        for (_, outcome) in outcomes {
            findings.append(outcome.findings);
            captured.extend(outcome.captured);
        }
        Ok(captured)
    }

    /// Judges one member: local header, data, CRC, size, `RECORD`.
    pub(super) fn member(&self, at: u32, capture: Capture<'_>) -> io::Result<Outcome> {
        if let Some(outcome) = self.look_up(at, capture)? {
            return Ok(outcome);
        }
        with_inflater(|inflater| self.judge(at, capture, inflater))
    }

    /// Judges one member by what was found while the file arrived, where that is all that is asked.
    fn look_up(&self, at: u32, capture: Capture<'_>) -> io::Result<Option<Outcome>> {
        let entry = &self.directory.entries[at as usize];
        let Some(table) = self.table.filter(|table| table.holds(entry)) else { return Ok(None) };
        let expected = self.expected.get(at);
        if !matches!(capture, Capture::Nothing | Capture::Shown(_))
            || expected.is_some_and(|expected| expected.algorithm() != Algorithm::Sha256)
        {
            return Ok(None);
        }
        let Some(local) = zip::read_local(self.source, entry)? else { return Ok(None) };
        let Some(digest) = table.digest(entry, local.length()) else { return Ok(None) };
        let mut outcome = Outcome { findings: Findings::default(), captured: None };
        let readable = zip::check_local(self.directory, entry, Some(&local), &mut outcome.findings);
        if let Some(expected) = expected.filter(|_| readable && is_readable(entry)) {
            let name = self.directory.name(entry);
            expected.compare(name, Hash::Known(digest), entry.size, &mut outcome.findings);
        }
        Ok(Some(outcome))
    }

    fn judge(&self, at: u32, capture: Capture<'_>, inflater: &mut Inflater) -> io::Result<Outcome> {
        let entry = &self.directory.entries[at as usize];
        let name = self.directory.name(entry);
        let mut outcome = Outcome { findings: Findings::default(), captured: None };
        // One reading for header and data of all but large members.
        let loaded = inflater.load(self.source, entry.offset, entry.span)?;
        let local = match Local::parse(loaded) {
            Some(local) => Some(local),
            None => zip::read_local(self.source, entry)?,
        };
        let readable = zip::check_local(self.directory, entry, local.as_ref(), &mut outcome.findings);
        let Some(local) = local.filter(|_| readable && is_readable(entry)) else { return Ok(outcome) };
        let loaded = loaded.len();
        let packed = Packed {
            at: entry.offset + local.length(),
            compressed: entry.compressed,
            size: entry.size,
            crc: entry.crc,
            deflated: entry.method == 8,
        };
        let expected = self.expected.get(at);
        let mut hash = expected.map(|expected| Hash::new(expected.algorithm()));
        let mut captured = match capture {
            Capture::Whole | Capture::Shown(_) => {
                Vec::with_capacity(entry.size.min(entry.compressed.saturating_mul(1032)) as usize)
            }
            _ => Vec::new(),
        };
        let range = (local.length() as usize).min(loaded)..loaded;
        let result = inflater.run_loaded(self.source, &packed, range, |bytes| {
            if let Some(hash) = &mut hash {
                hash.update(bytes);
            }
            let room = capture.most().saturating_sub(captured.len());
            captured.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
        match result {
            Ok(()) => {}
            Err(InflateError::Io(error)) => return Err(error),
            Err(InflateError::Damaged(why)) => {
                outcome.findings.member(&framing::MEMBER_DAMAGED, name, why);
                return Ok(outcome);
            }
        }
        if let (Some(expected), Some(hash)) = (expected, hash) {
            expected.compare(name, hash, entry.size, &mut outcome.findings);
        }
        match capture {
            Capture::Nothing => {}
            Capture::Shown(observer) => observer.member(name, &captured),
            Capture::Beginning(_) | Capture::Whole => outcome.captured = Some((at, captured)),
            Capture::Document => {
                if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&captured) {
                    outcome.findings.member(&wheel::SBOM, name, format!("no valid JSON: {error}"));
                }
            }
        }
        Ok(outcome)
    }
}

fn is_readable(entry: &Entry) -> bool {
    matches!(entry.method, 0 | 8) && entry.flags & 0x2041 == 0
}
