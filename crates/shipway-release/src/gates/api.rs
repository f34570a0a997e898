//! The gates `stable-api` and `semver`: what the contract promises is there, and the bump is enough.

use std::path::Path;

use serde_json::json;
use shipway_dist::{Finding, GateId, Manifest};
use shipway_pyapi::{ApiFinding, ExtractOptions, Level};

use crate::api::{ApiCheck, broken, judge, unreadable};
use crate::context::Context;
use crate::error::Result;
use crate::gates::{GateReport, installed};

/// Judges the API of a built release; both gates in one reading.
///
/// # Errors
/// When the release or the one before cannot be read or fetched.
pub fn api(context: &Context<'_>, manifest: &Manifest, folder: &Path) -> Result<Vec<GateReport>> {
    let Some(file) =
        manifest.files.iter().find(|file| file.filename.ends_with(".whl")).or(manifest.files.first())
    else {
        return Ok(Vec::new());
    };
    let path = folder.join(&file.filename);
    let surface = shipway_pyapi::extract(&path, &ExtractOptions::default());
    let mut stable = match &surface {
        Ok(surface) => broken(surface),
        // J6: a wheel that holds no module is refused whatever the bump.
        Err(shipway_pyapi::PyApiError::NoModules { .. }) => {
            vec![Finding::error("no-module", format!("`{}` holds no Python module", file.filename))]
        }
        Err(error) => return Err(unreadable(error)),
    };
    if surface.is_err() {
        return Ok(vec![GateReport::new(GateId::StableApi, stable, json!({}))]);
    }
    let check = judge(context, &path, Some(&manifest.version))?;
    let (contract, rest): (Vec<&ApiFinding>, Vec<&ApiFinding>) =
        check.diff.findings.iter().partition(|finding| finding.id == "K01");
    stable.extend(contract.into_iter().map(|one| finding(one, true)));
    // Where commands are documented, `cli-contract` speaks of them.
    let elsewhere = installed::is_asked(&context.config, GateId::CliContract);
    let semver: Vec<Finding> = rest
        .into_iter()
        .filter(|one| !(elsewhere && one.id.starts_with('G')))
        .filter(|one| check.diff.verdict.fails(one) || one.level >= Level::Warn)
        .map(|one| finding(one, check.diff.verdict.fails(one)))
        .collect();
    Ok(vec![
        GateReport::new(GateId::StableApi, stable, json!({ "file": file.filename })),
        GateReport::new(GateId::Semver, semver, detail(&check)),
    ])
}

fn detail(check: &ApiCheck) -> serde_json::Value {
    json!({
        "baseline": check.baseline,
        "verdict": check.diff.verdict,
        "findings": check.diff.findings.len(),
        "notChecked": check.diff.not_checked,
    })
}

fn finding(one: &ApiFinding, fails: bool) -> Finding {
    let id = format!("{}-{}", one.id, one.name);
    let message = format!("`{}`: {} ({})", one.symbol, one.detail, one.level.as_str());
    let finding = if fails { Finding::error(&id, message) } else { Finding::warning(&id, message) };
    finding.field(one.symbol.clone()).hint(one.fix)
}
