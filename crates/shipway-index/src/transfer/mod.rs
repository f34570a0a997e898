//! A whole index as a folder or a tar file: rows, bytes and the log, independent of where they are kept.
//!
//! ```text
//! tables/TABLE.jsonl     a row a line; text, integers, and bytes as {"base64": …}
//! blobs/SHA256           the bytes
//! manifest.json          what is in it; written last, so that an export broken off is none
//! ```
//!
//! Private keys are not in it: `signers` names their public halves, and an import asks for the same keys.
//! Tiles are not in it either: they follow from the journal, and the checkpoint in the manifest says whether
//! they follow rightly. It refuses to add to an index that holds anything.

mod archive;
mod export;
mod import;
mod intake;
mod rows;
mod sources;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shipway_dist::digest::Sha256;

pub use export::export;
pub use import::import;
pub use intake::{Intake, Outcome, Progress, Refused, Taken};
pub use sources::Source as IntakeSource;

/// Every table that is moved, each after those that it refers to.
pub(crate) const TABLES: [&str; 22] = [
    "state",
    "channels",
    "projects",
    "releases",
    "files",
    "channel_releases",
    "metadata",
    "sdist_metadata",
    "import_names",
    "namespaces",
    "sessions",
    "session_files",
    "evidence",
    "tokens",
    "upstream_files",
    "upstream_seen",
    "journal",
    "keys",
    "policy",
    "signers",
    "publishers",
    "identities",
];

/// What every index makes for itself.
#[cfg(test)]
const OWN: [&str; 2] = ["migrations", "log_checkpoint"];

const SCHEMA: &str = "shipway.export/1";
const MANIFEST: &str = "manifest.json";

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    schema: String,
    /// The number of the newest migration that the rows went through.
    migration: i64,
    /// The number of rows by table.
    pub tables: BTreeMap<String, u64>,
    /// The number of blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The newest checkpoint of the log, where one was published.
    pub checkpoint: Option<String>,
    /// The digests of files that were removed from the index after the rows were read: an import removes them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Sha256>,
}

/// Reads an export of devpi-server, as the fuzz target does.
pub(crate) fn fuzz_data_index(text: &[u8]) -> Vec<(BTreeMap<String, String>, Option<String>)> {
    sources::said_by_devpi(text)
}

/// Reads lines of a table and inserts them, as an import does; gives the rows that came in.
pub(crate) async fn fuzz_rows(
    connection: &mut sqlx::AnyConnection,
    table: &'static str,
    text: &[u8],
) -> Vec<Result<serde_json::Map<String, serde_json::Value>, crate::error::IndexError>> {
    let mut read = Vec::new();
    for line in import::lines_of(text, table) {
        let inserted = match line {
            Ok(row) => rows::insert(connection, table, &row).await.map(|()| row),
            Err(error) => Err(error),
        };
        read.push(inserted);
    }
    read
}

fn table_file(table: &str) -> String {
    format!("tables/{table}.jsonl")
}

fn blob_file(hex: &str) -> String {
    format!("blobs/{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_moved_or_named_as_staying() {
        let sql: String = crate::store::migrations().collect();
        let made = sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next());
        for table in made {
            assert!(TABLES.contains(&table) || OWN.contains(&table), "{table}");
        }
        assert_eq!(
            sql.matches("CREATE TABLE ").count(),
            TABLES.len() + OWN.len() - 1,
            "one is not in a migration"
        );
    }
}
