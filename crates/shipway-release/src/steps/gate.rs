//! Runs gates over a built release and keeps what they found: evidence, the outcome of the last run, and a log.
//!
//! A gate that could not run is no failed gate: no evidence is kept for it, the others go on, and the whole run
//! could not complete.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use shipway_dist::evidence::Statement;
use shipway_dist::{Finding, GateId, Manifest, Severity};

use crate::api::{Baseline, baseline_of};
use crate::config::{CommandGate, Environment};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::gates::outcome::{self, Outcome, State};
use crate::gates::{GateFault, GateReport, api, command, distribution, installed, notes};

/// What the gates found.
#[derive(Debug, Clone)]
pub struct GatesReport {
    /// The version judged.
    pub version: String,
    /// The commit judged.
    pub commit: String,
    /// One report a gate that ran.
    pub gates: Vec<GateReport>,
    /// The gates that could not run.
    pub errors: Vec<GateFault>,
}

impl Serialize for GatesReport {
    /// Every gate stands in `gates`, also one that could not run.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut gates: Vec<Value> = self.gates.iter().map(|report| json!(report)).collect();
        gates.extend(self.errors.iter().map(|fault| {
            json!({ "id": fault.id, "verdict": State::Error.as_str(), "findings": [], "message": fault.message, "causes": fault.causes })
        }));
        let document =
            json!({ "version": self.version, "commit": self.commit, "gates": gates, "errors": self.errors });
        document.serialize(serializer)
    }
}

/// A gate, what stands behind it, and how it last ended.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The gate.
    pub id: GateId,
    /// What it asks, in one line.
    pub about: &'static str,
    /// `declared`, `built in` or `not declared`.
    pub source: &'static str,
    /// The command of a declared gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The last run over the built version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Outcome>,
}

/// The gates that run a declared command.
const COMMANDS: [GateId; 4] = [GateId::Lint, GateId::Format, GateId::Types, GateId::Tests];

/// The gates that can be run here and now, in the order of the pipeline.
pub fn available(context: &Context<'_>) -> Vec<GateId> {
    let config = &context.config;
    let declared = |gate: &GateId| match gate {
        GateId::Distribution | GateId::StableApi | GateId::Semver => true,
        GateId::Notes => notes::is_asked(context),
        other => config.gates.iter().any(|one| one.id == *other) || installed::is_asked(config, *other),
    };
    GateId::ALL.iter().copied().filter(declared).collect()
}

/// Every gate that is declared or built in, and those that wait to be declared.
pub fn list(context: &Context<'_>, version: Option<&str>) -> Vec<Listed> {
    let available = available(context);
    let shown = GateId::ALL.iter().filter(|id| available.contains(id) || COMMANDS.contains(id));
    let listed = |id: &GateId| {
        let declared = context.config.gates.iter().find(|gate| gate.id == *id);
        Listed {
            id: *id,
            about: id.about(),
            source: match (declared, COMMANDS.contains(id)) {
                (Some(_), _) => "declared",
                (None, true) => "not declared",
                (None, false) => "built in",
            },
            run: declared.map(|gate| shell_words::join(&gate.run)),
            last: version.and_then(|version| outcome::last(&context.records(), version, *id)),
        }
    };
    shown.map(listed).collect()
}

/// A gate that ended, and when it had begun.
struct Ended {
    gate: GateId,
    clocked: Clocked,
    duration_ms: u64,
    result: Result<GateReport>,
}

/// Runs gates (all that are available when `wanted` is empty): those that run a command each in a thread, the others
/// beside them.
///
/// # Errors
/// When a gate is wanted that is not declared, a declaration is wrong usage, or nothing can be kept.
pub fn run(context: &Context<'_>, manifest: &Manifest, out: &Path, wanted: &[GateId]) -> Result<GatesReport> {
    run_with(context, manifest, out, wanted, &context.environment)
}

