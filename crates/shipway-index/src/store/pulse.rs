//! Notices every commit to the database, by any process on this machine, without a query.
//!
//! SQLite in WAL mode keeps the header of the WAL index in the first 48 bytes of the `-shm` file, a
//! documented format: a commit becomes visible to readers by rewriting that header (change counter, last
//! frame, its running checksum, salts). So the header is exactly as new as the newest visible commit, no
//! crash can leave the two apart, and comparing it costs one `pread` of a file that is in memory.
//! See docs/design/index-pages.md. PostgreSQL will put another kind of pulse here.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::IndexError;

const HEADER: usize = 48;
/// The only version of the WAL index format there has been.
const FORMAT: u32 = 3_007_000;

#[derive(Debug)]
pub(super) struct Pulse {
    shm: File,
    path: PathBuf,
}

/// What the header said; equal stamps mean that no commit lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp([u8; HEADER]);

impl Pulse {
    /// Opens the file. The connections of the pool must be open by now and stay open: as long as one is,
    /// SQLite neither removes nor replaces the file.
    pub(super) fn open(database: &Path) -> Result<Self, IndexError> {
        let mut name = database.as_os_str().to_owned();
        name.push("-shm");
        let path = PathBuf::from(name);
        let shm = File::open(&path).map_err(IndexError::io("open", &path))?;
        let pulse = Self { shm, path };
        let Stamp(header) = pulse.read()?;
        let version = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        if version == FORMAT {
            return Ok(pulse);
        }
        let value = format!("WAL index format {version}");
        Err(IndexError::Corrupt { place: "the header of the `-shm` file", value })
    }

    pub(super) fn read(&self) -> Result<Stamp, IndexError> {
        let mut header = [0; HEADER];
        read_start(&self.shm, &mut header).map_err(IndexError::io("read", &self.path))?;
        Ok(Stamp(header))
    }
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
