//! One thing that a policy asks for: a gate, and the channel that its statement must speak of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::channel::{ChannelError, ChannelName};
use crate::gate::{GateId, GateIdError};

/// A gate whose evidence is asked for, written `GATE` or `GATE@CHANNEL`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The gate.
    pub gate: GateId,
    /// The channel that the statement must speak of, where one is named.
    pub channel: Option<ChannelName>,
}

/// A text that is no requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// Before the `@`.
    #[error(transparent)]
    Gate(#[from] GateIdError),
    /// Behind the `@`.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl Requirement {
    /// A gate, whatever channel its statement speaks of.
    pub fn new(gate: GateId) -> Self {
        Self { gate, channel: None }
    }

    /// The gate in one channel.
    #[must_use]
    pub fn in_channel(self, channel: ChannelName) -> Self {
        Self { channel: Some(channel), ..self }
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        match text.split_once('@') {
            None => Ok(Self::new(text.parse()?)),
            Some((gate, channel)) => Ok(Self { gate: gate.parse()?, channel: Some(channel.parse()?) }),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.channel {
            None => write!(f, "{}", self.gate),
            Some(channel) => write!(f, "{}@{channel}", self.gate),
        }
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
