//! `RECORD` of a wheel, both ways: every file in it, everything in it a file, every hash and size.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake2::{Blake2b512, Blake2s256};
use sha2::Digest as _;

use crate::archive::path;
use crate::finding::Findings;
use crate::rules::wheel as rules;

/// What `RECORD` states about one member. There may be 250,000, so it is small.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    digest: Digest,
    size: Option<u64>,
}

#[derive(Debug, Clone)]
enum Digest {
    Sha256([u8; 32]),
    Other(Algorithm, Box<[u8]>),
}

/// What `RECORD` states, by the number of the member.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Option<Expected>>);

impl Record {
    pub(crate) fn get(&self, number: u32) -> Option<&Expected> {
        self.0.get(number as usize)?.as_ref()
    }
}

/// The hash algorithms that may stand in a `RECORD`: sha256 or better (wheel specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
    Blake2b,
    Blake2s,
}

impl Algorithm {
    /// The length of a digest in bytes.
    fn length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake2s => 32,
            Self::Sha384 => 48,
            Self::Sha512 | Self::Blake2b => 64,
        }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            "blake2b" => Some(Self::Blake2b),
            "blake2s" => Some(Self::Blake2s),
            _ => None,
        }
    }
}

/// A running hash.
pub(crate) enum Hash {
    Sha256(sha2::Sha256),
    Sha384(Box<sha2::Sha384>),
    Sha512(Box<sha2::Sha512>),
    Blake2b(Box<Blake2b512>),
    Blake2s(Box<Blake2s256>),
    /// The SHA-256 digest of bytes that were hashed before.
    Known([u8; 32]),
}

impl Hash {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Box::default()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
            Algorithm::Blake2b => Self::Blake2b(Box::default()),
            Algorithm::Blake2s => Self::Blake2s(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Blake2b(hash) => hash.update(bytes),
            Self::Blake2s(hash) => hash.update(bytes),
            Self::Known(_) => {}
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha384(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
            Self::Blake2b(hash) => hash.finalize().to_vec(),
            Self::Blake2s(hash) => hash.finalize().to_vec(),
            Self::Known(digest) => digest.to_vec(),
        }
    }
}

impl Expected {
    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.digest {
            Digest::Sha256(_) => Algorithm::Sha256,
            Digest::Other(algorithm, _) => *algorithm,
        }
    }

    fn digest(&self) -> &[u8] {
        match &self.digest {
            Digest::Sha256(digest) => digest,
            Digest::Other(_, digest) => digest,
        }
    }

    /// Compares what a member has with what is stated.
    pub(crate) fn compare(&self, name: &str, hash: Hash, size: u64, findings: &mut Findings) {
        let found = hash.finish();
        if found != self.digest() {
            let (stated, found) = (URL_SAFE_NO_PAD.encode(self.digest()), URL_SAFE_NO_PAD.encode(found));
            findings.add(&rules::RECORD_HASH, || {
                rules::RECORD_HASH
                    .finding(format!("`RECORD` states `{stated}`, the member has `{found}`"))
                    .member(crate::finding::shown(name))
                    .differ(stated.as_str(), found.as_str())
            });
        }
        if let Some(stated) = self.size.filter(|&stated| stated != size) {
            findings.add(&rules::RECORD_SIZE, || {
                rules::RECORD_SIZE
                    .finding(format!("`RECORD` states {stated} bytes, the member has {size}"))
                    .member(crate::finding::shown(name))
                    .differ(stated.to_string(), size.to_string())
            });
        }
    }
}

/// Files that `RECORD` need not name: itself and the deprecated signatures (PEP 427, PEP 815).
fn is_exempt(record: &str, name: &str) -> bool {
    name.strip_prefix(record).is_some_and(|rest| matches!(rest, "" | ".jws" | ".p7s"))
}

