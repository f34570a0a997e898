//! Gates judge: a function from inputs to a report. A failed gate is a report; a gate that could not run is
//! an error. Gates never call steps.

pub mod api;
pub mod command;
pub mod contents;
pub mod distribution;
pub(crate) mod installed;
pub mod notes;
pub mod outcome;
pub mod rendering;

use serde::{Serialize, Serializer};
use shipway_dist::evidence::Verdict;
use shipway_dist::{Finding, GateId, Severity};

use crate::error::Error;

/// What a gate found.
#[derive(Debug, Clone, Serialize)]
pub struct GateReport {
    /// The gate.
    pub id: GateId,
    /// How it ended.
    #[serde(serialize_with = "in_lower_case")]
    pub verdict: Verdict,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Everything else: command, exit code, output digest.
    pub detail: serde_json::Value,
    /// What it printed, where it ran something.
    #[serde(skip)]
    pub log: Vec<u8>,
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
        Self { id, verdict, findings, detail, log: Vec::new() }
    }

    /// Whether the gate does not refuse.
    pub fn holds(&self) -> bool {
        self.verdict != Verdict::Failed
    }
}

fn in_lower_case<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome::State::from(*verdict).as_str())
}

/// A gate that could not run: neither passed nor failed, and no evidence of anything.
#[derive(Debug, Clone, Serialize)]
pub struct GateFault {
    /// The gate.
    pub id: GateId,
    /// What kept it from running.
    pub message: String,
    /// Why.
    pub causes: Vec<String>,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl GateFault {
    /// The fault that an error stands for.
    pub fn new(id: GateId, error: &Error) -> Self {
        let problems = error.problems();
        let mut problems = problems.iter();
        let first = problems.next();
        let mut causes = first.map(|problem| problem.causes.clone()).unwrap_or_default();
        for problem in problems {
            causes.push(problem.message.clone());
            causes.extend(problem.causes.iter().cloned());
        }
        Self {
            id,
            message: first.map_or_else(|| error.to_string(), |problem| problem.message.clone()),
            causes,
            hint: first.and_then(|problem| problem.hint.clone()),
        }
    }
}
