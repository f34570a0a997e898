//! Filenames of distributions (binary distribution format, PEP 625).

use std::str::FromStr;

use pep440_rs::Version;

use crate::name::ProjectName;

/// Which kind of distribution a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A wheel, `.whl`.
    Wheel,
    /// A source distribution, `.tar.gz`.
    Sdist,
}

/// A parsed filename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionFilename {
    /// The filename as given.
    pub filename: String,
    /// Wheel or sdist.
    pub kind: Kind,
    /// The project.
    pub name: ProjectName,
    /// The name part exactly as it stands in the filename.
    pub name_part: String,
    /// The version.
    pub version: Version,
    /// The version part exactly as it stands in the filename.
    pub version_part: String,
    /// The build tag of a wheel.
    pub build: Option<String>,
    /// Python, ABI and platform tags of a wheel, each a compressed set (`py2.py3`); empty for an sdist.
    pub tags: [String; 3],
}

/// A text that is no filename of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{filename}` is no filename of a distribution: {why}")]
pub struct FilenameError {
    /// The offending filename.
    pub filename: String,
    /// The part that failed.
    pub why: String,
}

impl FromStr for DistributionFilename {
    type Err = FilenameError;

    fn from_str(filename: &str) -> Result<Self, FilenameError> {
        let error =
            |why: &str| FilenameError { filename: filename.chars().take(300).collect(), why: why.to_owned() };
        if filename.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) || filename.starts_with('.') {
            return Err(error("it holds a control character or a path separator, or starts with a dot"));
        }
        if let Some(stem) = filename.strip_suffix(".whl") {
            Self::wheel(filename, stem)
        } else if let Some(stem) = filename.strip_suffix(".tar.gz") {
            Self::sdist(filename, stem)
        } else {
            Err(error("expected `.whl` or `.tar.gz`"))
        }
    }
}

impl DistributionFilename {
    fn wheel(filename: &str, stem: &str) -> Result<Self, FilenameError> {
        let error = |why: String| FilenameError { filename: filename.to_owned(), why };
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts[..] {
            [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
            [name, version, build, python, abi, platform] => {
                (name, version, Some(build), [python, abi, platform])
            }
            _ => return Err(error(format!("a wheel has five or six parts, this has {}", parts.len()))),
        };
        if build.is_some_and(|build| !build.starts_with(|c: char| c.is_ascii_digit())) {
            return Err(error(format!(
                "build tag `{}` does not begin with a digit",
                build.unwrap_or_default()
            )));
        }
        if let Some(tag) = tags.iter().find(|tag| tag.split('.').any(str::is_empty)) {
            return Err(error(format!("tag `{tag}` has an empty part")));
        }
        Ok(Self {
            filename: filename.to_owned(),
            kind: Kind::Wheel,
            name: name.parse().map_err(|e: crate::name::NameError| error(e.to_string()))?,
            name_part: name.to_owned(),
            version: parse_version(version).map_err(error)?,
            version_part: version.to_owned(),
            build: build.map(str::to_owned),
            tags: tags.map(str::to_owned),
        })
    }

    fn sdist(filename: &str, stem: &str) -> Result<Self, FilenameError> {
        let error = |why: String| FilenameError { filename: filename.to_owned(), why };
        let (name, version) =
            stem.rsplit_once('-').ok_or_else(|| error("expected `{name}-{version}.tar.gz`".to_owned()))?;
        Ok(Self {
            filename: filename.to_owned(),
            kind: Kind::Sdist,
            name: name.parse().map_err(|e: crate::name::NameError| error(e.to_string()))?,
            name_part: name.to_owned(),
            version: parse_version(version).map_err(error)?,
            version_part: version.to_owned(),
            build: None,
            tags: [const { String::new() }; 3],
        })
    }
}

fn parse_version(text: &str) -> Result<Version, String> {
    text.parse().map_err(|e: pep440_rs::VersionParseError| format!("version `{text}`: {e}"))
}
