//! Runs a program with exactly the environment that a test gives it, and keeps what it said.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
}

/// What a program did.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Program {
    /// A program with no arguments and an empty environment.
    pub fn new(program: impl Into<PathBuf>, directory: &Path) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: directory.to_owned(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|one| one.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets where it runs.
    #[must_use]
    pub fn at(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// The command, for those who spawn it themselves.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self) -> Ran {
        let output = self
            .command()
            .output()
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", self.program.display()));
        let arguments: Vec<_> = self.arguments.iter().map(|one| one.to_string_lossy()).collect();
        Ran {
            command: format!("{} {}", self.program.display(), arguments.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it to its end, which must be exit code 0.
    ///
    /// # Panics
    /// When it is not; the message holds all output.
    #[track_caller]
    pub fn must(&self) -> Ran {
        self.run().ended(0)
    }
}

impl Ran {
    /// Asserts the exit code.
    ///
    /// # Panics
    /// When it is another; the message holds all output.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{}", self.all());
        self
    }

    /// Asserts that it did not end with 0.
    ///
    /// # Panics
    /// When it did.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert!(self.code != Some(0), "expected a failure\n{}", self.all());
        self
    }

    /// Asserts that a text stands somewhere in the output.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let (stdout, stderr) = (self.stdout.replace('\n', " "), self.stderr.replace('\n', " "));
        assert!(
            [&stdout, &stderr, &self.stdout, &self.stderr].iter().any(|said| said.contains(text)),
            "expected the text {text:?}\n{}",
            self.all()
        );
        self
    }

    /// Asserts that a text stands nowhere in the output.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text:?} is told\n{}",
            self.all()
        );
        self
    }

    /// The JSON document on stdout.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON document: {error}\n{}", self.all()))
    }

    /// Everything, for messages.
    pub fn all(&self) -> String {
        format!(
            "$ {}\nexit code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}
