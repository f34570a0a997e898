//! The pipeline against indexes that shipway did not make: a devpi-server with two indexes as channels, and a
//! pypiserver for each channel. The build tools of the project come from the registry.

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use shipway_testing::oidc::Oidc;
use shipway_testing::{Authority, Place, Program, Project, Ran, Running, Tools, request};

use crate::place;

/// Passwords that no output, record or argument list may hold.
pub(crate) const RIGHT: &str = "canary-right-7f31";
const WRONG: &str = "canary-wrong-c08e";

/// Where a channel of a foreign index is.
pub(crate) struct Channel {
    name: &'static str,
    pub(crate) upload: String,
    pub(crate) simple: String,
}

fn sample<'a>(place: &'a Place, channels: &[Channel]) -> Project<'a> {
    let names: Vec<String> = channels.iter().map(|one| format!("{:?}", one.name)).collect();
    let mut pyproject =
        "[build-system]\nrequires = [\"flit_core>=3.9,<4\"]\nbuild-backend = \"flit_core.buildapi\"\n\n\
        [project]\nname = \"gauge\"\nversion = \"0.4.0\"\ndescription = \"Reads a gauge\"\n\n"
            .to_owned();
    pyproject.push_str(&format!("[tool.shipway]\nchannels = [{}]\n", names.join(", ")));
    pyproject.push_str("[tool.shipway.contract]\nstable = [\"gauge.read\"]\n");
    for channel in channels {
        pyproject.push_str(&format!(
            "[tool.shipway.channel.{}]\nupload = \"{}\"\nsimple = \"{}\"\n",
            channel.name, channel.upload, channel.simple
        ));
    }
    let files = [
        ("pyproject.toml", pyproject.as_str()),
        ("gauge.py", "\"\"\"Reads a gauge.\"\"\"\n\n\ndef read() -> float:\n    return 1.0\n"),
        (".gitignore", "/dist/\n/.shipway/\n"),
    ];
    Project::from_files(place, &files)
}

/// A free port; another process could take it before the server does, which the server then says.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").port()
}

/// shipway as loud as it can be, which never tells a password.
fn loud<const N: usize>(project: &Project<'_>, arguments: [&str; N]) -> Program {
    project.shipway(arguments).arg("-vv")
}

fn quiet_about_passwords(ran: Ran) -> Ran {
    ran.never_says(RIGHT).never_says(WRONG)
}

/// Runs the pipeline; `with` gives a run its credential.
fn pipeline(
    place: &Place,
    project: &Project<'_>,
    channels: &[Channel],
    with: &dyn Fn(Program, &str) -> Program,
    listed: &dyn Fn(&str) -> Vec<(String, String)>,
) {
    let right = |arguments: &[&str]| {
        let run = loud(project, []).args(arguments);
        quiet_about_passwords(with(run, RIGHT).run())
    };
    let [first, last] = channels else { panic!("two channels") };
    right(&["bump", "minor"]).ended(0).says("0.5.0");
    right(&["build"]).ended(0);

    // A dry run proves the credential against the real target, and writes nothing (rows F11 and F14).
    let wrong = with(loud(project, ["publish", "--dry-run"]), WRONG).run();
    quiet_about_passwords(wrong).ended(3);
    right(&["publish", "--dry-run"]).ended(0).says("would be published");
    let wrong = with(loud(project, ["publish"]), WRONG).run();
    quiet_about_passwords(wrong).ended(3);
    assert_eq!(listed(first.name), [], "nothing is uploaded");

    right(&["publish"]).ended(0);
    let manifest = project.manifest();
    assert_eq!(listed(first.name), manifest, "the bytes of the manifest");
    right(&["publish"]).ended(0).says("already");
    assert_eq!(listed(first.name), manifest);
    right(&["smoke", "0.5.0"]).ended(0).says("gauge.read");

    let wrong = with(loud(project, ["promote", "0.5.0", "--to", last.name, "--yes"]), WRONG).run();
    quiet_about_passwords(wrong).ended(3);
    right(&["promote", "0.5.0", "--to", last.name, "--dry-run"]).ended(0);
    assert_eq!(listed(last.name), [], "nothing is promoted");
    right(&["promote", "0.5.0", "--to", last.name, "--yes"]).ended(0);
    assert_eq!(listed(last.name), manifest, "the same bytes");
    right(&["promote", "0.5.0", "--to", last.name, "--yes"]).ended(0).says("already");
    assert_status(&right(&["status", "--json"]).ended(0).json(), last.name, &manifest);

    // The release goes on where the steps ended, and comes to its tag.
    right(&["release", "minor"]).ended(0).says("0.5.0");
    let tag = project.git(["ls-remote", "origin", "refs/tags/v0.5.0"]).must().stdout;
    assert!(tag.contains("refs/tags/v0.5.0"), "{tag}");
    right(&["release", "minor"]).ended(0).says("nothing new since");

    // The same version with other bytes is refused, and the index is as it was.
    project.write("gauge.py", "\"\"\"Reads a gauge.\"\"\"\n\n\ndef read() -> float:\n    return 2.0\n");
    project.git(["commit", "--quiet", "--all", "-m", "other bytes"]).must();
    right(&["build"]).ended(0);
    assert_ne!(project.manifest(), manifest);
    right(&["publish"]).ended(1).says("with another digest");
    assert_eq!((listed(first.name), listed(last.name)), (manifest.clone(), manifest));
    assert_no_password_in(project.directory());
    assert_no_password_in(&place.data());
}

