//! The files of the index by digest: streamed in while hashing, made durable, never overwritten.
//!
//! Uploads are staged on a local disk, and then stand in a [`folder`] or in a bucket ([`objects`]). [`Blobs`] is
//! the only place that knows which; the rest of the crate asks by digest. It
//! refuses to decide anything: whether a blob belongs to something visible is a row of the store, and a
//! blob without a row is garbage.

mod folder;
mod objects;
mod unfinished;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blake2::Blake2b;
use blake2::digest::consts::U32;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use md5::{Digest as _, Md5};
use shipway_dist::digest::{Hasher, Sha256};
use shipway_pyapi::judge::Arriving;
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Faults;
use crate::error::IndexError;

use folder::Folder;
pub(crate) use objects::Objects;
pub(crate) use unfinished::Remains;
use unfinished::Unfinished;

/// Where files are kept.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Folder(PathBuf),
    Objects(Objects),
}

/// The files.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    storage: Arc<dyn Storage>,
    unfinished: Arc<Unfinished>,
    faults: Faults,
}

/// The digests of an upload, one for each kind that the legacy upload API knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) blake2_256: [u8; 32],
}

/// Bytes that arrived whole and are durable under a temporary name.
///
/// Dropped, they are gone; but once they were put into the storage, the name is all that tells of them until a
/// row does. So from then on it stays for the sweep, unless somebody says that all is [`settled`](Self::settle).
#[derive(Debug)]
pub(crate) struct Staged {
    path: TempPath,
    /// Whether the storage may hold the bytes without a row.
    placed: AtomicBool,
    unfinished: Arc<Unfinished>,
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

