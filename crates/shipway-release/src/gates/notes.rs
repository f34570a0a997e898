//! The gate `notes`: the release notes are those of exactly this version, complete and true.
//!
//! Judges text; decides nothing from the messages of commits.

use std::path::Path;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::json;
use shipway_dist::{Finding, GateId, Manifest, Version};

use crate::api::{ApiCheck, UNREADABLE, judge};
use crate::config::Scheme;
use crate::context::Context;
use crate::documents;
use crate::error::{Error, Result};
use crate::gates::GateReport;
use crate::notes::{self, Section};

/// What the notes are held against.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Name of the project, normalized.
    pub name: String,
    /// The version that the notes are of.
    pub version: Version,
    /// Today.
    pub today: Date,
    /// What version numbers mean.
    pub scheme: Scheme,
    /// `Requires-Python`, where it is known.
    pub requires_python: Option<String>,
    /// The minor versions of Python 3 that the classifiers name.
    pub pythons: Vec<u64>,
    /// Whether the comparison with the last release found a break.
    pub has_breaks: bool,
    /// Whether the section is that of a release; *Unreleased* has no date yet.
    pub is_release: bool,
}

impl Facts {
    /// Takes what pyproject.toml says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(context: &Context<'_>, version: &Version) -> Result<Self> {
        let path = context.config.directory.join("pyproject.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
        let parsed: Option<serde_json::Value> =
            toml_edit::de::from_str(text.trim_start_matches('\u{feff}')).ok();
        let project = parsed.as_ref().and_then(|value| value.get("project"));
        let requires_python =
            project.and_then(|project| project.get("requires-python")?.as_str()).map(str::to_owned);
        let classifiers = project.and_then(|project| project.get("classifiers")?.as_array());
        let minor = |text: &str| text.strip_prefix("Programming Language :: Python :: 3.")?.parse().ok();
        let mut pythons: Vec<u64> =
            classifiers.into_iter().flatten().filter_map(|one| one.as_str().and_then(minor)).collect();
        pythons.sort_unstable();
        Ok(Self {
            name: context.config.name.normalized().to_owned(),
            version: version.clone(),
            today: context.today(),
            scheme: context.config.scheme,
            requires_python,
            pythons,
            has_breaks: false,
            is_release: true,
        })
    }

    /// The lowest minor version of Python 3 that the metadata admits.
    fn lowest(&self) -> Option<u64> {
        let text = self.requires_python.as_deref()?;
        let bound = text.split(',').find_map(|part| part.trim().strip_prefix(">="))?;
        bound.trim().strip_prefix("3.")?.split('.').next()?.parse().ok()
    }

    /// The supported Pythons in words.
    pub fn pythons_text(&self) -> String {
        match (self.lowest(), &self.requires_python) {
            (Some(lowest), Some(text)) if !text.contains('<') => format!("3.{lowest} and later"),
            (_, Some(text)) => text.clone(),
            (_, None) => "any".to_owned(),
        }
    }
}

/// Whether the gate is asked of every release: the changelog has the section *Unreleased* that a bump turns into that
/// of the release, or a channel of the project asks for it. Others keep their notes as they like.
pub fn is_asked(context: &Context<'_>) -> bool {
    let config = &context.config;
    let Some(file) = &config.changelog else { return false };
    let is_named = config.requires.values().flatten().any(|ask| ask.gate == GateId::Notes);
    let text = std::fs::read_to_string(config.directory.join(file));
    is_named || text.is_ok_and(|text| notes::unreleased(&text).is_some())
}

/// Judges the notes of a built release.
///
/// # Errors
/// When the changelog or the releases cannot be read.
pub fn notes(context: &Context<'_>, manifest: &Manifest, folder: &Path) -> Result<GateReport> {
    let mut facts = Facts::of(context, &manifest.version)?;
    let Some(file) = &context.config.changelog else {
        let findings = documents::drift(context)?;
        return Ok(GateReport::new(GateId::Notes, findings, json!({ "file": null })));
    };
    let text = at_commit(context, &manifest.commit, file)?;
    let wheel = manifest.files.iter().find(|one| one.filename.ends_with(".whl")).or(manifest.files.first());
    let mut findings = Vec::new();
    if let Some(wheel) = wheel {
        match judge(context, &folder.join(&wheel.filename), Some(&manifest.version)) {
            Ok(check) => {
                facts.has_breaks = check.baseline.is_some() && check.diff.breaking().next().is_some();
                findings.extend(unnamed(&check, &manifest.version));
            }
            // A distribution that cannot be read is the business of the gates about it.
            Err(error) if error.code() == UNREADABLE => {}
            Err(error) => return Err(error),
        }
    }
    findings.extend(judge_text(&text, file, &facts));
    findings.extend(documents::drift(context)?);
    Ok(GateReport::new(GateId::Notes, findings, json!({ "file": file })))
}

