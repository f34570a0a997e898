//! Brings a database to the tables of this version, once, whoever comes first.

use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::connect::{Kind, begin_tables};
use crate::error::IndexError;

const MIGRATIONS: [(i64, &str); 7] = [
    (1, include_str!("../migrations/0001_initial.sql")),
    (2, include_str!("../migrations/0002_evidence.sql")),
    (3, include_str!("../migrations/0003_servers.sql")),
    (4, include_str!("../migrations/0004_upstream.sql")),
    (5, include_str!("../migrations/0005_removal.sql")),
    (6, include_str!("../migrations/0006_judgement.sql")),
    (7, include_str!("../migrations/0007_publishers.sql")),
];

/// The number of the newest migration.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

/// The statements of every migration, in their order.
#[cfg(test)]
pub(crate) fn migrations() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|(_, sql)| *sql)
}

pub(super) async fn run(writer: &AnyPool, kind: Kind) -> Result<(), IndexError> {
    let known = newest();
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
    let mut write = begin_tables(writer, kind).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY)")
        .execute(&mut *write)
        .await?;
    let row = sqlx::query("SELECT MAX(number) AS number FROM migrations").fetch_one(&mut *write).await?;
    let found = row.try_get::<Option<i64>, _>("number")?.unwrap_or(0);
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > found) {
        sqlx::raw_sql(AssertSqlSafe(dialect(sql, kind))).execute(&mut *write).await?;
        sqlx::query("INSERT INTO migrations (number) VALUES ($1)").bind(*number).execute(&mut *write).await?;
    }
    write.commit().await?;
    Ok(())
}

/// Text compares byte by byte on SQLite; on PostgreSQL it would as the database's locale has it, and lists,
/// times and versions with it.
fn dialect(sql: &'static str, kind: Kind) -> String {
    match kind {
        Kind::Sqlite => sql.to_owned(),
        Kind::Postgres => sql.replace(" TEXT", " TEXT COLLATE \"C\""),
    }
}
