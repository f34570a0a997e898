//! Real wheels and sdists: the newest of the projects in `tests/corpus/projects.txt`, and the ten of
//! `pinned.txt`; fetched with pip by `tests/corpus/fetch.py` and kept between runs.
//!
//! None is refused by default, except for what stands in `justified.txt` with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shipway_dist::Severity;
use shipway_dist::Sha256;
use shipway_dist::check::{FileReport, Options, check_file};

fn folder() -> PathBuf {
    match std::env::var_os("SHIPWAY_CORPUS") {
        Some(folder) => folder.into(),
        None => shipway_testing::target_directory().join("corpus"),
    }
}

fn list(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap().split_whitespace());
    lines.map(|words| words.map(str::to_owned).collect()).filter(|words: &Vec<_>| !words.is_empty()).collect()
}

fn fetch(which: &str) -> Vec<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/fetch.py");
    let output =
        Command::new("python3").arg(script).arg(folder()).arg(which).stderr(Stdio::inherit()).output();
    let output = output.expect("python3 with pip fetches the corpus");
    assert!(output.status.success(), "the corpus cannot be fetched");
    String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect()
}

/// The ten files that are the same in every run.
pub(crate) fn pinned() -> Vec<PathBuf> {
    let list = list("pinned.txt");
    let paths: Vec<PathBuf> = list.iter().map(|line| folder().join(&line[1])).collect();
    if !paths.iter().all(|path| path.exists()) {
        fetch("pinned");
    }
    for (path, line) in paths.iter().zip(&list) {
        assert_eq!(Sha256::of(&std::fs::read(path).unwrap()).to_hex(), line[2], "{}", path.display());
    }
    paths
}

/// The pinned files and the newest of every project.
pub(crate) fn all() -> Vec<PathBuf> {
    let paths = fetch("all");
    assert!(paths.len() > 80, "{}", paths.len());
    paths
}

pub(crate) fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn judge(path: &Path, strict: bool) -> FileReport {
    check_file(path, name_of(path), &Options { strict }).unwrap()
}

/// Project and identifier of every refusal, with what is said.
fn refusals(paths: &[PathBuf]) -> BTreeMap<(String, String), String> {
    let mut refusals = BTreeMap::new();
    for path in paths {
        let report = judge(path, false);
        for finding in report.findings.iter().filter(|finding| finding.severity == Severity::Error) {
            let project = report.parsed.as_ref().map_or("?", |parsed| parsed.name.normalized());
            let said = format!("{}: {}", name_of(path), finding.message);
            refusals.insert((project.to_owned(), finding.id.clone()), said);
        }
    }
    refusals
}

#[test]
fn the_pinned_files_from_the_package_registry_pass() {
    let paths = pinned();
    let (wheels, sdists) = paths.iter().partition::<Vec<_>, _>(|path| name_of(path).ends_with(".whl"));
    assert!(paths.len() == 10 && wheels.len() >= 5 && sdists.len() >= 4);
    assert_eq!(refusals(&paths), BTreeMap::new());
    for path in paths {
        assert!(judge(&path, false).metadata.is_some());
    }
}

#[test]
#[ignore = "fetches 500 MB; `./test --corpus`"]
fn corpus_of_newest_files_from_the_package_registry_is_refused_only_for_justified_reasons() {
    let refusals = refusals(&all());
    let justified: BTreeSet<(String, String)> =
        list("justified.txt").into_iter().map(|line| (line[0].clone(), line[1].clone())).collect();
    let unjustified: Vec<_> = refusals.iter().filter(|(key, _)| !justified.contains(*key)).collect();
    assert!(unjustified.is_empty(), "refused without a reason in justified.txt: {unjustified:#?}");
    let past: Vec<_> = justified.iter().filter(|key| !refusals.contains_key(*key)).collect();
    assert!(past.is_empty(), "no longer refused, to be removed from justified.txt: {past:#?}");
}

/// What the newest files are warned of, for a look at which rules cost whom.
#[test]
#[ignore = "prints; run with --no-capture"]
fn corpus_of_newest_files_from_the_package_registry_by_rule() {
    let mut by_rule: BTreeMap<(bool, String), BTreeSet<String>> = BTreeMap::new();
    let paths = all();
    for path in &paths {
        for finding in judge(path, true).findings {
            let refuses = finding.severity == Severity::Error;
            by_rule.entry((refuses, finding.id)).or_default().insert(name_of(path).to_owned());
        }
    }
    eprintln!("{} files", paths.len());
    for ((refuses, id), files) in by_rule {
        let severity = if refuses { "error under --strict" } else { "warning" };
        let first: Vec<_> = files.iter().take(4).collect();
        eprintln!("{id}, {severity}: {} files, {first:?}", files.len());
    }
}
