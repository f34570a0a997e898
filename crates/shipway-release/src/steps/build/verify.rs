//! Builds a commit again, elsewhere, and from the tree, and says what differs.

use std::path::Path;

use serde::Serialize;
use serde_json::json;
use shipway_dist::{Finding, GateId, Manifest, Severity, Sha256};

use super::compare::{Difference, compare, differences, members};
use super::workshop::{Workshop, list};
use crate::config::weigh;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::{self, Clocked, Found};
use crate::gates::{GateReport, contents};

/// What a second build said.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// Whether every file has the same bytes again.
    pub reproducible: bool,
    /// The backend's module.
    pub backend: String,
    /// One entry a file.
    pub files: Vec<VerifiedFile>,
    /// What else was found: the wheel of the sdist against the wheel of the tree, modules and data missing.
    pub findings: Vec<Finding>,
}

/// One file, built twice.
#[derive(Debug, Clone, Serialize)]
pub struct VerifiedFile {
    /// The filename.
    pub filename: String,
    /// Whether the bytes are the same.
    pub same: bool,
    /// The digest of the build that is kept.
    pub first: Sha256,
    /// The digest of the second build; none when it made no such file.
    pub second: Option<Sha256>,
    /// What differs, in the order of the first file.
    pub differences: Vec<Difference>,
}

/// Builds the commit a second time in a folder with a longer path, and the wheel once from the tree.
pub(crate) fn verify_build(
    context: &Context<'_>,
    workshop: &Workshop<'_>,
    manifest: &Manifest,
    out: &Path,
) -> Result<Verified> {
    let clocked = Clocked::start(context);
    let task = context.progress.begin("building a second time, elsewhere");
    let (again, answer) = workshop.build("elsewhere/with/a/longer/path")?;
    task.update("building the wheel from the tree");
    let tree = workshop.wheel_from_tree("tree")?;
    drop(task);
    let mut files = Vec::new();
    let made = list(&again)?;
    for file in &manifest.files {
        let other = made.iter().find(|other| other.filename == file.filename);
        let same = other.is_some_and(|other| other.sha256 == file.sha256);
        let differences = match other {
            Some(_) if !same => compare(&out.join(&file.filename), &again.join(&file.filename))?,
            Some(_) | None => Vec::new(),
        };
        files.push(VerifiedFile {
            filename: file.filename.clone(),
            same,
            first: file.sha256,
            second: other.map(|other| other.sha256),
            differences,
        });
    }
    let mut findings: Vec<Finding> = files.iter().filter(|file| !file.same).map(not_reproducible).collect();
    findings.extend(against_tree(manifest, out, &tree)?);
    weigh(&context.config.levels, &mut findings);
    let reproducible = files.iter().all(|file| file.same);
    let detail = json!({ "backend": answer.backend, "reproducible": reproducible, "files": files });
    let report = GateReport::new(GateId::Reproducible, findings.clone(), detail);
    let found = Found { findings: report.findings, detail: report.detail, channel: None };
    let statement = clocked.gate(GateId::Reproducible, manifest, report.verdict, found);
    evidence::keep(context, &manifest.version.to_string(), &statement)?;
    // What the gate `distribution` will ask is told here already.
    findings.extend(contents::contents(context, manifest, out)?);
    weigh(&context.config.levels, &mut findings);
    Ok(Verified { reproducible, backend: answer.backend, files, findings })
}

/// A build that is not the same twice is told, and refuses only where the project or a policy asks for it.
fn not_reproducible(file: &VerifiedFile) -> Finding {
    let first = file.differences.first();
    let what = match (file.second, first) {
        (None, _) => format!("the second build made no `{}`", file.filename),
        (Some(_), None) => format!("`{}`", file.filename),
        (Some(_), Some(one)) => format!(
            "`{}`: `{}` differs in {} (`{}`, `{}`)",
            file.filename, one.member, one.what, one.first, one.second
        ),
    };
    let mut finding = Finding::warning("not-reproducible", format!("not reproducible: {what}"));
    if let Some(one) = first {
        finding = finding.member(one.member.clone());
    }
    if file.differences.iter().all(|one| matches!(one.what, "time" | "mode" | "owner" | "order")) {
        finding = finding.hint("only headers differ; set `build.normalize = true`");
    }
    finding
}

/// The wheel that is kept, which was built from the sdist, against the wheel built from the tree, file by file.
fn against_tree(manifest: &Manifest, out: &Path, tree: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let made = list(tree)?;
    for file in manifest.files.iter().filter(|file| file.filename.ends_with(".whl")) {
        let Some(other) = made.iter().find(|other| other.filename == file.filename) else {
            let what = format!("the tree does not give `{}`, which the sdist gives", file.filename);
            findings.push(Finding::error("wheel-from-sdist", what));
            continue;
        };
        // RECORD says the same as the members that it lists.
        let read = |folder: &Path| -> Result<Vec<_>> {
            let mut all = members(&folder.join(&other.filename))?;
            all.retain(|one| !one.name.ends_with(".dist-info/RECORD") && !one.name.ends_with('/'));
            Ok(all)
        };
        for one in differences(&read(out)?, &read(tree)?) {
            let why = match one.what {
                "contents" => "has other contents in the wheel built from the tree",
                "missing" => "is not in the wheel built from the tree",
                "added" => "is only in the wheel built from the tree: the sdist lacks what it is made of",
                _ => continue,
            };
            let what = format!("`{}`: `{}` {why}", file.filename, one.member);
            findings.push(Finding::error("wheel-from-sdist", what).member(one.member));
        }
    }
    Ok(findings)
}

/// The refusal that a second build stands for; none when all that must hold does.
pub fn refusal(verified: &Verified) -> Option<Error> {
    let errors: Vec<&Finding> =
        verified.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let first = errors.first()?;
    let error = Error::refused("build-unverified", "the build does not hold what the commit holds")
        .hint(first.hint.clone().unwrap_or_else(|| format!("shipway explain {}", first.id)));
    Some(errors.iter().take(20).fold(error, |error, one| error.cause(format!("{}: {}", one.id, one.message))))
}
