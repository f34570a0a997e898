//! The `WHEEL` file against the filename (wheel specification).

use std::collections::BTreeSet;

use crate::filename::DistributionFilename;
use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::wheel as rules;

const MEMBER: &str = "WHEEL";
/// More tags than any filename can hold.
const MOST_TAGS: usize = 10_000;

/// Judges `WHEEL`.
pub(crate) fn judge(bytes: &[u8], parsed: Option<&DistributionFilename>, findings: &mut Findings) {
    let reading = match Metadata::read(bytes) {
        Ok(reading) => reading,
        Err(error) => {
            findings.member(&rules::WHEEL_MISSING, MEMBER, error.why);
            return;
        }
    };
    for defect in &reading.defects {
        findings.member(&rules::WHEEL_FIELD, MEMBER, shown(defect));
    }
    let fields = reading.metadata;
    // Not `Generator`: a tool that repairs a wheel, such as delocate, adds its own.
    for field in ["Wheel-Version", "Root-Is-Purelib", "Build"] {
        if fields.all(field).count() > 1 {
            findings.member(&rules::WHEEL_FIELD, MEMBER, format!("`{field}` is given more than once"));
        }
    }
    let version = fields.get("Wheel-Version").unwrap_or_default();
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([1, 0]) => {}
        Some([1, ..]) => findings.member(
            &rules::WHEEL_FIELD,
            MEMBER,
            format!("`Wheel-Version` is `{}`, newer than 1.0", shown(version)),
        ),
        _ => findings.member(
            &rules::WHEEL_VERSION,
            MEMBER,
            format!("`Wheel-Version` is `{}`, expected 1.0", shown(version)),
        ),
    }
    let purelib = match fields.get("Root-Is-Purelib") {
        Some(value) if value.eq_ignore_ascii_case("true") => Some(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Some(false),
        other => {
            let value = shown(other.unwrap_or_default());
            findings.member(
                &rules::WHEEL_FIELD,
                MEMBER,
                format!("`Root-Is-Purelib` is `{value}`, expected true or false"),
            );
            None
        }
    };
    if let Some(parsed) = parsed {
        compare(&fields, purelib, parsed, findings);
    }
}

fn compare(fields: &Metadata, purelib: Option<bool>, parsed: &DistributionFilename, findings: &mut Findings) {
    let [python, abi, platform] = &parsed.tags;
    let mut expected = BTreeSet::new();
    for python in python.split('.') {
        for abi in abi.split('.') {
            for platform in platform.split('.') {
                if expected.len() < MOST_TAGS {
                    expected.insert(format!("{python}-{abi}-{platform}"));
                }
            }
        }
    }
    let found: BTreeSet<String> = fields.all("Tag").flat_map(expand).take(MOST_TAGS).collect();
    if found != expected {
        let list =
            |tags: &BTreeSet<String>| shown(&tags.iter().take(20).cloned().collect::<Vec<_>>().join(", "));
        let (expected, found) = (list(&expected), list(&found));
        findings.add(&rules::WHEEL_TAG, || {
            rules::WHEEL_TAG
                .finding(format!("the tags are `{found}`, the filename has `{expected}`"))
                .member(MEMBER)
                .field("Tag")
                .differ(expected.as_str(), found.as_str())
        });
    }
    let build = fields.get("Build");
    if build != parsed.build.as_deref() {
        let (expected, found) = (parsed.build.as_deref().unwrap_or("none"), shown(build.unwrap_or("none")));
        findings.add(&rules::WHEEL_BUILD, || {
            rules::WHEEL_BUILD
                .finding(format!("the build tag is `{found}`, the filename has `{expected}`"))
                .member(MEMBER)
                .field("Build")
                .differ(expected, found.as_str())
        });
    }
    let is_pure = platform == "any" && abi.split('.').all(|abi| abi == "none");
    if purelib == Some(true) && platform != "any" {
        findings.member(
            &rules::WHEEL_PURELIB,
            MEMBER,
            format!("`Root-Is-Purelib` is true, the platform tag is `{platform}`"),
        );
    } else if purelib == Some(false) && is_pure {
        findings.member(
            &rules::WHEEL_PURELIB,
            MEMBER,
            "`Root-Is-Purelib` is false, the tags name no platform and no ABI",
        );
    }
}

/// A tag of `WHEEL` is expanded; some backends write compressed sets there too.
fn expand(tag: &str) -> Vec<String> {
    let parts: Vec<Vec<&str>> = tag.trim().splitn(3, '-').map(|part| part.split('.').collect()).collect();
    let [python, abi, platform] = &parts[..] else { return vec![tag.to_owned()] };
    if python.len().saturating_mul(abi.len()).saturating_mul(platform.len()) > 1000 {
        return vec![tag.to_owned()];
    }
    let mut tags = Vec::new();
    for python in python {
        for abi in abi {
            tags.extend(platform.iter().map(|platform| format!("{python}-{abi}-{platform}")));
        }
    }
    tags
}
