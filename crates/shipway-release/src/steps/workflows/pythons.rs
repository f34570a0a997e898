//! Which Pythons the tests run on: the oldest and the newest that the project says it supports (row C11).

use pep440_rs::{Version, VersionSpecifiers};

use super::pins;
use crate::error::{Error, Result};

/// What pyproject.toml says about Pythons.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) requires: Option<String>,
    pub(super) classifiers: Vec<String>,
}

impl Said {
    /// Reads `[project]` of a pyproject.toml.
    pub(super) fn read(text: &str) -> Self {
        let value: serde_json::Value =
            toml_edit::de::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
        let strings = |at: &str| -> Vec<String> {
            let list = value.pointer(at).and_then(serde_json::Value::as_array);
            list.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        Self {
            requires: value
                .pointer("/project/requires-python")
                .and_then(|one| one.as_str())
                .map(str::to_owned),
            classifiers: strings("/project/classifiers"),
        }
    }
}

/// The oldest and the newest supported minor version, oldest first; one when they are the same.
pub(super) fn supported(said: &Said) -> Result<Vec<String>> {
    let table = pins::pythons();
    let minor = |text: &str| text.strip_prefix("3.").and_then(|minor| minor.parse::<u64>().ok());
    let newest = minor(&table.newest).unwrap_or_default();
    let named: Vec<u64> = said
        .classifiers
        .iter()
        .filter_map(|one| minor(one.strip_prefix("Programming Language :: Python :: ")?))
        .collect();
    let allowed: Vec<u64> = match &said.requires {
        Some(text) => {
            let specifiers: VersionSpecifiers = text.parse().map_err(|error| {
                Error::usage("requires-python", format!("`requires-python` is `{text}`"))
                    .cause(format!("{error}"))
            })?;
            // A late patch release, so that `>=3.10.1` still means 3.10.
            (0..=newest).filter(|minor| specifiers.contains(&Version::new([3, *minor, 99]))).collect()
        }
        None => {
            let oldest = named.iter().min().copied().or(minor(&table.oldest)).unwrap_or_default();
            (oldest..=newest).collect()
        }
    };
    let within: Vec<u64> = named.iter().copied().filter(|minor| allowed.contains(minor)).collect();
    let oldest = allowed.iter().min().copied();
    // A classifier is a promise; a newer Python that no classifier names is not one yet.
    let last = within.iter().max().or(allowed.iter().max()).copied();
    match (oldest, last) {
        (Some(oldest), Some(last)) if oldest == last => Ok(vec![format!("3.{oldest}")]),
        (Some(oldest), Some(last)) => Ok(vec![format!("3.{oldest}"), format!("3.{last}")]),
        _ => Err(Error::usage(
            "requires-python",
            format!("no Python up to {} fits `requires-python`", table.newest),
        )
        .hint("name them: `[tool.shipway.workflows] pythons = [\"3.14\"]`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(requires: Option<&str>, classifiers: &[&str]) -> Vec<String> {
        let all = classifiers.iter().map(|one| format!("Programming Language :: Python :: {one}")).collect();
        supported(&Said { requires: requires.map(str::to_owned), classifiers: all }).unwrap()
    }

    #[test]
    fn c11_the_matrix_holds_the_oldest_and_the_newest() {
        let newest = &pins::pythons().newest;
        assert_eq!(of(Some(">=3.10"), &[]), ["3.10", newest]);
        assert_eq!(of(Some(">=3.9.2,<3.13"), &[]), ["3.9", "3.12"]);
        assert_eq!(of(Some(">=3.8"), &["3", "3.9", "3.12", "3 :: Only"]), ["3.8", "3.12"]);
        assert_eq!(of(Some("==3.11.*"), &[]), ["3.11"]);
        assert_eq!(of(None, &["3.9", "3.10"]), ["3.9", "3.10"]);
        assert_eq!(of(None, &[]), [pins::pythons().oldest.as_str(), newest]);
        let none = supported(&Said { requires: Some(">=4".to_owned()), classifiers: Vec::new() });
        assert_eq!(none.unwrap_err().code(), "requires-python");
    }
}
