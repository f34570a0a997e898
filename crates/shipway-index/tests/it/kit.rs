//! A server over a temporary directory, distribution files made on the spot, and a look at what is stored.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use flate2::write::GzEncoder;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_dist::manifest::digest_of_files;
use shipway_index::{Action, Admin, Config, Embedded, Faults, Secret, TokenSpec, embedded};
use tempfile::TempDir;

pub(crate) use crate::backend::blobs;
use crate::backend::{configure, rows};

/// A distribution file.
#[derive(Clone)]
pub(crate) struct Dist {
    pub(crate) filename: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: Vec<u8>,
}

impl Dist {
    pub(crate) fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }

    pub(crate) fn entry(&self) -> Value {
        json!({ "filename": self.filename, "size": self.bytes.len(), "sha256": self.sha256() })
    }
}

/// Where the data directory is.
pub(crate) enum Folder {
    Own(TempDir),
    Lent(PathBuf),
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Lent(path) => path,
        }
    }
}

pub(crate) struct Kit {
    pub(crate) folder: Folder,
    pub(crate) server: Embedded,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_zstd()
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::new(folder.join("data"));
    configure(&mut config, folder);
    config
}

impl Kit {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Folder::Own(tempfile::tempdir().unwrap()), change).await
    }

    pub(crate) async fn over(folder: Folder, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(folder.path());
        change(&mut config);
        let server = embedded(config).await.unwrap();
        Self { folder, server, http: client() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.running.url())
    }

    /// A request with the token that may do everything.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(self.server.token.expose())
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).header("accept", JSON).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body).send().await.unwrap()).await
    }

    pub(crate) async fn upload(&self, dist: &Dist) -> Response {
        self.upload_as(dist, self.server.token.expose(), "/dev/").await
    }

    pub(crate) async fn upload_as(&self, dist: &Dist, token: &str, path: &str) -> Response {
        self.send_form(form(dist, &[]), token, path).await
    }

    pub(crate) async fn send_form(&self, form: Form, token: &str, path: &str) -> Response {
        let request = self.http.post(self.url(path)).basic_auth("__token__", Some(token));
        request.multipart(form).send().await.unwrap()
    }

    /// Begins a session, sends the files and publishes.
    pub(crate) async fn publish(&self, name: &str, version: &str, files: &[Dist]) -> Value {
        let (status, session) = self.post("/api/v1/sessions", session(name, version, files)).await;
        assert!(status == 201 || status == 200, "{status} {session}");
        if session["state"] == "published" {
            return session;
        }
        let id = session["id"].as_str().unwrap();
        for file in files {
            let (status, body) = self.put(id, file).await;
            assert_eq!(status, 200, "{body}");
        }
        let (status, body) = self.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await;
        assert_eq!((status, body["state"].as_str()), (200, Some("published")), "{body}");
        body
    }

    pub(crate) async fn put(&self, session: &str, file: &Dist) -> (u16, Value) {
        let path = format!("/api/v1/sessions/{session}/files/{}", file.filename);
        answer(self.request(Method::PUT, &path).body(file.bytes.clone()).send().await.unwrap()).await
    }

    pub(crate) async fn promote(&self, name: &str, version: &str, to: &str) -> (u16, Value) {
        let project = self.project(name).await;
        let digest = manifest_digest(&project, version);
        let body = json!({ "project": name, "version": version, "to": to, "manifest_digest": digest });
        self.post("/api/v1/promotions", body).await
    }

    pub(crate) async fn project(&self, name: &str) -> Value {
        self.json(&format!("/api/v1/projects/{name}")).await
    }

    /// The filenames on a simple page; `None` when there is no page.
    pub(crate) async fn listed(&self, channel: &str, name: &str) -> Option<Vec<String>> {
        let path = format!("/{channel}/simple/{name}/");
        let response = self.get(&path).header("accept", JSON).send().await.unwrap();
        if response.status() == 404 {
            return None;
        }
        let status = response.status();
        let page: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(status, 200, "{page}");
        let name = |file: &Value| file["filename"].as_str().unwrap().to_owned();
        Some(page["files"].as_array().unwrap().iter().map(name).collect())
    }

    pub(crate) async fn token(
        &self,
        name: &str,
        projects: &[&str],
        channels: &[&str],
        actions: &[Action],
    ) -> Secret {
        let admin = self.admin().await;
        let spec = TokenSpec {
            name: name.into(),
            projects: projects.iter().map(|text| text.parse().unwrap()).collect(),
            channels: channels.iter().map(|text| text.parse().unwrap()).collect(),
            actions: actions.to_vec(),
            expires: None,
        };
        let secret = admin.create_token(&spec).await.unwrap();
        admin.close().await;
        secret
    }

    pub(crate) async fn admin(&self) -> Admin {
        Admin::open(&config(self.folder.path())).await.unwrap()
    }

    /// An administrator whose process crashes at a point.
    pub(crate) async fn admin_with(&self, faults: Faults) -> Admin {
        let mut config = config(self.folder.path());
        config.faults = faults;
        Admin::open(&config).await.unwrap()
    }

    /// Everything that is stored: the rows of every table, and every file below the data directory.
    pub(crate) async fn stored(&self) -> String {
        stored(self.folder.path()).await
    }
}

/// Tries again until something holds that a server brings about by itself.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come about: {what}");
}

pub(crate) const JSON: &str = "application/vnd.pypi.simple.v1+json";

pub(crate) async fn stored(folder: &Path) -> String {
    let mut text = rows(folder).await;
    for path in blobs(folder) {
        text.push_str(&format!("{}\n", path.display()));
    }
    text
}

pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) fn session(name: &str, version: &str, files: &[Dist]) -> Value {
    let files: Vec<_> = files.iter().map(Dist::entry).collect();
    json!({ "project": name, "version": version, "channel": "dev", "files": files, "commit": "c0ffee" })
}

pub(crate) fn manifest_digest(project: &Value, version: &str) -> String {
    let releases = project["releases"].as_array().unwrap();
    let release = releases.iter().find(|release| release["version"] == version).unwrap();
    release["manifest_digest"].as_str().unwrap().to_owned()
}

pub(crate) fn digest_of(files: &[Dist]) -> Sha256 {
    digest_of_files(files.iter().map(|file| (file.filename.as_str(), file.sha256())))
}

/// The form that twine sends; `replace` changes or adds fields, an empty value removes one.
pub(crate) fn form(dist: &Dist, replace: &[(&str, &str)]) -> Form {
    let (name, version) = name_and_version(&dist.filename);
    let wheel = dist.filename.ends_with(".whl");
    let python = dist.filename.rsplit('-').nth(2).unwrap_or("py3");
    let sha256 = dist.sha256().to_hex();
    let mut fields = BTreeMap::from([
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("metadata_version", "2.1"),
        ("name", name.as_str()),
        ("version", version.as_str()),
        ("filetype", if wheel { "bdist_wheel" } else { "sdist" }),
        ("pyversion", if wheel { python } else { "source" }),
        ("requires_python", ">=3.8"),
        ("sha256_digest", sha256.as_str()),
    ]);
    fields.extend(replace.iter().copied());
    let mut form = Form::new();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        form = form.text(name.to_owned(), value.to_owned());
    }
    form.part("content", Part::bytes(dist.bytes.clone()).file_name(dist.filename.clone()))
}

fn name_and_version(filename: &str) -> (String, String) {
    let stem = filename.trim_end_matches(".tar.gz");
    let mut parts = stem.split('-');
    (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned())
}

pub(crate) fn metadata(name: &str, version: &str) -> Vec<u8> {
    format!(
        "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A demo\nRequires-Python: >=3.8\n\n"
    )
    .into_bytes()
}

/// A sound wheel; `salt` makes its bytes its own.
pub(crate) fn wheel(name: &str, version: &str, salt: &str) -> Dist {
    wheel_with(name, version, "py3-none-any", salt)
}

pub(crate) fn wheel_with(name: &str, version: &str, tag: &str, salt: &str) -> Dist {
    let module = (format!("{name}/__init__.py"), format!("SALT = \"{salt}\"\n").into_bytes());
    wheel_of((name, version, tag), metadata(name, version), vec![module], |record| record)
}

/// A wheel of these members besides those that every wheel has; `record` may forge its RECORD.
pub(crate) fn wheel_of(
    (name, version, tag): (&str, &str, &str),
    metadata: Vec<u8>,
    mut members: Vec<(String, Vec<u8>)>,
    record: impl FnOnce(String) -> String,
) -> Dist {
    let info = format!("{name}-{version}.dist-info");
    let wheel = format!("Wheel-Version: 1.0\nGenerator: kit\nRoot-Is-Purelib: true\nTag: {tag}\n");
    members.push((format!("{info}/METADATA"), metadata.clone()));
    members.push((format!("{info}/WHEEL"), wheel.into_bytes()));
    let mut rows = String::new();
    for (path, bytes) in &members {
        let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::of(bytes).as_bytes());
        rows.push_str(&format!("{path},sha256={digest},{}\n", bytes.len()));
    }
    rows.push_str(&format!("{info}/RECORD,,\n"));
    members.push((format!("{info}/RECORD"), record(rows).into_bytes()));
    Dist { filename: format!("{name}-{version}-{tag}.whl"), bytes: zip(&members), metadata }
}

pub(crate) fn sdist(name: &str, version: &str, salt: &str) -> Dist {
    let metadata = String::from_utf8(metadata(name, version)).unwrap().replace("2.1", "2.2").into_bytes();
    let pyproject = b"[build-system]\nrequires = []\nbuild-backend = \"backend\"\n".to_vec();
    let members = [
        ("PKG-INFO".to_owned(), metadata.clone()),
        ("pyproject.toml".to_owned(), pyproject),
        (format!("{name}/__init__.py"), format!("SALT = \"{salt}\"\n").into_bytes()),
    ];
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{name}-{version}/{path}"), bytes.as_slice()).unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    Dist { filename: format!("{name}-{version}.tar.gz"), bytes, metadata }
}

/// A zip archive of stored members.
fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (path, bytes) in members {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let offset = out.len() as u32;
        let (size, length) = (bytes.len() as u32, path.len() as u16);
        // Version 2.0, no flags, stored, 1980-01-01.
        let mut common = Vec::new();
        for half in [20_u16, 0, 0, 0, 0x21] {
            common.extend(half.to_le_bytes());
        }
        for word in [crc.sum(), size, size] {
            common.extend(word.to_le_bytes());
        }
        common.extend(length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        out.write_all(b"PK\x03\x04").unwrap();
        out.extend(&common);
        out.extend(path.as_bytes());
        out.extend(bytes);
        central.extend(b"PK\x01\x02");
        // Made on Unix.
        central.extend(0x0314_u16.to_le_bytes());
        central.extend(&common);
        for half in [0_u16, 0, 0] {
            central.extend(half.to_le_bytes());
        }
        central.extend((0o100_644_u32 << 16).to_le_bytes());
        central.extend(offset.to_le_bytes());
        central.extend(path.as_bytes());
    }
    let (offset, size, count) = (out.len() as u32, central.len() as u32, members.len() as u16);
    out.extend(central);
    out.extend(b"PK\x05\x06");
    for half in [0, 0, count, count] {
        out.extend(half.to_le_bytes());
    }
    out.extend(size.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out
}