/// Reads `RECORD` and compares it with the files of the wheel, both ways.
///
/// `files` gives the number of each file by name; `record` is the name of `RECORD` itself.
pub(crate) fn read(
    bytes: &[u8],
    record: &str,
    files: &HashMap<&str, u32>,
    findings: &mut Findings,
) -> Record {
    let length = files.values().max().map_or(0, |&last| last as usize + 1);
    let mut expected = vec![None; length];
    let mut listed = vec![false; length];
    if let Err(utf8) = std::str::from_utf8(bytes) {
        findings.member(
            &rules::RECORD_MISSING,
            record,
            format!("`RECORD` is not UTF-8 at byte {}", utf8.valid_up_to()),
        );
        return Record::default();
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut row = csv::StringRecord::new();
    let mut number = 0_u64;
    loop {
        number += 1;
        match reader.read_record(&mut row) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                findings.member(&rules::RECORD_ROW, record, format!("row {number}: {error}"));
                break;
            }
        }
        let (Some(name), Some(hash), Some(size), None) = (row.get(0), row.get(1), row.get(2), row.get(3))
        else {
            findings.member(
                &rules::RECORD_ROW,
                record,
                format!("row {number} has {} values, expected path, hash and size", row.len()),
            );
            continue;
        };
        if !path::is_safe(name) || name.split('/').any(|part| matches!(part, "" | ".")) {
            findings.member(
                &rules::RECORD_ROW,
                record,
                format!("row {number}: `{}` is no plain relative path", crate::finding::shown(name)),
            );
            continue;
        }
        let Some(&at) = files.get(name) else {
            findings.member(&rules::RECORD_EXTRA, name, "`RECORD` names it, the wheel does not hold it");
            continue;
        };
        if std::mem::replace(&mut listed[at as usize], true) {
            findings.member(
                &rules::RECORD_ROW,
                record,
                format!("`{}` is listed twice", crate::finding::shown(name)),
            );
            continue;
        }
        if is_exempt(record, name) {
            if name == record && !(hash.is_empty() && size.is_empty()) {
                findings.member(&rules::RECORD_ROW, record, "`RECORD` states a hash or size of itself");
            }
            continue;
        }
        expected[at as usize] = parse_row(name, hash, size, findings);
    }
    let unlisted = |(name, at): &(&&str, &u32)| !listed[**at as usize] && !is_exempt(record, name);
    let mut unlisted: Vec<&str> = files.iter().filter(unlisted).map(|(name, _)| *name).collect();
    unlisted.sort_unstable();
    for name in unlisted {
        findings.member(&rules::RECORD_UNLISTED, name, "the wheel holds it, `RECORD` does not name it");
    }
    if files.get(record).is_some_and(|&at| !listed[at as usize]) {
        findings.member(&rules::RECORD_ROW, record, "`RECORD` does not list itself");
    }
    Record(expected)
}

fn parse_row(name: &str, hash: &str, size: &str, findings: &mut Findings) -> Option<Expected> {
    let size = match size {
        "" => {
            findings.member(&rules::RECORD_SIZE, name, "`RECORD` states no size");
            None
        }
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        other => {
            let message = format!("the size `{}` is no number", crate::finding::shown(other));
            findings.member(&rules::RECORD_SIZE, name, message);
            None
        }
    };
    if hash.is_empty() {
        findings.member(&rules::RECORD_HASH, name, "`RECORD` states no hash");
        return None;
    }
    let Some((algorithm, digest)) = hash.split_once('=') else {
        let message = format!("the hash `{}` is not `algorithm=digest`", crate::finding::shown(hash));
        findings.member(&rules::RECORD_HASH, name, message);
        return None;
    };
    let Some(algorithm) = Algorithm::named(algorithm) else {
        let message = format!(
            "the hash algorithm is `{}`, expected sha256 or better",
            crate::finding::shown(algorithm)
        );
        findings.member(&rules::RECORD_ALGORITHM, name, message);
        return None;
    };
    // Padding is not in the standard, but no reader takes it for another digest.
    let decoded = URL_SAFE_NO_PAD
        .decode(digest.trim_end_matches('='))
        .ok()
        .filter(|bytes| bytes.len() == algorithm.length());
    let Some(decoded) = decoded else {
        let message = format!(
            "the digest `{}` is not {} bytes in base64",
            crate::finding::shown(digest),
            algorithm.length()
        );
        findings.member(&rules::RECORD_HASH, name, message);
        return None;
    };
    let digest = match <[u8; 32]>::try_from(decoded.as_slice()) {
        Ok(digest) if algorithm == Algorithm::Sha256 => Digest::Sha256(digest),
        _ => Digest::Other(algorithm, decoded.into()),
    };
    Some(Expected { digest, size })
}
