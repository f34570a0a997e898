//! Measures a whole diff against reading and parsing alone, and against griffe.
//!
//! `cargo run --release -p shipway-pyapi --example speed -- [--griffe PYTHON] OLD NEW [OLD NEW]...`
//! PYTHON is an interpreter of a virtual environment that holds griffe 2.4. Times are the best of
//! several rounds on warm files; griffe gets the same wheels, unpacked beforehand.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use shipway_pyapi::{DiffOptions, ExtractOptions, diff, extract_pair, read_and_parse};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut griffe = None;
    if arguments.first().is_some_and(|first| first == "--griffe") {
        griffe = Some(arguments.get(1).cloned().ok_or("--griffe PYTHON")?);
        arguments.drain(..2);
    }
    for pair in arguments.chunks_exact(2) {
        let (old, new) = (Path::new(&pair[0]), Path::new(&pair[1]));
        measure(old, new, griffe.as_deref())?;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory of this process: {}", peak.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}

fn best(rounds: usize, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn measure(old: &Path, new: &Path, griffe: Option<&str>) -> Result<()> {
    let options = ExtractOptions::default();
    let mut size = (0, 0);
    let floor = best(9, || {
        let (a, b) = (read_and_parse(old, &options)?, read_and_parse(new, &options)?);
        size = (a.0 + b.0, a.1 + b.1);
        Ok(())
    })?;
    let mut findings = 0;
    let mut extraction = Duration::MAX;
    let whole = best(9, || {
        let start = Instant::now();
        let (a, b) = extract_pair(old, new, &options)?;
        extraction = extraction.min(start.elapsed());
        findings = diff(&a, &b, &DiffOptions::default()).findings.len();
        Ok(())
    })?;
    let name = old.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    println!("{name}: {} modules, {:.1} MB, {findings} findings", size.0, size.1 as f64 / 1e6);
    println!("  reading and parsing alone {floor:?}; extraction {extraction:?}; whole diff {whole:?}");
    println!("  whole / reading and parsing = {:.2}", whole.as_secs_f64() / floor.as_secs_f64());
    if let Some(python) = griffe {
        let seconds = run_griffe(python, old, new)?;
        println!("  griffe {seconds:.2} s; ratio {:.0}", seconds / whole.as_secs_f64());
    }
    Ok(())
}

const GRIFFE: &str = "
import sys, time, zipfile, tempfile, pathlib
import griffe
def load(wheel):
    folder = tempfile.mkdtemp()
    zipfile.ZipFile(wheel).extractall(folder)
    tops = [p for p in pathlib.Path(folder).iterdir() if (p / '__init__.py').exists()]
    return folder, sorted(tops)[0].name
old, new = load(sys.argv[1]), load(sys.argv[2])
best = 1e9
for _ in range(3):
    start = time.perf_counter()
    a = griffe.load(old[1], search_paths=[old[0]], allow_inspection=False, resolve_aliases=True)
    b = griffe.load(new[1], search_paths=[new[0]], allow_inspection=False, resolve_aliases=True)
    try:
        list(griffe.find_breaking_changes(a, b))
    except Exception as error:
        print('griffe aborted:', type(error).__name__, file=sys.stderr)
    best = min(best, time.perf_counter() - start)
print(best)
";

fn run_griffe(python: &str, old: &Path, new: &Path) -> Result<f64> {
    let output = Command::new(python).args(["-c", GRIFFE]).arg(old).arg(new).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    if let Some(line) = complaints.lines().find(|line| line.starts_with("griffe aborted")) {
        println!("  {line} (timed until then)");
    }
    text.trim().parse().map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned().into())
}
