//! `cli-contract`: documented commands are there, and behave as in the release before: subcommands and options by
//! their help, JSON by its shape, exit codes and text as they are.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use shipway_dist::{Finding, GateId};
use shipway_pyapi::{ApiFinding, DiffOptions, ExtractOptions};

use super::change::{
    COMMAND_ADDED, COMMAND_REMOVED, EXIT_CHANGED, KEY_ADDED, KEY_REMOVED, OPTION_ADDED, OPTION_REMOVED,
    OUTPUT_CHANGED, TYPE_CHANGED, change,
};
use super::help::Page;
use super::{Facts, shape};
use crate::api::Baseline;
use crate::config::{Probe, ProbeKind};
use crate::context::Context;
use crate::error::Result;
use crate::gates::GateReport;
use crate::ops::api_source::from_index;
use crate::ops::probe::ProbeResult;

pub(super) fn judge(facts: &Facts<'_>) -> GateReport {
    let mut changes = facts.gone(GateId::CliContract);
    let mut compared = Vec::new();
    if let Some(old) = &facts.old {
        let read = &facts.read;
        changes.extend(read.changes.iter().cloned());
        let is_left = |line: &String| !read.commands.iter().any(|command| is_below(line, command));
        let pages = |pages: &BTreeMap<String, Page>| -> BTreeMap<String, Page> {
            pages
                .iter()
                .filter(|(line, _)| is_left(line))
                .map(|(l, page)| (l.clone(), page.clone()))
                .collect()
        };
        compared.extend(old.side.pages.keys().cloned());
        changes.extend(compare_pages(&pages(&old.side.pages), &pages(&facts.new.pages)));
        for probe in old.probes.iter().filter(|probe| probe.kind != ProbeKind::Error) {
            if let (Some(before), Some(now)) = (old.side.of(probe), facts.new.of(probe)) {
                changes.extend(compare_runs(probe, (before, &old.version), (now, &facts.step.new)));
            }
        }
    }
    let pages: BTreeMap<&String, _> =
        facts.new.pages.iter().map(|(line, page)| (line, &page.options)).collect();
    let detail = json!({ "commands": pages, "compared": compared });
    facts.report(GateId::CliContract, documented(facts), changes, detail)
}

/// What reading the sources of both releases tells of their command lines.
#[derive(Default)]
pub(super) struct Static {
    changes: Vec<ApiFinding>,
    /// The commands that were read on both sides: their help is not compared besides.
    commands: Vec<String>,
}

/// Compares the argparse, click and typer trees of both releases without running them (row J10).
///
/// What cannot be read is left to the comparison of help; JSON and exit codes always are.
///
/// # Errors
/// When the release before cannot be fetched.
pub(super) fn compare_statically(
    context: &Context<'_>,
    new: &Path,
    baseline: &Baseline,
    options: &DiffOptions,
) -> Result<Static> {
    let name = &context.config.name;
    let old = from_index(context, name, &baseline.version, std::slice::from_ref(&baseline.channel))?;
    let extract = |path: &Path| shipway_pyapi::extract(path, &ExtractOptions::default());
    // Sources that cannot be read at all are the business of the gates about them.
    let (Ok(old), Ok(new)) = (extract(&old.path), extract(new)) else { return Ok(Static::default()) };
    let commands = shipway_pyapi::cli::read_in_both(
        &shipway_pyapi::cli::read(&old, &[]),
        &shipway_pyapi::cli::read(&new, &[]),
    );
    Ok(Static { changes: shipway_pyapi::cli::diff(&old, &new, options), commands })
}

