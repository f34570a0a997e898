//! A wheel: framing, then every member inflated and hashed once, then what it contains.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::archive::Limits;
use crate::archive::inflate::{InflateError, Packed, with_inflater};
use crate::archive::path::{Clash, Names, check_name};
use crate::archive::source::ReadAt;
use crate::archive::zip::{self, Directory, Entry};
use crate::check::record::{self, Expected, Hash};
use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::rules::{framing, wheel as rules};

/// The largest file of a `.dist-info` directory that is read into memory.
const MOST_CAPTURED: u64 = 32 << 20;

/// What was read of a wheel.
#[derive(Default)]
pub(crate) struct Contents {
    /// The name of the `.dist-info` directory.
    pub(crate) dist_info: Option<String>,
    /// Files of the `.dist-info` directory that are judged, by their name in it.
    pub(crate) captured: HashMap<String, Vec<u8>>,
    /// The names of all files.
    pub(crate) files: Vec<String>,
}

/// Judges the framing and the members of a wheel.
pub(crate) fn read(
    source: &dyn ReadAt,
    parsed: Option<&DistributionFilename>,
    limits: &Limits,
    findings: &mut Findings,
) -> io::Result<Contents> {
    let Some(directory) = zip::read_directory(source, limits, findings)? else {
        return Ok(Contents::default());
    };
    let within_bounds = check_total(source.size(), &directory, limits, findings);
    check_names(&directory, limits, findings);
    let files: HashMap<&str, u32> = directory
        .entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (directory.name(entry), at as u32))
        .filter(|(name, _)| !name.ends_with('/'))
        .collect();
    let dist_info = find_dist_info(&files, parsed, findings);
    let mut contents = Contents { dist_info, ..Contents::default() };
    let mut work = Work { source, directory: &directory, expected: HashMap::new(), done: Vec::new() };
    if within_bounds {
        work.judge(&files, &mut contents, findings)?;
    }
    contents.files = files.into_keys().map(str::to_owned).collect();
    contents.files.sort_unstable();
    Ok(contents)
}

fn check_total(file: u64, directory: &Directory, limits: &Limits, findings: &mut Findings) -> bool {
    let total = directory.entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.size));
    if total > limits.total {
        findings.push(&framing::BOUND, format!("inflates to {total} bytes, the bound is {}", limits.total));
        return false;
    }
    if total > limits.ratio_from && total / file.max(1) >= limits.ratio {
        findings.push(
            &framing::RATIO,
            format!("inflates to {total} bytes, {} times its size", total / file.max(1)),
        );
        return false;
    }
    directory.entries.iter().all(|entry| entry.size <= limits.member)
}

fn check_names(directory: &Directory, limits: &Limits, findings: &mut Findings) {
    let mut names = Names::default();
    let name_of = |at: u32| directory.name(&directory.entries[at as usize]);
    for (at, entry) in directory.entries.iter().enumerate() {
        check_name(directory.raw_name(entry), limits, findings);
        let name = directory.name(entry);
        match names.add(at as u32, name, name_of) {
            None => {}
            Some(Clash::Same(_)) => {
                findings.member(&framing::ZIP_DUPLICATE, name, "two members have this name");
            }
            Some(Clash::Folded(other)) => findings.member(
                &framing::PATH_EQUAL,
                name,
                format!("is the same name as `{}` to some file systems", shown(name_of(other))),
            ),
        }
    }
    for entry in &directory.entries {
        let name = directory.name(entry);
        let clash = names.ancestors(name).find(|&(at, _)| !name_of(at).ends_with('/'));
        if let Some((_, file)) = clash {
            findings.member(
                &framing::PATH_PREFIX,
                name,
                format!("lies in `{}`, which is a file", shown(file)),
            );
        }
    }
}

fn find_dist_info(
    files: &HashMap<&str, u32>,
    parsed: Option<&DistributionFilename>,
    findings: &mut Findings,
) -> Option<String> {
    let mut found: Vec<&str> = files
        .keys()
        .filter_map(|name| name.split_once('/'))
        .map(|(top, _)| top)
        .filter(|top| top.ends_with(".dist-info"))
        .collect();
    found.sort_unstable();
    found.dedup();
    let expected = parsed.map(|parsed| format!("{}-{}.dist-info", parsed.name_part, parsed.version_part));
    match (&found[..], expected) {
        ([], _) => {
            findings.push(&rules::DIST_INFO, "there is no `.dist-info` directory");
            None
        }
        ([only], expected) => {
            if let Some(expected) = expected.filter(|expected| expected != only) {
                findings.add(&rules::DIST_INFO, || {
                    rules::DIST_INFO
                        .finding(format!("the directory is `{}`, expected `{expected}`", shown(only)))
                        .differ(expected.as_str(), *only)
                });
            }
            Some((*only).to_owned())
        }
        (several, expected) => {
            findings.push(
                &rules::DIST_INFO,
                format!("{} `.dist-info` directories: `{}`", several.len(), shown(&several.join("`, `"))),
            );
            let expected = expected.filter(|expected| several.contains(&expected.as_str()));
            Some(expected.unwrap_or_else(|| several[0].to_owned()))
        }
    }
}

