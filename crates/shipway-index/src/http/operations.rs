//! Health, readiness, counters, and the page at the root.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::{Answer, App, auth};

/// Answers by class of status.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    classes: [AtomicU64; 5],
}

impl Metrics {
    pub(super) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database answers too.
pub(super) async fn readyz(State(app): State<App>) -> Answer {
    let ready = async { crate::store::serials(&mut *app.index.store.read().await?).await };
    match ready.await {
        Ok(_) => Ok("ready\n".into_response()),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(error.into())
        }
    }
}

/// `GET /metrics`, in the text format of Prometheus.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut text = String::from(
        "# HELP shipway_http_responses_total Answers by class of status.\n# TYPE shipway_http_responses_total counter\n",
    );
    for (class, counter) in app.metrics.classes.iter().enumerate() {
        let count = counter.load(Ordering::Relaxed);
        text.push_str(&format!("shipway_http_responses_total{{class=\"{}xx\"}} {count}\n", class + 1));
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// `GET /`
pub(super) async fn home(State(app): State<App>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    let readable = |name: &str| who.may_read(None, name, app.index.anonymous_read);
    let channels = app.index.cache.channels(&app.index.store).await?;
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "shipway index" } }
            body {
                h1 { "shipway index" }
                ul {
                    @for channel in channels.iter().filter(|channel| readable(channel.name.as_str())) {
                        li { a href={ (channel.name) "/simple/" } { (channel.name) } }
                    }
                }
            }
        }
    };
    Ok(([(CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response())
}
