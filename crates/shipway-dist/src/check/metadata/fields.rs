//! Which fields there are, since which metadata version, and how often (core metadata specification).

use std::collections::HashMap;

use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::metadata as rules;

/// The versions of metadata that are supported, in order.
const VERSIONS: [&str; 8] = ["1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5"];

/// A field: its name, the first version that has it, whether it may be repeated, what replaced it.
struct Field(&'static str, &'static str, bool, Option<&'static str>);

const FIELDS: [Field; 32] = [
    Field("Metadata-Version", "1.0", false, None),
    Field("Name", "1.0", false, None),
    Field("Version", "1.0", false, None),
    Field("Platform", "1.0", true, None),
    Field("Supported-Platform", "1.1", true, None),
    Field("Summary", "1.0", false, None),
    Field("Description", "1.0", false, None),
    Field("Keywords", "1.0", false, None),
    Field("Home-page", "1.0", false, Some("Project-URL")),
    Field("Download-URL", "1.1", false, Some("Project-URL")),
    Field("Author", "1.0", false, None),
    Field("Author-email", "1.0", false, None),
    Field("Maintainer", "1.2", false, None),
    Field("Maintainer-email", "1.2", false, None),
    Field("License", "1.0", false, None),
    Field("Classifier", "1.1", true, None),
    Field("Requires", "1.1", true, Some("Requires-Dist")),
    Field("Provides", "1.1", true, Some("Provides-Dist")),
    Field("Obsoletes", "1.1", true, Some("Obsoletes-Dist")),
    Field("Requires-Dist", "1.2", true, None),
    Field("Requires-Python", "1.2", false, None),
    Field("Requires-External", "1.2", true, None),
    Field("Project-URL", "1.2", true, None),
    Field("Provides-Dist", "1.2", true, None),
    Field("Obsoletes-Dist", "1.2", true, None),
    Field("Description-Content-Type", "2.1", false, None),
    Field("Provides-Extra", "2.1", true, None),
    Field("Dynamic", "2.2", true, None),
    Field("License-Expression", "2.4", false, None),
    Field("License-File", "2.4", true, None),
    Field("Import-Name", "2.5", true, None),
    Field("Import-Namespace", "2.5", true, None),
];

/// Whether metadata declares at least a version.
pub(crate) fn is_at_least(metadata: &Metadata, version: &str) -> bool {
    let place = |version: &str| VERSIONS.iter().position(|known| *known == version);
    place(&metadata.metadata_version) >= place(version)
}

/// Whether a field with this name exists.
pub(super) fn is_known(name: &str) -> bool {
    FIELDS.iter().any(|field| field.0.eq_ignore_ascii_case(name))
}

/// Judges the metadata version and the presence, age and number of each field.
pub(super) fn check(metadata: &Metadata, findings: &mut Findings) {
    let declared = &metadata.metadata_version;
    let known = VERSIONS.contains(&declared.as_str());
    if !known && !declared.is_empty() {
        findings.field(
            &rules::VERSION,
            "Metadata-Version",
            format!("`{}` is no supported version, expected one of {}", shown(declared), VERSIONS.join(", ")),
        );
    }
    for (field, value) in [
        ("Metadata-Version", &metadata.metadata_version),
        ("Name", &metadata.name),
        ("Version", &metadata.version),
    ] {
        if value.is_empty() {
            findings.field(&rules::REQUIRED, field, format!("`{field}` is missing"));
        }
    }
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    for (name, value) in &metadata.fields {
        let Some(field) = FIELDS.iter().find(|field| field.0.eq_ignore_ascii_case(name)) else {
            findings.field(&rules::FIELD_UNKNOWN, name, format!("no metadata version has `{}`", shown(name)));
            continue;
        };
        let count = counts.entry(field.0).or_default();
        *count += 1;
        if *count == 2 && !field.2 {
            findings.field(&rules::REPEATED, field.0, format!("`{}` may be given once only", field.0));
        }
        if *count > 1 {
            continue;
        }
        if known && !is_at_least(metadata, field.1) {
            findings.field(
                &rules::FIELD_TOO_NEW,
                field.0,
                format!("`{}` needs metadata {}, {declared} is declared", field.0, field.1),
            );
        }
        if let Some(replacement) = field.3.filter(|_| !is_absent(value)) {
            findings.field(
                &rules::DEPRECATED,
                field.0,
                format!("`{}` is deprecated, `{replacement}` replaces it", field.0),
            );
        }
    }
}

/// Whether a value stands for none; old tools write `UNKNOWN`.
pub(super) fn is_absent(value: &str) -> bool {
    matches!(value.trim(), "" | "UNKNOWN")
}

/// Judges `Dynamic` (PEP 643).
pub(super) fn check_dynamic(metadata: &Metadata, findings: &mut Findings) {
    for name in metadata.all("Dynamic") {
        let refused = ["Name", "Version", "Metadata-Version"];
        if refused.iter().any(|refused| refused.eq_ignore_ascii_case(name.trim())) {
            findings.field(&rules::DYNAMIC, "Dynamic", format!("`{name}` can never be dynamic"));
        } else if !is_known(name.trim()) {
            let message = format!("`{}` is no field of the metadata", shown(name));
            findings.field(&rules::DYNAMIC, "Dynamic", message);
        }
    }
}
