//! A sigstore instance of a test: an authority, a log, and bundles that both signed. The bytes are those of the real
//! formats (trusted root 0.1, bundle 0.3, Rekor v1 entries of kind `dsse`); only the keys are the test's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use shipway_dist::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a bundle says and who says it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The identity in the certificate: the URI of the workflow at its ref.
    pub identity: String,
    /// Who vouched for it.
    pub issuer: String,
    /// The repository's URL.
    pub repository: String,
    /// Its number.
    pub repository_id: String,
    /// The ref.
    pub git_ref: String,
    /// The commit.
    pub commit: String,
    /// The statement.
    pub statement: Value,
    /// How long after its time the certificate was used.
    pub late: Duration,
}

/// The instance.
pub struct Sigstore {
    authority: CertifiedIssuer<'static, KeyPair>,
    log: KeyPair,
}

impl std::fmt::Debug for Sigstore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sigstore").finish_non_exhaustive()
    }
}

impl Default for Sigstore {
    fn default() -> Self {
        Self::new()
    }
}

fn sign(key: &KeyPair, data: &[u8]) -> Vec<u8> {
    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der(), &random);
    key.expect("a key").sign(&random, data).expect("a signature").as_ref().to_vec()
}

/// A DER UTF8String.
fn utf8(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    let mut out = vec![0x0c];
    if length >= 0x80 {
        out.push(0x81);
    }
    out.push(length);
    out.extend(text.as_bytes());
    out
}

impl Sigstore {
    /// Makes the keys.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "signing authority of a test");
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a CA");
        Self { authority, log: KeyPair::generate().expect("a key") }
    }

    /// `trusted_root.json`.
    pub fn trusted_root(&self) -> Value {
        let start = json!({ "start": "2020-01-01T00:00:00Z" });
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": "https://log.invalid", "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(self.log.subject_public_key_info()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start,
                },
                "logId": { "keyId": STANDARD.encode(self.log_id().as_bytes()) },
            }],
            "certificateAuthorities": [{
                "subject": { "organization": "test", "commonName": "test" }, "uri": "https://ca.invalid",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(self.authority.der()) }] },
                "validFor": start,
            }],
            "ctlogs": [], "timestampAuthorities": [],
        })
    }

    fn log_id(&self) -> Sha256 {
        Sha256::of(&self.log.subject_public_key_info())
    }

    /// A bundle.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn bundle(&self, signed: &Signed) -> Value {
        let key = KeyPair::generate().expect("a key");
        let now = SystemTime::now() - Duration::from_secs(60) - signed.late;
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = DistinguishedName::new();
        params.not_before = now.into();
        params.not_after = (now + Duration::from_secs(600)).into();
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![SanType::URI(signed.identity.as_str().try_into().expect("a URI"))];
        for (number, text) in [
            (8, &signed.issuer),
            (12, &signed.repository),
            (13, &signed.commit),
            (14, &signed.git_ref),
            (15, &signed.repository_id),
        ] {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, number];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, utf8(text)));
        }
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        let payload = signed.statement.to_string();
        let kind = "application/vnd.in-toto+json";
        let pae = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let signature = STANDARD.encode(sign(&key, pae.as_bytes()));
        let body = json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": Sha256::of(pae.as_bytes()).to_hex() },
            "payloadHash": { "algorithm": "sha256", "value": Sha256::of(payload.as_bytes()).to_hex() },
            "signatures": [{ "signature": signature, "verifier": STANDARD.encode(certificate.pem()) }],
        } });
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(certificate.der()) },
                "tlogEntries": [self.entry(body.to_string().as_bytes())],
                "timestampVerificationData": { "rfc3161Timestamps": [] },
            },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload), "payloadType": kind, "signatures": [{ "sig": signature }],
            },
        })
    }

    /// The entry of a log that holds nothing else.
    fn entry(&self, body: &[u8]) -> Value {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        let id = self.log_id();
        let leaf = Sha256::of(&[&[0], body].concat());
        let root = STANDARD.encode(leaf.as_bytes());
        let note = format!("log.invalid\n1\n{root}\n");
        let signature = [&id.as_bytes()[..4], &sign(&self.log, note.as_bytes())].concat();
        let promise = format!(
            "{{\"body\":\"{}\",\"integratedTime\":{time},\"logID\":\"{}\",\"logIndex\":0}}",
            STANDARD.encode(body),
            id.to_hex()
        );
        json!({
            "logIndex": "0", "logId": { "keyId": STANDARD.encode(id.as_bytes()) },
            "kindVersion": { "kind": "dsse", "version": "0.0.1" }, "integratedTime": time.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": STANDARD.encode(sign(&self.log, promise.as_bytes())) },
            "inclusionProof": {
                "logIndex": "0", "rootHash": root, "treeSize": "1", "hashes": [],
                "checkpoint": { "envelope": format!("{note}\n— log.invalid {}\n", STANDARD.encode(signature)) },
            },
            "canonicalizedBody": STANDARD.encode(body),
        })
    }
}
