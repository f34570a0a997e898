//! The files of one release compared with each other (PEP 643).

use std::collections::BTreeSet;

use crate::finding::{Finding, Findings, shown};
use crate::metadata::Metadata;
use crate::rules::sdist as rules;

use super::metadata::fields;

/// Fields that need not be the same in an sdist and its wheels, or are compared elsewhere.
const EXEMPT: [&str; 6] = ["Metadata-Version", "Name", "Version", "Dynamic", "Description", "License-File"];

/// Compares the metadata of an sdist with that of a wheel of the same release.
///
/// Since metadata 2.2 a field that the sdist does not mark `Dynamic` is the same in every wheel built
/// from it. Sdists with older metadata promise nothing and are not compared.
pub fn compare_release(sdist: &Metadata, wheel: &Metadata, strict: bool) -> Vec<Finding> {
    let mut findings = Findings::default();
    if fields::is_at_least(sdist, "2.2") {
        let dynamic: BTreeSet<String> =
            sdist.all("Dynamic").map(|name| name.trim().to_ascii_lowercase()).collect();
        let names: BTreeSet<String> = [sdist, wheel]
            .iter()
            .flat_map(|metadata| &metadata.fields)
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        for name in names {
            let exempt = EXEMPT.iter().any(|exempt| exempt.eq_ignore_ascii_case(&name));
            if exempt || dynamic.contains(&name) {
                continue;
            }
            let (expected, found) = (values(sdist, &name), values(wheel, &name));
            if expected != found {
                let shown = |values: &BTreeSet<String>| {
                    shown(&values.iter().cloned().collect::<Vec<_>>().join("`, `"))
                };
                let (expected, found) = (shown(&expected), shown(&found));
                findings.add(&rules::STATIC_FIELD, || {
                    rules::STATIC_FIELD
                        .finding(format!("`{name}` is `{expected}` in the sdist, `{found}` in the wheel"))
                        .field(name.as_str())
                        .differ(expected.as_str(), found.as_str())
                });
            }
        }
    }
    findings.finish(strict)
}

/// The values of a field without their order and spacing, which tools are free to change.
fn values(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    metadata
        .all(name)
        .map(|value| value.chars().filter(|c| !c.is_whitespace()).collect::<String>())
        .filter(|value| !value.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_fields_are_equal_and_dynamic_ones_are_free() {
        let read = |text: &str| Metadata::parse(text.as_bytes()).unwrap();
        let sdist =
            read("Metadata-Version: 2.2\nName: a\nVersion: 1\nDynamic: License\nRequires-Dist: b >= 1\n");
        let same = read("Metadata-Version: 2.4\nName: a\nVersion: 1\nLicense: MIT\nRequires-Dist: b>=1\n");
        assert!(compare_release(&sdist, &same, true).is_empty());
        // One name and one version, each spelled in two ways (PEP 503, PEP 440).
        let spelled =
            read("Metadata-Version: 2.2\nName: A\nVersion: 1.0\nLicense: MIT\nRequires-Dist: b>=1\n");
        assert!(compare_release(&sdist, &spelled, true).is_empty());
        let other = read("Metadata-Version: 2.2\nName: a\nVersion: 1\nRequires-Dist: b>=2\n");
        let findings = compare_release(&sdist, &other, false);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].id, "static-field-111");
    }
}
