//! Database or storage away, slow, and breaking off: a clear answer, no damage, and recovery without hands.

use std::time::Duration;

use reqwest::StatusCode;
use shipway_index::StorageOptions;
use shipway_testing::{Forwarder, S3, Trouble};

use crate::backend::{Waiter, database_url, endpoint, execute};
use crate::kit::{Folder, Kit, blobs, client, until, wheel};
use crate::load::{Client, Follower, Shift, Whole, Worker};

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
    until("no row, no object, no staged file", async || kit.stored().await == before).await;
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

#[tokio::test]
async fn l5_a_database_that_stands_still_is_said_and_goes_on_where_it_was() {
    let (kit, database, _storage) = troubled().await;
    let held = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&held).await.status(), 200);
    database.trouble(Trouble::Silent);
    let ask = async || {
        let response = kit.get("/dev/simple/demo/").send().await.unwrap();
        (response.status().as_u16(), response.headers().get("retry-after").is_some())
    };
    // Many at once wait together and not one after the other.
    let all = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(ask(), ask(), ask()) });
    assert_eq!(all.await.unwrap(), ((503, true), (503, true), (503, true)));
    assert_eq!(kit.get("/healthz").send().await.unwrap().status(), 200);
    database.trouble(Trouble::None);
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_a_storage_that_errs_is_said_and_nothing_half_is_seen() {
    let (kit, _database, storage) = troubled().await;
    let held = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&held).await.status(), 200);
    let before = kit.stored().await;
    storage.trouble(Trouble::Failing);
    let path = format!("/files/{}/{}", held.sha256(), held.filename);
    let new = wheel("demo", "1.1", "a");
    // Tried again for a while; both at once.
    let (refused, file) = tokio::join!(kit.upload(&new), async { kit.get(&path).send().await.unwrap() });
    assert_eq!((refused.status().as_u16(), file.status().as_u16()), (503, 503));
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    storage.trouble(Trouble::None);
    until("no row, no object, no staged file", async || kit.stored().await == before).await;
    assert_eq!(kit.upload(&new).await.status(), 200);
    fsck_is_clean(&kit).await;
}

/// Cuts every connection of the servers to their database, so that new ones take the settings of now.
async fn cut_all(kit: &Kit) {
    let cut = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(kit.folder.path(), cut).await;
}

#[tokio::test]
async fn l5_a_standby_that_takes_no_writes_is_said_and_reading_goes_on() {
    let (kit, _database, _storage) = troubled().await;
    let (held, new) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "a"));
    assert_eq!(kit.upload(&held).await.status(), 200);
    let before = kit.stored().await;
    let set = async |to: &str| {
        let name = database_url(kit.folder.path()).rsplit('/').next().unwrap().to_owned();
        // Its setting is no write to what is in it, and is changed back all the same.
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {to}");
        execute(kit.folder.path(), &format!("BEGIN READ WRITE; {sql}; COMMIT")).await;
        cut_all(&kit).await;
    };
    set("on").await;
    let form = crate::kit::form(&new, &[]);
    let refused = kit.request(reqwest::Method::POST, "/dev/").header("accept", "application/json");
    let refused = refused.multipart(form).send().await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "5");
    let (status, body) = crate::kit::answer(refused).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("read-only")), "{body}");
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    set("off").await;
    assert_eq!(kit.stored().await, before, "no row, no object, no staged file");
    assert_eq!(kit.upload(&new).await.status(), 200);
    fsck_is_clean(&kit).await;
}

/// The server of the database says that its disk is full, as it does when a table cannot grow.
#[tokio::test]
async fn l5_a_full_disk_of_the_database_is_said_and_nothing_half_is_seen() {
    let (kit, _database, _storage) = troubled().await;
    let (held, new) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "a"));
    assert_eq!(kit.upload(&held).await.status(), 200);
    let before = kit.stored().await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON journal EXECUTE FUNCTION full_disk()";
    execute(kit.folder.path(), full).await;
    let body = serde_json::json!({ "project": "demo", "version": "1.0", "set": true, "reason": "bad" });
    let (status, body) = kit.post("/api/v1/yanks", body).await;
    assert_eq!((status, body["code"].as_str()), (507, Some("storage-full")), "{body}");
    assert_eq!(kit.upload(&new).await.status(), 507);
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [held.filename.as_str()]);
    execute(kit.folder.path(), "DROP FUNCTION full_disk CASCADE").await;
    assert_eq!(kit.stored().await, before, "no row, no object, no staged file");
    assert_eq!(kit.upload(&new).await.status(), 200);
    fsck_is_clean(&kit).await;
}

