//! Installs a release from its channel into a fresh environment and tries it.
//!
//! A release that fails is blocked, so that nobody else installs it; a smoke that could not run blocks
//! nothing.

use serde::Serialize;
use serde_json::json;
use shipway_dist::evidence::Verdict;
use shipway_dist::wire::MarkRequest;
use shipway_dist::{ChannelName, Finding, GateId, Manifest, ProjectName, Sha256};
use url::Url;

use crate::config::{Dependencies, ProbeKind};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::ops::imports::{self, ImportResult};
use crate::ops::install::{Installed, Trial, Wanted};
use crate::ops::isolation::Fence;
use crate::ops::probe::{self, ProbeResult};
use crate::ops::secret::public_url;
use crate::ops::target::Target;
use crate::steps::publish::{manifest_of, require_record, require_release};

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
    /// Every console script and whether what it names can be loaded.
    pub scripts: Vec<ImportResult>,
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
        scripts: Vec::new(),
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
    let credential = target.http(&report.channel)?.credential_for(&simple);
    let wanted = Wanted {
        name: &config.name,
        version: Some(&manifest.version),
        file: None,
        extras: &config.extras,
        simple: &simple,
        credential: credential.as_ref(),
        sdist: request.sdist,
    };
    let resolved = trial.resolve(python, &context.environment, &wanted)?;
    let expected = Expected {
        name: &config.name,
        manifest,
        simple: &simple,
        dependencies: config.dependencies,
        own_host: !config.is_foreign(),
        sdist: request.sdist,
    };
    (report.installed, report.findings) = judge_origin(&expected, &resolved);
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
    task.update("importing stable symbols, loading scripts");
    let answer = imports::import(&trial, &context.environment, &config.name, &config.contract.stable)?;
    (report.imports, report.scripts) = (answer.imports, answer.scripts);
    for (id, what, results) in [
        ("stable-symbol", "does not import", &report.imports),
        ("script-broken", "does not load, so that the command fails", &report.scripts),
    ] {
        for (result, error) in results.iter().filter_map(|one| Some((one, one.error.as_ref()?))) {
            report.findings.push(Finding::error(id, format!("`{}` {what}: {error}", result.symbol)));
        }
    }
    let fence = Fence::find(&context.environment);
    let _protected = trial.protect();
    for probe in
        config.probes.iter().filter(|probe| matches!(probe.kind, ProbeKind::Smoke | ProbeKind::Safety))
    {
        task.update(&format!("probe {}", probe.id));
        let result = probe::run(&trial, &fence, probe, &context.environment)?;
        for problem in &result.problems {
            let id = if probe.kind == ProbeKind::Safety { "safety-default" } else { "smoke-probe" };
            report.findings.push(Finding::error(id, format!("probe `{}`: {problem}", probe.id)));
        }
        report.probes.push(result);
    }
    Ok(())
}

/// What is expected of the files that pip resolved.
struct Expected<'a> {
    name: &'a ProjectName,
    manifest: &'a Manifest,
    simple: &'a Url,
    dependencies: Dependencies,
    /// Whether the project's own file must come from the index's host; a foreign index may keep files elsewhere.
    own_host: bool,
    sdist: bool,
}

