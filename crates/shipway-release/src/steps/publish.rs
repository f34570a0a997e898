//! Uploads the files of the manifest: all visible or none, and never other bytes under a known name.
//!
//! It never builds. Every effect is probed before and proved after by reading the bytes back.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::wire::{Need, ProjectRecord, ReleaseRecord, SessionRequest, SessionState};
use shipway_dist::{ChannelName, Manifest, Sha256};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::gates::distribution;
use crate::ops::foreign::ForeignIndex;
use crate::ops::http::Http;
use crate::ops::index::IndexClient;
use crate::ops::process::crash_point;
use crate::ops::secret::public_url;
use crate::ops::target::Target;
use crate::steps::build::{require_manifest, temporary};
use crate::steps::ready;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The channel; none for the first.
    pub to: Option<ChannelName>,
    /// The folder with the files.
    pub dist: PathBuf,
    /// Prove target, credential and files; upload nothing.
    pub dry_run: bool,
    /// What the run is going to do besides.
    pub also: Vec<Need>,
    /// A release manager's approval of a local release, as `shipway approve --out` writes it.
    pub approval: Option<PathBuf>,
}

/// What was published.
#[derive(Debug, Clone, Serialize)]
pub struct PublishReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The channel.
    pub channel: ChannelName,
    /// The index, for people.
    pub index: String,
    /// Whether everything was there already.
    pub already: bool,
    /// Whether nothing was uploaded because nothing was to be.
    pub dry_run: bool,
    /// Every file and what came of it.
    pub files: Vec<PublishedFile>,
    /// Of a dry run: what it could not prove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
}

/// A file and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct PublishedFile {
    /// The filename.
    pub filename: String,
    /// The digest.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// `uploaded`, `already there`, or `would upload`.
    pub result: &'static str,
}

/// Publishes.
///
/// # Errors
/// When a file is not sound or not what was built, a credential is missing, or the index refuses.
pub fn publish(context: &Context<'_>, request: &PublishRequest) -> Result<PublishReport> {
    let dist = context.config.directory.join(&request.dist);
    let manifest = require_manifest(context, &dist)?;
    let channel = request.to.clone().unwrap_or_else(|| context.config.first_channel().clone());
    let target = context.target()?;
    let mut errors = Vec::new();
    errors.extend(require_credential(context, target, &channel).err());
    let clocked = Clocked::start(context);
    match distribution::distribution(context, &manifest, &dist) {
        Ok(report) => {
            let found =
                Found { findings: report.findings.clone(), detail: report.detail.clone(), channel: None };
            if !report.holds() {
                let gates = super::gate::GatesReport {
                    version: manifest.version.to_string(),
                    commit: manifest.commit.clone(),
                    gates: vec![report],
                    errors: Vec::new(),
                };
                errors.extend(super::gate::refusal(&gates));
            } else if !request.dry_run {
                let statement = clocked.gate(report.id, &manifest, report.verdict, found);
                evidence::keep(context, &manifest.version.to_string(), &statement)?;
            }
        }
        Err(error) => errors.push(error),
    }
    if errors.is_empty() || request.dry_run {
        errors.extend(unready(context, &manifest, &channel).err());
    }
    if errors.is_empty() || request.dry_run {
        errors.extend(preflight(context, target, &manifest, &channel, request).err());
    }
    if !errors.is_empty() {
        return Err(Error::several(
            &format!("cannot publish `{}` {}", manifest.project, manifest.version),
            errors,
        ));
    }
    let clocked = Clocked::start(context);
    let results = match (request.dry_run, target) {
        (true, _) => vec!["would upload"; manifest.files.len()],
        (false, Target::Shipway { client, .. }) => to_shipway(context, client, &manifest, &channel, request)?,
        (false, Target::Foreign(index)) => to_foreign(context, index, &manifest, &channel, &dist)?,
    };
    let files: Vec<PublishedFile> = manifest
        .files
        .iter()
        .zip(&results)
        .map(|(file, result)| PublishedFile {
            filename: file.filename.clone(),
            sha256: file.sha256,
            size: file.size,
            result,
        })
        .collect();
    let already = results.iter().all(|result| *result == "already there");
    if !request.dry_run {
        read_back(context, target, &manifest, &channel)?;
        let mut detail = json!({ "index": target.label(), "files": files });
        if let Some(forge) = super::doctor::live_forge(context) {
            detail["forge"] = forge;
        }
        let found = Found { detail, channel: Some(channel.to_string()), ..Found::default() };
        evidence::keep(
            context,
            &manifest.version.to_string(),
            &clocked.step("publish", &manifest, Verdict::Passed, found),
        )?;
        evidence::send_kept(context, &manifest)?;
    }
    let unproven = if request.dry_run { unproven(context, target, &channel)? } else { Vec::new() };
    Ok(PublishReport {
        project: manifest.project.to_string(),
        version: manifest.version.to_string(),
        channel,
        index: target.label(),
        already,
        dry_run: request.dry_run,
        files,
        unproven,
    })
}

