//! Single defects in the framing of a wheel; each is refused with its own identifier.

use crate::build::zipfile::extra;
use crate::build::{Member, WHEEL, Wheel, Zip, assert_refused, judge};

pub(crate) type Unusual = (&'static str, fn(&mut Zip));
pub(crate) type Mutant = (&'static str, &'static str, fn(&mut Zip));

const CLI: &str = "demo/cli.py";

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The sizes of a header as a zip64 field, with the sentinel in their place.
fn zip64_sizes(member: &mut Member, change: impl Fn(&mut Vec<u8>)) {
    member.both(|header| {
        let mut values = Vec::new();
        values.extend(u64::from(header.size).to_le_bytes());
        values.extend(u64::from(header.compressed).to_le_bytes());
        change(&mut values);
        header.extra = extra(1, &values);
        (header.size, header.compressed) = (u32::MAX, u32::MAX);
    });
}

pub(crate) const MUTANTS: &[Mutant] = &[
    ("first bytes are those of another kind", "file-magic-71", |zip| zip.prefix = b"MZ\x90\0".to_vec()),
    ("begins like a gzip file", "file-polyglot-72", |zip| zip.prefix = b"\x1f\x8b\x08\0".to_vec()),
    ("begins like a tar", "file-polyglot-72", |zip| {
        zip.prefix = vec![0; 512];
        zip.prefix[257..262].copy_from_slice(b"ustar");
    }),
    ("bytes before the first member", "zip-record-78", |zip| zip.prefix = b"PKxx".to_vec()),
    ("another record where a local header belongs", "zip-record-78", |zip| {
        let member = zip.member(CLI);
        member.without_local = true;
        member.central.offset = Some(0);
    }),
    ("a record between members and central directory", "zip-gap-89", |zip| {
        zip.before_central = b"PK\x06\x08\x04\0\0\0abcd".to_vec();
    }),
    ("a digital signature behind the central directory", "zip-directory-80", |zip| {
        zip.after_central = b"PK\x05\x05\x02\0ab".to_vec();
    }),
    ("bytes behind the end record", "zip-end-79", |zip| zip.suffix = b"x".to_vec()),
    ("another archive behind the first", "zip-directory-80", |zip| {
        zip.suffix = Wheel::demo().zip().bytes();
    }),
    ("a comment shorter than the end record says", "zip-end-79", |zip| {
        zip.end = Some(|end| put16(end, 20, 10));
        zip.comment = b"12345".to_vec();
    }),
    ("an end record in the comment", "zip-directory-80", |zip| {
        zip.comment = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    }),
    ("a local header in the comment", "zip-end-79", |zip| zip.comment = b"PK\x03\x04".to_vec()),
    ("a truncated file", "zip-end-79", |zip| zip.end = Some(|end| end.truncate(10))),
    ("fewer members than the end record counts", "zip-directory-80", |zip| {
        zip.end = Some(|end| {
            put16(end, 8, 99);
            put16(end, 10, 99);
        });
    }),
    ("more members than the end record counts", "zip-directory-80", |zip| {
        zip.end = Some(|end| {
            put16(end, 8, 1);
            put16(end, 10, 1);
        });
    }),
    ("the central directory starts elsewhere", "zip-directory-80", |zip| {
        zip.end = Some(|end| {
            let offset = get32(end, 16);
            put32(end, 16, offset - 1);
        });
    }),
    ("the central directory has another size", "zip-directory-80", |zip| {
        zip.end = Some(|end| {
            let size = get32(end, 12);
            put32(end, 12, size + 1);
        });
    }),
    ("part of the central directory is skipped", "zip-directory-80", |zip| {
        zip.end = Some(|end| {
            let (size, offset) = (get32(end, 12), get32(end, 16));
            put32(end, 12, size - 46 - 16);
            put32(end, 16, offset + 46 + 16);
        });
    }),
    ("zip64 is asked for and not there", "zip-zip64-81", |zip| {
        zip.end = Some(|end| put32(end, 16, u32::MAX));
    }),
    ("the zip64 end record has another size", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|record, _| put64(record, 4, 52));
    }),
    ("the zip64 end record has extensible data", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|record, _| {
            put64(record, 4, 48);
            record.extend(b"abcd");
        });
    }),
    ("the locator points elsewhere", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|_, locator| put64(locator, 8, 0))
    }),
    ("a locator without zip64 end record", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|record, _| record.clear());
    }),
    ("the two end records count differently", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|record, _| {
            put64(record, 24, 1);
            put64(record, 32, 1);
        });
    }),
    ("the two end records have other offsets", "zip-zip64-81", |zip| {
        zip.zip64 = Some(|record, _| put64(record, 48, 1));
    }),
    ("a zip64 end record of several disks", "zip-disk-82", |zip| {
        zip.zip64 = Some(|record, _| put32(record, 16, 1));
    }),
    ("a locator of several disks", "zip-disk-82", |zip| zip.zip64 = Some(|_, locator| put32(locator, 16, 2))),
    ("the end record lies on another disk", "zip-disk-82", |zip| zip.end = Some(|end| put16(end, 4, 1))),
    ("fewer records on this disk", "zip-disk-82", |zip| zip.end = Some(|end| put16(end, 8, 1))),
    ("a member on another disk", "zip-disk-82", |zip| zip.member(CLI).central.disk = 1),
    ("two members with one name", "zip-duplicate-83", |zip| {
        let member = zip.member(CLI).clone();
        zip.members.push(member);
    }),
    ("a member that the central directory lacks", "zip-gap-89", |zip| zip.member(CLI).without_central = true),
    ("the local header has another name", "zip-local-name-83", |zip| {
        zip.member(CLI).local.name = b"demo/clj.py".to_vec();
    }),
    ("the local header has a longer name", "zip-local-name-83", |zip| {
        zip.member(CLI).local.name = b"demo/cli.pyc".to_vec();
    }),
    ("sizes differ between the headers", "zip-local-field-84", |zip| zip.member(CLI).local.size += 1),
    ("compressed sizes differ", "zip-local-field-84", |zip| zip.member(CLI).local.compressed += 1),
    ("CRCs differ", "zip-local-field-84", |zip| zip.member(CLI).local.crc ^= 1),
    ("methods differ", "zip-local-field-84", |zip| zip.member(CLI).local.method = 0),
    ("flags differ", "zip-local-field-84", |zip| zip.member(CLI).local.flags = 0x0800),
    ("times differ", "zip-local-field-84", |zip| zip.member(CLI).local.time += 1),
    ("a data descriptor", "zip-descriptor-85", |zip| {
        let member = zip.member(CLI);
        let descriptor = [member.central.crc, member.central.compressed, member.central.size];
        member.gap =
            [b"PK\x07\x08".to_vec(), descriptor.iter().flat_map(|v| v.to_le_bytes()).collect()].concat();
        member.both(|header| header.flags |= 8);
        (member.local.crc, member.local.compressed, member.local.size) = (0, 0, 0);
    }),
    ("a comment on a member", "zip-comment-86", |zip| zip.member(CLI).central.comment = b"hello".to_vec()),
    ("an extra field that is cut off", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = vec![0x55, 0x54, 9, 0, 1]);
    }),
    ("stray bytes behind the extra fields", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = vec![1, 2, 3]);
    }),
    ("a zip64 field of an odd length", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(1, &[0; 12]));
    }),
    ("two zip64 fields", "zip-extra-87", |zip| {
        zip64_sizes(zip.member(CLI), |_| ());
        zip.member(CLI).both(|header| header.extra.extend(header.extra.clone()));
    }),
    ("a zip64 field that contradicts the header", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(1, &7_u64.to_le_bytes()));
    }),
    ("a sentinel without zip64 field", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.size = u32::MAX);
    }),
    ("a zip64 field with one value too few", "zip-extra-87", |zip| {
        zip64_sizes(zip.member(CLI), |values| values.truncate(8));
    }),
    ("a zip64 field that names a disk", "zip-extra-87", |zip| {
        zip64_sizes(zip.member(CLI), |values| values.resize(28, 0));
    }),
    ("a Unicode path that is another name", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(0x7075, b"\x01\0\0\0\0demo/clj.py"));
    }),
    ("a Unicode path without a name", "zip-extra-87", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(0x7075, b"\x01"));
    }),
    ("an unknown compression method", "zip-method-88", |zip| {
        zip.member(CLI).both(|header| header.method = 12)
    }),
    ("a format of the future", "zip-method-88", |zip| zip.member(CLI).central.needed = 63),
    ("a format of the future in the local header", "zip-method-88", |zip| zip.member(CLI).local.needed = 63),
    ("an encrypted member", "zip-method-88", |zip| zip.member(CLI).both(|header| header.flags |= 1)),
    ("strong encryption", "zip-method-88", |zip| zip.member(CLI).both(|header| header.flags |= 0x40)),
    ("masked headers", "zip-method-88", |zip| zip.member(CLI).both(|header| header.flags |= 0x2000)),
    ("patched data", "zip-method-88", |zip| zip.member(CLI).both(|header| header.flags |= 0x20)),
    ("a member that needs VMS", "zip-method-88", |zip| zip.member(CLI).central.needed = 0x0214),
    ("a local header that needs VMS", "zip-method-88", |zip| zip.member(CLI).local.needed = 0x0214),
    ("a name beyond ASCII without the UTF-8 flag", "zip-method-88", |zip| {
        zip.member("größe.txt").both(|header| header.flags = 0);
    }),
    ("two members over the same bytes", "zip-overlap-89", |zip| zip.member(CLI).central.offset = Some(0)),
    ("a member that reaches into the next", "zip-overlap-89", |zip| {
        zip.member(CLI).both(|header| header.compressed += 40);
    }),
    ("a member that reaches into the central directory", "zip-overlap-89", |zip| {
        zip.member("RECORD").both(|header| header.compressed += 40);
    }),
    ("a member behind the central directory", "zip-overlap-89", |zip| {
        zip.member(CLI).central.offset = Some(u32::MAX - 1);
    }),
    ("bytes between two members", "zip-gap-89", |zip| zip.member(CLI).gap = b"hidden".to_vec()),
    ("one bit of the data flipped", "member-damaged-90", |zip| {
        let data = &mut zip.member(CLI).data;
        let middle = data.len() / 2;
        data[middle] ^= 1;
    }),
    ("a wrong CRC in both headers", "member-damaged-90", |zip| {
        zip.member(CLI).both(|header| header.crc ^= 1)
    }),
    ("a size that is too small in both headers", "member-damaged-90", |zip| {
        zip.member(CLI).both(|header| header.size -= 1);
    }),
    ("a size that is too large in both headers", "member-damaged-90", |zip| {
        zip.member(CLI).both(|header| header.size += 1);
    }),
    ("bytes behind the deflate stream", "member-damaged-90", |zip| {
        let member = zip.member(CLI);
        member.data.extend(b"tail");
        member.both(|header| header.compressed += 4);
    }),
    ("a deflate stream that is cut off", "member-damaged-90", |zip| {
        let member = zip.member(CLI);
        member.data.pop();
        member.both(|header| header.compressed -= 1);
    }),
    ("a stored member with two sizes", "member-damaged-90", |zip| {
        *zip.member(CLI) = Member::stored(CLI, b"import demo\n");
        zip.member(CLI).both(|header| header.size += 1);
    }),
    ("a symbolic link", "member-kind-91", |zip| zip.member(CLI).central.attributes = 0o120_777 << 16),
    ("a symbolic link from a host without them", "member-kind-91", |zip| {
        let header = &mut zip.member(CLI).central;
        (header.host, header.attributes) = (0, 0o120_777 << 16);
    }),
    ("a device", "member-kind-91", |zip| zip.member(CLI).central.attributes = 0o020_644 << 16),
    ("a directory with content", "member-kind-91", |zip| {
        zip.members.push(Member::stored("demo/sub/", b"content"));
    }),
    ("a directory by mode, a file by name", "member-kind-91", |zip| {
        zip.member(CLI).central.attributes = 0o040_755 << 16;
    }),
    ("a size beyond every bound", "archive-bound-73", |zip| {
        zip.member(CLI).both(|header| {
            let mut values = (10_u64 << 30).to_le_bytes().to_vec();
            values.extend(u64::from(header.compressed).to_le_bytes());
            header.extra = extra(1, &values);
            (header.size, header.compressed) = (u32::MAX, u32::MAX);
        });
    }),
    ("sizes that only a bomb has", "archive-ratio-74", |zip| {
        zip.member(CLI).both(|header| header.size = 1 << 30);
    }),
];

