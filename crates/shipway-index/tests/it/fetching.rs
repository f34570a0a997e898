//! Files of upstream on their way here: clients that leave, upstreams that break off, trickle and change their
//! mind. Nothing half is kept, and the next request works.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use shipway_dist::Sha256;
use shipway_index::{Config, Upstream};

use crate::backend::execute;
use crate::far::{BYTES, FILENAME, Far, METADATA, Sending, far, file_path, near, status};
use crate::kit::{Folder, Kit, blobs, wheel};

/// Pages stay in memory: what is shown here is what happens to files.
async fn believing(url: &str, change: impl FnOnce(&mut Config)) -> Arc<Kit> {
    let kit = near(url, |config| {
        config.limits.upstream_page = Duration::from_secs(600);
        change(config);
    });
    Arc::new(kit.await)
}

fn ask(kit: &Arc<Kit>, path: String) -> tokio::task::JoinHandle<u16> {
    let kit = kit.clone();
    tokio::spawn(async move { status(&kit, &path).await })
}

/// A client that goes away once upstream is asked for the file.
async fn leave(far: &Far, kit: &Arc<Kit>, path: &str) {
    let client = ask(kit, path.to_owned());
    far.asked_for_file.notified().await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    // A few answers later the server knows that the connection is closed.
    for _ in 0..20 {
        assert_eq!(status(kit, "/healthz").await, 200);
    }
}

async fn fsck_is_clean(kit: &Kit) {
    let admin = kit.admin().await;
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
}