/// Breaks of the installed release (defaults, JSON, exit codes, commands) that the bump allows are named too
/// (row D19); says whether that changed the report.
///
/// # Errors
/// When the changelog cannot be read.
pub fn name_changes(
    context: &Context<'_>,
    manifest: &Manifest,
    changes: &[Finding],
    report: &mut GateReport,
) -> Result<bool> {
    let Some(file) = &context.config.changelog else { return Ok(false) };
    let text = at_commit(context, &manifest.commit, file)?;
    let section = notes::section_of(&text, &manifest.version.to_string());
    let body = section.map(|section| &text[section.body]).unwrap_or_default();
    let is_unnamed = |change: &&Finding| {
        let symbol = change.field.as_deref().unwrap_or_default();
        let key = symbol.rsplit(':').next().unwrap_or(symbol);
        let last = key.rsplit(['.', ' ']).next().unwrap_or(key);
        !body.contains(key) && !body.contains(last)
    };
    let missing: Vec<Finding> = changes
        .iter()
        .filter(is_unnamed)
        .map(|change| {
            let message = format!("the notes of {} do not name {}", manifest.version, change.message);
            Finding::error("break-not-named", message)
        })
        .collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let findings = report.findings.drain(..).chain(missing).collect();
    *report = GateReport::new(GateId::Notes, findings, report.detail.take());
    Ok(true)
}

fn unnamed(check: &ApiCheck, version: &Version) -> Option<Finding> {
    let bullets = check.unnamed.as_ref()?;
    let message = format!("the notes of {version} do not name every break");
    Some(
        Finding::error("break-not-named", message)
            .hint(format!("add to the section of {version}:\n{bullets}")),
    )
}

/// The changelog of the commit; outside of git, that of the folder.
fn at_commit(context: &Context<'_>, commit: &str, file: &str) -> Result<String> {
    if let Ok(git) = context.repository() {
        let prefix = git.prefix_of(&context.config.directory)?;
        if let Ok(Some(bytes)) = git.show(commit, &format!("{prefix}{file}")) {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    let path = context.config.directory.join(file);
    std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))
}

/// Everything that is wrong with the section of a version.
pub fn judge_text(text: &str, file: &str, facts: &Facts) -> Vec<Finding> {
    let sections = notes::sections(text);
    if sections.is_empty() || file.ends_with(".rst") {
        let message =
            format!("`{file}` has no second-level headings, so no section of a version can be found");
        return vec![
            Finding::error("notes-format", message)
                .hint("write it in the form of Keep a Changelog: `## [1.2.3] - 2026-01-31`"),
        ];
    }
    let version = facts.version.to_string();
    let found = match facts.is_release {
        true => notes::section_of(text, &version),
        false => notes::unreleased(text),
    };
    let Some(section) = found else {
        let message = format!("`{file}` has no section for exactly {version}");
        return vec![
            Finding::error("notes-section", message)
                .hint(format!("add a heading `## [{version}] - {}`", facts.today)),
        ];
    };
    let mut findings = Vec::new();
    if facts.is_release && notes::is_empty(text, &section) {
        let message = format!("the section of {version} says nothing");
        findings.push(Finding::error("notes-empty", message).hint("write what changed for users"));
    }
    if facts.is_release {
        findings.extend(date(&section, &version, facts.today));
    }
    let body = &text[section.body.clone()];
    findings.extend(breaking(body, facts, previous(&sections, &facts.version).as_ref()));
    findings.extend(pythons(body, facts));
    findings.extend(installs(body, facts));
    findings
}

/// The version of the next older section.
fn previous(sections: &[Section], version: &Version) -> Option<Version> {
    let read = |section: &Section| {
        let title = section.title.trim_start_matches(['[', 'v']);
        let word = title.split([']', ' ', '(']).next()?;
        word.parse::<Version>().ok()
    };
    sections.iter().filter_map(read).filter(|one| one < version).max()
}

