//! What is no sound file at all: each is said clearly, none panics or takes long.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shipway_dist::check::{Observer, Options, check_file, check_file_with};

use crate::build::{Member, SDIST, WHEEL, Wheel, Zip, judge, sdist, write};

fn messages(bytes: &[u8], filename: &str) -> Vec<String> {
    judge(bytes, filename, false).findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn an_empty_file() {
    assert!(messages(b"", SDIST).contains(&"the file is empty".to_owned()), "{:?}", messages(b"", SDIST));
    assert!(messages(b"", WHEEL).contains(&"the file is empty".to_owned()), "{:?}", messages(b"", WHEEL));
}

#[test]
fn a_name_that_is_no_distribution() {
    for name in ["demo.txt", "demo-1.0.zip", "demo", "demo-1.0-py3-none-any.WHL"] {
        let all = messages(&Wheel::demo().zip().bytes(), name);
        assert!(
            all.iter().any(|message| message.contains(".whl") && message.contains(".tar.gz")),
            "{name}: {all:?}"
        );
    }
}

#[test]
fn a_directory_and_a_path_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let error = check_file(directory.path(), WHEEL, &Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "not a regular file");
    let error = check_file(&directory.path().join("gone.whl"), WHEEL, &Options::default()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = directory.path().join(WHEEL);
        std::fs::write(&path, Wheel::demo().zip().bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // Whoever may read everything reads this too.
        if std::fs::File::open(&path).is_err() {
            let error = check_file(&path, WHEEL, &Options::default()).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
        std::os::unix::fs::symlink(directory.path().join("nowhere"), directory.path().join("link")).unwrap();
        assert!(check_file(&directory.path().join("link"), WHEEL, &Options::default()).is_err());
    }
}

/// Changes the file as soon as its directory was read.
struct Vandal(PathBuf, fn(&Path));

impl Observer for Vandal {
    fn names(&self, _names: &mut dyn Iterator<Item = &str>) {
        self.1(&self.0);
    }

    fn wants(&self, _name: &str, _size: u64) -> bool {
        false
    }

    fn member(&self, _name: &str, _content: &[u8]) {}
}

#[test]
fn a_file_that_changes_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = Wheel::demo().zip().bytes();
    let append = |path: &Path| {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap();
    };
    let path = write(directory.path(), "appended.whl", &bytes);
    let vandal = Vandal(path.clone().into(), append);
    let error = check_file_with(path.as_ref(), WHEEL, &Options::default(), &vandal).unwrap_err();
    assert_eq!(error.to_string(), "the file changed while it was read");
    let path = write(directory.path(), "emptied.whl", &bytes);
    let vandal = Vandal(path.clone().into(), |path| std::fs::write(path, "").unwrap());
    assert!(check_file_with(path.as_ref(), WHEEL, &Options::default(), &vandal).is_err());
}

#[test]
fn a_member_of_ten_gigabytes_in_a_wheel() {
    let mut zip: Zip = Wheel::demo().zip();
    let mut member = Member::deflated("demo/zeros.bin", &vec![0; 10 << 20]);
    // zip64: the size of ten gigabytes stands in the extra field, after the sentinel.
    let compressed = u64::from(member.local.compressed);
    member.both(|header| {
        (header.size, header.compressed, header.needed) = (u32::MAX, u32::MAX, 45);
        header.extra =
            [&[1, 0, 16, 0][..], &(10_u64 << 30).to_le_bytes(), &compressed.to_le_bytes()].concat();
    });
    zip.members.push(member);
    let bytes = zip.bytes();
    let start = Instant::now();
    let report = judge(&bytes, WHEEL, false);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let bound = report.findings.iter().find(|finding| finding.id == "archive-bound-73").unwrap();
    assert_eq!(bound.message, "inflates to 10737418240 bytes, the bound is 4294967296");
    assert_eq!(bound.member.as_deref(), Some("demo/zeros.bin"));
}

#[test]
fn two_kinds_exchanged() {
    assert!(!judge(&Wheel::demo().zip().bytes(), SDIST, false).ok());
    assert!(!judge(&sdist().bytes(), WHEEL, false).ok());
}
