//! A zip file as a list of records whose fields can be set one by one.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// The fields of a header, local or central.
#[derive(Clone, Default)]
pub(crate) struct Header {
    pub(crate) needed: u16,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) time: u32,
    pub(crate) crc: u32,
    pub(crate) compressed: u32,
    pub(crate) size: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) extra: Vec<u8>,
    /// Central only.
    pub(crate) comment: Vec<u8>,
    pub(crate) host: u8,
    pub(crate) disk: u16,
    pub(crate) attributes: u32,
    pub(crate) offset: Option<u32>,
}

#[derive(Clone, Default)]
pub(crate) struct Member {
    pub(crate) local: Header,
    pub(crate) central: Header,
    pub(crate) data: Vec<u8>,
    /// Bytes behind the data that belong to no member.
    pub(crate) gap: Vec<u8>,
    pub(crate) without_local: bool,
    pub(crate) without_central: bool,
}

impl Member {
    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        Self::new(name, content, 8, encoder.finish().unwrap())
    }

    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        Self::new(name, content, 0, content.to_vec())
    }

    fn new(name: &str, content: &[u8], method: u16, data: Vec<u8>) -> Self {
        let header = Header {
            flags: if name.is_ascii() { 0 } else { 0x0800 },
            method,
            time: 0x21 << 16,
            crc: crc32fast::hash(content),
            compressed: data.len() as u32,
            size: content.len() as u32,
            name: name.as_bytes().to_vec(),
            host: 3,
            attributes: if name.ends_with('/') { 0o040_755 << 16 } else { 0o100_644 << 16 },
            ..Header::default()
        };
        Self { local: header.clone(), central: header, data, ..Self::default() }
    }

    /// Sets a field in both headers.
    pub(crate) fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.central);
    }
}

type ChangeTwo = fn(&mut Vec<u8>, &mut Vec<u8>);

/// What the end record says; `None` is what is true.
#[derive(Clone, Default)]
pub(crate) struct Zip {
    pub(crate) prefix: Vec<u8>,
    pub(crate) members: Vec<Member>,
    pub(crate) before_central: Vec<u8>,
    pub(crate) after_central: Vec<u8>,
    /// Writes zip64 end records, and lets the test change them.
    pub(crate) zip64: Option<ChangeTwo>,
    pub(crate) end: Option<fn(&mut Vec<u8>)>,
    pub(crate) comment: Vec<u8>,
    pub(crate) suffix: Vec<u8>,
}

