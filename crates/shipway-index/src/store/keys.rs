//! Keys that may sign evidence, and the policy.

use shipway_dist::policy::{Policy, Role};
use shipway_dist::signing::{KeyId, PublicKey};
use shipway_dist::wire::KeyRecord;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::parse;
use crate::error::IndexError;

/// Makes a key known.
pub(crate) async fn insert_key(connection: &mut AnyConnection, key: &KeyRecord) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO keys (id, name, role, public, registered, since, compromised)
         VALUES ($1, $2, $3, $4, $5, $6, 0)",
    )
    .bind(key.id.to_hex())
    .bind(key.name.clone())
    .bind(key.role.as_str())
    .bind(key.public.to_pem())
    .bind(i64::from(key.registered))
    .bind(key.since.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes an enrolled key a registered one.
pub(crate) async fn register_key(
    connection: &mut AnyConnection,
    id: &KeyId,
    name: &str,
    role: Role,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE keys SET registered = 1, name = $2, role = $3 WHERE id = $1")
        .bind(id.to_hex())
        .bind(name)
        .bind(role.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes a key; the time of the first revocation stays.
pub(crate) async fn revoke_key(
    connection: &mut AnyConnection,
    id: &KeyId,
    at: &str,
    compromised: bool,
) -> Result<(), IndexError> {
    sqlx::query(
        "UPDATE keys SET revoked_at = COALESCE(revoked_at, $2),
                         compromised = CASE WHEN $3 = 1 THEN 1 ELSE compromised END
         WHERE id = $1",
    )
    .bind(id.to_hex())
    .bind(at)
    .bind(i64::from(compromised))
    .execute(connection)
    .await?;
    Ok(())
}

/// Every key ever known, oldest first.
pub(crate) async fn keys(connection: &mut AnyConnection) -> Result<Vec<KeyRecord>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, name, role, public, registered, since, revoked_at, compromised
         FROM keys ORDER BY since, id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// The key of an id.
pub(crate) async fn key(connection: &mut AnyConnection, id: &str) -> Result<Option<KeyRecord>, IndexError> {
    let row = sqlx::query(
        "SELECT id, name, role, public, registered, since, revoked_at, compromised
         FROM keys WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<KeyRecord, IndexError> {
    let public: String = row.try_get("public")?;
    Ok(KeyRecord {
        id: parse("keys.id", row.try_get("id")?)?,
        name: row.try_get("name")?,
        role: parse("keys.role", row.try_get("role")?)?,
        public: PublicKey::from_pem(&public)
            .map_err(|_| IndexError::Corrupt { place: "keys.public", value: public })?,
        registered: row.try_get::<i64, _>("registered")? != 0,
        since: row.try_get("since")?,
        revoked_at: row.try_get("revoked_at")?,
        compromised: row.try_get::<i64, _>("compromised")? != 0,
    })
}

/// The policy that was set, if one was.
pub(crate) async fn policy(connection: &mut AnyConnection) -> Result<Option<Policy>, IndexError> {
    let row = sqlx::query("SELECT body FROM policy WHERE id = 1").fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(serde_json::from_str(&row.try_get::<String, _>("body")?)?))
}

/// Sets the policy, or with `None` goes back to that of a new index.
pub(crate) async fn set_policy(
    connection: &mut AnyConnection,
    policy: Option<&Policy>,
    at: &str,
    by: &str,
) -> Result<(), IndexError> {
    sqlx::query("DELETE FROM policy WHERE id = 1").execute(&mut *connection).await?;
    if let Some(policy) = policy {
        sqlx::query("INSERT INTO policy (id, body, set_at, set_by) VALUES (1, $1, $2, $3)")
            .bind(serde_json::to_string(policy)?)
            .bind(at)
            .bind(by)
            .execute(connection)
            .await?;
    }
    Ok(())
}
