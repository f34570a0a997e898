//! Installs a release from its channel into a fresh environment and tries it.
//!
//! A release that fails is blocked, so that nobody else installs it; a smoke that could not run blocks
//! nothing.

use serde::{Deserialize, Serialize};
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::wire::MarkRequest;
use shipway_dist::{ChannelName, Finding, GateId, Manifest, Sha256};

use crate::config::{Dependencies, ProbeKind};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::install::{Installed, Trial, Wanted};
use crate::ops::probe::{self, ProbeResult};
use crate::ops::process::Call;
use crate::ops::target::Target;
use crate::steps::publish::{manifest_of, require_record, require_release};

const IMPORT: &str = include_str!("../ops/python_scripts/import_symbols.py");

/// What is asked for.
#[derive(Debug, Clone)]
pub struct SmokeRequest {
    /// The version.
    pub version: String,
    /// The channel; none for the first.
    pub from: Option<ChannelName>,
    /// Install the sdist instead of the wheel.
    pub sdist: bool,
    /// Try it, and neither record nor block.
    pub dry_run: bool,
}

/// How the smoke went.
#[derive(Debug, Clone, Serialize)]
pub struct SmokeReport {
    /// The project.
    pub project: String,
    /// The version.
    pub version: String,
    /// The channel.
    pub channel: ChannelName,
    /// Whether everything held.
    pub passed: bool,
    /// Everything installed and where it came from.
    pub installed: Vec<InstalledFile>,
    /// Every stable symbol.
    pub imports: Vec<ImportResult>,
    /// Every probe.
    pub probes: Vec<ProbeResult>,
    /// What refuses it.
    pub findings: Vec<Finding>,
    /// Whether the release is blocked now.
    pub blocked: bool,
    /// Whether nothing was recorded.
    pub dry_run: bool,
}

/// An installed file.
#[derive(Debug, Clone, Serialize)]
pub struct InstalledFile {
    /// The project.
    pub name: String,
    /// The version.
    pub version: String,
    /// The file.
    pub filename: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Where it came from.
    pub url: String,
    /// Whether that is the channel's index.
    pub from_index: bool,
}

/// A stable symbol and how its import went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportResult {
    /// The dotted path.
    pub symbol: String,
    /// Why it does not import.
    pub error: Option<String>,
}

/// Tries a release.
///
/// # Errors
/// When it could not be tried: nothing is blocked then.
pub fn smoke(context: &Context<'_>, request: &SmokeRequest) -> Result<SmokeReport> {
    let config = &context.config;
    let channel = request.from.clone().unwrap_or_else(|| config.first_channel().clone());
    let target = context.target()?;
    let record = require_record(context, target)?;
    let release = require_release(&record, &request.version, target)?;
    if let Some(reason) = &release.blocked {
        return Err(Error::refused("blocked", format!("`{}` {} is blocked", config.name, release.version))
            .cause(reason.clone()));
    }
    if !release.channels.contains(&channel) {
        return Err(Error::refused(
            "not-in-channel",
            format!("`{}` {} is not in `{channel}`", config.name, release.version),
        )
        .hint("shipway status"));
    }
    let manifest = manifest_of(context, release)?;
    let clocked = Clocked::start(context);
    let mut report = SmokeReport {
        project: config.name.to_string(),
        version: manifest.version.to_string(),
        channel: channel.clone(),
        passed: false,
        installed: Vec::new(),
        imports: Vec::new(),
        probes: Vec::new(),
        findings: Vec::new(),
        blocked: false,
        dry_run: request.dry_run,
    };
    try_release(context, target, &manifest, request, &mut report)?;
    report.passed = report.findings.is_empty();
    if !request.dry_run {
        conclude(context, target, &manifest, clocked, &mut report)?;
    }
    Ok(report)
}

fn try_release(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    request: &SmokeRequest,
    report: &mut SmokeReport,
) -> Result<()> {
    let config = &context.config;
    let python = context.python()?;
    let task = context
        .progress
        .begin(&format!("installing {} {} from {}", config.name, manifest.version, report.channel));
    let trial = Trial::new(python, &context.environment)?;
    let simple = target.simple(&report.channel)?;
    let wanted = Wanted {
        name: &config.name,
        version: Some(&manifest.version),
        extras: &config.extras,
        simple: &simple,
        credential: target.http(&report.channel)?.credential(),
        sdist: request.sdist,
    };
    let resolved = trial.resolve(python, &context.environment, &wanted)?;
    judge_origin(context, target, manifest, &resolved, request, report)?;
    if !report.findings.is_empty() {
        return Ok(());
    }
    let installed = trial.install(python, &context.environment, &wanted, &resolved)?;
    trial.forget_credential()?;
    let same =
        |one: &Installed| resolved.iter().any(|other| other.name == one.name && other.sha256 == one.sha256);
    if installed.len() != resolved.len() || !installed.iter().all(same) {
        report
            .findings
            .push(Finding::error("smoke-install", "pip installed something other than what it had resolved"));
        return Ok(());
    }
    task.update("importing stable symbols");
    report.imports = import_symbols(context, &trial)?;
    for import in &report.imports {
        if let Some(error) = &import.error {
            report.findings.push(Finding::error(
                "stable-symbol",
                format!("`{}` does not import: {error}", import.symbol),
            ));
        }
    }
    for probe in
        config.probes.iter().filter(|probe| matches!(probe.kind, ProbeKind::Smoke | ProbeKind::Safety))
    {
        task.update(&format!("probe {}", probe.id));
        let result = probe::run(&trial, probe, &context.environment)?;
        for problem in &result.problems {
            let id = if probe.kind == ProbeKind::Safety { "safety-default" } else { "smoke-probe" };
            report.findings.push(Finding::error(id, format!("probe `{}`: {problem}", probe.id)));
        }
        report.probes.push(result);
    }
    Ok(())
}

