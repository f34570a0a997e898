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

use std::io;
use std::path::Path;

use shipway_dist::Finding;
use shipway_dist::check::{self, FileReport, Options};

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
    let mut report = check::check_file_with(path, filename, options, &collector)?;
    let entry_points = &report.entry_points;
    let case = Case { path, filename, collected: collector.finish(), entry_points };
    let findings = case.decide()?;
    report.extend(findings.into_iter().map(|finding| weigh(finding, options.strict)));
    Ok(report)
}

/// Gives a finding the severity that its rule has under `strict` or without.
fn weigh(mut finding: Finding, strict: bool) -> Finding {
    if let Some(rule) = shipway_dist::rules::find(&finding.id) {
        finding.severity = rule.severity(strict);
    }
    finding
}
