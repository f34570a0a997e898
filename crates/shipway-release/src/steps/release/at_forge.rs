//! A release of a project with a forge: it stops at its open pull request, and after the merge goes on with the files
//! that the CI run built. Nothing is ever built here.
//!
//! Killed at any point and run again it ends in the same state: what stands at forge and index is asked first.

use std::path::PathBuf;

use shipway_dist::wire::ReleaseRecord;
use shipway_dist::{ChannelName, GateId, Version};

use super::find::{Begun, PullRequestStatus, find_begun, was_closed};
use super::refs::leave_release_branch;
use super::unfinished::{base_of, refuse_other_version, released_tag};
use super::{ReleaseReport, ReleaseRequest, baseline, lacking_ground, needs, publish_files, to_last_channel};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::{Forge, PullRequest};
use crate::ops::git::Git;
use crate::ops::process::crash_point;
use crate::readiness::Readiness;
use crate::steps::build::read_manifest;
use crate::steps::bump::{self, BumpRequest, Wish};
use crate::steps::forge::{
    Decision, Flag, MergedReleaseRequest, Outcome, Patience, Subject, VerifyRunRequest, finish,
    merged_release, open, report as tell, verify_run,
};
use crate::steps::publish::{PublishRequest, manifest_of, publish};

/// Where the files of the run go.
const DIST: &str = "dist";

/// Releases through the forge.
pub(super) fn release(
    context: &Context<'_>,
    git: &Git,
    request: &ReleaseRequest,
    last: &ChannelName,
    report: &mut ReleaseReport,
) -> Result<()> {
    let forge = open(context)?;
    let work = Work { context, git, forge: forge.as_ref(), request, last };
    let Some((version, pull_request)) = work.begin_or_resume(report)? else { return Ok(()) };
    report.version = Some(version.to_string());
    report.pull_request = Some(PullRequestStatus::of(&pull_request, &version));
    if request.bump.dry_run {
        return Ok(());
    }
    crash_point(&context.environment, "release.pull-request");
    let pull_request = work.wait_for_merge(pull_request)?;
    report.pull_request = Some(PullRequestStatus::of(&pull_request, &version));
    if pull_request.merged_at.is_none() {
        if pull_request.state != "open" {
            return Err(was_closed(context, &pull_request, &version));
        }
        report.waiting = Some(format!(
            "review and merge {}, then run `shipway release {version}` again",
            pull_request.html_url
        ));
        return Ok(());
    }
    work.go_on(&version, &pull_request, report)
}

struct Work<'a> {
    context: &'a Context<'a>,
    git: &'a Git,
    forge: &'a dyn Forge,
    request: &'a ReleaseRequest,
    last: &'a ChannelName,
}