/// What nobody can know before the first file is sent (row F14).
fn unproven(context: &Context<'_>, target: &Target, channel: &ChannelName) -> Result<Vec<String>> {
    let Target::Foreign(index) = target else { return Ok(Vec::new()) };
    let place = public_url(&index.endpoint(channel)?.urls.upload);
    let who = match target.http(channel)?.credential() {
        Some(credential) => format!("the credential from {}", credential.source),
        None => "anybody".to_owned(),
    };
    Ok(vec![format!("whether {place} lets {who} upload `{}`, and takes these files", context.config.name)])
}

/// Where one channel is all there is, its publish is the last word, so everything declared must hold before it
/// (row D23).
fn unready(context: &Context<'_>, manifest: &Manifest, channel: &ChannelName) -> Result<()> {
    if !context.config.is_foreign() || context.config.channels.len() > 1 {
        return Ok(());
    }
    let version = Some(manifest.version.to_string());
    let report = ready::ready(context, &ready::ReadyRequest { version, channel: Some(channel.clone()) })?;
    ready::refusal(&report).map_or(Ok(()), Err)
}

/// Names a missing credential before any work, and has one minted where the CI's identity gives it (rows F10, F11).
pub(crate) fn require_credential(
    context: &Context<'_>,
    target: &Target,
    channel: &ChannelName,
) -> Result<()> {
    let http = target.http(channel)?;
    let before = http.credential().is_some();
    let is_there = http.authenticate()?.is_some();
    if let Some(minter) = http.minter() {
        match minter.minted() {
            Some(minted) if !before => context.progress.done(
                "credential",
                &format!("minted for {}, good until {}", minted.credential.source, minted.expires),
            ),
            Some(_) => {}
            None => minter.lacking().iter().for_each(|why| context.progress.warn(why)),
        }
    }
    if is_there || matches!(target, Target::Foreign(_)) {
        // A foreign index may take uploads from anybody; the preflight shows whether it does.
        return Ok(());
    }
    let error = Error::incomplete("no-credential", format!("no credential for {}", target.label()))
        .cause("looked in SHIPWAY_TOKEN, UV_PUBLISH_TOKEN, UV_PUBLISH_PASSWORD, TWINE_PASSWORD, .pypirc and the keyring");
    let error = http.lacking().into_iter().fold(error, Error::cause);
    Err(error.hint("set SHIPWAY_TOKEN to a token with the actions `upload,evidence,read`"))
}

/// What the index is asked to take; statements that vouch for these bytes go along (row E17).
fn session_request(
    context: &Context<'_>,
    manifest: &Manifest,
    channel: &ChannelName,
    request: &PublishRequest,
) -> Result<SessionRequest> {
    let mut vouchers = Vec::new();
    for kept in evidence::kept(context, manifest)? {
        let gate = kept.statement.predicate.gate.as_str();
        if gate == shipway_dist::GateId::Distribution.as_str() || gate == shipway_dist::policy::APPROVAL {
            vouchers.push(kept.envelope);
        }
    }
    if let Some(path) = &request.approval {
        vouchers.push(evidence::read(path)?.envelope);
    }
    Ok(SessionRequest {
        project: manifest.project.clone(),
        version: manifest.version.to_string(),
        channel: channel.clone(),
        files: manifest.files.clone(),
        commit: Some(manifest.commit.clone()),
        local: manifest.run.is_none(),
        run: manifest.run.clone(),
        attempt: manifest.attempt,
        requires: context.config.requires.clone(),
        vouchers,
        also: request.also.clone(),
    })
}

