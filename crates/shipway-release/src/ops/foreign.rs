//! An index that shipway does not run: reached through the legacy upload API and the simple pages alone.
//!
//! What such an index cannot do (block, roll back, keep evidence, show all files at once) is refused here
//! or checked by the pipeline, and said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::multipart;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::manifest::digest_of_files;
use shipway_dist::metadata::Metadata;
use shipway_dist::simple::{JSON_TYPE, PageFile, ProjectPage, Yanked};
use shipway_dist::wire::{FileRecord, ProjectChannel, ProjectRecord, ReleaseRecord};
use shipway_dist::{ChannelName, ProjectName, Sha256, Version};
use url::Url;

use crate::config::ForeignChannel;
use crate::error::{Error, Result};
use crate::ops::http::Http;
use crate::ops::secret::public_url;

/// One channel of a foreign index.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The URLs.
    pub urls: ForeignChannel,
    /// The client with this channel's credential.
    pub http: Http,
    /// How long an uploaded file may take until the page lists it.
    pub visible_within: Duration,
}

/// How long an uploaded file may take until the page lists it, where nothing else is said.
pub const VISIBLE_WITHIN: Duration = Duration::from_secs(300);
/// How long the page is asked after an upload that was refused: a run before may have uploaded the file just now.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);

/// The channels of a foreign index, in order of promotion.
#[derive(Debug, Clone)]
pub struct ForeignIndex {
    /// The channels.
    pub channels: Vec<(ChannelName, Endpoint)>,
}

/// A file as a simple page lists it.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// The filename.
    pub filename: String,
    /// The absolute URL.
    pub url: Url,
    /// Its sha256, where the page gives one.
    pub sha256: Option<Sha256>,
    /// Its size, where the page gives one.
    pub size: Option<u64>,
    /// When it was uploaded, where the page says so.
    pub upload_time: Option<String>,
    /// Whether it is yanked, and why.
    pub yanked: Yanked,
}

impl ForeignIndex {
    /// The endpoint of a channel.
    ///
    /// # Errors
    /// When the configuration has no such channel.
    pub fn endpoint(&self, channel: &ChannelName) -> Result<&Endpoint> {
        self.channels.iter().find(|(name, _)| name == channel).map(|(_, endpoint)| endpoint).ok_or_else(
            || {
                Error::usage("no-channel", format!("there is no channel `{channel}`"))
                    .hint(format!("configure `[tool.shipway.channel.{channel}]`"))
            },
        )
    }

    /// Everything that the simple pages say about a project; none when no channel has it.
    ///
    /// # Errors
    /// When an index does not answer, or a page cannot be read.
    pub fn project(&self, name: &ProjectName) -> Result<Option<ProjectRecord>> {
        let mut releases: BTreeMap<Version, ReleaseRecord> = BTreeMap::new();
        let mut channels = Vec::new();
        let mut found = false;
        for (channel, endpoint) in &self.channels {
            let files = endpoint.files(name)?;
            found |= files.is_some();
            let mut versions = BTreeSet::new();
            for file in files.unwrap_or_default() {
                let Ok(parsed) = file.filename.parse::<DistributionFilename>() else { continue };
                let Some(sha256) = file.sha256 else { continue };
                versions.insert(parsed.version.clone());
                let release = releases.entry(parsed.version.clone()).or_insert_with(|| ReleaseRecord {
                    version: parsed.version.to_string(),
                    files: Vec::new(),
                    manifest_digest: Sha256::of(b""),
                    channels: Vec::new(),
                    commit: None,
                    blocked: None,
                    yanked: false,
                    local: false,
                    run: None,
                    attempt: None,
                    publisher: None,
                });
                if !release.channels.contains(channel) {
                    release.channels.push(channel.clone());
                }
                if !release.files.iter().any(|one| one.filename == file.filename) {
                    release.files.push(FileRecord {
                        filename: file.filename,
                        sha256,
                        size: file.size.unwrap_or(0),
                        uploaded_at: file.upload_time.unwrap_or_default(),
                        url: file.url.to_string(),
                        yanked: match file.yanked {
                            Yanked::Flag(false) => None,
                            Yanked::Flag(true) => Some(String::new()),
                            Yanked::Reason(reason) => Some(reason),
                        },
                    });
                }
            }
            channels.push(ProjectChannel {
                name: channel.clone(),
                current: versions.iter().next_back().map(ToString::to_string),
                versions: versions.iter().map(ToString::to_string).collect(),
            });
        }
        let mut releases: Vec<ReleaseRecord> = releases.into_values().collect();
        for release in &mut releases {
            release.files.sort_by(|a, b| a.filename.cmp(&b.filename));
            release.manifest_digest =
                digest_of_files(release.files.iter().map(|f| (f.filename.as_str(), f.sha256)));
            release.yanked = release.files.iter().all(|file| file.yanked.is_some());
        }
        Ok(found.then(|| ProjectRecord {
            schema: "shipway.index.project/1".to_owned(),
            ok: true,
            project: name.clone(),
            channels,
            releases,
        }))
    }
}

