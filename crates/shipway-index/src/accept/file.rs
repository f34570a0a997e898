//! Judges the bytes of a file: digests, and everything that `shipway check` knows (63, 71 and sections F to I).

use pep440_rs::Version;
use shipway_dist::check::{FileReport, Options};
use shipway_dist::digest::Sha256;
use shipway_dist::filename::Kind;
use shipway_dist::finding::{Finding, Severity};
use shipway_dist::metadata::Metadata;
use shipway_dist::name::ProjectName;
use shipway_pyapi::judge::judge_file;

use crate::blobs::Staged;
use crate::error::IndexError;

/// What the file should be.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) name: ProjectName,
    pub(crate) version: Version,
    pub(crate) filename: String,
    pub(crate) kind: Kind,
    /// From the form, where there was one.
    pub(crate) requires_python: Option<String>,
}

/// A file that was found sound.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) staged: Staged,
    pub(crate) warnings: Vec<Finding>,
    pub(crate) requires_python: Option<String>,
    /// The bytes of a wheel's METADATA and their digest (PEP 658).
    pub(crate) metadata: Option<(Sha256, Vec<u8>)>,
}

/// Judges a staged file.
///
/// # Errors
/// [`IndexError::Invalid`] with everything that is wrong.
pub(crate) async fn judge(
    mut staged: Staged,
    expected: Expected,
    mut warnings: Vec<Finding>,
) -> Result<Judged, IndexError> {
    let filename = expected.filename.clone();
    let check = move || {
        let (path, options) = (staged.path().to_owned(), Options::default());
        let checked = match staged.arriving.take() {
            Some(arriving) => arriving.judge(&path, staged.sha256, &options),
            None => judge_file(&path, &filename, &options),
        };
        checked.map(|checked| (staged, checked)).map_err(IndexError::io("read", &path))
    };
    let (staged, checked) = tokio::task::spawn_blocking(check).await??;
    let mut findings = magic(&staged.head, expected.kind);
    if checked.sha256 != staged.sha256 {
        findings.push(Finding::error("digest", "the staged bytes changed while they were judged"));
    }
    let FileReport { findings: found, metadata, metadata_bytes, .. } = checked;
    let (errors, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Error);
    findings.extend(errors);
    warnings.extend(found);
    if let Some(metadata) = &metadata {
        findings.extend(compare(metadata, &expected));
    }
    if !findings.is_empty() {
        return Err(IndexError::Invalid { findings });
    }
    let own = metadata.as_ref().and_then(|metadata| metadata.get("Requires-Python")).map(str::to_owned);
    let requires_python = if metadata.is_some() { own } else { expected.requires_python };
    let metadata =
        metadata_bytes.filter(|_| expected.kind == Kind::Wheel).map(|bytes| (Sha256::of(&bytes), bytes));
    Ok(Judged {
        staged,
        warnings,
        requires_python: requires_python.filter(|text| !text.trim().is_empty()),
        metadata,
    })
}

/// Whether the first bytes are those of the kind (71).
fn magic(head: &[u8], kind: Kind) -> Vec<Finding> {
    let (expected, what): (&[u8], _) = match kind {
        Kind::Wheel => (b"PK\x03\x04", "a zip archive"),
        Kind::Sdist => (b"\x1f\x8b", "a gzip stream"),
    };
    if head.starts_with(expected) {
        return Vec::new();
    }
    vec![Finding::error("magic", format!("the file does not begin as {what} does")).field("content")]
}

/// Compares the file's own metadata with what it was sent as (94, 106).
fn compare(metadata: &Metadata, expected: &Expected) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differs = |field: &str, own: &str, sent: &str| {
        let message = format!("the file's metadata has {field} `{own}`, the upload says `{sent}`");
        findings.push(Finding::error("metadata", message).field(field));
    };
    if !metadata.name.parse::<ProjectName>().is_ok_and(|name| name == expected.name) {
        differs("Name", &metadata.name, expected.name.display());
    }
    if !metadata.version.parse::<Version>().is_ok_and(|version| version == expected.version) {
        differs("Version", &metadata.version, &expected.version.to_string());
    }
    let own = metadata.get("Requires-Python").unwrap_or_default();
    let squeeze = |text: &str| text.split_whitespace().collect::<String>();
    // An empty field says nothing: uv sends it always.
    if let Some(sent) = expected.requires_python.as_deref().filter(|sent| !sent.trim().is_empty())
        && squeeze(sent) != squeeze(own)
    {
        differs("Requires-Python", own, sent);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_disagrees_is_refused_with_all_fields_named() {
        let metadata =
            Metadata::parse(b"Metadata-Version: 2.1\nName: Other\nVersion: 2\nRequires-Python: >=3.8\n\n")
                .unwrap();
        let mut expected = Expected {
            name: "demo".parse().unwrap(),
            version: "1.0".parse().unwrap(),
            filename: "demo-1.0-py3-none-any.whl".into(),
            kind: Kind::Wheel,
            requires_python: Some(">=3.9".into()),
        };
        assert_eq!(compare(&metadata, &expected).len(), 3);
        expected.name = "OTHER".parse().unwrap();
        expected.version = "2.0".parse().unwrap();
        expected.requires_python = Some(">= 3.8".into());
        assert_eq!(compare(&metadata, &expected), []);
        expected.requires_python = Some(String::new());
        assert_eq!(compare(&metadata, &expected), []);
    }

    #[test]
    fn first_bytes() {
        assert!(magic(b"PK\x03\x04rest", Kind::Wheel).is_empty());
        assert_eq!(magic(b"\x89PNG", Kind::Wheel).len(), 1);
        assert_eq!(magic(b"PK\x03\x04", Kind::Sdist).len(), 1);
        assert_eq!(magic(b"", Kind::Sdist).len(), 1);
    }
}
