//! How a version grows under the configured scheme.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Prerelease, PrereleaseKind, Version};

use crate::config::Scheme;
use crate::error::{Error, Result};

/// What to bump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The first number.
    Major,
    /// The second number.
    Minor,
    /// The third number.
    Patch,
    /// The next alpha, beta or candidate of the same release.
    Pre(PrereleaseKind),
    /// The release that the pre-releases led to.
    Final,
    /// The next post-release.
    Post,
    /// The next development release.
    Dev,
    /// As much as the API and contract verdict asks for.
    Auto,
    /// Exactly this version.
    Exact(String),
}

impl FromStr for Level {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text {
            "major" => Self::Major,
            "minor" => Self::Minor,
            "patch" | "micro" | "fix" => Self::Patch,
            "alpha" | "a" => Self::Pre(PrereleaseKind::Alpha),
            "beta" | "b" => Self::Pre(PrereleaseKind::Beta),
            "rc" => Self::Pre(PrereleaseKind::Rc),
            "final" => Self::Final,
            "post" => Self::Post,
            "dev" => Self::Dev,
            "auto" => Self::Auto,
            other => Self::Exact(other.to_owned()),
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Patch => "patch",
            Self::Pre(PrereleaseKind::Alpha) => "alpha",
            Self::Pre(PrereleaseKind::Beta) => "beta",
            Self::Pre(PrereleaseKind::Rc) => "rc",
            Self::Final => "final",
            Self::Post => "post",
            Self::Dev => "dev",
            Self::Auto => "auto",
            Self::Exact(text) => text,
        })
    }
}

/// Reads a version that the user gave.
///
/// # Errors
/// When it is malformed under the scheme, with the offending text.
pub fn parse_new(text: &str, scheme: Scheme) -> Result<Version> {
    let error = |why: String| {
        Err(Error::usage(
            "malformed-version",
            format!("`{text}` is not a version under the scheme `{}`", name(scheme)),
        )
        .cause(why)
        .hint("give `major`, `minor`, `patch` or a full version such as `1.4.0`"))
    };
    let version = match (text.is_ascii(), text.parse::<Version>()) {
        (true, Ok(version)) => version,
        (false, _) => return error("it holds characters other than ASCII".to_owned()),
        (true, Err(why)) => return error(why.to_string()),
    };
    if version.to_string() != text {
        return error(format!("its canonical form is `{version}`"));
    }
    if !version.local().is_empty() {
        return error("a local version (`+…`) is never released".to_owned());
    }
    match scheme {
        Scheme::Semver if version.release().len() != 3 || version.epoch() != 0 => {
            error(format!("expected three numbers `X.Y.Z`, found {}", version.release().len()))
        }
        Scheme::Calver if version.release().len() < 2 => {
            error("expected at least a year and a number".to_owned())
        }
        Scheme::Semver | Scheme::Calver | Scheme::Pep440 => Ok(version),
    }
}

/// Reads the version that the project has now; under `pep440` it need not be canonical.
///
/// # Errors
/// When it is malformed under the scheme, with the offending text.
pub fn parse_current(text: &str, scheme: Scheme) -> Result<Version> {
    if scheme == Scheme::Pep440
        && let Ok(version) = text.parse::<Version>()
    {
        return Ok(version);
    }
    parse_new(text, scheme).map_err(|error| {
        let why = error.problems().iter().flat_map(|problem| problem.causes.clone()).collect::<Vec<_>>();
        let error = Error::refused(
            "malformed-version",
            format!("the project's version is `{text}`, which is malformed"),
        );
        why.into_iter()
            .fold(error, Error::cause)
            .hint("set `version.scheme = \"pep440\"` in the configuration, or correct the version")
    })
}

fn name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Semver => "semver",
        Scheme::Pep440 => "pep440",
        Scheme::Calver => "calver",
    }
}

/// Computes the next version.
///
/// `today` is year, month and day, for calendar versions.
///
/// # Errors
/// When the level does not fit the current version, or the result does not increase.
pub fn next(
    current: &Version,
    level: &Level,
    pre: Option<PrereleaseKind>,
    scheme: Scheme,
    major_on_zero: bool,
    today: (i16, i8, i8),
) -> Result<Version> {
    let version = match level {
        Level::Exact(text) => parse_new(text, scheme)?,
        Level::Major | Level::Minor | Level::Patch => {
            let version = match scheme {
                Scheme::Calver => next_calendar(current, today),
                Scheme::Semver | Scheme::Pep440 => next_release(current, level, major_on_zero),
            };
            version.with_pre(pre.map(|kind| Prerelease { kind, number: 1 }))
        }
        Level::Pre(kind) => match current.pre() {
            Some(before) if before.kind == *kind => {
                release_of(current).with_pre(Some(Prerelease { kind: *kind, number: before.number + 1 }))
            }
            Some(_) => release_of(current).with_pre(Some(Prerelease { kind: *kind, number: 1 })),
            None if current.is_dev() => {
                release_of(current).with_pre(Some(Prerelease { kind: *kind, number: 1 }))
            }
            None => {
                return Err(
                    unfitting(current, level).hint(format!("`shipway bump minor --pre {level}` begins one"))
                );
            }
        },
        Level::Final if current.any_prerelease() => release_of(current),
        Level::Final => {
            return Err(unfitting(current, level).hint("`shipway bump patch` makes the next release"));
        }
        Level::Post => {
            current.clone().with_dev(None).with_post(Some(current.post().map_or(1, |post| post + 1)))
        }
        Level::Dev => match current.dev() {
            Some(dev) => current.clone().with_dev(Some(dev + 1)),
            None => return Err(unfitting(current, level).hint("give the full version, such as `1.4.0.dev1`")),
        },
        Level::Auto => {
            return Err(Error::usage("level", "`auto` must be decided before the version is computed"));
        }
    };
    if version <= *current {
        return Err(Error::refused(
            "version-not-greater",
            format!("`{version}` is not greater than the project's version `{current}`"),
        ));
    }
    Ok(version)
}

