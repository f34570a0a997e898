//! Runs a declared probe in a trial environment: an empty directory, HOME elsewhere, no shell, a time limit, no
//! network unless it says so, and nothing of it left afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::config::{Environment, Probe, ProbeKind};
use crate::error::{Error, Result};
use crate::ops::install::Trial;
use crate::ops::isolation::{Fence, Isolation, MARK, end_leftovers};
use crate::ops::process::Output;
use crate::ops::snapshot::{self, Snapshot};

/// How much a probe may write to one stream before it is stopped.
const MOST_OUTPUT: u64 = 8 << 20;

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
    pub problems: Vec<Problem>,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// How it was kept apart.
    pub isolation: Isolation,
    /// What it printed.
    #[serde(skip)]
    pub stdout: String,
    /// What it said.
    #[serde(skip)]
    pub stderr: String,
}

/// Something that was not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What sort of thing.
    pub sort: Sort,
    /// What it is.
    pub text: String,
}

/// What sort of thing was not as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It could not be started.
    Start,
    /// It did not end, or ended otherwise than declared.
    Exit,
    /// A stream does not hold what is declared.
    Stream,
    /// A value of its JSON is not the declared one.
    Value,
    /// It wrote where it may not.
    Written,
    /// It left something running, or wrote without end.
    Manners,
}

impl Problem {
    /// Whether it is about what the probe did around itself, not about what was expected of it.
    pub fn is_aside(&self) -> bool {
        matches!(self.sort, Sort::Written | Sort::Manners)
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Programs that a probe may use although the release does not bring them. Any other command must come from the
/// fresh environment: one of the same name on the user's PATH would prove nothing.
const FROM_THE_SYSTEM: &[&str] = &["sh", "bash", "env", "cmd", "cmd.exe", "powershell"];

/// A command line run in a trial.
#[derive(Debug, Clone)]
pub struct Command<'a> {
    /// The words.
    pub run: &'a [String],
    /// Variables set for it.
    pub env: &'a BTreeMap<String, String>,
    /// Files written for it.
    pub files: &'a BTreeMap<String, String>,
    /// Whether it may use the network.
    pub network: bool,
    /// Seconds until it is stopped.
    pub timeout: u64,
}

/// How a command line went, whatever was expected of it.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; none when it could not be started.
    pub output: Option<Output>,
    /// What it did that nothing run in a trial may do.
    pub problems: Vec<Problem>,
}

