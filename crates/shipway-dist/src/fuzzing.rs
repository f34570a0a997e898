//! Entry points for fuzzing, one per parser of outside bytes; not part of the interface.
//!
//! The targets under `fuzz/` and the short runs in the tests call the same functions, so that an
//! input which one of them finds is a test of the other. They panic when a property does not hold.

use std::collections::HashMap;

use crate::archive::Limits;
use crate::archive::source::{Bytes, ReadAt};
use crate::archive::{tar, zip};
use crate::check::{self, Options};
use crate::finding::Findings;

/// A target: its name and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// Every target by name.
pub const TARGETS: [Target; 9] = [
    ("zip", zip),
    ("tar", tar),
    ("metadata", metadata),
    ("record", record),
    ("wheel_file", wheel_file),
    ("entry_points", entry_points),
    ("filename", filename),
    ("version", version),
    ("requirement", requirement),
];

/// A wheel: framing, `RECORD` and everything behind it.
pub fn zip(bytes: &[u8]) {
    let report = check::check_bytes(bytes, "demo-1.0-py3-none-any.whl", &Options::default());
    let mut findings = Findings::default();
    let directory = zip::read_directory(&Bytes(bytes), &Limits::default(), &mut findings);
    if report.ok() {
        // What is accepted is covered by its members, each in its own place.
        let directory = directory.ok().flatten().expect("an accepted wheel has a directory");
        let covered: u64 = directory.entries.iter().map(|entry| entry.span).sum();
        assert_eq!(covered, directory.offset);
    }
}

/// An sdist.
pub fn tar(bytes: &[u8]) {
    let report = check::check_bytes(bytes, "demo-1.0.tar.gz", &Options::default());
    let listed = tar::read(&Bytes(bytes), &Limits::default(), &mut |_, _| None);
    assert!(!report.ok() || listed.is_ok(), "an accepted sdist can be read");
    // Inputs rarely hit upon a correct gzip frame and checksum, so the same bytes are a tar, too.
    let framed = Stored::new(bytes);
    let _ = tar::read(&framed, &Limits::default(), &mut |_, _| Some(true));
}

/// METADATA and PKG-INFO.
pub fn metadata(bytes: &[u8]) {
    let (metadata, findings) = check::check_metadata(bytes, &Options::default());
    assert_eq!(metadata.is_none(), crate::metadata::Metadata::parse(bytes).is_err());
    assert!(metadata.is_some() || !findings.is_empty());
}

/// RECORD.
pub fn record(bytes: &[u8]) {
    let files = HashMap::from([("demo/__init__.py", 0), ("demo-1.0.dist-info/RECORD", 1)]);
    let mut findings = Findings::default();
    let expected = check::record::read(bytes, "demo-1.0.dist-info/RECORD", &files, &mut findings);
    assert!(expected.get(0).is_some() || findings.count() > 0, "a file without hash is a finding");
}

/// WHEEL.
pub fn wheel_file(bytes: &[u8]) {
    let parsed = "demo-1.0-py3-none-any.whl".parse().ok();
    check::wheel::wheel_file::judge(bytes, parsed.as_ref(), &mut Findings::default());
}

/// entry_points.txt.
pub fn entry_points(bytes: &[u8]) {
    for entry_point in check::entry_points::judge(bytes, &mut Findings::default()) {
        assert!(!entry_point.module.is_empty());
    }
}

/// Filenames.
pub fn filename(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (parsed, findings) = check::check_filename(&text, &Options::default());
    assert!(parsed.is_some() || !findings.is_empty());
    if let Some(parsed) = parsed {
        assert_eq!(parsed.filename, text);
    }
}

/// Versions: what is accepted round-trips through its canonical form.
pub fn version(bytes: &[u8]) {
    if let Ok(version) = String::from_utf8_lossy(bytes).parse::<pep440_rs::Version>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
}

/// Requirements and version specifiers.
pub fn requirement(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = check::check_requirement(&text);
    let _ = check::metadata::requirement::check_specifiers(&text);
}

/// A tar in a gzip member of stored blocks with a correct trailer, made as it is read.
struct Stored(Vec<u8>);

impl Stored {
    fn new(tar: &[u8]) -> Self {
        let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        let mut blocks = tar.chunks(0xffff).peekable();
        if blocks.peek().is_none() {
            bytes.extend([1, 0, 0, 0xff, 0xff]);
        }
        while let Some(block) = blocks.next() {
            let length = block.len() as u16;
            bytes.push(u8::from(blocks.peek().is_none()));
            bytes.extend(length.to_le_bytes());
            bytes.extend((!length).to_le_bytes());
            bytes.extend(block);
        }
        bytes.extend(crc32fast::hash(tar).to_le_bytes());
        bytes.extend((tar.len() as u32).to_le_bytes());
        Self(bytes)
    }
}

impl ReadAt for Stored {
    fn size(&self) -> u64 {
        Bytes(&self.0).size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        Bytes(&self.0).read_exact_at(offset, buffer)
    }
}
