//! Everything that a channel asks of a release, as one table.

use serde::Serialize;
use shipway_dist::policy::{ChannelPolicy, Item, ItemVerdict, Requirement};
use shipway_dist::wire::ReleaseRecord;
use shipway_dist::{ChannelName, Finding, Manifest, Sha256, Version};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::readiness::{Readiness, next_command};
use crate::steps::build::read_manifest;
use crate::steps::gate::available;
use crate::steps::publish::{manifest_of, require_record, require_release};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct ReadyRequest {
    /// The version; none for what is built here.
    pub version: Option<String>,
    /// The channel; none for the next one that the release is not in.
    pub channel: Option<ChannelName>,
}

/// How a release stands.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
    /// The channel asked about.
    pub channel: ChannelName,
    /// Whether a refusal there is only written to the log.
    pub audit: bool,
    /// Whether the index holds these bytes.
    pub published: bool,
    /// Every gate and rule.
    pub gates: Vec<ReadyGate>,
    /// The command that gets the first thing that lacks; none when nothing does.
    pub next: Option<String>,
}

/// A gate or rule and how it stands.
#[derive(Debug, Clone, Serialize)]
pub struct ReadyGate {
    /// `GATE`, `GATE@CHANNEL`, `approval` or `local`.
    pub id: String,
    /// How it stands.
    pub verdict: ItemVerdict,
    /// Why, in one line.
    pub why: String,
    /// Who signed what decided it.
    pub signer: Option<String>,
    /// What the gate found.
    pub findings: Vec<Finding>,
    /// The statements that decided it, by id.
    pub evidence: Vec<Sha256>,
}

/// Asks for every gate of a release.
///
/// # Errors
/// When nothing is built, the index has no such version, or does not answer.
pub fn ready(context: &Context<'_>, request: &ReadyRequest) -> Result<ReadyReport> {
    let (manifest, release) = subject(context, request.version.as_deref())?;
    let channels = &context.config.channels;
    let is_in =
        |channel: &ChannelName| release.as_ref().is_some_and(|release| release.channels.contains(channel));
    let channel = match &request.channel {
        Some(channel) if channels.contains(channel) => channel.clone(),
        Some(channel) => {
            let names: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
            return Err(Error::usage("no-channel", format!("there is no channel `{channel}`"))
                .hint(format!("channels: {}", names.join(", "))));
        }
        None => {
            channels.iter().find(|channel| !is_in(channel)).unwrap_or(&channels[channels.len() - 1]).clone()
        }
    };
    let readiness = Readiness::of(context, &manifest, release.as_ref())?;
    let policy = with_declared(context, readiness.policy_for(&channel));
    let version = manifest.version.to_string();
    let items = readiness.judge(&policy, &channel);
    let next = items
        .iter()
        .find(|item| item.verdict != ItemVerdict::Passed)
        .map(|item| next_command(item, &version, &channel));
    let gates = items.into_iter().map(|item| row(context, &version, &readiness, item)).collect();
    Ok(ReadyReport {
        project: context.config.name.to_string(),
        version,
        commit: manifest.commit.clone(),
        channel,
        audit: policy.mode == shipway_dist::policy::Mode::Audit,
        published: release.is_some(),
        gates,
        next,
    })
}

/// What is asked about: the release that is built here, or a version at the index.
fn subject(context: &Context<'_>, version: Option<&str>) -> Result<(Manifest, Option<ReleaseRecord>)> {
    let built = read_manifest(context)?.filter(|manifest| manifest.project == context.config.name);
    let target = context.target()?;
    let asked: Option<Version> = version
        .map(|text| {
            text.parse().map_err(|error: pep440_rs::VersionParseError| {
                Error::usage("malformed-version", format!("`{text}` is not a version"))
                    .cause(error.to_string())
            })
        })
        .transpose()?;
    match (built, asked) {
        (Some(built), asked) if asked.as_ref().is_none_or(|asked| *asked == built.version) => {
            let record = target.project(&context.config.name)?;
            let same = |release: &ReleaseRecord| {
                release.version.parse::<Version>().is_ok_and(|version| version == built.version)
                    && release.manifest_digest == built.digest()
            };
            let release = record.and_then(|record| record.releases.into_iter().find(same));
            Ok((built, release))
        }
        (_, Some(asked)) => {
            let record = require_record(context, target)?;
            let release = require_release(&record, &asked.to_string(), target)?.clone();
            Ok((manifest_of(context, &release)?, Some(release)))
        }
        (None | Some(_), None) => {
            Err(Error::refused("no-manifest", "nothing is built, and no version was named")
                .hint("shipway build, or shipway ready VERSION"))
        }
    }
}

/// A gate that the project declares holds everywhere, whether or not a policy names it (row D2).
fn with_declared(context: &Context<'_>, policy: ChannelPolicy) -> ChannelPolicy {
    let declared: Vec<Requirement> = available(context).into_iter().map(Requirement::new).collect();
    policy.with(&declared)
}

fn row(context: &Context<'_>, version: &str, readiness: &Readiness, item: Item) -> ReadyGate {
    let decided = readiness.known().iter().rfind(|known| item.evidence.contains(&known.id));
    let mut gate = ReadyGate {
        id: item.id,
        verdict: item.verdict,
        why: item.why,
        signer: decided.and_then(|known| known.signer.clone()),
        findings: decided.map(|known| known.statement.predicate.findings.clone()).unwrap_or_default(),
        evidence: item.evidence,
    };
    if gate.verdict != ItemVerdict::Passed
        && let Some(fault) = fault_of(context, version, &gate.id)
    {
        gate.verdict = ItemVerdict::Error;
        gate.why = fault;
    }
    gate
}

/// Why the last run of a gate came to no verdict, where it did not.
fn fault_of(_context: &Context<'_>, _version: &str, _gate: &str) -> Option<String> {
    None
}

/// The refusal that a release stands for that lacks something; none when everything holds.
pub fn refusal(report: &ReadyReport) -> Option<Error> {
    let lacking: Vec<&ReadyGate> =
        report.gates.iter().filter(|gate| gate.verdict != ItemVerdict::Passed).collect();
    if lacking.is_empty() {
        return None;
    }
    let names: Vec<&str> = lacking.iter().map(|gate| gate.id.as_str()).collect();
    let what = format!(
        "`{}` {} is not ready for `{}`: {}",
        report.project,
        report.version,
        report.channel,
        names.join(", ")
    );
    let error = Error::refused("not-ready", what);
    Some(match &report.next {
        Some(next) => error.hint(next.clone()),
        None => error,
    })
}
