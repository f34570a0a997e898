//! `/api/v1`: what the pipeline and the index say to each other ([`shipway_dist::wire`]).

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;
use shipway_dist::wire::{
    ChannelEntry, ChannelList, EvidenceList, EvidenceRequest, MarkRequest, PromotionRequest, RollbackRequest,
    SessionRequest,
};

use super::pace::{drain, paced};
use super::{Answer, App, auth, detached};
use crate::channels::ChangeRequest;
use crate::error::IndexError;
use crate::tokens::Identity;

/// The largest document: a session of thousands of files, or a statement with a report.
const DOCUMENT: usize = 8 * 1024 * 1024;

pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(document).map_err(IndexError::from)?;
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Says who asks, then reads the document: nobody learns from a parser what a token would not show.
async fn receive<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Identity, T), IndexError> {
    let who = auth::identify(app, headers).await?;
    who.grant()?;
    let bytes = receive_bytes(app, body, DOCUMENT).await?;
    let document = serde_json::from_slice(&bytes)
        .map_err(|error| IndexError::bad_request(format!("the document cannot be read: {error}")))?;
    Ok((who, document))
}

/// Reads a body of so many bytes at most.
pub(super) async fn receive_bytes(app: &App, body: Body, limit: usize) -> Result<Bytes, IndexError> {
    let stall = app.index.limits.stall;
    let read = tokio::time::timeout(stall, to_bytes(body, limit)).await;
    read.map_err(|_| IndexError::Stalled { seconds: stall.as_secs() })?
        .map_err(|error| IndexError::bad_request(format!("the document cannot be received: {error}")))
}

fn project_name(text: &str) -> Result<ProjectName, IndexError> {
    text.parse().map_err(|error: shipway_dist::name::NameError| IndexError::bad_request(error.to_string()))
}

/// `GET /api/v1/channels`
pub(super) async fn channels(State(app): State<App>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    if matches!(who, Identity::Anonymous) && !app.index.anonymous_read {
        return Err(app.index.hidden(&who, "the list of channels").into());
    }
    let channels = app.index.cache.channels(&app.index.store).await?;
    let entry = |channel: &crate::project::Channel| ChannelEntry {
        name: channel.name.clone(),
        accepts_uploads: channel.accepts_uploads,
    };
    let channels = channels.iter().map(entry).collect();
    json(StatusCode::OK, &ChannelList { schema: "shipway.index.channels/1".to_owned(), ok: true, channels })
}

/// `GET /api/v1/policy`
pub(super) async fn policy(State(app): State<App>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    if matches!(who, Identity::Anonymous) && !app.index.anonymous_read {
        return Err(app.index.hidden(&who, "the policy").into());
    }
    json(StatusCode::OK, &app.index.policy_document().await?)
}

/// `GET /api/v1/keys`
pub(super) async fn keys(State(app): State<App>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    if matches!(who, Identity::Anonymous) && !app.index.anonymous_read {
        return Err(app.index.hidden(&who, "the list of keys").into());
    }
    json(StatusCode::OK, &app.index.key_list().await?)
}

/// `GET /api/v1/projects/{project}`
pub(super) async fn project(
    State(app): State<App>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let project = project_name(&project)?;
    json(StatusCode::OK, &app.index.record(&who, &project).await?)
}

