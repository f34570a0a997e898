//! The workflows of a forge, written from the configuration and kept equal to it.
//!
//! A generated file carries the digest of what was written, so that a hand edit is told from an older shipway's
//! writing. What was written by hand is never overwritten unasked.

mod model;
mod pins;
mod pythons;
mod render;
pub(crate) mod schema;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shipway_dist::{Finding, Sha256};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::ops::yaml;

pub use model::Generated;
pub use pins::{Pin, all as pinned_actions};

/// What stands in the first lines of every generated file; the digest is of everything after that line.
const WRITTEN: &str =
    "# Written by `shipway workflows generate` from the configuration; changes here are lost.";
const STAMP: &str = "# shipway workflow 1, sha256 ";

/// How a file on disk stands to what the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is what would be written.
    Fresh,
    /// There is none.
    Missing,
    /// It was generated, and the configuration or shipway has changed since.
    Stale,
    /// It was generated, and somebody changed it by hand.
    Edited,
    /// Somebody wrote it by hand.
    Foreign,
}

/// A generated file and how it stands.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// Its path, relative to the repository.
    pub path: String,
    /// How it stands (or stood, before it was written).
    pub state: State,
    /// Whether it was (or would be) written.
    pub written: bool,
    /// From what is there to what would be, as a unified diff; empty when they are equal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// What generating or upgrading did, or what a check found.
