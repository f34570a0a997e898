//! Builds a commit once: a clean checkout, the project's own backend, one sdist and at least one wheel.
//!
//! The wheel is made from the sdist. `--verify` builds a second time elsewhere and says what differs.

mod compare;
mod judge;
mod provenance;
mod record;
mod restore;
mod verify;
mod workshop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use shipway_dist::{Manifest, manifest};

use crate::config::environment::{FORGE_ATTEMPT, FORGE_RUN, GITLAB_RUN};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::git::Git;
use crate::ops::process::crash_point;

pub use compare::Difference;
pub use record::{read_manifest, require_manifest, take_manifest};
pub use restore::restore;
pub use verify::{Verified, VerifiedFile, refusal};
pub(crate) use workshop::{check_out, prepend_path};

use judge::judge;
use provenance::provenance;
use record::built;
pub(crate) use record::{clear, place_files, remove_manifest, write_manifest};
use verify::verify_build;
use workshop::{Answer, Workshop, list};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The commit, by any name that git knows.
    pub commit: String,
    /// Where the files go, relative to the project.
    pub out: PathBuf,
    /// Build a second time elsewhere, and from the tree, and compare.
    pub verify: bool,
    /// Only say what would be built.
    pub dry_run: bool,
}

/// What a build made.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The manifest; none in a dry run that found nothing built.
    pub manifest: Option<Manifest>,
    /// The commit.
    pub commit: String,
    /// Where the files are.
    pub out: PathBuf,
    /// Whether these files were there already.
    pub already: bool,
    /// What a second build said, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// Builds, unless the manifest says that exactly this commit is built and the files are unchanged.
///
/// # Errors
/// When the commit does not exist, the backend fails, or what it made is not the project's release.
pub fn build(context: &Context<'_>, request: &BuildRequest) -> Result<BuildReport> {
    let git = context.repository()?;
    let Some(commit) = git.commit_of(&request.commit)? else {
        return Err(Error::usage(
            "no-commit",
            format!("`{}` is no commit of this repository", request.commit),
        ));
    };
    let out = context.config.directory.join(&request.out);
    let mut report = BuildReport {
        manifest: built(context, &commit, &out)?,
        commit: commit.clone(),
        out: out.clone(),
        already: false,
        verified: None,
        dry_run: request.dry_run,
    };
    report.already = report.manifest.is_some();
    if request.dry_run {
        if !report.already {
            context.python()?;
        }
        return Ok(report);
    }
    if report.already && !request.verify {
        return Ok(report);
    }
    let clocked = Clocked::start(context);
    let workshop = Workshop::open(context, &git, &commit)?;
    let manifest = match report.manifest.take() {
        Some(manifest) => manifest,
        None => {
            let manifest = make(context, &git, &workshop, &commit, &out)?;
            let detail = json!({ "sourceDateEpoch": manifest.source_date_epoch, "tree": manifest.tree });
            let found = Found { detail, ..Found::default() };
            let statement = clocked.build(&manifest, provenance(context, &manifest, clocked)?, found);
            evidence::keep(context, &manifest.version.to_string(), &statement)?;
            manifest
        }
    };
    if request.verify {
        report.verified = Some(verify_build(context, &workshop, &manifest, &out)?);
    }
    report.manifest = Some(manifest);
    Ok(report)
}

/// Builds, judges what was made, puts it in place and writes the manifest last.
fn make(
    context: &Context<'_>,
    git: &Git,
    workshop: &Workshop<'_>,
    commit: &str,
    out: &Path,
) -> Result<Manifest> {
    let task = context.progress.begin("building the sdist and the wheel");
    let (folder, answer) = workshop.build("checkout")?;
    drop(task);
    let files = list(&folder)?;
    let version = judge(context, git, commit, &workshop.prefix, &files)?;
    let environment = &context.environment;
    let manifest = Manifest {
        schema: manifest::SCHEMA.to_owned(),
        ok: true,
        project: context.config.name.clone(),
        version,
        commit: commit.to_owned(),
        tree: git.read(["rev-parse", &format!("{commit}^{{tree}}")])?,
        run: environment.get(FORGE_RUN).or_else(|| environment.get(GITLAB_RUN)).map(str::to_owned),
        attempt: environment.get(FORGE_ATTEMPT).and_then(|text| text.parse().ok()),
        source_date_epoch: workshop.epoch,
        normalized: context.config.build.normalize,
        tools: tools(context, answer)?,
        files,
    };
    let before = read_manifest(context).ok().flatten();
    remove_manifest(context)?;
    crash_point(environment, "build.made");
    clear(context, out, before.as_ref())?;
    place_files(out, &manifest, &folder)?;
    crash_point(environment, "build.placed");
    write_manifest(context, &manifest)?;
    Ok(manifest)
}

fn tools(context: &Context<'_>, answer: Answer) -> Result<BTreeMap<String, String>> {
    let mut tools = answer.tools;
    tools.insert("python".to_owned(), context.python()?.version.clone());
    tools.insert("shipway".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    tools.insert("build-backend".to_owned(), answer.backend);
    Ok(tools)
}

/// A temporary folder, removed when it is dropped.
pub(crate) fn temporary() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("shipway-")
        .tempdir()
        .map_err(|error| Error::io("create", &std::env::temp_dir(), &error))
}
