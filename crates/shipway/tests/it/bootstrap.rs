//! Row H10: the script that fetches the pinned binary, run for real.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::variants::{project, workflows};
use crate::workflows::{named, place};

/// Serves one body until the test's process ends; gives the URL.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/it's$(touch pwned)/shipway", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

/// Whether anything in a folder can be executed, and how many files there are.
fn kept(folder: &Path) -> (bool, usize) {
    let files: Vec<_> =
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|one| one.file_type().is_file()).collect();
    let executable =
        files.iter().any(|one| one.metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0));
    (executable, files.len())
}

#[test]
fn h10_the_binary_is_fetched_once_and_runs_only_with_the_pinned_digest() {
    let program = b"#!/bin/sh\nprintf 'fake:'\nfor a in \"$@\"; do printf '[%s]' \"$a\"; done\n".to_vec();
    let digest = shipway_dist::Sha256::of(&program).to_hex();
    let url = serve(program);
    let place = place();
    let mut variant = named("plain");
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    variant.config = variant.config.replace("binary.linux-x86_64", &format!("binary.{system}-{machine}"));
    variant.config = variant.config.replace("https://files.lab.example/shipway", &url);
    let right =
        variant.config.replace("5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9", &digest);
    let project = project(&place, &variant);
    workflows(&project, &variant, &["generate"]).must();
    let cache = place.path("cache");
    let run = |arguments: [&str; 2]| {
        let script = place.program(project.directory().join(".shipway/bin/shipway")).at(project.directory());
        script.args(arguments).env("SHIPWAY_BINARY_CACHE", &cache).run()
    };
    // Another digest than the pinned one: nothing that could be executed is left.
    let wrong = run(["gate", "run"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("another digest") && wrong.stderr.contains(&digest), "{}", wrong.stderr);
    assert_eq!(kept(&cache), (false, 0));

    project.write("pyproject.toml", &right);
    workflows(&project, &variant, &["generate"]).must();
    let ran = run(["a b", "$(touch pwned)"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "fake:[a b][$(touch pwned)]"), "{}", ran.stderr);
    assert_eq!(kept(&cache), (true, 1));
    assert!(!project.directory().join("pwned").exists());

    // What is in the cache is compared at every start; a changed one is never executed.
    let binary = cache.join(&digest).join("shipway");
    std::fs::write(&binary, "#!/bin/sh\necho stolen\n").expect("a file");
    assert_eq!(run(["a", "b"]).stdout, "fake:[a][b]");

    // The server is gone: the cache still serves, and without it the error says what could not be fetched.
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let start = url.find("127.0.0.1").expect("a host");
    let end = start + url[start..].find('/').expect("a path");
    project.write("pyproject.toml", &right.replace(&url[start..end], &gone.to_string()));
    workflows(&project, &variant, &["generate"]).must();
    assert_eq!(run(["a", "b"]).stdout, "fake:[a][b]");
    std::fs::remove_dir_all(&cache).expect("an empty cache");
    let ran = run(["a", "b"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error: cannot fetch the shipway binary")
            && ran.stderr.contains(&gone.to_string()),
        "{}",
        ran.stderr
    );
    assert_eq!(kept(&cache), (false, 0));
}
