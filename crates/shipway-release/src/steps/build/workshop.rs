//! Where a commit is built: clean checkouts of it, and one environment with the project's own backend.
//!
//! The backend sees no credential, a fixed umask, locale and `SOURCE_DATE_EPOCH`, and files whose times
//! are the commit's.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use shipway_dist::{ManifestFile, Sha256};

use super::temporary;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::ops::process::{Call, fix_umask};
use crate::ops::python::Venv;
use crate::ops::sdist::normalize;

const DRIVER: &str = include_str!("../../ops/python_scripts/build_driver.py");

/// Where one commit is built, as often as wanted; everything in it is temporary.
pub(super) struct Workshop<'a> {
    context: &'a Context<'a>,
    git: &'a Git,
    commit: &'a str,
    folder: tempfile::TempDir,
    venv: Venv,
    /// The seconds since 1970 that the commit was made at.
    pub(super) epoch: i64,
    /// Where the project lies in the repository; empty, or ending in `/`.
    pub(super) prefix: String,
}

/// What the driver answers.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    /// The backend's module.
    pub(super) backend: String,
    /// Everything installed in the environment, with versions.
    pub(super) tools: BTreeMap<String, String>,
}

impl<'a> Workshop<'a> {
    /// Checks the commit out once and installs the backend and what it asks for.
    pub(super) fn open(context: &'a Context<'a>, git: &'a Git, commit: &'a str) -> Result<Self> {
        fix_umask();
        let prefix = git.prefix_of(&context.config.directory)?;
        let epoch: i64 = git.read(["show", "--no-patch", "--format=%ct", commit])?.parse().unwrap_or(0);
        let folder = temporary()?;
        let task = context.progress.begin("installing the build backend");
        let python = context.python()?;
        let venv = python.create_venv(&folder.path().join("environment"), &context.environment)?;
        let driver = folder.path().join("build_driver.py");
        std::fs::write(&driver, DRIVER).map_err(|error| Error::io("write", &driver, &error))?;
        let workshop = Self { context, git, commit, folder, venv, epoch, prefix };
        let source = workshop.check_out("requires")?;
        install_backend(context, &workshop.venv, &source)?;
        let requires: Vec<String> = workshop.drive("requires", &source, None)?;
        if !requires.is_empty() && context.config.build.lock.is_none() {
            python.install(&workshop.venv, &requires, &context.environment)?;
        }
        drop(task);
        Ok(workshop)
    }

    /// One sdist, and the wheel made from that sdist, both from a checkout and a folder called `name`.
    pub(super) fn build(&self, name: &str) -> Result<(PathBuf, Answer)> {
        let source = self.check_out(name)?;
        let out = self.new_folder(&format!("{name}-dist"))?;
        let _: Answer = self.drive("sdist", &source, Some(&out))?;
        let files = list(&out)?;
        let [sdist] = files.as_slice() else {
            return Err(Error::refused("wrong-build", "the backend did not build this release")
                .cause(format!("expected one sdist, found {} files", files.len())));
        };
        let sdist = out.join(&sdist.filename);
        if self.context.config.build.normalize {
            normalize(&sdist, self.epoch)?;
        }
        // The wheel is made from the sdist, so that an sdist which lacks a file cannot look whole.
        let answer = self.drive("wheel-from-sdist", &sdist, Some(&out))?;
        Ok((out, answer))
    }

    /// The wheel made from the tree itself.
    pub(super) fn wheel_from_tree(&self, name: &str) -> Result<PathBuf> {
        let source = self.check_out(name)?;
        let out = self.new_folder(&format!("{name}-dist"))?;
        let _: Answer = self.drive("wheel", &source, Some(&out))?;
        Ok(out)
    }

    fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, &error))?;
        Ok(folder)
    }

    /// The project's folder in a new clean checkout.
    fn check_out(&self, name: &str) -> Result<PathBuf> {
        let checkout = self.folder.path().join(name);
        check_out(self.git, self.commit, &checkout, self.epoch)?;
        let source = if self.prefix.is_empty() { checkout } else { checkout.join(&self.prefix) };
        leave_out_sdist_metadata(self.context, &source)?;
        Ok(source)
    }

    /// Runs the driver: `what` with the source (a folder or an sdist), and where its files go.
    fn drive<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        source: &Path,
        out: Option<&Path>,
    ) -> Result<T> {
        let environment = &self.context.environment;
        let answers = tempfile::Builder::new().prefix("answer-").tempdir_in(self.folder.path());
        let answers = answers.map_err(|error| Error::io("create", self.folder.path(), &error))?;
        let answer = answers.path().join("answer.json");
        let directory = if source.is_dir() { source } else { answers.path() };
        let output = Call::new(&self.venv.python, directory)
            .allowed(environment)
            .env("PATH", prepend_path(&self.venv.scripts, environment))
            .env("VIRTUAL_ENV", &self.venv.directory)
            .env("SOURCE_DATE_EPOCH", self.epoch.to_string())
            .env("PYTHONHASHSEED", "0")
            .arg(self.folder.path().join("build_driver.py"))
            .arg(what)
            .arg(&answer)
            .arg(source)
            .args(out.map(Path::as_os_str).into_iter().collect::<Vec<&OsStr>>())
            .run()?;
        if !output.success() {
            let error = Error::refused("build-failed", "the build backend failed").cause(output.ending());
            return Err(output.tail(20).into_iter().fold(error, Error::cause));
        }
        let bytes = std::fs::read(&answer).map_err(|error| Error::io("read", &answer, &error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::incomplete("build-failed", "the build driver gave no answer").cause(error.to_string())
        })
    }
}

/// A clean checkout of a commit: a clone of its own, so that a backend may ask git and cannot harm the repository.
pub(crate) fn check_out(git: &Git, commit: &str, to: &Path, epoch: i64) -> Result<()> {
    git.call(["clone", "--quiet", "--local", "--no-checkout", "--config", "core.autocrlf=false"])
        .arg(git.root())
        .arg(to)
        .must("git-failed", "clone for a clean checkout")?;
    git.call_in(to, ["checkout", "--quiet", "--detach", commit])
        .must("git-failed", "check out the commit")?;
    if to.join(".gitmodules").exists() {
        git.call_in(to, ["submodule", "update", "--quiet", "--init", "--recursive"])
            .must("git-failed", "check out submodules")?;
    }
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(epoch).unwrap_or(0));
    for entry in
        walkdir::WalkDir::new(to).into_iter().filter_entry(|entry| entry.file_name() != ".git").flatten()
    {
        if entry.file_type().is_file() {
            // A time that cannot be set only makes the archive less reproducible.
            let _ = std::fs::File::options()
                .append(true)
                .open(entry.path())
                .and_then(|file| file.set_modified(time));
        }
    }
    Ok(())
}

/// A repository made from an unpacked sdist holds `PKG-INFO`, which only an sdist has. A backend that finds one
/// believes it more than the version's own place, and writes it twice into the new sdist.
fn leave_out_sdist_metadata(context: &Context<'_>, source: &Path) -> Result<()> {
    let path = source.join("PKG-INFO");
    match std::fs::remove_file(&path) {
        Ok(()) => {
            context.progress.warn(
                "`PKG-INFO` is a file of an sdist, made anew by every build; it is left out of the checkout",
            );
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", &path, &error)),
    }
}

fn install_backend(context: &Context<'_>, venv: &Venv, source: &Path) -> Result<()> {
    let python = context.python()?;
    if let Some(lock) = &context.config.build.lock {
        let arguments =
            ["--require-hashes".to_owned(), "-r".to_owned(), source.join(lock).display().to_string()];
        return python.install(venv, &arguments, &context.environment);
    }
    let path = source.join("pyproject.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let value: serde_json::Value =
        toml_edit::de::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            Error::usage("toml", "`pyproject.toml` of the commit is not valid TOML")
                .cause(error.to_string().trim_end().to_owned())
        })?;
    // PEP 518: without `build-system` the default is setuptools.
    let declared = value.pointer("/build-system/requires").and_then(serde_json::Value::as_array);
    let mut requirements: Vec<String> = match declared {
        Some(list) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        None => vec!["setuptools>=40.8.0".to_owned()],
    };
    requirements.push("build".to_owned());
    python.install(venv, &requirements, &context.environment)
}

/// PATH with a folder in front.
pub(crate) fn prepend_path(folder: &Path, environment: &crate::config::Environment) -> std::ffi::OsString {
    let rest = environment.path("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(paths).unwrap_or_else(|_| folder.as_os_str().to_owned())
}

/// The files of a folder, with digests, by filename.
pub(super) fn list(folder: &Path) -> Result<Vec<ManifestFile>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io("read", folder, &error))?;
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let (sha256, size) = Sha256::of_file(&path).map_err(|error| Error::io("read", &path, &error))?;
        files.push(ManifestFile { filename: entry.file_name().to_string_lossy().into_owned(), size, sha256 });
    }
    files.sort();
    Ok(files)
}