    /// Says that a row stands on the bytes, or that they were taken out of the storage again.
    pub(crate) fn settle(&self) {
        self.placed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.placed.load(Ordering::Relaxed) {
            self.path.disable_cleanup(true);
            self.unfinished.leave(self.path.to_path_buf());
        }
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

/// Bytes of a blob as they come.
pub(crate) type Chunks = BoxStream<'static, Result<Bytes, IndexError>>;

/// Something that stands in the storage.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The digest that it stands under; none when it stands where no blob does.
    pub(crate) sha256: Option<Sha256>,
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// A place where bytes stand under their digest.
trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes the bytes of a file stand under their digest, durably; says whether they were new. What stands
    /// there is never touched.
    fn put<'a>(
        &'a self,
        sha256: Sha256,
        staged: &'a Path,
        size: u64,
    ) -> BoxFuture<'a, Result<bool, IndexError>>;
    /// The number of bytes that stand under a digest; none when nothing does.
    fn size(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<u64>, IndexError>>;
    /// The open file with the bytes, where it is one of this machine.
    fn file(&self, _sha256: Sha256) -> BoxFuture<'_, Result<Option<fs::File>, IndexError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Whether an open file is what stands under a digest now.
    fn stands(&self, _sha256: &Sha256, _file: &fs::File) -> bool {
        false
    }
    /// A range of the bytes.
    fn open(&self, sha256: Sha256, start: u64, length: u64) -> BoxFuture<'_, Result<Chunks, IndexError>>;
    /// Removes the bytes; that there are none is success.
    fn remove(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>>;
    /// Puts bytes that are not what their name says where nobody finds them by it.
    fn set_aside(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>>;
    /// Everything that stands there.
    fn list(&self) -> BoxStream<'_, Result<Held, IndexError>>;
    /// A URL under which a reader gets the bytes without the index, where the storage has such.
    fn redirect(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<url::Url>, IndexError>>;
}

impl Blobs {
    /// Opens a storage and creates what is missing on this machine. Uploads to a storage elsewhere are staged
    /// below `scratch`.
    pub(crate) fn open(place: &Place, scratch: &Path, faults: Faults) -> Result<Self, IndexError> {
        let unfinished = Unfinished::open(match place {
            Place::Folder(root) => root.join("unfinished"),
            Place::Objects(_) => scratch.join("unfinished"),
        })?;
        let storage: Arc<dyn Storage> = match place {
            Place::Folder(root) => Arc::new(Folder::new(root.clone(), unfinished.own().to_owned())),
            Place::Objects(objects) => Arc::new(objects.clone()),
        };
        Ok(Self { storage, unfinished: Arc::new(unfinished), faults })
    }

    /// The folder in which this process stages uploads.
    pub(crate) fn unfinished(&self) -> &Path {
        self.unfinished.own()
    }

    /// Whether uploads can be staged here, and the storage answers.
    ///
    /// # Errors
    /// When not.
    pub(crate) async fn ready(&self) -> Result<(), IndexError> {
        let unfinished = self.unfinished().to_owned();
        let stage = move || {
            NamedTempFile::new_in(&unfinished).map(drop).map_err(IndexError::io("write to", &unfinished))
        };
        tokio::task::spawn_blocking(stage).await??;
        // A digest of nothing: what is asked for is an answer.
        self.storage.size(Sha256::of(b"")).await.map(drop)
    }

    /// What other processes left behind that ended; where that cannot be told, what is as old as `keep` or older.
    pub(crate) fn remains(&self, keep: Duration) -> Vec<Remains> {
        self.unfinished.remains(keep)
    }

    /// Takes what this process left behind itself.
    pub(crate) fn take_left(&self) -> Vec<PathBuf> {
        self.unfinished.take_left()
    }

    /// Leaves what could not be swept for the next time.
    pub(crate) fn leave(&self, path: PathBuf) {
        self.unfinished.leave(path);
    }

    /// Waits until this process leaves something behind.
    pub(crate) async fn something_left(&self) {
        self.unfinished.something_left().await;
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
        let at = self.unfinished();
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
        let (path, placed, unfinished) =
            (file.into_temp_path(), AtomicBool::new(false), self.unfinished.clone());
        Ok(Staged { path, placed, unfinished, sha256, size, digests, head, arriving })
    }

    /// Makes staged bytes stand under their digest, durably; says whether they were new.
    ///
    /// Create-only: bytes that stand there are never touched. The temporary name stays until `staged` is
    /// dropped, so the call can be repeated when someone removed the blob in between.
    pub(crate) async fn place(&self, staged: &Staged) -> Result<bool, IndexError> {
        // Before it is asked: a storage that breaks off may have taken the bytes.
        staged.placed.store(true, Ordering::Relaxed);
        let new = self.storage.put(staged.sha256, staged.path(), staged.size).await?;
        if new {
            self.faults.pass("blob.placed");
        }
        Ok(new)
    }

    /// A range of a blob's bytes.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub(crate) async fn open_range(
        &self,
        sha256: &Sha256,
        start: u64,
        length: u64,
    ) -> Result<Chunks, IndexError> {
        if length == 0 {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        self.storage.open(*sha256, start, length).await
    }

    /// Whether an open file is still what stands under a digest; false where that cannot be told.
    pub(crate) fn stands(&self, sha256: &Sha256, file: &fs::File) -> bool {
        self.storage.stands(sha256, file)
    }

    /// The open file of a blob, where the storage is a folder of this machine.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub(crate) async fn file(&self, sha256: &Sha256) -> Result<Option<std::fs::File>, IndexError> {
        self.storage.file(*sha256).await
    }

    /// The number of bytes under a digest; none when they are not there.
    pub(crate) async fn size(&self, sha256: &Sha256) -> Result<Option<u64>, IndexError> {
        self.storage.size(*sha256).await
    }

    /// Whether the bytes are there.
    pub(crate) async fn holds(&self, sha256: &Sha256) -> Result<bool, IndexError> {
        Ok(self.size(sha256).await?.is_some())
    }

    /// Removes a blob. Only called inside a write transaction that found no row for it.
    pub(crate) async fn remove(&self, sha256: &Sha256) -> Result<(), IndexError> {
        self.storage.remove(*sha256).await
    }

    /// Puts bytes that are not what their name says aside, below `altered`.
    pub(crate) async fn set_aside(&self, sha256: &Sha256) -> Result<(), IndexError> {
        self.storage.set_aside(*sha256).await
    }

    /// Everything that stands in the storage.
    pub(crate) fn list(&self) -> BoxStream<'_, Result<Held, IndexError>> {
        self.storage.list()
    }

    /// A URL of the storage itself under which a reader gets the bytes for a while.
    pub(crate) async fn redirect(&self, sha256: &Sha256) -> Result<Option<url::Url>, IndexError> {
        self.storage.redirect(*sha256).await
    }
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
        Blobs::open(&Place::Folder(root.to_owned()), root, faults).unwrap()
    }

    /// How many temporary files there are.
    fn waiting(blobs: &Blobs) -> usize {
        fs::read_dir(blobs.unfinished()).unwrap().count()
    }

    #[tokio::test]
    async fn bytes_stand_under_their_digest_once() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults::default());
        let staged = stage(&blobs, b"some bytes").await.unwrap();
        assert_eq!(staged.sha256, Sha256::of(b"some bytes"));
        assert!(blobs.place(&staged).await.unwrap());
        assert!(!blobs.place(&staged).await.unwrap());
        assert_eq!(blobs.size(&staged.sha256).await.unwrap(), Some(10));
        staged.settle();
        drop(staged);
        assert_eq!(waiting(&blobs), 0);
        assert_eq!(blobs.take_left(), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn bytes_that_nobody_settled_keep_their_temporary_name() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults::default());
        drop(stage(&blobs, b"never placed").await.unwrap());
        assert_eq!(waiting(&blobs), 0);
        let staged = stage(&blobs, b"some bytes").await.unwrap();
        blobs.place(&staged).await.unwrap();
        let path = staged.path().to_owned();
        drop(staged);
        blobs.something_left().await;
        assert_eq!(blobs.take_left(), [path]);
        assert_eq!(waiting(&blobs), 1);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = open(folder.path(), Faults { disk_full_after: Some(3), ..Faults::default() });
        let error =
            stage(&blobs, b"some more bytes than that, so that the writer hangs up").await.unwrap_err();
        assert!(matches!(error, IndexError::StorageFull { .. }), "{error}");
        assert_eq!(waiting(&blobs), 0);
    }
}
