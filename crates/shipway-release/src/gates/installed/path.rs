//! `installed-path`: installed from the built wheel, outside the checkout, the release imports, its scripts load,
//! its data is there, its probes hold, and nothing is written where it is installed.

use serde_json::json;
use shipway_dist::{Finding, GateId, Globs};
use url::Url;

use super::Facts;
use crate::config::{Config, Dependencies, Probe, ProbeKind};
use crate::gates::GateReport;
use crate::ops::install::Installed;
use crate::ops::probe::Sort;
use crate::ops::secret::public_url;

pub(super) fn judge(facts: &Facts<'_>) -> GateReport {
    let side = &facts.new;
    let mut findings = facts.origin.clone();
    for (id, what, results) in [
        ("stable-symbol", "does not import", &side.imports.imports),
        ("script-broken", "does not load, so that the command fails", &side.imports.scripts),
    ] {
        for (result, error) in results.iter().filter_map(|one| Some((one, one.error.as_ref()?))) {
            findings.push(Finding::error(id, format!("`{}` {what}: {error}", result.symbol)));
        }
    }
    for pattern in missing_data(&facts.config.contract.data, &side.imports.files) {
        let message =
            format!("`contract.data` names `{pattern}`, and the installed release has no such file");
        findings.push(Finding::error("data-not-installed", message));
    }
    let tried: Vec<&Probe> = facts.config.probes.iter().collect();
    for probe in &tried {
        let Some(result) = side.of(probe) else { continue };
        for problem in &result.problems {
            let Some(id) = id_of(probe.kind, problem.sort) else { continue };
            let finding = Finding::error(id, format!("probe `{}`: {problem}", probe.id));
            findings.push(match problem.sort {
                Sort::Exit => {
                    finding.hint("it ran outside the checkout, in an empty directory, with another HOME")
                }
                _ => finding,
            });
        }
    }
    for line in &side.written {
        findings.push(Finding::error("site-packages-written", format!("while probes ran, something {line}")));
    }
    let isolation = tried.first().and_then(|probe| side.of(probe)).map(|result| result.isolation.clone());
    let detail = json!({
        "imports": side.imports.imports,
        "scripts": side.imports.scripts,
        "probes": side.results(tried),
        "isolation": isolation,
        "sitePackages": { "hashed": true, "readOnly": side.read_only, "written": side.written },
    });
    facts.report(GateId::InstalledPath, findings, facts.gone(GateId::InstalledPath), detail)
}

/// The finding that a problem of a probe is here; what it prints is judged by the gate of its kind.
fn id_of(kind: ProbeKind, sort: Sort) -> Option<&'static str> {
    match (sort, kind) {
        (Sort::Written, _) => Some("file-outside"),
        (Sort::Manners, _) => Some("probe-manners"),
        (Sort::Start | Sort::Exit | Sort::Stream | Sort::Value, ProbeKind::Smoke) => Some("smoke-probe"),
        (Sort::Start | Sort::Exit, ProbeKind::Safety) => Some("smoke-probe"),
        (Sort::Start | Sort::Exit | Sort::Stream | Sort::Value, ProbeKind::Safety | ProbeKind::Error) => None,
    }
}

fn missing_data<'a>(patterns: &'a [String], files: &[String]) -> Vec<&'a str> {
    let is_missing = |pattern: &&String| {
        // What is no glob was refused when the configuration was read.
        let Ok(globs) = Globs::new([pattern.as_str()]) else { return false };
        !files.iter().any(|file| is_match(&globs, pattern, file))
    };
    patterns.iter().filter(is_missing).map(String::as_str).collect()
}

/// Patterns are relative to the source tree, which may lie in `src`; installed, that is gone.
fn is_match(globs: &Globs, pattern: &str, file: &str) -> bool {
    globs.is_match(file) || (pattern.starts_with("src/") && globs.is_match(&format!("src/{file}")))
}

/// Files of dependencies that came from elsewhere than the index, where the project wants them from there alone.
pub(super) fn origin(config: &Config, simple: &Url, resolved: &[Installed]) -> Vec<Finding> {
    if config.dependencies == Dependencies::Any {
        return Vec::new();
    }
    let is_foreign = |one: &&Installed| {
        let same_port = one.url.port_or_known_default() == simple.port_or_known_default();
        one.name != config.name && !(one.url.host() == simple.host() && same_port)
    };
    let message = |one: &Installed| {
        format!("`{}` came from {}, not from the index", one.filename, public_url(&one.url))
    };
    resolved.iter().filter(is_foreign).map(|one| Finding::error("foreign-file", message(one))).collect()
}
