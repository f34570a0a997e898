//! How far what is run in a trial is kept apart: from the network, from shipway's own process group, and from the
//! time after it.
//!
//! On Linux a program gets namespaces of its own for network and processes where the machine allows that; what it
//! leaves running dies with it. Elsewhere a guard stands between it and shipway, and what it leaves is searched for.
//! Nothing here pretends: what could not be kept apart is said.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::config::Environment;
use crate::ops::process::Call;

/// Runs a program as its child, so that it never has shipway for a parent, and says in the file `$1` when something
/// is left running. `kill -0 -1` reaches every other process, so it is asked only where those are its own.
const GUARD: &str = r#"
marker=$1 loopback=$2 path=$PATH
shift 2
PATH=/usr/sbin:/usr/bin:/sbin:/bin
if [ "$loopback" = up ]; then ip link set lo up >/dev/null 2>&1; fi
PATH=$path
"$@"
code=$?
PATH=/usr/sbin:/usr/bin:/sbin:/bin
if [ -n "$marker" ] && kill -s 0 -- -1 2>/dev/null; then
    for moment in 1 2 3 4 5; do
        sleep 0.05
        kill -s 0 -- -1 2>/dev/null || exit $code
    done
    : >"$marker"
fi
exit $code
"#;

/// The variable that everything run in a trial inherits, so that what is left behind is found.
pub const MARK: &str = "SHIPWAY_TRIAL";

/// How a program was kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Isolation {
    /// `none` when it could not reach the network, `open` when it could.
    pub network: &'static str,
    /// Why.
    pub why: String,
}

/// What this machine allows, asked once a run.
#[derive(Debug, Clone)]
pub struct Fence {
    unshare: Option<PathBuf>,
    flags: Vec<&'static str>,
    why: String,
}

impl Fence {
    /// Asks the machine.
    pub fn find(environment: &Environment) -> Self {
        let open = |why: String| Self { unshare: None, flags: Vec::new(), why };
        if !cfg!(target_os = "linux") {
            return open("this system has no network namespaces".to_owned());
        }
        let Ok(unshare) = which::which_in("unshare", environment.path("PATH"), "/") else {
            return open("`unshare` is not installed".to_owned());
        };
        let mut why = String::new();
        for flags in [&["--user", "--map-root-user", "--net"][..], &["--net"]] {
            let fence = Self { unshare: Some(unshare.clone()), flags: flags.to_vec(), why: String::new() };
            let directory = std::env::temp_dir();
            let call = fence.call("true".into(), &directory, Path::new(""), false).allowed(environment);
            match call.timeout(Duration::from_secs(10)).run() {
                Ok(output) if output.success() => {
                    return Self { why: "a network namespace of its own".to_owned(), ..fence };
                }
                Ok(output) => why = output.tail(1).concat(),
                Err(error) => why = error.to_string(),
            }
        }
        open(format!("the machine allows no network namespace: {why}"))
    }

    /// Whether processes that a program leaves die with it, and are told of in the marker file.
    pub fn is_closed(&self) -> bool {
        self.unshare.is_some()
    }

    /// How a program with or without leave to use the network is kept apart.
    pub fn isolation(&self, network: bool) -> Isolation {
        match (network, self.is_closed()) {
            (true, _) => Isolation { network: "open", why: "the probe says `network = true`".to_owned() },
            (false, true) => Isolation { network: "none", why: self.why.clone() },
            (false, false) => Isolation { network: "open", why: self.why.clone() },
        }
    }

    /// A program behind the fence; `marker` is a file that comes to be when it leaves something running.
    pub fn call<'a>(&self, program: OsString, directory: &'a Path, marker: &Path, network: bool) -> Call<'a> {
        if !cfg!(unix) {
            return Call::new(program, directory);
        }
        let guard = |call: Call<'a>, marker: &Path, loopback: &str| {
            call.args(["-c", GUARD, "guard"]).arg(marker).arg(loopback).arg(&program)
        };
        match &self.unshare {
            Some(unshare) => {
                let flags = self.flags.iter().filter(|flag| !(network && **flag == "--net"));
                let call =
                    Call::new(unshare, directory).args(flags).args(["--pid", "--fork", "--kill-child", "sh"]);
                guard(call, marker, if network { "" } else { "up" })
            }
            None => guard(Call::new("sh", directory), Path::new(""), ""),
        }
    }
}

