//! What GitLab answers, and how it is said in the words of the trait. Unknown fields are ignored.
//!
//! Source of the shapes: GitLab's published description of its REST API, version 4.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::ops::forge::model::{
    Account, Artifact, ArtifactRun, Branch, ChangedFile, Comment, Commit, CommitId, CommitText, ForgeRelease,
    PullRequest, Repository, Run, Side, Tag,
};

/// What starts a pipeline that somebody asked for.
const ASKED: [&str; 4] = ["api", "trigger", "pipeline", "web"];

/// A project.
#[derive(Debug, Deserialize)]
pub(super) struct Project {
    pub(super) id: u64,
    pub(super) path_with_namespace: String,
    #[serde(default)]
    pub(super) default_branch: Option<String>,
    /// Absent or empty for `.gitlab-ci.yml`; hidden from those who may not read jobs.
    #[serde(default)]
    pub(super) ci_config_path: Option<String>,
    /// `disabled`, `private` or `enabled`.
    #[serde(default)]
    pub(super) builds_access_level: Option<String>,
}

impl Project {
    pub(super) fn repository(self) -> Repository {
        Repository { id: self.id, full_name: self.path_with_namespace, default_branch: self.default_branch }
    }
}

/// A merge request. Items of a list lack `diff_refs` and `changes_count`.
#[derive(Debug, Deserialize)]
pub(super) struct MergeRequest {
    iid: u64,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
    #[serde(default)]
    merge_commit_sha: Option<String>,
    #[serde(default)]
    squash_commit_sha: Option<String>,
    /// The tip of the branch; none while it is worked out.
    sha: Option<String>,
    source_branch: String,
    target_branch: String,
    /// None when the fork was deleted.
    source_project_id: Option<u64>,
    target_project_id: u64,
    #[serde(default)]
    diff_refs: Option<DiffRefs>,
    /// A number, or one with a plus sign for "more than are counted".
    #[serde(default)]
    changes_count: Option<String>,
    #[serde(default)]
    merged_by: Option<User>,
    #[serde(default)]
    web_url: String,
}

#[derive(Debug, Deserialize)]
struct DiffRefs {
    #[serde(default)]
    start_sha: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

impl MergeRequest {
    /// In the words of the trait. The commit that the merge made is the merge commit, else the squashed one, else,
    /// of a fast-forward, the branch's own.
    pub(super) fn pull_request(self, path: &str) -> PullRequest {
        let is_merged = self.state == "merged";
        let head = self.sha.unwrap_or_default();
        let made = self.merge_commit_sha.or_else(|| self.squash_commit_sha.clone());
        let made = made.or_else(|| (!head.is_empty()).then(|| head.clone()));
        let project = |id: u64| Repository {
            id,
            full_name: if id == self.target_project_id { path.to_owned() } else { format!("project {id}") },
            default_branch: None,
        };
        // More than are counted is at least one more.
        let count = self.changes_count.as_deref().and_then(|text| match text.strip_suffix('+') {
            Some(least) => least.parse::<u64>().ok().map(|least| least + 1),
            None => text.parse().ok(),
        });
        PullRequest {
            number: self.iid,
            state: if self.state == "opened" { "open".to_owned() } else { self.state },
            merged: Some(is_merged),
            merged_at: self.merged_at.filter(|_| is_merged),
            merge_commit_sha: made.filter(|_| is_merged),
            squash_commit_sha: self.squash_commit_sha.filter(|_| is_merged),
            head: Side { branch: self.source_branch, sha: head, repo: self.source_project_id.map(project) },
            base: Side {
                branch: self.target_branch,
                sha: self.diff_refs.and_then(|refs| refs.start_sha).unwrap_or_default(),
                repo: Some(project(self.target_project_id)),
            },
            // A merge with a token starts pipelines here, so that nobody counts as a bot.
            merged_by: self.merged_by.map(|user| Account { login: user.username, kind: "User".to_owned() }),
            changed_files: count,
            html_url: self.web_url,
        }
    }
}

/// A file that a merge request changes.
#[derive(Debug, Deserialize)]
pub(super) struct Diff {
    old_path: String,
    new_path: String,
}

impl Diff {
    pub(super) fn changed(self) -> ChangedFile {
        let earlier = (self.old_path != self.new_path).then_some(self.old_path);
        ChangedFile { filename: self.new_path, previous_filename: earlier }
    }
}

/// A commit.
#[derive(Debug, Deserialize)]
pub(super) struct GitCommit {
    pub(super) id: String,
    #[serde(default)]
    parent_ids: Vec<String>,
    #[serde(default)]
    message: String,
}

impl GitCommit {
    pub(super) fn commit(self) -> Commit {
        Commit {
            sha: self.id,
            parents: self.parent_ids.into_iter().map(|sha| CommitId { sha }).collect(),
            commit: Some(CommitText { message: self.message }),
        }
    }
}

/// A branch.
#[derive(Debug, Deserialize)]
pub(super) struct GitBranch {
    name: String,
    commit: GitCommit,
    #[serde(default)]
    protected: bool,
}

impl GitBranch {
    pub(super) fn branch(self) -> Branch {
        Branch { name: self.name, commit: self.commit.commit(), protected: self.protected }
    }
}

/// A tag. `commit` is what it leads to, whether it is annotated or not.
#[derive(Debug, Deserialize)]
pub(super) struct GitTag {
    pub(super) name: String,
    commit: GitCommit,
}

impl GitTag {
    pub(super) fn tag(self) -> Tag {
        Tag { name: self.name, object: self.commit.id, is_commit: true }
    }
}

/// A file at a commit.
#[derive(Debug, Deserialize)]
pub(super) struct GitFile {
    pub(super) blob_id: String,
    pub(super) encoding: String,
    pub(super) content: String,
}

/// A pipeline. Items of a list lack `tag`.
#[derive(Debug, Deserialize)]
pub(super) struct Pipeline {
    id: u64,
    project_id: u64,
    source: String,
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    status: String,
    /// Whether `ref` is a tag.
    #[serde(default)]
    tag: Option<bool>,
    updated_at: String,
    /// What the CI file calls it.
    #[serde(default)]
    name: Option<String>,
}

impl Pipeline {
    /// Whether it was started so: `push`, or `workflow_dispatch` for what somebody asked for.
    pub(super) fn is_event(&self, event: &str) -> bool {
        match event {
            "workflow_dispatch" => ASKED.contains(&self.source.as_str()),
            other => self.source == other,
        }
    }

