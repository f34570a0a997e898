//! Release notes in a Keep-a-Changelog file: the *Unreleased* section becomes the section of a release.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

/// A second-level section of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text of its heading, links and emphasis taken away.
    pub title: String,
    /// The bytes of the heading.
    pub heading: Range<usize>,
    /// The bytes of what follows, up to the next section or the end.
    pub body: Range<usize>,
}

/// All second-level sections, in order; headings in code blocks do not count.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut open: Option<(Range<usize>, String)> = None;
    let mut first_level = Vec::new();
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => open = Some((range, String::new())),
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => first_level.push(range.start),
            Event::Text(inner) | Event::Code(inner) => {
                if let Some((_, title)) = &mut open {
                    title.push_str(&inner);
                }
            }
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => {
                if let Some((heading, title)) = open.take() {
                    sections.push(Section { title, body: heading.end..text.len(), heading });
                }
            }
            _ => {}
        }
    }
    for at in 0..sections.len() {
        let next = sections.get(at + 1).map_or(text.len(), |next| next.heading.start);
        let begin = sections[at].body.start;
        let top = first_level.iter().copied().find(|one| *one > begin).unwrap_or(text.len());
        sections[at].body.end = next.min(top).min(link_references(text, begin..next.min(top)));
    }
    sections
}

/// Where the link definitions at the end of a section begin.
fn link_references(text: &str, range: Range<usize>) -> usize {
    let mut end = range.end;
    for line in text[range.clone()].split_inclusive('\n').rev() {
        let trimmed = line.trim();
        if trimmed.is_empty() || (trimmed.starts_with('[') && trimmed.contains("]: ")) {
            end -= line.len();
        } else {
            break;
        }
    }
    let rest = &text[end..range.end];
    // Blank lines belong to the section unless definitions follow them.
    if rest.trim().is_empty() { range.end } else { end + (rest.len() - rest.trim_start().len()) }
}

/// The *Unreleased* section.
pub fn unreleased(text: &str) -> Option<Section> {
    sections(text)
        .into_iter()
        .find(|section| section.title.trim_matches(['[', ']', ' ']).eq_ignore_ascii_case("unreleased"))
}

/// The section of a version: its title begins with the version, with or without brackets or `v`.
pub fn section_of(text: &str, version: &str) -> Option<Section> {
    sections(text).into_iter().find(|section| {
        let title = section.title.trim_start_matches(['[', 'v']);
        title
            .strip_prefix(version)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.'))
    })
}

/// Whether a section says anything: text that is no heading.
pub fn is_empty(text: &str, section: &Section) -> bool {
    let mut in_heading = false;
    for event in Parser::new(&text[section.body.clone()]) {
        match event {
            Event::Start(Tag::Heading { .. }) => in_heading = true,
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Text(inner) | Event::Code(inner) if !in_heading && !inner.trim().is_empty() => {
                return false;
            }
            _ => {}
        }
    }
    true
}

/// The changelog with the *Unreleased* section turned into that of a version; a fresh empty one stays above.
///
/// Every byte of the entries stays, line ends included; comparing links at the end of the file, where they
/// exist, are carried on.
pub fn release(text: &str, section: &Section, version: &str, tag: &str, date: &str) -> String {
    let newline = if text[..section.heading.end.min(text.len())].contains("\r\n") { "\r\n" } else { "\n" };
    let heading = text[section.heading.clone()].trim_end();
    let bracketed = heading.contains('[');
    let title = if bracketed { format!("## [{version}] - {date}") } else { format!("## {version} - {date}") };
    let mut out = text[..section.heading.start].to_owned();
    out.push_str(heading);
    out.push_str(newline);
    out.push_str(newline);
    out.push_str(&title);
    out.push_str(&text[section.heading.start + heading.len()..]);
    carry_links(&out, version, tag, newline)
}

