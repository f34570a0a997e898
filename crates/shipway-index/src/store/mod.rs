//! What the index knows, in SQL: one writer, readers on snapshots, a row is the commit.
//!
//! Statements are plain SQL through `sqlx::Any` with `$1` parameters and only text, integers and bytes, so
//! that one set of them serves SQLite and PostgreSQL. Nothing here decides: rules stand in
//! [`crate::accept`] and [`crate::channels`]. What differs between databases is in this file: how to
//! connect, how to begin a write, and how to notice another process's commit ([`pulse`]).

mod evidence;
mod journal;
mod keys;
mod lists;
mod migrate;
mod projects;
mod pulse;
mod sessions;
mod tokens;
mod upstream;

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use crate::error::IndexError;

pub(crate) use evidence::{
    NewStatement, StatementRow, evidence_of, insert_evidence, same_statement, statements_of,
};
pub(crate) use journal::{Entry, JournalRow, append, journal, last_entry, last_record};
pub(crate) use keys::{insert_key, key, keys, policy, register_key, revoke_key, set_policy};
pub(crate) use lists::{listed_name, project_names};
pub(crate) use projects::{
    LedgerRow, NewFile, NewRelease, Serials, block, changed_since, channels, holds_release, insert_channel,
    insert_file, insert_membership, insert_metadata, is_claimed, ledger, load_project, mark_removed,
    metadata, references, serials, touch, unblock, upsert_release, yank,
};
pub(crate) use pulse::Stamp;
pub(crate) use sessions::{
    SessionFile, SessionRow, cancel, extend, insert_session, mark_received, open_session, publish_session,
    renew, session,
};
pub(crate) use tokens::{TokenRow, insert_token, revoke_token, token, tokens};
pub(crate) use upstream::{pin, pinned, pins_of};

/// The database.
#[derive(Debug)]
pub(crate) struct Store {
    readers: AnyPool,
    /// One connection: writers of this process queue here, those of other processes at `BEGIN IMMEDIATE`.
    writer: AnyPool,
    pulse: pulse::Pulse,
}

/// A write transaction; rolled back unless committed.
pub(crate) type Write = Transaction<'static, Any>;
/// A connection to read with.
pub(crate) type Read = PoolConnection<Any>;

impl Store {
    /// Opens the SQLite database, creates it when it is missing and brings it to this version's tables.
    pub(crate) async fn open(path: &Path) -> Result<Self, IndexError> {
        install_default_drivers();
        let writer = connect(path, 1).await?;
        migrate::run(&writer).await?;
        let readers = connect(path, 4).await?;
        let pulse = pulse::Pulse::open(path)?;
        Ok(Self { readers, writer, pulse })
    }

    /// A stamp that differs after every commit, by whichever process; costs one small read of a mapped file.
    pub(crate) fn stamp(&self) -> Result<Stamp, IndexError> {
        self.pulse.read()
    }

    /// A connection for single statements.
    pub(crate) async fn read(&self) -> Result<Read, IndexError> {
        Ok(self.readers.acquire().await?)
    }

    /// A transaction that sees one snapshot.
    pub(crate) async fn snapshot(&self) -> Result<Write, IndexError> {
        Ok(self.readers.begin().await?)
    }

    /// Begins a write: no other process writes until it ends.
    pub(crate) async fn write(&self) -> Result<Write, IndexError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Closes all connections; the last process to do so folds the write-ahead log into the database.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn connect(path: &Path, connections: u32) -> Result<AnyPool, IndexError> {
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

/// Reads a stored text as a type.
fn parse<T: std::str::FromStr>(place: &'static str, text: String) -> Result<T, IndexError> {
    text.parse().map_err(|_| IndexError::Corrupt { place, value: text })
}

fn size(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
