//! Judges the files given on the command line and prints what was found; for trying and for measuring.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::path::Path;
use std::process::ExitCode;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use shipway_dist::check::{Options, check_file};

fn main() -> ExitCode {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    let strict = paths.iter().any(|path| path == "--strict");
    paths.retain(|path| path != "--strict");
    let reports: Vec<_> = paths
        .par_iter()
        .map(|path| {
            let path = Path::new(path);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            check_file(path, &name, &Options { strict })
        })
        .collect();
    let mut ok = true;
    for (path, report) in paths.iter().zip(reports) {
        match report {
            Ok(report) => {
                ok &= report.ok();
                println!("{} {path} {}", if report.ok() { "ok  " } else { "FAIL" }, report.sha256);
                for finding in report.findings {
                    println!(
                        "  {:?} {} {:?}: {}",
                        finding.severity, finding.id, finding.member, finding.message
                    );
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
