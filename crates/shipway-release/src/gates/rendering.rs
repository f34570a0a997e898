//! Whether long descriptions in reStructuredText render; part of the judgement of distribution files.
//!
//! No Rust library renders reStructuredText as docutils does, so docutils itself is asked where the interpreter
//! has it. Where it has not, the warning that nothing was rendered stays.

use shipway_dist::Finding;
use shipway_dist::check::FileReport;
use shipway_dist::rules::metadata::{DESCRIPTION_NOT_CHECKED, DESCRIPTION_UNRENDERED};

use crate::config::Environment;
use crate::error::Result;
use crate::ops::docutils;
use crate::ops::python::Python;

/// Renders what was not rendered, in one run of the interpreter, and says what does not render.
///
/// # Errors
/// When the interpreter cannot be run.
pub fn render<'r>(
    reports: impl IntoIterator<Item = &'r mut FileReport>,
    strict: bool,
    python: &dyn Fn() -> Result<Python>,
    environment: &Environment,
) -> Result<()> {
    let is_open = |finding: &Finding| finding.id == DESCRIPTION_NOT_CHECKED.id;
    let mut open: Vec<(&mut FileReport, String)> = Vec::new();
    for report in reports {
        let description = report.metadata.as_ref().and_then(|metadata| metadata.description.clone());
        if let Some(description) = description.filter(|_| report.findings.iter().any(is_open)) {
            open.push((report, description));
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = open.iter().map(|(_, text)| text.as_str()).collect();
    let Some(defects) = docutils::render(&python()?, environment, &texts)? else { return Ok(()) };
    for ((report, _), defect) in open.iter_mut().zip(defects) {
        report.findings.retain(|finding| !is_open(finding));
        if let Some(defect) = defect {
            let line = defect.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let mut finding = DESCRIPTION_UNRENDERED
                .finding(format!("the description does not render: {line}{}", defect.message))
                .field("Description");
            finding.severity = DESCRIPTION_UNRENDERED.severity(strict);
            report.findings.push(finding);
            report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        }
    }
    Ok(())
}
