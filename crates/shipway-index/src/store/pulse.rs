//! Notices every commit to the database, by any process, before an answer is given.
//!
//! SQLite in WAL mode keeps the header of the WAL index in the first 48 bytes of the `-shm` file, a
//! documented format: a commit becomes visible to readers by rewriting that header (change counter, last
//! frame, its running checksum, salts). So the header is exactly as new as the newest visible commit, no
//! crash can leave the two apart, and comparing it costs one `pread` of a file that is in memory.
//!
//! PostgreSQL is asked: [`Asking`]. See docs/design/index-pages.md.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::asking::Asking;
use super::projects::Serials;
use crate::error::IndexError;

const HEADER: usize = 48;
/// The only version of the WAL index format there has been.
const FORMAT: u32 = 3_007_000;

/// Notices commits, for whoever asks.
#[derive(Debug, Clone)]
pub(crate) enum Pulse {
    Wal(Arc<Wal>),
    Asking(Arc<Asking>),
}

/// SQLite's file.
#[derive(Debug)]
pub(crate) struct Wal {
    shm: File,
    path: PathBuf,
}

/// Equal stamps mean that no commit lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    Wal([u8; HEADER]),
    Serials(Serials),
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
            return Ok(Self::Wal(Arc::new(Wal { shm, path })));
        }
        let value = format!("WAL index format {version}");
        Err(IndexError::Corrupt { place: "the header of the `-shm` file", value })
    }

    /// One for a thread of connections: it asks over a connection of its own, which lives on that thread.
    pub(crate) fn another(&self) -> Self {
        match self {
            Self::Wal(wal) => Self::Wal(wal.clone()),
            Self::Asking(asking) => Self::Asking(asking.another()),
        }
    }

    /// A stamp that covers every commit until now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn read(&self) -> Result<Stamp, IndexError> {
        match self {
            Self::Wal(wal) => Ok(Stamp::Wal(read_header(&wal.shm, &wal.path)?)),
            Self::Asking(asking) => asking.read().await.map(Stamp::Serials),
        }
    }

    /// The same, where it is had without waiting.
    pub(crate) fn now(&self) -> Option<Stamp> {
        match self {
            Self::Wal(wal) => read_header(&wal.shm, &wal.path).ok().map(Stamp::Wal),
            Self::Asking(_) => None,
        }
    }

    /// Ends the connection that it asks over.
    pub(crate) async fn close(&self) {
        if let Self::Asking(asking) = self {
            asking.close().await;
        }
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
