//! What the previous release declared and this one does not: nobody takes a promise back by no longer naming it.

use shipway_dist::GateId;
use shipway_pyapi::ApiFinding;

use super::change::{DEFAULT_CHANGED, ENTRY_REMOVED, EXIT_CHANGED, GATE_REMOVED, change};
use crate::api::Baseline;
use crate::config::{Config, Declared, Probe, ProbeKind};

/// Every removal with the gate that it belongs to. Stable symbols are the API's own business (rule K02).
pub(crate) fn removals(baseline: &Baseline, config: &Config) -> Vec<(GateId, ApiFinding)> {
    baseline.declared.as_ref().map(|declared| compare(declared, config)).unwrap_or_default()
}

fn compare(old: &Declared, config: &Config) -> Vec<(GateId, ApiFinding)> {
    let mut found = Vec::new();
    for gate in old.gates.iter().filter(|gate| config.gates.iter().all(|one| one.id.as_str() != *gate)) {
        let detail = "the previous release declared this gate, and this one does not";
        found.push((GateId::Semver, change(GATE_REMOVED, gate.clone(), detail)));
    }
    let (before, now) = (&old.contract, &config.contract);
    for (owner, key, before, now) in [
        (GateId::CliContract, "contract.commands", &before.commands, &now.commands),
        (GateId::InstalledPath, "contract.data", &before.data, &now.data),
        (GateId::ErrorContract, "contract.errors", &before.errors, &now.errors),
    ] {
        for entry in before.iter().filter(|entry| !now.contains(entry)) {
            let detail = format!("the previous release declared it in `{key}`, and this one does not");
            found.push((owner, change(ENTRY_REMOVED, entry.clone(), detail)));
        }
    }
    for probe in &old.probes {
        let owner = match probe.kind {
            ProbeKind::Safety => GateId::SafetyDefaults,
            ProbeKind::Error => GateId::ErrorContract,
            // How a release is tried is not what it promises.
            ProbeKind::Smoke => continue,
        };
        let changes = compare_probe(probe, &config.probes);
        found.extend(changes.into_iter().map(|change| (owner, change)));
    }
    found
}

fn compare_probe(old: &Probe, probes: &[Probe]) -> Vec<ApiFinding> {
    let same_kind = || probes.iter().filter(|probe| probe.kind == old.kind);
    let found =
        same_kind().find(|probe| probe.id == old.id).or(same_kind().find(|probe| probe.run == old.run));
    let Some(new) = found else {
        let detail = "the previous release declared this probe, and this one does not";
        return vec![change(ENTRY_REMOVED, old.id.clone(), detail)];
    };
    let mut changes = Vec::new();
    for (path, before) in &old.json {
        let symbol = format!("{}:{path}", old.id);
        match new.json.get(path) {
            None => changes.push(change(ENTRY_REMOVED, symbol, "the value is no longer declared")),
            Some(now) if old.kind == ProbeKind::Safety && !crate::ops::probe::same(now, before) => {
                changes.push(change(
                    DEFAULT_CHANGED,
                    symbol,
                    format!("declared as `{before}`, now as `{now}`"),
                ));
            }
            Some(_) => {}
        }
    }
    if old.exit != new.exit {
        let detail = format!("declared as {}, now as {}", old.exit, new.exit);
        changes.push(change(EXIT_CHANGED, old.id.clone(), detail));
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(value: &serde_json::Value) -> Declared {
        Declared::read(value)
    }

    fn probe(text: &serde_json::Value) -> Vec<Probe> {
        declared(&json!({ "probe": [text] })).probes
    }

    #[test]
    fn d13_d21_a_probe_that_is_gone_or_asks_for_less_is_found() {
        let old = json!({"id": "safe", "kind": "safety", "run": "demo caps", "json": {"a": false, "b": 1}});
        let old = &probe(&old)[0];
        let ids = |new: serde_json::Value| -> Vec<String> {
            compare_probe(old, &probe(&new)).iter().map(|one| format!("{} {}", one.id, one.symbol)).collect()
        };
        let with = |id: &str, kind: &str, json: serde_json::Value| json!({"id": id, "kind": kind, "run": "demo caps", "json": json});
        assert!(ids(with("safe", "safety", json!({"a": false, "b": 1.0, "c": 2}))).is_empty());
        assert!(ids(with("renamed", "safety", json!({"a": false, "b": 1}))).is_empty());
        assert_eq!(ids(with("safe", "smoke", json!({"a": false, "b": 1}))), ["contract-entry-removed safe"]);
        assert_eq!(ids(with("safe", "safety", json!({"a": true, "b": 1}))), ["default-changed safe:a"]);
        assert_eq!(ids(with("safe", "safety", json!({"a": false}))), ["contract-entry-removed safe:b"]);
        let exit = json!({"id": "safe", "kind": "safety", "run": "demo caps", "exit": 2, "json": {"a": false, "b": 1}});
        assert_eq!(ids(exit), ["exit-code-changed safe"]);
    }
}
