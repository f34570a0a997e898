//! The HTTP client of the pipeline: retries what is safe to repeat, turns every status into its own error,
//! never follows a redirect with a credential to another host, never puts a secret in a message.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use backon::{BlockingRetryable as _, ExponentialBuilder};
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use shipway_dist::Sha256;
use shipway_dist::wire::{ApiError, code as wire};
use url::Url;

use crate::error::{Error, Result};
use crate::ops::credentials::Credential;
use crate::ops::identity::Minter;
use crate::ops::secret::{public_url, redact};

/// Largest JSON answer that is read.
const LARGEST_ANSWER: u64 = 512 << 20;

/// A client with the credential of one index.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    authority: Authority,
    /// Who gets the credential; empty for whoever is asked.
    origins: Vec<url::Origin>,
}

/// What a client shows of itself.
#[derive(Debug, Clone)]
pub enum Authority {
    /// Nothing, and why.
    None(Vec<String>),
    /// A credential that was found.
    Known(Credential),
    /// A token that the index mints for the CI's identity.
    Identity {
        /// Who mints it.
        minter: Minter,
        /// Whether the index is a shipway index, which asks for a token to read too.
        shipway: bool,
    },
}

impl Http {
    /// A client that shows its credential to whoever is asked; nothing is connected yet.
    ///
    /// # Errors
    /// When the platform's TLS cannot be set up.
    pub fn new(credential: Option<Credential>) -> Result<Self> {
        Self::with(credential.map_or(Authority::None(Vec::new()), Authority::Known), &[])
    }

    /// A client that shows what it has to the hosts of `urls` alone; nothing is connected yet.
    ///
    /// # Errors
    /// When the platform's TLS cannot be set up.
    pub fn with(authority: Authority, urls: &[&Url]) -> Result<Self> {
        // Fails only when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(15))
            .timeout(None)
            .build()
            .map_err(|error| Error::incomplete("tls", "cannot set up HTTP").cause(chain(&error)))?;
        Ok(Self { client, authority, origins: urls.iter().map(|url| url.origin()).collect() })
    }

    /// The credential in use.
    pub fn credential(&self) -> Option<Credential> {
        match &self.authority {
            Authority::None(_) => None,
            Authority::Known(credential) => Some(credential.clone()),
            Authority::Identity { minter, .. } => minter.minted().map(|minted| minted.credential),
        }
    }

    /// The credential in use, when `url` is of a host that it is for.
    pub fn credential_for(&self, url: &Url) -> Option<Credential> {
        let is_for_it = self.origins.is_empty() || self.origins.contains(&url.origin());
        self.credential().filter(|_| is_for_it)
    }

    /// Makes sure that there is a credential, where there is a way to one.
    ///
    /// # Errors
    /// When the index refuses the CI's identity.
    pub fn authenticate(&self) -> Result<Option<Credential>> {
        if let Authority::Identity { minter, .. } = &self.authority {
            return Ok(minter.authenticate()?.map(|minted| minted.credential));
        }
        Ok(self.credential())
    }

    /// Who mints the credential, where the CI's identity is to give it.
    pub fn minter(&self) -> Option<&Minter> {
        match &self.authority {
            Authority::Identity { minter, .. } => Some(minter),
            _ => None,
        }
    }

    /// Why there is no credential, as far as it is known.
    pub fn lacking(&self) -> Vec<String> {
        match &self.authority {
            Authority::None(why) => why.clone(),
            Authority::Known(_) => Vec::new(),
            Authority::Identity { minter, .. } => minter.lacking(),
        }
    }

    /// A request with the credential.
    pub fn request(&self, method: reqwest::Method, url: &Url) -> RequestBuilder {
        let request = self.client.request(method, url.clone());
        match (self.credential_for(url), &self.authority) {
            (Some(credential), Authority::Identity { shipway: true, .. }) => {
                request.bearer_auth(credential.secret.expose())
            }
            (Some(credential), _) => request.basic_auth(&credential.user, Some(credential.secret.expose())),
            (None, _) => request,
        }
    }

