//! What an earlier release declared: its gates, probes and contract, read from its own configuration.
//!
//! Nothing here is wrong usage: an old configuration is read as far as it can be.

use serde_json::Value;

use super::load::Merge;
use super::raw::RawConfig;
use super::{Contract, Probe};

/// What an earlier release declared.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// The ids of the gates that run a command.
    pub gates: Vec<String>,
    /// The probes.
    pub probes: Vec<Probe>,
    /// The contract.
    pub contract: Contract,
}

impl Declared {
    /// Reads the table `[tool.shipway]` of an earlier release.
    pub fn read(table: &Value) -> Self {
        // One key at a time: one that means something else today does not hide the others.
        let single = |key: &str| -> RawConfig {
            let value = table.get(key).cloned().unwrap_or(Value::Null);
            serde_json::from_value(Value::Object([(key.to_owned(), value)].into_iter().collect()))
                .unwrap_or_default()
        };
        let mut merge = Merge { errors: Vec::new(), origins: Vec::new(), file: String::new() };
        let contract = single("contract").contract.unwrap_or_default();
        Self {
            gates: single("gate").gate.unwrap_or_default().into_iter().filter_map(|gate| gate.id).collect(),
            probes: merge.probes(single("probe").probe.unwrap_or_default()),
            contract: Contract {
                stable: contract.stable.unwrap_or_default(),
                provisional: contract.provisional.unwrap_or_default(),
                internal: contract.internal.unwrap_or_default(),
                commands: contract.commands.unwrap_or_default(),
                data: contract.data.unwrap_or_default(),
                errors: contract.errors.unwrap_or_default(),
                ..Contract::default()
            },
        }
    }
}
