//! A difference as text for others: bullets for release notes, annotations, SARIF.

use serde_json::{Value, json};

use crate::diff::ApiDiff;
use crate::finding::{ApiFinding, Audience, Level};
use crate::rules::rules;

/// The breaks as Markdown bullets for release notes, one for each symbol.
pub fn markdown<'f>(findings: impl IntoIterator<Item = &'f ApiFinding>) -> String {
    let mut symbols: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in findings {
        match symbols.iter_mut().find(|(symbol, _)| *symbol == finding.symbol) {
            Some((_, details)) => details.push(&finding.detail),
            None => symbols.push((&finding.symbol, vec![&finding.detail])),
        }
    }
    let mut text = String::new();
    for (symbol, details) in symbols {
        text.push_str(&format!("- `{symbol}`: {}.\n", details.join("; ")));
    }
    text
}

/// The breaks, accepted ones included, that a section of release notes does not name.
///
/// A break is named by the last two parts of one of its paths, by the last part in a code span, or
/// by a marker `[api: C05 package.module.name]`.
pub fn unnamed<'d>(diff: &'d ApiDiff, section: &str) -> Vec<&'d ApiFinding> {
    let spans: Vec<&str> = section.split('`').skip(1).step_by(2).collect();
    diff.breaking()
        .filter(|finding| !finding.id.starts_with('K'))
        .filter(|finding| !is_named(finding, section, &spans))
        .collect()
}

fn is_named(finding: &ApiFinding, section: &str, spans: &[&str]) -> bool {
    let marker = |path: &str| section.contains(&format!("[api: {} {path}]", finding.id));
    if finding.audience == Audience::Cli && finding.id.starts_with('G') {
        let last = finding.symbol.rsplit(' ').next().unwrap_or(&finding.symbol);
        return marker(&finding.symbol)
            || has_words(section, &finding.symbol)
            || spans.iter().any(|span| has_words(span, last));
    }
    finding.paths.iter().chain([&finding.symbol]).any(|path| {
        let parts: Vec<&str> = path.rsplitn(3, '.').collect();
        let last = parts.first().copied().unwrap_or(path);
        let two = match parts.get(1) {
            Some(before) => format!("{before}.{last}"),
            None => last.to_owned(),
        };
        marker(path) || has_word(section, &two) || spans.iter().any(|span| has_word(span, last))
    })
}

/// Whether a text holds a dotted name that does not go on to either side.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a text holds words of a command line, which go on through dashes.
fn has_words(text: &str, words: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Workflow commands that annotate a change, the heaviest first, at most `limit`.
pub fn annotations(diff: &ApiDiff, limit: usize) -> Vec<String> {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    diff.findings
        .iter()
        .filter(|finding| finding.level > Level::Note)
        .take(limit)
        .map(|finding| {
            let kind = if diff.verdict.fails(finding) { "error" } else { "warning" };
            let place = match finding.new.as_ref().or(finding.old.as_ref()) {
                Some(side) if side.line > 0 => format!("file={},line={},", property(&side.file), side.line),
                _ => String::new(),
            };
            let title = property(&format!("{} {}", finding.id, finding.name));
            format!(
                "::{kind} {place}title={title}::{}",
                escape(&format!("{}: {}", finding.symbol, finding.detail))
            )
        })
        .collect()
}

/// The findings as a SARIF 2.1.0 document.
pub fn sarif(diff: &ApiDiff) -> Value {
    let level = |finding: &ApiFinding| match finding.level {
        _ if diff.verdict.fails(finding) => "error",
        Level::Error | Level::Major | Level::Warn => "warning",
        _ => "note",
    };
    let results: Vec<Value> = diff
        .findings
        .iter()
        .map(|finding| {
            let location = finding.new.as_ref().or(finding.old.as_ref()).map(|side| {
                json!({"physicalLocation": {
                    "artifactLocation": {"uri": side.file},
                    "region": {"startLine": side.line.max(1)},
                }, "logicalLocations": [{"fullyQualifiedName": finding.symbol}]})
            });
            json!({
                "ruleId": format!("{}-{}", finding.id, finding.name),
                "level": level(finding),
                "message": {"text": format!("{}: {}", finding.symbol, finding.detail)},
                "locations": location.into_iter().collect::<Vec<_>>(),
            })
        })
        .collect();
    let rules: Vec<Value> = rules()
        .iter()
        .map(|rule| {
            json!({
                "id": format!("{}-{}", rule.id, rule.name),
                "shortDescription": {"text": rule.explanation},
                "fullDescription": {"text": rule.breaks},
                "help": {"text": rule.fix},
            })
        })
        .collect();
    json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{"tool": {"driver": {"name": "shipway", "rules": rules}}, "results": results}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_names_end() {
        assert!(has_word("removed `Client.get`, sorry", "Client.get"));
        assert!(!has_word("removed Client.getter", "Client.get"));
        assert!(!has_word("removed AsyncClient.get", "Client.get"));
        assert!(has_word("pkg.Client.get is gone", "Client.get"));
    }
}
