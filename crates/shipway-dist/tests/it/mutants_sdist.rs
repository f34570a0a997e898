//! Single defects in an sdist; each is refused with its own identifier.

use crate::build::tarball::{gunzip, gzip, trailer};
use crate::build::{Entry, SDIST, Sdist, Wheel, assert_refused, judge, sdist};

pub(crate) type Unusual = (&'static str, fn(&mut Sdist));
pub(crate) type Mutant = (&'static str, &'static str, fn(&mut Sdist));

pub(crate) const MUTANTS: &[Mutant] = &[
    ("no zero blocks at the end", "tar-end-103", |tar| tar.trailer.clear()),
    ("one zero block at the end", "tar-end-103", |tar| tar.trailer.truncate(512)),
    ("half a block at the end", "tar-end-103", |tar| tar.trailer.truncate(700)),
    ("bytes behind the end", "tar-end-103", |tar| tar.trailer.extend([b'x'; 512])),
    ("a member behind the end", "tar-end-103", |tar| {
        let mut hidden = Sdist::new(&tar.top);
        hidden.add("hidden.py", b"x");
        tar.trailer.extend(hidden.tar());
    }),
    ("a header with a wrong checksum", "tar-header-103", |tar| {
        let entry = tar.victim();
        entry.header[148..156].copy_from_slice(b"000001\0 ");
        entry.keep_checksum = true;
    }),
    ("a size that is no number", "tar-header-103", |tar| tar.victim().header[124] = b'x'),
    ("a time that is no number", "tar-header-103", |tar| tar.victim().header[136] = b'x'),
    ("an unknown magic", "tar-header-103", |tar| tar.victim().header[257] = b'x'),
    ("a prefix in a dialect without", "tar-header-103", |tar| {
        let header = &mut tar.victim().header;
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345] = b'p';
    }),
    ("a directory with content", "tar-header-103", |tar| {
        let mut directory = Entry::directory(&tar.path("folder/"));
        directory.set(&[b'x'; 512]);
        tar.entries.push(directory);
    }),
    ("a file with the name of a directory", "tar-header-103", |tar| tar.add("folder/", b"")),
    ("a file with the name of a directory by its extended header", "tar-header-103", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("path", &tar.path("folder/"))]));
        tar.special("folder", 0);
    }),
    ("a link with content", "tar-header-103", |tar| {
        let mut link = Entry::link(&tar.path("link"), b'2', "PKG-INFO");
        link.set(&[b'x'; 512]);
        tar.entries.push(link);
    }),
    ("a size beyond every bound", "archive-bound-73", |tar| {
        tar.victim().octal(124, 12, 0o77_777_777_777);
    }),
    ("an extended header that contradicts the size", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("size", "1")]));
        tar.add("x", b"two");
    }),
    ("two names for one member", "tar-extension-104", |tar| {
        tar.entries.push(Entry::new("././@LongLink", b'L', b"demo-1.0/other\0"));
        tar.entries.push(Entry::pax(b'x', &[("path", &tar.path("one"))]));
        tar.add("two", b"x");
    }),
    ("two extended headers for one member", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("mtime", "1")]));
        tar.entries.push(Entry::pax(b'x', &[("mtime", "2")]));
        tar.add("x", b"x");
    }),
    ("a record twice", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("path", &tar.path("a")), ("path", &tar.path("b"))]));
        tar.add("x", b"x");
    }),
    ("a record of a wrong length", "tar-extension-104", |tar| {
        tar.entries.push(Entry::new("x", b'x', b"99 path=x\n"));
        tar.add("x", b"x");
    }),
    ("an extended header with a time that is no number", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("mtime", "yesterday")]));
        tar.add("x", b"x");
    }),
    ("a global header with an owner that is no number", "tar-extension-104", |tar| {
        tar.entries.insert(0, Entry::pax(b'g', &[("uid", "")]));
    }),
    ("a global header that names members", "tar-extension-104", |tar| {
        tar.entries.insert(0, Entry::pax(b'g', &[("path", "demo-1.0/all")]));
    }),
    ("another character set", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("hdrcharset", "BINARY")]));
        tar.add("x", b"x");
    }),
    ("an extended header without member", "tar-extension-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("path", "demo-1.0/a")]));
    }),
    ("an extended header that is too large", "archive-bound-73", |tar| {
        tar.entries.insert(0, Entry::new("x", b'x', &vec![b'1'; 2 << 20]));
    }),
    ("a sparse member of GNU tar", "tar-sparse-104", |tar| {
        tar.special("sparse", b'S');
    }),
    ("a sparse member of pax", "tar-sparse-104", |tar| {
        tar.entries.push(Entry::pax(b'x', &[("GNU.sparse.major", "1")]));
        tar.add("sparse", b"x");
    }),
    ("a second top directory", "sdist-top-105", |tar| tar.entries.push(Entry::file("other/x.py", b"x"))),
    ("a file at the top", "sdist-top-105", |tar| tar.entries.push(Entry::file("x.py", b"x"))),
    ("another top directory", "sdist-top-105", |tar| {
        tar.entries.retain(|entry| !matches!(entry.header[156], b'x' | b'g'));
        for entry in &mut tar.entries {
            entry.header[0] = b'y';
        }
    }),
    ("an empty archive", "sdist-top-105", |tar| tar.entries.clear()),
    ("no PKG-INFO", "sdist-pkg-info-106", |tar| tar.remove("PKG-INFO")),
    ("an old PKG-INFO", "sdist-pkg-info-old-106", |tar| {
        tar.headers(|fields| fields.set("Metadata-Version", "2.1"));
    }),
    ("another name in PKG-INFO", "filename-project-57", |tar| {
        tar.headers(|fields| fields.set("Name", "other"));
    }),
    ("another version in PKG-INFO", "filename-version-57", |tar| {
        tar.headers(|fields| fields.set("Version", "77.7"));
    }),
    ("no pyproject.toml", "sdist-pyproject-missing-107", |tar| tar.remove("pyproject.toml")),
    ("a pyproject.toml that is no TOML", "sdist-pyproject-107", |tar| {
        tar.entry("pyproject.toml").set(b"[build-system\n");
    }),
    ("a link out of the tree", "tar-link-108", |tar| {
        tar.link(b'2', "../../etc/passwd");
    }),
    ("a link beside the tree", "tar-link-108", |tar| {
        tar.link(b'2', "../other");
    }),
    ("an absolute link", "tar-link-108", |tar| {
        tar.link(b'2', "/etc/passwd");
    }),
    ("a hard link to no member", "tar-link-108", |tar| {
        let target = tar.path("gone");
        tar.link(b'1', &target);
    }),
    ("a hard link to a later member", "tar-link-108", |tar| {
        let link = Entry::link(&tar.path("link"), b'1', &tar.victim_path());
        tar.entries.insert(0, link);
    }),
    ("a dead symbolic link", "tar-link-missing-108", |tar| {
        tar.link(b'2', "gone");
    }),
    ("a member below a symbolic link", "path-prefix-76", |tar| {
        tar.link(b'2', "src");
        tar.add("link/x.py", b"x");
    }),
    ("a character device", "tar-kind-108", |tar| tar.special("null", b'3')),
    ("a block device", "tar-kind-108", |tar| tar.special("sda", b'4')),
    ("a FIFO", "tar-kind-108", |tar| tar.special("pipe", b'6')),
    ("an unknown type", "tar-kind-108", |tar| tar.special("what", b'Z')),
    ("a member in the GNU format", "tar-format-104", |tar| {
        tar.victim().header[257..265].copy_from_slice(b"ustar  \0");
    }),
    ("a set-user-id bit", "tar-mode-108", |tar| tar.victim().octal(100, 8, 0o4755)),
    ("two members with one name", "tar-duplicate-109", |tar| {
        let again = Entry::file(&tar.victim_path(), b"other");
        tar.entries.push(again);
    }),
    ("a license file that is not there", "sdist-license-file-110", |tar| {
        tar.headers(|fields| {
            fields.set("Metadata-Version", "2.4");
            fields.add("License-File", "gone/LICENSE");
        });
    }),
    ("a path out of the tree", "path-escape-75", |tar| tar.add("../x", b"x")),
    ("names that differ in case", "path-equal-75", |tar| {
        tar.add("data/a.txt", b"x");
        tar.add("data/A.txt", b"x");
    }),
];

