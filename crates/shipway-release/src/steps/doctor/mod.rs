//! What is missing around a project's releases: on this machine, in its workflows, and at its forge.
//!
//! Reads and never changes anything. What could not be read is said to be unknown, never to be fine.

mod forge;
mod local;
mod owners;
mod proof;
mod workflows;

use serde::Serialize;

use crate::context::Context;
use crate::error::Error;

pub use proof::{Proof, live_forge};

/// How one look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is as it should be.
    Ok,
    /// It could be better.
    Warning,
    /// It could not be found out.
    Unknown,
    /// A release is not safe, or will fail.
    Error,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Its id, which `shipway explain` knows.
    pub id: &'static str,
    /// `project`, `machine`, `index`, `workflows` or `forge`.
    pub area: &'static str,
    /// How it ended.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Look {
    fn new(area: &'static str, id: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self { id, area, level, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A look that ended with an error of the pipeline.
    fn failed(area: &'static str, id: &'static str, level: Level, error: &Error) -> Self {
        let problems = error.problems();
        let text: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        let causes = problems.iter().flat_map(|problem| problem.causes.iter().map(String::as_str));
        let message = text.into_iter().chain(causes).collect::<Vec<_>>().join("; ");
        let look = Self::new(area, id, level, message);
        match problems.iter().find_map(|problem| problem.hint.clone()) {
            Some(hint) => look.hint(hint),
            None => look,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    /// Every look, in order.
    pub looks: Vec<Look>,
    /// A publish from this forge that was read back, when there was one (row K9).
    pub proven: Option<Proof>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DoctorRequest {
    /// Also ask the forge what it guards the repository with.
    pub forge: bool,
    /// Ask nothing that is not on this machine.
    pub offline: bool,
}

/// Looks at everything.
pub fn doctor(context: &Context<'_>, request: DoctorRequest) -> DoctorReport {
    let mut looks = vec![Look::new(
        "project",
        "configuration",
        Level::Ok,
        format!("{} is configured", context.config.name),
    )];
    looks.extend(local::project(context));
    looks.extend(local::machine(context));
    if !request.offline {
        looks.extend(local::index(context));
    }
    looks.extend(workflows::looks(context));
    let mut proven = None;
    if request.forge {
        looks.extend(forge::looks(context));
    }
    if let Some((look, found)) = proof::look(context, request) {
        looks.push(look);
        proven = found;
    }
    DoctorReport { looks, proven }
}

/// The report of a project whose configuration cannot be read.
pub fn unreadable(error: &Error) -> DoctorReport {
    let looks = error.problems().into_iter().map(|problem| {
        let look = Look::new("project", "configuration", Level::Error, problem.message.clone());
        match &problem.hint {
            Some(hint) => look.hint(hint.clone()),
            None => look,
        }
    });
    DoctorReport { looks: looks.collect(), proven: None }
}

/// The refusal of a report with errors.
pub fn refusal(report: &DoctorReport) -> Option<Error> {
    let wrong: Vec<&Look> = report.looks.iter().filter(|look| look.level == Level::Error).collect();
    let first = wrong.first()?;
    let what = if wrong.len() == 1 { "1 thing is".to_owned() } else { format!("{} things are", wrong.len()) };
    Some(
        Error::refused("doctor", format!("{what} wrong, all above"))
            .hint(format!("shipway explain {}", first.id)),
    )
}
