//! What is accepted here, Python's zipfile and tarfile, unzip, tar and `packaging` read alike.
//!
//! Rejecting more than they do is the point of the framing checks; accepting more, or seeing other
//! names, sizes or bytes, would be a bug. One Python process answers for many files. Without pip
//! these tests fail; without unzip or tar they say so and ask the others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use shipway_dist::archive::{Limits, read_members};
use shipway_dist::check::{
    FileReport, Options, check_bytes, check_fields, check_file, check_filename, check_metadata,
    check_requirement,
};
use shipway_dist::digest::Hasher;
use shipway_dist::metadata::Metadata;
use shipway_dist::{Severity, Sha256};
use shipway_testing::Random;

use crate::build::{METADATA, SDIST, WHEEL, Wheel, sdist};
use crate::corpus::{all, name_of, pinned};
use crate::{fields, mutants_sdist, mutants_zip, real};

const PACKAGING: &str = "packaging==26.0";

/// Where `packaging` is; installed with the ordinary client when it is not there yet.
fn packaging() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGING.replace("==", "-"));
    if !place.join("packaging/metadata.py").exists() {
        // Several tests may do it at once: each into a folder of its own, the first one stays.
        let own = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(own.path()).arg(PACKAGING);
        assert!(pip.status().is_ok_and(|status| status.success()), "pip cannot install {PACKAGING}");
        let _ = std::fs::rename(own.path(), &place);
    }
    place
}

/// A Python process that answers one line with one line.
struct Oracle {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    script: tempfile::TempDir,
}

impl Oracle {
    fn new(mode: &str) -> Self {
        let script = tempfile::tempdir().unwrap();
        std::fs::write(script.path().join("oracle.py"), include_bytes!("oracle.py")).unwrap();
        let mut command = Command::new("python3");
        command.arg("-s").arg(script.path().join("oracle.py")).arg(mode).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("PYTHONPATH", packaging());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
        let (questions, answers) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, questions, answers, script }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("an answer")
    }

    /// Asks about a file called `name`, which is accepted here: all see the same in it.
    fn agree_on(&mut self, path: &Path, name: &str) {
        let report = check_file(path, name, &Options::default()).unwrap();
        assert!(report.ok(), "{name}: {:#?}", report.findings);
        let answer = self.ask(&serde_json::json!([path, name]));
        assert_eq!(answer["archive"]["ok"], true, "{name}: {answer}");
        let members = read_members(path, name, &mut |_| true, &Limits::default()).unwrap();
        let mut all = Hasher::default();
        let expected: Vec<Value> = members
            .iter()
            .map(|(name, content)| {
                all.update(content);
                serde_json::json!([name, content.len(), Sha256::of(content).to_hex()])
            })
            .collect();
        assert_eq!(answer["archive"]["value"], Value::Array(expected), "{name}");
        let expected = serde_json::json!({ "ok": true, "value": all.finish().0.to_hex() });
        let unpacked = answer.get("unpacked").unwrap_or(&expected);
        assert_eq!(*unpacked, expected, "{name}: unzip or tar");
        agree_on_packaging(&report, &answer);
    }

    /// Asks about bytes, if they are accepted here; says whether they are.
    fn agree_on_bytes(&mut self, bytes: &[u8], name: &str) -> bool {
        if !check_bytes(bytes, name, &Options::default()).ok() {
            return false;
        }
        let path = self.script.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        self.agree_on(&path, name);
        true
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}

