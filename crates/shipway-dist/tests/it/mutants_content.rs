//! Single defects in what a wheel contains, with `RECORD` and archive made to fit.

use crate::build::{WHEEL, Wheel, assert_refused, judge};

pub(crate) type Mutant = (&'static str, &'static str, fn(&mut Wheel));

pub(crate) const MUTANTS: &[Mutant] = &[
    ("an absolute path", "path-escape-75", |wheel| wheel.add("/etc/passwd", "x")),
    ("a path out of the tree", "path-escape-75", |wheel| wheel.add("demo/../../x.py", "x")),
    ("a drive letter", "path-escape-75", |wheel| wheel.add("C:x.py", "x")),
    ("a backslash", "path-escape-75", |wheel| wheel.add("demo\\x.py", "x")),
    ("a control character", "path-text-75", |wheel| wheel.add("demo/x\u{7}.py", "x")),
    ("an empty name", "path-text-75", |wheel| wheel.add("", "x")),
    ("an empty part", "path-not-normal-75", |wheel| wheel.add("demo//x.py", "x")),
    ("a part that is a dot", "path-not-normal-75", |wheel| wheel.add("./demo/x.py", "x")),
    ("names that differ in case", "path-equal-75", |wheel| {
        let upper = wheel.victim.to_uppercase();
        wheel.add(&upper, "x");
    }),
    ("names that differ in normalization", "path-equal-75", |wheel| {
        wheel.add("data/gröse.txt", "x");
        wheel.add("data/gro\u{308}se.txt", "x");
    }),
    ("names that differ in folding", "path-equal-75", |wheel| {
        wheel.add("data/größe.txt", "x");
        wheel.add("data/GRÖSSE.txt", "x");
    }),
    ("a name reserved on Windows", "path-portable-75", |wheel| wheel.add("demo/aux.py", "x")),
    ("a name that Windows cannot hold", "path-portable-75", |wheel| wheel.add("demo/a?.py", "x")),
    ("a file that is a directory too", "path-prefix-76", |wheel| {
        let below = format!("{}/x.py", wheel.victim);
        wheel.add(&below, "x");
    }),
    ("a name that is too long", "archive-bound-73", |wheel| wheel.add(&"n".repeat(2000), "x")),
    ("too many directories", "archive-bound-73", |wheel| wheel.add(&("d/".repeat(200) + "x"), "x")),
    ("no dist-info directory", "dist-info-92", |wheel| {
        wheel.files.retain(|(name, _)| !name.contains(".dist-info/"));
        wheel.dist_info = wheel.stem().to_owned();
    }),
    ("two dist-info directories", "dist-info-92", |wheel| wheel.add("other-1.0.dist-info/METADATA", "x")),
    ("another dist-info directory", "dist-info-92", |wheel| {
        let other = format!("{}.1.dist-info", wheel.stem());
        for (name, _) in &mut wheel.files {
            *name = name.replace(&wheel.dist_info, &other);
        }
        wheel.dist_info = other;
    }),
    ("no WHEEL", "wheel-file-93", |wheel| wheel.remove(".dist-info/WHEEL")),
    ("a WHEEL that is no text", "wheel-file-93", |wheel| *wheel.file(".dist-info/WHEEL") = vec![0xff, 0xfe]),
    ("a major version of the future", "wheel-version-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.set("Wheel-Version", "2.0"));
    }),
    ("no Wheel-Version", "wheel-version-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.remove("Wheel-Version"));
    }),
    ("other tags", "wheel-tag-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.set("Tag", "py27-none-any"));
    }),
    ("no tags", "wheel-tag-93", |wheel| wheel.headers("WHEEL", |fields| fields.remove("Tag"))),
    ("a build tag that the filename lacks", "wheel-build-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.add("Build", "1"));
    }),
    ("a wheel that is pure and says the contrary, or not", "wheel-purelib-93", |wheel| {
        wheel.headers("WHEEL", |fields| {
            let pure = fields.fields.contains(&("Root-Is-Purelib".to_owned(), "true".to_owned()));
            fields.set("Root-Is-Purelib", if pure { "false" } else { "true" });
        });
    }),
    ("Root-Is-Purelib twice", "wheel-field-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.add("Root-Is-Purelib", "true"));
    }),
    ("a line of WHEEL that is no field", "wheel-field-93", |wheel| {
        wheel.headers("WHEEL", |fields| fields.fields.last_mut().unwrap().1 += "\nnonsense");
    }),
    ("no METADATA", "metadata-file-94", |wheel| wheel.remove(".dist-info/METADATA")),
    ("another name in the metadata", "filename-project-57", |wheel| {
        wheel.headers("METADATA", |fields| fields.set("Name", "other"));
    }),
    ("another version in the metadata", "filename-version-57", |wheel| {
        wheel.headers("METADATA", |fields| fields.set("Version", "77.7"));
    }),
    ("no RECORD", "record-file-95", |wheel| wheel.dist_info = "elsewhere".to_owned()),
    ("a RECORD that is no text", "record-file-95", |wheel| wheel.record = Some(b"\xff\xfe,,\n".to_vec())),
    ("a row too short", "record-row-95", |wheel| change_row(wheel, |row| row.replace(',', ""))),
    ("a row too long", "record-row-95", |wheel| change_row(wheel, |row| row + ",x")),
    ("a row twice", "record-row-95", |wheel| change_row(wheel, |row| format!("{row}\n{row}"))),
    ("a row with an absolute path", "record-row-95", |wheel| change_row(wheel, |row| format!("/{row}"))),
    ("a row out of the tree", "record-row-95", |wheel| change_row(wheel, |row| format!("../{row}"))),
    ("a row with backslashes", "record-row-95", |wheel| {
        change_row(wheel, |row| format!("x\\{row}"));
    }),
    ("RECORD with a hash of itself", "record-row-95", |wheel| {
        change_own_row(wheel, |row| row.replace(",,", ",sha256=abc,3"));
    }),
    ("RECORD that does not list itself", "record-row-95", |wheel| {
        change_own_row(wheel, |_| String::new());
    }),
    ("a row without a file", "record-extra-96", |wheel| {
        change_row(wheel, |row| format!("{row}\ndemo/gone.py,sha256=abc,3"));
    }),
    ("a file without a row", "record-unlisted-96", |wheel| change_row(wheel, |_| String::new())),
    ("a wrong hash", "record-hash-97", |wheel| {
        change_row(wheel, |row| row.replace("sha256=", "sha256=x"));
    }),
    ("a hash of other bytes", "record-hash-97", |wheel| {
        let digest = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        change_row(wheel, |row| {
            let (name, size) = (row.split(',').next().unwrap(), row.rsplit(',').next().unwrap());
            format!("{name},sha256={digest},{size}")
        });
    }),
    ("no hash", "record-hash-97", |wheel| {
        change_row(wheel, |row| {
            let (name, size) = (row.split(',').next().unwrap(), row.rsplit(',').next().unwrap());
            format!("{name},,{size}")
        });
    }),
    ("a hash without algorithm", "record-hash-97", |wheel| {
        change_row(wheel, |row| row.replace("sha256=", ""));
    }),
    ("a weak algorithm", "record-algorithm-97", |wheel| {
        change_row(wheel, |row| row.replace("sha256=", "md5="));
    }),
    ("an unknown algorithm", "record-algorithm-97", |wheel| {
        change_row(wheel, |row| row.replace("sha256=", "rot13="));
    }),
    ("a wrong size", "record-size-97", |wheel| change_row(wheel, |row| row + "0")),
    ("a size that is no number", "record-size-97", |wheel| change_row(wheel, |row| row + "x")),
    ("no size", "record-size-97", |wheel| {
        change_row(wheel, |row| row.rsplit_once(',').unwrap().0.to_owned() + ",");
    }),
    ("a script without function", "entry-points-98", |wheel| {
        entry_points(wheel, "[console_scripts]\ndemo = demo.cli\n");
    }),
    ("an entry point before any group", "entry-points-98", |wheel| {
        entry_points(wheel, "demo = demo.cli:main\n");
    }),
    ("an entry point with a blank in its name", "entry-point-name-98", |wheel| {
        entry_points(wheel, "[console_scripts]\nde mo = demo.cli:main\n");
    }),
    ("a license file that is not there", "license-file-99", |wheel| {
        wheel.headers("METADATA", |fields| {
            fields.set("Metadata-Version", "2.4");
            fields.add("License-File", "gone/LICENSE");
        });
    }),
    ("a bill of materials that is no JSON", "sbom-100", |wheel| {
        wheel.set(&wheel.in_dist_info("sboms/demo.json"), "{");
    }),
    ("a scheme that does not exist", "data-directory-101", |wheel| {
        wheel.add(&format!("{}.data/etc/demo.conf", wheel.stem()), "x");
    }),
    ("the data directory of another wheel", "data-directory-101", |wheel| {
        wheel.add(&format!("{}.1.data/data/demo.conf", wheel.stem()), "x");
    }),
    ("a script for one interpreter", "data-script-101", |wheel| {
        wheel.add(&format!("{}.data/scripts/x", wheel.stem()), "#!/usr/bin/python3\n");
    }),
    ("a declared import name that is not there", "import-name-102", |wheel| {
        wheel.headers("METADATA", |fields| {
            fields.set("Metadata-Version", "2.5");
            fields.set("Import-Name", "gone");
        });
    }),
    ("a module that is not declared", "import-undeclared-102", |wheel| {
        let top = wheel.victim.split('/').next().unwrap_or_default().trim_end_matches(".py").to_owned();
        wheel.headers("METADATA", |fields| {
            fields.set("Metadata-Version", "2.5");
            fields.set("Import-Name", &top);
        });
        wheel.add("undeclared_top.py", "");
    }),
    ("a module of the standard library", "import-stdlib-102", |wheel| wheel.add("json/__init__.py", "")),
    ("a top-level directory of the repository", "wheel-stray-102", |wheel| {
        wheel.add("tests/test_demo.py", "")
    }),
    ("a wheel that requires and holds nothing", "wheel-meta-102", |wheel| {
        wheel.files.retain(|(name, _)| name.contains(".dist-info/"));
        wheel.headers("METADATA", |fields| fields.add("Requires-Dist", "requests"));
    }),
    ("a wheel that holds nothing", "wheel-empty-102", |wheel| {
        wheel.files.retain(|(name, _)| name.contains(".dist-info/"));
        wheel.remove("entry_points.txt");
        wheel.headers("METADATA", |fields| fields.remove("Requires-Dist"));
    }),
];

