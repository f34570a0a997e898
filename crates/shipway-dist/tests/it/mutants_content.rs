//! Single defects in what a wheel contains, with `RECORD` and archive made to fit.

use shipway_dist::Severity;

use crate::build::{WHEEL, Wheel, assert_refused, errors, judge};

type Mutant = (&'static str, &'static str, fn(&mut Wheel));

const MUTANTS: &[Mutant] = &[
    ("an absolute path", "path-escape-75", |wheel| wheel.add("/etc/passwd", "x")),
    ("a path out of the tree", "path-escape-75", |wheel| wheel.add("demo/../../x.py", "x")),
    ("a drive letter", "path-escape-75", |wheel| wheel.add("C:x.py", "x")),
    ("a backslash", "path-escape-75", |wheel| wheel.add("demo\\x.py", "x")),
    ("a control character", "path-text-75", |wheel| wheel.add("demo/x\u{7}.py", "x")),
    ("an empty name", "path-text-75", |wheel| wheel.add("", "x")),
    ("an empty part", "path-not-normal-75", |wheel| wheel.add("demo//x.py", "x")),
    ("a part that is a dot", "path-not-normal-75", |wheel| wheel.add("./demo/x.py", "x")),
    ("names that differ in case", "path-equal-75", |wheel| wheel.add("demo/CLI.py", "x")),
    ("names that differ in normalization", "path-equal-75", |wheel| {
        wheel.add("demo/data/gro\u{308}ße.txt", "x")
    }),
    ("names that differ in folding", "path-equal-75", |wheel| wheel.add("demo/data/GRÖSSE.txt", "x")),
    ("a name reserved on Windows", "path-portable-75", |wheel| wheel.add("demo/aux.py", "x")),
    ("a name that Windows cannot hold", "path-portable-75", |wheel| wheel.add("demo/a?.py", "x")),
    ("a file that is a directory too", "path-prefix-76", |wheel| wheel.add("demo/cli.py/x.py", "x")),
    ("a name that is too long", "archive-bound-73", |wheel| wheel.add(&"n".repeat(2000), "x")),
    ("too many directories", "archive-bound-73", |wheel| wheel.add(&("d/".repeat(200) + "x"), "x")),
    ("no dist-info directory", "dist-info-92", |wheel| {
        wheel.files.retain(|(name, _)| !name.contains(".dist-info/"));
        wheel.dist_info = "demo".to_owned();
    }),
    ("two dist-info directories", "dist-info-92", |wheel| wheel.add("other-1.0.dist-info/METADATA", "x")),
    ("another dist-info directory", "dist-info-92", |wheel| {
        for (name, _) in &mut wheel.files {
            *name = name.replace("demo-1.0.dist-info", "demo-1.1.dist-info");
        }
        wheel.dist_info = "demo-1.1.dist-info".to_owned();
    }),
    ("no WHEEL", "wheel-file-93", |wheel| wheel.remove("/WHEEL")),
    ("a WHEEL that is no text", "wheel-file-93", |wheel| *wheel.file("/WHEEL") = vec![0xff, 0xfe]),
    ("a major version of the future", "wheel-version-93", |wheel| {
        wheel.replace("/WHEEL", "Wheel-Version: 1.0", "Wheel-Version: 2.0");
    }),
    ("no Wheel-Version", "wheel-version-93", |wheel| wheel.replace("/WHEEL", "Wheel-Version: 1.0\n", "")),
    ("other tags", "wheel-tag-93", |wheel| wheel.replace("/WHEEL", "py3-none-any", "py2-none-any")),
    ("no tags", "wheel-tag-93", |wheel| wheel.replace("/WHEEL", "Tag: py3-none-any\n", "")),
    ("a build tag that the filename lacks", "wheel-build-93", |wheel| {
        wheel.replace("/WHEEL", "Tag:", "Build: 1\nTag:");
    }),
    ("a pure wheel that says it is not", "wheel-purelib-93", |wheel| {
        wheel.replace("/WHEEL", "Purelib: true", "Purelib: false");
    }),
    ("Root-Is-Purelib twice", "wheel-field-93", |wheel| {
        wheel.replace("/WHEEL", "Tag:", "Root-Is-Purelib: false\nTag:");
    }),
    ("a line of WHEEL that is no field", "wheel-field-93", |wheel| {
        wheel.file("/WHEEL").extend(b"nonsense\n")
    }),
    ("no METADATA", "metadata-file-94", |wheel| wheel.remove("/METADATA")),
    ("another name in the metadata", "filename-project-57", |wheel| {
        wheel.replace("/METADATA", "Name: demo", "Name: other");
    }),
    ("another version in the metadata", "filename-version-57", |wheel| {
        wheel.replace("/METADATA", "\nVersion: 1.0", "\nVersion: 1.1");
    }),
    ("no RECORD", "record-file-95", |wheel| wheel.dist_info = "elsewhere".to_owned()),
    ("a RECORD that is no text", "record-file-95", |wheel| wheel.record = None),
    ("a row too short", "record-row-95", |wheel| change_row(wheel, "cli.py", |row| row.replace(',', ""))),
    ("a row too long", "record-row-95", |wheel| change_row(wheel, "cli.py", |row| row + ",x")),
    ("a row twice", "record-row-95", |wheel| change_row(wheel, "cli.py", |row| format!("{row}\n{row}"))),
    ("a row with an absolute path", "record-row-95", |wheel| {
        change_row(wheel, "cli.py", |row| format!("/{row}"))
    }),
    ("a row out of the tree", "record-row-95", |wheel| {
        change_row(wheel, "cli.py", |row| format!("../{row}"))
    }),
    ("a row with backslashes", "record-row-95", |wheel| {
        change_row(wheel, "cli.py", |row| row.replacen('/', "\\", 1));
    }),
    ("RECORD with a hash of itself", "record-row-95", |wheel| {
        change_row(wheel, "RECORD", |row| row.replace(",,", ",sha256=abc,3"));
    }),
    ("RECORD that does not list itself", "record-row-95", |wheel| {
        change_row(wheel, "RECORD,,", |_| String::new())
    }),
    ("a row without a file", "record-extra-96", |wheel| {
        change_row(wheel, "cli.py", |row| format!("{row}\ndemo/gone.py,sha256=abc,3"));
    }),
    ("a file without a row", "record-unlisted-96", |wheel| change_row(wheel, "cli.py", |_| String::new())),
    ("a wrong hash", "record-hash-97", |wheel| {
        change_row(wheel, "cli.py", |row| row.replace("sha256=", "sha256=x"));
    }),
    ("a hash of other bytes", "record-hash-97", |wheel| {
        let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        change_row(wheel, "cli.py", |_| format!("demo/cli.py,sha256={digest},1240"));
    }),
    ("no hash", "record-hash-97", |wheel| change_row(wheel, "cli.py", |_| "demo/cli.py,,1240".to_owned())),
    ("a hash without algorithm", "record-hash-97", |wheel| {
        change_row(wheel, "cli.py", |row| row.replace("sha256=", ""));
    }),
    ("a weak algorithm", "record-algorithm-97", |wheel| {
        change_row(wheel, "cli.py", |row| row.replace("sha256=", "md5="));
    }),
    ("an unknown algorithm", "record-algorithm-97", |wheel| {
        change_row(wheel, "cli.py", |row| row.replace("sha256=", "rot13="));
    }),
    ("a wrong size", "record-size-97", |wheel| change_row(wheel, "cli.py", |row| row + "0")),
    ("a size that is no number", "record-size-97", |wheel| change_row(wheel, "cli.py", |row| row + "x")),
    ("no size", "record-size-97", |wheel| {
        change_row(wheel, "cli.py", |row| row.rsplit_once(',').unwrap().0.to_owned() + ",");
    }),
    ("a script without function", "entry-points-98", |wheel| {
        wheel.replace("entry_points.txt", "demo.cli:main", "demo.cli");
    }),
    ("an entry point before any group", "entry-points-98", |wheel| {
        wheel.replace("entry_points.txt", "[console_scripts]\n", "");
    }),
    ("an entry point with a blank in its name", "entry-point-name-98", |wheel| {
        wheel.replace("entry_points.txt", "demo =", "de mo =");
    }),
    ("a license file that is not there", "license-file-99", |wheel| wheel.remove("LICENSE")),
    ("a bill of materials that is no JSON", "sbom-100", |wheel| wheel.replace("demo.json", "{}", "{")),
    ("a scheme that does not exist", "data-directory-101", |wheel| {
        wheel.add("demo-1.0.data/etc/demo.conf", "x")
    }),
    ("the data directory of another wheel", "data-directory-101", |wheel| {
        wheel.add("demo-1.1.data/data/demo.conf", "x");
    }),
    ("a declared import name that is not there", "import-name-102", |wheel| {
        wheel.replace("/METADATA", "Metadata-Version: 2.4", "Metadata-Version: 2.5\nImport-Name: gone");
    }),
    ("a module of the standard library", "import-stdlib-102", |wheel| wheel.add("json/__init__.py", "")),
    ("a top-level directory of the repository", "wheel-stray-102", |wheel| {
        wheel.add("tests/test_demo.py", "")
    }),
    ("a wheel that requires and holds nothing", "wheel-meta-102", |wheel| {
        wheel.files.retain(|(name, _)| name.contains(".dist-info/"));
    }),
    ("a wheel that holds nothing", "wheel-empty-102", |wheel| {
        wheel.files.retain(|(name, _)| name.contains(".dist-info/"));
        wheel.remove("entry_points.txt");
        wheel.replace("/METADATA", "Requires-Dist: requests>=2\n", "");
        wheel.replace("/METADATA", "Requires-Dist: pytest; extra == 'test'\n", "");
    }),
];

