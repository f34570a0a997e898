//! Random values in single fields of headers, with everything around them right: what a flipped byte
//! rarely reaches, because a checksum or a second header stands in its way.

use shipway_testing::Random;

use crate::build::tarball::gunzip;
use crate::build::zipfile::extra;
use crate::build::{Entry, Member, Sdist, Wheel, sdist};

/// What real names and hostile ones hold.
const PARTS: [&str; 16] = [
    "é", "e\u{301}", "😀", "\u{feff}", "\u{200d}", " ", "%41", "~1", "'", "\u{a0}", "[1]", "*", "?", "-",
    "$x", "\u{202e}",
];

fn bytes(random: &mut Random, most: usize) -> Vec<u8> {
    (0..random.below(most)).map(|_| random.number() as u8).collect()
}

/// A wheel with one or two unusual fields in the headers of a member, or an unusual name.
pub(crate) fn wheel(random: &mut Random) -> Vec<u8> {
    let mut wheel = Wheel::demo();
    if random.below(4) == 0 {
        let part = PARTS[random.below(PARTS.len())];
        wheel.add(&format!("demo/a{part}b"), "x");
    }
    let mut zip = wheel.zip();
    for _ in 0..=random.below(2) {
        let at = random.below(zip.members.len());
        let member = &mut zip.members[at];
        match random.below(11) {
            0 => {
                let bit = 1 << random.below(16);
                member.both(|header| header.flags ^= bit);
            }
            1 => {
                let time = random.number() as u32;
                member.both(|header| header.time = time);
            }
            2 => {
                let needed = [10, 20, 21, 25, 27, 45, 46, 50, 63, 0x0314, 0x0b14][random.below(11)];
                member.both(|header| header.needed = needed);
            }
            3 => member.central.host = random.number() as u8,
            4 => member.central.attributes = random.number() as u32,
            5..=7 => {
                let known = [1, 0x0a, 0x0d, 0x5455, 0x7875, 0x7075, 0x6375, 0x9901, 0xcafe, 0xa220];
                let id = known.get(random.below(11)).copied().unwrap_or(random.number() as u16);
                let field = extra(id, &bytes(random, 30));
                match random.below(3) {
                    0 => member.local.extra = field,
                    1 => member.central.extra = field,
                    _ => member.both(|header| header.extra.clone_from(&field)),
                }
            }
            8 => *member = stored(member),
            9 => zip.comment = bytes(random, 40),
            _ => zip.members.rotate_left(at),
        }
    }
    zip.bytes()
}

/// The member without compression.
fn stored(member: &Member) -> Member {
    let mut content = Vec::new();
    if member.central.method == 8 {
        let mut decoder = flate2::read::DeflateDecoder::new(&member.data[..]);
        std::io::Read::read_to_end(&mut decoder, &mut content).unwrap();
    } else {
        content.clone_from(&member.data);
    }
    Member::stored(std::str::from_utf8(&member.central.name).unwrap(), &content)
}

/// An sdist with one or two unusual fields in the header of a member, in an extended header, or in the
/// gzip frame.
pub(crate) fn tarball(random: &mut Random) -> Vec<u8> {
    let mut tar = sdist();
    for _ in 0..=random.below(2) {
        let at = random.below(tar.entries.len());
        let entry = &mut tar.entries[at];
        match random.below(10) {
            0 => number(entry, random),
            1 => entry.header[156] = b"\x00015672AVgxLKSDMN"[random.below(17)],
            2 => {
                let magic = [b"ustar\x0000", b"ustar  \0", b"ustar\0\0\0", &[0; 8], b"ustar 00"];
                entry.header[257..265].copy_from_slice(magic[random.below(5)]);
            }
            3 => {
                let (field, width) = [(265, 32), (297, 32), (329, 8), (337, 8), (500, 12)][random.below(5)];
                let text = bytes(random, width);
                entry.header[field..field + text.len()].copy_from_slice(&text);
            }
            4 => {
                entry.header[345..350].copy_from_slice([b"a\0\0\0\0", b"demo-", b"../\0\0"][random.below(3)])
            }
            5 => {
                let text = bytes(random, 40);
                entry.header[157..157 + text.len()].copy_from_slice(&text);
            }
            6 => {
                let part = PARTS[random.below(PARTS.len())];
                tar.add(&format!("src/a{part}b"), b"x");
            }
            _ => extended(&mut tar, at, random),
        }
    }
    frame(tar.bytes(), random)
}

