//! Known changes of real pairs of releases beside what the diff says of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shipway_pyapi::{ApiDiff, ApiFinding, DiffOptions, ExtractOptions, Level, diff, extract_pair};

use super::fetch::fetch;

fn compare((package, old, new): &(String, String, String), cache: &Path) -> Result<ApiDiff, String> {
    let old = fetch(package, old, cache)?;
    let new = fetch(package, new, cache)?;
    let (old, new) =
        extract_pair(&old, &new, &ExtractOptions::default()).map_err(|error| error.to_string())?;
    Ok(diff(&old, &new, &DiffOptions::default()))
}

/// Judges rows of known changes; what is missing is fetched into `cache`.
pub(crate) fn judge(rows: &[Value], cache: &Path) -> Score {
    let mut diffs: BTreeMap<(String, String, String), Result<ApiDiff, String>> = BTreeMap::new();
    let mut score = Score::default();
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let key = (text("package"), text("old"), text("new"));
        let diff = diffs.entry(key.clone()).or_insert_with(|| compare(&key, cache));
        score.row(row, diff);
    }
    score
}

/// How known changes were judged.
#[derive(Default)]
pub(crate) struct Score {
    pub(crate) breaking: usize,
    pub(crate) found: usize,
    pub(crate) level_right: usize,
    pub(crate) unclear: usize,
    pub(crate) unclear_found: usize,
    pub(crate) compatible: usize,
    pub(crate) flagged: usize,
    pub(crate) lines: Vec<String>,
}

impl Score {
    /// Takes one known change.
    pub(crate) fn row(&mut self, row: &Value, diff: &Result<ApiDiff, String>) {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let (id, symbol, level) = (text("id"), text("symbol"), text("level"));
        let is_breaking = row["breaking"].as_bool().unwrap_or(false);
        let head = format!("{id} {} {} -> {} {symbol}", text("package"), text("old"), text("new"));
        let diff = match diff {
            Ok(diff) => diff,
            Err(error) => {
                self.lines.push(format!("ERROR {head}: {error}"));
                return;
            }
        };
        let matching: Vec<&ApiFinding> =
            diff.findings.iter().filter(|finding| concerns(finding, symbol)).collect();
        let heavy = |finding: &&ApiFinding| finding.level >= Level::Major;
        if !is_breaking {
            self.compatible += 1;
            let raised: Vec<&ApiFinding> = matching.into_iter().filter(heavy).collect();
            if !raised.is_empty() {
                self.flagged += 1;
                for finding in raised {
                    self.lines
                        .push(format!("FALSE {head}: {} {} {}", finding.id, finding.symbol, finding.detail));
                }
            }
            return;
        }
        let is_static = text("static") == "yes";
        let (total, hits) = if is_static {
            (&mut self.breaking, &mut self.found)
        } else {
            (&mut self.unclear, &mut self.unclear_found)
        };
        *total += 1;
        let hit = matching.iter().any(|finding| finding.level >= Level::Warn);
        if hit {
            *hits += 1;
        }
        let expected = Level::parse(level).unwrap_or(Level::Major);
        let right = matching
            .iter()
            .any(|f| f.level == expected || (f.level == Level::Error && expected == Level::Major));
        if is_static && right {
            self.level_right += 1;
        }
        if !right {
            let seen: Vec<String> =
                matching.iter().map(|f| format!("{} {} {}", f.level.as_str(), f.id, f.detail)).collect();
            let kind = if hit { "LEVEL" } else { "MISS " };
            let what = text("change");
            self.lines.push(format!("{kind} {head} [{what}] static={}: {}", text("static"), seen.join("; ")));
        }
    }
}

/// Whether a finding is about the symbol of a row: `pkg.mod.f`, `pkg.f(parameter)`, `Class.method`, `*`.
fn concerns(finding: &ApiFinding, symbol: &str) -> bool {
    if symbol == "*" {
        return true;
    }
    let (path, parameter) = match symbol.split_once('(') {
        Some((path, rest)) => (path, Some(rest.trim_end_matches(')'))),
        None => (symbol, None),
    };
    let about_parameter = match parameter {
        Some(name) => finding.detail.contains(&format!("`{name}`")),
        None => true,
    };
    let fits = |candidate: &str| candidate == path || candidate.ends_with(&format!(".{path}"));
    about_parameter && (fits(&finding.symbol) || finding.paths.iter().any(|candidate| fits(candidate)))
}
