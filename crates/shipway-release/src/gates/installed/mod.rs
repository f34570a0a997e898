//! The gates over the installed release, run before anything is published: `installed-path`, `safety-defaults`,
//! `error-contract`, `cli-contract` and `rollback-rehearsal`.
//!
//! The built wheel is installed into one environment and the previous release, from the index, into another. Both
//! are looked at once; the gates judge what was seen. What the same commit declares is never all that is asked: the
//! previous release's behaviour and its own declarations stand beside it.

mod bench;
mod change;
mod cli;
mod errors;
mod help;
mod path;
mod rehearsal;
mod removed;
mod safety;
mod shape;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use shipway_dist::{Finding, GateId, Manifest};
use shipway_pyapi::ApiFinding;

use crate::api::Baseline;
use crate::config::{Config, Probe, ProbeKind};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::gates::GateReport;
use crate::ops::isolation::Fence;
use crate::ops::target::Target;
use bench::{Bench, Ground, Look, Side, Source};
#[cfg(test)]
pub(crate) use change::finding_ids;
pub(crate) use change::is_finding;
use change::{Step, Weighed};
pub(crate) use removed::removals;

/// The gates that are judged here.
pub(crate) const GATES: [GateId; 5] = [
    GateId::CliContract,
    GateId::SafetyDefaults,
    GateId::ErrorContract,
    GateId::InstalledPath,
    GateId::RollbackRehearsal,
];

/// Whether the project declares what the gate asks about.
pub(crate) fn is_asked(config: &Config, gate: GateId) -> bool {
    let has = |kind: ProbeKind| config.probes.iter().any(|probe| probe.kind == kind);
    let contract = &config.contract;
    match gate {
        GateId::InstalledPath | GateId::RollbackRehearsal => {
            !config.probes.is_empty() || !contract.stable.is_empty() || config.has_scripts
        }
        GateId::SafetyDefaults => has(ProbeKind::Safety),
        GateId::ErrorContract => has(ProbeKind::Error) || !contract.errors.is_empty(),
        GateId::CliContract => {
            !contract.commands.is_empty() || has(ProbeKind::Smoke) || has(ProbeKind::Safety)
        }
        _ => false,
    }
}

/// Everything that the gates judge by.
struct Facts<'a> {
    config: &'a Config,
    step: Step,
    new: Side,
    /// The built release, installed.
    built: Bench,
    old: Option<Previous<'a>>,
    /// Contract entries of the previous release that are no longer declared, by the gate that they belong to.
    removals: Vec<(GateId, ApiFinding)>,
    /// What the sources of both say of their command lines.
    read: cli::Static,
    /// What is not compared, and why (row J11).
    not_compared: Vec<String>,
    /// Findings about where dependencies came from.
    origin: Vec<Finding>,
}

/// The previous release, observed.
struct Previous<'a> {
    side: Side,
    bench: Bench,
    version: String,
    /// Its own probes; today's where its commit is not here.
    probes: &'a [Probe],
}

/// Judges; one result a gate that was chosen.
pub(crate) fn run(
    context: &Context<'_>,
    manifest: &Manifest,
    folder: &Path,
    chosen: &[GateId],
    baseline: Option<&Baseline>,
) -> Vec<(GateId, Result<GateReport>)> {
    let chosen: Vec<GateId> = GATES.into_iter().filter(|gate| chosen.contains(gate)).collect();
    if chosen.is_empty() {
        return Vec::new();
    }
    match judge(context, manifest, folder, &chosen, baseline) {
        Ok(reports) => reports,
        Err(error) => could_not_run(&chosen, &error),
    }
}

/// The same for every gate: the trial that they share did not come about.
fn could_not_run(chosen: &[GateId], error: &Error) -> Vec<(GateId, Result<GateReport>)> {
    let problems = error.problems();
    let first = problems.first();
    let (message, causes) =
        first.map_or_else(Default::default, |problem| (problem.message.clone(), problem.causes.clone()));
    let is_refusal = error.exit_code() == 1;
    let result = |gate: GateId| {
        if is_refusal && gate == GateId::InstalledPath {
            let causes: String = causes.iter().map(|cause| format!("\n{cause}")).collect();
            let finding = Finding::error("not-installable", format!("{message}{causes}"));
            return Ok(GateReport::new(gate, vec![finding], json!({})));
        }
        let error = Error::incomplete("gate-error", message.clone());
        Err(causes.iter().cloned().fold(error, Error::cause))
    };
    chosen.iter().map(|gate| (*gate, result(*gate))).collect()
}

