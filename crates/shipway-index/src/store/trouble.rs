//! What an error of a database means.

/// Whether no space is left: SQLITE_FULL (13) and SQLITE_IOERR_SHMSIZE (4874), or PostgreSQL's disk_full.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    has_code(error, |code| ["13", "4874", "53100"].contains(&code))
}

/// Whether it takes no writes: SQLITE_READONLY (8) in all its forms, or PostgreSQL's
/// read_only_sql_transaction, as a standby says.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    has_code(error, |code| primary(code) == Some(8) || code == "25006")
}

/// What kind of error of SQLite a code is; PostgreSQL's codes have five characters.
fn primary(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff)
}

fn has_code(error: &sqlx::Error, which: impl Fn(&str) -> bool) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(|code| which(&code)))
}

/// Whether the database is away, or so busy that waiting for it was given up.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // How a connection that ends while it is opened looks like.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // SQLITE_BUSY and SQLITE_LOCKED: another process kept it for longer than this one waits.
        sqlx::Error::Database(error)
            if error.code().is_some_and(|code| matches!(primary(&code), Some(5 | 6))) =>
        {
            true
        }
        // Connection exceptions, out of resources, shutting down or starting, a lock or a statement that took
        // too long, transactions that the database itself ended to let others go on (PostgreSQL, appendix A).
        // And two that met at a unique constraint in spite of the locks: the next look says who won.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57P", "57014", "55P03", "40", "25P03", "23505"].iter().any(|class| code.starts_with(class))
                && code.len() == 5
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use sqlx::any::install_default_drivers;
    use sqlx::{AnyConnection, Connection as _};

    use super::*;
    use crate::error::{IndexError, UNAVAILABLE};

    async fn open(folder: &std::path::Path) -> AnyConnection {
        install_default_drivers();
        let url = format!("sqlite://{}?mode=rwc", folder.join("index.sqlite").display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let impatient = "PRAGMA busy_timeout = 20; PRAGMA journal_mode = WAL";
        sqlx::raw_sql(impatient).execute(&mut connection).await.unwrap();
        connection
    }

    #[tokio::test]
    async fn l5_a_database_that_another_process_keeps_is_a_reason_to_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let (mut keeper, mut other) = (open(folder.path()).await, open(folder.path()).await);
        sqlx::raw_sql("CREATE TABLE held (a INTEGER)").execute(&mut keeper).await.unwrap();
        let mut kept = keeper.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::raw_sql("INSERT INTO held VALUES (1)").execute(&mut *kept).await.unwrap();
        let busy = other.begin_with("BEGIN IMMEDIATE").await.err().unwrap();
        // SQLITE_BUSY_SNAPSHOT: somebody else wrote since this transaction began to read.
        let mut reading = other.begin().await.unwrap();
        sqlx::raw_sql("SELECT * FROM held").execute(&mut *reading).await.unwrap();
        kept.commit().await.unwrap();
        let stale = sqlx::raw_sql("INSERT INTO held VALUES (2)").execute(&mut *reading).await.err().unwrap();
        for (error, code) in [(busy, "5"), (stale, "517")] {
            assert!(has_code(&error, |found| found == code), "{error:?}");
            assert!(!is_full(&error) && !is_read_only(&error));
            let error = IndexError::from(error);
            assert_eq!((error.status().as_u16(), error.code()), (503, UNAVAILABLE), "{error:?}");
            assert!(error.is_passing());
        }
    }
}