#[derive(Debug, Clone, Serialize)]
pub struct WorkflowsReport {
    /// Every generated file.
    pub files: Vec<FileReport>,
    /// What stands against them.
    pub findings: Vec<Finding>,
    /// The Pythons of the tests.
    pub pythons: Vec<String>,
    /// Whether nothing was written because nothing was to be.
    pub dry_run: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct GenerateRequest {
    /// Show what would be written.
    pub dry_run: bool,
    /// Write also over what was changed or written by hand.
    pub overwrite: bool,
    /// Also write an action of single steps into this folder, relative to the repository.
    pub composite_action: Option<PathBuf>,
}

/// Where the repository of a project is and where the project is in it.
pub(crate) struct Place {
    /// The root of the working tree.
    pub(crate) root: PathBuf,
    /// The project in it, with a slash at its end; empty for the root.
    pub(crate) prefix: String,
}

impl Place {
    pub(crate) fn of(context: &Context<'_>) -> Result<Self> {
        let directory = &context.config.directory;
        match Git::open(directory, &context.environment) {
            Ok(git) => {
                let prefix = git.prefix_of(directory)?;
                let prefix =
                    if prefix.is_empty() { prefix } else { format!("{}/", prefix.trim_end_matches('/')) };
                Ok(Self { root: git.root().to_owned(), prefix })
            }
            // A project that is not under git yet can be looked at all the same.
            Err(_) => Ok(Self { root: directory.clone(), prefix: String::new() }),
        }
    }
}

/// Writes the files that are missing or stale.
///
/// # Errors
/// When the configuration lacks something, a file was written or changed by hand and may not be overwritten (then
/// nothing is written), or one cannot be written.
pub fn generate(context: &Context<'_>, request: &GenerateRequest) -> Result<WorkflowsReport> {
    let place = Place::of(context)?;
    let (files, pythons) = model::files(context, &place, request.composite_action.as_deref())?;
    let mut report =
        WorkflowsReport { files: Vec::new(), findings: Vec::new(), pythons, dry_run: request.dry_run };
    let mut errors = Vec::new();
    for file in &files {
        let found = compare(&place.root, file)?;
        let is_ours = matches!(found.state, State::Missing | State::Stale);
        let written = is_ours || (request.overwrite && found.state != State::Fresh) || found.lacks_mode;
        if !written && found.state != State::Fresh {
            let how = if found.state == State::Edited { "changed" } else { "written" };
            errors.push(
                Error::refused("hand-written", format!("`{}` was {how} by hand", file.path)).hint(
                    "look at it with --dry-run, bring the change to the configuration, then --overwrite",
                ),
            );
        }
        report.files.push(FileReport {
            path: file.path.clone(),
            state: found.state,
            written,
            diff: found.diff,
        });
    }
    // A dry run says what would be refused beside what would be written.
    if !errors.is_empty() && !request.dry_run {
        return Err(Error::several("the workflows are not written", errors));
    }
    report.findings =
        errors.iter().map(|error| Finding::error("workflow-foreign", error.to_string())).collect();
    if !request.dry_run {
        for (file, _) in files.iter().zip(&report.files).filter(|(_, report)| report.written) {
            write(&place.root, &file.path, &file.text, file.executable)?;
        }
    }
    Ok(report)
}

/// Moves generated files to what this shipway writes, and the pins in those that were changed by hand to its table.
///
/// # Errors
/// When the configuration lacks something, or a file cannot be written.
pub fn upgrade(context: &Context<'_>, dry_run: bool) -> Result<WorkflowsReport> {
    let place = Place::of(context)?;
    let (files, pythons) = model::files(context, &place, None)?;
    let mut report = WorkflowsReport { files: Vec::new(), findings: Vec::new(), pythons, dry_run };
    for file in &files {
        let mut found = compare(&place.root, file)?;
        let mut text = file.text.clone();
        match found.state {
            State::Edited => {
                let before = read(&place.root, &file.path)?.unwrap_or_default();
                text = pins::moved(&before);
                found.diff = unified(&file.path, &before, &text);
            }
            State::Foreign => found.diff.clear(),
            State::Fresh | State::Missing | State::Stale => {}
        }
        let written = !found.diff.is_empty();
        if written && !dry_run {
            write(&place.root, &file.path, &text, file.executable)?;
        }
        report.files.push(FileReport {
            path: file.path.clone(),
            state: found.state,
            written,
            diff: found.diff,
        });
    }
    Ok(report)
}

/// Compares the generated files with the configuration, and reads every workflow of the repository as the forge will
/// (row H9).
///
/// # Errors
/// When the configuration lacks something, or a file cannot be read.
pub fn check(context: &Context<'_>) -> Result<WorkflowsReport> {
    let place = Place::of(context)?;
    let (files, pythons) = model::files(context, &place, None)?;
    let mut report = WorkflowsReport { files: Vec::new(), findings: Vec::new(), pythons, dry_run: false };
    for file in &files {
        let found = compare(&place.root, file)?;
        report.findings.extend(drift(file, &found));
        report.files.push(FileReport {
            path: file.path.clone(),
            state: found.state,
            written: false,
            diff: found.diff,
        });
    }
    for (path, text) in workflow_files(&place.root)? {
        match yaml::parse(&text) {
            Ok(node) => report.findings.extend(schema::judge(&path, &node)),
            Err(error) => report.findings.push(
                Finding::error("workflow-yaml", format!("{path}:{}: {}", error.line, error.message))
                    .hint("the forge loads no workflow that is no YAML, and says so nowhere near the merge"),
            ),
        }
    }
    Ok(report)
}

/// What a check refuses; none when there is no finding.
pub fn refusal(report: &WorkflowsReport) -> Option<Error> {
    let first = report.findings.first()?;
    let error = Error::refused("workflows-drift", "the workflows are not what the configuration says");
    let error =
        report.findings.iter().fold(error, |error, one| error.cause(format!("{}: {}", one.id, one.message)));
    let is_drift =
        report.findings.iter().all(|one| matches!(one.id.as_str(), "workflow-missing" | "workflow-stale"));
    let is_by_hand =
        report.findings.iter().all(|one| matches!(one.id.as_str(), "workflow-edited" | "workflow-foreign"));
    Some(if is_drift {
        error.hint("shipway workflows generate")
    } else if is_by_hand {
        error.hint("bring the change to the configuration, then shipway workflows generate --overwrite")
    } else {
        error.hint(format!("shipway explain {}", first.id))
    })
}

fn drift(file: &Generated, found: &Found) -> Option<Finding> {
    let path = &file.path;
    let finding = match found.state {
        State::Fresh if found.lacks_mode => {
            Finding::error("workflow-mode", format!("`{path}` cannot be executed"))
        }
        State::Fresh => return None,
        State::Missing => Finding::error("workflow-missing", format!("there is no `{path}`")),
        State::Stale => {
            Finding::error("workflow-stale", format!("`{path}` is not what the configuration says now"))
        }
        State::Edited => Finding::error("workflow-edited", format!("`{path}` was changed by hand")),
        State::Foreign => Finding::error("workflow-foreign", format!("`{path}` was written by hand")),
    };
    Some(finding.hint(match found.state {
        State::Edited | State::Foreign => "shipway workflows generate --overwrite",
        State::Fresh | State::Missing | State::Stale => "shipway workflows generate",
    }))
}

/// What is on disk in the place of a generated file.
struct Found {
    state: State,
    diff: String,
    lacks_mode: bool,
}

fn compare(root: &Path, file: &Generated) -> Result<Found> {
    let found = read(root, &file.path)?;
    let state = match &found {
        None => State::Missing,
        Some(text) if *text == file.text => State::Fresh,
        Some(text) => match stamped(text) {
            None => State::Foreign,
            Some(true) => State::Stale,
            Some(false) => State::Edited,
        },
    };
    let diff = unified(&file.path, found.as_deref().unwrap_or_default(), &file.text);
    let lacks_mode = found.is_some() && file.executable && !is_executable(&root.join(&file.path));
    Ok(Found { state, diff, lacks_mode })
}

/// The text of a generated file: a first line of its own where it is a script, what it is, its digest, the body.
pub(super) fn stamp(first: Option<&str>, body: &str) -> String {
    let first = first.map(|line| format!("{line}\n")).unwrap_or_default();
    format!("{first}{WRITTEN}\n{STAMP}{}\n{body}", Sha256::of(body.as_bytes()))
}

/// Whether a generated text is as it was written; none when it was not generated.
fn stamped(text: &str) -> Option<bool> {
    let start = text.find(STAMP)?;
    // Far down it is somebody's quotation.
    if text[..start].lines().count() > 3 {
        return None;
    }
    let (digest, body) = text[start + STAMP.len()..].split_once('\n')?;
    Some(digest.trim() == Sha256::of(body.as_bytes()).to_hex())
}

/// A file's text with its line ends as git keeps them; none when there is no file.
fn read(root: &Path, path: &str) -> Result<Option<String>> {
    let place = root.join(path);
    match std::fs::read(&place) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &place, &error)),
    }
}

