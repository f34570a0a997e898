//! What changed between the previous release and this one, as findings with a level, and what they weigh.
//!
//! Levels, acceptances and the verdict over the bump are those of the API's own comparison.

use shipway_dist::Finding;
use shipway_pyapi::{ApiFinding, Audience, DiffOptions, Level, Verdict, judge_findings};

/// A sort of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) id: &'static str,
    pub(crate) level: Level,
    fix: &'static str,
}

const fn kind(id: &'static str, level: Level, fix: &'static str) -> Kind {
    Kind { id, level, fix }
}

pub(crate) const DEFAULT_CHANGED: Kind =
    kind("default-changed", Level::Major, "restore the default, or release it as a major version");
pub(crate) const ENTRY_REMOVED: Kind = kind(
    "contract-entry-removed",
    Level::Major,
    "put it back, accept it with a reason, or release a major version",
);
pub(crate) const GATE_REMOVED: Kind =
    kind("gate-removed", Level::Error, "put the gate back, or accept its removal with a reason and an end");
pub(crate) const EXIT_CHANGED: Kind =
    kind("exit-code-changed", Level::Major, "restore the exit code, or release a major version");
pub(crate) const STREAM_CHANGED: Kind =
    kind("error-stream-changed", Level::Major, "write error text to stderr as before");
pub(crate) const COMMAND_REMOVED: Kind =
    kind("command-removed", Level::Major, "put the command back, or release a major version");
pub(crate) const COMMAND_ADDED: Kind = kind("command-added", Level::Minor, "release a minor version");
pub(crate) const OPTION_REMOVED: Kind =
    kind("option-removed", Level::Major, "keep the old option beside the new one");
pub(crate) const OPTION_ADDED: Kind = kind("option-added", Level::Minor, "release a minor version");
pub(crate) const KEY_REMOVED: Kind =
    kind("json-key-removed", Level::Major, "print the key again, or release a major version");
pub(crate) const KEY_ADDED: Kind = kind("json-key-added", Level::Minor, "release a minor version");
pub(crate) const TYPE_CHANGED: Kind =
    kind("json-type-changed", Level::Major, "give the value its old type, or release a major version");
pub(crate) const OUTPUT_CHANGED: Kind =
    kind("output-changed", Level::Warn, "say in the notes that the text changed");

const KINDS: &[Kind] = &[
    DEFAULT_CHANGED,
    ENTRY_REMOVED,
    GATE_REMOVED,
    EXIT_CHANGED,
    STREAM_CHANGED,
    COMMAND_REMOVED,
    COMMAND_ADDED,
    OPTION_REMOVED,
    OPTION_ADDED,
    KEY_REMOVED,
    KEY_ADDED,
    TYPE_CHANGED,
    OUTPUT_CHANGED,
];

/// Whether an id is of a finding that compares two installed releases, so that an acceptance may name it.
pub(crate) fn is_finding(id: &str) -> bool {
    KINDS.iter().any(|kind| kind.id == id)
}

/// Every such id.
#[cfg(test)]
pub(crate) fn finding_ids() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.id)
}

/// A change.
pub(crate) fn change(kind: Kind, symbol: impl Into<String>, detail: impl Into<String>) -> ApiFinding {
    let symbol = symbol.into();
    ApiFinding {
        id: kind.id,
        name: kind.id,
        level: kind.level,
        audience: Audience::Contract,
        paths: vec![symbol.clone()],
        symbol,
        detail: detail.into(),
        old: None,
        new: None,
        why_public: "declared in the configuration".to_owned(),
        why_breaking: "",
        fix: kind.fix,
        standing: "stable",
        accepted: None,
        was_deprecated: false,
        witness: None,
    }
}

/// The step from one version to the other, and what a change may ask of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) old: Option<String>,
    pub(crate) new: String,
    pub(crate) options: DiffOptions,
}

/// What changes come to.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) findings: Vec<Finding>,
    pub(crate) verdict: Verdict,
}

