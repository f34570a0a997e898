//! What the database says that stands in the storage, and where it contradicts itself.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use shipway_dist::digest::Sha256;
use sqlx::{AnyConnection, Row as _};

use super::{integer, parse, size};
use crate::error::IndexError;

/// Bytes that a row stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Referent {
    pub(crate) size: u64,
    /// Whether upstream has them too, and no row but a pin stands on them.
    pub(crate) upstream: bool,
}

/// Everything that must stand in the storage, by digest. Without filenames: there may be millions.
pub(crate) async fn referents(
    connection: &mut AnyConnection,
) -> Result<HashMap<Sha256, Referent>, IndexError> {
    // Row by row: together they would take several times the memory of what is kept of them.
    let mut rows = sqlx::query(
        "SELECT sha256, size, 0 AS upstream FROM files WHERE removed_at IS NULL
         UNION ALL
         SELECT f.sha256, f.size, 0 AS upstream FROM session_files f
         JOIN sessions s ON s.id = f.session WHERE f.received = 1 AND s.state = 'open'
         UNION ALL
         SELECT sha256, size, 1 AS upstream FROM upstream_files",
    )
    .fetch(connection);
    let mut found = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let upstream = row.try_get::<i64, _>("upstream")? != 0;
        let referent = Referent { size: size(row.try_get("size")?), upstream };
        let held = found.entry(parse("sha256", row.try_get("sha256")?)?).or_insert(referent);
        if !upstream && held.upstream {
            *held = referent;
        }
    }
    Ok(found)
}

/// The name of a file that stands on bytes.
pub(crate) async fn filename_of(
    connection: &mut AnyConnection,
    sha256: &Sha256,
) -> Result<String, IndexError> {
    let row = sqlx::query(
        "SELECT filename FROM files WHERE sha256 = $1
         UNION ALL SELECT filename FROM session_files WHERE sha256 = $1
         UNION ALL SELECT filename FROM upstream_files WHERE sha256 = $1 LIMIT 1",
    )
    .bind(sha256.to_hex())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get("filename")).transpose()?.unwrap_or_else(|| sha256.to_hex()))
}

/// Corrects the size of bytes in every row that stands on them.
pub(crate) async fn set_size(
    connection: &mut AnyConnection,
    sha256: &Sha256,
    size: u64,
) -> Result<(), IndexError> {
    for update in [
        "UPDATE files SET size = $2 WHERE sha256 = $1",
        "UPDATE session_files SET size = $2 WHERE sha256 = $1",
        "UPDATE upstream_files SET size = $2 WHERE sha256 = $1",
    ] {
        sqlx::query(update).bind(sha256.to_hex()).bind(integer(size)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The projects and names of the files that have these bytes and were not removed.
pub(crate) async fn files_of(
    connection: &mut AnyConnection,
    sha256: &Sha256,
) -> Result<Vec<(String, String)>, IndexError> {
    let rows = sqlx::query(
        "SELECT project, filename FROM files WHERE sha256 = $1 AND removed_at IS NULL ORDER BY filename",
    )
    .bind(sha256.to_hex())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("project")?, row.try_get("filename")?))).collect()
}

/// The normalized names of all projects.
pub(crate) async fn all_projects(connection: &mut AnyConnection) -> Result<Vec<String>, IndexError> {
    let rows =
        sqlx::query("SELECT normalized FROM projects ORDER BY normalized").fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get("normalized")?)).collect()
}

/// The filenames and digests that a channel must list of a project.
pub(crate) async fn listed(
    connection: &mut AnyConnection,
    channel: &str,
    project: &str,
) -> Result<Vec<(String, String)>, IndexError> {
    let rows = sqlx::query(
        "SELECT f.filename, f.sha256 FROM files f
         JOIN channel_releases c ON c.project = f.project AND c.version_key = f.version_key
         JOIN releases r ON r.project = f.project AND r.version_key = f.version_key
         WHERE c.channel = $1 AND f.project = $2 AND f.removed_at IS NULL AND r.blocked IS NULL
         ORDER BY f.filename",
    )
    .bind(channel)
    .bind(project)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("filename")?, row.try_get("sha256")?))).collect()
}

/// Projects whose newest change was not announced, so that a cache may keep an old page of them.
pub(crate) async fn unannounced(connection: &mut AnyConnection) -> Result<Vec<String>, IndexError> {
    let rows = sqlx::query(
        "SELECT p.normalized FROM projects p WHERE p.serial > (SELECT serial FROM state WHERE id = 1)
         OR p.serial < (SELECT COALESCE(MAX(c.serial), 0) FROM channel_releases c WHERE c.project = p.normalized)
         ORDER BY p.normalized",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("normalized")?)).collect()
}

/// Files that promise metadata which is not there.
pub(crate) async fn without_metadata(connection: &mut AnyConnection) -> Result<Vec<String>, IndexError> {
    let rows = sqlx::query(
        "SELECT filename FROM files WHERE metadata_sha256 IS NOT NULL AND removed_at IS NULL
         AND metadata_sha256 NOT IN (SELECT sha256 FROM metadata) ORDER BY filename",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("filename")?)).collect()
}

/// The next stored metadata after a digest.
pub(crate) async fn next_metadata(
    connection: &mut AnyConnection,
    after: &str,
) -> Result<Option<(String, Vec<u8>)>, IndexError> {
    let row = sqlx::query("SELECT sha256, body FROM metadata WHERE sha256 > $1 ORDER BY sha256 LIMIT 1")
        .bind(after)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.try_get("sha256")?, row.try_get("body")?))).transpose()
}
