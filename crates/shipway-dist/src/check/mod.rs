//! Judges distribution files: every byte is read once, everything that is wrong is said at once.

mod ahead;
mod data;
pub(crate) mod entry_points;
mod filename;
mod folder;
pub(crate) mod metadata;
mod observe;
pub(crate) mod record;
mod release;
mod sdist;
pub(crate) mod wheel;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::archive::Limits;
use crate::archive::source::{Bytes, FileSource, ReadAt, read_vec};
use crate::digest::Sha256;
use crate::filename::DistributionFilename;
use crate::finding::{Finding, Findings, Severity};
use crate::metadata::Metadata;
use crate::rules::framing;

pub use ahead::Ahead;
pub use data::{Archive, data_files, installed};
pub use entry_points::EntryPoint;
pub use folder::folder;
pub use observe::Observer;
pub use release::compare_release;

/// How to judge.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether what popular projects get past a public index every day is an error too.
    pub strict: bool,
}

/// The judgement of one file.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// The filename judged.
    pub filename: String,
    /// The size in bytes.
    pub size: u64,
    /// The digest of the whole file.
    pub sha256: Sha256,
    /// The parsed filename, where it could be parsed.
    pub parsed: Option<DistributionFilename>,
    /// The metadata of the file, where it could be read.
    pub metadata: Option<Metadata>,
    /// The exact bytes of METADATA (wheel) or PKG-INFO (sdist).
    pub metadata_bytes: Option<Vec<u8>>,
    /// The entry points of a wheel.
    pub entry_points: Vec<EntryPoint>,
    /// The top-level names that a wheel makes importable and that are its own: packages and modules, no namespaces.
    pub imports: Vec<String>,
    /// Everything found, errors first.
    pub findings: Vec<Finding>,
}

impl FileReport {
    fn new(filename: &str, size: u64, sha256: Sha256, findings: Vec<Finding>) -> Self {
        Self {
            filename: filename.to_owned(),
            size,
            sha256,
            parsed: None,
            metadata: None,
            metadata_bytes: None,
            entry_points: Vec::new(),
            imports: Vec::new(),
            findings,
        }
    }

    /// Adds what was found elsewhere; errors stay first.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }

