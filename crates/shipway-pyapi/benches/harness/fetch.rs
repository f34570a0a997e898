//! Releases of real projects, fetched by the ordinary pip and kept in a folder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The file of a release, downloaded unless it is there.
pub(crate) fn fetch(package: &str, version: &str, cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join(format!("{}-{version}", package.to_lowercase()));
    let present = || std::fs::read_dir(&folder).ok()?.filter_map(Result::ok).map(|entry| entry.path()).next();
    if let Some(path) = present() {
        return Ok(path);
    }
    std::fs::create_dir_all(cache).map_err(|error| error.to_string())?;
    // Several processes may want the same release: each loads it apart, the first to finish gives it its name.
    let loading = tempfile::tempdir_in(cache).map_err(|error| error.to_string())?;
    let attempts: [&[&str]; 4] = [
        &["--only-binary", ":all:"],
        &["--only-binary", ":all:", "--python-version", "3.8"],
        &["--only-binary", ":all:", "--python-version", "2.7"],
        &["--no-binary", ":all:"],
    ];
    for options in attempts {
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "-d"])
            .arg(loading.path())
            .args(options)
            .arg(format!("{package}=={version}"))
            .status();
        if status.is_ok_and(|status| status.success()) {
            break;
        }
    }
    let _ = std::fs::rename(loading.path(), &folder);
    present().ok_or_else(|| format!("{package} {version} cannot be downloaded"))
}
