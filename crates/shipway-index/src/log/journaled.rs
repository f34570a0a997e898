//! The tree that a journal leads to, without any tile.

use shipway_dist::log::{Checkpoint, Frontier, Hash, VerifierKey, leaf_hash};
use shipway_dist::signing::PublicKey;

use super::{damaged, leaf, name_of};
use crate::error::IndexError;
use crate::store::JournalRow;

/// The leaves of a whole journal.
pub(crate) struct Journaled {
    leaves: Vec<Hash>,
}

impl Journaled {
    /// Hashes every entry, from the first on.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn of(rows: &[JournalRow]) -> Result<Self, IndexError> {
        let mut leaves = Vec::with_capacity(rows.len());
        for (row, expected) in rows.iter().zip(1..) {
            if row.serial != expected {
                return Err(damaged(format!("the journal lacks entry {expected}")));
            }
            leaves.push(leaf_hash(&leaf::encode(row)?));
        }
        Ok(Self { leaves })
    }

    /// Whether a checkpoint of the key is what its first entries lead to.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn agrees_with(&self, note: &str, public: PublicKey) -> Result<(), IndexError> {
        let verifier = VerifierKey { name: name_of(&public), key: public };
        let checkpoint = Checkpoint::verify(note, &verifier).map_err(damaged)?;
        let size = usize::try_from(checkpoint.size).unwrap_or(usize::MAX);
        let Some(leaves) = self.leaves.get(..size) else {
            let (size, held) = (checkpoint.size, self.leaves.len());
            return Err(damaged(format!("the checkpoint covers {size} entries, the journal has {held}")));
        };
        let mut frontier = Frontier::default();
        for leaf in leaves {
            frontier.append(*leaf);
        }
        if frontier.root() == checkpoint.root {
            return Ok(());
        }
        Err(damaged("the journal does not lead to the checkpoint"))
    }
}