/// Proves from pip's report where each file came from, and that the project's own is one of the manifest.
fn judge_origin(expected: &Expected<'_>, resolved: &[Installed]) -> (Vec<InstalledFile>, Vec<Finding>) {
    let Expected { name, manifest, simple, dependencies, own_host, sdist } = *expected;
    let mut findings = Vec::new();
    let mut files = Vec::new();
    let mut own = 0;
    for one in resolved {
        let same_port = one.url.port_or_known_default() == simple.port_or_known_default();
        let from_index = one.url.host() == simple.host() && same_port;
        let is_own = one.name == *name;
        let filename = &one.filename;
        if is_own {
            own += 1;
            let known =
                manifest.files.iter().any(|file| file.sha256 == one.sha256 && file.filename == *filename);
            if !known {
                let message = format!("`{filename}` with sha256 `{}` is not in the manifest", one.sha256);
                findings.push(Finding::error("other-bytes", message));
            }
            if !sdist && !filename.ends_with(".whl") {
                findings.push(Finding::error("no-wheel", format!("pip chose `{filename}`, not a wheel")));
            }
        }
        if !from_index && ((is_own && own_host) || dependencies == Dependencies::Index) {
            let message = format!("`{filename}` came from {}, not from the index", public_url(&one.url));
            findings.push(Finding::error("foreign-file", message));
        }
        files.push(InstalledFile {
            name: one.name.to_string(),
            version: one.version.clone(),
            filename: filename.clone(),
            sha256: one.sha256,
            url: public_url(&one.url).to_string(),
            from_index,
        });
    }
    if own != 1 {
        findings.push(Finding::error("smoke-install", format!("pip would not install `{name}` at all")));
    }
    (files, findings)
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
    let detail = json!({ "index": target.label(), "installed": report.installed, "imports": report.imports, "scripts": report.scripts, "probes": report.probes });
    let found =
        Found { findings: report.findings.clone(), detail, channel: Some(report.channel.to_string()) };
    let statement = clocked.gate(GateId::Smoke, manifest, verdict, found);
    let kept = evidence::record(context, &report.version, &statement);
    if report.passed {
        return kept;
    }
    // Row G4: an import or a probe that fails blocks. Anything else (a file from elsewhere) says something about the
    // index or the environment, not about the release.
    let is_broken = |finding: &&Finding| {
        ["stable-symbol", "script-broken", "smoke-probe", "safety-default"].contains(&finding.id.as_str())
    };
    if !report.findings.iter().any(|finding| is_broken(&finding)) {
        return kept;
    }
    match target {
        Target::Shipway { client, .. } => {
            let first = report.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
            client.block(&MarkRequest {
                project: context.config.name.clone(),
                version: report.version.clone(),
                set: true,
                files: Vec::new(),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            schema: shipway_dist::manifest::SCHEMA.to_owned(),
            ok: true,
            project: "demo".parse().unwrap(),
            version: "1.0".parse().unwrap(),
            commit: String::new(),
            tree: String::new(),
            run: None,
            attempt: None,
            source_date_epoch: 0,
            normalized: false,
            tools: BTreeMap::new(),
            files: vec![shipway_dist::ManifestFile {
                filename: "demo-1.0-py3-none-any.whl".to_owned(),
                size: 1,
                sha256: Sha256::of(b"good"),
            }],
        }
    }

    fn installed(name: &str, url: &str, bytes: &[u8]) -> Installed {
        let filename = url.rsplit('/').next().unwrap().to_owned();
        Installed {
            name: name.parse().unwrap(),
            version: "1.0".to_owned(),
            url: url.parse().unwrap(),
            filename,
            sha256: Sha256::of(bytes),
        }
    }

    fn ids(resolved: &[Installed], dependencies: Dependencies) -> Vec<String> {
        let (name, manifest) = ("demo".parse().unwrap(), manifest());
        let simple = "http://127.0.0.1:8600/dev/simple/".parse().unwrap();
        let expected = Expected {
            name: &name,
            manifest: &manifest,
            simple: &simple,
            dependencies,
            own_host: true,
            sdist: false,
        };
        judge_origin(&expected, resolved).1.into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn g1_g2_the_report_must_show_the_manifests_wheel_from_this_index() {
        let wheel = "http://127.0.0.1:8600/files/x/demo-1.0-py3-none-any.whl";
        let good = installed("demo", wheel, b"good");
        assert!(ids(std::slice::from_ref(&good), Dependencies::Index).is_empty());
        assert_eq!(ids(&[installed("demo", wheel, b"bad")], Dependencies::Index), ["other-bytes"]);
        let sdist = installed("demo", "http://127.0.0.1:8600/files/x/demo-1.0.tar.gz", b"good");
        assert_eq!(ids(&[sdist], Dependencies::Index), ["other-bytes", "no-wheel"]);
        let elsewhere = installed("demo", "http://127.0.0.1:8601/files/x/demo-1.0-py3-none-any.whl", b"good");
        assert_eq!(
            ids(&[elsewhere], Dependencies::Any),
            ["foreign-file"],
            "the project's own never comes from elsewhere"
        );
        let dependency = installed("other", "https://elsewhere.invalid/other-1.0-py3-none-any.whl", b"x");
        assert_eq!(ids(&[good.clone(), dependency.clone()], Dependencies::Index), ["foreign-file"]);
        assert!(ids(&[good, dependency.clone()], Dependencies::Any).is_empty());
        assert_eq!(ids(&[dependency], Dependencies::Any), ["smoke-install"]);
    }
}
