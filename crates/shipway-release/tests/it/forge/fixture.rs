//! Distribution files, manifests and artifacts of a run.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_testing::{Wheel, zip_of};

/// A file by name.
pub(crate) type Named = (String, Vec<u8>);

/// A wheel.
pub(crate) fn wheel(folder: &Path, name: &str, version: &str) -> Named {
    let made = Wheel::new(name, version).write(&folder.join("wheels"));
    (made.filename, std::fs::read(made.path).unwrap())
}

/// An sdist of these members below its folder.
pub(crate) fn sdist_of(name: &str, version: &str, members: &[(&str, String)]) -> Named {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_767_225_600);
        tar.append_data(&mut header, format!("{name}-{version}/{path}"), text.as_bytes()).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    (format!("{name}-{version}.tar.gz"), gzip.finish().unwrap())
}

pub(crate) fn metadata(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.2\nName: {name}\nVersion: {version}\nSummary: a test\n")
}

/// An sdist as setuptools makes it, with a second copy of the metadata (row E13).
pub(crate) fn sdist(name: &str, version: &str) -> Named {
    let text = metadata(name, version);
    let members = [
        ("PKG-INFO", text.clone()),
        ("demo.egg-info/PKG-INFO", text),
        ("pyproject.toml", super::world::bare(version)),
        ("demo.py", "A = 1\n".to_owned()),
    ];
    sdist_of(name, version, &members)
}

/// The manifest of files.
pub(crate) fn manifest(version: &str, commit: &str, run: u64, files: &[Named]) -> Value {
    let files: Vec<Value> = files
        .iter()
        .map(|(name, bytes)| json!({ "filename": name, "size": bytes.len(), "sha256": Sha256::of(bytes) }))
        .collect();
    json!({
        "schema": "shipway.manifest/1", "ok": true, "project": "demo", "version": version, "commit": commit,
        "tree": "0".repeat(40), "run": run.to_string(), "attempt": 1, "source_date_epoch": 1_767_225_600,
        "tools": {}, "files": files,
    })
}

/// A zip of one file.
pub(crate) fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    zip_of(&[(name.to_owned(), bytes.to_vec())])
}

/// Changes a name in a zip, in its local header and in its directory; both have the same length.
pub(crate) fn renamed(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

/// A zip with a symbolic link beside the files.
pub(crate) fn with_link(files: &[Named], name: &str, target: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.add_symlink(name, target, options).unwrap();
    zip.finish().unwrap().into_inner()
}