fn assert_status(status: &Value, channel: &str, manifest: &[(String, String)]) {
    let channels = status["channels"].as_array().expect("channels");
    let found = channels.iter().find(|one| one["name"] == channel).expect("the channel");
    assert_eq!(found["version"], "0.5.0");
    let mut files: Vec<_> = found["files"].as_array().into_iter().flatten().cloned().collect();
    files.sort_by_key(|file| file["filename"].to_string());
    let expected: Vec<Value> =
        manifest.iter().map(|(name, sha256)| json!({ "filename": name, "sha256": sha256 })).collect();
    assert_eq!(files, expected);
}

fn assert_no_password_in(folder: &Path) {
    for entry in
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()).into_owned();
        assert!(!text.contains("canary-"), "{} holds a password", entry.path().display());
    }
}

/// The files that a simple page lists and what their bytes really are, sorted.
fn listed_at(simple: &str, authorization: Option<&str>) -> Vec<(String, String)> {
    let headers: Vec<(&str, &str)> =
        authorization.into_iter().map(|value| ("Authorization", value)).collect();
    let page = request("GET", &format!("{simple}gauge/"), &headers, &[]);
    let root = simple.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let mut files = Vec::new();
    let page = page.text();
    let links = page.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
    for link in links.filter(|link| link.contains("gauge-")) {
        let path = link.split('#').next().unwrap_or_default();
        let absolute = match path.strip_prefix("http://") {
            Some(_) => path.to_owned(),
            None if path.starts_with('/') => format!("{root}{path}"),
            // devpi links from the project's page to the index two folders up.
            None => format!("{}{}", simple.trim_end_matches("+simple/"), path.trim_start_matches("../")),
        };
        let body = request("GET", &absolute, &headers, &[]);
        assert_eq!(body.status, 200, "{absolute}");
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        files.push((name, shipway_dist::Sha256::of(&body.body).to_hex()));
    }
    files.sort();
    files
}

/// A devpi-server with the user `team` and two indexes.
pub(crate) fn devpi(place: &Place) -> (Running, [Channel; 2]) {
    devpi_with(place, &[])
}

