//! Measures the diff on verified pairs of real releases: found, missed, falsely raised.
//!
//! `cargo run --release -p shipway-pyapi --example pairs -- PAIRS.json [CACHE]` downloads what is
//! missing in CACHE (default `target/pairs`) with the ordinary pip, one folder for each release.
//! `show OLD NEW` prints one diff instead.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shipway_pyapi::{ApiDiff, ApiFinding, DiffOptions, ExtractOptions, Level, diff, extract_pair};

fn main() -> anyhow_free::Result {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().ok_or("expected the file of pairs, or `show OLD NEW`")?;
    if first == "show" {
        let (old, new) = (arguments.next().ok_or("OLD")?, arguments.next().ok_or("NEW")?);
        let (old, new) = extract_pair(Path::new(&old), Path::new(&new), &ExtractOptions::default())?;
        print(&diff(&old, &new, &DiffOptions::default()));
        return Ok(());
    }
    let cache = PathBuf::from(arguments.next().unwrap_or_else(|| "target/pairs".to_owned()));
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(&first)?)?;
    let mut diffs: BTreeMap<(String, String, String), Result<ApiDiff, String>> = BTreeMap::new();
    let mut score = Score::default();
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let key = (text("package"), text("old"), text("new"));
        let diff = diffs.entry(key.clone()).or_insert_with(|| compare(&key, &cache));
        score.row(row, diff);
    }
    score.print();
    Ok(())
}

/// The result of `main`.
mod anyhow_free {
    pub(crate) type Result = std::result::Result<(), Box<dyn std::error::Error>>;
}

fn print(diff: &ApiDiff) {
    println!("{}", diff.verdict.line);
    for finding in &diff.findings {
        let more =
            if finding.paths.len() > 1 { format!(" (+{})", finding.paths.len() - 1) } else { String::new() };
        println!(
            "{:6} {} {} {}{more}: {}",
            finding.level.as_str(),
            finding.id,
            finding.name,
            finding.symbol,
            finding.detail
        );
    }
    for skipped in &diff.not_checked {
        println!("not checked: {} {}: {}", skipped.side, skipped.symbol, skipped.reason);
    }
}

fn compare((package, old, new): &(String, String, String), cache: &Path) -> Result<ApiDiff, String> {
    let old = fetch(package, old, cache)?;
    let new = fetch(package, new, cache)?;
    let (old, new) =
        extract_pair(&old, &new, &ExtractOptions::default()).map_err(|error| error.to_string())?;
    Ok(diff(&old, &new, &DiffOptions::default()))
}

/// The file of a release, downloaded unless it is there.
fn fetch(package: &str, version: &str, cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join(format!("{}-{version}", package.to_lowercase()));
    let present = || std::fs::read_dir(&folder).ok()?.filter_map(Result::ok).map(|entry| entry.path()).next();
    if let Some(path) = present() {
        return Ok(path);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let attempts: [&[&str]; 4] = [
        &["--only-binary", ":all:"],
        &["--only-binary", ":all:", "--python-version", "3.8"],
        &["--only-binary", ":all:", "--python-version", "2.7"],
        &["--no-binary", ":all:"],
    ];
    for options in attempts {
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "-d"])
            .arg(&folder)
            .args(options)
            .arg(format!("{package}=={version}"))
            .status();
        if status.is_ok_and(|status| status.success()) {
            break;
        }
    }
    present().ok_or_else(|| format!("{package} {version} cannot be downloaded"))
}

#[derive(Default)]
struct Score {
    breaking: usize,
    found: usize,
    level_right: usize,
    unclear: usize,
    unclear_found: usize,
    compatible: usize,
    flagged: usize,
    lines: Vec<String>,
}

impl Score {
    fn row(&mut self, row: &Value, diff: &Result<ApiDiff, String>) {
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

    fn print(&self) {
        for line in &self.lines {
            println!("{line}");
        }
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        println!(
            "static breaking rows found: {} of {} ({:.1} %)",
            self.found,
            self.breaking,
            share(self.found, self.breaking)
        );
        println!(
            "right level: {} of {} ({:.1} %)",
            self.level_right,
            self.breaking,
            share(self.level_right, self.breaking)
        );
        println!("other breaking rows found: {} of {}", self.unclear_found, self.unclear);
        println!("compatible rows flagged at major or error: {} of {}", self.flagged, self.compatible);
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
