//! A finding: what is wrong, where, why, and how to mend it, as data.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{self, Rule};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; never refuses.
    Warning,
    /// Refuses.
    Error,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable identifier, for example `record-hash-97`; `shipway explain ID` tells more.
    pub id: String,
    /// Whether the finding refuses.
    pub severity: Severity,
    /// The member of the archive concerned, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The metadata field or form field concerned, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What should stand there, where two values differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What stands there, where two values differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong, with both values where two things differ; one line, no final period.
    pub message: String,
    /// The next thing to do, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// A finding that refuses.
    pub fn error(id: &str, message: impl Into<String>) -> Self {
        Self::new(id, Severity::Error, message.into())
    }

    /// A finding that is only reported.
    pub fn warning(id: &str, message: impl Into<String>) -> Self {
        Self::new(id, Severity::Warning, message.into())
    }

    pub(crate) fn new(id: &str, severity: Severity, message: String) -> Self {
        Self {
            id: id.to_owned(),
            severity,
            member: None,
            field: None,
            expected: None,
            found: None,
            message,
            hint: None,
        }
    }

    /// Names the archive member concerned.
    #[must_use]
    pub fn member(mut self, member: impl Into<String>) -> Self {
        self.member = Some(member.into());
        self
    }

    /// Names the field concerned.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Holds the two values that differ.
    #[must_use]
    pub fn differ(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// Says what mends it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// How many findings of one rule a report holds; the rest are counted in one more finding.
const MOST_PER_RULE: usize = 50;

/// Collects findings, at most [`MOST_PER_RULE`] of each rule, so that hostile input cannot make the
/// report grow without bound.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    counts: HashMap<&'static str, usize>,
}

impl Findings {
    /// Adds a finding of a rule.
    pub(crate) fn push(&mut self, rule: &'static Rule, message: impl Into<String>) {
        self.add(rule, || rule.finding(message));
    }

    /// Adds a finding of a rule about a member.
    pub(crate) fn member(&mut self, rule: &'static Rule, member: &str, message: impl Into<String>) {
        self.add(rule, || rule.finding(message).member(shown(member)));
    }

    /// Adds a finding of a rule about a field.
    pub(crate) fn field(&mut self, rule: &'static Rule, field: &str, message: impl Into<String>) {
        self.add(rule, || rule.finding(message).field(shown(field)));
    }

    /// Adds a finding, which is only built while there is room for it.
    pub(crate) fn add(&mut self, rule: &'static Rule, build: impl FnOnce() -> Finding) {
        let count = self.counts.entry(rule.id).or_default();
        *count += 1;
        if *count <= MOST_PER_RULE {
            self.list.push(build());
        }
    }

    /// Adds all findings of another collection.
    pub(crate) fn append(&mut self, other: Self) {
        for finding in other.list {
            let Some((&id, _)) = other.counts.get_key_value(finding.id.as_str()) else { continue };
            let count = self.counts.entry(id).or_default();
            *count += 1;
            if *count <= MOST_PER_RULE {
                self.list.push(finding);
            }
        }
        for (id, count) in other.counts {
            *self.counts.entry(id).or_default() += count.saturating_sub(MOST_PER_RULE);
        }
    }

    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of findings.
    pub(crate) fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// The first finding that refuses by default.
    pub(crate) fn first_error(&self) -> Option<&Finding> {
        self.list.iter().find(|finding| finding.severity == Severity::Error)
    }

    /// The findings with the severities that hold under `strict` or without, errors first.
    pub(crate) fn finish(mut self, strict: bool) -> Vec<Finding> {
        let mut overflowing: Vec<_> =
            self.counts.iter().filter(|&(_, &count)| count > MOST_PER_RULE).collect();
        overflowing.sort();
        for (id, count) in overflowing {
            if let Some(rule) = rules::find(id) {
                self.list.push(rule.finding(format!("and {} more of these", count - MOST_PER_RULE)));
            }
        }
        for finding in &mut self.list {
            if let Some(rule) = rules::find(&finding.id) {
                finding.severity = rule.severity(strict);
            }
        }
        self.list.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.list
    }
}

/// Text from outside as it may be shown: at most 200 characters, control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == 200 {
            shown.push('…');
            break;
        }
        if character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
