//! Judges core metadata, all problems at once, and compares it with the filename.

use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::metadata::{Markup, Metadata};
use crate::name::normalize;
use crate::rules::{filename, metadata as rules};

/// Reads and judges METADATA or PKG-INFO.
pub(crate) fn judge(bytes: &[u8], member: &str, findings: &mut Findings) -> Option<Metadata> {
    let reading = match Metadata::read(bytes) {
        Ok(reading) => reading,
        Err(error) => {
            findings.member(&rules::SYNTAX, member, error.to_string());
            return None;
        }
    };
    for defect in &reading.defects {
        findings.member(&rules::SYNTAX, member, shown(defect));
    }
    if reading.two_descriptions {
        findings.field(&rules::REPEATED, "Description", "both a field and a body hold a description");
    }
    let metadata = reading.metadata;
    for (field, value) in [
        ("Metadata-Version", &metadata.metadata_version),
        ("Name", &metadata.name),
        ("Version", &metadata.version),
    ] {
        if value.is_empty() {
            findings.field(&rules::REQUIRED, field, format!("`{field}` is missing"));
        }
    }
    check_description(&metadata, findings);
    Some(metadata)
}

fn check_description(metadata: &Metadata, findings: &mut Findings) {
    let field = "Description";
    if metadata.description.as_deref().is_none_or(|text| text.trim().is_empty()) {
        findings.field(&rules::DESCRIPTION_MISSING, field, "there is no long description");
        return;
    }
    if metadata.get("Description-Content-Type").is_none() {
        findings.field(
            &rules::DESCRIPTION_TYPE_MISSING,
            "Description-Content-Type",
            "the description has no content type",
        );
    }
    if metadata.markup() == Some(Markup::ReStructuredText) {
        findings.field(
            &rules::DESCRIPTION_NOT_CHECKED,
            field,
            "the description is reStructuredText, which was not rendered",
        );
    }
}

/// Compares name and version with those of the filename.
pub(crate) fn compare(metadata: &Metadata, parsed: &DistributionFilename, findings: &mut Findings) {
    if !metadata.name.is_empty() && normalize(&metadata.name) != parsed.name.normalized() {
        let (expected, found) = (parsed.name.display(), metadata.name.as_str());
        findings.add(&filename::PROJECT, || {
            filename::PROJECT
                .finding(format!("the filename says `{expected}`, the metadata `{}`", shown(found)))
                .field("Name")
                .differ(expected, found)
        });
    }
    let version = metadata.version.parse::<pep440_rs::Version>();
    if version.is_ok_and(|version| version != parsed.version) {
        let (expected, found) = (parsed.version_part.as_str(), metadata.version.as_str());
        findings.add(&filename::VERSION, || {
            filename::VERSION
                .finding(format!("the filename says `{expected}`, the metadata `{}`", shown(found)))
                .field("Version")
                .differ(expected, found)
        });
    }
}
