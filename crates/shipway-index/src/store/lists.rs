//! Which projects a channel lists.

use futures_util::TryStreamExt as _;
use shipway_dist::channel::ChannelName;
use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;

/// The projects that a channel lists, as written, by normalized name.
pub(crate) async fn project_names(
    connection: &mut AnyConnection,
    channel: &ChannelName,
) -> Result<Vec<(String, String)>, IndexError> {
    // Row by row: together they would take several times the memory of the names.
    let mut rows = sqlx::query(
        "SELECT p.normalized, p.display FROM projects p WHERE EXISTS (
             SELECT 1 FROM channel_releases c
             JOIN releases r ON r.project = c.project AND r.version_key = c.version_key
             WHERE c.channel = $1 AND c.project = p.normalized AND r.blocked IS NULL)
         ORDER BY p.normalized",
    )
    .bind(channel.as_str())
    .fetch(connection);
    let mut names = Vec::new();
    while let Some(row) = rows.try_next().await? {
        names.push((row.try_get("normalized")?, row.try_get("display")?));
    }
    Ok(names)
}

/// How a project is written, when the channel lists it.
pub(crate) async fn listed_name(
    connection: &mut AnyConnection,
    channel: &ChannelName,
    normalized: &str,
) -> Result<Option<String>, IndexError> {
    let row = sqlx::query(
        "SELECT p.display FROM projects p WHERE p.normalized = $2 AND EXISTS (
             SELECT 1 FROM channel_releases c
             JOIN releases r ON r.project = c.project AND r.version_key = c.version_key
             WHERE c.channel = $1 AND c.project = $2 AND r.blocked IS NULL)",
    )
    .bind(channel.as_str())
    .bind(normalized)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get("display")).transpose()?)
}