/// Runs gates, those that run a command with the programs of `environment`.
///
/// # Errors
/// See [`run`].
pub fn run_with(
    context: &Context<'_>,
    manifest: &Manifest,
    out: &Path,
    wanted: &[GateId],
    environment: &Environment,
) -> Result<GatesReport> {
    let mut available = available(context);
    // Asked for by name, notes of any kind are judged.
    if wanted.contains(&GateId::Notes)
        && context.config.changelog.is_some()
        && !available.contains(&GateId::Notes)
    {
        available.push(GateId::Notes);
    }
    if let Some(missing) = wanted.iter().find(|gate| !available.contains(gate)) {
        let error = Error::usage("no-gate", format!("gate `{missing}` is not declared"));
        return Err(if COMMANDS.contains(missing) {
            error.hint(format!(
                "add a `[[tool.shipway.gate]]` with `id = \"{missing}\"`; available: {}",
                names(&available)
            ))
        } else {
            error.hint(format!("available: {}", names(&available)))
        });
    }
    let chosen: Vec<GateId> =
        available.into_iter().filter(|gate| wanted.is_empty() || wanted.contains(gate)).collect();
    let task = context.progress.begin(&format!("gates: {}", names(&chosen)));
    let mut ended = run_all(context, manifest, out, &chosen, (wanted.is_empty(), environment))?;
    drop(task);
    name_changes(context, manifest, &mut ended)?;
    ended.sort_by_key(|one| one.gate);
    let mut report = GatesReport {
        version: manifest.version.to_string(),
        commit: manifest.commit.clone(),
        gates: Vec::new(),
        errors: Vec::new(),
    };
    let mut statements = Vec::new();
    for one in ended {
        statements.extend(keep(context, manifest, one, &mut report)?);
    }
    evidence::keep_and_follow(context, manifest, &statements)?;
    Ok(report)
}

/// Tells the gate `notes` what the installed gates found and let pass: breaks that the bump allows.
fn name_changes(context: &Context<'_>, manifest: &Manifest, ended: &mut [Ended]) -> Result<()> {
    let reports = ended.iter().filter(|one| installed::GATES.contains(&one.gate));
    let findings = reports.filter_map(|one| one.result.as_ref().ok()).flat_map(|report| &report.findings);
    let is_break = |one: &&Finding| one.severity == Severity::Warning && one.message.ends_with("(major)");
    let changes: Vec<Finding> = findings.filter(is_break).cloned().collect();
    let Some(one) = ended.iter_mut().find(|one| one.gate == GateId::Notes) else { return Ok(()) };
    if let Ok(report) = &mut one.result
        && notes::name_changes(context, manifest, &changes, report)?
    {
        tell(context, GateId::Notes, &one.result);
    }
    Ok(())
}

fn run_all(
    context: &Context<'_>,
    manifest: &Manifest,
    out: &Path,
    chosen: &[GateId],
    (all, environment): (bool, &Environment),
) -> Result<Vec<Ended>> {
    let folder = super::build::temporary()?;
    let prepared = check_out(context, manifest, chosen, folder.path())?;
    let begun: Vec<Clocked> = prepared.iter().map(|_| Clocked::start(context)).collect();
    Ok(std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (gate, checkout) in &prepared {
            threads.push(scope.spawn(move || run_command(gate, checkout, environment)));
        }
        let mut ended = beside(context, manifest, out, chosen, all);
        for (((gate, _), clocked), thread) in prepared.iter().zip(begun).zip(threads) {
            let broken = || (Err(Error::incomplete("gate", "the gate ended unexpectedly")), 0);
            let (result, duration_ms) = thread.join().unwrap_or_else(|_| broken());
            tell(context, gate.id, &result);
            ended.push(Ended { gate: gate.id, clocked, duration_ms, result });
        }
        ended
    }))
}

