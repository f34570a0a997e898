//! Servers of a test: started on a free loopback port, ended by their own id.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::http;
use crate::place::Place;
use crate::program::Program;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that ends with the test.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it says goes to `log`, its stdout is piped when the caller asks for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(program: &Program, log: &Path, piped: bool) -> Self {
        let file = std::fs::File::create(log).expect("a log file");
        let mut command = program.command();
        let stdout = if piped { Stdio::piped() } else { file.try_clone().expect("a file").into() };
        command.stdout(stdout).stderr(file);
        let child = command.spawn().expect("a started server");
        Self { child, log: log.to_owned() }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the URL is answered by anything but a failure of its own.
    ///
    /// # Panics
    /// When the process ends, or nothing answers in time.
    #[track_caller]
    pub fn wait_for(&mut self, url: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            if http::try_request("GET", url, &[], &[]).is_ok_and(|answer| answer.status < 500) {
                return;
            }
            let ended = self.child.try_wait().expect("a process");
            assert!(ended.is_none(), "the server ended: {ended:?}\n{}", self.log());
            assert!(Instant::now() < until, "`{url}` does not answer\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn end(mut self) {
        let id = self.child.id().to_string();
        let asked = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        assert!(asked.success(), "cannot signal {id}");
        let until = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait().expect("a process").is_none() {
            assert!(Instant::now() < until, "the server does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `shipway serve`.
#[derive(Debug)]
pub struct Server {
    running: Running,
    url: String,
}

impl Server {
    /// Serves a data directory; no upstream unless an argument says so.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start<const N: usize>(place: &Place, data: &Path, arguments: [&str; N]) -> Self {
        Self::start_with(place, data, &arguments)
    }

    /// The same with as many arguments as there are.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(place: &Place, data: &Path, arguments: &[&str]) -> Self {
        let program = place
            .shipway(["serve", "--bind", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(if arguments.contains(&"--upstream") { &[][..] } else { &["--upstream", "off"][..] })
            .args(arguments)
            .env("SHIPWAY_LOG", "shipway=info,shipway_index=debug");
        // A second server of one place has a log of its own.
        let log = (1..).map(|at| place.path(&format!("serve-{at}.log"))).find(|path| !path.exists());
        let mut running = Running::start(&program, &log.expect("a free name"), true);
        let stdout = running.child.stdout.take().expect("stdout");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().trim_end_matches('/').to_owned();
        let known = url.starts_with("http://127.0.0.1:") || url.starts_with("https://127.0.0.1:");
        assert!(known, "no URL: {line:?}\n{}", running.log());
        // It listens once it has said so; over TLS only a client that knows the authority can ask.
        if url.starts_with("http:") {
            running.wait_for(&format!("{url}/healthz"));
        }
        Self { running, url }
    }

    /// Its URL, without a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The simple index of a channel.
    pub fn simple(&self, channel: &str) -> String {
        format!("{}/{channel}/simple/", self.url)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// Kills it at once, whatever it is doing.
    pub fn kill(self) {
        drop(self);
    }

    /// Asks it to end, and waits for that.
    pub fn end(self) {
        self.running.end();
    }
}
