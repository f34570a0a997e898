//! Whoever signs identities: which keys an issuer has now, and whether one of them signed.
//!
//! Keys come from the issuer's discovery document (OpenID Connect Discovery 1.0) and are kept for a while. Only
//! issuers that a publisher names are ever asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::mint::MintError;
use super::{Claims, is_safe, verifier};
use crate::error::IndexError;

/// How long keys are good without asking again.
const KEYS_FOR: Duration = Duration::from_secs(60 * 60);
/// An issuer is not asked more often than this for a key that it did not have.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Nor, when it did not answer, than this.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest document of an issuer, in bytes.
const DOCUMENT: usize = 1024 * 1024;
/// How much two clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The issuers that were asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Issuers(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    client: OnceLock<Client>,
    by_url: Mutex<HashMap<String, Arc<Issuer>>>,
}

#[derive(Debug, Default)]
struct Issuer {
    keys: Mutex<Option<Keys>>,
    /// Held while it is asked, once for everybody who waits: when it was asked last, and whether it answered.
    asked: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

#[derive(Debug, Clone)]
struct Keys {
    set: Arc<JwkSet>,
    since: Instant,
}

/// An identity that its issuer signed for this index, and that holds now.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) claims: Claims,
    pub(super) jti: String,
    pub(super) expires: Timestamp,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

/// The issuer that an identity names. Nobody signed for it yet: it is good for finding whom to ask.
pub(super) fn named(token: &str) -> Result<String, MintError> {
    let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|_| MintError::payload("the token is no JSON Web Token"))?;
    let issuer = claims.get("iss").and_then(serde_json::Value::as_str).unwrap_or_default();
    Ok(issuer.trim_end_matches('/').to_owned())
}

impl Issuers {
    /// Verifies an identity: signature, issuer, audience, times.
    pub(super) async fn verify(
        &self,
        (token, issuer): (&str, &str),
        audience: &str,
        now: Timestamp,
    ) -> Result<Identity, MintError> {
        verifier::install();
        let invalid = |why: String| MintError::refused("invalid-token", why);
        let header = jsonwebtoken::decode_header(token).map_err(|error| invalid(error.to_string()))?;
        if !verifier::ALGORITHMS.contains(&header.alg) {
            return Err(invalid(format!("nothing that is signed with {:?} is taken", header.alg)));
        }
        let kid = header.kid.ok_or_else(|| invalid("it does not say which key signed it".to_owned()))?;
        let keys = self.keys(issuer, &kid).await?;
        let Some(jwk) = keys.find(&kid) else {
            return Err(invalid("the issuer has no such key".to_owned()));
        };
        let key = DecodingKey::from_jwk(jwk).map_err(|error| invalid(error.to_string()))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // By the index's own clock, below.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
            .map_err(|error| invalid(said(&error, audience)))?
            .claims;
        let time = |claim: &str| claims.get(claim).and_then(serde_json::Value::as_i64);
        let number = |claim: &str| {
            let at = time(claim).and_then(|seconds| Timestamp::from_second(seconds).ok());
            at.ok_or_else(|| invalid(format!("`{claim}` is no time")))
        };
        let expires = number("exp")?;
        if now.duration_since(expires) > LEEWAY {
            return Err(invalid(format!("it expired at {expires}")));
        }
        for claim in ["iat", "nbf"] {
            if claims.contains_key(claim) && number(claim)?.duration_since(now) > LEEWAY {
                return Err(invalid(format!("`{claim}` lies in the future")));
            }
        }
        let jti = claims.get("jti").and_then(serde_json::Value::as_str);
        let jti = jti.filter(|jti| (1..=255).contains(&jti.len()) && !jti.contains(char::is_control));
        let jti = jti.ok_or_else(|| invalid("without `jti` it could be shown twice".to_owned()))?.to_owned();
        Ok(Identity { jti, expires, claims })
    }