fn run_command(gate: &CommandGate, checkout: &Path, environment: &Environment) -> (Result<GateReport>, u64) {
    let started = std::time::Instant::now();
    let result = command::command(gate, checkout, environment);
    (result, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// A clean checkout for every gate that runs a command.
fn check_out<'a>(
    context: &'a Context<'_>,
    manifest: &Manifest,
    chosen: &[GateId],
    folder: &Path,
) -> Result<Vec<(&'a CommandGate, PathBuf)>> {
    let gates: Vec<&CommandGate> =
        context.config.gates.iter().filter(|gate| chosen.contains(&gate.id)).collect();
    if gates.is_empty() {
        return Ok(Vec::new());
    }
    let git = context.repository()?;
    let prefix = git.prefix_of(&context.config.directory)?;
    let mut prepared = Vec::new();
    for (at, gate) in gates.into_iter().enumerate() {
        let checkout = folder.join(format!("{at}-{}", gate.id));
        super::build::check_out(&git, &manifest.commit, &checkout, manifest.source_date_epoch)?;
        prepared.push((gate, if prefix.is_empty() { checkout } else { checkout.join(&prefix) }));
    }
    Ok(prepared)
}

/// The gates that run no command of the project's, one after the other, while the others run theirs.
fn beside(
    context: &Context<'_>,
    manifest: &Manifest,
    out: &Path,
    chosen: &[GateId],
    all: bool,
) -> Vec<Ended> {
    let mut ended = Vec::new();
    let end = |clocked: Clocked, results: Vec<(GateId, Result<GateReport>)>, ended: &mut Vec<Ended>| {
        for (gate, result) in results.into_iter().filter(|(gate, _)| chosen.contains(gate)) {
            tell(context, gate, &result);
            ended.push(Ended { gate, clocked, duration_ms: clocked.elapsed_ms(), result });
        }
    };
    if chosen.contains(&GateId::Distribution) {
        let clocked = Clocked::start(context);
        let result = distribution::distribution(context, manifest, out);
        end(clocked, vec![(GateId::Distribution, result)], &mut ended);
    }
    if chosen.contains(&GateId::Notes) {
        let clocked = Clocked::start(context);
        let result = notes::notes(context, manifest, out);
        end(clocked, vec![(GateId::Notes, result)], &mut ended);
    }
    let is_compared =
        |gate: &GateId| matches!(gate, GateId::StableApi | GateId::Semver) || installed::GATES.contains(gate);
    let compared: Vec<GateId> = chosen.iter().copied().filter(is_compared).collect();
    if compared.is_empty() {
        return ended;
    }
    let clocked = Clocked::start(context);
    let baseline = match baseline_of(context, &manifest.version) {
        Ok(baseline) => baseline,
        Err(error) => {
            let again = |gate: GateId| {
                let fault = GateFault::new(gate, &error);
                let error = Error::incomplete("baseline", fault.message);
                (gate, Err(fault.causes.into_iter().fold(error, Error::cause)))
            };
            end(clocked, compared.into_iter().map(again).collect(), &mut ended);
            return ended;
        }
    };
    if chosen.contains(&GateId::StableApi) || chosen.contains(&GateId::Semver) {
        let results = api_gates(context, manifest, out, chosen, baseline.as_ref(), all);
        end(clocked, results, &mut ended);
    }
    let clocked = Clocked::start(context);
    end(clocked, installed::run(context, manifest, out, chosen, baseline.as_ref()), &mut ended);
    ended
}

/// `stable-api` and `semver`; the latter also says which declarations are gone whose own gates are not asked.
fn api_gates(
    context: &Context<'_>,
    manifest: &Manifest,
    out: &Path,
    chosen: &[GateId],
    baseline: Option<&Baseline>,
    all: bool,
) -> Vec<(GateId, Result<GateReport>)> {
    let judge = || -> Result<Vec<GateReport>> {
        let mut reports = api::api(context, manifest, out)?;
        let Some(baseline) = baseline else { return Ok(reports) };
        let removed = installed::judge_removals(context, manifest, baseline, chosen, all)?;
        if let Some(semver) = reports.iter_mut().find(|report| report.id == GateId::Semver) {
            let findings = semver.findings.drain(..).chain(removed).collect();
            *semver = GateReport::new(GateId::Semver, findings, semver.detail.take());
        }
        Ok(reports)
    };
    match judge() {
        Ok(reports) => reports.into_iter().map(|report| (report.id, Ok(report))).collect(),
        Err(error) => {
            let again = |gate: GateId| {
                let fault = GateFault::new(gate, &error);
                let error = if error.exit_code() == 2 {
                    Error::usage("api", fault.message)
                } else {
                    Error::incomplete("api", fault.message)
                };
                (gate, Err(fault.causes.into_iter().fold(error, Error::cause)))
            };
            [GateId::StableApi, GateId::Semver].map(again).into()
        }
    }
}

/// Says at once how a gate ended.
fn tell(context: &Context<'_>, gate: GateId, result: &Result<GateReport>) {
    let text = match result {
        Ok(report) => State::from(report.verdict).as_str().to_owned(),
        Err(error) => format!("error: {error}"),
    };
    context.progress.done("gate", &format!("{gate} {text}"));
}

/// Keeps what came of a gate: its log, its outcome and, when it ran, its statement.
fn keep(
    context: &Context<'_>,
    manifest: &Manifest,
    one: Ended,
    report: &mut GatesReport,
) -> Result<Option<Statement>> {
    let Ended { gate, clocked, duration_ms, result } = one;
    let (records, version) = (context.records(), manifest.version.to_string());
    let mut outcome = Outcome {
        schema: outcome::SCHEMA.to_owned(),
        gate: gate.to_string(),
        state: State::Error,
        commit: manifest.commit.clone(),
        manifest_digest: manifest.digest(),
        started_on: clocked.started_on().to_string(),
        duration_ms,
        causes: Vec::new(),
    };
    let mut said = None;
    match result {
        Ok(mut found) => {
            outcome.state = found.verdict.into();
            let errors = found.findings.iter().filter(|finding| finding.severity == Severity::Error);
            outcome.causes = errors.map(|one| format!("{}: {}", one.id, one.message)).collect();
            found.detail = with_ground(context, manifest, found.detail);
            let log = if found.log.is_empty() { log_of(&found) } else { std::mem::take(&mut found.log) };
            outcome::keep_log(&records, &version, gate, &log)?;
            said = Some(statement(clocked, duration_ms, manifest, &found));
            report.gates.push(found);
        }
        Err(error) if error.exit_code() == 2 => return Err(error),
        Err(error) => {
            let fault = GateFault::new(gate, &error);
            outcome.causes =
                [fault.message.clone()].into_iter().chain(fault.causes.iter().cloned()).collect();
            let log: String = outcome.causes.iter().map(|cause| format!("{cause}\n")).collect();
            outcome::keep_log(&records, &version, gate, format!("could not run\n{log}").as_bytes())?;
            report.errors.push(fault);
        }
    }
    outcome::keep(&records, &version, &outcome)?;
    Ok(said)
}

fn statement(clocked: Clocked, duration_ms: u64, manifest: &Manifest, report: &GateReport) -> Statement {
    let found = Found { findings: report.findings.clone(), detail: report.detail.clone(), channel: None };
    let mut statement = clocked.gate(report.id, manifest, report.verdict, found);
    statement.predicate.duration_ms = duration_ms;
    statement
}

/// What every gate records besides its own: the ground that it ran on.
fn with_ground(context: &Context<'_>, manifest: &Manifest, detail: Value) -> Value {
    let mut whole = match detail {
        Value::Object(entries) => entries,
        Value::Null => serde_json::Map::new(),
        other => [("detail".to_owned(), other)].into_iter().collect(),
    };
    let file =
        |file: &shipway_dist::ManifestFile| json!({ "filename": file.filename, "sha256": file.sha256 });
    let files: Vec<Value> = manifest.files.iter().map(file).collect();
    whole.entry("files").or_insert_with(|| files.into());
    whole.insert("commit".to_owned(), manifest.commit.clone().into());
    whole.insert("tree".to_owned(), manifest.tree.clone().into());
    if let Ok(python) = context.python()
        && let Some(versions) = whole.entry("toolVersions").or_insert_with(|| json!({})).as_object_mut()
    {
        versions.insert("python".to_owned(), python.version.clone().into());
        versions.insert("shipway".to_owned(), env!("CARGO_PKG_VERSION").into());
    }
    whole.into()
}

/// The log of a gate that runs no command: what it found and what it looked at.
fn log_of(report: &GateReport) -> Vec<u8> {
    let line = |finding: &Finding| {
        let word = if finding.severity == Severity::Error { "error" } else { "warning" };
        format!("{word}: {}: {}\n", finding.id, finding.message)
    };
    let findings: String = report.findings.iter().map(line).collect();
    format!("{}\n{findings}{:#}\n", State::from(report.verdict).as_str(), report.detail).into_bytes()
}

/// What stands against the release: failed gates refuse it, and without any a gate that could not run keeps it from
/// completing; none when all hold.
pub fn refusal(report: &GatesReport) -> Option<Error> {
    let failed: Vec<&GateReport> = report.gates.iter().filter(|gate| !gate.holds()).collect();
    let ids = |gates: Vec<GateId>| names(&gates);
    let missing = ids(report.errors.iter().map(|fault| fault.id).collect());
    let faults = |mut error: Error| {
        for fault in &report.errors {
            error = error.cause(format!("{} could not run: {}", fault.id, fault.message));
            error = fault.causes.iter().take(8).cloned().fold(error, Error::cause);
        }
        error
    };
    if failed.is_empty() {
        if report.errors.is_empty() {
            return None;
        }
        let what = format!("{} was not judged by: {missing}", report.version);
        let error = faults(Error::incomplete("gate-error", what));
        let hint = report.errors.iter().find_map(|fault| fault.hint.clone());
        return Some(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    let what =
        format!("{} does not pass: {}", report.version, ids(failed.iter().map(|gate| gate.id).collect()));
    let mut error = Error::refused("gate-failed", what);
    let errors = failed.iter().flat_map(|gate| &gate.findings).filter(|one| one.severity == Severity::Error);
    let mut hints: Vec<&str> = Vec::new();
    for finding in errors.take(20) {
        error = error.cause(format!("{}: {}", finding.id, finding.message));
        hints.extend(finding.hint.as_deref().filter(|hint| !hints.contains(hint)));
    }
    error = faults(error);
    if !hints.is_empty() {
        error = error.hint(hints[..hints.len().min(3)].join("\n"));
    }
    Some(error)
}

fn names(gates: &[GateId]) -> String {
    gates.iter().map(|gate| gate.as_str()).collect::<Vec<_>>().join(", ")
}
