//! Notices every commit to the database, by any process, before an answer is given.
//!
//! SQLite in WAL mode keeps the header of the WAL index in the first 48 bytes of the `-shm` file, a
//! documented format: a commit becomes visible to readers by rewriting that header (change counter, last
//! frame, its running checksum, salts). So the header is exactly as new as the newest visible commit, no
//! crash can leave the two apart, and comparing it costs one `pread` of a file that is in memory.
//!
//! PostgreSQL is asked: one row holds the serials of the last change. Requests that wait at the same time
//! share one question, as long as it was put after they began; so a busy server asks as often as an answer
//! takes, not as often as it is asked. See docs/design/index-pages.md.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::AnyPool;
use tokio::sync::Mutex;

use super::projects::{Serials, serials};
use crate::error::IndexError;

const HEADER: usize = 48;
/// How long a request waits for the answer of a database before it is told that there is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// The only version of the WAL index format there has been.
const FORMAT: u32 = 3_007_000;

#[derive(Debug)]
pub(super) enum Pulse {
    Wal { shm: File, path: PathBuf },
    Asking(Box<Asking>),
}

/// Equal stamps mean that no commit lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    Wal([u8; HEADER]),
    Serials(Serials),
}

/// One question at a time, for everybody who waits.
#[derive(Debug)]
pub(super) struct Asking {
    pool: AnyPool,
    /// How many requests have asked.
    asked: AtomicU64,
    last: Mutex<Answer>,
}

/// The last answer, and which requests it is for: those that had asked before the question was put.
#[derive(Debug)]
struct Answer {
    covers: u64,
    serials: Option<Serials>,
}

impl Pulse {
    /// Opens SQLite's file. The connections of the pool must be open by now and stay open: as long as one is,
    /// SQLite neither removes nor replaces the file.
    pub(super) fn open(database: &Path) -> Result<Self, IndexError> {
        let mut name = database.as_os_str().to_owned();
        name.push("-shm");
        let path = PathBuf::from(name);
        let shm = File::open(&path).map_err(IndexError::io("open", &path))?;
        let header = read_header(&shm, &path)?;
        let version = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        if version == FORMAT {
            return Ok(Self::Wal { shm, path });
        }
        let value = format!("WAL index format {version}");
        Err(IndexError::Corrupt { place: "the header of the `-shm` file", value })
    }

    /// Asks over a pool of one connection.
    pub(super) fn asking(pool: AnyPool) -> Self {
        let last = Mutex::new(Answer { covers: 0, serials: None });
        Self::Asking(Box::new(Asking { pool, asked: AtomicU64::new(0), last }))
    }

    pub(super) async fn read(&self) -> Result<Stamp, IndexError> {
        match self {
            Self::Wal { shm, path } => Ok(Stamp::Wal(read_header(shm, path)?)),
            Self::Asking(asking) => asking.read().await.map(Stamp::Serials),
        }
    }

    /// What is read without asking anybody.
    pub(super) fn now(&self) -> Option<Stamp> {
        match self {
            Self::Wal { shm, path } => read_header(shm, path).ok().map(Stamp::Wal),
            Self::Asking(_) => None,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Wal { .. } => {}
            Self::Asking(asking) => asking.pool.close().await,
        }
    }
}

impl Asking {
    async fn read(&self) -> Result<Serials, IndexError> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.covers >= turn {
            // A failure is shared too: nobody queues behind a database that is away.
            return last.serials.ok_or(IndexError::Database { source: sqlx::Error::PoolTimedOut });
        }
        let covers = self.asked.load(Ordering::SeqCst);
        let answer = match self.ask().await {
            // The connection may have died while nobody used it.
            Err(IndexError::Database { source: sqlx::Error::PoolTimedOut }) => {
                Err(IndexError::Database { source: sqlx::Error::PoolTimedOut })
            }
            Err(_) => self.ask().await,
            answer => answer,
        };
        *last = Answer { covers, serials: answer.as_ref().ok().copied() };
        answer
    }

    async fn ask(&self) -> Result<Serials, IndexError> {
        let asked = async {
            let mut connection = self.pool.acquire().await?;
            serials(&mut connection).await
        };
        // A database that stands still, and a network that swallows everything, never answer.
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        answer.unwrap_or(Err(IndexError::Database { source: sqlx::Error::PoolTimedOut }))
    }
}

fn read_header(shm: &File, path: &Path) -> Result<[u8; HEADER], IndexError> {
    let mut header = [0; HEADER];
    read_start(shm, &mut header).map_err(IndexError::io("read", path))?;
    Ok(header)
}

#[cfg(unix)]
fn read_start(file: &File, into: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, 0)
}

#[cfg(windows)]
fn read_start(file: &File, into: &mut [u8]) -> std::io::Result<()> {
    let read = std::os::windows::fs::FileExt::seek_read(file, into, 0)?;
    if read == into.len() { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
