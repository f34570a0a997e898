//! What a channel asks of a release before it is let in: gates, roles, approvals, age.
//!
//! A policy is plain data. It is read from TOML or JSON, kept by the index, and judged by [`judge`], which is
//! the same code at the index (where it decides) and in `shipway ready` (where it foretells).

mod judge;
mod requirement;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::channel::ChannelName;
use crate::digest::Sha256;
use crate::gate::GateId;

pub use judge::{Held, Item, ItemVerdict, Judged, Signer, judge};
pub use requirement::{Requirement, RequirementError};

/// Who may speak with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The pipeline: what ran and how it ended.
    Ci,
    /// A person who answers for releases: approvals and overrides.
    ReleaseManager,
    /// The index itself: what it let in, or did not.
    Index,
}

impl Role {
    /// All roles.
    pub const ALL: &[Self] = &[Self::Ci, Self::ReleaseManager, Self::Index];

    /// The role's name, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::ReleaseManager => "release-manager",
            Self::Index => "index",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a role; there are ci, release-manager and index")]
pub struct RoleError {
    /// The offending text.
    pub text: String,
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let found = Self::ALL.iter().copied().find(|role| role.as_str() == text);
        found.ok_or_else(|| RoleError { text: text.to_owned() })
    }
}

/// The policy of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Who may publish, and whose keys are known.
    #[serde(default)]
    pub publish: PublishPolicy,
    /// What each channel asks; a channel that is not named asks nothing.
    #[serde(default)]
    pub channel: BTreeMap<ChannelName, ChannelPolicy>,
}

/// Who may publish, and whose keys are known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishPolicy {
    /// What is asked of a release that no known CI key vouches for.
    #[serde(default)]
    pub local: LocalReleases,
    /// Whether a key that nobody registered becomes known, as `ci`, when a token that may add evidence brings
    /// its first statement.
    #[serde(default)]
    pub enrol_keys: bool,
}

/// What is asked of a release that was built on a person's machine (row E17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LocalReleases {
    /// It is taken, and marked `local` for ever.
    Allow,
    /// It is taken, and marked, with the signed approval of a release manager who is not the publisher.
    #[default]
    Approve,
    /// It is not taken.
    Refuse,
}

/// What a channel asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChannelPolicy {
    /// The gates whose evidence is asked for, each with the channel it must speak of where one is named.
    #[serde(default)]
    pub requires: Vec<Requirement>,
    /// The role whose statement counts, by gate, and by `approval` for approvals.
    ///
    /// Where a gate is not named the statement of any known role counts.
    #[serde(default)]
    pub roles: Roles,
    /// How many different release managers must have approved.
    #[serde(default)]
    pub approvals: u32,
    /// Whether a release that is marked `local` may come in.
    #[serde(default)]
    pub allow_local: bool,
    /// Whether a refusal refuses.
    #[serde(default)]
    pub mode: Mode,
    /// How old evidence may be, counted from its arrival at the index; absent: any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Age>,
}

/// Whether a refusal refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It is only written to the log.
    Audit,
}

/// What approvals are called where gates are named.
pub const APPROVAL: &str = "approval";

/// The role whose statement counts, by gate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// The role asked for, where one is.
    pub fn of(&self, gate: &str) -> Option<Role> {
        self.0.get(gate).copied()
    }
}

impl FromIterator<(String, Role)> for Roles {
    fn from_iter<T: IntoIterator<Item = (String, Role)>>(roles: T) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roles = BTreeMap::<String, Role>::deserialize(deserializer)?;
        for gate in roles.keys().filter(|gate| *gate != APPROVAL) {
            gate.parse::<GateId>().map_err(serde::de::Error::custom)?;
        }
        Ok(Self(roles))
    }
}

/// A span of time such as `30d`, `12h` or `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(jiff::SignedDuration);

impl Age {
    /// The span.
    pub fn duration(self) -> jiff::SignedDuration {
        self.0
    }
}

