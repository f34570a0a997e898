//! `/_/oidc/…`: trusted publishing, as clients know it from the public index. The paths stand at the root of the
//! host, where clients look for them.

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;

use super::{Answer, App, api};
use crate::error::IndexError;
use crate::store;
use crate::trust::MintError;

/// The largest request for a token, in bytes.
const REQUEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct MintRequest {
    token: String,
}

/// `GET /_/oidc/audience`
pub(super) async fn audience(State(app): State<App>) -> Answer {
    if !store::has_publishers(&mut *app.index.store.read().await?).await? {
        return Err(IndexError::not_found("a trusted publisher").into());
    }
    answer(StatusCode::OK, &json!({ "audience": app.index.audience() }))
}

/// `POST /_/oidc/mint-token`
pub(super) async fn mint(State(app): State<App>, body: Body) -> Answer {
    let bytes = api::receive_bytes(&app, body, REQUEST).await?;
    let minted = match serde_json::from_slice::<MintRequest>(&bytes) {
        Ok(request) => app.index.mint(&request.token).await,
        Err(_) => Err(MintError::payload("the request is not `{\"token\": \"…\"}`")),
    };
    match minted {
        Ok((token, expires)) => {
            let document =
                json!({ "success": true, "token": token.expose(), "expires": expires.as_second() });
            answer(StatusCode::OK, &document)
        }
        Err(MintError::Refused { code, why }) => refusal(StatusCode::UNPROCESSABLE_ENTITY, code, &why),
        // In the words that clients of this path read.
        Err(MintError::Failed(error @ IndexError::Upstream { .. })) => {
            tracing::warn!(%error, "an identity could not be verified");
            refusal(error.status(), error.code(), &error.to_string())
        }
        Err(MintError::Failed(error)) => Err(error.into()),
    }
}

fn refusal(status: StatusCode, code: &str, why: &str) -> Answer {
    let errors = json!([{ "code": code, "description": why }]);
    answer(status, &json!({ "message": "Token request failed", "errors": errors }))
}

fn answer(status: StatusCode, document: &serde_json::Value) -> Answer {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((status, headers, document.to_string()).into_response())
}
