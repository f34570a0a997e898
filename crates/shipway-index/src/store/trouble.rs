//! What an error of a database means.

/// Whether no space is left: SQLITE_FULL (primary result code 13), or PostgreSQL's disk_full.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    let full = |code: std::borrow::Cow<'_, str>| code == "13" || code == "53100";
    matches!(error, sqlx::Error::Database(error) if error.code().is_some_and(full))
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
