//! A file that is judged while it arrives gets the verdict that it gets when it is there.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use shipway_dist::Sha256;
use shipway_dist::check::{Ahead, FileReport, Observer, Options, check_file_with};

use crate::build::{Entry, Member, SDIST, WHEEL, Wheel, Zip, sdist};

/// Remembers what it was shown.
#[derive(Default)]
struct Seen(Mutex<Vec<(String, Vec<u8>)>>);

impl Observer for Seen {
    fn names(&self, _names: &mut dyn Iterator<Item = &str>) {}

    fn wants(&self, name: &str, _size: u64) -> bool {
        name.ends_with(".py")
    }

    fn member(&self, name: &str, content: &[u8]) {
        self.0.lock().unwrap().push((name.to_owned(), content.to_vec()));
    }
}

impl Seen {
    fn sorted(&self) -> Vec<(String, Vec<u8>)> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort();
        seen
    }
}

/// Judges bytes both ways and compares everything that is said of them.
fn compare(what: &str, bytes: &[u8], filename: &str, chunks: &[usize]) -> FileReport {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let options = Options { strict: true };
    let plain_seen = Seen::default();
    let plain = check_file_with(file.path(), filename, &options, &plain_seen).unwrap();
    for &chunk in chunks {
        let mut copy = tempfile::NamedTempFile::new().unwrap();
        let seen = Arc::new(Seen::default());
        let ahead = Ahead::begin(copy.reopen().unwrap(), filename, seen.clone()).unwrap();
        let mut written = 0;
        for piece in bytes.chunks(chunk) {
            copy.write_all(piece).unwrap();
            written += piece.len() as u64;
            ahead.grow(written);
        }
        let report = ahead.finish(copy.path(), Sha256::of(bytes), &options).unwrap();
        assert_eq!(report.findings, plain.findings, "{what} in chunks of {chunk}");
        assert_eq!(report.metadata_bytes, plain.metadata_bytes, "{what} in chunks of {chunk}");
        assert_eq!(report.entry_points, plain.entry_points, "{what} in chunks of {chunk}");
        assert_eq!((report.sha256, report.size), (plain.sha256, plain.size), "{what} in chunks of {chunk}");
        if plain.ok() {
            assert_eq!(seen.sorted(), plain_seen.sorted(), "{what} in chunks of {chunk}");
        }
    }
    plain
}

const CHUNKS: [usize; 4] = [1, 7, 4096, 1 << 20];

/// A wheel whose members are large enough to be inflated out of order.
fn large() -> Zip {
    let mut wheel = Wheel::demo();
    for at in 0..40_u32 {
        let mut state = at + 1;
        let noise: Vec<u8> = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        wheel.add(&format!("demo/noise_{at}.py"), noise);
    }
    wheel.zip()
}

#[test]
fn sound_files_get_the_same_verdict() {
    assert!(compare("wheel", &Wheel::demo().zip().bytes(), WHEEL, &CHUNKS).ok());
    assert!(compare("large wheel", &large().bytes(), WHEEL, &[4096, 1 << 20, 1 << 30]).ok());
    assert!(compare("sdist", &sdist().bytes(), SDIST, &CHUNKS).ok());
    let mut long = sdist();
    long.entries.push(Entry::file("demo-1.0/large.txt", &vec![b'x'; 3 << 20]));
    assert!(compare("large sdist", &long.bytes(), SDIST, &[4096, 1 << 20]).ok());
}

