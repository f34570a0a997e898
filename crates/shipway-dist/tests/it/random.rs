//! Short, deterministic runs of the fuzz targets over changed seeds, and of whole files with random
//! damage: nothing panics, and what is still accepted has the same members with the same bytes.

use shipway_dist::Sha256;
use shipway_dist::archive::{Limits, read_members};
use shipway_dist::check::{Options, check_bytes};
use shipway_dist::evidence::{Predicate, STATEMENT_TYPE, STEP, Statement, Subject, SubjectDigest, Verdict};
use shipway_dist::fuzzing::TARGETS;
use shipway_dist::log::{Checkpoint, Hash, Hashes, consistency_proof, inclusion_proof, leaf_hash, node_hash};
use shipway_dist::signing::{Envelope, PrivateKey};
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
        "checkpoint" => {
            return vec![
                signed_note().into_bytes(),
                b"fuzzed\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nextension\n".to_vec(),
                b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".to_vec(),
            ];
        }
        "tile" => &["tile/entries/000.p/2\n\0\u{3}{ }\0\u{2}{}", "tile/0/x001/234.p/5\nx", "tile/3/067\n"],
        "proof" => return proofs(),
        "envelope" => {
            let statement = statement();
            let payload = serde_json::to_vec(&statement).unwrap();
            return vec![serde_json::to_vec(&Envelope::sign(&statement, &key())).unwrap(), payload];
        }
        _ => &[
            "a[b,c]>=1,<2; (os_name == 'x' or extra != \"y\") and python_version in '3'",
            "a @ https://b/c ; extra == 'd'",
        ],
    };
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The key that the targets know.
fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn signed_note() -> String {
    Checkpoint { origin: "fuzzed".to_owned(), size: 20, root: [3; 32] }.sign(&key())
}

/// True proofs of a log of 13 leaves, as the target reads them.
fn proofs() -> Vec<Vec<u8>> {
    struct Leaves;
    impl Hashes for Leaves {
        type Error = std::convert::Infallible;

        fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
            let Some(below) = level.checked_sub(1) else { return Ok(leaf_hash(&index.to_be_bytes())) };
            Ok(node_hash(&self.hash(below, index * 2)?, &self.hash(below, index * 2 + 1)?))
        }
    }
    let Ok(inclusion) = inclusion_proof(5, 13, &Leaves);
    let Ok(consistency) = consistency_proof(5, 13, &Leaves);
    [inclusion, consistency].map(|proof| [vec![13, 5], proof.concat()].concat()).to_vec()
}

fn statement() -> Statement {
    Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Subject {
            name: WHEEL.to_owned(),
            digest: SubjectDigest { sha256: Sha256::of(b"bytes") },
        }],
        predicate_type: STEP.to_owned(),
        predicate: Predicate {
            gate: "publish".to_owned(),
            result: Verdict::Passed,
            commit: "c0ffee".to_owned(),
            run: Some("https://ci.example/1".to_owned()),
            attempt: Some(1),
            channel: Some("dev".to_owned()),
            configuration: Vec::new(),
            started_on: "2030-01-01T00:00:00Z".to_owned(),
            duration_ms: 5,
            tools: [("python".to_owned(), "3.13".to_owned())].into(),
            provenance: None,
            findings: Vec::new(),
            detail: serde_json::json!({ "tests": 5 }),
        },
    }
}

#[test]
fn no_target_panics_on_damaged_seeds() {
    for (name, target) in TARGETS {
        let rounds = match name {
            "zip" | "tar" => 1_500,
            // Signed, or a whole log, each time.
            "checkpoint" | "envelope" | "proof" => 2_000,
            _ => 15_000,
        };
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
    // Of the parsers of the index the runs are in its tests.
    let of_index = ["data_index", "export_rows", "headers", "multipart", "policy", "simple_page"];
    let mut run: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).chain(of_index).collect();
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
