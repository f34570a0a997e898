//! What is built, as it stands on disk: the manifest and the folder of files, which must agree byte for byte.

use std::path::Path;

use shipway_dist::{Manifest, ManifestFile, Sha256, manifest};

use crate::context::Context;
use crate::error::{Error, Result};

/// The manifest in `.shipway/manifest.json`.
///
/// # Errors
/// When it exists and cannot be read.
pub fn read_manifest(context: &Context<'_>) -> Result<Option<Manifest>> {
    let path = context.records().join("manifest.json");
    match std::fs::read(&path) {
        Ok(bytes) => parse(&path, &bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

/// A manifest that a job handed over: read once, compared with its digest where one is given, put in its place.
///
/// # Errors
/// When it cannot be read, is not that manifest, or cannot be written.
pub fn take_manifest(context: &Context<'_>, path: &Path, expected: Option<Sha256>) -> Result<()> {
    let path = context.config.directory.join(path);
    let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    let found = Sha256::of(&bytes);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(Error::refused(
            "manifest",
            format!("`{}` is not the manifest that was verified", path.display()),
        )
        .cause(format!("expected sha256 `{expected}`, found `{found}`"))
        .hint("start the publish again: shipway forge verify-run RUN --version VERSION"));
    }
    let manifest = parse(&path, &bytes)?;
    let place = context.records().join("manifest.json");
    let is_there = std::fs::read(&place).is_ok_and(|there| there == bytes);
    if is_there { Ok(()) } else { write_manifest(context, &manifest) }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| {
        Error::refused("manifest", format!("`{}` is not a manifest", path.display()))
            .cause(error.to_string())
            .hint("shipway build")
    })?;
    if manifest.schema != manifest::SCHEMA {
        return Err(Error::refused(
            "manifest",
            format!("`{}` has schema `{}`, expected `{}`", path.display(), manifest.schema, manifest::SCHEMA),
        ));
    }
    Ok(manifest)
}

/// The manifest, which must exist and agree with the files in `out` byte for byte.
///
/// # Errors
/// When there is none, or a file is missing or changed.
pub fn require_manifest(context: &Context<'_>, out: &Path) -> Result<Manifest> {
    let Some(manifest) = read_manifest(context)? else {
        return Err(Error::refused("no-manifest", "nothing is built").hint("shipway build"));
    };
    let mut errors = Vec::new();
    for file in &manifest.files {
        let path = out.join(&file.filename);
        match Sha256::of_file(&path) {
            Ok((sha256, _)) if sha256 == file.sha256 => {}
            Ok((sha256, _)) => errors.push(
                Error::refused("manifest-mismatch", format!("`{}` is not what was built", file.filename))
                    .cause(format!("manifest sha256 `{}`, file sha256 `{sha256}`", file.sha256))
                    .hint("shipway build"),
            ),
            Err(error) => errors.push(
                Error::refused("manifest-mismatch", format!("cannot read `{}`", path.display()))
                    .cause(error.to_string())
                    .hint("shipway build"),
            ),
        }
    }
    if errors.is_empty() {
        Ok(manifest)
    } else {
        Err(Error::several("the files differ from the manifest", errors))
    }
}

pub(super) fn built(context: &Context<'_>, commit: &str, out: &Path) -> Result<Option<Manifest>> {
    let manifest = read_manifest(context).ok().flatten().filter(|manifest| manifest.commit == commit);
    let same = |file: &ManifestFile| {
        Sha256::of_file(&out.join(&file.filename)).is_ok_and(|(found, _)| found == file.sha256)
    };
    Ok(manifest.filter(|manifest| manifest.files.iter().all(same)))
}

pub(crate) fn remove_manifest(context: &Context<'_>) -> Result<()> {
    let path = context.records().join("manifest.json");
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("remove", &path, &error)),
    }
}

/// Empties `out`: what an earlier build made goes, anything else is kept aside.
pub(crate) fn clear(context: &Context<'_>, out: &Path, before: Option<&Manifest>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else { return Ok(()) };
    let aside = context.records().join("kept").join((context.clock)().as_millisecond().to_string());
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = |file: &ManifestFile| {
            entry.file_name().to_str() == Some(&file.filename)
                && Sha256::of_file(&path).is_ok_and(|(found, _)| found == file.sha256)
        };
        let result = if before.is_some_and(|manifest| manifest.files.iter().any(ours)) {
            std::fs::remove_file(&path)
        } else {
            context.progress.warn(&format!(
                "`{}` is no file of this build; moved to `{}`",
                path.display(),
                aside.display()
            ));
            std::fs::create_dir_all(&aside)
                .and_then(|()| std::fs::rename(&path, aside.join(entry.file_name())))
        };
        result.map_err(|error| Error::io("move", &path, &error))?;
    }
    Ok(())
}

/// Copies the files of a manifest from where they were made.
pub(crate) fn place_files(out: &Path, manifest: &Manifest, made: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|error| Error::io("create", out, &error))?;
    for file in &manifest.files {
        let (from, to) = (made.join(&file.filename), out.join(&file.filename));
        std::fs::copy(&from, &to).map_err(|error| Error::io("write", &to, &error))?;
    }
    Ok(())
}

pub(crate) fn write_manifest(context: &Context<'_>, manifest: &Manifest) -> Result<()> {
    let folder = context.records();
    let path = folder.join("manifest.json");
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, manifest)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))
}
