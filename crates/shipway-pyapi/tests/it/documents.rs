//! The documents: their shape, the verdict, notes, annotations.

use std::path::Path;

use serde_json::Value;
use shipway_pyapi::{ApiDiff, Contract, DiffOptions, ExtractOptions, Mode, Scheme, diff, extract, report};

fn side(version: &str, source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("demo/__init__.py", source);
    write("demo-1.dist-info/METADATA", &format!("Metadata-Version: 2.1\nName: demo\nVersion: {version}\n"));
    folder
}

fn compare_with(old: (&str, &str), new: (&str, &str), options: &DiffOptions) -> ApiDiff {
    let (old, new) = (side(old.0, old.1), side(new.0, new.1));
    let read = |folder: &Path| extract(folder, &ExtractOptions::default()).unwrap();
    diff(&read(old.path()), &read(new.path()), options)
}

fn compare(old: (&str, &str), new: (&str, &str)) -> ApiDiff {
    compare_with(old, new, &DiffOptions::default())
}

const F: &str = "def f(a, b): ...\n";
const WITHOUT: &str = "def f(a): ...\n";
const MORE: &str = "def f(a, b): ...\ndef g(): ...\n";

#[test]
fn the_document_has_the_agreed_keys() {
    let document = serde_json::to_value(compare(("1.0", F), ("1.1", WITHOUT))).unwrap();
    assert_eq!(document["schema"], "shipway.api-diff/1");
    assert_eq!(document["ok"], false);
    assert_eq!(document["old"]["name"], "demo");
    assert_eq!(document["new"]["version"], "1.1");
    assert_eq!(document["verdict"]["required"], "major");
    assert_eq!(document["verdict"]["actual"], "minor");
    assert_eq!(document["verdict"]["sufficient"], false);
    let finding = &document["findings"][0];
    let keys = ["id", "name", "level", "audience", "symbol", "paths", "detail", "old", "new", "why_public"];
    for key in keys {
        assert!(!finding[key].is_null(), "{key}: {finding}");
    }
    assert_eq!(finding["old"]["signature"], "def f(a, b)");
    assert_eq!(finding["old"]["line"], 1);
    assert_eq!(finding["new"]["file"], "demo/__init__.py");
    assert!(document["not_checked"].as_array().is_some_and(|list| !list.is_empty()));
}

#[test]
fn the_show_document_lists_what_is_public() {
    let folder = side("1.0", "class C:\n    def __init__(self, a): ...\n    def m(self): ...\n_x = 1\n");
    let shown = serde_json::to_value(extract(folder.path(), &ExtractOptions::default()).unwrap()).unwrap();
    assert_eq!(shown["schema"], "shipway.api-show/1");
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["items"][0]["signature"], "C(a)");
    let names: Vec<&Value> =
        shown["items"][0]["members"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert_eq!(names, ["__init__", "m"]);
}

#[test]
fn verdicts() {
    let cases = [
        (("1.0", F), ("2.0", WITHOUT), "major", true),
        (("1.0", F), ("1.0.1", WITHOUT), "major", false),
        (("0.3.0", F), ("0.4.0", WITHOUT), "minor", true),
        (("0.3.0", F), ("0.3.1", WITHOUT), "minor", false),
        (("1.0", F), ("1.0.1", MORE), "minor", false),
        (("1.0", F), ("1.1", MORE), "minor", true),
        (("1.0", F), ("1.0.1", F), "none", true),
        (("1.0", F), ("1!1.0", WITHOUT), "major", true),
    ];
    for (old, new, required, sufficient) in cases {
        let diff = compare(old, new);
        assert_eq!(
            (diff.verdict.required, diff.verdict.sufficient),
            (required, sufficient),
            "{}",
            diff.verdict.line
        );
    }
    insta::assert_snapshot!(compare(("1.4.2", F), ("1.5.0", WITHOUT)).verdict.line, @"1.4.2 -> 1.5.0: needs MAJOR (1 breaking); bump is minor: REFUSED");
}

#[test]
fn calver_reports_and_does_not_gate() {
    let options = DiffOptions { scheme: Scheme::Calver, ..DiffOptions::default() };
    let diff = compare_with(("2024.1.1", F), ("2024.1.2", WITHOUT), &options);
    assert_eq!((diff.verdict.required, diff.verdict.sufficient), ("major", true));
    assert_eq!(diff.failing().count(), 0);
}

#[test]
fn the_contract_decides_what_fails() {
    let source = "def f(a): ...\ndef g(a): ...\ndef h(a): ...\ndef i(a): ...\n";
    let changed = "def f(): ...\ndef g(): ...\ndef h(): ...\ndef i(): ...\n";
    let contract = Contract::new(&["demo.f"], &["demo.g"], &["demo.h"]).unwrap();
    let options = DiffOptions { contract: contract.clone(), mode: Mode::Contract, ..DiffOptions::default() };
    let diff = compare_with(("1.0", source), ("1.1", changed), &options);
    let levels: Vec<(&str, &str, &str)> = diff
        .findings
        .iter()
        .filter(|f| f.id == "C01")
        .map(|f| (f.symbol.as_str(), f.level.as_str(), f.standing))
        .collect();
    assert_eq!(
        levels,
        [
            ("demo.f", "major", "stable"),
            ("demo.g", "patch", "provisional"),
            ("demo.i", "warn", "unlisted"),
            ("demo.h", "note", "internal"),
        ]
    );
    let options = DiffOptions { contract, ..DiffOptions::default() };
    let diff = compare_with(("1.0", source), ("1.1", changed), &options);
    assert_eq!(diff.failing().map(|f| f.symbol.as_str()).collect::<Vec<_>>(), ["demo.f", "demo.i"]);
}

#[test]
fn notes_must_name_the_breaks() {
    let diff = compare(
        ("1.0", "class C:\n    def m(self): ...\ndef helper(a): ...\n"),
        ("2.0", "class C:\n    x = 1\n"),
    );
    assert_eq!(report::unnamed(&diff, "Nothing.").len(), 2);
    assert_eq!(report::unnamed(&diff, "Removed C.m and the `helper`.").len(), 0);
    assert_eq!(report::unnamed(&diff, "Removed C.method and a helper.").len(), 2);
    assert_eq!(report::unnamed(&diff, "[api: B07 demo.helper] and C.m").len(), 0);
    insta::assert_snapshot!(report::markdown(report::unnamed(&diff, "")), @r"
    - `demo.helper`: function `helper` is gone.
    - `demo.C.m`: method `m` is gone.
    ");
}

#[test]
fn annotations_and_sarif() {
    let diff = compare(("1.0", F), ("1.1", WITHOUT));
    insta::assert_snapshot!(report::annotations(&diff, 10).join("\n"), @"::error file=demo/__init__.py,line=1,title=C01 param-removed::demo.f: parameter `b` is gone");
    assert_eq!(report::sarif(&diff)["runs"][0]["results"][0]["level"], "error");
}
