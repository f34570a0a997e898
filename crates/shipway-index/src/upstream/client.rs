//! Asks the other index.

use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use reqwest::{Certificate, Response};
use shipway_dist::simple::{HTML_TYPE, JSON_TYPE};
use url::Url;

use super::discover::{self, Found};
use crate::config::Upstream;
use crate::error::IndexError;

/// A page as it came.
pub(super) struct RawPage {
    /// Where it came from in the end; links are relative to it.
    pub(super) url: Url,
    pub(super) is_json: bool,
    pub(super) body: bytes::Bytes,
}

/// A connection to the other index.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    /// User and password of the URL; sent to its own origin alone.
    credentials: Option<(String, String)>,
}

impl Client {
    pub(super) async fn connect(setting: &Upstream) -> Result<Self, IndexError> {
        let setting = setting.clone();
        let found = tokio::task::spawn_blocking(move || discover::find(&setting)).await??;
        let Found { mut url, roots } = found;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let credentials = take_credentials(&mut url);
        crate::server::install_crypto();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(60));
        for root in roots {
            let pem = std::fs::read(&root).map_err(IndexError::io("read", &root))?;
            let bundle = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&url, &error))?;
            builder = builder.tls_certs_merge(bundle);
        }
        let http = builder.build().map_err(|error| failed(&url, &error))?;
        Ok(Self { http, base: url, credentials })
    }

    /// The page of a project; nothing when there is none.
    pub(super) async fn page(&self, name: &str) -> Result<Option<RawPage>, IndexError> {
        let url = self
            .base
            .join(&format!("{name}/"))
            .map_err(|error| IndexError::Upstream { why: format!("no URL for `{name}`: {error}") })?;
        let accept = format!("{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.1");
        let response = self.send(&url, |request| request.header(ACCEPT, &accept)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = sound(&url, response)?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|text| text.contains("json"));
        let mut from = response.url().clone();
        let _ = take_credentials(&mut from);
        let body = response.bytes().await.map_err(|error| failed(&url, &error))?;
        Ok(Some(RawPage { url: from, is_json, body }))
    }

    /// The bytes of a file, not yet read.
    pub(super) async fn file(&self, url: &Url) -> Result<Response, IndexError> {
        // The bytes as they are: a coding would be undone here and the digest be that of something else.
        let response = self.send(url, |request| request.header(ACCEPT_ENCODING, "identity")).await?;
        sound(url, response)
    }

    async fn send(
        &self,
        url: &Url,
        prepare: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Response, IndexError> {
        let mut attempt: u32 = 0;
        loop {
            let mut request = prepare(self.http.get(url.clone()));
            if let Some((user, password)) = &self.credentials
                && url.origin() == self.base.origin()
            {
                request = request.basic_auth(user, Some(password));
            }
            let result = request.send().await;
            let transient = match &result {
                Ok(response) => matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504),
                Err(error) => error.is_connect() || error.is_request(),
            };
            attempt += 1;
            if !transient || attempt == 3 {
                return result.map_err(|error| failed(url, &error));
            }
            tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
        }
    }
}

fn sound(url: &Url, response: Response) -> Result<Response, IndexError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let why = format!("`{}` answered {}", shown(url), response.status());
    Err(IndexError::Upstream { why })
}

/// An error without the URL that the library adds, which may hold credentials.
pub(super) fn failed(url: &Url, error: &reqwest::Error) -> IndexError {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let why = match causes.last() {
        Some(cause) => format!("`{}` cannot be read: {cause}", shown(url)),
        None => format!("`{}` cannot be read", shown(url)),
    };
    IndexError::Upstream { why }
}

/// A URL without credentials and query.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = take_credentials(&mut url);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn take_credentials(url: &mut Url) -> Option<(String, String)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decode(url.username());
    let password = url.password().map(decode);
    // Fails only for URLs that cannot hold any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    (!user.is_empty() || password.is_some()).then(|| (user, password.unwrap_or_default()))
}
