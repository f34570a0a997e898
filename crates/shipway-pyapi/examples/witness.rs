//! Runs witnesses of real breaks: each must pass on the old release and fail on the new.
//!
//! `cargo run --release -p shipway-pyapi --example witness -- PYTHON CACHE NAME OLD NEW [NAME OLD NEW]...`
//! Every release gets a fresh virtual environment of PYTHON in CACHE, into which pip installs it with what
//! it needs; every snippet is a process of its own. At most `EACH` findings of a pair are run, spread
//! over the rules. Prints every exception and why.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use shipway_pyapi::{
    ApiFinding, DiffOptions, ExtractOptions, Level, Surface, diff, extract_pair, modules_of,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The most findings that are run of one pair.
const EACH: usize = 25;

#[derive(Default)]
struct Score {
    run: usize,
    shown: usize,
    without: BTreeMap<&'static str, usize>,
    exceptions: usize,
    /// The old release itself cannot be imported there without another distribution.
    unable: usize,
    rules: BTreeMap<&'static str, usize>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [python, cache, pairs @ ..] = arguments.as_slice() else {
        return Err("expected PYTHON CACHE NAME OLD NEW...".into());
    };
    let mut score = Score::default();
    for triple in pairs.chunks_exact(3) {
        let [name, old, new] = triple else { continue };
        if let Err(error) = measure(python, Path::new(cache), (name, old, new), &mut score) {
            println!("{name} {old} -> {new}: not run: {error}");
        }
    }
    let rules: Vec<String> = score.rules.iter().map(|(id, count)| format!("{id} {count}")).collect();
    println!("rules: {}", rules.join(", "));
    let without: Vec<String> = score.without.iter().map(|(id, count)| format!("{id} {count}")).collect();
    println!("breaks without a witness: {}", without.join(", "));
    println!(
        "witnesses run: {}; passed on the old and failed on the new: {}; exceptions: {}; not to be imported: {}",
        score.run, score.shown, score.exceptions, score.unable
    );
    Ok(())
}

fn measure(python: &str, cache: &Path, pair: (&str, &str, &str), score: &mut Score) -> Result<()> {
    let (name, old, new) = pair;
    let (old_env, new_env) = (Env::new(python, cache, name, old)?, Env::new(python, cache, name, new)?);
    let (a, b) = extract_pair(&old_env.wheel, &new_env.wheel, &ExtractOptions::default())?;
    let diff = diff(&a, &b, &DiffOptions { witness: true, ..DiffOptions::default() });
    let mut by_rule: BTreeMap<&str, Vec<&ApiFinding>> = BTreeMap::new();
    for finding in diff.findings.iter().filter(|finding| finding.level >= Level::Major) {
        match finding.witness {
            Some(_) => by_rule.entry(finding.id).or_default().push(finding),
            None => *score.without.entry(finding.id).or_default() += 1,
        }
    }
    let mut chosen: Vec<&ApiFinding> = Vec::new();
    let mut turn = 0;
    while chosen.len() < EACH && by_rule.values().any(|list| list.len() > turn) {
        chosen.extend(by_rule.values().filter_map(|list| list.get(turn)).take(EACH - chosen.len()));
        turn += 1;
    }
    let mut shown = 0;
    for finding in &chosen {
        let snippet = finding.witness.as_deref().unwrap_or_default();
        let (before, after) = (old_env.run(snippet)?, new_env.run(snippet)?);
        if let Some(why) = before.as_ref().filter(|why| lacks_another(why, &a)) {
            println!("UNABLE {name} {old} -> {new} {} {}: {why}", finding.id, finding.symbol);
            score.unable += 1;
            continue;
        }
        score.run += 1;
        *score.rules.entry(finding.id).or_default() += 1;
        if before.is_none() && after.is_some() {
            shown += 1;
            continue;
        }
        score.exceptions += 1;
        let what = match &before {
            Some(why) => format!("fails on the old: {why}"),
            None => "passes on the new".to_owned(),
        };
        println!("EXCEPTION {name} {old} -> {new} {} {}: {}", finding.id, finding.symbol, finding.detail);
        println!("  {what}\n    {}", snippet.trim_end().replace('\n', "\n    "));
    }
    score.shown += shown;
    println!("{name} {old} -> {new}: {} run, {shown} shown", chosen.len());
    Ok(())
}

/// A release installed in an environment of its own.
struct Env {
    python: PathBuf,
    wheel: PathBuf,
}

impl Env {
    fn new(python: &str, cache: &Path, name: &str, version: &str) -> Result<Self> {
        let folder = cache.join(format!("{name}-{version}"));
        let wheels = folder.join("wheel");
        let inner = folder.join("venv/bin/python");
        let requirement = format!("{name}=={version}");
        let wheel =
            || std::fs::read_dir(&wheels).ok()?.filter_map(|one| one.ok()).map(|one| one.path()).next();
        if wheel().is_none() {
            std::fs::create_dir_all(&wheels)?;
            let options = ["-q", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "-d"];
            let mut download = Command::new(python);
            download.args(["-m", "pip", "download"]).args(options).arg(&wheels).arg(&requirement);
            must(download.status()?.success(), "pip download")?;
        }
        let wheel = wheel().ok_or("no wheel")?;
        if !folder.join("installed").exists() {
            must(
                Command::new(python).args(["-m", "venv"]).arg(folder.join("venv")).status()?.success(),
                "venv",
            )?;
            let mut install = Command::new(&inner);
            install.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]).arg(&wheel);
            must(install.status()?.success(), "pip install")?;
            std::fs::write(folder.join("installed"), "")?;
        }
        Ok(Self { python: inner, wheel })
    }

    /// Runs a snippet; the last line of what it says when it fails.
    fn run(&self, snippet: &str) -> Result<Option<String>> {
        let output = Command::new(&self.python).args(["-W", "ignore", "-c", snippet]).output()?;
        if output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Some(text.lines().last().unwrap_or("no message").to_owned()))
    }
}

/// Whether a message says that a module of another distribution is not installed.
fn lacks_another(why: &str, old: &Surface) -> bool {
    let Some(missing) = why.strip_prefix("ModuleNotFoundError: No module named ") else { return false };
    let missing = missing.trim_matches('\'');
    !modules_of(old).iter().any(|module| module.name.split('.').next() == missing.split('.').next())
}

fn must(done: bool, what: &str) -> Result<()> {
    if done { Ok(()) } else { Err(format!("{what} failed").into()) }
}
