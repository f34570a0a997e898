//! A folder or a tar file, to write to and to read from.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::error::IndexError;

/// A place to write an export to.
pub(super) enum Sink {
    Folder(PathBuf),
    /// Becomes `to` when it is whole.
    Tar {
        file: BufWriter<File>,
        part: PathBuf,
        to: PathBuf,
    },
}

/// One file of an export that is being written.
pub(super) enum Entry<'a> {
    Own { file: BufWriter<File>, path: PathBuf },
    InTar { file: &'a mut BufWriter<File>, path: &'a Path, left: u64, padding: usize },
}

impl Sink {
    /// Begins an export: a tar file where the name ends in `.tar`, else a folder, which must not be there or be
    /// empty.
    pub(super) fn create(to: &Path) -> Result<Self, IndexError> {
        if to.extension().is_some_and(|extension| extension == "tar") {
            if to.exists() {
                return Err(IndexError::Export { why: format!("`{}` is there", to.display()) });
            }
            let mut part = to.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let file = File::create(&part).map_err(IndexError::io("create", &part))?;
            return Ok(Self::Tar { file: BufWriter::new(file), part, to: to.to_owned() });
        }
        for folder in ["tables", "blobs"] {
            let folder = to.join(folder);
            if to.join(folder.file_name().unwrap_or_default()).exists() || to.join(super::MANIFEST).exists() {
                return Err(IndexError::Export { why: format!("`{}` is not empty", to.display()) });
            }
            fs::create_dir_all(&folder).map_err(IndexError::io("create", &folder))?;
        }
        Ok(Self::Folder(to.to_owned()))
    }

    /// Begins a file of `size` bytes.
    pub(super) fn begin(&mut self, name: &str, size: u64) -> Result<Entry<'_>, IndexError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                let file = File::create(&path).map_err(IndexError::io("create", &path))?;
                Ok(Entry::Own { file: BufWriter::new(file), path })
            }
            Self::Tar { file, part, .. } => {
                let mut header = tar::Header::new_ustar();
                let named = header.set_path(name);
                header.set_size(size);
                header.set_mode(0o600);
                header.set_cksum();
                named
                    .and_then(|()| file.write_all(header.as_bytes()))
                    .map_err(IndexError::io("write", &*part))?;
                let padding = usize::try_from((512 - size % 512) % 512).unwrap_or(0);
                Ok(Entry::InTar { file, path: part, left: size, padding })
            }
        }
    }

    /// Makes the export whole and durable.
    pub(super) fn finish(self) -> Result<(), IndexError> {
        let Self::Tar { mut file, part, to } = self else { return Ok(()) };
        let mut finish = || -> io::Result<()> {
            file.write_all(&[0; 1024])?;
            file.flush()?;
            file.get_ref().sync_all()?;
            fs::rename(&part, &to)
        };
        finish().map_err(IndexError::io("write", &to))
    }
}

impl Entry<'_> {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        match self {
            Self::Own { file, path } => file.write_all(bytes).map_err(IndexError::io("write", &*path)),
            Self::InTar { file, path, left, .. } => {
                let Some(rest) = left.checked_sub(bytes.len() as u64) else {
                    return Err(IndexError::Export { why: "a file grew while it was read".to_owned() });
                };
                *left = rest;
                file.write_all(bytes).map_err(IndexError::io("write", *path))
            }
        }
    }

    pub(super) fn end(self) -> Result<(), IndexError> {
        match self {
            Self::Own { mut file, path } => {
                let end = file.flush().and_then(|()| file.get_ref().sync_all());
                end.map_err(IndexError::io("write", path))
            }
            Self::InTar { left: 1.., .. } => {
                Err(IndexError::Export { why: "a file shrank while it was read".to_owned() })
            }
            Self::InTar { file, path, padding, .. } => {
                file.write_all(&[0; 512][..padding]).map_err(IndexError::io("write", path))
            }
        }
    }
}

/// An export to read.
pub(super) enum Source {
    Folder(PathBuf),
    /// Where each file begins, and how long it is.
    Tar {
        path: PathBuf,
        entries: HashMap<String, (u64, u64)>,
    },
}

impl Source {
    pub(super) fn open(from: &Path) -> Result<Self, IndexError> {
        if from.is_dir() {
            return Ok(Self::Folder(from.to_owned()));
        }
        let file = File::open(from).map_err(IndexError::io("open", from))?;
        let read = || -> io::Result<HashMap<String, (u64, u64)>> {
            let mut entries = HashMap::new();
            for entry in tar::Archive::new(file).entries_with_seek()? {
                let entry = entry?;
                let name = entry.path()?.to_string_lossy().into_owned();
                entries.insert(name, (entry.raw_file_position(), entry.size()));
            }
            Ok(entries)
        };
        let entries = read().map_err(|error| IndexError::Export { why: error.to_string() })?;
        Ok(Self::Tar { path: from.to_owned(), entries })
    }

    /// A file of the export.
    pub(super) fn read(&self, name: &str) -> Result<Box<dyn Read + Send>, IndexError> {
        match self {
            Self::Folder(root) => {
                let path = root.join(name);
                let file = File::open(&path).map_err(IndexError::io("open", &path))?;
                Ok(Box::new(file))
            }
            Self::Tar { path, entries } => {
                let lacks = || IndexError::Export { why: format!("it lacks `{name}`") };
                let (start, size) = *entries.get(name).ok_or_else(lacks)?;
                let mut file = File::open(path).map_err(IndexError::io("open", path))?;
                file.seek(SeekFrom::Start(start)).map_err(IndexError::io("read", path))?;
                Ok(Box::new(file.take(size)))
            }
        }
    }

    /// The names of the blobs.
    pub(super) fn blobs(&self) -> Result<Vec<String>, IndexError> {
        let mut names: Vec<String> = match self {
            Self::Folder(root) => {
                let folder = root.join("blobs");
                let entries = fs::read_dir(&folder).map_err(IndexError::io("read", &folder))?;
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Self::Tar { entries, .. } => {
                entries.keys().filter_map(|name| Some(name.strip_prefix("blobs/")?.to_owned())).collect()
            }
        };
        names.sort();
        Ok(names)
    }
}
