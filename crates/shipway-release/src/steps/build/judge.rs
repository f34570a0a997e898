//! Whether what a backend made is the release that the commit says.

use shipway_dist::ManifestFile;
use shipway_dist::filename::{DistributionFilename, Kind};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::version::find_places;

/// One sdist, at least one wheel, all of this project and of the version that the commit says.
pub(super) fn judge(
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
