//! `/log/…`: the checkpoint and the tiles of the tamper-evident log, and `/api/v1/log`: who signs it.
//!
//! Hashes tell nothing, so every reader gets them; entries tell what every project does, so only who may read
//! every project gets them.

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use shipway_dist::log::Tile;
use shipway_dist::wire::LogInfo;

use super::{Answer, App, api, auth};
use crate::tokens::Identity;

/// Only a reader of something may look at the log at all.
async fn reader(app: &App, headers: &HeaderMap) -> Result<Identity, crate::error::IndexError> {
    let who = auth::identify(app, headers).await?;
    if matches!(who, Identity::Anonymous) && !app.index.anonymous_read {
        return Err(app.index.hidden(&who, "the log"));
    }
    Ok(who)
}

/// `GET /log/checkpoint`: a signed note over everything that is committed.
pub(super) async fn checkpoint(State(app): State<App>, headers: HeaderMap) -> Answer {
    reader(&app, &headers).await?;
    let note = app.index.log.checkpoint(&app.index.store).await?;
    let mut response = (StatusCode::OK, note).into_response();
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// `GET /log/tile/{level}/{index}[.p/{width}]`, or `entries` for the level.
pub(super) async fn tile(State(app): State<App>, Path(rest): Path<String>, headers: HeaderMap) -> Answer {
    let who = reader(&app, &headers).await?;
    let path = format!("tile/{rest}");
    let missing = || app.index.hidden(&who, format!("`{}`", path.chars().take(80).collect::<String>()));
    let tile = Tile::parse(&path).ok_or_else(missing)?;
    if tile.level.is_none() && !who.reads_everything(app.index.anonymous_read) {
        return Err(missing().into());
    }
    let bytes = app.index.log.tile(tile).await?.ok_or_else(missing)?;
    let mut response = (StatusCode::OK, bytes).into_response();
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable, private"));
    Ok(response)
}

/// `GET /api/v1/log`
pub(super) async fn info(State(app): State<App>, headers: HeaderMap) -> Answer {
    reader(&app, &headers).await?;
    let key = app.index.log.verifier();
    let info = LogInfo {
        schema: "shipway.index.log/1".to_owned(),
        ok: true,
        origin: key.name.clone(),
        verifier_key: key.to_string(),
    };
    api::json(StatusCode::OK, &info)
}
