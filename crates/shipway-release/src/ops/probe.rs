//! Runs a declared probe in a trial environment: an empty directory, HOME elsewhere, no shell, a time limit.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::config::{Environment, Probe, ProbeKind};
use crate::error::{Error, Result};
use crate::ops::install::Trial;
use crate::ops::process::Call;

/// How a probe went.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeResult {
    /// The probe.
    pub id: String,
    /// What it is for.
    pub kind: ProbeKind,
    /// Whether everything was as declared.
    pub ok: bool,
    /// The exit code; none when a signal ended it.
    pub exit: Option<i32>,
    /// What was not as declared.
    pub problems: Vec<String>,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
}

/// Programs that a probe may use although the release does not bring them. Any other command must come from the
/// fresh environment: one of the same name on the user's PATH would prove nothing.
const FROM_THE_SYSTEM: &[&str] = &["sh", "bash", "env", "cmd", "cmd.exe", "powershell"];

/// Runs a probe.
///
/// # Errors
/// When its directory cannot be made. A command that does not exist is a probe that failed.
pub fn run(trial: &Trial, probe: &Probe, environment: &Environment) -> Result<ProbeResult> {
    let directory = tempfile::Builder::new().prefix("probe-").tempdir_in(trial.folder());
    let directory = directory.map_err(|error| Error::io("create", trial.folder(), &error))?;
    let (program, arguments) =
        probe.run.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
    let own = trial.venv.scripts.join(program);
    if !own.exists() && !FROM_THE_SYSTEM.contains(&program) {
        return Ok(ProbeResult {
            id: probe.id.clone(),
            kind: probe.kind,
            ok: false,
            exit: None,
            problems: vec![format!("the installed release has no command `{program}`")],
            duration_ms: 0,
        });
    }
    let mut call =
        Call::new(if own.exists() { own.into_os_string() } else { program.into() }, directory.path())
            .allowed(environment)
            .env("PATH", search_path(&trial.venv.scripts, environment))
            .env("VIRTUAL_ENV", &trial.venv.directory)
            .env("HOME", trial.home())
            .env("XDG_CONFIG_HOME", trial.home().join(".config"))
            .env("XDG_DATA_HOME", trial.home().join(".local/share"))
            .env("XDG_CACHE_HOME", trial.home().join(".cache"))
            .env("PYTHONNOUSERSITE", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .timeout(Duration::from_secs(probe.timeout))
            .args(arguments);
    for (name, value) in &probe.env {
        call = call.env(name, value);
    }
    let result = |exit, problems: Vec<String>, duration: Duration| ProbeResult {
        id: probe.id.clone(),
        kind: probe.kind,
        ok: problems.is_empty(),
        exit,
        problems,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    };
    let output = match call.run() {
        Ok(output) => output,
        Err(error) => {
            return Ok(result(
                None,
                vec![format!("{error}: the installed release has no such command")],
                Duration::ZERO,
            ));
        }
    };
    let mut problems = Vec::new();
    if output.timed_out {
        problems.push(format!("it did not end within {} s", probe.timeout));
    } else if output.code != Some(probe.exit) {
        let said = output.tail(3).join(" / ");
        problems.push(format!("{}, expected exit code {}: {said}", output.ending(), probe.exit));
    }
    let stdout = output.stdout_text();
    let stderr = String::from_utf8_lossy(&output.stderr);
    for (stream, text, expected) in
        [("stdout", stdout.as_str(), &probe.stdout), ("stderr", &stderr, &probe.stderr)]
    {
        if let Some(expected) = expected.as_ref().filter(|expected| !text.contains(expected.as_str())) {
            problems.push(format!("{stream} does not hold `{expected}`"));
        }
    }
    if !probe.json.is_empty() {
        problems.extend(compare_json(&stdout, probe));
    }
    Ok(result(output.code, problems, output.duration))
}

/// The environment's scripts and the system's programs, nothing of the user's.
fn search_path(scripts: &std::path::Path, environment: &Environment) -> std::ffi::OsString {
    if cfg!(windows) {
        return crate::steps::build::prepend_path(scripts, environment);
    }
    let system = ["/usr/bin", "/bin"].map(std::path::PathBuf::from);
    std::env::join_paths(std::iter::once(scripts.to_owned()).chain(system)).unwrap_or_default()
}

fn compare_json(stdout: &str, probe: &Probe) -> Vec<String> {
    let document: Value = match serde_json::from_str(stdout) {
        Ok(document) => document,
        Err(error) => return vec![format!("stdout is not JSON: {error}")],
    };
    let mut problems = Vec::new();
    for (path, expected) in &probe.json {
        match look_up(&document, path) {
            None => problems.push(format!("`{path}` is not there, expected `{expected}`")),
            Some(found) if same(found, expected) => {}
            Some(found) => problems.push(format!("`{path}` is `{found}`, expected `{expected}`")),
        }
    }
    problems
}

/// Follows a dotted path; a key that holds dots itself is found too, and numbers index lists.
fn look_up<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    match value {
        Value::Object(entries) => {
            if let Some(found) = entries.get(path) {
                return Some(found);
            }
            path.match_indices('.').find_map(|(at, _)| look_up(entries.get(&path[..at])?, &path[at + 1..]))
        }
        Value::Array(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            look_up(items.get(index.parse::<usize>().ok()?)?, rest)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_paths_are_followed() {
        let document = serde_json::json!({"a": {"b.c": [1, {"d": false}]}, "x.y": "z"});
        assert_eq!(look_up(&document, "a.b.c.1.d"), Some(&Value::Bool(false)));
        assert_eq!(look_up(&document, "x.y"), Some(&"z".into()));
        assert_eq!(look_up(&document, "a.b.c.7"), None);
        assert!(same(&serde_json::json!(21), &serde_json::json!(21.0)) && !same(&"1".into(), &1.into()));
    }
}
