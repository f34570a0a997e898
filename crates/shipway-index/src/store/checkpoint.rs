//! What the servers of one database agree on: who signs, and on PostgreSQL the newest checkpoint of the log.

use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;

/// The public half of the key that signs under a name, PEM, once a server said it.
pub(crate) async fn signer(connection: &mut AnyConnection, name: &str) -> Result<Option<String>, IndexError> {
    let row = sqlx::query("SELECT public FROM signers WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("public")).transpose()?)
}

/// Says whose signature the name stands for; said once, it stays.
pub(crate) async fn set_signer(
    connection: &mut AnyConnection,
    name: &str,
    public: &str,
) -> Result<(), IndexError> {
    sqlx::query("INSERT INTO signers (name, public) VALUES ($1, $2)")
        .bind(name)
        .bind(public)
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest checkpoint's note.
pub(crate) async fn checkpoint(connection: &mut AnyConnection) -> Result<Option<String>, IndexError> {
    let row = sqlx::query("SELECT note FROM log_checkpoint WHERE id = 1").fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get("note")).transpose()?)
}

/// Publishes a checkpoint, unless a longer one is; says whether it did.
pub(crate) async fn set_checkpoint(
    connection: &mut AnyConnection,
    size: u64,
    note: &str,
) -> Result<bool, IndexError> {
    let done = sqlx::query(
        "INSERT INTO log_checkpoint (id, size, note) VALUES (1, $1, $2)
         ON CONFLICT (id) DO UPDATE SET size = $1, note = $2 WHERE log_checkpoint.size <= $1",
    )
    .bind(super::integer(size))
    .bind(note)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