fn unfitting(current: &Version, level: &Level) -> Error {
    Error::usage("level", format!("`{level}` does not fit the project's version `{current}`"))
}

/// The version without pre-, post-, dev- and local parts, the epoch kept.
fn release_of(version: &Version) -> Version {
    version.only_release().with_epoch(version.epoch())
}

fn next_release(current: &Version, level: &Level, major_on_zero: bool) -> Version {
    let mut numbers = current.release().to_vec();
    let at = match level {
        Level::Major if numbers.first() == Some(&0) && !major_on_zero => 1,
        Level::Major => 0,
        Level::Minor => 1,
        _ => 2,
    };
    while numbers.len() <= at {
        numbers.push(0);
    }
    numbers[at] += 1;
    for number in &mut numbers[at + 1..] {
        *number = 0;
    }
    Version::new(numbers).with_epoch(current.epoch())
}

fn next_calendar(current: &Version, (year, month, _day): (i16, i8, i8)) -> Version {
    let before = current.release();
    let number = |value: i64| u64::try_from(value).unwrap_or_default();
    let short = before.first().is_some_and(|first| *first < 100);
    let year = number(i64::from(year) - if short { 2000 } else { 0 });
    let mut date = vec![year];
    if before.len() > 2 {
        date.push(number(i64::from(month)));
    }
    let same = before.starts_with(&date) && current.pre().is_none();
    let count = before.get(date.len()).copied().unwrap_or(0);
    date.push(if same { count + 1 } else { u64::from(before.len() == 2) });
    Version::new(date).with_epoch(current.epoch())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bump(
        current: &str,
        level: &str,
        pre: Option<PrereleaseKind>,
        scheme: Scheme,
    ) -> std::result::Result<String, String> {
        let current = current.parse().unwrap();
        let level = level.parse().unwrap();
        next(&current, &level, pre, scheme, true, (2026, 11, 21))
            .map(|v| v.to_string())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a5_malformed_versions_are_refused_with_the_text() {
        for text in [
            "1.2",
            "1.2.x",
            "01.2.3",
            "1.02.3",
            "١.2.3",
            "1.2.3-1",
            "v1.2.3",
            "1.2.3+local",
            "",
            "1.2.3.4",
            "1.2.3 ",
        ] {
            let error = parse_new(text, Scheme::Semver).unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
        for text in ["1.2.3", "0.0.1", "1.2.3rc1", "1.2.3.post1", "1.2.3.dev4", "10.20.30a1"] {
            assert_eq!(parse_new(text, Scheme::Semver).unwrap().to_string(), text);
        }
        assert!(parse_new("24.1", Scheme::Pep440).is_ok());
        assert!(parse_new("2026.11.0", Scheme::Calver).is_ok());
    }

    #[test]
    fn a20_pre_post_and_dev_releases_follow_pep_440() {
        let rc = Some(PrereleaseKind::Rc);
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(bump("1.2.3", "minor", rc, Scheme::Semver), ok("1.3.0rc1"));
        assert_eq!(bump("1.3.0rc1", "rc", None, Scheme::Semver), ok("1.3.0rc2"));
        assert_eq!(bump("1.3.0a2", "beta", None, Scheme::Semver), ok("1.3.0b1"));
        assert_eq!(bump("1.3.0rc2", "final", None, Scheme::Semver), ok("1.3.0"));
        assert_eq!(bump("1.3.0", "post", None, Scheme::Semver), ok("1.3.0.post1"));
        assert_eq!(bump("1.3.0.post1", "post", None, Scheme::Semver), ok("1.3.0.post2"));
        assert_eq!(bump("1.3.0.dev1", "dev", None, Scheme::Semver), ok("1.3.0.dev2"));
        assert_eq!(bump("1.3.0.dev1", "rc", None, Scheme::Semver), ok("1.3.0rc1"));
        for (current, level) in [
            ("1.3.0", "rc"),
            ("1.3.0", "final"),
            ("1.3.0", "dev"),
            ("1.3.0rc1", "alpha"),
            ("1.3.0", "1.3.0"),
            ("1.3.0", "1.2.9"),
        ] {
            assert!(bump(current, level, None, Scheme::Semver).is_err(), "{current} {level}");
        }
    }

    #[test]
    fn a19_major_on_zero_follows_the_rule() {
        let zero: Version = "0.4.2".parse().unwrap();
        let next =
            |rule| next(&zero, &Level::Major, None, Scheme::Semver, rule, (2026, 1, 1)).unwrap().to_string();
        assert_eq!(next(true), "1.0.0");
        assert_eq!(next(false), "0.5.0");
    }

    #[test]
    fn other_schemes_keep_their_shape() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(bump("24.1", "minor", None, Scheme::Pep440), ok("24.2"));
        assert_eq!(bump("24.1", "patch", None, Scheme::Pep440), ok("24.1.1"));
        assert_eq!(bump("1!2.0", "major", None, Scheme::Pep440), ok("1!3.0"));
        assert_eq!(bump("2026.11.3", "patch", None, Scheme::Calver), ok("2026.11.4"));
        assert_eq!(bump("2026.10.3", "minor", None, Scheme::Calver), ok("2026.11.0"));
        assert_eq!(bump("26.2", "patch", None, Scheme::Calver), ok("26.3"));
        assert_eq!(bump("25.7", "patch", None, Scheme::Calver), ok("26.1"));
    }
}
