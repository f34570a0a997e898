//! Publishers, and the identities that were shown.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;
use crate::tokens::Action;
use crate::trust::Publisher;

/// All publishers in the order in which they were added.
pub(crate) async fn publishers(connection: &mut AnyConnection) -> Result<Vec<Publisher>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, project, issuer, claims, actions, created_at FROM publishers ORDER BY created_at, id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// Those whose identities an issuer signs.
pub(crate) async fn publishers_of(
    connection: &mut AnyConnection,
    issuer: &str,
) -> Result<Vec<Publisher>, IndexError> {
    let rows = sqlx::query(
        "SELECT id, project, issuer, claims, actions, created_at FROM publishers WHERE issuer = $1
         ORDER BY created_at, id",
    )
    .bind(issuer)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// Whether there is any.
pub(crate) async fn has_publishers(connection: &mut AnyConnection) -> Result<bool, IndexError> {
    let row = sqlx::query("SELECT 1 AS one FROM publishers LIMIT 1").fetch_optional(connection).await?;
    Ok(row.is_some())
}

pub(crate) async fn insert_publisher(
    connection: &mut AnyConnection,
    publisher: &Publisher,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO publishers (id, project, issuer, claims, actions, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&publisher.id)
    .bind(&publisher.project)
    .bind(&publisher.issuer)
    .bind(serde_json::to_string(&publisher.claims)?)
    .bind(serde_json::to_string(&words(&publisher.actions))?)
    .bind(&publisher.created_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets what the identity of a publisher must say.
pub(crate) async fn set_claims(
    connection: &mut AnyConnection,
    id: &str,
    claims: &BTreeMap<String, String>,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE publishers SET claims = $2 WHERE id = $1")
        .bind(id)
        .bind(serde_json::to_string(claims)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets what the tokens of a publisher allow.
pub(crate) async fn set_actions(
    connection: &mut AnyConnection,
    id: &str,
    actions: &[Action],
) -> Result<(), IndexError> {
    sqlx::query("UPDATE publishers SET actions = $2 WHERE id = $1")
        .bind(id)
        .bind(serde_json::to_string(&words(actions))?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a publisher; says whether it was there.
pub(crate) async fn remove_publisher(connection: &mut AnyConnection, id: &str) -> Result<bool, IndexError> {
    let done = sqlx::query("DELETE FROM publishers WHERE id = $1").bind(id).execute(connection).await?;
    Ok(done.rows_affected() > 0)
}

/// Notes that an identity was shown; says whether this is the first time. Forgets those that ended before `now`.
pub(crate) async fn use_identity(
    connection: &mut AnyConnection,
    (issuer, jti): (&str, &str),
    expires_at: &str,
    now: &str,
) -> Result<bool, IndexError> {
    sqlx::query("DELETE FROM identities WHERE expires_at < $1").bind(now).execute(&mut *connection).await?;
    let done = sqlx::query(
        "INSERT INTO identities (issuer, jti, expires_at) VALUES ($1, $2, $3) ON CONFLICT (issuer, jti) DO NOTHING",
    )
    .bind(issuer)
    .bind(jti)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

fn words(actions: &[Action]) -> Vec<&'static str> {
    actions.iter().map(|action| action.as_str()).collect()
}

fn read(row: &AnyRow) -> Result<Publisher, IndexError> {
    let claims: String = row.try_get("claims")?;
    let actions: Vec<String> = serde_json::from_str(&row.try_get::<String, _>("actions")?)?;
    Ok(Publisher {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        issuer: row.try_get("issuer")?,
        claims: serde_json::from_str(&claims)?,
        actions: actions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        created_at: row.try_get("created_at")?,
    })
}
