//! Judges distribution files: every byte is read once, everything that is wrong is said at once.

mod entry_points;
mod filename;
pub(crate) mod metadata;
mod record;
mod release;
mod sdist;
mod stdlib;
mod wheel;

use std::io;
use std::path::Path;

use crate::archive::Limits;
use crate::archive::source::{FileSource, ReadAt, read_vec};
use crate::digest::Sha256;
use crate::filename::DistributionFilename;
use crate::finding::{Finding, Findings, Severity};
use crate::metadata::Metadata;
use crate::rules::framing;

pub use entry_points::EntryPoint;
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
    /// Everything found, errors first.
    pub findings: Vec<Finding>,
}

impl FileReport {
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
    let source = FileSource::open(path)?;
    let limits = Limits::default();
    let mut findings = Findings::default();
    let parsed = filename::judge(filename, &mut findings);
    let (digest, judged) = rayon::join(
        || Sha256::of_source(&source),
        || judge(&source, filename, parsed.as_ref(), &limits, &mut findings),
    );
    let (sha256, judged) = (digest?, judged?);
    source.refuse_if_changed()?;
    if let (Some(metadata), Some(parsed)) = (&judged.metadata, &parsed) {
        metadata::compare(metadata, parsed, &mut findings);
    }
    Ok(FileReport {
        filename: filename.to_owned(),
        size: source.size(),
        sha256,
        parsed,
        metadata: judged.metadata,
        metadata_bytes: judged.metadata_bytes,
        entry_points: judged.entry_points,
        findings: findings.finish(options.strict),
    })
}

/// What judging the bytes of a file gave, besides findings.
#[derive(Debug, Default)]
struct Judged {
    metadata: Option<Metadata>,
    metadata_bytes: Option<Vec<u8>>,
    entry_points: Vec<EntryPoint>,
}

fn judge(
    source: &dyn ReadAt,
    filename: &str,
    parsed: Option<&DistributionFilename>,
    limits: &Limits,
    findings: &mut Findings,
) -> io::Result<Judged> {
    let wheel = filename.ends_with(".whl");
    if !(wheel || filename.ends_with(".tar.gz")) {
        return Ok(Judged::default());
    }
    check_magic(source, wheel, findings)?;
    if wheel {
        wheel::judge(source, parsed, limits, findings)
    } else {
        sdist::judge(source, parsed, limits, findings)
    }
}

/// Refuses a file of another kind than its name says, and one that is of two kinds at once.
fn check_magic(source: &dyn ReadAt, wheel: bool, findings: &mut Findings) -> io::Result<()> {
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