/// A number as other writers put it, or none.
fn number(entry: &mut Entry, random: &mut Random) {
    let (field, width) = [(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8)][random.below(6)];
    let value = if field == 124 { entry.data.len() as u64 } else { random.number() % 0o10000 };
    let digits = width - 1;
    let text = match random.below(7) {
        0 => format!("{value:>digits$o} "),
        1 => format!("{value:o}"),
        2 => format!("{value:0width$o}"),
        3 => format!("{value:0six$o}\0 ", six = width - 2),
        4 => format!(" {value:o}\0x"),
        5 => String::new(),
        _ => {
            let mut binary = vec![0; width];
            binary[0] = 0x80;
            binary[width - 8..].iter_mut().skip(usize::from(width == 8)).for_each(|byte| *byte = 0);
            binary[width - 4..].copy_from_slice(&(value as u32).to_be_bytes());
            entry.header[field..field + width].copy_from_slice(&binary);
            return;
        }
    };
    let text = text.as_bytes();
    entry.header[field..field + width].fill(0);
    entry.header[field..field + text.len().min(width)].copy_from_slice(&text[..text.len().min(width)]);
}

/// An extended header before a member, with a key that readers know or do not.
fn extended(tar: &mut Sdist, at: usize, random: &mut Random) {
    let keys = [
        "comment",
        "mtime",
        "atime",
        "path",
        "linkpath",
        "size",
        "uid",
        "uname",
        "hdrcharset",
        "charset",
        "SCHILY.xattr.user.x",
        "SCHILY.filetype",
        "SCHILY.realsize",
        "LIBARCHIVE.creationtime",
        "LIBARCHIVE.symlinktype",
        "GNU.sparse.name",
        "GNU.sparse.realsize",
        "GNU.volume.label",
        "RHT.security.selinux",
    ];
    let part = PARTS[random.below(PARTS.len())];
    let path = tar.path(&format!("src/{part}"));
    let size = tar.entries[at].data.len().to_string();
    let values =
        ["1", "", "1.5", "-1", &path, &size, "UTF-8", "ISO-IR 10646 2000 UTF-8", "BINARY", "x\ny", part];
    let kind = if random.below(4) == 0 { b'g' } else { b'x' };
    let mut records = vec![(keys[random.below(keys.len())], values[random.below(values.len())])];
    if random.below(3) == 0 {
        records.push((keys[random.below(keys.len())], values[random.below(values.len())]));
    }
    tar.entries.insert(at, Entry::pax(kind, &records));
}

/// Optional fields of the gzip header.
fn frame(bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if random.below(3) != 0 {
        return bytes;
    }
    let length = gunzip(&bytes).len();
    assert_eq!(bytes[bytes.len() - 4..], (length as u32).to_le_bytes());
    let flags = random.below(32) as u8;
    let mut header = vec![0x1f, 0x8b, 8, flags];
    header.extend((random.number() as u32).to_le_bytes());
    header.extend([random.number() as u8, random.number() as u8]);
    if flags & 4 != 0 {
        let field = self::bytes(random, 20);
        header.extend((field.len() as u16).to_le_bytes());
        header.extend(field);
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            header.extend(self::bytes(random, 20).into_iter().filter(|byte| *byte != 0));
            header.push(0);
        }
    }
    if flags & 2 != 0 {
        let crc = crc32fast::hash(&header) as u16;
        let wrong = u16::from(random.below(4) == 0);
        header.extend((crc ^ wrong).to_le_bytes());
    }
    [&header[..], &bytes[10..]].concat()
}
