//! The gate `distribution`: every file is sound, is a file of exactly this release, and holds what the commit holds.

use std::path::Path;

use serde_json::json;
use shipway_dist::check::{self, FileReport, Options};
use shipway_dist::{Finding, GateId, Manifest};
use shipway_pyapi::judge::judge_file;

use crate::config::weigh;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::gates::{GateReport, contents, rendering};

/// Judges the files of a manifest in `folder`.
///
/// # Errors
/// When a file cannot be read.
pub fn distribution(context: &Context<'_>, manifest: &Manifest, folder: &Path) -> Result<GateReport> {
    let mut reports = Vec::new();
    for file in &manifest.files {
        let path = folder.join(&file.filename);
        let report = judge_file(&path, &file.filename, &Options::default())
            .map_err(|error| Error::io("read", &path, &error))?;
        reports.push(report);
    }
    rendering::render(&mut reports, false, &|| context.python().cloned(), &context.environment)?;
    let mut findings = Vec::new();
    let mut files = Vec::new();
    for (file, report) in manifest.files.iter().zip(reports) {
        findings.extend(against_manifest(&report, manifest, file));
        files.push(json!({ "filename": file.filename, "sha256": report.sha256 }));
        findings.extend(report.findings);
    }
    findings.extend(beside_manifest(manifest, folder)?);
    findings.extend(contents::contents(context, manifest, folder)?);
    weigh(&context.config.levels, &mut findings);
    let detail = json!({ "files": files, "levels": context.config.levels });
    Ok(GateReport::new(GateId::Distribution, findings, detail))
}

/// Whatever lies in the folder and is no file of the manifest: it was not built with the release (row E12).
fn beside_manifest(manifest: &Manifest, folder: &Path) -> Result<Vec<Finding>> {
    let unreadable = |error: std::io::Error| Error::io("read", folder, &error);
    let mut findings = check::folder(folder).map_err(unreadable)?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".whl") || name.ends_with(".tar.gz"))
        .filter(|name| manifest.files.iter().all(|file| file.filename != *name))
        .collect();
    names.sort();
    for name in names {
        let what = format!("`{name}` lies beside the files of the manifest and is none of them");
        findings.push(Finding::error("manifest-extra", what).hint("shipway build"));
    }
    Ok(findings)
}

fn against_manifest(
    report: &FileReport,
    manifest: &Manifest,
    file: &shipway_dist::ManifestFile,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut differ = |id: &str, what: &str, found: String, expected: String| {
        if found != expected {
            let message = format!("`{}` has {what} `{found}`, the manifest says `{expected}`", file.filename);
            findings.push(Finding::error(id, message).hint("shipway build"));
        }
    };
    differ("manifest-digest", "sha256", report.sha256.to_string(), file.sha256.to_string());
    differ("manifest-size", "size", report.size.to_string(), file.size.to_string());
    if let Some(parsed) = &report.parsed {
        differ(
            "manifest-name",
            "project",
            parsed.name.normalized().to_owned(),
            manifest.project.normalized().to_owned(),
        );
        differ("manifest-version", "version", parsed.version.to_string(), manifest.version.to_string());
    }
    if let Some(metadata) = &report.metadata {
        let name = shipway_dist::name::normalize(&metadata.name);
        differ("manifest-name", "metadata name", name, manifest.project.normalized().to_owned());
    }
    findings
}
