//! Attestations of the forge's CI: sigstore bundles over a DSSE envelope, verified whole and without the network.
//!
//! The signature, the certificate's chain, its time and the log's proof are the verifier's to judge
//! (`sigstore-verify`); whose signature it must be and what the statement must say is judged here. Whom to trust comes
//! with the program, or from a file that the configuration names; it is never fetched.

mod provider;

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use shipway_dist::Sha256;
use shipway_dist::evidence::SLSA_PROVENANCE;
use sigstore_verify::trust_root::{
    SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot,
};
use sigstore_verify::types::{Bundle, Sha256Hash, SignatureContent};
use sigstore_verify::{IdentityMatcher, VerificationPolicy, VerificationResult, Verifier};

use crate::error::{Error, Result};
use crate::ops::forge::github::plain;

/// Largest bundle that is read.
const LARGEST: usize = 4 << 20;

/// Whose signatures count.
pub struct Trust {
    roots: Vec<Root>,
}

/// One instance of sigstore.
struct Root {
    verifier: Verifier,
    /// Whether its certificates are logged, so that each must show it.
    has_certificate_log: bool,
    /// Whether its signatures are logged, so that each must show it.
    has_log: bool,
}

/// Whose signature a bundle must hold, and what it must say.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The URL of the repository, without a final slash.
    pub repository: String,
    /// Its number.
    pub repository_id: u64,
    /// The path of the workflow's file.
    pub workflow: String,
    /// The full ref that it ran on.
    pub git_ref: String,
    /// The commit that it ran on.
    pub commit: String,
    /// Who vouched for the identity of the job.
    pub issuer: String,
    /// The digests of the release; a statement may speak of no other file.
    pub digests: Vec<Sha256>,
}

/// A statement as far as it is judged.
#[derive(Debug, Deserialize)]
struct Statement {
    #[serde(default, rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(default)]
    predicate: Value,
}

#[derive(Debug, Deserialize)]
struct Subject {
    #[serde(default)]
    digest: Digest,
}

#[derive(Debug, Default, Deserialize)]
struct Digest {
    sha256: Option<String>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("roots", &self.roots.len()).finish()
    }
}

impl Trust {
    /// The public instance of sigstore, and the one of GitHub for private repositories.
    ///
    /// # Errors
    /// When this program was built with roots that cannot be read.
    pub fn embedded() -> Result<Self> {
        Self::of(&[SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_GITHUB_TRUSTED_ROOT])
            .map_err(|why| Error::incomplete("trusted-root", "the trusted roots of this program").cause(why))
    }

    /// The instance that a file names (`trusted_root.json`), and no other.
    ///
    /// # Errors
    /// When the file is missing or holds no trusted root.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        Self::of(&[&text]).map_err(|why| {
            Error::usage("trusted-root", format!("`{}` is no trusted root", path.display()))
                .cause(why)
                .hint("take `trusted_root.json` from the instance's own administrators")
        })
    }

    fn of(texts: &[&str]) -> std::result::Result<Self, String> {
        provider::install();
        let root = |text: &&str| {
            let root = TrustedRoot::from_json(text).map_err(|error| error.to_string())?;
            if root.certificate_authorities.is_empty() {
                return Err("it names no certificate authority".to_owned());
            }
            Ok(Root {
                has_certificate_log: !root.ctlogs.is_empty(),
                has_log: !root.tlogs.is_empty(),
                verifier: Verifier::new(&root).map_err(|error| error.to_string())?,
            })
        };
        Ok(Self { roots: texts.iter().map(root).collect::<std::result::Result<_, _>>()? })
    }

    /// Verifies a bundle over a digest; says why it does not hold.
    ///
    /// # Errors
    /// What is wrong with it, for people; with several roots, what the likeliest one says.
    pub fn verify(
        &self,
        bundle: &Value,
        digest: &Sha256,
        expected: &Expected,
    ) -> std::result::Result<(), String> {
        let text = bundle.to_string();
        if text.len() > LARGEST {
            return Err(format!("the bundle has more than {LARGEST} bytes"));
        }
        let bundle = Bundle::from_json(&text).map_err(|error| plain(&format!("no bundle: {error}")))?;
        let hash = Sha256Hash::from_hex(&digest.to_hex()).map_err(|error| error.to_string())?;
        let mut whys = Vec::new();
        for root in &self.roots {
            match root.signed(&bundle, hash, expected) {
                Ok(result) => {
                    claims(&result, expected)?;
                    return statement(&bundle, digest, expected);
                }
                Err(why) => whys.push(plain(&why)),
            }
        }
        whys.dedup();
        Err(whys.join("; "))
    }
}

