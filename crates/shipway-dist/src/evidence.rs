//! Evidence: what a gate or step found about exact bytes, as an in-toto Statement v1.
//!
//! A statement names its subjects by sha256 and carries one predicate. Predicate types follow the field
//! where one exists (SLSA provenance, in-toto test result, SLSA verification summary); the others are shipway's
//! own, under [`PREDICATE_BASE`]. [`crate::signing`] wraps statements in signed envelopes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Sha256;
use crate::finding::Finding;
use crate::gate::GateId;
use crate::manifest::Manifest;

/// The `_type` of an in-toto Statement v1.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The predicate type of an in-toto test result, for gates that run something.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// The predicate type of SLSA provenance v1, for the build.
pub const SLSA_PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// What shipway's own predicate types begin with.
pub const PREDICATE_BASE: &str = "https://shipway.dev/";
/// The predicate type of a step's effect on the index (published, promoted, rolled back).
pub const STEP: &str = "https://shipway.dev/step/v1";

/// The gate's place in the statement of a build.
pub const BUILD: &str = "build";
/// The `buildType` of shipway's builds: a clean checkout of a commit, the project's own backend.
pub const BUILD_TYPE: &str = "https://shipway.dev/build/v1";
/// The predicate type of a person's approval of a release for a channel.
pub const APPROVAL: &str = "https://shipway.dev/approval/v1";
/// The predicate type of what an index let into a channel, or did not.
pub const VERIFICATION_SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

/// An in-toto Statement v1; `P` is its predicate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement<P = Predicate> {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The files spoken for; matched by digest only.
    pub subject: Vec<Subject>,
    /// What kind of predicate follows.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The predicate.
    pub predicate: P,
}

/// A file that a statement speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The filename; informative.
    pub name: String,
    /// The digest.
    pub digest: SubjectDigest,
}

/// The digest of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectDigest {
    /// SHA-256 of the file.
    pub sha256: Sha256,
}

/// How a gate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It holds, with something worth knowing.
    Warned,
    /// It does not hold.
    Failed,
}

/// What the statement says about its subjects.
///
/// The fields follow in-toto's test result (`result`, `configuration`); `gate` says which gate or step
/// speaks, so that one predicate shape serves all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// The gate's id, or the step's name for [`STEP`].
    pub gate: String,
    /// How it ended.
    pub result: Verdict,
    /// The commit the gate ran on.
    pub commit: String,
    /// The CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The attempt of the CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The channel it speaks of, where it speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What it ran on, as in-toto's test result names it: the commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<Resource>,
    /// When it began, RFC 3339 in UTC.
    #[serde(rename = "startedOn")]
    pub started_on: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Tools and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// How the files were built, in the build's own statement.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<Provenance>>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Everything else that the gate records: command, exit code, output digest, report.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// Something that a predicate refers to: an in-toto ResourceDescriptor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

impl Resource {
    /// A commit of git.
    pub fn commit(id: &str) -> Self {
        let digest = BTreeMap::from([("gitCommit".to_owned(), id.to_owned())]);
        Self { name: Some("commit".to_owned()), uri: None, digest }
    }

    /// A file, or whatever else has a sha256.
    pub fn file(name: &str, sha256: &Sha256) -> Self {
        let digest = BTreeMap::from([("sha256".to_owned(), sha256.to_hex())]);
        Self { name: Some(name.to_owned()), uri: None, digest }
    }

    /// A statement, by the digest of its envelope.
    pub fn statement(name: &str, id: &Sha256) -> Self {
        Self::file(name, id)
    }
}

/// How files were built: the predicate [`SLSA_PROVENANCE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was asked of the build.
    pub build_definition: BuildDefinition,
    /// What ran it.
    pub run_details: RunDetails,
}

/// What was asked of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// [`BUILD_TYPE`].
    pub build_type: String,
    /// Repository, ref and workflow, where there are such.
    pub external_parameters: BTreeMap<String, String>,
    /// The commit, and the lock of the build environment.
    #[serde(default)]
    pub resolved_dependencies: Vec<Resource>,
}

/// What ran a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    /// The platform.
    pub builder: Builder,
    /// Which run it was.
    pub metadata: BuildMetadata,
    /// The manifest.
    #[serde(default)]
    pub byproducts: Vec<Resource>,
}

/// The platform that ran a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// A URI.
    pub id: String,
}

/// Which run of a build it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// The CI run and attempt, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started_on: String,
}

/// What an index let into a channel, or did not: the predicate [`VERIFICATION_SUMMARY`] of SLSA 1.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified.
    pub verifier: Verifier,
    /// When, RFC 3339 in UTC.
    pub time_verified: String,
    /// What was verified: the release in its channel.
    pub resource_uri: String,
    /// The policy that it was verified against.
    pub policy: Resource,
    /// The statements that were looked at.
    pub input_attestations: Vec<Resource>,
    /// `PASSED` or `FAILED`.
    pub verification_result: String,
    /// Always empty: shipway claims no level of its own.
    pub verified_levels: Vec<String>,
    /// Every item and how it stood; shipway's own field.
    pub items: Vec<crate::policy::Item>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI; the index names itself by its log's origin.
    pub id: String,
}

impl Statement {
    /// Whether the predicate is one that shipway reads, under the type that belongs to what it speaks of.
    pub fn is_evidence(&self) -> bool {
        let expected = match self.predicate.gate.parse::<GateId>() {
            Ok(gate) => predicate_type_of(gate),
            Err(_) if self.predicate.gate == crate::policy::APPROVAL => APPROVAL.to_owned(),
            Err(_) if self.predicate.gate == BUILD => SLSA_PROVENANCE.to_owned(),
            Err(_) => STEP.to_owned(),
        };
        self.kind == STATEMENT_TYPE && self.predicate_type == expected && !self.subject.is_empty()
    }
}

impl<P> Statement<P> {
    /// A statement over every file of a manifest.
    pub fn about(manifest: &Manifest, predicate_type: &str, predicate: P) -> Self {
        let subject = |file: &crate::manifest::ManifestFile| Subject {
            name: file.filename.clone(),
            digest: SubjectDigest { sha256: file.sha256 },
        };
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: manifest.files.iter().map(subject).collect(),
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }
}

/// The predicate type under which a gate's statements stand.
pub fn predicate_type_of(gate: GateId) -> String {
    match gate {
        GateId::Lint | GateId::Format | GateId::Types | GateId::Tests | GateId::Smoke => {
            TEST_RESULT.to_owned()
        }
        GateId::Provenance => SLSA_PROVENANCE.to_owned(),
        GateId::Distribution
        | GateId::MergedRelease
        | GateId::StableApi
        | GateId::Semver
        | GateId::CliContract
        | GateId::SafetyDefaults
        | GateId::ErrorContract
        | GateId::InstalledPath
        | GateId::Notes
        | GateId::RollbackRehearsal
        | GateId::Reproducible => format!("{PREDICATE_BASE}{gate}/v1"),
    }
}
