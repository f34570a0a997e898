//! Brings a database to the tables of this version, once, whoever comes first.

use sqlx::{AnyPool, Row as _};

use crate::error::IndexError;

const MIGRATIONS: [(i64, &str); 2] = [
    (1, include_str!("../migrations/0001_initial.sql")),
    (2, include_str!("../migrations/0002_evidence.sql")),
];

pub(super) async fn run(writer: &AnyPool) -> Result<(), IndexError> {
    let known = MIGRATIONS.last().map_or(0, |(number, _)| *number);
    // Without the write lock first: nearly every start finds nothing to do.
    let found = sqlx::query("SELECT MAX(number) AS number FROM migrations").fetch_one(writer).await;
    if let Ok(row) = found {
        let found = row.try_get::<Option<i64>, _>("number")?.unwrap_or(0);
        if found == known {
            return Ok(());
        }
        if found > known {
            return Err(IndexError::Newer { found, known });
        }
    }
    let mut write = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY)")
        .execute(&mut *write)
        .await?;
    let row = sqlx::query("SELECT MAX(number) AS number FROM migrations").fetch_one(&mut *write).await?;
    let found = row.try_get::<Option<i64>, _>("number")?.unwrap_or(0);
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > found) {
        sqlx::raw_sql(*sql).execute(&mut *write).await?;
        sqlx::query("INSERT INTO migrations (number) VALUES ($1)").bind(*number).execute(&mut *write).await?;
    }
    write.commit().await?;
    Ok(())
}
