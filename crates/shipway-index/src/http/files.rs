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
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use shipway_dist::digest::Sha256;
use shipway_dist::filename::DistributionFilename;

use super::ranges::{self, Part};
use super::{Answer, App, auth};
use crate::error::IndexError;
use crate::index::Index;
use crate::tokens::Identity;

/// What is sent.
enum Content {
    /// A blob, and when it came.
    Blob(Sha256),
    Memory(Bytes),
}

/// A file that the reader may have.
struct Found {
    content: Content,
    size: u64,
    digest: Sha256,
    modified: Option<SystemTime>,
}

/// `GET /files/{sha256}/{filename}`
pub(super) async fn file(
    State(app): State<App>,
    Path((sha256, filename)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let found = find(&app.index, &who, &sha256, &filename).await?;
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
async fn find(index: &Index, who: &Identity, sha256: &str, filename: &str) -> Result<Found, IndexError> {
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
            let bytes = index.upstream_metadata(&file).await?.ok_or_else(hidden)?;
            Ok(Found {
                size: bytes.len() as u64,
                digest: Sha256::of(&bytes),
                content: Content::Memory(bytes),
                modified: None,
            })
        } else {
            let size = index.fetch_upstream(name, &file).await?;
            Ok(Found { size, digest: sha256, content: Content::Blob(sha256), modified: None })
        };
    };
    let (release, file) =
        entry.project.file(base).filter(|(_, file)| file.sha256 == sha256).ok_or_else(hidden)?;
    let may = |name: &str| who.may_read(Some(entry.project.name.normalized()), name, index.anonymous_read);
    if !release.channels.keys().any(|channel| may(channel.as_str())) {
        return Err(hidden());
    }
    if file.removed {
        return Err(IndexError::Removed { filename: base.to_owned() });
    }
    if let Some(reason) = &release.blocked {
        return Err(IndexError::Blocked {
            project: entry.project.name.normalized().to_owned(),
            version: release.version.to_string(),
            reason: reason.clone(),
        });
    }
    let modified = file.uploaded_at.parse::<jiff::Timestamp>().ok().map(SystemTime::from);
    if !metadata {
        return Ok(Found { content: Content::Blob(sha256), size: file.size, digest: sha256, modified });
    }
    let digest = file.metadata_sha256.ok_or_else(hidden)?;
    let bytes = index.cache.metadata(&index.store, &digest).await?;
    let bytes = bytes.ok_or_else(hidden)?;
    Ok(Found { size: bytes.len() as u64, content: Content::Memory(bytes), digest, modified })
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
    let file = match app.files.opened(&sha256) {
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