/// A text that is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a span of time such as `30d`, `12h` or `2w`")]
pub struct AgeError {
    text: String,
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let error = || AgeError { text: text.chars().take(40).collect() };
        let span: jiff::Span = text.parse().map_err(|_| error())?;
        let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| error())?;
        if duration.is_positive() { Ok(Self(duration)) } else { Err(error()) }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.0.as_hours();
        match self.0.as_secs() {
            seconds if seconds % 86_400 == 0 => write!(f, "{}d", hours / 24),
            seconds if seconds % 3600 == 0 => write!(f, "{hours}h"),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Policy {
    /// The policy of an index that was given none: nothing for the first channel, `distribution` and `smoke` of
    /// the channel before for each later one. Releases may be local, keys are enrolled by tokens.
    pub fn of_a_new_index(channels: &[ChannelName]) -> Self {
        let policy = |(before, channel): (&ChannelName, &ChannelName)| {
            let requires = vec![
                Requirement::new(GateId::Distribution),
                Requirement::new(GateId::Smoke).in_channel(before.clone()),
            ];
            (channel.clone(), ChannelPolicy { requires, allow_local: true, ..ChannelPolicy::default() })
        };
        Self {
            publish: PublishPolicy { local: LocalReleases::Allow, enrol_keys: true },
            channel: channels.iter().zip(channels.iter().skip(1)).map(policy).collect(),
        }
    }

    /// What a channel asks; nothing where the policy does not name it.
    pub fn of(&self, channel: &ChannelName) -> ChannelPolicy {
        let nothing = || ChannelPolicy { allow_local: true, ..ChannelPolicy::default() };
        self.channel.get(channel).cloned().unwrap_or_else(nothing)
    }

    /// The same policy with the last channel named: what was built on a person's machine gets there only where
    /// the policy says so (row E17).
    #[must_use]
    pub fn with_last(mut self, channels: &[ChannelName]) -> Self {
        if let Some(last) = channels.last() {
            self.channel.entry(last.clone()).or_default();
        }
        self
    }

    /// The digest of the policy, by which decisions name it: over its JSON as this type writes it.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The channels that the policy names and an index does not have, itself or in a requirement.
    pub fn unknown_channels(&self, channels: &[ChannelName]) -> Vec<ChannelName> {
        let named = self.channel.keys().chain(
            self.channel.values().flat_map(|policy| &policy.requires).filter_map(|one| one.channel.as_ref()),
        );
        let mut unknown: Vec<ChannelName> =
            named.filter(|channel| !channels.contains(channel)).cloned().collect();
        unknown.dedup();
        unknown
    }
}

impl ChannelPolicy {
    /// The policy together with what a project asks for itself: the stricter of both holds.
    #[must_use]
    pub fn with(mut self, asks: &[Requirement]) -> Self {
        for ask in asks.iter().filter(|ask| !self.requires.contains(ask)).cloned().collect::<Vec<_>>() {
            self.requires.push(ask);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_the_design_is_read() {
        let text = r#"
            [publish]
            local = "approve"

            [channel.stable]
            requires = ["tests", "types", "distribution", "smoke@staging"]
            roles = { tests = "ci", approval = "release-manager" }
            approvals = 1
            allow-local = false
            mode = "audit"
            fresh = "30d"
        "#;
        let policy: Policy = toml_edit::de::from_str(text).unwrap();
        let stable = policy.of(&"stable".parse().unwrap());
        assert_eq!(stable.requires.len(), 4);
        assert_eq!(stable.requires[3].to_string(), "smoke@staging");
        assert_eq!(stable.roles.of("tests"), Some(Role::Ci));
        assert_eq!((stable.approvals, stable.mode), (1, Mode::Audit));
        assert_eq!(stable.fresh.unwrap().to_string(), "30d");
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
        assert_eq!(policy.unknown_channels(&["dev".parse().unwrap()]).len(), 2);
        let channels: Vec<ChannelName> = ["dev", "staging", "last"].map(|name| name.parse().unwrap()).into();
        assert!(policy.of(&channels[2]).allow_local);
        let policy = policy.with_last(&channels);
        assert!(!policy.of(&channels[2]).allow_local && policy.of(&channels[1]).allow_local);
    }

    #[test]
    fn what_is_no_policy_is_refused_by_name() {
        for (text, says) in [
            ("[channel.stable]\nrequires = [\"test\"]", "`test` is not a gate"),
            ("[channel.stable]\nroles = { test = \"ci\" }", "`test` is not a gate"),
            ("[channel.stable]\nroles = { tests = \"boss\" }", "boss"),
            ("[channel.stable]\nrequire = []", "require"),
            ("[channel.stable]\nfresh = \"soon\"", "`soon` is not a span of time"),
            ("[channel.stable]\nfresh = \"-3d\"", "`-3d` is not a span of time"),
            ("[channel.files]\n", "files"),
            ("[stable]\n", "stable"),
        ] {
            let error = toml_edit::de::from_str::<Policy>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_default_asks_for_distribution_and_the_smoke_before() {
        let channels: Vec<ChannelName> =
            ["dev", "staging", "stable"].map(|name| name.parse().unwrap()).into();
        let policy = Policy::of_a_new_index(&channels);
        let asks = |channel: &ChannelName| {
            policy.of(channel).requires.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(asks(&channels[0]).is_empty());
        assert_eq!(asks(&channels[1]), ["distribution", "smoke@dev"]);
        assert_eq!(asks(&channels[2]), ["distribution", "smoke@staging"]);
    }

    #[test]
    fn a_project_may_ask_for_more_and_never_for_less() {
        let policy =
            ChannelPolicy { requires: vec![Requirement::new(GateId::Tests)], ..ChannelPolicy::default() };
        let both = policy.with(&[Requirement::new(GateId::Tests), Requirement::new(GateId::Notes)]);
        assert_eq!(both.requires.len(), 2);
    }
}
