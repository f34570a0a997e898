//! A real PostgreSQL of a test run: one server in a temporary directory, a database for each test.
//!
//! The first test that asks starts it, under a user of its own where the tests run as root; it listens on a
//! free loopback port and wants a password. It ends by itself when no test has used it for a while: a watcher
//! beside it asks for the lock that every test process holds.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::tools::target_directory;

/// How long it runs on without a test, in seconds: a new run of the tests finds it warm.
const IDLE: u32 = 30;

/// A running server, and the right to use it as long as this process lives.
#[derive(Debug)]
pub struct Postgres {
    /// Without a database at its end.
    url: String,
    _user: File,
}

impl Postgres {
    /// The server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start: a test over it is never skipped.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Its URL with a database at the end; making the database is the caller's.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.url)
    }

    /// Makes a database, and gives its URL.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn create(&self, database: &str) -> String {
        create(&self.url("postgres"), database);
        self.url(database)
    }

    fn start() -> Self {
        let own = target_directory().join("test-postgres");
        std::fs::create_dir_all(&own).expect("a folder");
        let starting = lock_file(&own.join("starting"));
        starting.lock().expect("a lock");
        // Shared with every other test; the watcher wants it alone.
        let user = lock_file(&own.join("users"));
        user.lock_shared().expect("a lock");
        let state = own.join("state");
        if let Some(url) = std::fs::read_to_string(&state).ok().and_then(|text| alive(&text)) {
            return Self { url, _user: user };
        }
        let url = launch(&own);
        Self { url, _user: user }
    }
}

/// Makes a database by the URL of another one.
pub(crate) fn create(url: &str, database: &str) {
    must(Command::new(programs().join("psql")).arg(url).args([
        "--quiet",
        "--command",
        &format!("CREATE DATABASE {database}"),
    ]));
}

fn lock_file(path: &Path) -> File {
    File::options().create(true).append(true).open(path).expect("a lock file")
}

/// The URL of a server that still runs: its process id stands in the first line, its port is open.
fn alive(state: &str) -> Option<String> {
    let mut lines = state.lines();
    let folder = PathBuf::from(lines.next()?);
    let port: u16 = lines.next()?.parse().ok()?;
    let url = lines.next()?.to_owned();
    let answers = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    (folder.join("data/postmaster.pid").exists() && answers).then_some(url)
}

/// Makes the data directory of a cluster in a folder, whose user the server runs as from now on; gives the
/// password of its superuser.
pub(crate) fn initialize(folder: &Path, user: Option<&str>) -> String {
    let password = format!("p{}", std::process::id());
    let password_file = folder.join("password");
    std::fs::write(&password_file, &password).expect("a file");
    if let Some(user) = user {
        must(Command::new("chown").args(["-R", user]).arg(folder));
    }
    must(
        as_user(&programs().join("initdb"), user)
            .args(["--auth=scram-sha-256", "--username=shipway", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("-D")
            .arg(folder.join("data"))
            .current_dir(folder),
    );
    password
}

/// Makes a cluster and starts its server.
fn launch(own: &Path) -> String {
    let programs = programs();
    let folder = std::env::temp_dir().join(format!("shipway-postgres-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let user = user_to_be();
    let password = initialize(&folder, user.as_deref());
    let data = folder.join("data");
    // Free now; whoever takes it in between makes the start fail, which is then tried with another.
    let port = (0..5)
        .find_map(|_| {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = free.local_addr().expect("an address").port();
            drop(free);
            // Nothing here has to survive a power cut.
            let options = format!(
                "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
                 -c full_page_writes=off -c max_connections=400 -c shared_buffers=64MB"
            );
            let started = as_user(&programs.join("pg_ctl"), user.as_deref())
                .args(["start", "--wait", "--silent", "-l"])
                .arg(folder.join("log"))
                .arg("-o")
                .arg(options)
                .arg("-D")
                .arg(&data)
                .current_dir(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("pg_ctl");
            started.success().then_some(port)
        })
        .unwrap_or_else(|| {
            panic!(
                "PostgreSQL does not start: {}",
                std::fs::read_to_string(folder.join("log")).unwrap_or_default()
            )
        });
    let url = format!("postgres://shipway:{password}@127.0.0.1:{port}");
    watch(own, &folder, &programs, user.as_deref());
    std::fs::write(own.join("state"), format!("{}\n{port}\n{url}\n", folder.display())).expect("a file");
    url
}

/// Ends the server when nobody has held the lock of its users for a while.
fn watch(own: &Path, folder: &Path, programs: &Path, user: Option<&str>) {
    // In the background of a shell that ends at once: nobody waits for it.
    let script = r#"
        (
        exec 9>>"$1/starting"
        idle=0
        while true; do
            sleep 1
            if flock --nonblock --exclusive "$1/users" true; then idle=$((idle + 1)); else idle=0; fi
            if [ "$idle" -lt "$4" ]; then continue; fi
            # A test that is just about to use it holds this one.
            flock 9
            if flock --nonblock --exclusive "$1/users" true; then break; fi
            flock --unlock 9
            idle=0
        done
        $3 stop --mode=immediate --silent -D "$2/data"
        rm -rf "$2"
        ) &
    "#;
    let mut shell = Command::new("sh");
    // `pg_ctl` refuses root; the rest of the script may need to be root to remove the folder.
    let stop = match user {
        Some(user) => {
            format!("setpriv --reuid={user} --regid={user} --clear-groups {}/pg_ctl", programs.display())
        }
        None => format!("{}/pg_ctl", programs.display()),
    };
    shell
        .args(["-c", script, "watch"])
        .arg(own)
        .arg(folder)
        .arg(stop)
        .arg(IDLE.to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    assert!(shell.status().expect("a shell").success(), "no watcher of PostgreSQL");
}

/// The user that the server runs as: PostgreSQL refuses root.
pub(crate) fn user_to_be() -> Option<String> {
    let output = Command::new("id").arg("-u").output().expect("id");
    let root = String::from_utf8_lossy(&output.stdout).trim() == "0";
    root.then(|| "postgres".to_owned())
}

fn as_user(program: &Path, user: Option<&str>) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups");
            command.arg(program);
            command
        }
    }
}

fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where the newest installed server's programs are.
pub(crate) fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, bin)| bin);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    };
    newest.or_else(on_path).expect("PostgreSQL; `./test` installs it")
}
