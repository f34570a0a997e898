//! The gates that run a declared command (`lint`, `format`, `types`, `tests`), each in a clean checkout of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shipway_dist::{Finding, Sha256};

use crate::config::{CommandGate, Environment};
use crate::error::Result;
use crate::gates::GateReport;
use crate::ops::process::Call;

/// Runs the command of a gate in `checkout`, a clean checkout that nothing else uses.
///
/// # Errors
/// When the command cannot be started: the gate could not run, which is not the same as failing.
pub fn command(gate: &CommandGate, checkout: &Path, environment: &Environment) -> Result<GateReport> {
    let Some((program, arguments)) = gate.run.split_first() else {
        return Ok(GateReport::new(gate.id, Vec::new(), json!({})));
    };
    let call = Call::new(program, checkout)
        .allowed(environment)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(arguments)
        .timeout(Duration::from_secs(gate.timeout));
    let line = call.line();
    let output = call.run()?;
    let mut findings = Vec::new();
    if !output.success() {
        let tail: String = output.tail(15).into_iter().map(|line| format!("\n{line}")).collect();
        let message = format!("`{line}`: {}{tail}", output.ending());
        findings.push(Finding::error(&format!("{}-failed", gate.id), message));
    }
    let detail = json!({
        "command": line,
        "exitCode": output.code,
        "timedOut": output.timed_out,
        "durationMs": u64::try_from(output.duration.as_millis()).unwrap_or(u64::MAX),
        "stdoutSha256": Sha256::of(&output.stdout),
        "stderrSha256": Sha256::of(&output.stderr),
        "toolVersions": version_of(program, environment).map(|version| BTreeMap::from([(program, version)])).unwrap_or_default(),
    });
    let mut report = GateReport::new(gate.id, findings, detail);
    let head = format!("$ {line}\n{}\n", output.ending());
    report.log = [
        head.as_bytes(),
        b"--- stdout\n",
        output.stdout.as_slice(),
        b"\n--- stderr\n",
        output.stderr.as_slice(),
    ]
    .concat();
    Ok(report)
}

/// The first line of `PROGRAM --version`.
///
/// Only programs of the path are asked, outside the checkout: a script of the project may do anything.
fn version_of(program: &str, environment: &Environment) -> Option<String> {
    const SHELLS: [&str; 4] = ["sh", "bash", "env", "make"];
    if program.contains(['/', '\\']) || SHELLS.contains(&program) {
        return None;
    }
    let directory = std::env::temp_dir();
    let call = Call::new(program, &directory).allowed(environment).arg("--version");
    let output = call.timeout(Duration::from_secs(10)).run().ok().filter(|output| output.success())?;
    let text = output.stdout_text();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(200).collect())
}