/// Proves target and credential, and that nothing else stands under these names; writes nothing.
fn preflight(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    channel: &ChannelName,
    request: &PublishRequest,
) -> Result<()> {
    match target {
        Target::Shipway { client, .. } => {
            let answer = client.preflight(&session_request(context, manifest, channel, request)?)?;
            let errors = answer.problems.into_iter().map(|problem| {
                let error = if problem.id == shipway_dist::wire::code::TOKEN_SCOPE {
                    // Another credential may help.
                    Error::incomplete("token-scope", problem.message)
                } else if problem.id == shipway_dist::wire::code::LOCAL_RELEASE {
                    Error::refused("local-release", problem.message)
                } else {
                    Error::refused("preflight", problem.message)
                };
                match problem.hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            });
            let errors: Vec<Error> = errors.collect();
            if errors.is_empty() { Ok(()) } else { Err(Error::several("the index would refuse it", errors)) }
        }
        Target::Foreign(index) => {
            let endpoint = index.endpoint(channel)?;
            endpoint.preflight()?;
            let known = endpoint.files(&context.config.name)?.unwrap_or_default();
            for file in &manifest.files {
                let other = known.iter().find(|one| one.filename == file.filename).and_then(|one| one.sha256);
                if let Some(other) = other.filter(|other| *other != file.sha256) {
                    return Err(Error::refused(
                        "digest-conflict",
                        format!("the index holds `{}` with another digest", file.filename),
                    )
                    .cause(format!("local sha256 `{}`, index sha256 `{other}`", file.sha256))
                    .hint("versions are never overwritten; release the next version"));
                }
            }
            Ok(())
        }
    }
}

fn to_shipway(
    context: &Context<'_>,
    client: &IndexClient,
    manifest: &Manifest,
    channel: &ChannelName,
    request: &PublishRequest,
) -> Result<Vec<&'static str>> {
    let dist = context.config.directory.join(&request.dist);
    let point = |name: &str| crash_point(&context.environment, name);
    let session = client.open_session(&session_request(context, manifest, channel, request)?)?;
    point("publish.session");
    if session.state == SessionState::Published {
        return Ok(vec!["already there"; manifest.files.len()]);
    }
    let mut results = Vec::new();
    for file in &manifest.files {
        if session.missing.contains(&file.filename) {
            let task = context.progress.begin(&format!("uploading {}", file.filename));
            client.put_file(&session.id, &file.filename, &dist.join(&file.filename))?;
            drop(task);
            point("publish.file");
            results.push("uploaded");
        } else {
            results.push("already there");
        }
    }
    client.publish(&session.id)?;
    point("publish.published");
    Ok(results)
}

fn to_foreign(
    context: &Context<'_>,
    index: &ForeignIndex,
    manifest: &Manifest,
    channel: &ChannelName,
    dist: &Path,
) -> Result<Vec<&'static str>> {
    let endpoint = index.endpoint(channel)?;
    // Wheels first: an installer that sees a half upload then finds what it can use without building.
    let mut files: Vec<(usize, _)> = manifest.files.iter().enumerate().collect();
    files.sort_by_key(|(_, file)| !file.filename.ends_with(".whl"));
    let mut results = vec![""; manifest.files.len()];
    for (at, file) in files {
        let path = dist.join(&file.filename);
        let task = context.progress.begin(&format!("uploading {}", file.filename));
        let uploaded = endpoint.upload_file(&context.config.name, &path, file)?;
        drop(task);
        crash_point(&context.environment, "publish.file");
        results[at] = if uploaded { "uploaded" } else { "already there" };
    }
    Ok(results)
}

