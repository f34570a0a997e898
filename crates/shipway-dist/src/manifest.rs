//! The manifest: what one build of one commit made.

use std::collections::BTreeMap;

use pep440_rs::Version;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::name::ProjectName;

/// The `schema` of a manifest.
pub const SCHEMA: &str = "shipway.manifest/1";

/// What a build made: the files by digest, and the commit they were made from.
///
/// Stands in `.shipway/manifest.json`. Its own digest, [`Manifest::digest`], identifies the set of bytes
/// of a release wherever one name for all of them is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Always true: a failed build leaves no manifest.
    pub ok: bool,
    /// The project's name.
    pub project: ProjectName,
    /// The version that every file carries.
    pub version: Version,
    /// The commit that was built, as a full object id.
    pub commit: String,
    /// The tree of that commit.
    pub tree: String,
    /// The CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of the CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The seconds since 1970 given to the build as `SOURCE_DATE_EPOCH`: the commit's time.
    pub source_date_epoch: i64,
    /// Whether the headers of the sdist were rewritten after the backend made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub normalized: bool,
    /// Tools and their versions: `shipway`, `python`, the backend and what it required.
    pub tools: BTreeMap<String, String>,
    /// The distribution files, by filename.
    pub files: Vec<ManifestFile>,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ManifestFile {
    /// The filename, without any folder.
    pub filename: String,
    /// The size in bytes.
    pub size: u64,
    /// The digest of the bytes.
    pub sha256: Sha256,
}

impl Manifest {
    /// The identity of the release's bytes; see [`digest_of_files`].
    pub fn digest(&self) -> Sha256 {
        digest_of_files(self.files.iter().map(|file| (file.filename.as_str(), file.sha256)))
    }
}

/// The digest over the lines `<sha256>  <filename>\n`, sorted by filename (the format of `sha256sum`).
///
/// It depends on the bytes and names of the files alone, so any party that holds them can compute it.
pub fn digest_of_files<'a>(files: impl IntoIterator<Item = (&'a str, Sha256)>) -> Sha256 {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort();
    let lines: String = files.iter().map(|(filename, sha256)| format!("{sha256}  {filename}\n")).collect();
    Sha256::of(lines.as_bytes())
}
