//! What every step is given: configuration, environment, clock, listeners, and the index once it is opened.

use std::cell::OnceCell;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::config::{Config, Environment};
use crate::error::{Error, Result};
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
    lock: OnceCell<std::fs::File>,
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
            self.clock,
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
        let python = Python::find(self.config.python.as_deref(), &self.environment)?;
        Ok(self.opened.python.get_or_init(|| python))
    }

    /// Takes the project for this process: whatever cuts or carries a release does so alone.
    ///
    /// # Errors
    /// When another shipway has it.
    pub fn lock(&self, git: &Git) -> Result<()> {
        if self.opened.lock.get().is_some() {
            return Ok(());
        }
        let path = git.private().join("lock");
        let open = || -> std::io::Result<std::fs::File> {
            std::fs::create_dir_all(git.private())?;
            std::fs::File::options().create(true).truncate(false).write(true).open(&path)
        };
        let file = open().map_err(|error| Error::io("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {
                // Nobody else can have filled it: a context is used by one thread.
                let _ = self.opened.lock.set(file);
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::refused("busy", "another shipway is releasing this project")
                    .hint("wait for it to end, then run it again"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
        }
    }

    /// The repository of the project, with whatever a killed run left behind put right.
    ///
    /// # Errors
    /// When the project is in no repository, or what was left cannot be put right.
    pub fn repository(&self) -> Result<Git> {
        let git = Git::open(&self.config.directory, &self.environment)?;
        if crate::steps::bump::has_journal(&git) {
            self.lock(&git)?;
            crate::steps::bump::recover(&git, &self.config, self.progress)?;
        }
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
