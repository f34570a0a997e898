//! What a forge says, reduced to the fields that decisions use. The names are those of GitHub's API; unknown fields
//! are ignored, so that both dated versions of it are read. What another forge does not say is none.

use serde::{Deserialize, Deserializer};

/// A field that GitHub always tells and another forge may not know: absent is an error, not none.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    /// Its number, which a rename does not change.
    pub id: u64,
    /// `OWNER/NAME` now.
    #[serde(default)]
    pub full_name: String,
    /// The branch that clones check out.
    #[serde(default)]
    pub default_branch: Option<String>,
}

/// One side of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Side {
    /// The branch, without `refs/heads/`.
    #[serde(rename = "ref")]
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// The repository; none when it was deleted.
    pub repo: Option<Repository>,
}

/// A pull request. Items of a list lack `merged`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`; on GitLab also `merged`, and `locked` while it is merged.
    pub state: String,
    /// Whether it was merged; none in a list.
    #[serde(default)]
    pub merged: Option<bool>,
    /// When it was merged, RFC 3339.
    #[serde(default)]
    pub merged_at: Option<String>,
    /// The commit that the merge made; of an open one a test merge.
    #[serde(default)]
    pub merge_commit_sha: Option<String>,
    /// The one commit of all its changes that the forge made and then merged (GitLab's squash).
    #[serde(default)]
    pub squash_commit_sha: Option<String>,
    /// What it brings.
    pub head: Side,
    /// Where to.
    pub base: Side,
    /// Who merged it; explains, never decides.
    #[serde(default)]
    pub merged_by: Option<Account>,
    /// How many files it changes; none in a list.
    #[serde(default)]
    pub changed_files: Option<u64>,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
}

/// Somebody at the forge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The name.
    pub login: String,
    /// `User` or `Bot`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// A file that a pull request changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChangedFile {
    /// The path.
    pub filename: String,
    /// The path before, of a renamed file.
    #[serde(default)]
    pub previous_filename: Option<String>,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub commit: Commit,
    /// Whether a rule protects it.
    #[serde(default)]
    pub protected: bool,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Commit {
    /// Its id.
    pub sha: String,
    /// Its parents, where they are told.
    #[serde(default)]
    pub parents: Vec<CommitId>,
    /// Its text; explains, never decides (row B13).
    #[serde(default)]
    pub commit: Option<CommitText>,
}

/// The id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitId {
    /// The id.
    pub sha: String,
}

/// The text of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitText {
    /// The message.
    #[serde(default)]
    pub message: String,
}

/// How two commits stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comparison {
    /// `identical`, `ahead`, `behind` or `diverged`.
    pub status: String,
    /// Where their histories part.
    pub merge_base_commit: Commit,
}

impl Comparison {
    /// Whether the first commit is in the history of the second.
    pub fn contains(&self, first: &str) -> bool {
        matches!(self.status.as_str(), "identical" | "ahead") && self.merge_base_commit.sha == first
    }
}

/// A file at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The id of the blob.
    pub sha: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Workflow {
    /// Its number; none where the forge has one CI file a project.
    #[serde(deserialize_with = "told")]
    pub id: Option<u64>,
    /// Its file.
    pub path: String,
    /// `active`, or why it does not run.
    pub state: String,
}

/// A run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: u64,
    /// The workflow's number; none where the forge has one CI file a project.
    #[serde(deserialize_with = "told")]
    pub workflow_id: Option<u64>,
    /// The workflow's file, some servers append `@REF`; none where only the project's setting tells it.
    #[serde(deserialize_with = "told")]
    pub path: Option<String>,
    /// What started it.
    pub event: String,
    /// How far it is.
    pub status: Option<String>,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The branch, or the tag, that it ran on.
    pub head_branch: Option<String>,
    /// The commit that it ran on.
    pub head_sha: String,
    /// Which attempt this is, from 1; none where the forge counts none, and jobs get new numbers instead.
    #[serde(default = "first")]
    pub run_attempt: Option<u32>,
    /// When anything of it last changed.
    pub updated_at: String,
    /// Its title, which the workflow file may set.
    #[serde(default)]
    pub display_title: String,
    /// The repository that it runs in.
    pub repository: Repository,
    /// The repository that its commit came from; none when it was deleted.
    pub head_repository: Option<Repository>,
    /// Workflow files that it called.
    #[serde(default)]
    pub referenced_workflows: Option<Vec<ReferencedWorkflow>>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of a field")]
fn first() -> Option<u32> {
    Some(1)
}

/// A workflow file that a run called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReferencedWorkflow {
    /// Repository, file and ref.
    pub path: String,
    /// The commit of it.
    pub sha: String,
}

/// An artifact of a run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Artifact {
    /// Its number; one that was deleted and made again has a new one. On GitLab that of the job.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its size as stored.
    #[serde(default)]
    pub size_in_bytes: u64,
    /// Whether it is gone.
    pub expired: bool,
    /// `sha256:…` of the bytes that a download gives; none from old uploaders and on GitLab.
    #[serde(default)]
    pub digest: Option<String>,
    /// The run that made it.
    #[serde(default)]
    pub workflow_run: Option<ArtifactRun>,
}

/// The run that made an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ArtifactRun {
    /// Its number.
    pub id: u64,
    /// Its commit.
    #[serde(default)]
    pub head_sha: Option<String>,
}

/// Which runs of a workflow are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only of this event.
    pub event: Option<&'static str>,
    /// Only of this branch.
    pub branch: Option<String>,
    /// Only of this commit.
    pub head_sha: Option<String>,
    /// Only begun since, RFC 3339.
    pub since: Option<String>,
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// The branch that it brings.
    pub head: String,
    /// The branch that it goes to.
    pub base: String,
    /// Its title.
    pub title: String,
    /// Its text, in Markdown.
    pub body: String,
}

/// A tag as the forge lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The name, without `refs/tags/`.
    pub name: String,
    /// What it points at: the commit, or the tag object of an annotated one.
    pub object: String,
    /// Whether `object` is the commit itself.
    pub is_commit: bool,
}

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// Its text.
    #[serde(default)]
    pub body: String,
}

/// A release as the forge shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ForgeRelease {
    /// Its number, where it has one.
    #[serde(default)]
    pub id: Option<u64>,
    /// Its tag.
    pub tag_name: String,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
}

/// A release to show on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewForgeRelease {
    /// Its tag, which exists.
    pub tag: String,
    /// Its title.
    pub title: String,
    /// Its text, in Markdown.
    pub body: String,
    /// Whether it is a pre-release.
    pub prerelease: bool,
}

/// An attestation that the forge keeps about a digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attestation {
    /// The repository that it was made in.
    #[serde(default)]
    pub repository_id: Option<u64>,
    /// The bundle.
    #[serde(default)]
    pub bundle: serde_json::Value,
}

/// What a downloaded artifact turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The digest of the bytes.
    pub sha256: shipway_dist::Sha256,
    /// How many.
    pub size: u64,
}
