//! Every single defect of the tables, made in the ten real files of the corpus that are pinned.
//!
//! Unchanged, each file passes, and so does it when it was only taken apart and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

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
    ("description-markup-41", "found by docutils, in `shipway-release`; `tests/it/check.rs` of the command"),
    ("folder-entry-53", "judges a folder; `check::folder` and its tests"),
    ("data-missing-102", "needs the project's declaration; `tests/it/data.rs`"),
    ("data-copy-111", "needs the project's declaration; `tests/it/data.rs`"),
    ("script-target-98", "needs the Python parser; `tests/it/judge.rs` of `shipway-pyapi`"),
    ("entry-point-target-98", "needs the Python parser; `tests/it/judge.rs` of `shipway-pyapi`"),
    ("dangling-import-102", "needs the Python parser; `tests/it/judge.rs` of `shipway-pyapi`"),
    ("dangling-import-unreached-102", "needs the Python parser; `tests/it/judge.rs` of `shipway-pyapi`"),
    ("wheel-no-module-102", "needs the Python parser; `tests/it/judge.rs` of `shipway-pyapi`"),
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

/// The identifiers found, with the severity under `--strict`.
fn found(bytes: &[u8], name: &str) -> BTreeSet<(String, Severity)> {
    let findings = check_bytes(bytes, name, &Options { strict: true }).findings;
    findings.into_iter().map(|finding| (finding.id, finding.severity)).collect()
}

/// One defect: what it is, what it is refused with, and how the file and its name look with it.
pub(crate) struct Defect {
    what: &'static str,
    id: &'static str,
    make: Box<dyn Fn() -> (Vec<u8>, String) + Sync>,
}

fn defect(
    (what, id): (&'static str, &'static str),
    name: &str,
    make: impl Fn() -> Vec<u8> + Sync + 'static,
) -> Defect {
    let name = name.to_owned();
    Defect { what, id, make: Box::new(move || (make(), name.clone())) }
}

/// The defects of one kind in one file, and the file itself, only taken apart and put together.
struct Defects {
    whole: Vec<u8>,
    list: Vec<Defect>,
}

fn of_framing(file: &Real) -> Defects {
    let zip = Arc::new(Zip::parse(&file.bytes).expect("an ordinary zip file"));
    let list = framing().map(|&(what, id, mutate)| {
        let zip = zip.clone();
        defect((what, id), &file.name, move || {
            let mut mutant = Zip::clone(&zip);
            mutate(&mut mutant);
            mutant.bytes()
        })
    });
    Defects { whole: zip.bytes(), list: list.collect() }
}

/// No pinned wheel has a name beyond ASCII.
fn framing() -> impl Iterator<Item = &'static mutants_zip::Mutant> {
    mutants_zip::MUTANTS.iter().filter(|(what, ..)| !what.contains("beyond ASCII"))
}

fn of_content(file: &Real) -> Defects {
    let wheel = Arc::new(Wheel::parse(&file.bytes));
    let list = mutants_content::MUTANTS.iter().map(|&(what, id, mutate)| {
        let wheel = wheel.clone();
        defect((what, id), &file.name, move || {
            let mut mutant = Wheel::clone(&wheel);
            mutate(&mut mutant);
            mutant.zip().bytes()
        })
    });
    Defects { whole: wheel.zip().bytes(), list: list.collect() }
}

fn of_metadata(file: &Real) -> Defects {
    let wheel = Arc::new(Wheel::parse(&file.bytes));
    let list = mutants_metadata::MUTANTS.iter().map(|&(what, id, mutate)| {
        let wheel = wheel.clone();
        defect((what, id), &file.name, move || {
            let mut mutant = Wheel::clone(&wheel);
            mutant.headers("METADATA", mutate);
            mutant.zip().bytes()
        })
    });
    Defects { whole: wheel.zip().bytes(), list: list.collect() }
}

fn of_members(file: &Real) -> Defects {
    let sdist = Arc::new(Sdist::parse(&file.bytes, &file.name.replace(".tar.gz", "/")));
    // What a defect would be made in is not in every sdist.
    let possible = |what: &str| !what.contains("pyproject.toml") || sdist.has("pyproject.toml");
    let list =
        mutants_sdist::MUTANTS.iter().filter(|(what, ..)| possible(what)).map(|&(what, id, mutate)| {
            let sdist = sdist.clone();
            defect((what, id), &file.name, move || {
                let mut mutant = Sdist::clone(&sdist);
                mutate(&mut mutant);
                mutant.bytes()
            })
        });
    Defects { whole: sdist.bytes(), list: list.collect() }
}

