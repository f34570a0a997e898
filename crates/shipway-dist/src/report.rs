//! Findings as text for other tools: GitHub workflow commands and SARIF 2.1.0.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::finding::{Finding, Severity};
use crate::rules;

/// A GitHub workflow command that annotates a run, with its text and properties escaped.
///
/// Properties are pairs of name and value, such as `("title", "record-hash-97")`.
pub fn workflow_command(kind: &str, properties: &[(&str, &str)], message: &str) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
    format!("::{kind} {}::{}", properties.join(","), escape(message))
}

/// Findings about files as workflow commands, errors first, at most `limit` (a run shows only a few).
pub fn annotations<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f [Finding])>,
    limit: usize,
) -> Vec<String> {
    let mut all: Vec<(&str, &Finding)> = files
        .into_iter()
        .flat_map(|(path, findings)| findings.iter().map(move |finding| (path, finding)))
        .collect();
    all.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    all.into_iter()
        .take(limit)
        .map(|(path, finding)| {
            let kind = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let member = finding.member.as_ref().map(|member| format!("{member}: ")).unwrap_or_default();
            let properties = [("file", path), ("title", finding.id.as_str())];
            workflow_command(kind, &properties, &format!("{member}{}", finding.message))
        })
        .collect()
}

/// Findings about files as a SARIF 2.1.0 document; the member of an archive is a logical location.
///
/// `explain` gives why and fix of an id that [`rules`] does not know.
pub fn sarif<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f [Finding])>,
    explain: &dyn Fn(&str) -> Option<(String, String)>,
) -> Value {
    let mut described: BTreeMap<&str, Value> = BTreeMap::new();
    let mut results = Vec::new();
    for (path, finding) in
        files.into_iter().flat_map(|(path, findings)| findings.iter().map(move |finding| (path, finding)))
    {
        let (why, fix) = rules::find(&finding.id)
            .map(|rule| (rule.why.to_owned(), rule.fix.to_owned()))
            .or_else(|| explain(&finding.id))
            .unwrap_or_default();
        described.entry(&finding.id).or_insert_with(|| {
            json!({
                "id": finding.id,
                "shortDescription": {"text": if why.is_empty() { finding.id.clone() } else { why }},
                "help": {"text": if fix.is_empty() { format!("shipway explain {}", finding.id) } else { fix }},
            })
        });
        let mut location = json!({"physicalLocation": {"artifactLocation": {"uri": uri(path)}}});
        if let Some(member) = &finding.member {
            location["logicalLocations"] = json!([{"fullyQualifiedName": member, "kind": "member"}]);
        }
        results.push(json!({
            "ruleId": finding.id,
            "level": match finding.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": {"text": finding.message},
            "locations": [location],
        }));
    }
    let rules: Vec<Value> = described.into_values().collect();
    json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{"tool": {"driver": {"name": "shipway", "rules": rules}}, "results": results}],
    })
}

/// A path as a relative reference (RFC 3986): what may not stand there is percent-encoded.
fn uri(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'+' => {
                text.push(char::from(byte));
            }
            b'\\' if cfg!(windows) => text.push('/'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_cannot_be_broken_out_of() {
        let hostile = Finding::error("record-hash-97", "a\n::set-output name=x::y%").member("m,x:y");
        let lines = annotations([("dist/a b,c.whl", [hostile].as_slice())], 10);
        assert_eq!(
            lines,
            ["::error file=dist/a b%2Cc.whl,title=record-hash-97::m,x:y: a%0A::set-output name=x::y%25"]
        );
    }

    #[test]
    fn the_limit_keeps_errors() {
        let findings = [Finding::warning("w", "1"), Finding::error("e", "2")];
        let lines = annotations([("a.whl", findings.as_slice())], 1);
        assert_eq!(lines, ["::error file=a.whl,title=e::2"]);
    }

    #[test]
    fn sarif_names_each_rule_once_and_every_result() {
        let findings =
            [Finding::error("record-hash-97", "one").member("a.py"), Finding::error("record-hash-97", "two")];
        let other = [Finding::warning("module-missing", "three")];
        let files = [("dist/a b.whl", findings.as_slice()), ("c.whl", other.as_slice())];
        let document = sarif(files, &|id| Some((format!("why {id}"), "fix".to_owned())));
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(2));
        assert_eq!(run["results"].as_array().map(Vec::len), Some(3));
        let place = &run["results"][0]["locations"][0];
        assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], "dist/a%20b.whl");
        assert_eq!(place["logicalLocations"][0]["fullyQualifiedName"], "a.py");
        assert_eq!(run["tool"]["driver"]["rules"][0]["shortDescription"]["text"], "why module-missing");
    }
}
