//! Files in folders of one file system.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use shipway_dist::digest::Sha256;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{Bytes, Chunks, Held, Storage};
use crate::error::IndexError;

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// A folder; a file's place in it is its digest.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    unfinished: PathBuf,
    system: System,
}

/// What the system is asked for, and may refuse.
#[derive(Debug, Clone, Copy)]
struct System {
    link: fn(&Path, &Path) -> io::Result<()>,
    sync: fn(&Path) -> io::Result<()>,
}

impl Folder {
    pub(super) fn new(root: PathBuf, unfinished: PathBuf) -> Self {
        let system = System { link: |from, to| fs::hard_link(from, to), sync: sync_folder };
        Self { root, unfinished, system }
    }

    fn path_of(&self, sha256: &Sha256) -> PathBuf {
        let hex = sha256.to_hex();
        self.root.join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    fn place(&self, sha256: &Sha256, staged: &Path) -> Result<bool, IndexError> {
        let path = self.path_of(sha256);
        // The link that an earlier call made, and synced.
        if is_same(&path, staged) {
            return Ok(false);
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
        let new = if path.exists() { false } else { self.link(staged, &path)? };
        // Also when somebody else put it there: nobody says whether that one came as far as here, and what is
        // acknowledged now must outlive a power cut now.
        for folder in folder.ancestors().take(3) {
            (self.system.sync)(folder).map_err(IndexError::io("sync", folder))?;
        }
        Ok(new)
    }

    fn link(&self, staged: &Path, path: &Path) -> Result<bool, IndexError> {
        use io::ErrorKind::{AlreadyExists, CrossesDevices, PermissionDenied, Unsupported};

        match (self.system.link)(staged, path) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                AlreadyExists => Ok(false),
                // No hard links (vfat and exFAT say EPERM), or another file system: copy beside it, then rename,
                // which no reader sees half done.
                Unsupported | CrossesDevices | PermissionDenied => self.copy(staged, path),
                _ => Err(IndexError::io("create", path)(error)),
            },
        }
    }

    fn copy(&self, staged: &Path, path: &Path) -> Result<bool, IndexError> {
        let temporary = NamedTempFile::new_in(&self.unfinished)
            .map_err(IndexError::io("create a file in", &self.unfinished))?;
        fs::copy(staged, temporary.path()).map_err(IndexError::io("write", temporary.path()))?;
        temporary.as_file().sync_all().map_err(IndexError::io("sync", temporary.path()))?;
        match temporary.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(IndexError::io("create", path)(error.error)),
        }
    }

    /// What stands below one of the 256 folders.
    fn below(&self, first: &Path) -> Result<Vec<Held>, IndexError> {
        let mut found = Vec::new();
        for second in entries(first)? {
            for entry in entries(&second)? {
                let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let size = match fs::metadata(&entry) {
                    Ok(metadata) => metadata.len(),
                    // Removed since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(IndexError::io("read", &entry)(error)),
                };
                // Only where it would be looked for.
                let sha256 = name.parse().ok().filter(|sha256| self.path_of(sha256) == entry);
                found.push(Held { sha256, name: entry.display().to_string(), size });
            }
        }
        Ok(found)
    }
}

