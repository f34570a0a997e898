//! Health, readiness, metrics, and the page at the root.
//!
//! Metrics tell how much is asked for, never by whom or of which project.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Answer, App, auth};
use crate::error::IndexError;

/// The kinds of requests that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    List,
    Page,
    File,
    Upload,
    Api,
    Log,
    Operations,
    Other,
}

const ROUTES: [(Route, &str); 8] = [
    (Route::List, "list"),
    (Route::Page, "page"),
    (Route::File, "file"),
    (Route::Upload, "upload"),
    (Route::Api, "api"),
    (Route::Log, "log"),
    (Route::Operations, "operations"),
    (Route::Other, "other"),
];

/// Bounds of the histogram in microseconds: from a warm page to a slow upload.
const BOUNDS: [u64; 13] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000];

/// The statuses that HTTP knows.
const STATUSES: usize = 500;

/// The kind of a request, by its path alone.
pub(super) fn route_of(method: &Method, path: &str) -> Route {
    let mut segments = path.split('/').skip(1);
    let (first, second) = (segments.next().unwrap_or_default(), segments.next());
    match (first, second) {
        ("healthz" | "readyz" | "metrics", None) => Route::Operations,
        ("files", _) => Route::File,
        ("api" | "_", _) => Route::Api,
        ("log", _) => Route::Log,
        (_, Some("simple" | "+simple")) => match segments.next() {
            None | Some("") => Route::List,
            Some(_) => Route::Page,
        },
        _ if *method == Method::POST => Route::Upload,
        _ => Route::Other,
    }
}

#[derive(Debug)]
struct Counters {
    statuses: [AtomicU64; STATUSES],
    buckets: [AtomicU64; BOUNDS.len()],
    microseconds: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; STATUSES],
            buckets: [const { AtomicU64::new(0) }; BOUNDS.len()],
            microseconds: AtomicU64::new(0),
        }
    }
}

/// What was answered since the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Vec<Counters>,
    started: SystemTime,
    /// The first half of the identifiers of this process's requests.
    process: u64,
    requests: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut process = [0; 8];
        process.copy_from_slice(&crate::random::secret()[..8]);
        Self {
            routes: ROUTES.iter().map(|_| Counters::default()).collect(),
            started: SystemTime::now(),
            process: u64::from_le_bytes(process),
            requests: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// A new identifier for a request.
    pub(super) fn identifier(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 24];
        let digits = |into: &mut [u8], mut value: u64| {
            for place in into.iter_mut().rev() {
                *place = b"0123456789abcdef"[(value & 15) as usize];
                value >>= 4;
            }
        };
        digits(&mut text[..14], self.process);
        digits(&mut text[14..], number);
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }

    pub(super) fn count(&self, route: Route, status: StatusCode, took: Duration) {
        let counters = &self.routes[route as usize];
        let status = usize::from(status.as_u16()).saturating_sub(100).min(STATUSES - 1);
        counters.statuses[status].fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters.microseconds.fetch_add(took, Ordering::Relaxed);
        if let Some(bucket) = BOUNDS.iter().position(|bound| took <= *bound) {
            counters.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// After this long what does not answer is not ready.
const READY: Duration = Duration::from_secs(5);

/// `GET /readyz`: the database and the storage answer too, and the database is not behind its log.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let database = async { crate::store::serials(&mut *app.index.store.read().await?).await.map(drop) };
    let (database, storage) = tokio::join!(
        tokio::time::timeout(READY, database),
        tokio::time::timeout(READY, app.index.blobs.ready())
    );
    let mut text = String::new();
    for (what, answered) in [("database", database), ("storage", storage)] {
        let cause = match answered {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} seconds", READY.as_secs()),
        };
        tracing::warn!(what, cause, "not ready");
        let _ = writeln!(text, "the {what} does not answer");
    }
    if text.is_empty()
        && let Ok(Err(error @ IndexError::Behind { .. })) =
            tokio::time::timeout(READY, app.index.log.check(&app.index.store)).await
    {
        tracing::error!(%error, "not ready");
        text.push_str("the database is behind its log\n");
    }
    if text.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], text).into_response()
}

/// `GET /metrics` beside the pages: for whoever may read every project. With an address of its own it is
/// answered there and not here.
pub(super) async fn metrics(State(app): State<App>, headers: HeaderMap) -> Answer {
    let who = auth::identify(&app, &headers).await?;
    if app.metrics_elsewhere || !who.reads_everything(app.index.anonymous_read) {
        return Err(app.index.hidden(&who, "this path").into());
    }
    Ok(exposition(&app))
}

/// `GET /metrics` on an address of its own.
pub(super) async fn open_metrics(State(app): State<App>) -> Response {
    exposition(&app)
}

fn exposition(app: &App) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(app)).into_response()
}

