//! Tells everybody what was decided: step outputs, the summary of the job, the pull request, and the record.

use std::path::Path;

use serde_json::json;
use shipway_dist::GateId;
use shipway_dist::evidence::Verdict;

use super::{Decision, Flag, Outcome};
use crate::config::{ForgeKind, environment};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::forge::Forge;
use crate::ops::forge::github::plain;
use crate::ops::job_summary::{self, append, cell};
use crate::steps::build::read_manifest;

/// What marks the comment of a refusal, so that a repeated run does not comment twice.
const MARK: &str = "<!-- shipway:merged-release -->";

/// Reports a decision of `command` (`merged-release`, `verify-run`, `check-pr`) wherever the CI run wants it, and
/// keeps it: as a statement when files of that commit are built here, else as a document in `.shipway/decisions/`.
///
/// # Errors
/// When an output or the record cannot be written. A comment that the forge does not take is a warning.
pub fn report(context: &Context<'_>, forge: &dyn Forge, decision: &Decision, command: &str) -> Result<()> {
    let keep = keep(context, decision, command);
    let outputs = match context.environment.path(environment::FORGE_OUTPUT) {
        Some(path) => append(&path, &outputs(decision)),
        None => Ok(()),
    };
    let dotenv = match context.environment.path(environment::DOTENV) {
        Some(path) => replace(&context.config.directory.join(path), &dotenv(decision)),
        None => Ok(()),
    };
    let summary = job_summary::add(&context.environment, &summary(decision, command));
    if let Err(error) = comment(context, forge, decision, command) {
        context.progress.warn(&format!("the decision is not reported on the pull request: {error}"));
    }
    outputs.and(dotenv).and(summary).and(keep)
}

/// The step outputs; every value is one line without anything that a shell or an expression could take for its own.
fn outputs(decision: &Decision) -> String {
    values(decision).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// The same as variables of later jobs, for GitLab's dotenv report: `SHIPWAY_DECISION`, `SHIPWAY_VERSION` ...
fn dotenv(decision: &Decision) -> String {
    let variable = |name: &str| format!("SHIPWAY_{}", name.to_uppercase().replace('-', "_"));
    values(decision).into_iter().map(|(name, value)| format!("{}={value}\n", variable(name))).collect()
}

fn values(decision: &Decision) -> Vec<(&'static str, String)> {
    let outcome = outcome_of(decision);
    let mut lines = vec![("decision", outcome.to_owned())];
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    lines.push(("version", decision.version.clone().unwrap_or_default()));
    lines.push(("pull-request", number(decision.pull_request)));
    lines.push(("sha", decision.sha.clone().unwrap_or_default()));
    lines.push(("run-id", number(decision.run)));
    lines.push(("manifest-sha256", decision.manifest_sha256.map(|one| one.to_hex()).unwrap_or_default()));
    lines.push(("flags", decision.flags.iter().map(|flag| name_of(*flag)).collect::<Vec<_>>().join(",")));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!,".contains(c);
    let clean = |text: String| -> String { text.chars().filter(|c| is_plain(*c)).collect() };
    lines.into_iter().map(|(name, value)| (name, clean(value))).collect()
}

pub(crate) fn outcome_of(decision: &Decision) -> &'static str {
    match decision.decision {
        Outcome::Release => "release",
        Outcome::None => "none",
        Outcome::Refused => "refused",
    }
}

pub(crate) fn name_of(flag: Flag) -> String {
    // A flag is a plain word, which always serializes.
    serde_json::to_value(flag).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The summary in Markdown: decision, each check, files with digests (row B22).
fn summary(decision: &Decision, command: &str) -> String {
    let mut text = format!("## shipway forge {command}: {}\n\n", outcome_of(decision));
    let mut facts = Vec::new();
    facts.extend(decision.version.as_ref().map(|version| format!("version `{}`", cell(version))));
    facts.extend(decision.pull_request.map(|number| format!("pull request #{number}")));
    facts.extend(decision.sha.as_ref().map(|sha| format!("commit `{}`", cell(sha))));
    facts.extend(decision.run.map(|run| format!("run `{run}`")));
    let moved = decision.requests.moved_to.as_ref();
    facts.extend(moved.map(|to| format!("the repository was renamed or transferred, it is `{to}` now")));
    if !facts.is_empty() {
        text.push_str(&format!("{}\n\n", facts.join(", ")));
    }
    text.push_str("| check | | found |\n|---|---|---|\n");
    for check in &decision.checks {
        let mark = if check.ok { "ok" } else { "**no**" };
        text.push_str(&format!("| `{}` | {mark} | {} |\n", check.id, cell(&check.detail)));
    }
    if !decision.flags.is_empty() {
        let flags: Vec<String> = decision.flags.iter().map(|flag| format!("`{}`", name_of(*flag))).collect();
        text.push_str(&format!("\nNoticed: {}\n", flags.join(", ")));
    }
    if !decision.files.is_empty() {
        text.push_str("\n| file | bytes | sha256 |\n|---|---|---|\n");
        for file in &decision.files {
            text.push_str(&format!("| `{}` | {} | `{}` |\n", cell(&file.filename), file.size, file.sha256));
        }
    }
    for problem in &decision.problems {
        text.push_str(&format!("\n`{}`: {}\n", problem.code, cell(&problem.message)));
        if let Some(hint) = &problem.hint {
            text.push_str(&format!("\nhint: {}\n", cell(hint)));
        }
    }
    text.push('\n');
    text
}

fn replace(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))
}