    /// Sends a request that may be repeated: connection failures, 429 and 5xx are tried again a few times.
    ///
    /// # Errors
    /// When no answer comes at all. The status is the caller's to judge.
    pub fn send(&self, url: &Url, build: impl Fn(&Self) -> RequestBuilder) -> Result<Response> {
        let Authority::Identity { minter, shipway } = &self.authority else {
            return self.send_with_this(url, build);
        };
        // What was minted may end while a long release is under way.
        if *shipway || minter.minted().is_some() {
            minter.prepare()?;
        }
        let response = self.send_with_this(url, &build)?;
        if response.status() == StatusCode::UNAUTHORIZED && minter.replace()? {
            return self.send_with_this(url, &build);
        }
        Ok(response)
    }

    fn send_with_this(&self, url: &Url, build: impl Fn(&Self) -> RequestBuilder) -> Result<Response> {
        let attempt = || match build(self).send() {
            Ok(response) if is_transient(response.status()) => Err(Attempt::Status(Box::new(response))),
            Ok(response) => Ok(response),
            Err(error) => Err(Attempt::Failed(error)),
        };
        let started = std::time::Instant::now();
        let policy =
            ExponentialBuilder::default().with_min_delay(Duration::from_millis(200)).with_max_times(3);
        let said = |response: &Response| {
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(url = %public_url(url), status = response.status().as_u16(), duration_ms, "asked");
        };
        match attempt.retry(policy).call() {
            Ok(response) => {
                said(&response);
                Ok(response)
            }
            Err(Attempt::Status(response)) => {
                said(&response);
                Ok(*response)
            }
            Err(Attempt::Failed(error)) => Err(unreachable(url, &error)),
        }
    }

    /// Gets JSON; none for 404.
    ///
    /// # Errors
    /// Every other status, and an answer that is not the JSON expected.
    pub fn get_json<T: DeserializeOwned>(&self, url: &Url, accept: &str) -> Result<Option<T>> {
        let response =
            self.send(url, |http| http.request(reqwest::Method::GET, url).header("accept", accept))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.answer(url, response).map(Some)
    }

    /// Reads the answer of a request: JSON on success, otherwise the error it stands for.
    ///
    /// # Errors
    /// Any status that is not 2xx; an answer that is not the JSON expected.
    pub fn answer<T: DeserializeOwned>(&self, url: &Url, response: Response) -> Result<T> {
        let response = self.expect_success(url, response)?;
        let mut body = Vec::new();
        response.take(LARGEST_ANSWER).read_to_end(&mut body).map_err(|error| {
            Error::incomplete("truncated", format!("the answer of {} broke off", public_url(url)))
                .cause(error.to_string())
        })?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::incomplete(
                "not-json",
                format!("the answer of {} is not the JSON expected", public_url(url)),
            )
            .cause(error.to_string())
        })
    }

    /// Passes a 2xx answer on.
    ///
    /// # Errors
    /// Any other status, as the error it stands for.
    pub fn expect_success(&self, url: &Url, response: Response) -> Result<Response> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let mut body = Vec::new();
        // What cannot be read of an error's body only makes the message shorter.
        let _ = response.take(1 << 20).read_to_end(&mut body);
        Err(self.status_error(url, status, &body))
    }

    /// Downloads to a file while hashing.
    ///
    /// # Errors
    /// Any status but 2xx, a broken connection, a full disk.
    pub fn download(&self, url: &Url, to: &Path) -> Result<(Sha256, u64)> {
        let response = self.send(url, |http| {
            http.request(reqwest::Method::GET, url).header("accept-encoding", "identity")
        })?;
        let mut response = self.expect_success(url, response)?;
        let mut file = std::fs::File::create(to).map_err(|error| Error::io("write", to, &error))?;
        let mut hasher = shipway_dist::digest::Hasher::default();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = response.read(&mut buffer).map_err(|error| {
                Error::incomplete("truncated", format!("the download of {} broke off", public_url(url)))
                    .cause(error.to_string())
            })?;
            if read == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&buffer[..read]);
            std::io::Write::write_all(&mut file, &buffer[..read])
                .map_err(|error| Error::io("write", to, &error))?;
        }
    }

    fn say_lacking(&self, error: Error) -> Error {
        self.lacking().into_iter().fold(error, Error::cause)
    }

    /// The error that a status stands for.
    pub fn status_error(&self, url: &Url, status: StatusCode, body: &[u8]) -> Error {
        let shown = public_url(url);
        let api = serde_json::from_slice::<ApiError>(body).ok();
        let text = match &api {
            Some(api) => api.message.clone(),
            None => first_line(body),
        };
        // A shipway index says what is wrong with the object itself; of another server only the URL is known.
        let what =
            |otherwise: String| if api.is_some() && !text.is_empty() { redact(&text) } else { otherwise };
        let code = known_code(api.as_ref());
        let error = match status.as_u16() {
            401 => {
                let error =
                    Error::incomplete("unauthenticated", format!("{shown} does not accept the credential"));
                match self.credential() {
                    Some(credential) => {
                        error.cause(format!("the credential came from {}", credential.source))
                    }
                    None => self
                        .say_lacking(error.cause("no credential was found"))
                        .hint("set SHIPWAY_TOKEN, or put the index in .pypirc"),
                }
            }
            // Another credential does not help against a block, a closed channel or a rule.
            403 if ANYHOW.contains(&code) => Error::refused(code, what(String::new())),
            403 if code == "refused-by-index" => {
                self.say_lacking(Error::incomplete("forbidden", format!("{shown} forbids it")))
            }
            403 => Error::incomplete(code, what(String::new())),
            404 => Error::refused(
                "not-found",
                what(format!("{shown} does not exist, or the credential may not see it")),
            ),
            410 => Error::refused("gone", what(format!("{shown} is gone for good"))),
            413 => Error::refused("too-large", what(format!("{shown} does not take files of this size"))),
            429 => Error::incomplete("rate-limited", format!("{shown} asks to slow down"))
                .hint("try again later"),
            507 => Error::incomplete("storage-full", format!("the index at {shown} has no space left")),
            code @ 500.. => Error::incomplete("server-error", format!("{shown} answered {code}"))
                .hint("try again; if it persists, look at the server's log"),
            number => Error::refused(code, what(format!("{shown} refused it ({number})"))),
        };
        let is_said = text.is_empty() || error.to_string() == redact(&text);
        let error = if is_said { error } else { error.cause(redact(&text)) };
        let details = api.into_iter().flat_map(|api| api.errors).take(20);
        details.fold(error, |error, finding| match finding.hint {
            Some(hint) => error.cause(format!("{}: {}", finding.id, finding.message)).hint(hint),
            None => error.cause(format!("{}: {}", finding.id, finding.message)),
        })
    }
}

