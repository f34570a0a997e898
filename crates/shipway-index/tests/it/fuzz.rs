//! Short, deterministic runs of the fuzz targets of this crate over changed seeds.

use std::path::{Path, PathBuf};

use shipway_index::fuzzing::{data_index, export_rows, headers, multipart, policy, simple_page};
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

/// Judges the seeds, then damaged ones; says which before each.
#[expect(clippy::print_stderr, reason = "names the input that a panic is about")]
fn run(target: &str, judge: impl Fn(&[u8]), rounds: usize) {
    let seeds = committed(target);
    assert!(seeds.len() > 1, "{seeds:?}");
    for (path, seed) in &seeds {
        eprintln!("{}", path.display());
        judge(seed);
    }
    let mut random = Random(9);
    for round in 0..rounds {
        let (path, seed) = &seeds[round % seeds.len()];
        let mut bytes = seed.clone();
        random.damage(&mut bytes);
        eprintln!("{}, damaged in round {round}", path.display());
        judge(&bytes);
    }
}

#[test]
fn no_form_panics_on_the_committed_seeds_nor_on_damaged_ones() {
    run("multipart", multipart, 2_000);
}

#[test]
fn l6_no_field_of_a_request_panics_or_names_another_client() {
    run("headers", headers, 20_000);
}

#[test]
fn l6_no_page_of_upstream_panics_on_the_committed_seeds_nor_on_damaged_ones() {
    run("simple_page", simple_page, 2_000);
}

#[test]
fn l6_no_policy_and_no_export_panics_on_the_committed_seeds_nor_on_damaged_ones() {
    run("policy", policy, 2_000);
    run("data_index", data_index, 2_000);
    run("export_rows", export_rows, 2_000);
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