/// Tells a decision where people look: on the pull request, once (row B22).
///
/// At GitHub that is a refusal after the merge, for the rest stands in the summary of the job. GitLab's jobs have no
/// summary, so that every decision about a merged release stands on its merge request.
fn comment(context: &Context<'_>, forge: &dyn Forge, decision: &Decision, command: &str) -> Result<()> {
    let kind = forge.location().kind;
    let holds = |id: &str| decision.checks.iter().any(|check| check.id == id && check.ok);
    let is_told = match (kind, command, decision.decision) {
        (_, "merged-release", Outcome::Refused) | (ForgeKind::GitLab, "merged-release", Outcome::Release) => {
            holds("pr-merged")
        }
        (ForgeKind::GitLab, "verify-run", Outcome::Refused | Outcome::Release) => holds("merged-release-pr"),
        _ => false,
    };
    let run = [environment::FORGE_RUN, environment::GITLAB_RUN];
    let is_ci = run.iter().any(|name| context.environment.get(name).is_some());
    let (Some(number), true, true) = (decision.pull_request, is_told, is_ci) else { return Ok(()) };
    let mut body = format!("{MARK}\n{}", summary(decision, command));
    if kind == ForgeKind::GitLab {
        body = with_merge_requests(&body);
    }
    // What was decided again is told again only when it is another decision, or refused for another reason.
    let told = |one: &str| match decision.decision {
        Outcome::Release => head_of(one) == head_of(&body),
        Outcome::None | Outcome::Refused => one.trim_end() == body.trim_end(),
    };
    if forge.comments(number)?.iter().any(|one| told(&one.body)) {
        return Ok(());
    }
    forge.comment(number, &body)
}

/// The decision and what it is about, without the checks.
fn head_of(body: &str) -> &str {
    body.split("| check |").next().unwrap_or(body)
}

/// `#7` is an issue to GitLab; its merge requests are `!7`.
fn with_merge_requests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_number = c == '#' && rest.peek().is_some_and(char::is_ascii_digit);
        out.push(if is_number { '!' } else { c });
    }
    out
}

/// Keeps the decision (row B18).
fn keep(context: &Context<'_>, decision: &Decision, command: &str) -> Result<()> {
    let clocked = Clocked::start(context);
    if command == "merged-release"
        && let Ok(Some(manifest)) = read_manifest(context)
        && decision.sha.as_ref() == Some(&manifest.commit)
        && decision.version.as_deref() == Some(manifest.version.to_string().as_str())
        && decision.decision != Outcome::None
    {
        let verdict = if decision.decision == Outcome::Release { Verdict::Passed } else { Verdict::Failed };
        let detail = json!({
            "decision": outcome_of(decision), "pullRequest": decision.pull_request, "run": decision.run,
            "checks": decision.checks, "flags": decision.flags,
        });
        let failed = decision.checks.iter().filter(|check| !check.ok);
        let findings =
            failed.map(|check| shipway_dist::Finding::error(check.id, plain(&check.detail))).collect();
        let found = Found { findings, detail, channel: None };
        let statement = clocked.gate(GateId::MergedRelease, &manifest, verdict, found);
        evidence::keep(context, &manifest.version.to_string(), &statement)?;
    }
    let folder = context.records().join("decisions");
    let subject = match (decision.pull_request, decision.run, &decision.sha) {
        (_, Some(run), _) if command == "verify-run" => format!("run-{run}"),
        (Some(number), _, _) => format!("pr-{number}"),
        (None, _, Some(sha)) => sha.clone(),
        (None, _, None) => "unknown".to_owned(),
    };
    let path = folder.join(format!("{command}-{subject}.json"));
    let document = json!({
        "schema": format!("shipway.forge-{command}/1"),
        "ok": decision.refusal.is_none(),
        "decidedOn": (context.clock)().to_string(),
        "document": decision,
    });
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, &document)?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", &path, &error))
}
