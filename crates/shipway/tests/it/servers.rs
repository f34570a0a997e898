//! Several `shipway serve` over PostgreSQL and S3, as processes that are killed.

use std::sync::atomic::{AtomicBool, Ordering};

use shipway_testing::{Place, Postgres, Program, S3, Server, Wheel, get, post};

/// Where the index of a test is kept.
struct Shared {
    database: String,
    storage: String,
    variables: Vec<(String, String)>,
    keys: String,
}

impl Shared {
    fn new(name: &str, place: &Place) -> Self {
        let s3 = S3::start(&place.folder("s3"));
        Self {
            database: Postgres::get().create(&format!("{name}_{}", std::process::id())),
            storage: S3::storage("index"),
            variables: S3::variables(&s3.url()),
            keys: place.folder("keys").display().to_string(),
        }
    }

    fn options(&self) -> [&str; 6] {
        ["--database", &self.database, "--storage", &self.storage, "--keys", &self.keys]
    }

    /// A place of its own for a server, with the variables that lead to S3.
    fn place(&self) -> Place {
        let mut place = Place::new(env!("CARGO_BIN_EXE_shipway"));
        for (name, value) in &self.variables {
            place.set(name, value);
        }
        place
    }

    fn admin(&self, place: &Place, arguments: &[&str]) -> Program {
        place
            .shipway_without_tools(["admin"])
            .args(arguments)
            .args(self.options())
            .arg("--data")
            .arg(place.data())
    }
}

/// Uploads a wheel as twine does, and gives the status; none when the server is gone.
fn upload(url: &str, token: &str, filename: &str, version: &str, bytes: &[u8]) -> Option<u16> {
    let boundary = "0123456789";
    let mut body = Vec::new();
    for (name, value) in [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.1"),
        ("name", "demo"),
        ("version", version),
        ("filetype", "bdist_wheel"),
        ("pyversion", "py3"),
        ("sha256_digest", shipway_dist::Sha256::of(bytes).to_hex().as_str()),
    ] {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.into_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{filename}\"\r\n\r\n"
    );
    body.extend(head.into_bytes());
    body.extend(bytes);
    body.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let bearer = format!("Bearer {token}");
    let headers = [("Content-Type", kind.as_str()), ("Authorization", bearer.as_str())];
    std::panic::catch_unwind(|| post(&format!("{url}/dev/"), &headers, &body).status).ok()
}

#[test]
fn i12_either_of_two_servers_is_killed_and_nothing_acknowledged_is_lost() {
    let ground = Place::new(env!("CARGO_BIN_EXE_shipway"));
    let shared = Shared::new("killed", &ground);
    let places = [shared.place(), shared.place()];
    let policy = ground.write("policy.toml", "[publish]\nlocal = \"allow\"\n");
    shared.admin(&places[0], &["policy", "set", policy.to_str().unwrap()]).must();
    let token =
        shared.admin(&places[0], &["token", "create", "--name", "all", "--action", "upload,read"]).must();
    let token = token.stdout.trim().to_owned();
    let start = |at: usize| Server::start(&places[at], &places[at].data(), shared.options());
    let mut acknowledged = Vec::new();
    for turn in 0..4 {
        let (doomed, other) = (start(turn % 2), start(1 - turn % 2));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let send = |url: String, of: usize| {
                let (folder, token, stop) = (ground.folder(&format!("wheels{of}")), &token, &stop);
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    for number in 0..40 {
                        let version = format!("{turn}.{of}.{number}");
                        let wheel = Wheel::new("demo", &version).write(&folder);
                        let bytes = std::fs::read(&wheel.path).unwrap();
                        match upload(&url, token, &wheel.filename, &version, &bytes) {
                            Some(200) => taken.push(wheel.filename),
                            _ if of == 0 => break,
                            status => panic!("the other server answers {status:?}"),
                        }
                        if stop.load(Ordering::SeqCst) && number > 4 {
                            break;
                        }
                    }
                    taken
                })
            };
            let (first, second) = (send(doomed.url().to_owned(), 0), send(other.url().to_owned(), 1));
            std::thread::sleep(std::time::Duration::from_millis(400 + 300 * turn as u64));
            doomed.kill();
            stop.store(true, Ordering::SeqCst);
            acknowledged.extend(first.join().unwrap());
            acknowledged.extend(second.join().unwrap());
        });
        let page = get(&format!("{}demo/", other.simple("dev"))).text();
        for filename in &acknowledged {
            assert!(page.contains(filename), "{filename} was acknowledged and is lost");
        }
        other.end();
    }
    assert!(acknowledged.len() > 8, "{acknowledged:?}");
    let found = shared.admin(&places[0], &["fsck", "--repair", "--json"]).must().json();
    assert_eq!(found["ok"], true, "{found}");
    assert!(found["blobs"].as_u64().unwrap() >= acknowledged.len() as u64, "{found}");
    // Nothing but bytes whose upload was cut off before their row.
    let problems = found["problems"].as_array().unwrap();
    assert!(problems.iter().all(|one| one["kind"] == "extra"), "{found}");
}

#[test]
fn i14_an_index_moves_from_one_machine_to_postgresql_and_s3_and_back() {
    let ground = Place::new(env!("CARGO_BIN_EXE_shipway"));
    let shared = Shared::new("moved", &ground);
    let (old, new) = (shared.place(), shared.place());
    let own = old.data().display().to_string();
    let token =
        old.shipway_without_tools(["admin", "token", "create", "--name", "all", "--action", "upload,read"]);
    let token = token.args(["--data", &own]).must().stdout.trim().to_owned();
    let archive = ground.path("index.tar").display().to_string();
    old.shipway_without_tools(["admin", "export", &archive, "--data", &own]).must();

    let refused = shared.admin(&new, &["import", &archive]).run();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("copy the folder of its keys"), "{refused:?}");
    for name in ["log.pem", "index.pem"] {
        std::fs::copy(old.data().join("keys").join(name), ground.path("keys").join(name)).unwrap();
    }
    shared.admin(&new, &["import", &archive]).must();
    let server = Server::start(&new, &new.data(), shared.options());
    assert_eq!(get(&format!("{}/readyz", server.url())).status, 200);
    let listed = shared.admin(&new, &["token", "list"]).must();
    assert!(listed.stdout.contains("all"), "{listed:?}");
    drop(token);
    server.end();
    shared.admin(&new, &["fsck"]).must();
}
