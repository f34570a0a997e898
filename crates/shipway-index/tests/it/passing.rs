//! What is passed on from upstream: asked once, remembered, held back, or never asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_index::{Clock, Config, Upstream};

use crate::far::{BYTES, FILENAME, METADATA, far, file_path, near, status};
use crate::kit::{Folder, Kit, wheel};

#[tokio::test]
async fn i10_what_many_want_at_once_is_asked_for_once() {
    let (far, url) = far().await;
    let kit = Arc::new(near(&url, |config| config.limits.upstream_page = Duration::from_secs(60)).await);
    far.delay_ms.store(300, Ordering::SeqCst);
    let together = async |path: String| {
        let one = |_| {
            let (kit, path) = (kit.clone(), path.clone());
            tokio::spawn(async move { status(&kit, &path).await })
        };
        let asked: Vec<_> = (0..20).map(one).collect();
        for task in asked {
            assert_eq!(task.await.unwrap(), 200, "{path}");
        }
    };
    for (number, path) in
        ["/dev/simple/library/".into(), file_path(""), file_path(".metadata")].into_iter().enumerate()
    {
        together(path).await;
        assert_eq!(far.asked(), number + 1);
    }
    let metadata = kit.get(&file_path(".metadata")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(metadata, METADATA);
}

#[tokio::test]
async fn i10_a_failure_is_shared_too() {
    let (far, url) = far().await;
    let kit = Arc::new(near(&url, |_| ()).await);
    far.status.store(403, Ordering::SeqCst);
    // Longer than ten requests take to come to the same point, on a busy machine too.
    far.delay_ms.store(2000, Ordering::SeqCst);
    let one = |_| {
        let kit = kit.clone();
        tokio::spawn(async move { status(&kit, "/dev/simple/library/").await })
    };
    let asked: Vec<_> = (0..10).map(one).collect();
    for task in asked {
        assert_eq!(task.await.unwrap(), 502);
    }
    assert_eq!(far.asked(), 1);
}

#[tokio::test]
async fn i10_the_last_good_page_serves_while_upstream_fails() {
    let (far, url) = far().await;
    let kit = near(&url, |_| ()).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    far.status.store(500, Ordering::SeqCst);
    let old = kit.get("/dev/simple/library/").send().await.unwrap();
    assert_eq!(old.status(), 200);
    assert!(old.headers()["warning"].to_str().unwrap().starts_with("110"));
    assert!(old.headers().contains_key("age"));
    assert!(old.text().await.unwrap().contains(FILENAME));
    // What was never seen is an error, never an empty answer.
    assert_eq!(status(&kit, "/dev/simple/other/").await, 502);
    // After a restart it is still known.
    let Kit { folder, server, .. } = kit;
    server.running.shutdown().await;
    let again = |config: &mut Config| {
        config.upstream = Upstream::Url(url.clone());
        config.limits.upstream_page = Duration::ZERO;
    };
    let kit = Kit::over(folder, again).await;
    let old = kit.get("/dev/simple/library/").send().await.unwrap();
    assert_eq!((old.status().as_u16(), old.headers().contains_key("warning")), (200, true));
    // An answer counts, a 404 too.
    far.status.store(404, Ordering::SeqCst);
    assert_eq!(status(&kit, "/dev/simple/library/").await, 404);
    far.status.store(500, Ordering::SeqCst);
    assert_ne!(status(&kit, "/dev/simple/library/").await, 200);
}

#[tokio::test]
async fn i10_a_slow_upstream_is_not_waited_for_when_a_page_is_known() {
    let (far, url) = far().await;
    let kit = near(&url, |config| config.upstream_rules.patience = Duration::from_millis(100)).await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    far.delay_ms.store(1500, Ordering::SeqCst);
    let began = Instant::now();
    let old = kit.get("/dev/simple/library/").send().await.unwrap();
    assert_eq!((old.status().as_u16(), old.headers().contains_key("warning")), (200, true));
    assert!(began.elapsed() < Duration::from_millis(1400), "{:?}", began.elapsed());
    // Nothing known: waited for.
    assert_eq!(status(&kit, "/dev/simple/other/").await, 404);
}

#[tokio::test]
async fn i10_an_unchanged_page_is_not_sent_again() {
    let (far, url) = far().await;
    let kit = near(&url, |_| ()).await;
    for _ in 0..3 {
        assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    }
    assert_eq!((far.asked(), far.unchanged.load(Ordering::SeqCst)), (3, 2));
    far.set(&[("library-1.1-py3-none-any.whl", None)]);
    assert_eq!(kit.listed("dev", "library").await.unwrap(), ["library-1.1-py3-none-any.whl"]);
}

#[tokio::test]
async fn i10_reserved_names_never_leave() {
    let (far, url) = far().await;
    let kit = near(&url, |config| config.upstream_rules.reserved = vec!["Library".parse().unwrap()]).await;
    for path in [
        "/dev/simple/library/".to_owned(),
        "/dev/simple/library-core/".to_owned(),
        file_path(""),
        file_path(".metadata"),
        // No names of projects at all.
        "/dev/simple/..%2Fbytes/".to_owned(),
        "/dev/simple/a%20b/".to_owned(),
    ] {
        assert_ne!(status(&kit, &path).await, 200, "{path}");
    }
    assert_eq!(far.asked(), 0);
    assert_eq!(status(&kit, "/dev/simple/other/").await, 404);
    assert_eq!(far.asked(), 1);
}

#[tokio::test]
async fn i10_young_files_are_held_back() {
    let (far, url) = far().await;
    let clock = |text: &'static str| Clock::new(move || text.parse().unwrap());
    let young = "library-1.1-py3-none-any.whl";
    let files = [
        (FILENAME, Some("2030-01-01T00:00:00Z")),
        (young, Some("2030-01-09T00:00:00Z")),
        ("library-1.2.tar.gz", None),
    ];
    far.set(&files);
    let rules = |config: &mut Config, now: &'static str| {
        config.upstream_rules.cool_down = Duration::from_secs(7 * 86_400);
        config.clock = clock(now);
    };
    let kit = near(&url, |config| rules(config, "2030-01-10T00:00:00Z")).await;
    let page: Value = kit.json("/dev/simple/library/").await;
    assert_eq!(page["versions"], json!(["1.0"]), "{page}");
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    let young_path = format!("/files/{}/{young}", Sha256::of(BYTES));
    assert_eq!(status(&kit, &young_path).await, 404);
    assert_eq!(status(&kit, &format!("{young_path}.metadata")).await, 404);
    assert_eq!(status(&kit, &file_path("")).await, 200);
    // Served once, so it stays, whatever upstream says of its age now.
    far.set(&[(FILENAME, None), (young, Some("2030-01-09T00:00:00Z"))]);
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    far.set(&files);
    let later = near(&url, |config| rules(config, "2030-01-16T00:00:00Z")).await;
    assert_eq!(later.listed("dev", "library").await.unwrap(), [FILENAME, young]);
    let excepted = near(&url, |config| {
        rules(config, "2030-01-10T00:00:00Z");
        config.upstream_rules.cool_down_except = vec!["library==1.1".into()];
    })
    .await;
    assert_eq!(excepted.listed("dev", "library").await.unwrap(), [FILENAME, young]);
}

#[tokio::test]
async fn i10_a_name_that_becomes_local_is_local_from_then_on() {
    let (_far, url) = far().await;
    let kit = Kit::over(Folder::Own(tempfile::tempdir().unwrap()), |config| {
        config.upstream = Upstream::Url(url);
    })
    .await;
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [FILENAME]);
    for suffix in ["", ".metadata"] {
        assert_eq!(status(&kit, &file_path(suffix)).await, 200);
    }
    let own = wheel("library", "9.0", "a");
    assert_eq!(kit.upload(&own).await.status(), 200);
    assert_eq!(kit.listed("dev", "library").await.unwrap(), [own.filename]);
    // The bytes that came from upstream are hidden with its page.
    for suffix in ["", ".metadata"] {
        assert_eq!(status(&kit, &file_path(suffix)).await, 404);
    }
}
