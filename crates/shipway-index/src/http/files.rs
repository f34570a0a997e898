//! The bytes: `/files/{sha256}/{filename}` and its `.metadata` (PEP 658).

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::DistributionFilename;

use super::ranges::{self, Part};
use super::{Answer, App, auth, detached};
use crate::error::IndexError;
use crate::pages::{Content, Entry, WarmFile};
use crate::tokens::Identity;
use crate::upstream::UpstreamFile;

/// A file that the reader may have.
struct Found {
    content: Content,
    size: u64,
    digest: Sha256,
    modified: Option<SystemTime>,
    /// The project that holds it, and the channels through which it may be read; none for upstream's files.
    own: Option<(Arc<Entry>, Vec<ChannelName>)>,
}

/// `GET /files/{sha256}/{filename}`
pub(super) async fn file(
    State(app): State<App>,
    Path((sha256, filename)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let found = find(&app, &who, &sha256, &filename).await?;
    let etag = format!("\"{}\"", found.digest);
    if ranges::is_known(&headers, &etag, found.modified) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(&mut response, &etag, found.modified);
        return Ok(response);
    }
    if app.index.redirect_files
        && method == Method::GET
        && let Content::Blob(sha256) = &found.content
        && let Some(url) = app.index.blobs.redirect(sha256).await?
    {
        return Ok(elsewhere(&url));
    }
    let part = match method {
        // A range is defined for GET alone.
        Method::GET => ranges::part(&headers, found.size, &etag, found.modified),
        _ => Part::Whole,
    };
    let content = found.content.clone();
    let mut response = match part {
        Part::Whole if method == Method::HEAD => Response::new(Body::empty()),
        Part::Whole => Response::new(body(&app, found.content, 0, found.size).await?),
        Part::Bytes(first, last) => {
            let mut response = Response::new(body(&app, found.content, first, last - first + 1).await?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(&mut response, CONTENT_RANGE, format!("bytes {first}-{last}/{}", found.size));
            response
        }
        Part::Unsatisfiable => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            insert(&mut response, CONTENT_RANGE, format!("bytes */{}", found.size));
            return Ok(response);
        }
    };
    let length = match part {
        Part::Bytes(first, last) => last - first + 1,
        Part::Whole | Part::Unsatisfiable => found.size,
    };
    describe(&mut response, &etag, found.modified);
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    sent.insert(CONTENT_LENGTH, HeaderValue::from(length));
    // What a bucket holds is streamed from there each time.
    let at_hand = match &content {
        Content::Memory(_) => true,
        Content::Blob(sha256) => app.files.is_open(sha256),
    };
    if let (Some((entry, channels)), Part::Whole, Method::GET, true) = (found.own, part, method, at_hand) {
        let project = entry.project.name.normalized().to_owned();
        let head = sent.clone();
        let file = WarmFile { project, channels, content, size: found.size, head };
        app.index.cache.keep_file(uri.path(), &entry, file);
    }
    Ok(response)
}

/// A redirect to the storage. The signed URL holds for a while, so nobody may keep the answer.
fn elsewhere(url: &url::Url) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    insert(&mut response, LOCATION, url.to_string());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

fn describe(response: &mut Response, etag: &str, modified: Option<SystemTime>) {
    insert(response, ETAG, etag.to_owned());
    if let Some(modified) = modified {
        insert(response, LAST_MODIFIED, httpdate::fmt_http_date(modified));
    }
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable, private"));
}

