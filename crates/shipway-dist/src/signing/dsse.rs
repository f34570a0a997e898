//! DSSE: a payload, its type, and signatures over both.
//!
//! Source: the DSSE specification, protocol version 1. Signatures are verified over the exact bytes of the
//! payload, which is parsed only afterwards.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyId, PrivateKey, PublicKey};
use crate::digest::Sha256;
use crate::evidence::Statement;

/// The payload type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signed payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// The payload, in base64.
    pub payload: String,
    /// What the payload is.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// At least one signature.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvelopeSignature {
    /// A hint which key it is; shipway writes the key's id.
    #[serde(default)]
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// Why an envelope is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Base64 that does not decode.
    #[error("the {what} is not base64")]
    Encoding {
        /// The payload or a signature.
        what: &'static str,
    },
    /// Another payload type.
    #[error("the payload type is `{found}`, expected `{PAYLOAD_TYPE}`")]
    PayloadType {
        /// What stands there.
        found: String,
    },
    /// No signature of a known key.
    #[error("no signature is by a known key: {}", signers(.keyids))]
    UnknownKey {
        /// The ids that the signatures name.
        keyids: Vec<String>,
    },
    /// A signature of a known key that does not hold.
    #[error("the signature of key `{key}` does not hold for these bytes")]
    Signature {
        /// The key.
        key: KeyId,
    },
    /// A payload that is no statement of shipway's.
    #[error("the payload is no statement that counts as evidence: {why}")]
    Statement {
        /// What is wrong with it.
        why: String,
    },
}

fn signers(keyids: &[String]) -> String {
    if keyids.is_empty() { "there is none".to_owned() } else { format!("`{}`", keyids.join("`, `")) }
}

/// A statement whose signature holds, and who signed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The statement.
    pub statement: Statement,
    /// The keys whose signatures hold.
    pub keys: Vec<KeyId>,
}

/// A payload whose signature holds, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Exactly the bytes that were signed.
    pub payload: Vec<u8>,
    /// The keys whose signatures hold.
    pub keys: Vec<KeyId>,
}

/// The bytes that are signed: `DSSEv1 SP len(type) SP type SP len(payload) SP payload`.
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Signs a statement.
    pub fn sign<P: Serialize>(statement: &Statement<P>, key: &PrivateKey) -> Self {
        // A statement is plain data; what cannot be written would show in the first test of its gate.
        let payload = serde_json::to_vec(statement).unwrap_or_default();
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload));
        Self {
            payload: STANDARD.encode(&payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: key.public().id().to_string(),
                sig: STANDARD.encode(signature),
            }],
        }
    }

    /// The digest of the envelope, by which an index keeps it: over its canonical JSON as this type writes it.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Verifies as [`Envelope::open`] does, and only then reads the statement.
    ///
    /// # Errors
    /// As [`Envelope::open`], and when the payload is no statement that shipway reads as evidence.
    pub fn verify(&self, find: &dyn Fn(&str) -> Vec<PublicKey>) -> Result<Verified, EnvelopeError> {
        let Opened { payload, keys } = self.open(find)?;
        Ok(Verified { statement: read_statement(&payload)?, keys })
    }

    /// The statement, whoever signed it: for what is shown, never for what is decided.
    ///
    /// # Errors
    /// When the payload is no statement that shipway reads as evidence.
    pub fn unverified(&self) -> Result<Statement, EnvelopeError> {
        read_statement(&decode(&self.payload, "payload")?)
    }

    /// The payload as JSON, whoever signed it and whatever it is: for what is shown.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn payload_json(&self) -> Result<serde_json::Value, EnvelopeError> {
        serde_json::from_slice(&decode(&self.payload, "payload")?)
            .map_err(|error| EnvelopeError::Statement { why: error.to_string() })
    }

    /// Verifies every signature of a key that `find` knows.
    ///
    /// A signature of an unknown key says nothing, for or against. `find` gets the hint of the signature and
    /// may give several keys; without a hint it gives all that may have signed.
    ///
    /// # Errors
    /// When no signature is by a known key, or one of a known key does not hold.
    pub fn open(&self, find: &dyn Fn(&str) -> Vec<PublicKey>) -> Result<Opened, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType { found: self.payload_type.clone() });
        }
        let payload = decode(&self.payload, "payload")?;
        let signed = pre_authentication_encoding(&self.payload_type, &payload);
        let mut keys = Vec::new();
        for signature in &self.signatures {
            let bytes = decode(&signature.sig, "signature")?;
            let known = find(&signature.keyid);
            let holds = known.iter().find(|key| key.verify(&signed, &bytes));
            match (holds, known.first()) {
                (Some(key), _) => keys.push(key.id()),
                (None, Some(key)) if !signature.keyid.is_empty() => {
                    return Err(EnvelopeError::Signature { key: key.id() });
                }
                (None, _) => {}
            }
        }
        if keys.is_empty() {
            let keyids = self.signatures.iter().map(|signature| signature.keyid.clone()).collect();
            return Err(EnvelopeError::UnknownKey { keyids });
        }
        Ok(Opened { payload, keys })
    }
}

