//! Runs other programs: bounded output, a time limit, and an environment that is allowed, not inherited.
//!
//! The one place that knows about process groups and signals. Nothing is run through a shell.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::secret::redact;

/// How much of each stream is kept: the first half and the last half of it.
const KEPT: usize = 1 << 20;

/// What any program may see of the user's environment. No credential is among it (row A22).
const ALLOWED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TMP",
    "TEMP",
    "TERM",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "NUMBER_OF_PROCESSORS",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
    "PKG_CONFIG_PATH",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
];

/// What an installer may see besides: where packages are read from. These may hold credentials for reading,
/// so only pip and uv get them, never a build, gate or probe.
const INSTALLER_PREFIXES: &[&str] = &["PIP_", "UV_"];

/// The way to the network.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/// A program to run.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    program: OsString,
    arguments: Vec<OsString>,
    directory: &'a Path,
    environment: BTreeMap<OsString, OsString>,
    timeout: Duration,
    input: Option<Vec<u8>>,
    most: Option<u64>,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout, the middle of very long output left out.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, the middle of very long output left out.
    pub stderr: Vec<u8>,
    /// Whether it was stopped because its time was up.
    pub timed_out: bool,
    /// Whether it was stopped because it wrote more than it may.
    pub flooded: bool,
    /// How long it ran.
    pub duration: Duration,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0) && !self.timed_out && !self.flooded
    }

    /// stdout as text.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The last lines of stderr (or of stdout, when stderr is empty), without credentials.
    pub fn tail(&self, lines: usize) -> Vec<String> {
        let bytes = if self.stderr.iter().all(u8::is_ascii_whitespace) { &self.stdout } else { &self.stderr };
        let text = redact(&String::from_utf8_lossy(bytes));
        let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// How it ended, for people.
    pub fn ending(&self) -> String {
        match (self.timed_out, self.code) {
            _ if self.flooded => "stopped because of the mass of its output".to_owned(),
            (true, _) => format!("stopped after {} s", self.duration.as_secs()),
            (false, Some(code)) => format!("exit code {code}"),
            (false, None) => "ended by a signal".to_owned(),
        }
    }
}

