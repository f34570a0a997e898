//! Checkpoints: the size and root of a log, signed (C2SP tlog-checkpoint and signed-note).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Hash;
use crate::digest::Sha256;
use crate::signing::{PrivateKey, PublicKey};

/// The signature type of ed25519 in a signed note.
const ED25519: u8 = 1;

/// The size and root of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a name without scheme, such as `packages.lab.example/shipway`.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
}

/// Who signs the checkpoints of a log: `name+hash+key`, as signed-note writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    /// The name; shipway uses the log's origin.
    pub name: String,
    /// The key.
    pub key: PublicKey,
}

/// Why a text is no checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A text of another form.
    #[error("not a checkpoint: {why}")]
    Form {
        /// What is wrong.
        why: &'static str,
    },
    /// Another log's.
    #[error("the checkpoint is of log `{found}`, expected `{expected}`")]
    Origin {
        /// What stands there.
        found: String,
        /// The log.
        expected: String,
    },
    /// No signature of the log's key.
    #[error("the checkpoint is not signed by `{name}`")]
    Unsigned {
        /// The key's name.
        name: String,
    },
    /// A signature that does not hold.
    #[error("the signature of `{name}` does not hold for this checkpoint")]
    Signature {
        /// The key's name.
        name: String,
    },
    /// A text that is no verifier key.
    #[error("not a verifier key: {why}")]
    Key {
        /// What is wrong.
        why: &'static str,
    },
}

impl VerifierKey {
    /// The first four bytes of SHA-256 over name, newline, type and key.
    fn hash(&self) -> [u8; 4] {
        let mut bytes = format!("{}\n", self.name).into_bytes();
        bytes.push(ED25519);
        bytes.extend_from_slice(&self.key.to_bytes());
        let digest = *Sha256::of(&bytes).as_bytes();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.key.to_bytes());
        write!(formatter, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.hash()), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let error = |why| CheckpointError::Key { why };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(error("expected name, hash and key with `+` between"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| error("the key is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(error("the key is not of type ed25519"));
        };
        let key = key.try_into().map_err(|_| error("the key does not have 32 bytes"))?;
        let key = PublicKey::from_bytes(key).map_err(|_| error("the key is no point of the curve"))?;
        let parsed = Self { name: name.to_owned(), key };
        if !is_name(name) || format!("{:08x}", u32::from_be_bytes(parsed.hash())) != hash {
            return Err(error("the hash is not that of name and key"));
        }
        Ok(parsed)
    }
}

/// A name of a signed note: not empty, without spaces and `+`.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl Checkpoint {
    /// The text that is signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The checkpoint as a signed note; the origin is the key's name.
    pub fn sign(&self, key: &PrivateKey) -> String {
        let text = self.text();
        let verifier = VerifierKey { name: self.origin.clone(), key: key.public() };
        let mut signature = verifier.hash().to_vec();
        signature.extend_from_slice(&key.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", verifier.name, STANDARD.encode(signature))
    }

    /// Reads a signed note and verifies that `key` signed it for the log that its name says.
    ///
    /// Signatures of others are ignored, as signed-note asks.
    ///
    /// # Errors
    /// Why it is no checkpoint of that log.
    pub fn verify(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let form = |why| CheckpointError::Form { why };
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(form("there are no signatures"))?;
        let text = format!("{text}\n");
        let checkpoint = Self::parse(&text)?;
        if checkpoint.origin != key.name {
            return Err(CheckpointError::Origin { found: checkpoint.origin, expected: key.name.clone() });
        }
        let hash = key.hash();
        let mut lines = signatures.split('\n');
        if lines.next_back() != Some("") {
            return Err(form("it does not end in a newline"));
        }
        for line in lines {
            let rest =
                line.strip_prefix("\u{2014} ").ok_or(form("a signature does not begin with a dash"))?;
            let (name, signature) = rest.split_once(' ').ok_or(form("a signature has no name"))?;
            let bytes = STANDARD.decode(signature).map_err(|_| form("a signature is not base64"))?;
            let Some((found, signature)) = bytes.split_first_chunk::<4>() else {
                return Err(form("a signature is too short"));
            };
            if name == key.name && *found == hash {
                return if key.key.verify(text.as_bytes(), signature) {
                    Ok(checkpoint)
                } else {
                    Err(CheckpointError::Signature { name: key.name.clone() })
                };
            }
        }
        Err(CheckpointError::Unsigned { name: key.name.clone() })
    }

    /// Reads the text of a checkpoint; extension lines after the root are allowed.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = |why| CheckpointError::Form { why };
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(form("expected origin, size and root on a line each"));
        };
        if origin.is_empty() {
            return Err(form("the origin is empty"));
        }
        let is_number =
            size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let size = size.parse().ok().filter(|_| is_number).ok_or(form("the size is no number"))?;
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or(form("the root is not 32 bytes in base64"))?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[9; 32])
    }

    fn sample() -> (Checkpoint, VerifierKey, String) {
        let checkpoint = Checkpoint { origin: "index.example/log".to_owned(), size: 20, root: [7; 32] };
        let verifier = VerifierKey { name: checkpoint.origin.clone(), key: key().public() };
        let note = checkpoint.sign(&key());
        (checkpoint, verifier, note)
    }

    #[test]
    fn the_published_verifier_key_is_read() {
        // The example of the signed-note specification and of Go's note package.
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.name, "PeterNeumann");
        assert_eq!(key.to_string(), text);
        assert!(
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
                .parse::<VerifierKey>()
                .is_err()
        );
        assert!("x+00000000+AAAA".parse::<VerifierKey>().is_err());
        // A note of that key; the text is no checkpoint, the signature holds.
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = STANDARD
            .decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
            .unwrap();
        assert_eq!(signature[..4], key.hash());
        assert!(key.key.verify(note.as_bytes(), &signature[4..]));
    }

    #[test]
    fn what_is_signed_is_read_back_and_any_change_is_found() {
        let (checkpoint, verifier, note) = sample();
        assert_eq!(Checkpoint::verify(&note, &verifier), Ok(checkpoint));
        assert_eq!(verifier.to_string().parse::<VerifierKey>(), Ok(verifier.clone()));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Checkpoint::verify(&changed, &verifier).is_err(), "byte {at}: {changed}");
        }
        for end in 0..note.len() {
            let Some(cut) = note.get(..end) else { continue };
            assert!(Checkpoint::verify(cut, &verifier).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn signatures_of_others_are_ignored_and_never_enough() {
        let (checkpoint, verifier, note) = sample();
        let other = PrivateKey::from_seed(&[1; 32]);
        let theirs = checkpoint.sign(&other);
        let line = theirs.lines().last().unwrap().replace(&checkpoint.origin, "witness.example");
        let (text, ours) = note.rsplit_once("\n\n").unwrap();
        let both = format!("{text}\n\n{line}\n{ours}");
        assert_eq!(Checkpoint::verify(&both, &verifier), Ok(checkpoint));
        let only = format!("{text}\n\n{line}\n");
        assert!(matches!(Checkpoint::verify(&only, &verifier), Err(CheckpointError::Unsigned { .. })));
        assert!(Checkpoint::verify(&theirs, &verifier).is_err());
        let elsewhere = VerifierKey { name: "other.example".to_owned(), ..verifier };
        assert!(matches!(Checkpoint::verify(&note, &elsewhere), Err(CheckpointError::Origin { .. })));
    }
}
