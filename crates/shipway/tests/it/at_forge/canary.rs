//! Row F8: a canary in every place that a credential may come from is in nothing that shipway says, keeps, starts or
//! sends anywhere but to its own server, however much it is asked to tell.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use shipway_testing::forge::{CANARY, Fault, Instead};
use shipway_testing::{Program, Ran};

use super::ground::{Ground, Template, Way};
use super::released::{Released, assert_released};
use super::whole::NOTHING;

/// What every made-up credential begins with.
const MADE_UP: &str = "canary-";

/// Where a credential may stand besides the two that are used.
const VARIABLES: [&str; 7] = [
    "GH_TOKEN",
    "UV_PUBLISH_USERNAME",
    "UV_PUBLISH_PASSWORD",
    "TWINE_USERNAME",
    "TWINE_PASSWORD",
    "UV_PUBLISH_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// A ground with a canary everywhere.
fn full_of_canaries() -> Ground {
    let mut ground = Ground::new(&Template::new(Some(NOTHING)), "");
    for name in VARIABLES {
        let value =
            if name.ends_with("USERNAME") { "__token__".to_owned() } else { format!("{MADE_UP}{name}") };
        ground.set(name, &value);
    }
    let home = ground.place.home();
    let index = &ground.index;
    let pypirc = format!(
        "[distutils]\nindex-servers = team\n\n[team]\nrepository = {index}/\nusername = u\npassword = {MADE_UP}pypirc\n"
    );
    std::fs::write(home.join(".pypirc"), pypirc).unwrap();
    let netrc = format!("machine 127.0.0.1\nlogin u\npassword {MADE_UP}netrc\n");
    std::fs::write(home.join(".netrc"), netrc).unwrap();
    let bin = ground.place.folder("bin");
    let keyring = bin.join("keyring");
    std::fs::write(&keyring, format!("#!/bin/sh\necho {MADE_UP}keyring\n")).unwrap();
    std::fs::set_permissions(&keyring, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let url = format!("http://user:{MADE_UP}remote@forge.invalid/team/demo.git");
    // Into the file, not as an argument: the command lines of all processes are looked at, those of other tests too.
    let git = ground.project().join(".git/config");
    let config = std::fs::read_to_string(&git).unwrap();
    std::fs::write(&git, format!("{config}[remote \"backup\"]\n\turl = {url}\n")).unwrap();
    ground.set("SHIPWAY_LOG", "trace");
    for (name, file) in [("GITHUB_OUTPUT", "output.txt"), ("GITHUB_STEP_SUMMARY", "summary.md")] {
        let path = ground.place.path(file);
        ground.set(name, path.to_str().unwrap());
    }
    ground.set("GITHUB_RUN_ID", "5");
    let temporary = ground.place.folder("tmp");
    ground.set("TMPDIR", temporary.to_str().unwrap());
    ground
}

/// The credentials that must be nowhere.
fn secrets(ground: &Ground) -> [&str; 3] {
    [CANARY, ground.token.as_str(), MADE_UP]
}

/// Runs it, most verbose, while the command lines of all processes are looked at.
fn watched(ground: &Ground, program: &Program, seen: &mut BTreeSet<String>) -> Ran {
    let over = AtomicBool::new(false);
    let secrets = secrets(ground);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut told = BTreeSet::new();
            while !over.load(Ordering::SeqCst) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    // A process may be gone by now.
                    let Ok(bytes) = std::fs::read(entry.path().join("cmdline")) else { continue };
                    let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
                    // git itself gives its own transport the URL of a remote as it stands in its configuration.
                    if line.contains("remote-http") {
                        continue;
                    }
                    let shows = secrets.iter().any(|secret| line.contains(secret));
                    assert!(!shows || !is_ours(&entry.path()), "an argument: {line}");
                    if line.contains(ground.place.path("").to_str().unwrap()) {
                        told.insert(line.split(' ').next().unwrap_or_default().to_owned());
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            told
        });
        let ran = program.clone().arg("-vv").run();
        over.store(true, Ordering::SeqCst);
        seen.extend(watcher.join().unwrap());
        for said in [&ran.stdout, &ran.stderr] {
            assert_clean(ground, "the output", said.as_bytes());
        }
        ran
    })
}