/// Filename and metadata as `packaging` reads them.
fn agree_on_packaging(report: &FileReport, answer: &Value) {
    let name = &report.filename;
    let parsed = report.parsed.as_ref().unwrap();
    assert_eq!(answer["filename"]["value"][0], parsed.name.normalized(), "{name}: {answer}");
    assert_eq!(answer["filename"]["value"][1], parsed.version.to_string(), "{name}: {answer}");
    if name.ends_with(".whl") {
        let [pythons, abis, platforms] = &parsed.tags;
        let mut tags: Vec<String> = Vec::new();
        for python in pythons.split('.') {
            for abi in abis.split('.') {
                tags.extend(platforms.split('.').map(|platform| format!("{python}-{abi}-{platform}")));
            }
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(answer["filename"]["value"][2], serde_json::json!(tags), "{name}");
    }
    let metadata = report.metadata.as_ref().unwrap();
    let raw = &answer["metadata"]["value"];
    assert_eq!(raw["name"], metadata.name.as_str(), "{name}");
    assert_eq!(raw["version"], metadata.version.as_str(), "{name}");
    for (key, field) in [("summary", "Summary"), ("requires_python", "Requires-Python")] {
        assert_eq!(raw[key].as_str().map(str::trim), metadata.get(field), "{name}, {field}");
    }
    for (key, field) in [("requires_dist", "Requires-Dist"), ("classifiers", "Classifier")] {
        let expected: Vec<&str> = metadata.all(field).collect();
        assert_eq!(raw[key], serde_json::json!(expected), "{name}, {field}");
    }
    // What is only a warning here by default may be an error there.
    let strict = check_metadata(report.metadata_bytes.as_ref().unwrap(), &Options { strict: true }).1;
    if strict.iter().all(|finding| finding.severity < Severity::Error) {
        assert_eq!(answer["valid"]["ok"], true, "{name}: {}", answer["valid"]);
    }
}

#[test]
fn oracles_from_the_package_registry_agree_on_the_pinned_files() {
    let mut oracle = Oracle::new("files");
    for path in pinned() {
        oracle.agree_on(&path, name_of(&path));
    }
}

#[test]
#[ignore = "fetches 500 MB; `./test --corpus`"]
fn corpus_of_newest_files_from_the_package_registry_is_read_alike_by_all_oracles() {
    let mut oracle = Oracle::new("files");
    let mut agreed = 0;
    for path in all() {
        if check_file(&path, name_of(&path), &Options::default()).unwrap().ok() {
            oracle.agree_on(&path, name_of(&path));
            agreed += 1;
        }
    }
    eprintln!("{agreed} files read alike");
    assert!(agreed > 80, "{agreed}");
}

#[test]
fn oracles_from_the_package_registry_agree_on_single_defects_that_are_accepted() {
    let mut oracle = Oracle::new("files");
    let (mut accepted, mut all) = (0, 0);
    for (bytes, name) in real::mutants() {
        accepted += usize::from(oracle.agree_on_bytes(&bytes, &name));
        all += 1;
    }
    eprintln!("{accepted} of {all} mutants accepted and read alike");
    assert!(accepted > 100 && all > 1_000, "{accepted} of {all}");
}

#[test]
fn oracles_from_the_package_registry_agree_on_what_is_unusual_but_right() {
    let mut oracle = Oracle::new("files");
    for (what, change) in mutants_zip::UNUSUAL {
        let mut zip = Wheel::demo().zip();
        change(&mut zip);
        assert!(oracle.agree_on_bytes(&zip.bytes(), WHEEL), "{what}");
    }
    for (what, change) in mutants_sdist::UNUSUAL {
        let mut sdist = sdist();
        change(&mut sdist);
        assert!(oracle.agree_on_bytes(&sdist.bytes(), SDIST), "{what}");
    }
}

/// Damages the pinned files and those of the sample, `rounds` times each.
fn agree_on_damaged_files(seed: u64, rounds: usize) {
    let mut oracle = Oracle::new("files");
    let real = pinned().into_iter();
    let mut files: Vec<(String, Vec<u8>)> =
        real.map(|path| (name_of(&path).to_owned(), std::fs::read(&path).unwrap())).collect();
    // Of small files more bytes are headers, which is where it matters.
    for _ in 0..10 {
        files.push((WHEEL.to_owned(), Wheel::demo().zip().bytes()));
        files.push((SDIST.to_owned(), sdist().bytes()));
    }
    let (mut accepted, mut all) = (0, 0);
    for (at, (name, whole)) in files.into_iter().enumerate() {
        let mut random = Random(seed + 1_000 * at as u64);
        for _ in 0..rounds {
            let mut bytes = whole.clone();
            random.damage(&mut bytes);
            accepted += usize::from(oracle.agree_on_bytes(&bytes, &name));
            all += 1;
        }
    }
    eprintln!("{accepted} of {all} damaged files accepted and read alike");
    assert!(accepted > 30, "{accepted}");
}

#[test]
fn oracles_from_the_package_registry_agree_on_damaged_files_that_are_accepted() {
    agree_on_damaged_files(1, 300);
}

#[test]
#[ignore = "takes minutes; `./test --long`"]
fn long_oracles_from_the_package_registry_agree_on_damaged_files_that_are_accepted() {
    agree_on_damaged_files(2, 6_000);
}

/// Files of the sample with unusual fields in their headers.
fn agree_on_unusual_fields(seed: u64, rounds: usize) {
    let mut oracle = Oracle::new("files");
    let mut random = Random(seed);
    let mut accepted = [0, 0];
    for _ in 0..rounds {
        accepted[0] += usize::from(oracle.agree_on_bytes(&fields::wheel(&mut random), WHEEL));
        accepted[1] += usize::from(oracle.agree_on_bytes(&fields::tarball(&mut random), SDIST));
    }
    eprintln!("{accepted:?} of {rounds} wheels and sdists with unusual fields accepted and read alike");
    assert!(accepted.iter().all(|count| *count > rounds / 20), "{accepted:?}");
}

#[test]
fn oracles_from_the_package_registry_agree_on_unusual_fields_that_are_accepted() {
    agree_on_unusual_fields(1, 500);
}

#[test]
#[ignore = "takes minutes; `./test --long`"]
fn long_oracles_from_the_package_registry_agree_on_unusual_fields_that_are_accepted() {
    agree_on_unusual_fields(2, 6_000);
}

/// Damaged lines, each of which is still text.
fn damaged(seeds: &[&str], count: usize, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let mut lines: Vec<String> = seeds.iter().map(|text| (*text).to_owned()).collect();
    while lines.len() < count {
        let mut bytes = seeds[random.below(seeds.len())].as_bytes().to_vec();
        random.damage(&mut bytes);
        // Both sides get the same text; other control characters are refused here on purpose.
        if let Some(text) = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) {
            lines.push(text);
        }
    }
    lines
}

