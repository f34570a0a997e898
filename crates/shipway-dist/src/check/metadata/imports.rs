//! `Import-Name` and `Import-Namespace` (PEP 794).

use std::collections::BTreeSet;

use crate::finding::{Findings, shown};
use crate::metadata::Metadata;
use crate::rules::metadata as rules;

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Whether a text is an identifier that can be imported.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_alphanumeric())
        && !KEYWORDS.contains(&text)
}

/// The name in a value, without `; private`; the error says what is wrong.
fn parse(value: &str) -> Result<&str, String> {
    let (name, private) = match value.split_once(';') {
        Some((name, private)) => (name.trim(), Some(private.trim())),
        None => (value.trim(), None),
    };
    if private.is_some_and(|private| private != "private") {
        return Err(format!("`{}`: only `; private` may follow the name", shown(value)));
    }
    match name.split('.').find(|part| !is_identifier(part)) {
        Some(part) => Err(format!("`{}` is no dotted name: `{}`", shown(name), shown(part))),
        None => Ok(name),
    }
}

/// The names of a field that are valid.
pub(crate) fn names<'m>(metadata: &'m Metadata, field: &'static str) -> impl Iterator<Item = &'m str> {
    metadata.all(field).filter_map(|value| parse(value).ok())
}

/// Judges both fields.
pub(super) fn check(metadata: &Metadata, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for field in ["Import-Name", "Import-Namespace"] {
        let values: Vec<&str> = metadata.all(field).collect();
        for value in &values {
            // One empty `Import-Name` says that there is nothing to import.
            if value.is_empty() && field == "Import-Name" && values.len() == 1 {
                continue;
            }
            match parse(value) {
                Err(why) => findings.field(&rules::IMPORT_NAME, field, why),
                Ok(name) if !seen.insert(name) => {
                    findings.field(&rules::IMPORT_NAME, field, format!("`{}` is given twice", shown(name)));
                }
                Ok(_) => {}
            }
        }
    }
    for name in &seen {
        let parent = name.rsplit_once('.').map(|(parent, _)| parent);
        if let Some(parent) = parent.filter(|parent| !seen.contains(parent)) {
            findings.field(
                &rules::IMPORT_PARENT,
                "Import-Name",
                format!("`{}` is given, its parent `{}` is not", shown(name), shown(parent)),
            );
        }
    }
}
