//! The files of upstream: the digests under which they were first listed, and those whose bytes were taken.

use std::collections::BTreeMap;

use shipway_dist::digest::Sha256;
use sqlx::{AnyConnection, Row as _};

use super::{integer, parse};
use crate::error::IndexError;

/// The digest under which a filename of upstream was first served.
pub(crate) async fn pinned(
    connection: &mut AnyConnection,
    filename: &str,
) -> Result<Option<Sha256>, IndexError> {
    let row = sqlx::query("SELECT sha256 FROM upstream_files WHERE filename = $1")
        .bind(filename)
        .fetch_optional(connection)
        .await?;
    row.map(|row| parse("upstream_files.sha256", row.try_get("sha256")?)).transpose()
}

/// All pinned files of a project.
pub(crate) async fn pins_of(
    connection: &mut AnyConnection,
    project: &str,
) -> Result<Vec<(String, Sha256)>, IndexError> {
    let rows = sqlx::query("SELECT filename, sha256 FROM upstream_files WHERE project = $1")
        .bind(project)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("filename")?, parse("upstream_files.sha256", row.try_get("sha256")?)?)))
        .collect()
}

/// Pins a file, unless it is.
pub(crate) async fn pin(
    connection: &mut AnyConnection,
    (project, filename): (&str, &str),
    (sha256, size): (&Sha256, u64),
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO upstream_files (filename, project, sha256, size, first_seen) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (filename) DO NOTHING",
    )
    .bind(filename)
    .bind(project)
    .bind(sha256.to_hex())
    .bind(integer(size))
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The digests under which the files of a project were first listed.
pub(crate) async fn seen(
    connection: &mut AnyConnection,
    project: &str,
) -> Result<BTreeMap<String, Sha256>, IndexError> {
    let row = sqlx::query("SELECT files FROM upstream_seen WHERE project = $1")
        .bind(project)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(BTreeMap::new()) };
    let text: String = row.try_get("files")?;
    serde_json::from_str(&text).map_err(|_| IndexError::Corrupt {
        place: "upstream_seen.files",
        value: text.chars().take(80).collect(),
    })
}

/// Keeps the digests under which the files of a project were first listed. Only in a transaction that decides
/// about the project and read them before.
pub(crate) async fn set_seen(
    connection: &mut AnyConnection,
    project: &str,
    files: &BTreeMap<String, Sha256>,
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO upstream_seen (project, files, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (project) DO UPDATE SET files = excluded.files, changed_at = excluded.changed_at",
    )
    .bind(project)
    .bind(serde_json::json!(files).to_string())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}