fn of_frame(file: &Real) -> Defects {
    let list = mutants_sdist::FRAMES.iter().map(|&(what, id, change)| {
        let whole = file.bytes.clone();
        defect((what, id), &file.name, move || {
            let mut bytes = whole.clone();
            change(&mut bytes);
            bytes
        })
    });
    Defects { whole: file.bytes.clone(), list: list.collect() }
}

fn of_name(file: &Real) -> Defects {
    let wheel = file.name.ends_with(".whl");
    let table = if wheel { mutants_filename::WHEELS } else { mutants_filename::SDISTS };
    let list = table.iter().map(|&(what, id, rename)| {
        let whole = file.bytes.clone();
        defect((what, id), &rename(&file.name), move || whole.clone())
    });
    Defects { whole: file.bytes.clone(), list: list.collect() }
}

/// Every single defect in every pinned file, with the name that the file has then.
pub(crate) fn mutants() -> impl Iterator<Item = (Vec<u8>, String)> {
    let of_wheel: &[fn(&Real) -> Defects] = &[of_framing, of_content, of_metadata, of_name];
    let of_sdist: &[fn(&Real) -> Defects] = &[of_members, of_frame, of_name];
    let all = files(".whl").into_iter().map(move |file| (of_wheel, file));
    all.chain(files(".tar.gz").into_iter().map(move |file| (of_sdist, file)))
        .flat_map(|(kinds, file)| kinds.iter().flat_map(move |kind| kind(&file).list).collect::<Vec<_>>())
        .map(|defect| (defect.make)())
}

/// Judges one file with each defect; returns the defects that were tried.
fn judge(file: &Real, defects: &Defects) -> Vec<(&'static str, &'static str)> {
    assert!(check_bytes(&file.bytes, &file.name, &Options::default()).ok(), "{} as it is", file.name);
    let report = check_bytes(&defects.whole, &file.name, &Options::default());
    assert!(report.ok(), "{}, taken apart and put together: {:#?}", file.name, report.findings);
    let before = found(&defects.whole, &file.name);
    let judged = defects.list.par_iter().filter_map(|Defect { what, id, make }| {
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

/// Judges every file of a kind, and sees that each defect was tried in at least one.
fn judge_all(extension: &str, kind: fn(&Real) -> Defects, table: &[(&'static str, &'static str)]) {
    let mut tried = Vec::new();
    for file in files(extension) {
        tried.extend(judge(&file, &kind(&file)));
    }
    let seen: BTreeSet<_> = tried.iter().collect();
    eprintln!("{} mutants of real files, {} kinds of defect", tried.len(), seen.len());
    let missing: Vec<_> = table.iter().filter(|entry| !seen.contains(entry)).collect();
    assert!(missing.is_empty(), "never tried in a real file: {missing:?}");
}

fn keys<T>(
    table: impl IntoIterator<Item = &'static (&'static str, &'static str, T)>,
) -> Vec<(&'static str, &'static str)>
where
    T: 'static,
{
    table.into_iter().map(|(what, id, _)| (*what, *id)).collect()
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_framing_are_refused() {
    judge_all(".whl", of_framing, &keys(framing()));
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_content_are_refused() {
    judge_all(".whl", of_content, &keys(mutants_content::MUTANTS));
}

#[test]
fn real_wheels_from_the_package_registry_with_a_defect_of_the_metadata_are_refused() {
    judge_all(".whl", of_metadata, &keys(mutants_metadata::MUTANTS));
}

#[test]
fn real_sdists_from_the_package_registry_with_a_defect_are_refused() {
    judge_all(".tar.gz", of_members, &keys(mutants_sdist::MUTANTS));
    judge_all(".tar.gz", of_frame, &keys(mutants_sdist::FRAMES));
}

#[test]
fn real_files_from_the_package_registry_with_another_name_are_refused() {
    judge_all(".whl", of_name, &keys(mutants_filename::WHEELS));
    judge_all(".tar.gz", of_name, &keys(mutants_filename::SDISTS));
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
    let tables = [
        keys(mutants_zip::MUTANTS),
        keys(mutants_content::MUTANTS),
        keys(mutants_metadata::MUTANTS),
        keys(mutants_sdist::MUTANTS),
        keys(mutants_sdist::FRAMES),
        keys(mutants_filename::WHEELS),
        keys(mutants_filename::SDISTS),
    ];
    for (_, id) in tables.concat() {
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
