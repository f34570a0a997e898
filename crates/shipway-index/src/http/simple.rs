//! The simple pages (PEP 503, PEP 691) and what stands around them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use shipway_dist::name::normalize;

use super::{Answer, App, auth, negotiate, ranges};
use crate::error::IndexError;
use crate::pages::{Body as PageBody, Coding, Format, List, ListBody};

#[derive(Deserialize)]
pub(super) struct Wanted {
    format: Option<String>,
}

/// `GET /{channel}/simple/`
pub(super) async fn list(
    State(app): State<App>,
    Path(channel): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer {
    let index = &app.index;
    let who = auth::identify(&app, &headers).await?;
    let channel = index.channel(&who, &channel).await?;
    if !who.may_read(None, channel.name.as_str(), index.anonymous_read) {
        return Err(index.hidden(&who, format!("channel `{}`", channel.name)).into());
    }
    let format = format(&headers, &wanted)?;
    let mut list = index.cache.list(&index.store, &channel.name).await?;
    if let Some(projects) = who.limited_to(channel.name.as_str(), index.anonymous_read) {
        list = Arc::new(List::new(projects.iter().filter_map(|name| list.name(name)).cloned().collect()));
    }
    let coding = coding(&headers);
    let body = match list.ready(format, coding) {
        Some(body) => body.clone(),
        None => tokio::task::spawn_blocking(move || list.body(format, coding))
            .await
            .map_err(IndexError::from)??,
    };
    Ok(send_list(&body, (format, coding), &headers))
}

/// `GET /{channel}/simple/{project}/`
pub(super) async fn project(
    State(app): State<App>,
    Path((channel, project)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let index = &app.index;
    let name = normalize(&project);
    let who = auth::identify(&app, &headers).await?;
    let channel = index.channel(&who, &channel).await?;
    if name != project {
        return Ok(redirect(&format!("../{}/", crate::project::encode_segment(&name)), &uri));
    }
    let shown: String = name.chars().take(100).collect();
    let hidden = || index.hidden(&who, format!("`{shown}` in channel `{}`", channel.name));
    let format = format(&headers, &wanted)?;
    if let Some(entry) = index.cache.project(&index.store, &name).await? {
        if !who.may_read(Some(&name), channel.name.as_str(), index.anonymous_read) {
            return Err(hidden().into());
        }
        let form = (format, coding(&headers));
        let body = index.cache.page(&entry, &channel.name, form).await?.ok_or_else(hidden)?;
        return Ok(send(&body, form, &headers).map(Body::from));
    }
    // Not held here: whoever may read the channel may read what it passes on.
    if !who.may_read(None, channel.name.as_str(), index.anonymous_read) {
        return Err(hidden().into());
    }
    let page = index.upstream_page(&name).await?.ok_or_else(hidden)?;
    let form = (format, coding(&headers));
    let mut response = send(&page.body(form).await?, form, &headers).map(Body::from);
    page.describe(response.headers_mut());
    Ok(response)
}

/// A page without its slash: relative, so that it works behind any prefix.
pub(super) async fn slash(uri: Uri) -> Response {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    redirect(&format!("./{last}/"), &uri)
}

/// `GET /{channel}/`
pub(super) async fn channel(uri: Uri) -> Response {
    redirect("simple/", &uri)
}

/// A client that uploads to the page that it installs from (uv shows the text).
pub(super) async fn wrong_method(uri: Uri) -> super::Failure {
    let channel = uri.path().split('/').nth(1).unwrap_or_default();
    let why = format!("this is the URL to install from; the URL to upload to is `/{channel}/` on this host");
    super::Failure(IndexError::Method { why, allow: "GET, HEAD" })
}

fn redirect(to: &str, uri: &Uri) -> Response {
    let to = match uri.query() {
        Some(query) => format!("{to}?{query}"),
        None => to.to_owned(),
    };
    (StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)]).into_response()
}

fn format(headers: &HeaderMap, wanted: &Wanted) -> Result<Format, IndexError> {
    let accept: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    negotiate::format(Some(&accept.join(",")), wanted.format.as_deref()).ok_or_else(|| {
        let offered =
            [Format::Json, Format::SimpleHtml, Format::Html].map(negotiate::content_type).join(", ");
        IndexError::NotAcceptable { offered }
    })
}

pub(super) fn coding(headers: &HeaderMap) -> Coding {
    negotiate::coding(headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()))
}

/// Sends the representation that the client asked for, or 304.
pub(super) fn send(page: &PageBody, form: (Format, Coding), headers: &HeaderMap) -> http::Response<Bytes> {
    if is_known(&page.etag, headers) {
        return describe(http::Response::new(Bytes::new()), &page.etag, None, form);
    }
    describe(http::Response::new(page.bytes.clone()), &page.etag, Some(page.length.clone()), form)
}

/// Sends a list, or 304.
pub(super) fn send_list(list: &Arc<ListBody>, form: (Format, Coding), headers: &HeaderMap) -> Response {
    if is_known(&list.etag, headers) {
        return describe(http::Response::new(Body::empty()), &list.etag, None, form);
    }
    let pieces = list.pieces.clone().into_iter().map(Ok::<_, std::convert::Infallible>);
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    describe(http::Response::new(body), &list.etag, Some(HeaderValue::from(list.length)), form)
}

fn is_known(etag: &HeaderValue, headers: &HeaderMap) -> bool {
    etag.to_str().is_ok_and(|etag| ranges::is_known(headers, etag, None))
}

/// Adds what is said of a page; without a length it is one that the client holds.
fn describe<B>(
    mut response: http::Response<B>,
    etag: &HeaderValue,
    length: Option<HeaderValue>,
    (format, coding): (Format, Coding),
) -> http::Response<B> {
    // Room for the identifier of the request besides.
    let mut sent = HeaderMap::with_capacity(9);
    sent.insert(ETAG, etag.clone());
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=0, must-revalidate, private"));
    sent.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    match length {
        None => *response.status_mut() = StatusCode::NOT_MODIFIED,
        Some(length) => {
            sent.insert(CONTENT_TYPE, HeaderValue::from_static(negotiate::content_type(format)));
            sent.insert(CONTENT_LENGTH, length);
            let coding = match coding {
                Coding::Identity => None,
                Coding::Gzip => Some("gzip"),
                Coding::Zstd => Some("zstd"),
            };
            if let Some(coding) = coding {
                sent.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
        }
    }
    *response.headers_mut() = sent;
    response
}