impl<'a> Call<'a> {
    /// A program with an empty environment, run in `directory`.
    pub fn new(program: impl Into<OsString>, directory: &'a Path) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            directory,
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(3600),
            input: None,
            most: None,
        }
    }

    /// Adds an argument. Never a secret: arguments are visible to every user of the machine.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = I>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(OsStr::new(name));
        self
    }

    /// Takes the allow-listed part of the user's environment, with a fixed locale.
    #[must_use]
    pub fn allowed(mut self, environment: &Environment) -> Self {
        for (name, value) in environment.iter().filter(|(name, _)| ALLOWED.contains(name)) {
            self.environment.insert(name.into(), value.clone());
        }
        self.env("LC_ALL", "C.UTF-8").env("LANG", "C.UTF-8")
    }

    /// Adds what an installer needs to find packages.
    #[must_use]
    pub fn installer(mut self, environment: &Environment) -> Self {
        let is_for_installers = |name: &str| {
            INSTALLER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                && !name.starts_with("UV_PUBLISH_")
        };
        for (name, value) in environment.iter().filter(|(name, _)| is_for_installers(name)) {
            self.environment.insert(name.into(), value.clone());
        }
        self.proxies(environment)
    }

    /// Adds the proxies that the user's network needs.
    #[must_use]
    pub fn proxies(mut self, environment: &Environment) -> Self {
        for (name, value) in environment.iter().filter(|(name, _)| PROXIES.contains(name)) {
            self.environment.insert(name.into(), value.clone());
        }
        self
    }

    /// Takes the whole environment except credentials of indexes: for git, whose helpers need the rest.
    #[must_use]
    pub fn users(mut self, environment: &Environment) -> Self {
        let secret = |name: &str| {
            [crate::config::environment::TOKEN, crate::config::environment::KEY].contains(&name)
                || name.starts_with("TWINE_")
                || name.starts_with("UV_PUBLISH_")
        };
        for (name, value) in environment.iter().filter(|(name, _)| !secret(name)) {
            self.environment.insert(name.into(), value.clone());
        }
        self
    }

    /// Sets the time limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Stops it when it writes more than so many bytes to either stream.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = Some(bytes);
        self
    }

    /// Gives it bytes on stdin.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// The command line, for people and evidence.
    pub fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments).map(|word| word.to_string_lossy());
        redact(&shell_words::join(words))
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started at all; an exit code other than 0 is not an error here.
    pub fn run(self) -> Result<Output> {
        let started = Instant::now();
        let line = tracing::enabled!(tracing::Level::DEBUG).then(|| self.line());
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(&self.environment)
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        group::separate(&mut command);
        let mut child = command.spawn().map_err(|error| {
            Error::incomplete("tool-missing", format!("cannot run `{}`", self.program.to_string_lossy()))
                .cause(error.to_string())
                .hint(format!("install `{}` or put it on PATH", self.program.to_string_lossy()))
        })?;
        let pid = child.id();
        let _running = tools::Running::new(pid);
        let writer = child.stdin.take().zip(self.input).map(|(mut pipe, bytes)| {
            // A program that does not read its input is free to; the broken pipe says nothing.
            std::thread::spawn(move || pipe.write_all(&bytes).is_ok())
        });
        let most = self.most.unwrap_or(u64::MAX);
        let stdout = child.stdout.take().map(|stream| keep(stream, pid, most));
        let stderr = child.stderr.take().map(|stream| keep(stream, pid, most));
        let (send, receive) = mpsc::channel();
        let waiter = std::thread::spawn(move || send.send(child.wait()).is_ok());
        let (status, timed_out) = match receive.recv_timeout(self.timeout) {
            Ok(status) => (status, false),
            Err(_) => {
                group::kill(pid);
                (receive.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into())), true)
            }
        };
        let _ = waiter.join();
        let duration = started.elapsed();
        let collect = |stream: Option<mpsc::Receiver<(Vec<u8>, bool)>>| {
            let Some(stream) = stream else { return (Vec::new(), false) };
            // A process left behind may hold the pipe open: it gets a moment, then it is ended with its group.
            stream
                .recv_timeout(Duration::from_millis(500))
                .or_else(|_| {
                    group::kill(pid);
                    stream.recv_timeout(Duration::from_secs(2))
                })
                .unwrap_or_default()
        };
        let ((stdout, much), (stderr, more)) = (collect(stdout), collect(stderr));
        if let Some(writer) = writer {
            let _ = writer.join();
        }
        let code = status.as_ref().ok().and_then(ExitStatus::code);
        tools::spent(started, Instant::now());
        tracing::debug!(program = line, code, duration_ms = duration.as_millis(), "ran");
        Ok(Output { code, stdout, stderr, timed_out, flooded: much || more, duration })
    }

    /// Runs it and wants exit code 0.
    ///
    /// # Errors
    /// When it cannot be started, fails or takes too long, with the last lines it wrote as causes.
    pub fn must(self, code: &'static str, what: &str) -> Result<Output> {
        let line = self.line();
        let output = self.run()?;
        if output.success() {
            return Ok(output);
        }
        let error =
            Error::incomplete(code, format!("cannot {what}")).cause(format!("`{line}`: {}", output.ending()));
        Err(output.tail(12).into_iter().fold(error, Error::cause))
    }
}

/// The time in which at least one program was running, since this process began.
///
/// What a step takes beyond it is shipway's own share (design.md, section 8).
pub fn time_in_tools() -> Duration {
    tools::total()
}

/// Ends every program that is running now, with all that it started: for a run that is interrupted.
pub fn end_all() {
    for pid in tools::running() {
        group::kill(pid);
    }
}

mod tools {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    static SPANS: Mutex<Vec<(Instant, Instant)>> = Mutex::new(Vec::new());

    static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

    /// A program that is running, known as long as this lives.
    pub(super) struct Running(u32);

