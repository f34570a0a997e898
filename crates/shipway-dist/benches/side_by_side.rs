//! Judging a folder of wheels against `unzip -t` on the same files, in one run, whole processes.
//!
//! `cargo bench -p shipway-dist --bench side_by_side -- FOLDER [ROUNDS]`; without a folder it does nothing,
//! so that it can be built and run everywhere. Rounds alternate, the medians are compared.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use shipway_dist::check::{Options, check_file};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("judge") => judge(&arguments[1..]),
        Some(folder) => {
            let rounds = arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
            compare(Path::new(folder), rounds);
        }
        None => println!("no folder given"),
    }
}

/// What a child process does: judges files and says how many are refused.
fn judge(paths: &[String]) {
    let refused = paths
        .par_iter()
        .filter(|path| {
            let path = Path::new(path.as_str());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !check_file(path, &name, &Options::default()).is_ok_and(|report| report.ok())
        })
        .count();
    println!("{refused} refused");
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
        ours.push(time(Command::new(&this).arg("judge").args(&wheels)));
        theirs.push(wheels.iter().map(|wheel| time(Command::new("unzip").arg("-tqq").arg(wheel))).sum());
    }
    let (ours, theirs): (Duration, Duration) = (median(ours), median(theirs));
    let bytes: u64 = wheels.iter().filter_map(|wheel| wheel.metadata().ok()).map(|found| found.len()).sum();
    println!(
        "{} wheels, {} MB: judged in {ours:.3?}, unzip -t {theirs:.3?}, ratio {:.3}",
        wheels.len(),
        bytes / 1_000_000,
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
