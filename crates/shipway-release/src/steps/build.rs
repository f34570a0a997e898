//! Builds a commit once: a clean checkout, the project's own backend, one sdist and at least one wheel.
//!
//! The wheel is made from the sdist. The backend sees no credential, a fixed umask, locale and
//! `SOURCE_DATE_EPOCH`, and files whose times are the commit's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::{Manifest, ManifestFile, Sha256, manifest};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::git::Git;
use crate::ops::process::{Call, crash_point, fix_umask};
use crate::ops::python::Venv;
use crate::version::find_places;

const DRIVER: &str = include_str!("../ops/python_scripts/build_driver.py");

/// What is asked for.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The commit, by any name that git knows.
    pub commit: String,
    /// Where the files go, relative to the project.
    pub out: PathBuf,
    /// Only say what would be built.
    pub dry_run: bool,
}

/// What a build made.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The manifest; none in a dry run that found nothing built.
    pub manifest: Option<Manifest>,
    /// The commit.
    pub commit: String,
    /// Where the files are.
    pub out: PathBuf,
    /// Whether these files were there already.
    pub already: bool,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// Builds, unless the manifest says that exactly this commit is built and the files are unchanged.
///
/// # Errors
/// When the commit does not exist, the backend fails, or what it made is not the project's release.
pub fn build(context: &Context<'_>, request: &BuildRequest) -> Result<BuildReport> {
    let git = context.repository()?;
    let Some(commit) = git.commit_of(&request.commit)? else {
        return Err(Error::usage(
            "no-commit",
            format!("`{}` is no commit of this repository", request.commit),
        ));
    };
    let out = context.config.directory.join(&request.out);
    let report = |manifest, already| BuildReport {
        manifest,
        commit: commit.clone(),
        out: out.clone(),
        already,
        dry_run: request.dry_run,
    };
    if let Some(manifest) = built(context, &commit, &out)? {
        return Ok(report(Some(manifest), true));
    }
    if request.dry_run {
        context.python()?;
        return Ok(report(None, false));
    }
    let clocked = Clocked::start(context);
    let folder = temporary()?;
    let made = make(context, &git, &commit, folder.path())?;
    let before = read_manifest(context).ok().flatten();
    remove_manifest(context)?;
    crash_point(&context.environment, "build.made");
    clear(context, &out, before.as_ref())?;
    place_files(&out, &made)?;
    crash_point(&context.environment, "build.placed");
    let manifest = made.manifest;
    write_manifest(context, &manifest)?;
    let detail = json!({ "sourceDateEpoch": manifest.source_date_epoch, "tree": manifest.tree });
    let statement = clocked.step("build", &manifest, Verdict::Passed, Found { detail, ..Found::default() });
    evidence::keep(context, &manifest.version.to_string(), &statement)?;
    Ok(report(Some(manifest), false))
}

