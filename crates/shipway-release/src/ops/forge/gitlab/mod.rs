//! The client of GitLab, hosted or self-managed: merge requests, pipelines, archives of jobs.
//!
//! Where GitLab knows less than the trait asks, the answer is none: a pipeline counts no attempts and names no file,
//! an archive has no digest.

mod model;

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::Forge;
use super::client::{Answer, Ask, Client, Headers, Requests};
use super::location::Location;
use super::model::{
    Artifact, Attestation, Blob, Branch, ChangedFile, Comment, Comparison, Download, ForgeRelease,
    NewForgeRelease, NewPullRequest, PullRequest, Repository, Run, RunQuery, Tag, Workflow,
};
use crate::error::{Error, Result};
use model::{
    Diff, GitBranch, GitCommit, GitFile, GitTag, Job, MergeRequest, Note, Pipeline, Project, Shown, Started,
    bytes_of,
};

/// The CI file of a project that names none.
const DEFAULT_FILE: &str = ".gitlab-ci.yml";
const PAGE: (&str, &str) = ("per_page", "100");

/// A forge with GitLab's API.
#[derive(Debug)]
pub struct GitLab {
    client: Client,
}

impl GitLab {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// See [`Client::new`].
    pub fn new(location: Location, sleep: fn(Duration)) -> Result<Self> {
        let headers = Headers::gitlab(location.is_job_token);
        Ok(Self { client: Client::new(location, headers, sleep)? })
    }

    /// The URL of something of the project, which is named by its number where that is known: a rename keeps it.
    fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<Url> {
        let location = &self.client.location;
        let project = match location.repository_id {
            Some(id) => id.to_string(),
            None => location.repository.clone(),
        };
        let mut all = vec!["projects", &project];
        all.extend(parts);
        self.client.url(&all, query)
    }

    fn post(&self, what: &str, parts: &[&str], body: &Value) -> Result<Answer> {
        let ask = Ask { what, method: Method::POST, url: self.url(parts, &[])?, body: Some(body) };
        let answer = self.client.ask(&ask)?;
        self.client.succeed(what, answer)
    }

    fn path(&self) -> &str {
        &self.client.location.repository
    }

    fn merge_requests(&self, what: &str, url: Url) -> Result<Vec<PullRequest>> {
        let found = self.client.pages(what, url, |page: Vec<MergeRequest>| page)?;
        Ok(found.into_iter().map(|one| one.pull_request(self.path())).collect())
    }

    /// The commit that a name leads to; none when there is none.
    fn commit_of(&self, name: &str) -> Result<Option<String>> {
        if matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Some(name.to_owned()));
        }
        let url = self.url(&["repository", "commits", name], &[])?;
        let found: Option<GitCommit> = self.client.get_optional(&format!("commit `{name}`"), url)?;
        Ok(found.map(|one| one.id))
    }

    /// Where two histories part; none when they have nothing in common, or one does not exist.
    fn merge_base(&self, first: &str, second: &str) -> Result<Option<GitCommit>> {
        let what = format!("comparison of `{first}` with `{second}`");
        let url = self.url(&["repository", "merge_base"], &[("refs[]", first), ("refs[]", second)])?;
        let answer = self.client.ask(&Ask { what: &what, method: Method::GET, url, body: None })?;
        let is_unknown = answer.status == StatusCode::BAD_REQUEST
            && String::from_utf8_lossy(&answer.body).contains("Could not find ref");
        if is_unknown || answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.client.read(&what, &self.client.succeed(&what, answer)?).map(Some)
    }
}

impl Forge for GitLab {
    fn location(&self) -> &Location {
        &self.client.location
    }

    fn repository(&self) -> Result<Repository> {
        let project: Project = self.client.get(&format!("project `{}`", self.path()), self.url(&[], &[])?)?;
        Ok(project.repository())
    }

    fn pull_request(&self, number: u64) -> Result<PullRequest> {
        let url = self.url(&["merge_requests", &number.to_string()], &[])?;
        let found: MergeRequest = self.client.get(&format!("merge request !{number}"), url)?;
        Ok(found.pull_request(self.path()))
    }

    fn pull_requests_of(&self, commit: &str) -> Result<Vec<PullRequest>> {
        let url = self.url(&["repository", "commits", commit, "merge_requests"], &[PAGE])?;
        self.merge_requests(&format!("merge requests of commit `{commit}`"), url)
    }

    fn pull_requests_from(&self, branch: &str) -> Result<Vec<PullRequest>> {
        let query = [("source_branch", branch), ("state", "all"), ("scope", "all"), PAGE];
        let url = self.url(&["merge_requests"], &query)?;
        let mut all = self.merge_requests(&format!("merge requests from `{branch}`"), url)?;
        // Those of forks have branches of the same name.
        let is_own = |one: &PullRequest| match (&one.head.repo, &one.base.repo) {
            (Some(head), Some(base)) => head.id == base.id,
            _ => false,
        };
        all.retain(|one| one.head.branch == branch && is_own(one));
        Ok(all)
    }

