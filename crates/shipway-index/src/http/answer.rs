//! How refusals are written.
//!
//! A handler gives an [`IndexError`]; the layer [`finish`] writes it in the form that the client accepts.
//! The text of an unexpected error stays in the log.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::ext::ReasonPhrase;
use serde::Serialize;
use shipway_dist::finding::Finding;
use shipway_dist::simple::JSON_TYPE;

use super::negotiate;
use crate::error::{IndexError, READ_ONLY};
use crate::pages::Format;

/// A refusal on its way to [`finish`].
#[derive(Debug)]
pub(super) struct Failure(pub(super) IndexError);

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(Arc::new(self.0));
        response
    }
}

/// The form of a refusal's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `application/json`, exactly so: clients compare the whole header.
    Json,
    /// RFC 9457.
    Problem,
    Text,
    /// The types of simple pages: some clients refuse others even on a 404.
    SimpleJson,
    Html,
}

/// [`shipway_dist::wire::ApiError`] with the keys that uv (`title`) and RFC 9457 readers look for.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    ok: bool,
    code: &'static str,
    message: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Finding],
}

/// Writes refusals in the form asked for, and logs what failed.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let id = request.headers().get(&super::front::REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    let error = response.extensions_mut().remove::<Arc<IndexError>>();
    let (status, duration_ms) = (response.status(), began.elapsed().as_millis());
    let Some(error) = error else { return response };
    let id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
    if status.is_server_error() {
        let cause = chain(&error);
        tracing::error!(id, %method, %path, status = status.as_u16(), duration_ms, cause, "failed");
    } else {
        tracing::debug!(id, %method, %path, status = status.as_u16(), duration_ms, code = error.code(), "refused");
    }
    let page = matches!(method, Method::GET | Method::HEAD);
    encode(&error, form_of(&path, accept.as_deref(), page), response.headers())
}

/// A refusal before any route.
pub(super) fn refusal(error: &IndexError, method: &Method, path: &str, accept: Option<&str>) -> Response {
    let page = matches!(*method, Method::GET | Method::HEAD);
    encode(error, form_of(path, accept, page), &HeaderMap::new())
}

fn form_of(path: &str, accept: Option<&str>, page: bool) -> Form {
    let accept = accept.unwrap_or_default();
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    if first == "api" {
        return Form::Json;
    }
    if page && matches!(segments.next(), Some("simple" | "+simple")) {
        return match negotiate::format(Some(accept), None) {
            Some(Format::Json) => Form::SimpleJson,
            Some(Format::SimpleHtml | Format::Html) => Form::Html,
            None => Form::Text,
        };
    }
    // Text is worth more to a person than a code: uv, which prefers JSON slightly (0.9 to 0.8), shows of JSON
    // the key `code` alone, and of text everything. Who asks for JSON alone gets it.
    let offers = [("text/plain", 1000), ("application/json", 800), ("application/problem+json", 900)];
    match negotiate::best(accept, &offers) {
        Some("application/json") => Form::Json,
        Some("application/problem+json") => Form::Problem,
        _ => Form::Text,
    }
}

fn encode(error: &IndexError, form: Form, original: &HeaderMap) -> Response {
    let status = error.status();
    let unexpected = status == StatusCode::INTERNAL_SERVER_ERROR;
    let message = match error {
        _ if unexpected => "the index failed; its log says why".to_owned(),
        _ if error.code() == READ_ONLY => {
            "the disk or the database of the index takes no writes now; whoever runs it has to look"
                .to_owned()
        }
        IndexError::Database { .. } if error.is_passing() => {
            "the index cannot use its database now; try again".to_owned()
        }
        IndexError::Storage { .. } => "the index cannot use its storage now; try again".to_owned(),
        error => error.to_string(),
    };
    let document = Document {
        schema: "shipway.error/1",
        ok: false,
        code: error.code(),
        message: &message,
        title: status.canonical_reason().unwrap_or("refused"),
        status: status.as_u16(),
        detail: &message,
        errors: error.findings(),
    };
    let json = || serde_json::to_string(&document).unwrap_or_default();
    let (content_type, body) = match form {
        Form::Json => ("application/json", json()),
        Form::Problem => ("application/problem+json", json()),
        Form::SimpleJson => (JSON_TYPE, json()),
        Form::Html => ("text/html; charset=utf-8", page(status, &message)),
        Form::Text => ("text/plain; charset=utf-8", text(&message, error.findings())),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(allow) = original.get(ALLOW) {
        headers.insert(ALLOW, allow.clone());
    }
    match error {
        IndexError::Unauthenticated { .. } => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"shipway\", charset=\"UTF-8\""),
            );
        }
        IndexError::TooMany { seconds, .. }
        | IndexError::NewProjects { seconds, .. }
        | IndexError::Busy { seconds } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
        }
        _ if error.is_passing() => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        IndexError::Method { allow, .. } if !allow.is_empty() => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        _ => {}
    }
    headers.remove(CONTENT_LENGTH);
    // twine prints the reason phrase and nothing else.
    if let Ok(reason) = ReasonPhrase::try_from(reason(&message)) {
        response.extensions_mut().insert(reason);
    }
    response
}

fn text(message: &str, findings: &[Finding]) -> String {
    if findings.len() < 2 {
        return format!("{message}\n");
    }
    findings.iter().map(|finding| format!("{}\n", finding.message)).collect()
}

fn page(status: StatusCode, message: &str) -> String {
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" { head { meta charset="utf-8"; title { (status) } } body { p { (message) } } }
    };
    page.into_string()
}

/// One short line of ASCII.
fn reason(message: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    message.chars().take(500).map(plain).collect()
}

/// An error and its causes, on one line.
fn chain(error: &IndexError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
