//! Exchanges the identity of a CI job for a token of the index: `/_/oidc/audience`, then `/_/oidc/mint-token`.
//!
//! One token a run and index; another one shortly before it ends, or when the index no longer takes it. An index that
//! does not offer this is no error: why there is no token is kept, for the message when one is missed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::blocking::Client;
use serde::Deserialize;
use url::Url;

use super::request::{self, ask, shown};
use super::{Claims, Source, mask};
use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::credentials::Credential;
use crate::ops::forge::github::plain;
use crate::ops::secret::{Secret, is_private};

/// How long a token is good when the index does not say.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// How long before its end a token is replaced.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// A token of the index.
#[derive(Debug, Clone)]
pub struct Minted {
    /// The token as a credential, with where it came from.
    pub credential: Credential,
    /// When it ends.
    pub expires: Timestamp,
    renew_at: Timestamp,
}

/// Mints tokens of one index.
#[derive(Debug, Clone)]
pub struct Minter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The roots of the hosts that may offer it, the likeliest first.
    roots: Vec<Url>,
    source: Source,
    client: Client,
    clock: fn() -> Timestamp,
    is_heard: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offer: Option<Offer>,
    minted: Option<Minted>,
    /// Why minting for a request that may do without a token failed.
    refused: Option<String>,
}

/// Whether the index mints tokens.
#[derive(Debug, Clone)]
enum Offer {
    Yes { root: Url, audience: String },
    No(Vec<String>),
}

#[derive(Deserialize)]
struct Audience {
    audience: String,
}

#[derive(Deserialize)]
struct Identity {
    value: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    #[serde(default)]
    expires: Option<i64>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    description: String,
}

