//! Tokens, as digests.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;

/// A token as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct TokenRow {
    pub(crate) id: String,
    pub(crate) name: String,
    /// SHA-256 of the whole token, hexadecimal.
    pub(crate) hash: String,
    /// JSON lists; an empty one means all.
    pub(crate) projects: String,
    pub(crate) channels: String,
    pub(crate) actions: String,
    pub(crate) created_at: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) revoked_at: Option<String>,
    pub(crate) not_before: Option<String>,
    /// How often it may change something, and how often it did.
    pub(crate) uses: Option<i64>,
    pub(crate) used: i64,
}

pub(crate) async fn insert_token(connection: &mut AnyConnection, token: &TokenRow) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO tokens (id, name, hash, projects, channels, actions, created_at, expires_at, not_before, uses)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(token.id.clone())
    .bind(token.name.clone())
    .bind(token.hash.clone())
    .bind(token.projects.clone())
    .bind(token.channels.clone())
    .bind(token.actions.clone())
    .bind(token.created_at.clone())
    .bind(token.expires_at.clone())
    .bind(token.not_before.clone())
    .bind(token.uses)
    .execute(&mut *connection)
    .await?;
    changed(connection).await
}

/// Revokes the tokens of a name that are not; says how many.
pub(crate) async fn revoke_token(
    connection: &mut AnyConnection,
    name: &str,
    at: &str,
) -> Result<u64, IndexError> {
    let done = sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
        .bind(name)
        .bind(at)
        .execute(&mut *connection)
        .await?;
    changed(connection).await?;
    Ok(done.rows_affected())
}

/// Forgets tokens whose name begins so and that ended before a time.
pub(crate) async fn forget_minted(
    connection: &mut AnyConnection,
    prefix: &str,
    before: &str,
) -> Result<(), IndexError> {
    sqlx::query("DELETE FROM tokens WHERE SUBSTR(name, 1, $1) = $2 AND expires_at < $3")
        .bind(i32::try_from(prefix.len()).unwrap_or(i32::MAX))
        .bind(prefix)
        .bind(before)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts a use of a token; says whether it had one left.
pub(crate) async fn spend(connection: &mut AnyConnection, id: &str) -> Result<bool, IndexError> {
    let done =
        sqlx::query("UPDATE tokens SET used = used + 1 WHERE id = $1 AND (uses IS NULL OR used < uses)")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    changed(connection).await?;
    Ok(done.rows_affected() > 0)
}

async fn changed(connection: &mut AnyConnection) -> Result<(), IndexError> {
    sqlx::query("UPDATE state SET token_serial = token_serial + 1 WHERE id = 1").execute(connection).await?;
    Ok(())
}

pub(crate) async fn token(connection: &mut AnyConnection, id: &str) -> Result<Option<TokenRow>, IndexError> {
    let row = sqlx::query(
        "SELECT id, name, hash, projects, channels, actions, created_at, expires_at, revoked_at,
                not_before, uses, used
         FROM tokens WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn tokens(connection: &mut AnyConnection) -> Result<Vec<TokenRow>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, name, hash, projects, channels, actions, created_at, expires_at, revoked_at,
                not_before, uses, used
         FROM tokens ORDER BY created_at, id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &AnyRow) -> Result<TokenRow, IndexError> {
    Ok(TokenRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        projects: row.try_get("projects")?,
        channels: row.try_get("channels")?,
        actions: row.try_get("actions")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
        not_before: row.try_get("not_before")?,
        uses: row.try_get("uses")?,
        used: row.try_get("used")?,
    })
}