/// What one member gave.
struct Outcome {
    findings: Findings,
    captured: Option<(u32, Vec<u8>)>,
}

struct Work<'w> {
    source: &'w dyn ReadAt,
    directory: &'w Directory,
    expected: HashMap<u32, Expected>,
    done: Vec<u32>,
}

impl Work<'_> {
    /// Reads `RECORD` first, since it says how the others are hashed, then all others in parallel.
    fn judge(
        &mut self,
        files: &HashMap<&str, u32>,
        contents: &mut Contents,
        findings: &mut Findings,
    ) -> io::Result<()> {
        if let Some(dist_info) = &contents.dist_info {
            let record = format!("{dist_info}/RECORD");
            match files.get(record.as_str()) {
                None => findings.push(&rules::RECORD_MISSING, format!("there is no `{}`", shown(&record))),
                Some(&at) => {
                    let outcome = self.member(at, true)?;
                    findings.append(outcome.findings);
                    self.done.push(at);
                    if let Some((_, bytes)) = outcome.captured {
                        self.expected = record::read(&bytes, &record, files, findings);
                    }
                }
            }
        }
        let prefix = contents.dist_info.as_deref().map(|name| format!("{name}/")).unwrap_or_default();
        let captured = self.all(&prefix, findings)?;
        for (at, bytes) in captured {
            let name = self.directory.name(&self.directory.entries[at as usize]);
            contents.captured.insert(name[prefix.len()..].to_owned(), bytes);
        }
        Ok(())
    }

    /// Inflates and hashes all members that are left, the largest first.
    fn all(&self, prefix: &str, findings: &mut Findings) -> io::Result<Vec<(u32, Vec<u8>)>> {
        let entries = &self.directory.entries;
        let mut order: Vec<u32> = (0..entries.len() as u32).filter(|at| !self.done.contains(at)).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(entries[at as usize].size));
        let next = AtomicUsize::new(0);
        let results = Mutex::new((Vec::new(), None::<io::Error>));
        let worker = || {
            let mut mine = Vec::new();
            while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = self.directory.name(&entries[at as usize]);
                let wanted = name.strip_prefix(prefix).is_some_and(|rest| is_judged(prefix, rest));
                match self.member(at, wanted) {
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
    fn member(&self, at: u32, capture: bool) -> io::Result<Outcome> {
        let entry = &self.directory.entries[at as usize];
        let name = self.directory.name(entry);
        let mut outcome = Outcome { findings: Findings::default(), captured: None };
        let local = zip::read_local(self.source, entry)?;
        if !zip::check_local(self.directory, entry, local.as_ref(), &mut outcome.findings)
            || !is_readable(entry)
        {
            return Ok(outcome);
        }
        let packed = Packed {
            at: entry.offset + local.map_or(0, |local| local.length()),
            compressed: entry.compressed,
            size: entry.size,
            crc: entry.crc,
            deflated: entry.method == 8,
        };
        let capture = capture && entry.size <= MOST_CAPTURED;
        let expected = self.expected.get(&at);
        let mut hash = expected.map(|expected| Hash::new(expected.algorithm()));
        let mut captured = Vec::new();
        let result = with_inflater(|inflater| {
            inflater.run(self.source, &packed, |bytes| {
                if let Some(hash) = &mut hash {
                    hash.update(bytes);
                }
                if capture {
                    captured.extend_from_slice(bytes);
                }
            })
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
        outcome.captured = capture.then_some((at, captured));
        Ok(outcome)
    }
}

fn is_readable(entry: &Entry) -> bool {
    matches!(entry.method, 0 | 8) && entry.flags & 0x2041 == 0
}

/// Whether a file of the `.dist-info` directory is judged by content.
fn is_judged(prefix: &str, rest: &str) -> bool {
    !prefix.is_empty()
        && (matches!(rest, "METADATA" | "WHEEL" | "entry_points.txt") || rest.starts_with("sboms/"))
}