#[test]
fn defects_get_the_same_findings() {
    let change = |what: &str, edit: &dyn Fn(&mut Wheel)| {
        let mut wheel = Wheel::demo();
        edit(&mut wheel);
        assert!(!compare(what, &wheel.zip().bytes(), WHEEL, &CHUNKS).ok(), "{what}");
    };
    change("hash", &|wheel| {
        let rows = wheel.rows().join("\n").replace("demo/cli.py,sha256=", "demo/cli.py,sha256=A");
        wheel.record = Some((rows + "\n").into());
    });
    change("other algorithm", &|wheel| {
        wheel.record = Some(
            (wheel.rows().join("\n").replace("demo/cli.py,sha256=", "demo/cli.py,sha512=") + "\n").into(),
        );
    });
    change("no RECORD", &|wheel| wheel.record = Some(Vec::new()));
    change("no METADATA", &|wheel| wheel.remove("METADATA"));
    change("escape", &|wheel| wheel.add("../evil.py", "x = 1\n"));
    change("twice", &|wheel| wheel.add("demo/cli.py", "x = 2\n"));
    change("stdlib", &|wheel| wheel.add("json/__init__.py", ""));
    let member = |what: &str, edit: &dyn Fn(&mut Member)| {
        let mut zip = Wheel::demo().zip();
        edit(&mut zip.members[1]);
        assert!(!compare(what, &zip.bytes(), WHEEL, &CHUNKS).ok(), "{what}");
    };
    member("data", &|member| member.data.push(0));
    member("gap", &|member| member.gap.push(0));
    member("no local header", &|member| member.without_local = true);
    member("no central header", &|member| member.without_central = true);
    member("central name", &|member| member.central.name[0] ^= 1);
    member("local name", &|member| member.local.name[0] ^= 1);
    member("central CRC", &|member| member.central.crc ^= 1);
    member("local CRC", &|member| member.local.crc ^= 1);
    member("both CRC", &|member| (member.local.crc, member.central.crc) = (1, 1));
    member("central size", &|member| member.central.size += 1);
    member("local size", &|member| member.local.size += 1);
    member("central method", &|member| member.central.method = 0);
    member("local method", &|member| member.local.method = 0);
    member("descriptor", &|member| (member.local.flags, member.central.flags) = (8, 8));
    member("encrypted", &|member| (member.local.flags, member.central.flags) = (1, 1));
    member("zip64", &|member| member.local.size = u32::MAX);
    member("offset", &|member| member.central.offset = Some(0));
    for (what, bytes) in [("empty", &b""[..]), ("short", b"PK"), ("zeros", &[0; 5000]), ("gzip", b"\x1f\x8b")]
    {
        assert!(!compare(what, bytes, WHEEL, &CHUNKS).ok(), "{what}");
        assert!(!compare(what, bytes, SDIST, &CHUNKS).ok(), "{what}");
    }
    assert!(!compare("no distribution", b"PK", "demo.txt", &CHUNKS).ok());
}

#[test]
fn bombs_get_the_same_findings() {
    let mut wheel = Wheel::demo();
    wheel.add("demo/zeros.bin", "");
    let mut zip = wheel.zip();
    zip.members.push(Member::deflated("demo/more.bin", &vec![0; 70 << 20]));
    assert!(!compare("wheel", &zip.bytes(), WHEEL, &[4096]).ok());
    let mut tarball = sdist();
    tarball.entries.push(Entry::file("demo-1.0/zeros.bin", &vec![0; 70 << 20]));
    assert!(!compare("sdist", &tarball.bytes(), SDIST, &[4096]).ok());
}

#[test]
fn damage_anywhere_gets_the_same_findings() {
    for (filename, sound) in [(WHEEL, Wheel::demo().zip().bytes()), (SDIST, sdist().bytes())] {
        for at in (0..sound.len()).step_by(7) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (at % 8);
            compare(&format!("{filename}, byte {at} flipped"), &flipped, filename, &[4096]);
            compare(&format!("{filename}, cut at {at}"), &sound[..at], filename, &[97]);
            let mut longer = sound.clone();
            longer.insert(at, b'x');
            compare(&format!("{filename}, byte added at {at}"), &longer, filename, &[1 << 20]);
        }
    }
}

#[test]
fn one_that_is_given_up_ends() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let seen = Arc::new(Seen::default());
    let ahead = Ahead::begin(file.reopen().unwrap(), WHEEL, seen.clone()).unwrap();
    drop(ahead);
    // The thread lets go of its observer when it ends.
    while Arc::strong_count(&seen) > 1 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
