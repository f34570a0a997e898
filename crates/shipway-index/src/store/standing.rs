//! How projects stand: status, limits, who made them, names that look alike, and who owns a namespace.

use shipway_dist::name::ProjectName;
use sqlx::{AnyConnection, Row as _};

use super::connect::hold_look;
use super::{Kind, integer, parse, size};
use crate::error::IndexError;
use crate::project::{Standing, Status};

/// The name and the standing of a project.
pub(super) async fn of(
    connection: &mut AnyConnection,
    normalized: &str,
) -> Result<Option<(ProjectName, Standing)>, IndexError> {
    let row = sqlx::query(
        "SELECT display, status, status_reason, file_limit, total_limit FROM projects WHERE normalized = $1",
    )
    .bind(normalized)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let name = parse("projects.display", row.try_get("display")?)?;
    let status: Option<String> = row.try_get("status")?;
    let standing = Standing {
        status: status.map(|text| parse("projects.status", text)).transpose()?.unwrap_or_default(),
        reason: row.try_get("status_reason")?,
        file_limit: row.try_get::<Option<i64>, _>("file_limit")?.map(size),
        total_limit: row.try_get::<Option<i64>, _>("total_limit")?.map(size),
    };
    Ok(Some((name, standing)))
}

/// Creates a project, unless it is there; says whether it is new.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    name: &ProjectName,
    at: &str,
    by: &str,
) -> Result<bool, IndexError> {
    let done = sqlx::query(
        "INSERT INTO projects (normalized, display, created_at, serial, created_by) VALUES ($1, $2, $3, 0, $4)
         ON CONFLICT (normalized) DO NOTHING",
    )
    .bind(name.normalized())
    .bind(name.display())
    .bind(at)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Sets status and limits of a project.
pub(crate) async fn set_standing(
    connection: &mut AnyConnection,
    normalized: &str,
    standing: &Standing,
) -> Result<(), IndexError> {
    sqlx::query(
        "UPDATE projects SET status = $2, status_reason = $3, file_limit = $4, total_limit = $5
         WHERE normalized = $1",
    )
    .bind(normalized)
    .bind(Some(standing.status).filter(|status| *status != Status::Active).map(Status::as_str))
    .bind(standing.reason.clone())
    .bind(standing.file_limit.map(integer))
    .bind(standing.total_limit.map(integer))
    .execute(connection)
    .await?;
    Ok(())
}

/// When somebody made projects after a time, oldest first.
pub(crate) async fn made_since(
    connection: &mut AnyConnection,
    by: &str,
    since: &str,
) -> Result<Vec<String>, IndexError> {
    let rows = sqlx::query(
        "SELECT created_at FROM projects WHERE created_by = $1 AND created_at > $2 ORDER BY created_at",
    )
    .bind(by)
    .bind(since)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("created_at")?)).collect()
}

/// Another project whose name looks like this one. Until a transaction that writes ends, nobody makes one.
pub(crate) async fn look_alike(
    connection: &mut AnyConnection,
    kind: Kind,
    normalized: &str,
) -> Result<Option<String>, IndexError> {
    hold_look(connection, kind, &look(normalized)).await?;
    // The expression of the index `projects_by_look`.
    let row = sqlx::query(
        "SELECT normalized FROM projects
         WHERE REPLACE(REPLACE(REPLACE(REPLACE(normalized, '-', ''), 'l', '1'), 'i', '1'), 'o', '0') = $1
           AND normalized <> $2 ORDER BY normalized LIMIT 1",
    )
    .bind(look(normalized))
    .bind(normalized)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get("normalized")).transpose()?)
}

/// A normalized name without what people confuse: separators, `l`, `i` and `1`, `o` and `0`.
fn look(normalized: &str) -> String {
    normalized.replace('-', "").replace(['l', 'i'], "1").replace('o', "0")
}

/// Whether a file of upstream was ever passed on under the name.
pub(crate) async fn came_from_upstream(
    connection: &mut AnyConnection,
    normalized: &str,
) -> Result<bool, IndexError> {
    let row = sqlx::query("SELECT 1 AS one FROM upstream_files WHERE project = $1 LIMIT 1")
        .bind(normalized)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Every namespace and the names of the tokens that own it.
pub(crate) async fn namespaces(
    connection: &mut AnyConnection,
) -> Result<Vec<(String, Vec<String>)>, IndexError> {
    let rows =
        sqlx::query("SELECT prefix, owners FROM namespaces ORDER BY prefix").fetch_all(connection).await?;
    let namespace = |row: &sqlx::any::AnyRow| {
        let owners: String = row.try_get("owners")?;
        Ok((row.try_get("prefix")?, serde_json::from_str(&owners)?))
    };
    rows.iter().map(namespace).collect()
}

/// Gives a namespace to tokens, or with none of them to everybody again.
pub(crate) async fn set_namespace(
    connection: &mut AnyConnection,
    prefix: &str,
    owners: &[String],
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query("DELETE FROM namespaces WHERE prefix = $1").bind(prefix).execute(&mut *connection).await?;
    if !owners.is_empty() {
        sqlx::query("INSERT INTO namespaces (prefix, owners, granted_at) VALUES ($1, $2, $3)")
            .bind(prefix)
            .bind(serde_json::to_string(owners)?)
            .bind(at)
            .execute(connection)
            .await?;
    }
    Ok(())
}
