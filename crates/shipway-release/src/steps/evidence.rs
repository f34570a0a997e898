//! The record of a release: listed, shown, exported into one bundle, and verified without the index.
//!
//! A bundle is JSON lines, one DSSE envelope a line, as the in-toto attestation framework lays it down.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use shipway_dist::signing::{Envelope, PublicKey};
use shipway_dist::wire::{KeyList, KeyRecord, StoredStatement};
use shipway_dist::{Manifest, Sha256};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, all_kept};
use crate::ops::target::Target;
use crate::steps::build::read_manifest;
use crate::steps::publish::{manifest_of, require_record, require_release};

/// The statements of a release.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The statements, oldest first.
    pub statements: Vec<Row>,
}

/// A statement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its id.
    pub id: Sha256,
    /// The gate or step, `GATE@CHANNEL` where it speaks of a channel; what it verifies, for one of the index.
    pub gate: String,
    /// How it ended.
    pub result: String,
    /// When the index received it; none for one that is kept here only.
    pub received_at: Option<String>,
    /// Who signed it.
    pub signer: Option<String>,
    /// As what.
    pub role: Option<String>,
    /// Why it counts for nothing, when it does.
    pub void: Option<String>,
    /// The statement itself.
    pub statement: Value,
    /// The same, signed.
    #[serde(skip)]
    pub envelope: Envelope,
}

/// Lists the statements of a version, at the index where it is there, else those that are kept here.
///
/// # Errors
/// When there is no such version, or the index does not answer.
pub fn list(context: &Context<'_>, version: Option<&str>) -> Result<EvidenceReport> {
    let target = context.target()?;
    let project = context.config.name.to_string();
    let record = target.project(&context.config.name)?;
    let built = read_manifest(context)?.map(|manifest| manifest.version.to_string());
    let current = || record.as_ref().and_then(|record| Some(record.releases.last()?.version.clone()));
    let Some(version) = version.map(str::to_owned).or(built).or_else(current) else {
        return Err(Error::refused("no-release", format!("`{project}` has no release")).hint("shipway build"));
    };
    let mut statements = Vec::new();
    if let (Target::Shipway { client, .. }, Some(record)) = (target, &record)
        && let Ok(release) = require_release(record, &version, target)
    {
        let list = client.evidence(&context.config.name, &release.version)?;
        statements.extend(list.into_iter().flat_map(|list| list.statements).map(stored_row));
    }
    for kept in all_kept(context, &version)? {
        let id = kept.envelope.digest();
        if statements.iter().all(|row: &Row| row.id != id) {
            let mut row = row(id, &kept.envelope);
            row.void = Some("kept here, not at the index".to_owned());
            statements.push(row);
        }
    }
    if statements.is_empty() {
        // Says whether the version exists at all.
        let record = require_record(context, target)?;
        require_release(&record, &version, target)?;
    }
    Ok(EvidenceReport { project, version, statements })
}

fn stored_row(stored: StoredStatement) -> Row {
    Row {
        received_at: Some(stored.received_at),
        signer: stored.signer,
        role: stored.role.map(|role| role.to_string()),
        void: stored.void,
        ..row(stored.id, &stored.envelope)
    }
}

fn row(id: Sha256, envelope: &Envelope) -> Row {
    let statement = envelope.payload_json().unwrap_or(Value::Null);
    let text = |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let gate = match (text("/predicate/gate"), text("/predicate/channel")) {
        (Some(gate), Some(channel)) => format!("{gate}@{channel}"),
        (Some(gate), None) => gate,
        (None, _) => {
            text("/predicate/resourceUri").unwrap_or_else(|| text("/predicateType").unwrap_or_default())
        }
    };
    let result =
        text("/predicate/result").or_else(|| text("/predicate/verificationResult")).unwrap_or_default();
    Row {
        id,
        gate,
        result,
        received_at: None,
        signer: None,
        role: None,
        void: None,
        statement,
        envelope: envelope.clone(),
    }
}

/// Finds the statements that a text names: by gate, or by the beginning of an id.
///
/// # Errors
/// When it names none.
pub fn find<'a>(report: &'a EvidenceReport, what: &str) -> Result<Vec<&'a Row>> {
    let hex = what.len() >= 6 && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = |row: &&Row| {
        row.gate == what
            || row.gate.split_once('@').is_some_and(|(gate, _)| gate == what)
            || (hex && row.id.to_hex().starts_with(&what.to_ascii_lowercase()))
    };
    let found: Vec<&Row> = report.statements.iter().filter(names).collect();
    if found.is_empty() {
        let mut gates: Vec<&str> = report.statements.iter().map(|row| row.gate.as_str()).collect();
        gates.dedup();
        return Err(Error::refused(
            "no-evidence",
            format!("`{}` {} has no statement `{what}`", report.project, report.version),
        )
        .cause(format!("there are: {}", gates.join(", "))));
    }
    Ok(found)
}

/// Sends what is kept here to the release.
///
/// # Errors
/// When the release is not at the index, holds other bytes, or the index refuses.
pub fn send(context: &Context<'_>, version: Option<&str>) -> Result<usize> {
    let target = context.target()?;
    let record = require_record(context, target)?;
    let built = read_manifest(context)?.map(|manifest| manifest.version.to_string());
    let version = version
        .map(str::to_owned)
        .or(built)
        .ok_or_else(|| Error::usage("no-version", "nothing is built here, and no version was named"))?;
    let release = require_release(&record, &version, target)?;
    evidence::send_kept(context, &manifest_of(context, release)?)
}

/// A bundle as JSON lines.
pub fn bundle(report: &EvidenceReport) -> String {
    let line = |row: &Row| serde_json::to_string(&row.envelope).unwrap_or_default() + "\n";
    report.statements.iter().map(line).collect()
}

