//! Proofs: that a leaf is in a tree, and that one tree goes on where another ended (RFC 6962, section 2.1).

use super::{Hash, Hashes, node_hash, root_of};

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size, or the older tree is the larger one.
    #[error("position {position} lies outside a tree of {size} leaves")]
    Outside {
        /// The position of the leaf, or the size of the older tree.
        position: u64,
        /// The size of the tree.
        size: u64,
    },
    /// Too few or too many hashes.
    #[error("a proof has {found} hashes, which do not fit the sizes")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the hashes of a proof lead to another root: what was logged has been changed")]
    Root,
}

/// The hashes that show that leaf `index` is in the tree of `size` leaves, from the leaf upward.
///
/// # Errors
/// When a hash cannot be had. An index outside the tree gives no hashes, which no verifier accepts.
pub fn inclusion_proof<H: Hashes>(index: u64, size: u64, hashes: &H) -> Result<Vec<Hash>, H::Error> {
    let mut proof = Vec::new();
    if index < size {
        path(index, 0, size, hashes, &mut proof)?;
    }
    Ok(proof)
}

/// PATH of RFC 6962 over the leaves from `from` up to `to`.
fn path<H: Hashes>(
    index: u64,
    from: u64,
    to: u64,
    hashes: &H,
    proof: &mut Vec<Hash>,
) -> Result<(), H::Error> {
    if to - from <= 1 {
        return Ok(());
    }
    let middle = from + half(to - from);
    if index < middle {
        path(index, from, middle, hashes, proof)?;
        proof.push(root_of(middle, to, hashes)?);
    } else {
        path(index, middle, to, hashes, proof)?;
        proof.push(root_of(from, middle, hashes)?);
    }
    Ok(())
}

/// The largest power of two below `count`, which is at least 2.
fn half(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// The hashes that show that the tree of `new` leaves begins with the tree of `old` leaves.
///
/// # Errors
/// When a hash cannot be had. Equal sizes and an empty old tree need no hashes.
pub fn consistency_proof<H: Hashes>(old: u64, new: u64, hashes: &H) -> Result<Vec<Hash>, H::Error> {
    let mut proof = Vec::new();
    if old > 0 && old < new {
        subproof(old, 0, new, true, hashes, &mut proof)?;
    }
    Ok(proof)
}

/// SUBPROOF of RFC 6962 over the leaves from `from` up to `to`, of which `old` are in the older tree.
fn subproof<H: Hashes>(
    old: u64,
    from: u64,
    to: u64,
    known: bool,
    hashes: &H,
    proof: &mut Vec<Hash>,
) -> Result<(), H::Error> {
    if old == to {
        if !known {
            proof.push(root_of(from, to, hashes)?);
        }
        return Ok(());
    }
    let middle = from + half(to - from);
    if old <= middle {
        subproof(old, from, middle, known, hashes, proof)?;
        proof.push(root_of(middle, to, hashes)?);
    } else {
        subproof(old, middle, to, false, hashes, proof)?;
        proof.push(root_of(from, middle, hashes)?);
    }
    Ok(())
}

/// Verifies that `leaf` (its hash) is at `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// Why it is not shown.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { position: index, size });
    }
    // RFC 9162, section 2.1.3.2.
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for one in proof {
        if last == 0 {
            return Err(ProofError::Length { found: proof.len() });
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(one, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, one);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length { found: proof.len() });
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Verifies that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with `old_root`.
///
/// # Errors
/// Why it is not shown.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Outside { position: old, size: new });
    }
    if old == new || old == 0 {
        if !proof.is_empty() {
            return Err(ProofError::Length { found: proof.len() });
        }
        let same = if old == new { old_root == new_root } else { *old_root == super::empty_root() };
        return if same { Ok(()) } else { Err(ProofError::Root) };
    }
    // RFC 9162, section 2.1.4.2.
    let mut path = proof.iter();
    let length = ProofError::Length { found: proof.len() };
    let first = if old.is_power_of_two() { old_root } else { path.next().ok_or(length)? };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut older, mut newer) = (*first, *first);
    for one in path {
        if last == 0 {
            return Err(length);
        }
        if node & 1 == 1 || node == last {
            older = node_hash(one, &older);
            newer = node_hash(one, &newer);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            newer = node_hash(&newer, one);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if older == *old_root && newer == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Memory;
    use super::super::{Frontier, leaf_hash};
    use super::*;

    fn root(size: u64, memory: &Memory) -> Hash {
        Frontier::load(size, memory).unwrap().root()
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved() {
        let memory = Memory::of(130);
        for size in 1..=130 {
            let root = root(size, &memory);
            for index in 0..size {
                let proof = inclusion_proof(index, size, &memory).unwrap();
                let leaf = leaf_hash(&index.to_be_bytes());
                assert_eq!(verify_inclusion(&leaf, index, size, &root, &proof), Ok(()), "{index} of {size}");
                let other = leaf_hash(b"other");
                assert!(verify_inclusion(&other, index, size, &root, &proof).is_err());
                if size > 1 {
                    assert!(verify_inclusion(&leaf, (index + 1) % size, size, &root, &proof).is_err());
                    assert!(verify_inclusion(&leaf, index, size, &root, &proof[1..]).is_err());
                }
            }
            assert!(verify_inclusion(&[0; 32], size, size, &root, &[]).is_err());
        }
    }

    #[test]
    fn every_pair_of_small_trees_is_consistent_and_no_other_history_is() {
        let memory = Memory::of(70);
        let mut rewritten = Memory::default();
        for leaf in 0..70_u64 {
            rewritten.append(&if leaf == 3 { *b"rewritte" } else { leaf.to_be_bytes() });
        }
        for new in 0..=70 {
            for old in 0..=new {
                let proof = consistency_proof(old, new, &memory).unwrap();
                let (before, after) = (root(old, &memory), root(new, &memory));
                assert_eq!(verify_consistency(old, new, &before, &after, &proof), Ok(()), "{old} to {new}");
                if old > 3 {
                    let proof = consistency_proof(old, new, &rewritten).unwrap();
                    let after = root(new, &rewritten);
                    assert!(verify_consistency(old, new, &before, &after, &proof).is_err(), "{old} to {new}");
                }
                if !proof.is_empty() {
                    assert!(verify_consistency(old, new, &before, &after, &proof[1..]).is_err());
                }
            }
        }
    }

    #[test]
    fn every_flipped_byte_of_a_proof_is_found() {
        let memory = Memory::of(1_025);
        let (before, after) = (root(700, &memory), root(1_025, &memory));
        let leaf = leaf_hash(&400_u64.to_be_bytes());
        let inclusion = inclusion_proof(400, 1_025, &memory).unwrap();
        let consistency = consistency_proof(700, 1_025, &memory).unwrap();
        assert_eq!(verify_inclusion(&leaf, 400, 1_025, &after, &inclusion), Ok(()));
        assert_eq!(verify_consistency(700, 1_025, &before, &after, &consistency), Ok(()));
        for at in 0..inclusion.len() * 32 {
            let mut proof = inclusion.clone();
            proof[at / 32][at % 32] ^= 0x40;
            assert!(verify_inclusion(&leaf, 400, 1_025, &after, &proof).is_err());
        }
        for at in 0..consistency.len() * 32 {
            let mut proof = consistency.clone();
            proof[at / 32][at % 32] ^= 0x40;
            assert!(verify_consistency(700, 1_025, &before, &after, &proof).is_err());
        }
    }
}
