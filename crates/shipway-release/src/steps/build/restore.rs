//! Takes files that the index holds back from there, instead of building a commit a second time.

use std::collections::BTreeMap;
use std::path::Path;

use shipway_dist::{Manifest, ManifestFile, manifest};

use super::record::{built, clear, place_files, read_manifest, remove_manifest, write_manifest};
use super::temporary;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::Git;

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
        let url = crate::steps::publish::file_url(target, &file.url)?;
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
        normalized: false,
        tools: BTreeMap::from([("restored-from".to_owned(), target.label())]),
        files,
    };
    let before = read_manifest(context).ok().flatten();
    remove_manifest(context)?;
    clear(context, &out, before.as_ref())?;
    place_files(&out, &manifest, folder.path())?;
    write_manifest(context, &manifest)?;
    context.progress.done("restore", &format!("{} files of {version} from the index", manifest.files.len()));
    Ok(())
}
