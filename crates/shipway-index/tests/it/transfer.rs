//! A whole index moved: between databases, between storages, as a folder and as a tar file.

use std::path::Path;

use serde_json::json;
use shipway_dist::log::{Checkpoint, VerifierKey};
use shipway_index::{Action, Config, Embedded, IndexError, Secret, export, import, serve};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::backend::{Backend, backend, configure_as, cross};
use crate::kit::{Folder, Kit, client, sdist, wheel};

/// The storage beside a database: its own backend's, or the other's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storage {
    Own,
    Other,
}

/// A folder for an index.
fn place(storage: Storage) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if storage == Storage::Other {
        cross(folder.path());
    }
    folder
}

/// An index with something of everything, and a token of it.
async fn filled(storage: Storage) -> (Kit, Secret) {
    let kit = Kit::over(Folder::Own(place(storage)), |_| {}).await;
    for version in ["1.0", "1.1"] {
        kit.publish("demo", version, &[wheel("demo", version, "a"), sdist("demo", version, "a")]).await;
        kit.vouch("demo", version).await;
        assert_eq!(kit.promote("demo", version, "staging").await.0, 200);
    }
    let mark = |version: &str| json!({ "project": "demo", "version": version, "reason": "x", "set": true });
    assert_eq!(kit.post("/api/v1/yanks", mark("1.0")).await.0, 200);
    assert_eq!(kit.post("/api/v1/blocks", mark("1.1")).await.0, 200);
    // A session under way, with one of its two files.
    let files = [wheel("other", "2.0", "a"), sdist("other", "2.0", "a")];
    let (_, session) = kit.post("/api/v1/sessions", crate::kit::session("other", "2.0", &files)).await;
    assert_eq!(kit.put(session["id"].as_str().unwrap(), &files[0]).await.0, 200);
    kit.policy("[publish]\nlocal = \"allow\"\n\n[channel.stable]\nrequires = [\"tests\"]\n").await;
    let token = kit.token("mover", &[], &[], Action::ALL).await;
    (kit, token)
}

/// What readers see.
async fn seen(kit: &Kit) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "/api/v1/projects/demo",
        "/dev/simple/demo/",
        "/staging/simple/demo/",
        "/dev/simple/",
        "/api/v1/projects/demo/releases/1.0/evidence",
        "/api/v1/policy",
    ] {
        all.push(kit.get(path).send().await.unwrap().text().await.unwrap());
    }
    all
}

async fn checkpoint(kit: &Kit) -> Checkpoint {
    let key: VerifierKey = kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
    let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
    Checkpoint::verify(&note, &key).unwrap()
}

fn target(folder: &Path, to: Backend) -> Config {
    let mut config = Config::new(folder.join("data"));
    configure_as(to, &mut config, folder);
    config
}

fn copy_keys(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["log.pem", "index.pem"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

async fn moved(from: Storage, to: (Backend, Storage), name: &str) {
    let (kit, token) = filled(from).await;
    let before = checkpoint(&kit).await;
    let (to, place) = (to.0, place(to.1));
    let archive = place.path().join(name);
    let admin = kit.admin().await;
    let written = export(&admin, &archive).await.unwrap();
    assert_eq!(written.blobs, 5, "four files, and one of a session");
    assert!(export(&admin, &archive).await.is_err(), "never over another export");
    admin.close().await;

    let config = target(place.path(), to);
    let error = import(&config, &archive).await.unwrap_err();
    assert!(matches!(error, IndexError::Keys { .. }), "{error}");
    copy_keys(&kit.folder.path().join("data/keys"), &config.keys.clone().unwrap_or(config.data.join("keys")));
    assert_eq!(import(&config, &archive).await.unwrap(), written);
    let error = import(&config, &archive).await.unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");

    let running = serve(config.clone(), TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap();
    let folder = Folder::Lent(place.path().to_owned());
    let new = Kit { folder, server: Embedded { running, token }, http: client() };
    assert_eq!(seen(&new).await, seen(&kit).await);
    let dist = wheel("demo", "1.0", "a");
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    assert_eq!(new.get(&file).send().await.unwrap().bytes().await.unwrap(), dist.bytes);
    let after = checkpoint(&new).await;
    assert_eq!((after.origin, after.size, after.root), (before.origin, before.size, before.root));
    // It goes on: an upload, and the log with it.
    assert_eq!(new.upload(&wheel("demo", "1.2", "a")).await.status(), 200);
    assert!(checkpoint(&new).await.size > after.size);
    let admin = shipway_index::Admin::open(&config).await.unwrap();
    let found = admin.fsck(false).await.unwrap();
    assert_eq!(found.problems, Vec::new());
    admin.close().await;
}

#[tokio::test]
async fn i14_to_sqlite_and_files_as_a_folder() {
    moved(Storage::Own, (Backend::Sqlite, Storage::Own), "export").await;
}

#[tokio::test]
async fn i14_to_postgresql_and_s3_as_a_tar_file() {
    moved(Storage::Own, (Backend::Postgres, Storage::Own), "export.tar").await;
}

#[tokio::test]
async fn i14_from_the_other_storage_to_sqlite_and_s3() {
    moved(Storage::Other, (Backend::Sqlite, Storage::Other), "export.tar").await;
}

#[tokio::test]
async fn i14_from_the_other_storage_to_postgresql_and_a_folder() {
    moved(Storage::Other, (Backend::Postgres, Storage::Other), "export").await;
}

#[tokio::test]
async fn i14_a_damaged_export_brings_nothing() {
    let (kit, _) = filled(Storage::Own).await;
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("export");
    let admin = kit.admin().await;
    export(&admin, &archive).await.unwrap();
    admin.close().await;
    let config = target(place.path(), backend());
    copy_keys(&kit.folder.path().join("data/keys"), &config.data.join("keys"));

    let journal = archive.join("tables/journal.jsonl");
    let sound = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, sound.replace("\"yank\"", "\"yonk\"")).unwrap();
    let error = import(&config, &archive).await.unwrap_err().to_string();
    assert!(error.contains("does not lead to the checkpoint"), "{error}");
    std::fs::write(&journal, &sound).unwrap();

    let blob = std::fs::read_dir(archive.join("blobs")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&blob).unwrap();
    std::fs::write(&blob, b"other").unwrap();
    let error = import(&config, &archive).await.unwrap_err().to_string();
    assert!(error.contains("has other bytes"), "{error}");
    std::fs::write(&blob, bytes).unwrap();

    let files = archive.join("tables/files.jsonl");
    let rows = std::fs::read_to_string(&files).unwrap();
    std::fs::write(&files, rows.lines().next().unwrap()).unwrap();
    assert!(import(&config, &archive).await.unwrap_err().to_string().contains("the manifest says"));
    std::fs::write(&files, &rows).unwrap();
    // None of them left a row behind.
    import(&config, &archive).await.unwrap();
}
