//! The signatures of identities, verified by the library that TLS brings already.
//!
//! The token library has none of its own without a further family of crates; it takes one that is given.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};

/// What identities may be signed with. A secret that both sides know is not among it.
pub(super) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(Signed::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the token library verify with this.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

struct Signed {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Rsa(&'static RsaParameters, PublicKeyComponents<Vec<u8>>),
    Bytes(UnparsedPublicKey<Vec<u8>>),
}

impl Signed {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> jsonwebtoken::errors::Result<Self> {
        if algorithm.family() != key.family() {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        let bytes = |by: &'static dyn VerificationAlgorithm| match key.kind() {
            DecodingKeyKind::SecretOrDer(key) => Ok(Key::Bytes(UnparsedPublicKey::new(by, key.clone()))),
            DecodingKeyKind::RsaModulusExponent { .. } => Err(ErrorKind::InvalidKeyFormat),
        };
        let rsa = |by: &'static RsaParameters| match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Ok(Key::Rsa(by, PublicKeyComponents { n: n.clone(), e: e.clone() }))
            }
            DecodingKeyKind::SecretOrDer(_) => Err(ErrorKind::InvalidKeyFormat),
        };
        let key = match algorithm {
            Algorithm::RS256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256)?,
            Algorithm::RS384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384)?,
            Algorithm::RS512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512)?,
            Algorithm::ES256 => bytes(&signature::ECDSA_P256_SHA256_FIXED)?,
            Algorithm::ES384 => bytes(&signature::ECDSA_P384_SHA384_FIXED)?,
            Algorithm::EdDSA => bytes(&signature::ED25519)?,
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        };
        Ok(Self { algorithm, key })
    }
}

impl ::signature::Verifier<Vec<u8>> for Signed {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), ::signature::Error> {
        let verified = match &self.key {
            Key::Rsa(by, key) => key.verify(by, message, signature),
            Key::Bytes(key) => key.verify(message, signature),
        };
        verified.map_err(|_| ::signature::Error::new())
    }
}

impl JwtVerifier for Signed {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
