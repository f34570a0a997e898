//! Whether a CI run built the release, and its files handed over for publishing (rows E1 to E16).
//!
//! Nothing is taken from a run that does not stand every comparison, and nothing is left in `dist/` then.

mod artifacts;
mod attested;
mod contents;
mod layout;
mod run;
mod signed;
mod statement;

use std::path::{Path, PathBuf};

use shipway_dist::{Manifest, Sha256, Version};

use super::merged_release::{Event, expected_repository};
use super::{Decision, Making, Outcome};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked};
use crate::ops::forge::{Artifact, Forge, Run};
use crate::steps::build::{clear, place_files, read_manifest, remove_manifest, temporary, write_manifest};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct VerifyRunRequest {
    /// The run's number, as it was given.
    pub run: String,
    /// The version to publish.
    pub version: String,
    /// The artifacts to take, where several have one name.
    pub artifacts: Vec<u64>,
    /// The digest that the manifest's bytes must have, where the caller knows it.
    pub manifest_sha256: Option<Sha256>,
    /// Where the files go, relative to the project.
    pub out: PathBuf,
}

/// Verifies a run and hands its files to `dist/` and `.shipway/manifest.json`.
///
/// Whatever keeps it from being found out is a refusal in the decision, with its own code and exit code.
///
/// # Errors
/// When the request itself is wrong; nothing was asked then (row E14).
pub fn verify_run(context: &Context<'_>, forge: &dyn Forge, request: &VerifyRunRequest) -> Result<Decision> {
    let is_number = !request.run.is_empty() && request.run.bytes().all(|byte| byte.is_ascii_digit());
    let id = request.run.parse::<u64>().ok().filter(|id| is_number && *id > 0);
    let Some(id) = id else {
        return Err(Error::usage("bad-run-id", format!("`{}` is no number of a run", request.run))
            .hint("give the number at the end of the run's address"));
    };
    let version = match request.version.parse::<Version>() {
        Ok(version) if version.to_string() == request.version => version,
        Ok(version) => {
            let text = format!("`{}` is not how the version `{version}` is written", request.version);
            return Err(Error::usage("bad-version", text));
        }
        Err(error) => {
            return Err(Error::usage("bad-version", format!("`{}` is no version", request.version))
                .cause(error.to_string()));
        }
    };
    let clocked = Clocked::start(context);
    let event = Event::read(context)?;
    let mut making = Making::new(context, format!("run `{id}` for {version}"));
    making.decision().version = Some(version.to_string());
    making.decision().run = Some(id);
    let asked = Asked { id, version: &version, event: &event, request, clocked };
    let outcome = decide(context, forge, &asked, &mut making);
    Ok(making.finish(outcome, forge))
}

/// What is asked, read and found sound.
struct Asked<'a> {
    id: u64,
    version: &'a Version,
    event: &'a Event,
    request: &'a VerifyRunRequest,
    clocked: Clocked,
}

fn decide(
    context: &Context<'_>,
    forge: &dyn Forge,
    asked: &Asked<'_>,
    making: &mut Making,
) -> Result<Outcome> {
    let Asked { id, version, event, request, clocked } = *asked;
    let found = forge.run(id)?;
    making.decision().sha = Some(found.head_sha.clone());
    making.decision().attempt = found.run_attempt;
    let repository = expected_repository(forge, event)?;
    let before = run::judge(context, forge, making, &found, id, repository, version)?;
    if !making.holds() {
        return Ok(Outcome::Refused);
    }
    let all = forge.artifacts(id)?;
    let Some(chosen) = artifacts::choose(context, making, &found, &all, &request.artifacts) else {
        return Ok(Outcome::Refused);
    };
    let folder = temporary()?;
    let task = context.progress.begin(&format!("downloading {} artifacts of run {id}", chosen.len()));
    let downloaded = artifacts::download(forge, making, &chosen, folder.path())?;
    drop(task);
    let Some(downloaded) = downloaded else { return Ok(Outcome::Refused) };
    let made = folder.path().join("files");
    std::fs::create_dir(&made).map_err(|error| Error::io("create", &made, &error))?;
    let expected =
        contents::Expected { context, run: &found, version, manifest_sha256: request.manifest_sha256 };
    let Some(taken) = contents::take(&expected, making, &downloaded, &made)? else {
        return Ok(Outcome::Refused);
    };
    let vouched = if chosen.iter().all(|one| artifacts::digest_of(one).is_some()) {
        None
    } else {
        signed::judge(context, forge, making, &found, &before, &chosen, &taken)?
    };
    attested::judge(context, forge, making, &found, repository, &taken.manifest)?;
    if !making.holds() || !is_unchanged(forge, making, &found, &chosen)? {
        return Ok(Outcome::Refused);
    }
    hand_over(context, &request.out, &taken.manifest, &made)?;
    making.decision().files = taken.manifest.files.clone();
    making.decision().manifest_sha256 = Some(taken.manifest_sha256);
    let statement = statement::of(context, forge, making, &found, &chosen, &taken.manifest, clocked);
    evidence::keep(context, &version.to_string(), &statement)?;
    if let Some(vouched) = vouched {
        evidence::keep_envelope(context, &version.to_string(), &vouched.statement, &vouched.envelope)?;
    }
    Ok(Outcome::Release)
}

/// Reads the run and its artifacts again: what was judged must be what was downloaded (row E10).
fn is_unchanged(forge: &dyn Forge, making: &mut Making, before: &Run, chosen: &[Artifact]) -> Result<bool> {
    let after = forge.run(before.id)?;
    let mut changes = Vec::new();
    let mut compare = |what: &str, old: &str, new: &str| {
        if old != new {
            changes.push(format!("{what} `{old}` became `{new}`"));
        }
    };
    let attempt = |run: &Run| run.run_attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
    compare("attempt", &attempt(before), &attempt(&after));
    compare("time of change", &before.updated_at, &after.updated_at);
    compare("commit", &before.head_sha, &after.head_sha);
    compare("conclusion", &run_state(before), &run_state(&after));
    if changes.is_empty() {
        let now = forge.artifacts(before.id)?;
        for one in chosen {
            match now.iter().find(|other| other.id == one.id) {
                Some(other) if other.digest == one.digest && !other.expired => {}
                Some(_) => changes.push(format!("artifact `{}` ({}) is another one now", one.name, one.id)),
                None => changes.push(format!("artifact `{}` ({}) is gone", one.name, one.id)),
            }
            let same_name = now.iter().filter(|other| other.name == one.name && other.id != one.id);
            for other in same_name.filter(|other| other.id > one.id) {
                changes
                    .push(format!("artifact `{}` was made again ({} after {})", one.name, other.id, one.id));
            }
        }
    }
    let ok = changes.is_empty();
    let detail = if ok { "the run is as before the download".to_owned() } else { changes.join("; ") };
    Ok(making.check("run-unchanged", ok, detail))
}

fn run_state(run: &Run) -> String {
    super::runs::conclusion(run).trim_matches('`').to_owned()
}

/// Puts the files into `dist/` and the manifest in its place, the manifest last.
fn hand_over(context: &Context<'_>, out: &Path, manifest: &Manifest, made: &Path) -> Result<()> {
    let out = context.config.directory.join(out);
    let before = read_manifest(context).ok().flatten();
    remove_manifest(context)?;
    clear(context, &out, before.as_ref())?;
    place_files(&out, manifest, made)?;
    write_manifest(context, manifest)
}
