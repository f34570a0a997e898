//! Builds small, real-like wheels and sdists whose every byte a test can set.

pub(crate) mod tarball;
pub(crate) mod zipfile;

use std::path::Path;

use base64::Engine as _;
use sha2::Digest as _;
use shipway_dist::Severity;
use shipway_dist::check::{FileReport, Options, check_file};

pub(crate) use tarball::{Entry, Tarball};
pub(crate) use zipfile::{Member, Zip};

pub(crate) const WHEEL: &str = "demo-1.0-py3-none-any.whl";
pub(crate) const SDIST: &str = "demo-1.0.tar.gz";

pub(crate) const METADATA: &str = "Metadata-Version: 2.4
Name: demo
Version: 1.0
Summary: A small project
Author-email: A Person <person@example.org>
License-Expression: MIT
License-File: LICENSE
Classifier: Programming Language :: Python :: 3
Project-URL: Homepage, https://demo.example
Provides-Extra: test
Requires-Dist: requests>=2
Requires-Dist: pytest; extra == 'test'
Requires-Python: >=3.10
Description-Content-Type: text/markdown

# demo

A small project.
";

const WHEEL_FILE: &str = "Wheel-Version: 1.0
Generator: shipway-tests
Root-Is-Purelib: true
Tag: py3-none-any
";

/// A wheel as a list of files, from which `RECORD` and the archive follow.
#[derive(Clone)]
pub(crate) struct Wheel {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Rows of `RECORD` that replace those that follow from the files.
    pub(crate) record: Option<String>,
    pub(crate) dist_info: String,
}

impl Wheel {
    pub(crate) fn demo() -> Self {
        let dist_info = "demo-1.0.dist-info".to_owned();
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        Self {
            files: vec![
                file("demo/__init__.py", "\"\"\"A small project.\"\"\"\n\n__version__ = \"1.0\"\n"),
                file("demo/cli.py", &"def main():\n    print('hello')\n".repeat(40)),
                file("demo/data/größe.txt", "ä\n"),
                file("demo-1.0.data/scripts/demo-run", "#!python\nimport demo\n"),
                file("demo-1.0.dist-info/METADATA", METADATA),
                file("demo-1.0.dist-info/WHEEL", WHEEL_FILE),
                file("demo-1.0.dist-info/entry_points.txt", "[console_scripts]\ndemo = demo.cli:main\n"),
                file("demo-1.0.dist-info/licenses/LICENSE", "MIT\n"),
                file("demo-1.0.dist-info/sboms/demo.json", "{}\n"),
            ],
            record: None,
            dist_info,
        }
    }

    /// The content of a file, to be changed before `RECORD` is written.
    pub(crate) fn file(&mut self, end: &str) -> &mut Vec<u8> {
        &mut self.files.iter_mut().find(|(name, _)| name.ends_with(end)).expect("the file is there").1
    }

    pub(crate) fn replace(&mut self, end: &str, from: &str, to: &str) {
        let file = self.file(end);
        let text = String::from_utf8(file.clone()).unwrap();
        assert!(text.contains(from), "`{from}` is not in {end}");
        *file = text.replacen(from, to, 1).into_bytes();
    }

    pub(crate) fn add(&mut self, name: &str, content: impl AsRef<[u8]>) {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
    }

    pub(crate) fn remove(&mut self, end: &str) {
        self.files.retain(|(name, _)| !name.ends_with(end));
    }

    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self
            .files
            .iter()
            .filter(|(name, _)| !name.ends_with('/'))
            .map(|(name, content)| {
                let digest =
                    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(content));
                format!("{name},sha256={digest},{}", content.len())
            })
            .collect();
        rows.push(format!("{}/RECORD,,", self.dist_info));
        rows
    }

    pub(crate) fn zip(&self) -> Zip {
        let record = self.record.clone().unwrap_or_else(|| self.rows().join("\n") + "\n");
        let mut zip = Zip::default();
        for (name, content) in &self.files {
            // An encoder costs more than 200,000 of these small files are worth.
            let small = content.len() < 20;
            zip.members.push(if small {
                Member::stored(name, content)
            } else {
                Member::deflated(name, content)
            });
        }
        zip.members.push(Member::deflated(&format!("{}/RECORD", self.dist_info), record.as_bytes()));
        zip
    }
}

/// An sdist of the same project.
pub(crate) fn sdist() -> Tarball {
    let mut tarball = Tarball::default();
    let top = "demo-1.0/";
    tarball.entries.push(Entry::directory(top));
    for (name, content) in [
        ("PKG-INFO", METADATA),
        (
            "pyproject.toml",
            "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n",
        ),
        ("LICENSE", "MIT\n"),
        ("src/demo/__init__.py", "__version__ = \"1.0\"\n"),
        ("src/demo/cli.py", "def main():\n    print('hello')\n"),
        ("src/demo.egg-info/PKG-INFO", METADATA),
    ] {
        tarball.entries.push(Entry::file(&format!("{top}{name}"), content.as_bytes()));
    }
    tarball
}

/// Judges bytes as though they were a file with a name.
pub(crate) fn judge(bytes: &[u8], filename: &str, strict: bool) -> FileReport {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("upload");
    std::fs::write(&path, bytes).unwrap();
    check_file(&path, filename, &Options { strict }).unwrap()
}

/// The identifiers of the findings that refuse.
pub(crate) fn errors(report: &FileReport) -> Vec<&str> {
    let mut ids: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Asserts that a file is refused for one reason and returns what a person reads.
pub(crate) fn assert_refused(what: &str, bytes: &[u8], filename: &str, id: &str) -> String {
    let report = judge(bytes, filename, true);
    assert!(errors(&report).contains(&id), "{what}: expected {id}, found {:#?}", report.findings);
    let mut text = format!("{what}\n");
    for finding in &report.findings {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        let member = finding.member.as_deref().map(|member| format!(" {member}:")).unwrap_or_default();
        text += &format!("    {severity} {}:{member} {}\n", finding.id, finding.message);
    }
    text
}

/// Writes a file into a directory and returns its path as text.
pub(crate) fn write(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}
