//! The release notes beside the API: every break is named, or bullets that name it are inserted.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use shipway_dist::Finding;

use crate::api::notes_section;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::gates::notes::{Facts, judge_text};
use crate::{notes, steps};

/// What the notes say of the breaks.
#[derive(Debug, Serialize)]
pub struct NotesReport {
    /// The file; none when the project keeps no changelog.
    pub file: Option<String>,
    /// The title of the section that was read.
    pub section: Option<String>,
    /// The release compared with; none for the first.
    pub baseline: Option<String>,
    /// Breaks that the section did not name, as bullets.
    pub missing: Option<String>,
    /// Whether they were inserted.
    pub inserted: bool,
    /// What is wrong besides.
    pub findings: Vec<Finding>,
}

/// Looks whether the notes name every break; with `fix`, inserts bullets for those that they do not.
///
/// # Errors
/// When one side cannot be read, or there is no section to insert into.
pub fn check(context: &Context<'_>, new: Option<&str>, fix: bool) -> Result<NotesReport> {
    let config = &context.config;
    let verdict = steps::api::check(context, new)?;
    let Some(path) = config.changelog.as_ref().map(|path| config.directory.join(path)) else {
        let baseline = verdict.baseline;
        return Ok(NotesReport {
            file: None,
            section: None,
            baseline,
            missing: None,
            inserted: false,
            findings: Vec::new(),
        });
    };
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    let version =
        verdict.diff.new.version.clone().filter(|new| verdict.diff.old.version.as_ref() != Some(new));
    let section = notes_section(&text, version.as_deref());
    let mut report = NotesReport {
        file: config.changelog.clone(),
        section: section.as_ref().map(|section| section.title.clone()),
        baseline: verdict.baseline.clone(),
        missing: verdict.unnamed.clone(),
        inserted: false,
        findings: findings(context, &text, &verdict, section.as_ref())?,
    };
    if let (true, Some(bullets)) = (fix, &report.missing) {
        let Some(section) = section else {
            return Err(Error::refused("no-notes-section", "the notes have no section for this version")
                .hint("add a heading `## [Unreleased]`"));
        };
        replace(&path, &notes::insert(&text, &section, bullets))?;
        report.inserted = true;
    }
    Ok(report)
}

/// Everything that the gate `notes` says of the section, the breaks that it must name excepted.
fn findings(
    context: &Context<'_>,
    text: &str,
    verdict: &crate::api::ApiCheck,
    section: Option<&notes::Section>,
) -> Result<Vec<Finding>> {
    let mut found = crate::documents::drift(context)?;
    let Some(file) = &context.config.changelog else { return Ok(found) };
    let Some(version) = verdict.diff.new.version.as_ref().and_then(|version| version.parse().ok()) else {
        return Ok(found);
    };
    let unreleased = notes::unreleased(text);
    let mut facts = Facts::of(context, &version)?;
    facts.has_breaks = verdict.baseline.is_some() && verdict.diff.breaking().next().is_some();
    facts.is_release = section.is_some() && section != unreleased.as_ref();
    found.extend(judge_text(text, file, &facts));
    Ok(found)
}

/// Writes a file in one piece, its permissions kept.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(std::fs::metadata(path)?.permissions())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", path, &error))
}
