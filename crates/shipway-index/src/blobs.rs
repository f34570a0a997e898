//! The files of the index by digest: streamed in while hashing, made durable, never overwritten.
//!
//! [`Blobs`] is the only place that knows where bytes live; the rest of the crate asks by digest. It
//! refuses to decide anything: whether a blob belongs to something visible is a row of the store, and a
//! blob without a row is garbage.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blake2::Blake2b;
use blake2::digest::consts::U32;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use shipway_dist::digest::{Hasher, Sha256};
use shipway_pyapi::judge::Arriving;
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Faults;
use crate::error::IndexError;

/// The files, in folders of one file system.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    root: PathBuf,
    unfinished: PathBuf,
    faults: Faults,
}

/// The digests of an upload, one for each kind that the legacy upload API knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) blake2_256: [u8; 32],
}

/// Bytes that arrived whole and are durable under a temporary name; dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Staged {
    path: TempPath,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) digests: Digests,
    /// The first bytes, for telling archives apart.
    pub(crate) head: Vec<u8>,
    /// The judgement that began while the bytes arrived.
    pub(crate) arriving: Option<Arriving>,
}

impl Staged {
    /// Where the bytes are for now.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// An upload under way; bytes are hashed and written by a thread of their own, in order.
pub(crate) struct Staging {
    sender: mpsc::Sender<Bytes>,
    writer: JoinHandle<Result<Staged, IndexError>>,
    size: u64,
    limit: u64,
}

impl Staging {
    /// Adds bytes.
    ///
    /// # Errors
    /// When the limit is passed or the storage does not take them; nothing is left behind then.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), IndexError> {
        self.size += bytes.len() as u64;
        if self.size > self.limit {
            return Err(IndexError::TooLarge { what: "the file".to_owned(), limit: self.limit });
        }
        if self.sender.send(bytes).await.is_ok() {
            return Ok(());
        }
        // The writer hung up: it says why.
        match (&mut self.writer).await? {
            Err(error) => Err(error),
            Ok(_) => Err(IndexError::ShuttingDown),
        }
    }

    /// Ends the upload and makes the bytes durable.
    pub(crate) async fn finish(self) -> Result<Staged, IndexError> {
        drop(self.sender);
        self.writer.await?
    }
}

/// A blob that was opened for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) size: u64,
}

impl Blobs {
    /// Opens the folder, creates it when it is missing, and removes old remains of uploads that never
    /// finished.
    pub(crate) fn open(root: PathBuf, keep: Duration, faults: Faults) -> Result<Self, IndexError> {
        let unfinished = root.join("unfinished");
        fs::create_dir_all(&unfinished).map_err(IndexError::io("create", &unfinished))?;
        let blobs = Self { root, unfinished, faults };
        blobs.sweep(keep);
        Ok(blobs)
    }

