//! `error-contract`: each class of error ends with the declared exit code, in the declared shape, on stderr.

use serde_json::json;
use shipway_dist::{Finding, GateId};
use shipway_pyapi::ApiFinding;

use super::Facts;
use super::change::{EXIT_CHANGED, STREAM_CHANGED, change};
use crate::config::{Probe, ProbeKind};
use crate::gates::GateReport;
use crate::ops::probe::{ProbeResult, Problem, Sort};

pub(super) fn judge(facts: &Facts<'_>) -> GateReport {
    let mut findings = Vec::new();
    for probe in facts.probes(ProbeKind::Error) {
        let Some(result) = facts.new.of(probe) else { continue };
        findings.extend(judge_probe(probe, result));
    }
    let covered: Vec<&str> =
        facts.probes(ProbeKind::Error).filter_map(|probe| probe.class.as_deref()).collect();
    for class in facts.config.contract.errors.iter().filter(|class| !covered.contains(&class.as_str())) {
        let message =
            format!("`contract.errors` names `{class}`, and no probe of kind error is of that class");
        findings.push(Finding::error("error-class-missing", message).hint(format!(
            "add a `[[tool.shipway.probe]]` with `kind = \"error\"` and `class = \"{class}\"`"
        )));
    }
    let mut changes = facts.gone(GateId::ErrorContract);
    for change in observed_changes(facts) {
        if !changes.iter().any(|one| one.id == change.id && one.symbol == change.symbol) {
            changes.push(change);
        }
    }
    let probes = facts.new.results(facts.probes(ProbeKind::Error));
    let detail = json!({ "probes": probes, "classes": covered });
    facts.report(GateId::ErrorContract, findings, changes, detail)
}

fn judge_probe(probe: &Probe, result: &ProbeResult) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_on_stdout(probe, result) {
        let first = result.stdout.lines().next().unwrap_or_default();
        let message = format!("probe `{}`: the error text is on stdout, not on stderr: {first}", probe.id);
        findings.push(Finding::error("error-stream", message).hint("write errors to stderr"));
    }
    let has_stream = !findings.is_empty();
    // One cause is one finding.
    let is_told = |one: &&Problem| one.is_aside() || (has_stream && one.sort == Sort::Stream);
    for problem in result.problems.iter().filter(|one| !is_told(one)) {
        findings.push(Finding::error("error-probe", format!("probe `{}`: {problem}", probe.id)));
    }
    findings
}

/// Whether what belongs on stderr stands on stdout.
fn is_on_stdout(probe: &Probe, result: &ProbeResult) -> bool {
    match &probe.stderr {
        Some(text) => !result.stderr.contains(text.as_str()) && result.stdout.contains(text.as_str()),
        None => {
            let declares_stdout = probe.stdout.is_some() || !probe.json.is_empty();
            let is_silent = result.stderr.trim().is_empty() && !result.stdout.trim().is_empty();
            !declares_stdout && is_silent && result.exit.is_some_and(|code| code != 0)
        }
    }
}

fn observed_changes(facts: &Facts<'_>) -> Vec<ApiFinding> {
    let Some(old) = &facts.old else { return Vec::new() };
    let mut changes = Vec::new();
    for probe in old.probes.iter().filter(|probe| probe.kind == ProbeKind::Error) {
        let (Some(before), Some(now)) = (old.side.of(probe), facts.new.of(probe)) else { continue };
        if let (Some(before), Some(now)) = (before.exit, now.exit)
            && before != now
        {
            let detail = format!("was {before} in {}, is {now}", old.version);
            changes.push(change(EXIT_CHANGED, probe.id.clone(), detail));
        }
        if !is_on_stdout(probe, before) && is_on_stdout(probe, now) {
            let detail = format!("its text was on stderr in {}, and is on stdout", old.version);
            changes.push(change(STREAM_CHANGED, probe.id.clone(), detail));
        }
    }
    changes
}
