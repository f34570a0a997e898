//! Deprecation marks that came or went, and promises that were or were not kept.

use std::str::FromStr as _;

use pep440_rs::Version;

use super::comparer::{Comparer, Item, Which};
use crate::finding::Level;
use crate::parse::model::{DefKind, Deprecation};
use crate::resolve::DefKey;
use crate::rules::rule;

impl Comparer<'_> {
    /// Compares the marks of two definitions.
    pub(crate) fn marks(&mut self, old: DefKey, new: DefKey, item: &Item) {
        let own = |comparer: &Self, which: Which, key: DefKey| match &comparer.resolver(which).def(key).kind {
            DefKind::Function(function) => function.deprecation.clone(),
            DefKind::Class(class) => class.deprecation.clone(),
            _ => None,
        };
        let keys = (Some(old), Some(new));
        match (own(self, Which::Old, old), own(self, Which::New, new)) {
            (None, Some(mark)) => {
                let detail = match &mark.message {
                    Some(message) => format!("is deprecated: {message}"),
                    None => "is deprecated".to_owned(),
                };
                self.report("F15", None, item, detail, keys);
            }
            (Some(_), None) => self.report("F16", None, item, "is no longer deprecated", keys),
            (Some(before), Some(after)) => {
                if let (Some(promised), Some(new)) = (removal(&after), self.new_version())
                    && promised <= new
                    && removal(&before).is_some_and(|earlier| earlier <= new)
                {
                    let detail = format!("was to be removed in {promised} and is still there");
                    self.report("F19", None, item, detail, keys);
                }
            }
            (None, None) => {}
        }
    }

    /// Adds what is to be said about removals without, or against, a promise.
    pub(crate) fn promises(&mut self) {
        let new = self.new_version();
        let mut extra = Vec::new();
        for draft in &self.drafts {
            let is_removal = matches!(draft.id, "B07" | "D01" | "D10" | "F13" | "C01");
            let level = draft.level.or_else(|| rule(draft.id).map(|rule| rule.level));
            if !is_removal || level < Some(Level::Major) {
                continue;
            }
            match (&draft.deprecation, &new) {
                (Some(mark), Some(new)) => {
                    if let Some(promised) = removal(mark).filter(|promised| promised > new) {
                        let detail = format!("was promised to stay until {promised} and is gone in {new}");
                        extra.push(super::comparer::Draft {
                            id: "F18",
                            level: None,
                            detail,
                            ..draft.clone()
                        });
                    }
                }
                // Only projects that deprecate anything at all are told that they did not.
                (None, _) if self.options.contract.has_stable() && draft.id != "C01" => {
                    let detail = "was not deprecated before it was removed".to_owned();
                    extra.push(super::comparer::Draft { id: "F17", level: None, detail, ..draft.clone() });
                }
                _ => {}
            }
        }
        self.drafts.extend(extra);
    }

    fn new_version(&self) -> Option<Version> {
        let text = self.options.new_version.as_ref().or(self.new.surface.info.version.as_ref())?;
        Version::from_str(text).ok()
    }
}

fn removal(mark: &Deprecation) -> Option<Version> {
    Version::from_str(mark.removal.as_deref()?).ok()
}