/// Whether a process was started by this test: others run beside it, and may show made-up secrets of their own.
fn is_ours(process: &Path) -> bool {
    let mut at = process.to_owned();
    loop {
        // One that is gone says nothing; it is met at another look.
        // The parent's number is the second field after the name, which may hold anything (proc(5)).
        let Ok(stat) = std::fs::read_to_string(at.join("stat")) else { return false };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        match parent.and_then(|number| number.parse::<u32>().ok()) {
            Some(number) if number == std::process::id() => return true,
            Some(0 | 1) | None => return false,
            Some(number) => at = Path::new("/proc").join(number.to_string()),
        }
    }
}

#[track_caller]
fn assert_clean(ground: &Ground, what: &str, bytes: &[u8]) {
    for secret in secrets(ground) {
        let at = bytes.windows(secret.len()).position(|part| part == secret.as_bytes());
        if let Some(at) = at {
            let part = &bytes[at.saturating_sub(200)..bytes.len().min(at + 60)];
            panic!("{what} holds a credential: {}", String::from_utf8_lossy(part));
        }
    }
}

/// Every file that a command may have written, here, at the index and at the forge.
fn assert_nothing_kept(ground: &Ground) {
    let mut files = 0;
    for entry in walkdir::WalkDir::new(ground.place.path("")) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(ground.place.path("")).unwrap();
        let is_own =
            name.starts_with("home") || name.starts_with("bin") || name == Path::new("project/.git/config");
        if entry.file_type().is_file() && !is_own {
            assert_clean(ground, &name.display().to_string(), &std::fs::read(entry.path()).unwrap());
            files += 1;
        }
    }
    assert!(files > 50, "{files} files");
    let state = ground.forge.state();
    let all = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        state.pulls, state.comments, state.dispatches, state.releases, state.log
    );
    assert_clean(ground, "the forge", all.as_bytes());
    assert!(!state.leaked, "a token reached the store");
}

#[test]
fn f8_a_whole_release_tells_and_keeps_no_credential() {
    let ground = full_of_canaries();
    let project = ground.project();
    let mut seen = BTreeSet::new();
    let mut run = |arguments: &[&str]| watched(&ground, &ground.command(&project, arguments), &mut seen);
    run(&["bump", "minor", "--pr", "--json"]).ended(0);
    run(&["forge", "check-pr", "1", "--json"]).ended(0);
    let (sha, tip) = ground.merge(1, Way::Squash);
    let built = ground.ci(&tip, None);
    run(&["forge", "merged-release", "--pr", "1", "--dispatch", "publish.yml", "--json"]).ended(0);
    run(&["forge", "verify-run", &built.run.to_string(), "--version", "1.4.0", "--json"]).ended(0);
    run(&["publish", "--json"]).ended(0);
    run(&["smoke", "1.4.0", "--json"]).ended(0);
    run(&["release", "1.4.0", "--to", "dev", "--json"]).ended(0);
    run(&["evidence", "list", "1.4.0", "--json"]).ended(0);
    run(&["config", "show", "--origin"]).ended(0);
    run(&["status", "--json"]).ended(0);
    assert_released(&ground, &Released { sha: &sha, channels: &["dev"], dispatches: 1 }, "canary");
    assert_nothing_kept(&ground);
    assert!(!seen.is_empty(), "no process was seen");
}

/// A scenario that fails: what is set, what is run, and the exit code.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], i32);