impl Work<'_> {
    /// The release that was begun, or a new one up to its pull request; none when there is nothing to do, or in a dry
    /// run that would begin one.
    fn begin_or_resume(&self, report: &mut ReleaseReport) -> Result<Option<(Version, PullRequest)>> {
        let (context, git) = (self.context, self.git);
        let remote = git.ls_remote(&context.config.remote)?;
        let record = context.target()?.project(&context.config.name)?;
        let begun = find_begun(context, git, self.forge, &remote, record.as_ref(), self.last)?;
        if let Some(begun) = begun {
            let (Begun::Cut(version) | Begun::Open(version, _) | Begun::Merged(version, _)) = &begun;
            refuse_other_version(&self.request.bump.level, version)?;
            report.resumed = true;
            report.version = Some(version.to_string());
            let text = format!("{} {version} is unfinished; going on with it", context.config.name);
            context.progress.done("resume", &text);
            return match begun {
                Begun::Open(version, found) | Begun::Merged(version, found) => Ok(Some((version, found))),
                Begun::Cut(_) if self.request.bump.dry_run => Ok(None),
                Begun::Cut(version) => {
                    let opened = bump::resume_pull_request(context, &version.to_string(), Wish::Yes)?;
                    let number = opened.map(|opened| opened.number).unwrap_or_default();
                    Ok(Some((version, self.forge.pull_request(number)?)))
                }
            };
        }
        if let Some(tag) = released_tag(context, git, &remote)? {
            report.nothing = Some(format!("nothing new since {tag}"));
            report.tag = Some(tag);
            return Ok(None);
        }
        let bumped =
            bump::bump(context, &BumpRequest { pull_request: Wish::Yes, ..self.request.bump.clone() })?;
        let version = bumped.plan.new.parse::<Version>();
        let version = version.map_err(|error| Error::incomplete("internal", error.to_string()))?;
        report.previous = Some(bumped.plan.old.clone());
        report.version = Some(version.to_string());
        report.plan = Some(bumped.plan);
        report.commit = bumped.commit;
        let Some(opened) = bumped.pull_request else { return Ok(None) };
        Ok(Some((version, self.forge.pull_request(opened.number)?)))
    }

    /// Waits until the pull request is merged or closed, as long as was asked for.
    fn wait_for_merge(&self, pull_request: PullRequest) -> Result<PullRequest> {
        let mut found = pull_request;
        if found.state != "open" {
            return Ok(found);
        }
        let mut patience = Patience::new(self.request.wait);
        let task = self.context.progress.begin(&format!("waiting for the merge of {}", found.html_url));
        while found.state == "open" && patience.wait(self.forge) {
            found = self.forge.pull_request(found.number)?;
        }
        drop(task);
        Ok(found)
    }

    /// From the merge to the last channel and the release at the forge.
    fn go_on(&self, version: &Version, pull_request: &PullRequest, report: &mut ReleaseReport) -> Result<()> {
        let context = self.context;
        let errors = lacking_ground(context);
        if !errors.is_empty() {
            return Err(Error::several(&format!("cannot release `{}`", context.config.name), errors));
        }
        self.follow_base();
        let record = context.target()?.project(&context.config.name)?;
        report.baseline = baseline(context, record.as_ref(), version)?;
        report.commit.clone_from(&pull_request.merge_commit_sha);
        let same = |one: &&ReleaseRecord| one.version.parse::<Version>().is_ok_and(|found| found == *version);
        let held = record.as_ref().and_then(|record| record.releases.iter().find(same));
        let is_whole = match held {
            Some(held) => self.is_whole(held)?,
            None => false,
        };
        if is_whole {
            report.run = held.and_then(|held| held.run.as_ref()?.parse().ok());
            context.progress.done("publish", "already there");
        } else if let Some(run) = self.take_over(version, pull_request, held.is_some())? {
            report.run = Some(run);
            crash_point(&context.environment, "release.verified");
            // Whatever the index would refuse is known before the first file is sent.
            let also = needs(context, self.last);
            let dist = PathBuf::from(DIST);
            let trial = PublishRequest { to: None, dist: dist.clone(), dry_run: true, also, approval: None };
            publish(context, &trial)?;
            publish_files(context, dist)?;
        }
        to_last_channel(context, &version.to_string(), self.last, report)?;
        let finished = finish(context, self.forge, &version.to_string())?;
        report.commit = Some(finished.commit);
        report.tag = Some(finished.tag);
        report.forge_release = Some(finished.url);
        leave_release_branch(context, self.git)
    }

    /// Whether the index holds the release with what its publish says of it, so that the CI run is not needed any
    /// more: its artifacts do not last as long as the release (row G12).
    fn is_whole(&self, held: &ReleaseRecord) -> Result<bool> {
        let manifest = manifest_of(self.context, held)?;
        let is_here = read_manifest(self.context)?.is_some_and(|local| local.version == manifest.version);
        let known = Readiness::of(self.context, &manifest, Some(held))?;
        let told = |gate: &str| {
            known.known().iter().any(|one| {
                (one.at_index || is_here && self.context.config.is_foreign())
                    && one.statement.predicate.gate == gate
            })
        };
        Ok(told(GateId::Distribution.as_str()) && told("publish"))
    }

    /// Decides about the merge and takes the files of its CI run; gives the run. None when the tag says that it was
    /// released, and the index holds it.
    fn take_over(&self, version: &Version, pull_request: &PullRequest, is_held: bool) -> Result<Option<u64>> {
        let (context, forge) = (self.context, self.forge);
        let request = MergedReleaseRequest {
            subject: Subject::PullRequest(pull_request.number),
            wait: self.request.wait,
            dispatch: None,
        };
        let merged = merged_release(context, forge, &request)?;
        let (Outcome::Release, Some(run)) = (merged.decision, merged.run) else {
            tell(context, forge, &merged, "merged-release")?;
            if is_held && merged.flags.contains(&Flag::AlreadyReleased) {
                return Ok(None);
            }
            return Err(refusal(merged, pull_request.number));
        };
        let text = format!("#{} was merged as a release; run {run} built it", pull_request.number);
        context.progress.done("merged", &text);
        let request = VerifyRunRequest {
            run: run.to_string(),
            version: version.to_string(),
            artifacts: Vec::new(),
            manifest_sha256: None,
            out: PathBuf::from(DIST),
        };
        let verified = verify_run(context, forge, &request)?;
        tell(context, forge, &verified, "verify-run")?;
        // With the files here, the decision about the merge becomes a statement about them.
        tell(context, forge, &merged, "merged-release")?;
        if verified.decision != Outcome::Release {
            return Err(refusal(verified, pull_request.number));
        }
        let names: Vec<&str> = verified.files.iter().map(|file| file.filename.as_str()).collect();
        context.progress.done("verify", &format!("{}, as run {run} built them", names.join(", ")));
        Ok(Some(run))
    }

    /// Brings this clone's base to the merge, as far as that goes without a question.
    fn follow_base(&self) {
        let (context, git) = (self.context, self.git);
        let config = &context.config;
        let follow = || -> Result<()> {
            let remote = git.ls_remote(&config.remote)?;
            let Some(tip) = base_of(context, git, &remote)? else { return Ok(()) };
            leave_release_branch(context, git)?;
            let tracking = format!("refs/remotes/{}/{}", config.remote, config.base_branch);
            git.read(["update-ref", &tracking, &tip])?;
            bump::advance_base(git, &config.base_branch, &tip, &config.remote)
        };
        if let Err(error) = follow() {
            context.progress.warn(&format!("`{}` stays as it is here: {error}", config.base_branch));
        }
    }
}

/// What a decision that is no release refuses with.
fn refusal(decision: Decision, number: u64) -> Error {
    decision.refusal.unwrap_or_else(|| {
        Error::refused("no-release", format!("pull request #{number} is no release to publish"))
    })
}
