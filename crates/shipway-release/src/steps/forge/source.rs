//! What stands in the repository at a commit, read through the forge: versions, and what a release may touch.

use std::cell::RefCell;
use std::collections::BTreeMap;

use shipway_dist::{Globs, Version};

use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::{Forge, PullRequest};
use crate::ops::git::Git;
use crate::version::find_places;

/// The head of a release branch's name.
pub(crate) const RELEASE_BRANCH: &str = "release/v";

/// Reads the repository at commits; what was read once is not asked for again.
pub(crate) struct Source<'a> {
    context: &'a Context<'a>,
    forge: &'a dyn Forge,
    prefix: String,
    versions: RefCell<BTreeMap<String, Declared>>,
}

/// Where the project stands in its repository: empty at its top, else with a final slash.
pub(crate) fn prefix_of(context: &Context<'_>) -> Result<String> {
    match Git::open(&context.config.directory, &context.environment) {
        Ok(git) => git.prefix_of(&context.config.directory),
        // Without a clone the project is taken to stand at the top of the repository.
        Err(_) => Ok(String::new()),
    }
}

/// The version that a commit declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Every place says so.
    Version(Version),
    /// There is none, or the places disagree; why.
    Unclear(String),
}

impl Declared {
    pub(crate) fn version(&self) -> Option<&Version> {
        match self {
            Self::Version(version) => Some(version),
            Self::Unclear(_) => None,
        }
    }
}

impl Declared {
    /// Whether it is this version, written the same way: `1.4` and `1.4.0` are equal and give different tags.
    pub(crate) fn is(&self, version: &Version) -> bool {
        self.version().is_some_and(|own| own.to_string() == version.to_string())
    }
}

impl std::fmt::Display for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => write!(f, "`{version}`"),
            Self::Unclear(why) => write!(f, "unclear ({why})"),
        }
    }
}

impl<'a> Source<'a> {
    pub(crate) fn new(context: &'a Context<'a>, forge: &'a dyn Forge) -> Result<Self> {
        let prefix = prefix_of(context)?;
        Ok(Self { context, forge, prefix, versions: RefCell::default() })
    }

    /// The version that a commit declares, in all its places.
    ///
    /// # Errors
    /// When the forge does not say.
    pub(crate) fn version_at(&self, commit: &str) -> Result<Declared> {
        if let Some(known) = self.versions.borrow().get(commit) {
            return Ok(known.clone());
        }
        let failed = RefCell::new(None);
        let files: RefCell<BTreeMap<String, Option<Vec<u8>>>> = RefCell::default();
        let read = |path: &str| {
            if let Some(known) = files.borrow().get(path) {
                return Ok(known.clone());
            }
            match self.forge.file(&format!("{}{path}", self.prefix), commit) {
                Ok(blob) => {
                    let bytes = blob.map(|blob| blob.bytes);
                    files.borrow_mut().insert(path.to_owned(), bytes.clone());
                    Ok(bytes)
                }
                Err(error) => {
                    let copy = crate::error::Error::incomplete(error.code(), error.to_string());
                    *failed.borrow_mut() = Some(error);
                    Err(copy)
                }
            }
        };
        let found = find_places(&read, &self.context.config.version_files);
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        let declared = match found {
            Ok(places) => declared(&places),
            Err(error) => Declared::Unclear(error.to_string()),
        };
        self.versions.borrow_mut().insert(commit.to_owned(), declared.clone());
        Ok(declared)
    }

    /// The version where the branch of a pull request began, and at its tip: what it changes by itself, however it
    /// is merged.
    ///
    /// # Errors
    /// When the forge does not say.
    pub(crate) fn versions_of(&self, pull_request: &PullRequest) -> Result<(Declared, Declared)> {
        let (base, head) = (&pull_request.base.sha, &pull_request.head.sha);
        let began = self.forge.compare(base, head)?.map(|one| one.merge_base_commit.sha);
        let began = began.unwrap_or_else(|| base.clone());
        Ok((self.version_at(&began)?, self.version_at(head)?))
    }

    /// Those of the paths that a release pull request may not touch (row B11).
    pub(crate) fn foreign<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<&'p str> {
        let config = &self.context.config;
        let own = ["pyproject.toml", "uv.lock"].into_iter().map(str::to_owned);
        let allowed: Vec<String> = own
            .chain(config.version_files.iter().cloned())
            .chain(config.changelog.clone())
            .map(|path| format!("{}{path}", self.prefix))
            .collect();
        // The configuration refused what is no glob.
        let more = Globs::new(config.forge.allow.iter().map(String::as_str)).ok();
        let is_allowed = |path: &str| {
            let below = path.strip_prefix(self.prefix.as_str());
            allowed.iter().any(|one| one == path)
                || below.is_some_and(|path| more.as_ref().is_some_and(|more| more.is_match(path)))
        };
        paths.into_iter().filter(|path| !is_allowed(path)).collect()
    }
}

fn declared(places: &[crate::version::Place]) -> Declared {
    let Some(first) = places.first() else { return Declared::Unclear("no place declares it".to_owned()) };
    if let Some(other) = places.iter().find(|place| place.value != first.value) {
        return Declared::Unclear(format!(
            "`{}` says `{}`, `{}` says `{}`",
            first.path, first.value, other.path, other.value
        ));
    }
    match first.value.parse() {
        Ok(version) => Declared::Version(version),
        Err(_) => Declared::Unclear(format!("`{}` is no version", first.value)),
    }
}

/// The version in the name of a release branch, which must be written as versions are.
pub(crate) fn version_of_branch(branch: &str) -> std::result::Result<Version, String> {
    let Some(text) = branch.strip_prefix(RELEASE_BRANCH) else {
        return Err(format!("`{branch}` does not begin with `{RELEASE_BRANCH}`"));
    };
    match text.parse::<Version>() {
        Ok(version) if version.to_string() == text => Ok(version),
        Ok(version) => Err(format!("`{branch}` writes the version `{version}` as `{text}`")),
        Err(_) => Err(format!("`{branch}` names no version")),
    }
}

/// Whether a branch says that it is a release branch, rightly or not.
pub(crate) fn claims_release(branch: &str) -> bool {
    branch.starts_with("release/")
}