/// Every workflow of the repository for a forge like GitHub, by path.
pub(crate) fn workflow_files(root: &Path) -> Result<Vec<(String, String)>> {
    const FOLDER: &str = ".github/workflows";
    let folder = root.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", &folder, &error)),
    };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".yml") || name.ends_with(".yaml"));
    names.sort();
    let text = |name: &String| {
        let path = format!("{FOLDER}/{name}");
        read(root, &path).map(|text| text.map(|text| (path, text)))
    };
    names.iter().filter_map(|name| text(name).transpose()).collect()
}

fn unified(path: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}

/// Writes a file whole or not at all.
fn write(root: &Path, path: &str, text: &str, executable: bool) -> Result<()> {
    let place = root.join(path);
    let act = || -> std::io::Result<()> {
        let folder = place.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        set_mode(file.path(), executable)?;
        file.persist(&place)?;
        Ok(())
    };
    act().map_err(|error| Error::io("write", &place, &error))
}

#[cfg(unix)]
fn set_mode(path: &Path, executable: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _executable: bool) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_edit_is_told_from_an_older_writing() {
        let text = stamp(None, "name: CI\n");
        assert_eq!(stamped(&text), Some(true));
        assert_eq!(stamped(&text.replace("CI", "CD")), Some(false));
        assert_eq!(stamped(&stamp(Some("#!/bin/sh"), "exit\n")), Some(true));
        assert_eq!(stamped("name: CI\n"), None);
        assert_eq!(stamped(&format!("a: 1\n\n\n\n\n{text}")), None);
    }
}
