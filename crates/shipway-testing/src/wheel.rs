//! Small wheels, made from nothing.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shipway_dist::Sha256;
use zip::write::SimpleFileOptions;

/// A wheel to make.
#[derive(Debug, Clone)]
pub struct Wheel {
    name: String,
    version: String,
    requires: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

/// A wheel that was made.
#[derive(Debug, Clone)]
pub struct FileOfWheel {
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub filename: String,
    /// Its digest.
    pub sha256: String,
}

impl Wheel {
    /// A wheel with one module that holds the version.
    pub fn new(name: &str, version: &str) -> Self {
        let module = format!("{}.py", name.replace('-', "_"));
        let files = vec![(module, format!("VERSION = \"{version}\"\n").into_bytes())];
        Self { name: name.to_owned(), version: version.to_owned(), requires: Vec::new(), files }
    }

    /// Adds a requirement.
    #[must_use]
    pub fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Adds a file whose bytes no compression makes smaller.
    #[must_use]
    pub fn noise(self, path: &str, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size + 32);
        let mut block = Sha256::of(path.as_bytes());
        while bytes.len() < size {
            bytes.extend_from_slice(block.as_bytes());
            block = Sha256::of(block.as_bytes());
        }
        bytes.truncate(size);
        self.file(path, bytes)
    }

    /// Writes it into a folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> FileOfWheel {
        let name = self.name.replace('-', "_");
        let info = format!("{name}-{}.dist-info", self.version);
        let mut metadata = format!(
            "Metadata-Version: 2.1\nName: {}\nVersion: {}\nSummary: a wheel of a test\nRequires-Python: >=3.8\n",
            self.name, self.version
        );
        for requirement in &self.requires {
            metadata.push_str(&format!("Requires-Dist: {requirement}\n"));
        }
        let wheel =
            "Wheel-Version: 1.0\nGenerator: shipway-testing\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let mut files = self.files.clone();
        files.push((format!("{info}/METADATA"), metadata.into_bytes()));
        files.push((format!("{info}/WHEEL"), wheel.as_bytes().to_vec()));
        let mut record = String::new();
        for (path, bytes) in &files {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::of(bytes).as_bytes());
            record.push_str(&format!("{path},sha256={digest},{}\n", bytes.len()));
        }
        record.push_str(&format!("{info}/RECORD,,\n"));
        files.push((format!("{info}/RECORD"), record.into_bytes()));
        let bytes = zip_of(&files);
        let filename = format!("{name}-{}-py3-none-any.whl", self.version);
        std::fs::create_dir_all(folder).expect("a folder");
        let path = folder.join(&filename);
        std::fs::write(&path, &bytes).expect("a written wheel");
        FileOfWheel { path, filename, sha256: Sha256::of(&bytes).to_hex() }
    }
}

/// A zip file of these members.
///
/// # Panics
/// When it cannot be made.
pub fn zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(path.as_str(), SimpleFileOptions::default()).expect("a member");
        zip.write_all(bytes).expect("written bytes");
    }
    zip.finish().expect("a zip file").into_inner()
}
