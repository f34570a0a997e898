//! Real wheels and sdists, fetched once with the ordinary client and kept between runs.

use std::path::PathBuf;
use std::process::Command;

use shipway_dist::check::{Options, check_bytes, check_file};
use shipway_testing::Random;

use crate::build::Zip;
use crate::mutants_zip::MUTANTS;

/// Pinned, so that a new release of somebody else breaks no test here.
const WHEELS: [&str; 6] =
    ["six==1.17.0", "idna==3.10", "click==8.1.8", "attrs==25.1.0", "packaging==24.2", "markupsafe==3.0.3"];
const SDISTS: [&str; 3] = ["six==1.17.0", "idna==3.10", "packaging==24.2"];

/// The files of a pip download; empty, with a note, where there is no pip or no registry.
fn fetched(kind: &str, projects: &[&str]) -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(kind);
    let extension = if kind == "wheels" { "whl" } else { "gz" };
    let list = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|found| found == extension));
        files.sort();
        files
    };
    if list().len() < projects.len() {
        let which = if kind == "wheels" { "--only-binary" } else { "--no-binary" };
        for project in projects {
            let _ = Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps", which, ":all:", "--dest"])
                .arg(&directory)
                .arg(project)
                .status();
        }
    }
    let files = list();
    if files.is_empty() {
        eprintln!("skipped: pip fetched no {kind}");
    }
    files
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn real_files_from_the_package_registry_pass() {
    for path in [fetched("wheels", &WHEELS), fetched("sdists", &SDISTS)].concat() {
        let report = check_file(&path, &name_of(&path), &Options::default()).unwrap();
        assert!(report.ok(), "{}: {:#?}", path.display(), report.findings);
        assert!(report.metadata.is_some());
    }
}

#[test]
fn real_wheels_from_the_package_registry_with_one_defect_are_refused() {
    let mut tried = 0;
    for path in fetched("wheels", &WHEELS) {
        let name = name_of(&path);
        let Some(zip) = Zip::parse(&std::fs::read(&path).unwrap()) else {
            eprintln!("{name} is no ordinary zip file");
            continue;
        };
        assert!(
            check_bytes(&zip.bytes(), &name, &Options::default()).ok(),
            "{name} taken apart and put together"
        );
        for (what, id, mutate) in MUTANTS {
            if what.contains("beyond ASCII") {
                continue;
            }
            let mut mutant = zip.clone();
            mutate(&mut mutant);
            let report = check_bytes(&mutant.bytes(), &name, &Options::default());
            let found = report.findings.iter().any(|finding| finding.id == *id);
            assert!(!report.ok() && found, "{name}, {what}: expected {id}, found {:#?}", report.findings);
            tried += 1;
        }
    }
    eprintln!("{tried} mutants of real wheels");
}

#[test]
fn real_sdists_from_the_package_registry_with_damage_are_refused_or_the_same() {
    for path in fetched("sdists", &SDISTS) {
        let name = name_of(&path);
        let whole = std::fs::read(&path).unwrap();
        let expected = check_bytes(&whole, &name, &Options::default());
        let mut random = Random(whole.len() as u64);
        for round in 0..150 {
            let mut bytes = whole.clone();
            random.damage(&mut bytes);
            let report = check_bytes(&bytes, &name, &Options::default());
            if report.ok() {
                assert_eq!(report.metadata_bytes, expected.metadata_bytes, "{name}, round {round}");
            }
        }
    }
}
