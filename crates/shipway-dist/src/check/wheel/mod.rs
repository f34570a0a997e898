//! A wheel: framing, names, then every member inflated and hashed once, then what it contains.

mod content;
mod members;
pub(crate) mod wheel_file;

use std::collections::HashMap;
use std::io;

use crate::archive::Limits;
use crate::archive::path::{Clash, Names, check_name};
use crate::archive::source::ReadAt;
use crate::archive::zip::{self, Directory};
use crate::check::{Given, Judged, metadata, record};
use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::rules::{framing, wheel as rules};

use content::Content;
use members::{Capture, Work};

/// The files of the `.dist-info` directory that are read into memory, and the most that is read.
const JUDGED: [(&str, u64); 4] =
    [("METADATA", 8 << 20), ("WHEEL", 1 << 20), ("entry_points.txt", 1 << 20), ("RECORD", 64 << 20)];
/// The largest bill of materials that is read; each is dropped as soon as it is judged.
const MOST_DOCUMENT: u64 = 8 << 20;

/// Judges a wheel.
pub(super) fn judge(
    source: &dyn ReadAt,
    parsed: Option<&DistributionFilename>,
    given: &Given<'_>,
    findings: &mut Findings,
) -> io::Result<Judged> {
    let (limits, observer) = (&given.limits, given.observer);
    let Some(directory) = zip::read_directory(source, limits, findings)? else {
        return Ok(Judged::default());
    };
    let within_bounds = check_total(source.size(), &directory, limits, findings);
    check_names(&directory, limits, findings);
    if !within_bounds {
        return Ok(Judged::default());
    }
    let files: HashMap<&str, u32> = directory
        .entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (directory.name(entry), at as u32))
        .filter(|(name, _)| !name.ends_with('/'))
        .collect();
    observer.names(&mut files.keys().copied());
    let dist_info = find_dist_info(&files, parsed, findings);
    refuse_oversized(&directory, &files, dist_info.as_deref(), findings);
    let mut work =
        Work { source, directory: &directory, expected: record::Record::default(), table: given.table };
    let done = match &dist_info {
        Some(dist_info) => read_record(&mut work, dist_info, &files, findings)?,
        None => None,
    };
    let prefix = dist_info.as_ref().map(|name| format!("{name}/"));
    let capture = |name: &str, size: u64| match what_to_capture(name, size, prefix.as_deref()) {
        Capture::Nothing if observer.wants(name, size) => Capture::Shown(observer),
        capture => capture,
    };
    let captured = work.all(done, &capture, findings)?;
    let name_of = |at: u32| directory.name(&directory.entries[at as usize]);
    let content = Content {
        dist_info: dist_info.as_deref(),
        captured: captured.iter().map(|(at, bytes)| (name_of(*at), bytes.as_slice())).collect(),
        files: &files,
        parsed,
    };
    let mut judged = Judged::default();
    if let Some(bytes) = content.in_dist_info("METADATA") {
        judged.metadata = metadata::judge(bytes, "METADATA", findings);
        judged.metadata_bytes = Some(bytes.to_vec());
    } else if let Some(dist_info) = &dist_info {
        let why = if files.contains_key(format!("{dist_info}/METADATA").as_str()) {
            "cannot be read"
        } else {
            "is not there"
        };
        findings.push(&rules::METADATA_MISSING, format!("`{}/METADATA` {why}", shown(dist_info)));
    }
    judged.imports = content.imports();
    judged.entry_points = content.judge(judged.metadata.as_ref(), findings);
    Ok(judged)
}

/// Reads `RECORD` before all others, since it says how they are hashed; returns its number.
fn read_record(
    work: &mut Work<'_>,
    dist_info: &str,
    files: &HashMap<&str, u32>,
    findings: &mut Findings,
) -> io::Result<Option<u32>> {
    let record = format!("{dist_info}/RECORD");
    let Some(&at) = files.get(record.as_str()) else {
        findings.push(&rules::RECORD_MISSING, format!("there is no `{}`", shown(&record)));
        return Ok(None);
    };
    if !is_judged("RECORD", work.directory.entries[at as usize].size) {
        return Ok(None);
    }
    let outcome = work.member(at, Capture::Whole)?;
    findings.append(outcome.findings);
    match outcome.captured {
        Some((_, bytes)) => work.expected = record::read(&bytes, &record, files, findings),
        None => findings.push(&rules::RECORD_MISSING, format!("`{}` cannot be read", shown(&record))),
    }
    Ok(Some(at))
}

/// Whether a file of the `.dist-info` directory is judged by content and small enough for it.
fn is_judged(name: &str, size: u64) -> bool {
    JUDGED.iter().any(|&(judged, most)| judged == name && size <= most)
}

fn refuse_oversized(
    directory: &Directory,
    files: &HashMap<&str, u32>,
    dist_info: Option<&str>,
    findings: &mut Findings,
) {
    let Some(dist_info) = dist_info else { return };
    for (name, most) in JUDGED {
        let member = format!("{dist_info}/{name}");
        let size = files.get(member.as_str()).map(|&at| directory.entries[at as usize].size);
        if size.is_some_and(|size| size > most) {
            findings.member(&framing::BOUND, &member, format!("larger than {most} bytes"));
        }
    }
}

fn what_to_capture(name: &str, size: u64, prefix: Option<&str>) -> Capture<'static> {
    if let Some(rest) = prefix.and_then(|prefix| name.strip_prefix(prefix)) {
        if rest.starts_with("sboms/") && rest.ends_with(".json") && size <= MOST_DOCUMENT {
            return Capture::Document;
        }
        return if is_judged(rest, size) { Capture::Whole } else { Capture::Nothing };
    }
    if name.split_once(".data/scripts/").is_some_and(|(top, _)| !top.contains('/')) {
        return Capture::Beginning(32);
    }
    Capture::Nothing
}

fn check_total(file: u64, directory: &Directory, limits: &Limits, findings: &mut Findings) -> bool {
    let total = directory.entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.size));
    if total > limits.total {
        findings.push(&framing::BOUND, format!("inflates to {total} bytes, the bound is {}", limits.total));
        return false;
    }
    if total > limits.ratio_from && total / file.max(1) >= limits.ratio {
        let times = total / file.max(1);
        findings.push(&framing::RATIO, format!("inflates to {total} bytes, {times} times its size"));
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
                format!(
                    "{} `.dist-info` directories: `{}`",
                    several.len(),
                    shown(&several[..several.len().min(5)].join("`, `"))
                ),
            );
            let expected = expected.filter(|expected| several.contains(&expected.as_str()));
            Some(expected.unwrap_or_else(|| several[0].to_owned()))
        }
    }
}
