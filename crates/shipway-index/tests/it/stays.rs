//! What stays when something does not go as it should, and what does not: sizes that are no sizes, channels that
//! do not list a release, sessions that expire, bytes that are removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shipway_dist::log::{Checkpoint, VerifierKey, entries_of, tiles_of};
use shipway_index::{ChannelConfig, Clock, Upstream};

use crate::backend::Held;
use crate::kit::{Dist, Kit, answer, blobs, sdist, session, until, wheel, wheel_with};

/// A clock that a test moves on.
fn movable() -> (Clock, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let hours = ahead.clone();
    let now = move || Timestamp::now() + SignedDuration::from_hours(hours.load(Ordering::SeqCst));
    (Clock::new(now), ahead)
}

/// The entries of the log.
async fn log(kit: &Kit) -> Vec<Value> {
    let key: VerifierKey = kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
    let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
    let size = Checkpoint::verify(&note, &key).unwrap().size;
    let mut entries = Vec::new();
    for tile in tiles_of(0, size).into_iter().filter(|tile| tile.level.is_none()) {
        let bundle = kit.get(&format!("/log/{}", tile.path())).send().await.unwrap().bytes().await.unwrap();
        let found = entries_of(&tile, &bundle).unwrap();
        entries.extend(found.iter().map(|entry| serde_json::from_slice::<Value>(entry).unwrap()));
    }
    entries
}

fn announced(dist: &Dist, size: usize) -> Value {
    let mut request = session("demo", "1.0", std::slice::from_ref(dist));
    request["files"][0]["size"] = json!(size);
    request
}

#[tokio::test]
async fn f2_a_size_that_is_not_that_of_the_bytes_is_refused_and_can_be_mended() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    let size = dist.bytes.len();
    let (status, begun) = kit.post("/api/v1/sessions", announced(&dist, size + 1)).await;
    assert_eq!(status, 201, "{begun}");
    let before = kit.stored().await;
    let (status, refused) = kit.put(begun["id"].as_str().unwrap(), &dist).await;
    assert_eq!((status, refused["code"].as_str()), (400, Some("invalid-distribution")), "{refused}");
    assert!(refused.to_string().contains(&format!("announced with {} bytes and has {size}", size + 1)));
    assert_eq!(kit.stored().await, before);
    // The same session takes the right size, and what was published comes down.
    let (status, again) = kit.post("/api/v1/sessions", announced(&dist, size)).await;
    assert_eq!((status, &again["id"]), (200, &begun["id"]), "{again}");
    kit.publish("demo", "1.0", std::slice::from_ref(&dist)).await;
    let file = kit.get(&format!("/files/{}/{}", dist.sha256(), dist.filename)).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap(), dist.bytes);

    // Of bytes that are here the size is known.
    let before = kit.stored().await;
    let (status, refused) = kit.post("/api/v1/sessions", announced(&dist, size + 1)).await;
    assert_eq!((status, refused["code"].as_str()), (400, Some("invalid-distribution")), "{refused}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn f4_a_session_has_so_many_files_and_nobody_waits_for_its_refusal() {
    let kit = Kit::with(|config| config.limits.release_files = 3).await;
    let tags = ["py2-none-any", "py3-none-any", "cp312-none-any", "cp313-none-any"];
    let files: Vec<_> = tags.iter().map(|tag| wheel_with("demo", "1.0", tag, tag)).collect();
    let before = kit.stored().await;
    // While somebody else writes.
    let writer = Held::over(kit.folder.path()).await;
    let refused = kit.post("/api/v1/sessions", session("demo", "1.0", &files));
    let (status, refused) = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert_eq!((status, refused["code"].as_str()), (400, Some("invalid-distribution")), "{refused}");
    assert!(refused.to_string().contains("has 4 files, the limit is 3"), "{refused}");
    writer.release().await;
    let (_, preflight) = kit.post("/api/v1/preflight", session("demo", "1.0", &files)).await;
    assert_eq!(preflight["ok"], false, "{preflight}");
    assert_eq!(kit.stored().await, before);
    kit.publish("demo", "1.0", &files[..3]).await;

    let kit = Kit::new().await;
    let same_bytes = Dist { filename: files[1].filename.clone(), ..files[0].clone() };
    let same_name = Dist { filename: files[0].filename.to_uppercase(), ..files[1].clone() };
    for twice in [same_bytes, same_name] {
        let request = session("demo", "1.0", &[files[0].clone(), files[2].clone(), twice]);
        let (status, refused) = kit.post("/api/v1/sessions", request).await;
        assert_eq!(status, 400, "{refused}");
        assert!(refused.to_string().contains("stands twice"), "{refused}");
    }
}