/// What is asked of [`verify`].
#[derive(Debug, Clone, Default)]
pub struct VerifyRequest {
    /// The bundle.
    pub bundle: PathBuf,
    /// Public keys in PEM.
    pub keys: Vec<PathBuf>,
    /// The manifest whose files the statements must be about.
    pub manifest: Option<PathBuf>,
}

/// A bundle and whether it holds.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The bundle.
    pub bundle: PathBuf,
    /// Every statement.
    pub statements: Vec<Checked>,
    /// How many of them hold.
    pub verified: usize,
}

/// A statement of a bundle and whether it holds.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// Its line.
    pub line: usize,
    /// Its id; none for what is no envelope.
    pub id: Option<Sha256>,
    /// The gate or step.
    pub gate: String,
    /// How it ended.
    pub result: String,
    /// Whose signature holds.
    pub signer: Option<String>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// Verifies every signature of a bundle over the exact bytes of its payload, without any network.
///
/// # Errors
/// When the bundle, a key or the manifest cannot be read.
pub fn verify(request: &VerifyRequest, known: &[KeyRecord]) -> Result<VerifyReport> {
    let mut keys: Vec<(PublicKey, String, Option<String>)> = Vec::new();
    for key in known {
        let void = key.compromised.then(|| format!("key `{}` is compromised", key.name));
        keys.push((key.public, format!("{} ({})", key.name, key.role), void));
    }
    for path in &request.keys {
        let pem = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        let key = PublicKey::from_pem(&pem).map_err(|error| {
            Error::usage("bad-key", format!("`{}` holds no public key", path.display()))
                .cause(error.to_string())
        })?;
        keys.push((key, path.display().to_string(), None));
    }
    let files = request.manifest.as_deref().map(read_files).transpose()?;
    let text = std::fs::read_to_string(&request.bundle)
        .map_err(|error| Error::io("read", &request.bundle, &error))?;
    let mut statements = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        statements.push(check_line(at + 1, line, &keys, files.as_deref()));
    }
    let verified = statements.iter().filter(|checked| checked.problem.is_none()).count();
    Ok(VerifyReport { bundle: request.bundle.clone(), statements, verified })
}

fn check_line(
    line: usize,
    text: &str,
    keys: &[(PublicKey, String, Option<String>)],
    files: Option<&[Sha256]>,
) -> Checked {
    let broken = |problem: String| Checked {
        line,
        id: None,
        gate: String::new(),
        result: String::new(),
        signer: None,
        problem: Some(problem),
    };
    let envelope: Envelope = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => return broken(format!("no envelope: {error}")),
    };
    let row = row(envelope.digest(), &envelope);
    let find = |hint: &str| -> Vec<PublicKey> {
        keys.iter()
            .map(|(key, _, _)| *key)
            .filter(|key| hint.is_empty() || key.id().to_string() == hint)
            .collect()
    };
    let opened = envelope.open(&find);
    let signer = opened
        .as_ref()
        .ok()
        .and_then(|opened| keys.iter().find(|(key, _, _)| opened.keys.contains(&key.id())));
    let about = |statement: &Value| -> bool {
        let subjects = statement["subject"].as_array().map(Vec::as_slice).unwrap_or_default();
        let digests: Vec<&str> = subjects.iter().filter_map(|one| one["digest"]["sha256"].as_str()).collect();
        files.is_none_or(|files| files.iter().all(|file| digests.contains(&file.to_hex().as_str())))
    };
    let problem = match (&opened, signer) {
        (Err(error), _) => Some(error.to_string()),
        (Ok(_), Some((_, _, Some(void)))) => Some(void.clone()),
        (Ok(_), _) if !about(&row.statement) => Some("it is not about every file of the manifest".to_owned()),
        (Ok(_), _) => None,
    };
    Checked {
        line,
        id: Some(row.id),
        gate: row.gate,
        result: row.result,
        signer: signer.map(|(_, name, _)| name.clone()),
        problem,
    }
}

fn read_files(path: &Path) -> Result<Vec<Sha256>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        Error::usage("manifest", format!("`{}` is not a manifest", path.display())).cause(error.to_string())
    })?;
    Ok(manifest.files.iter().map(|file| file.sha256).collect())
}

/// The keys that the index knows.
///
/// # Errors
/// When it is a foreign index, or does not answer.
pub fn keys(context: &Context<'_>) -> Result<KeyList> {
    let client = context.target()?.shipway("keep keys")?;
    client.keys()?.ok_or_else(|| Error::refused("no-keys", "the index knows no keys"))
}

/// Reads a list of keys from a file.
///
/// # Errors
/// When it is none.
pub fn read_keys(path: &Path) -> Result<Vec<KeyRecord>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let list: KeyList = serde_json::from_slice(&bytes).map_err(|error| {
        Error::usage("key-list", format!("`{}` is no list of keys", path.display()))
            .cause(error.to_string())
            .hint("shipway evidence keys --json > keys.json")
    })?;
    Ok(list.keys)
}

/// The refusal that a bundle stands for that does not hold; none when every statement does.
pub fn refusal(report: &VerifyReport) -> Option<Error> {
    let bad: Vec<&Checked> = report.statements.iter().filter(|checked| checked.problem.is_some()).collect();
    if report.statements.is_empty() {
        return Some(Error::refused(
            "empty-bundle",
            format!("`{}` holds no statement", report.bundle.display()),
        ));
    }
    if bad.is_empty() {
        return None;
    }
    let what = format!("{} of {} statements do not hold", bad.len(), report.statements.len());
    let error = Error::refused("evidence-not-verified", what);
    Some(bad.iter().take(20).fold(error, |error, checked| {
        error.cause(format!("line {}: {}", checked.line, checked.problem.as_deref().unwrap_or_default()))
    }))
}
