//! A PostgreSQL of one test alone, which can be killed and started again on the same data directory.
//!
//! Unlike the one that tests share it keeps what it acknowledges as one in production does: `fsync` and
//! `synchronous_commit` are on.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::postgres::{create, initialize, programs, user_to_be};

/// How long it may take until a server answers, one that was killed and has to wait for its children included.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; killed when dropped, and when the thread that started it ends.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    user: Option<String>,
    password: String,
    port: u16,
    server: Child,
}

impl Cluster {
    /// Makes a data directory and starts a server on it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let user = user_to_be();
        let password = initialize(folder.path(), user.as_deref());
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let server = spawn(&folder, user.as_deref(), port);
        let mut cluster = Self { folder, user, password, port, server };
        cluster.wait();
        cluster
    }

    /// Its URL with a database at the end.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://shipway:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Makes a database, and gives its URL.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn create(&self, database: &str) -> String {
        create(&self.url("postgres"), database);
        self.url(database)
    }

    /// Ends the server as `kill -9` does; its children see that and end.
    ///
    /// # Panics
    /// When it ended before.
    pub fn kill(&mut self) {
        self.server.kill().expect("a server that runs");
        self.server.wait().expect("a server that ended");
    }

    /// Starts a server again on the same data directory and port, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&mut self) {
        self.server = spawn(&self.folder, self.user.as_deref(), self.port);
        self.wait();
    }

    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        let mut ready = Command::new(programs().join("pg_isready"));
        ready.args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()]);
        while !ready.status().expect("pg_isready").success() {
            assert!(
                Instant::now() < until,
                "PostgreSQL does not start: {}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            // Ended: a child of the one before holds the shared memory still.
            if self.server.try_wait().expect("a server").is_some() {
                self.server = spawn(&self.folder, self.user.as_deref(), self.port);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn spawn(folder: &TempDir, user: Option<&str>, port: u16) -> Child {
    let log = File::options().create(true).append(true).open(folder.path().join("log")).expect("a log");
    let mut server = Command::new("setpriv");
    server.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        server.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups");
    }
    server.arg(programs().join("postgres")).arg("-D").arg(folder.path().join("data"));
    server.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories=", "-c", "shared_buffers=32MB"]);
    server.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    server.spawn().expect("a server")
}