/// The metrics in the text format of Prometheus.
fn text(app: &App) -> String {
    let mut text = String::with_capacity(8192);
    requests(&mut text, &app.metrics);
    let cache = app.index.cache.standing();
    let (uploads, waiting) = app.uploads.standing();
    let started = app.metrics.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = |value: usize| value.to_string();
    let mut rows = vec![
        ("shipway_cache_bytes", "gauge", "Bytes of projects and pages in memory.", number(cache.bytes)),
        ("shipway_cache_projects", "gauge", "Projects in memory.", number(cache.projects)),
        ("shipway_pages_built_total", "counter", "Forms of pages that were built.", cache.built.to_string()),
        (
            "shipway_cache_evicted_total",
            "counter",
            "Projects that were forgotten to make room.",
            cache.evicted.to_string(),
        ),
        (
            "shipway_cache_refreshed_total",
            "counter",
            "How often a commit was noticed.",
            cache.refreshed.to_string(),
        ),
        (
            "shipway_lists_read_total",
            "counter",
            "Lists of projects that were read whole from the database.",
            cache.lists_read.to_string(),
        ),
        ("shipway_connections", "gauge", "Open connections.", number(app.connections.open())),
        ("shipway_uploads_running", "gauge", "Uploads under way.", number(uploads)),
        ("shipway_uploads_waiting", "gauge", "Uploads that wait for a place.", number(waiting)),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process started.",
            format!("{:.3}", started.as_secs_f64()),
        ),
    ];
    if let Some(bytes) = resident() {
        rows.push(("process_resident_memory_bytes", "gauge", "Resident memory.", bytes.to_string()));
    }
    if let Some(upstream) = &app.index.upstream {
        let did = upstream.standing();
        let counter = |name, help, value: u64| (name, "counter", help, value.to_string());
        rows.extend([
            counter("shipway_upstream_requests_total", "Requests to upstream.", did.requests),
            counter("shipway_upstream_failures_total", "Requests to upstream that failed.", did.failures),
            counter(
                "shipway_upstream_stale_total",
                "Pages served though upstream failed or was slow.",
                did.stale,
            ),
            counter(
                "shipway_upstream_shared_total",
                "Requests that waited for another's answer.",
                did.shared,
            ),
            counter(
                "shipway_upstream_changed_total",
                "Files left out because upstream changed their digest.",
                did.changed,
            ),
            ("shipway_upstream_bytes", "gauge", "Bytes of upstream pages in memory.", did.bytes.to_string()),
        ]);
    }
    for (name, kind, help, value) in rows {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    text
}

fn requests(text: &mut String, metrics: &Metrics) {
    text.push_str("# HELP shipway_http_responses_total Answers by kind of request and status.\n");
    text.push_str("# TYPE shipway_http_responses_total counter\n");
    for ((_, route), counters) in ROUTES.iter().zip(&metrics.routes) {
        for (at, count) in counters.statuses.iter().enumerate() {
            let (status, count) = (at + 100, count.load(Ordering::Relaxed));
            if count > 0 {
                let _ = writeln!(
                    text,
                    "shipway_http_responses_total{{route=\"{route}\",status=\"{status}\"}} {count}"
                );
            }
        }
    }
    text.push_str("# HELP shipway_http_duration_seconds Time until the answer began.\n");
    text.push_str("# TYPE shipway_http_duration_seconds histogram\n");
    for ((_, route), counters) in ROUTES.iter().zip(&metrics.routes) {
        let all: u64 = counters.statuses.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        if all == 0 {
            continue;
        }
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&counters.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let bound = *bound as f64 / 1e6;
            let _ = writeln!(
                text,
                "shipway_http_duration_seconds_bucket{{route=\"{route}\",le=\"{bound}\"}} {below}"
            );
        }
        // Counted a moment apart: the last bucket is never below the one before.
        let all = all.max(below);
        let sum = counters.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "shipway_http_duration_seconds_bucket{{route=\"{route}\",le=\"+Inf\"}} {all}");
        let _ = writeln!(text, "shipway_http_duration_seconds_sum{{route=\"{route}\"}} {sum}");
        let _ = writeln!(text, "shipway_http_duration_seconds_count{{route=\"{route}\"}} {all}");
    }
}

/// Resident memory in bytes, where the system says so in a file.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_kinds() {
        for (method, path, expected) in [
            (Method::GET, "/healthz", Route::Operations),
            (Method::GET, "/files/ab/a.whl", Route::File),
            (Method::GET, "/dev/simple/", Route::List),
            (Method::GET, "/dev/+simple/demo/", Route::Page),
            (Method::POST, "/dev/", Route::Upload),
            (Method::POST, "/api/v1/sessions", Route::Api),
            (Method::GET, "/log/checkpoint", Route::Log),
            (Method::GET, "/", Route::Other),
        ] {
            assert_eq!(route_of(&method, path), expected, "{path}");
        }
        for (at, (route, _)) in ROUTES.iter().enumerate() {
            assert_eq!(*route as usize, at);
        }
    }

    #[test]
    fn identifiers_differ() {
        let metrics = Metrics::default();
        let (first, second) = (metrics.identifier(), metrics.identifier());
        assert!(first != second && first.len() == 24);
        assert_ne!(first, Metrics::default().identifier());
    }
}
