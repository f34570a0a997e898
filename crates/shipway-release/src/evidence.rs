//! Records what gates and steps found, beside the project and with the release at the index.
//!
//! Statements are unsigned for now. They are kept in `.shipway/evidence/<version>/` until the release is at
//! the index, and there afterwards too.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use shipway_dist::evidence::{Predicate, STEP, Statement, Verdict, predicate_type_of};
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

    /// When it began, RFC 3339 in UTC.
    pub fn started_on(self) -> String {
        self.started_on.to_string()
    }

    /// Milliseconds since then.
    pub fn elapsed_ms(self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The statement of a gate.
    pub fn gate(self, gate: GateId, manifest: &Manifest, result: Verdict, found: Found) -> Statement {
        self.statement(gate.as_str(), &predicate_type_of(gate), manifest, result, found)
    }

    /// The statement of a step's effect on the index.
    pub fn step(self, step: &str, manifest: &Manifest, result: Verdict, found: Found) -> Statement {
        self.statement(step, STEP, manifest, result, found)
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
            started_on: self.started_on.to_string(),
            duration_ms: self.elapsed_ms(),
            tools: manifest.tools.clone(),
            findings: found.findings,
            detail: found.detail,
        };
        Statement::about(manifest, kind, predicate)
    }
}

/// Keeps a statement beside the project.
///
/// # Errors
/// When it cannot be written.
pub fn keep(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    let folder = folder(context, version);
    let suffix =
        statement.predicate.channel.as_ref().map(|channel| format!("@{channel}")).unwrap_or_default();
    let path = folder.join(format!("{}{suffix}.json", statement.predicate.gate));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, statement)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))
}

/// Keeps a statement beside the project and, on a shipway index, with the release.
///
/// # Errors
/// When either cannot be done.
pub fn record(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    // A foreign index keeps nothing, so what is written here is all there is.
    if context.config.is_foreign() || context.config.directory.join(".shipway").exists() {
        keep(context, version, statement)?;
    }
    send(context, version, statement)
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

fn send(context: &Context<'_>, version: &str, statement: &Statement) -> Result<()> {
    match context.target()? {
        Target::Shipway { client, .. } => client.add_evidence(&context.config.name, version, statement),
        Target::Foreign(_) => Ok(()),
    }
}

/// Sends every statement kept beside the project that speaks about exactly these bytes; a token that may not add
/// evidence gets a warning.
///
/// # Errors
/// When one cannot be read or the index refuses it.
pub fn send_kept(context: &Context<'_>, manifest: &Manifest) -> Result<usize> {
    let version = manifest.version.to_string();
    let mut sent = 0;
    for statement in kept(context, manifest)? {
        tolerate_scope(context, send(context, &version, &statement))?;
        sent += 1;
    }
    Ok(sent)
}

/// The statements kept beside the project that speak about exactly these bytes.
///
/// # Errors
/// When one cannot be read.
pub fn kept(context: &Context<'_>, manifest: &Manifest) -> Result<Vec<Statement>> {
    let folder = folder(context, &manifest.version.to_string());
    let mut statements = Vec::new();
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(statements) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"))
    {
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let statement: Statement = serde_json::from_slice(&bytes).map_err(|error| {
            Error::incomplete("evidence", format!("`{}` is no statement", path.display()))
                .cause(error.to_string())
        })?;
        let speaks_of = |file: &shipway_dist::ManifestFile| {
            statement.subject.iter().any(|subject| subject.digest.sha256 == file.sha256)
        };
        if statement.subject.len() == manifest.files.len() && manifest.files.iter().all(speaks_of) {
            statements.push(statement);
        }
    }
    Ok(statements)
}

fn folder(context: &Context<'_>, version: &str) -> PathBuf {
    context.records().join("evidence").join(version)
}