/// An index with a second channel that takes uploads, and `demo` 1.0 in the first.
async fn with_edge() -> (Kit, Vec<Dist>) {
    let kit = Kit::with(|config| {
        let channel = |name: &str| ChannelConfig {
            name: name.parse().unwrap(),
            accepts_uploads: name != "stable",
            local_versions: true,
        };
        config.channels = ["dev", "stable", "edge"].map(channel).into();
    })
    .await;
    let files = vec![wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a")];
    kit.publish("demo", "1.0", &files).await;
    (kit, files)
}

#[tokio::test]
async fn i6_the_same_file_is_no_success_in_a_channel_that_does_not_list_it() {
    let (kit, files) = with_edge().await;
    let before = kit.stored().await;
    let late = wheel_with("demo", "1.0", "cp312-none-any", "late");
    for dist in [&files[0], &files[1], &late] {
        let response = kit.upload_as(dist, kit.server.token.expose(), "/edge/").await;
        assert_eq!(response.status(), 422);
        let text = response.text().await.unwrap();
        assert!(text.contains("in `dev` and not in `edge`"), "{text}");
        assert!(text.contains("shipway promote 1.0 --to edge"), "{text}");
        assert_eq!(kit.stored().await, before, "{}", dist.filename);
    }
    assert_eq!(kit.listed("edge", "demo").await, None);
    // Where it is listed it is success, and other bytes are said to be other bytes anywhere.
    assert_eq!(kit.upload(&files[0]).await.status(), 200);
    let other = kit.upload_as(&wheel("demo", "1.0", "b"), kit.server.token.expose(), "/edge/").await;
    assert!(other.text().await.unwrap().contains("digest conflict"));
    assert_eq!(kit.stored().await, before);
    // A release of its own comes there.
    let own = wheel("demo", "2.0", "a");
    assert_eq!(kit.upload_as(&own, kit.server.token.expose(), "/edge/").await.status(), 200);
    assert_eq!(kit.listed("edge", "demo").await.unwrap(), [own.filename]);
}

#[tokio::test]
async fn f6_a_session_for_another_channel_is_not_published_by_the_first() {
    let (kit, files) = with_edge().await;
    let mut request = session("demo", "1.0", &files);
    request["channel"] = json!("edge");
    let before = kit.stored().await;
    let (status, refused) = kit.post("/api/v1/sessions", request.clone()).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("release-conflict")), "{refused}");
    assert!(refused.to_string().contains("shipway promote 1.0 --to edge"), "{refused}");
    let (_, preflight) = kit.post("/api/v1/preflight", request).await;
    assert_eq!(preflight["problems"][0]["id"], "release-conflict", "{preflight}");
    assert_eq!(kit.stored().await, before);

    // Two sessions for the same files and two channels: the second says so and is not taken for the first.
    let new = vec![wheel("demo", "1.1", "a")];
    assert_eq!(kit.post("/api/v1/sessions", session("demo", "1.1", &new)).await.0, 201);
    let mut request = session("demo", "1.1", &new);
    request["channel"] = json!("edge");
    let before = kit.stored().await;
    let (status, refused) = kit.post("/api/v1/sessions", request).await;
    assert_eq!((status, refused["code"].as_str()), (422, Some("session-conflict")), "{refused}");
    assert_eq!(kit.stored().await, before);
    kit.publish("demo", "1.1", &new).await;
    assert_eq!(kit.listed("edge", "demo").await, None);
}

