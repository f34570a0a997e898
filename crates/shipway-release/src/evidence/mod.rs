//! Records what gates and steps found, beside the project and with the release at the index.
//!
//! Statements are signed and kept in `.shipway/evidence/<version>/`, one envelope a file, until the release is at
//! the index, and there afterwards too.

pub mod keys;

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use shipway_dist::evidence::{
    BUILD, Predicate, Provenance, Resource, SLSA_PROVENANCE, STEP, Statement, Verdict, predicate_type_of,
};
use shipway_dist::signing::Envelope;
use shipway_dist::wire::EvidenceRequest;
use shipway_dist::{Finding, GateId, Manifest};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::target::Target;

/// Measures a gate or step while it runs.
#[derive(Debug, Clone, Copy)]
pub struct Clocked {
    started_on: Timestamp,
    started: Instant,
}

/// What a gate or step found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Findings.
    pub findings: Vec<Finding>,
    /// Everything else.
    pub detail: Value,
    /// The channel spoken of.
    pub channel: Option<String>,
}

impl Clocked {
    /// Begins now.
    pub fn start(context: &Context<'_>) -> Self {
        Self { started_on: (context.clock)(), started: Instant::now() }
    }

    /// The statement of a gate.
    pub fn gate(self, gate: GateId, manifest: &Manifest, result: Verdict, found: Found) -> Statement {
        self.statement(gate.as_str(), &predicate_type_of(gate), manifest, result, found)
    }

    /// The statement of a step's effect on the index.
    pub fn step(self, step: &str, manifest: &Manifest, result: Verdict, found: Found) -> Statement {
        self.statement(step, STEP, manifest, result, found)
    }

    /// The statement of a build: SLSA provenance.
    pub fn build(self, manifest: &Manifest, provenance: Provenance, found: Found) -> Statement {
        let mut statement = self.statement(BUILD, SLSA_PROVENANCE, manifest, Verdict::Passed, found);
        statement.predicate.provenance = Some(Box::new(provenance));
        statement
    }

    /// When it began.
    pub fn started_on(self) -> Timestamp {
        self.started_on
    }

    fn statement(
        self,
        name: &str,
        kind: &str,
        manifest: &Manifest,
        result: Verdict,
        found: Found,
    ) -> Statement {
        let predicate = Predicate {
            gate: name.to_owned(),
            result,
            commit: manifest.commit.clone(),
            run: manifest.run.clone(),
            attempt: manifest.attempt,
            channel: found.channel,
            configuration: vec![Resource::commit(&manifest.commit)],
            started_on: self.started_on.to_string(),
            duration_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            tools: manifest.tools.clone(),
            provenance: None,
            findings: found.findings,
            detail: found.detail,
        };
        Statement::about(manifest, kind, predicate)
    }
}

/// A signed statement that is kept beside the project.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its file.
    pub path: PathBuf,
    /// The statement, signed.
    pub envelope: Envelope,
    /// The statement; its signature was not looked at.
    pub statement: Statement,
}

/// Signs a statement with the key of this run and keeps it beside the project.
///
/// # Errors
/// When there is no key, or it cannot be written.
pub fn keep(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    sign_and_keep(context, version, statement).map(|_| ())
}

fn sign_and_keep(context: &Context<'_>, version: &str, statement: &Statement) -> Result<Envelope> {
    let envelope = Envelope::sign(statement, &keys::pipeline_key(context)?);
    keep_envelope(context, version, statement, &envelope)?;
    Ok(envelope)
}

/// Keeps a signed statement beside the project, in the place of an earlier one of its gate.
///
/// # Errors
/// When it cannot be written.
pub fn keep_envelope(
    context: &Context<'_>,
    version: &str,
    statement: &Statement,
    envelope: &Envelope,
) -> Result<PathBuf> {
    let folder = folder(context, version);
    let suffix =
        statement.predicate.channel.as_ref().map(|channel| format!("@{channel}")).unwrap_or_default();
    let path = folder.join(format!("{}{suffix}.json", statement.predicate.gate));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, envelope)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))?;
    Ok(path)
}

/// Keeps a statement beside the project and, on a shipway index, with the release.
///
/// # Errors
/// When either cannot be done.
pub fn record(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    // A foreign index keeps nothing, so what is written here is all there is.
    let envelope = if context.config.is_foreign() || context.config.directory.join(".shipway").exists() {
        sign_and_keep(context, version, statement)?
    } else {
        Envelope::sign(statement, &keys::pipeline_key(context)?)
    };
    send(context, version, &envelope)
}

