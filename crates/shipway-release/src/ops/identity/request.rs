//! HTTP for identities: small answers, no redirects, and nothing secret over an open line.

use std::io::Read as _;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{StatusCode, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{Error, Result};
use crate::ops::http::chain;
use crate::ops::secret::public_url;

/// Largest answer that is read; a token takes a few KB.
const LARGEST_ANSWER: u64 = 64 << 10;
/// How often something is asked that failed on the way.
pub(super) const TRIES: u32 = 3;

/// A client that follows nobody elsewhere.
///
/// # Errors
/// When the platform's TLS cannot be set up.
pub(super) fn client() -> Result<Client> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(15))
        .timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| Error::incomplete("tls", "cannot set up HTTP").cause(error.to_string()))
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
    is_whole: bool,
}

impl Answer {
    /// The JSON expected; none when it is anything else.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        self.is_whole.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }
}

/// Asks, again when it failed on the way; `build` makes every request anew.
///
/// # Errors
/// When no answer comes, or one that sends elsewhere.
pub(super) fn ask(url: &Url, mut build: impl FnMut() -> Result<RequestBuilder>) -> Result<Answer> {
    let mut tries = 0;
    loop {
        tries += 1;
        let outcome = once(url, build()?);
        let is_passing = match &outcome {
            Ok(answer) => answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS,
            Err(error) => error.code() == "unreachable",
        };
        if !is_passing || tries == TRIES {
            return outcome;
        }
        std::thread::sleep(Duration::from_millis(200 << tries));
    }
}

fn once(url: &Url, request: RequestBuilder) -> Result<Answer> {
    let unreachable =
        |text: String| Error::incomplete("unreachable", format!("cannot reach {}", shown(url))).cause(text);
    let response = request.send().map_err(|error| unreachable(chain(&error.without_url())))?;
    let status = response.status();
    tracing::debug!(url = %shown(url), status = status.as_u16(), "asked about an identity");
    if status.is_redirection() {
        return Err(Error::incomplete("redirected", format!("{} sends elsewhere", shown(url)))
            .cause("an identity is shown to nobody but the server that was asked")
            .hint("configure the address that it sends to"));
    }
    let mut body = Vec::new();
    response
        .take(LARGEST_ANSWER + 1)
        .read_to_end(&mut body)
        .map_err(|error| unreachable(format!("the answer broke off: {error}")))?;
    let is_whole = body.len() as u64 <= LARGEST_ANSWER;
    Ok(Answer { status, body, is_whole })
}

/// The URL without credentials and query, either of which may be secret.
pub(super) fn shown(url: &Url) -> Url {
    let mut shown = public_url(url);
    shown.set_query(None);
    shown
}