fn read_statement(payload: &[u8]) -> Result<Statement, EnvelopeError> {
    let error = |why: String| EnvelopeError::Statement { why };
    let statement: Statement = serde_json::from_slice(payload).map_err(|failed| error(failed.to_string()))?;
    if statement.is_evidence() {
        return Ok(statement);
    }
    Err(error(format!(
        "a statement of type `{}` with predicate `{}` does not speak of `{}`",
        statement.kind, statement.predicate_type, statement.predicate.gate
    )))
}

/// Either alphabet of base64, as the specification asks of a reader.
fn decode(text: &str, what: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| EnvelopeError::Encoding { what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Predicate, STATEMENT_TYPE, STEP, Subject, SubjectDigest, Verdict};

    fn statement(result: Verdict) -> Statement {
        Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject {
                name: "demo-1.0-py3-none-any.whl".to_owned(),
                digest: SubjectDigest { sha256: Sha256::of(b"x") },
            }],
            predicate_type: STEP.to_owned(),
            predicate: Predicate {
                gate: "publish".to_owned(),
                result,
                commit: "c".repeat(40),
                run: None,
                attempt: None,
                channel: None,
                configuration: Vec::new(),
                started_on: "2026-01-01T00:00:00Z".to_owned(),
                duration_ms: 1,
                tools: std::collections::BTreeMap::new(),
                provenance: None,
                findings: Vec::new(),
                detail: serde_json::Value::Null,
            },
        }
    }

    fn known(key: PublicKey) -> impl Fn(&str) -> Vec<PublicKey> {
        move |hint| if hint.is_empty() || hint == key.id().to_string() { vec![key] } else { Vec::new() }
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_is_signed_verifies_and_any_change_does_not() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let envelope = Envelope::sign(&statement(Verdict::Failed), &key);
        let verified = envelope.verify(&known(key.public())).unwrap();
        assert_eq!(verified.keys, [key.public().id()]);
        assert_eq!(verified.statement, statement(Verdict::Failed));

        let mut swapped = envelope.clone();
        swapped.payload = STANDARD.encode(serde_json::to_vec(&statement(Verdict::Passed)).unwrap());
        assert_eq!(
            swapped.verify(&known(key.public())),
            Err(EnvelopeError::Signature { key: key.public().id() })
        );
        let other = PrivateKey::from_seed(&[2; 32]);
        assert!(matches!(envelope.verify(&known(other.public())), Err(EnvelopeError::UnknownKey { .. })));
        let mut renamed = Envelope::sign(&statement(Verdict::Passed), &other);
        renamed.signatures[0].keyid = key.public().id().to_string();
        assert!(matches!(renamed.verify(&known(key.public())), Err(EnvelopeError::Signature { .. })));
        let mut typed = envelope.clone();
        typed.payload_type = "application/json".to_owned();
        assert!(matches!(typed.verify(&known(key.public())), Err(EnvelopeError::PayloadType { .. })));
        let mut cut = envelope;
        cut.payload.truncate(5);
        assert_eq!(cut.verify(&known(key.public())), Err(EnvelopeError::Encoding { what: "payload" }));
    }

    #[test]
    fn every_flipped_bit_of_the_payload_is_found() {
        let key = PrivateKey::from_seed(&[3; 32]);
        let envelope = Envelope::sign(&statement(Verdict::Passed), &key);
        let payload = STANDARD.decode(&envelope.payload).unwrap();
        for at in 0..payload.len() {
            let mut bytes = payload.clone();
            bytes[at] ^= 1;
            let flipped = Envelope { payload: STANDARD.encode(&bytes), ..envelope.clone() };
            assert!(flipped.verify(&known(key.public())).is_err(), "byte {at}");
        }
    }

    #[test]
    fn without_a_hint_every_key_is_tried_and_url_safe_base64_is_read() {
        let key = PrivateKey::from_seed(&[4; 32]);
        let mut envelope = Envelope::sign(&statement(Verdict::Passed), &key);
        envelope.signatures[0].keyid = String::new();
        envelope.payload = URL_SAFE.encode(STANDARD.decode(&envelope.payload).unwrap());
        assert!(envelope.verify(&known(key.public())).is_ok());
        envelope.signatures.clear();
        assert_eq!(
            envelope.verify(&known(key.public())),
            Err(EnvelopeError::UnknownKey { keyids: Vec::new() })
        );
    }
}
