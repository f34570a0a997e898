//! A server in a process of its own, which can be killed at any moment.
//!
//! It is this very test binary once more, at an ignored test that calls [`serve`]. It ends by itself when its
//! test does: it reads its stdin to the end.

#![expect(clippy::print_stdout, reason = "its test reads where it serves")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::time::Duration;

use shipway_index::Config;

use crate::backend::{Backend, ENDPOINT, backend, endpoint};
use crate::kit::config;

const FOLDER: &str = "SHIPWAY_TEST_FOLDER";
const NUMBER: &str = "SHIPWAY_TEST_NUMBER";
/// What stands before the URL in the child's output.
const MARK: &str = "serving at ";

/// A server's process; killed when dropped.
pub(crate) struct Child {
    process: Process,
    _stdin: Option<ChildStdin>,
}

/// The configuration of one of several servers of the index in a folder.
pub(crate) fn config_of(folder: &Path, number: usize) -> Config {
    let mut config = config(folder);
    if number > 0 {
        assert_eq!(backend(), Backend::Postgres, "on SQLite the servers share their data directory");
        config.keys = Some(config.data.join("keys"));
        config.data = folder.join(format!("data{number}"));
    }
    config
}

/// What the child runs: a server until its stdin ends.
pub(crate) async fn serve() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    let mut config = config_of(Path::new(&folder), number);
    config.limits.stall = Duration::from_secs(2);
    let running = match shipway_index::start(config, "127.0.0.1:0").await {
        Ok(running) => running,
        Err(error) => {
            println!("refused: {} {}", error.code(), shown(&error));
            return;
        }
    };
    println!("{MARK}{}", running.url());
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
    running.shutdown().await;
}

/// An error and its causes, in one line.
fn shown(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Child {
    /// Starts a server of the index in a folder; `before` is a command line that runs it, if any.
    pub(crate) fn spawn(folder: &Path, number: usize, before: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        if backend() == Backend::Postgres {
            command.env(ENDPOINT, endpoint(folder));
        }
        let test = format!("{}::kills::server", backend().module());
        let mut process = command
            .args([test.as_str(), "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .env(NUMBER, number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { _stdin: process.stdin.take(), process }
    }

    /// The URL, when it serves; else what it says against that.
    pub(crate) fn ready(&mut self) -> Result<String, String> {
        let mut said = String::new();
        let mut lines = BufReader::new(self.process.stdout.as_mut().unwrap());
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                return Err(said);
            }
            if let Some((_, url)) = line.split_once(MARK) {
                return Ok(url.trim().to_owned());
            }
            said.push_str(&line);
        }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as `kill -9` does, whatever it is doing.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
