//! The log on disk: `log/tile/…`, `log/checkpoint`, and the key that signs it in `keys/log.pem`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use shipway_dist::log::{Checkpoint, Hash, Tile, VerifierKey, entries_of, entry_bundle, tiles_of};
use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE};
use shipway_dist::signing::PrivateKey;

use super::damaged;
use crate::error::IndexError;
use crate::key_file;

/// The files of a log.
pub(super) struct Files {
    root: PathBuf,
    key: PrivateKey,
}

impl Files {
    pub(super) fn open(data: &Path) -> Result<Self, IndexError> {
        let root = data.join("log");
        fs::create_dir_all(&root).map_err(IndexError::io("create", &root))?;
        Ok(Self { root, key: key_file::open(data, "log.pem")? })
    }

    /// The log is named after its key, so that two logs never have one name.
    pub(super) fn verifier(&self) -> VerifierKey {
        let key = self.key.public();
        VerifierKey { name: format!("shipway-log/{}", &key.id().to_hex()[..16]), key }
    }

    /// Waits until no other process advances the log.
    pub(super) fn lock(&self) -> Result<File, IndexError> {
        let path = self.root.join("lock");
        let lock = File::create(&path).map_err(IndexError::io("create", &path))?;
        lock.lock().map_err(IndexError::io("lock", &path))?;
        Ok(lock)
    }

    /// The last checkpoint, whose signature must be the log's own.
    pub(super) fn checkpoint(&self) -> Result<Option<(Checkpoint, String)>, IndexError> {
        let path = self.root.join("checkpoint");
        let note = match fs::read_to_string(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(IndexError::io("read", path)(error)),
        };
        let checkpoint = Checkpoint::verify(&note, &self.verifier()).map_err(damaged)?;
        Ok(Some((checkpoint, note)))
    }

    /// A tile or bundle; a partial one is also found in a fuller one.
    pub(super) fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(bytes) = self.read_exactly(tile)? {
            return Ok(Some(bytes));
        }
        let mut widths = self.partial_widths(tile);
        widths.push(256);
        let Some(width) = widths.into_iter().filter(|width| *width > tile.width).min() else {
            return Ok(None);
        };
        let fuller = Tile { width, ..*tile };
        let Some(bytes) = self.read_exactly(&fuller)? else { return Ok(None) };
        if tile.level.is_some() {
            return Ok(bytes.get(..usize::from(tile.width) * HASH_SIZE).map(<[u8]>::to_vec));
        }
        let entries = entries_of(&fuller, &bytes).map_err(damaged)?;
        Ok(entry_bundle(entries.into_iter().take(usize::from(tile.width))).ok())
    }

    fn read_exactly(&self, tile: &Tile) -> Result<Option<Vec<u8>>, IndexError> {
        let path = self.root.join(tile.path());
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(IndexError::io("read", path)(error)),
        }
    }

    fn partial_widths(&self, tile: &Tile) -> Vec<u16> {
        let folder = self.partial_folder(tile);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    fn partial_folder(&self, tile: &Tile) -> PathBuf {
        self.root.join(format!("{}.p", Tile { width: 256, ..*tile }.path()))
    }

    /// Writes a tile, durably and whole or not at all.
    pub(super) fn write(&self, tile: &Tile, bytes: &[u8]) -> Result<(), IndexError> {
        if tile.level.is_some() && bytes.len() != usize::from(tile.width) * HASH_SIZE {
            return Err(damaged(format!("`{}` would have {} bytes", tile.path(), bytes.len())));
        }
        self.place(&tile.path(), bytes)
    }

    /// Signs and publishes a checkpoint and gives its note.
    pub(super) fn publish(&self, size: u64, root: Hash) -> Result<String, IndexError> {
        let note = Checkpoint { origin: self.verifier().name, size, root }.sign(&self.key);
        self.place("checkpoint", note.as_bytes())?;
        Ok(note)
    }

    fn place(&self, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(IndexError::io("write", &path))
    }

    /// Removes partial tiles whose full ones a checkpoint covers, as the specification permits.
    pub(super) fn clear_partial(&self, old: u64, new: u64) {
        for tile in tiles_of(old, new).into_iter().filter(|tile| u64::from(tile.width) == ENTRIES_IN_TILE) {
            // What stays is only more than is needed.
            let _ = fs::remove_dir_all(self.partial_folder(&tile));
        }
    }
}
