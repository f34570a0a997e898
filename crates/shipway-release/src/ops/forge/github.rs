//! The client of GitHub and of servers with its API.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::client::{Ask, Client, Headers, Requests};
use super::location::Location;
use super::model::{
    Artifact, Attestation, Blob, Branch, ChangedFile, Comment, Comparison, Download, ForgeRelease,
    NewForgeRelease, NewPullRequest, PullRequest, Repository, Run, RunQuery, Tag, Workflow,
};
use super::{Forge, status};
use crate::error::{Error, Result};

/// A forge with GitHub's API.
#[derive(Debug)]
pub struct GitHub {
    pub(super) client: Client,
    /// `OWNER/NAME` now, of a repository that was renamed or transferred.
    now: RefCell<Option<String>>,
}

impl GitHub {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// See [`Client::new`].
    pub fn new(location: Location, sleep: fn(Duration)) -> Result<Self> {
        Ok(Self { client: Client::new(location, Headers::github(), sleep)?, now: RefCell::default() })
    }

    pub(super) fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Result<url::Url> {
        let number = self.client.moved_to().map(|number| number.to_string());
        let repository = &self.client.location.repository;
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let mut all = match &number {
            Some(number) => vec!["repositories", number],
            None => vec!["repos", owner, name],
        };
        all.extend(parts);
        self.client.url(&all, query)
    }

    /// The owner now: of a repository that was transferred it is another than the configured one.
    fn owner(&self) -> Result<String> {
        let owner = |full: &str| full.split_once('/').map(|(owner, _)| owner.to_owned());
        if self.client.moved_to().is_some() {
            let known = self.now.borrow().clone();
            let full = match known {
                Some(full) => full,
                None => self.repository()?.full_name,
            };
            if let Some(owner) = owner(&full) {
                return Ok(owner);
            }
        }
        Ok(self.client.location.owner().to_owned())
    }

    /// Remembers what the repository is called now, as an answer told by the way.
    fn hear(&self, repository: &Repository) {
        if self.client.moved_to() == Some(repository.id) && !repository.full_name.is_empty() {
            *self.now.borrow_mut() = Some(repository.full_name.clone());
        }
    }

    fn post(&self, what: &str, parts: &[&str], body: &serde_json::Value) -> Result<super::client::Answer> {
        let ask = Ask { what, method: Method::POST, url: self.url(parts, &[])?, body: Some(body) };
        let answer = self.client.ask(&ask)?;
        self.client.succeed(what, answer)
    }
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Artifacts {
    total_count: usize,
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Attestations {
    attestations: Vec<Attestation>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "type")]
    kind: String,
    sha: String,
    #[serde(default)]
    encoding: String,
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    name: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Sha {
    sha: String,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: Option<u64>,
}

pub(super) const PAGE: (&str, &str) = ("per_page", "100");

impl Forge for GitHub {
    fn location(&self) -> &Location {
        &self.client.location
    }

    fn repository(&self) -> Result<Repository> {
        let what = format!("repository `{}`", self.client.location.repository);
        let found: Repository = self.client.get(&what, self.url(&[], &[])?)?;
        self.hear(&found);
        Ok(found)
    }

    fn pull_request(&self, number: u64) -> Result<PullRequest> {
        self.client.get(&format!("pull request #{number}"), self.url(&["pulls", &number.to_string()], &[])?)
    }

    fn pull_requests_of(&self, commit: &str) -> Result<Vec<PullRequest>> {
        let url = self.url(&["commits", commit, "pulls"], &[PAGE])?;
        self.client.pages(&format!("pull requests of commit `{commit}`"), url, |page: Vec<PullRequest>| page)
    }

    fn pull_requests_from(&self, branch: &str) -> Result<Vec<PullRequest>> {
        let what = format!("pull requests from `{branch}`");
        let ask = |owner: &str| {
            let head = format!("{owner}:{branch}");
            let url = self.url(&["pulls"], &[("state", "all"), ("head", &head), PAGE])?;
            self.client.pages(&what, url, |page: Vec<PullRequest>| page)
        };
        let owner = self.owner()?;
        let mut all = ask(&owner)?;
        // This very request may have shown that the repository has another owner now.
        let now = self.owner()?;
        if now != owner {
            all = ask(&now)?;
        }
        // Some servers ignore a filter that they do not know.
        all.retain(|one| one.head.branch == branch);
        Ok(all)
    }

    fn all_pull_requests(&self) -> Result<Vec<PullRequest>> {
        let query = [("state", "all"), ("sort", "created"), ("direction", "asc"), PAGE];
        self.client.pages("pull requests", self.url(&["pulls"], &query)?, |page: Vec<PullRequest>| page)
    }

