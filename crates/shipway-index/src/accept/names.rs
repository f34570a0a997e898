//! Judges names, versions and filenames against each other (19 to 22, 52 to 57).

use pep440_rs::Version;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;

use crate::project::{Channel, Phase};

/// The longest filename: with `.metadata` it is still a file's name everywhere (52).
const LONGEST: usize = 255 - ".metadata".len();

/// Judges a filename; gives its parts when it has any.
pub(crate) fn judge_filename(
    filename: &str,
    name: &ProjectName,
    version: &Version,
) -> (Option<DistributionFilename>, Vec<Finding>) {
    let finding = |message: String| Finding::error("filename", message).field("content");
    if filename.len() > LONGEST {
        return (None, vec![finding(format!("the filename is longer than {LONGEST} bytes"))]);
    }
    let parsed = match filename.parse::<DistributionFilename>() {
        Ok(parsed) => parsed,
        Err(error) => return (None, vec![finding(error.to_string())]),
    };
    let mut findings = agree(&parsed, Some(name), Some(version));
    if parsed.name == *name && parsed.name_part != name.escaped() {
        // PEP 427 and PEP 625: normalized, with `_` for `-`.
        findings.push(finding(format!(
            "the name part of `{filename}` is `{}`, expected `{}`",
            parsed.name_part,
            name.escaped()
        )));
    }
    if parsed.version == *version
        && parsed.kind == Kind::Sdist
        && parsed.version_part != parsed.version.to_string()
    {
        findings.push(finding(format!(
            "the version part of `{filename}` is `{}`, expected `{}`",
            parsed.version_part, parsed.version
        )));
    }
    (Some(parsed), findings)
}

/// Judges whether a filename is for the name and the version of an upload, as far as that has any.
pub(crate) fn agree(
    parsed: &DistributionFilename,
    name: Option<&ProjectName>,
    version: Option<&Version>,
) -> Vec<Finding> {
    let filename = &parsed.filename;
    let finding = |message: String| Finding::error("filename", message).field("content");
    let mut findings = Vec::new();
    if let Some(name) = name.filter(|name| **name != parsed.name) {
        findings.push(finding(format!(
            "`{filename}` is named for `{}`, the upload is for `{}`",
            parsed.name.normalized(),
            name.normalized()
        )));
    }
    if let Some(version) = version.filter(|version| **version != parsed.version) {
        findings.push(finding(format!(
            "`{filename}` is for version {}, the upload is for {version}",
            parsed.version
        )));
    }
    findings
}

/// Judges a version for a channel (21, 22).
pub(crate) fn judge_version(version: &Version, channel: &Channel) -> Option<Finding> {
    if version.is_local() && !channel.local_versions {
        let message = format!("channel `{}` takes no local versions, and {version} is one", channel.name);
        return Some(Finding::error("version", message).field("version"));
    }
    judge_phase(version, channel)
}

/// Judges whether a channel takes development, pre- and post-releases (22).
pub(crate) fn judge_phase(version: &Version, channel: &Channel) -> Option<Finding> {
    let is_of = |phase: &Phase| match phase {
        Phase::Dev => version.is_dev(),
        Phase::Pre => version.is_pre(),
        Phase::Post => version.is_post(),
    };
    let phase = channel.refuses.iter().copied().find(is_of)?;
    let what = match phase {
        Phase::Dev => "development releases",
        Phase::Pre => "pre-releases",
        Phase::Post => "post-releases",
    };
    let message = format!("channel `{}` takes no {what}, and {version} is one", channel.name);
    Some(Finding::error("version", message).field("version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_a_channel_says_which_versions_it_takes() {
        let channel = |refuses: &[Phase]| Channel {
            name: "stable".parse().unwrap(),
            accepts_uploads: true,
            local_versions: false,
            refuses: refuses.to_vec(),
        };
        for (version, refused) in [
            ("1.0", &[][..]),
            ("1.0rc1", &[Phase::Pre]),
            ("1.0.dev1", &[Phase::Dev]),
            ("1.0a1.dev2", &[Phase::Dev, Phase::Pre]),
            ("1.0.post1", &[Phase::Post]),
        ] {
            let parsed: Version = version.parse().unwrap();
            for phase in Phase::ALL {
                let found = judge_version(&parsed, &channel(&[*phase]));
                assert_eq!(found.is_some(), refused.contains(phase), "{version} {phase:?}");
            }
            assert!(judge_version(&parsed, &channel(&[])).is_none(), "{version}");
        }
        assert!(judge_version(&"1.0+lab".parse().unwrap(), &channel(&[])).is_some());
    }

    fn messages(filename: &str, name: &str, version: &str) -> Vec<String> {
        let (_, findings) = judge_filename(filename, &name.parse().unwrap(), &version.parse().unwrap());
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn names_versions_and_filenames_agree() {
        assert_eq!(messages("my_demo-1.0-py3-none-any.whl", "My.Demo", "1.0").len(), 0);
        assert_eq!(messages("my_demo-1.0-py3-none-any.whl", "My.Demo", "1.0.0").len(), 0);
        assert_eq!(messages("my_demo-1.0.tar.gz", "my-demo", "1.0").len(), 0);
        for (filename, name, version) in [
            ("other-1.0-py3-none-any.whl", "demo", "1.0"),
            ("Demo-1.0-py3-none-any.whl", "demo", "1.0"),
            ("my.demo-1.0.tar.gz", "my-demo", "1.0"),
            ("demo-1.1-py3-none-any.whl", "demo", "1.0"),
            ("demo-1.0.0RC1.tar.gz", "demo", "1.0.0rc1"),
            ("demo-1.0.zip", "demo", "1.0"),
            ("demo-1.0.egg", "demo", "1.0"),
        ] {
            assert_eq!(messages(filename, name, version).len(), 1, "{filename}");
        }
        assert_eq!(messages(&format!("demo-1.0+{}.tar.gz", "a".repeat(250)), "demo", "1.0").len(), 1);
    }
}
