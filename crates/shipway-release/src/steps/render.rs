//! The full release notes from the section of the changelog and a template; and a draft of the next section.

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use shipway_dist::Version;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::gates::notes::Facts;
use crate::version::parse_current;
use crate::{notes, steps};

/// What is used when the project gives no template of its own.
const TEMPLATE: &str = "# {{ name }} {{ version }}{% if date %} ({{ date }}){% endif %}\n\n{{ changes }}\n\n## Supported Pythons\n\n{{ pythons }}\n\n## Install\n\n```\npython -m pip install {{ name }}=={{ version }}\n```\n";

/// The full notes of a version.
#[derive(Debug, Serialize)]
pub struct Rendered {
    /// The version.
    pub version: String,
    /// Markdown.
    pub text: String,
}

/// A proposal for the section of the next version.
#[derive(Debug, Serialize)]
pub struct Draft {
    /// The release that it begins after.
    pub since: Option<String>,
    /// Markdown: headings and bullets.
    pub text: String,
    /// Whether it was inserted into *Unreleased*.
    pub inserted: bool,
}

fn changelog(context: &Context<'_>) -> Result<(std::path::PathBuf, String)> {
    let Some(file) = &context.config.changelog else {
        return Err(Error::refused("no-changelog", "the project keeps no changelog")
            .hint("changelog = \"CHANGELOG.md\""));
    };
    let path = context.config.directory.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    Ok((path, text))
}

/// Renders the notes of a version; the project's own when none is given.
///
/// # Errors
/// When there is no section for it, or the template is malformed.
pub fn render(context: &Context<'_>, version: &Version) -> Result<Rendered> {
    let (_, text) = changelog(context)?;
    let shown = version.to_string();
    let Some(section) = notes::section_of(&text, &shown) else {
        return Err(Error::refused(
            "notes-section",
            format!("the changelog has no section for exactly {shown}"),
        )
        .hint(format!("add a heading `## [{shown}] - {}`", context.today())));
    };
    let facts = Facts::of(context, version)?;
    let template = match &context.config.notes_template {
        Some(file) => {
            let path = context.config.directory.join(file);
            std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?
        }
        None => TEMPLATE.to_owned(),
    };
    let date = section.title.rsplit(' ').next().and_then(|word| word.parse::<jiff::civil::Date>().ok());
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    let values = context! {
        name => context.config.name.display(),
        version => shown,
        date => date.map(|date| date.to_string()),
        changes => text[section.body.clone()].trim(),
        pythons => facts.pythons_text(),
        requires_python => facts.requires_python,
    };
    let rendered = environment.render_str(&template, values).map_err(|error| {
        Error::usage("notes-template", format!("the template cannot be rendered: {error}"))
            .hint("placeholders: name, version, date, changes, pythons, requires_python")
    })?;
    Ok(Rendered { version: shown, text: rendered })
}

/// The version that the project says it has.
///
/// # Errors
/// When no place holds one.
pub fn current(context: &Context<'_>) -> Result<Version> {
    let read = |path: &str| {
        let place = context.config.directory.join(path);
        match std::fs::read(&place) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &place, &error)),
        }
    };
    let place = crate::version::detect(&read)?;
    parse_current(&place.value, context.config.scheme)
}

/// The headings of Keep a Changelog, and the prefixes of subjects that belong under them.
const KINDS: [(&str, &[&str]); 4] = [
    ("Added", &["feat"]),
    ("Changed", &["perf", "refactor", "change"]),
    ("Fixed", &["fix"]),
    ("Security", &["security"]),
];