impl Endpoint {
    /// The files of a project; none when the index does not know it.
    ///
    /// # Errors
    /// When the index does not answer, or the page cannot be read.
    pub fn files(&self, name: &ProjectName) -> Result<Option<Vec<ListedFile>>> {
        let url = self.project_url(name)?;
        let accept = format!("{JSON_TYPE}, text/html;q=0.1");
        let build = |http: &Http| {
            http.request(Method::GET, &url).header("accept", &accept).header("cache-control", "no-cache")
        };
        let response = self.http.send(&url, build)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.http.expect_success(&url, response)?;
        let base = response.url().clone();
        let is_json = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("json"));
        if is_json {
            let page: ProjectPage = self.http.answer(&url, response)?;
            Ok(Some(page.files.into_iter().filter_map(|file| listed(&base, file)).collect()))
        } else {
            let text = response.text().map_err(|error| {
                Error::incomplete("truncated", format!("the page {} broke off", public_url(&url)))
                    .cause(error.to_string())
            })?;
            let files = crate::ops::simple_html::anchors(&text, &base);
            // Some servers answer 200 with an empty page for a project that they do not know.
            Ok((!files.is_empty()).then_some(files))
        }
    }

    fn project_url(&self, name: &ProjectName) -> Result<Url> {
        self.urls.simple.join(&format!("{}/", name.normalized())).map_err(|error| {
            Error::usage("config-value", format!("`{}` cannot be a simple index", self.urls.simple))
                .cause(error.to_string())
        })
    }

    /// Uploads one file through the legacy API, as twine does.
    ///
    /// Identical bytes that are there already are success: the page is asked before and, after an error, again.
    ///
    /// # Errors
    /// When other bytes are there, or the index refuses.
    pub fn upload(
        &self,
        name: &ProjectName,
        path: &Path,
        file: &shipway_dist::ManifestFile,
        metadata: &Metadata,
    ) -> Result<bool> {
        if self.holds(name, file)? {
            return Ok(false);
        }
        let url = &self.urls.upload;
        let (fields, parsed) = form_fields(file, metadata)?;
        let build = |http: &Http| {
            let mut form = multipart::Form::new();
            for (key, value) in &fields {
                form = form.text(key.clone(), value.clone());
            }
            let part = multipart::Part::file(path).map(|part| part.file_name(parsed.filename.clone()));
            match part
                .and_then(|part| part.mime_str("application/octet-stream").map_err(std::io::Error::other))
            {
                Ok(part) => http.request(Method::POST, url).multipart(form.part("content", part)),
                Err(_) => http.request(Method::POST, url).multipart(form),
            }
        };
        std::fs::File::open(path).map_err(|error| Error::io("read", path, &error))?;
        let (error, may_be_there) = match self.http.send(url, build) {
            Ok(response) if response.status().is_success() => return Ok(true),
            Ok(response) => {
                // What a taken name is answered with; other refusals mean the file or the credential too, so that
                // nothing is concluded from them but that the page is worth a second look.
                let may_be_there = matches!(response.status().as_u16(), 400 | 409);
                match self.http.expect_success(url, response) {
                    Ok(_) => return Ok(true),
                    Err(error) => (error, may_be_there),
                }
            }
            Err(error) => (error, false),
        };
        // The answer may be lost although the upload was not, and a page may lag behind an upload of the run before:
        // the digest that it lists decides, never the text of a refusal.
        let wait = if may_be_there { SETTLES_WITHIN.min(self.visible_within) } else { Duration::ZERO };
        let mut pause = Pause::new(wait);
        loop {
            if self.holds(name, file)? {
                return Ok(true);
            }
            if !pause.wait() {
                return Err(error);
            }
        }
    }

    /// Waits until the page lists all files; `say` hears how many are missing and for how many seconds.
    ///
    /// # Errors
    /// When the index does not answer, or does not list them in time.
    pub fn wait_until_listed(
        &self,
        name: &ProjectName,
        files: &[shipway_dist::ManifestFile],
        say: &dyn Fn(usize, u64),
    ) -> Result<()> {
        let mut pause = Pause::new(self.visible_within);
        loop {
            let listed = self.files(name)?.unwrap_or_default();
            let is_missing =
                |file: &&shipway_dist::ManifestFile| !listed.iter().any(|one| one.filename == file.filename);
            let missing: Vec<&str> =
                files.iter().filter(is_missing).map(|file| file.filename.as_str()).collect();
            if missing.is_empty() {
                return Ok(());
            }
            say(missing.len(), pause.started.elapsed().as_secs());
            if !pause.wait() {
                let place = public_url(&self.urls.simple);
                let text = format!("{place} does not list `{}`", missing.join("`, `"));
                return Err(Error::incomplete("not-visible", text)
                    .cause(format!(
                        "it was uploaded, and asked for during {} s",
                        self.visible_within.as_secs()
                    ))
                    .hint("run the same command again; nothing is uploaded twice"));
            }
        }
    }

    /// Uploads one file, its form filled from its own metadata; see [`Endpoint::upload`].
    ///
    /// # Errors
    /// When the file's metadata cannot be read, other bytes are there, or the index refuses.
    pub fn upload_file(
        &self,
        name: &ProjectName,
        path: &Path,
        file: &shipway_dist::ManifestFile,
    ) -> Result<bool> {
        let report =
            shipway_dist::check::check_file(path, &file.filename, &shipway_dist::check::Options::default())
                .map_err(|error| Error::io("read", path, &error))?;
        let metadata = report.metadata.ok_or_else(|| {
            Error::refused("no-metadata", format!("`{}` has no readable metadata", file.filename))
                .hint("shipway check")
        })?;
        self.upload(name, path, file, &metadata)
    }

    /// Asks the upload URL with a form that holds no file: it shows that the target answers and does not
    /// refuse the credential, and changes nothing. devpi looks at the credential only when `:action` is there.
    ///
    /// # Errors
    /// When nothing answers there, or the credential is missing or refused.
    pub fn preflight(&self) -> Result<()> {
        let url = &self.urls.upload;
        let build = |http: &Http| {
            let form = multipart::Form::new().text(":action", "file_upload").text("protocol_version", "1");
            http.request(Method::POST, url).multipart(form)
        };
        let response = self.http.send(url, build)?;
        match response.status().as_u16() {
            401 | 403 | 404 | 405 | 500.. => self.http.expect_success(url, response).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Whether exactly this file is there.
    fn holds(&self, name: &ProjectName, file: &shipway_dist::ManifestFile) -> Result<bool> {
        let files = self.files(name)?.unwrap_or_default();
        let Some(listed) = files.into_iter().find(|one| one.filename == file.filename) else {
            return Ok(false);
        };
        let sha256 = match listed.sha256 {
            Some(sha256) => sha256,
            // An index that gives no digest is asked for the bytes.
            None => self.fetch_digest(&listed)?,
        };
        if sha256 == file.sha256 {
            return Ok(true);
        }
        Err(Error::refused("digest-conflict", format!("cannot publish `{}`", file.filename))
            .cause(format!("{} holds it with another digest", public_url(&self.urls.simple)))
            .cause(format!("local sha256 `{}`, index sha256 `{sha256}`", file.sha256))
            .hint("versions are never overwritten; release the next version"))
    }

    /// Downloads a listed file to know its digest.
    ///
    /// # Errors
    /// When it cannot be downloaded.
    pub fn fetch_digest(&self, listed: &ListedFile) -> Result<Sha256> {
        let folder =
            tempfile::tempdir().map_err(|error| Error::io("create", &std::env::temp_dir(), &error))?;
        Ok(self.http.download(&listed.url, &folder.path().join("file"))?.0)
    }
}

/// The form fields of the legacy upload API, in twine's order and names.
fn form_fields(
    file: &shipway_dist::ManifestFile,
    metadata: &Metadata,
) -> Result<(Vec<(String, String)>, DistributionFilename)> {
    let parsed: DistributionFilename =
        file.filename.parse().map_err(|error: shipway_dist::filename::FilenameError| {
            Error::refused("filename", error.to_string())
        })?;
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: &str| fields.push((key.to_owned(), value.to_owned()));
    add(":action", "file_upload");
    add("protocol_version", "1");
    let (filetype, pyversion) = match parsed.kind {
        Kind::Wheel => ("bdist_wheel", parsed.tags[0].as_str()),
        Kind::Sdist => ("sdist", "source"),
    };
    add("filetype", filetype);
    add("pyversion", pyversion);
    add("sha256_digest", &file.sha256.to_string());
    for (key, value) in &metadata.fields {
        let key = key.to_ascii_lowercase().replace('-', "_");
        let key = match key.as_str() {
            "classifier" => "classifiers",
            "project_url" => "project_urls",
            "license_file" => "license_files",
            "description" => continue,
            other => other,
        };
        add(key, value);
    }
    if let Some(description) = &metadata.description {
        add("description", description);
    }
    Ok((fields, parsed))
}

/// Pauses that grow from half a second to five, until a time is over.
struct Pause {
    started: Instant,
    limit: Duration,
    next: Duration,
}

impl Pause {
    fn new(limit: Duration) -> Self {
        Self { started: Instant::now(), limit, next: Duration::from_millis(500) }
    }

    /// Waits a while; false when there is no time left.
    fn wait(&mut self) -> bool {
        let time = self.next.min(self.limit.saturating_sub(self.started.elapsed()));
        if time.is_zero() {
            return false;
        }
        std::thread::sleep(time);
        self.next = (self.next * 2).min(Duration::from_secs(5));
        true
    }
}

fn listed(base: &Url, file: PageFile) -> Option<ListedFile> {
    let mut url = base.join(&file.url).ok()?;
    url.set_fragment(None);
    Some(ListedFile {
        filename: file.filename,
        url,
        sha256: file.hashes.get("sha256").and_then(|text| text.parse().ok()),
        size: file.size,
        upload_time: file.upload_time,
        yanked: file.yanked,
    })
}
