//! Classifiers: those of the list, with what replaces the deprecated ones.
//!
//! The list is `trove-classifiers`, which grows every month; `data/classifiers.py` fetches it anew. A
//! classifier that is not in it may be younger than this program, so it refuses under `--strict` only.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::metadata as rules;

const LIST: &str = include_str!("../../../data/classifiers.txt");

/// The classifiers, each with its replacements if it is deprecated.
fn list() -> &'static HashMap<&'static str, Option<&'static str>> {
    static KNOWN: OnceLock<HashMap<&str, Option<&str>>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let lines = LIST.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| match line.split_once('\t') {
                Some((old, new)) => (old, Some(new)),
                None => (line, None),
            })
            .collect()
    })
}

/// The name and version of the list.
fn source() -> &'static str {
    let first = LIST.lines().next().unwrap_or_default();
    first.trim_start_matches("# ").split(',').next().unwrap_or_default()
}

/// Judges the classifiers; what begins with `Private ::` is for private indexes and anything may follow.
pub(super) fn judge(metadata: &Metadata, findings: &mut Findings) {
    let has_expression = metadata.get("License-Expression").is_some();
    for classifier in metadata.all("Classifier") {
        let is_form = classifier.split(" :: ").count() > 1
            && classifier.split(" :: ").all(|part| !part.is_empty() && part.trim() == part);
        match list().get(classifier) {
            _ if !is_form => {
                let message = format!("`{}` is not of the form of a known classifier", shown(classifier));
                findings.field(&rules::CLASSIFIER, "Classifier", message);
            }
            None if !classifier.starts_with("Private :: ") => {
                let message = format!("`{}` is not in the list ({})", shown(classifier), source());
                findings.field(&rules::CLASSIFIER, "Classifier", message);
            }
            Some(Some(new)) => {
                let instead = if new.is_empty() { String::new() } else { format!(", use `{new}`") };
                let message = format!("`{}` is deprecated{instead}", shown(classifier));
                findings.field(&rules::CLASSIFIER_DEPRECATED, "Classifier", message);
            }
            None | Some(None) => {}
        }
        if has_expression && classifier.starts_with("License :: ") {
            findings.field(
                &rules::DEPRECATED,
                "Classifier",
                format!("`{}` stands beside a license expression, which replaces it", shown(classifier)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(classifier: &str) -> Vec<String> {
        let text = format!("Metadata-Version: 2.1\nName: a\nVersion: 1\nClassifier: {classifier}\n\n");
        let mut findings = Findings::default();
        judge(&Metadata::parse(text.as_bytes()).unwrap(), &mut findings);
        findings
            .finish(true)
            .into_iter()
            .map(|finding| format!("{} {}", finding.id, finding.message))
            .collect()
    }

    #[test]
    fn c43_classifiers_are_of_the_list() {
        for good in ["Programming Language :: Python :: 3", "Private :: Do Not Upload", "Typing :: Typed"] {
            assert_eq!(messages(good), [""; 0], "{good}");
        }
        let unknown = messages("Programming Language :: Python :: 3.99");
        assert!(unknown[0].starts_with("metadata-classifier-43 `Programming Language :: Python :: 3.99` is not in the list (trove-classifiers 20"), "{unknown:?}");
        assert_eq!(
            messages("Natural Language :: Ukranian"),
            [
                "metadata-classifier-deprecated-43 `Natural Language :: Ukranian` is deprecated, use `Natural Language :: Ukrainian`"
            ]
        );
        assert_eq!(
            messages("Python 3"),
            ["metadata-classifier-43 `Python 3` is not of the form of a known classifier"]
        );
        assert!(list().len() > 800);
    }
}