/// Takes a release that the index holds back from there, when its files are not here: a commit is built once, also
/// when the machine that built it is gone.
///
/// # Errors
/// When the index holds the version from another commit, or a file cannot be had.
pub fn restore(
    context: &Context<'_>,
    version: &shipway_dist::Version,
    commit: &str,
    out: &Path,
) -> Result<()> {
    let out = context.config.directory.join(out);
    if built(context, commit, &out)?.is_some() {
        return Ok(());
    }
    let target = context.target()?;
    let Some(record) = target.project(&context.config.name)? else { return Ok(()) };
    let same = |one: &&shipway_dist::wire::ReleaseRecord| {
        one.version.parse::<shipway_dist::Version>().is_ok_and(|found| found == *version)
    };
    let Some(release) = record.releases.iter().find(same) else { return Ok(()) };
    if let Some(other) = release.commit.as_ref().filter(|other| *other != commit) {
        return Err(Error::refused("other-commit", format!("the index holds {version} from another commit"))
            .cause(format!("at the index `{other}`, to be released `{commit}`"))
            .hint("a version is cut once; release the next one"));
    }
    let git = Git::open(&context.config.directory, &context.environment)?;
    let epoch: i64 = git.read(["show", "--no-patch", "--format=%ct", commit])?.parse().unwrap_or(0);
    let folder = temporary()?;
    let mut files = Vec::new();
    let channel = release.channels.first().unwrap_or(context.config.first_channel());
    for file in &release.files {
        let path = folder.path().join(&file.filename);
        let url = super::publish::file_url(target, &file.url)?;
        let (sha256, size) = target.http(channel)?.download(&url, &path)?;
        if sha256 != file.sha256 {
            return Err(Error::refused(
                "bytes-differ",
                format!("the index gives other bytes for `{}`", file.filename),
            ));
        }
        files.push(ManifestFile { filename: file.filename.clone(), size, sha256 });
    }
    files.sort();
    let manifest = Manifest {
        schema: manifest::SCHEMA.to_owned(),
        ok: true,
        project: context.config.name.clone(),
        version: version.clone(),
        commit: commit.to_owned(),
        tree: git.read(["rev-parse", &format!("{commit}^{{tree}}")])?,
        run: None,
        attempt: None,
        source_date_epoch: epoch,
        tools: BTreeMap::from([("restored-from".to_owned(), target.label())]),
        files,
    };
    let before = read_manifest(context).ok().flatten();
    remove_manifest(context)?;
    clear(context, &out, before.as_ref())?;
    let made = Made { manifest, folder: folder.path().to_owned() };
    place_files(&out, &made)?;
    write_manifest(context, &made.manifest)?;
    context
        .progress
        .done("restore", &format!("{} files of {version} from the index", made.manifest.files.len()));
    Ok(())
}

/// The manifest in `.shipway/manifest.json`.
///
/// # Errors
/// When it exists and cannot be read.
pub fn read_manifest(context: &Context<'_>) -> Result<Option<Manifest>> {
    let path = context.records().join("manifest.json");
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| {
        Error::refused("manifest", format!("`{}` is not a manifest", path.display()))
            .cause(error.to_string())
            .hint("shipway build")
    })?;
    if manifest.schema != manifest::SCHEMA {
        return Err(Error::refused(
            "manifest",
            format!("`{}` has schema `{}`, expected `{}`", path.display(), manifest.schema, manifest::SCHEMA),
        ));
    }
    Ok(Some(manifest))
}

/// The manifest, which must exist and agree with the files in `out` byte for byte.
///
/// # Errors
/// When there is none, or a file is missing or changed.
pub fn require_manifest(context: &Context<'_>, out: &Path) -> Result<Manifest> {
    let Some(manifest) = read_manifest(context)? else {
        return Err(Error::refused("no-manifest", "nothing is built").hint("shipway build"));
    };
    let mut errors = Vec::new();
    for file in &manifest.files {
        let path = out.join(&file.filename);
        match Sha256::of_file(&path) {
            Ok((sha256, _)) if sha256 == file.sha256 => {}
            Ok((sha256, _)) => errors.push(
                Error::refused("manifest-mismatch", format!("`{}` is not what was built", file.filename))
                    .cause(format!("manifest sha256 `{}`, file sha256 `{sha256}`", file.sha256))
                    .hint("shipway build"),
            ),
            Err(error) => errors.push(
                Error::refused("manifest-mismatch", format!("cannot read `{}`", path.display()))
                    .cause(error.to_string())
                    .hint("shipway build"),
            ),
        }
    }
    if errors.is_empty() {
        Ok(manifest)
    } else {
        Err(Error::several("the files differ from the manifest", errors))
    }
}

fn built(context: &Context<'_>, commit: &str, out: &Path) -> Result<Option<Manifest>> {
    let manifest = read_manifest(context).ok().flatten().filter(|manifest| manifest.commit == commit);
    let same = |file: &ManifestFile| {
        Sha256::of_file(&out.join(&file.filename)).is_ok_and(|(found, _)| found == file.sha256)
    };
    Ok(manifest.filter(|manifest| manifest.files.iter().all(same)))
}

