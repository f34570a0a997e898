//! Tells everybody what was decided: step outputs, the summary of the job, the pull request, and the record.

use serde_json::json;
use shipway_dist::GateId;
use shipway_dist::evidence::Verdict;

use super::{Decision, Flag, Outcome};
use crate::config::environment;
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
    let summary = job_summary::add(&context.environment, &summary(decision, command));
    if let Err(error) = comment(context, forge, decision, command) {
        context.progress.warn(&format!("the refusal is not reported on the pull request: {error}"));
    }
    outputs.and(summary).and(keep)
}

/// The step outputs; every value is one line without anything that a shell or an expression could take for its own.
fn outputs(decision: &Decision) -> String {
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
    lines.into_iter().map(|(name, value)| format!("{name}={}\n", clean(value))).collect()
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

/// A refusal after the merge is told where people look: on the pull request, once (row B22).
fn comment(context: &Context<'_>, forge: &dyn Forge, decision: &Decision, command: &str) -> Result<()> {
    let is_ci = context.environment.get(environment::FORGE_RUN).is_some();
    let was_merged = decision.checks.iter().any(|check| check.id == "pr-merged" && check.ok);
    let (Some(number), Outcome::Refused, "merged-release", true, true) =
        (decision.pull_request, decision.decision, command, is_ci, was_merged)
    else {
        return Ok(());
    };
    let body = format!("{MARK}\n{}", summary(decision, command));
    let before = forge.comments(number)?;
    if before.iter().any(|one| one.body.trim_end() == body.trim_end()) {
        return Ok(());
    }
    forge.comment(number, &body)
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
