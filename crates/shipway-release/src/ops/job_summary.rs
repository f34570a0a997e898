//! The summary of a CI job: Markdown that is added to the file which the forge shows at the end of the run.

use std::io::Write as _;
use std::path::Path;

use crate::config::{Environment, environment};
use crate::error::{Error, Result};

/// Adds to the summary of the job; nothing where there is no job.
///
/// # Errors
/// When the file that the environment names cannot be written.
pub(crate) fn add(environment: &Environment, text: &str) -> Result<()> {
    match environment.path(environment::FORGE_SUMMARY) {
        Some(path) => append(&path, text),
        None => Ok(()),
    }
}

/// Adds a text to a file.
pub(crate) fn append(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::options().create(true).append(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error| Error::io("write", path, &error))
}

/// A text as a cell of a Markdown table: names come from pull requests, and anybody may write those.
pub(crate) fn cell(text: &str) -> String {
    let one_line = text.replace(['\n', '\r'], " ");
    one_line.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('@', "@\u{2060}")
}