#[test]
fn every_defect_of_an_sdist_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, mutate) in MUTANTS {
        let mut tar = sdist();
        mutate(&mut tar);
        seen += &assert_refused(what, &tar.bytes(), SDIST, id);
    }
    insta::assert_snapshot!(seen);
}

/// Bytes of a whole sdist changed.
pub(crate) type Frame = (&'static str, &'static str, fn(&mut Vec<u8>));

pub(crate) const FRAMES: &[Frame] = &[
    ("a second gzip member", "gzip-frame-103", |bytes| bytes.extend(gzip(b""))),
    ("the archive in two gzip members", "gzip-frame-103", |bytes| {
        let tar = gunzip(bytes);
        *bytes = [gzip(&tar[..512]), gzip(&tar[512..])].concat();
    }),
    ("bytes behind the gzip member", "gzip-frame-103", |bytes| bytes.push(b'x')),
    ("a wrong CRC", "gzip-frame-103", |bytes| *bytes.iter_mut().nth_back(7).unwrap() ^= 1),
    ("a wrong size", "gzip-frame-103", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ("a damaged stream", "gzip-frame-103", |bytes| {
        // A block of a type that does not exist.
        *bytes = gzip(&gunzip(bytes));
        bytes[10] |= 6;
    }),
    ("a truncated stream", "gzip-frame-103", |bytes| bytes.truncate(bytes.len() - 20)),
    ("a truncated trailer", "gzip-frame-103", |bytes| bytes.truncate(bytes.len() - 2)),
    ("reserved flags", "gzip-frame-103", |bytes| bytes[3] |= 0x80),
    ("a wrong CRC of the gzip header", "gzip-frame-103", |bytes| {
        *bytes = gzip(&gunzip(bytes));
        bytes[3] = 2;
        bytes.splice(10..10, [0, 0]);
    }),
    ("another compression method", "gzip-frame-103", |bytes| bytes[2] = 7),
    ("no gzip file", "file-magic-71", |bytes| *bytes = gunzip(bytes)),
    ("an empty file", "file-magic-71", Vec::clear),
    ("a zip file in place of an sdist", "file-polyglot-72", |bytes| *bytes = Wheel::demo().zip().bytes()),
    ("an sdist that is a zip file too", "file-polyglot-72", |bytes| {
        bytes.extend(Wheel::demo().zip().bytes())
    }),
];

#[test]
fn every_defect_of_the_gzip_frame_is_refused_with_its_own_identifier() {
    let whole = sdist().bytes();
    let mut seen = String::new();
    for (what, id, change) in FRAMES {
        let mut bytes = whole.clone();
        change(&mut bytes);
        seen += &assert_refused(what, &bytes, SDIST, id);
    }
    insta::assert_snapshot!(seen);
    assert_eq!(trailer(&sdist().tar()), whole[whole.len() - 8..]);
}

pub(crate) const UNUSUAL: &[Unusual] = &[
    ("nothing changed", |_| ()),
    ("more zero blocks", |tar| tar.trailer.resize(10240, 0)),
    ("an extended header with the same size", |tar| {
        let at = tar.entries.len() - 1;
        let size = tar.entries[at].data.len().to_string();
        tar.entries.insert(at, Entry::pax(b'x', &[("size", &size), ("mtime", "1.5")]));
    }),
    ("a long name", |tar| {
        let name = format!("demo-1.0/{}/x.py", "d".repeat(120));
        tar.entries.push(Entry::pax(b'x', &[("path", &name)]));
        tar.entries.push(Entry::file("demo-1.0/x.py", b"x"));
    }),
    ("a comment of git archive", |tar| tar.entries.insert(0, Entry::pax(b'g', &[("comment", "abc")]))),
    ("a symbolic link within the tree", |tar| {
        tar.entries.push(Entry::link("demo-1.0/src/link", b'2', "../LICENSE"));
    }),
    ("a symbolic link to a directory", |tar| {
        tar.entries.push(Entry::link("demo-1.0/link", b'2', "src/demo"))
    }),
    ("a hard link to an earlier member", |tar| {
        tar.entries.push(Entry::link("demo-1.0/link", b'1', "demo-1.0/LICENSE"));
    }),
    ("a long name that is cut off at a slash", |tar| {
        let folder = format!("demo-1.0/{}/", "d".repeat(90));
        tar.entries.push(Entry::pax(b'x', &[("path", &format!("{folder}x.py"))]));
        tar.entries.push(Entry::file(&folder, b"x"));
    }),
    ("a directory of v7", |tar| tar.special("folder/", 0)),
    ("a directory listed twice", |tar| tar.entries.push(Entry::directory("demo-1.0/"))),
    ("a large owner", |tar| {
        tar.entry("LICENSE").header[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0, 0x7f, 0xff, 0xff]);
    }),
];

#[test]
fn what_is_unusual_but_right_passes() {
    for (what, change) in UNUSUAL {
        let mut tar = sdist();
        change(&mut tar);
        let report = judge(&tar.bytes(), SDIST, true);
        assert!(report.findings.is_empty(), "{what}: {:#?}", report.findings);
        assert_eq!(report.metadata.map(|metadata| metadata.name).as_deref(), Some("demo"));
    }
}

#[test]
fn gnu_format_is_a_warning_even_under_strict() {
    let mut tar = sdist();
    tar.entry("LICENSE").header[257..265].copy_from_slice(b"ustar  \0");
    let report = judge(&tar.bytes(), SDIST, true);
    assert!(report.ok());
    assert_eq!(report.findings[0].id, "tar-format-104");
}
