//! Every single defect of the tables, made in the ten real files of the corpus that are pinned.
//!
//! Unchanged, each file passes, and so does it when it was only taken apart and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use shipway_dist::check::{Options, check_bytes, compare_release};
use shipway_dist::{Severity, rules};
use shipway_testing::Random;

use crate::build::{Headers, Sdist, Wheel, Zip};
use crate::corpus::{name_of, pinned};
use crate::{mutants_content, mutants_filename, mutants_metadata, mutants_sdist, mutants_zip};

/// What cannot be a defect in the bytes or the name of one file, and what stands for it.
const NOT_IN_ONE_FILE: &[(&str, &str)] = &[
    ("static-field-111", "compares two files; `a_static_field_that_differs_between_real_files`"),
    ("description-markup-41", "found by docutils, in `shipway-pyapi` and its tests"),
];

struct Real {
    name: String,
    bytes: Vec<u8>,
}

fn files(extension: &str) -> Vec<Real> {
    let paths: Vec<PathBuf> =
        pinned().into_iter().filter(|path| name_of(path).ends_with(extension)).collect();
    let real = |path: &PathBuf| Real { name: name_of(path).to_owned(), bytes: std::fs::read(path).unwrap() };
    paths.iter().map(real).collect()
}

fn top(name: &str) -> String {
    name.replace(".tar.gz", "/")
}

/// The identifiers found, with the severity under `--strict`.
fn found(bytes: &[u8], name: &str) -> BTreeSet<(String, Severity)> {
    let findings = check_bytes(bytes, name, &Options { strict: true }).findings;
    findings.into_iter().map(|finding| (finding.id, finding.severity)).collect()
}

/// One defect: what it is, what it is refused with, and how the file and its name look with it.
type Defect<'d> = (&'static str, &'static str, Box<dyn Fn() -> (Vec<u8>, String) + Sync + 'd>);

/// Judges one file with each defect; returns the defects that were tried.
fn judge(file: &Real, whole: &[u8], defects: Vec<Defect<'_>>) -> Vec<(&'static str, &'static str)> {
    assert!(check_bytes(&file.bytes, &file.name, &Options::default()).ok(), "{} as it is", file.name);
    let report = check_bytes(whole, &file.name, &Options::default());
    assert!(report.ok(), "{}, taken apart and put together: {:#?}", file.name, report.findings);
    let before = found(whole, &file.name);
    let judged = defects.par_iter().filter_map(|(what, id, make)| {
        if before.iter().any(|(found, _)| found == id) {
            return None;
        }
        let (bytes, name) = make();
        let after = found(&bytes, &name);
        let rule = rules::find(id).unwrap();
        let expected = ((*id).to_owned(), rule.severity(true));
        assert!(after.contains(&expected), "{}, {what}: expected {id}, found {after:#?}", file.name);
        if rule.severity(false) == Severity::Error {
            assert!(!check_bytes(&bytes, &name, &Options::default()).ok(), "{}, {what}", file.name);
        }
        Some((*what, *id))
    });
    judged.collect()
}

