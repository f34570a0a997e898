//! Judges the bytes of a file: digests, and everything that `shipway check` knows (63, 71 and sections F to I).

use pep440_rs::Version;
use shipway_dist::check::{FileReport, Options};
use shipway_dist::digest::Sha256;
use shipway_dist::filename::Kind;
use shipway_dist::finding::{Finding, Severity};
use shipway_dist::metadata::Metadata;
use shipway_dist::name::ProjectName;
use shipway_pyapi::judge::judge_file;

use super::fields;
use super::form::Form;
use crate::blobs::Staged;
use crate::error::IndexError;

/// What the file should be.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// What the file's own metadata must name; absent where the form names none.
    pub(crate) name: Option<ProjectName>,
    pub(crate) version: Option<Version>,
    pub(crate) filename: String,
    /// The form that came with it, where there was one.
    pub(crate) form: Option<Form>,
}

/// A file that was found sound.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) staged: Staged,
    pub(crate) warnings: Vec<Finding>,
    pub(crate) requires_python: Option<String>,
    /// The bytes of a wheel's METADATA and their digest (PEP 658).
    pub(crate) metadata: Option<(Sha256, Vec<u8>)>,
    /// The bytes of an sdist's PKG-INFO.
    pub(crate) pkg_info: Option<Vec<u8>>,
    /// Either, read.
    pub(crate) parsed: Metadata,
    /// The top-level names that a wheel makes importable.
    pub(crate) imports: Vec<String>,
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
    let mut findings = Vec::new();
    if checked.sha256 != staged.sha256 {
        findings.push(Finding::error("digest", "the staged bytes changed while they were judged"));
    }
    let FileReport { parsed, findings: found, metadata, metadata_bytes, imports, .. } = checked;
    let (errors, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.severity == Severity::Error);
    findings.extend(errors);
    warnings.extend(found);
    let kind = parsed.map(|parsed| parsed.kind);
    if findings.is_empty() {
        findings.extend(kind.and_then(|kind| magic(&staged.head, kind)));
    }
    if let Some(metadata) = &metadata {
        findings.extend(compare(metadata, &expected));
    }
    if !findings.is_empty() {
        return Err(IndexError::Invalid { findings });
    }
    let requires_python = metadata.as_ref().and_then(|metadata| metadata.get("Requires-Python"));
    let requires_python = requires_python.filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let (body, pkg_info) = match kind {
        Some(Kind::Sdist) => (None, metadata_bytes),
        Some(Kind::Wheel) | None => (metadata_bytes.map(|bytes| (Sha256::of(&bytes), bytes)), None),
    };
    let parsed = metadata.unwrap_or_default();
    Ok(Judged { staged, warnings, requires_python, metadata: body, pkg_info, parsed, imports })
}

/// What is wrong where the first bytes are not those of the kind (71).
fn magic(head: &[u8], kind: Kind) -> Option<Finding> {
    let (expected, what): (&[u8], _) = match kind {
        Kind::Wheel => (b"PK\x03\x04", "a zip archive"),
        Kind::Sdist => (b"\x1f\x8b", "a gzip stream"),
    };
    let finding =
        || Finding::error("magic", format!("the file does not begin as {what} does")).field("content");
    (!head.starts_with(expected)).then(finding)
}

/// Compares the file's own metadata with what it was sent as (94, 106).
fn compare(metadata: &Metadata, expected: &Expected) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differs = |field: &str, own: &str, sent: &str| {
        let message = format!("the file's metadata has {field} `{own}`, the upload says `{sent}`");
        findings.push(Finding::error("metadata", message).field(field));
    };
    if let Some(name) = &expected.name
        && !metadata.name.parse::<ProjectName>().is_ok_and(|own| own == *name)
    {
        differs("Name", &metadata.name, name.display());
    }
    if let Some(version) = &expected.version
        && !metadata.version.parse::<Version>().is_ok_and(|own| own == *version)
    {
        differs("Version", &metadata.version, &version.to_string());
    }
    findings.extend(expected.form.iter().flat_map(|form| fields::compare(metadata, form)));
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
        let mut form = Form::default();
        form.push("requires_python".into(), ">=3.9".into());
        let mut expected = Expected {
            name: Some("demo".parse().unwrap()),
            version: Some("1.0".parse().unwrap()),
            filename: "demo-1.0-py3-none-any.whl".into(),
            form: Some(form),
        };
        assert_eq!(compare(&metadata, &expected).len(), 3);
        expected.name = Some("OTHER".parse().unwrap());
        expected.version = Some("2.0".parse().unwrap());
        expected.form = None;
        assert_eq!(compare(&metadata, &expected), []);
    }

    #[test]
    fn first_bytes() {
        assert!(magic(b"PK\x03\x04rest", Kind::Wheel).is_none());
        assert!(magic(b"\x89PNG", Kind::Wheel).is_some());
        assert!(magic(b"PK\x03\x04", Kind::Sdist).is_some());
        assert!(magic(b"", Kind::Sdist).is_some());
    }
}
