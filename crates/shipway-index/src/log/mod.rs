//! The tamper-evident log: every entry of the journal is a leaf (C2SP tlog-tiles).
//!
//! A change of the state and its journal entry are one transaction, so the journal is the queue of leaves: entry
//! N is leaf N - 1. [`Log::advance`] turns entries into tiles and then publishes a signed checkpoint; it runs
//! when somebody asks for the checkpoint, in whichever process, one at a time. Tiles are static files and are
//! never rewritten; only what a checkpoint covers counts.
//!
//! It refuses to go on when the journal lacks an entry or no longer agrees with what was published.

mod files;
mod leaf;

use std::path::PathBuf;
use std::sync::Arc;

use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE, entry_bundle};
use shipway_dist::log::{Frontier, Tile, TileHashes, VerifierKey, leaf_hash, tiles_of};

use crate::config::Faults;
use crate::error::IndexError;
use crate::store::{self, Store};
use files::Files;

/// How many entries are turned into tiles at once.
const BATCH: u64 = 16 * ENTRIES_IN_TILE;

/// The log of an index.
pub(crate) struct Log {
    files: Arc<Files>,
    verifier: VerifierKey,
    /// The last checkpoint published by this process, and its note.
    published: tokio::sync::Mutex<Option<(u64, String)>>,
    faults: Faults,
}

impl Log {
    /// Opens the log below the data directory; its key is made the first time.
    pub(crate) fn open(data: PathBuf, faults: Faults) -> Result<Self, IndexError> {
        let files = Files::open(&data)?;
        let verifier = files.verifier();
        Ok(Self { files: Arc::new(files), verifier, published: tokio::sync::Mutex::new(None), faults })
    }

    /// Who signs the checkpoints.
    pub(crate) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The checkpoint over everything that is committed, as a signed note.
    pub(crate) async fn checkpoint(&self, store: &Store) -> Result<String, IndexError> {
        let serial = store::serials(&mut *store.read().await?).await?.serial;
        let wanted = u64::try_from(serial).unwrap_or(0);
        let mut published = self.published.lock().await;
        if let Some((size, note)) = published.as_ref().filter(|(size, _)| *size >= wanted) {
            tracing::trace!(size, "the checkpoint is fresh");
            return Ok(note.clone());
        }
        let (size, note) = self.advance(store, wanted).await?;
        *published = Some((size, note.clone()));
        Ok(note)
    }

    /// The bytes of a tile or bundle that a published checkpoint covers; none when there is no such tile.
    pub(crate) async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, IndexError> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || files.read(&tile)).await?
    }

    async fn advance(&self, store: &Store, wanted: u64) -> Result<(u64, String), IndexError> {
        let files = self.files.clone();
        // Held until the checkpoint is out: one process at a time.
        let lock = tokio::task::spawn_blocking(move || files.lock()).await??;
        let files = self.files.clone();
        let (mut frontier, last) = tokio::task::spawn_blocking(move || load(&files)).await??;
        let mut note = last;
        while frontier.size() < wanted || note.is_none() {
            let old = frontier.size();
            let to = wanted.min(old + BATCH);
            // The last bundle may be partly filled: its entries are needed again.
            let from = old - old % ENTRIES_IN_TILE;
            let rows = store::journal(&mut *store.read().await?, from, to).await?;
            let (files, faults) = (self.files.clone(), self.faults.clone());
            let extend = move || extend(&files, frontier, from, rows, &faults);
            (frontier, note) = tokio::task::spawn_blocking(extend).await??;
        }
        drop(lock);
        Ok((frontier.size(), note.unwrap_or_default()))
    }
}

/// The log as the last checkpoint published it.
fn load(files: &Files) -> Result<(Frontier, Option<String>), IndexError> {
    let Some((checkpoint, note)) = files.checkpoint()? else { return Ok((Frontier::default(), None)) };
    let frontier = Frontier::load(checkpoint.size, &hashes(files, checkpoint.size)).map_err(damaged)?;
    if frontier.root() != checkpoint.root {
        return Err(damaged("the tiles do not give the root of the checkpoint"));
    }
    Ok((frontier, Some(note)))
}

