//! What every step is given: configuration, environment, clock, listeners, and the index once it is opened.

use std::cell::OnceCell;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::config::{Config, Environment};
use crate::error::Result;
use crate::ops::credentials::Ask;
use crate::ops::git::Git;
use crate::ops::python::Python;
use crate::ops::target::{Embedded, Target};
use crate::progress::Progress;

/// What every step is given.
pub struct Context<'a> {
    /// The project's configuration.
    pub config: Config,
    /// The environment of the run.
    pub environment: Environment,
    /// Who listens.
    pub progress: &'a dyn Progress,
    /// Starts the embedded index.
    pub embedded: &'a dyn Embedded,
    /// Asks a person, where there is one.
    pub ask: Option<&'a dyn Ask>,
    /// A section of `.pypirc` named on the command line.
    pub section: Option<String>,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Filled on first use.
    pub opened: Opened,
}

/// What is opened once and kept.
#[derive(Default)]
pub struct Opened {
    target: OnceCell<Target>,
    python: OnceCell<Python>,
}

impl Context<'_> {
    /// The index, opened on first use.
    ///
    /// # Errors
    /// See [`Target::open`].
    pub fn target(&self) -> Result<&Target> {
        if let Some(target) = self.opened.target.get() {
            return Ok(target);
        }
        let target = Target::open(
            &self.config,
            &self.environment,
            self.embedded,
            self.ask,
            self.section.as_deref(),
            self.progress,
        )?;
        Ok(self.opened.target.get_or_init(|| target))
    }

    /// The interpreter, found on first use.
    ///
    /// # Errors
    /// See [`Python::find`].
    pub fn python(&self) -> Result<&Python> {
        if let Some(python) = self.opened.python.get() {
            return Ok(python);
        }
        let python = Python::find(&self.config, &self.environment)?;
        Ok(self.opened.python.get_or_init(|| python))
    }

    /// The repository of the project, with whatever a killed run left behind put right.
    ///
    /// # Errors
    /// When the project is in no repository, or what was left cannot be put right.
    pub fn repository(&self) -> Result<Git> {
        let git = Git::open(&self.config.directory, &self.environment)?;
        crate::steps::bump::recover(&git, &self.config, self.progress)?;
        Ok(git)
    }

    /// Where shipway keeps the project's own records: `.shipway` in the project.
    pub fn records(&self) -> PathBuf {
        self.config.directory.join(".shipway")
    }

    /// The current day in UTC, `YYYY-MM-DD`.
    pub fn today(&self) -> jiff::civil::Date {
        (self.clock)().to_zoned(jiff::tz::TimeZone::UTC).date()
    }
}
