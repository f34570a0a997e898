//! Renders reStructuredText with the docutils of the interpreter in use, where it has one.

use std::time::Duration;

use serde::Deserialize;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::process::Call;
use crate::ops::python::Python;
use crate::steps::build::temporary;

const SCRIPT: &str = include_str!("python_scripts/render_rst.py");

/// What the script exits with where docutils is not installed.
const ABSENT: i32 = 42;

/// Why a text does not render.
#[derive(Debug, Clone, Deserialize)]
pub struct Defect {
    /// The line, from 1, where docutils says one.
    pub line: Option<u64>,
    /// What docutils says.
    pub message: String,
}

/// Renders every text; none where the interpreter has no docutils.
///
/// # Errors
/// When the interpreter cannot be run or gives no answer.
pub fn render(
    python: &Python,
    environment: &Environment,
    texts: &[&str],
) -> Result<Option<Vec<Option<Defect>>>> {
    let folder = temporary()?;
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(path(name), bytes).map_err(|error| Error::io("write", &path(name), &error))
    };
    write("render_rst.py", SCRIPT.as_bytes())?;
    write("texts.json", serde_json::json!(texts).to_string().as_bytes())?;
    let output = Call::new(&python.executable, folder.path())
        .allowed(environment)
        .args(["-I", "-B", "render_rst.py", "texts.json", "answer.json"])
        .timeout(Duration::from_secs(120))
        .run()?;
    if output.code == Some(ABSENT) {
        return Ok(None);
    }
    let no_answer = || {
        let error = Error::incomplete("docutils", "docutils gave no answer").cause(output.ending());
        output.tail(5).into_iter().fold(error, Error::cause)
    };
    if !output.success() {
        return Err(no_answer());
    }
    let bytes = std::fs::read(path("answer.json")).map_err(|_| no_answer())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| no_answer())
}
