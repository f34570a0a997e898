//! What can go wrong in the pipeline, sorted by what the caller can do about it.
//!
//! The sort decides the exit code: a refusal (1) needs a change of the project, wrong usage (2) a change of
//! the command or configuration, an incomplete run (3) another try or another credential.

use std::fmt;

use serde::Serialize;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a step did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A gate failed, a precondition does not hold, or the index said no.
    #[error("{problem}")]
    Refused {
        /// What was refused and why.
        problem: Box<Problem>,
    },
    /// The command line or the configuration is wrong.
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: Box<Problem>,
    },
    /// A tool, the network or the index did not do its part; another try may help.
    #[error("{problem}")]
    Incomplete {
        /// What did not come about.
        problem: Box<Problem>,
    },
    /// Several things at once; the worst decides the exit code.
    #[error("{what}: {} problems", errors.len())]
    Several {
        /// What could not be done.
        what: String,
        /// Every problem, in the order found.
        errors: Vec<Error>,
    },
}

/// One problem: the object, the causes and the next command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable, for programs.
    pub code: &'static str,
    /// What could not be done, naming the object; lower case, no final period.
    pub message: String,
    /// Why, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The command or key that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// A refusal.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { problem: Problem::new(code, message) }
    }

    /// Wrong usage or configuration.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::Usage { problem: Problem::new(code, message) }
    }

    /// Something outside did not do its part.
    pub fn incomplete(code: &'static str, message: impl Into<String>) -> Self {
        Self::Incomplete { problem: Problem::new(code, message) }
    }

    /// A file or folder that could not be read or written.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::incomplete("io", format!("cannot {action} `{}`", path.display())).cause(error.to_string())
    }

    /// One error out of many; the one itself when there is only one.
    pub fn several(what: &str, mut errors: Vec<Error>) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            _ => Self::Several { what: what.to_owned(), errors },
        }
    }

    /// Adds a cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        if let Some(problem) = self.problem_mut() {
            problem.causes.push(cause.into());
        }
        self
    }

    /// Adds what mends it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(problem) = self.problem_mut() {
            problem.hint = Some(hint.into());
        }
        self
    }

    /// The exit code of a command that ends so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Incomplete { .. } => 3,
            // A refusal is certain; what could not complete might have been refused too.
            Self::Several { errors, .. } => {
                let codes: Vec<u8> = errors.iter().map(Self::exit_code).collect();
                [2, 1, 3].into_iter().find(|code| codes.contains(code)).unwrap_or(3)
            }
        }
    }

    /// The problem's code; that of the first of several.
    pub fn code(&self) -> &'static str {
        self.problems().first().map_or("internal", |problem| problem.code)
    }

    /// Every problem.
    pub fn problems(&self) -> Vec<&Problem> {
        match self {
            Self::Refused { problem } | Self::Usage { problem } | Self::Incomplete { problem } => {
                vec![problem]
            }
            Self::Several { errors, .. } => errors.iter().flat_map(Self::problems).collect(),
        }
    }

    fn problem_mut(&mut self) -> Option<&mut Problem> {
        match self {
            Self::Refused { problem } | Self::Usage { problem } | Self::Incomplete { problem } => {
                Some(problem)
            }
            Self::Several { .. } => None,
        }
    }
}

impl Problem {
    fn new(code: &'static str, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { code, message: message.into(), causes: Vec::new(), hint: None })
    }
}
