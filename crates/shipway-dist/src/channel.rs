//! Channel names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First path segments of the index that are not channels.
pub const RESERVED: [&str; 9] =
    ["files", "api", "_", "log", "integrity", "static", "healthz", "readyz", "metrics"];

/// The channels of a new index, in the order of promotion.
pub const DEFAULT: [&str; 3] = ["dev", "staging", "stable"];

/// The name of a channel: lower-case ASCII letters, digits, `-` and `_`, beginning with a letter, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(String);

/// A text that is no channel name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The index needs this path segment for itself.
    #[error("`{text}` cannot name a channel: the index uses that path itself")]
    Reserved {
        /// The offending text.
        text: String,
    },
    /// The text breaks the rules for names.
    #[error(
        "`{text}` is not a channel name: lower-case letters, digits, `-` and `_`, beginning with a letter"
    )]
    Malformed {
        /// The offending text.
        text: String,
    },
}

impl ChannelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = ChannelError;

    fn from_str(text: &str) -> Result<Self, ChannelError> {
        if RESERVED.contains(&text) {
            return Err(ChannelError::Reserved { text: text.to_owned() });
        }
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ChannelError::Malformed { text: text.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ChannelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChannelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_paths_of_the_index_and_malformed_names() {
        for text in RESERVED.iter().copied().chain(["", "Dev", "1st", "a/b", "-x", "ü"]) {
            assert!(text.parse::<ChannelName>().is_err(), "{text}");
        }
        for text in DEFAULT {
            assert_eq!(text.parse::<ChannelName>().unwrap().as_str(), text);
        }
    }
}
