//! Tokens signed and verified as the issuers of identities do it: RS256, one key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use serde_json::{Value, json};

/// The name of the key.
const KEY_ID: &str = "key-of-the-test";

/// The key that signs.
fn key() -> KeyPair {
    let text: String = include_str!("key.pem").lines().filter(|line| !line.starts_with('-')).collect();
    KeyPair::from_pkcs8(&STANDARD.decode(text).expect("base64")).expect("an RSA key")
}

/// The key set that the issuer shows.
pub(super) fn key_set() -> Value {
    let public = PublicKeyComponents::<Vec<u8>>::from(key().public());
    json!({ "keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
        "n": URL_SAFE_NO_PAD.encode(&public.n), "e": URL_SAFE_NO_PAD.encode(&public.e),
    }] })
}

/// A signed token with these claims.
pub(super) fn sign(claims: &Value) -> String {
    let header = json!({ "alg": "RS256", "kid": KEY_ID, "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(claims));
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).expect("a signature");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The claims of a token whose signature is one of the key set's keys.
pub(super) fn verified(token: &str, keys: &Value) -> Result<Value, String> {
    let (text, signature) = token.rsplit_once('.').ok_or("no signature")?;
    let (header, claims) = text.split_once('.').ok_or("no claims")?;
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    let parsed =
        |part: &str| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|error| error.to_string());
    let header = parsed(header)?;
    if header["alg"] != "RS256" {
        return Err(format!("algorithm {}", header["alg"]));
    }
    let key = keys["keys"].as_array().into_iter().flatten().find(|one| one["kid"] == header["kid"]);
    let key = key.ok_or("unknown key")?;
    let number = |name: &str| bytes(key[name].as_str().unwrap_or_default());
    let public = PublicKeyComponents { n: number("n")?, e: number("e")? };
    public
        .verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &bytes(signature)?)
        .map_err(|_| "the signature does not verify".to_owned())?;
    parsed(claims)
}
