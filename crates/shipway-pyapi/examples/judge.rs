//! Judges the files given on the command line, Python and all, and prints what was found.
//!
//! `cargo run --release -p shipway-pyapi --example judge -- [--strict] FILE...`; with `--against-unzip
//! FOLDER [ROUNDS]` it measures itself on the wheels of a folder against `unzip -t`, whole processes in
//! alternating rounds, and prints the medians.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use shipway_dist::check::Options;
use shipway_pyapi::judge::judge_file;

fn main() -> ExitCode {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder, rest @ ..] = &paths[..]
        && first == "--against-unzip"
    {
        compare(Path::new(folder), rest.first().and_then(|rounds| rounds.parse().ok()).unwrap_or(7));
        return ExitCode::SUCCESS;
    }
    let strict = paths.iter().any(|path| path == "--strict");
    paths.retain(|path| path != "--strict");
    let judge = |path: &String| {
        let path = Path::new(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        judge_file(path, &name, &Options { strict })
    };
    let reports: Vec<_> = paths.par_iter().map(judge).collect();
    let mut ok = true;
    for (path, report) in paths.iter().zip(reports) {
        match report {
            Ok(report) => {
                ok &= report.ok();
                println!("{} {path} {}", if report.ok() { "ok  " } else { "FAIL" }, report.sha256);
                for finding in report.findings {
                    let member = finding.member.unwrap_or_default();
                    println!("  {:?} {} {member}: {}", finding.severity, finding.id, finding.message);
                }
            }
            Err(error) => {
                ok = false;
                println!("ERR  {path} {error}");
            }
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn compare(folder: &Path, rounds: usize) {
    let mut wheels: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect();
    wheels.sort();
    let Ok(this) = std::env::current_exe() else { return };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(time(Command::new(&this).args(&wheels)));
        theirs.push(wheels.iter().map(|wheel| time(Command::new("unzip").arg("-tqq").arg(wheel))).sum());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{} wheels: judged in {ours:.3?}, unzip -t {theirs:.3?}, ratio {:.3}",
        wheels.len(),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
