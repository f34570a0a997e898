//! Files of other places, taken into a channel (row I15).

use std::path::Path;

use shipway_index::{Admin, Config, Intake, IntakeSource, Outcome, Taken, start};

use crate::kit::{Dist, JSON, Kit, blobs, client, config, sdist, wheel, wheel_with};

fn intake(source: IntakeSource) -> Intake {
    Intake { source, channel: "dev".parse().unwrap(), projects: Vec::new(), at_once: 3, dry_run: false }
}

fn folder_of(path: &Path) -> Intake {
    intake(IntakeSource::Folder(path.to_owned()))
}

fn put(folder: &Path, dist: &Dist) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(&dist.filename), &dist.bytes).unwrap();
}

async fn take(admin: &Admin, intake: &Intake) -> Taken {
    admin.take_in(intake, &|_| ()).await.unwrap()
}

/// The index that files are taken into.
fn target(folder: &Path) -> Config {
    let folder = folder.join("target");
    std::fs::create_dir_all(&folder).unwrap();
    config(&folder)
}

/// An index for administrators alone.
async fn empty(folder: &Path) -> Admin {
    Admin::open(&target(folder)).await.unwrap()
}

#[tokio::test]
async fn i15_a_folder_comes_in_and_what_is_refused_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    put(&source, &wheel("demo", "1.0", "a"));
    put(&source.join("deeper"), &sdist("demo", "1.0", "a"));
    put(&source, &wheel("other", "2.0", "a"));
    let mut damaged = wheel("damaged", "1.0", "a");
    damaged.bytes.truncate(damaged.bytes.len() / 2);
    put(&source, &damaged);
    std::fs::write(source.join("old-1.0.egg"), b"x").unwrap();
    std::fs::write(source.join("README.txt"), b"x").unwrap();

    let admin = empty(folder.path()).await;
    let mut only = folder_of(&source);
    only.projects = vec!["other".parse().unwrap()];
    assert_eq!(take(&admin, &only).await.taken, 1);
    let mut dry = folder_of(&source);
    dry.dry_run = true;
    let would = take(&admin, &dry).await;
    assert_eq!((would.taken, would.refused.len()), (4, 1), "{would:?}");
    let taken = take(&admin, &folder_of(&source)).await;
    assert_eq!((taken.taken, taken.held, taken.unverified), (2, 1, 2), "{taken:?}");
    let refused: Vec<&str> = taken.refused.iter().map(|one| one.filename.as_str()).collect();
    assert_eq!(refused, ["damaged-1.0-py3-none-any.whl", "old-1.0.egg"], "{taken:?}");
    assert!(taken.refused.iter().all(|one| !one.why.is_empty()));
    // Again: everything is held, and the same is refused.
    let again = take(&admin, &folder_of(&source)).await;
    assert_eq!((again.taken, again.held, &again.refused), (0, 3, &taken.refused));
    let mut nowhere = folder_of(&source);
    nowhere.channel = "nosuch".parse().unwrap();
    assert!(admin.take_in(&nowhere, &|_| ()).await.is_err());
    admin.close().await;
}

/// Everything of a page that an import keeps.
fn kept(page: &serde_json::Value) -> Vec<serde_json::Value> {
    let files = page["files"].as_array().unwrap();
    let keys = ["filename", "hashes", "size", "upload-time", "requires-python", "yanked", "core-metadata"];
    files.iter().map(|file| keys.iter().map(|key| file[key].clone()).collect()).collect()
}