/// Proves from pip's report where each file came from, and that the project's own is one of the manifest.
fn judge_origin(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    resolved: &[Installed],
    request: &SmokeRequest,
    report: &mut SmokeReport,
) -> Result<()> {
    let simple = target.simple(&report.channel)?;
    let mut own = 0;
    for one in resolved {
        let from_index = one.url.host() == simple.host()
            && one.url.port_or_known_default() == simple.port_or_known_default();
        let is_own = one.name == context.config.name;
        if is_own {
            own += 1;
            let known =
                manifest.files.iter().any(|file| file.sha256 == one.sha256 && file.filename == one.filename);
            if !known {
                report.findings.push(Finding::error(
                    "other-bytes",
                    format!("`{}` with sha256 `{}` is not in the manifest", one.filename, one.sha256),
                ));
            }
            if !request.sdist && !one.filename.ends_with(".whl") {
                report
                    .findings
                    .push(Finding::error("no-wheel", format!("pip chose `{}`, not a wheel", one.filename)));
            }
        }
        let may_be_elsewhere = !is_own && context.config.dependencies == Dependencies::Any;
        if !from_index && !may_be_elsewhere {
            report.findings.push(Finding::error(
                "foreign-file",
                format!(
                    "`{}` came from {}, not from the index",
                    one.filename,
                    crate::ops::secret::public_url(&one.url)
                ),
            ));
        }
        report.installed.push(InstalledFile {
            name: one.name.to_string(),
            version: one.version.clone(),
            filename: one.filename.clone(),
            sha256: one.sha256,
            url: crate::ops::secret::public_url(&one.url).to_string(),
            from_index,
        });
    }
    if own != 1 {
        report.findings.push(Finding::error(
            "smoke-install",
            format!("pip would not install `{}` at all", context.config.name),
        ));
    }
    Ok(())
}

fn import_symbols(context: &Context<'_>, trial: &Trial) -> Result<Vec<ImportResult>> {
    let symbols = &context.config.contract.stable;
    if symbols.is_empty() {
        return Ok(Vec::new());
    }
    let script = trial.folder().join("import_symbols.py");
    let answer = trial.folder().join("imports.json");
    std::fs::write(&script, IMPORT).map_err(|error| Error::io("write", &script, &error))?;
    let directory = trial.folder().join("empty");
    std::fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, &error))?;
    // `-I`: neither the directory nor the user's site nor PYTHONPATH can stand in for the installed wheel.
    let output = Call::new(&trial.venv.python, &directory)
        .allowed(&context.environment)
        .env("HOME", trial.home())
        .args(["-I", "-B"])
        .arg(&script)
        .arg(&answer)
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
        symbols
            .iter()
            .map(|symbol| ImportResult { symbol: symbol.clone(), error: Some(error.clone()) })
            .collect()
    }))
}

/// Records the verdict, and blocks a release that failed.
fn conclude(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    clocked: Clocked,
    report: &mut SmokeReport,
) -> Result<()> {
    let verdict = if report.passed { Verdict::Passed } else { Verdict::Failed };
    let detail = json!({ "installed": report.installed, "imports": report.imports, "probes": report.probes });
    let found =
        Found { findings: report.findings.clone(), detail, channel: Some(report.channel.to_string()) };
    let statement = clocked.gate(GateId::Smoke, manifest, verdict, found);
    let kept = evidence::record(context, &report.version, &statement);
    if report.passed {
        return kept;
    }
    match target {
        Target::Shipway { client, .. } => {
            let first = report.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            client.block(&MarkRequest {
                project: context.config.name.clone(),
                version: report.version.clone(),
                set: true,
                reason: format!("smoke from `{}` failed: {first}", report.channel),
                dry_run: false,
            })?;
            report.blocked = true;
        }
        Target::Foreign(_) => context.progress.warn(&format!(
            "a foreign index cannot block: yank or remove {} {} from `{}` there with the index's own tool; promotion refuses it from here",
            report.project, report.version, report.channel
        )),
    }
    kept
}

/// The refusal that a failed smoke stands for; none when it passed.
pub fn refusal(report: &SmokeReport) -> Option<Error> {
    if report.passed {
        return None;
    }
    let what =
        format!("{} {} does not work, installed from `{}`", report.project, report.version, report.channel);
    let error =
        report.findings.iter().take(20).fold(Error::refused("smoke-failed", what), |error, finding| {
            error.cause(format!("{}: {}", finding.id, finding.message))
        });
    Some(if report.blocked {
        error.hint("the release is blocked; mend it and release the next version")
    } else {
        error.hint("mend it and release the next version")
    })
}
