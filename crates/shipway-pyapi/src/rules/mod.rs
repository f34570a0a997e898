//! The rules, as data: one file for each in `data/`.
//!
//! A file holds `key = value` lines: `id`, `name`, `level`, `audience`, `explanation`, `breaks` (why
//! it matters, one sentence) and `fix`. Code decides whether a rule fires; everything that is said
//! about it stands in the file.

mod data;

use std::sync::OnceLock;

use crate::finding::{Audience, Level};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Stable identifier, for example `C05`.
    pub id: &'static str,
    /// Name, for example `param-inserted-optional`.
    pub name: &'static str,
    /// What a finding asks for unless the circumstances say otherwise.
    pub level: Level,
    /// Who is affected.
    pub audience: Audience,
    /// What the rule finds.
    pub explanation: &'static str,
    /// Why it matters.
    pub breaks: &'static str,
    /// What mends it.
    pub fix: &'static str,
}

/// All rules, ordered by identifier.
pub fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| data::FILES.iter().filter_map(|text| read(text)).collect())
}

/// The rule of an identifier (`C05`), a name, or both joined (`C05-param-inserted-optional`).
pub fn rule(id: &str) -> Option<&'static Rule> {
    let short = id.split('-').next().unwrap_or(id);
    rules().iter().find(|rule| rule.id == short || rule.name == id)
}

fn read(text: &'static str) -> Option<Rule> {
    let get = |key: &str| {
        text.lines().find_map(|line| {
            let (found, value) = line.split_once('=')?;
            (found.trim() == key).then(|| value.trim())
        })
    };
    Some(Rule {
        id: get("id")?,
        name: get("name")?,
        level: Level::parse(get("level")?)?,
        audience: Audience::parse(get("audience")?)?,
        explanation: get("explanation")?,
        breaks: get("breaks")?,
        fix: get("fix")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_rule_and_ids_are_unique_and_sorted() {
        assert_eq!(rules().len(), data::FILES.len());
        assert!(rules().windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn a_rule_is_found_by_id_name_and_both() {
        for rule in rules() {
            assert_eq!(super::rule(rule.id), Some(rule));
            assert_eq!(super::rule(rule.name).map(|found| found.id), Some(rule.id));
            assert_eq!(super::rule(&format!("{}-{}", rule.id, rule.name)), Some(rule));
        }
    }
}