    fn all_pull_requests(&self) -> Result<Vec<PullRequest>> {
        let query = [("state", "all"), ("scope", "all"), ("order_by", "created_at"), ("sort", "asc"), PAGE];
        self.merge_requests("merge requests", self.url(&["merge_requests"], &query)?)
    }

    fn changed_files(&self, pull_request: &PullRequest) -> Result<Vec<ChangedFile>> {
        let number = pull_request.number;
        let what = format!("files of merge request !{number}");
        let url = self.url(&["merge_requests", &number.to_string(), "diffs"], &[PAGE])?;
        let files = self.client.pages(&what, url, |page: Vec<Diff>| page)?;
        // GitLab counts later than it makes a merge request, and lists no more than its limit allows.
        if pull_request.changed_files != Some(files.len() as u64) {
            let expected =
                pull_request.changed_files.map_or("an unknown number".to_owned(), |count| count.to_string());
            return Err(Error::incomplete(
                "incomplete-answer",
                format!("the forge lists {} of {expected} {what}", files.len()),
            ));
        }
        Ok(files.into_iter().map(Diff::changed).collect())
    }

    fn branch(&self, name: &str) -> Result<Option<Branch>> {
        let url = self.url(&["repository", "branches", name], &[])?;
        let branch: Option<GitBranch> = self.client.get_optional(&format!("branch `{name}`"), url)?;
        Ok(branch.map(GitBranch::branch).filter(|branch| branch.name == name))
    }

    fn compare(&self, first: &str, second: &str) -> Result<Option<Comparison>> {
        let (Some(first), Some(second)) = (self.commit_of(first)?, self.commit_of(second)?) else {
            return Ok(None);
        };
        let Some(base) = self.merge_base(&first, &second)? else { return Ok(None) };
        let status = match (base.id == first, base.id == second) {
            (true, true) => "identical",
            (true, false) => "ahead",
            (false, true) => "behind",
            (false, false) => "diverged",
        };
        Ok(Some(Comparison { status: status.to_owned(), merge_base_commit: base.commit() }))
    }

    fn file(&self, path: &str, commit: &str) -> Result<Option<Blob>> {
        let what = format!("file `{path}` at `{commit}`");
        let url = self.url(&["repository", "files", path], &[("ref", commit)])?;
        let Some(file) = self.client.get_optional::<GitFile>(&what, url)? else { return Ok(None) };
        let bytes = bytes_of(&what, &file)?;
        Ok(Some(Blob { sha: file.blob_id, bytes }))
    }

    fn tags(&self, prefix: &str) -> Result<Vec<Tag>> {
        let search = format!("^{prefix}");
        let url = self.url(&["repository", "tags"], &[("search", &search), PAGE])?;
        let found = self.client.pages(&format!("tags `{prefix}*`"), url, |page: Vec<GitTag>| page)?;
        Ok(found.into_iter().filter(|one| one.name.starts_with(prefix)).map(GitTag::tag).collect())
    }

    fn create_tag(&self, name: &str, commit: &str, message: &str) -> Result<()> {
        let body = json!({ "tag_name": name, "ref": commit, "message": message });
        self.post(&format!("tag `{name}`"), &["repository", "tags"], &body).map(|_| ())
    }

    fn workflow(&self, _file: &str) -> Result<Workflow> {
        let project: Project = self.client.get(&format!("project `{}`", self.path()), self.url(&[], &[])?)?;
        let path = project.ci_config_path.filter(|path| !path.is_empty());
        let state = match project.builds_access_level.as_deref() {
            Some("disabled") => "disabled",
            _ => "active",
        };
        Ok(Workflow {
            id: None,
            path: path.unwrap_or_else(|| DEFAULT_FILE.to_owned()),
            state: state.to_owned(),
        })
    }

    fn runs(&self, workflow: &str, query: &RunQuery) -> Result<Vec<Run>> {
        let mut filters = vec![PAGE];
        let optional = [
            ("source", query.event.filter(|event| *event != "workflow_dispatch")),
            ("ref", query.branch.as_deref()),
            ("sha", query.head_sha.as_deref()),
            ("updated_after", query.since.as_deref()),
        ];
        filters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let url = self.url(&["pipelines"], &filters)?;
        let mut found =
            self.client.pages(&format!("pipelines of `{workflow}`"), url, |page: Vec<Pipeline>| page)?;
        found.retain(|one| query.event.is_none_or(|event| one.is_event(event)));
        let mut runs: Vec<Run> = found.into_iter().map(|one| one.run(self.path())).collect();
        // A filter that a server does not know must not let a foreign run in.
        runs.retain(|run| {
            query.branch.as_ref().is_none_or(|branch| run.head_branch.as_ref() == Some(branch))
                && query.head_sha.as_ref().is_none_or(|sha| run.head_sha == *sha)
        });
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        Ok(runs)
    }

    fn run(&self, id: u64) -> Result<Run> {
        let url = self.url(&["pipelines", &id.to_string()], &[])?;
        let found: Pipeline = self.client.get(&format!("pipeline `{id}`"), url)?;
        Ok(found.run(self.path()))
    }

