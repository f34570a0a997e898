//! A project as the index holds it: releases, files, and which channels list them.
//!
//! A plain value, read in one transaction. The rules of [`crate::channels`] and [`crate::accept`] judge
//! it and change it in memory; the store writes what they decided. It knows nothing of HTTP or SQL.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::Version;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::manifest::digest_of_files;
use shipway_dist::name::ProjectName;
use shipway_dist::policy::Requirement;
use shipway_dist::wire::{FileRecord, ProjectChannel, ProjectRecord, ReleaseRecord};

use crate::error::IndexError;

/// A channel of the index. The list of them stands in order of promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) name: ChannelName,
    pub(crate) accepts_uploads: bool,
    pub(crate) local_versions: bool,
    /// Which versions it does not take.
    pub(crate) refuses: Vec<Phase>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident $what:literal { $($(#[$about:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        pub enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for $name {
            type Err = IndexError;

            fn from_str(text: &str) -> Result<Self, IndexError> {
                let found = Self::ALL.iter().copied().find(|known| known.as_str() == text);
                let all = || Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
                found.ok_or_else(|| IndexError::Config {
                    key: $what,
                    why: format!("`{}` is none; there are {}", text.chars().take(40).collect::<String>(), all()),
                })
            }
        }
    };
}

words! {
    /// What a version is besides a final release (PEP 440).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    Phase "refuse" {
        /// A development release.
        Dev "dev",
        /// A pre-release: alpha, beta or candidate.
        Pre "pre",
        /// A post-release.
        Post "post",
    }
}

words! {
    /// The status of a project (PEP 792).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    Status "status" {
        /// As any project.
        #[default]
        Active "active",
        /// Takes no more files.
        Archived "archived",
        /// Takes no files, lists none and serves none.
        Quarantined "quarantined",
        /// As any project, but to be replaced by another.
        Deprecated "deprecated",
    }
}

/// How a project stands, apart from its releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    /// The largest file in bytes, where it is not that of the configuration.
    pub(crate) file_limit: Option<u64>,
    /// The largest sum of all files in bytes, where it is not that of the configuration.
    pub(crate) total_limit: Option<u64>,
}

/// A project.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) name: ProjectName,
    pub(crate) standing: Standing,
    /// By version, oldest first.
    pub(crate) releases: Vec<Release>,
}

/// What a project asks of channels besides their policies.
pub(crate) type Requires = BTreeMap<ChannelName, Vec<Requirement>>;

/// A release.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) version: Version,
    pub(crate) commit: Option<String>,
    /// Built on a person's machine; once so, always so.
    pub(crate) local: bool,
    pub(crate) run: Option<String>,
    pub(crate) attempt: Option<u32>,
    /// The name of the token that published it.
    pub(crate) publisher: Option<String>,
    pub(crate) requires: Requires,
    pub(crate) blocked: Option<String>,
    /// When it was promoted for the first time; no file is added from then on.
    pub(crate) closed_at: Option<String>,
    /// By filename; removed ones included.
    pub(crate) files: Vec<StoredFile>,
    pub(crate) channels: BTreeMap<ChannelName, Membership>,
}

/// That a channel lists a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Orders the releases of a channel: the last one that is not blocked is current.
    pub(crate) serial: i64,
    /// The id of the promotion or upload that brought it.
    pub(crate) record: String,
}

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) filename: String,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) metadata_sha256: Option<Sha256>,
    pub(crate) requires_python: Option<String>,
    pub(crate) uploaded_at: String,
    pub(crate) yanked: Option<String>,
    pub(crate) removed: bool,
    /// Why it was removed, where that is known.
    pub(crate) removed_for: Option<String>,
}

/// The version without trailing zeros, as a key: equal exactly when the versions are (PEP 440).
pub(crate) fn version_key(version: &Version) -> String {
    let numbers = version.release();
    let significant = numbers.iter().rposition(|number| *number != 0).map_or(1, |last| last + 1);
    version.clone().with_release(numbers[..significant].iter().copied()).to_string()
}

