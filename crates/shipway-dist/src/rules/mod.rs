//! The registry of everything a check can find: identifier, severity, why it matters, how to mend it.
//!
//! A finding can only be made from a [`Rule`], and every rule is declared by the macro that also puts
//! it into [`all`], so no identifier can be emitted that `shipway explain` does not know. An identifier
//! ends in the number of the check in the index specification it implements.

use crate::finding::{Finding, Severity};

pub mod filename;
pub mod framing;
pub mod metadata;
pub mod python;
pub mod sdist;
pub mod wheel;

/// One thing that a check can find.
#[derive(Debug)]
pub struct Rule {
    /// Stable identifier, for example `record-hash-97`.
    pub id: &'static str,
    /// The number of the check in the index specification.
    pub check: u16,
    /// The severity by default.
    pub severity: Severity,
    /// The severity under `--strict`.
    pub strict: Severity,
    /// What goes wrong for users when the rule does not hold, with the standard it comes from.
    pub why: &'static str,
    /// The next thing to do.
    pub fix: &'static str,
}

impl Rule {
    /// A finding of this rule with its default severity.
    pub fn finding(&self, message: impl Into<String>) -> Finding {
        Finding::new(self.id, self.severity, message.into()).hint(self.fix)
    }

    /// The severity of the rule, `--strict` or not.
    pub fn severity(&self, strict: bool) -> Severity {
        if strict { self.strict } else { self.severity }
    }
}

/// Every rule, section by section.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [filename::RULES, metadata::RULES, framing::RULES, wheel::RULES, python::RULES, sdist::RULES]
        .into_iter()
        .flatten()
        .copied()
}

/// The rule with an identifier; the number at its end may be left out where that is unambiguous.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id).or_else(|| {
        let mut matching = all()
            .filter(|rule| rule.id.rsplit_once('-').is_some_and(|(stem, number)| stem == id || number == id));
        matching.next().filter(|_| matching.next().is_none())
    })
}

/// Declares rules and the list that holds them: `error` always refuses, `strict` only under
/// `--strict`, `warning` never.
macro_rules! rules {
    ($($kind:ident $name:ident $id:literal $check:literal why $why:literal fix $fix:literal)+) => {
        $(
            #[doc = concat!("`", $id, "`: ", $why, ".")]
            pub static $name: $crate::rules::Rule = $crate::rules::Rule {
                id: $id,
                check: $check,
                severity: $crate::rules::rules!(@severity $kind),
                strict: $crate::rules::rules!(@strict $kind),
                why: $why,
                fix: $fix,
            };
        )+
        /// The rules of this section.
        pub static RULES: &[&$crate::rules::Rule] = &[$(&$name),+];
    };
    (@severity error) => { $crate::finding::Severity::Error };
    (@severity strict) => { $crate::finding::Severity::Warning };
    (@severity warning) => { $crate::finding::Severity::Warning };
    (@strict error) => { $crate::finding::Severity::Error };
    (@strict strict) => { $crate::finding::Severity::Error };
    (@strict warning) => { $crate::finding::Severity::Warning };
}
pub(crate) use rules;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_are_unique_and_end_in_their_check() {
        let mut seen = HashSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id), "{} twice", rule.id);
            assert!(rule.id.ends_with(&format!("-{}", rule.check)), "{}", rule.id);
            assert!(rule.strict >= rule.severity, "{}", rule.id);
            assert!(!rule.why.ends_with('.') && !rule.fix.ends_with('.'), "{}", rule.id);
        }
    }

    #[test]
    fn finds_by_whole_identifier_or_stem() {
        assert_eq!(find("record-hash-97").map(|rule| rule.id), Some("record-hash-97"));
        assert_eq!(find("record-hash").map(|rule| rule.id), Some("record-hash-97"));
        assert!(find("no-such-rule").is_none());
    }
}
