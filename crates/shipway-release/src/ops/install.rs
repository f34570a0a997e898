//! Installs a release into a fresh environment from exactly one index URL, and reads pip's own report of
//! what it did (pip's installation report, version 1).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shipway_dist::{ProjectName, Sha256, Version};
use url::Url;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::credentials::Credential;
use crate::ops::process::Call;
use crate::ops::python::{Python, Venv};
use crate::ops::secret::public_url;

/// One thing that pip installed.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The project.
    pub name: ProjectName,
    /// The version.
    pub version: String,
    /// Where the file came from.
    pub url: Url,
    /// The file's name.
    pub filename: String,
    /// The file's digest.
    pub sha256: Sha256,
}

/// What to install, from where.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The project.
    pub name: &'a ProjectName,
    /// The version; none for whatever a plain install takes.
    pub version: Option<&'a Version>,
    /// A file on this machine that is installed instead of the index's own, and its digest.
    pub file: Option<(&'a Path, Sha256)>,
    /// Extras.
    pub extras: &'a [String],
    /// The one index URL.
    pub simple: &'a Url,
    /// Its credential.
    pub credential: Option<&'a Credential>,
    /// Install the sdist instead of the wheel.
    pub sdist: bool,
}

impl Wanted<'_> {
    /// What pip is asked for: the name with its extras, and the version or the file.
    fn requirement(&self) -> Result<String> {
        let extras =
            if self.extras.is_empty() { String::new() } else { format!("[{}]", self.extras.join(",")) };
        Ok(match self.file {
            Some((path, sha256)) => {
                let url = Url::from_file_path(path).map_err(|()| {
                    Error::incomplete("io", format!("`{}` is not an absolute path", path.display()))
                })?;
                format!("{}{extras} @ {url}#sha256={sha256}", self.name)
            }
            None => {
                let pin = self.version.map(|version| format!("=={version}")).unwrap_or_default();
                format!("{}{extras}{pin}", self.name)
            }
        })
    }
}

/// A place where a release is installed and tried: an environment, a home, and nothing of the user's.
#[derive(Debug)]
pub struct Trial {
    folder: tempfile::TempDir,
    mark: String,
    /// The environment.
    pub venv: Venv,
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
    download_info: DownloadInfo,
}

#[derive(Deserialize)]
struct ItemMetadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: String,
    #[serde(default)]
    archive_info: ArchiveInfo,
}

#[derive(Deserialize, Default)]
struct ArchiveInfo {
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    hash: Option<String>,
}

impl Trial {
    /// Makes the place.
    ///
    /// # Errors
    /// When the environment cannot be made.
    pub fn new(python: &Python, environment: &Environment) -> Result<Self> {
        let folder = crate::steps::build::temporary()?;
        let home = folder.path().join("home");
        std::fs::create_dir(&home).map_err(|error| Error::io("create", &home, &error))?;
        let venv = python.create_venv(&folder.path().join("environment"), environment)?;
        let mark = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let trial = Self { folder, mark, venv };
        std::fs::create_dir(trial.temporary())
            .map_err(|error| Error::io("create", &trial.temporary(), &error))?;
        Ok(trial)
    }

    /// What tells the processes of this trial from others.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// TMPDIR of everything run here.
    pub fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Takes away the right to write into the environment until the guard is dropped.
    ///
    /// A superuser may write all the same, so that nothing but a comparison of digests proves that nobody did.
    pub fn protect(&self) -> Protected {
        set_writable(&self.venv.directory, false);
        let path = self.venv.directory.join("shipway-write-test");
        let holds = std::fs::write(&path, "").is_err();
        // Where it could be written it can be removed.
        let _ = std::fs::remove_file(&path);
        Protected { directory: self.venv.directory.clone(), holds }
    }