    fn artifacts(&self, run: u64) -> Result<Vec<Artifact>> {
        // Jobs that were run again are left out, so that each name has its newest job.
        let url = self.url(&["pipelines", &run.to_string(), "jobs"], &[PAGE])?;
        let jobs = self.client.pages(&format!("jobs of pipeline `{run}`"), url, |page: Vec<Job>| page)?;
        Ok(jobs.into_iter().filter_map(Job::artifact).collect())
    }

    fn download(&self, artifact: u64, to: &Path, limit: u64) -> Result<Download> {
        let url = self.url(&["jobs", &artifact.to_string(), "artifacts"], &[])?;
        self.client.download(&format!("archive of job `{artifact}`"), url, to, limit)
    }

    fn attestations(&self, _digest: &shipway_dist::Sha256) -> Result<Vec<Attestation>> {
        // The configuration refuses to ask for them.
        Err(Error::usage("no-attestations", "GitLab keeps no attestations that shipway reads"))
    }

    fn dispatch(&self, workflow: &str, branch: &str, inputs: &[(&str, String)]) -> Result<Option<u64>> {
        let what = format!("start of a pipeline for `{workflow}`");
        let variables = inputs
            .iter()
            .map(|(name, value)| (format!("SHIPWAY_{}", name.to_uppercase()), value.clone()))
            .chain([("SHIPWAY_WORKFLOW".to_owned(), workflow.to_owned())]);
        let location = &self.client.location;
        let answer = match (&location.token, location.is_job_token) {
            // A job's token may start a pipeline by this route alone, where it is a trigger's token.
            (Some(token), true) => {
                let variables: serde_json::Map<String, Value> =
                    variables.map(|(name, value)| (name, value.into())).collect();
                let body = json!({ "token": token.expose(), "ref": branch, "variables": variables });
                self.post(&what, &["trigger", "pipeline"], &body)?
            }
            _ => {
                let variables: Vec<Value> =
                    variables.map(|(name, value)| json!({ "key": name, "value": value })).collect();
                self.post(&what, &["pipeline"], &json!({ "ref": branch, "variables": variables }))?
            }
        };
        Ok(Some(self.client.read::<Started>(&what, &answer)?.id))
    }

    fn open_pull_request(&self, new: &NewPullRequest) -> Result<PullRequest> {
        let body = json!({
            "source_branch": new.head, "target_branch": new.base, "title": new.title, "description": new.body,
        });
        let what = format!("merge request from `{}`", new.head);
        let answer = self.post(&what, &["merge_requests"], &body)?;
        Ok(self.client.read::<MergeRequest>(&what, &answer)?.pull_request(self.path()))
    }

    fn comments(&self, number: u64) -> Result<Vec<Comment>> {
        let url = self.url(&["merge_requests", &number.to_string(), "notes"], &[("sort", "asc"), PAGE])?;
        let notes = self.client.pages(&format!("notes on !{number}"), url, |page: Vec<Note>| page)?;
        Ok(notes.into_iter().filter_map(Note::comment).collect())
    }

    fn comment(&self, number: u64, body: &str) -> Result<()> {
        let parts = ["merge_requests", &number.to_string(), "notes"];
        self.post(&format!("note on !{number}"), &parts, &json!({ "body": body })).map(|_| ())
    }

    fn release_of(&self, tag: &str) -> Result<Option<ForgeRelease>> {
        let url = self.url(&["releases", tag], &[])?;
        let found: Option<Shown> = self.client.get_optional(&format!("release of tag `{tag}`"), url)?;
        Ok(found.map(Shown::release))
    }

    fn create_release(&self, new: &NewForgeRelease) -> Result<ForgeRelease> {
        // GitLab has no word for a pre-release; its version says so.
        let body = json!({ "tag_name": new.tag, "name": new.title, "description": new.body });
        let what = format!("release of tag `{}`", new.tag);
        let answer = self.post(&what, &["releases"], &body)?;
        Ok(self.client.read::<Shown>(&what, &answer)?.release())
    }

    fn compare_url(&self, new: &NewPullRequest) -> String {
        let location = &self.client.location;
        let mut url = location.server.clone().unwrap_or_else(|| location.api.clone());
        // A URL with a host has a path; were it otherwise, the root is still of use to a person.
        if let Ok(mut segments) = url.path_segments_mut() {
            let page = ["-", "merge_requests", "new"];
            segments.pop_if_empty().extend(location.repository.split('/')).extend(page);
        }
        // Browsers and servers cut an address that is longer; the title alone is better than half a text.
        const LONGEST: usize = 6000;
        url.query_pairs_mut()
            .append_pair("merge_request[source_branch]", &new.head)
            .append_pair("merge_request[target_branch]", &new.base)
            .append_pair("merge_request[title]", &new.title);
        let mut whole = url.clone();
        whole.query_pairs_mut().append_pair("merge_request[description]", &new.body);
        if whole.as_str().len() <= LONGEST { whole.into() } else { url.into() }
    }

    fn pause(&self, time: Duration) {
        self.client.pause(time);
    }

    fn requests(&self) -> Requests {
        self.client.requests()
    }
}
