//! `safety-defaults`: the declared defaults hold in a fresh install, and are what they were in the release before.

use serde_json::json;
use shipway_dist::{Finding, GateId};
use shipway_pyapi::ApiFinding;

use super::change::{DEFAULT_CHANGED, change};
use super::{Facts, shape};
use crate::config::{Probe, ProbeKind};
use crate::gates::GateReport;
use crate::ops::probe::{ProbeResult, look_up, same};

pub(super) fn judge(facts: &Facts<'_>) -> GateReport {
    let mut findings = Vec::new();
    let mut observed = serde_json::Map::new();
    for probe in facts.probes(ProbeKind::Safety) {
        let Some(result) = facts.new.of(probe) else { continue };
        for problem in result.problems.iter().filter(|one| !one.is_aside()) {
            findings.push(Finding::error("safety-default", format!("probe `{}`: {problem}", probe.id)));
        }
        observed.insert(probe.id.clone(), values(probe, result));
    }
    let mut changes = facts.gone(GateId::SafetyDefaults);
    for change in observed_changes(facts) {
        if !changes.iter().any(|one| one.id == change.id && one.symbol == change.symbol) {
            changes.push(change);
        }
    }
    let probes = facts.new.results(facts.probes(ProbeKind::Safety));
    let detail = json!({ "probes": probes, "observed": observed });
    facts.report(GateId::SafetyDefaults, findings, changes, detail)
}

/// The declared paths as they were found.
fn values(probe: &Probe, result: &ProbeResult) -> serde_json::Value {
    let document = shape::document(&result.stdout).unwrap_or_default();
    let found = |path: &String| (path.clone(), look_up(&document, path).cloned().unwrap_or_default());
    probe.json.keys().map(found).collect::<serde_json::Map<_, _>>().into()
}

/// Values that either release declares and that differ, whatever the declaration says now (row D13).
fn observed_changes(facts: &Facts<'_>) -> Vec<ApiFinding> {
    let Some(old) = &facts.old else { return Vec::new() };
    let mut changes = Vec::new();
    for probe in old.probes.iter().filter(|probe| probe.kind == ProbeKind::Safety) {
        let (Some(before), Some(now)) = (old.side.of(probe), facts.new.of(probe)) else { continue };
        let documents = (shape::document(&before.stdout), shape::document(&now.stdout));
        let (Some(before), Some(now)) = documents else { continue };
        for path in probe.json.keys() {
            let (Some(before), Some(now)) = (look_up(&before, path), look_up(&now, path)) else { continue };
            if !same(before, now) {
                let detail = format!("was `{before}` in {}, is `{now}`", old.version);
                changes.push(change(DEFAULT_CHANGED, format!("{}:{path}", probe.id), detail));
            }
        }
    }
    changes
}
