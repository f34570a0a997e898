//! An sdist as a list of members whose header bytes can be set one by one.

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};

use super::Headers;

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

    /// The name of a file whose name is nowhere else; empty for other members.
    fn name(&self) -> String {
        let name = self.header[..100].split(|&byte| byte == 0).next().unwrap();
        let plain = matches!(self.header[156], 0 | b'0') && self.header[345] == 0;
        if plain { String::from_utf8(name.to_vec()).unwrap() } else { String::new() }
    }

    pub(crate) fn set(&mut self, data: &[u8]) {
        self.data = data.to_vec();
        self.octal(124, 12, data.len() as u64);
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
pub(crate) struct Sdist {
    pub(crate) entries: Vec<Entry>,
    /// What stands behind the last member.
    pub(crate) trailer: Vec<u8>,
    /// The top directory with its `/`.
    pub(crate) top: String,
    /// The file that defects are made in, below the top directory.
    victim: String,
}

impl Sdist {
    pub(crate) fn new(top: &str) -> Self {
        Self {
            entries: Vec::new(),
            trailer: vec![0; 1024],
            top: top.to_owned(),
            victim: "LICENSE".to_owned(),
        }
    }

    /// The members of a real sdist.
    pub(crate) fn parse(bytes: &[u8], top: &str) -> Self {
        let tar = gunzip(bytes);
        let mut sdist = Self::new(top);
        let mut rest = &tar[..];
        while rest.iter().take(512).any(|&byte| byte != 0) {
            let (header, behind) = rest.split_at(512);
            let size = std::str::from_utf8(&header[124..135]).unwrap();
            let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap();
            let data = behind[..size].to_vec();
            sdist.entries.push(Entry { header: header.try_into().unwrap(), data, keep_checksum: false });
            rest = &behind[size.next_multiple_of(512)..];
        }
        sdist.trailer = rest.to_vec();
        let names = sdist.entries.iter().map(Entry::name);
        let mut names = names.filter_map(|name| name.strip_prefix(top).map(str::to_owned));
        let judged = ["", "PKG-INFO", "pyproject.toml"];
        sdist.victim = names.find(|name| !judged.contains(&&**name) && !name.ends_with('/')).unwrap();
        sdist
    }

    /// The path of a member below the top directory.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.top)
    }

    pub(crate) fn add(&mut self, rest: &str, data: &[u8]) {
        self.entries.push(Entry::file(&self.path(rest), data));
    }

    pub(crate) fn special(&mut self, rest: &str, kind: u8) {
        self.entries.push(Entry::new(&self.path(rest), kind, b""));
    }

    pub(crate) fn link(&mut self, kind: u8, target: &str) {
        self.entries.push(Entry::link(&self.path("link"), kind, target));
    }

    fn position(&self, rest: &str) -> usize {
        let name = self.path(rest);
        self.entries.iter().position(|entry| entry.name() == name).expect("the member is there")
    }

    /// Whether there is a file below the top directory.
    pub(crate) fn has(&self, rest: &str) -> bool {
        let name = self.path(rest);
        self.entries.iter().any(|entry| entry.name() == name)
    }

    /// A file below the top directory.
    pub(crate) fn entry(&mut self, rest: &str) -> &mut Entry {
        let at = self.position(rest);
        &mut self.entries[at]
    }

    /// The file that defects are made in.
    pub(crate) fn victim(&mut self) -> &mut Entry {
        let victim = self.victim.clone();
        self.entry(&victim)
    }

    /// Its path.
    pub(crate) fn victim_path(&self) -> String {
        self.path(&self.victim)
    }

    /// Removes a file, with the extended header before it.
    pub(crate) fn remove(&mut self, rest: &str) {
        let at = self.position(rest);
        self.entries.remove(at);
        if at > 0 && self.entries[at - 1].header[156] == b'x' {
            self.entries.remove(at - 1);
        }
    }

    /// Changes the fields of `PKG-INFO`.
    pub(crate) fn headers(&mut self, change: impl Fn(&mut Headers)) {
        let entry = self.entry("PKG-INFO");
        let mut headers = Headers::parse(&entry.data);
        change(&mut headers);
        entry.set(&headers.bytes());
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

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut tar).unwrap();
    tar
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
