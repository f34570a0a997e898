//! The tamper-evident log: every entry of the journal is a leaf (C2SP tlog-tiles).
//!
//! A change of the state and its journal entry are one transaction, so the journal is the queue of leaves: entry
//! N is leaf N - 1. [`Log::advance`] turns entries into tiles and then publishes a signed checkpoint; it runs
//! when somebody asks for the checkpoint, in whichever server, one at a time: under a file lock on SQLite, under
//! an advisory lock on PostgreSQL, where the checkpoint is committed by the transaction that holds the lock.
//! Tiles are static files and are never rewritten with other bytes; only what a checkpoint covers counts.
//!
//! It refuses to go on when the journal lacks an entry or no longer agrees with what was published; [`ahead`] is
//! about a database that was put back without its log.

mod ahead;
mod audit;
mod files;
mod journaled;
mod leaf;
mod tiles;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE, entry_bundle};
use shipway_dist::log::{Frontier, Tile, TileHashes, VerifierKey, leaf_hash, tiles_of};
use shipway_dist::signing::{PrivateKey, PublicKey};

use crate::config::Faults;
use crate::error::IndexError;
use crate::store::{self, Kind, Store, Write};
use files::Files;
pub(crate) use journaled::Journaled;
pub(crate) use tiles::Tiles;

/// How many entries are turned into tiles at once.
const BATCH: u64 = 16 * ENTRIES_IN_TILE;

/// The log of an index.
pub(crate) struct Log {
    files: Arc<Files>,
    verifier: VerifierKey,
    /// The last checkpoint published by this process, and its note.
    published: tokio::sync::Mutex<Option<(u64, String)>>,
    locks: PathBuf,
    faults: Faults,
}

impl Log {
    /// Opens the log over its tiles; `locks` is where processes over one SQLite database keep each other out.
    pub(crate) fn new(tiles: Tiles, locks: PathBuf, key: PrivateKey, faults: Faults) -> Self {
        let files = Files::new(tiles, key);
        let verifier = files.verifier();
        Self { files: Arc::new(files), verifier, published: tokio::sync::Mutex::new(None), locks, faults }
    }

    /// Who signs the checkpoints.
    pub(crate) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The checkpoint over everything that is committed, as a signed note.
    pub(crate) async fn checkpoint(&self, store: &Store) -> Result<String, IndexError> {
        let wanted = ahead::serial(store).await?;
        let mut published = self.published.lock().await;
        if let Some((size, note)) = published.as_ref().filter(|(size, _)| *size == wanted) {
            tracing::trace!(size, "the checkpoint is fresh");
            return Ok(note.clone());
        }
        let (size, note) = self.advance(store).await?;
        *published = Some((size, note.clone()));
        Ok(note)
    }