impl Root {
    /// The signature is good, and it is that of the workflow at the ref.
    fn signed(
        &self,
        bundle: &Bundle,
        hash: Sha256Hash,
        expected: &Expected,
    ) -> std::result::Result<VerificationResult, String> {
        let name = format!("{}/{}@{}", expected.repository, expected.workflow, expected.git_ref);
        let mut policy = VerificationPolicy::new(IdentityMatcher::Uri(name), expected.issuer.as_str());
        // An instance without logs vouches by its time-stamps alone; one with logs is held to them.
        if !self.has_certificate_log {
            policy = policy.skip_sct();
        }
        if !self.has_log {
            policy = policy.skip_tlog_unsafe();
        }
        let result = self.verifier.verify(hash, bundle, &policy).map_err(|error| error.to_string())?;
        let is_whole = result.certificate_verified()
            && result.identity_policy_checked()
            && result.sct_verified() == self.has_certificate_log
            && result.tlog_verified() == self.has_log
            && !result.verified_timestamps().is_empty();
        if is_whole { Ok(result) } else { Err("the verifier left a part out".to_owned()) }
    }
}

/// What the certificate says of the job besides its name.
fn claims(result: &VerificationResult, expected: &Expected) -> std::result::Result<(), String> {
    let Some(certificate) = result.certificate() else { return Err("there is no certificate".to_owned()) };
    let said = &certificate.ci_claims;
    let id = expected.repository_id.to_string();
    for (what, found, wanted) in [
        ("repository", &said.source_repository_uri, &expected.repository),
        ("repository's number", &said.source_repository_identifier, &id),
        ("ref", &said.source_repository_ref, &expected.git_ref),
        ("commit", &said.source_repository_digest, &expected.commit),
    ] {
        if found.as_ref() != Some(wanted) {
            let found = found.as_deref().map_or("nothing".to_owned(), |found| format!("`{}`", plain(found)));
            return Err(format!("the certificate's {what} is {found}, expected `{wanted}`"));
        }
    }
    Ok(())
}

/// What the statement says: provenance of this file, made by this workflow, and of no stranger's file.
fn statement(bundle: &Bundle, digest: &Sha256, expected: &Expected) -> std::result::Result<(), String> {
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return Err("it holds no statement".to_owned());
    };
    // The very bytes that were verified.
    let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
        .map_err(|error| format!("no statement: {error}"))?;
    if statement.predicate_type != SLSA_PROVENANCE {
        return Err(format!(
            "its predicate is `{}`, expected `{SLSA_PROVENANCE}`",
            plain(&statement.predicate_type)
        ));
    }
    let mut speaks = false;
    for subject in &statement.subject {
        let parsed = subject.digest.sha256.as_deref().and_then(|text| text.parse::<Sha256>().ok());
        let Some(parsed) = parsed else { return Err("a subject has no sha256".to_owned()) };
        if !expected.digests.contains(&parsed) {
            return Err(format!("it speaks of `{parsed}` too, which is no file of the release"));
        }
        speaks |= parsed == *digest;
    }
    if !speaks {
        return Err("it does not speak of the file".to_owned());
    }
    let base = "/buildDefinition/externalParameters/workflow";
    for (what, wanted) in
        [("path", &expected.workflow), ("ref", &expected.git_ref), ("repository", &expected.repository)]
    {
        let found = statement.predicate.pointer(&format!("{base}/{what}")).and_then(Value::as_str);
        if found != Some(wanted) {
            let found = plain(found.unwrap_or("nothing"));
            return Err(format!("its workflow's {what} is `{found}`, expected `{wanted}`"));
        }
    }
    Ok(())
}