impl Storage for Folder {
    fn put<'a>(
        &'a self,
        sha256: Sha256,
        staged: &'a Path,
        _size: u64,
    ) -> BoxFuture<'a, Result<bool, IndexError>> {
        let (folder, staged) = (self.clone(), staged.to_owned());
        async move { tokio::task::spawn_blocking(move || folder.place(&sha256, &staged)).await? }.boxed()
    }

    fn size(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<u64>, IndexError>> {
        let path = self.path_of(&sha256);
        async move {
            match fs::metadata(&path) {
                Ok(metadata) => Ok(Some(metadata.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(IndexError::io("read", &path)(error)),
            }
        }
        .boxed()
    }

    fn file(&self, sha256: Sha256) -> BoxFuture<'_, Result<Option<fs::File>, IndexError>> {
        let path = self.path_of(&sha256);
        async move {
            let opened = tokio::fs::File::open(&path).await.map_err(IndexError::io("open", &path))?;
            Ok(Some(opened.into_std().await))
        }
        .boxed()
    }

    fn stands(&self, sha256: &Sha256, file: &fs::File) -> bool {
        let path = self.path_of(sha256);
        file.metadata().is_ok_and(|open| fs::metadata(path).is_ok_and(|there| are_same(&open, &there)))
    }

    fn open(&self, sha256: Sha256, start: u64, length: u64) -> BoxFuture<'_, Result<Chunks, IndexError>> {
        let path = self.path_of(&sha256);
        async move {
            let mut file = tokio::fs::File::open(&path).await.map_err(IndexError::io("open", &path))?;
            file.set_max_buf_size(CHUNK);
            if start > 0 {
                file.seek(io::SeekFrom::Start(start)).await.map_err(IndexError::io("read", &path))?;
            }
            let chunks = ReaderStream::with_capacity(file.take(length), CHUNK);
            let chunks = chunks.map(move |chunk| chunk.map_err(IndexError::io("read", path.clone())));
            Ok(Box::pin(chunks) as BoxStream<'static, Result<Bytes, IndexError>>)
        }
        .boxed()
    }

    fn remove(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>> {
        let path = self.path_of(&sha256);
        async move {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(IndexError::io("remove", &path)(error))
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn set_aside(&self, sha256: Sha256) -> BoxFuture<'_, Result<(), IndexError>> {
        let (from, aside) = (self.path_of(&sha256), self.root.join("altered"));
        async move {
            fs::create_dir_all(&aside).map_err(IndexError::io("create", &aside))?;
            fs::rename(&from, aside.join(sha256.to_hex())).map_err(IndexError::io("rename", &from))
        }
        .boxed()
    }

    fn list(&self) -> BoxStream<'_, Result<Held, IndexError>> {
        let firsts = match entries(&self.root) {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        let others = ["unfinished", "log", "altered"].map(|name| self.root.join(name));
        futures_util::stream::iter(firsts)
            .filter(move |first| {
                let other = first.as_ref().is_ok_and(|path| others.contains(path));
                std::future::ready(!other)
            })
            .then(move |first| async move {
                let folder = self.clone();
                let first = first?;
                tokio::task::spawn_blocking(move || folder.below(&first)).await?
            })
            .flat_map(|found| {
                futures_util::stream::iter(match found {
                    Ok(found) => found.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                })
            })
            .boxed()
    }

    fn redirect(&self, _sha256: Sha256) -> BoxFuture<'_, Result<Option<url::Url>, IndexError>> {
        async { Ok(None) }.boxed()
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, IndexError> {
    let read =
        || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    match read() {
        Ok(mut found) => {
            found.sort();
            Ok(found)
        }
        // A file where a folder should be: whoever asks for it finds out.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(IndexError::io("read", folder)(error)),
    }
}

/// Whether two names are of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    fs::metadata(one).is_ok_and(|one| fs::metadata(other).is_ok_and(|other| are_same(&one, &other)))
}

#[cfg(unix)]
fn are_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere it cannot be told.
#[cfg(not(unix))]
fn are_same(_one: &fs::Metadata, _other: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows has no such call; NTFS journals the name itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static SYNCED: Cell<usize> = const { Cell::new(0) };
    }

    fn counting(folder: &Path) -> io::Result<()> {
        SYNCED.set(SYNCED.get() + 1);
        sync_folder(folder)
    }

    fn folder(root: &Path) -> Folder {
        let unfinished = root.join("unfinished");
        fs::create_dir_all(&unfinished).unwrap();
        let mut folder = Folder::new(root.to_owned(), unfinished);
        folder.system.sync = counting;
        folder
    }

    fn staged(folder: &Folder, name: &str) -> PathBuf {
        let path = folder.unfinished.join(name);
        fs::write(&path, b"bytes").unwrap();
        path
    }

    #[test]
    fn l4_names_are_synced_by_whoever_acknowledges_them() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let (one, other) = (staged(&folder, "one"), staged(&folder, "other"));
        let sha256 = Sha256::of(b"bytes");
        // Killed between the link and the sync, or still on its way there.
        let path = folder.path_of(&sha256);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::hard_link(&one, &path).unwrap();
        assert!(!folder.place(&sha256, &other).unwrap());
        assert_eq!(SYNCED.get(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn an_own_link_is_synced_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(root.path());
        let (path, sha256) = (staged(&folder, "one"), Sha256::of(b"bytes"));
        assert!(folder.place(&sha256, &path).unwrap());
        assert!(!folder.place(&sha256, &path).unwrap());
        assert_eq!(SYNCED.get(), 3);
        fs::remove_file(folder.path_of(&sha256)).unwrap();
        assert!(folder.place(&sha256, &path).unwrap());
        assert_eq!(SYNCED.get(), 6);
    }

    #[test]
    fn a_file_system_without_hard_links_gets_a_copy() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = folder(root.path());
        // What vfat and exFAT say: EPERM.
        folder.system.link = |_, _| Err(io::Error::from_raw_os_error(1));
        let (path, sha256) = (staged(&folder, "one"), Sha256::of(b"bytes"));
        if cfg!(unix) {
            assert!(folder.place(&sha256, &path).unwrap());
            assert_eq!(fs::read(folder.path_of(&sha256)).unwrap(), b"bytes");
            assert!(!folder.place(&sha256, &path).unwrap());
        }
    }
}
