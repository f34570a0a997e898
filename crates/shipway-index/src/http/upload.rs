//! `POST /{channel}/`: the legacy upload API of twine, uv, poetry, pdm, hatch and flit.
//!
//! Reads the form, streams the file to the storage while hashing, and hands both to [`crate::accept`].

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use shipway_dist::digest::Sha256;
use shipway_dist::finding::Finding;
use tokio::sync::OwnedSemaphorePermit;

use super::multipart::{Part, Parts};
use super::pace::{drain, paced};
use super::{Answer, App, auth, detached, negotiate};
use crate::accept::form::Form;
use crate::accept::{Accepted, Known, Upload};
use crate::blobs::{Blobs, Staged};
use crate::error::IndexError;
use crate::project::{Channel, encode_segment};
use crate::tokens::{Action, Identity};

/// More parts than this no client sends: a form has one for each classifier, requirement and the like.
const PARTS: usize = 20_000;
/// All text fields together; the long description is the big one.
const TEXT: usize = 16 * 1024 * 1024;

pub(super) async fn upload(
    State(app): State<App>,
    Path(channel): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let mut body = Box::pin(paced(body, &app.index.limits));
    let result = receive(&app, &channel, query.as_deref(), &headers, &mut body).await;
    let (who, upload, place) = match result {
        Ok(received) => received,
        Err(error) => {
            drain(&mut body).await;
            return Err(error.into());
        }
    };
    drop(body);
    let taken = async move {
        // Kept until the upload is judged and committed, whether or not the client waits for it.
        let _place = place;
        app.index.upload(&who, upload).await
    };
    let accepted = detached(taken).await?;
    Ok(answer(&accepted, &headers))
}

async fn receive<S>(
    app: &App,
    channel: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &mut S,
) -> Result<(Identity, Upload, OwnedSemaphorePermit), IndexError>
where
    S: Stream<Item = Result<Bytes, IndexError>> + Unpin + Send,
{
    let who = auth::identify(app, headers).await?;
    let channel = permitted(app, &who, channel).await?;
    let limit = app.index.limits.file_size;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.saturating_add(TEXT as u64)) {
        return Err(IndexError::TooLarge { what: "the upload".to_owned(), limit });
    }
    let place = app.uploads.admit().await?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (form, content) = read_form(&app.index.blobs, limit, query, content_type, body).await?;
    let Some((filename, staged)) = content else {
        form.judge_action()?;
        return Err(IndexError::bad_request("the form has no `content`, the file itself"));
    };
    Ok((who, Upload { channel, form, filename, staged, known: Known::default() }, place))
}

/// The channel, if this token may upload to it. The project is judged as soon as the form names it.
async fn permitted(app: &App, who: &Identity, name: &str) -> Result<Channel, IndexError> {
    let grant = who.grant()?;
    let channel = app.index.channel(who, name).await?;
    grant.require(Action::Upload, None, Some(channel.name.as_str()))?;
    if !channel.accepts_uploads {
        let channels = app.index.cache.channels(&app.index.store).await?;
        return Err(crate::index::closed(&channel, &channels));
    }
    Ok(channel)
}

/// Reads the form; the file is written to the storage as it comes.
pub(crate) async fn read_form<S>(
    blobs: &Blobs,
    limit: u64,
    query: Option<&str>,
    content_type: &str,
    body: S,
) -> Result<(Form, Option<(String, Staged)>), IndexError>
where
    S: Stream<Item = Result<Bytes, IndexError>> + Send,
{
    let boundary = multer::parse_boundary(content_type).map_err(|_| IndexError::UnsupportedType {
        why: "expected `multipart/form-data` with a boundary".to_owned(),
    })?;
    let mut parts = Parts::new(body, boundary, limit.saturating_add(TEXT as u64));
    let mut form = Form::default();
    let mut content = None;
    let (mut number, mut text) = (0, 0);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name == ":action" {
            form.push(name.into_owned(), value.into_owned());
        }
    }
    while let Some(part) = parts.next().await? {
        number += 1;
        if number > PARTS {
            return Err(IndexError::bad_request(format!("the form has more than {PARTS} parts")));
        }
        let name = part.field.name().map(str::to_owned);
        let name = name.ok_or_else(|| IndexError::bad_request("a part has no name"))?;
        if name == "content" {
            if content.is_some() {
                return Err(IndexError::bad_request("`content` is given twice"));
            }
            content = Some(read_file(blobs, limit, part).await?);
            continue;
        }
        if part.field.file_name().is_some() && name != "gpg_signature" {
            let name: String = name.chars().take(80).collect();
            return Err(IndexError::bad_request(format!("`{name}` must not be a file")));
        }
        let value = read_text(&name, part, &mut text).await?;
        form.push(name, value);
    }
    Ok((form, content))
}

async fn read_file(blobs: &Blobs, limit: u64, mut part: Part<'_>) -> Result<(String, Staged), IndexError> {
    let filename = part.field.file_name().map(str::to_owned);
    let filename =
        filename.ok_or_else(|| IndexError::bad_request("`content` must be a file, with a filename"))?;
    if part.field.content_type().is_some_and(|kind| kind.type_() == "image") {
        return Err(IndexError::bad_request("`content` is declared as an image"));
    }
    let mut staging = blobs.stage(limit, Some(&filename));
    while let Some(bytes) = part.chunk().await? {
        staging.push(bytes).await?;
    }
    Ok((filename, staging.finish().await?))
}

async fn read_text(name: &str, mut part: Part<'_>, total: &mut usize) -> Result<String, IndexError> {
    let mut bytes = Vec::new();
    let mut count = |more: usize| {
        *total += more;
        let what = || "the form without its file".to_owned();
        (*total <= TEXT)
            .then_some(())
            .ok_or_else(|| IndexError::TooLarge { what: what(), limit: TEXT as u64 })
    };
    count(name.len())?;
    while let Some(chunk) = part.chunk().await? {
        count(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    let name: String = name.chars().take(80).collect();
    let text =
        String::from_utf8(bytes).map_err(|_| IndexError::bad_request(format!("`{name}` is not UTF-8")))?;
    if text.contains('\0') {
        return Err(IndexError::bad_request(format!("`{name}` holds a NUL character")));
    }
    Ok(text)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    ok: bool,
    filename: &'a str,
    project: &'a str,
    version: &'a str,
    sha256: Sha256,
    url: String,
    /// False when the same bytes were there before.
    new: bool,
    warnings: &'a [Finding],
}

fn answer(accepted: &Accepted, headers: &HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if negotiate::best(accept, &[("text/plain", 1000), ("application/json", 800)]) == Some("application/json")
    {
        let document = Document {
            schema: "shipway.index.upload/1",
            ok: true,
            filename: &accepted.filename,
            project: &accepted.project,
            version: &accepted.version,
            sha256: accepted.sha256,
            url: format!("/files/{}/{}", accepted.sha256, encode_segment(&accepted.filename)),
            new: accepted.new,
            warnings: &accepted.warnings,
        };
        let mut response = serde_json::to_string(&document).unwrap_or_default().into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return response;
    }
    let mut text = match accepted.new {
        true => format!("uploaded `{}`, sha256 {}\n", accepted.filename, accepted.sha256),
        false => format!("`{}` is already present with the same bytes\n", accepted.filename),
    };
    for warning in &accepted.warnings {
        text.push_str(&format!("warning: {}\n", warning.message));
    }
    text.into_response()
}