fn ask(mode: &str, lines: &[String]) -> Vec<Value> {
    let mut oracle = Oracle::new(mode);
    lines.iter().map(|line| oracle.ask(&Value::String(line.clone()))).collect()
}

#[test]
fn packaging_from_the_package_registry_agrees_on_names_versions_and_requirements() {
    let versions = damaged(&["1!2.3rc5.post6.dev7+local.8", "v1.0-1", "2024.01", "1.0.0a"], 3_000, 1);
    for (text, answer) in versions.iter().zip(ask("version", &versions)) {
        let ours = text.parse::<pep440_rs::Version>();
        if let Ok(version) = &ours {
            assert_eq!(answer["ok"], true, "{text:?}: {answer}");
            assert_eq!(answer["value"], version.to_string(), "{text:?}");
        }
    }

    let names = damaged(
        &[WHEEL, SDIST, "demo-1.0-1-cp39.cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"],
        2_000,
        2,
    );
    for (text, answer) in names.iter().zip(ask("filename", &names)) {
        let (parsed, findings) = check_filename(text, &Options::default());
        let Some(parsed) = parsed else { continue };
        if findings.iter().all(|finding| finding.severity < Severity::Error) {
            assert_eq!(answer["ok"], true, "{text:?}: {answer}");
            assert_eq!(answer["value"][0], parsed.name.normalized(), "{text:?}");
            assert_eq!(answer["value"][1], parsed.version.to_string(), "{text:?}");
        }
    }

    let requirements = damaged(
        &[
            "a[b,c]>=1,<2; (os_name == 'x' or extra != \"y\") and python_version in '3'",
            "demo @ https://host.example/d.whl ; extra == 'd'",
            "demo (>=1.0)",
            "demo ~= 1.4.2, != 1.4.3.*",
        ],
        3_000,
        3,
    );
    for (text, answer) in requirements.iter().zip(ask("requirement", &requirements)) {
        match check_requirement(text) {
            Ok(()) => assert_eq!(answer["ok"], true, "{text:?}: {answer}"),
            Err(why) if answer["ok"] == true => {
                // `packaging` takes any word for a URL, control characters for blanks, and names that
                // end in a separator, which PEP 508 does not.
                let reasons = ["is no URL", "control character", "is no name of", "begin with a name"];
                let on_purpose = reasons.iter().any(|reason| why.contains(reason));
                assert!(on_purpose, "refused here only: {text:?}: {why}");
            }
            Err(_) => {}
        }
    }
}

#[test]
fn packaging_from_the_package_registry_agrees_on_metadata() {
    let texts = damaged(&[METADATA], 2_000, 4);
    let answers = ask("metadata", &texts);
    let (mut both, mut only_here) = (0, 0);
    for (text, answer) in texts.iter().zip(answers) {
        let (metadata, findings) = check_metadata(text.as_bytes(), &Options { strict: true });
        // A missing description is allowed by the standard.
        let clean = findings.iter().all(|f| f.severity < Severity::Error || f.id.ends_with("-41"));
        if clean {
            let metadata = metadata.unwrap();
            assert_eq!(answer["ok"], true, "{text}\n{answer}");
            let version = metadata.version.parse::<pep440_rs::Version>().unwrap().to_string();
            assert_eq!(answer["value"][0], metadata.name.as_str(), "{text}");
            assert_eq!(answer["value"][1], version, "{text}");
            assert_eq!(answer["value"][2].as_str().map(str::trim), metadata.get("Summary"), "{text}");
            both += 1;
        } else if answer["ok"] == true {
            only_here += 1;
        }
    }
    eprintln!("{both} accepted by both, {only_here} refused here only");
    assert!(both > 200, "{both}");
}

#[test]
fn packaging_from_the_package_registry_agrees_on_license_expressions() {
    let texts = damaged(
        &[
            "MIT OR Apache-2.0",
            "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0",
            "LicenseRef-Mine",
        ],
        1_000,
        5,
    );
    for (text, answer) in texts.iter().zip(ask("license", &texts)) {
        let mut metadata = Metadata::default();
        metadata.fields.push(("License-Expression".to_owned(), text.clone()));
        let refused = check_fields(&metadata, &Options::default())
            .iter()
            .any(|finding| finding.id == "metadata-license-expression-49");
        if !refused {
            assert_eq!(answer["ok"], true, "{text:?}: {answer}");
        }
    }
}