    /// The bytes of a tile or bundle that a published checkpoint covers; none when there is no such tile.
    pub(crate) async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, IndexError> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || files.read(&tile)).await?
    }

    async fn advance(&self, store: &Store) -> Result<(u64, String), IndexError> {
        let mut turn = self.turn(store).await?;
        // Nobody publishes until the turn ends, so what was published is in the journal by now.
        let wanted = ahead::serial(store).await?;
        let last = self.last_note(&mut turn).await?;
        let files = self.files.clone();
        let load = move || {
            let (frontier, last) = load(&files, last)?;
            let reach = ahead::reach(&files, frontier.size(), wanted)?;
            Ok::<_, IndexError>((frontier, last, reach))
        };
        let (mut frontier, last, reach) = tokio::task::spawn_blocking(load).await??;
        let begun = frontier.size();
        if reach > wanted {
            return Err(ahead::behind(reach, wanted));
        }
        if let Some(note) = last.filter(|_| begun == wanted) {
            return Ok((begun, note));
        }
        while frontier.size() < wanted {
            let old = frontier.size();
            let to = wanted.min(old + BATCH);
            // The last bundle may be partly filled: its entries are needed again.
            let from = old - old % ENTRIES_IN_TILE;
            let rows = store::journal(&mut *store.read().await?, from, to).await?;
            let (files, faults) = (self.files.clone(), self.faults.clone());
            let piece = Piece { from, rows, reach };
            let extend = move || extend(&files, frontier, piece, &faults);
            frontier = tokio::task::spawn_blocking(extend).await??;
            if frontier.size() < to {
                return Err(damaged(format!("the journal lacks entry {}", frontier.size() + 1)));
            }
        }
        let note = self.files.sign(frontier.size(), frontier.root());
        self.publish(turn, frontier.size(), note.clone()).await?;
        self.faults.pass("log.checkpoint");
        let (files, new) = (self.files.clone(), frontier.size());
        tokio::task::spawn_blocking(move || files.clear_partial(begun, new)).await?;
        Ok((new, note))
    }

    /// Waits until nobody else advances the log.
    async fn turn(&self, store: &Store) -> Result<Turn, IndexError> {
        match store.kind() {
            Kind::Sqlite => {
                let folder = self.locks.clone();
                Ok(Turn::File(Some(tokio::task::spawn_blocking(move || lock(&folder)).await??)))
            }
            Kind::Postgres => Ok(Turn::Transaction(store.write_log().await?)),
        }
    }

    async fn last_note(&self, turn: &mut Turn) -> Result<Option<String>, IndexError> {
        match turn {
            Turn::File(_) => {
                let files = self.files.clone();
                tokio::task::spawn_blocking(move || files.note()).await?
            }
            Turn::Transaction(write) => store::checkpoint(write).await,
        }
    }

    /// Publishes a checkpoint and ends the turn.
    async fn publish(&self, turn: Turn, size: u64, note: String) -> Result<(), IndexError> {
        match turn {
            Turn::File(lock) => {
                let files = self.files.clone();
                tokio::task::spawn_blocking(move || files.publish(&note)).await??;
                drop(lock);
            }
            // A server that lost its connection, and with it the lock, fails here and publishes nothing.
            Turn::Transaction(mut write) => {
                if !store::set_checkpoint(&mut write, size, &note).await? {
                    return Err(damaged("a longer checkpoint was published meanwhile"));
                }
                write.commit().await?;
            }
        }
        Ok(())
    }
}

/// The right to advance the log, until it is dropped.
enum Turn {
    File(Option<File>),
    Transaction(Write),
}

/// Waits until no other process of this machine advances the log.
fn lock(folder: &Path) -> Result<File, IndexError> {
    std::fs::create_dir_all(folder).map_err(IndexError::io("create", folder))?;
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(IndexError::io("create", &path))?;
    lock.lock().map_err(IndexError::io("lock", &path))?;
    Ok(lock)
}

/// The log as the last checkpoint published it.
fn load(files: &Files, note: Option<String>) -> Result<(Frontier, Option<String>), IndexError> {
    let Some(note) = note else { return Ok((Frontier::default(), None)) };
    let checkpoint = files.verify(&note)?;
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

/// What a log is called whose checkpoints a key signs.
fn name_of(key: &PublicKey) -> String {
    format!("shipway-log/{}", &key.id().to_hex()[..16])
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

/// A piece of the journal.
struct Piece {
    /// The position of its first entry, where a tile begins.
    from: u64,
    rows: Vec<store::JournalRow>,
    /// How far tiles stand already.
    reach: u64,
}

/// Writes the tiles that entries make whole or begin.
fn extend(
    files: &Files,
    mut frontier: Frontier,
    piece: Piece,
    faults: &Faults,
) -> Result<Frontier, IndexError> {
    let Piece { from, rows, reach } = piece;
    let old = frontier.size();
    let mut leaves = Vec::with_capacity(rows.len());
    for (row, position) in rows.iter().zip(from..) {
        if u64::try_from(row.serial).ok() != Some(position + 1) {
            return Err(damaged(format!("the journal lacks entry {}", position + 1)));
        }
        leaves.push(leaf::encode(row)?);
    }
    // A tile that stands is never written with other bytes, whether or not a checkpoint covers it yet.
    let known = ahead::standing(files, from, reach.min(from + leaves.len() as u64))?;
    let mut hashes_at = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let (hash, position) = (leaf_hash(leaf), from + at as u64);
        let published = known.get(at * HASH_SIZE..(at + 1) * HASH_SIZE);
        if published.is_some_and(|published| published != hash) {
            return Err(damaged(format!("entry {} is not what was published", position + 1)));
        }
        if position >= old {
            hashes_at.extend(frontier.append(hash).into_iter().filter(|(level, ..)| level % 8 == 0));
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
    Ok(frontier)
}