#[tokio::test]
async fn i15_a_simple_index_comes_in_with_digests_times_and_yanks_and_goes_on_where_it_ended() {
    let far = Kit::new().await;
    for (name, version) in [("demo", "1.0"), ("demo", "1.1"), ("other", "1.0")] {
        assert_eq!(far.upload(&wheel(name, version, "far")).await.status(), 200);
    }
    let mark =
        serde_json::json!({ "project": "demo", "version": "1.1", "set": true, "reason": "drops readings" });
    assert_eq!(far.post("/api/v1/yanks", mark).await.0, 200);

    let folder = tempfile::tempdir().unwrap();
    let admin = empty(folder.path()).await;
    let url = far
        .url("/dev/simple/")
        .replace("http://", &format!("http://__token__:{}@", far.server.token.expose()));
    let source = intake(IntakeSource::Simple(url));
    let mut first = source.clone();
    first.projects = vec!["other".parse().unwrap()];
    assert_eq!(take(&admin, &first).await.taken, 1);
    let seen = std::sync::Mutex::new(Vec::new());
    let taken =
        admin.take_in(&source, &|now| seen.lock().unwrap().push((now.all, now.outcome))).await.unwrap();
    assert_eq!((taken.taken, taken.held, taken.unverified), (2, 1, 0), "{taken:?}");
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() == 3 && seen.iter().all(|(all, _)| *all == 3));
    assert_eq!(seen.iter().filter(|(_, outcome)| *outcome == Outcome::Held).count(), 1);
    admin.close().await;

    let near = start(target(folder.path()), "127.0.0.1:0").await.unwrap();
    for name in ["demo", "other"] {
        let url = format!("{}/dev/simple/{name}/", near.url());
        let page = client().get(url).header("accept", JSON).send().await.unwrap();
        let page: serde_json::Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
        assert_eq!(kept(&page), kept(&far.json(&format!("/dev/simple/{name}/")).await), "{name}");
    }
    near.shutdown().await;
}

#[tokio::test]
async fn i15_bytes_that_are_not_what_the_source_promised_stay_out() {
    let far = Kit::new().await;
    let dist = wheel("demo", "1.0", "far");
    assert_eq!(far.upload(&dist).await.status(), 200);
    let sha256 = dist.sha256().to_hex();
    let blob = blobs(far.folder.path()).into_iter().find(|path| path.ends_with(&sha256)).unwrap();
    let mut permissions = std::fs::metadata(&blob).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&blob, permissions).unwrap();
    std::fs::write(&blob, wheel("demo", "1.0", "FAR").bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let admin = empty(folder.path()).await;
    let taken = take(&admin, &intake(IntakeSource::Simple(far.url("/dev/simple/")))).await;
    assert_eq!((taken.taken, taken.failed.len()), (0, 1), "{taken:?}");
    assert!(taken.failed[0].why.contains(&sha256), "{taken:?}");
    let gone = intake(IntakeSource::Simple("http://127.0.0.1:1/simple/".to_owned()));
    assert!(admin.take_in(&gone, &|_| ()).await.is_err());
    admin.close().await;
}

/// The filenames that a server over the target lists in a channel; none when it has no page.
async fn listed(folder: &Path, channel: &str, name: &str) -> Vec<String> {
    let near = start(target(folder), "127.0.0.1:0").await.unwrap();
    let url = format!("{}/{channel}/simple/{name}/", near.url());
    let page = client().get(url).header("accept", JSON).send().await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&page.bytes().await.unwrap()).unwrap();
    near.shutdown().await;
    let files = page["files"].as_array().cloned().unwrap_or_default();
    files.iter().map(|file| file["filename"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn i15_what_two_indexes_hold_comes_into_both_channels() {
    let folder = tempfile::tempdir().unwrap();
    let (unstable, stable) = (folder.path().join("unstable"), folder.path().join("stable"));
    let (first, second, own) =
        (wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a"), wheel("demo", "0.9", "a"));
    for dist in [&first, &second] {
        put(&unstable, dist);
    }
    let late = wheel_with("demo", "1.0", "cp312-none-any", "late");
    for dist in [&first, &own, &late] {
        put(&stable, dist);
    }
    let admin = empty(folder.path()).await;
    assert_eq!(take(&admin, &folder_of(&unstable)).await.taken, 2);
    let mut into = folder_of(&stable);
    into.channel = "stable".parse().unwrap();
    let taken = take(&admin, &into).await;
    assert_eq!((taken.taken, taken.held, taken.listed), (1, 1, 1), "{taken:?}");
    // A file that the first channel lacks comes into neither: the release is as it is, and that is said.
    assert_eq!(taken.refused.len(), 1, "{taken:?}");
    assert_eq!(taken.refused[0].filename, late.filename);
    let again = take(&admin, &into).await;
    assert_eq!((again.taken, again.held, again.listed), (0, 2, 0), "{again:?}");
    assert_eq!(again.refused.len(), 1, "{again:?}");
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
    let whole = [own.filename, first.filename, second.filename];
    assert_eq!(listed(folder.path(), "stable", "demo").await, whole);
    assert_eq!(listed(folder.path(), "dev", "demo").await, whole[1..]);
}
