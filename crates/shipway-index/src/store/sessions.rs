//! Upload sessions and the files that they wait for.

use pep440_rs::Version;
use serde::de::DeserializeOwned;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use shipway_dist::signing::Envelope;
use shipway_dist::wire::SessionRequest;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{integer, parse, size};
use crate::error::IndexError;
use crate::project::{Requires, version_key};

/// A session.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) name: ProjectName,
    pub(crate) version: Version,
    pub(crate) channel: ChannelName,
    pub(crate) manifest_digest: Sha256,
    pub(crate) commit: Option<String>,
    pub(crate) local: bool,
    pub(crate) run: Option<String>,
    pub(crate) attempt: Option<u32>,
    pub(crate) requires: Requires,
    pub(crate) vouchers: Vec<Envelope>,
    pub(crate) state: String,
    pub(crate) expires_at: String,
    pub(crate) files: Vec<SessionFile>,
}

/// A file of a session.
#[derive(Debug, Clone)]
pub(crate) struct SessionFile {
    pub(crate) filename: String,
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
    pub(crate) received: bool,
    pub(crate) metadata_sha256: Option<Sha256>,
    pub(crate) requires_python: Option<String>,
}

pub(crate) async fn insert_session(
    connection: &mut AnyConnection,
    session: &SessionRow,
    at: &str,
    by: &str,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO sessions (id, project, display, version_key, version, channel, manifest_digest, commit_id,
                               local, state, begun_by, begun_at, expires_at, run, attempt, requires, vouchers)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(session.id.clone())
    .bind(session.name.normalized())
    .bind(session.name.display())
    .bind(version_key(&session.version))
    .bind(session.version.to_string())
    .bind(session.channel.as_str())
    .bind(session.manifest_digest.to_hex())
    .bind(session.commit.clone())
    .bind(i64::from(session.local))
    .bind(by)
    .bind(at)
    .bind(session.expires_at.clone())
    .bind(session.run.clone())
    .bind(session.attempt.map(i64::from))
    .bind(serde_json::to_string(&session.requires)?)
    .bind(serde_json::to_string(&session.vouchers)?)
    .execute(&mut *connection)
    .await?;
    for file in &session.files {
        sqlx::query(
            "INSERT INTO session_files (session, filename, size, sha256, received, metadata_sha256,
                                        requires_python)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(session.id.clone())
        .bind(file.filename.clone())
        .bind(integer(file.size))
        .bind(file.sha256.to_hex())
        .bind(i64::from(file.received))
        .bind(file.metadata_sha256.map(|sha256| sha256.to_hex()))
        .bind(file.requires_python.clone())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A session by its id, in whatever state.
pub(crate) async fn session(
    connection: &mut AnyConnection,
    id: &str,
) -> Result<Option<SessionRow>, IndexError> {
    let row = sqlx::query(
        "SELECT id, display, version, channel, manifest_digest, commit_id, local, run, attempt, requires,
                vouchers, state, expires_at
         FROM sessions WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&mut *connection)
    .await?;
    with_files(connection, row).await
}

/// The open session of a release.
pub(crate) async fn open_session(
    connection: &mut AnyConnection,
    project: &str,
    version: &Version,
) -> Result<Option<SessionRow>, IndexError> {
    let row = sqlx::query(
        "SELECT id, display, version, channel, manifest_digest, commit_id, local, run, attempt, requires,
                vouchers, state, expires_at
         FROM sessions WHERE project = $1 AND version_key = $2 AND state = 'open'",
    )
    .bind(project)
    .bind(version_key(version))
    .fetch_optional(&mut *connection)
    .await?;
    with_files(connection, row).await
}

async fn with_files(
    connection: &mut AnyConnection,
    row: Option<AnyRow>,
) -> Result<Option<SessionRow>, IndexError> {
    let Some(row) = row else { return Ok(None) };
    let id: String = row.try_get("id")?;
    let rows = sqlx::query(
        "SELECT filename, size, sha256, received, metadata_sha256, requires_python
         FROM session_files WHERE session = $1 ORDER BY filename",
    )
    .bind(id.clone())
    .fetch_all(connection)
    .await?;
    let file = |row: &AnyRow| {
        let metadata: Option<String> = row.try_get("metadata_sha256")?;
        Ok::<_, IndexError>(SessionFile {
            filename: row.try_get("filename")?,
            size: size(row.try_get("size")?),
            sha256: parse("session_files.sha256", row.try_get("sha256")?)?,
            received: row.try_get::<i64, _>("received")? != 0,
            metadata_sha256: metadata.map(|text| parse("session_files.metadata_sha256", text)).transpose()?,
            requires_python: row.try_get("requires_python")?,
        })
    };
    Ok(Some(SessionRow {
        id,
        name: parse("sessions.display", row.try_get("display")?)?,
        version: parse("sessions.version", row.try_get("version")?)?,
        channel: parse("sessions.channel", row.try_get("channel")?)?,
        manifest_digest: parse("sessions.manifest_digest", row.try_get("manifest_digest")?)?,
        commit: row.try_get("commit_id")?,
        local: row.try_get::<i64, _>("local")? != 0,
        run: row.try_get("run")?,
        attempt: row.try_get::<Option<i64>, _>("attempt")?.and_then(|number| number.try_into().ok()),
        requires: document(&row, "requires")?,
        vouchers: document(&row, "vouchers")?,
        state: row.try_get("state")?,
        expires_at: row.try_get("expires_at")?,
        files: rows.iter().map(file).collect::<Result<_, _>>()?,
    }))
}

/// A column of JSON; the default where an earlier version left it out.
fn document<T: Default + DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T, IndexError> {
    match row.try_get::<Option<String>, _>(column)? {
        Some(text) => Ok(serde_json::from_str(&text)?),
        None => Ok(T::default()),
    }
}

/// What a session that is resumed says anew of its release; that it is local is never taken back.
pub(crate) async fn renew(
    connection: &mut AnyConnection,
    id: &str,
    request: &SessionRequest,
) -> Result<(), IndexError> {
    sqlx::query(
        "UPDATE sessions SET local = CASE WHEN $2 = 1 THEN 1 ELSE local END, run = $3, attempt = $4,
                             requires = $5, vouchers = $6, commit_id = $7
         WHERE id = $1",
    )
    .bind(id)
    .bind(i64::from(request.local))
    .bind(request.run.clone())
    .bind(request.attempt.map(i64::from))
    .bind(serde_json::to_string(&request.requires)?)
    .bind(serde_json::to_string(&request.vouchers)?)
    .bind(request.commit.clone())
    .execute(&mut *connection)
    .await?;
    // The size of a file that did not come yet may have been announced wrongly before.
    for file in &request.files {
        sqlx::query(
            "UPDATE session_files SET size = $3
             WHERE session = $1 AND filename = $2 AND received = 0 AND size <> $3",
        )
        .bind(id)
        .bind(file.filename.clone())
        .bind(integer(file.size))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Records that a file of a session is there.
pub(crate) async fn mark_received(
    connection: &mut AnyConnection,
    session: &str,
    file: &SessionFile,
) -> Result<(), IndexError> {
    sqlx::query(
        "UPDATE session_files SET received = 1, metadata_sha256 = $3, requires_python = $4
         WHERE session = $1 AND filename = $2",
    )
    .bind(session)
    .bind(file.filename.clone())
    .bind(file.metadata_sha256.map(|sha256| sha256.to_hex()))
    .bind(file.requires_python.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps a session open longer.
pub(crate) async fn extend(connection: &mut AnyConnection, id: &str, until: &str) -> Result<(), IndexError> {
    sqlx::query("UPDATE sessions SET expires_at = $2 WHERE id = $1")
        .bind(id)
        .bind(until)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn publish_session(connection: &mut AnyConnection, id: &str) -> Result<(), IndexError> {
    sqlx::query("UPDATE sessions SET state = 'published' WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}

pub(crate) async fn cancel(connection: &mut AnyConnection, id: &str) -> Result<(), IndexError> {
    sqlx::query("UPDATE sessions SET state = 'canceled' WHERE id = $1").bind(id).execute(connection).await?;
    Ok(())
}
