//! All steps in order, on this machine: bump, build, gates, base, publish, smoke, promote, tag.
//!
//! Every step asks the world for its own effect first, so a run that was killed is finished by the next
//! one. Without a forge the base branch is moved forward to the release commit once gates have passed; with one,
//! the release stops at its pull request and goes on after the merge with what the CI run built (`at_forge`).

mod at_forge;
mod find;
mod refs;
mod unfinished;

use serde::Serialize;
use shipway_dist::policy::{ChannelPolicy, ItemVerdict, Requirement};
use shipway_dist::wire::{Need, ProjectRecord};
use shipway_dist::{ChannelName, GateId, Version};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::ops::process::crash_point;
use crate::ops::target::Target;
use crate::readiness::Readiness;
use crate::steps::build::{BuildRequest, build, restore};
use crate::steps::bump::{self, BumpRequest};
use crate::steps::promote::{PromoteRequest, promote};
use crate::steps::publish::{PublishRequest, publish};
use crate::steps::publish_summary::publish_and_tell;
use crate::steps::smoke::{SmokeRequest, smoke};
use crate::version::{Level, parse_new};
pub use find::PullRequestStatus;
pub(crate) use find::waiting_pull_request;
use refs::{leave_release_branch, make_tag, move_base, withdraw};
use unfinished::{find_unfinished, refuse_other_version, released_tag};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// What to bump, when a new release is begun.
    pub bump: BumpRequest,
    /// The last channel to promote to; none for the last of all.
    pub to: Option<ChannelName>,
    /// With a forge: how long to wait for the merge, and then for the CI run.
    pub wait: std::time::Duration,
}

/// What a release did.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseReport {
    /// The project.
    pub project: String,
    /// The version; none when there is nothing to release.
    pub version: Option<String>,
    /// The version before.
    pub previous: Option<String>,
    /// The last channel that it goes to.
    pub to: ChannelName,
    /// What the bump does, when a new release is begun.
    pub plan: Option<bump::BumpPlan>,
    /// Whether an unfinished release was taken up again.
    pub resumed: bool,
    /// The channels that hold it now, in order.
    pub channels: Vec<ChannelName>,
    /// The tag.
    pub tag: Option<String>,
    /// The release commit.
    pub commit: Option<String>,
    /// The simple index that installs it.
    pub install_from: Option<String>,
    /// The release compared with, and what could not be compared.
    pub baseline: Option<Baseline>,
    /// Whether nothing was changed because nothing was to be.
    pub dry_run: bool,
    /// One line when there was nothing to do.
    pub nothing: Option<String>,
    /// The pull request, with a forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestStatus>,
    /// The CI run whose files were published, with a forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The page of the release at the forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forge_release: Option<String>,
    /// What somebody has to do before it goes on; none when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Milliseconds spent in all.
    pub duration_ms: u64,
    /// Milliseconds of them in which a tool was running (git, pip, the backend, gates, probes).
    pub tools_ms: u64,
}

/// The release that this one follows.
#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    /// Its version.
    pub version: String,
    /// Whether it was made without shipway, so that no evidence is asked of it.
    pub adopted: bool,
    /// What is not compared with it.
    pub not_compared: Vec<String>,
}

