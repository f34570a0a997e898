//! Judges distribution files wherever they are; needs no project and no configuration.

use std::path::{Path, PathBuf};

use serde::Serialize;
use shipway_dist::check::{Options, check_file};
use shipway_dist::{Finding, Sha256};

use crate::error::{Error, Result};

/// The judgement of several files.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// One entry a file, in the order given.
    pub files: Vec<CheckedFile>,
}

/// The judgement of one file.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedFile {
    /// The path as given.
    pub path: PathBuf,
    /// The digest.
    pub sha256: Sha256,
    /// Whether nothing refuses it.
    pub ok: bool,
    /// Everything found.
    pub findings: Vec<Finding>,
}

/// Judges files; a folder stands for the distribution files in it.
///
/// # Errors
/// When a path cannot be read, or a folder holds no distribution file.
pub fn check(paths: &[PathBuf], options: &Options) -> Result<CheckReport> {
    let mut errors = Vec::new();
    let mut expanded = Vec::new();
    for path in paths {
        match expand(path) {
            Ok(files) => expanded.extend(files),
            Err(error) => errors.push(error),
        }
    }
    let mut files = Vec::new();
    for path in expanded {
        let filename = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match check_file(&path, &filename, options) {
            Ok(report) => files.push(CheckedFile {
                ok: report.ok(),
                path,
                sha256: report.sha256,
                findings: report.findings,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                errors.push(Error::usage("no-file", format!("`{}` does not exist", path.display())));
            }
            Err(error) => errors.push(Error::io("read", &path, &error)),
        }
    }
    if errors.is_empty() {
        Ok(CheckReport { files })
    } else {
        Err(Error::several("cannot check everything", errors))
    }
}

fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::io("read", path, &error))?;
    let is_distribution = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".whl") || name.ends_with(".tar.gz")
    };
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_distribution).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::usage("no-files", format!("`{}` holds no distribution file", path.display())));
    }
    Ok(files)
}
