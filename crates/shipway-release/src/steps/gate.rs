//! Runs gates over a built release and keeps what they found.

use serde::Serialize;
use shipway_dist::{GateId, Manifest, Severity};

use crate::config::CommandGate;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::gates::{GateReport, api, command, distribution};

/// What the gates found.
#[derive(Debug, Clone, Serialize)]
pub struct GatesReport {
    /// The version judged.
    pub version: String,
    /// The commit judged.
    pub commit: String,
    /// One report a gate.
    pub gates: Vec<GateReport>,
}

/// The gates that can be run here and now, in the order of the pipeline.
pub fn available(context: &Context<'_>) -> Vec<GateId> {
    let declared = |gate: &GateId| match gate {
        GateId::Distribution | GateId::StableApi | GateId::Semver => true,
        other => context.config.gates.iter().any(|one| one.id == *other),
    };
    GateId::ALL.iter().copied().filter(declared).collect()
}

/// Runs gates (all that are available when `wanted` is empty), those that run a command side by side.
///
/// # Errors
/// When a gate is wanted that is not declared, or one could not run.
pub fn run(
    context: &Context<'_>,
    manifest: &Manifest,
    out: &std::path::Path,
    wanted: &[GateId],
) -> Result<GatesReport> {
    let available = available(context);
    if let Some(missing) = wanted.iter().find(|gate| !available.contains(gate)) {
        return Err(Error::usage("no-gate", format!("gate `{missing}` is not declared")).hint(format!(
            "add a `[[tool.shipway.gate]]` with `id = \"{missing}\"`; available: {}",
            names(&available)
        )));
    }
    let chosen: Vec<GateId> =
        available.into_iter().filter(|gate| wanted.is_empty() || wanted.contains(gate)).collect();
    let task = context.progress.begin(&format!("gates: {}", names(&chosen)));
    let clocked = Clocked::start(context);
    let commands: Vec<&CommandGate> =
        context.config.gates.iter().filter(|gate| chosen.contains(&gate.id)).collect();
    let mut gates = run_commands(context, manifest, &commands)?;
    if chosen.contains(&GateId::Distribution) {
        gates.push((clocked, distribution::distribution(context, manifest, out)?));
    }
    if chosen.contains(&GateId::StableApi) || chosen.contains(&GateId::Semver) {
        let clocked = Clocked::start(context);
        let reports = api::api(context, manifest, out)?;
        gates.extend(
            reports.into_iter().filter(|report| chosen.contains(&report.id)).map(|report| (clocked, report)),
        );
    }
    drop(task);
    gates.sort_by_key(|(_, report)| report.id);
    let version = manifest.version.to_string();
    let statement = |(clocked, report): &(Clocked, GateReport)| {
        let found = Found { findings: report.findings.clone(), detail: report.detail.clone(), channel: None };
        clocked.gate(report.id, manifest, report.verdict, found)
    };
    let statements: Vec<_> = gates.iter().map(statement).collect();
    evidence::keep_and_follow(context, manifest, &statements)?;
    Ok(GatesReport {
        version,
        commit: manifest.commit.clone(),
        gates: gates.into_iter().map(|(_, report)| report).collect(),
    })
}

fn run_commands(
    context: &Context<'_>,
    manifest: &Manifest,
    gates: &[&CommandGate],
) -> Result<Vec<(Clocked, GateReport)>> {
    if gates.is_empty() {
        return Ok(Vec::new());
    }
    let git = context.repository()?;
    let prefix = git.prefix_of(&context.config.directory)?;
    let folder = super::build::temporary()?;
    let mut prepared = Vec::new();
    for (at, gate) in gates.iter().enumerate() {
        let checkout = folder.path().join(format!("{at}-{}", gate.id));
        super::build::check_out(&git, &manifest.commit, &checkout, manifest.source_date_epoch)?;
        prepared.push((*gate, if prefix.is_empty() { checkout } else { checkout.join(&prefix) }));
    }
    let environment = &context.environment;
    let started: Vec<Clocked> = prepared.iter().map(|_| Clocked::start(context)).collect();
    let results = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (gate, checkout) in &prepared {
            threads.push(scope.spawn(move || command::command(gate, checkout, environment)));
        }
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let mut reports = Vec::new();
    let mut errors = Vec::new();
    for (clocked, result) in started.into_iter().zip(results) {
        match result {
            Ok(Ok(report)) => reports.push((clocked, report)),
            Ok(Err(error)) => errors.push(error),
            Err(_) => errors.push(Error::incomplete("gate", "a gate ended unexpectedly")),
        }
    }
    if errors.is_empty() { Ok(reports) } else { Err(Error::several("not every gate could run", errors)) }
}

/// The refusal that failed gates stand for; none when all hold.
pub fn refusal(report: &GatesReport) -> Option<Error> {
    let failed: Vec<&GateReport> = report.gates.iter().filter(|gate| !gate.holds()).collect();
    if failed.is_empty() {
        return None;
    }
    let ids: Vec<GateId> = failed.iter().map(|gate| gate.id).collect();
    let mut error =
        Error::refused("gate-failed", format!("{} does not pass: {}", report.version, names(&ids)));
    let errors = failed.iter().flat_map(|gate| &gate.findings).filter(|one| one.severity == Severity::Error);
    let mut hints: Vec<&str> = Vec::new();
    for finding in errors.take(20) {
        error = error.cause(format!("{}: {}", finding.id, finding.message));
        hints.extend(finding.hint.as_deref().filter(|hint| !hints.contains(hint)));
    }
    if !hints.is_empty() {
        error = error.hint(hints[..hints.len().min(3)].join("\n"));
    }
    Some(error)
}

fn names(gates: &[GateId]) -> String {
    gates.iter().map(|gate| gate.as_str()).collect::<Vec<_>>().join(", ")
}