fn hashes(files: &Files, size: u64) -> TileHashes<impl Fn(&Tile) -> Result<Vec<u8>, String> + '_> {
    TileHashes::new(size, |tile: &Tile| match files.read(tile) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err("it is not there".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

fn damaged(why: impl std::fmt::Display) -> IndexError {
    IndexError::Log { why: why.to_string() }
}

/// The hashes of the leaves from `from` (where a tile begins) up to `to`, as they were published.
fn published_hashes(files: &Files, from: u64, to: u64) -> Result<Vec<u8>, IndexError> {
    let Ok(width) = u16::try_from(to - from) else { return Err(damaged("a tile cannot be that wide")) };
    if width == 0 {
        return Ok(Vec::new());
    }
    let tile = Tile { level: Some(0), index: from / ENTRIES_IN_TILE, width };
    files.read(&tile)?.ok_or_else(|| damaged(format!("`{}` is not there", tile.path())))
}

/// Writes the tiles that entries make whole or begin, and then the checkpoint.
fn extend(
    files: &Files,
    mut frontier: Frontier,
    from: u64,
    rows: Vec<store::JournalRow>,
    faults: &Faults,
) -> Result<(Frontier, Option<String>), IndexError> {
    let old = frontier.size();
    let mut leaves = Vec::with_capacity(rows.len());
    for (row, position) in rows.iter().zip(from..) {
        if u64::try_from(row.serial).ok() != Some(position + 1) {
            return Err(damaged(format!("the journal lacks entry {}", position + 1)));
        }
        leaves.push(leaf::encode(row)?);
    }
    let known = published_hashes(files, from, old)?;
    let mut hashes_at = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let hash = leaf_hash(leaf);
        match known.get(at * HASH_SIZE..(at + 1) * HASH_SIZE) {
            Some(published) if published == hash => {}
            Some(_) => {
                return Err(damaged(format!("entry {} is not what was published", from + at as u64 + 1)));
            }
            None => hashes_at.extend(frontier.append(hash).into_iter().filter(|(level, ..)| level % 8 == 0)),
        }
    }
    let size = frontier.size();
    for tile in tiles_of(old, size) {
        let first = tile.index * ENTRIES_IN_TILE;
        let bytes = match tile.level {
            None => {
                let at = |position: u64| usize::try_from(position - from).unwrap_or(usize::MAX);
                let entries = leaves.get(at(first)..at(first + u64::from(tile.width))).unwrap_or_default();
                entry_bundle(entries.iter().map(Vec::as_slice))
                    .map_err(|at| damaged(format!("entry {} is too long", first + at as u64 + 1)))?
            }
            Some(level) => {
                // What stood in the tile before, and what came to it.
                let known = (old >> (8 * u32::from(level))).saturating_sub(first).min(ENTRIES_IN_TILE);
                let mut bytes = if known == 0 {
                    Vec::new()
                } else {
                    let width = u16::try_from(known).unwrap_or(256);
                    let before = files.read(&Tile { width, ..tile })?;
                    before.ok_or_else(|| damaged(format!("`{}` is not there", tile.path())))?
                };
                let of_tile = |(at, index, _): &&(u8, u64, _)| {
                    *at == level * 8 && (first + known..first + u64::from(tile.width)).contains(index)
                };
                for (_, _, hash) in hashes_at.iter().filter(of_tile) {
                    bytes.extend_from_slice(hash);
                }
                bytes
            }
        };
        files.write(&tile, &bytes)?;
        faults.pass("log.tile");
    }
    let note = files.publish(frontier.size(), frontier.root())?;
    faults.pass("log.checkpoint");
    files.clear_partial(old, size);
    Ok((frontier, Some(note)))
}