fn is_below(line: &str, command: &str) -> bool {
    line.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Commands that are documented and not there, and the other way round (row D10).
fn documented(facts: &Facts<'_>) -> Vec<Finding> {
    let documented = &facts.config.contract.commands;
    let installed = &facts.new.imports.commands;
    let mut findings = Vec::new();
    for command in documented {
        let program = command.split_whitespace().next().unwrap_or_default();
        if !installed.iter().any(|one| one == program) {
            let message =
                format!("`contract.commands` names `{command}`, and the release brings no such command");
            findings.push(Finding::error("command-missing", message));
        } else if let Some(how) = facts.new.silent.get(command) {
            let message = format!("`{command} --help` ended with {how}");
            findings.push(if command == program {
                Finding::warning("command-without-help", message)
            } else {
                Finding::error("command-missing", message)
            });
        }
    }
    if documented.is_empty() {
        return findings;
    }
    let programs: Vec<&str> =
        documented.iter().filter_map(|command| command.split_whitespace().next()).collect();
    for command in installed.iter().filter(|command| !programs.contains(&command.as_str())) {
        let message =
            format!("the release brings the command `{command}`, which `contract.commands` does not name");
        findings.push(
            Finding::warning("command-undocumented", message)
                .hint("name it in `contract.commands`, or leave it out of the release"),
        );
    }
    findings
}

fn compare_pages(old: &BTreeMap<String, Page>, new: &BTreeMap<String, Page>) -> Vec<ApiFinding> {
    let mut changes = Vec::new();
    let mut gone: Vec<&String> = Vec::new();
    for (line, page) in old {
        let Some(now) = new.get(line) else {
            if !gone.iter().any(|one| is_below(line, one)) {
                changes.push(change(COMMAND_REMOVED, line.clone(), "the command is gone, or its help fails"));
                gone.push(line);
            }
            continue;
        };
        for option in page.options.difference(&now.options) {
            changes.push(change(OPTION_REMOVED, format!("{line} {option}"), "its help no longer names it"));
        }
        for option in now.options.difference(&page.options) {
            changes.push(change(OPTION_ADDED, format!("{line} {option}"), "its help names it now"));
        }
    }
    let mut added: Vec<&String> = Vec::new();
    for line in new.keys().filter(|line| !old.contains_key(*line)) {
        if !added.iter().any(|one| is_below(line, one)) {
            changes.push(change(COMMAND_ADDED, line.clone(), "the command is new"));
            added.push(line);
        }
    }
    changes
}

/// The same command line in both releases.
fn compare_runs(
    probe: &Probe,
    (before, old): (&ProbeResult, &str),
    (now, new): (&ProbeResult, &str),
) -> Vec<ApiFinding> {
    let mut changes = Vec::new();
    let line = shell_words::join(&probe.run);
    // A command that neither release has says nothing.
    let (Some(code), found) = (before.exit, now.exit) else { return changes };
    if found != Some(code) {
        let found = found.map_or_else(|| "no exit code".to_owned(), |code| code.to_string());
        let detail = format!("`{line}` ended with {code} in {old}, ends with {found}");
        changes.push(change(EXIT_CHANGED, probe.id.clone(), detail));
        return changes;
    }
    match (shape::document(&before.stdout), shape::document(&now.stdout)) {
        (Some(before), Some(now)) => {
            let difference = shape::compare(&before, &now);
            let symbol = |path: &str| format!("{}:{path}", probe.id);
            for path in difference.removed {
                changes.push(change(
                    KEY_REMOVED,
                    symbol(&path),
                    format!("`{line}` no longer prints the key"),
                ));
            }
            for (path, was, is) in difference.changed {
                let detail = format!("`{line}` printed {was}, prints {is}");
                changes.push(change(TYPE_CHANGED, symbol(&path), detail));
            }
            for path in difference.added {
                changes.push(change(KEY_ADDED, symbol(&path), format!("`{line}` prints the key now")));
            }
        }
        (Some(_), None) => {
            let detail = format!("`{line}` printed JSON, and prints other text");
            changes.push(change(TYPE_CHANGED, probe.id.clone(), detail));
        }
        (None, _) if told(&before.stdout, old) != told(&now.stdout, new) => {
            changes.push(change(OUTPUT_CHANGED, probe.id.clone(), format!("`{line}` prints other text")));
        }
        (None, _) => {}
    }
    changes
}

/// The text without the version that it may name.
fn told(text: &str, version: &str) -> String {
    text.replace(version, "VERSION").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(options: &[&str]) -> Page {
        Page { options: options.iter().map(|one| (*one).to_owned()).collect(), ..Page::default() }
    }

    #[test]
    fn d9_pages_of_help_are_compared() {
        let old = BTreeMap::from([
            ("demo".to_owned(), page(&["--help"])),
            ("demo config".to_owned(), page(&[])),
            ("demo config show".to_owned(), page(&["--json"])),
            ("demo get".to_owned(), page(&["--json", "--unit"])),
        ]);
        let mut new = old.clone();
        assert!(compare_pages(&old, &new).is_empty());
        new.retain(|line, _| !line.starts_with("demo config"));
        new.insert("demo get".to_owned(), page(&["--json", "--units"]));
        new.insert("demo put".to_owned(), page(&[]));
        let found: Vec<String> =
            compare_pages(&old, &new).iter().map(|one| format!("{} {}", one.id, one.symbol)).collect();
        let expected = [
            "command-removed demo config",
            "option-removed demo get --unit",
            "option-added demo get --units",
            "command-added demo put",
        ];
        assert_eq!(found, expected, "what lies below a command that is gone is not told again");
    }
}
