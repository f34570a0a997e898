//! The whole judgement of a wheel, Python and all.

use std::io::Write as _;
use std::path::Path;

use shipway_dist::check::Options;
use shipway_dist::{Finding, Severity, Sha256};
use shipway_pyapi::judge::{Arriving, judge_file};

const NAME: &str = "demo-1.0-py3-none-any.whl";

/// Judges a wheel of these files: severity, identifier and message of what concerns Python.
fn judge(files: &[(&str, &str)], strict: bool) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut record = String::new();
    let metadata = [
        ("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        (
            "demo-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
    ];
    let has_metadata = files.iter().any(|(name, _)| name.ends_with("METADATA"));
    let metadata = metadata.iter().filter(|(name, _)| !has_metadata || !name.ends_with("METADATA"));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in files.iter().chain(metadata) {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
        record += &format!("{name},,\n");
    }
    zip.start_file("demo-1.0.dist-info/RECORD", options).unwrap();
    zip.write_all((record + "demo-1.0.dist-info/RECORD,,\n").as_bytes()).unwrap();
    zip.finish().unwrap();
    let report = judge_file(&path, NAME, &Options { strict }).unwrap();
    for chunk in [7, 4096] {
        assert_eq!(judge_arriving(&path, chunk, strict), report.findings, "in chunks of {chunk} bytes");
    }
    let stems =
        ["dangling", "script-target", "entry-point-target", "wheel-no-module", "wheel-empty", "wheel-meta"];
    let mut found: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| stems.iter().any(|stem| finding.id.starts_with(stem)))
        .map(|finding| {
            assert!(shipway_dist::rules::find(&finding.id).is_some(), "{}", finding.id);
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            format!("{severity} {} {}", finding.id, finding.message)
        })
        .collect();
    assert_eq!(report.ok(), !report.findings.iter().any(|finding| finding.severity == Severity::Error));
    found.sort();
    found
}

/// Judges the same wheel while it is written, so many bytes at a time.
fn judge_arriving(path: &Path, chunk: usize, strict: bool) -> Vec<Finding> {
    let bytes = std::fs::read(path).unwrap();
    let mut copy = tempfile::NamedTempFile::new().unwrap();
    let arriving = Arriving::begin(copy.reopen().unwrap(), NAME).unwrap();
    let mut written = 0;
    for piece in bytes.chunks(chunk) {
        copy.write_all(piece).unwrap();
        written += piece.len() as u64;
        arriving.grow(written);
    }
    arriving.judge(copy.path(), Sha256::of(&bytes), &Options { strict }).unwrap().findings
}

#[test]
fn j6_a_submodule_that_is_missing_is_refused() {
    for (init, missing) in [
        ("from . import sub\n", "demo.sub"),
        ("from .sub import x\n", "demo.sub"),
        ("from .sub.deep import (\n    x,\n)\n", "demo.sub.deep"),
        ("import demo.sub\n", "demo.sub"),
        ("from demo import a\n", "demo.gone"),
    ] {
        let found = judge(&[("demo/__init__.py", init), ("demo/a.py", "from demo import gone\n")], false);
        let expected = format!("`{missing}`, which the distribution does not hold");
        let error = found.iter().find(|line| line.contains(&expected)).unwrap();
        assert!(error.starts_with("error dangling-import-102 "), "{init}: {found:?}");
    }
}

#[test]
fn j6_a_submodule_that_is_explained_passes() {
    for (init, others) in [
        ("try:\n    from . import sub\nexcept ImportError:\n    sub = None\n", &[][..]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .sub import x\n", &[]),
        ("def f():\n    from . import sub\n", &[]),
        ("'''\nfrom . import sub\n'''\n", &[]),
        ("from .sub import x\n", &["demo/sub.abi3.so"]),
        ("from . import sub\n", &["demo/sub/data.py"]),
        ("from . import sub\n", &["demo-1.0.data/purelib/demo/sub.py"]),
        ("from .a import *\nfrom . import sub\n", &["demo/a.py"]),
        ("def __getattr__(name):\n    return 1\n", &[]),
        ("import sys\nif sys.platform == 'win32':\n    from . import sub\n", &[]),
    ] {
        let mut files = vec![("demo/__init__.py", init), ("demo/user.py", "import demo\n")];
        files.extend(others.iter().map(|name| (*name, "")));
        assert_eq!(judge(&files, true), [""; 0], "{init}");
    }
}

#[test]
fn j6_what_nobody_imports_is_refused_under_strict_only() {
    let files = [("demo/__init__.py", "X = 1\n"), ("demo/bench.py", "from . import unittest_pb2, X\n")];
    let text = "dangling-import-unreached-102 `demo.bench` imports `demo.unittest_pb2`, which the distribution does not hold";
    assert_eq!(judge(&files, false), [format!("warning {text}")]);
    assert_eq!(judge(&files, true), [format!("error {text}")]);
    // A command that calls it makes it count.
    let entry = ("demo-1.0.dist-info/entry_points.txt", "[console_scripts]\nbench = demo.bench:X\n");
    let found = judge(&[files[0], files[1], entry], false);
    assert!(found[0].starts_with("error dangling-import-102 "), "{found:?}");
}

#[test]
fn c7_a_command_without_a_target_is_refused() {
    let entries = "[console_scripts]\ngood = demo.cli:main\nstar = demo:main\nbad = demo.cli:nothing\nworse = demo.gone:main\nother = elsewhere:main\n[demo.plugins]\nplugin = demo.cli:Nothing\n";
    let files = [
        ("demo/__init__.py", "from .cli import *\n"),
        ("demo/cli.py", "from .deep import *\n"),
        ("demo/deep.py", "def main(): ...\n"),
        ("demo-1.0.dist-info/entry_points.txt", entries),
    ];
    assert_eq!(
        judge(&files, false),
        [
            "error script-target-98 `bad` of `console_scripts` calls `demo.cli:nothing`: `demo.cli` has no `nothing`",
            "error script-target-98 `worse` of `console_scripts` calls `demo.gone:main`: there is no module `demo.gone`",
            "warning entry-point-target-98 `plugin` of `demo.plugins` calls `demo.cli:Nothing`: `demo.cli` has no `Nothing`",
        ]
    );
}

#[test]
fn j6_a_wheel_without_a_module_is_refused() {
    let ids = |files: &[(&str, &str)]| -> Vec<String> {
        let found = judge(files, false);
        found.iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    };
    assert_eq!(ids(&[("demo/config/default.yaml", "a: 1\n")]), ["wheel-no-module-102"]);
    assert_eq!(ids(&[("demo-1.0.data/purelib/demo/a.json", "{}")]), ["wheel-no-module-102"]);
    assert_eq!(ids(&[]), ["wheel-empty-102"]);
    for name in [
        "demo-stubs/__init__.pyi",
        "demo.pth",
        "demo-1.0.data/data/share/demo/a.json",
        "demo-1.0.data/scripts/demo",
        "demo/lib/libdemo.so.12",
        "demo/native.pyd",
    ] {
        assert_eq!(ids(&[(name, "")]), [""; 0], "{name}");
    }
    let declared = "Metadata-Version: 2.5\nName: demo\nVersion: 1.0\nImport-Name:\n";
    let files = [("demo/a.json", "{}"), ("demo-1.0.dist-info/METADATA", declared)];
    assert_eq!(ids(&files), [""; 0]);
    let meta = "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: other\n";
    let files = [("demo-1.0.dist-info/METADATA", meta)];
    assert_eq!(judge(&files, false).len(), 1);
    assert!(judge(&files, false)[0].starts_with("warning wheel-meta-102"));
}
