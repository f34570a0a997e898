//! Asks an installed release about itself, from its own environment: do its stable symbols import, do its scripts
//! load, which files are there.

use serde::{Deserialize, Serialize};
use shipway_dist::ProjectName;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::install::Trial;
use crate::ops::process::Call;

const SCRIPT: &str = include_str!("python_scripts/import_symbols.py");

/// A stable symbol or script and how its import went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportResult {
    /// The dotted path, or `name = module:attribute`.
    pub symbol: String,
    /// Why it does not import.
    pub error: Option<String>,
}

/// What the installed release says about itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Imports {
    /// Every symbol asked for.
    pub imports: Vec<ImportResult>,
    /// Every script.
    pub scripts: Vec<ImportResult>,
    /// The names of its console scripts.
    #[serde(default)]
    pub commands: Vec<String>,
    /// The installed files that are there, relative to site-packages.
    #[serde(default)]
    pub files: Vec<String>,
}

/// Imports symbols and loads scripts in a trial environment.
///
/// # Errors
/// When the interpreter cannot be started.
pub fn import(
    trial: &Trial,
    environment: &Environment,
    name: &ProjectName,
    symbols: &[String],
) -> Result<Imports> {
    let script = trial.folder().join("import_symbols.py");
    let answer = trial.folder().join("imports.json");
    std::fs::write(&script, SCRIPT).map_err(|error| Error::io("write", &script, &error))?;
    let directory = trial.folder().join("empty");
    std::fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, &error))?;
    // `-I`: neither the directory nor the user's site nor PYTHONPATH can stand in for the installed wheel.
    let output = Call::new(&trial.venv.python, &directory)
        .allowed(environment)
        .env("HOME", trial.home())
        .args(["-I", "-B"])
        .arg(&script)
        .arg(&answer)
        .arg(name.normalized())
        .args(symbols)
        .timeout(std::time::Duration::from_secs(300))
        .run()?;
    let answered = std::fs::read(&answer).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(answered.unwrap_or_else(|| {
        let error = format!(
            "the interpreter ended while importing ({}): {}",
            output.ending(),
            output.tail(3).join(" / ")
        );
        let failed = |symbol: &String| ImportResult { symbol: symbol.clone(), error: Some(error.clone()) };
        let scripts = if symbols.is_empty() { vec![failed(&"scripts".to_owned())] } else { Vec::new() };
        Imports { imports: symbols.iter().map(failed).collect(), scripts, ..Imports::default() }
    }))
}