/// Every entry of a table was tried in at least one real file.
fn assert_all_tried<'t>(
    tried: &[(&'static str, &'static str)],
    table: impl Iterator<Item = (&'static str, &'static str)> + 't,
) {
    let seen: BTreeSet<_> = tried.iter().collect();
    let missing: Vec<_> = table.filter(|entry| !seen.contains(entry)).collect();
    eprintln!("{} mutants of real files, {} kinds of defect", tried.len(), seen.len());
    assert!(missing.is_empty(), "never tried in a real file: {missing:?}");
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_framing_are_refused() {
    // No pinned wheel has a name beyond ASCII.
    let table = || mutants_zip::MUTANTS.iter().filter(|(what, ..)| !what.contains("beyond ASCII"));
    let mut tried = Vec::new();
    for file in files(".whl") {
        let zip = Zip::parse(&file.bytes).expect("an ordinary zip file");
        let defect = |&(what, id, mutate): &mutants_zip::Mutant| -> Defect<'_> {
            let (zip, name) = (&zip, &file.name);
            (
                what,
                id,
                Box::new(move || {
                    let mut mutant = zip.clone();
                    mutate(&mut mutant);
                    (mutant.bytes(), name.clone())
                }),
            )
        };
        tried.extend(judge(&file, &zip.bytes(), table().map(defect).collect()));
    }
    assert_all_tried(&tried, table().map(|(what, id, _)| (*what, *id)));
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_content_are_refused() {
    let mut tried = Vec::new();
    for file in files(".whl") {
        let wheel = Wheel::parse(&file.bytes);
        let defect = |&(what, id, mutate): &mutants_content::Mutant| -> Defect<'_> {
            let (wheel, name) = (&wheel, &file.name);
            (
                what,
                id,
                Box::new(move || {
                    let mut mutant = wheel.clone();
                    mutate(&mut mutant);
                    (mutant.zip().bytes(), name.clone())
                }),
            )
        };
        let defects = mutants_content::MUTANTS.iter().map(defect).collect();
        tried.extend(judge(&file, &wheel.zip().bytes(), defects));
    }
    assert_all_tried(&tried, mutants_content::MUTANTS.iter().map(|(what, id, _)| (*what, *id)));
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_metadata_are_refused() {
    let mut tried = Vec::new();
    for file in files(".whl") {
        let wheel = Wheel::parse(&file.bytes);
        let defect = |&(what, id, mutate): &mutants_metadata::Mutant| -> Defect<'_> {
            let (wheel, name) = (&wheel, &file.name);
            (
                what,
                id,
                Box::new(move || {
                    let mut mutant = wheel.clone();
                    mutant.headers("METADATA", mutate);
                    (mutant.zip().bytes(), name.clone())
                }),
            )
        };
        let defects = mutants_metadata::MUTANTS.iter().map(defect).collect();
        tried.extend(judge(&file, &wheel.zip().bytes(), defects));
    }
    assert_all_tried(&tried, mutants_metadata::MUTANTS.iter().map(|(what, id, _)| (*what, *id)));
}

#[test]
fn real_sdists_from_the_package_registry_with_a_defect_are_refused() {
    let mut tried = Vec::new();
    for file in files(".tar.gz") {
        let sdist = Sdist::parse(&file.bytes, &top(&file.name));
        let defect = |&(what, id, mutate): &mutants_sdist::Mutant| -> Defect<'_> {
            let (sdist, name) = (&sdist, &file.name);
            (
                what,
                id,
                Box::new(move || {
                    let mut mutant = sdist.clone();
                    mutate(&mut mutant);
                    (mutant.bytes(), name.clone())
                }),
            )
        };
        let frame = |&(what, id, change): &mutants_sdist::Frame| -> Defect<'_> {
            let file = &file;
            (
                what,
                id,
                Box::new(move || {
                    let mut bytes = file.bytes.clone();
                    change(&mut bytes);
                    (bytes, file.name.clone())
                }),
            )
        };
        // What a defect would be made in is not in every sdist.
        let has = |end: &str| sdist.has(end);
        let possible = |what: &str| !what.contains("pyproject.toml") || has("pyproject.toml");
        let members = mutants_sdist::MUTANTS.iter().filter(|(what, ..)| possible(what)).map(defect);
        let defects = members.chain(mutants_sdist::FRAMES.iter().map(frame)).collect();
        tried.extend(judge(&file, &sdist.bytes(), defects));
    }
    let members = mutants_sdist::MUTANTS.iter().map(|(what, id, _)| (*what, *id));
    assert_all_tried(&tried, members.chain(mutants_sdist::FRAMES.iter().map(|(what, id, _)| (*what, *id))));
}

#[test]
fn real_files_from_the_package_registry_with_another_name_are_refused() {
    let mut tried = Vec::new();
    for (extension, table) in [(".whl", mutants_filename::WHEELS), (".tar.gz", mutants_filename::SDISTS)] {
        for file in files(extension) {
            let defect = |&(what, id, rename): &mutants_filename::Mutant| -> Defect<'_> {
                let file = &file;
                (what, id, Box::new(move || (file.bytes.clone(), rename(&file.name))))
            };
            tried.extend(judge(&file, &file.bytes, table.iter().map(defect).collect()));
        }
    }
    let table = mutants_filename::WHEELS.iter().chain(mutants_filename::SDISTS);
    assert_all_tried(&tried, table.map(|(what, id, _)| (*what, *id)));
}

