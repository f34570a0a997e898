//! The environment that gates are run with where nothing is installed beforehand, as in a CI job: hash-locked
//! requirements of the project, and the built wheel itself (row C10).

use std::path::Path;

use shipway_dist::Manifest;

use crate::config::Environment;
use crate::context::Context;
use crate::error::{Error, Result};

/// An environment of its own, removed when it is dropped.
pub struct GateEnvironment {
    /// The variables of the run, its programs first on the path.
    pub environment: Environment,
    _folder: tempfile::TempDir,
}

/// Makes a fresh environment, installs the requirements (each needs a hash) and the one wheel of the manifest.
///
/// # Errors
/// When a requirement has no hash or another, or an installer fails.
pub fn prepare(
    context: &Context<'_>,
    manifest: &Manifest,
    dist: &Path,
    requirements: &Path,
) -> Result<GateEnvironment> {
    let place = context.config.directory.join(requirements);
    if !place.is_file() {
        let text = format!("there is no requirements file `{}`", requirements.display());
        return Err(Error::usage("no-requirements", text)
            .hint("pip-compile --generate-hashes, or: uv pip compile --generate-hashes"));
    }
    let folder = super::build::temporary()?;
    let python = context.python()?;
    let task = context.progress.begin(&format!("installing {}", requirements.display()));
    let venv = python.create_venv(&folder.path().join("gates"), &context.environment)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let locked = ["--require-hashes".to_owned(), "-r".to_owned(), text(&place)];
    python.install(&venv, &locked, &context.environment).map_err(|error| {
        error.hint(format!(
            "every line of `{}` needs `--hash`: pip-compile --generate-hashes",
            requirements.display()
        ))
    })?;
    // Of several wheels the one that fits this machine is the installer's to find; the sources are never built here.
    if manifest.files.iter().any(|file| file.filename.ends_with(".whl")) {
        let requirement = format!("{}=={}", manifest.project.normalized(), manifest.version);
        let own = ["--no-deps", "--no-index", "--find-links"].map(str::to_owned);
        let own =
            own.into_iter().chain([text(dist), "--only-binary".to_owned(), ":all:".to_owned(), requirement]);
        python.install(&venv, &own.collect::<Vec<_>>(), &context.environment)?;
    }
    drop(task);
    let mut paths = vec![venv.scripts.clone()];
    if let Some(path) = context.environment.path("PATH") {
        paths.extend(std::env::split_paths(&path));
    }
    let path = std::env::join_paths(paths).map_err(|error| {
        Error::incomplete("path", "the path of programs cannot be made").cause(error.to_string())
    })?;
    let environment =
        context.environment.clone().with("PATH", path).with("VIRTUAL_ENV", venv.directory.as_os_str());
    Ok(GateEnvironment { environment, _folder: folder })
}
