//! Project names and their normalization.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a project, as written and as normalized (PEP 503, PEP 508).
///
/// Two names are equal when their normalized forms are.
#[derive(Clone, Debug)]
pub struct ProjectName {
    display: String,
    normalized: String,
}

/// A text that is no valid project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a project name: ASCII letters, digits, `.`, `-` and `_`, beginning and ending with a letter or digit"
)]
pub struct NameError {
    /// The offending text.
    pub text: String,
}

impl ProjectName {
    /// The name as it was written.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The normalized name: lower case, runs of `-`, `_` and `.` as one `-`.
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// The name as it stands in the filename of a distribution: normalized, with `_` for `-`.
    pub fn escaped(&self) -> String {
        self.normalized.replace('-', "_")
    }
}

/// Normalizes a project name without judging it (PEP 503).
pub fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !normalized.ends_with('-') {
                normalized.push('-');
            }
        } else {
            normalized.push(character.to_ascii_lowercase());
        }
    }
    normalized
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let edge = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if edge(text.chars().next()) && edge(text.chars().next_back()) && text.chars().all(inner) {
            Ok(Self { display: text.to_owned(), normalized: normalize(text) })
        } else {
            Err(NameError { text: text.chars().take(200).collect() })
        }
    }
}

impl PartialEq for ProjectName {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for ProjectName {}

impl std::hash::Hash for ProjectName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.normalized.hash(state);
    }
}

impl PartialOrd for ProjectName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProjectName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.normalized.cmp(&other.normalized)
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl Serialize for ProjectName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.display)
    }
}

impl<'de> Deserialize<'de> for ProjectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_as_the_specification_does() {
        for text in ["friendly-bard", "Friendly-Bard", "FRIENDLY.BARD", "friendly_bard", "FrIeNdLy-._.-bArD"]
        {
            assert_eq!(text.parse::<ProjectName>().unwrap().normalized(), "friendly-bard");
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", "-a", "a-", "a b", "naïve", "a/b", "..", "a\n"] {
            assert!(text.parse::<ProjectName>().is_err(), "{text:?}");
        }
    }
}