    pub(super) fn run(self, path: &str) -> Run {
        let is_over = matches!(self.status.as_str(), "success" | "failed" | "canceled" | "skipped");
        let (status, conclusion) =
            if is_over { ("completed".to_owned(), Some(self.status)) } else { (self.status, None) };
        let repository = Repository { id: self.project_id, full_name: path.to_owned(), default_branch: None };
        Run {
            id: self.id,
            workflow_id: None,
            path: None,
            event: self.source,
            status: Some(status),
            conclusion,
            head_branch: (self.tag != Some(true)).then_some(self.reference),
            head_sha: self.sha,
            run_attempt: None,
            updated_at: self.updated_at,
            display_title: self.name.unwrap_or_default(),
            // A pipeline of a push runs in the project that was pushed to; one of a fork's merge request has
            // another source and another ref.
            head_repository: Some(repository.clone()),
            repository,
            referenced_workflows: None,
        }
    }
}

/// A job of a pipeline.
#[derive(Debug, Deserialize)]
pub(super) struct Job {
    id: u64,
    name: String,
    status: String,
    /// The archive; absent when there never was one, or when it is gone.
    #[serde(default)]
    artifacts_file: Option<ArtifactsFile>,
    #[serde(default)]
    artifacts_expire_at: Option<String>,
    pipeline: JobPipeline,
}

#[derive(Debug, Deserialize)]
struct ArtifactsFile {
    #[serde(default)]
    size: u64,
}

#[derive(Debug, Deserialize)]
struct JobPipeline {
    id: u64,
    #[serde(default)]
    sha: Option<String>,
}

impl Job {
    /// Its archive; none when it left none, or did not succeed.
    pub(super) fn artifact(self) -> Option<Artifact> {
        // What had a time to end and is no longer there has ended.
        let expired = self.artifacts_file.is_none();
        if self.status != "success" || (expired && self.artifacts_expire_at.is_none()) {
            return None;
        }
        Some(Artifact {
            id: self.id,
            name: self.name,
            size_in_bytes: self.artifacts_file.map_or(0, |file| file.size),
            expired,
            digest: None,
            workflow_run: Some(ArtifactRun { id: self.pipeline.id, head_sha: self.pipeline.sha }),
        })
    }
}

/// A note on a merge request.
#[derive(Debug, Deserialize)]
pub(super) struct Note {
    id: u64,
    #[serde(default)]
    body: String,
    /// Written by GitLab itself.
    #[serde(default)]
    system: bool,
}

impl Note {
    pub(super) fn comment(self) -> Option<Comment> {
        (!self.system).then_some(Comment { id: self.id, body: self.body })
    }
}

/// A release.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    tag_name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Debug, Default, Deserialize)]
struct Links {
    #[serde(default, rename = "self")]
    page: String,
}

impl Shown {
    pub(super) fn release(self) -> ForgeRelease {
        ForgeRelease { id: None, tag_name: self.tag_name, body: self.description, html_url: self.links.page }
    }
}

/// The number of a pipeline that was started.
#[derive(Debug, Deserialize)]
pub(super) struct Started {
    pub(super) id: u64,
}

/// The bytes of a file's content.
pub(super) fn bytes_of(what: &str, file: &GitFile) -> Result<Vec<u8>> {
    use base64::Engine as _;
    if file.encoding != "base64" {
        return Err(Error::incomplete("incomplete-answer", format!("the forge does not give the {what}")));
    }
    let text: String = file.content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| {
        Error::incomplete("unexpected-answer", format!("the {what} is not base64")).cause(error.to_string())
    })
}
