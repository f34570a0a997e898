//! Uploads at once.

use std::sync::Arc;

use crate::kit::{Kit, blobs, wheel, wheel_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i6_first_uploads_at_once_lose_nothing() {
    let kit = Arc::new(Kit::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..24 {
        let kit = kit.clone();
        // Twelve projects of their own, and twelve first files of one project.
        let dist = match at % 2 {
            0 => wheel(&format!("project{at}"), "1.0", "a"),
            _ => wheel_with("demo", "1.0", &format!("cp3{at}-none-any"), "a"),
        };
        tasks.spawn(async move { kit.upload(&dist).await.status().as_u16() });
    }
    let statuses = tasks.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 12);
    let list = kit.json("/dev/simple/").await;
    assert_eq!(list["projects"].as_array().unwrap().len(), 13);
    assert_eq!(blobs(kit.folder.path()).len(), 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i6_one_filename_at_once_with_equal_and_with_other_bytes() {
    let kit = Arc::new(Kit::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..16 {
        let kit = kit.clone();
        let dist = wheel("demo", "1.0", if at % 2 == 0 { "a" } else { "b" });
        tasks.spawn(async move { (dist.sha256(), kit.upload(&dist).await.status().as_u16()) });
    }
    let results = tasks.join_all().await;
    let page = kit.json("/dev/simple/demo/").await;
    let winner = page["files"][0]["hashes"]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(page["files"].as_array().unwrap().len(), 1);
    for (sha256, status) in results {
        assert_eq!(status, if sha256.to_hex() == winner { 200 } else { 422 });
    }
    // The bytes that lost are gone.
    assert_eq!(blobs(kit.folder.path()).len(), 1);
}
