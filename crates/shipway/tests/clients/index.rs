//! A shipway index for tests of its clients: tokens, uploads, and what must stay the same after a refusal.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shipway_testing::{FileOfWheel, Place, Postgres, Program, Ran, S3, Server, Tools, request};

use crate::place;

/// An index and its place.
pub(crate) struct Index {
    pub(crate) place: Place,
    pub(crate) server: Server,
    /// A token that may do everything.
    pub(crate) token: String,
    /// The options that say where it is kept; none on SQLite and files.
    kept: Vec<String>,
}

impl Index {
    /// A new index with the default channels, read by everybody.
    pub(crate) fn new() -> Self {
        Self::with([])
    }

    /// A new index, served with further options.
    pub(crate) fn with<const N: usize>(options: [&str; N]) -> Self {
        Self::kept_in(place(), Vec::new(), &options)
    }

    /// A new index on PostgreSQL and S3, served with further options.
    pub(crate) fn on_postgresql_and_s3(name: &str, options: &[&str]) -> Self {
        let mut place = place();
        let s3 = S3::start(&place.folder("s3"));
        for (name, value) in S3::variables(&s3.url()) {
            place.set(&name, &value);
        }
        let database = Postgres::get().create(&format!("{name}_{}", std::process::id()));
        let kept = ["--database", &database, "--storage", &S3::storage("index")].map(str::to_owned);
        Self::kept_in(place, kept.to_vec(), options)
    }

    fn kept_in(place: Place, kept: Vec<String>, options: &[&str]) -> Self {
        let all: Vec<&str> = kept.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let server = Server::start_with(&place, &place.data(), &all);
        let mut index = Self { place, server, token: String::new(), kept };
        index.token = index.token("all", &["--action", "upload,promote,yank,block,read,evidence"]);
        index
    }

    /// Another server of this index.
    pub(crate) fn beside(&self, options: &[&str]) -> Server {
        let all: Vec<&str> = self.kept.iter().map(String::as_str).chain(options.iter().copied()).collect();
        Server::start_with(&self.place, &self.place.data(), &all)
    }

    /// Makes a token.
    pub(crate) fn token(&self, name: &str, options: &[&str]) -> String {
        let create = self.place.shipway(["admin", "token", "create", "--name", name, "--data"]);
        let made = create.arg(self.place.data()).args(&self.kept).args(options).must();
        let token = made.stdout.trim().to_owned();
        assert!(!token.is_empty() && made.stdout.lines().count() == 1, "{}", made.all());
        token
    }

    /// `twine upload` to a channel.
    pub(crate) fn twine(&self, channel: &str, token: &str, file: &Path) -> Ran {
        let url = format!("{}/{channel}/", self.server.url());
        twine(&self.place, &url).env("TWINE_PASSWORD", token).arg(file).run().never_says(token)
    }

    /// `uv publish` to a channel.
    pub(crate) fn uv_publish(&self, channel: &str, token: &str, options: &[&str], file: &Path) -> Ran {
        let url = format!("{}/{channel}/", self.server.url());
        let uv = self.uv(["publish", "--trusted-publishing", "never", "--publish-url"]).arg(url);
        uv.env("UV_PUBLISH_TOKEN", token).args(options).arg(file).run().never_says(token)
    }

    /// uv with no cache of others.
    pub(crate) fn uv<const N: usize>(&self, arguments: [&str; N]) -> Program {
        let uv = self.place.program(Tools::get().client("uv")).args(arguments);
        uv.env("UV_CACHE_DIR", self.place.path("uv-cache")).env("NO_COLOR", "1")
    }

    /// pip with no cache.
    pub(crate) fn pip<const N: usize>(&self, arguments: [&str; N]) -> Program {
        let pip = self.place.program(Tools::get().client("pip")).env("PIP_NO_CACHE_DIR", "1");
        pip.env("PIP_NO_INPUT", "1").env("PIP_RETRIES", "0").args(arguments)
    }

    /// shipway, working on a project of this index from anywhere.
    pub(crate) fn shipway<const N: usize>(&self, name: &str, arguments: [&str; N]) -> Program {
        let folder = self.place.folder("anywhere");
        self.place
            .shipway(arguments)
            .args(["--yes", "--index", self.server.url(), "--name", name])
            .env("SHIPWAY_TOKEN", &self.token)
            .at(&folder)
    }

    /// A project's page in a channel.
    pub(crate) fn page(&self, channel: &str, name: &str) -> Value {
        let url = format!("{}{name}/", self.server.simple(channel));
        let token = format!("Bearer {}", self.token);
        let headers = [("Accept", "application/vnd.pypi.simple.v1+json"), ("Authorization", token.as_str())];
        let answer = request("GET", &url, &headers, &[]);
        if answer.status == 404 {
            return Value::Null;
        }
        assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("a JSON page")
    }

    /// The digests that a channel lists, by filename.
    pub(crate) fn listed(&self, channel: &str, name: &str) -> BTreeMap<String, String> {
        let page = self.page(channel, name);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let files = page["files"].as_array().into_iter().flatten();
        files.map(|file| (text(&file["filename"]), text(&file["hashes"]["sha256"]))).collect()
    }

    /// Everything that a refused upload must leave as it was: the pages and the stored bytes.
    pub(crate) fn state(&self, name: &str) -> String {
        let mut state = String::new();
        for channel in ["dev", "staging", "stable"] {
            state.push_str(&format!("{channel}: {}\n", self.page(channel, name)));
        }
        let blobs = walkdir::WalkDir::new(self.place.data().join("blobs")).sort_by_file_name();
        for entry in blobs.into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            let (sha256, size) = shipway_dist::Sha256::of_file(entry.path()).expect("a stored file");
            state.push_str(&format!("{}: {sha256} {size}\n", entry.path().display()));
        }
        state
    }

    /// Uploads a wheel, which must succeed.
    pub(crate) fn upload(&self, file: &FileOfWheel) {
        self.twine("dev", &self.token, &file.path).ended(0);
    }
}

/// twine, ready for a repository; the password is the caller's.
pub(crate) fn twine(place: &Place, url: &str) -> Program {
    let twine = place.program(Tools::get().client("twine"));
    twine
        .args(["upload", "--non-interactive", "--disable-progress-bar", "--verbose", "--repository-url", url])
        .env("TWINE_USERNAME", "__token__")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "400")
}