/// Runs a probe.
///
/// # Errors
/// When its directory cannot be made. A command that does not exist is a probe that failed.
pub fn run(trial: &Trial, fence: &Fence, probe: &Probe, environment: &Environment) -> Result<ProbeResult> {
    let command = Command {
        run: &probe.run,
        env: &probe.env,
        files: &probe.files,
        network: probe.network,
        timeout: probe.timeout,
    };
    let Ran { output, mut problems } = execute(trial, fence, &command, environment)?;
    let mut result = ProbeResult {
        id: probe.id.clone(),
        kind: probe.kind,
        ok: false,
        exit: None,
        problems: Vec::new(),
        duration_ms: 0,
        isolation: fence.isolation(probe.network),
        stdout: String::new(),
        stderr: String::new(),
    };
    if let Some(output) = output {
        let mut expected = judge(&output, probe);
        expected.append(&mut problems);
        problems = expected;
        result.exit = output.code;
        result.duration_ms = u64::try_from(output.duration.as_millis()).unwrap_or(u64::MAX);
        result.stdout = output.stdout_text();
        result.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    result.ok = problems.is_empty();
    result.problems = problems;
    Ok(result)
}

/// Runs a command line in a trial: in an empty directory, behind the fence.
///
/// # Errors
/// When its directory or its files cannot be made.
pub fn execute(
    trial: &Trial,
    fence: &Fence,
    command: &Command<'_>,
    environment: &Environment,
) -> Result<Ran> {
    let directory = tempfile::Builder::new().prefix("probe-").tempdir_in(trial.folder());
    let directory = directory.map_err(|error| Error::io("create", trial.folder(), &error))?;
    let mut problems = Vec::new();
    let mut problem = |sort, text: String| problems.push(Problem { sort, text });
    let (program, arguments) =
        command.run.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
    let own = trial.venv.scripts.join(program);
    let is_own = !program.is_empty() && own.is_file();
    if !is_own && !FROM_THE_SYSTEM.contains(&program) {
        problem(Sort::Start, format!("the installed release has no command `{program}`"));
        return Ok(Ran { output: None, problems });
    }
    place_files(trial, directory.path(), command.files)?;
    let marker = trial.folder().join("left-running");
    let before = around(trial, directory.path())?;
    let home = trial.home();
    let program = if is_own { own.into_os_string() } else { program.into() };
    let mut call = fence
        .call(program, directory.path(), &marker, command.network)
        .allowed(environment)
        .env("PATH", search_path(&trial.venv.scripts, environment))
        .env("VIRTUAL_ENV", &trial.venv.directory)
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_DATA_HOME", home.join(".local/share"))
        .env("XDG_STATE_HOME", home.join(".local/state"))
        .env("XDG_CACHE_HOME", home.join(".cache"))
        .env("TMPDIR", trial.temporary())
        .env("PYTHONNOUSERSITE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env(MARK, trial.mark())
        .timeout(Duration::from_secs(command.timeout))
        .at_most(MOST_OUTPUT)
        .args(arguments);
    for (name, value) in command.env {
        call = call.env(name, value);
    }
    let output = match call.run() {
        Ok(output) => output,
        Err(error) => {
            problem(Sort::Start, format!("{error}: the installed release has no such command"));
            return Ok(Ran { output: None, problems });
        }
    };
    // What was placed in HOME is this probe's own; the next one starts without it.
    for name in command.files.keys().filter_map(|name| name.strip_prefix("~/")) {
        let _ = std::fs::remove_file(home.join(name));
    }
    let left = if fence.is_closed() { 0 } else { end_leftovers(trial.mark(), trial.folder()) };
    if std::fs::remove_file(&marker).is_ok() || left > 0 {
        problem(Sort::Manners, "it left a process running, which was ended".to_owned());
    }
    if output.flooded {
        let text = format!("it wrote more than {} MiB and was stopped", MOST_OUTPUT >> 20);
        problem(Sort::Manners, text);
    }
    for change in snapshot::changes(&before, &around(trial, directory.path())?) {
        problem(Sort::Written, format!("it {change}, which is neither its working directory nor below HOME"));
    }
    Ok(Ran { output: Some(output), problems })
}

/// Everything of the trial that a probe may not touch.
fn around(trial: &Trial, directory: &Path) -> Result<Snapshot> {
    let home = trial.home();
    let marker = trial.folder().join("left-running");
    snapshot::stamps(trial.folder(), &[&home, directory, &marker])
}

fn place_files(trial: &Trial, directory: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    for (name, text) in files {
        let path = match name.strip_prefix("~/") {
            Some(rest) => trial.home().join(rest),
            None => directory.join(name),
        };
        let place = || -> std::io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text)
        };
        place().map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(())
}

/// What is not as the probe declares.
fn judge(output: &Output, probe: &Probe) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |sort, text: String| problems.push(Problem { sort, text });
    if output.timed_out {
        problem(Sort::Exit, format!("it did not end within {} s", probe.timeout));
    } else if output.code != Some(probe.exit) && !output.flooded {
        let said = output.tail(3).join(" / ");
        problem(Sort::Exit, format!("{}, expected exit code {}: {said}", output.ending(), probe.exit));
    }
    let stdout = output.stdout_text();
    let stderr = String::from_utf8_lossy(&output.stderr);
    for (stream, text, expected) in
        [("stdout", stdout.as_str(), &probe.stdout), ("stderr", &stderr, &probe.stderr)]
    {
        if let Some(expected) = expected.as_ref().filter(|expected| !text.contains(expected.as_str())) {
            problem(Sort::Stream, format!("{stream} does not hold `{expected}`"));
        }
    }
    if !probe.json.is_empty() {
        problems
            .extend(compare_json(&stdout, probe).into_iter().map(|text| Problem { sort: Sort::Value, text }));
    }
    problems
}

/// The environment's scripts and the system's programs, nothing of the user's.
fn search_path(scripts: &Path, environment: &Environment) -> std::ffi::OsString {
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
pub(crate) fn look_up<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
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

pub(crate) fn same(a: &Value, b: &Value) -> bool {
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
