//! Statements kept with releases.

use shipway_dist::digest::Sha256;
use shipway_dist::wire::StoredStatement;
use sqlx::{AnyConnection, Row as _};

use super::parse;
use crate::error::IndexError;

/// Keeps a statement that is not there yet.
pub(crate) async fn insert_evidence(
    connection: &mut AnyConnection,
    (project, version_key): (&str, &str),
    (id, statement): (&Sha256, &str),
    (serial, at, by): (i64, &str, &str),
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO evidence (project, version_key, id, serial, received_at, received_by, statement)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(project)
    .bind(version_key)
    .bind(id.to_hex())
    .bind(serial)
    .bind(at)
    .bind(by)
    .bind(statement)
    .execute(connection)
    .await?;
    Ok(())
}

/// The statements of a release, oldest first.
pub(crate) async fn evidence_of(
    connection: &mut AnyConnection,
    project: &str,
    version_key: &str,
) -> Result<Vec<StoredStatement>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, received_at, received_by, statement FROM evidence
         WHERE project = $1 AND version_key = $2 ORDER BY serial",
    )
    .bind(project)
    .bind(version_key)
    .fetch_all(connection)
    .await?;
    let statement = |row: &sqlx::any::AnyRow| {
        Ok(StoredStatement {
            id: parse("evidence.id", row.try_get("id")?)?,
            received_at: row.try_get("received_at")?,
            by: row.try_get("received_by")?,
            statement: serde_json::from_str(&row.try_get::<String, _>("statement")?)?,
        })
    };
    rows.iter().map(statement).collect()
}
