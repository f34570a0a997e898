//! Small fixed versions of the benches over real releases, so that a regression fails a test.
//!
//! They fetch releases with the ordinary pip, hence `registry` in their names.

#[path = "../../benches/harness/fetch.rs"]
pub(crate) mod fetch;
#[path = "../../benches/harness/mutations.rs"]
mod mutations;
#[path = "../../benches/harness/score.rs"]
mod score;
#[path = "../../benches/harness/signatures.rs"]
mod signatures;

use std::path::{Path, PathBuf};

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry")
}

fn wheel(name: &str, version: &str) -> PathBuf {
    fetch::fetch(name, version, &cache()).unwrap()
}

#[test]
fn j3_registry_known_changes_of_real_pairs_are_found() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/api-pairs/known.json");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let score = score::judge(&rows, &cache());
    assert!(score.breaking >= 15 && score.compatible >= 5, "{} {}", score.breaking, score.compatible);
    let lines = score.lines.join("\n");
    assert_eq!((score.found, score.level_right), (score.breaking, score.breaking), "{lines}");
    assert_eq!(score.flagged, 0, "{lines}");
}

#[test]
fn j12_registry_planted_changes_are_judged_as_expected() {
    let mut outcome = mutations::Outcome::default();
    for (name, version) in [("click", "8.1.8"), ("packaging", "24.2"), ("tomlkit", "0.13.2")] {
        outcome.wheel(&wheel(name, version), 6).unwrap();
    }
    let (all, good) = outcome.sums();
    assert!(all >= 200, "{all}");
    assert_eq!(good, all, "{}", outcome.problems.join("\n"));
}

#[test]
fn j1_registry_signatures_are_those_of_the_imported_modules() {
    let (mut compared, mut through) = (0, 0);
    for (name, version) in [("click", "8.1.8"), ("packaging", "24.2"), ("more-itertools", "10.5.0")] {
        let wheel = wheel(name, version);
        let folder = tempfile::tempdir().unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&wheel).unwrap()).unwrap();
        archive.extract(folder.path()).unwrap();
        let agreement = signatures::compare(Path::new("python3"), &wheel, Some(folder.path())).unwrap();
        assert_eq!(agreement.differences, [""; 0], "{name}");
        compared += agreement.compared;
        through += agreement.through;
    }
    assert!(compared >= 400 && through * 20 <= compared, "{compared} {through}");
}
