//! What stands in docs/operations.md: the service, the container file and the log, run as far as a test can.

use shipway_testing::{Place, Running, Tools, Wheel, request};

use crate::index::Index;
use crate::place;

const SERVICE: &str = include_str!("../../../../docs/shipway.service");
const CONTAINER: &str = include_str!("../../../../docs/Containerfile");

/// Starts `shipway` with the arguments of a document, in a place of the test, until it answers.
fn serves(place: &Place, arguments: &[String]) {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let bind = format!("127.0.0.1:{port}");
    let mut arguments = arguments.to_vec();
    match arguments.iter().position(|argument| argument == "--bind") {
        Some(at) => arguments[at + 1] = bind,
        None => std::fs::write(place.path("server.toml"), format!("bind = \"{bind}\"\nupstream = \"off\"\n"))
            .expect("a file"),
    }
    let program = place.shipway([]).args(&arguments);
    let mut running = Running::start(&program, &place.path("operated.log"), false);
    running.wait_for(&format!("http://127.0.0.1:{port}/readyz"));
    running.end();
}

/// Paths of a document as paths of a place.
fn here(place: &Place, text: &str) -> String {
    let path = |name: &str| place.path(name).to_str().expect("a path").to_owned();
    text.replace("/var/lib/shipway", &path("data")).replace("/etc/shipway/server.toml", &path("server.toml"))
}