impl Minter {
    /// Mints at the hosts of `urls`, the first that offers it; nothing is asked yet.
    ///
    /// # Errors
    /// When the platform's TLS cannot be set up.
    pub(crate) fn new(
        urls: &[&Url],
        source: Source,
        environment: &Environment,
        clock: fn() -> Timestamp,
    ) -> Result<Self> {
        let mut roots: Vec<Url> = Vec::new();
        for url in urls {
            let root = host_root(url);
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        Ok(Self {
            inner: Arc::new(Inner {
                roots,
                source,
                client: request::client()?,
                clock,
                is_heard: mask::is_heard(environment),
                state: Mutex::default(),
            }),
        })
    }

    /// Where the identity comes from, for people.
    pub fn label(&self) -> String {
        self.inner.source.label()
    }

    /// The token in use, if one was minted.
    pub fn minted(&self) -> Option<Minted> {
        self.inner.state().minted.clone()
    }

    /// Why there is no token, as far as the index was asked.
    pub fn lacking(&self) -> Vec<String> {
        let state = self.inner.state();
        match &state.offer {
            Some(Offer::No(why)) => why.clone(),
            _ => state.refused.iter().cloned().collect(),
        }
    }

    /// Tries once to have a token for a request that may do without one; a token that was had is kept good.
    ///
    /// # Errors
    /// When there was a token and there is no other.
    pub fn prepare(&self) -> Result<()> {
        let state = self.inner.state();
        let (has_one, is_over) = (state.minted.is_some(), state.refused.is_some());
        drop(state);
        if has_one {
            return self.authenticate().map(|_| ());
        }
        if !is_over && let Err(error) = self.authenticate() {
            // Reading may be open to anybody; a job that the index does not trust reads as anybody does.
            let causes: Vec<String> = error
                .problems()
                .into_iter()
                .flat_map(|problem| std::iter::once(problem.message.clone()).chain(problem.causes.clone()))
                .collect();
            self.inner.state().refused = Some(causes.join(": "));
        }
        Ok(())
    }

    /// Makes sure that there is a token that holds for a while; none when the index does not offer one.
    ///
    /// # Errors
    /// When the CI gives no identity, or the index refuses it.
    pub fn authenticate(&self) -> Result<Option<Minted>> {
        let mut state = self.inner.state();
        if let Some(minted) = state.minted.as_ref().filter(|minted| (self.inner.clock)() < minted.renew_at) {
            return Ok(Some(minted.clone()));
        }
        self.inner.mint(&mut state)
    }

    /// Replaces a token that the index does not take any more; false when there is no other.
    ///
    /// # Errors
    /// When the CI gives no identity, or the index refuses it.
    pub fn replace(&self) -> Result<bool> {
        let mut state = self.inner.state();
        if state.minted.is_some() && !self.inner.source.is_renewable() {
            return Ok(false);
        }
        Ok(self.inner.mint(&mut state)?.is_some())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(&self, state: &mut State) -> Result<Option<Minted>> {
        if state.offer.is_none() {
            state.offer = Some(self.discover()?);
        }
        let Some(Offer::Yes { root, audience }) = &state.offer else { return Ok(None) };
        let minted = self.exchange(root, audience)?;
        state.minted = Some(minted.clone());
        Ok(Some(minted))
    }

    /// Asks the hosts for whom the identity must be made.
    fn discover(&self) -> Result<Offer> {
        let mut why = Vec::new();
        for root in &self.roots {
            if !is_private(root) {
                why.push(format!("{root} is reached over plain http, which gets no identity"));
                continue;
            }
            let url = below(root, "_/oidc/audience");
            let answer = ask(&url, || Ok(self.client.get(url.clone()).header("accept", "application/json")))?;
            match answer.status.as_u16() {
                200 => match answer.json::<Audience>().filter(|one| is_plain(&one.audience)) {
                    Some(found) => return Ok(Offer::Yes { root: root.clone(), audience: found.audience }),
                    None => why.push(format!("{url} does not answer with an audience")),
                },
                404 | 405 => why.push(format!("{root} does not take the CI's identity (404)")),
                403 => why.push(format!("{root} has switched off taking the CI's identity (403)")),
                status @ 500.. => {
                    return Err(Error::incomplete("server-error", format!("{url} answered {status}"))
                        .hint("try again; if it persists, look at the server's log"));
                }
                status => {
                    why.push(format!("{root} does not say whether it takes the CI's identity ({status})"))
                }
            }
        }
        Ok(Offer::No(why))
    }

    /// Shows the identity, and takes the token.
    fn exchange(&self, root: &Url, audience: &str) -> Result<Minted> {
        let url = below(root, "_/oidc/mint-token");
        let mut shown_ones = Vec::new();
        let answer = ask(&url, || {
            // An identity counts once, and the answer may be lost after it was counted: a new one every time.
            let identity = self.identity(audience)?;
            let body = serde_json::json!({ "token": identity.expose() });
            shown_ones.push(identity);
            Ok(self.client.post(url.clone()).header("accept", "application/json").json(&body))
        })?;
        if answer.status.is_success() {
            let token = answer.json::<Token>().filter(|one| is_plain(&one.token)).ok_or_else(|| {
                Error::incomplete("not-json", format!("{} does not answer with a token", shown(&url)))
            })?;
            return Ok(self.take(token));
        }
        Err(self.refusal(&url, &answer, &shown_ones))
    }

    fn take(&self, token: Token) -> Minted {
        let secret = Secret::new(token.token);
        self.hide(&secret);
        let now = (self.clock)();
        let said = token.expires.and_then(|at| Timestamp::from_second(at).ok());
        let expires = said.or_else(|| now.checked_add(LIFETIME).ok()).unwrap_or(now);
        let lifetime = now.duration_until(expires).max(SignedDuration::ZERO);
        let margin = if lifetime < MARGIN * 2 { lifetime / 2 } else { MARGIN };
        // What cannot be had again is used to its end.
        let margin = if self.source.is_renewable() { margin } else { SignedDuration::ZERO };
        let renew_at = expires.checked_sub(margin).unwrap_or(now);
        let credential = Credential { user: "__token__".to_owned(), secret, source: self.source.label() };
        Minted { credential, expires, renew_at }
    }

    /// The identity, made for an audience.
    fn identity(&self, audience: &str) -> Result<Secret> {
        let (secret, what) = match &self.source {
            Source::Variable { name, token, .. } => (token.clone(), format!("the identity in `{name}`")),
            Source::Request { url, token } => {
                if !is_private(url) {
                    return Err(Error::incomplete("plain-http", "the CI gives identities over plain http")
                        .cause(format!("it names {}", shown(url))));
                }
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("audience", audience);
                let answer = ask(&url, || {
                    let request = self.client.get(url.clone()).header("accept", "application/json");
                    Ok(request.bearer_auth(token.expose()))
                })?;
                let text = "the CI does not give this job an identity";
                if !answer.status.is_success() {
                    return Err(Error::incomplete("no-identity", text)
                        .cause(format!("{} answered {}", shown(&url), answer.status.as_u16()))
                        .hint("give the job `permissions: id-token: write`"));
                }
                let value =
                    answer.json::<Identity>().filter(|one| is_plain(&one.value)).ok_or_else(|| {
                        Error::incomplete("no-identity", text)
                            .cause(format!("{} does not answer with one", shown(&url)))
                    })?;
                (Secret::new(value.value), "the CI's identity".to_owned())
            }
        };
        self.hide(&secret);
        match Claims::read(&secret) {
            Some(claims) => claims.judge(audience, (self.clock)(), &what).map(|()| secret),
            None => Err(Error::incomplete("no-identity", format!("{what} is no signed token"))),
        }
    }

    fn hide(&self, secret: &Secret) {
        if self.is_heard {
            mask::hide(secret);
        }
    }

    /// Why the index gives no token, in its own words but for what is secret in them.
    fn refusal(&self, url: &Url, answer: &request::Answer, identities: &[Secret]) -> Error {
        let status = answer.status.as_u16();
        if answer.status.is_server_error() {
            return Error::incomplete("server-error", format!("{} answered {status}", shown(url)))
                .hint("try again; if it persists, look at the server's log");
        }
        let quiet = |text: &str| {
            let text = identities.iter().fold(text.to_owned(), |text, one| text.replace(one.expose(), "…"));
            plain(&text)
        };
        let what = format!("{} gives no token for {}", shown(url), self.source.label());
        let error = match answer.status {
            StatusCode::FORBIDDEN => {
                Error::incomplete("oidc-disabled", what).cause("it is switched off (403)")
            }
            StatusCode::TOO_MANY_REQUESTS => Error::incomplete("rate-limited", what).hint("try again later"),
            _ => Error::incomplete("oidc-refused", what),
        };
        let Some(refusal) = answer.json::<Refusal>() else {
            return error.cause(format!("it answered {status}"));
        };
        let mut error = error;
        if !refusal.message.is_empty() {
            error = error.cause(quiet(&refusal.message));
        }
        for reason in refusal.errors.iter().take(20) {
            error = error.cause(format!("{}: {}", quiet(&reason.code), quiet(&reason.description)));
        }
        if refusal.errors.iter().any(|reason| reason.code == "invalid-reuse-token") {
            return error.hint("an identity counts once; run the job again");
        }
        error
            .hint("compare what the index trusts with this job: repository, workflow, environment and branch")
    }
}

/// Whether a text can be what it should be: some words, nothing that breaks a line.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// The root of a URL's host, without credentials.
fn host_root(url: &Url) -> Url {
    let mut root = shown(url);
    root.set_path("/");
    root.set_fragment(None);
    root
}

fn below(root: &Url, path: &str) -> Url {
    let mut url = root.clone();
    url.set_path(path);
    url
}