#[tokio::test]
async fn i10_a_client_that_leaves_does_not_end_the_download() {
    let (far, url) = far().await;
    let kit = believing(&url, |_| ()).await;
    far.send(Sending::Held);
    for (number, suffix) in ["", ".metadata"].into_iter().enumerate() {
        leave(&far, &kit, &file_path(suffix)).await;
        let second = ask(&kit, file_path(suffix));
        for _ in 0..20 {
            assert_eq!(status(&kit, "/healthz").await, 200);
        }
        far.release.add_permits(1);
        // The download of the first is the only one: nobody lets another go on.
        assert_eq!(second.await.unwrap(), 200, "{suffix}");
        assert_eq!(far.files.load(Ordering::SeqCst), number + 1, "{suffix}");
    }
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_an_upstream_that_breaks_off_or_trickles_leaves_nothing() {
    let (far, url) = far().await;
    let kit = believing(&url, |config| {
        config.limits.stall = Duration::from_secs(1);
        config.limits.file_size = 1024 * 1024;
    })
    .await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    let before = kit.stored().await;
    for suffix in ["", ".metadata"] {
        for sending in [Sending::Broken, Sending::Trickling] {
            far.send(sending);
            let refused = kit.get(&file_path(suffix)).send().await.unwrap();
            assert_eq!(refused.status(), 502, "{suffix} {sending:?}");
            let why = refused.text().await.unwrap();
            assert!(why.contains("/bytes") || why.contains(FILENAME), "{why}");
            assert_eq!(kit.stored().await, before, "{suffix} {sending:?}");
        }
    }
    for suffix in ["", ".metadata"] {
        far.send(Sending::Whole);
        let whole = kit.get(&file_path(suffix)).send().await.unwrap();
        let expected = if suffix.is_empty() { BYTES } else { METADATA };
        assert_eq!(whole.bytes().await.unwrap(), expected);
    }
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_metadata_without_an_end_are_given_up() {
    let (far, url) = far().await;
    let kit = believing(&url, |_| ()).await;
    far.send(Sending::Endless);
    let refused = kit.get(&file_path(".metadata")).send().await.unwrap();
    assert_eq!(refused.status(), 502);
    assert!(refused.text().await.unwrap().contains("larger than"));
    far.send(Sending::Whole);
    assert_eq!(status(&kit, &file_path(".metadata")).await, 200);
}

#[tokio::test]
async fn l5_a_client_that_leaves_and_an_upstream_that_breaks_off_leave_nothing() {
    let (far, url) = far().await;
    let kit = believing(&url, |config| config.limits.stall = Duration::from_secs(1)).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    let before = kit.stored().await;
    far.send(Sending::Trickling);
    leave(&far, &kit, &file_path("")).await;
    // Waits for what the first began, and is told how it ended.
    assert_eq!(status(&kit, &file_path("")).await, 502);
    assert_eq!(far.files.load(Ordering::SeqCst), 1);
    assert_eq!(kit.stored().await, before);
    far.send(Sending::Whole);
    assert_eq!(status(&kit, &file_path("")).await, 200);
    fsck_is_clean(&kit).await;
}

#[tokio::test]
async fn l5_bytes_whose_row_is_refused_do_not_stay() {
    let (far, url) = far().await;
    let kit = believing(&url, |_| ()).await;
    far.send(Sending::Held);
    let asked = ask(&kit, file_path(""));
    far.asked_for_file.notified().await;
    let before = blobs(kit.folder.path());
    // Another server took other bytes under the name while these were on their way.
    let other = Sha256::of(b"other bytes");
    let row = format!(
        "INSERT INTO upstream_files (filename, project, sha256, size, first_seen)
         VALUES ('{FILENAME}', 'library', '{other}', 11, '2030-01-01T00:00:00.000000Z')"
    );
    execute(kit.folder.path(), &row).await;
    far.release.add_permits(1);
    assert_eq!(asked.await.unwrap(), 502);
    let unfinished = |paths: Vec<std::path::PathBuf>| {
        paths.into_iter().filter(|path| !path.to_string_lossy().contains("unfinished")).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(blobs(kit.folder.path())), unfinished(before));
}

#[tokio::test]
async fn i10_a_digest_is_pinned_when_it_is_first_listed() {
    let (far, url) = far().await;
    let kit = near(&url, |_| ()).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    let time = Some("2020-01-01T00:00:00Z");
    let (new, other) = ("library-1.1-py3-none-any.whl", b"other bytes".as_slice());
    far.set_bytes(&[(FILENAME, time, other), (new, time, BYTES)]);
    let changed = format!("/files/{}/{FILENAME}", Sha256::of(other));
    let page = async |kit: &Kit| {
        assert_eq!(kit.listed("dev", "library").await.unwrap(), [new]);
        for suffix in ["", ".metadata"] {
            assert_eq!(status(kit, &format!("{changed}{suffix}")).await, 404);
        }
    };
    page(&kit).await;
    let metrics = kit.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = metrics.lines().find_map(|line| line.strip_prefix("shipway_upstream_changed_total "));
    assert!(counted.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
    // A server that begins anew, without the pages that were kept on disk.
    let Kit { folder, server, .. } = kit;
    server.running.shutdown().await;
    std::fs::remove_dir_all(folder.path().join("data/upstream")).unwrap();
    let again = |config: &mut Config| {
        config.upstream = Upstream::Url(url.clone());
        config.limits.upstream_page = Duration::ZERO;
    };
    let kit = Kit::over(folder, again).await;
    page(&kit).await;
    // What was promised first is served again.
    far.set(&[(FILENAME, time)]);
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    assert_eq!(status(&kit, &file_path("")).await, 200);
}

#[tokio::test]
async fn i10_a_digest_that_is_held_back_is_pinned_too() {
    let (far, url) = far().await;
    let folder = tempfile::tempdir().unwrap();
    let at = async |days: u64| {
        let kit = Kit::over(Folder::Lent(folder.path().to_owned()), |config| {
            config.upstream = Upstream::Url(url.clone());
            config.limits.upstream_page = Duration::ZERO;
            config.upstream_rules.cool_down = Duration::from_secs(days * 86_400);
            config.clock = shipway_index::Clock::new(|| "2030-01-03T00:00:00Z".parse().unwrap());
        });
        kit.await
    };
    let time = Some("2030-01-01T00:00:00Z");
    far.set(&[(FILENAME, time)]);
    let kit = at(7).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), Vec::<String>::new());
    kit.server.running.shutdown().await;
    far.set_bytes(&[(FILENAME, time, b"other bytes")]);
    let kit = at(1).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), Vec::<String>::new());
    far.set(&[(FILENAME, time)]);
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
}

#[tokio::test]
async fn i3_what_is_in_memory_is_not_asked_of_the_database() {
    let (_far, url) = far().await;
    let kit = believing(&url, |_| ()).await;
    let own = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&own).await.status(), 200);
    let own = format!("/files/{}/{}", own.sha256(), own.filename);
    let paths = [
        "/dev/simple/library/".to_owned(),
        file_path(""),
        file_path(".metadata"),
        own.clone(),
        format!("{own}.metadata"),
    ];
    for path in &paths {
        assert_eq!(status(&kit, path).await, 200, "{path}");
    }
    let away = |table: &str| format!("ALTER TABLE {table} RENAME TO away_{table};");
    let away: String = ["metadata", "upstream_files", "upstream_seen", "sessions"].map(away).concat();
    execute(kit.folder.path(), &away).await;
    for path in &paths {
        assert_eq!(status(&kit, path).await, 200, "{path}");
    }
}

#[tokio::test]
async fn i3_metadata_in_memory_are_refused_with_their_file() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let path = format!("/files/{}/{}.metadata", dist.sha256(), dist.filename);
    assert_eq!(status(&kit, &path).await, 200);
    let (status_of, body) = kit
        .post("/api/v1/blocks", json!({ "project": "demo", "version": "1.0", "set": true, "reason": "bad" }))
        .await;
    assert_eq!(status_of, 200, "{body}");
    assert_eq!(status(&kit, &path).await, 403);
}