#[test]
fn i16_the_service_file_is_sound_and_what_it_starts_serves() {
    let place = place();
    let line = SERVICE.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let words: Vec<String> = line.split(' ').skip(1).map(|word| here(&place, word)).collect();
    assert_eq!(words[0], "serve");
    serves(&place, &words);
    for key in ["User=", "Restart=on-failure", "TimeoutStopSec=45", "NoNewPrivileges=yes", "WantedBy="] {
        assert!(SERVICE.contains(key), "{key}");
    }
    // The analyzer asks for a program that is there.
    if which("systemd-analyze") {
        let unit = place.path("shipway.service");
        let binary = env!("CARGO_BIN_EXE_shipway");
        std::fs::write(&unit, SERVICE.replace("/usr/local/bin/shipway", binary)).expect("a written file");
        place
            .program("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(unit)
            .must()
            .never_says("Unknown key");
    }
}

#[test]
fn the_container_file_starts_what_serves() {
    let instructions: Vec<&str> =
        CONTAINER.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let of = |name: &str| -> String {
        let found = instructions.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let known = ["FROM", "RUN", "COPY", "USER", "VOLUME", "EXPOSE", "ENV", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
    for line in &instructions {
        assert!(known.contains(&line.split(' ').next().expect("a word")), "{line}");
    }
    let entry: Vec<String> = serde_json::from_str(&of("ENTRYPOINT")).expect("a list");
    assert_eq!(entry, ["/usr/local/bin/shipway"]);
    assert_eq!((of("USER").as_str(), of("STOPSIGNAL").as_str()), ("8600", "SIGTERM"));
    let place = place();
    let words: Vec<String> = serde_json::from_str(&of("CMD")).expect("a list");
    assert!(words.contains(&format!("0.0.0.0:{}", of("EXPOSE"))), "{words:?}");
    serves(&place, &words.iter().map(|word| here(&place, word)).collect::<Vec<_>>());
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

#[test]
fn a_log_in_json_has_a_line_for_each_request_with_its_identifier() {
    let mut place = place();
    place.set("SHIPWAY_LOG_FORMAT", "json");
    let server = shipway_testing::Server::start(&place, &place.data(), []);
    let url = server.simple("dev");
    assert_eq!(request("GET", &url, &[("X-Request-Id", "trace-42")], &[]).status, 200);
    let log = server.log();
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_str(line).expect("an object")).collect();
    let line = lines.iter().find(|line| line["id"] == "trace-42").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&line["path"], &line["status"]), (&"/dev/simple/".into(), &200.into()), "{line}");
    assert!(
        line["timestamp"].is_string() && line["level"] == "INFO" && line["peer"] == "127.0.0.1",
        "{line}"
    );
    server.end();
}

#[test]
fn i15_a_real_devpi_and_a_real_pypiserver_come_in_by_their_pages_and_by_an_export() {
    let index = Index::new();
    let import = |arguments: &[&str]| {
        let run = index.place.shipway(["admin", "import", "--channel", "dev", "--json"]).args(arguments);
        run.arg("--data").arg(index.place.data())
    };
    let wheel = |name: &str, version: &str| {
        Wheel::new(name, version).write(&index.place.folder(&format!("w-{name}")))
    };
    // devpi, by its pages and by its export.
    let (devpi, channels) = crate::foreign::devpi(&index.place);
    let held = [wheel("gadget", "1.0.0"), wheel("gadget", "1.1.0")];
    for file in &held {
        let twine = crate::index::twine(&index.place, &channels[0].upload).env("TWINE_USERNAME", "team");
        twine.env("TWINE_PASSWORD", crate::foreign::RIGHT).arg(&file.path).must();
    }
    let dry = import(&[&channels[0].simple, "--dry-run"]).must().json();
    assert_eq!((&dry["taken"], &dry["dry_run"]), (&2.into(), &true.into()), "{dry}");
    assert_eq!(index.listed("dev", "gadget").len(), 0);
    let taken = import(&[&channels[0].simple]).must().json();
    assert_eq!((&taken["taken"], &taken["unverified"]), (&2.into(), &0.into()), "{taken}");
    let digests = held.iter().map(|file| (file.filename.clone(), file.sha256.clone())).collect();
    assert_eq!(index.listed("dev", "gadget"), digests);
    devpi.end();
    let export = index.place.path("export");
    let run = index
        .place
        .program(Tools::get().server("devpi-export"))
        .arg("--serverdir")
        .arg(index.place.path("devpi"));
    run.arg(&export).must();
    let again = import(&[export.to_str().expect("a path")]).must().json();
    assert_eq!(
        (&again["held"], &again["taken"], &again["unverified"]),
        (&2.into(), &0.into(), &0.into()),
        "{again}"
    );
    // The export brings times: into an index that holds nothing yet.
    let fresh = index.place.path("fresh");
    let run = index.place.shipway(["admin", "import", "--channel", "stable", "--json"]).arg(&export);
    let taken = run.arg("--data").arg(&fresh).must().json();
    assert_eq!((&taken["taken"], &taken["unverified"]), (&2.into(), &0.into()), "{taken}");
    let data: serde_json::Value =
        serde_json::from_slice(&std::fs::read(export.join("dataindex.json")).expect("a file")).expect("JSON");
    let file = data["indexes"]["team/dev"]["files"]
        .as_array()
        .expect("files")
        .iter()
        .find(|file| file["relpath"].as_str().is_some_and(|path| path.ends_with(&held[0].filename)));
    let when = &file.expect("the file")["log"][0]["when"];
    let part = |at: usize| when[at].as_i64().expect("a number");
    let said = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000000Z",
        part(0),
        part(1),
        part(2),
        part(3),
        part(4),
        part(5)
    );
    let near = shipway_testing::Server::start(&index.place, &fresh, []);
    let page = request(
        "GET",
        &format!("{}gadget/?format=application/vnd.pypi.simple.v1%2Bjson", near.simple("stable")),
        &[],
        &[],
    );
    let page: serde_json::Value = serde_json::from_slice(&page.body).expect("a page");
    assert_eq!(page["files"][0]["upload-time"], said.as_str(), "{page}");
    near.end();

    // pypiserver, with a password from the environment and never told.
    let (pypiserver, channel) = crate::foreign::pypiserver(&index.place, "old");
    let file = wheel("widget", "2.0.0");
    std::fs::copy(&file.path, index.place.path("old").join(&file.filename)).expect("a copied file");
    let mut damaged = std::fs::read(&file.path).expect("a wheel");
    damaged.truncate(damaged.len() / 2);
    std::fs::write(index.place.path("old/broken-1.0.0-py3-none-any.whl"), damaged).expect("a written file");
    let with = |run: shipway_testing::Program| {
        run.env("SHIPWAY_SOURCE_USERNAME", "ci").env("SHIPWAY_SOURCE_PASSWORD", crate::foreign::RIGHT)
    };
    import(&[&channel.simple]).run().failed();
    let taken = with(import(&[&channel.simple])).must().never_says(crate::foreign::RIGHT).json();
    assert_eq!(taken["taken"], 1, "{taken}");
    assert_eq!(taken["refused"][0]["filename"], "broken-1.0.0-py3-none-any.whl", "{taken}");
    assert_eq!(index.listed("dev", "widget"), [(file.filename, file.sha256)].into());
    pypiserver.end();
    index.place.shipway(["admin", "fsck", "--data"]).arg(index.place.data()).must();
}
