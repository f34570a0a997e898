//! The public reader: lists and reads members of wheels and sdists.

use shipway_dist::archive::{Limits, list_members, read_members};

use crate::build::{Entry, Member, SDIST, WHEEL, Wheel, sdist, write};

#[test]
fn lists_and_reads_the_same_project_from_wheel_and_sdist() {
    let directory = tempfile::tempdir().unwrap();
    let wheel = write(directory.path(), WHEEL, &Wheel::demo().zip().bytes());
    let sdist = write(directory.path(), SDIST, &sdist().bytes());
    let limits = Limits::default();
    for (path, filename, init) in
        [(&wheel, WHEEL, "demo/__init__.py"), (&sdist, SDIST, "demo-1.0/src/demo/__init__.py")]
    {
        let members = list_members(path.as_ref(), filename, &limits).unwrap();
        assert!(members.iter().any(|member| member.name == init));
        let mut asked = 0;
        let wanted = &mut |name: &str| {
            asked += 1;
            name.ends_with(".py")
        };
        let read = read_members(path.as_ref(), filename, wanted, &limits).unwrap();
        assert_eq!(asked, members.len());
        let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
        let in_order: Vec<&str> =
            members.iter().map(|m| m.name.as_str()).filter(|name| name.ends_with(".py")).collect();
        assert_eq!(names, in_order);
        let (_, content) = read.iter().find(|(name, _)| name == init).unwrap();
        assert!(String::from_utf8_lossy(content).contains("__version__ = \"1.0\""));
    }
}

#[test]
fn reads_what_is_old_but_safe() {
    // Data descriptors and prefixes occur in releases that the index already holds.
    let directory = tempfile::tempdir().unwrap();
    let mut zip = Wheel::demo().zip();
    let member = zip.member("cli.py");
    let sizes = [member.central.crc, member.central.compressed, member.central.size];
    member.gap = [b"PK\x07\x08".to_vec(), sizes.iter().flat_map(|v| v.to_le_bytes()).collect()].concat();
    member.both(|header| header.flags |= 8);
    (member.local.crc, member.local.compressed, member.local.size) = (0, 0, 0);
    let path = write(directory.path(), WHEEL, &zip.bytes());
    let read = read_members(path.as_ref(), WHEEL, &mut |name| name.ends_with("cli.py"), &Limits::default());
    assert_eq!(read.unwrap()[0].1.len(), 1240);
}

#[test]
fn refuses_what_is_not_safe() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |filename: &str, bytes: &[u8]| {
        let path = write(directory.path(), filename, bytes);
        read_members(path.as_ref(), filename, &mut |_| true, &Limits::default()).unwrap_err().to_string()
    };
    let mut wheel = Wheel::demo();
    wheel.add("../x.py", "x");
    assert!(refused(WHEEL, &wheel.zip().bytes()).contains("member name `../x.py`"));
    let mut zip = Wheel::demo().zip();
    zip.member("cli.py").central.offset = Some(0);
    assert!(refused(WHEEL, &zip.bytes()).contains("local header"));
    let mut zip = Wheel::demo().zip();
    zip.member("cli.py").data[3] ^= 1;
    assert!(refused(WHEEL, &zip.bytes()).contains("demo/cli.py"));
    let mut zip = Wheel::demo().zip();
    zip.members.push(Member::deflated("demo/cli.py", b"other"));
    assert!(refused(WHEEL, &zip.bytes()).contains("demo/cli.py"));
    let mut tar = sdist();
    tar.entries.push(Entry::file("/etc/passwd", b"x"));
    assert!(refused(SDIST, &tar.bytes()).contains("member name `/etc/passwd`"));
    let mut tar = sdist();
    tar.trailer.clear();
    assert!(refused(SDIST, &tar.bytes()).contains("zero blocks"));
    assert!(refused(SDIST, b"no gzip").contains("no gzip"));
    assert!(refused(WHEEL, b"no zip").contains("end record"));
}

#[test]
fn e13_the_top_level_pkg_info_is_read_and_copies_in_egg_info_are_tolerated() {
    let mut tarball = crate::build::sdist();
    // setuptools writes the same file below `*.egg-info`; an old one there changes nothing.
    let entry = tarball.entry("src/demo.egg-info/PKG-INFO");
    entry.set(b"Metadata-Version: 2.1\nName: other\nVersion: 0.9\n\n");
    let report = crate::build::judge(&tarball.bytes(), crate::build::SDIST, false);
    assert!(report.ok(), "{:#?}", report.findings);
    let metadata = report.metadata.unwrap();
    assert_eq!((metadata.name.as_str(), metadata.version.as_str()), ("demo", "1.0"));
    // Only the copy: that is no sdist.
    tarball.remove("PKG-INFO");
    let report = crate::build::judge(&tarball.bytes(), crate::build::SDIST, false);
    assert!(crate::build::errors(&report).contains(&"sdist-pkg-info-106"), "{:#?}", report.findings);
}
