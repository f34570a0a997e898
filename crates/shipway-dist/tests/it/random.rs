//! Short, deterministic runs of the fuzz targets over changed seeds, and of whole files with random
//! damage: nothing panics, and what is still accepted has the same members with the same bytes.

use shipway_dist::archive::{Limits, read_members};
use shipway_dist::check::{Options, check_bytes};
use shipway_dist::fuzzing::TARGETS;
use shipway_testing::Random;

use crate::build::{METADATA, SDIST, WHEEL, Wheel, sdist, write};

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&str] = match target {
        "zip" => return vec![Wheel::demo().zip().bytes(), Vec::new()],
        "tar" => return vec![sdist().bytes(), sdist().tar(), Vec::new()],
        "metadata" => &[METADATA, "Name: a\nDescription: b\n        |c\n"],
        "record" => &[
            "demo/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\ndemo-1.0.dist-info/RECORD,,\n",
            "\"a,b\",,",
        ],
        "wheel_file" => &["Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py2.py3-none-any\nBuild: 1\n"],
        "entry_points" => &["[console_scripts]\ndemo = demo.cli:main [a, b]\n# c\n[x.y]\nz = a.b\n"],
        "filename" => {
            &[WHEEL, SDIST, "demo-1.0-1-cp39.cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"]
        }
        "version" => &["1!2.3.4rc5.post6.dev7+local.8", "v1.0-1", "2024.01"],
        _ => &[
            "a[b,c]>=1,<2; (os_name == 'x' or extra != \"y\") and python_version in '3'",
            "a @ https://b/c ; extra == 'd'",
        ],
    };
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn no_target_panics_on_damaged_seeds() {
    for (name, target) in TARGETS {
        let rounds = if matches!(name, "zip" | "tar") { 1_500 } else { 15_000 };
        let mut random = Random(name.len() as u64);
        let seeds = seeds(name);
        for round in 0..rounds {
            let mut bytes = seeds[round % seeds.len()].clone();
            random.damage(&mut bytes);
            target(&bytes);
        }
    }
}

#[test]
fn a_damaged_file_that_is_accepted_has_the_same_members_and_bytes() {
    let directory = tempfile::tempdir().unwrap();
    for (filename, whole) in [(WHEEL, Wheel::demo().zip().bytes()), (SDIST, sdist().bytes())] {
        let read = |bytes: &[u8]| {
            let path = write(directory.path(), filename, bytes);
            read_members(path.as_ref(), filename, &mut |_| true, &Limits::default()).unwrap()
        };
        let expected = read(&whole);
        let mut random = Random(7);
        let mut accepted = 0;
        for round in 0..whole.len() * 4 {
            let mut bytes = whole.clone();
            // Every byte is changed in turn, then random places.
            if round < whole.len() {
                bytes[round] ^= 1 << random.below(8);
            } else {
                random.damage(&mut bytes);
            }
            if check_bytes(&bytes, filename, &Options::default()).ok() {
                accepted += 1;
                assert_eq!(read(&bytes), expected, "{filename}, round {round}");
            }
        }
        eprintln!("{filename}: {accepted} of {} accepted", whole.len() * 4);
    }
}

/// The seeds of the fuzz targets, and every input that once made one of them fail.
fn committed() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

#[test]
fn no_target_panics_on_the_committed_seeds() {
    let mut count = 0;
    for (name, target) in TARGETS {
        for entry in std::fs::read_dir(committed().join(name)).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
    }
    assert!(count >= TARGETS.len());
}

#[test]
fn every_fuzz_target_has_a_short_run() {
    let targets = std::fs::read_dir(committed().join("../fuzz_targets")).unwrap();
    let mut targets: Vec<_> = targets.map(|entry| entry.unwrap().path()).collect();
    targets.sort();
    let targets: Vec<_> = targets.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    // The form of an upload is a parser of the index, in whose tests its run is.
    let mut run: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).chain(["multipart"]).collect();
    run.sort_unstable();
    assert_eq!(targets, run);
}

#[test]
#[ignore = "writes the committed seeds anew"]
fn write_the_seeds() {
    for (name, _) in TARGETS {
        let directory = committed().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds(name).iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
}
