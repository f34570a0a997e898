//! Judges distribution files wherever they are; needs no project. Where there is one, its levels hold.

use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use shipway_dist::check::{FileReport, Options, folder};
use shipway_dist::{Finding, Sha256, rules};
use shipway_pyapi::judge::judge_file;

use crate::config::{Environment, LevelOverride, weigh};
use crate::error::{Error, Result};
use crate::gates::rendering;
use crate::ops::python::Python;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct CheckRequest {
    /// Files, or folders that hold some.
    pub paths: Vec<PathBuf>,
    /// Whether what is only unusual refuses too.
    pub strict: bool,
    /// Whether reStructuredText is rendered where docutils is installed, which takes a moment.
    pub render: bool,
    /// The interpreter that has docutils; none for `python3`.
    pub python: Option<PathBuf>,
    /// The project's levels.
    pub levels: Vec<LevelOverride>,
}

/// The judgement of several files.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// One entry a file, in the order given.
    pub files: Vec<CheckedFile>,
    /// What lies in the folders given and is no distribution file, so that nothing is passed over in silence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// The judgement of one file.
#[derive(Debug, Clone)]
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

impl Serialize for CheckedFile {
    /// A finding carries why it matters, so that the document reads without `shipway explain`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Explained<'a> {
            #[serde(flatten)]
            finding: &'a Finding,
            #[serde(skip_serializing_if = "Option::is_none")]
            why: Option<&'static str>,
        }
        let explained: Vec<Explained<'_>> = self
            .findings
            .iter()
            .map(|finding| Explained { finding, why: rules::find(&finding.id).map(|rule| rule.why) })
            .collect();
        let mut fields = serializer.serialize_struct("CheckedFile", 4)?;
        fields.serialize_field("path", &self.path)?;
        fields.serialize_field("sha256", &self.sha256)?;
        fields.serialize_field("ok", &self.ok)?;
        fields.serialize_field("findings", &explained)?;
        fields.end()
    }
}

/// Judges files, side by side; a folder stands for the distribution files in it.
///
/// # Errors
/// When a path cannot be read, or a folder holds no distribution file.
pub fn check(request: &CheckRequest, environment: &Environment) -> Result<CheckReport> {
    let mut errors = Vec::new();
    let (mut expanded, mut ignored) = (Vec::new(), Vec::new());
    for path in &request.paths {
        if path.is_dir() {
            let others = folder(path).map_err(|error| Error::io("read", path, &error))?;
            ignored.extend(others.into_iter().map(|one| format!("{}: {}", path.display(), one.message)));
        }
        match expand(path) {
            Ok(files) => expanded.extend(files),
            Err(error) => errors.push(error),
        }
    }
    let options = Options { strict: request.strict };
    let judged = side_by_side(&expanded, &options);
    let mut reports = Vec::new();
    for (path, result) in expanded.into_iter().zip(judged) {
        match result {
            Ok(report) => reports.push((path, report)),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Error::several("cannot check everything", errors));
    }
    if request.render {
        let python = || Python::find(request.python.as_deref(), environment);
        let open = reports.iter_mut().map(|(_, report)| report);
        rendering::render(open, request.strict, &python, environment)?;
    }
    let files = reports.into_iter().map(|(path, mut report)| {
        weigh(&request.levels, &mut report.findings);
        CheckedFile { ok: report.ok(), path, sha256: report.sha256, findings: report.findings }
    });
    Ok(CheckReport { files: files.collect(), ignored })
}

/// Judges every file. What is small is judged on this thread alone: starting others takes longer than the work.
fn side_by_side(paths: &[PathBuf], options: &Options) -> Vec<Result<FileReport>> {
    const SMALL: u64 = 1 << 20;
    let size: u64 = paths.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
    let alone = if size < SMALL {
        rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok()
    } else {
        None
    };
    match alone {
        Some(_pool) => paths.iter().map(|path| judge(path, options)).collect(),
        None => paths.par_iter().map(|path| judge(path, options)).collect(),
    }
}

fn judge(path: &Path, options: &Options) -> Result<FileReport> {
    let filename = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    judge_file(path, &filename, options).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Error::usage("no-file", format!("`{}` does not exist", path.display()))
        } else {
            Error::io("read", path, &error)
        }
    })
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