/// Ends every process that carries the mark or stands in the folder, and says how many there were.
///
/// One look is not enough: a process that forks and ends while the list is read is not seen, nor is its child, and one
/// in the middle of `exec` shows no environment. So only several looks in a row that find nothing are believed.
///
/// For machines without namespaces; where there is no `/proc` nothing is found.
pub fn end_leftovers(mark: &str, folder: &Path) -> usize {
    const QUIET_LOOKS: u32 = 4;
    let mut ended = std::collections::BTreeSet::new();
    let mut quiet = 0;
    for _ in 0..40 {
        let found = leftovers(mark, folder);
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET_LOOKS {
            break;
        }
        for pid in found {
            kill(pid);
            ended.insert(pid);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ended.len()
}

fn leftovers(mark: &str, folder: &Path) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let wanted = format!("{MARK}={mark}");
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let is_left = |pid: &i32| {
        let place = PathBuf::from(format!("/proc/{pid}"));
        let marked = std::fs::read(place.join("environ"))
            .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()));
        marked || std::fs::read_link(place.join("cwd")).is_ok_and(|directory| directory.starts_with(folder))
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own && is_left(pid))
        .collect()
}

#[cfg(unix)]
fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // Fails only when it is gone already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_pid: i32) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Runs a script behind the fence; the last is whether it left something running.
    fn run(fence: &Fence, script: &str, network: bool) -> (crate::ops::process::Output, bool) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (marker, mark) = (folder.path().join("left"), folder.path().display().to_string());
        let call = fence.call("sh".into(), folder.path(), &marker, network);
        let call = call.env("PATH", "/usr/bin:/bin").env(MARK, &mark).arg("-c").arg(script);
        let output = call.timeout(Duration::from_secs(10)).run().expect("it starts");
        let left = end_leftovers(&mark, folder.path());
        (output, marker.exists() || left > 0)
    }

    fn fences() -> [Fence; 2] {
        let open = Fence { unshare: None, flags: Vec::new(), why: "as if".to_owned() };
        [Fence::find(&Environment::from_pairs([("PATH", "/usr/bin:/bin")])), open]
    }

    #[test]
    fn d17_a_program_comes_through_as_it_is() {
        for fence in fences() {
            let (output, left) = run(&fence, "echo out; echo err >&2; exit 3", false);
            assert_eq!((output.code, left), (Some(3), false), "{fence:?}");
            assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        }
    }

    #[test]
    fn bad_input_a_daemon_is_found_and_ended() {
        for fence in fences() {
            let script = "setsid sh -c 'sleep 77 & sleep 77 &' </dev/null >/dev/null 2>&1 &";
            assert!(run(&fence, script, false).1, "{fence:?}");
        }
    }

    #[test]
    fn bad_input_a_program_that_kills_its_parents_group_does_not_reach_us() {
        for fence in fences() {
            let script = "kill -9 -$(ps -o pgid= -p $PPID 2>/dev/null | tr -d ' ') 2>/dev/null || kill -9 0";
            let (output, _) = run(&fence, script, false);
            assert!(!output.success(), "{fence:?}");
        }
    }

    #[test]
    fn there_is_no_network_behind_the_fence() {
        let devices = "tail -n +3 /proc/net/dev | wc -l";
        let count =
            |fence: &Fence, network: bool| run(fence, devices, network).0.stdout_text().trim().to_owned();
        let [fence, open] = fences();
        assert_eq!(open.isolation(false).network, "open", "said, not hidden");
        if fence.is_closed() {
            assert_eq!(count(&fence, false), "1", "loopback alone");
            assert_eq!(fence.isolation(false).network, "none");
            assert_eq!(fence.isolation(true).network, "open");
        }
    }
}
