//! One index, served over HTTP and over TLS, and projects to publish to it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use shipway_testing::{Authority, FileOfWheel, Program, Running, Server, Tools, Wheel};

use crate::foreign;
use crate::index::Index;

/// How a client reaches the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    Tls,
}

/// Where a client has its token from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// The environment, or the URL.
    Given,
    /// A keyring, `.netrc` or `.pypirc`.
    Stored,
}

/// The index and what belongs to it.
pub(super) struct Lab {
    pub(super) index: Index,
    tls: Server,
    authority: Authority,
    shelf: OnceLock<String>,
    devpi: OnceLock<(Running, [foreign::Channel; 2])>,
}

/// A project of a case: a folder with its source, and a wheel of it in `dist`.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

/// The keyring of these tests: one password, in a file beside it, for a few services.
const KEYRING: &str = "\
import json, pathlib
from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        secrets = json.loads(pathlib.Path(__file__).with_name('secrets.json').read_text())
        return secrets['password'] if service in secrets['services'] and username == '__token__' else None

    def set_password(self, service, username, password):
        raise RuntimeError('nothing is stored by these tests')
";

impl Lab {
    pub(super) fn new() -> Self {
        Self::over(Index::with(["--no-anonymous-read"]))
    }

    /// The same with an index on PostgreSQL and S3.
    pub(super) fn on_postgresql_and_s3(name: &str) -> Self {
        Self::over(Index::on_postgresql_and_s3(name, &["--no-anonymous-read"]))
    }

    fn over(index: Index) -> Self {
        let authority = Authority::new(&index.place.path("authority"));
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let (certificate, key) = (text(&authority.certificate), text(&authority.key));
        let tls = index.beside(&["--no-anonymous-read", "--tls-cert", &certificate, "--tls-key", &key]);
        let lab = Self { index, tls, authority, shelf: OnceLock::new(), devpi: OnceLock::new() };
        lab.index.place.folder("keyring");
        lab.index.place.write("keyring/shipway_test_keyring.py", KEYRING);
        let ways = [Way::Plain, Way::Tls];
        let mut services: Vec<String> =
            ways.iter().flat_map(|way| [lab.upload_url(*way), lab.simple(*way)]).collect();
        services.push("poetry-repository-lab".to_owned());
        let secrets = serde_json::json!({ "password": lab.index.token, "services": services });
        lab.index.place.write("keyring/secrets.json", &secrets.to_string());
        lab
    }

    fn root(&self, way: Way) -> &str {
        match way {
            Way::Plain => self.index.server.url(),
            Way::Tls => self.tls.url(),
        }
    }

    pub(super) fn upload_url(&self, way: Way) -> String {
        format!("{}/dev/", self.root(way))
    }

    pub(super) fn simple(&self, way: Way) -> String {
        format!("{}/dev/simple/", self.root(way))
    }

    /// The simple URL with a user, and with the token where it is given.
    pub(super) fn simple_as(&self, way: Way, credential: Credential) -> String {
        let user = match credential {
            Credential::Given => format!("://__token__:{}@", self.index.token),
            Credential::Stored => "://__token__@".to_owned(),
        };
        self.simple(way).replacen("://", &user, 1)
    }

    /// What both servers have logged.
    pub(super) fn log(&self) -> String {
        self.index.server.log() + &self.tls.log()
    }

    /// A client in a folder, with a HOME of its own; over TLS it trusts the private authority alone.
    pub(super) fn program(&self, program: PathBuf, folder: &Path, way: Way) -> Program {
        let home = folder.join("home");
        std::fs::create_dir_all(&home).expect("a folder");
        // Not pip's own neighbour, which pip passes over.
        let keyring = Tools::get().alone("flit", "keyring");
        let tools = keyring.parent().expect("a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
        let run = self
            .index
            .place
            .program(program)
            .at(folder)
            .env("HOME", home)
            .env("PATH", std::env::join_paths(paths).expect("a PATH"))
            .env("PYTHONPATH", self.index.place.path("keyring"))
            .env("PYTHON_KEYRING_BACKEND", "shipway_test_keyring.Keyring")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "400");
        match way {
            Way::Plain => run,
            Way::Tls => ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"]
                .into_iter()
                .fold(run, |run, name| run.env(name, &self.authority.root)),
        }
    }

    /// The file of the private authority.
    pub(super) fn root_certificate(&self) -> &Path {
        &self.authority.root
    }

    /// A project for installers: `shelf` 1.0.0, later 1.1.0, and 1.2.0, which is yanked. Answers a time after
    /// the first and before the others.
    pub(super) fn shelf(&self) -> &str {
        self.shelf.get_or_init(|| {
            let folder = self.index.place.folder("shelf");
            self.index.upload(&Wheel::new("shelf", "1.0.0").write(&folder));
            let page = self.index.page("dev", "shelf");
            let uploaded = page["files"][0]["upload-time"].as_str().expect("an upload time").to_owned();
            // Some clients compare whole seconds.
            std::thread::sleep(std::time::Duration::from_millis(2100));
            for version in ["1.1.0", "1.2.0"] {
                self.index.upload(&Wheel::new("shelf", version).write(&folder));
            }
            let yank = self.index.shipway("shelf", ["yank", "1.2.0", "--reason", "drops readings"]);
            yank.must();
            let (seconds, _) = uploaded.split_once('.').expect("parts of a second");
            let (minute, second) = seconds.split_at(seconds.len() - 2);
            // One second later, which does not come to the next minute at 59.
            match second.parse::<u32>().expect("seconds") {
                59 => format!("{seconds}.999999Z"),
                second => format!("{minute}{:02}Z", second + 1),
            }
        })
    }

    /// A devpi-server with the indexes `team/dev` and `team/stable`, which trusts the private authority.
    pub(super) fn devpi(&self) -> &[foreign::Channel; 2] {
        let (_, channels) = self.devpi.get_or_init(|| {
            let root = self.authority.root.to_str().expect("a path in UTF-8").to_owned();
            foreign::devpi_with(&self.index.place, &[("SSL_CERT_FILE", &root), ("REQUESTS_CA_BUNDLE", &root)])
        });
        channels
    }
}

impl Sample {
    /// A project of that name, version 1.0.0.
    pub(super) fn new(lab: &Lab, name: &str) -> (Self, FileOfWheel) {
        let sample =
            Self { name: name.to_owned(), folder: lab.index.place.folder(&format!("samples/{name}")) };
        let wheel = sample.fill("as it was");
        (sample, wheel)
    }

    /// Writes source and wheel; another text gives other bytes.
    pub(super) fn fill(&self, text: &str) -> FileOfWheel {
        let write = |name: &str, text: &str| std::fs::write(self.folder.join(name), text).expect("a file");
        write(
            "pyproject.toml",
            &format!(
                "[build-system]\nrequires = [\"flit_core>=3.9\"]\nbuild-backend = \"flit_core.buildapi\"\n\n[project]\n\
                 name = \"{}\"\nversion = \"1.0.0\"\ndescription = \"A sample\"\nrequires-python = \">=3.8\"\n",
                self.name
            ),
        );
        let module = self.name.replace('-', "_");
        write(&format!("{module}.py"), &format!("\"\"\"A sample.\"\"\"\n\nTEXT = \"{text}\"\n"));
        let _ = std::fs::remove_dir_all(self.folder.join("dist"));
        Wheel::new(&self.name, "1.0.0").file("text.txt", text).write(&self.folder.join("dist"))
    }
}
