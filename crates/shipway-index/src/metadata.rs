//! The METADATA of distribution files by digest, what was asked for lately in memory.
//!
//! A resolver asks for these more than for anything else, and bytes under a digest never change. Who may read
//! them, and whether their file is still there, is nothing that this knows: the caller decides that first, each
//! time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use shipway_dist::digest::Sha256;

use crate::error::IndexError;
use crate::index::Index;

/// Each of two generations holds half of this at most, in bytes.
const BOUND: usize = 16 * 1024 * 1024;
/// What an entry takes beside its bytes.
const ENTRY: usize = 128;

/// What was asked for lately, in two generations: when the younger is full it becomes the older, and what nobody
/// asked for since is forgotten with that.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Sha256, Bytes>,
    old: HashMap<Sha256, Bytes>,
    weight: usize,
}

impl Recent {
    fn get(&self, sha256: &Sha256) -> Option<Bytes> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = all.young.get(sha256) {
            return Some(bytes.clone());
        }
        let bytes = all.old.remove(sha256)?;
        all.put(*sha256, bytes.clone());
        Some(bytes)
    }

    /// Keeps bytes that stand in the database.
    pub(crate) fn put(&self, sha256: Sha256, bytes: Bytes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(sha256, bytes);
    }
}

impl Generations {
    fn put(&mut self, sha256: Sha256, bytes: Bytes) {
        let weight = bytes.len() + ENTRY;
        if weight > BOUND / 16 || self.young.contains_key(&sha256) {
            return;
        }
        if self.weight + weight > BOUND / 2 {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(sha256, bytes);
    }
}

impl Index {
    /// The metadata of a digest. Only after it was decided that the reader may have them.
    pub(crate) async fn metadata(&self, sha256: &Sha256) -> Result<Option<Bytes>, IndexError> {
        if let Some(bytes) = self.recent_metadata.get(sha256) {
            return Ok(Some(bytes));
        }
        let found = self.cache.metadata(&self.store, sha256).await?;
        if let Some(bytes) = &found {
            self.recent_metadata.put(*sha256, bytes.clone());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(recent: &Recent) -> usize {
        let all = recent.0.lock().unwrap();
        all.young.values().chain(all.old.values()).map(Bytes::len).sum()
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let recent = Recent::default();
        let digest = |number: usize| Sha256::of(&number.to_le_bytes());
        let bytes = Bytes::from(vec![b'x'; 64 * 1024]);
        recent.put(digest(0), bytes.clone());
        for number in 1..2_000 {
            recent.put(digest(number), bytes.clone());
            assert_eq!(recent.get(&digest(0)).as_ref(), Some(&bytes), "{number}");
            assert!(held(&recent) <= BOUND);
        }
        assert_eq!(recent.get(&digest(1)), None);
        assert!(recent.get(&digest(1_999)).is_some());
    }

    #[test]
    fn what_is_very_large_is_not_kept() {
        let recent = Recent::default();
        recent.put(Sha256::of(b"large"), Bytes::from(vec![0; BOUND / 8]));
        assert_eq!((recent.get(&Sha256::of(b"large")), held(&recent)), (None, 0));
    }
}
