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
use crate::log::{
    Checkpoint, Frontier, Hash, Hashes, Tile, VerifierKey, consistency_proof, entries_of, entry_bundle,
    inclusion_proof, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
use crate::signing::{Envelope, EnvelopeSignature, PAYLOAD_TYPE, PrivateKey, pre_authentication_encoding};

/// A target: its name and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// Every target by name.
pub const TARGETS: [Target; 13] = [
    ("zip", zip),
    ("tar", tar),
    ("metadata", metadata),
    ("record", record),
    ("wheel_file", wheel_file),
    ("entry_points", entry_points),
    ("filename", filename),
    ("version", version),
    ("requirement", requirement),
    ("checkpoint", checkpoint),
    ("tile", tile),
    ("proof", proof),
    ("envelope", envelope),
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

/// The key that signs for the targets; the seeds are signed with it.
fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// A checkpoint of the log: as a signed note, and as the text of one that is then signed.
pub fn checkpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(verifier) = text.trim_end().parse::<VerifierKey>() {
        assert_eq!(verifier.to_string(), text.trim_end());
    }
    let verifier = VerifierKey { name: "fuzzed".to_owned(), key: key().public() };
    let signed = Checkpoint { origin: "fuzzed".to_owned(), size: 1, root: [0; 32] }.sign(&key());
    let line = signed.rsplit_once("\n\n").expect("a signature").1;
    for note in [text.to_string(), format!("{text}\n\n{line}")] {
        if let Ok(checkpoint) = Checkpoint::verify(&note, &verifier) {
            assert_eq!(Checkpoint::verify(&checkpoint.sign(&key()), &verifier), Ok(checkpoint));
        }
    }
}

/// The path of a tile in the first line, and its bytes: what is read is written the same.
pub fn tile(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let path = String::from_utf8_lossy(&bytes[..at]);
    let Some(tile) = Tile::parse(&path) else { return };
    assert_eq!(tile.path(), path);
    let body = bytes.get(at + 1..).unwrap_or_default();
    if let Ok(entries) = entries_of(&tile, body) {
        assert_eq!(entries.len(), usize::from(tile.width));
        assert_eq!(entry_bundle(entries), Ok(body.to_vec()));
    }
}

/// Leaves of one letter each.
struct Leaves(Vec<Hash>);

impl Hashes for Leaves {
    type Error = std::convert::Infallible;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let Some(below) = level.checked_sub(1) else {
            return Ok(self.0[usize::try_from(index).unwrap_or(usize::MAX)]);
        };
        Ok(node_hash(&self.hash(below, index * 2)?, &self.hash(below, index * 2 + 1)?))
    }
}

/// Proofs over a small log: a size, a position, then hashes. Of what is sent, the true proof alone holds.
pub fn proof(bytes: &[u8]) {
    let [size, position, rest @ ..] = bytes else { return };
    let (size, position) = (u64::from(*size), u64::from(*position));
    let sent: Vec<Hash> = rest.as_chunks().0.to_vec();
    let leaves = Leaves((0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect());
    let root = |size: u64| {
        let Ok(frontier) = Frontier::load(size, &leaves);
        frontier.root()
    };
    let whole = root(size);
    if position < size {
        let leaf = leaves.0[usize::from(bytes[1])];
        let Ok(true_one) = inclusion_proof(position, size, &leaves);
        assert_eq!(verify_inclusion(&leaf, position, size, &whole, &true_one), Ok(()));
        assert_eq!(verify_inclusion(&leaf, position, size, &whole, &sent).is_ok(), sent == true_one);
        let Ok(true_one) = consistency_proof(position, size, &leaves);
        let old = root(position);
        assert_eq!(verify_consistency(position, size, &old, &whole, &true_one), Ok(()));
        assert_eq!(verify_consistency(position, size, &old, &whole, &sent).is_ok(), sent == true_one);
    }
    // Sizes that no log has.
    if let Some((numbers, hashes)) = rest.split_first_chunk::<16>() {
        let (old, new) = numbers.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let sent: Vec<Hash> = hashes.as_chunks().0.to_vec();
        let _ = verify_inclusion(&whole, number(old), number(new), &whole, &sent);
        let _ = verify_consistency(number(old), number(new), &whole, &whole, &sent);
    }
}

/// An envelope as JSON, and a payload that is signed: only a statement that reads is evidence.
pub fn envelope(bytes: &[u8]) {
    let find = |_: &str| vec![key().public()];
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) {
        let opened = envelope.open(&find);
        let _ = (envelope.unverified(), envelope.payload_json(), envelope.digest());
        assert_eq!(opened.is_ok(), opened.is_ok_and(|opened| opened.keys == [key().public().id()]));
    }
    let signature = key().sign(&pre_authentication_encoding(PAYLOAD_TYPE, bytes));
    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let signed = Envelope {
        payload: encode(bytes),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![EnvelopeSignature { keyid: String::new(), sig: encode(&signature) }],
    };
    assert_eq!(signed.open(&find).map(|opened| opened.payload), Ok(bytes.to_vec()));
    assert!(signed.open(&|_| Vec::new()).is_err());
    let read = signed.verify(&find).map(|verified| verified.statement);
    assert_eq!(read, signed.unverified());
    if let Ok(statement) = read {
        let again = Envelope::sign(&statement, &key());
        assert_eq!(again.verify(&find).map(|verified| verified.statement), Ok(statement));
    }
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