#[tokio::test]
async fn l4_a_name_is_free_again_when_its_session_expired() {
    let far = Kit::new().await;
    assert_eq!(far.upload(&wheel("demo", "9.9", "far")).await.status(), 200);
    let (clock, ahead) = movable();
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| {
        config.clock = clock;
        config.upstream = Upstream::Url(url);
    })
    .await;
    let own = wheel("demo", "1.0", "near");
    let (_, begun) = near.post("/api/v1/sessions", session("demo", "1.0", std::slice::from_ref(&own))).await;
    assert_eq!(near.put(begun["id"].as_str().unwrap(), &own).await.0, 200);
    assert_eq!(near.listed("dev", "demo").await, None);
    // Nothing is written meanwhile: only time goes on.
    ahead.store(25, Ordering::SeqCst);
    assert_eq!(near.listed("dev", "demo").await.unwrap(), ["demo-9.9-py3-none-any.whl"]);
}

#[tokio::test]
async fn l4_expired_sessions_end_with_their_files_while_a_server_runs() {
    let (clock, ahead) = movable();
    let kit = Kit::with(|config| {
        config.clock = clock;
        config.limits.sweep = Duration::from_millis(50);
    })
    .await;
    let files = vec![wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a")];
    let (_, begun) = kit.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    let id = begun["id"].as_str().unwrap();
    assert_eq!(kit.put(id, &files[0]).await.0, 200);
    assert_eq!(blobs(kit.folder.path()).len(), 1);
    ahead.store(25, Ordering::SeqCst);
    until("the session ends and its file goes", async || blobs(kit.folder.path()).is_empty()).await;
    assert_eq!(kit.get(&format!("/api/v1/sessions/{id}")).send().await.unwrap().status(), 404);
    until("its metadata goes", async || !kit.stored().await.contains("metadata: ")).await;
    let stored = kit.stored().await;
    let canceled = |line: &&str| line.starts_with("journal: ") && line.contains("cancel-session");
    assert_eq!(stored.lines().filter(canceled).count(), 1, "{stored}");
    // The release can be published, and no sweep touches it.
    kit.publish("demo", "1.0", &files).await;
    assert_eq!(blobs(kit.folder.path()).len(), 2);
}

#[tokio::test]
async fn i17_a_removed_file_leaves_a_reasoned_tombstone_and_nothing_else() {
    let kit = Kit::new().await;
    let (gone, kept) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "a"));
    for dist in [&gone, &kept] {
        assert_eq!(kit.upload(dist).await.status(), 200);
    }
    let path = format!("/files/{}/{}", gone.sha256(), gone.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), gone.bytes);
    let admin = kit.admin().await;
    admin.remove_file(&gone.filename, "court order 12/7").await.unwrap();
    for path in [path.clone(), format!("{path}.metadata")] {
        let response = kit.get(&path).send().await.unwrap();
        assert_eq!(response.status(), 410, "{path}");
        let text = response.text().await.unwrap();
        assert!(text.contains("court order 12/7"), "{text}");
    }
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), std::slice::from_ref(&kept.filename));
    assert_eq!(blobs(kit.folder.path()).len(), 1);
    let stored = kit.stored().await;
    let rows = |table: &str| stored.lines().filter(|line| line.starts_with(table)).count();
    assert_eq!((rows("metadata: "), rows("files: ")), (1, 2), "{stored}");
    // The log keeps that it was there, and that it was removed, by whom and why.
    let log = log(&kit).await;
    let of = |action: &str| log.iter().filter(|entry| entry["action"] == action).cloned().collect::<Vec<_>>();
    assert_eq!(of("upload").len(), 2);
    let removed = of("remove-file");
    assert_eq!((removed.len(), &removed[0]["object"]), (1, &json!(gone.filename)), "{removed:?}");
    assert!(removed[0].to_string().contains("court order 12/7"), "{removed:?}");
    // An export has neither bytes nor metadata of it.
    let to = tempfile::tempdir().unwrap();
    let written = shipway_index::export(&admin, &to.path().join("out")).await.unwrap();
    assert_eq!((written.blobs, written.tables["metadata"], written.tables["files"]), (1, 1, 2));
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
    let (status, refused) = answer(kit.upload(&gone).await).await;
    assert_eq!(status, 422, "{refused}");
}