fn date(section: &Section, version: &str, today: Date) -> Option<Finding> {
    let rest = section.title.split_once(version).map_or("", |(_, rest)| rest);
    let word = rest.trim_matches(|c: char| !c.is_alphanumeric()).split([' ', ')']).next().unwrap_or_default();
    let refuse = |what: String| {
        Some(Finding::error("notes-date", what).hint(format!("write `## [{version}] - {today}`")))
    };
    if word.is_empty() {
        return refuse(format!("the section of {version} has no date"));
    }
    let is_iso = word.len() == 10 && word.as_bytes()[4] == b'-';
    match word.parse::<Date>() {
        Ok(date) if is_iso => {
            let limit = today.checked_add(1.day()).unwrap_or(today);
            if date > limit {
                return refuse(format!("the section of {version} is dated {date}, which is still to come"));
            }
            None
        }
        _ => refuse(format!("the date of {version} is `{word}`, which is no day")),
    }
}

/// Whether a version may break what the one before promised.
fn may_break(old: &Version, new: &Version, scheme: Scheme) -> bool {
    let part = |version: &Version, at: usize| version.release().get(at).copied().unwrap_or(0);
    match scheme {
        Scheme::Calver => true,
        _ if new.epoch() > old.epoch() || part(new, 0) > part(old, 0) => true,
        _ => part(old, 0) == 0 && part(new, 1) > part(old, 1),
    }
}

fn breaking(body: &str, facts: &Facts, previous: Option<&Version>) -> Vec<Finding> {
    let parts = notes::subsections(body);
    let says = |names: &[&str]| {
        parts.iter().any(|part| {
            let title = part.title.to_ascii_lowercase();
            names.iter().any(|name| title.contains(name)) && !body[part.body.clone()].trim().is_empty()
        })
    };
    let mut findings = Vec::new();
    if facts.is_release
        && says(&["breaking"])
        && let Some(previous) = previous
        && !may_break(previous, &facts.version, facts.scheme)
    {
        let message = format!(
            "the notes announce a break, and {} after {previous} is not allowed to break",
            facts.version
        );
        findings.push(Finding::error("breaking-under-patch", message).hint("shipway bump major"));
    }
    let has_notes = says(&["breaking", "migrat", "upgrad", "changed", "removed"]) || parts.is_empty();
    if facts.has_breaks && !has_notes {
        let message =
            format!("{} breaks something, and its notes do not say how to go over to it", facts.version);
        findings.push(
            Finding::error("notes-migration", message)
                .hint("add a heading `### Breaking` or `### Migration`"),
        );
    }
    findings
}

/// The minor versions of Python 3 that a line names.
fn minors(line: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("3.") {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_digit() || c == '.') {
            continue;
        }
        let digits: String = line[at + 2..].chars().take_while(char::is_ascii_digit).collect();
        found.extend(digits.parse::<u64>());
    }
    found
}

fn pythons(body: &str, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in body.lines() {
        let lower = line.to_ascii_lowercase();
        let states =
            ["supported python", "requires python", "python versions:"].iter().any(|one| lower.contains(one));
        let named = minors(line);
        let (Some(first), true) = (named.first(), states) else { continue };
        let expected = facts.pythons_text();
        let is_open =
            lower.contains("later") || lower.contains("newer") || lower.contains('+') || lower.contains(">=");
        let lowest = named.iter().min().unwrap_or(first);
        let wrong_low = facts.lowest().is_some_and(|expected| expected != *lowest);
        let unknown = !facts.pythons.is_empty() && named.iter().any(|one| !facts.pythons.contains(one));
        let wrong_high = !is_open
            && named.len() > 1
            && facts.pythons.iter().max().is_some_and(|expected| Some(expected) != named.iter().max());
        if wrong_low || unknown || wrong_high {
            let message = format!("the notes say `{}`, and the metadata says {expected}", line.trim());
            let hint = "write what the metadata says, or leave it to `shipway notes render`";
            findings.push(Finding::error("notes-python", message).hint(hint));
        }
    }
    findings
}