    /// Whether nothing refuses the file.
    pub fn ok(&self) -> bool {
        !self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Judges the file at `path` as though it were called `filename`.
///
/// # Errors
/// When the path cannot be read, is no regular file, or changed while it was read. Whatever is wrong
/// with what was read is a finding.
pub fn check_file(path: &Path, filename: &str, options: &Options) -> io::Result<FileReport> {
    check_file_with(path, filename, options, &observe::Nobody)
}

/// Judges the file at `path` as [`check_file`] does, and shows members of a wheel to an observer on the
/// way, so that whoever judges their content need not inflate them again.
///
/// # Errors
/// As [`check_file`].
pub fn check_file_with(
    path: &Path,
    filename: &str,
    options: &Options,
    observer: &dyn Observer,
) -> io::Result<FileReport> {
    let source = FileSource::open(path)?;
    let report = check_source(&source, filename, options, &Given::new(observer))?;
    source.refuse_if_changed()?;
    Ok(report)
}

/// Judges bytes in memory as though they were a file called `filename`.
pub fn check_bytes(bytes: &[u8], filename: &str, options: &Options) -> FileReport {
    // Reading from memory fails only beyond its end, which the bounds of every reader exclude.
    check_source(&Bytes(bytes), filename, options, &Given::new(&observe::Nobody)).unwrap_or_else(|error| {
        let mut findings = Findings::default();
        findings.push(&framing::NOT_A_DISTRIBUTION, format!("cannot be read: {error}"));
        FileReport::new(filename, bytes.len() as u64, Sha256::of(bytes), findings.finish(options.strict))
    })
}

fn check_source(
    source: &dyn ReadAt,
    filename: &str,
    options: &Options,
    given: &Given<'_>,
) -> io::Result<FileReport> {
    let mut findings = Findings::default();
    let parsed = filename::judge(filename, &mut findings);
    let (digest, judged) = rayon::join(
        || given.sha256.map_or_else(|| Sha256::of_source(source), Ok),
        || judge(source, filename, parsed.as_ref(), given, &mut findings),
    );
    let (sha256, judged) = (digest?, judged?);
    if let (Some(metadata), Some(parsed)) = (&judged.metadata, &parsed) {
        metadata::compare(metadata, parsed, &mut findings);
    }
    Ok(FileReport {
        parsed,
        metadata: judged.metadata,
        metadata_bytes: judged.metadata_bytes,
        entry_points: judged.entry_points,
        imports: judged.imports,
        ..FileReport::new(filename, source.size(), sha256, findings.finish(options.strict))
    })
}

/// Judges metadata by itself: the bytes of METADATA or PKG-INFO.
pub fn check_metadata(bytes: &[u8], options: &Options) -> (Option<Metadata>, Vec<Finding>) {
    let mut findings = Findings::default();
    let metadata = metadata::judge(bytes, "METADATA", &mut findings);
    (metadata, findings.finish(options.strict))
}

/// Judges metadata that did not come from a file, such as the form of an upload.
pub fn check_fields(metadata: &Metadata, options: &Options) -> Vec<Finding> {
    let mut findings = Findings::default();
    metadata::judge_fields(metadata, &mut findings);
    findings.finish(options.strict)
}

/// Judges a filename by itself.
pub fn check_filename(filename: &str, options: &Options) -> (Option<DistributionFilename>, Vec<Finding>) {
    let mut findings = Findings::default();
    let parsed = filename::judge(filename, &mut findings);
    (parsed, findings.finish(options.strict))
}

/// Whether a text is a requirement in the form of PEP 508.
///
/// # Errors
/// What is wrong with it.
pub fn check_requirement(text: &str) -> Result<(), String> {
    metadata::requirement::parse(text).map(|_| ())
}

/// What a judgement starts from besides the bytes.
struct Given<'g> {
    limits: Limits,
    observer: &'g dyn Observer,
    /// The digest, where whoever wrote the file computed it.
    sha256: Option<Sha256>,
    /// Members of a wheel that were inflated and hashed while it arrived.
    table: Option<&'g ahead::Table>,
    /// The judgement of an sdist that was made while it arrived.
    sdist: Mutex<Option<(Judged, Findings)>>,
}

impl<'g> Given<'g> {
    fn new(observer: &'g dyn Observer) -> Self {
        Self { limits: Limits::default(), observer, sha256: None, table: None, sdist: Mutex::default() }
    }
}

/// What judging the bytes of a file gave, besides findings.
#[derive(Debug, Default)]
struct Judged {
    metadata: Option<Metadata>,
    metadata_bytes: Option<Vec<u8>>,
    entry_points: Vec<EntryPoint>,
    imports: Vec<String>,
}

fn judge(
    source: &dyn ReadAt,
    filename: &str,
    parsed: Option<&DistributionFilename>,
    given: &Given<'_>,
    findings: &mut Findings,
) -> io::Result<Judged> {
    let wheel = filename.ends_with(".whl");
    if !(wheel || filename.ends_with(".tar.gz")) {
        return Ok(Judged::default());
    }
    check_magic(source, wheel, findings)?;
    if wheel {
        return wheel::judge(source, parsed, given, findings);
    }
    let ahead = given.sdist.lock().unwrap_or_else(PoisonError::into_inner).take();
    match ahead {
        Some((judged, found)) => {
            findings.append(found);
            Ok(judged)
        }
        None => sdist::judge(source, parsed, &given.limits, findings),
    }
}

/// Refuses a file of another kind than its name says, and one that is of two kinds at once.
fn check_magic(source: &dyn ReadAt, wheel: bool, findings: &mut Findings) -> io::Result<()> {
    if source.size() == 0 {
        findings.push(&framing::NOT_A_DISTRIBUTION, "the file is empty");
        return Ok(());
    }
    let head = read_vec(source, 0, source.size().min(512))?;
    let tail_at = source.size().saturating_sub(22 + 0xffff);
    let is_tar = head.get(257..262) == Some(b"ustar") || head.starts_with(b"\x1f\x8b");
    if wheel {
        if is_tar {
            findings.push(&framing::POLYGLOT, "a wheel that begins like a tar or gzip file");
        } else if !head.starts_with(b"PK") {
            let begin: String = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            findings.push(&framing::NOT_A_DISTRIBUTION, format!("begins with {begin}, expected a zip file"));
        }
        return Ok(());
    }
    // An end record that reaches the end of the file makes a zip of whatever stands before it.
    let tail = read_vec(source, tail_at, source.size() - tail_at)?;
    let is_zip = memchr::memmem::find_iter(&tail, b"PK\x05\x06").any(|at| {
        let comment = tail.get(at + 20..at + 22).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        comment.is_some_and(|length| at + 22 + usize::from(length) == tail.len())
    });
    if is_zip || head.starts_with(b"PK\x03\x04") {
        findings.push(&framing::POLYGLOT, "an sdist that a zip reader can open");
    }
    Ok(())
}