/// The changelog with bullets of breaks in a section: below its heading *Breaking*, else below *Changed*,
/// else below a fresh *Breaking*. Every other byte stays; line ends and the marker of bullets are the file's.
pub fn insert(text: &str, section: &Section, bullets: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let body = &text[section.body.clone()];
    let stars = text.lines().any(|line| line.starts_with("* ")) && !text.lines().any(|l| l.starts_with("- "));
    let lines: Vec<String> = bullets
        .lines()
        .map(|line| match line.strip_prefix("- ") {
            Some(rest) if stars => format!("* {rest}"),
            _ => line.to_owned(),
        })
        .collect();
    let bullets = lines.join(newline);
    let parts = subsections(body);
    let named = |name: &str| parts.iter().find(|part| part.title.to_ascii_lowercase().starts_with(name));
    let (at, piece) = match named("breaking").or_else(|| named("changed")) {
        Some(part) => {
            let content = body[part.body.clone()].trim_end();
            let at = section.body.start + part.body.start + content.len();
            if content.trim().is_empty() {
                let heading_end = section.body.start + body[..part.body.start].trim_end().len();
                (heading_end, format!("{newline}{newline}{bullets}"))
            } else {
                (at, format!("{newline}{bullets}"))
            }
        }
        None => {
            let heading_end = section.heading.start + text[section.heading.clone()].trim_end().len();
            (heading_end, format!("{newline}{newline}### Breaking{newline}{newline}{bullets}"))
        }
    };
    let rest = &text[at..];
    let end = if rest.is_empty() { newline } else { "" };
    // A heading or text that stood directly below needs a line between.
    let gap = if rest.strip_prefix(newline).is_some_and(|after| {
        !after.is_empty() && !after.starts_with(newline) && !after.starts_with(['-', '*', ' '])
    }) {
        newline
    } else {
        ""
    };
    format!("{}{piece}{end}{gap}{rest}", &text[..at])
}

/// The third-level sections inside the body of a section; ranges are of the body.
pub(crate) fn subsections(body: &str) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut open: Option<(Range<usize>, String)> = None;
    for (event, range) in Parser::new(body).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                if let Some(last) = found.last_mut().filter(|last| last.body.end == body.len()) {
                    last.body.end = range.start;
                }
                open = Some((range, String::new()));
            }
            Event::Text(inner) | Event::Code(inner) => {
                if let Some((_, title)) = &mut open {
                    title.push_str(&inner);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((heading, title)) = open.take() {
                    found.push(Section { title, body: heading.end..body.len(), heading });
                }
            }
            _ => {}
        }
    }
    found
}