/// Proposes the next section: breaks that were found first, then the subjects of commits.
///
/// # Errors
/// When git or the last release cannot be asked, or there is no *Unreleased* to write into.
pub fn draft(context: &Context<'_>, write: bool) -> Result<Draft> {
    let git = context.repository()?;
    let pattern =
        context.config.tag.replace("{version}", "*").replace("{name}", context.config.name.normalized());
    let tag = git.read(["describe", "--tags", "--abbrev=0", "--match", &pattern, "HEAD"]).ok();
    let range = tag.as_ref().map_or_else(|| "HEAD".to_owned(), |tag| format!("{}..HEAD", tag.trim()));
    let log = git.read(["log", "--first-parent", "--reverse", "--format=%P%x1f%s%x1f%b%x1e", &range])?;
    let mut parts: Vec<(&str, Vec<String>)> = vec![("Breaking", Vec::new())];
    if let Ok(check) = steps::api::check(context, None)
        && let (Some(_), Some(bullets)) = (&check.baseline, &check.unnamed)
    {
        parts[0].1.extend(bullets.lines().map(str::to_owned));
    }
    for subject in
        log.split('\u{1e}').filter_map(title).filter(|subject| !subject.starts_with("chore(release)"))
    {
        let (prefix, rest) = match subject.split_once(':') {
            Some((prefix, rest)) if prefix.len() < 30 && !prefix.contains(' ') => (prefix, rest.trim()),
            _ => ("", subject),
        };
        let kind = prefix.split(['(', '!']).next().unwrap_or_default();
        let heading = KINDS.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(heading, _)| *heading);
        let (heading, bullet) = match heading {
            Some(heading) => (heading, rest),
            None => ("Changed", subject),
        };
        let bullet = format!("- {bullet}");
        match parts.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, bullets)) => bullets.push(bullet),
            None => parts.push((heading, vec![bullet])),
        }
    }
    let text = parts
        .iter()
        .filter(|(_, bullets)| !bullets.is_empty())
        .map(|(heading, bullets)| format!("### {heading}\n\n{}\n", bullets.join("\n")))
        .collect::<Vec<_>>()
        .join("\n");
    let mut inserted = false;
    if write && !text.is_empty() {
        let (path, old) = changelog(context)?;
        let Some(section) = notes::unreleased(&old) else {
            return Err(Error::refused("no-notes-section", "the changelog has no section *Unreleased*")
                .hint("add a heading `## [Unreleased]`"));
        };
        let newline = if old.contains("\r\n") { "\r\n" } else { "\n" };
        let end = section.heading.start + old[section.heading.clone()].trim_end().len();
        let rest = old[end..].trim_start_matches(['\r', '\n']);
        let body = text.trim_end().replace('\n', newline);
        let gap = if rest.is_empty() { newline.to_owned() } else { format!("{newline}{newline}") };
        super::notes::replace(&path, &format!("{}{newline}{newline}{body}{gap}{rest}", &old[..end]))?;
        inserted = true;
    }
    Ok(Draft { since: tag.map(|tag| tag.trim().to_owned()), text, inserted })
}

/// What a commit of the base brought, in the words of whoever wrote it: the title of its pull request where it is
/// the merge of one (a forge puts it first in the body), else its subject. Proposed to a person, decided from by
/// nobody.
fn title(record: &str) -> Option<&str> {
    let mut fields = record.trim_start_matches('\n').split('\u{1f}');
    let (parents, subject, body) = (fields.next()?, fields.next()?.trim(), fields.next().unwrap_or_default());
    let is_merge = parents.split_whitespace().nth(1).is_some();
    let title = match is_merge {
        true if subject.starts_with("Merge pull request #") => {
            body.lines().map(str::trim).find(|line| !line.is_empty())?
        }
        true => return None,
        false => subject,
    };
    Some(title).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn d25_a_merge_is_told_by_the_title_of_its_pull_request() {
        assert_eq!(title("\nabc\u{1f}fix: steadier\u{1f}why\n"), Some("fix: steadier"));
        let merge = "abc def\u{1f}Merge pull request #7 from a/b\u{1f}\nAdd a mode\n\nmore\n";
        assert_eq!(title(merge), Some("Add a mode"));
        assert_eq!(title("abc def\u{1f}Merge branch 'main'\u{1f}"), None);
        assert_eq!(title("\n"), None);
    }
}
