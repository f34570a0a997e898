//! What stands in the storage and the database, looked at as a whole.

use std::path::PathBuf;

use shipway_index::{Fsck, IndexError};

use crate::backend::{Backend, backend, execute, note};
use crate::kit::{Kit, blobs, wheel};

async fn fsck(kit: &Kit, repair: bool) -> Fsck {
    let admin = kit.admin().await;
    let found = admin.fsck(repair).await.unwrap();
    admin.close().await;
    found
}

/// Kind and object of every problem, and whether it was repaired.
fn short(found: &Fsck) -> Vec<(&'static str, &str, bool)> {
    found.problems.iter().map(|one| (one.kind, one.object.as_str(), one.repaired)).collect()
}

fn blob(kit: &Kit, hex: &str) -> PathBuf {
    blobs(kit.folder.path()).into_iter().find(|path| path.ends_with(hex)).unwrap()
}

/// Where the bytes of a digest are looked for.
fn place(kit: &Kit, hex: &str) -> PathBuf {
    match backend() {
        Backend::Sqlite => kit.folder.path().join("data/blobs").join(&hex[..2]).join(&hex[2..4]).join(hex),
        Backend::Postgres => kit.folder.path().join("s3/shipway/index/blobs").join(hex),
    }
}

#[tokio::test]
async fn i13_missing_extra_and_altered_bytes_are_found_and_what_can_be_is_repaired() {
    let kit = Kit::new().await;
    let (a, b, c) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "b"), wheel("demo", "1.2", "c"));
    for dist in [&a, &b, &c] {
        assert_eq!(kit.upload(dist).await.status(), 200);
    }
    kit.get("/log/checkpoint").send().await.unwrap();
    let clean = fsck(&kit, false).await;
    assert_eq!((short(&clean), clean.blobs, clean.projects), (vec![], 3, 1));
    assert!(clean.entries >= 3);

    let of = |dist: &crate::kit::Dist| blob(&kit, &dist.sha256().to_hex());
    let stray = place(&kit, &"0".repeat(64));
    std::fs::create_dir_all(stray.parent().unwrap()).unwrap();
    std::fs::write(&stray, b"stray").unwrap();
    std::fs::remove_file(of(&b)).unwrap();
    let mut bytes = c.bytes.clone();
    bytes[100] ^= 1;
    let path = of(&c);
    std::fs::write(&path, &bytes).unwrap();

    let found = fsck(&kit, false).await;
    let mut kinds: Vec<_> = short(&found).into_iter().map(|(kind, ..)| kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["altered", "extra", "missing"], "{found:?}");
    assert!(stray.exists() && path.exists(), "looking changes nothing");

    let repaired = fsck(&kit, true).await;
    assert!(!repaired.is_clean(), "bytes cannot be made up: {repaired:?}");
    assert!(!stray.exists() && !path.exists());
    // Whoever has the bytes sends them again.
    for dist in [&b, &c] {
        assert_eq!(kit.upload(dist).await.status(), 200);
    }
    assert_eq!(short(&fsck(&kit, false).await), vec![]);
    let path = format!("/files/{}/{}", c.sha256(), c.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), c.bytes);
}

#[tokio::test]
async fn i13_pages_metadata_and_log_that_disagree_are_found() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    kit.get("/log/checkpoint").send().await.unwrap();
    let folder = kit.folder.path();
    execute(folder, "UPDATE projects SET serial = 0").await;
    let found = fsck(&kit, false).await;
    assert_eq!(short(&found), [("page", "demo", false)]);
    assert_eq!(short(&fsck(&kit, true).await), [("page", "demo", true)]);
    assert_eq!(short(&fsck(&kit, false).await), []);

    let published = note(folder).await;
    execute(folder, "UPDATE journal SET actor = 'somebody else' WHERE action = 'upload'").await;
    let found = fsck(&kit, true).await;
    assert_eq!(short(&found), [("log", "the log", false)], "never repaired");
    assert!(found.problems[0].detail.contains("is not what was published"), "{found:?}");
    assert_eq!(note(folder).await, published);
    execute(folder, "UPDATE journal SET actor = 'embedded' WHERE action = 'upload'").await;
    execute(folder, "DELETE FROM metadata").await;
    let found = fsck(&kit, false).await;
    assert_eq!(found.problems[0].kind, "metadata", "{found:?}");
}

#[tokio::test]
async fn i14_an_index_with_lost_bytes_is_not_exported() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    std::fs::remove_file(blob(&kit, &dist.sha256().to_hex())).unwrap();
    let to = tempfile::tempdir().unwrap();
    let admin = kit.admin().await;
    let error = shipway_index::export(&admin, &to.path().join("out")).await.unwrap_err();
    assert!(matches!(error, IndexError::Export { .. }), "{error}");
    assert!(error.to_string().contains(&dist.filename), "{error}");
    assert!(!to.path().join("out/manifest.json").exists());
    admin.close().await;
}
