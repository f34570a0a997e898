//! The journal: one row a change, appended in the transaction that makes the change.

use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;

/// What happened.
pub(crate) struct Entry<'a> {
    pub(crate) at: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) action: &'static str,
    /// The normalized name; empty where no project is concerned.
    pub(crate) project: &'a str,
    /// What the action was done to.
    pub(crate) object: &'a str,
    pub(crate) detail: serde_json::Value,
}

/// Waits until no other transaction is about to append, and keeps others from it until this one ends.
pub(crate) async fn settle(connection: &mut AnyConnection) -> Result<(), IndexError> {
    sqlx::query("UPDATE state SET serial = serial WHERE id = 1").execute(connection).await?;
    Ok(())
}

/// Appends an entry and returns its serial and its id.
pub(crate) async fn append(
    connection: &mut AnyConnection,
    entry: Entry<'_>,
) -> Result<(i64, String), IndexError> {
    let row = sqlx::query("UPDATE state SET serial = serial + 1 WHERE id = 1 RETURNING serial")
        .fetch_one(&mut *connection)
        .await?;
    let serial: i64 = row.try_get("serial")?;
    let id = crate::random::id();
    sqlx::query(
        "INSERT INTO journal (serial, id, at, actor, action, project, object, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(serial)
    .bind(id.clone())
    .bind(entry.at)
    .bind(entry.actor)
    .bind(entry.action)
    .bind(entry.project)
    .bind(entry.object)
    .bind(entry.detail.to_string())
    .execute(connection)
    .await?;
    Ok((serial, id))
}

/// The id of the last entry of an action on an object.
pub(crate) async fn last_record(
    connection: &mut AnyConnection,
    project: &str,
    object: &str,
    action: &str,
) -> Result<Option<String>, IndexError> {
    let row = sqlx::query(
        "SELECT id FROM journal WHERE project = $1 AND object = $2 AND action = $3
         ORDER BY serial DESC LIMIT 1",
    )
    .bind(project)
    .bind(object)
    .bind(action)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

/// Who made the last entry of an action on an object, and its detail.
pub(crate) async fn last_entry(
    connection: &mut AnyConnection,
    project: &str,
    object: &str,
    action: &str,
) -> Result<Option<(String, String)>, IndexError> {
    let row = sqlx::query(
        "SELECT actor, detail FROM journal WHERE project = $1 AND object = $2 AND action = $3
         ORDER BY serial DESC LIMIT 1",
    )
    .bind(project)
    .bind(object)
    .bind(action)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.try_get("actor")?, row.try_get("detail")?))).transpose()
}

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct JournalRow {
    pub(crate) serial: i64,
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) project: String,
    pub(crate) object: String,
    /// JSON.
    pub(crate) detail: String,
}

/// The entries with a serial above `after` and up to `to`, in order.
pub(crate) async fn journal(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<JournalRow>, IndexError> {
    let rows = sqlx::query(
        "SELECT serial, id, at, actor, action, project, object, detail FROM journal
         WHERE serial > $1 AND serial <= $2 ORDER BY serial",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::try_from(to).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let entry = |row: &sqlx::any::AnyRow| {
        Ok(JournalRow {
            serial: row.try_get("serial")?,
            id: row.try_get("id")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            project: row.try_get("project")?,
            object: row.try_get("object")?,
            detail: row.try_get("detail")?,
        })
    };
    rows.iter().map(entry).collect()
}
