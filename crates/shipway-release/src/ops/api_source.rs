//! Where an API is read from: a file, a folder of sources, `name==version` from the index, or a git revision.

use std::path::{Path, PathBuf};

use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::{ChannelName, ProjectName, Version};

use crate::config::ForeignChannel;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::foreign::{Endpoint, ListedFile};
use crate::ops::git::Git;
use crate::steps::build::{check_out, temporary};

/// Sources on disk; what had to be fetched goes away with it.
#[derive(Debug)]
pub struct ApiSource {
    /// A distribution file or a folder.
    pub path: PathBuf,
    /// The name that it was asked for by.
    pub label: String,
    _folder: Option<tempfile::TempDir>,
}

/// Finds what `text` names: an existing path first, then `name==version`, then a git revision.
///
/// # Errors
/// When it names nothing, or what it names cannot be fetched.
pub fn locate(context: &Context<'_>, text: &str) -> Result<ApiSource> {
    let path = Path::new(text);
    if path.exists() {
        return Ok(ApiSource { path: path.to_owned(), label: text.to_owned(), _folder: None });
    }
    if let Some((name, version)) = text.split_once("==") {
        let wrong = |error: String| {
            Error::usage("bad-source", format!("`{text}` is not `name==version`")).cause(error)
        };
        let name: ProjectName =
            name.trim().parse().map_err(|error: shipway_dist::name::NameError| wrong(error.to_string()))?;
        let version: Version =
            version.trim().parse().map_err(|error: pep440_rs::VersionParseError| wrong(error.to_string()))?;
        let channels: Vec<ChannelName> = context.config.channels.iter().rev().cloned().collect();
        return from_index(context, &name, &version, &channels);
    }
    let unknown = || {
        Error::usage("bad-source", format!("`{text}` names nothing to read an API from"))
            .cause("it is no file, no folder, no `name==version` and no git revision")
    };
    let git = Git::open(&context.config.directory, &context.environment).map_err(|_| unknown())?;
    match git.commit_of(text)? {
        Some(commit) => from_git(context, &git, &commit, text),
        None => Err(unknown()),
    }
}

/// A version of a project, from the first of the channels that has it: a wheel that any platform takes, else
/// any wheel, else the sdist.
///
/// # Errors
/// When no channel has such a version, or it cannot be downloaded.
pub fn from_index(
    context: &Context<'_>,
    name: &ProjectName,
    version: &Version,
    channels: &[ChannelName],
) -> Result<ApiSource> {
    let target = context.target()?;
    for channel in channels {
        let simple = target.simple(channel)?;
        let http = target.http(channel)?.clone();
        let endpoint = Endpoint {
            urls: ForeignChannel { upload: simple.clone(), simple },
            http,
            visible_within: crate::ops::foreign::VISIBLE_WITHIN,
        };
        let files = endpoint.files(name)?.unwrap_or_default();
        let best =
            files.iter().filter_map(|file| Some((rank(file, version)?, file))).min_by_key(|(rank, _)| *rank);
        if let Some((_, file)) = best {
            return fetch(&endpoint, file, format!("{name}=={version}"));
        }
    }
    Err(Error::refused("no-release", format!("{} has no `{name}` {version}", target.label())))
}

fn rank(file: &ListedFile, version: &Version) -> Option<u8> {
    let parsed: DistributionFilename = file.filename.parse().ok()?;
    (parsed.version == *version).then_some(match parsed.kind {
        Kind::Wheel if file.filename.ends_with("-none-any.whl") => 0,
        Kind::Wheel => 1,
        Kind::Sdist => 2,
    })
}

fn fetch(endpoint: &Endpoint, file: &ListedFile, label: String) -> Result<ApiSource> {
    let folder = temporary()?;
    let path = folder.path().join(&file.filename);
    let (found, _) = endpoint.http.download(&file.url, &path)?;
    if file.sha256.is_some_and(|expected| expected != found) {
        return Err(Error::incomplete(
            "truncated",
            format!("`{}` arrived with another digest than the index says", file.filename),
        ));
    }
    Ok(ApiSource { path, label, _folder: Some(folder) })
}

fn from_git(context: &Context<'_>, git: &Git, commit: &str, label: &str) -> Result<ApiSource> {
    let prefix = git.prefix_of(&context.config.directory)?;
    let folder = temporary()?;
    let checkout = folder.path().join("checkout");
    check_out(git, commit, &checkout, 0)?;
    Ok(ApiSource { path: checkout.join(prefix), label: label.to_owned(), _folder: Some(folder) })
}
