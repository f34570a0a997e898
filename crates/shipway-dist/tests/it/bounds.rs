//! Hostile sizes: refused early, or read in bounded memory and time.

use std::time::{Duration, Instant};

use shipway_dist::archive::{ArchiveError, Limits, list_members, read_members};
use shipway_dist::check::{Options, check_file};

use crate::build::tarball::gzip;
use crate::build::{Entry, Member, SDIST, WHEEL, Wheel, Zip, errors, judge, sdist, write};

/// Deflated zeros: `count` blocks that each stand for 258 zeros a bit or two long.
fn zeros(count: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = vec![0; 1 << 20];
    for _ in 0..count {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

fn wheel_with(data: Vec<u8>, size: u32) -> Vec<u8> {
    let mut zip = Wheel::demo().zip();
    let mut member = Member::deflated("demo/zeros.bin", b"");
    member.data = data;
    member.both(|header| header.size = size);
    let length = member.data.len() as u32;
    member.both(|header| header.compressed = length);
    zip.members.push(member);
    zip.bytes()
}

#[test]
fn a_wheel_that_is_a_bomb_is_refused_before_it_is_inflated() {
    let bytes = wheel_with(zeros(256), 256 << 20);
    let start = Instant::now();
    assert!(errors(&judge(&bytes, WHEEL, false)).contains(&"archive-ratio-74"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_wheel_that_lies_about_its_size_is_inflated_no_further() {
    let bytes = wheel_with(zeros(256), 100);
    let start = Instant::now();
    assert!(errors(&judge(&bytes, WHEEL, false)).contains(&"member-damaged-90"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_member_of_ten_gigabytes_of_zeros_is_refused_by_the_bound() {
    let mut tar = sdist();
    let mut entry = Entry::file("demo-1.0/zeros", b"");
    entry.header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0x80, 0, 0, 0]);
    tar.entries.push(entry);
    tar.trailer = vec![0; 64 << 20];
    let bytes = tar.bytes();
    let start = Instant::now();
    assert_eq!(errors(&judge(&bytes, SDIST, false)), ["archive-bound-73"]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn an_sdist_that_is_a_bomb_is_refused_while_it_is_inflated() {
    let mut tar = sdist();
    tar.entries.push(Entry::file("demo-1.0/zeros", &vec![0; 200 << 20]));
    assert_eq!(errors(&judge(&tar.bytes(), SDIST, false)), ["archive-ratio-74"]);
    // So is one whose zeros stand behind the end of the archive.
    let mut tar = sdist();
    tar.trailer = vec![0; 200 << 20];
    assert_eq!(errors(&judge(&tar.bytes(), SDIST, false)), ["archive-ratio-74"]);
}

fn wheel_of(members: u32) -> Vec<u8> {
    let mut wheel = Wheel::demo();
    for number in 0..members {
        wheel.add(&format!("demo/generated/module_{number}.py"), format!("N = {number}\n"));
    }
    Zip { zip64: Some(|_, _| ()), ..wheel.zip() }.bytes()
}

#[test]
fn a_wheel_of_more_members_than_plain_zip_counts_is_fine() {
    let report = judge(&wheel_of(66_000), WHEEL, true);
    assert!(report.ok(), "{:#?}", report.findings);
}

#[test]
#[ignore = "long: 200,000 members, half a minute without optimization"]
fn long_a_wheel_of_two_hundred_thousand_members_is_fine() {
    let report = judge(&wheel_of(200_000), WHEEL, true);
    assert!(report.ok(), "{:#?}", report.findings);
}

#[test]
fn more_members_than_the_bound_are_refused() {
    let mut zip = Wheel::demo().zip();
    zip.zip64 = Some(|record, _| {
        for at in [24, 32] {
            record[at..at + 8].copy_from_slice(&300_000_u64.to_le_bytes());
        }
    });
    zip.end = Some(|end| end[8..12].fill(0xff));
    assert_eq!(errors(&judge(&zip.bytes(), WHEEL, false)), ["archive-bound-73"]);
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), SDIST, &sdist().bytes());
    let limits = Limits { members: 5, ..Limits::default() };
    assert!(list_members(path.as_ref(), SDIST, &limits).is_err());
}

#[test]
fn findings_are_counted_and_not_listed_for_ever() {
    let mut wheel = Wheel::demo();
    for number in 0..5_000 {
        wheel.add(&format!("demo/../escape{number}.py"), "x");
    }
    let report = judge(&wheel.zip().bytes(), WHEEL, false);
    assert!(report.findings.len() < 300, "{}", report.findings.len());
    assert!(report.findings.iter().any(|finding| finding.message == "and 4950 more of these"));
}

#[test]
fn a_broken_file_is_a_finding_and_a_path_that_cannot_be_read_an_error() {
    for filename in [WHEEL, SDIST, "demo.txt", "", "demo-1.0-py3-none-any.WHL"] {
        let report = judge(b"", filename, false);
        assert!(!report.ok(), "{filename}");
    }
    let directory = tempfile::tempdir().unwrap();
    let options = Options { strict: false };
    assert!(check_file(directory.path(), WHEEL, &options).is_err());
    assert!(check_file(&directory.path().join("gone.whl"), WHEEL, &options).is_err());
}

#[test]
fn the_reader_keeps_its_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let wheel = write(directory.path(), WHEEL, &wheel_with(zeros(64), 64 << 20));
    let mut tar = sdist();
    tar.entries.push(Entry::file("demo-1.0/zeros", &vec![0; 60 << 20]));
    let sdist = write(directory.path(), SDIST, &gzip(&tar.tar()));
    for (path, name) in [(&wheel, WHEEL), (&sdist, SDIST)] {
        let limits = Limits { wanted: 1 << 20, ..Limits::default() };
        let result = read_members(path.as_ref(), name, &mut |_| true, &limits);
        assert!(matches!(result, Err(ArchiveError::TooLarge { .. })), "{name}: {result:?}");
        let limits = Limits { member: 1 << 20, ..Limits::default() };
        assert!(list_members(path.as_ref(), name, &limits).is_err(), "{name}");
        assert!(list_members(path.as_ref(), name, &Limits::default()).is_ok(), "{name}");
    }
}
