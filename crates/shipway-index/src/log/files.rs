//! The files of the log: `tile/…`, `checkpoint`, and the key that signs it.

use shipway_dist::log::{Checkpoint, Hash, Tile, VerifierKey, entries_of, entry_bundle, tiles_of};
use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE};
use shipway_dist::signing::PrivateKey;

use super::damaged;
use super::tiles::Tiles;
use crate::error::IndexError;

/// How wide a full tile is.
const FULL: u16 = 256;

/// The files of a log.
pub(super) struct Files {
    pub(super) tiles: Tiles,
    key: PrivateKey,
}

impl Files {
    pub(super) fn new(tiles: Tiles, key: PrivateKey) -> Self {
        Self { tiles, key }
    }

    /// The log is named after its key, so that two logs never have one name.
    pub(super) fn verifier(&self) -> VerifierKey {
        let key = self.key.public();
        VerifierKey { name: super::name_of(&key), key }
    }

    /// The last checkpoint that stands as a file.
    pub(super) fn note(&self) -> Result<Option<String>, IndexError> {
        let Some(bytes) = self.tiles.read("checkpoint")? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(damaged)
    }

    /// Reads a checkpoint, whose signature must be the log's own.
    pub(super) fn verify(&self, note: &str) -> Result<Checkpoint, IndexError> {
        Checkpoint::verify(note, &self.verifier()).map_err(damaged)
    }

    /// Signs a checkpoint.
    pub(super) fn sign(&self, size: u64, root: Hash) -> String {
        Checkpoint { origin: self.verifier().name, size, root }.sign(&self.key)
    }

    /// Publishes a checkpoint as a file.
    pub(super) fn publish(&self, note: &str) -> Result<(), IndexError> {
        self.tiles.write("checkpoint", note.as_bytes())
    }

    /// A tile or bundle; a partial one is also found in a fuller one.
    pub(super) fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, IndexError> {
        if let Some(bytes) = self.tiles.read(&tile.path())? {
            return Ok(Some(bytes));
        }
        let names = self.tiles.names(&partial_folder(tile))?;
        let widths = names.iter().filter_map(|name| name.parse().ok()).chain([FULL]);
        let Some(width) = widths.filter(|width| *width > tile.width).min() else { return Ok(None) };
        let fuller = Tile { width, ..*tile };
        let Some(bytes) = self.tiles.read(&fuller.path())? else { return Ok(None) };
        if tile.level.is_some() {
            return Ok(bytes.get(..usize::from(tile.width) * HASH_SIZE).map(<[u8]>::to_vec));
        }
        let entries = entries_of(&fuller, &bytes).map_err(damaged)?;
        Ok(entry_bundle(entries.into_iter().take(usize::from(tile.width))).ok())
    }

    /// How many leaves stand in the tile at a position.
    pub(super) fn width(&self, index: u64) -> Result<u16, IndexError> {
        let tile = Tile { level: Some(0), index, width: FULL };
        if self.tiles.read(&tile.path())?.is_some() {
            return Ok(FULL);
        }
        let names = self.tiles.names(&partial_folder(&tile))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).filter(|width| *width < FULL).max().unwrap_or(0))
    }

    /// Writes a tile, durably and whole or not at all.
    pub(super) fn write(&self, tile: &Tile, bytes: &[u8]) -> Result<(), IndexError> {
        if tile.level.is_some() && bytes.len() != usize::from(tile.width) * HASH_SIZE {
            return Err(damaged(format!("`{}` would have {} bytes", tile.path(), bytes.len())));
        }
        self.tiles.write(&tile.path(), bytes)
    }

    /// Removes partial tiles whose full ones a checkpoint covers, as the specification permits.
    pub(super) fn clear_partial(&self, old: u64, new: u64) {
        for tile in tiles_of(old, new).into_iter().filter(|tile| u64::from(tile.width) == ENTRIES_IN_TILE) {
            self.tiles.clear(&partial_folder(&tile));
        }
    }
}

fn partial_folder(tile: &Tile) -> String {
    format!("{}.p", Tile { width: FULL, ..*tile }.path())
}