    fn changed_files(&self, pull_request: &PullRequest) -> Result<Vec<ChangedFile>> {
        let number = pull_request.number;
        let what = format!("files of pull request #{number}");
        let url = self.url(&["pulls", &number.to_string(), "files"], &[PAGE])?;
        let files = self.client.pages(&what, url, |page: Vec<ChangedFile>| page)?;
        // The API lists no more than 3,000 files; what it leaves out cannot be judged.
        match pull_request.changed_files {
            Some(expected) if expected != files.len() as u64 => Err(Error::incomplete(
                "incomplete-answer",
                format!("the forge lists {} of {expected} files of pull request #{number}", files.len()),
            )),
            _ => Ok(files),
        }
    }

    fn branch(&self, name: &str) -> Result<Option<Branch>> {
        let url = self.url(&["branches", name], &[])?;
        let branch: Option<Branch> = self.client.get_optional(&format!("branch `{name}`"), url)?;
        match branch {
            // A renamed branch is redirected to its new name, which is not what was asked for.
            Some(branch) if branch.name != name => Ok(None),
            other => Ok(other),
        }
    }

    fn compare(&self, first: &str, second: &str) -> Result<Option<Comparison>> {
        let range = format!("{first}...{second}");
        // One file a page: of the difference only the status is used.
        let url = self.url(&["compare", &range], &[("per_page", "1")])?;
        self.client.get_optional(&format!("comparison of `{first}` with `{second}`"), url)
    }

    fn file(&self, path: &str, commit: &str) -> Result<Option<Blob>> {
        let what = format!("file `{path}` at `{commit}`");
        let mut parts = vec!["contents"];
        parts.extend(path.split('/'));
        let url = self.url(&parts, &[("ref", commit)])?;
        let Some(content) = self.client.get_optional::<Content>(&what, url)? else { return Ok(None) };
        if content.kind != "file" {
            return Err(Error::refused(
                "not-a-file",
                format!("`{path}` is a {} at `{commit}`", content.kind),
            ));
        }
        if content.encoding != "base64" {
            // Files over 1 MB come without their content.
            return Err(Error::incomplete(
                "incomplete-answer",
                format!("the forge does not give the {what}"),
            ));
        }
        let text: String = content.content.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| {
            Error::incomplete("unexpected-answer", format!("the {what} is not base64"))
                .cause(error.to_string())
        })?;
        Ok(Some(Blob { sha: content.sha, bytes }))
    }

    fn tags(&self, prefix: &str) -> Result<Vec<Tag>> {
        let mut parts = vec!["git", "matching-refs", "tags"];
        parts.extend(prefix.split('/'));
        let found = self.client.pages(
            &format!("tags `{prefix}*`"),
            self.url(&parts, &[PAGE])?,
            |page: Vec<Reference>| page,
        )?;
        let tag = |one: Reference| {
            let is_commit = one.object.kind == "commit";
            Some(Tag {
                name: one.name.strip_prefix("refs/tags/")?.to_owned(),
                object: one.object.sha,
                is_commit,
            })
        };
        Ok(found.into_iter().filter_map(tag).collect())
    }

    fn create_tag(&self, name: &str, commit: &str, message: &str) -> Result<()> {
        let what = format!("tag `{name}`");
        let body = json!({ "tag": name, "message": message, "object": commit, "type": "commit" });
        let answer = self.post(&what, &["git", "tags"], &body)?;
        let object: Sha = self.client.read(&what, &answer)?;
        let body = json!({ "ref": format!("refs/tags/{name}"), "sha": object.sha });
        self.post(&what, &["git", "refs"], &body).map(|_| ())
    }

    fn workflow(&self, file: &str) -> Result<Workflow> {
        self.client.get(&format!("workflow `{file}`"), self.url(&["actions", "workflows", file], &[])?)
    }

    fn runs(&self, workflow: &str, query: &RunQuery) -> Result<Vec<Run>> {
        let since = query.since.as_ref().map(|since| format!(">={since}"));
        let mut filters = vec![PAGE];
        let optional = [
            ("event", query.event),
            ("branch", query.branch.as_deref()),
            ("head_sha", query.head_sha.as_deref()),
            ("created", since.as_deref()),
        ];
        filters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let url = self.url(&["actions", "workflows", workflow, "runs"], &filters)?;
        let mut runs =
            self.client.pages(&format!("runs of `{workflow}`"), url, |page: Runs| page.workflow_runs)?;
        // A filter that a server does not know must not let a foreign run in.
        runs.retain(|run| {
            query.event.is_none_or(|event| run.event == event)
                && query.branch.as_ref().is_none_or(|branch| run.head_branch.as_ref() == Some(branch))
                && query.head_sha.as_ref().is_none_or(|sha| run.head_sha == *sha)
        });
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        Ok(runs)
    }

