//! The gates, by the names that configuration, evidence and documents use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! gates {
    ($($variant:ident $text:literal $what:literal,)+) => {
        /// A check that may refuse a release.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum GateId {
            $(#[doc = $what] $variant,)+
        }

        impl GateId {
            /// All gates, in the order of the pipeline.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The gate's name, the same everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What the gate asks, in one line.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }
        }
    };
}

gates! {
    Lint "lint" "The declared linter finds nothing.",
    Format "format" "The declared formatter would change nothing.",
    Types "types" "The declared type checker finds nothing.",
    Tests "tests" "The declared tests pass.",
    Distribution "distribution" "Every distribution file is sound: framing, metadata, RECORD, names.",
    MergedRelease "merged-release" "The commit is the merge of a release pull request.",
    Provenance "provenance" "The bytes come from the configured CI run of this commit.",
    StableApi "stable-api" "Every declared stable symbol is there.",
    Semver "semver" "The bump is enough for what changed.",
    CliContract "cli-contract" "The documented commands behave as in the last release.",
    SafetyDefaults "safety-defaults" "The declared safety defaults hold in a fresh install.",
    ErrorContract "error-contract" "Each class of error gives the declared exit code and shape.",
    InstalledPath "installed-path" "Installed, the project works outside its checkout and writes nothing into it.",
    Notes "notes" "Release notes exist for exactly this version.",
    RollbackRehearsal "rollback-rehearsal" "Going back to the earlier release was exercised.",
    Reproducible "reproducible" "Two builds of the commit give the same bytes.",
    Smoke "smoke" "Installed from the channel into a fresh environment, the release works.",
}

/// A text that names no gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a gate")]
pub struct GateIdError {
    /// The offending text.
    pub text: String,
}

impl FromStr for GateId {
    type Err = GateIdError;

    fn from_str(text: &str) -> Result<Self, GateIdError> {
        let found = Self::ALL.iter().copied().find(|gate| gate.as_str() == text);
        found.ok_or_else(|| GateIdError { text: text.to_owned() })
    }
}

impl fmt::Display for GateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for GateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for GateId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
