//! `rollback-rehearsal`: the release before, then this one over it, then the one before again, with one HOME kept.
//!
//! It goes on in the environment in which the previous release was observed, so that what that one wrote is there.

use serde_json::{Value, json};
use shipway_dist::{Finding, GateId};

use super::Facts;
use super::bench::{Ground, Look, Source};
use crate::config::{Probe, ProbeKind};
use crate::error::Result;
use crate::gates::GateReport;
use crate::ops::snapshot;

pub(super) fn rehearse(
    ground: &Ground<'_>,
    facts: &Facts<'_>,
    new: &Source<'_>,
    old: Option<&Source<'_>>,
) -> Result<GateReport> {
    let (Some(previous), Some(old)) = (&facts.old, old) else {
        let detail = json!({ "note": "there is nothing to go back to: this is the first release" });
        return Ok(facts.report(GateId::RollbackRehearsal, Vec::new(), Vec::new(), detail));
    };
    let task = ground.progress.begin(&format!("going forward from {} and back", previous.version));
    let is_tried = |probe: &&Probe| probe.kind != ProbeKind::Error;
    let mut findings = Vec::new();
    // A probe that its own release does not pass says nothing about going back.
    let (mut old_probes, mut unfit) = (Vec::new(), Vec::new());
    for probe in previous.probes.iter().filter(is_tried) {
        match previous.side.of(probe) {
            Some(result) if result.ok => old_probes.push(probe),
            Some(_) | None => unfit.push(probe.id.as_str()),
        }
    }
    if !unfit.is_empty() {
        let message =
            format!("in {} itself these probes do not pass: {}", previous.version, unfit.join(", "));
        findings.push(Finding::warning("rollback-not-rehearsed", message));
    }
    let bench = &previous.bench;
    let home = bench.trial.home();
    let written = snapshot::digests(&home, &[])?;

    task.update(&format!("installing {} over {}", facts.step.new, previous.version));
    bench.put(ground, new, &facts.built.resolved)?;
    let look = Look { probes: facts.config.probes.iter().filter(is_tried).collect(), ..Look::default() };
    let forward = bench.observe(ground, &look)?;
    for probe in &look.probes {
        // What fails in a fresh install too is said by the gates that look there.
        let fresh = facts.new.of(probe).is_none_or(|result| result.ok);
        let problems = forward.of(probe).map(|result| &result.problems[..]).unwrap_or_default();
        for problem in problems.iter().filter(|_| fresh) {
            let message = format!(
                "{} installed over {} with its configuration and data: probe `{}`: {problem}",
                facts.step.new, previous.version, probe.id
            );
            findings.push(Finding::error("upgrade-broken", message));
        }
    }
    let between = snapshot::digests(&home, &[])?;

    task.update(&format!("going back to {}", previous.version));
    bench.put(ground, old, &bench.resolved)?;
    let look = Look { probes: old_probes, ..Look::default() };
    let back = bench.observe(ground, &look)?;
    for probe in &look.probes {
        let problems = back.of(probe).map(|result| &result.problems[..]).unwrap_or_default();
        for problem in problems {
            let message = format!(
                "after going back from {} to {}: probe `{}`: {problem}",
                facts.step.new, previous.version, probe.id
            );
            let hint = "let the new release write so that the one before can read it";
            findings.push(Finding::error("rollback-broken", message).hint(hint));
        }
    }
    let changes = snapshot::changes(&written, &between);
    for line in changes.iter().filter(|line| line.starts_with("removed")) {
        let message = format!("{} {line}, which {} had written", facts.step.new, previous.version);
        findings.push(Finding::warning("rollback-data-removed", message));
    }
    let phases = json!([
        phase(
            "previous",
            &previous.version,
            old,
            previous.side.results(previous.probes.iter().filter(is_tried))
        ),
        phase("new over previous", &facts.step.new, new, forward.results(look_of(facts))),
        phase("previous again", &previous.version, old, back.results(look.probes.iter().copied())),
    ]);
    let detail = json!({ "phases": phases, "homeChanges": changes, "homeFiles": written.len() });
    Ok(facts.report(GateId::RollbackRehearsal, findings, Vec::new(), detail))
}

fn look_of<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Probe> {
    facts.config.probes.iter().filter(|probe| probe.kind != ProbeKind::Error)
}

fn phase(name: &str, version: &str, source: &Source<'_>, probes: Value) -> Value {
    json!({ "phase": name, "version": version, "sha256": source.digests, "probes": probes })
}