/// Variables whose value is empty are unset.
const CASES: &[Case] = &[
    (
        "two credentials",
        &[("SHIPWAY_TOKEN", ""), ("UV_PUBLISH_TOKEN", "canary-1"), ("UV_PUBLISH_PASSWORD", "canary-2")],
        &["publish"],
        2,
    ),
    (
        "a wrong token of uv",
        &[("SHIPWAY_TOKEN", ""), ("UV_PUBLISH_PASSWORD", ""), ("TWINE_PASSWORD", "")],
        &["publish", "--json"],
        3,
    ),
    (
        "a wrong password of twine",
        &[("SHIPWAY_TOKEN", ""), ("UV_PUBLISH_TOKEN", ""), ("UV_PUBLISH_PASSWORD", "")],
        &["publish", "--json"],
        3,
    ),
    (
        "a wrong password in .pypirc",
        &[
            ("SHIPWAY_TOKEN", ""),
            ("UV_PUBLISH_TOKEN", ""),
            ("UV_PUBLISH_PASSWORD", ""),
            ("TWINE_PASSWORD", ""),
        ],
        &["publish", "--json"],
        3,
    ),
    ("a wrong token", &[("SHIPWAY_TOKEN", "canary-token")], &["publish", "--json"], 3),
    ("a wrong token, smoke", &[("SHIPWAY_TOKEN", "canary-token")], &["smoke", "1.4.0"], 3),
    ("a wrong forge token", &[("GITHUB_TOKEN", "canary-forge")], &["forge", "check-pr", "1"], 3),
    ("a token that no header takes", &[("GITHUB_TOKEN", "canary-\u{1}")], &["forge", "check-pr", "1"], 2),
    ("the second forge token", &[("GITHUB_TOKEN", "")], &["forge", "check-pr", "1", "--json"], 3),
    (
        "an API with a password",
        &[("GITHUB_API_URL", "http://user:canary-url@127.0.0.1:1/")],
        &["forge", "merged-release", "--pr", "1", "--json"],
        3,
    ),
    (
        "an index with a password",
        &[("SHIPWAY_INDEX", "http://user:canary-url@127.0.0.1:1/")],
        &["publish", "--json"],
        2,
    ),
    ("a run that is none", &[], &["forge", "verify-run", "999", "--version", "1.4.0", "--json"], 1),
    ("a bump that fails", &[], &["bump", "1.2.0", "--json"], 1),
];

#[test]
fn f8_what_fails_tells_no_credential() {
    let ground = full_of_canaries();
    let project = ground.project();
    ground.command(&project, &["build"]).must();
    for (name, variables, arguments, code) in CASES {
        let mut program = ground.command(&project, arguments);
        // A program of tests cannot take a variable back; an empty one counts as none.
        for (variable, value) in *variables {
            program = program.env(variable, value);
        }
        let ran = watched(&ground, &program, &mut BTreeSet::new());
        assert_eq!(ran.code, Some(*code), "{name}: {}", ran.all());
        assert_nothing_kept(&ground);
    }
}

#[test]
fn f8_a_keyring_and_a_remote_with_a_password_are_not_told() {
    let mut ground = full_of_canaries();
    let project = ground.project();
    for name in ["SHIPWAY_TOKEN", "UV_PUBLISH_TOKEN", "UV_PUBLISH_PASSWORD", "TWINE_PASSWORD"] {
        ground.set(name, "");
    }
    std::fs::remove_file(ground.place.home().join(".pypirc")).unwrap();
    ground.command(&project, &["build"]).must();
    let bin = ground.place.path("bin");
    let path = std::env::var("PATH").unwrap();
    let program = ground.command(&project, &["publish"]).env("PATH", format!("{}:{path}", bin.display()));
    watched(&ground, &program, &mut BTreeSet::new()).ended(3).says("keyring");

    // The remote itself, when it cannot be reached.
    let url = format!("http://user:{MADE_UP}remote@127.0.0.1:1/team/demo.git");
    ground.place.git(&project, ["remote", "set-url", "origin", &url]).must();
    for arguments in [&["bump", "minor"][..], &["release", "minor", "--json"], &["status"]] {
        let ran = watched(&ground, &ground.command(&project, arguments), &mut BTreeSet::new());
        assert_eq!(ran.code, Some(if arguments[0] == "status" { 0 } else { 3 }), "{}", ran.all());
    }
    let refused =
        Fault::always("/pulls/1", Instead::Status(403, Vec::new(), "{\"message\":\"no\"}".to_owned()));
    ground.forge.fault(refused);
    let ran = watched(&ground, &ground.command(&project, &["forge", "check-pr", "1"]), &mut BTreeSet::new());
    ran.ended(3);
    assert_nothing_kept(&ground);
}
