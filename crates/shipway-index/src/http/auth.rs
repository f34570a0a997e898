//! Reads the token from a request: Basic with any user name, or Bearer.

use base64::Engine as _;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use shipway_dist::digest::Sha256;

use super::App;
use crate::error::IndexError;
use crate::tokens::{self, Identity, TOKEN_PREFIX};

/// Says who asks, after the cache noticed what was committed before the request.
pub(super) async fn identify(app: &App, headers: &HeaderMap) -> Result<Identity, IndexError> {
    let index = &app.index;
    index.cache.refresh(&index.store).await?;
    if let Some(who) = recognised(app, headers) {
        return Ok(who);
    }
    let tokens = index.cache.token_serial();
    let presented = presented(headers)?;
    let who = index.identify(presented.as_deref()).await?;
    if let (Identity::Holder(grant), Some(field), Some(presented)) =
        (&who, headers.get(AUTHORIZATION), presented)
    {
        let row = match tokens::id_of(&presented) {
            Some(id) => index.cache.token(&index.store, id).await?,
            None => None,
        };
        let expires = row.as_ref().and_then(|row| row.expires_at.as_deref());
        match expires.map(str::parse::<jiff::Timestamp>) {
            None => index.cache.remember_grant(Sha256::of(field.as_bytes()), grant.clone(), None, tokens),
            Some(Ok(until)) => {
                index.cache.remember_grant(Sha256::of(field.as_bytes()), grant.clone(), Some(until), tokens);
            }
            // Judged anew each time.
            Some(Err(_)) => {}
        }
    }
    Ok(who)
}

/// Who asks, as far as it is known without the database. Only when the cache is fresh.
///
/// The field is looked up by its digest: no token stands in memory in the clear.
pub(super) fn recognised(app: &App, headers: &HeaderMap) -> Option<Identity> {
    let Some(field) = headers.get(AUTHORIZATION) else { return Some(Identity::Anonymous) };
    let now = app.index.clock.now();
    app.index.cache.grant(&Sha256::of(field.as_bytes()), now).map(Identity::Holder)
}

pub(super) fn presented(headers: &HeaderMap) -> Result<Option<String>, IndexError> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let malformed =
        || IndexError::Unauthenticated { why: "the `Authorization` header is malformed".to_owned() };
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(IndexError::Unauthenticated { why: "expected `Basic` or `Bearer`".to_owned() });
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
    // `https://TOKEN@host/` puts the token where the user name stands.
    let token = if password.is_empty() && user.starts_with(TOKEN_PREFIX) { user } else { password };
    Ok(Some(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<String>, IndexError> {
        presented(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))
    }

    #[test]
    fn basic_with_any_user_and_bearer() {
        let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        assert_eq!(read(&basic("__token__:secret")).unwrap().unwrap(), "secret");
        assert_eq!(read(&basic("ada:se:cret")).unwrap().unwrap(), "se:cret");
        assert_eq!(read(&basic("shipway_x_y:")).unwrap().unwrap(), "shipway_x_y");
        assert_eq!(read("bearer secret").unwrap().unwrap(), "secret");
        assert_eq!(presented(&HeaderMap::new()).unwrap(), None);
        for text in ["Basic", "Basic !!!", "Digest x", &basic("no colon")] {
            assert!(matches!(read(text), Err(IndexError::Unauthenticated { .. })), "{text}");
        }
    }
}
