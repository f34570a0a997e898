//! A disk that is full or takes no writes: a clear answer, no damage, and recovery without hands. Over PostgreSQL
//! and S3 it is the disk that uploads wait on until they are judged.
//!
//! The server runs in a mount namespace of its own, over a small file system in memory; the test reaches into
//! it through `/proc`. As another user than root the namespace is one of users too.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shipway_index::{Admin, Config};

use super::kills::prepare;
use crate::backend::{Backend, backend};
use crate::child::{Child, config_of};
use crate::kit::{Dist, answer, client, form, wheel};
use crate::load::Client;

/// Runs a program where a shell script has prepared the file systems; `$DATA` is the data directory.
fn apart(folder: &Path, script: &str) -> Vec<String> {
    let root = rustix::process::getuid().is_root();
    let unshare = ["unshare", "--mount", "--propagation", "private", "--map-root-user", "sh", "-ec"];
    let mut words: Vec<_> =
        unshare.iter().filter(|word| !root || **word != "--map-root-user").map(ToString::to_string).collect();
    let data = folder.join("data");
    words.push(format!("DATA={}; {script}; exec \"$0\" \"$@\"", data.display()));
    words
}

struct Server {
    child: Child,
    client: Client,
    /// The data directory as the server sees it.
    data: PathBuf,
}

impl Server {
    async fn start(folder: &Path, script: &str) -> Self {
        let token = prepare(folder).await;
        let words = apart(folder, script);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut child = Child::spawn(folder, 0, &words);
        let url = child.ready().unwrap_or_else(|said| panic!("it does not start: {said}"));
        let root = PathBuf::from(format!("/proc/{}/root", child.id()));
        let data = root.join(folder.join("data").strip_prefix("/").unwrap());
        Self { client: Client { http: client(), url, token }, child, data }
    }

    async fn upload(&self, dist: &Dist) -> (u16, Value) {
        let url = format!("{}/dev/", self.client.url);
        let request = self.client.http.post(url).bearer_auth(&self.client.token);
        let request = request.header("accept", "application/json").multipart(form(dist, &[]));
        answer(request.send().await.unwrap()).await
    }

    async fn request(&self, method: Method, path: &str, body: &Value) -> Response {
        let url = format!("{}{path}", self.client.url);
        self.client.http.request(method, url).bearer_auth(&self.client.token).json(body).send().await.unwrap()
    }

    async fn yank(&self, set: bool) -> (u16, Value) {
        let body = json!({ "project": "demo", "version": "1.0", "reason": "bad", "set": set });
        answer(self.request(Method::POST, "/api/v1/yanks", &body).await).await
    }

    async fn listed(&self) -> Vec<String> {
        let page = self.client.document("/dev/simple/demo/").await.unwrap();
        let name = |file: &Value| file["filename"].as_str().unwrap().to_owned();
        page["files"].as_array().unwrap().iter().map(name).collect()
    }

    /// What waits in the folder for unfinished uploads.
    fn unfinished(&self) -> usize {
        let folder = match backend() {
            Backend::Sqlite => "blobs/unfinished",
            Backend::Postgres => "unfinished",
        };
        let folders = fs::read_dir(self.data.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.is_dir()).map(|path| fs::read_dir(path).unwrap().count()).sum()
    }

    /// Looks at a copy: SQLite follows the link to its own name, which is another file out here.
    async fn fsck_is_clean(&self, folder: &Path) {
        let config = match backend() {
            Backend::Sqlite => {
                let copy = folder.join("looked-at");
                let copied = Command::new("cp").arg("-a").arg(&self.data).arg(&copy).status().unwrap();
                assert!(copied.success());
                Config::new(&copy)
            }
            Backend::Postgres => config_of(folder, 0),
        };
        let admin = Admin::open(&config).await.unwrap();
        let found = admin.fsck(false).await.unwrap();
        assert_eq!((found.problems, found.projects), (Vec::new(), 1));
        admin.close().await;
    }

