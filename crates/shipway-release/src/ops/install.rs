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
    /// `==VERSION`, or nothing.
    fn pin(&self) -> String {
        self.version.map(|version| format!("=={version}")).unwrap_or_default()
    }
}

/// A place where a release is installed and tried: an environment, a home, and nothing of the user's.
#[derive(Debug)]
pub struct Trial {
    folder: tempfile::TempDir,
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
        Ok(Self { folder, venv })
    }

    /// The folder that holds it all; gone when this is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// HOME of everything run here.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Resolves from the index alone, installing nothing (row G1).
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
        let extras =
            if wanted.extras.is_empty() { String::new() } else { format!("[{}]", wanted.extras.join(",")) };
        let requirement = format!("{}{extras}{}", wanted.name, wanted.pin());
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
        let line = |one: &Installed| {
            format!("{}=={} --hash=sha256:{}\n", one.name.normalized(), one.version, one.sha256)
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
            let what = format!("pip cannot install `{}{}`", wanted.name, wanted.pin());
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
