//! Fields of text: summary, description, e-mail addresses, URLs, license.

use crate::finding::{Findings, shown};
use crate::metadata::{Markup, Metadata};
use crate::rules::metadata as rules;

use super::fields::is_absent;

/// Judges `Summary`.
pub(super) fn check_summary(metadata: &Metadata, findings: &mut Findings) {
    let Some(summary) = metadata.get("Summary") else { return };
    let length = summary.chars().count();
    if length > 512 {
        findings.field(&rules::SUMMARY, "Summary", format!("{length} characters, at most 512 are allowed"));
    }
    if summary.contains(['\n', '\r']) {
        findings.field(&rules::SUMMARY, "Summary", "it has several lines");
    }
}

/// Judges the long description and its content type.
pub(super) fn check_description(metadata: &Metadata, findings: &mut Findings) {
    let field = "Description-Content-Type";
    // Old tools write `UNKNOWN` for none; an empty value is one that no reader knows.
    let value = metadata.get(field).filter(|value| *value != "UNKNOWN");
    if let Some(Err(why)) = value.map(check_content_type) {
        findings.field(&rules::CONTENT_TYPE, field, why);
    }
    if metadata.description.as_deref().is_none_or(is_absent) {
        findings.field(&rules::DESCRIPTION_MISSING, "Description", "there is no long description");
        return;
    }
    if metadata.get(field).is_none_or(is_absent) {
        findings.field(&rules::DESCRIPTION_TYPE_MISSING, field, "the description has no content type");
    }
    if metadata.markup() == Some(Markup::ReStructuredText) {
        findings.field(
            &rules::DESCRIPTION_NOT_CHECKED,
            "Description",
            "the description is reStructuredText, which was not rendered",
        );
    }
}

fn check_content_type(value: &str) -> Result<(), String> {
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    if !matches!(media.as_str(), "text/plain" | "text/x-rst" | "text/markdown") {
        return Err(format!("`{}`, expected text/plain, text/x-rst or text/markdown", shown(&media)));
    }
    for parameter in parts.filter(|part| !part.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "charset" if !value.eq_ignore_ascii_case("utf-8") => {
                return Err(format!("charset `{}`, expected UTF-8", shown(value)));
            }
            "variant" if media == "text/markdown" && !matches!(value, "GFM" | "CommonMark") => {
                return Err(format!("variant `{}`, expected GFM or CommonMark", shown(value)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Judges the addresses of author and maintainer.
pub(super) fn check_people(metadata: &Metadata, findings: &mut Findings) {
    for field in ["Author-email", "Maintainer-email"] {
        for value in metadata.all(field).filter(|value| !is_absent(value)) {
            for mailbox in split_mailboxes(value) {
                if !is_mailbox(mailbox) {
                    let message = format!("`{}` is no e-mail address", shown(mailbox));
                    findings.field(&rules::EMAIL, field, message);
                }
            }
        }
    }
}

/// Splits at commas outside quotes and angle brackets.
fn split_mailboxes(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    let mut mailboxes = Vec::new();
    for (at, character) in value.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                mailboxes.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    mailboxes.push(value[start..].trim());
    mailboxes.retain(|mailbox| !mailbox.is_empty());
    mailboxes
}

fn is_mailbox(text: &str) -> bool {
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => match rest.trim_end().strip_suffix('>') {
            Some(address) => address.trim(),
            None => return false,
        },
        None => text.split_once('(').map_or(text, |(address, _)| address).trim(),
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    !local.is_empty()
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '<' | '>'))
        && domain.trim_matches(['[', ']']).split('.').all(is_label)
}

/// Judges URLs of the project.
pub(super) fn check_urls(metadata: &Metadata, findings: &mut Findings) {
    for field in ["Home-page", "Download-URL"] {
        for url in metadata.all(field).filter(|url| !is_absent(url)) {
            if !is_url(url) {
                findings.field(&rules::URL, field, format!("`{}` is no http or https URL", shown(url)));
            }
        }
    }
    for value in metadata.all("Project-URL") {
        let (label, url) = value.split_once(',').unwrap_or((value, ""));
        let (label, url) = (label.trim(), url.trim());
        let why = if label.is_empty() {
            "has no label".to_owned()
        } else if label.chars().count() > 32 {
            format!("has a label of {} characters, at most 32 are allowed", label.chars().count())
        } else if !is_url(url) {
            format!("`{}` is no http or https URL", shown(url))
        } else {
            continue;
        };
        findings.field(&rules::URL, "Project-URL", format!("`{}` {why}", shown(value)));
    }
}

fn is_url(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
    })
}

/// Judges license, expression and files (PEP 639).
pub(super) fn check_license(metadata: &Metadata, findings: &mut Findings) {
    if let Some(expression) = metadata.get("License-Expression") {
        if metadata.get("License").is_some_and(|license| !is_absent(license)) {
            findings.field(
                &rules::LICENSE_BOTH,
                "License",
                "both a license and a license expression are given",
            );
        }
        if let Err(why) = spdx_form(expression, findings) {
            findings.field(&rules::LICENSE_EXPRESSION, "License-Expression", why);
        }
    }
    for path in metadata.all("License-File") {
        let bad = if path.is_empty() {
            Some("is empty")
        } else if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
            Some("is absolute")
        } else if path.contains('\\') {
            Some("holds a backslash")
        } else if path.split('/').any(|part| part == "..") {
            Some("holds `..`")
        } else if path.contains('*') {
            Some("is a pattern")
        } else if path.split('/').any(|part| matches!(part, "" | ".")) {
            Some("is not in its plain form")
        } else {
            None
        };
        if let Some(why) = bad {
            findings.field(&rules::LICENSE_PATH, "License-File", format!("`{}` {why}", shown(path)));
        }
    }
}

