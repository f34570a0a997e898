//! The outcome of each gate's last run and its log, kept beside the project whatever the outcome was.
//!
//! Evidence speaks of what was found about exact bytes; a gate that could not run found nothing, and leaves only this.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shipway_dist::evidence::Verdict;
use shipway_dist::{GateId, Sha256};

use crate::error::{Error, Result};

/// The schema of the record.
pub const SCHEMA: &str = "shipway.gate-outcome/1";

/// How much of a log is kept: its beginning and its end.
const MOST_LOG: usize = 1 << 20;

/// How a gate's last run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It holds.
    Passed,
    /// It holds, with something worth knowing.
    Warned,
    /// It does not hold.
    Failed,
    /// It could not run.
    Error,
}

impl State {
    /// The state as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

impl From<Verdict> for State {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Warned => Self::Warned,
            Verdict::Failed => Self::Failed,
        }
    }
}

/// A gate's last run over one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The gate.
    pub gate: String,
    /// How it ended.
    pub state: State,
    /// The commit it ran on.
    pub commit: String,
    /// The identity of the bytes it ran on.
    pub manifest_digest: Sha256,
    /// When it began, RFC 3339 in UTC.
    pub started_on: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed or could not run.
    pub causes: Vec<String>,
}

/// Keeps an outcome in `.shipway/gates/VERSION/GATE.json`.
///
/// # Errors
/// When it cannot be written.
pub fn keep(records: &Path, version: &str, outcome: &Outcome) -> Result<()> {
    let folder = records.join("gates").join(version);
    let path = folder.join(format!("{}.json", outcome.gate));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, outcome)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))
}

/// The outcome of a gate's last run over a version; none when there is none that can be read.
pub fn last(records: &Path, version: &str, gate: GateId) -> Option<Outcome> {
    let path = records.join("gates").join(version).join(format!("{gate}.json"));
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Where the log of a gate's last run is.
pub fn log_path(records: &Path, version: &str, gate: GateId) -> PathBuf {
    records.join("logs").join(version).join(format!("{gate}.log"))
}

/// Keeps a log, the middle of a very long one left out.
///
/// # Errors
/// When it cannot be written.
pub fn keep_log(records: &Path, version: &str, gate: GateId, text: &[u8]) -> Result<()> {
    let path = log_path(records, version, gate);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(records))?;
        std::fs::write(&path, bounded(text))
    };
    write().map_err(|error| Error::io("write", &path, &error))
}

fn bounded(text: &[u8]) -> Vec<u8> {
    if text.len() <= MOST_LOG {
        return text.to_vec();
    }
    let (head, tail) = (&text[..MOST_LOG / 2], &text[text.len() - MOST_LOG / 2..]);
    let left_out = format!("\n[{} bytes left out]\n", text.len() - MOST_LOG);
    [head, left_out.as_bytes(), tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_ends() {
        assert_eq!(bounded(b"short"), b"short");
        let long = [vec![b'a'; MOST_LOG], vec![b'b'; MOST_LOG]].concat();
        let kept = bounded(&long);
        assert!(kept.len() < MOST_LOG + 100 && kept.starts_with(b"aaa") && kept.ends_with(b"bbb"));
        assert!(String::from_utf8_lossy(&kept).contains("[1048576 bytes left out]"));
    }
}