/// `GET /api/v1/projects/{project}/releases/{version}/evidence`
pub(super) async fn evidence(
    State(app): State<App>,
    Path((project, version)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let project = project_name(&project)?;
    json(StatusCode::OK, &app.index.evidence(&who, &project, &version).await?)
}

/// `POST /api/v1/projects/{project}/releases/{version}/evidence`: the answer is the list of what was kept.
pub(super) async fn add_evidence(
    State(app): State<App>,
    Path((project, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (who, request) = receive::<EvidenceRequest>(&app, &headers, body).await?;
    let project = project_name(&project)?;
    let add = async move { app.index.add_evidence(&who, (&project, &version), request).await };
    let (stored, new) = detached(add).await?;
    let list =
        EvidenceList { schema: "shipway.index.evidence/1".to_owned(), ok: true, statements: vec![stored] };
    json(if new { StatusCode::CREATED } else { StatusCode::OK }, &list)
}

/// `POST /api/v1/preflight`
pub(super) async fn preflight(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<SessionRequest>(&app, &headers, body).await?;
    json(StatusCode::OK, &app.index.preflight(&who, &request).await?)
}

/// `POST /api/v1/sessions`
pub(super) async fn begin_session(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<SessionRequest>(&app, &headers, body).await?;
    let begun = detached(async move { app.index.begin_session(&who, request).await }).await?;
    json(if begun.new { StatusCode::CREATED } else { StatusCode::OK }, &begun.session)
}

/// `GET /api/v1/sessions/{id}`
pub(super) async fn session(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let session = app.index.find_session(&who, &id).await?;
    json(StatusCode::OK, &app.index.show_session(&session))
}

/// `DELETE /api/v1/sessions/{id}`
pub(super) async fn delete_session(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    detached(async move { app.index.delete_session(&who, &id).await }).await?;
    json(StatusCode::OK, &serde_json::json!({ "schema": "shipway.index.deleted/1", "ok": true }))
}

/// `PUT /api/v1/sessions/{id}/files/{filename}`
pub(super) async fn put_file(
    State(app): State<App>,
    Path((id, filename)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let mut body = Box::pin(paced(body, &app.index.limits));
    let received = async {
        let who = auth::identify(&app, &headers).await?;
        let session = app.index.find_session(&who, &id).await?;
        let listed = session.files.iter().find(|file| file.filename == filename);
        let size = listed.ok_or_else(|| IndexError::not_found("that file of the session"))?.size;
        let place = app.uploads.admit().await?;
        let mut staging = app.index.blobs.stage(size, Some(&filename));
        while let Some(bytes) = body.next().await {
            staging.push(bytes?).await?;
        }
        Ok::<_, IndexError>((session, staging.finish().await?, place))
    };
    let (session, staged, place) = match received.await {
        Ok(received) => received,
        Err(error) => {
            drain(&mut body).await;
            return Err(longer_than_announced(error, &filename).into());
        }
    };
    let taken = async move {
        let _place = place;
        app.index.take_file(session, &filename, staged).await
    };
    let accepted = detached(taken).await?;
    json(StatusCode::OK, &accepted)
}

fn longer_than_announced(error: IndexError, filename: &str) -> IndexError {
    match error {
        IndexError::TooLarge { limit, .. } => {
            let filename: String = filename.chars().take(255).collect();
            let message = format!("`{filename}` was announced with {limit} bytes and has more");
            IndexError::Invalid { findings: vec![Finding::error("size", message)] }
        }
        other => other,
    }
}

/// `POST /api/v1/sessions/{id}/publish`
pub(super) async fn publish(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let session = detached(async move { app.index.publish(&who, &id).await }).await?;
    json(StatusCode::OK, &session)
}

async fn change(app: App, who: Identity, request: ChangeRequest) -> Answer {
    let change = detached(async move { app.index.change(&who, &request).await }).await?;
    json(StatusCode::OK, &change)
}

/// `POST /api/v1/promotions`
pub(super) async fn promote(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<PromotionRequest>(&app, &headers, body).await?;
    change(app, who, request.into()).await
}

/// `POST /api/v1/rollbacks`
pub(super) async fn roll_back(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<RollbackRequest>(&app, &headers, body).await?;
    change(app, who, request.into()).await
}

/// `POST /api/v1/yanks`
pub(super) async fn yank(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<MarkRequest>(&app, &headers, body).await?;
    change(app, who, ChangeRequest::yank(request)).await
}

/// `POST /api/v1/blocks`
pub(super) async fn block(State(app): State<App>, headers: HeaderMap, body: Body) -> Answer {
    let (who, request) = receive::<MarkRequest>(&app, &headers, body).await?;
    change(app, who, ChangeRequest::block(request)?).await
}
