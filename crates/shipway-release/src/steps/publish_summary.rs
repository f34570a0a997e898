//! What a publish tells the CI job that it runs in: each file, its digest and what came of it (row B22).

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::job_summary::{self, cell};
use crate::steps::build::read_manifest;
use crate::steps::publish::{PublishReport, PublishRequest, PublishedFile, publish};

/// Publishes, and tells the CI job what came of each file (row B22).
///
/// # Errors
/// See [`publish`].
pub fn publish_and_tell(context: &Context<'_>, request: &PublishRequest) -> Result<PublishReport> {
    let result = publish(context, request);
    let text = match &result {
        Ok(report) => summary_of(report),
        Err(error) => summary_of_refusal(context, error),
    };
    let told = job_summary::add(&context.environment, &text);
    let report = result?;
    told.map(|()| report)
}

fn summary_of(report: &PublishReport) -> String {
    let word = if report.dry_run { "shipway publish --dry-run" } else { "shipway publish" };
    let mut text = format!(
        "## {word}: {} {} to {}\n\n| file | bytes | sha256 | result |\n|---|---|---|---|\n",
        cell(&report.project),
        cell(&report.version),
        report.channel
    );
    for file in &report.files {
        let PublishedFile { filename, sha256, size, result } = file;
        text.push_str(&format!("| `{}` | {size} | `{sha256}` | {result} |\n", cell(filename)));
    }
    text.push('\n');
    text
}

fn summary_of_refusal(context: &Context<'_>, error: &Error) -> String {
    let mut text = "## shipway publish: **no**\n\n".to_owned();
    for problem in error.problems() {
        text.push_str(&format!("`{}`: {}\n\n", problem.code, cell(&problem.message)));
        for cause in &problem.causes {
            text.push_str(&format!("- {}\n", cell(cause)));
        }
        if let Some(hint) = &problem.hint {
            text.push_str(&format!("\nhint: {}\n\n", cell(hint)));
        }
    }
    if let Ok(Some(manifest)) = read_manifest(context) {
        text.push_str("| file | bytes | sha256 | result |\n|---|---|---|---|\n");
        for file in &manifest.files {
            text.push_str(&format!(
                "| `{}` | {} | `{}` | not published by this run |\n",
                cell(&file.filename),
                file.size,
                file.sha256
            ));
        }
        text.push('\n');
    }
    text
}
