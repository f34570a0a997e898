//! Pages in memory: what is warm is as new as what is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use serde_json::{Value, json};
use shipway_index::{Action, Clock, TokenSpec};

use crate::kit::{JSON, Kit, wheel};

const HTML: &str = "application/vnd.pypi.simple.v1+html";

async fn text(kit: &Kit, path: &str, accept: &str, coding: &str) -> String {
    let request = kit.get(path).header("accept", accept).header("accept-encoding", coding);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes.len(), length);
    match coding {
        "gzip" => std::io::read_to_string(flate2::read::GzDecoder::new(&bytes[..])).unwrap(),
        "zstd" => String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
        _ => String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

#[tokio::test]
async fn f2_every_form_of_a_warm_page_shows_the_last_write() {
    let kit = Kit::new().await;
    for number in 0..4 {
        let dist = wheel("demo", &format!("1.{number}"), "a");
        assert_eq!(kit.upload(&dist).await.status(), 200);
        for accept in [JSON, HTML, "text/html"] {
            for coding in ["identity", "gzip", "zstd"] {
                // The second time from memory.
                for _ in 0..2 {
                    let page = text(&kit, "/dev/simple/demo/", accept, coding).await;
                    assert!(page.contains(&dist.filename), "{accept} {coding} {page}");
                }
            }
        }
    }
}

#[tokio::test]
async fn f2_readers_never_see_less_than_was_acknowledged() {
    let kit = Arc::new(Kit::new().await);
    kit.upload(&wheel("demo", "1.0", "a")).await;
    let acknowledged = Arc::new(AtomicUsize::new(1));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (kit, acknowledged) = (kit.clone(), acknowledged.clone());
            tokio::spawn(async move {
                loop {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let files = kit.listed("dev", "demo").await.unwrap().len();
                    assert!(files >= before, "{files} {before}");
                    if files == 13 {
                        return;
                    }
                }
            })
        })
        .collect();
    for number in 1..13 {
        assert_eq!(kit.upload(&wheel("demo", &format!("1.{number}"), "a")).await.status(), 200);
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn f2_the_list_of_projects_follows_every_write() {
    let kit = Kit::new().await;
    let names = async |channel: &str, coding: &str| {
        let path = format!("/{channel}/simple/");
        let list: Value = serde_json::from_str(&text(&kit, &path, JSON, coding).await).unwrap();
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        list["projects"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names("dev", "gzip").await, Vec::<String>::new());
    let mut tags = std::collections::BTreeSet::new();
    for name in ["mid_dle", "alpha", "zeta"] {
        kit.publish(name, "1.0", &[wheel(name, "1.0", "a")]).await;
        let response = kit.get("/dev/simple/").header("accept", JSON).send().await.unwrap();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tags.insert(tag.clone()));
        let known = kit.get("/dev/simple/").header("accept", JSON).header("if-none-match", &tag);
        assert_eq!(known.send().await.unwrap().status(), 304);
    }
    for coding in ["identity", "gzip", "zstd"] {
        assert_eq!(names("dev", coding).await, ["alpha", "mid_dle", "zeta"]);
        assert_eq!(names("staging", coding).await, Vec::<String>::new());
    }
    kit.vouch("alpha", "1.0").await;
    assert_eq!(kit.promote("alpha", "1.0", "staging").await.0, 200);
    assert_eq!(names("staging", "gzip").await, ["alpha"]);
    let body = json!({ "project": "alpha", "version": "1.0", "set": true, "reason": "bad" });
    let (status, answer) = kit.post("/api/v1/blocks", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(names("dev", "zstd").await, ["mid_dle", "zeta"]);
    assert_eq!(names("staging", "identity").await, Vec::<String>::new());
    // Written by a second release, the project is listed once.
    kit.upload(&wheel("zeta", "2.0", "a")).await;
    assert_eq!(names("dev", "identity").await, ["mid_dle", "zeta"]);
}

/// The value of a metric.
async fn metric(kit: &Kit, name: &str) -> u64 {
    let metrics = kit.get("/metrics").send().await.unwrap().text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn l2_a_list_is_read_whole_once_though_commits_never_cease() {
    let kit = Arc::new(Kit::new().await);
    let written = Arc::new(AtomicUsize::new(0));
    let (writer, count) = (kit.clone(), written.clone());
    let writing = tokio::spawn(async move {
        for number in 0..60 {
            let dist = wheel(&format!("own{number}"), "1.0", "a");
            assert_eq!(writer.upload(&dist).await.status(), 200);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut asked = 0;
    while !writing.is_finished() {
        let before = written.load(Ordering::SeqCst);
        let listed = kit.json("/dev/simple/").await["projects"].as_array().unwrap().len();
        assert!(listed >= before, "{listed} {before}");
        asked += 1;
    }
    writing.await.unwrap();
    let list = kit.json("/dev/simple/").await;
    assert_eq!(list["projects"].as_array().unwrap().len(), 60);
    // One for each of the three channels, read ahead at the start or when it was first asked for.
    let read = metric(&kit, "shipway_lists_read_total").await;
    assert!(read <= 3, "{read} of {asked}");
}

#[tokio::test]
async fn without_room_everything_is_built_anew_and_is_right() {
    let kit = Kit::with(|config| config.limits.cache = 1).await;
    for name in ["one", "two"] {
        kit.upload(&wheel(name, "1.0", "a")).await;
    }
    for _ in 0..3 {
        for name in ["one", "two"] {
            assert_eq!(kit.listed("dev", name).await.unwrap().len(), 1);
        }
    }
    assert!(metric(&kit, "shipway_cache_evicted_total").await > 0);
    assert!(metric(&kit, "shipway_cache_bytes").await < 10_000);
}

#[tokio::test]
async fn a_token_that_was_recognised_ends_when_it_is_revoked_or_expires() {
    let now = Arc::new(AtomicI64::new(1_900_000_000));
    let clock = now.clone();
    let kit = Kit::with(|config| {
        config.anonymous_read = Some(false);
        config.clock =
            Clock::new(move || jiff::Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap());
    })
    .await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    let get = async |token: &str| {
        let request = kit.http.get(kit.url("/dev/simple/demo/")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    let reader = kit.token("reader", &[], &[], &[Action::Read]).await;
    for _ in 0..3 {
        assert_eq!(get(reader.expose()).await, 200);
    }
    // By another process, as far as the server can tell.
    let admin = kit.admin().await;
    admin.revoke_token("reader").await.unwrap();
    assert_eq!(get(reader.expose()).await, 401);
    let mut config = crate::kit::config(kit.folder.path());
    let clock = now.clone();
    config.clock = Clock::new(move || jiff::Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap());
    let admin = shipway_index::Admin::open(&config).await.unwrap();
    let spec = TokenSpec {
        name: "short".into(),
        projects: Vec::new(),
        channels: Vec::new(),
        actions: vec![Action::Read],
        expires: Some(shipway_index::parse_duration("1h").unwrap()),
    };
    let short = admin.create_token(&spec).await.unwrap();
    assert_eq!(get(short.expose()).await, 200);
    assert_eq!(get(short.expose()).await, 200);
    now.fetch_add(3601, Ordering::SeqCst);
    assert_eq!(get(short.expose()).await, 401);
}

#[tokio::test]
async fn l3_two_hundred_installers_at_once_lose_no_request() {
    let kit = Arc::new(Kit::new().await);
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let one = |number: usize| {
        let (kit, file, dist) = (kit.clone(), file.clone(), dist.clone());
        tokio::spawn(async move {
            if number % 50 == 7 {
                // Writes between the reads.
                let dist = wheel("demo", &format!("2.{number}"), "a");
                assert_eq!(kit.upload(&dist).await.status(), 200);
            }
            assert!(kit.listed("dev", "demo").await.unwrap().contains(&dist.filename));
            let metadata = kit.get(&format!("{file}.metadata")).send().await.unwrap();
            assert_eq!(metadata.bytes().await.unwrap(), dist.metadata);
            let part = kit.get(&file).header("range", "bytes=-22").send().await.unwrap();
            assert_eq!(part.status(), 206);
            let whole = kit.get(&file).send().await.unwrap();
            assert_eq!(whole.bytes().await.unwrap(), dist.bytes);
        })
    };
    let installers: Vec<_> = (0..200).map(one).collect();
    for installer in installers {
        installer.await.unwrap();
    }
}

#[tokio::test]
async fn l2_a_synthetic_index_is_served_and_grows() {
    use shipway_index::synthetic::{Size, generate};
    let folder = tempfile::tempdir().unwrap();
    let size = Size { projects: 30, files: 7, large: 100 };
    generate(&crate::kit::config(folder.path()), "made", size, |_| ()).await.unwrap();
    let kit = Kit::over(crate::kit::Folder::Own(folder), |_| ()).await;
    assert_eq!(kit.listed("dev", "made-000029").await.unwrap().len(), 7);
    assert_eq!(kit.listed("dev", "large").await.unwrap().len(), 100);
    assert_eq!(kit.json("/dev/simple/").await["projects"].as_array().unwrap().len(), 31);
    assert_eq!(kit.upload(&wheel("made_000029", "9.0", "a")).await.status(), 200);
    assert_eq!(kit.listed("dev", "made-000029").await.unwrap().len(), 8);
    assert_eq!(kit.json("/dev/simple/").await["projects"].as_array().unwrap().len(), 31);
    assert_eq!(Size::named("L").unwrap().projects, 150_000);
}

/// The task that asks the database what changed ends when nobody waits, which is after nearly every request here.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l3_whoever_asks_as_a_question_ends_is_answered() {
    let kit = Arc::new(Kit::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let kit = kit.clone();
        tasks.spawn(async move {
            for _ in 0..1_000 {
                assert_eq!(kit.get("/api/v1/channels").send().await.unwrap().status(), 200);
            }
        });
    }
    tasks.join_all().await;
}