/// 403 that another credential does not change.
const ANYHOW: [&str; 5] =
    [wire::BLOCKED, wire::CHANNEL_CLOSED, wire::LOCAL_RELEASE, wire::PROJECT_STATUS, wire::NAME_REFUSED];

enum Attempt {
    Status(Box<Response>),
    Failed(reqwest::Error),
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// The codes of the index that callers act upon; others become `refused-by-index`.
fn known_code(api: Option<&ApiError>) -> &'static str {
    let known = [
        wire::DIGEST_CONFLICT,
        wire::RELEASE_CONFLICT,
        wire::SESSION_CONFLICT,
        wire::SESSION_INCOMPLETE,
        wire::INVALID_DISTRIBUTION,
        wire::BLOCKED,
        wire::NOT_IN_CHANNEL,
        wire::NOT_READY,
        wire::LOCAL_RELEASE,
        wire::PROJECT_STATUS,
        wire::NAME_REFUSED,
        wire::UNTRUSTED,
        wire::NO_EARLIER_RELEASE,
        wire::REMOVED,
        wire::CHANNEL_CLOSED,
        wire::TOKEN_SCOPE,
    ];
    known.into_iter().find(|known| api.is_some_and(|api| api.code == *known)).unwrap_or("refused-by-index")
}

fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') {
        // A page for a browser says nothing that the status does not.
        return String::new();
    }
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('<'))
        .unwrap_or_default();
    line.chars().take(300).collect()
}

fn unreachable(url: &Url, error: &reqwest::Error) -> Error {
    Error::incomplete("unreachable", format!("cannot reach {}", public_url(url))).cause(chain(error))
}

/// The innermost reasons of an error; the outer ones of reqwest repeat the URL.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        texts.push(inner.to_string());
        source = inner.source();
    }
    if texts.is_empty() { redact(&error.to_string()) } else { redact(&texts.join(": ")) }
}