fn insert(response: &mut Response, name: http::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Finds a file under the rules of reading: what the reader may not see is not there.
async fn find(app: &App, who: &Identity, sha256: &str, filename: &str) -> Result<Found, IndexError> {
    let index = &app.index;
    let shown: String = filename.chars().take(255).collect();
    let hidden = || index.hidden(who, format!("`{shown}`"));
    let sha256: Sha256 = sha256.parse().map_err(|_| hidden())?;
    let (base, metadata) = match filename.strip_suffix(".metadata") {
        Some(base) => (base, true),
        None => (filename, false),
    };
    let parsed: DistributionFilename = base.parse().map_err(|_| hidden())?;
    let name = parsed.name.normalized();
    let Some(entry) = index.cache.project(&index.store, name).await? else {
        let channels = index.cache.channels(&index.store).await?;
        let may = |name: &str| who.may_read(None, name, index.anonymous_read);
        if !channels.iter().any(|channel| may(channel.name.as_str())) {
            return Err(hidden());
        }
        let file = index.upstream_file(name, base, &sha256).await?.ok_or_else(hidden)?;
        return if metadata {
            let digest = file.metadata.ok_or_else(hidden)?;
            let bytes = upstream_metadata(app, file, &digest).await?.ok_or_else(hidden)?;
            let (size, content) = (bytes.len() as u64, Content::Memory(bytes));
            Ok(Found { size, digest, content, modified: None, own: None })
        } else {
            let size = upstream_bytes(app, name, file).await?;
            Ok(Found { size, digest: sha256, content: Content::Blob(sha256), modified: None, own: None })
        };
    };
    let (release, file) =
        entry.project.file(base).filter(|(_, file)| file.sha256 == sha256).ok_or_else(hidden)?;
    let may = |name: &str| who.may_read(Some(entry.project.name.normalized()), name, index.anonymous_read);
    let channels: Vec<ChannelName> = release.channels.keys().cloned().collect();
    if !channels.iter().any(|channel| may(channel.as_str())) {
        return Err(hidden());
    }
    if file.removed {
        return Err(IndexError::Removed { filename: base.to_owned(), reason: file.removed_for.clone() });
    }
    entry.project.require_served()?;
    if let Some(reason) = &release.blocked {
        return Err(IndexError::Blocked {
            project: entry.project.name.normalized().to_owned(),
            version: release.version.to_string(),
            reason: reason.clone(),
        });
    }
    let modified = file.uploaded_at.parse::<jiff::Timestamp>().ok().map(SystemTime::from);
    if !metadata {
        let (content, size) = (Content::Blob(sha256), file.size);
        let own = Some((entry.clone(), channels));
        return Ok(Found { content, size, digest: sha256, modified, own });
    }
    let digest = file.metadata_sha256.ok_or_else(hidden)?;
    let bytes = index.metadata(&digest).await?.ok_or_else(hidden)?;
    let own = Some((entry.clone(), channels));
    Ok(Found { size: bytes.len() as u64, content: Content::Memory(bytes), digest, modified, own })
}

/// The number of bytes of a file of upstream, which are here after this. They are fetched whether or not the
/// client waits for them.
async fn upstream_bytes(app: &App, name: &str, file: UpstreamFile) -> Result<u64, IndexError> {
    if let Some(size) = app.index.kept_upstream(&file).await? {
        return Ok(size);
    }
    let (app, name) = (app.clone(), name.to_owned());
    detached(async move { app.index.fetch_upstream(&name, &file).await }).await
}

async fn upstream_metadata(
    app: &App,
    file: UpstreamFile,
    digest: &Sha256,
) -> Result<Option<Bytes>, IndexError> {
    if let Some(bytes) = app.index.metadata(digest).await? {
        return Ok(Some(bytes));
    }
    let app = app.clone();
    detached(async move { app.index.fetch_upstream_metadata(&file).await }).await
}

async fn body(app: &App, content: Content, start: u64, length: u64) -> Result<Body, IndexError> {
    let sha256 = match content {
        Content::Memory(bytes) => {
            let end = usize::try_from(start + length).unwrap_or(usize::MAX).min(bytes.len());
            let start = usize::try_from(start).unwrap_or(usize::MAX).min(end);
            return Ok(Body::from(bytes.slice(start..end)));
        }
        Content::Blob(sha256) => sha256,
    };
    let file = match app.files.opened(&sha256, |file| app.index.blobs.stands(&sha256, file)) {
        Some(file) => file,
        None => {
            // Only a folder has files to keep open; what a bucket holds is streamed.
            let Some(file) = app.index.blobs.file(&sha256).await? else {
                return Ok(Body::from_stream(app.index.blobs.open_range(&sha256, start, length).await?));
            };
            let file = Arc::new(file);
            app.files.keep(sha256, &file);
            file
        }
    };
    Ok(Body::new(app.files.body(file, start, length)))
}
