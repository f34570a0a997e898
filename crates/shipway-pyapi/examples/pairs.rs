//! Measures the diff on verified pairs of real releases: found, missed, falsely raised.
//!
//! `cargo run --release -p shipway-pyapi --example pairs -- PAIRS.json [CACHE]` downloads what is
//! missing in CACHE (default `target/pairs`) with the ordinary pip, one folder for each release.
//! `show OLD NEW` prints one diff instead.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../benches/harness/fetch.rs"]
mod fetch;
#[path = "../benches/harness/score.rs"]
mod score;

use std::path::{Path, PathBuf};

use score::{Score, judge};
use serde_json::Value;
use shipway_pyapi::{ApiDiff, DiffOptions, ExtractOptions, diff, extract_pair};

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
    print_score(&judge(&rows, &cache));
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

fn print_score(score: &Score) {
    for line in &score.lines {
        println!("{line}");
    }
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    println!(
        "static breaking rows found: {} of {} ({:.1} %)",
        score.found,
        score.breaking,
        share(score.found, score.breaking)
    );
    println!(
        "right level: {} of {} ({:.1} %)",
        score.level_right,
        score.breaking,
        share(score.level_right, score.breaking)
    );
    println!("other breaking rows found: {} of {}", score.unclear_found, score.unclear);
    println!("compatible rows flagged at major or error: {} of {}", score.flagged, score.compatible);
}