    fn remount(&self, folder: &str, options: &str) {
        let id = self.child.id().to_string();
        let inside = PathBuf::from("/").join(self.data.iter().skip(4).collect::<PathBuf>()).join(folder);
        let mut command = Command::new("nsenter");
        command.args(["--target", &id, "--mount", "mount", "-o", &format!("remount,{options}")]).arg(inside);
        assert!(command.status().unwrap().success(), "{command:?}");
    }
}

/// The folder of the data directory that the bytes of uploads come to.
fn for_bytes() -> &'static str {
    match backend() {
        Backend::Sqlite => "blobs",
        Backend::Postgres => "unfinished",
    }
}

/// Takes all the room that there is.
fn fill(data: &Path) -> PathBuf {
    let path = data.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [64 * 1024, 512, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_a_full_disk_is_said_and_the_index_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = "cp -a $DATA $DATA.copy; mount -t tmpfs -o size=12m shipway $DATA; cp -a $DATA.copy/. $DATA";
    let server = Server::start(folder.path(), small).await;
    let held = wheel("demo", "1.0", "a");
    assert_eq!(server.upload(&held).await.0, 200);
    for round in 0..3 {
        let filler = fill(&server.data);
        let large = wheel("demo", &format!("2.{round}"), &"b".repeat(300_000));
        let (status, body) = server.upload(&large).await;
        assert_eq!((status, body["code"].as_str()), (507, Some("storage-full")), "{body}");
        // What was freed before may still hold a few writes of the database.
        let mut refused = 0;
        for at in 0..40 {
            let (status, body) = server.yank(at % 2 == 0).await;
            assert!(status == 200 || body["code"] == "storage-full", "{status} {body}");
            refused += u32::from(status == 507);
        }
        // PostgreSQL has a disk of its own, which is not full.
        assert_eq!(refused > 0, backend() == Backend::Sqlite, "{refused}");
        assert_eq!(server.listed().await.len(), 1 + round, "reading goes on");
        let path = format!("/files/{}/{}", held.sha256(), held.filename);
        let file = server.request(Method::GET, &path, &Value::Null).await;
        assert_eq!(file.bytes().await.unwrap(), held.bytes);
        assert_eq!(server.unfinished(), 0);
        fs::remove_file(filler).unwrap();
        assert_eq!(server.upload(&large).await.0, 200, "there is room again");
        assert_eq!(server.yank(false).await.0, 200);
        assert_eq!(server.listed().await.len(), 2 + round);
    }
    server.fsck_is_clean(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_a_disk_that_takes_no_writes_is_said_and_the_index_goes_on_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = for_bytes();
    let own = format!("mkdir -p $DATA/{at}; mount -t tmpfs shipway $DATA/{at}");
    let server = Server::start(folder.path(), &own).await;
    let (held, new) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "b"));
    assert_eq!(server.upload(&held).await.0, 200);
    server.remount(at, "ro");
    let (status, body) = server.upload(&new).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("read-only")), "{body}");
    assert!(!body.to_string().contains("unfinished"), "no path of the server: {body}");
    assert_eq!(server.listed().await, [held.filename.as_str()]);
    let path = format!("/files/{}/{}", held.sha256(), held.filename);
    assert_eq!(server.request(Method::GET, &path, &Value::Null).await.status(), 200);
    server.remount(at, "rw");
    assert_eq!(server.upload(&new).await.0, 200);
    assert_eq!(server.listed().await.len(), 2);
    server.fsck_is_clean(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_a_start_over_a_disk_that_takes_no_writes_says_so() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path()).await;
    let words = apart(folder.path(), "mount --bind $DATA $DATA; mount -o remount,bind,ro $DATA");
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let said = Child::spawn(folder.path(), 0, &words).ready().unwrap_err();
    assert!(said.contains("Read-only file system") && said.contains("data/lock"), "{said}");
    // Nothing was changed: it starts as soon as it can write.
    assert!(Child::spawn(folder.path(), 0, &[]).ready().is_ok());
    assert!(config_of(folder.path(), 0).data.join("keys/log.pem").exists());
}