impl Step {
    /// Turns changes into findings: errors where they ask for more than the bump gives.
    pub(crate) fn weigh(&self, mut changes: Vec<ApiFinding>) -> Weighed {
        let (old, new) = (self.old.as_deref(), Some(self.new.as_str()));
        let mut verdict = judge_findings(old, new, &mut changes, &self.options);
        if old.is_none() {
            // Nothing is asked of a first release.
            changes.retain(|one| one.level == Level::Error);
            verdict = judge_findings(new, new, &mut changes, &self.options);
        }
        let findings = changes
            .iter()
            .filter(|one| verdict.fails(one) || one.level >= Level::Warn)
            .map(|one| finding(one, &verdict))
            .collect();
        Weighed { findings, verdict }
    }
}

fn finding(one: &ApiFinding, verdict: &Verdict) -> Finding {
    let accepted = one.accepted.as_ref().map(|reason| format!(", accepted: {reason}")).unwrap_or_default();
    let message = format!("`{}`: {} ({}{accepted})", one.symbol, one.detail, one.level.as_str());
    let finding =
        if verdict.fails(one) { Finding::error(one.id, message) } else { Finding::warning(one.id, message) };
    finding.field(one.symbol.clone()).hint(one.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(old: Option<&str>, new: &str, kind: Kind, options: DiffOptions) -> Vec<(String, bool)> {
        let step = Step { old: old.map(str::to_owned), new: new.to_owned(), options };
        let found = step.weigh(vec![change(kind, "thermctl get --json", "is gone")]).findings;
        let is_error = |finding: &Finding| finding.severity == shipway_dist::Severity::Error;
        found.iter().map(|finding| (finding.id.clone(), is_error(finding))).collect()
    }

    #[test]
    fn d13_a_change_fails_when_it_asks_for_more_than_the_bump_gives() {
        let fails =
            |old, new, kind| weigh(old, new, kind, DiffOptions::default()) == [(kind.id.to_owned(), true)];
        assert!(fails(Some("1.2.3"), "1.2.4", DEFAULT_CHANGED));
        assert!(fails(Some("1.2.3"), "1.3.0", DEFAULT_CHANGED));
        assert!(!fails(Some("1.2.3"), "2.0.0", DEFAULT_CHANGED));
        assert!(
            fails(Some("0.4.0"), "0.4.1", DEFAULT_CHANGED) && !fails(Some("0.4.0"), "0.5.0", DEFAULT_CHANGED)
        );
        assert!(fails(Some("1.2.3"), "1.2.4", OPTION_ADDED) && !fails(Some("1.2.3"), "1.3.0", OPTION_ADDED));
        assert!(!fails(Some("1.2.3"), "1.2.4", OUTPUT_CHANGED));
        assert!(fails(Some("1.2.3"), "9.0.0", GATE_REMOVED), "wrong whatever the bump");
        assert!(weigh(None, "1.2.4", DEFAULT_CHANGED, DiffOptions::default()).is_empty(), "a first release");
    }

    #[test]
    fn d21_an_accepted_change_is_told_and_refuses_nothing() {
        let entry = |id: &str, symbol: &str, end: &str| shipway_pyapi::Acceptance {
            id: id.to_owned(),
            symbol: symbol.to_owned(),
            reason: "nobody used it".to_owned(),
            expires: Some(end.to_owned()),
        };
        let options = |entry| DiffOptions {
            accepted: vec![entry],
            today: Some("2026-01-02".to_owned()),
            ..DiffOptions::default()
        };
        let fails = |options| weigh(Some("1.0"), "1.0.1", OPTION_REMOVED, options)[0].1;
        assert!(!fails(options(entry("option-removed", "thermctl get *", "2026-01-02"))));
        assert!(fails(options(entry("option-removed", "thermctl get *", "2026-01-01"))), "expired");
        assert!(fails(options(entry("option-removed", "thermctl set *", "2026-01-02"))));
        assert!(fails(options(entry("json-key-removed", "thermctl get *", "2026-01-02"))));
    }
}
