//! How to connect to a database, and everything in which SQLite and PostgreSQL differ.
//!
//! On SQLite one connection writes, `BEGIN IMMEDIATE` keeps other processes out. On PostgreSQL many write at
//! once: who decides about a project holds that project's advisory lock, who decides about more holds the
//! lock of all of them; see docs/design/postgresql-and-s3.md. Locks end with their transaction, so a server
//! that dies leaves none behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, Connection as _};

use super::asking::Asking;
use super::{Write, pulse};
use crate::error::IndexError;

/// Where the database is. Not to be printed: a URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A URL, which may hold a password.
    Postgres(String),
}

/// Which dialect a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The connections of a store.
pub(super) struct Pools {
    pub(super) kind: Kind,
    pub(super) readers: AnyPool,
    pub(super) writers: AnyPool,
}

impl Pools {
    /// Opens the writers; the readers come after the tables are there.
    pub(super) async fn open(database: &Database) -> Result<Self, IndexError> {
        install_default_drivers();
        match database {
            Database::Sqlite(path) => Ok(Self {
                kind: Kind::Sqlite,
                writers: sqlite(path, 1).await?,
                readers: sqlite(path, 4).await?,
            }),
            Database::Postgres(url) => {
                // For servers behind TLS.
                crate::server::install_crypto();
                Ok(Self {
                    kind: Kind::Postgres,
                    writers: postgres(url).await?,
                    readers: postgres(url).await?,
                })
            }
        }
    }

    pub(super) fn pulse(&self, database: &Database) -> Result<pulse::Pulse, IndexError> {
        match database {
            Database::Sqlite(path) => pulse::Pulse::open(path),
            Database::Postgres(url) => Ok(pulse::Pulse::Asking(Asking::new(url))),
        }
    }
}

/// What a writer keeps from others until its transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Everything.
    All,
    /// What is decided about one project.
    Project(&'a str),
}

/// Advisory locks with two keys are ours by the first: the letters `ship`.
const LOCKS: i32 = 0x7368_6970;
const ALL: i32 = 0;
const LOG: i32 = 1;
const TABLES: i32 = 2;

/// Begins a write.
pub(super) async fn begin(writers: &AnyPool, kind: Kind, scope: Scope<'_>) -> Result<Write, IndexError> {
    match kind {
        Kind::Sqlite => Ok(writers.begin_with("BEGIN IMMEDIATE").await?),
        Kind::Postgres => {
            // Read committed: each statement after the lock sees what its last holder committed.
            let mut write = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            match scope {
                Scope::All => lock(&mut write, ALL).await?,
                Scope::Project(project) => {
                    sqlx::query("SELECT pg_advisory_xact_lock_shared($1, $2)")
                        .bind(LOCKS)
                        .bind(ALL)
                        .execute(&mut *write)
                        .await?;
                    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                        .bind(project)
                        .execute(&mut *write)
                        .await?;
                }
            }
            Ok(write)
        }
    }
}

/// Keeps others from making a project of this look until the transaction ends; a snapshot decides nothing and
/// waits for nobody. On SQLite one decides at a time anyway.
pub(super) async fn hold_look(
    connection: &mut AnyConnection,
    kind: Kind,
    look: &str,
) -> Result<(), IndexError> {
    if kind == Kind::Postgres {
        let hold = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))
                    WHERE current_setting('transaction_read_only') = 'off'";
        sqlx::query(hold).bind(look).execute(connection).await?;
    }
    Ok(())
}

/// Begins a transaction that sees one snapshot.
pub(super) async fn snapshot(readers: &AnyPool, kind: Kind) -> Result<Write, IndexError> {
    match kind {
        Kind::Sqlite => Ok(readers.begin().await?),
        Kind::Postgres => Ok(readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?),
    }
}

/// Begins a snapshot for somebody who reads everything, however long it takes.
pub(super) async fn long_snapshot(readers: &AnyPool, kind: Kind) -> Result<Write, IndexError> {
    let mut snapshot = snapshot(readers, kind).await?;
    if kind == Kind::Postgres {
        take_time(&mut snapshot).await?;
    }
    Ok(snapshot)
}

/// Lets the statements of this transaction, and the pauses between them, take as long as they do.
async fn take_time(connection: &mut AnyConnection) -> Result<(), IndexError> {
    let settings = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '15min'";
    sqlx::raw_sql(settings).execute(connection).await?;
    Ok(())
}

/// Begins the transaction in which one server at a time makes tables.
pub(super) async fn begin_tables(writers: &AnyPool, kind: Kind) -> Result<Write, IndexError> {
    begin_with_lock(writers, kind, TABLES).await
}

/// Begins the transaction in which one server at a time advances the log.
pub(super) async fn begin_log(writers: &AnyPool) -> Result<Write, IndexError> {
    // Tiles are written between two statements.
    begin_with_lock(writers, Kind::Postgres, LOG).await
}

async fn begin_with_lock(writers: &AnyPool, kind: Kind, key: i32) -> Result<Write, IndexError> {
    match kind {
        Kind::Sqlite => Ok(writers.begin_with("BEGIN IMMEDIATE").await?),
        Kind::Postgres => {
            let mut write = writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            lock(&mut write, key).await?;
            take_time(&mut write).await?;
            Ok(write)
        }
    }
}

async fn lock(connection: &mut AnyConnection, key: i32) -> Result<(), IndexError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(LOCKS).bind(key).execute(connection).await?;
    Ok(())
}

async fn sqlite(path: &Path, connections: u32) -> Result<AnyPool, IndexError> {
    let text = path.to_str().ok_or_else(|| IndexError::Config {
        key: "data",
        why: format!("`{}` is not UTF-8", path.display()),
    })?;
    let encoded = percent_encoding::utf8_percent_encode(text, &PATH);
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(60))
        // When the disk is full SQLite itself ends the transaction. The driver believes that it is still in it
        // and would refuse every later one, so the connection goes.
        .before_acquire(|connection: &mut AnyConnection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        })
        .after_connect(|connection: &mut AnyConnection, _| {
            Box::pin(async move {
                // FULL: an acknowledged write survives a power cut, not only a crash.
                let pragmas = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; \
                     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
                sqlx::raw_sql(pragmas).execute(connection).await.map(|_| ())
            })
        })
        .connect(&format!("sqlite://{encoded}?mode=rwc"))
        .await?;
    Ok(pool)
}

const PATH: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// Whoever waits gets an answer, and the locks of a server that vanished come free.
const SETTINGS: &str = "SET lock_timeout = '30s'; SET statement_timeout = '60s'; \
     SET idle_in_transaction_session_timeout = '60s'; \
     SET tcp_keepalives_idle = '20'; SET tcp_keepalives_interval = '5'; \
     SET synchronous_commit = 'on';";

async fn postgres(url: &str) -> Result<AnyPool, IndexError> {
    let pool = AnyPoolOptions::new()
        .max_connections(8)
        .min_connections(0)
        // How long a request waits for a database that is away before it is told so.
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection: &mut AnyConnection, _| {
            Box::pin(async move { sqlx::raw_sql(SETTINGS).execute(connection).await.map(|_| ()) })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

/// One connection to PostgreSQL, in no pool.
pub(super) async fn connect(url: &str) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
    Ok(connection)
}
