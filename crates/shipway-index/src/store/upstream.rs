//! The files of upstream that were served: their digests are pinned at first sight.

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