/// A devpi-server with further variables in its environment.
pub(crate) fn devpi_with(place: &Place, variables: &[(&str, &str)]) -> (Running, [Channel; 2]) {
    let tools = Tools::get();
    let data = place.path("devpi");
    let init = place.program(tools.server("devpi-init")).args(["--no-root-pypi", "--serverdir"]);
    init.arg(&data).args(["--root-passwd", "root-of-this-test"]).must();
    let port = free_port().to_string();
    let server = place.program(tools.server("devpi-server")).args(["--host", "127.0.0.1", "--port", &port]);
    let server = server.args(["--threads", "4", "--serverdir"]).arg(&data);
    let server = variables.iter().fold(server, |server, (name, value)| server.env(name, value));
    let mut running = Running::start(&server, &place.path("devpi.log"), false);
    let root = format!("http://127.0.0.1:{port}");
    running.wait_for(&format!("{root}/+api"));
    let put = |path: &str, body: Value| {
        let basic = basic("team", RIGHT);
        let mut headers = vec![("Content-Type", "application/json")];
        if path != "team" {
            headers.push(("Authorization", basic.as_str()));
        }
        let answer = request("PUT", &format!("{root}/{path}"), &headers, body.to_string().as_bytes());
        assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    };
    put("team", json!({ "password": RIGHT }));
    let channels = ["dev", "stable"].map(|name| {
        put(&format!("team/{name}"), json!({ "bases": [], "volatile": false }));
        let upload = format!("{root}/team/{name}/");
        Channel { name, simple: format!("{upload}+simple/"), upload }
    });
    (running, channels)
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn foreign_devpi_takes_the_whole_pipeline_with_credentials_from_pypirc_and_tools_from_the_registry() {
    let place = place();
    let (running, channels) = devpi(&place);
    let project = sample(&place, &channels);
    let with = |run: Program, password: &str| {
        let mut text = "[distutils]\nindex-servers =\n    dev\n    stable\n".to_owned();
        for channel in &channels {
            let (name, url) = (channel.name, &channel.upload);
            text.push_str(&format!("\n[{name}]\nrepository: {url}\nusername: team\npassword: {password}\n"));
        }
        place.write("home/.pypirc", &text);
        run
    };
    let listed = |name: &str| {
        let channel = channels.iter().find(|channel| channel.name == name).expect("a channel");
        listed_at(&channel.simple, None)
    };
    pipeline(&place, &project, &channels, &with, &listed);
    running.end();
}

#[test]
fn foreign_pypiserver_takes_the_whole_pipeline_with_credentials_of_twine_and_tools_from_the_registry() {
    let place = place();
    let mut running = Vec::new();
    let channels = ["dev", "stable"].map(|name| {
        let (server, channel) = pypiserver(&place, name);
        running.push(server);
        channel
    });
    let project = sample(&place, &channels);
    let with = |run: Program, password: &str| run.env("TWINE_USERNAME", "ci").env("TWINE_PASSWORD", password);
    let authorization = basic("ci", RIGHT);
    let listed = |name: &str| {
        let channel = channels.iter().find(|channel| channel.name == name).expect("a channel");
        listed_at(&channel.simple, Some(&authorization))
    };
    pipeline(&place, &project, &channels, &with, &listed);
    for server in running {
        server.end();
    }
}

/// A pypiserver that plays one channel.
pub(crate) fn pypiserver(place: &Place, name: &'static str) -> (Running, Channel) {
    let tools = Tools::get();
    let script = "import sys; from passlib.apache import HtpasswdFile; f = HtpasswdFile(sys.argv[1], new=True); \
                  f.set_password('ci', sys.argv[2]); f.save()";
    let passwords = place.path("passwords");
    place.program(tools.server("python")).args(["-c", script]).arg(&passwords).arg(RIGHT).must();
    let port = free_port().to_string();
    let server = place.program(tools.server("pypi-server"));
    let server = server.args(["run", "-i", "127.0.0.1", "-p", &port, "--disable-fallback", "-P"]);
    let server = server.arg(&passwords).args(["-a", "update,download,list"]).arg(place.folder(name));
    let mut server = Running::start(&server, &place.path(&format!("{name}.log")), false);
    let upload = format!("http://127.0.0.1:{port}/");
    server.wait_for(&upload);
    (server, Channel { name, simple: format!("{upload}simple/"), upload })
}

#[test]
fn d23_on_one_foreign_channel_publish_refuses_unless_everything_declared_holds_with_tools_from_the_registry()
{
    let place = place();
    let (server, channel) = pypiserver(&place, "only");
    let simple = channel.simple.clone();
    let project = sample(&place, &[channel]);
    let with = |run: Program| run.env("TWINE_USERNAME", "ci").env("TWINE_PASSWORD", RIGHT);
    let authorization = basic("ci", RIGHT);
    project.shipway(["build"]).must();
    let refused = with(project.shipway(["publish", "--json"])).run().ended(1);
    assert_eq!(refused.json()["code"], "not-ready", "{}", refused.all());
    refused.says("stable-api").says("shipway gate run");
    assert!(listed_at(&simple, Some(&authorization)).is_empty(), "nothing was uploaded");
    with(project.shipway(["gate", "run"])).must();
    with(project.shipway(["publish"])).must();
    assert_eq!(listed_at(&simple, Some(&authorization)).len(), 2);
    server.end();
}

#[test]
fn f10_a_pypiserver_behind_a_minter_takes_the_identity_of_the_job_with_tools_from_the_registry() {
    let place = place();
    let (server, channel) = pypiserver(&place, "only");
    let authority = Authority::new(&place.home());
    let authorization = basic("ci", RIGHT);
    let oidc = Oidc::start(Some(&authority), Some((&channel.upload, &authorization)));
    let behind = Channel {
        name: "only",
        upload: format!("{}/", oidc.url()),
        simple: format!("{}/simple/", oidc.url()),
    };
    let project = sample(&place, &[behind]);
    // Both authorities: the test's own, and the one that this machine reads packages with.
    let usual = std::env::var_os("SSL_CERT_FILE").map(std::fs::read_to_string).transpose();
    let own = std::fs::read_to_string(&authority.root).expect("a certificate");
    let both = place.write("both.pem", &format!("{own}{}", usual.expect("certificates").unwrap_or_default()));
    let in_ci = |run: Program| {
        let run = run.env("SSL_CERT_FILE", &both);
        oidc.variables().into_iter().fold(run, |run, (name, value)| run.env(name, value))
    };
    project.shipway(["build"]).must();
    in_ci(project.shipway(["gate", "run"])).must();
    let minted = || oidc.state().minted.len();
    let dry = in_ci(loud(&project, ["publish", "--dry-run"])).run();
    quiet_about_passwords(dry).ended(0).says("not proven");
    assert!(listed_at(&channel.simple, Some(&authorization)).is_empty());
    let before = minted();
    quiet_about_passwords(in_ci(loud(&project, ["publish"])).run()).ended(0).says("published");
    assert_eq!(minted(), before + 1, "one token a run");
    assert_eq!(listed_at(&channel.simple, Some(&authorization)), project.manifest());
    for secret in oidc.secrets() {
        let found = walkdir::WalkDir::new(project.directory()).into_iter().flatten().any(|entry| {
            std::fs::read(entry.path()).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(&secret))
        });
        assert!(!found, "a secret was kept");
    }
    server.end();
}
