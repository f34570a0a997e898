//! Database or storage away, slow, and breaking off: a clear answer, no damage, and recovery without hands.

use std::time::Duration;

use reqwest::StatusCode;
use shipway_index::StorageOptions;
use shipway_testing::{Forwarder, S3, Trouble};

use crate::backend::{database_url, endpoint};
use crate::kit::{Folder, Kit, blobs, wheel};

/// A server whose database and storage are reached through forwarders.
async fn troubled() -> (Kit, Forwarder, Forwarder) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let url = database_url(&path);
    let (credentials, rest) = url.trim_start_matches("postgres://").split_once('@').unwrap();
    let (host, name) = rest.split_once('/').unwrap();
    let database = Forwarder::to(&format!("http://{host}"));
    let storage = Forwarder::to(&endpoint(&path));
    let through = format!("postgres://{credentials}@{}/{name}", database.url().trim_start_matches("http://"));
    let options = StorageOptions::of(S3::variables(storage.url()));
    let kit = Kit::over(Folder::Own(folder), |config| {
        config.database = Some(through);
        config.storage_options = options;
    })
    .await;
    (kit, database, storage)
}

async fn fsck_is_clean(kit: &Kit) {
    let admin = kit.admin().await;
    let found = admin.fsck(false).await.unwrap();
    assert_eq!(found.problems, Vec::new());
    admin.close().await;
}

#[tokio::test]
async fn l5_a_database_that_is_away_is_said_and_comes_back_without_hands() {
    let (kit, database, _storage) = troubled().await;
    let held = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&held).await.status(), 200);
    database.trouble(Trouble::Away);
    for path in ["/dev/simple/demo/", "/readyz", "/api/v1/projects/demo"] {
        let response = kit.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()["retry-after"], "5", "{path}");
        assert!(response.text().await.unwrap().contains("database"), "{path}");
    }
    assert_eq!(kit.get("/healthz").send().await.unwrap().status(), 200);
    let new = wheel("demo", "1.1", "a");
    assert_eq!(kit.upload(&new).await.status(), 503);
    database.trouble(Trouble::None);
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    assert_eq!(kit.upload(&new).await.status(), 200);
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 2);
    assert_eq!(kit.get("/readyz").send().await.unwrap().status(), 200);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_a_storage_that_is_away_is_said_and_nothing_half_is_seen() {
    let (kit, _database, storage) = troubled().await;
    let held = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&held).await.status(), 200);
    let before = kit.stored().await;
    storage.trouble(Trouble::Away);
    let refused = kit.upload(&wheel("demo", "1.1", "a")).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    let path = format!("/files/{}/{}", held.sha256(), held.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().status(), 503);
    // Pages need no storage.
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    storage.trouble(Trouble::None);
    assert_eq!(kit.stored().await, before, "no row, no object, no staged file");
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), held.bytes);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_a_storage_that_breaks_off_never_passes_for_a_whole_file() {
    let (kit, _database, storage) = troubled().await;
    let held = wheel("demo", "1.0", &"a".repeat(300_000));
    assert_eq!(kit.upload(&held).await.status(), 200);
    let path = format!("/files/{}/{}", held.sha256(), held.filename);
    storage.trouble(Trouble::Away);
    storage.trouble(Trouble::Truncating(60_000));
    let response = kit.get(&path).send().await;
    // Either said, or broken off; never 200 with fewer bytes than announced.
    if let Ok(response) = response
        && response.status() == 200
        && let Ok(bytes) = response.bytes().await
    {
        assert_eq!(bytes, held.bytes);
    }
    storage.trouble(Trouble::None);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), held.bytes);
    storage.trouble(Trouble::Slow(Duration::from_millis(200)));
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), held.bytes);
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
    assert_eq!(blobs(kit.folder.path()).len(), 2);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn i12_a_large_file_goes_in_parts_and_comes_back_by_range_and_redirect() {
    let kit = Kit::with(|config| config.redirect_files = true).await;
    // Larger than one part.
    let mut noise = shipway_testing::Random(7);
    let salt: String = (0..9 * 1024 * 1024).map(|_| char::from(b'a' + (noise.number() % 26) as u8)).collect();
    let dist = wheel("demo", "1.0", &salt);
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let redirect = kit.get(&path).send().await.unwrap();
    assert_eq!(redirect.status(), 302);
    assert_eq!(redirect.headers()["cache-control"], "no-store");
    let location = redirect.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&endpoint(kit.folder.path())) && location.contains("X-Amz-Signature"));
    // Without any credential of ours.
    let whole = kit.http.get(&location).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap(), dist.bytes);
    let range = kit.http.get(&location).header("range", "bytes=5-9").send().await.unwrap();
    assert_eq!((range.status().as_u16(), &range.bytes().await.unwrap()[..]), (206, &dist.bytes[5..10]));
    let forged = location.replace("X-Amz-Signature=", "X-Amz-Signature=0");
    assert!(kit.http.get(forged).send().await.unwrap().status().is_client_error());
    let head = kit.request(reqwest::Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), dist.bytes.len().to_string());
}
