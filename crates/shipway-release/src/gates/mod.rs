//! Gates judge: a function from inputs to a report. A failed gate is a report; a gate that could not run is
//! an error. Gates never call steps.

pub mod api;
pub mod command;
pub mod contents;
pub mod distribution;
pub mod notes;
pub mod rendering;

use serde::Serialize;
use shipway_dist::evidence::Verdict;
use shipway_dist::{Finding, GateId, Severity};

/// What a gate found.
#[derive(Debug, Clone, Serialize)]
pub struct GateReport {
    /// The gate.
    pub id: GateId,
    /// How it ended.
    pub verdict: Verdict,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Everything else: command, exit code, output digest.
    pub detail: serde_json::Value,
}

impl GateReport {
    /// A report whose verdict follows from the findings.
    pub fn new(id: GateId, findings: Vec<Finding>, detail: serde_json::Value) -> Self {
        let verdict = if findings.iter().any(|finding| finding.severity == Severity::Error) {
            Verdict::Failed
        } else if findings.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Warned
        };
        Self { id, verdict, findings, detail }
    }

    /// Whether the gate does not refuse.
    pub fn holds(&self) -> bool {
        self.verdict != Verdict::Failed
    }
}
