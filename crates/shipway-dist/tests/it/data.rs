//! Declared data files and their copies.

use shipway_dist::Sha256;
use shipway_dist::check::{Archive, data_files};

use crate::build::{Entry, SDIST, WHEEL, Wheel, sdist, write};

/// The findings for a wheel and an sdist with more files.
fn judge(wheel_files: &[(&str, &str)], sdist_files: &[(&str, &str)], patterns: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let mut wheel = Wheel::demo();
    for (name, content) in wheel_files {
        wheel.add(name, content);
    }
    let mut tarball = sdist();
    for (name, content) in sdist_files {
        tarball.entries.push(Entry::file(&format!("demo-1.0/{name}"), content.as_bytes()));
    }
    let wheel = write(directory.path(), WHEEL, &wheel.zip().bytes());
    let sdist = write(directory.path(), SDIST, &tarball.bytes());
    let archive = |path, filename| Archive { path, filename };
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let sdist = Some(archive(sdist.as_ref(), SDIST));
    let findings = data_files(archive(wheel.as_ref(), WHEEL), sdist, &patterns).unwrap();
    findings.into_iter().map(|finding| format!("{} {}", finding.id, finding.message)).collect()
}

#[test]
fn d14_a_copy_with_other_bytes_is_refused() {
    let (one, two) = (Sha256::of(b"1"), Sha256::of(b"2"));
    let declared = ("demo/config/default.yaml", "1");
    let found = judge(&[declared], &[("src/demo/config/default.yaml", "2")], &["demo/config/*.yaml"]);
    assert_eq!(
        found,
        [format!(
            "data-copy-111 `demo-1.0/src/demo/config/default.yaml` in `{SDIST}` has sha256 {two}, the declared `demo/config/default.yaml` in `{WHEEL}` has {one}"
        )]
    );
    let found = judge(&[declared, ("demo/legacy/default.yaml", "2")], &[], &["demo/config/*.yaml"]);
    assert!(
        found.len() == 1 && found[0].starts_with("data-copy-111 `demo/legacy/default.yaml`"),
        "{found:?}"
    );
}

#[test]
fn d14_the_same_bytes_other_names_and_what_is_declared_pass() {
    let declared = [("demo/config/default.yaml", "1"), ("demo/other/default.yaml", "2")];
    let copies = [
        ("src/demo/config/default.yaml", "1"),
        ("src/demo/other/default.yaml", "2"),
        ("docs/default.yaml", "2"),
        ("docs/default.yml", "3"),
        ("docs/my-default.yaml", "3"),
    ];
    let nothing: [String; 0] = [];
    assert_eq!(judge(&declared, &copies, &["demo/config/*.yaml", "demo/other/*.yaml"]), nothing);
    // Each copy is that of its own path.
    let found = judge(&declared, &[("src/demo/config/default.yaml", "2")], &["demo/**/*.yaml"]);
    assert_eq!(found.len(), 1, "{found:?}");
    let installed = [("demo-1.0.data/purelib/demo/config/default.yaml", "1")];
    assert_eq!(judge(&installed, &[("demo/config/default.yaml", "1")], &["demo/config/*.yaml"]), nothing);
}

#[test]
fn c6_a_pattern_that_matches_nothing_is_refused() {
    let found = judge(&[("demo/config/a.yml", "1")], &[("demo/config/a.yaml", "1")], &["demo/config/*.yaml"]);
    assert_eq!(found, [format!("data-missing-102 `demo/config/*.yaml` matches no file of `{WHEEL}`")]);
}

#[test]
fn i102_what_is_held_is_declared_where_anything_is() {
    let ids = |field: &str, more: &str| -> Vec<String> {
        let mut wheel = Wheel::demo();
        wheel.replace("METADATA", "Metadata-Version: 2.4", "Metadata-Version: 2.5");
        wheel.replace("METADATA", "Requires-Python", &format!("{field}Requires-Python"));
        wheel.add(more, "");
        let report = crate::build::judge(&wheel.zip().bytes(), WHEEL, true);
        report.findings.into_iter().map(|finding| finding.id).filter(|id| id.starts_with("import-")).collect()
    };
    assert_eq!(ids("Import-Name: demo\n", "other/__init__.py"), ["import-undeclared-102"]);
    let nothing: [String; 0] = [];
    assert_eq!(ids("Import-Name: demo\nImport-Name: other; private\n", "other/__init__.py"), nothing);
    assert_eq!(ids("Import-Name: demo\nImport-Namespace: other\n", "other/a.py"), nothing);
    assert_eq!(ids("", "other/__init__.py"), nothing);
}