    fn run(&self, id: u64) -> Result<Run> {
        let url = self.url(&["actions", "runs", &id.to_string()], &[])?;
        let run: Run = self.client.get(&format!("run `{id}`"), url)?;
        self.hear(&run.repository);
        Ok(run)
    }

    fn artifacts(&self, run: u64) -> Result<Vec<Artifact>> {
        let what = format!("artifacts of run `{run}`");
        let url = self.url(&["actions", "runs", &run.to_string(), "artifacts"], &[PAGE])?;
        let mut expected = 0;
        let artifacts = self.client.pages(&what, url, |page: Artifacts| {
            expected = page.total_count;
            page.artifacts
        })?;
        if artifacts.len() != expected {
            return Err(Error::incomplete(
                "incomplete-answer",
                format!("the forge lists {} of {expected} {what}", artifacts.len()),
            ));
        }
        Ok(artifacts)
    }

    fn download(&self, artifact: u64, to: &Path, limit: u64) -> Result<Download> {
        let url = self.url(&["actions", "artifacts", &artifact.to_string(), "zip"], &[])?;
        self.client.download(&format!("artifact `{artifact}`"), url, to, limit)
    }

    fn attestations(&self, digest: &shipway_dist::Sha256) -> Result<Vec<Attestation>> {
        let url = self.url(&["attestations", &format!("sha256:{digest}")], &[PAGE])?;
        let found = self.client.get_optional::<Attestations>(&format!("attestations of `{digest}`"), url)?;
        Ok(found.map(|found| found.attestations).unwrap_or_default())
    }

    fn dispatch(&self, workflow: &str, branch: &str, inputs: &[(&str, String)]) -> Result<Option<u64>> {
        let what = format!("start of workflow `{workflow}`");
        let inputs: serde_json::Map<String, serde_json::Value> =
            inputs.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let body = json!({ "ref": branch, "inputs": inputs, "return_run_details": true });
        let answer = self.post(&what, &["actions", "workflows", workflow, "dispatches"], &body)?;
        if answer.status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        Ok(self.client.read::<Dispatched>(&what, &answer)?.workflow_run_id)
    }

    fn open_pull_request(&self, new: &NewPullRequest) -> Result<PullRequest> {
        let body = json!({ "head": new.head, "base": new.base, "title": new.title, "body": new.body });
        let what = format!("pull request from `{}`", new.head);
        let answer = self.post(&what, &["pulls"], &body)?;
        self.client.read(&what, &answer)
    }

    fn comments(&self, number: u64) -> Result<Vec<Comment>> {
        let url = self.url(&["issues", &number.to_string(), "comments"], &[PAGE])?;
        self.client.pages(&format!("comments on #{number}"), url, |page: Vec<Comment>| page)
    }

    fn comment(&self, number: u64, body: &str) -> Result<()> {
        let parts = ["issues", &number.to_string(), "comments"];
        self.post(&format!("comment on #{number}"), &parts, &json!({ "body": body })).map(|_| ())
    }

    fn release_of(&self, tag: &str) -> Result<Option<ForgeRelease>> {
        let url = self.url(&["releases", "tags", tag], &[])?;
        self.client.get_optional(&format!("release of tag `{tag}`"), url)
    }

    fn create_release(&self, new: &NewForgeRelease) -> Result<ForgeRelease> {
        let body = json!({
            "tag_name": new.tag, "name": new.title, "body": new.body, "prerelease": new.prerelease, "draft": false,
        });
        let what = format!("release of tag `{}`", new.tag);
        let answer = self.post(&what, &["releases"], &body)?;
        self.client.read(&what, &answer)
    }

    fn compare_url(&self, new: &NewPullRequest) -> String {
        let location = &self.client.location;
        let root = location.server.as_ref().unwrap_or(&location.api);
        let mut url = root.clone();
        // A URL with a host has a path; were it otherwise, the root is still of use to a person.
        if let Ok(mut segments) = url.path_segments_mut() {
            let range = format!("{}...{}", new.base, new.head);
            segments.pop_if_empty().extend(location.repository.split('/')).extend(["compare", &range]);
        }
        // Browsers and servers cut an address that is longer; the title alone is better than half a text.
        const LONGEST: usize = 6000;
        url.query_pairs_mut().append_pair("expand", "1").append_pair("title", &new.title);
        let mut whole = url.clone();
        whole.query_pairs_mut().append_pair("body", &new.body);
        if whole.as_str().len() <= LONGEST { whole.into() } else { url.into() }
    }

    fn guards(&self) -> Option<&dyn super::guards::Guards> {
        Some(self)
    }

    fn pause(&self, time: Duration) {
        self.client.pause(time);
    }

    fn requests(&self) -> Requests {
        self.client.requests()
    }
}

/// A text of the forge's users as part of a message: one line, bounded, without control characters.
pub fn plain(text: &str) -> String {
    status::plain(text)
}
