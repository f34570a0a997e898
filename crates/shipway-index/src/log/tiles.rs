//! Where the files of the log are: a folder, or a bucket beside the files of the index.
//!
//! A tile's bytes depend on the journal alone, so whoever writes one writes what another would have.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::blobs::Objects;
use crate::error::IndexError;

/// A place for tiles. Used on threads that may wait.
#[derive(Debug, Clone)]
pub(crate) enum Tiles {
    Folder(PathBuf),
    Objects(Objects, Handle),
}

impl Tiles {
    /// Tiles in a folder, which is created when it is missing.
    pub(crate) fn folder(root: PathBuf) -> Result<Self, IndexError> {
        fs::create_dir_all(&root).map_err(IndexError::io("create", &root))?;
        Ok(Self::Folder(root))
    }

    /// Reads a file; none when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                match fs::read(&path) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                    {
                        Ok(None)
                    }
                    Err(error) => Err(IndexError::io("read", path)(error)),
                }
            }
            Self::Objects(objects, runtime) => {
                let bytes = runtime.block_on(objects.read(&in_log(name)))?;
                Ok(bytes.map(Vec::from))
            }
        }
    }

    /// Writes a file, durably and whole or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                place(&path, path.parent().unwrap_or(root), bytes).map_err(IndexError::io("write", &path))
            }
            Self::Objects(objects, runtime) => runtime.block_on(objects.write(&in_log(name), bytes.to_vec())),
        }
    }

    /// The names of the files directly in a folder.
    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>, IndexError> {
        match self {
            Self::Folder(root) => {
                let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
                Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
            }
            Self::Objects(objects, runtime) => runtime.block_on(objects.names(&in_log(folder))),
        }
    }

    /// Removes a folder with the files directly in it. What stays is only more than is needed.
    pub(crate) fn clear(&self, folder: &str) {
        match self {
            Self::Folder(root) => {
                let _ = fs::remove_dir_all(root.join(folder));
            }
            Self::Objects(objects, runtime) => runtime.block_on(async {
                for name in objects.names(&in_log(folder)).await.unwrap_or_default() {
                    let _ = objects.delete(&in_log(&format!("{folder}/{name}"))).await;
                }
            }),
        }
    }
}

fn in_log(name: &str) -> String {
    format!("log/{name}")
}

fn place(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}
