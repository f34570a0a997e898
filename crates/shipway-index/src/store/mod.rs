//! What the index knows, in SQL: writers that keep each other out, readers on snapshots, a row is the commit.
//!
//! Statements are plain SQL through `sqlx::Any` with `$1` parameters and only text, integers and bytes, so
//! that one set of them serves SQLite and PostgreSQL. Nothing here decides: rules stand in
//! [`crate::accept`] and [`crate::channels`]. What differs between databases is in [`connect`] (how to connect,
//! how to begin a write), [`pulse`] (how to notice another process's commit) and [`migrate`].

mod asking;
mod audit;
mod checkpoint;
mod connect;
mod contents;
mod evidence;
mod files;
mod journal;
mod keys;
mod lists;
mod migrate;
mod projects;
mod publishers;
mod pulse;
mod removal;
mod sessions;
mod standing;
mod tokens;
mod trouble;
mod upstream;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Transaction};

use crate::error::IndexError;

pub(crate) use audit::{
    Referent, all_projects, filename_of, files_of, listed, next_metadata, referents, set_size, unannounced,
    without_metadata,
};
pub(crate) use checkpoint::{checkpoint, set_checkpoint, set_signer, signer};
pub(crate) use connect::{Database, Kind, Scope};
pub(crate) use contents::{
    importer_of, insert_import_name, insert_metadata, insert_sdist_metadata, metadata, sdist_metadata,
};
pub(crate) use evidence::{
    NewStatement, StatementRow, evidence_of, insert_evidence, same_statement, statements_of,
};
pub(crate) use journal::{Entry, JournalRow, append, journal, last_entry, last_record, settle};
pub(crate) use keys::{insert_key, key, keys, policy, register_key, revoke_key, set_policy};
pub(crate) use lists::{listed_name, project_names};
#[cfg(test)]
pub(crate) use migrate::migrations;
pub(crate) use migrate::newest;
pub(crate) use projects::{
    LedgerRow, NewFile, NewRelease, Serials, block, changed_since, channels, holds_release, insert_channel,
    insert_file, insert_membership, is_claimed, ledger, load_project, references, serials, set_refuses,
    touch, unblock, upsert_release, yank, yank_file,
};
pub(crate) use publishers::{
    has_publishers, insert_publisher, publishers, publishers_of, remove_publisher, set_actions, set_claims,
    use_identity,
};
pub(crate) use pulse::{Pulse, Stamp};
pub(crate) use removal::{
    drop_metadata, drop_sdist_metadata, expired_sessions, mark_cleared, mark_discarded, mark_removed,
    uncleared_sessions, undiscarded, undiscarded_file,
};
pub(crate) use sessions::{
    SessionFile, SessionRow, cancel, extend, insert_session, mark_received, open_session, publish_session,
    renew, session,
};
pub(crate) use standing::{
    came_from_upstream, insert as insert_project, look_alike, made_since, namespaces, set_namespace,
    set_standing,
};
pub(crate) use tokens::{TokenRow, forget_minted, insert_token, revoke_token, spend, token, tokens};
pub(crate) use trouble::{is_away, is_full, is_read_only};
pub(crate) use upstream::{pin, pinned, pins_of, seen, set_seen};

/// The database; a clone stands on the same connections.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    kind: Kind,
    readers: AnyPool,
    /// On SQLite one connection: writers of this process queue here, those of other processes at
    /// `BEGIN IMMEDIATE`.
    writers: AnyPool,
    pulse: Pulse,
}

/// A write transaction; rolled back unless committed.
pub(crate) type Write = Transaction<'static, Any>;
/// A connection to read with.
pub(crate) type Read = PoolConnection<Any>;

impl Store {
    /// Opens the database and brings it to this version's tables; a SQLite file is created when it is missing.
    pub(crate) async fn open(database: &Database) -> Result<Self, IndexError> {
        let pools = connect::Pools::open(database).await?;
        migrate::run(&pools.writers, pools.kind).await?;
        let pulse = pools.pulse(database)?;
        let connect::Pools { kind, readers, writers } = pools;
        Ok(Self { kind, readers, writers, pulse })
    }

    /// Which dialect it speaks.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What notices commits for a thread of connections.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.another()
    }

    /// A stamp that differs after every commit that a reader could notice, by whichever server.
    pub(crate) async fn stamp(&self) -> Result<Stamp, IndexError> {
        self.pulse.read().await
    }

    /// A connection for single statements.
    pub(crate) async fn read(&self) -> Result<Read, IndexError> {
        Ok(self.readers.acquire().await?)
    }

    /// A transaction that sees one snapshot.
    pub(crate) async fn snapshot(&self) -> Result<Write, IndexError> {
        connect::snapshot(&self.readers, self.kind).await
    }

    /// A snapshot for somebody who reads everything, however long it takes.
    pub(crate) async fn long_snapshot(&self) -> Result<Write, IndexError> {
        connect::long_snapshot(&self.readers, self.kind).await
    }

    /// Begins a write: nobody else writes until it ends.
    pub(crate) async fn write(&self) -> Result<Write, IndexError> {
        connect::begin(&self.writers, self.kind, Scope::All).await
    }

    /// Begins a write that decides about one project: nobody else decides about it until it ends.
    pub(crate) async fn write_project(&self, normalized: &str) -> Result<Write, IndexError> {
        connect::begin(&self.writers, self.kind, Scope::Project(normalized)).await
    }

    /// Begins the transaction that holds the lock of the log; on PostgreSQL only.
    pub(crate) async fn write_log(&self) -> Result<Write, IndexError> {
        connect::begin_log(&self.writers).await
    }

    /// Closes all connections; the last process to do so folds SQLite's write-ahead log into the database.
    pub(crate) async fn close(&self) {
        self.pulse.close().await;
        self.readers.close().await;
        self.writers.close().await;
    }
}

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
