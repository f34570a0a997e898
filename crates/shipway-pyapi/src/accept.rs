//! Breaks that a project accepted, each with a reason and an end.

use serde::Serialize;

use crate::diff::DiffOptions;
use crate::finding::{ApiFinding, Level};
use crate::rules::rule;

/// One accepted break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acceptance {
    /// Identifier of the rule, or `*` for any.
    pub id: String,
    /// The symbol; `*` may stand for any part of a name, unless `id` is `*`.
    pub symbol: String,
    /// Why it is accepted.
    pub reason: String,
    /// The day after which it no longer is, as `YYYY-MM-DD`.
    pub expires: Option<String>,
}

impl Acceptance {
    fn matches(&self, finding: &ApiFinding) -> bool {
        let rule_fits = self.id == "*"
            || self.id == finding.id
            || rule(&self.id).is_some_and(|rule| rule.id == finding.id);
        let fits =
            |path: &str| self.symbol == path || (self.symbol.contains('*') && matches(&self.symbol, path));
        rule_fits && (fits(&finding.symbol) || finding.paths.iter().any(|path| fits(path)))
    }

    fn is_too_wide(&self) -> bool {
        self.id == "*" && self.symbol.contains('*')
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(after, &rest[at..]))
        }),
    }
}

/// Marks the accepted findings; gives a finding for each entry that matches none or has expired.
pub(crate) fn apply(findings: &mut [ApiFinding], options: &DiffOptions) -> Vec<ApiFinding> {
    let mut complaints = Vec::new();
    for entry in &options.accepted {
        let is_expired = match (&entry.expires, &options.today) {
            (Some(end), Some(today)) => today > end,
            _ => false,
        };
        if is_expired {
            let end = entry.expires.clone().unwrap_or_default();
            complaints.extend(complaint("K05", entry, format!("accepted until {end}: {}", entry.reason)));
            continue;
        }
        let mut matched = false;
        if !entry.is_too_wide() {
            for finding in findings.iter_mut().filter(|f| f.level >= Level::Minor && entry.matches(f)) {
                finding.accepted = Some(entry.reason.clone());
                matched = true;
            }
        }
        if !matched {
            let why = if entry.is_too_wide() {
                "an entry may not hold `*` in both id and symbol".to_owned()
            } else {
                format!("no finding `{}` at `{}`", entry.id, entry.symbol)
            };
            complaints.extend(complaint("K04", entry, why));
        }
    }
    complaints
}

fn complaint(id: &str, entry: &Acceptance, detail: String) -> Option<ApiFinding> {
    let rule = rule(id)?;
    Some(ApiFinding {
        id: rule.id,
        name: rule.name,
        level: rule.level,
        audience: rule.audience,
        symbol: entry.symbol.clone(),
        paths: vec![entry.symbol.clone()],
        detail,
        old: None,
        new: None,
        why_public: "named in the configuration".to_owned(),
        why_breaking: rule.breaks,
        fix: rule.fix,
        standing: "unlisted",
        accepted: None,
        was_deprecated: false,
        witness: None,
    })
}