    /// The keys of an issuer, asked for anew when they are old, or do not hold the one that is needed.
    async fn keys(&self, url: &str, kid: &str) -> Result<Arc<JwkSet>, MintError> {
        let issuer = {
            let mut known = self.0.by_url.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(url.to_owned()).or_default().clone()
        };
        // Whoever has a key that is known waits for nobody.
        if let Some(set) = issuer.held(kid) {
            return Ok(set);
        }
        let (issuers, url, kid) = (self.clone(), url.to_owned(), kid.to_owned());
        // A task of its own: who hangs up does not end what others wait for.
        let asked = tokio::spawn(async move { issuers.ask_once(&issuer, &url, &kid).await });
        Ok(asked.await.map_err(IndexError::from)??)
    }

    async fn ask_once(&self, issuer: &Issuer, url: &str, kid: &str) -> Result<Arc<JwkSet>, IndexError> {
        let mut asked = issuer.asked.lock().await;
        if let Some(set) = issuer.held(kid) {
            return Ok(set);
        }
        match *asked {
            Some((at, true)) if at.elapsed() < ASK_AGAIN => {
                if let Some(set) = issuer.any() {
                    return Ok(set);
                }
            }
            Some((at, false)) if at.elapsed() < TRY_AGAIN => {
                let why = format!("the issuer {url} did not answer a moment ago");
                return Err(IndexError::Upstream { why });
            }
            _ => {}
        }
        let answer = self.ask(url).await;
        *asked = Some((Instant::now(), answer.is_ok()));
        let set = Arc::new(answer?);
        let keys = Keys { set: set.clone(), since: Instant::now() };
        *issuer.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
        Ok(set)
    }

    async fn ask(&self, issuer: &str) -> Result<JwkSet, IndexError> {
        let wrong = |why: String| IndexError::Upstream { why: format!("the issuer {issuer}: {why}") };
        let url = format!("{issuer}/.well-known/openid-configuration");
        let url = Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
        let discovery: Discovery = self.document(url, &wrong).await?;
        if discovery.issuer.trim_end_matches('/') != issuer {
            return Err(wrong(format!("it says that it is {}", discovery.issuer)));
        }
        if !is_safe(&discovery.jwks_uri) {
            return Err(wrong(format!("its keys are at {}, which is not HTTPS", discovery.jwks_uri)));
        }
        self.document(discovery.jwks_uri, &wrong).await
    }

    async fn document<T: DeserializeOwned>(
        &self,
        url: Url,
        wrong: &impl Fn(String) -> IndexError,
    ) -> Result<T, IndexError> {
        let read = async {
            let mut response = self.client()?.get(url).send().await?;
            if !response.status().is_success() {
                return Ok(Err(format!("it answers {}", response.status())));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > DOCUMENT {
                    return Ok(Err("a document of it has no end".to_owned()));
                }
            }
            Ok::<_, reqwest::Error>(Ok(body))
        };
        let body = tokio::time::timeout(PATIENCE, read).await;
        let body = body.map_err(|_| wrong("it does not answer".to_owned()))?;
        let body = body.map_err(|error| wrong(error.without_url().to_string()))?;
        let body = body.map_err(wrong)?;
        serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))
    }

    fn client(&self) -> reqwest::Result<&Client> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        crate::server::install_crypto();
        let client = Client::builder()
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.0.client.get_or_init(|| client))
    }
}

impl Issuer {
    /// Keys that are good and hold this one.
    fn held(&self, kid: &str) -> Option<Arc<JwkSet>> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let good =
            keys.as_ref().filter(|keys| keys.since.elapsed() < KEYS_FOR && keys.set.find(kid).is_some());
        good.map(|keys| keys.set.clone())
    }

    fn any(&self) -> Option<Arc<JwkSet>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|keys| keys.set.clone())
    }
}

/// What the token library found, for people.
fn said(error: &jsonwebtoken::errors::Error, audience: &str) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "its signature does not verify".to_owned(),
        ErrorKind::InvalidAudience => format!("it is for another audience than `{audience}`"),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no `{claim}`"),
        _ => error.to_string(),
    }
}