fn judge(
    context: &Context<'_>,
    manifest: &Manifest,
    folder: &Path,
    chosen: &[GateId],
    baseline: Option<&Baseline>,
) -> Result<Vec<(GateId, Result<GateReport>)>> {
    let target = context.target()?;
    let config = &context.config;
    let ground = Ground {
        config,
        environment: &context.environment,
        python: context.python()?,
        progress: context.progress,
        fence: Fence::find(&context.environment),
    };
    let built = built(context, target, manifest, folder)?;
    let previous = baseline.map(|baseline| previous(target, baseline)).transpose()?;
    let declared = baseline.and_then(|baseline| baseline.declared.as_ref());
    let old_probes = declared.map_or(&config.probes[..], |declared| &declared.probes);
    let commands: BTreeSet<String> = if chosen.contains(&GateId::CliContract) {
        let old = declared.into_iter().flat_map(|declared| &declared.contract.commands);
        config.contract.commands.iter().chain(old).cloned().collect()
    } else {
        BTreeSet::new()
    };
    let mut look =
        Look { probes: config.probes.iter().collect(), commands, symbols: &config.contract.stable };
    let look_old = Look {
        probes: old_probes.iter().chain(&config.probes).collect(),
        commands: look.commands.clone(),
        symbols: &[],
    };
    if previous.is_some() {
        look.probes.extend(old_probes);
    }
    let tried = |source: &Source<'_>, look: &Look<'_>| -> Result<(Bench, Side)> {
        let bench = Bench::new(&ground, source)?;
        let side = bench.observe(&ground, look)?;
        Ok((bench, side))
    };
    let (new, old) = std::thread::scope(|scope| {
        let old = previous.as_ref().map(|source| scope.spawn(|| tried(source, &look_old)));
        let new = tried(&built, &look);
        let ended = || Error::incomplete("gate", "the previous release's trial ended unexpectedly");
        (new, old.map(|thread| thread.join().unwrap_or_else(|_| Err(ended()))))
    });
    let (bench, new) = new?;
    let mut options = crate::api::diff_options(config)?;
    options.accepted.clone_from(&config.accepted);
    options.today = Some(context.today().to_string());
    let origin = path::origin(config, &built.simple, &bench.resolved);
    let read = match (baseline, &built.file) {
        (Some(baseline), Some((path, _))) if chosen.contains(&GateId::CliContract) => {
            cli::compare_statically(context, path, baseline, &options)?
        }
        _ => cli::Static::default(),
    };
    let mut facts = Facts {
        config,
        step: Step {
            old: baseline.map(|baseline| baseline.version.to_string()),
            new: manifest.version.to_string(),
            options,
        },
        new,
        built: bench,
        old: None,
        removals: baseline.map(|baseline| removals(baseline, config)).unwrap_or_default(),
        read,
        not_compared: not_compared(baseline),
        origin,
    };
    let trouble = match (old, baseline) {
        (Some(Ok((bench, side))), Some(baseline)) => {
            let version = baseline.version.to_string();
            facts.old = Some(Previous { side, bench, version, probes: old_probes });
            None
        }
        (Some(Err(error)), Some(baseline)) => Some(not_installed(&error, baseline)),
        _ => None,
    };
    let sources = (&built, previous.as_ref());
    let judged = |gate: GateId| match (gate, &trouble) {
        (GateId::InstalledPath, _) => Ok(path::judge(&facts)),
        (_, Some((message, causes))) => {
            let error = Error::incomplete("baseline-not-installed", message.clone());
            Err(causes.iter().cloned().fold(error, Error::cause))
        }
        (GateId::SafetyDefaults, None) => Ok(safety::judge(&facts)),
        (GateId::ErrorContract, None) => Ok(errors::judge(&facts)),
        (GateId::CliContract, None) => Ok(cli::judge(&facts)),
        (_, None) => rehearsal::rehearse(&ground, &facts, sources.0, sources.1).or_else(|error| {
            // A refusal (other digests, a wheel that does not install over the old one) is a verdict.
            if error.exit_code() != 1 {
                return Err(error);
            }
            let finding = Finding::error("rollback-broken", error.to_string());
            Ok(facts.report(gate, vec![finding], Vec::new(), json!({})))
        }),
    };
    Ok(chosen.iter().map(|gate| (*gate, judged(*gate))).collect())
}

