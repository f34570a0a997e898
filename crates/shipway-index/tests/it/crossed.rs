//! The two combinations that every other test leaves out: SQLite with S3, PostgreSQL with a folder.

use std::path::Path;

use reqwest::Method;
use serde_json::json;
use shipway_dist::log::{Checkpoint, VerifierKey};
use shipway_index::{Embedded, embedded};

use super::servers::another;
use crate::backend::{Backend, backend, cross};
use crate::kit::{Folder, Kit, client, sdist, wheel};
use crate::load::{Client, Follower};

async fn open(folder: &Path) -> Kit {
    Kit::over(Folder::Lent(folder.to_owned()), |_| {}).await
}

/// A second server of the same index.
async fn beside(folder: &Path) -> Kit {
    let Embedded { running, token } = embedded(another(folder)).await.unwrap();
    Kit { folder: Folder::Lent(folder.to_owned()), server: Embedded { running, token }, http: client() }
}

/// Reads the log on from where it was read before.
async fn follow(log: &mut Follower, kit: &Kit) -> Checkpoint {
    let token = kit.server.token.expose().to_owned();
    log.follow(&Client { http: client(), url: kit.url(""), token }, None).await.unwrap();
    let key: VerifierKey = kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
    let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
    Checkpoint::verify(&note, &key).unwrap()
}

/// What a reader sees.
async fn seen(kit: &Kit) -> Vec<serde_json::Value> {
    let mut all = Vec::new();
    for path in ["/api/v1/projects/demo", "/dev/simple/demo/", "/staging/simple/demo/", "/dev/simple/"] {
        all.push(kit.json(path).await);
    }
    all
}

async fn fsck_is_clean(kit: &Kit) {
    let admin = kit.admin().await;
    let found = admin.fsck(false).await.unwrap();
    assert_eq!((found.problems, found.blobs), (Vec::new(), 4));
    admin.close().await;
}

#[tokio::test]
async fn i12_a_whole_life_over_the_other_backends_storage() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cross(folder);
    let mut log = Follower::default();
    let kit = open(folder).await;
    let single = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&single).await.status(), 200);
    assert_eq!(kit.upload(&single).await.status(), 200, "the same bytes again");
    assert_eq!(kit.upload(&wheel("demo", "1.0", "b")).await.status(), 422, "other bytes");
    kit.publish("demo", "1.1", &[wheel("demo", "1.1", "a"), sdist("demo", "1.1", "a")]).await;
    follow(&mut log, &kit).await;
    for version in ["1.0", "1.1"] {
        kit.vouch("demo", version).await;
        assert_eq!(kit.promote("demo", version, "staging").await.0, 200);
    }
    let mark = json!({ "project": "demo", "version": "1.0", "reason": "x", "set": true });
    assert_eq!(kit.post("/api/v1/yanks", mark).await.0, 200);
    let back = json!({ "project": "demo", "version": "1.1", "reason": "loses data" });
    assert_eq!(kit.post("/api/v1/rollbacks", back).await.0, 200);
    assert_eq!(kit.listed("staging", "demo").await.unwrap(), [single.filename.as_str()]);
    let before = (seen(&kit).await, follow(&mut log, &kit).await);
    kit.server.running.shutdown().await;

    let kit = open(folder).await;
    assert_eq!((seen(&kit).await, follow(&mut log, &kit).await), before, "a start changes nothing");
    let path = format!("/files/{}/{}", single.sha256(), single.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), single.bytes);
    let part = kit.request(Method::GET, &path).header("range", "bytes=3-9").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.bytes().await.unwrap()[..]), (206, &single.bytes[3..10]));

    // Two servers go on with one index and one log.
    let other = beside(folder).await;
    assert_eq!(other.upload(&wheel("demo", "1.2", "a")).await.status(), 200);
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);
    let longer = follow(&mut log, &other).await;
    assert_eq!(longer.size, before.1.size + 1);
    assert_eq!(follow(&mut log, &kit).await, longer);
    fsck_is_clean(&kit).await;

    // Bytes and log are where they should be, and nowhere else.
    let (there, elsewhere) = match backend() {
        Backend::Sqlite => ("s3/shipway/index", "files"),
        Backend::Postgres => ("files", "s3/shipway/index"),
    };
    assert!(folder.join(there).join("log/tile").is_dir());
    for nowhere in [elsewhere, "data/blobs", "data/log/tile", "another/blobs", "another/log/tile"] {
        assert!(!folder.join(nowhere).exists(), "{nowhere}");
    }
    other.server.running.shutdown().await;
    kit.server.running.shutdown().await;
}
