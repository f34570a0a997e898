//! What an error of a database means.

/// Whether no space is left: SQLITE_FULL (13) and SQLITE_IOERR_SHMSIZE (4874), or PostgreSQL's disk_full.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    has_code(error, |code| ["13", "4874", "53100"].contains(&code))
}

/// Whether it takes no writes: SQLITE_READONLY (8) in all its forms, or PostgreSQL's
/// read_only_sql_transaction, as a standby says.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    let primary = |code: &str| code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
    has_code(error, |code| primary(code) == Some(8) || code == "25006")
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