#[test]
fn every_defect_of_the_framing_is_refused_with_its_own_identifier() {
    let mut seen = String::new();
    for (what, id, mutate) in MUTANTS {
        let mut zip = Wheel::demo().zip();
        mutate(&mut zip);
        seen += &assert_refused(what, &zip.bytes(), WHEEL, id);
    }
    insta::assert_snapshot!(seen);
}

pub(crate) const UNUSUAL: &[Unusual] = &[
    ("nothing changed", |_| ()),
    ("an archive comment", |zip| zip.comment = b"built by a tool".to_vec()),
    ("zip64 end records that agree", |zip| zip.zip64 = Some(|_, _| ())),
    ("zip64 sizes", |zip| zip64_sizes(zip.member(CLI), |_| ())),
    ("a zip64 field that repeats the header", |zip| {
        zip.member(CLI).both(|header| {
            let values = [u64::from(header.size), u64::from(header.compressed)];
            header.extra = extra(1, &values.map(u64::to_le_bytes).concat());
        });
    }),
    ("a time extra field", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(0x5455, &[1, 0, 0, 0, 0]))
    }),
    ("a Unicode path that is the name", |zip| {
        zip.member(CLI).both(|header| header.extra = extra(0x7075, b"\x01\0\0\0\0demo/cli.py"));
    }),
    ("the UTF-8 flag on an ASCII name", |zip| zip.member(CLI).both(|header| header.flags = 0x0800)),
    ("stored members", |zip| {
        let text = "def main():\n    print('hello')\n".repeat(40);
        *zip.member(CLI) = Member::stored(CLI, text.as_bytes());
    }),
    ("directory entries", |zip| zip.members.insert(0, Member::stored("demo/", b""))),
    ("members in another order than the central directory", |zip| zip.members.reverse()),
    ("an archive written on Windows", |zip| {
        for member in &mut zip.members {
            (member.central.host, member.central.attributes) = (0, 0);
        }
    }),
];

#[test]
fn what_is_unusual_but_right_passes() {
    for (what, change) in UNUSUAL {
        let mut zip = Wheel::demo().zip();
        change(&mut zip);
        let report = judge(&zip.bytes(), WHEEL, true);
        assert!(report.findings.is_empty(), "{what}: {:#?}", report.findings);
        assert_eq!(report.metadata.map(|metadata| metadata.name).as_deref(), Some("demo"));
    }
}
