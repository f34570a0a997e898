//! The log against independent implementations: the crates `tlog_tiles` and `signed_note`.

use shipway_dist::log::{
    Checkpoint, Frontier, Hash, Hashes, Tile, VerifierKey, consistency_proof, inclusion_proof, leaf_hash,
    tiles_of, verify_consistency, verify_inclusion,
};
use shipway_dist::signing::PrivateKey;
use std::collections::HashMap;
use std::convert::Infallible;

/// Our hashes by level and index, and the peer's in its own order.
#[derive(Default)]
struct Both {
    ours: HashMap<(u8, u64), Hash>,
    theirs: Vec<tlog_tiles::tlog::Hash>,
}

impl Hashes for Both {
    type Error = Infallible;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.ours[&(level, index)])
    }
}

impl tlog_tiles::tlog::HashReader for Both {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::tlog::Hash>, tlog_tiles::tlog::Error> {
        Ok(indexes.iter().map(|index| self.theirs[*index as usize]).collect())
    }
}

#[test]
fn g11_roots_and_proofs_are_those_of_the_peer_at_every_size() {
    let (mut both, mut frontier, mut roots) = (Both::default(), Frontier::default(), Vec::new());
    for size in 0..=1_025_u64 {
        let theirs = tlog_tiles::tlog::tree_hash(size, &both).unwrap();
        assert_eq!(frontier.root(), theirs.0, "size {size}");
        roots.push(theirs);
        // Sizes around the powers of two are where proofs change their shape.
        let is_edge = size > 0 && ((size & (size - 1)) == 0 || ((size + 1) & size) == 0 || size % 97 == 0);
        if is_edge {
            for index in [0, size / 3, size / 2, size - 1] {
                let ours = inclusion_proof(index, size, &both).unwrap();
                let theirs = tlog_tiles::tlog::prove_record(size, index, &both).unwrap();
                assert_eq!(ours, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), "{index} of {size}");
                let leaf = leaf_hash(&index.to_be_bytes());
                verify_inclusion(&leaf, index, size, &frontier.root(), &ours).unwrap();
            }
            for old in [1, size / 3 + 1, size / 2 + 1, size] {
                let ours = consistency_proof(old, size, &both).unwrap();
                let theirs = tlog_tiles::tlog::prove_tree(size, old, &both).unwrap();
                assert_eq!(ours, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), "{old} to {size}");
                verify_consistency(old, size, &roots[old as usize].0, &frontier.root(), &ours).unwrap();
            }
        }
        let leaf = size.to_be_bytes();
        both.theirs.extend(tlog_tiles::tlog::stored_hashes(size, &leaf, &both).unwrap());
        for (level, index, hash) in frontier.append(leaf_hash(&leaf)) {
            both.ours.insert((level, index), hash);
        }
    }
}

#[test]
fn g11_tiles_have_the_paths_of_the_peer() {
    for (level, index, width) in [(0, 0, 256), (0, 273, 112), (1, 1_234_067, 256), (2, 5, 1)] {
        let ours = Tile { level: Some(level), index, width };
        let theirs = tlog_tiles::tile::Tile::new(8, level, index, width.into(), false).path();
        // The peer writes the height of its tiles too, which the specification fixes at 8.
        assert_eq!(ours.path(), theirs.replacen("tile/8/", "tile/", 1), "{theirs}");
    }
    let count = |size: u64| tlog_tiles::tile::Tile::new_tiles(8, 0, size).len();
    for size in [1, 255, 256, 257, 1_025, 70_000] {
        assert_eq!(
            tiles_of(0, size).iter().filter(|tile| tile.level.is_some()).count(),
            count(size),
            "{size}"
        );
    }
}

#[test]
fn g11_a_checkpoint_is_read_and_verified_by_the_peer() {
    let key = PrivateKey::from_seed(&[5; 32]);
    let checkpoint = Checkpoint { origin: "index.example/log".to_owned(), size: 1_025, root: [3; 32] };
    let note = checkpoint.sign(&key);
    let vkey = VerifierKey { name: checkpoint.origin.clone(), key: key.public() }.to_string();
    let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
    let parsed = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, _) = parsed.verify(&signed_note::VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!(verified.len(), 1);
    let theirs = tlog_tiles::Checkpoint::from_bytes(parsed.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("index.example/log", 1_025, [3; 32]));
    let forged = note.replace("1025", "1026");
    let parsed = signed_note::Note::from_bytes(forged.as_bytes()).unwrap();
    let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
    assert!(parsed.verify(&signed_note::VerifierList::new(vec![Box::new(verifier)])).is_err());
}