fn not_installed(error: &Error, baseline: &Baseline) -> (String, Vec<String>) {
    let mut causes: Vec<String> = Vec::new();
    for problem in error.problems() {
        causes.push(problem.message.clone());
        causes.extend(problem.causes.iter().cloned());
    }
    causes.push("if it can never be installed again, block it: then the one before is compared".to_owned());
    (format!("{} cannot be installed to compare with", baseline.version), causes)
}

/// The built file: a wheel that any platform takes, else any wheel, else the sdist.
fn built<'a>(
    context: &'a Context<'_>,
    target: &'a Target,
    manifest: &'a Manifest,
    folder: &Path,
) -> Result<Source<'a>> {
    let rank = |name: &str| match name {
        name if name.ends_with("-none-any.whl") => 0,
        name if name.ends_with(".whl") => 1,
        _ => 2,
    };
    let file = manifest.files.iter().min_by_key(|file| rank(&file.filename));
    let file = file.ok_or_else(|| Error::incomplete("no-files", "the manifest names no file"))?;
    let channel = context.config.first_channel();
    let path = folder.join(&file.filename);
    let path = std::path::absolute(&path).map_err(|error| Error::io("find", &path, &error))?;
    Ok(Source {
        version: &manifest.version,
        simple: target.simple(channel)?,
        credential: target.http(channel)?.credential_for(&target.simple(channel)?),
        file: Some((path, file.sha256)),
        digests: vec![file.sha256],
    })
}

fn previous<'a>(target: &'a Target, baseline: &'a Baseline) -> Result<Source<'a>> {
    Ok(Source {
        version: &baseline.version,
        simple: target.simple(&baseline.channel)?,
        credential: target.http(&baseline.channel)?.credential_for(&target.simple(&baseline.channel)?),
        file: None,
        digests: baseline.files.iter().map(|file| file.sha256).collect(),
    })
}

fn not_compared(baseline: Option<&Baseline>) -> Vec<String> {
    match baseline {
        None => ["command lines", "defaults", "error classes", "going back"]
            .map(|what| format!("{what} (there is no earlier release)"))
            .to_vec(),
        Some(baseline) if baseline.declared.is_none() => {
            vec![format!("declarations of {} (its commit is not in this repository)", baseline.version)]
        }
        Some(_) => Vec::new(),
    }
}

impl<'a> Facts<'a> {
    fn probes(&self, kind: ProbeKind) -> impl Iterator<Item = &'a Probe> {
        self.config.probes.iter().filter(move |probe| probe.kind == kind)
    }

    /// The contract entries that belong to a gate and are gone.
    fn gone(&self, gate: GateId) -> Vec<ApiFinding> {
        self.removals.iter().filter(|(owner, _)| *owner == gate).map(|(_, finding)| finding.clone()).collect()
    }

    /// A report of findings and changes.
    fn report(
        &self,
        gate: GateId,
        mut findings: Vec<Finding>,
        changes: Vec<ApiFinding>,
        detail: Value,
    ) -> GateReport {
        let Weighed { findings: weighed, verdict } = self.step.weigh(changes);
        findings.extend(weighed);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let mut whole = json!({
            "baseline": self.step.old,
            "notCompared": self.not_compared,
            "verdict": verdict.line,
            "installed": self.built.installed(),
        });
        if let (Value::Object(whole), Value::Object(detail)) = (&mut whole, detail) {
            whole.extend(detail);
        }
        GateReport::new(gate, findings, whole)
    }
}

/// The removals that belong to gates which are not run, and those of gates themselves, for the gate `semver`.
pub(crate) fn judge_removals(
    context: &Context<'_>,
    manifest: &Manifest,
    baseline: &Baseline,
    chosen: &[GateId],
    all: bool,
) -> Result<Vec<Finding>> {
    let changes: Vec<ApiFinding> = removals(baseline, &context.config)
        .into_iter()
        .filter(|(owner, _)| *owner == GateId::Semver || (all && !chosen.contains(owner)))
        .map(|(_, finding)| finding)
        .collect();
    let mut options = crate::api::diff_options(&context.config)?;
    options.accepted.clone_from(&context.config.accepted);
    options.today = Some(context.today().to_string());
    let step = Step { old: Some(baseline.version.to_string()), new: manifest.version.to_string(), options };
    Ok(step.weigh(changes).findings)
}