#[test]
fn a_static_field_that_differs_between_real_files_from_the_package_registry_is_refused() {
    let metadata = |file: &Real| check_bytes(&file.bytes, &file.name, &Options::default()).metadata.unwrap();
    let wheels = files(".whl");
    let mut pairs = 0;
    for sdist in files(".tar.gz") {
        let stem = sdist.name.replace(".tar.gz", "-");
        let Some(wheel) = wheels.iter().find(|wheel| wheel.name.starts_with(&stem)) else { continue };
        let of_sdist = metadata(&sdist);
        let before = compare_release(&of_sdist, &metadata(wheel), true);
        assert!(before.is_empty(), "{}: {before:#?}", sdist.name);
        let mut mutant = Wheel::parse(&wheel.bytes);
        mutant.headers("METADATA", |fields: &mut Headers| fields.set("Requires-Python", ">=3.99"));
        let mutant = Real { name: wheel.name.clone(), bytes: mutant.zip().bytes() };
        let after = compare_release(&of_sdist, &metadata(&mutant), false);
        // Before metadata 2.2 an sdist promises nothing.
        let promises = !of_sdist.metadata_version.starts_with("2.1");
        assert_eq!(after.iter().any(|finding| finding.id == "static-field-111"), promises, "{}", sdist.name);
        pairs += usize::from(promises);
    }
    assert!(pairs >= 2, "{pairs}");
}

/// The table of coverage: every rule with the number of its defects, none without.
#[test]
fn every_rule_has_a_defect_that_shows_it() {
    let mut count: BTreeMap<&str, usize> = rules::all().map(|rule| (rule.id, 0)).collect();
    let ids = (mutants_zip::MUTANTS.iter().map(|(_, id, _)| *id))
        .chain(mutants_content::MUTANTS.iter().map(|(_, id, _)| *id))
        .chain(mutants_metadata::MUTANTS.iter().map(|(_, id, _)| *id))
        .chain(mutants_sdist::MUTANTS.iter().map(|(_, id, _)| *id))
        .chain(mutants_sdist::FRAMES.iter().map(|(_, id, _)| *id))
        .chain(mutants_filename::WHEELS.iter().chain(mutants_filename::SDISTS).map(|(_, id, _)| *id));
    for id in ids {
        *count.get_mut(id).unwrap_or_else(|| panic!("`{id}` is no rule")) += 1;
    }
    let mut table: Vec<(u16, &str, usize)> =
        rules::all().map(|rule| (rule.check, rule.id, count[rule.id])).collect();
    table.sort_unstable();
    for (check, id, count) in &table {
        eprintln!("{check:3} {id:32} {count}");
    }
    // 60 needs the other files of the release; 77 is for rules of the index's owner.
    for number in (52..=59).chain(71..=111).filter(|number| *number != 77) {
        assert!(table.iter().any(|(check, ..)| *check == number), "no rule has the number {number}");
    }
    let without: Vec<&str> = table.iter().filter(|(.., count)| *count == 0).map(|(_, id, _)| *id).collect();
    let mut expected: Vec<&str> = NOT_IN_ONE_FILE.iter().map(|(id, _)| *id).collect();
    expected.sort_by_key(|id| rules::find(id).map(|rule| (rule.check, rule.id)));
    assert_eq!(without, expected, "rules without a defect in tests/it/mutants_*.rs");
}

#[test]
fn real_sdists_from_the_package_registry_with_damage_are_refused_or_the_same() {
    for file in files(".tar.gz") {
        let expected = check_bytes(&file.bytes, &file.name, &Options::default());
        let mut random = Random(file.bytes.len() as u64);
        for round in 0..150 {
            let mut bytes = file.bytes.clone();
            random.damage(&mut bytes);
            let report = check_bytes(&bytes, &file.name, &Options::default());
            if report.ok() {
                assert_eq!(report.metadata_bytes, expected.metadata_bytes, "{}, round {round}", file.name);
            }
        }
    }
}
