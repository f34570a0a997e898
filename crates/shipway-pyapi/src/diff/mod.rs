//! Two surfaces compared, by access path, one finding for one cause.

mod callables;
mod classes;
mod commands;
mod comparer;
mod constructors;
mod data;
mod deprecations;
mod differing;
mod files;
mod gone;
mod loggers;
mod members;
mod metadata;
mod models;
mod names;
mod parameters;
mod requirements;
pub(crate) mod signature;
mod values;
mod verdict;

use serde::Serialize;

pub(crate) use self::commands::diff_of_commands;
pub use self::verdict::{Scheme, Verdict, judge_findings};
use crate::accept::{self, Acceptance};
use crate::contract::{Contract, Mode};
use crate::error::PyApiError;
use crate::finding::{ApiFinding, Level};
use crate::surface::Surface;
use crate::witness::Witnesses;

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// How strictly names count as public.
    pub mode: Mode,
    /// What the project promises.
    pub contract: Contract,
    /// The scripts whose command lines it promises; only with [`Mode::Contract`] do others count for less.
    pub commands: Vec<String>,
    /// What it promised in the old release, where that is known (row D21).
    pub old_contract: Option<Contract>,
    /// Breaks that were accepted.
    pub accepted: Vec<Acceptance>,
    /// What the version numbers mean.
    pub scheme: Scheme,
    /// Levels set by the project: rule (`C11` or its name) or audience (`types`), and level.
    pub levels: Vec<(String, Level)>,
    /// The version that the new side is going to have, when it does not say so itself.
    pub new_version: Option<String>,
    /// Today as `YYYY-MM-DD`, for acceptances that expire.
    pub today: Option<String>,
    /// Compare although the projects have different names.
    pub force: bool,
    /// Write a witness for every finding at level major or error.
    pub witness: bool,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffSide {
    /// Name of the project.
    pub name: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Number of modules read.
    pub modules: usize,
}

/// Something that was not compared, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotChecked {
    /// `old`, `new` or `both`.
    pub side: &'static str,
    /// Module or symbol.
    pub symbol: String,
    /// Why.
    pub reason: String,
}

/// The difference of two surfaces and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiDiff {
    schema: &'static str,
    /// Whether the bump suffices and nothing is wrong in itself.
    pub ok: bool,
    /// The old side.
    pub old: DiffSide,
    /// The new side.
    pub new: DiffSide,
    /// What the difference asks for.
    pub verdict: Verdict,
    /// The findings, heaviest first.
    pub findings: Vec<ApiFinding>,
    /// What was not compared.
    pub not_checked: Vec<NotChecked>,
}

impl ApiDiff {
    /// The findings that refuse the release: errors, and what asks for more than the bump gives.
    pub fn failing(&self) -> impl Iterator<Item = &ApiFinding> {
        self.findings.iter().filter(|finding| self.verdict.fails(finding))
    }

    /// The breaks: findings at level major or error, accepted ones included.
    pub fn breaking(&self) -> impl Iterator<Item = &ApiFinding> {
        self.findings.iter().filter(|finding| finding.level >= Level::Major)
    }
}

/// Refuses to compare distributions of different projects.
pub fn check_projects(old: &Surface, new: &Surface) -> Result<(), PyApiError> {
    match (&old.info.name, &new.info.name) {
        (Some(a), Some(b)) if shipway_dist::name::normalize(a) != shipway_dist::name::normalize(b) => {
            Err(PyApiError::DifferentProjects { old: a.clone(), new: b.clone() })
        }
        _ => Ok(()),
    }
}

/// Compares two surfaces, and refuses those of different projects unless [`DiffOptions::force`] is set.
pub fn diff_of_one_project(
    old: &Surface,
    new: &Surface,
    options: &DiffOptions,
) -> Result<ApiDiff, PyApiError> {
    if !options.force {
        check_projects(old, new)?;
    }
    Ok(diff(old, new, options))
}

/// Compares two surfaces.
pub fn diff(old: &Surface, new: &Surface, options: &DiffOptions) -> ApiDiff {
    let mut comparer = comparer::Comparer::new(old, new, options);
    comparer.run();
    metadata::compare(&mut comparer);
    commands::compare(&mut comparer);
    let (mut findings, mut not_checked) = comparer.finish();
    let complaints = accept::apply(&mut findings, options);
    findings.extend(complaints);
    findings.sort_by(|a, b| {
        b.level.cmp(&a.level).then_with(|| (a.id, &a.symbol, &a.detail).cmp(&(b.id, &b.symbol, &b.detail)))
    });
    if options.witness {
        let witnesses = Witnesses::new(old);
        for finding in findings.iter_mut().filter(|finding| finding.level >= Level::Major) {
            finding.witness = witnesses.of(finding);
        }
    }
    not_checked.sort();
    not_checked.dedup();
    let side = |surface: &Surface, version: Option<&String>| DiffSide {
        name: surface.info.name.clone(),
        version: surface.info.version.clone().or(version.cloned()),
        modules: surface.modules.iter().filter(|module| !module.file.is_empty()).count(),
    };
    let old_side = side(old, None);
    let mut new_side = side(new, options.new_version.as_ref());
    if let Some(version) = &options.new_version {
        new_side.version = Some(version.clone());
    }
    let verdict = Verdict::new(&old_side, &new_side, &findings, options);
    ApiDiff {
        schema: "shipway.api-diff/1",
        ok: verdict.sufficient,
        old: old_side,
        new: new_side,
        verdict,
        findings,
        not_checked,
    }
}
