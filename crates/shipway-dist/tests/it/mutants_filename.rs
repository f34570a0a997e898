//! Single defects in the filename alone.

use crate::build::{SDIST, WHEEL, Wheel, assert_refused, sdist};

pub(crate) type Mutant = (&'static str, &'static str, fn(&str) -> String);

pub(crate) const WHEELS: &[Mutant] = &[
    ("a control character", "filename-characters-52", |name| name.replacen('-', "\u{7}-", 1)),
    ("a separator", "filename-characters-52", |name| format!("x/{name}")),
    ("a backslash", "filename-characters-52", |name| format!("x\\{name}")),
    ("a leading dot", "filename-characters-52", |name| format!(".{name}")),
    ("too long a name", "filename-length-52", |name| name.replacen('-', &format!("{}-", "x".repeat(246)), 1)),
    ("another extension", "filename-extension-53", |name| name.replace(".whl", ".zip")),
    ("a part too few", "filename-wheel-55", |name| name.rsplit_once('-').unwrap().0.to_owned() + ".whl"),
    ("a build tag that begins with a letter", "filename-wheel-55", |name| {
        let mut parts: Vec<&str> = name.split('-').collect();
        parts.insert(2, "b1");
        parts.join("-")
    }),
    ("a name that is not normalized", "filename-name-56", |name| name[..1].to_uppercase() + &name[1..]),
    ("another version", "filename-version-57", |name| name.replacen('-', "-9", 1)),
    ("a version that is not canonical", "filename-version-form-57", |name| name.replacen('-', "-v", 1)),
    ("another project", "filename-project-57", |name| format!("x{name}")),
    ("an unknown platform", "filename-tag-58", |name| platform(name, "plan9_mips")),
    ("an unknown ABI", "filename-tag-58", |name| {
        let mut parts: Vec<&str> = name.split('-').collect();
        parts[3] = "abi9";
        parts.join("-")
    }),
    ("a platform that promises nothing", "filename-linux-tag-58", |name| platform(name, "linux_x86_64")),
    ("tags out of order", "filename-tag-order-59", |name| {
        let mut parts: Vec<&str> = name.split('-').collect();
        parts[2] = "py3.py2";
        parts.join("-")
    }),
];

pub(crate) const SDISTS: &[Mutant] = &[
    ("a separator in the name of an sdist", "filename-characters-52", |name| format!("../{name}")),
    ("another extension of an sdist", "filename-extension-53", |name| name.replace(".tar.gz", ".tar.bz2")),
    ("an sdist that is called a zip", "filename-extension-53", |name| name.replace(".tar.gz", ".zip")),
    ("a name of an sdist that is not normalized", "filename-sdist-54", |name| {
        name[..1].to_uppercase() + &name[1..]
    }),
    ("a version of an sdist that is not canonical", "filename-sdist-54", |name| name.replacen('-', "-v", 1)),
    ("an sdist without version", "filename-sdist-54", |name| {
        name.split('-').next().unwrap().to_owned() + ".tar.gz"
    }),
    ("an sdist of another version", "filename-version-57", |name| name.replacen('-', "-9", 1)),
    ("an sdist of another project", "filename-project-57", |name| format!("x{name}")),
];

fn platform(name: &str, tag: &str) -> String {
    format!("{}-{tag}.whl", name.rsplit_once('-').unwrap().0)
}

#[test]
fn every_defect_of_the_filename_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    let files = [(WHEELS, WHEEL, Wheel::demo().zip().bytes()), (SDISTS, SDIST, sdist().bytes())];
    for (mutants, filename, bytes) in files {
        for (what, id, rename) in mutants {
            seen += &assert_refused(what, &bytes, &rename(filename), id);
        }
    }
    insta::assert_snapshot!(seen);
}
