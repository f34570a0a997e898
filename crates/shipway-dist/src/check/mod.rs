//! Judges distribution files: every byte is read once, everything that is wrong is said at once.

use std::io;
use std::path::Path;

use crate::digest::Sha256;
use crate::filename::DistributionFilename;
use crate::finding::{Finding, Severity};
use crate::metadata::Metadata;

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
/// When the path cannot be read. Whatever is wrong with what was read is a finding.
pub fn check_file(path: &Path, filename: &str, _options: &Options) -> io::Result<FileReport> {
    let (sha256, size) = Sha256::of_file(path)?;
    let parsed = filename.parse::<DistributionFilename>();
    let mut findings = Vec::new();
    let parsed = parsed.map_err(|error| findings.push(Finding::error("filename", error.to_string()))).ok();
    Ok(FileReport {
        filename: filename.to_owned(),
        size,
        sha256,
        parsed,
        metadata: None,
        metadata_bytes: None,
        findings,
    })
}
