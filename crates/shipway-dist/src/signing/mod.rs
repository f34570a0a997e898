//! Keys and signed evidence: ed25519 keys, DSSE envelopes.
//!
//! A key is known by its id, the sha256 of its SubjectPublicKeyInfo in DER. Private keys stand in PKCS#8 PEM
//! and cannot be printed or serialized. Randomness is passed in.

mod dsse;

use std::fmt;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Sha256;

pub use dsse::{
    Envelope, EnvelopeError, EnvelopeSignature, Opened, PAYLOAD_TYPE, Verified, pre_authentication_encoding,
};

/// The id of a key: the sha256 of its SubjectPublicKeyInfo in DER.
pub type KeyId = Sha256;

/// A key that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ed25519 key in PEM: {why}")]
pub struct KeyError {
    why: String,
}

/// A key that signs.
pub struct PrivateKey(SigningKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.public().id())
    }
}

impl PrivateKey {
    /// A key made from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads PKCS#8 PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|error| KeyError { why: error.to_string() })
    }

    /// The key as PKCS#8 PEM: a secret. Without the public half, as RFC 8410 shows it: OpenSSL reads no other form.
    pub fn to_pem(&self) -> String {
        let key = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        // An ed25519 key always fits the encoding.
        key.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).unwrap_or_default()
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a message: 64 bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// A key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads SubjectPublicKeyInfo PEM (RFC 8410).
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        VerifyingKey::from_public_key_pem(pem).map(Self).map_err(|error| KeyError { why: error.to_string() })
    }

    /// Reads the 32 bytes of a key.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|error| KeyError { why: error.to_string() })
    }

    /// The 32 bytes of the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The key as SubjectPublicKeyInfo PEM.
    pub fn to_pem(&self) -> String {
        // An ed25519 key always fits the encoding.
        self.0.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        // RFC 8410: a fixed header of twelve bytes before the key.
        const HEADER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let mut der = [0; 44];
        der[..12].copy_from_slice(&HEADER);
        der[12..].copy_from_slice(&self.to_bytes());
        Sha256::of(&der)
    }

    /// Whether a signature of a message is this key's. Malleable encodings and weak keys are refused.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pem = String::deserialize(deserializer)?;
        Self::from_pem(&pem).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_signs_and_verifies() {
        // RFC 8032, section 7.1, test 1.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = PrivateKey::from_seed(&seed.try_into().unwrap());
        assert_eq!(
            key.public().to_bytes().to_vec(),
            hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        let signature = key.sign(b"");
        assert_eq!(
            signature.to_vec(),
            hex(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            )
        );
        assert!(key.public().verify(b"", &signature));
        assert!(!key.public().verify(b"x", &signature));
        assert!(!key.public().verify(b"", &signature[..63]));
    }

    #[test]
    fn a_private_key_is_written_as_rfc_8410_shows_it() {
        // RFC 8410, section 10.3.
        let seed = hex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
        let pem = PrivateKey::from_seed(&seed.try_into().unwrap()).to_pem();
        assert_eq!(
            pem,
            "-----BEGIN PRIVATE KEY-----\n\
             MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
             -----END PRIVATE KEY-----\n"
        );
    }

    #[test]
    fn keys_survive_pem_and_are_never_printed() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let again = PrivateKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(PublicKey::from_pem(&key.public().to_pem()).unwrap(), key.public());
        assert!(!format!("{key:?}").contains("7, 7"), "{key:?}");
        let der = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            key.public().to_pem().lines().nth(1).unwrap(),
        );
        assert_eq!(key.public().id(), Sha256::of(&der.unwrap()), "the id is over the DER of the PEM");
        assert!(
            PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err()
        );
        assert!(PublicKey::from_pem("no key").is_err());
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
