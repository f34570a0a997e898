//! What can keep an API from being read at all.

use std::path::PathBuf;

/// Why no surface could be extracted.
#[derive(Debug, thiserror::Error)]
pub enum PyApiError {
    /// The file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no wheel and no sdist.
    #[error("`{}` is no distribution: {why}", path.display())]
    NotADistribution {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        why: String,
    },
    /// The distribution holds no Python module.
    #[error("`{}` holds no Python module", path.display())]
    NoModules {
        /// The distribution.
        path: PathBuf,
    },
    /// Two distributions of different projects.
    #[error("`{old}` and `{new}` are different projects")]
    DifferentProjects {
        /// Name on the old side.
        old: String,
        /// Name on the new side.
        new: String,
    },
    /// A pattern of the contract cannot be understood.
    #[error("`{pattern}` is no pattern of the contract: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The machine does not let threads start.
    #[error("cannot start the threads that parse: {why}")]
    Threads {
        /// What the system says.
        why: String,
    },
}
