//! Judges core metadata, all problems at once, and compares it with the filename.

mod classifiers;
pub(crate) mod fields;
pub(crate) mod imports;
pub(crate) mod requirement;
mod texts;

use std::collections::HashMap;

use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::name::{ProjectName, normalize};
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
    judge_fields(&metadata, findings);
    Some(metadata)
}

/// Judges the fields of metadata, whether they come from a file or from the form of an upload.
pub(crate) fn judge_fields(metadata: &Metadata, findings: &mut Findings) {
    fields::check(metadata, findings);
    let name = Some(&metadata.name).filter(|name| !name.is_empty());
    if let Some(Err(error)) = name.map(|name| name.parse::<ProjectName>()) {
        findings.field(&rules::NAME, "Name", shown(&error.to_string()));
    }
    check_version(metadata, findings);
    texts::check_summary(metadata, findings);
    texts::check_description(metadata, findings);
    texts::check_people(metadata, findings);
    classifiers::judge(metadata, findings);
    texts::check_urls(metadata, findings);
    texts::check_license(metadata, findings);
    check_requirements(metadata, findings);
    fields::check_dynamic(metadata, findings);
    imports::check(metadata, findings);
}

fn check_version(metadata: &Metadata, findings: &mut Findings) {
    if metadata.version.is_empty() {
        return;
    }
    match metadata.version.parse::<pep440_rs::Version>() {
        Err(error) => findings.field(
            &rules::PROJECT_VERSION,
            "Version",
            format!("`{}`: {error}", shown(&metadata.version)),
        ),
        Ok(version) if version.to_string() != metadata.version => findings.add(&rules::VERSION_FORM, || {
            rules::VERSION_FORM
                .finding(format!("`{}` is canonically `{version}`", shown(&metadata.version)))
                .field("Version")
                .differ(version.to_string(), shown(&metadata.version))
        }),
        Ok(_) => {}
    }
}

fn check_requirements(metadata: &Metadata, findings: &mut Findings) {
    let mut extras: HashMap<String, &str> = HashMap::new();
    for extra in metadata.all("Provides-Extra") {
        let field = "Provides-Extra";
        if !requirement::is_name(extra) {
            findings.field(&rules::EXTRA, field, format!("`{}` is no name of an extra", shown(extra)));
            continue;
        }
        let normalized = normalize(extra);
        if fields::is_at_least(metadata, "2.3") && normalized != extra {
            let message = format!("`{}` is normalized `{normalized}`", shown(extra));
            findings.field(&rules::EXTRA_FORM, field, message);
        }
        if let Some(other) = extras.insert(normalized, extra) {
            let message = format!("`{}` and `{}` are one extra", shown(other), shown(extra));
            findings.field(&rules::EXTRA_TWICE, field, message);
        }
    }
    for field in ["Requires-Dist", "Provides-Dist", "Obsoletes-Dist"] {
        for text in metadata.all(field) {
            match requirement::parse(text) {
                Err(why) => {
                    findings.field(&rules::REQUIREMENT, field, format!("`{}`: {}", shown(text), shown(&why)));
                }
                Ok(requirement) => {
                    if requirement.is_url {
                        let message = format!("`{}` is a direct reference", shown(text));
                        findings.field(&rules::REQUIREMENT_URL, field, message);
                    }
                    for extra in requirement.marker_extras {
                        if field == "Requires-Dist" && !extras.contains_key(&normalize(&extra)) {
                            let message = format!(
                                "`{}` asks for extra `{}`, which is not declared",
                                shown(text),
                                shown(&extra)
                            );
                            findings.field(&rules::EXTRA_UNDECLARED, field, message);
                        }
                    }
                }
            }
        }
    }
    for specifiers in metadata.all("Requires-Python").filter(|value| !fields::is_absent(value)) {
        if let Err(why) = requirement::check_specifiers(specifiers) {
            findings.field(&rules::REQUIRES_PYTHON, "Requires-Python", shown(&why));
        }
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
