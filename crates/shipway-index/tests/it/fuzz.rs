//! Short, deterministic runs of the fuzz targets of this crate over changed seeds.

use std::path::{Path, PathBuf};

use shipway_index::fuzzing::{TARGETS, multipart};
use shipway_testing::Random;

/// The seeds of a target, and every input that once made it fail.
fn committed(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn no_target_panics_on_the_committed_seeds_nor_on_damaged_ones() {
    for (name, target) in TARGETS {
        let seeds = committed(name);
        assert!(seeds.len() > 1, "{name}: {seeds:?}");
        for (path, seed) in &seeds {
            eprintln!("{}", path.display());
            target(seed);
        }
        let mut random = Random(9);
        for round in 0..2_000 {
            let mut bytes = seeds[round % seeds.len()].1.clone();
            random.damage(&mut bytes);
            target(&bytes);
        }
    }
}

#[test]
fn a_form_is_read_in_pieces_of_every_size() {
    for (_, seed) in committed("multipart") {
        // Each blank behind the last boundary is another size of the pieces.
        for more in 0..61 {
            let mut bytes = seed.clone();
            bytes.resize(seed.len() + more, b' ');
            multipart(&bytes);
        }
    }
}
