//! The forge: pull requests, runs, artifacts, releases. One trait; [`github::GitHub`] and [`gitlab::GitLab`] are its
//! clients.
//!
//! Nothing here decides anything. What a forge cannot answer is an error with its own code, never an empty list.

pub mod client;
pub mod github;
mod github_guards;
pub mod gitlab;
pub mod guards;
pub mod location;
mod model;
mod status;

use std::path::Path;

pub use client::Requests;
pub use location::Location;
pub use model::{
    Account, Artifact, ArtifactRun, Attestation, Blob, Branch, ChangedFile, Comment, Commit, CommitId,
    CommitText, Comparison, Download, ForgeRelease, NewForgeRelease, NewPullRequest, PullRequest,
    ReferencedWorkflow, Repository, Run, RunQuery, Side, Tag, Workflow,
};

use crate::error::Result;

/// A forge, as decisions about releases need it. Every answer is read now; nothing is remembered but for
/// conditional requests.
pub trait Forge {
    /// Where it is.
    fn location(&self) -> &Location;

    /// The repository.
    ///
    /// # Errors
    /// When the forge does not say.
    fn repository(&self) -> Result<Repository>;

    /// One pull request.
    ///
    /// # Errors
    /// When the forge does not say, or there is none.
    fn pull_request(&self, number: u64) -> Result<PullRequest>;

    /// The pull requests that hold a commit. On GitHub this is complete for the default branch alone (row B16).
    ///
    /// # Errors
    /// When the forge does not say.
    fn pull_requests_of(&self, commit: &str) -> Result<Vec<PullRequest>>;

    /// The pull requests from a branch of the repository itself, in any state.
    ///
    /// # Errors
    /// When the forge does not say.
    fn pull_requests_from(&self, branch: &str) -> Result<Vec<PullRequest>>;

    /// Every pull request, oldest first.
    ///
    /// # Errors
    /// When the forge does not say.
    fn all_pull_requests(&self) -> Result<Vec<PullRequest>>;

    /// The files that a pull request changes.
    ///
    /// # Errors
    /// When the forge does not say all of them.
    fn changed_files(&self, pull_request: &PullRequest) -> Result<Vec<ChangedFile>>;

    /// A branch; none when there is none.
    ///
    /// # Errors
    /// When the forge does not say.
    fn branch(&self, name: &str) -> Result<Option<Branch>>;

    /// How `first` stands to `second`; none when one of them does not exist.
    ///
    /// # Errors
    /// When the forge does not say.
    fn compare(&self, first: &str, second: &str) -> Result<Option<Comparison>>;

    /// A file at a commit; none when it does not exist there.
    ///
    /// # Errors
    /// When the forge does not say.
    fn file(&self, path: &str, commit: &str) -> Result<Option<Blob>>;

    /// The tags whose names begin so.
    ///
    /// # Errors
    /// When the forge does not say.
    fn tags(&self, prefix: &str) -> Result<Vec<Tag>>;

    /// Makes an annotated tag at a commit; never moves one.
    ///
    /// # Errors
    /// When the forge does not, also because there is one.
    fn create_tag(&self, name: &str, commit: &str, message: &str) -> Result<()>;

    /// A workflow by its file name; where the forge has one CI file a project, that one.
    ///
    /// # Errors
    /// When the forge does not say, or there is none.
    fn workflow(&self, file: &str) -> Result<Workflow>;

    /// The runs of a workflow, newest first.
    ///
    /// # Errors
    /// When the forge does not say.
    fn runs(&self, workflow: &str, query: &RunQuery) -> Result<Vec<Run>>;

    /// One run.
    ///
    /// # Errors
    /// When the forge does not say, or there is none.
    fn run(&self, id: u64) -> Result<Run>;

    /// All artifacts of a run; on GitLab the archives of the jobs that succeeded, those of retried jobs left out.
    ///
    /// # Errors
    /// When the forge does not say all of them.
    fn artifacts(&self, run: u64) -> Result<Vec<Artifact>>;

    /// Downloads an artifact into a file while hashing; more than `limit` bytes are refused.
    ///
    /// # Errors
    /// When it is gone or does not come through.
    fn download(&self, artifact: u64, to: &Path, limit: u64) -> Result<Download>;

    /// The attestations about a digest.
    ///
    /// # Errors
    /// When the forge does not say.
    fn attestations(&self, digest: &shipway_dist::Sha256) -> Result<Vec<Attestation>>;

    /// Starts a workflow on a branch; gives the run's number where the forge tells it.
    ///
    /// # Errors
    /// When the forge does not start it. It is sent once only.
    fn dispatch(&self, workflow: &str, branch: &str, inputs: &[(&str, String)]) -> Result<Option<u64>>;

    /// Opens a pull request.
    ///
    /// # Errors
    /// When the forge does not.
    fn open_pull_request(&self, new: &NewPullRequest) -> Result<PullRequest>;

    /// The comments on a pull request.
    ///
    /// # Errors
    /// When the forge does not say.
    fn comments(&self, number: u64) -> Result<Vec<Comment>>;

    /// Comments on a pull request.
    ///
    /// # Errors
    /// When the forge does not take it.
    fn comment(&self, number: u64, body: &str) -> Result<()>;

    /// The release shown for a tag.
    ///
    /// # Errors
    /// When the forge does not say.
    fn release_of(&self, tag: &str) -> Result<Option<ForgeRelease>>;

    /// Shows a release for a tag.
    ///
    /// # Errors
    /// When the forge does not.
    fn create_release(&self, new: &NewForgeRelease) -> Result<ForgeRelease>;

    /// The page on which a person opens a pull request from a branch, percent-encoded.
    fn compare_url(&self, new: &NewPullRequest) -> String;

    /// What it guards the repository with, where that can be read.
    fn guards(&self) -> Option<&dyn guards::Guards> {
        None
    }

    /// Waits before asking again.
    fn pause(&self, time: std::time::Duration);

    /// What was asked so far.
    fn requests(&self) -> Requests;
}
