//! Findings about an API: what changed, for whom it matters, and what to do.

use serde::{Serialize, Serializer};

/// What a change asks for.
///
/// The order is that of weight: a note is least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something that could not be decided.
    Note,
    /// Worth a look; asks for nothing.
    Warn,
    /// Any release may do it.
    Patch,
    /// Needs a minor release.
    Minor,
    /// Needs a major release.
    Major,
    /// Wrong in any release.
    Error,
}

impl Level {
    /// The level as it is written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Error => "error",
        }
    }

    /// Reads a level.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Note, Self::Warn, Self::Patch, Self::Minor, Self::Major, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == text)
    }
}

/// Who is affected by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Whoever imports and calls.
    Callers,
    /// Whoever derives classes or implements protocols.
    Subclassers,
    /// Type checkers.
    Types,
    /// Whoever installs.
    Install,
    /// Whoever runs commands.
    Cli,
    /// The project's own declarations.
    Contract,
}

impl Audience {
    /// The audience as it is written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callers => "callers",
            Self::Subclassers => "subclassers",
            Self::Types => "types",
            Self::Install => "install",
            Self::Cli => "cli",
            Self::Contract => "contract",
        }
    }

    /// Reads an audience.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Callers, Self::Subclassers, Self::Types, Self::Install, Self::Cli, Self::Contract]
            .into_iter()
            .find(|audience| audience.as_str() == text)
    }
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct FindingSide {
    /// The signature or declaration.
    pub signature: String,
    /// The file inside the distribution.
    pub file: String,
    /// The line, starting at 1; 0 when there is none.
    pub line: u32,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiFinding {
    /// Stable identifier, for example `C05`.
    pub id: &'static str,
    /// Name of the rule, for example `param-inserted-optional`.
    pub name: &'static str,
    /// What the change asks for.
    pub level: Level,
    /// Who is affected.
    pub audience: Audience,
    /// The public path that names the object best.
    pub symbol: String,
    /// Every public path of the object.
    pub paths: Vec<String>,
    /// What happened, in one sentence without a final period.
    pub detail: String,
    /// The old side.
    #[serde(serialize_with = "side_or_null")]
    pub old: Option<FindingSide>,
    /// The new side.
    #[serde(serialize_with = "side_or_null")]
    pub new: Option<FindingSide>,
    /// Which rule makes the name public.
    pub why_public: String,
    /// Why the change matters.
    pub why_breaking: &'static str,
    /// What mends it.
    pub fix: &'static str,
    /// Where the contract places the symbol: `stable`, `provisional`, `internal` or `unlisted`.
    pub standing: &'static str,
    /// The reason for which the break was accepted, if it was.
    pub accepted: Option<String>,
    /// Old side carried a deprecation mark.
    pub was_deprecated: bool,
    /// Python that passes on the old side and fails on the new, where it was asked for and can be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

fn side_or_null<S: Serializer>(side: &Option<FindingSide>, serializer: S) -> Result<S::Ok, S::Error> {
    match side {
        Some(side) => side.serialize(serializer),
        None => serializer.serialize_none(),
    }
}