#[tokio::test]
async fn i17_nothing_that_a_removed_sdist_says_is_kept() {
    let kit = Kit::new().await;
    let dist = sdist("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let rows =
        async || kit.stored().await.lines().filter(|line| line.starts_with("sdist_metadata: ")).count();
    assert_eq!(rows().await, 1);
    let admin = kit.admin().await;
    admin.remove_file(&dist.filename, "court order").await.unwrap();
    assert_eq!(rows().await, 0);
}

#[tokio::test]
async fn i13_bytes_that_were_put_aside_are_not_sent_any_more() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    // Asked for before, and kept open.
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), dist.bytes);
    let hex = dist.sha256().to_hex();
    let blob = blobs(kit.folder.path()).into_iter().find(|path| path.ends_with(&hex)).unwrap();
    let mut altered = dist.bytes.clone();
    altered[100] ^= 1;
    std::fs::write(&blob, &altered).unwrap();
    let admin = kit.admin().await;
    let found = admin.fsck(true).await.unwrap();
    assert_eq!(found.problems[0].kind, "altered", "{found:?}");
    admin.close().await;
    let response = kit.get(&path).send().await.unwrap();
    assert!(!response.status().is_success(), "{}", response.status());
    assert_eq!(kit.upload(&dist).await.status(), 200);
    assert_eq!(kit.get(&path).send().await.unwrap().bytes().await.unwrap(), dist.bytes);
}

#[tokio::test]
async fn i13_a_wrong_size_in_the_database_is_corrected() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    kit.json("/dev/simple/demo/").await;
    crate::backend::execute(kit.folder.path(), "UPDATE files SET size = size + 1").await;
    let admin = kit.admin().await;
    let found = admin.fsck(true).await.unwrap();
    assert!(found.is_clean() && found.problems.len() == 1, "{found:?}");
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
    let page = kit.json("/dev/simple/demo/").await;
    assert_eq!(page["files"][0]["size"], dist.bytes.len());
}

#[tokio::test]
async fn i14_a_lost_file_of_upstream_stops_no_export() {
    let far = Kit::new().await;
    let dist = wheel("library", "1.0", "far");
    assert_eq!(far.upload(&dist).await.status(), 200);
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    near.json("/dev/simple/library/").await;
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    assert_eq!(near.get(&path).send().await.unwrap().status(), 200);
    // Fetched whole: nothing waits to be swept.
    assert_eq!(blobs(near.folder.path()).len(), 1);
    std::fs::remove_file(&blobs(near.folder.path())[0]).unwrap();
    let (admin, to) = (near.admin().await, tempfile::tempdir().unwrap());
    let written = shipway_index::export(&admin, &to.path().join("out.tar")).await.unwrap();
    assert_eq!((written.blobs, written.tables["upstream_files"]), (0, 1));
    admin.close().await;
    assert_eq!(near.get(&path).send().await.unwrap().bytes().await.unwrap(), dist.bytes);
}

#[cfg(unix)]
#[tokio::test]
async fn i13_a_blob_that_vanishes_while_folders_are_read_is_no_failure() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let blob = blobs(kit.folder.path()).remove(0);
    // A name that is listed and leads nowhere, as one that was just removed.
    std::os::unix::fs::symlink("nowhere", blob.with_file_name("0".repeat(64))).unwrap();
    let admin = kit.admin().await;
    if crate::backend::backend() == crate::backend::Backend::Sqlite {
        assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    }
    admin.close().await;
}