/// Connections to database and storage are cut again and again under load: what was acknowledged is there, what
/// was refused or not answered is done or not done, and nothing is between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l5_connections_that_are_cut_under_load_lose_nothing() {
    let (kit, database, storage) = troubled().await;
    kit.policy(
        "[publish]\nenrol-keys = true\n[channel.staging]\nrequires = []\n[channel.stable]\nrequires = []\n",
    )
    .await;
    let token = kit.server.token.expose().to_owned();
    let way = Client { http: client(), url: kit.url(""), token };
    let whole = Whole::default();
    let mut workers: Vec<_> = (0..3).map(|number| Worker::new(number, 5, whole.clone())).collect();
    let (mut random, mut log) = (shipway_testing::Random(5), Follower::default());
    let mut waiter = Waiter::over(kit.folder.path()).await;
    for round in 0..8 {
        let shift = Shift::begin(&mut workers, |_| &way);
        tokio::time::sleep(Duration::from_millis(20 + random.below(60) as u64)).await;
        let cut = if round % 3 == 2 { &storage } else { &database };
        cut.trouble(Trouble::Away);
        tokio::time::sleep(Duration::from_millis(random.below(50) as u64)).await;
        cut.trouble(Trouble::None);
        shift.stop();
        workers = shift.end().await;
        for worker in &mut workers {
            waiter.wait(&worker.project.name).await;
            worker.compare(&way).await.unwrap();
        }
        log.follow(&way, None).await.unwrap();
        workers.iter().for_each(|worker| log.agrees_with(&worker.project));
    }
    assert!(workers.iter().map(|worker| worker.done).sum::<u64>() > 8);
    // Bytes of a refused upload stay as long as the database is away as well; then the server takes them back.
    let admin = kit.admin().await;
    until("nothing is left behind", async || admin.fsck(false).await.unwrap().problems.is_empty()).await;
    admin.close().await;
}

#[tokio::test]
async fn i17_a_removal_with_the_storage_away_says_that_bytes_are_left_and_ends_later() {
    let (kit, _database, storage) = troubled().await;
    let dists = [wheel("demo", "1.0", "a"), wheel("demo", "1.1", "a"), wheel("demo", "1.2", "a")];
    for dist in &dists {
        assert_eq!(kit.upload(dist).await.status(), 200);
    }
    let mut config = crate::kit::config(kit.folder.path());
    config.storage_options = StorageOptions::of(S3::variables(storage.url()));
    let admin = shipway_index::Admin::open(&config).await.unwrap();
    storage.trouble(Trouble::Away);
    for dist in &dists[..2] {
        let error = admin.remove_file(&dist.filename, "court order").await.unwrap_err();
        assert!(error.to_string().contains("its bytes are still there"), "{error}");
    }
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), std::slice::from_ref(&dists[2].filename));
    storage.trouble(Trouble::None);
    assert_eq!(blobs(kit.folder.path()).len(), 3);
    // The same again goes on, and so does the sweep of a start.
    admin.remove_file(&dists[0].filename, "court order").await.unwrap();
    assert_eq!(blobs(kit.folder.path()).len(), 2);
    admin.close().await;
    kit.admin().await.close().await;
    assert_eq!(blobs(kit.folder.path()).len(), 1);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_files_of_a_canceled_session_go_when_the_storage_is_back() {
    let (kit, _database, storage) = troubled().await;
    let dist = wheel("demo", "1.0", "a");
    let (_, begun) =
        kit.post("/api/v1/sessions", crate::kit::session("demo", "1.0", std::slice::from_ref(&dist))).await;
    let id = begun["id"].as_str().unwrap();
    assert_eq!(kit.put(id, &dist).await.0, 200);
    storage.trouble(Trouble::Away);
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(kit.request(reqwest::Method::DELETE, &path).send().await.unwrap().status(), 200);
    storage.trouble(Trouble::None);
    assert_eq!(blobs(kit.folder.path()).len(), 1);
    kit.admin().await.close().await;
    assert_eq!(blobs(kit.folder.path()).len(), 0);
}
