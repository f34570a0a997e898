//! Builds small, real-like wheels and sdists whose every byte a test can set, and takes real ones apart.

pub(crate) mod headers;
pub(crate) mod tarball;
pub(crate) mod zipfile;

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use sha2::Digest as _;
use shipway_dist::Severity;
use shipway_dist::check::{FileReport, Options, check_file};

pub(crate) use headers::Headers;
pub(crate) use tarball::{Entry, Sdist};
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
    pub(crate) record: Option<Vec<u8>>,
    pub(crate) dist_info: String,
    /// The file of the project that defects are made in.
    pub(crate) victim: String,
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
            victim: "demo/cli.py".to_owned(),
        }
    }

    /// The files of a real wheel.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let zip = Zip::parse(bytes).expect("an ordinary zip file");
        let mut files = Vec::new();
        for member in zip.members {
            let mut content = member.data;
            if member.central.method == 8 {
                let packed = std::mem::take(&mut content);
                flate2::read::DeflateDecoder::new(&packed[..]).read_to_end(&mut content).unwrap();
            }
            files.push((String::from_utf8(member.central.name).unwrap(), content));
        }
        let record = files.iter().position(|(name, _)| name.ends_with(".dist-info/RECORD")).unwrap();
        let dist_info = files.remove(record).0.replace("/RECORD", "");
        let project = |name: &str| !name.starts_with(&dist_info) && !name.ends_with('/');
        let victim = files.iter().find(|(name, content)| project(name) && content.len() > 20);
        let victim = victim.expect("a file of the project").0.clone();
        Self { files, record: None, dist_info, victim }
    }

    /// `{name}-{version}` as the wheel's own directories begin.
    pub(crate) fn stem(&self) -> &str {
        self.dist_info.trim_end_matches(".dist-info")
    }

    /// The path of a file in the `.dist-info` directory.
    pub(crate) fn in_dist_info(&self, name: &str) -> String {
        format!("{}/{name}", self.dist_info)
    }

    /// Puts a file there, in place of the one with its name.
    pub(crate) fn set(&mut self, name: &str, content: impl AsRef<[u8]>) {
        self.files.retain(|(found, _)| found != name);
        self.add(name, content);
    }

    /// Changes the fields of `METADATA` or `WHEEL`.
    pub(crate) fn headers(&mut self, end: &str, change: impl Fn(&mut Headers)) {
        let file = self.file(&format!(".dist-info/{end}"));
        let mut headers = Headers::parse(file);
        change(&mut headers);
        *file = headers.bytes();
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
        let record = self.record.clone().unwrap_or_else(|| (self.rows().join("\n") + "\n").into_bytes());
        let mut zip = Zip::default();
        for (name, content) in &self.files {
            // An encoder costs more than 200,000 of these small files are worth.
            let small = content.len() < 20 || content.len() > 100_000;
            zip.members.push(if small {
                Member::stored(name, content)
            } else {
                Member::deflated(name, content)
            });
        }
        zip.members.push(Member::deflated(&format!("{}/RECORD", self.dist_info), &record));
        zip
    }
}

/// An sdist of the same project.
pub(crate) fn sdist() -> Sdist {
    let top = "demo-1.0/";
    let mut tarball = Sdist::new(top);
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
///
/// A rule that never refuses is only to be found.
pub(crate) fn assert_refused(what: &str, bytes: &[u8], filename: &str, id: &str) -> String {
    let report = judge(bytes, filename, true);
    let severity = shipway_dist::rules::find(id).expect("a rule").severity(true);
    let found = report.findings.iter().any(|finding| finding.id == id && finding.severity == severity);
    assert!(found, "{what}: expected {id}, found {:#?}", report.findings);
    assert!(severity == Severity::Warning || !report.ok());
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
