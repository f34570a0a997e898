//! Asks the other index. No answer is read without a bound, in bytes and in time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use http::StatusCode;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::{Certificate, Response};
use shipway_dist::simple::{HTML_TYPE, JSON_TYPE};
use tokio::time::Instant;
use url::Url;

use super::discover::{self, Found};
use crate::config::Upstream;
use crate::error::IndexError;

/// The largest page of a project that is read.
const PAGE: usize = 32 * 1024 * 1024;
/// The largest list of projects that is read.
const LIST: usize = 128 * 1024 * 1024;
/// An answer that brings less than this in the time that it may stand still is given up: one byte now and then
/// would hold up everybody who waits for it.
const PACE: usize = 16 * 1024;

/// What upstream says of a page.
pub(crate) enum Answer {
    Page(RawPage),
    /// As it was under the ETag that was sent.
    Unchanged,
    /// Upstream has no such project.
    Absent,
}

/// A page as it came.
#[derive(Clone)]
pub(crate) struct RawPage {
    /// Where it came from in the end; links are relative to it.
    pub(crate) url: Url,
    pub(crate) is_json: bool,
    pub(crate) etag: Option<String>,
    pub(crate) body: Bytes,
}

/// The bytes of an answer as they come.
pub(crate) struct Coming {
    response: Response,
    url: Url,
    stall: Duration,
    /// When enough must have come.
    due: Instant,
    /// What came since `due` was last set.
    arrived: usize,
}

/// A connection to the other index.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// User and password of the URL; sent to its own origin alone.
    credentials: Option<(String, String)>,
    /// How long an answer may stand still.
    stall: Duration,
}

impl Client {
    pub(crate) async fn connect(setting: &Upstream, stall: Duration) -> Result<Self, IndexError> {
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
        Ok(Self { http, base: url, credentials, stall })
    }

    /// Where the projects are, without credentials.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The list of projects.
    pub(crate) async fn list(&self) -> Result<Answer, IndexError> {
        self.read(self.base.clone(), None, LIST).await
    }

    /// The page of a project, if it is another than the one with this ETag.
    pub(crate) async fn page(&self, name: &str, etag: Option<&str>) -> Result<Answer, IndexError> {
        let url = self
            .base
            .join(&format!("{name}/"))
            .map_err(|error| IndexError::Upstream { why: format!("no URL for `{name}`: {error}") })?;
        self.read(url, etag, PAGE).await
    }

    async fn read(&self, url: Url, etag: Option<&str>, limit: usize) -> Result<Answer, IndexError> {
        let accept = format!("{JSON_TYPE}, {HTML_TYPE};q=0.2, text/html;q=0.1");
        let prepare = |request: reqwest::RequestBuilder| {
            let request = request.header(ACCEPT, &accept);
            match etag {
                Some(etag) => request.header(IF_NONE_MATCH, etag),
                None => request,
            }
        };
        let response = self.send(&url, prepare).await?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(Answer::Absent),
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Answer::Unchanged),
            _ => {}
        }
        let response = sound(&url, response)?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_json = text(CONTENT_TYPE).is_some_and(|text| text.contains("json"));
        let etag = text(ETAG).map(str::to_owned);
        let mut from = response.url().clone();
        let _ = take_credentials(&mut from);
        let body = self.coming(&url, response).all(limit).await?;
        Ok(Answer::Page(RawPage { url: from, is_json, etag, body }))
    }

    /// The bytes of a file, not yet read.
    pub(crate) async fn file(&self, url: &Url) -> Result<Coming, IndexError> {
        // The bytes as they are: a coding would be undone here and the digest be that of something else.
        let response = self.send(url, |request| request.header(ACCEPT_ENCODING, "identity")).await?;
        Ok(self.coming(url, sound(url, response)?))
    }

    fn coming(&self, url: &Url, response: Response) -> Coming {
        let due = Instant::now() + self.stall;
        Coming { response, url: url.clone(), stall: self.stall, due, arrived: 0 }
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

impl Coming {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When the connection breaks off before the end that was announced, or too little comes.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, IndexError> {
        let Ok(result) = tokio::time::timeout_at(self.due, self.response.chunk()).await else {
            let why = format!("`{}` sends too slowly", shown(&self.url));
            return Err(IndexError::Upstream { why });
        };
        let bytes = result.map_err(|error| failed(&self.url, &error))?;
        self.arrived += bytes.as_ref().map_or(0, Bytes::len);
        if self.arrived >= PACE {
            (self.arrived, self.due) = (0, Instant::now() + self.stall);
        }
        Ok(bytes)
    }

    /// All bytes, when there are not too many.
    pub(crate) async fn all(mut self, limit: usize) -> Result<Bytes, IndexError> {
        let mut body = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if body.len() + bytes.len() > limit {
                let why = format!("`{}` is larger than {limit} bytes", shown(&self.url));
                return Err(IndexError::Upstream { why });
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.freeze())
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
fn failed(url: &Url, error: &reqwest::Error) -> IndexError {
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