    /// The folder that holds it all; gone when this is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// HOME of everything run here.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Resolves from the index alone (the release's own file aside, where one is given), installing nothing (row G1).
    ///
    /// # Errors
    /// When pip finds no way.
    pub fn resolve(
        &self,
        python: &Python,
        environment: &Environment,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Installed>> {
        self.write_netrc(wanted)?;
        let report = self.folder().join("resolved.json");
        let requirement = wanted.requirement()?;
        let call = self
            .pip(python, environment, wanted)?
            .args(["--dry-run", "--ignore-installed", "--report"])
            .arg(&report)
            .arg(&requirement);
        let output = call.run()?;
        if !output.success() {
            // Whatever the reason (an upstream that is down looks like a missing dependency), nothing was tried.
            let what =
                format!("pip finds no way to install `{requirement}` from {}", public_url(wanted.simple));
            let error = Error::incomplete("pip-failed", what);
            return Err(output.tail(8).into_iter().fold(error, Error::cause));
        }
        read_report(&report)
    }

    /// Installs exactly what was resolved, every file by its digest, and says what came from where.
    ///
    /// # Errors
    /// When pip fails; a digest that differs is a refusal.
    pub fn install(
        &self,
        python: &Python,
        environment: &Environment,
        wanted: &Wanted<'_>,
        pinned: &[Installed],
    ) -> Result<Vec<Installed>> {
        let lock = self.folder().join("requirements.txt");
        let line = |one: &Installed| match wanted.file {
            Some((_, sha256)) if one.name == *wanted.name => {
                format!("{} @ {} --hash=sha256:{sha256}\n", one.name.normalized(), without_fragment(&one.url))
            }
            _ => format!("{}=={} --hash=sha256:{}\n", one.name.normalized(), one.version, one.sha256),
        };
        let text: String = pinned.iter().map(line).collect();
        std::fs::write(&lock, text).map_err(|error| Error::io("write", &lock, &error))?;
        let report = self.folder().join("installed.json");
        let call = self
            .pip(python, environment, wanted)?
            .args(["--require-hashes", "--no-deps", "--report"])
            .arg(&report)
            .arg("-r")
            .arg(&lock);
        let output = call.run()?;
        if !output.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let what = format!("pip cannot install `{}`", wanted.requirement()?);
            let is_verdict = text.contains("DO NOT MATCH THE HASHES") || text.contains("Failed building");
            let error = if is_verdict {
                Error::refused("not-installable", what)
            } else {
                Error::incomplete("pip-failed", what)
            };
            return Err(output.tail(8).into_iter().fold(error, Error::cause));
        }
        read_report(&report)
    }

    /// pip with one index URL and nothing of the user's: no configuration, no cache, another HOME.
    fn pip<'a>(
        &'a self,
        python: &Python,
        environment: &Environment,
        wanted: &Wanted<'_>,
    ) -> Result<Call<'a>> {
        let call = python
            .pip(&self.venv, self.folder())?
            .args([
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
                "--no-cache-dir",
                "--index-url",
            ])
            .arg(public_url(wanted.simple).as_str())
            .allowed(environment)
            .env("HOME", self.home())
            .env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" })
            .env("PYTHONNOUSERSITE", "1");
        // pip lets REQUESTS_CA_BUNDLE win over its own setting.
        let call = match environment.path("PIP_CERT").or(environment.path("SSL_CERT_FILE")) {
            Some(path) => call.without("REQUESTS_CA_BUNDLE").env("PIP_CERT", path),
            None => call,
        };
        let call = call.proxies(environment);
        if !wanted.sdist {
            return Ok(call);
        }
        Ok(call.arg("--no-binary").arg(wanted.name.normalized()))
    }

    /// The credential goes where pip looks and nobody else does: never into an argument.
    fn write_netrc(&self, wanted: &Wanted<'_>) -> Result<()> {
        let (Some(credential), Some(host)) = (wanted.credential, wanted.simple.host_str()) else {
            return Ok(());
        };
        let path = self.home().join(".netrc");
        let text =
            format!("machine {host}\nlogin {}\npassword {}\n", credential.user, credential.secret.expose());
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|error| Error::io("write", &path, &error))
    }

    /// Takes the credential away before anything of the release runs.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_credential(&self) -> Result<()> {
        let path = self.home().join(".netrc");
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &path, &error)),
        }
    }
}

/// An environment that may not be written into for now.
#[derive(Debug)]
pub struct Protected {
    directory: PathBuf,
    /// Whether the system refuses to write there; it does not for a superuser.
    pub holds: bool,
}

impl Drop for Protected {
    fn drop(&mut self) {
        set_writable(&self.directory, true);
    }
}

#[cfg(unix)]
fn set_writable(directory: &Path, writable: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in walkdir::WalkDir::new(directory).into_iter().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_symlink() {
            continue;
        }
        let mode = metadata.permissions().mode();
        let mode = if writable { mode | 0o200 } else { mode & !0o222 };
        // What cannot be changed is found by the comparison of digests.
        let _ = std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode));
    }
}

#[cfg(not(unix))]
fn set_writable(_directory: &Path, _writable: bool) {}

fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

fn read_report(path: &Path) -> Result<Vec<Installed>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let bad =
        |why: String| Error::incomplete("pip-report", "pip's installation report cannot be read").cause(why);
    let report: Report = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let mut installed = Vec::new();
    for item in report.install {
        let url: Url =
            item.download_info.url.parse().map_err(|error: url::ParseError| bad(error.to_string()))?;
        let archive = &item.download_info.archive_info;
        let from_old_key = archive.hash.as_deref().and_then(|text| text.strip_prefix("sha256="));
        let sha256 = archive.hashes.get("sha256").map(String::as_str).or(from_old_key);
        let sha256 = sha256
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| bad(format!("no sha256 for `{}`", item.metadata.name)))?;
        let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
        let filename = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
        installed.push(Installed {
            name: item
                .metadata
                .name
                .parse()
                .map_err(|error: shipway_dist::name::NameError| bad(error.to_string()))?,
            version: item.metadata.version,
            filename,
            sha256,
            url,
        });
    }
    Ok(installed)
}
