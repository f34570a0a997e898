//! What is removed, and what of it is still to go.

use shipway_dist::digest::Sha256;
use sqlx::{AnyConnection, Row as _};

use super::parse;
use crate::error::IndexError;

/// A sweep looks at so many; the next one goes on.
const AT_ONCE: i64 = 500;

/// Marks a file as removed; the row, and so the claim to the filename, stays.
pub(crate) async fn mark_removed(
    connection: &mut AnyConnection,
    filename: &str,
    reason: &str,
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE files SET removed_at = $2, removed_reason = $3 WHERE filename = $1")
        .bind(filename)
        .bind(at)
        .bind(reason)
        .execute(connection)
        .await?;
    Ok(())
}

/// The removed files whose bytes may still be there.
pub(crate) async fn undiscarded(connection: &mut AnyConnection) -> Result<Vec<String>, IndexError> {
    let rows = sqlx::query(
        "SELECT filename FROM files WHERE removed_at IS NOT NULL AND discarded = 0 ORDER BY filename LIMIT $1",
    )
    .bind(AT_ONCE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("filename")?)).collect()
}

/// The digests of the bytes and of the metadata of a removed file that may still be there.
pub(crate) async fn undiscarded_file(
    connection: &mut AnyConnection,
    filename: &str,
) -> Result<Option<(Sha256, Option<Sha256>)>, IndexError> {
    let row = sqlx::query(
        "SELECT sha256, metadata_sha256 FROM files
         WHERE filename = $1 AND removed_at IS NOT NULL AND discarded = 0",
    )
    .bind(filename)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let metadata: Option<String> = row.try_get("metadata_sha256")?;
    let metadata = metadata.map(|text| parse("files.metadata_sha256", text)).transpose()?;
    Ok(Some((parse("files.sha256", row.try_get("sha256")?)?, metadata)))
}

/// Says that bytes and metadata of a removed file are gone.
pub(crate) async fn mark_discarded(connection: &mut AnyConnection, filename: &str) -> Result<(), IndexError> {
    sqlx::query("UPDATE files SET discarded = 1 WHERE filename = $1")
        .bind(filename)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes metadata that no file and no open session promises.
pub(crate) async fn drop_metadata(connection: &mut AnyConnection, sha256: &Sha256) -> Result<(), IndexError> {
    sqlx::query(
        "DELETE FROM metadata WHERE sha256 = $1
         AND NOT EXISTS (SELECT 1 FROM files WHERE metadata_sha256 = $1 AND removed_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM session_files f JOIN sessions s ON s.id = f.session
                         WHERE f.metadata_sha256 = $1 AND s.state = 'open')",
    )
    .bind(sha256.to_hex())
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes what was kept of an sdist to compare wheels with, unless a file stands on its bytes.
pub(crate) async fn drop_sdist_metadata(
    connection: &mut AnyConnection,
    sha256: &Sha256,
) -> Result<(), IndexError> {
    sqlx::query(
        "DELETE FROM sdist_metadata WHERE sha256 = $1
         AND NOT EXISTS (SELECT 1 FROM files WHERE sha256 = $1 AND removed_at IS NULL)",
    )
    .bind(sha256.to_hex())
    .execute(connection)
    .await?;
    Ok(())
}

/// Ids and projects of the open sessions that expired.
pub(crate) async fn expired_sessions(
    connection: &mut AnyConnection,
    now: &str,
) -> Result<Vec<(String, String)>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, project FROM sessions WHERE state = 'open' AND expires_at <= $1 ORDER BY id LIMIT $2",
    )
    .bind(now)
    .bind(AT_ONCE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("project")?))).collect()
}

/// Ids and projects of the canceled sessions whose files may still be there.
pub(crate) async fn uncleared_sessions(
    connection: &mut AnyConnection,
) -> Result<Vec<(String, String)>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, project FROM sessions WHERE state = 'canceled' AND EXISTS (
             SELECT 1 FROM session_files f WHERE f.session = sessions.id AND f.received = 1)
         ORDER BY id LIMIT $1",
    )
    .bind(AT_ONCE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("project")?))).collect()
}

/// Says that the files of a canceled session are gone.
pub(crate) async fn mark_cleared(connection: &mut AnyConnection, session: &str) -> Result<(), IndexError> {
    sqlx::query("UPDATE session_files SET received = 0 WHERE session = $1")
        .bind(session)
        .execute(connection)
        .await?;
    Ok(())
}
