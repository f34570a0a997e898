//! A gzipped tar as a list of members whose header bytes can be set one by one.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

#[derive(Clone)]
pub(crate) struct Entry {
    /// The header block without a correct checksum.
    pub(crate) header: [u8; 512],
    pub(crate) data: Vec<u8>,
    /// Whether the checksum is left as it stands in `header`.
    pub(crate) keep_checksum: bool,
}

impl Entry {
    pub(crate) fn new(name: &str, kind: u8, data: &[u8]) -> Self {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        let mut entry = Self { header, data: data.to_vec(), keep_checksum: false };
        entry.octal(100, 8, if kind == b'5' { 0o755 } else { 0o644 });
        entry.octal(108, 8, 0);
        entry.octal(116, 8, 0);
        entry.octal(124, 12, data.len() as u64);
        entry.octal(136, 12, 0);
        entry.header[156] = kind;
        entry.header[257..265].copy_from_slice(b"ustar\x0000");
        entry
    }

    pub(crate) fn file(name: &str, data: &[u8]) -> Self {
        Self::new(name, b'0', data)
    }

    pub(crate) fn directory(name: &str) -> Self {
        Self::new(name, b'5', b"")
    }

    pub(crate) fn link(name: &str, kind: u8, target: &str) -> Self {
        let mut entry = Self::new(name, kind, b"");
        entry.header[157..157 + target.len()].copy_from_slice(target.as_bytes());
        entry
    }

    /// An extended header of records `key=value`.
    pub(crate) fn pax(kind: u8, records: &[(&str, &str)]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let body = format!(" {key}={value}\n");
            let mut length = body.len() + 1;
            while length != body.len() + length.to_string().len() {
                length = body.len() + length.to_string().len();
            }
            data.extend(format!("{length}{body}").into_bytes());
        }
        Self::new("PaxHeaders/x", kind, &data)
    }

    pub(crate) fn octal(&mut self, at: usize, width: usize, value: u64) {
        let text = format!("{value:0width$o}\0", width = width - 1);
        self.header[at..at + width].copy_from_slice(text.as_bytes());
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut header = self.header;
        if !self.keep_checksum {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        out.extend(header);
        out.extend(&self.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
}

#[derive(Clone)]
pub(crate) struct Tarball {
    pub(crate) entries: Vec<Entry>,
    /// What stands behind the last member.
    pub(crate) trailer: Vec<u8>,
}

impl Default for Tarball {
    fn default() -> Self {
        Self { entries: Vec::new(), trailer: vec![0; 1024] }
    }
}

impl Tarball {
    pub(crate) fn entry(&mut self, end: &str) -> &mut Entry {
        self.entries
            .iter_mut()
            .find(|entry| entry.header[..100].split(|&b| b == 0).next().unwrap().ends_with(end.as_bytes()))
            .expect("the member is there")
    }

    pub(crate) fn replace(&mut self, end: &str, from: &str, to: &str) {
        let entry = self.entry(end);
        let text = String::from_utf8(entry.data.clone()).unwrap();
        assert!(text.contains(from), "`{from}` is not in {end}");
        entry.data = text.replacen(from, to, 1).into_bytes();
        entry.octal(124, 12, entry.data.len() as u64);
    }

    pub(crate) fn remove(&mut self, end: &str) {
        let name = |entry: &Entry| entry.header[..100].split(|&b| b == 0).next().unwrap().to_vec();
        self.entries.retain(|entry| !name(entry).ends_with(end.as_bytes()));
    }

    pub(crate) fn tar(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in &self.entries {
            entry.write(&mut out);
        }
        out.extend(&self.trailer);
        out
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        gzip(&self.tar())
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The eight bytes at the end of a gzip member.
pub(crate) fn trailer(bytes: &[u8]) -> [u8; 8] {
    let mut crc = Crc::new();
    crc.update(bytes);
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    trailer
}
