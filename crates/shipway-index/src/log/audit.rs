//! Compares the whole log with the whole journal.

use shipway_dist::log::{ENTRIES_IN_TILE, HASH_SIZE, leaf_hash};

use super::{BATCH, Log, Turn, ahead, leaf, load, published_hashes};
use crate::error::IndexError;
use crate::store::{self, Kind, Store};

impl Log {
    /// Everything in which the published log and the journal differ, and up to which entry they were compared.
    ///
    /// # Errors
    /// When either cannot be read at all.
    pub(crate) async fn audit(&self, store: &Store) -> Result<(u64, Vec<String>), IndexError> {
        let mut problems = Vec::new();
        let enough = ahead::serial(store).await?;
        let note = match self.newest_note(store).await {
            Ok(note) => note,
            Err(error) => return Ok((0, vec![error.to_string()])),
        };
        let files = self.files.clone();
        let loaded = tokio::task::spawn_blocking(move || {
            let (frontier, _) = load(&files, note)?;
            let reach = ahead::reach(&files, frontier.size(), enough)?;
            Ok::<_, IndexError>((frontier.size(), reach))
        });
        let (size, reach) = match loaded.await? {
            Ok(found) => found,
            Err(error) => return Ok((0, vec![error.to_string()])),
        };
        // After the tiles: what servers published meanwhile is in the journal by now.
        let serial = ahead::serial(store).await?;
        if reach > serial {
            problems.push(format!("the log covers {reach} entries, the journal has {serial}"));
        }
        let (mut from, end) = (0, serial.max(reach));
        while from < end {
            let to = end.min(from + BATCH);
            let rows = store::journal(&mut *store.read().await?, from, to).await?;
            problems.extend(self.compare(from, to, reach, rows).await?);
            from = to;
        }
        Ok((size, problems))
    }

    /// The newest checkpoint's note, without waiting for a turn.
    pub(crate) async fn newest_note(&self, store: &Store) -> Result<Option<String>, IndexError> {
        match store.kind() {
            Kind::Sqlite => self.last_note(&mut Turn::File(None)).await,
            Kind::Postgres => store::checkpoint(&mut *store.read().await?).await,
        }
    }

    async fn compare(
        &self,
        from: u64,
        to: u64,
        size: u64,
        rows: Vec<store::JournalRow>,
    ) -> Result<Vec<String>, IndexError> {
        let files = self.files.clone();
        let compare = move || {
            let mut problems = Vec::new();
            let mut rows = rows.into_iter().peekable();
            let mut published = Vec::new();
            for position in from..to {
                if position % ENTRIES_IN_TILE == 0 && position < size {
                    let end = size.min(position + ENTRIES_IN_TILE);
                    published = published_hashes(&files, position, end)?;
                }
                let here =
                    |row: &store::JournalRow| u64::try_from(row.serial).is_ok_and(|at| at == position + 1);
                let Some(row) = rows.next_if(here) else {
                    problems.push(format!("the journal lacks entry {}", position + 1));
                    continue;
                };
                let at = usize::try_from(position % ENTRIES_IN_TILE).unwrap_or(usize::MAX);
                let hash = leaf_hash(&leaf::encode(&row)?);
                if position < size && published.get(at * HASH_SIZE..(at + 1) * HASH_SIZE) != Some(&hash[..]) {
                    problems.push(format!("entry {} is not what was published", position + 1));
                }
            }
            Ok::<_, IndexError>(problems)
        };
        tokio::task::spawn_blocking(compare).await?
    }
}
