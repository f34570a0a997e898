//! A folder of distribution files: nothing else may lie in it (row E12).
//!
//! A shell's `dist/*` sees folders, links and leftovers of other tools that a judgement of `*.whl` and
//! `*.tar.gz` passes over, so what is judged and what is uploaded would differ.

use std::io;
use std::path::Path;

use crate::finding::{Finding, Findings, shown};
use crate::rules::filename as rules;

/// Written into its output folder by `uv build`, and no upload ever takes it.
const IGNORED: &str = ".gitignore";

/// Names everything in a folder that is no regular file called `*.whl` or `*.tar.gz`, sorted by name.
///
/// # Errors
/// When the folder cannot be read or is none.
pub fn folder(path: &Path) -> io::Result<Vec<Finding>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // The kind of the entry itself: a link is a link wherever it leads.
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut findings = Findings::default();
    for (name, kind) in entries {
        let what = if kind.is_symlink() {
            "a link"
        } else if kind.is_dir() {
            "a folder"
        } else if !kind.is_file() {
            "no regular file"
        } else if name.ends_with(".whl") || name.ends_with(".tar.gz") || name == IGNORED {
            continue;
        } else {
            "neither a wheel nor an sdist"
        };
        findings.member(&rules::FOLDER, &name, format!("`{}` is {what}", shown(&name)));
    }
    Ok(findings.finish(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e12_everything_else_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a-1-py3-none-any.whl", "a-1.tar.gz", ".gitignore"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert_eq!(folder(directory.path()).unwrap(), []);
        std::fs::create_dir(at("nested.whl")).unwrap();
        for name in ["a-1.zip", "a-1.WHL", "notes.txt"] {
            std::fs::write(at(name), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("a-1.tar.gz"), at("b-1.tar.gz")).unwrap();
        let findings = folder(directory.path()).unwrap();
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        let mut expected = vec![
            "`a-1.WHL` is neither a wheel nor an sdist",
            "`a-1.zip` is neither a wheel nor an sdist",
            "`nested.whl` is a folder",
            "`notes.txt` is neither a wheel nor an sdist",
        ];
        if cfg!(unix) {
            expected.insert(2, "`b-1.tar.gz` is a link");
        }
        assert_eq!(messages, expected);
        assert!(findings.iter().all(|finding| finding.severity == crate::Severity::Error));
        assert!(folder(&at("a-1.tar.gz")).is_err() && folder(&at("gone")).is_err());
    }
}
