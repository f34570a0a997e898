//! A log that was published over more than the journal holds: the database is an older copy than its log.
//!
//! What is written after such a restore would take serials that stand in the log as something else, and the log
//! could never go on. So a server refuses to start on it, and nothing is published over it.

use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE, leaf_hash};

use super::files::Files;
use super::{Log, leaf, published_hashes};
use crate::error::IndexError;
use crate::store::{self, Store};

impl Log {
    /// Refuses a database that is not, up to its newest published entry, the one that the log was made of.
    ///
    /// # Errors
    /// [`IndexError::Behind`] where that is so; another one where it cannot be found out.
    pub(crate) async fn check(&self, store: &Store) -> Result<(), IndexError> {
        let enough = serial(store).await?;
        let note = self.newest_note(store).await?;
        let files = self.files.clone();
        let look = move || {
            let size = note.map(|note| files.verify(&note)).transpose()?.map_or(0, |found| found.size);
            let reach = reach(&files, size, enough)?;
            Ok::<_, IndexError>((reach, hash_of(&files, reach)?))
        };
        let (reach, published) = tokio::task::spawn_blocking(look).await??;
        // Again after the tiles: what stands in one by now was committed before.
        let serial = serial(store).await?;
        if reach > serial {
            return Err(behind(reach, serial));
        }
        let rows = store::journal(&mut *store.read().await?, reach.saturating_sub(1), reach).await?;
        for row in rows {
            if published != leaf_hash(&leaf::encode(&row)?) {
                return Err(IndexError::Behind {
                    why: format!("entry {reach} of the journal is not what was published"),
                });
            }
        }
        Ok(())
    }
}

/// How many entries the journal has.
pub(super) async fn serial(store: &Store) -> Result<u64, IndexError> {
    let serial = store::serials(&mut *store.read().await?).await?.serial;
    Ok(u64::try_from(serial).unwrap_or(0))
}

/// The refusal of a journal that ends before the log does.
pub(super) fn behind(reach: u64, serial: u64) -> IndexError {
    IndexError::Behind { why: format!("the log covers {reach} entries, the journal has {serial}") }
}

/// How many leaves stand in tiles: beyond the checkpoint's where a server died before it published one, or where
/// the checkpoint is older than they are. It looks no further than `enough`.
pub(super) fn reach(files: &Files, size: u64, enough: u64) -> Result<u64, IndexError> {
    let (mut index, mut reach) = (size / ENTRIES_IN_TILE, size);
    loop {
        let width = files.width(index)?;
        reach = reach.max(index * ENTRIES_IN_TILE + u64::from(width));
        if u64::from(width) < ENTRIES_IN_TILE || reach > enough {
            return Ok(reach);
        }
        index += 1;
    }
}

/// The hashes that stand in tiles from `from` (where a tile begins) up to `to`.
pub(super) fn standing(files: &Files, from: u64, to: u64) -> Result<Vec<u8>, IndexError> {
    let mut hashes = Vec::new();
    let mut at = from;
    while at < to {
        let next = to.min(at + ENTRIES_IN_TILE);
        hashes.extend(published_hashes(files, at, next)?);
        at = next;
    }
    Ok(hashes)
}

/// The hash of the last of so many leaves.
fn hash_of(files: &Files, reach: u64) -> Result<[u8; HASH_SIZE], IndexError> {
    let Some(last) = reach.checked_sub(1) else { return Ok([0; HASH_SIZE]) };
    let hashes = published_hashes(files, last - last % ENTRIES_IN_TILE, reach)?;
    let short = || super::damaged(format!("the tile of entry {reach} is too short"));
    hashes.last_chunk().copied().ok_or_else(short)
}