/// Releases.
///
/// # Errors
/// The first refusal of any step; run again to resume.
pub fn release(context: &Context<'_>, request: &ReleaseRequest) -> Result<ReleaseReport> {
    let started = std::time::Instant::now();
    let last = request.to.clone().unwrap_or_else(|| context.config.last_channel().clone());
    if !context.config.channels.contains(&last) {
        return Err(Error::usage("no-channel", format!("there is no channel `{last}`"))
            .hint(format!("channels: {}", join(&context.config.channels))));
    }
    if let Level::Exact(text) = &request.bump.level {
        parse_new(text, context.config.scheme)?;
    }
    let git = context.repository()?;
    if !request.bump.dry_run {
        context.lock(&git)?;
    }
    let mut report = ReleaseReport::begun(context, request, &last);
    if context.config.forge.configured {
        at_forge::release(context, &git, request, &last, &mut report)?;
        report.timed(started);
        return Ok(report);
    }
    check_ground(context, &request.bump)?;
    let remote = git.ls_remote(&context.config.remote)?;
    let record = context.target()?.project(&context.config.name)?;
    let unfinished = find_unfinished(context, &git, &remote, record.as_ref(), &last)?;
    if unfinished.is_none()
        && let Some(tag) = released_tag(context, &git, &remote)?
    {
        report.nothing = Some(format!("nothing new since {tag}"));
        report.tag = Some(tag);
        return Ok(report);
    }
    let (version, commit) = match unfinished {
        Some(found) => {
            refuse_other_version(&request.bump.level, &found.version)?;
            context.progress.done(
                "resume",
                &format!("{} {} is unfinished; going on with it", context.config.name, found.version),
            );
            report.resumed = true;
            (found.version, found.commit)
        }
        None => {
            let bumped = bump::bump(context, &request.bump)?;
            report.previous = Some(bumped.plan.old.clone());
            let version = bumped
                .plan
                .new
                .parse::<Version>()
                .map_err(|error| Error::incomplete("internal", error.to_string()))?;
            report.plan = Some(bumped.plan);
            (version, bumped.commit.unwrap_or_default())
        }
    };
    report.baseline = baseline(context, record.as_ref(), &version)?;
    report.version = Some(version.to_string());
    report.commit = Some(commit.clone()).filter(|commit| !commit.is_empty());
    if request.bump.dry_run {
        return Ok(report);
    }
    crash_point(&context.environment, "release.bumped");
    carry(context, &git, &version, &commit, &last, &mut report)?;
    report.timed(started);
    Ok(report)
}

impl ReleaseReport {
    fn begun(context: &Context<'_>, request: &ReleaseRequest, last: &ChannelName) -> Self {
        Self {
            project: context.config.name.to_string(),
            version: None,
            previous: None,
            to: last.clone(),
            plan: None,
            resumed: false,
            channels: Vec::new(),
            tag: None,
            commit: None,
            install_from: None,
            baseline: None,
            dry_run: request.bump.dry_run,
            nothing: None,
            pull_request: None,
            run: None,
            forge_release: None,
            waiting: None,
            duration_ms: 0,
            tools_ms: 0,
        }
    }

    fn timed(&mut self, started: std::time::Instant) {
        let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.duration_ms = milliseconds(started.elapsed());
        self.tools_ms = milliseconds(crate::ops::process::time_in_tools());
    }
}