/// Judges an SPDX expression; a form that is right but not canonical is a finding of its own.
fn spdx_form(expression: &str, findings: &mut Findings) -> Result<(), String> {
    const MOST: usize = 4096;
    if expression.len() > MOST {
        return Err(format!("the expression has {} bytes, at most {MOST} are read", expression.len()));
    }
    let canonical = canonical_spdx(expression);
    let mode = spdx::ParseMode { allow_deprecated: true, ..spdx::ParseMode::STRICT };
    spdx::Expression::parse_mode(&canonical, mode)
        .map_err(|error| format!("`{}`: {}", shown(expression), error.reason))?;
    if canonical != expression.split_whitespace().collect::<Vec<_>>().join(" ") {
        findings.field(
            &rules::LICENSE_FORM,
            "License-Expression",
            format!("`{}` is canonically `{}`", shown(expression), shown(&canonical)),
        );
    }
    Ok(())
}

/// The expression with each identifier in the case of the SPDX list, which is not case-sensitive.
fn canonical_spdx(expression: &str) -> String {
    let mut canonical = String::with_capacity(expression.len());
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    for token in spaced.split_whitespace() {
        if !canonical.is_empty() && !canonical.ends_with('(') && token != ")" {
            canonical.push(' ');
        }
        let (plain, plus) = token.strip_suffix('+').map_or((token, ""), |plain| (plain, "+"));
        let upper = token.to_ascii_uppercase();
        if matches!(upper.as_str(), "AND" | "OR" | "WITH") {
            canonical.push_str(&upper);
            continue;
        }
        let license = spdx::identifiers::LICENSES.iter().map(|license| license.name);
        let exception = spdx::identifiers::EXCEPTIONS.iter().map(|exception| exception.name);
        let known = license.chain(exception).find(|name| name.eq_ignore_ascii_case(plain));
        canonical.push_str(known.unwrap_or(plain));
        canonical.push_str(plus);
    }
    canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes() {
        for good in ["a@b.example", "A B <a@b.example>", "\"Doe, J\" <j.doe+x@b.example>", "a@localhost"] {
            assert!(split_mailboxes(good).into_iter().all(is_mailbox), "{good}");
        }
        for bad in ["a", "a@", "@b", "a b@c", "A <a@b", "a@b..c", "Doe, J <j@b.example>"] {
            assert!(!split_mailboxes(bad).into_iter().all(is_mailbox), "{bad}");
        }
    }

    #[test]
    fn license_expressions() {
        let mut findings = Findings::default();
        for good in [
            "MIT",
            "mit or apache-2.0",
            "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0",
            "LicenseRef-Proprietary",
            "GPL-3.0-or-later",
            "Apache-2.0+",
        ] {
            assert_eq!(spdx_form(good, &mut findings), Ok(()), "{good}");
        }
        for bad in ["", "MIT OR", "Nonsense-1.0", "MIT Apache-2.0", "(MIT", "MIT/Apache-2.0"] {
            assert!(spdx_form(bad, &mut findings).is_err(), "{bad}");
        }
        assert_eq!(canonical_spdx("mit or (apache-2.0)"), "MIT OR (Apache-2.0)");
    }

    #[test]
    fn content_types() {
        for good in ["text/markdown", "text/markdown; charset=UTF-8; variant=GFM", "text/x-rst;charset=utf-8"]
        {
            assert_eq!(check_content_type(good), Ok(()));
        }
        for bad in ["text/html", "markdown", "text/markdown; charset=latin-1", "text/markdown; variant=X"] {
            assert!(check_content_type(bad).is_err(), "{bad}");
        }
    }
}