/// Changes one row of `RECORD` and leaves the files as they are.
fn change_row(wheel: &mut Wheel, end: &str, change: impl Fn(String) -> String) {
    let rows = wheel.rows().into_iter().map(|row| {
        let name = row.split(',').next().unwrap();
        if name.ends_with(end) || row.ends_with(end) { change(row) } else { row }
    });
    wheel.record = Some(rows.filter(|row| !row.is_empty()).collect::<Vec<_>>().join("\n") + "\n");
}

#[test]
fn every_defect_of_the_content_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, mutate) in MUTANTS {
        let mut wheel = Wheel::demo();
        mutate(&mut wheel);
        let mut zip = wheel.zip();
        if *what == "a RECORD that is no text" {
            *zip.member("RECORD") =
                crate::build::Member::deflated("demo-1.0.dist-info/RECORD", b"\xff\xfe,,\n");
        }
        seen += &assert_refused(what, &zip.bytes(), WHEEL, id);
    }
    insta::assert_snapshot!(seen);
}

const METADATA_MUTANTS: &[(&str, &str, &str, &str)] = &[
    ("a version of the future", "metadata-version-37", "Metadata-Version: 2.4", "Metadata-Version: 3.0"),
    ("no metadata version", "metadata-required-37", "Metadata-Version: 2.4\n", ""),
    ("no name", "metadata-required-37", "Name: demo\n", ""),
    ("no version", "metadata-required-37", "\nVersion: 1.0", ""),
    ("a line that is no field", "metadata-syntax-37", "Summary:", "nonsense\nSummary:"),
    ("a single-use field twice", "metadata-repeated-15", "Summary:", "Summary: Other\nSummary:"),
    ("two descriptions", "metadata-repeated-15", "Summary:", "Description: Other\nSummary:"),
    ("a name that is none", "metadata-name-19", "Name: demo", "Name: -demo-"),
    ("a version that is none", "metadata-project-version-20", "\nVersion: 1.0", "\nVersion: one"),
    ("a version that is not canonical", "metadata-version-form-20", "\nVersion: 1.0", "\nVersion: v1.0"),
    (
        "a field newer than the version",
        "metadata-field-version-38",
        "Metadata-Version: 2.4",
        "Metadata-Version: 2.3",
    ),
    ("a field that does not exist", "metadata-field-unknown-38", "Summary:", "Sumary: x\nSummary:"),
    ("a summary of two lines", "metadata-summary-39", "A small project\n", "A small\n  project\n"),
    ("an unknown content type", "metadata-content-type-40", "text/markdown", "text/html"),
    ("another charset", "metadata-content-type-40", "text/markdown", "text/markdown; charset=latin-1"),
    ("another variant", "metadata-content-type-40", "text/markdown", "text/markdown; variant=mine"),
    ("no description", "metadata-description-41", "# demo\n\nA small project.\n", ""),
    ("no content type", "metadata-description-type-41", "Description-Content-Type: text/markdown\n", ""),
    ("an address that is none", "metadata-email-42", "person@example.org", "person at example.org"),
    (
        "a classifier that is none",
        "metadata-classifier-43",
        "Programming Language :: Python :: 3",
        "Python 3",
    ),
    ("a URL that is none", "metadata-url-44", "https://demo.example", "demo.example"),
    ("a URL without label", "metadata-url-44", "Homepage, https", "https"),
    ("a label that is too long", "metadata-url-44", "Homepage,", "Homepage of this small project and more,"),
    ("a requirement that does not parse", "metadata-requirement-45", "requests>=2", "requests>>2"),
    ("a marker that does not parse", "metadata-requirement-45", "extra == 'test'", "extra = 'test'"),
    (
        "a direct reference",
        "metadata-requirement-url-45",
        "requests>=2",
        "requests @ https://host.example/r.whl",
    ),
    ("Requires-Python that does not parse", "metadata-requires-python-46", ">=3.10", ">=3.10.*"),
    ("an extra that is no name", "metadata-extra-47", "Provides-Extra: test", "Provides-Extra: te st"),
    (
        "one extra twice",
        "metadata-extra-twice-47",
        "Provides-Extra: test",
        "Provides-Extra: test\nProvides-Extra: Test",
    ),
    (
        "an extra that is not normalized",
        "metadata-extra-form-47",
        "Provides-Extra: test",
        "Provides-Extra: Test",
    ),
    ("an extra that is not declared", "metadata-extra-undeclared-47", "Provides-Extra: test\n", ""),
    ("a name that is dynamic", "metadata-dynamic-48", "Summary:", "Dynamic: Name\nSummary:"),
    ("a dynamic field that does not exist", "metadata-dynamic-48", "Summary:", "Dynamic: Sumary\nSummary:"),
    ("two licenses", "metadata-license-both-49", "License-Expression", "License: MIT\nLicense-Expression"),
    ("an expression that is none", "metadata-license-expression-49", "Expression: MIT", "Expression: MIT OR"),
    ("an unknown license", "metadata-license-expression-49", "Expression: MIT", "Expression: Free-1.0"),
    ("an expression in lower case", "metadata-license-form-49", "Expression: MIT", "Expression: mit"),
    ("a license file out of the tree", "metadata-license-path-49", "File: LICENSE", "File: ../LICENSE"),
    ("an absolute license file", "metadata-license-path-49", "File: LICENSE", "File: /LICENSE"),
    ("an import name that is none", "metadata-import-name-50", "2.4\n", "2.5\nImport-Name: de-mo\n"),
    (
        "an import name twice",
        "metadata-import-name-50",
        "2.4\n",
        "2.5\nImport-Name: demo\nImport-Namespace: demo\n",
    ),
    ("an import name without parent", "metadata-import-parent-50", "2.4\n", "2.5\nImport-Name: demo.cli\n"),
];