fn entry_points(wheel: &mut Wheel, text: &str) {
    wheel.set(&wheel.in_dist_info("entry_points.txt"), text);
}

/// Changes the row of one file in `RECORD` and leaves the files as they are.
fn change_row(wheel: &mut Wheel, change: impl Fn(String) -> String) {
    let begin = format!("{},", wheel.victim);
    change_rows(wheel, &begin, change);
}

/// Changes the row that `RECORD` has for itself.
fn change_own_row(wheel: &mut Wheel, change: impl Fn(String) -> String) {
    let begin = wheel.in_dist_info("RECORD,");
    change_rows(wheel, &begin, change);
}

fn change_rows(wheel: &mut Wheel, begin: &str, change: impl Fn(String) -> String) {
    let rows = wheel.rows().into_iter();
    let rows = rows.map(|row| if row.starts_with(begin) { change(row) } else { row });
    let rows: Vec<String> = rows.filter(|row| !row.is_empty()).collect();
    wheel.record = Some((rows.join("\n") + "\n").into_bytes());
}

#[test]
fn every_defect_of_the_content_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, mutate) in MUTANTS {
        let mut wheel = Wheel::demo();
        mutate(&mut wheel);
        seen += &assert_refused(what, &wheel.zip().bytes(), WHEEL, id);
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn a_second_generator_as_repairing_tools_add_it_is_nothing() {
    let mut wheel = Wheel::demo();
    wheel.replace("/WHEEL", "Tag: py3-none-any\n", "Tag: py3-none-any\nGenerator: delocate 0.13.0\n\n");
    assert!(judge(&wheel.zip().bytes(), WHEEL, true).findings.is_empty());
}
