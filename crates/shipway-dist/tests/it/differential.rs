//! What is accepted here, Python's zipfile and tarfile, unzip and `packaging` read alike.
//!
//! Rejecting more than they do is the point of the framing checks; accepting more, or seeing other
//! members or bytes, would be a bug. Skipped with a note where there is no Python or no unzip.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use shipway_dist::Sha256;
use shipway_dist::archive::{Limits, read_members};
use shipway_dist::check::{
    Options, check_bytes, check_fields, check_filename, check_metadata, check_requirement,
};
use shipway_dist::metadata::Metadata;
use shipway_testing::Random;

use crate::build::{METADATA, SDIST, WHEEL, Wheel, sdist, write};

fn oracle(directory: &Path, mode: &str, arguments: &[String], lines: &[String]) -> Option<Vec<Value>> {
    let script = write(directory, "oracle.py", include_bytes!("oracle.py"));
    let input = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>();
    let stdin = std::fs::File::open(write(directory, "input", input.as_bytes())).unwrap();
    let mut command = Command::new("python3");
    command.arg("-I").arg(script).arg(mode).args(arguments).stdin(stdin).stderr(Stdio::inherit());
    if let Some(packaging) = packaging() {
        // `-I` ignores PYTHONPATH, so the directory goes in front of the script.
        command = Command::new("python3");
        let code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_path(sys.argv.pop(1))";
        command.arg("-c").arg(code).arg(packaging).arg(directory.join("oracle.py")).arg(mode).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(std::fs::File::open(directory.join("input")).unwrap());
    }
    let output = match command.output() {
        Ok(output) if output.status.success() => output,
        other => {
            eprintln!("skipped: no python3 ({other:?})");
            return None;
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Where the tests with the package registry have put `packaging`.
fn packaging() -> Option<std::path::PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaging-26.0");
    place.join("packaging/metadata.py").exists().then_some(place)
}

/// Installs `packaging` with the ordinary client; `None` when there is no Python or no registry.
fn install_packaging() -> Option<std::path::PathBuf> {
    if packaging().is_none() {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaging-26.0");
        let status = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(place)
            .arg("packaging==26.0")
            .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: pip cannot install packaging");
        }
    }
    packaging()
}

/// Damaged files of both kinds that are still accepted, and the whole ones.
fn accepted(directory: &Path) -> Vec<(String, &'static str)> {
    let mut files = Vec::new();
    for (filename, whole) in [(WHEEL, Wheel::demo().zip().bytes()), (SDIST, sdist().bytes())] {
        let mut random = Random(5);
        for round in 0..3_000 {
            let mut bytes = whole.clone();
            if round > 0 {
                random.damage(&mut bytes);
            }
            if check_bytes(&bytes, filename, &Options::default()).ok() {
                files.push((write(directory, &format!("{round}-{filename}"), &bytes), filename));
            }
        }
    }
    assert!(files.len() > 30, "{}", files.len());
    files
}

#[test]
fn zipfile_and_tarfile_see_the_same_members_and_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let files = accepted(directory.path());
    let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
    let Some(answers) = oracle(directory.path(), "archives", &paths, &[]) else { return };
    assert_eq!(answers.len(), files.len());
    for ((path, filename), answer) in files.iter().zip(answers) {
        assert_eq!(answer["ok"], true, "{path}: {answer}");
        let expected = read_members(path.as_ref(), filename, &mut |_| true, &Limits::default()).unwrap();
        let expected: Vec<Value> = expected
            .iter()
            .map(|(name, content)| serde_json::json!([name, content.len(), Sha256::of(content).to_hex()]))
            .collect();
        assert_eq!(answer["value"], Value::Array(expected), "{path}");
    }
}

#[test]
fn unzip_finds_no_error_in_what_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    for (path, filename) in accepted(directory.path()) {
        if filename != WHEEL {
            continue;
        }
        let Ok(output) = Command::new("unzip").arg("-tqq").arg(&path).output() else {
            eprintln!("skipped: no unzip");
            return;
        };
        assert!(output.status.success(), "{path}: {output:?}");
    }
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

#[test]
fn packaging_from_the_package_registry_agrees_on_names_versions_and_requirements() {
    if install_packaging().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let ask = |mode: &str, lines: &[String]| oracle(directory.path(), mode, &[], lines).unwrap();

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
        if findings.iter().all(|finding| finding.severity < shipway_dist::Severity::Error) {
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
    if install_packaging().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let texts = damaged(&[METADATA], 2_000, 4);
    let answers = oracle(directory.path(), "metadata", &[], &texts).unwrap();
    let (mut both, mut only_here) = (0, 0);
    for (text, answer) in texts.iter().zip(answers) {
        let (metadata, findings) = check_metadata(text.as_bytes(), &Options { strict: true });
        // A missing description is allowed by the standard.
        let clean =
            findings.iter().all(|f| f.severity < shipway_dist::Severity::Error || f.id.ends_with("-41"));
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
    if install_packaging().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let texts = damaged(
        &[
            "MIT OR Apache-2.0",
            "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0",
            "LicenseRef-Mine",
        ],
        1_000,
        5,
    );
    for (text, answer) in texts.iter().zip(oracle(directory.path(), "license", &[], &texts).unwrap()) {
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
