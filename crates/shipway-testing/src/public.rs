//! An index that plays the public one: the legacy upload API and simple pages, nothing is ever overwritten, a name that
//! is taken is answered with 400 whatever the bytes are, and a page lists an upload some time after it was taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::json;
use shipway_dist::Sha256;

use crate::authority::Authority;
use crate::listener::{Reply, Request, listen};

/// The password of the user `__token__`.
pub const PASSWORD: &str = "canary-public-2b9e";

/// A file that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The normalized name of its project.
    pub project: String,
    /// The filename.
    pub filename: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When it was taken.
    pub at: Instant,
}

/// What is there and how the index behaves.
#[derive(Debug, Default)]
pub struct Shelf {
    /// The files.
    pub files: Vec<Taken>,
    /// How long after an upload the page lists it.
    pub delay: Duration,
    /// Whether pages are HTML, whatever is asked for.
    pub html: bool,
    /// Whether the connection is dropped after an upload was taken, once.
    pub loses_answer: bool,
    /// The uploads, as filename and status.
    pub uploads: Vec<(String, u16)>,
}

/// The index.
#[derive(Debug, Clone)]
pub struct PublicIndex {
    url: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl PublicIndex {
    /// Serves an empty index.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(tls: Option<&Authority>) -> Self {
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let own = Arc::clone(&shelf);
        let url = listen(tls, move |request| answer(&own, request));
        Self { url, shelf }
    }

    /// Its URL, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is there.
    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    /// The files that were taken: filename and digest, sorted.
    pub fn taken(&self) -> Vec<(String, String)> {
        let shelf = self.shelf();
        let mut all: Vec<_> =
            shelf.files.iter().map(|one| (one.filename.clone(), Sha256::of(&one.bytes).to_hex())).collect();
        all.sort();
        all
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(shelf: &Mutex<Shelf>, request: &Request) -> Option<Reply> {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["legacy"]) => upload(shelf, request),
        ("GET", ["simple", project]) => Some(page(&lock(shelf), request, project)),
        ("GET", ["files", name]) => {
            let shelf = lock(shelf);
            let found = shelf.files.iter().find(|one| one.filename == *name);
            Some(match found {
                Some(one) => Reply::new(200, "application/octet-stream", one.bytes.clone()),
                None => Reply::text(404, "no such file"),
            })
        }
        _ => Some(Reply::text(404, "nothing here")),
    }
}

fn page(shelf: &Shelf, request: &Request, project: &str) -> Reply {
    let is_listed = |one: &&Taken| one.project == project && one.at.elapsed() >= shelf.delay;
    let files: Vec<&Taken> = shelf.files.iter().filter(is_listed).collect();
    if files.is_empty() {
        return Reply::text(404, "no such project");
    }
    if shelf.html || !request.header("accept").unwrap_or_default().contains("json") {
        let link = |one: &&Taken| {
            let (name, digest) = (&one.filename, Sha256::of(&one.bytes));
            format!("<a href=\"/files/{name}#sha256={digest}\">{name}</a><br>\n")
        };
        let links: String = files.iter().map(link).collect();
        return Reply::new(200, "text/html", format!("<!DOCTYPE html><html><body>{links}</body></html>"));
    }
    let files: Vec<_> = files
        .iter()
        .map(|one| {
            json!({
                "filename": one.filename, "url": format!("/files/{}", one.filename), "size": one.bytes.len(),
                "hashes": { "sha256": Sha256::of(&one.bytes).to_hex() },
                "upload-time": "2026-01-01T00:00:00.000000Z",
            })
        })
        .collect();
    let page = json!({ "meta": { "api-version": "1.1" }, "name": project, "versions": [], "files": files });
    Reply::new(200, "application/vnd.pypi.simple.v1+json", page.to_string())
}

fn upload(shelf: &Mutex<Shelf>, request: &Request) -> Option<Reply> {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("__token__:{PASSWORD}"));
    if request.header("authorization") != Some(&format!("Basic {pair}")) {
        return Some(Reply::text(403, "Invalid or non-existent authentication information."));
    }
    let mut shelf = lock(shelf);
    let Some(form) = form(request) else { return Some(Reply::text(400, "no form")) };
    let field = |name: &str| {
        let found = form.iter().find(|part| part.name == name);
        found.map(|part| String::from_utf8_lossy(part.bytes).into_owned()).unwrap_or_default()
    };
    let Some(content) = form.iter().find(|part| part.name == "content") else {
        return Some(Reply::text(400, "Upload payload does not have a file."));
    };
    let filename = content.filename.clone();
    if Sha256::of(content.bytes).to_hex() != field("sha256_digest") {
        let reply = Reply::text(400, "The digest supplied does not match a digest calculated.");
        return reply.into_logged(&mut shelf, &filename);
    }
    let project = field("name").to_ascii_lowercase().replace(['_', '.'], "-");
    if shelf.files.iter().any(|one| one.filename == filename) {
        let text = format!("400 File already exists ('{filename}'). See the help for more information.");
        return Reply::text(400, &text).into_logged(&mut shelf, &filename);
    }
    let bytes = content.bytes.to_vec();
    shelf.files.push(Taken { project, filename: filename.clone(), bytes, at: Instant::now() });
    if std::mem::take(&mut shelf.loses_answer) {
        shelf.uploads.push((filename, 0));
        return None;
    }
    Reply::text(200, "").into_logged(&mut shelf, &filename)
}

impl Reply {
    fn into_logged(self, shelf: &mut Shelf, filename: &str) -> Option<Self> {
        shelf.uploads.push((filename.to_owned(), self.status));
        Some(self)
    }
}

/// A part of a form.
struct Part<'a> {
    name: String,
    filename: String,
    bytes: &'a [u8],
}

fn form(request: &Request) -> Option<Vec<Part<'_>>> {
    let kind = request.header("content-type")?;
    let mark = format!("--{}", kind.split_once("boundary=")?.1.trim_matches('"'));
    let mut parts = Vec::new();
    let find = |from: usize, what: &[u8]| {
        let rest = request.body.get(from..)?;
        rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let mut at = find(0, mark.as_bytes())? + mark.len();
    while let Some(head_end) = find(at, b"\r\n\r\n") {
        let end = find(head_end, format!("\r\n{mark}").as_bytes())?;
        let head = String::from_utf8_lossy(&request.body[at..head_end]).into_owned();
        let value = |key: &str| {
            let rest = head.split_once(&format!(" {key}=\""))?.1;
            Some(rest.split('"').next()?.to_owned())
        };
        let (name, filename) = (value("name")?, value("filename").unwrap_or_default());
        parts.push(Part { name, filename, bytes: &request.body[head_end + 4..end] });
        at = end + 2 + mark.len();
    }
    Some(parts)
}
