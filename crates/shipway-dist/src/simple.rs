//! The simple API's JSON pages (PEP 691, 700, 592, 714, 740, 792), as the index writes them and the pipeline reads them.

pub mod html;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The API version that the index speaks; HTML is frozen at it (PEP 833).
pub const API_VERSION: &str = "1.4";
/// The content type of a JSON page.
pub const JSON_TYPE: &str = "application/vnd.pypi.simple.v1+json";
/// The content type of an HTML page.
pub const HTML_TYPE: &str = "application/vnd.pypi.simple.v1+html";

/// `meta` of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The API version, `1.4`.
    #[serde(rename = "api-version")]
    pub api_version: String,
}

impl Default for Meta {
    fn default() -> Self {
        Self { api_version: API_VERSION.to_owned() }
    }
}

/// The page of one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectPage {
    /// The API version.
    pub meta: Meta,
    /// The normalized name.
    pub name: String,
    /// All versions, in order.
    #[serde(default)]
    pub versions: Vec<String>,
    /// All files.
    pub files: Vec<PageFile>,
    /// The project's status (PEP 792), absent for `active`.
    #[serde(default, rename = "project-status", skip_serializing_if = "Option::is_none")]
    pub project_status: Option<ProjectStatus>,
}

/// The status of a project (PEP 792).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// `active`, `archived`, `quarantined` or `deprecated`.
    pub status: String,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A file of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFile {
    /// The filename.
    pub filename: String,
    /// Where the bytes are, absolute or relative to the page.
    pub url: String,
    /// Digests by algorithm; the index always gives `sha256`.
    pub hashes: BTreeMap<String, String>,
    /// The size in bytes; absent on old indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When it was uploaded, `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
    #[serde(default, rename = "upload-time", skip_serializing_if = "Option::is_none")]
    pub upload_time: Option<String>,
    /// `Requires-Python` of the metadata.
    #[serde(default, rename = "requires-python")]
    pub requires_python: Option<String>,
    /// Whether resolvers skip it (PEP 592).
    #[serde(default)]
    pub yanked: Yanked,
    /// Whether `.metadata` is served beside the file (PEP 714).
    #[serde(default, rename = "core-metadata", skip_serializing_if = "CoreMetadata::is_absent")]
    pub core_metadata: CoreMetadata,
    /// The older key for the same (PEP 658), which some clients still read.
    #[serde(default, rename = "data-dist-info-metadata", skip_serializing_if = "CoreMetadata::is_absent")]
    pub dist_info_metadata: CoreMetadata,
    /// Where the provenance is (PEP 740).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
}

/// Whether a file is yanked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Yanked {
    /// Yanked without a reason, or not yanked.
    Flag(bool),
    /// Yanked, and why.
    Reason(String),
}

impl Default for Yanked {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl Yanked {
    /// Whether resolvers skip the file.
    pub fn is_yanked(&self) -> bool {
        !matches!(self, Self::Flag(false))
    }
}

/// Whether the metadata of a file stands beside it, and its digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CoreMetadata {
    /// Served without a digest, or not served.
    Flag(bool),
    /// Served; digests by algorithm.
    Hashes(BTreeMap<String, String>),
}

impl Default for CoreMetadata {
    fn default() -> Self {
        Self::Flag(false)
    }
}

impl CoreMetadata {
    /// Whether no metadata is served.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Flag(false))
    }
}

/// The list of all projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectList {
    /// The API version.
    pub meta: Meta,
    /// One entry a project.
    pub projects: Vec<ProjectListEntry>,
}

/// An entry of the list of projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectListEntry {
    /// The name as the project writes it.
    pub name: String,
}