struct Made {
    manifest: Manifest,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Answer {
    backend: String,
    tools: BTreeMap<String, String>,
}

fn make(context: &Context<'_>, git: &Git, commit: &str, folder: &Path) -> Result<Made> {
    fix_umask();
    let task = context.progress.begin("preparing a clean checkout");
    let prefix = git.prefix_of(&context.config.directory)?;
    let epoch: i64 = git.read(["show", "--no-patch", "--format=%ct", commit])?.parse().unwrap_or(0);
    let tree = git.read(["rev-parse", &format!("{commit}^{{tree}}")])?;
    let checkout = folder.join("checkout");
    check_out(git, commit, &checkout, epoch)?;
    let source = if prefix.is_empty() { checkout.clone() } else { checkout.join(&prefix) };
    leave_out_sdist_metadata(context, &source)?;
    task.update("installing the build backend");
    let python = context.python()?;
    let venv = python.create_venv(&folder.join("environment"), &context.environment)?;
    install_backend(context, &venv, &source)?;
    let driver = folder.join("build_driver.py");
    std::fs::write(&driver, DRIVER).map_err(|error| Error::io("write", &driver, &error))?;
    let requires: Vec<String> =
        run_driver(context, &venv, &source, epoch, &driver, &["requires".as_ref()], folder)?;
    if !requires.is_empty() && context.config.build_lock.is_none() {
        python.install(&venv, &requires, &context.environment)?;
    }
    task.update("building the sdist and the wheel");
    let out = folder.join("dist");
    std::fs::create_dir(&out).map_err(|error| Error::io("create", &out, &error))?;
    let arguments = ["build".as_ref(), out.as_os_str()];
    let answer: Answer = run_driver(context, &venv, &source, epoch, &driver, &arguments, folder)?;
    drop(task);
    let mut tools = answer.tools;
    tools.insert("python".to_owned(), python.version.clone());
    tools.insert("shipway".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    tools.insert("build-backend".to_owned(), answer.backend);
    let files = list(&out)?;
    let version = judge(context, git, commit, &prefix, &files)?;
    let environment = &context.environment;
    let manifest = Manifest {
        schema: manifest::SCHEMA.to_owned(),
        ok: true,
        project: context.config.name.clone(),
        version,
        commit: commit.to_owned(),
        tree,
        run: environment.get("GITHUB_RUN_ID").map(str::to_owned),
        attempt: environment.get("GITHUB_RUN_ATTEMPT").and_then(|text| text.parse().ok()),
        source_date_epoch: epoch,
        tools,
        files,
    };
    Ok(Made { manifest, folder: out })
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
    if let Some(lock) = &context.config.build_lock {
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

fn run_driver<T: serde::de::DeserializeOwned>(
    context: &Context<'_>,
    venv: &Venv,
    source: &Path,
    epoch: i64,
    driver: &Path,
    arguments: &[&std::ffi::OsStr],
    folder: &Path,
) -> Result<T> {
    let answer = folder.join("answer.json");
    let (what, rest) = arguments.split_first().map_or(("".as_ref(), &[][..]), |(what, rest)| (*what, rest));
    let call = Call::new(&venv.python, source)
        .allowed(&context.environment)
        .env("PATH", prepend_path(&venv.scripts, &context.environment))
        .env("VIRTUAL_ENV", &venv.directory)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .env("PYTHONHASHSEED", "0")
        .arg(driver)
        .arg(what)
        .arg(source)
        .args(rest)
        .arg(&answer);
    let output = call.run()?;
    if !output.success() {
        let error = Error::refused("build-failed", "the build backend failed").cause(output.ending());
        return Err(output.tail(20).into_iter().fold(error, Error::cause));
    }
    let bytes = std::fs::read(&answer).map_err(|error| Error::io("read", &answer, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::incomplete("build-failed", "the build driver gave no answer").cause(error.to_string())
    })
}

/// PATH with a folder in front.
pub(crate) fn prepend_path(folder: &Path, environment: &crate::config::Environment) -> std::ffi::OsString {
    let rest = environment.path("PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(paths).unwrap_or_else(|_| folder.as_os_str().to_owned())
}

fn list(folder: &Path) -> Result<Vec<ManifestFile>> {
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

/// One sdist, at least one wheel, all of this project and of the version that the commit says.
fn judge(
    context: &Context<'_>,
    git: &Git,
    commit: &str,
    prefix: &str,
    files: &[ManifestFile],
) -> Result<shipway_dist::Version> {
    let refuse =
        |why: String| Error::refused("wrong-build", "the backend did not build this release").cause(why);
    let mut parsed = Vec::new();
    for file in files {
        parsed
            .push(file.filename.parse::<DistributionFilename>().map_err(|error| refuse(error.to_string()))?);
    }
    let count = |kind| parsed.iter().filter(|one| one.kind == kind).count();
    if count(Kind::Sdist) != 1 || count(Kind::Wheel) == 0 {
        return Err(refuse(format!(
            "expected one sdist and a wheel, found {} and {}",
            count(Kind::Sdist),
            count(Kind::Wheel)
        )));
    }
    let version = parsed[0].version.clone();
    for one in &parsed {
        if one.name != context.config.name {
            return Err(refuse(format!(
                "`{}` is a file of `{}`, not of `{}`",
                one.filename, one.name, context.config.name
            )));
        }
        if one.version != version {
            return Err(refuse(format!(
                "`{}` has version `{}`, another file has `{version}`",
                one.filename, one.version
            )));
        }
    }
    let read = |path: &str| git.show(commit, &format!("{prefix}{path}"));
    if let Ok(places) = find_places(&read, &context.config.version_files) {
        let declared = places[0].value.parse::<shipway_dist::Version>();
        if declared.as_ref().is_ok_and(|declared| *declared != version) {
            return Err(refuse(format!(
                "the files have version `{version}`, `{}` says `{}`",
                places[0].path, places[0].value
            )));
        }
    }
    Ok(version)
}

fn remove_manifest(context: &Context<'_>) -> Result<()> {
    let path = context.records().join("manifest.json");
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", &path, &error)),
    }
}

/// Empties `out`: what an earlier build made goes, anything else is kept aside.
fn clear(context: &Context<'_>, out: &Path, before: Option<&Manifest>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else { return Ok(()) };
    let aside = context.records().join("kept").join((context.clock)().as_millisecond().to_string());
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = |file: &ManifestFile| {
            entry.file_name().to_str() == Some(&file.filename)
                && Sha256::of_file(&path).is_ok_and(|(found, _)| found == file.sha256)
        };
        let result = if before.is_some_and(|manifest| manifest.files.iter().any(ours)) {
            std::fs::remove_file(&path)
        } else {
            context.progress.warn(&format!(
                "`{}` is no file of this build; moved to `{}`",
                path.display(),
                aside.display()
            ));
            std::fs::create_dir_all(&aside)
                .and_then(|()| std::fs::rename(&path, aside.join(entry.file_name())))
        };
        result.map_err(|error| Error::io("move", &path, &error))?;
    }
    Ok(())
}

fn place_files(out: &Path, made: &Made) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io("create", out, &error))?;
    for file in &made.manifest.files {
        let (from, to) = (made.folder.join(&file.filename), out.join(&file.filename));
        std::fs::copy(&from, &to).map_err(|error| Error::io("write", &to, &error))?;
    }
    Ok(())
}

fn write_manifest(context: &Context<'_>, manifest: &Manifest) -> Result<()> {
    let folder = context.records();
    let path = folder.join("manifest.json");
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, manifest)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))
}

/// A temporary folder, removed when it is dropped.
pub(crate) fn temporary() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("shipway-")
        .tempdir()
        .map_err(|error| Error::io("create", &std::env::temp_dir(), &error))
}
