//! Statements kept with releases.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipway_dist::digest::Sha256;
use shipway_dist::policy::Role;
use shipway_dist::signing::{Envelope, KeyId, PAYLOAD_TYPE};
use shipway_dist::wire::KeyRecord;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::parse;
use crate::error::IndexError;

/// A statement to keep.
pub(crate) struct NewStatement<'a> {
    /// Normalized name and version key.
    pub(crate) release: (&'a str, &'a str),
    pub(crate) envelope: &'a Envelope,
    /// The payload of the envelope.
    pub(crate) payload: &'a str,
    pub(crate) gate: &'a str,
    pub(crate) key: KeyId,
    pub(crate) serial: i64,
    pub(crate) at: &'a str,
    pub(crate) by: &'a str,
}

/// A statement as it is stored, with what is known of its key now.
pub(crate) struct StatementRow {
    pub(crate) id: Sha256,
    pub(crate) at: String,
    pub(crate) by: String,
    /// Absent where it came before evidence was signed.
    pub(crate) gate: Option<String>,
    pub(crate) payload: String,
    pub(crate) key: Option<KeyStanding>,
}

/// What is known of a statement's key.
pub(crate) struct KeyStanding {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) registered: bool,
    pub(crate) compromised: bool,
}

impl From<&KeyRecord> for KeyStanding {
    fn from(key: &KeyRecord) -> Self {
        let KeyRecord { id, name, role, registered, compromised, .. } = key;
        Self { id: *id, name: name.clone(), role: *role, registered: *registered, compromised: *compromised }
    }
}

/// Keeps a statement that is not there yet.
pub(crate) async fn insert_evidence(
    connection: &mut AnyConnection,
    new: &NewStatement<'_>,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO evidence (project, version_key, id, serial, received_at, received_by, statement, envelope,
                               key_id, gate, payload_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(new.release.0)
    .bind(new.release.1)
    .bind(new.envelope.digest().to_hex())
    .bind(new.serial)
    .bind(new.at)
    .bind(new.by)
    .bind(new.payload)
    .bind(serde_json::to_string(new.envelope)?)
    .bind(new.key.to_hex())
    .bind(new.gate)
    .bind(Sha256::of(new.payload.as_bytes()).to_hex())
    .execute(connection)
    .await?;
    Ok(())
}

/// The id of the statement that a key made with exactly this payload, if the release has it.
pub(crate) async fn same_statement(
    connection: &mut AnyConnection,
    (project, version_key): (&str, &str),
    key: &KeyId,
    payload: &str,
) -> Result<Option<Sha256>, IndexError> {
    let row = sqlx::query(
        "SELECT id FROM evidence
         WHERE project = $1 AND version_key = $2 AND key_id = $3 AND payload_sha256 = $4",
    )
    .bind(project)
    .bind(version_key)
    .bind(key.to_hex())
    .bind(Sha256::of(payload.as_bytes()).to_hex())
    .fetch_optional(connection)
    .await?;
    row.map(|row| parse("evidence.id", row.try_get("id")?)).transpose()
}

/// The statements of a release in the order of their arrival, without their envelopes.
pub(crate) async fn statements_of(
    connection: &mut AnyConnection,
    (project, version_key): (&str, &str),
) -> Result<Vec<StatementRow>, IndexError> {
    let rows = sqlx::query(
        "SELECT e.id, e.received_at, e.received_by, e.gate, e.statement,
                k.id AS key_id, k.name, k.role, k.registered, k.compromised
         FROM evidence e LEFT JOIN keys k ON k.id = e.key_id
         WHERE e.project = $1 AND e.version_key = $2 ORDER BY e.serial, e.id",
    )
    .bind(project)
    .bind(version_key)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// The statements of a release in the order of their arrival, with their envelopes.
pub(crate) async fn evidence_of(
    connection: &mut AnyConnection,
    (project, version_key): (&str, &str),
) -> Result<Vec<(StatementRow, Envelope)>, IndexError> {
    let rows = sqlx::query(
        "SELECT e.id, e.received_at, e.received_by, e.gate, e.statement, e.envelope,
                k.id AS key_id, k.name, k.role, k.registered, k.compromised
         FROM evidence e LEFT JOIN keys k ON k.id = e.key_id
         WHERE e.project = $1 AND e.version_key = $2 ORDER BY e.serial, e.id",
    )
    .bind(project)
    .bind(version_key)
    .fetch_all(connection)
    .await?;
    let with_envelope = |row: &AnyRow| {
        let statement = read(row)?;
        let envelope = match row.try_get::<Option<String>, _>("envelope")? {
            Some(text) => serde_json::from_str(&text)?,
            None => Envelope {
                payload: STANDARD.encode(&statement.payload),
                payload_type: PAYLOAD_TYPE.to_owned(),
                signatures: Vec::new(),
            },
        };
        Ok((statement, envelope))
    };
    rows.iter().map(with_envelope).collect()
}

fn read(row: &AnyRow) -> Result<StatementRow, IndexError> {
    let key = match row.try_get::<Option<String>, _>("key_id")? {
        None => None,
        Some(id) => Some(KeyStanding {
            id: parse("keys.id", id)?,
            name: row.try_get("name")?,
            role: parse("keys.role", row.try_get("role")?)?,
            registered: row.try_get::<i64, _>("registered")? != 0,
            compromised: row.try_get::<i64, _>("compromised")? != 0,
        }),
    };
    Ok(StatementRow {
        id: parse("evidence.id", row.try_get("id")?)?,
        at: row.try_get("received_at")?,
        by: row.try_get("received_by")?,
        gate: row.try_get("gate")?,
        payload: row.try_get("statement")?,
        key,
    })
}
