//! The client of a shipway index: `/api/v1` with the types of `shipway_dist::wire`.

use std::path::Path;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shipway_dist::log::Tile;
use shipway_dist::wire::{
    Change, ChannelList, EvidenceList, EvidenceRequest, FileAccepted, KeyList, LogInfo, MarkRequest,
    PolicyDocument, Preflight, ProjectRecord, PromotionRequest, RollbackRequest, Session, SessionRequest,
};
use shipway_dist::{ChannelName, ProjectName};
use url::Url;

use crate::error::{Error, Result};
use crate::ops::http::Http;
use crate::ops::secret::public_url;

/// The client of one index.
#[derive(Debug, Clone)]
pub struct IndexClient {
    root: Url,
    http: Http,
}

impl IndexClient {
    /// A client of the index whose root is `root` (ending in `/`).
    pub fn new(root: Url, http: Http) -> Self {
        Self { root, http }
    }

    /// The index's root.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// The HTTP client with the index's credential.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The channels, in order of promotion.
    ///
    /// # Errors
    /// When the index does not answer so; also when there is no shipway index at that URL.
    pub fn channels(&self) -> Result<ChannelList> {
        let url = self.url(&["api", "v1", "channels"]);
        self.http.get_json(&url, "application/json")?.ok_or_else(|| {
            Error::refused("no-index", format!("there is no shipway index at {}", crate::ops::secret::public_url(&self.root)))
                .hint("for another kind of index, configure `[tool.shipway.channel.NAME]` with `upload` and `simple`")
        })
    }

    /// Everything about a project; none when the index has none, or the credential may not see it.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn project(&self, name: &ProjectName) -> Result<Option<ProjectRecord>> {
        self.http.get_json(&self.url(&["api", "v1", "projects", name.normalized()]), "application/json")
    }

    /// Would a session be accepted, writing nothing.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn preflight(&self, request: &SessionRequest) -> Result<Preflight> {
        self.post(&["api", "v1", "preflight"], request)
    }

    /// Begins or resumes the upload of a release.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn open_session(&self, request: &SessionRequest) -> Result<Session> {
        self.post(&["api", "v1", "sessions"], request)
    }

    /// Uploads one file of a session.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn put_file(&self, session: &str, filename: &str, path: &Path) -> Result<FileAccepted> {
        let url = self.url(&["api", "v1", "sessions", session, "files", filename]);
        // Checked before, so that the error names the file and not the connection.
        std::fs::File::open(path).map_err(|error| Error::io("read", path, &error))?;
        let build = |http: &Http| {
            let request = http.request(Method::PUT, &url).header("content-type", "application/octet-stream");
            match std::fs::File::open(path) {
                Ok(file) => request.body(file),
                Err(_) => request,
            }
        };
        let response = self.http.send(&url, build)?;
        self.http.answer(&url, response)
    }

    /// Makes all files of a session visible at once.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn publish(&self, session: &str) -> Result<()> {
        let path = ["api", "v1", "sessions", session, "publish"];
        self.post::<serde_json::Value>(&path, &serde_json::json!({})).map(|_| ())
    }

    /// Promotes.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn promote(&self, request: &PromotionRequest) -> Result<Change> {
        self.post(&["api", "v1", "promotions"], request)
    }

    /// Rolls back.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn rollback(&self, request: &RollbackRequest) -> Result<Change> {
        self.post(&["api", "v1", "rollbacks"], request)
    }

    /// Yanks, or undoes it.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn yank(&self, request: &MarkRequest) -> Result<Change> {
        self.post(&["api", "v1", "yanks"], request)
    }

    /// Blocks, or undoes it.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn block(&self, request: &MarkRequest) -> Result<Change> {
        self.post(&["api", "v1", "blocks"], request)
    }

    /// Keeps a statement with a release.
    ///
    /// # Errors
    /// When the index refuses, or does not answer.
    pub fn add_evidence(
        &self,
        project: &ProjectName,
        version: &str,
        request: &EvidenceRequest,
    ) -> Result<()> {
        let path = ["api", "v1", "projects", project.normalized(), "releases", version, "evidence"];
        self.post::<serde_json::Value>(&path, request).map(|_| ())
    }

    /// What the channels ask; none from an index that knows no policy.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn policy(&self) -> Result<Option<PolicyDocument>> {
        self.http.get_json(&self.url(&["api", "v1", "policy"]), "application/json")
    }

    /// Whose signatures count; none from an index that knows no keys.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn keys(&self) -> Result<Option<KeyList>> {
        self.http.get_json(&self.url(&["api", "v1", "keys"]), "application/json")
    }

    /// The statements kept with a release.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn evidence(&self, project: &ProjectName, version: &str) -> Result<Option<EvidenceList>> {
        let path = ["api", "v1", "projects", project.normalized(), "releases", version, "evidence"];
        self.http.get_json(&self.url(&path), "application/json")
    }

    /// Who signs the log's checkpoints; none when the index keeps no log.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn log_info(&self) -> Result<Option<LogInfo>> {
        self.http.get_json(&self.url(&["api", "v1", "log"]), "application/json")
    }

    /// The checkpoint of the log, a signed note.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn log_checkpoint(&self) -> Result<Option<String>> {
        let bytes = self.bytes(&self.url(&["log", "checkpoint"]))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A tile of the log, or a bundle of its entries.
    ///
    /// # Errors
    /// When the index does not answer so.
    pub fn log_tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>> {
        let path = format!("log/{}", tile.path());
        self.bytes(&self.url(&path.split('/').collect::<Vec<_>>()))
    }

    fn bytes(&self, url: &Url) -> Result<Option<Vec<u8>>> {
        let response = self.http.send(url, |http| http.request(reqwest::Method::GET, url))?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.http.expect_success(url, response)?;
        let bytes = response.bytes().map_err(|error| {
            Error::incomplete("network", format!("`{}` was not received whole", public_url(url)))
                .cause(error.to_string())
        })?;
        Ok(Some(bytes.to_vec()))
    }

    /// The simple index of a channel, as installers take it.
    pub fn simple(&self, channel: &ChannelName) -> Url {
        self.url(&[channel.as_str(), "simple", ""])
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    fn post<T: DeserializeOwned>(&self, segments: &[&str], body: &impl Serialize) -> Result<T> {
        let url = self.url(segments);
        // Every post of this API may be repeated: the index answers a repeated one with what it did before.
        let response = self.http.send(&url, |http| http.request(Method::POST, &url).json(body))?;
        self.http.answer(&url, response)
    }
}
