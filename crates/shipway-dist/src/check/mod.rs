//! Judges distribution files: every byte is read once, everything that is wrong is said at once.

mod metadata;
mod record;
mod sdist;
mod wheel;

use std::io;
use std::path::Path;

use crate::archive::Limits;
use crate::archive::source::{FileSource, ReadAt};
use crate::digest::Sha256;
use crate::filename::DistributionFilename;
use crate::finding::{Finding, Findings, Severity};
use crate::metadata::Metadata;
use crate::rules::{self, filename};

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
    let parsed = filename.parse::<DistributionFilename>();
    let parsed = parsed.map_err(|error| findings.push(&filename::WHEEL, error.to_string())).ok();
    let (digest, judged) = rayon::join(
        || Sha256::of_source(&source),
        || judge(&source, filename, parsed.as_ref(), &limits, &mut findings),
    );
    let (sha256, (metadata, metadata_bytes)) = (digest?, judged?);
    source.refuse_if_changed()?;
    Ok(FileReport {
        filename: filename.to_owned(),
        size: source.size(),
        sha256,
        parsed,
        metadata,
        metadata_bytes,
        findings: findings.finish(options.strict),
    })
}

type Judged = (Option<Metadata>, Option<Vec<u8>>);

fn judge(
    source: &dyn ReadAt,
    filename: &str,
    parsed: Option<&DistributionFilename>,
    limits: &Limits,
    findings: &mut Findings,
) -> io::Result<Judged> {
    let (member, bytes) = if filename.ends_with(".whl") {
        let mut contents = wheel::read(source, parsed, limits, findings)?;
        let bytes = contents.captured.remove("METADATA");
        if bytes.is_none() && contents.dist_info.is_some() && !findings.has_error() {
            findings.push(&rules::wheel::METADATA_MISSING, "there is no `METADATA`");
        }
        ("METADATA", bytes)
    } else if filename.ends_with(".tar.gz") {
        let mut contents = sdist::read(source, parsed, limits, findings)?;
        let name = format!("{}/PKG-INFO", contents.top.as_deref().unwrap_or_default());
        let bytes = contents.captured.remove(&name);
        if bytes.is_none() && !findings.has_error() {
            findings.push(&rules::sdist::PKG_INFO, format!("there is no `{name}`"));
        }
        ("PKG-INFO", bytes)
    } else {
        return Ok((None, None));
    };
    let metadata = bytes.as_deref().and_then(|bytes| metadata::judge(bytes, member, findings));
    if let (Some(metadata), Some(parsed)) = (&metadata, parsed) {
        metadata::compare(metadata, parsed, findings);
    }
    Ok((metadata, bytes))
}
