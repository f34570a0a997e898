//! The rules of an upload: what a file, a form and a release must be before anything becomes visible.
//!
//! Numbers in comments are the rows of the validation list of the project's index specification. [`form`]
//! judges the fields of the legacy upload API and [`fields`] compares them with the file, [`names`] judges
//! names and versions, [`file`] judges the bytes, [`admission`] the project, [`decide`] and [`siblings`] judge
//! against what the index holds. None of them knows HTTP.

pub(crate) mod admission;
mod attestations;
mod fields;
pub(crate) mod file;
pub(crate) mod form;
pub(crate) mod names;
pub(crate) mod siblings;
mod upload;

use std::collections::BTreeSet;

use pep440_rs::Version;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::{DistributionFilename, Kind};

use crate::error::IndexError;
use crate::project::{Project, StoredFile};
use crate::store::LedgerRow;

pub(crate) use upload::{Accepted, Known, Upload};

/// Reads a version of a request.
pub(crate) fn parse_version(text: &str) -> Result<Version, IndexError> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(80).collect();
        IndexError::bad_request(format!("`{text}` is not a version (PEP 440)"))
    })
}

/// A file that wants to become part of a release.
pub(crate) struct Candidate<'a> {
    pub(crate) version: &'a Version,
    pub(crate) kind: Kind,
    pub(crate) filename: &'a str,
    pub(crate) sha256: Sha256,
}

/// What becomes of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The same bytes stand under the name: success without effect (64).
    Present,
    /// It is added.
    Add,
}

/// Judges a candidate against what the index holds (29, 30, 60, 64 to 68).
///
/// `ledger` has the rows with the same filename but for case, and those with the same bytes.
pub(crate) fn decide(
    project: Option<&Project>,
    ledger: &[LedgerRow],
    candidate: &Candidate<'_>,
) -> Result<Decision, IndexError> {
    let filename = candidate.filename;
    let release = project.and_then(|project| project.release(candidate.version));
    if let (Some(project), Some(release)) = (project, release)
        && let Some(reason) = &release.blocked
    {
        return Err(IndexError::Blocked {
            project: project.name.normalized().to_owned(),
            version: release.version.to_string(),
            reason: reason.clone(),
        });
    }
    if let Some(row) = ledger.iter().find(|row| row.filename.to_lowercase() == filename.to_lowercase()) {
        if row.removed {
            let why = format!("`{filename}` was removed from the index and its filename is never free again");
            return Err(IndexError::FilenameConflict { why });
        }
        if row.filename != filename {
            let why =
                format!("`{filename}` differs only in case from `{}`, which the index holds", row.filename);
            return Err(IndexError::FilenameConflict { why });
        }
        if row.sha256 == candidate.sha256 {
            return Ok(Decision::Present);
        }
        return Err(IndexError::DigestConflict {
            filename: filename.to_owned(),
            held: row.sha256,
            sent: candidate.sha256,
        });
    }
    if let Some(row) = ledger.iter().find(|row| row.sha256 == candidate.sha256) {
        let why = format!("the bytes of `{filename}` are held under the filename `{}`", row.filename);
        return Err(IndexError::FilenameConflict { why });
    }
    let Some(release) = release else { return Ok(Decision::Add) };
    if let Some(at) = &release.closed_at {
        let why = format!(
            "version {} was promoted at {at} and takes no further files; publish a new version",
            release.version
        );
        return Err(IndexError::ReleaseConflict { why });
    }
    let same = |file: &&StoredFile| !file.removed && is_equivalent(&file.filename, filename);
    if let Some(file) = release.files.iter().find(same) {
        let why = format!(
            "`{filename}` has the tags and build of `{}`, which the index holds; installers cannot tell them apart",
            file.filename
        );
        return Err(IndexError::FilenameConflict { why });
    }
    let sdist = release.files.iter().find(|file| file.filename.ends_with(".tar.gz"));
    if let (Kind::Sdist, Some(sdist)) = (candidate.kind, sdist) {
        let why =
            format!("version {} has an sdist, `{}`; a release has one", release.version, sdist.filename);
        return Err(IndexError::FilenameConflict { why });
    }
    Ok(Decision::Add)
}

/// Whether two wheels of one release are for the same interpreters: their tag sets are equal, in whatever
/// order and case, and so are their build tags (60, 69).
fn is_equivalent(one: &str, other: &str) -> bool {
    let key = |filename: &str| {
        let parsed = filename.parse::<DistributionFilename>().ok()?;
        let set = |tag: &String| tag.split('.').map(str::to_lowercase).collect::<BTreeSet<_>>();
        let build = parsed.build.as_deref().map(str::to_lowercase);
        (parsed.kind == Kind::Wheel).then(|| (build, parsed.tags.iter().map(set).collect::<Vec<_>>()))
    };
    matches!((key(one), key(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(filename: &str, bytes: &[u8], removed: bool) -> LedgerRow {
        LedgerRow { filename: filename.into(), sha256: Sha256::of(bytes), removed }
    }

    fn judge(ledger: &[LedgerRow], filename: &str, bytes: &[u8]) -> Result<Decision, IndexError> {
        let version = "1.0".parse().unwrap();
        let sha256 = Sha256::of(bytes);
        decide(None, ledger, &Candidate { version: &version, kind: Kind::Wheel, filename, sha256 })
    }

    #[test]
    fn c60_equivalent_filenames_are_one() {
        let held = "demo-1.0-py2.py3-none-any.whl";
        for other in [
            "demo-1.0-py3.py2-none-any.whl",
            "demo-1.0.0-py2.py3-none-any.whl",
            "demo-1.0-PY2.py3-none-any.whl",
        ] {
            assert!(is_equivalent(held, other), "{other}");
        }
        for other in ["demo-1.0-py3-none-any.whl", "demo-1.0-1-py2.py3-none-any.whl", "demo-1.0.tar.gz"] {
            assert!(!is_equivalent(held, other), "{other}");
        }
    }

    #[test]
    fn i6_same_bytes_are_success_and_everything_else_under_the_name_is_refused() {
        let held = [row("a-1.0-py3-none-any.whl", b"a", false)];
        assert_eq!(judge(&held, "a-1.0-py3-none-any.whl", b"a").unwrap(), Decision::Present);
        let errors = [
            judge(&held, "a-1.0-py3-none-any.whl", b"b").unwrap_err(),
            judge(&held, "A-1.0-py3-none-any.whl", b"a").unwrap_err(),
            judge(&held, "a-1.0-py2-none-any.whl", b"a").unwrap_err(),
            judge(&[row("a-1.0-py3-none-any.whl", b"a", true)], "a-1.0-py3-none-any.whl", b"a").unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.status().as_u16(), error.code()), (422, "digest-conflict"));
            // What clients' "skip existing" options look for (clients.md).
            let text = error.to_string().to_lowercase();
            for phrase in [
                "already exist",
                "updating asset",
                "cannot be updated",
                "already been taken",
                "overwrite artifact",
            ] {
                assert!(!text.contains(phrase), "{text}");
            }
        }
        assert_eq!(judge(&[], "a-1.0-py3-none-any.whl", b"a").unwrap(), Decision::Add);
    }
}