/// `[Unreleased]: …/compare/v1.2.3...HEAD` becomes two links.
fn carry_links(text: &str, version: &str, tag: &str, newline: &str) -> String {
    let mut out = String::with_capacity(text.len() + 128);
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\r', '\n']);
        let link =
            body.get(..14).filter(|key| key.eq_ignore_ascii_case("[unreleased]: ")).map(|_| &body[14..]);
        let compare = link.and_then(|url| {
            let (head, range) = url.rsplit_once("/compare/")?;
            let (from, to) = range.split_once("...")?;
            Some((head, from, to))
        });
        let Some((head, from, to)) = compare else {
            out.push_str(line);
            continue;
        };
        let key = &body[..14];
        out.push_str(&format!(
            "{key}{head}/compare/{tag}...{to}{newline}[{version}]: {head}/compare/{from}...{tag}"
        ));
        out.push_str(&line[body.len()..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changelog\n\n```\n## [Unreleased]\n- no\n```\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [1.2.3] - 2026-01-01\n\n- Old.\n\n[Unreleased]: https://forge.example/x/compare/v1.2.3...HEAD\n[1.2.3]: https://forge.example/x/tag/v1.2.3\n";

    #[test]
    fn a21_unreleased_becomes_the_dated_section() {
        let section = unreleased(TEXT).unwrap();
        assert!(!is_empty(TEXT, &section));
        let after = release(TEXT, &section, "1.3.0", "v1.3.0", "2026-11-21");
        let expected = TEXT
            .replace(
                "\n\n## [Unreleased]\n\n### Added",
                "\n\n## [Unreleased]\n\n## [1.3.0] - 2026-11-21\n\n### Added",
            )
            .replace(
                "v1.2.3...HEAD",
                "v1.3.0...HEAD\n[1.3.0]: https://forge.example/x/compare/v1.2.3...v1.3.0",
            );
        assert_eq!(after, expected);
        assert!(is_empty(&after, &unreleased(&after).unwrap()));
        let section = section_of(&after, "1.3.0").unwrap();
        assert_eq!(after[section.body].trim(), "### Added\n\n- A thing.");
    }

    #[test]
    fn crlf_and_plain_headings_survive() {
        let text = "## Unreleased\r\n- x\r\n## v1.0 (2026)\r\n- y\r\n";
        let after = release(text, &unreleased(text).unwrap(), "1.1", "v1.1", "2026-11-21");
        assert_eq!(after, "## Unreleased\r\n\r\n## 1.1 - 2026-11-21\r\n- x\r\n## v1.0 (2026)\r\n- y\r\n");
        assert!(section_of(&after, "1.0").is_some() && section_of(&after, "1.").is_none());
    }

    fn inserted(text: &str) -> String {
        insert(text, &unreleased(text).unwrap(), "- `p.f`: function `f` is gone.\n")
    }

    #[test]
    fn j8_bullets_go_below_breaking_else_changed_else_a_fresh_heading() {
        const BULLET: &str = "- `p.f`: function `f` is gone.\n";
        let old = "\n## [1.0.0]\n\n### Breaking\n\n- Old.\n";
        let both = "# C\n\n## [Unreleased]\n\n### Changed\n\n- A.\n\n### Breaking\n\n- B.\n";
        assert_eq!(inserted(&format!("{both}{old}")), format!("{both}{BULLET}{old}"));
        let changed = "## [Unreleased]\n\n### Changed\n\n- A.\n";
        let fixed = "\n### Fixed\n\n- F.\n";
        assert_eq!(inserted(&format!("{changed}{fixed}{old}")), format!("{changed}{BULLET}{fixed}{old}"));
        let plain = "## [Unreleased]\n\n- A thing.\n";
        let expected = format!("## [Unreleased]\n\n### Breaking\n\n{BULLET}\n- A thing.\n{old}");
        assert_eq!(inserted(&format!("{plain}{old}")), expected);
        let tight = "## Unreleased\n- A.\n";
        assert_eq!(inserted(tight), format!("## Unreleased\n\n### Breaking\n\n{BULLET}- A.\n"));
        let empty = "## [Unreleased]\n\n### Breaking\n\n### Fixed\n\n- F.\n";
        let expected = format!("## [Unreleased]\n\n### Breaking\n\n{BULLET}\n### Fixed\n\n- F.\n");
        assert_eq!(inserted(empty), expected);
        assert_eq!(inserted("## Unreleased"), format!("## Unreleased\n\n### Breaking\n\n{BULLET}"));
    }

    #[test]
    fn bullets_take_the_line_ends_and_the_marker_of_the_file() {
        let text = "## Unreleased\r\n\r\n### Changed\r\n\r\n* A.\r\n\r\n## 1.0\r\n\r\n* Old.\r\n";
        let expected = text.replace("* A.\r\n", "* A.\r\n* `p.f`: function `f` is gone.\r\n");
        assert_eq!(inserted(text), expected);
    }

    #[test]
    fn headings_alone_are_empty() {
        let text = "# C\n\n## [Unreleased]\n\n### Added\n\n<!-- nothing -->\n\n## [1.0.0]\n- x";
        assert!(is_empty(text, &unreleased(text).unwrap()));
    }
}