    impl Running {
        pub(super) fn new(pid: u32) -> Self {
            RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(pid);
            Self(pid)
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.0);
        }
    }

    pub(super) fn running() -> Vec<u32> {
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter().copied().collect()
    }

    pub(super) fn spent(from: Instant, to: Instant) {
        SPANS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((from, to));
    }

    /// The length of the union: programs that ran side by side count once.
    pub(super) fn total() -> Duration {
        let mut spans = SPANS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        spans.sort();
        let mut total = Duration::ZERO;
        let mut end: Option<Instant> = None;
        for (from, to) in spans {
            let from = end.map_or(from, |end| from.max(end));
            total += to.saturating_duration_since(from);
            end = Some(end.map_or(to, |end| end.max(to)));
        }
        total
    }
}

/// Keeps the beginning and the end of a stream; ends the group when it writes more than `most`.
fn keep(mut stream: impl Read + Send + 'static, pid: u32, most: u64) -> mpsc::Receiver<(Vec<u8>, bool)> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 64 * 1024];
        let mut written = 0_u64;
        while let Ok(read) = stream.read(&mut buffer) {
            if read == 0 {
                break;
            }
            written += read as u64;
            if written > most {
                group::kill(pid);
                break;
            }
            let room = (KEPT / 2).saturating_sub(head.len()).min(read);
            head.extend_from_slice(&buffer[..room]);
            tail.extend_from_slice(&buffer[room..read]);
            if tail.len() > KEPT {
                tail.drain(..tail.len() - KEPT / 2);
            }
        }
        head.extend_from_slice(&tail);
        let _ = send.send((head, written > most));
    });
    receive
}

#[cfg(unix)]
mod group {
    use std::os::unix::process::CommandExt as _;

    /// Gives the program a process group of its own, so that all it starts can be ended with it.
    pub(super) fn separate(command: &mut std::process::Command) {
        command.process_group(0);
    }

    /// Ends the whole group.
    pub(super) fn kill(pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only when the group is gone already.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(not(unix))]
mod group {
    /// Process groups are a Unix notion.
    pub(super) fn separate(_command: &mut std::process::Command) {}

    /// Ends the program and what it started.
    pub(super) fn kill(pid: u32) {
        let _ = std::process::Command::new("taskkill").args(["/T", "/F", "/PID", &pid.to_string()]).output();
    }
}

/// Fixes the permission mask of files that this process and its children make (row C4).
pub fn fix_umask() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

/// Aborts the process when the environment names this point; for tests of recovery.
pub fn crash_point(environment: &Environment, point: &str) {
    if environment.get(crate::config::environment::CRASH_AT) == Some(point) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(script: &str) -> Call<'static> {
        Call::new("sh", Path::new("/")).env("PATH", "/usr/bin:/bin").arg("-c").arg(script)
    }

    #[test]
    fn a22_credentials_do_not_reach_a_program() {
        let names =
            ["PATH", "SHIPWAY_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "PIP_INDEX_URL", "GITHUB_TOKEN"];
        let environment = Environment::from_pairs(
            names.map(|name| (name, if name == "PATH" { "/usr/bin:/bin" } else { "canary" })),
        );
        let output = Call::new("env", Path::new("/")).allowed(&environment).run().unwrap();
        assert!(output.success());
        assert!(!output.stdout_text().contains("canary"), "{}", output.stdout_text());
        let installer =
            Call::new("env", Path::new("/")).allowed(&environment).installer(&environment).run().unwrap();
        assert_eq!(installer.stdout_text().matches("canary").count(), 1, "PIP_INDEX_URL alone");
        let git = Call::new("env", Path::new("/")).users(&environment).run().unwrap().stdout_text();
        assert!(
            !git.contains("SHIPWAY_TOKEN") && !git.contains("TWINE") && !git.contains("UV_PUBLISH"),
            "{git}"
        );
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let started = Instant::now();
        let output = call("sleep 60 & sleep 60").timeout(Duration::from_millis(200)).run().unwrap();
        assert!(output.timed_out && !output.success());
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_flood_is_bounded_and_a_daemon_does_not_hold_us() {
        let output = call("yes | head -c 20000000; sleep 60 & exit 7").run().unwrap();
        assert_eq!(output.code, Some(7));
        assert!(output.stdout.len() <= 2 * KEPT);
    }
}