#[test]
fn every_defect_of_the_metadata_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, from, to) in METADATA_MUTANTS {
        let mut wheel = Wheel::demo();
        wheel.replace("/METADATA", from, to);
        seen += &assert_refused(what, &wheel.zip().bytes(), WHEEL, id);
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn all_problems_of_the_metadata_are_reported_at_once() {
    let mut wheel = Wheel::demo();
    for (from, to) in
        [("Name: demo", "Name: -"), (">=3.10", "x"), ("requests>=2", "?"), ("text/markdown", "x/y")]
    {
        wheel.replace("/METADATA", from, to);
    }
    let report = judge(&wheel.zip().bytes(), WHEEL, false);
    assert_eq!(
        errors(&report),
        [
            "filename-project-57",
            "metadata-content-type-40",
            "metadata-name-19",
            "metadata-requirement-45",
            "metadata-requires-python-46",
        ]
    );
}

#[test]
fn what_popular_projects_do_is_a_warning_by_default_and_an_error_under_strict() {
    let mut wheel = Wheel::demo();
    wheel.replace("/METADATA", "Metadata-Version: 2.4", "Metadata-Version: 2.1");
    wheel.replace("/METADATA", "License-Expression: MIT\n", "");
    let bytes = wheel.zip().bytes();
    let report = judge(&bytes, WHEEL, false);
    assert!(report.ok(), "{:#?}", report.findings);
    assert_eq!(report.findings[0].severity, Severity::Warning);
    assert_eq!(errors(&judge(&bytes, WHEEL, true)), ["metadata-field-version-38"]);
}

#[test]
fn a_second_generator_as_repairing_tools_add_it_is_nothing() {
    let mut wheel = Wheel::demo();
    wheel.replace("/WHEEL", "Tag: py3-none-any\n", "Tag: py3-none-any\nGenerator: delocate 0.13.0\n\n");
    assert!(judge(&wheel.zip().bytes(), WHEEL, true).findings.is_empty());
}
