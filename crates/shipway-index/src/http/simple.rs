//! The simple pages (PEP 503, PEP 691) and what stands around them.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use shipway_dist::name::normalize;

use super::negotiate::{self, Coding, Format};
use super::{Answer, App, auth, ranges};
use crate::error::IndexError;
use crate::pages::{Page, Variants};

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
    let readable = |name: &str| who.may_read(Some(name), channel.name.as_str(), index.anonymous_read);
    if who.sees_everything_in(channel.name.as_str(), index.anonymous_read) {
        let page = index.cache.list(&index.store, &channel.name).await?;
        return Ok(send(&page, format, &headers));
    }
    let names = crate::store::project_names(&mut *index.store.read().await?, &channel.name).await?;
    let names: Vec<_> = names.into_iter().filter(|(name, _)| readable(name)).collect();
    let page = crate::pages::project_list(&names)?;
    Ok(send(&page, format, &headers))
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
        let page = index.cache.page(&entry, &channel.name).await?.ok_or_else(hidden)?;
        return Ok(send(&page, format, &headers));
    }
    // Not held here: whoever may read the channel may read what it passes on.
    if !who.may_read(None, channel.name.as_str(), index.anonymous_read) {
        return Err(hidden().into());
    }
    let page = index.upstream_page(&name).await?.ok_or_else(hidden)?;
    Ok(send(&page.page, format, &headers))
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
        let offered = [Format::Json, Format::SimpleHtml, Format::Html].map(Format::content_type).join(", ");
        IndexError::NotAcceptable { offered }
    })
}

/// Sends the representation that the client asked for, or 304.
fn send(page: &Page, format: Format, headers: &HeaderMap) -> Response {
    let variants: &Variants = match format {
        Format::Json => &page.json,
        Format::SimpleHtml | Format::Html => &page.html,
    };
    let coding = negotiate::coding(headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()));
    let (body, encoding) = match coding {
        Coding::Identity => (&variants.identity, None),
        Coding::Gzip => (&variants.gzip, Some("gzip")),
        Coding::Zstd => (&variants.zstd, Some("zstd")),
    };
    let known = body.etag.to_str().is_ok_and(|etag| ranges::is_known(headers, etag, None));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        axum::body::Body::from(body.bytes.clone()).into_response()
    };
    let sent = response.headers_mut();
    sent.insert(ETAG, body.etag.clone());
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=0, must-revalidate, private"));
    sent.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    if !known {
        sent.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        sent.insert(CONTENT_LENGTH, HeaderValue::from(body.bytes.len()));
        if let Some(encoding) = encoding {
            sent.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    response
}
