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
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest document of an issuer, in bytes.
const DOCUMENT: usize = 1024 * 1024;
/// How much two clocks may differ.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// The issuers that were asked.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    client: OnceLock<Client>,
    /// By URL. The lock of an issuer is held while it is asked: once for everybody who waits.
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Keys>>>>>,
}

#[derive(Debug, Clone)]
struct Keys {
    set: Arc<JwkSet>,
    asked: Instant,
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
        let jti = claims
            .get("jti")
            .and_then(serde_json::Value::as_str)
            .filter(|jti| (1..=255).contains(&jti.len()));
        let jti = jti.ok_or_else(|| invalid("without `jti` it could be shown twice".to_owned()))?.to_owned();
        Ok(Identity { jti, expires, claims })
    }

    /// The keys of an issuer, asked for anew when they are old, or do not hold the one that is needed.
    async fn keys(&self, issuer: &str, kid: &str) -> Result<Arc<JwkSet>, MintError> {
        let known = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(issuer.to_owned()).or_default().clone()
        };
        let mut held = known.lock().await;
        if let Some(keys) = &*held {
            let age = keys.asked.elapsed();
            if age < ASK_AGAIN || (age < KEYS_FOR && keys.set.find(kid).is_some()) {
                return Ok(keys.set.clone());
            }
        }
        let set = Arc::new(self.ask(issuer).await?);
        *held = Some(Keys { set: set.clone(), asked: Instant::now() });
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
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        crate::server::install_crypto();
        let client = Client::builder()
            .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.client.get_or_init(|| client))
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
