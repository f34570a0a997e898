//! The verdict: what the difference asks for, and whether the bump gives it.

use std::str::FromStr as _;

use pep440_rs::Version;
use serde::Serialize;

use super::{DiffOptions, DiffSide};
use crate::finding::{ApiFinding, Level};

/// What the version numbers of a project mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Semantic versions.
    #[default]
    Semver,
    /// Dates: the number is never judged.
    Calver,
}

/// What a difference asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `major`, `minor`, `patch` or `none`.
    pub required: &'static str,
    /// `major`, `minor`, `patch`, `none`, `downgrade` or `unknown`.
    pub actual: &'static str,
    /// Whether the bump gives what is asked for and nothing is wrong in itself.
    pub sufficient: bool,
    /// The verdict in one line.
    pub line: String,
    /// Findings at level error.
    pub errors: usize,
    /// Findings at level major that were not accepted.
    pub breaking: usize,
    /// Findings at level minor.
    pub features: usize,
    /// Whether a zero stands before the first dot, so that a break needs only a minor.
    pub zero: bool,
    /// The findings that fail stay below this level; `None` when the number is not judged.
    #[serde(skip)]
    allowed: Option<Level>,
}

impl Verdict {
    pub(crate) fn new(
        old: &DiffSide,
        new: &DiffSide,
        findings: &[ApiFinding],
        options: &DiffOptions,
    ) -> Self {
        let counted: Vec<&ApiFinding> =
            findings.iter().filter(|finding| finding.accepted.is_none()).collect();
        let count = |level: Level| counted.iter().filter(|finding| finding.level == level).count();
        let (errors, breaking, features) = (count(Level::Error), count(Level::Major), count(Level::Minor));
        let heaviest = counted.iter().map(|f| f.level).filter(|level| *level <= Level::Major).max();
        let parse = |side: &DiffSide| side.version.as_deref().and_then(|text| Version::from_str(text).ok());
        let (from, to) = (parse(old), parse(new));
        let zero = from.as_ref().is_some_and(|version| version.release().first() == Some(&0));
        let required = match heaviest {
            Some(Level::Major) if zero => Level::Minor,
            Some(level) => level,
            None => Level::Note,
        };
        let actual = match (&from, &to) {
            (Some(from), Some(to)) => bump(from, to),
            _ => "unknown",
        };
        let is_pre = to.as_ref().is_some_and(|version| version.is_pre() || version.is_dev());
        let allowed = match actual {
            _ if options.scheme == Scheme::Calver => None,
            "major" => None,
            "minor" if zero => None,
            "minor" => Some(Level::Minor),
            "patch" => Some(Level::Patch),
            "unknown" => Some(Level::Patch),
            _ => Some(Level::Patch),
        };
        let _ = is_pre;
        let refused = allowed.is_some_and(|allowed| heaviest.is_some_and(|level| level > allowed));
        let sufficient = errors == 0 && !refused;
        let required_text = match required {
            Level::Major => "major",
            Level::Minor => "minor",
            Level::Patch => "patch",
            _ => "none",
        };
        let mut verdict = Self {
            required: required_text,
            actual,
            sufficient,
            line: String::new(),
            errors,
            breaking,
            features,
            zero,
            allowed,
        };
        verdict.line = verdict.text(old, new, options.scheme);
        verdict
    }

    /// Whether a finding refuses the release.
    pub fn fails(&self, finding: &ApiFinding) -> bool {
        finding.accepted.is_none()
            && (finding.level == Level::Error || self.allowed.is_some_and(|allowed| finding.level > allowed))
    }

    fn text(&self, old: &DiffSide, new: &DiffSide, scheme: Scheme) -> String {
        let version = |side: &DiffSide| side.version.clone().unwrap_or_else(|| "?".to_owned());
        let plural = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            many => Some(format!("{many} {word}{}", if word == "breaking" { "" } else { "s" })),
        };
        let parts: Vec<String> = [
            plural(self.errors, "error"),
            plural(self.breaking, "breaking"),
            plural(self.features, "feature"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let counts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let required = match self.required {
            "none" => "needs no bump".to_owned(),
            other => format!("needs {}", other.to_uppercase()),
        };
        let outcome = match (scheme, self.sufficient) {
            (Scheme::Calver, true) => "the number is not judged (calver)".to_owned(),
            (_, true) => format!("bump is {}: ok", self.actual),
            (_, false) if self.errors > 0 => "REFUSED whatever the bump".to_owned(),
            (_, false) => format!("bump is {}: REFUSED", self.actual),
        };
        let zero = if self.zero && self.breaking > 0 { ", 0.x: breaks in a minor" } else { "" };
        format!("{} -> {}: {required}{counts}{zero}; {outcome}", version(old), version(new))
    }
}

/// Judges findings that were made elsewhere by the rules of an API difference: marks what was accepted, and gives
/// the verdict over the step from one version to the other.
pub fn judge_findings(
    old: Option<&str>,
    new: Option<&str>,
    findings: &mut [ApiFinding],
    options: &DiffOptions,
) -> Verdict {
    // What an entry that matches nothing means is said where the API itself is compared.
    let _ = crate::accept::apply(findings, options);
    let side =
        |version: Option<&str>| DiffSide { name: None, version: version.map(str::to_owned), modules: 0 };
    Verdict::new(&side(old), &side(new), findings, options)
}

/// Which part of the version went up.
fn bump(from: &Version, to: &Version) -> &'static str {
    let part = |version: &Version, at: usize| version.release().get(at).copied().unwrap_or(0);
    if to.epoch() > from.epoch() {
        return "major";
    }
    if to < from {
        return "downgrade";
    }
    for (at, name) in ["major", "minor", "patch"].into_iter().enumerate() {
        if part(to, at) != part(from, at) {
            return name;
        }
    }
    if to == from { "none" } else { "patch" }
}
