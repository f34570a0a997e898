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
}

impl Folder {
    pub(super) fn new(root: PathBuf, unfinished: PathBuf) -> Self {
        Self { root, unfinished }
    }

    fn path_of(&self, sha256: &Sha256) -> PathBuf {
        let hex = sha256.to_hex();
        self.root.join(&hex[..2]).join(&hex[2..4]).join(hex)
    }

    fn place(&self, sha256: &Sha256, staged: &Path) -> Result<bool, IndexError> {
        let path = self.path_of(sha256);
        if path.exists() {
            return Ok(false);
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
        let new = match fs::hard_link(staged, &path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            // No hard links, or another file system: copy beside it, then rename, which no reader sees half done.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::CrossesDevices) =>
            {
                self.copy(staged, &path)?
            }
            Err(error) => return Err(IndexError::io("create", &path)(error)),
        };
        for folder in folder.ancestors().take(3) {
            sync_folder(folder)?;
        }
        Ok(new)
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
                let size = fs::metadata(&entry).map_err(IndexError::io("read", &entry))?.len();
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
        let others = [self.unfinished.clone(), self.root.join("log"), self.root.join("altered")];
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

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), IndexError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(IndexError::io("sync", folder))
}

/// Windows has no such call; NTFS journals the name itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> Result<(), IndexError> {
    Ok(())
}