/// Keeps statements beside the project, and with the release where exactly these bytes are at the index already.
///
/// An index that cannot be asked is a warning: the statements are sent when the release is published.
///
/// # Errors
/// When one cannot be written.
pub fn keep_and_follow(context: &Context<'_>, manifest: &Manifest, statements: &[Statement]) -> Result<()> {
    let version = manifest.version.to_string();
    for statement in statements {
        keep(context, &version, statement)?;
    }
    let follow = || -> Result<()> {
        let Target::Shipway { client, .. } = context.target()? else { return Ok(()) };
        let record = client.project(&context.config.name)?;
        let is_there = record
            .iter()
            .flat_map(|record| &record.releases)
            .any(|release| release.version == version && release.manifest_digest == manifest.digest());
        if is_there { send_kept(context, manifest).map(|_| ()) } else { Ok(()) }
    };
    if let Err(error) = follow() {
        context.progress.warn(&format!("the statements are kept here and not with the release: {error}"));
    }
    Ok(())
}

/// Keeps the statement of an effect that was had already: a token that may have the effect and not add evidence
/// gets a warning, for a failure would say that nothing happened.
///
/// # Errors
/// When it cannot be kept for any other reason.
pub fn record_done(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    tolerate_scope(context, record(context, version, statement))
}

fn tolerate_scope(context: &Context<'_>, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.code() == shipway_dist::wire::code::TOKEN_SCOPE => {
            context.progress.warn(&format!("the statement is not kept with the release: {error}"));
            Ok(())
        }
        other => other,
    }
}

/// Sends a signed statement to the release; the public half of this run's own key goes along, for an index that
/// enrols keys.
///
/// # Errors
/// When the index does not take it.
pub fn send(context: &Context<'_>, version: &str, envelope: &Envelope) -> Result<()> {
    let Target::Shipway { client, .. } = context.target()? else { return Ok(()) };
    let own = keys::pipeline_key(context)?.public();
    let signed = envelope.signatures.iter().any(|signature| signature.keyid == own.id().to_string());
    let request = EvidenceRequest { envelope: envelope.clone(), public_key: signed.then_some(own) };
    client.add_evidence(&context.config.name, version, &request)
}

/// Sends every statement kept beside the project that speaks about exactly these bytes; a token that may not add
/// evidence gets a warning.
///
/// # Errors
/// When one cannot be read or the index refuses it.
pub fn send_kept(context: &Context<'_>, manifest: &Manifest) -> Result<usize> {
    let version = manifest.version.to_string();
    let mut sent = 0;
    for kept in kept(context, manifest)? {
        tolerate_scope(context, send(context, &version, &kept.envelope))?;
        sent += 1;
    }
    Ok(sent)
}

/// The statements kept beside the project that speak about exactly these bytes.
///
/// # Errors
/// When one cannot be read.
pub fn kept(context: &Context<'_>, manifest: &Manifest) -> Result<Vec<Kept>> {
    let speaks_of = |kept: &Kept| {
        let subject = &kept.statement.subject;
        let covers = |file: &shipway_dist::ManifestFile| {
            subject.iter().any(|subject| subject.digest.sha256 == file.sha256)
        };
        subject.len() == manifest.files.len() && manifest.files.iter().all(covers)
    };
    let mut kept = all_kept(context, &manifest.version.to_string())?;
    kept.retain(speaks_of);
    Ok(kept)
}

/// Every statement kept beside the project under a version, whatever bytes it is about.
///
/// # Errors
/// When one cannot be read.
pub fn all_kept(context: &Context<'_>, version: &str) -> Result<Vec<Kept>> {
    let folder = folder(context, version);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.into_iter().map(|path| read(&path)).collect()
}

/// Reads a signed statement from a file.
///
/// # Errors
/// When it is none.
pub fn read(path: &Path) -> Result<Kept> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let bad = |why: String| {
        Error::incomplete("evidence", format!("`{}` is no signed statement", path.display()))
            .cause(why)
            .hint("remove the file and run the gate again: shipway gate run")
    };
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let statement = envelope.unverified().map_err(|error| bad(error.to_string()))?;
    Ok(Kept { path: path.to_owned(), envelope, statement })
}

fn folder(context: &Context<'_>, version: &str) -> PathBuf {
    context.records().join("evidence").join(version)
}