/// What any later step needs is looked at before the first one writes: interpreter, pip, credential, programs of
/// gates. A dry run adds what stands against the bump, so that one run names every problem.
fn check_ground(context: &Context<'_>, bump: &BumpRequest) -> Result<()> {
    let mut errors = lacking_ground(context);
    let path = context.environment.path("PATH");
    for gate in &context.config.gates {
        let program = gate.run.first().map(String::as_str).unwrap_or_default();
        if which::which_in(program, path.clone(), &context.config.directory).is_err() {
            let error =
                Error::incomplete("tool-missing", format!("the gate `{}` cannot run `{program}`", gate.id));
            errors.push(error.hint(format!("install `{program}` or put it on PATH")));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    if bump.dry_run {
        errors.extend(bump::bump(context, bump).err());
    }
    Err(Error::several(&format!("cannot release `{}`", context.config.name), errors))
}

/// What stands against publishing, smoking and promoting from this machine.
fn lacking_ground(context: &Context<'_>) -> Vec<Error> {
    let mut errors = Vec::new();
    match context.python() {
        Ok(python) => errors.extend(python.check_pip().err()),
        Err(error) => errors.push(error),
    }
    let channel = context.config.first_channel();
    let target = context.target();
    errors.extend(
        target.and_then(|target| crate::steps::publish::require_credential(context, target, channel)).err(),
    );
    errors.extend(target_channels(context).err());
    errors
}

/// A project and its index must mean the same channels in the same order, or a release stops half-way.
fn target_channels(context: &Context<'_>) -> Result<()> {
    let Target::Shipway { client, embedded: false } = context.target()? else { return Ok(()) };
    let there: Vec<ChannelName> =
        client.channels()?.channels.into_iter().map(|channel| channel.name).collect();
    let own = &context.config.channels;
    if there == *own {
        return Ok(());
    }
    Err(Error::usage("channels-differ", "the index has other channels than the configuration")
        .cause(format!("the index: {}", join(&there)))
        .cause(format!("the configuration: {}", join(own)))
        .hint("make `channels` in the configuration equal"))
}

/// The actions that a release up to `last` needs of its token after the upload.
fn needs(context: &Context<'_>, last: &ChannelName) -> Vec<Need> {
    let need = |action: &str, channel: Option<&ChannelName>| Need {
        action: action.to_owned(),
        channel: channel.cloned(),
    };
    let channels = &context.config.channels;
    let end = channels.iter().position(|channel| channel == last).unwrap_or(0);
    let mut needs = vec![need("evidence", None), need("block", None)];
    needs.extend(channels.iter().take(end + 1).skip(1).map(|channel| need("promote", Some(channel))));
    needs
}

/// Carries a cut release through to its last channel and its tag.
fn carry(
    context: &Context<'_>,
    git: &Git,
    version: &Version,
    commit: &str,
    last: &ChannelName,
    report: &mut ReleaseReport,
) -> Result<()> {
    let text = version.to_string();
    let progress = context.progress;
    let dist = std::path::PathBuf::from("dist");
    restore(context, version, commit, &dist)?;
    let built = build(
        context,
        &BuildRequest { commit: commit.to_owned(), out: dist.clone(), verify: false, dry_run: false },
    )?;
    let Some(manifest) = built.manifest else {
        return Err(Error::incomplete("internal", "the build gave no manifest"));
    };
    let names: Vec<&str> = manifest.files.iter().map(|file| file.filename.as_str()).collect();
    progress.done(
        "build",
        &format!("{}{}", names.join(", "), if built.already { " (already built)" } else { "" }),
    );
    crash_point(&context.environment, "release.built");
    let gates = crate::steps::gate::run(context, &manifest, &context.config.directory.join(&dist), &[])?;
    if let Some(error) = crate::steps::gate::refusal(&gates) {
        // What this run cut and nobody has seen is taken back, so that the version is free for the mended release.
        if !report.resumed {
            withdraw(context, git, version, commit)?;
            return Err(error);
        }
        let remote = &context.config.remote;
        return Err(error.hint(format!(
            "mend it on `{}`, remove the branch (git push {remote} --delete release/v{text} && git branch -D release/v{text}), and release again",
            context.config.base_branch
        )));
    }
    let passed: Vec<&str> = gates.gates.iter().map(|gate| gate.id.as_str()).collect();
    progress.done("gates", &format!("{} passed", passed.join(", ")));
    // Whatever the index would refuse is known before the base moves.
    let also = needs(context, last);
    publish(context, &PublishRequest { to: None, dist: dist.clone(), dry_run: true, also, approval: None })?;
    move_base(context, git, commit)?;
    crash_point(&context.environment, "release.base");
    publish_files(context, dist)?;
    to_last_channel(context, &text, last, report)?;
    let tag = make_tag(context, git, version, commit)?;
    progress.done("tag", &tag);
    report.tag = Some(tag);
    leave_release_branch(context, git)
}

/// Publishes the files of the manifest to the first channel.
fn publish_files(context: &Context<'_>, dist: std::path::PathBuf) -> Result<()> {
    let published = publish_and_tell(
        context,
        &PublishRequest { to: None, dist, dry_run: false, also: Vec::new(), approval: None },
    )?;
    let word = match (published.already, context.config.is_foreign()) {
        (true, _) => "already there",
        (false, true) => "read back",
        (false, false) => "visible at once",
    };
    let text = format!("{} files in {}, {word}", published.files.len(), published.channel);
    context.progress.done("publish", &text);
    crash_point(&context.environment, "release.published");
    Ok(())
}

/// Takes a published release through its channels, smoked in each.
fn to_last_channel(
    context: &Context<'_>,
    version: &str,
    last: &ChannelName,
    report: &mut ReleaseReport,
) -> Result<()> {
    report.channels.push(context.config.first_channel().clone());
    let channels: Vec<ChannelName> = context.config.channels.clone();
    let end = channels.iter().position(|channel| channel == last).unwrap_or(0);
    for at in 0..end {
        let (from, to) = (&channels[at], &channels[at + 1]);
        try_in(context, version, from)?;
        let promoted = promote(
            context,
            &PromoteRequest { version: version.to_owned(), to: to.clone(), over: None, dry_run: false },
        )?;
        let word = if promoted.changed { ", the same bytes" } else { " (already there)" };
        context.progress.done("promote", &format!("{to}{word}"));
        report.channels.push(to.clone());
        crash_point(&context.environment, "release.promoted");
    }
    if end + 1 == channels.len() {
        try_in(context, version, last)?;
    }
    report.install_from = Some(context.target()?.simple(last)?.to_string());
    Ok(())
}

/// Smokes in a channel unless a statement shows that these bytes passed there.
fn try_in(context: &Context<'_>, version: &str, channel: &ChannelName) -> Result<()> {
    let target = context.target()?;
    let record = crate::steps::publish::require_record(context, target)?;
    let stored = crate::steps::publish::require_release(&record, version, target)?;
    let manifest = crate::steps::publish::manifest_of(context, stored)?;
    let readiness = Readiness::of(context, &manifest, Some(stored))?;
    let of_this_index = readiness.known().iter().any(|known| {
        let predicate = &known.statement.predicate;
        predicate.gate == "smoke"
            && predicate.channel.as_deref() == Some(channel.as_str())
            && predicate.detail.get("index").and_then(serde_json::Value::as_str) == Some(&target.label())
    });
    let smoke_here = Requirement::new(GateId::Smoke).in_channel(channel.clone());
    let standing = readiness.judge(&ChannelPolicy::default().with(&[smoke_here]), channel);
    if of_this_index && standing.first().is_some_and(|item| item.verdict == ItemVerdict::Passed) {
        context.progress.done("smoke", &format!("{channel} (passed before)"));
        return Ok(());
    }
    let request = SmokeRequest {
        version: version.to_owned(),
        from: Some(channel.clone()),
        sdist: false,
        dry_run: false,
    };
    let report = smoke(context, &request)?;
    if let Some(error) = crate::steps::smoke::refusal(&report) {
        return Err(error);
    }
    let text = format!(
        "{channel}: {} files installed, {} symbols imported, {} probes passed",
        report.installed.len(),
        report.imports.len(),
        report.probes.len()
    );
    context.progress.done("smoke", &text);
    Ok(())
}

/// The newest release on the index, which the new one is compared with (row J13).
fn baseline(
    context: &Context<'_>,
    record: Option<&ProjectRecord>,
    new: &Version,
) -> Result<Option<Baseline>> {
    let Some(record) = record else { return Ok(None) };
    let releases = record.releases.iter().filter(|release| release.blocked.is_none());
    let newest = releases
        .filter_map(|release| Some((release.version.parse::<Version>().ok()?, release)))
        .filter(|(version, _)| version < new)
        .max_by(|a, b| a.0.cmp(&b.0));
    let Some((_, newest)) = newest else { return Ok(None) };
    let has_evidence = match context.target()? {
        Target::Shipway { client, .. } => client
            .evidence(&context.config.name, &newest.version)?
            .is_some_and(|list| !list.statements.is_empty()),
        Target::Foreign(_) => false,
    };
    // What the installed gates could not compare stands in their own reports.
    let not_compared = if has_evidence { Vec::new() } else { vec!["evidence (it was made without shipway)"] };
    let text = if has_evidence {
        String::new()
    } else {
        let missing = not_compared.join(", ");
        format!(", made without shipway: adopted, no evidence is asked of it; not compared: {missing}")
    };
    context.progress.done("baseline", &format!("{}{text}", newest.version));
    Ok(Some(Baseline {
        version: newest.version.clone(),
        adopted: !has_evidence,
        not_compared: not_compared.into_iter().map(str::to_owned).collect(),
    }))
}

fn join(channels: &[ChannelName]) -> String {
    channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(", ")
}
