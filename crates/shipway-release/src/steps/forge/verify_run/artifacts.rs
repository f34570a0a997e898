//! Which artifacts of a run are taken, pinned by number and digest, and their download.

use std::path::{Path, PathBuf};

use shipway_dist::Sha256;

use crate::context::Context;
use crate::error::Result;
use crate::ops::forge::github::plain;
use crate::ops::forge::{Artifact, Download, Forge, Run};
use crate::steps::forge::Making;

/// Largest artifact that is read.
const LARGEST: u64 = 4 << 30;

/// An artifact on disk, its bytes those of the digest.
pub(super) struct Downloaded {
    pub(super) artifact: Artifact,
    pub(super) download: Download,
    pub(super) path: PathBuf,
}

/// Whether an artifact of this name is a distribution file as it is.
pub(super) fn is_distribution(name: &str) -> bool {
    name.ends_with(".whl") || name.ends_with(".tar.gz")
}

/// Chooses exactly the expected artifacts (row E8); notes the check `artifacts`.
pub(super) fn choose(
    context: &Context<'_>,
    making: &mut Making,
    run: &Run,
    all: &[Artifact],
    pinned: &[u64],
) -> Option<Vec<Artifact>> {
    let settings = &context.config.forge;
    let describe = |one: &Artifact| format!("`{}` ({})", plain(&one.name), one.id);
    let list = |some: &[&Artifact]| some.iter().map(|one| describe(one)).collect::<Vec<_>>().join(", ");
    let mut problems = Vec::new();
    for id in pinned {
        if !all.iter().any(|one| one.id == *id) {
            problems.push(format!("artifact {id} is not one of this run"));
        }
    }
    let is_taken = |one: &&Artifact| {
        let named = all.iter().filter(|other| other.name == one.name).count();
        named == 1
            || !pinned.iter().any(|id| all.iter().any(|other| other.id == *id && other.name == one.name))
            || pinned.contains(&one.id)
    };
    let candidates: Vec<&Artifact> = all.iter().filter(is_taken).collect();
    let has_archive = candidates.iter().any(|one| one.name == settings.artifact);
    let raw_manifest = "manifest.json";
    let wanted = |one: &&&Artifact| {
        one.name == settings.manifest_artifact
            || one.name == raw_manifest
            || if has_archive { one.name == settings.artifact } else { is_distribution(&one.name) }
    };
    let chosen: Vec<&Artifact> = candidates.iter().filter(wanted).copied().collect();
    if has_archive {
        let beside: Vec<&Artifact> = all.iter().filter(|one| is_distribution(&one.name)).collect();
        if !beside.is_empty() {
            problems.push(format!("beside `{}` there are {}", settings.artifact, list(&beside)));
        }
    }
    let mut names: Vec<&str> = chosen.iter().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        let same: Vec<&Artifact> = chosen.iter().filter(|one| one.name == *name).copied().collect();
        if same.len() > 1 {
            problems.push(format!(
                "{} artifacts are called `{name}`: {}; name one with --artifact-id",
                same.len(),
                list(&same)
            ));
        }
    }
    let is_manifest = |one: &&&Artifact| one.name == settings.manifest_artifact || one.name == raw_manifest;
    if chosen.iter().filter(is_manifest).count() == 0 {
        problems.push(format!("there is no `{}`", settings.manifest_artifact));
    }
    let is_combined = settings.artifact == settings.manifest_artifact;
    if !is_combined && chosen.iter().all(|one| is_manifest(&one)) {
        problems.push(format!("there is no `{}` and no distribution file", settings.artifact));
    }
    for one in &chosen {
        if one.expired {
            problems.push(format!("{} is expired", describe(one)));
        }
        let own = one.workflow_run.as_ref();
        let is_own = own.is_some_and(|own| {
            own.id == run.id && own.head_sha.as_ref().is_none_or(|sha| *sha == run.head_sha)
        });
        if !is_own {
            problems.push(format!("{} was not made by this run", describe(one)));
        }
    }
    if !problems.is_empty() {
        if chosen.is_empty() {
            problems.push(format!(
                "the run has {}",
                if all.is_empty() { "none".to_owned() } else { list(&all.iter().collect::<Vec<_>>()) }
            ));
        }
        making.check("artifacts", false, problems.join("; "));
        return None;
    }
    making.check("artifacts", true, list(&chosen));
    Some(chosen.into_iter().cloned().collect())
}

/// The digest that the forge tells; without one a signed build statement must vouch for the bytes.
pub(super) fn digest_of(artifact: &Artifact) -> Option<Sha256> {
    artifact.digest.as_deref()?.strip_prefix("sha256:")?.parse().ok()
}

/// Downloads the artifacts while hashing; notes the check `artifact-digest` (row E9).
pub(super) fn download(
    forge: &dyn Forge,
    making: &mut Making,
    chosen: &[Artifact],
    folder: &Path,
) -> Result<Option<Vec<Downloaded>>> {
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    let mut undigested = 0;
    for artifact in chosen {
        let path = folder.join(format!("artifact-{}", artifact.id));
        let download = forge.download(artifact.id, &path, LARGEST)?;
        match digest_of(artifact) {
            Some(expected) if expected == download.sha256 => {}
            Some(expected) => wrong.push(format!(
                "`{}` ({}): the forge says `{expected}`, downloaded was `{}`",
                plain(&artifact.name),
                artifact.id,
                download.sha256
            )),
            None => undigested += 1,
        }
        all.push(Downloaded { artifact: artifact.clone(), download, path });
    }
    let bytes: u64 = all.iter().map(|one| one.download.size).sum();
    let ok = wrong.is_empty();
    let detail = if ok && undigested > 0 {
        format!("{} artifacts, {bytes} bytes; the forge has no digest of {undigested}", all.len())
    } else if ok {
        format!("{} artifacts, {bytes} bytes, as the forge says", all.len())
    } else {
        wrong.join("; ")
    };
    making.check("artifact-digest", ok, detail);
    Ok(ok.then_some(all))
}