/// Downloads every file and compares it with the manifest (row F2).
fn read_back(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    channel: &ChannelName,
) -> Result<()> {
    let task = context.progress.begin("reading the bytes back");
    if let Target::Foreign(index) = target {
        // Such an index may list an upload later than it takes it.
        let say = |missing: usize, seconds: u64| {
            task.update(&format!("waiting until the index lists {missing} files ({seconds} s)"));
        };
        index.endpoint(channel)?.wait_until_listed(&context.config.name, &manifest.files, &say)?;
    }
    let record = require_record(context, target)?;
    let release = require_release(&record, &manifest.version.to_string(), target)?;
    let folder = temporary()?;
    let http = target.http(channel)?;
    for file in &manifest.files {
        let Some(stored) = release.files.iter().find(|stored| stored.filename == file.filename) else {
            return Err(Error::incomplete(
                "not-visible",
                format!("the index does not list `{}`", file.filename),
            ));
        };
        let url = file_url(target, &stored.url)?;
        let (sha256, _) = http.download(&url, &folder.path().join("file"))?;
        if sha256 != file.sha256 {
            return Err(Error::refused(
                "bytes-differ",
                format!("the index gives other bytes for `{}`", file.filename),
            )
            .cause(format!("manifest sha256 `{}`, read back `{sha256}`", file.sha256)));
        }
    }
    drop(task);
    Ok(())
}

/// The absolute URL of a file that a record names.
pub(crate) fn file_url(target: &Target, url: &str) -> Result<url::Url> {
    let joined = match target {
        Target::Shipway { client, .. } => client.root().join(url.trim_start_matches('/')),
        Target::Foreign(_) => url.parse(),
    };
    joined.map_err(|error| {
        Error::incomplete("bad-url", format!("the index names a file by `{url}`")).cause(error.to_string())
    })
}

/// The project's record, which must exist.
pub(crate) fn require_record(context: &Context<'_>, target: &Target) -> Result<ProjectRecord> {
    let found = target.project(&context.config.name)?;
    found.ok_or_else(|| {
        let error = Error::refused(
            "no-project",
            format!("{} has no project `{}`", target.label(), context.config.name),
        )
        .cause("or the credential may not see it");
        let lacking = target.http(context.config.first_channel()).map(Http::lacking).unwrap_or_default();
        lacking.into_iter().fold(error, Error::cause).hint("shipway publish")
    })
}

/// The record of a version, which must exist.
pub(crate) fn require_release<'a>(
    record: &'a ProjectRecord,
    version: &str,
    target: &Target,
) -> Result<&'a ReleaseRecord> {
    let wanted = version.parse::<shipway_dist::Version>().map_err(|error| {
        Error::usage("malformed-version", format!("`{version}` is not a version")).cause(error.to_string())
    })?;
    let same = |release: &&ReleaseRecord| {
        release.version.parse::<shipway_dist::Version>().is_ok_and(|one| one == wanted)
    };
    record.releases.iter().find(same).ok_or_else(|| {
        let known: Vec<&str> =
            record.releases.iter().rev().take(5).map(|release| release.version.as_str()).collect();
        Error::refused("no-release", format!("{} has no `{}` {version}", target.label(), record.project))
            .cause(format!(
                "the newest there: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
            .hint("shipway status")
    })
}

/// The manifest of a version: the local one when it is of these bytes, else one made from the index's record.
pub(crate) fn manifest_of(context: &Context<'_>, release: &ReleaseRecord) -> Result<Manifest> {
    let local = super::build::read_manifest(context).ok().flatten();
    let version: shipway_dist::Version =
        release.version.parse().map_err(|error: pep440_rs::VersionParseError| {
            Error::incomplete("bad-version", format!("the index names a version `{}`", release.version))
                .cause(error.to_string())
        })?;
    if let Some(local) =
        local.filter(|local| local.version == version && local.project == context.config.name)
    {
        if local.digest() != release.manifest_digest {
            return Err(Error::refused("other-bytes", format!("{} {version} at the index is not what the manifest says", context.config.name))
                .cause(format!("manifest digest `{}`, at the index `{}`", local.digest(), release.manifest_digest))
                .hint("`.shipway/manifest.json` is of another build of this version; remove it, or release the next version"));
        }
        return Ok(local);
    }
    let file = |file: &shipway_dist::wire::FileRecord| shipway_dist::ManifestFile {
        filename: file.filename.clone(),
        size: file.size,
        sha256: file.sha256,
    };
    Ok(Manifest {
        schema: shipway_dist::manifest::SCHEMA.to_owned(),
        ok: true,
        project: context.config.name.clone(),
        version,
        commit: release.commit.clone().unwrap_or_default(),
        tree: String::new(),
        run: release.run.clone(),
        attempt: release.attempt,
        source_date_epoch: 0,
        normalized: false,
        tools: std::collections::BTreeMap::new(),
        files: release.files.iter().map(file).collect(),
    })
}
