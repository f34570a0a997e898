//! The tamper-evident log: a Merkle tree of leaves, its tiles, proofs and signed checkpoints.
//!
//! Sources: RFC 6962 (hashing, proofs), C2SP tlog-tiles, tlog-checkpoint and signed-note. Only mathematics and
//! formats stand here; who stores tiles and who asks for them is elsewhere.

mod checkpoint;
mod proof;
mod tile;

use sha2::{Digest as _, Sha256 as Hasher};

pub use checkpoint::{Checkpoint, CheckpointError, VerifierKey};
pub use proof::{ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use tile::{
    ENTRIES_IN_TILE, HASH_SIZE, MAX_LEAF, Tile, TileError, TileHashes, entries_of, entry_bundle, tiles_of,
};

/// A hash of a leaf or of a node: 32 bytes.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 || leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hasher::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The hash of a node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hasher::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of no leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hasher::new().finalize().into()
}

/// Gives hashes of complete subtrees: at `level` L and `index` I over the leaves `I * 2^L` up to `(I + 1) * 2^L`.
pub trait Hashes {
    /// What may go wrong while a hash is fetched.
    type Error;

    /// The hash.
    ///
    /// # Errors
    /// When it cannot be had.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The roots of the complete subtrees that a tree of `size` leaves is made of, the largest first.
///
/// Enough to append: the state of a log is its size and at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree that is stored already.
    ///
    /// # Errors
    /// When a hash cannot be had.
    pub fn load<H: Hashes>(size: u64, hashes: &H) -> Result<Self, H::Error> {
        let roots = subtrees(0, size).map(|(level, index)| hashes.hash(level, index));
        Ok(Self { size, roots: roots.collect::<Result<_, _>>()? })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and gives every hash of a subtree that it completes, with its level and index.
    pub fn append(&mut self, leaf: Hash) -> Vec<(u8, u64, Hash)> {
        let index = self.size;
        let mut complete = vec![(0, index, leaf)];
        let mut hash = leaf;
        // Every trailing one of the size is a subtree that gets its right half.
        for level in 1..=u8::try_from(index.trailing_ones()).unwrap_or(64) {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
                complete.push((level, index >> level, hash));
            }
        }
        self.roots.push(hash);
        self.size += 1;
        complete
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev().copied();
        let Some(last) = roots.next() else { return empty_root() };
        roots.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// The complete subtrees that the leaves from `from` (a multiple of the first one's size) up to `to` are made of.
fn subtrees(from: u64, to: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
        let level = aligned.min(63 - left.leading_zeros());
        let subtree = (u8::try_from(level).unwrap_or(63), at >> level);
        at += 1 << level;
        Some(subtree)
    })
}

/// The root of the leaves from `from` up to `to`.
fn root_of<H: Hashes>(from: u64, to: u64, hashes: &H) -> Result<Hash, H::Error> {
    let parts =
        subtrees(from, to).map(|(level, index)| hashes.hash(level, index)).collect::<Result<Vec<_>, _>>()?;
    let mut parts = parts.into_iter().rev();
    let Some(last) = parts.next() else { return Ok(empty_root()) };
    Ok(parts.fold(last, |right, left| node_hash(&left, &right)))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;

    /// A log in memory.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        pub(crate) frontier: Frontier,
        pub(crate) hashes: HashMap<(u8, u64), Hash>,
    }

    impl Memory {
        pub(crate) fn of(size: u64) -> Self {
            let mut memory = Self::default();
            for leaf in 0..size {
                memory.append(&leaf.to_be_bytes());
            }
            memory
        }

        pub(crate) fn append(&mut self, leaf: &[u8]) {
            for (level, index, hash) in self.frontier.append(leaf_hash(leaf)) {
                self.hashes.insert((level, index), hash);
            }
        }
    }

    impl Hashes for Memory {
        type Error = Infallible;

        fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            Ok(self.hashes[&(level, index)])
        }
    }

    /// The definition of RFC 6962, as slow as it is written there.
    pub(crate) fn root_by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                node_hash(&root_by_definition(&leaves[..half]), &root_by_definition(&leaves[half..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_at_every_size() {
        let leaves: Vec<Vec<u8>> = (0..1_025_u64).map(|leaf| leaf.to_be_bytes().to_vec()).collect();
        let mut memory = Memory::default();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(memory.frontier.root(), root_by_definition(&leaves[..size]), "size {size}");
            let loaded = Frontier::load(size as u64, &memory).unwrap();
            assert_eq!(loaded, memory.frontier, "a log taken up again at size {size}");
            memory.append(leaf);
        }
    }

    #[test]
    fn the_published_roots_are_met() {
        // The leaves and roots of the reference tests of Certificate Transparency.
        let leaves = ["", "00", "10", "2021", "3031", "40414243"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        ];
        let mut frontier = Frontier::default();
        for (leaf, root) in leaves.iter().zip(roots) {
            let bytes: Vec<u8> = (0..leaf.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&leaf[at..at + 2], 16).unwrap())
                .collect();
            frontier.append(leaf_hash(&bytes));
            let shown: String = frontier.root().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(shown, root);
        }
    }
}
