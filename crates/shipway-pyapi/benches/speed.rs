//! Measures a whole diff against reading and parsing the same files alone, and against griffe.
//!
//! `cargo bench -p shipway-pyapi --bench speed -- [--griffe PYTHON] OLD NEW [OLD NEW]...`
//! PYTHON is an interpreter of a virtual environment that holds griffe 2.4. The diff and its peer
//! are processes of their own that take turns, with the same number of threads; the peer reads and
//! parses every module of both sides and forgets it. griffe gets the same wheels, unpacked
//! beforehand, and the start of its interpreter is not counted. Every figure is a median.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use shipway_pyapi::{DiffOptions, ExtractOptions, diff, extract_pair, read_and_parse};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How often each process runs.
const ROUNDS: usize = 15;

fn main() -> Result<()> {
    // `cargo bench` adds `--bench`.
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if let [child, what, old, new] = arguments.as_slice()
        && child == "--child"
    {
        return run_child(what, Path::new(old), Path::new(new));
    }
    let mut griffe = None;
    if arguments.first().is_some_and(|first| first == "--griffe") {
        griffe = Some(arguments.get(1).cloned().ok_or("--griffe PYTHON")?);
        arguments.drain(..2);
    }
    for pair in arguments.chunks_exact(2) {
        measure(&pair[0], &pair[1], griffe.as_deref())?;
    }
    Ok(())
}

/// One measured process: does its work, prints what it saw, and ends without tidying up.
fn run_child(what: &str, old: &Path, new: &Path) -> Result<()> {
    let options = ExtractOptions::default();
    let line = if what == "parse" {
        // Both sides at once, as the diff does.
        let (a, b) = std::thread::scope(|scope| {
            let a = scope.spawn(|| read_and_parse(old, &options));
            let b = read_and_parse(new, &options);
            (a.join().map_err(|_| "the reader died"), b)
        });
        let (a, b) = (a??, b?);
        format!("{} modules, {:.1} MB", a.0 + b.0, (a.1 + b.1) as f64 / 1e6)
    } else {
        let start = Instant::now();
        let (a, b) = extract_pair(old, new, &options)?;
        let extraction = start.elapsed();
        let findings = diff(&a, &b, &DiffOptions::default()).findings.len();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim();
        format!("{findings} findings, extraction {extraction:.0?}, peak memory {peak}")
    };
    println!("{line}");
    std::process::exit(0)
}

/// Runs one child; its time and what it printed.
fn child(what: &str, old: &str, new: &str) -> Result<(Duration, String)> {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe()?).args(["--child", what, old, new]).output()?;
    let elapsed = start.elapsed();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok((elapsed, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(old: &str, new: &str, griffe: Option<&str>) -> Result<()> {
    let (mut floors, mut wholes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut size, mut seen) = (String::new(), String::new());
    for _ in 0..ROUNDS {
        let (floor, printed) = child("parse", old, new)?;
        size = printed;
        let (whole, printed) = child("diff", old, new)?;
        seen = printed;
        floors.push(floor.as_secs_f64());
        wholes.push(whole.as_secs_f64());
        ratios.push(whole.as_secs_f64() / floor.as_secs_f64());
    }
    let name = Path::new(old).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    println!("{name}: {size}; {seen}");
    let (floor, whole, ratio) = (median(floors), median(wholes), median(ratios));
    println!(
        "  reading and parsing alone {floor:.3} s; whole diff {whole:.3} s; ratio {ratio:.2} (at most 1.5)"
    );
    if let Some(python) = griffe {
        let seconds = run_griffe(python, Path::new(old), Path::new(new))?;
        println!("  griffe {seconds:.2} s; {:.0} times (at least 40)", seconds / whole);
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
import statistics
times = []
for _ in range(3):
    start = time.perf_counter()
    a = griffe.load(old[1], search_paths=[old[0]], allow_inspection=False, resolve_aliases=True)
    b = griffe.load(new[1], search_paths=[new[0]], allow_inspection=False, resolve_aliases=True)
    try:
        list(griffe.find_breaking_changes(a, b))
    except Exception as error:
        print('griffe aborted:', type(error).__name__, file=sys.stderr)
    times.append(time.perf_counter() - start)
print(statistics.median(times))
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