impl Project {
    pub(crate) fn release(&self, version: &Version) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == *version)
    }

    pub(crate) fn release_mut(&mut self, version: &Version) -> Option<&mut Release> {
        self.releases.iter_mut().find(|release| release.version == *version)
    }

    /// Refuses files for a project that takes none (28).
    pub(crate) fn require_open(&self) -> Result<(), IndexError> {
        match self.standing.status {
            Status::Active | Status::Deprecated => Ok(()),
            Status::Archived | Status::Quarantined => Err(self.closed()),
        }
    }

    /// Refuses what would be installed from a quarantined project.
    pub(crate) fn require_served(&self) -> Result<(), IndexError> {
        if self.standing.status == Status::Quarantined { Err(self.closed()) } else { Ok(()) }
    }

    fn closed(&self) -> IndexError {
        IndexError::ProjectStatus {
            project: self.name.normalized().to_owned(),
            status: self.standing.status.as_str(),
            reason: self.standing.reason.clone(),
        }
    }

    /// The file of that name that was not removed.
    pub(crate) fn file(&self, filename: &str) -> Option<(&Release, &StoredFile)> {
        self.releases.iter().find_map(|release| {
            release.files.iter().find(|file| file.filename == filename).map(|file| (release, file))
        })
    }

    /// The releases of a channel that are not blocked, in order of promotion.
    pub(crate) fn listed(&self, channel: &ChannelName) -> Vec<&Release> {
        let mut listed: Vec<_> = self
            .releases
            .iter()
            .filter(|release| release.blocked.is_none())
            .filter_map(|release| release.channels.get(channel).map(|at| (at.serial, release)))
            .collect();
        listed.sort_by_key(|(serial, _)| *serial);
        listed.into_iter().map(|(_, release)| release).collect()
    }

    /// The last release promoted into a channel that is not blocked.
    pub(crate) fn current(&self, channel: &ChannelName) -> Option<&Release> {
        self.listed(channel).pop()
    }

    /// The project as the pipeline reads it.
    pub(crate) fn record(&self, channels: &[Channel]) -> ProjectRecord {
        let channel = |channel: &Channel| ProjectChannel {
            name: channel.name.clone(),
            current: self.current(&channel.name).map(|release| release.version.to_string()),
            versions: self.listed(&channel.name).iter().map(|release| release.version.to_string()).collect(),
        };
        ProjectRecord {
            schema: "shipway.index.project/1".to_owned(),
            ok: true,
            project: self.name.clone(),
            channels: channels.iter().map(channel).collect(),
            releases: self.releases.iter().map(|release| release.record(channels)).collect(),
        }
    }
}

impl Release {
    /// The files that were not removed.
    pub(crate) fn present(&self) -> impl Iterator<Item = &StoredFile> {
        self.files.iter().filter(|file| !file.removed)
    }

    pub(crate) fn manifest_digest(&self) -> Sha256 {
        digest_of_files(self.present().map(|file| (file.filename.as_str(), file.sha256)))
    }

    fn record(&self, channels: &[Channel]) -> ReleaseRecord {
        let file = |file: &StoredFile| FileRecord {
            filename: file.filename.clone(),
            sha256: file.sha256,
            size: file.size,
            uploaded_at: file.uploaded_at.clone(),
            url: format!("/files/{}/{}", file.sha256, encode_segment(&file.filename)),
            yanked: file.yanked.clone(),
        };
        let files: Vec<_> = self.present().map(file).collect();
        let holding = channels.iter().map(|channel| &channel.name);
        ReleaseRecord {
            version: self.version.to_string(),
            manifest_digest: self.manifest_digest(),
            channels: holding.filter(|name| self.channels.contains_key(*name)).cloned().collect(),
            commit: self.commit.clone(),
            local: self.local,
            run: self.run.clone(),
            attempt: self.attempt,
            publisher: self.publisher.clone(),
            blocked: self.blocked.clone(),
            yanked: !files.is_empty() && files.iter().all(|file| file.yanked.is_some()),
            files,
        }
    }
}

// What may stand in a path segment (RFC 3986) and means the same to every client; `+` is encoded because
// some decode it to a space.
const SEGMENT: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'!');

/// A filename as a path segment.
pub(crate) fn encode_segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, &SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_versions_have_one_key() {
        let key = |text: &str| version_key(&text.parse().unwrap());
        assert_eq!(key("1.0"), key("1.0.0"));
        assert_eq!(key("0"), key("0.0"));
        assert_eq!(key("1!2.0rc1"), key("1!2rc1"));
        assert_ne!(key("1.0.1"), key("1.0"));
        assert_ne!(key("1.0+a"), key("1.0"));
        assert_eq!(key("10.0"), "10");
    }

    #[test]
    fn plus_is_encoded() {
        assert_eq!(encode_segment("a_b-1.0+l.1-py3.whl"), "a_b-1.0%2Bl.1-py3.whl");
    }
}