impl Zip {
    pub(crate) fn member(&mut self, end: &str) -> &mut Member {
        self.members
            .iter_mut()
            .skip(1)
            .find(|member| member.central.name.ends_with(end.as_bytes()) || stands_for(member, end))
            .expect("the member is there")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut offsets = Vec::new();
        for member in &self.members {
            offsets.push(out.len() as u32);
            if member.without_local {
                continue;
            }
            let header = &member.local;
            out.extend(b"PK\x03\x04");
            out.extend(header.needed.max(20).to_le_bytes());
            out.extend(header.flags.to_le_bytes());
            out.extend(header.method.to_le_bytes());
            out.extend(header.time.to_le_bytes());
            out.extend(header.crc.to_le_bytes());
            out.extend(header.compressed.to_le_bytes());
            out.extend(header.size.to_le_bytes());
            out.extend((header.name.len() as u16).to_le_bytes());
            out.extend((header.extra.len() as u16).to_le_bytes());
            out.extend(&header.name);
            out.extend(&header.extra);
            out.extend(&member.data);
            out.extend(&member.gap);
        }
        out.extend(&self.before_central);
        let start = out.len() as u64;
        let mut count = 0_u64;
        for (member, offset) in self.members.iter().zip(offsets) {
            if member.without_central {
                continue;
            }
            count += 1;
            let header = &member.central;
            out.extend(b"PK\x01\x02\x14");
            out.push(header.host);
            out.extend(header.needed.max(20).to_le_bytes());
            out.extend(header.flags.to_le_bytes());
            out.extend(header.method.to_le_bytes());
            out.extend(header.time.to_le_bytes());
            out.extend(header.crc.to_le_bytes());
            out.extend(header.compressed.to_le_bytes());
            out.extend(header.size.to_le_bytes());
            out.extend((header.name.len() as u16).to_le_bytes());
            out.extend((header.extra.len() as u16).to_le_bytes());
            out.extend((header.comment.len() as u16).to_le_bytes());
            out.extend(header.disk.to_le_bytes());
            out.extend([0, 0]);
            out.extend(header.attributes.to_le_bytes());
            out.extend(header.offset.unwrap_or(offset).to_le_bytes());
            out.extend(&header.name);
            out.extend(&header.extra);
            out.extend(&header.comment);
        }
        let size = out.len() as u64 - start;
        out.extend(&self.after_central);
        if let Some(change) = self.zip64 {
            let at = out.len() as u64;
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44_u64.to_le_bytes());
            record.extend([45, 3, 45, 0]);
            record.extend([0; 8]);
            for value in [count, count, size, start] {
                record.extend(value.to_le_bytes());
            }
            let mut locator = b"PK\x06\x07\0\0\0\0".to_vec();
            locator.extend(at.to_le_bytes());
            locator.extend(1_u32.to_le_bytes());
            change(&mut record, &mut locator);
            out.extend(record);
            out.extend(locator);
        }
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend((count.min(0xffff) as u16).to_le_bytes());
        end.extend((count.min(0xffff) as u16).to_le_bytes());
        end.extend((size as u32).to_le_bytes());
        end.extend((start as u32).to_le_bytes());
        end.extend((self.comment.len() as u16).to_le_bytes());
        if let Some(change) = self.end {
            change(&mut end);
        }
        out.extend(end);
        out.extend(&self.comment);
        out.extend(&self.suffix);
        out
    }
}

/// In a real wheel any deflated member stands for the one that the defects are made in.
fn stands_for(member: &Member, end: &str) -> bool {
    end == "demo/cli.py"
        && !member.central.name.ends_with(b"/RECORD")
        && member.central.method == 8
        && member.data.len() > 300
}

/// An extra field.
pub(crate) fn extra(id: u16, content: &[u8]) -> Vec<u8> {
    let mut field = id.to_le_bytes().to_vec();
    field.extend((content.len() as u16).to_le_bytes());
    field.extend(content);
    field
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

impl Header {
    /// Reads the fields that both kinds of header have, from the flags on.
    fn parse(bytes: &[u8], name_at: usize) -> Self {
        let (name, extra) = (number(bytes, 20, 2), number(bytes, 22, 2));
        Self {
            flags: number(bytes, 0, 2) as u16,
            method: number(bytes, 2, 2) as u16,
            time: number(bytes, 4, 4) as u32,
            crc: number(bytes, 8, 4) as u32,
            compressed: number(bytes, 12, 4) as u32,
            size: number(bytes, 16, 4) as u32,
            name: bytes[name_at..name_at + name].to_vec(),
            extra: bytes[name_at + name..name_at + name + extra].to_vec(),
            ..Self::default()
        }
    }
}

impl Zip {
    /// Takes an ordinary zip file apart; `None` when it has something that this model has no place for.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.len().checked_sub(22)?;
        let (count, mut at) = (number(bytes, end + 10, 2), number(bytes, end + 16, 4));
        let mut members = Vec::new();
        for _ in 0..count {
            let mut central = Header::parse(&bytes[at + 8..], 38);
            central.host = bytes[at + 5];
            central.attributes = number(bytes, at + 38, 4) as u32;
            let offset = number(bytes, at + 42, 4);
            at += 46 + central.name.len() + central.extra.len();
            let local = Header::parse(&bytes[offset + 6..], 24);
            let data = offset + 30 + local.name.len() + local.extra.len();
            let data = bytes[data..data + central.compressed as usize].to_vec();
            members.push((offset, Member { local, central, data, ..Member::default() }));
        }
        members.sort_by_key(|(offset, _)| *offset);
        let zip =
            Self { members: members.into_iter().map(|(_, member)| member).collect(), ..Self::default() };
        // Whatever else the file holds would be lost, and a defect would not be a single one.
        (zip.bytes().len() == bytes.len()).then_some(zip)
    }
}