    fn sweep(&self, keep: Duration) {
        let Ok(entries) = fs::read_dir(&self.unfinished) else { return };
        let now = SystemTime::now();
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let old = modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age >= keep));
            if old && let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(%error, path = %entry.path().display(), "cannot remove an unfinished upload");
            }
        }
    }

    /// Begins an upload of at most `limit` bytes; with a filename they are judged while they arrive.
    pub(crate) fn stage(&self, limit: u64, filename: Option<&str>) -> Staging {
        let (sender, receiver) = mpsc::channel(8);
        let (blobs, filename) = (self.clone(), filename.map(str::to_owned));
        let writer = tokio::task::spawn_blocking(move || blobs.write(receiver, filename.as_deref()));
        Staging { sender, writer, size: 0, limit }
    }

    fn write(
        &self,
        mut receiver: mpsc::Receiver<Bytes>,
        filename: Option<&str>,
    ) -> Result<Staged, IndexError> {
        let at = &self.unfinished;
        let mut file = NamedTempFile::new_in(at).map_err(IndexError::io("create a file in", at))?;
        let begin = |filename| file.reopen().and_then(|file| Arriving::begin(file, filename));
        let arriving = filename.map(begin).transpose().map_err(IndexError::io("judge", file.path()))?;
        let (mut sha256, mut md5, mut blake2) = (Hasher::default(), Md5::new(), Blake2b::<U32>::new());
        let mut head = Vec::with_capacity(16);
        let mut written = 0;
        while let Some(bytes) = receiver.blocking_recv() {
            if head.len() < 16 {
                head.extend_from_slice(&bytes[..bytes.len().min(16 - head.len())]);
            }
            written += bytes.len() as u64;
            let full = self.faults.disk_full_after.is_some_and(|limit| written > limit);
            let result = if full { Err(io::ErrorKind::StorageFull.into()) } else { file.write_all(&bytes) };
            result.map_err(IndexError::io("write", file.path()))?;
            if let Some(arriving) = &arriving {
                arriving.grow(written);
            }
            sha256.update(&bytes);
            md5.update(&bytes);
            blake2.update(&bytes);
        }
        if let Some(arriving) = &arriving {
            arriving.end();
        }
        file.as_file().sync_all().map_err(IndexError::io("sync", file.path()))?;
        let (sha256, size) = sha256.finish();
        let digests = Digests { md5: md5.finalize().into(), blake2_256: blake2.finalize().into() };
        self.faults.pass("blob.staged");
        Ok(Staged { path: file.into_temp_path(), sha256, size, digests, head, arriving })
    }

    /// Where a digest's bytes are.
    pub(crate) fn path_of(&self, sha256: &Sha256) -> PathBuf {
        let hex = sha256.to_hex();
        self.root.join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    /// Makes staged bytes stand under their digest, durably; says whether they were new.
    ///
    /// Create-only: bytes that stand there are never touched. The temporary name stays until `staged` is
    /// dropped, so the call can be repeated when someone removed the blob in between.
    pub(crate) fn place(&self, staged: &Staged) -> Result<bool, IndexError> {
        let path = self.path_of(&staged.sha256);
        if path.exists() {
            return Ok(false);
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
        let new = match fs::hard_link(staged.path(), &path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            // A file system without hard links: copy beside it, then rename, which no reader sees half done.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.copy(staged, &path)?,
            Err(error) => return Err(IndexError::io("create", &path)(error)),
        };
        for folder in folder.ancestors().take(3) {
            sync_folder(folder)?;
        }
        self.faults.pass("blob.placed");
        Ok(new)
    }

    fn copy(&self, staged: &Staged, path: &Path) -> Result<bool, IndexError> {
        let temporary = NamedTempFile::new_in(&self.unfinished)
            .map_err(IndexError::io("create a file in", &self.unfinished))?;
        fs::copy(staged.path(), temporary.path()).map_err(IndexError::io("write", temporary.path()))?;
        temporary.as_file().sync_all().map_err(IndexError::io("sync", temporary.path()))?;
        match temporary.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(IndexError::io("create", path)(error.error)),
        }
    }

    /// Opens a blob.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub(crate) fn read(&self, sha256: &Sha256) -> Result<Opened, IndexError> {
        let path = self.path_of(sha256);
        let file = File::open(&path).map_err(IndexError::io("open", &path))?;
        let size = file.metadata().map_err(IndexError::io("read", &path))?.len();
        Ok(Opened { file, size })
    }

    /// Whether the bytes are there.
    pub(crate) fn holds(&self, sha256: &Sha256) -> bool {
        self.path_of(sha256).exists()
    }

    /// Removes a blob. Only called inside a write transaction that found no row for it.
    pub(crate) fn remove(&self, sha256: &Sha256) -> Result<(), IndexError> {
        let path = self.path_of(sha256);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(IndexError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), IndexError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(IndexError::io("sync", folder))
}

/// Windows has no such call; NTFS journals the name itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> Result<(), IndexError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn stage(blobs: &Blobs, bytes: &'static [u8]) -> Result<Staged, IndexError> {
        let mut staging = blobs.stage(1000, None);
        for chunk in bytes.chunks(2) {
            staging.push(Bytes::from_static(chunk)).await?;
        }
        staging.finish().await
    }

    fn open(root: &Path, faults: Faults) -> Blobs {
        Blobs::open(root.to_owned(), Duration::from_secs(60), faults).unwrap()
    }

    #[tokio::test]
    async fn bytes_stand_under_their_digest_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults::default());
        let staged = stage(&blobs, b"some bytes").await.unwrap();
        assert_eq!(staged.sha256, Sha256::of(b"some bytes"));
        assert!(blobs.place(&staged).unwrap());
        assert!(!blobs.place(&staged).unwrap());
        assert_eq!(blobs.read(&staged.sha256).unwrap().size, 10);
        drop(staged);
        assert_eq!(fs::read_dir(folder.path().join("unfinished")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults { disk_full_after: Some(3), ..Faults::default() });
        let error =
            stage(&blobs, b"some more bytes than that, so that the writer hangs up").await.unwrap_err();
        assert!(matches!(error, IndexError::StorageFull { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path().join("unfinished")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn only_old_remains_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults::default());
        fs::write(folder.path().join("unfinished/.tmpx"), b"x").unwrap();
        blobs.sweep(Duration::from_secs(60));
        assert!(folder.path().join("unfinished/.tmpx").exists());
        blobs.sweep(Duration::ZERO);
        assert!(!folder.path().join("unfinished/.tmpx").exists());
    }
}
