//! The routes. Handlers extract, call and encode; every rule is elsewhere.

mod answer;
mod api;
mod auth;
mod files;
pub(crate) mod front;
pub(crate) mod fuzz;
mod limits;
mod log;
mod multipart;
mod negotiate;
mod oidc;
mod openapi;
mod operations;
mod pace;
mod proxies;
mod ranges;
mod send;
mod simple;
pub(crate) mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post};

use crate::connection::Places;
use crate::error::IndexError;
use crate::index::Index;

use answer::Failure;
pub(crate) use proxies::Proxies;

/// What every handler sees.
pub(crate) struct Shared {
    pub(crate) index: Index,
    pub(crate) metrics: operations::Metrics,
    pub(crate) limiter: Option<limits::Limiter>,
    pub(crate) uploads: limits::Uploads,
    pub(crate) connections: Places,
    pub(crate) files: send::Sender,
    pub(crate) proxies: proxies::Proxies,
    /// Whether `/metrics` has an address of its own.
    pub(crate) metrics_elsewhere: bool,
}

pub(crate) type App = Arc<Shared>;

/// What a handler gives.
type Answer = Result<Response, Failure>;

/// `/metrics` and `/healthz` alone, for an address that only monitoring reaches.
pub(crate) fn metrics_router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(operations::healthz))
        .route("/metrics", get(operations::open_metrics))
        .with_state(app)
}

/// All routes over an index.
pub(crate) fn router(index: Index, metrics_elsewhere: bool, proxies: proxies::Proxies) -> (Router, App) {
    let shared = Arc::new(Shared {
        metrics: operations::Metrics::default(),
        limiter: limits::Limiter::new(&index.limits),
        uploads: limits::Uploads::new(&index.limits),
        connections: Places::new(&index.limits),
        files: send::Sender::default(),
        metrics_elsewhere,
        proxies,
        index,
    });
    let simple = |prefix: &str| {
        let list = get(simple::list).post(simple::wrong_method);
        let project = get(simple::project).post(simple::wrong_method);
        Router::new()
            .route(&format!("/{{channel}}/{prefix}"), get(simple::slash).post(simple::wrong_method))
            .route(&format!("/{{channel}}/{prefix}/"), list)
            .route(
                &format!("/{{channel}}/{prefix}/{{project}}"),
                get(simple::slash).post(simple::wrong_method),
            )
            .route(&format!("/{{channel}}/{prefix}/{{project}}/"), project)
    };
    let router = Router::new()
        .route("/", get(operations::home))
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/metrics", get(operations::metrics))
        .route("/files/{sha256}/{filename}", get(files::file))
        .route("/log/checkpoint", get(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .route("/_/oidc/audience", get(oidc::audience))
        .route("/_/oidc/mint-token", post(oidc::mint))
        .nest("/api/v1", openapi::routes())
        .merge(simple("simple"))
        .merge(simple("+simple"))
        .route("/{channel}", get(simple::slash).post(upload::upload))
        .route("/{channel}/", get(simple::channel).post(upload::upload))
        .route("/{channel}/legacy", post(upload::upload))
        .route("/{channel}/legacy/", post(upload::upload))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(answer::finish))
        .with_state(shared.clone());
    (router, shared)
}

/// The OpenAPI document of `/api/v1`.
pub fn openapi() -> serde_json::Value {
    openapi::document()
}

async fn no_route() -> Failure {
    Failure(IndexError::not_found("this path"))
}

async fn no_method(request: Request) -> Failure {
    let why = format!("{} is not taken here", request.method());
    Failure(IndexError::Method { why, allow: "" })
}

/// Runs a change to its end even when the client goes away.
async fn detached<T: Send + 'static>(
    future: impl Future<Output = Result<T, IndexError>> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::spawn(future).await?
}
