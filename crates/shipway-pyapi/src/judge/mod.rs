//! The one judgement of a distribution file: bytes and metadata by `shipway-dist`, Python by this crate.
//!
//! `shipway check`, the gate `distribution` and the index's door call [`judge_file`]. A wheel's sources are
//! scanned in the pass that inflates and hashes them; only what looks suspicious is parsed, so that the
//! judgement stays faster than unpacking the wheel. Nothing is executed.

mod collect;
mod modules;
mod precise;
mod reach;
mod scan;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use shipway_dist::check::{self, Ahead, FileReport, Options};
use shipway_dist::{Finding, Severity, Sha256};

use self::collect::Collector;
use self::precise::Case;

/// Judges the file at `path` as though it were called `filename`: everything that
/// [`shipway_dist::check::check_file`] finds, imports of own submodules that a wheel does not hold, and
/// entry points whose object does not exist.
///
/// # Errors
/// When the path cannot be read, is no regular file, or changed while it was read.
pub fn judge_file(path: &Path, filename: &str, options: &Options) -> io::Result<FileReport> {
    if !filename.ends_with(".whl") {
        return check::check_file(path, filename, options);
    }
    let collector = Collector::default();
    let report = check::check_file_with(path, filename, options, &collector)?;
    add_python(path, report, collector, options)
}

/// A judgement of a file that is still being written; the verdict is that of [`judge_file`].
///
/// Dropped before its end, it judges nothing.
pub struct Arriving {
    ahead: Ahead,
    collector: Arc<Collector>,
}

impl Arriving {
    /// Begins to judge a file that is still empty; `file` is read while others write it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn begin(file: File, filename: &str) -> io::Result<Self> {
        let collector = Arc::new(Collector::default());
        Ok(Self { ahead: Ahead::begin(file, filename, collector.clone())?, collector })
    }

    /// Says that the first `size` bytes are written.
    pub fn grow(&self, size: u64) {
        self.ahead.grow(size);
    }

    /// Says that the file is whole.
    pub fn end(&self) {
        self.ahead.end();
    }

    /// Judges the whole file, which is at `path` and has the digest `sha256`.
    ///
    /// # Errors
    /// As [`judge_file`].
    pub fn judge(self, path: &Path, sha256: Sha256, options: &Options) -> io::Result<FileReport> {
        let Self { ahead, collector } = self;
        let report = ahead.finish(path, sha256, options)?;
        match Arc::into_inner(collector) {
            Some(collector) if report.filename.ends_with(".whl") => {
                add_python(path, report, collector, options)
            }
            _ => Ok(report),
        }
    }
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Arriving").finish_non_exhaustive()
    }
}

/// Adds what is wrong with the Python of a wheel. What cannot be read safely is refused anyway, and readers
/// disagree what it holds.
fn add_python(
    path: &Path,
    mut report: FileReport,
    collector: Collector,
    options: &Options,
) -> io::Result<FileReport> {
    if report.findings.iter().any(|finding| is_about_bytes(&finding.id)) {
        return Ok(report);
    }
    let (filename, entry_points) = (report.filename.as_str(), &report.entry_points);
    let case = Case { path, filename, collected: collector.finish(), entry_points };
    let findings = case.decide()?;
    report.extend(findings.into_iter().map(|finding| weigh(finding, options.strict)));
    Ok(report)
}

/// Whether a finding refuses the file for how its bytes are laid out (sections F and G).
fn is_about_bytes(id: &str) -> bool {
    shipway_dist::rules::find(id)
        .is_some_and(|rule| (72..=91).contains(&rule.check) && rule.severity == Severity::Error)
}

/// Gives a finding the severity that its rule has under `strict` or without.
fn weigh(mut finding: Finding, strict: bool) -> Finding {
    if let Some(rule) = shipway_dist::rules::find(&finding.id) {
        finding.severity = rule.severity(strict);
    }
    finding
}