fn installs(body: &str, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in body.lines().filter(|line| line.contains("install")) {
        for (at, _) in line.match_indices("==") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let name: String =
                line[..at].chars().rev().skip_while(|c| *c == ']').take_while(|c| is_name(*c)).collect();
            let name: String = name.chars().rev().collect();
            let version: String = line[at + 2..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '!' | '+'))
                .collect();
            let version = version.trim_end_matches('.');
            let is_other = version.parse::<Version>().is_ok_and(|found| found != facts.version);
            if shipway_dist::name::normalize(&name) == facts.name && is_other {
                let message = format!("the notes of {} install {version}", facts.version);
                findings.push(
                    Finding::error("notes-install", message).hint(format!("{name}=={}", facts.version)),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str) -> Facts {
        Facts {
            name: "demo-pkg".to_owned(),
            version: version.parse().unwrap(),
            today: "2026-11-21".parse().unwrap(),
            scheme: Scheme::Semver,
            requires_python: Some(">=3.10".to_owned()),
            pythons: vec![10, 11, 12, 13],
            has_breaks: false,
            is_release: true,
        }
    }

    fn ids(text: &str, facts: &Facts) -> Vec<String> {
        judge_text(text, "CHANGELOG.md", facts).into_iter().map(|finding| finding.id.to_string()).collect()
    }

    fn of(body: &str) -> Vec<String> {
        ids(
            &format!("# C\n\n## [1.2.4] - 2026-11-20\n\n{body}\n\n## [1.2.3] - 2026-01-01\n\n- Old.\n"),
            &facts("1.2.4"),
        )
    }

    #[test]
    fn d18_a_section_for_exactly_this_version() {
        assert!(of("- A thing.").is_empty());
        assert_eq!(ids("# C\n\nNothing.\n", &facts("1.2.4")), ["notes-format"]);
        assert_eq!(ids("# C\n\n## [1.2.40] - 2026-11-20\n\n- A.\n", &facts("1.2.4")), ["notes-section"]);
        assert_eq!(of("### Added\n"), ["notes-empty"]);
    }

    #[test]
    fn d18_the_date_is_a_day_that_has_come() {
        let dated = |date: &str| ids(&format!("## [1.2.4]{date}\n\n- A.\n"), &facts("1.2.4"));
        for good in [" - 2026-11-21", " - 2026-11-22", " (2026-11-21)"] {
            assert!(dated(good).is_empty(), "{good}");
        }
        for bad in ["", " - 2025-10-XX", " - 2026-02-30", " - 2026-11-23", " - 21.11.2026", " - soon"] {
            assert_eq!(dated(bad), ["notes-date"], "{bad}");
        }
    }

    #[test]
    fn d18_supported_pythons_are_those_of_the_metadata() {
        for good in [
            "Supported Pythons: 3.10 and later",
            "Supported Pythons: 3.10 to 3.13",
            "Dropped Python 3.8.",
            "Requires Python >= 3.10",
        ] {
            assert!(of(&format!("- A.\n\n{good}")).is_empty(), "{good}");
        }
        for bad in [
            "Supported Pythons: 3.9 and later",
            "Supported Pythons: 3.10 to 3.14",
            "Supported Pythons: 3.10, 3.11",
        ] {
            assert_eq!(of(&format!("- A.\n\n{bad}")), ["notes-python"], "{bad}");
        }
    }

    #[test]
    fn d18_install_lines_name_this_version() {
        assert!(of("- A.\n\n`pip install demo_pkg==1.2.4` and `pip install other==1.0`").is_empty());
        assert_eq!(of("- A.\n\nInstall: `pip install demo-pkg==1.2.3`"), ["notes-install"]);
    }

    #[test]
    fn d19_a_break_needs_a_bump_that_may_break_and_a_way_over() {
        assert_eq!(of("### Breaking\n\n- `x` is gone."), ["breaking-under-patch"]);
        assert!(of("### Breaking\n").contains(&"notes-empty".to_owned()));
        let breaks = Facts { has_breaks: true, ..facts("2.0.0") };
        let text = |part: &str| {
            format!("## [2.0.0] - 2026-11-20\n\n### {part}\n\n- `x`.\n\n## [1.2.3] - 2026-01-01\n\n- Old.\n")
        };
        assert!(ids(&text("Breaking"), &breaks).is_empty());
        assert!(ids(&text("Migration"), &breaks).is_empty());
        assert_eq!(ids(&text("Added"), &breaks), ["notes-migration"]);
        assert!(may_break(&"0.3.1".parse().unwrap(), &"0.4.0".parse().unwrap(), Scheme::Semver));
        assert!(!may_break(&"0.3.1".parse().unwrap(), &"0.3.2".parse().unwrap(), Scheme::Semver));
    }
}
