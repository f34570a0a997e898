//! Two servers of one index: on PostgreSQL with a data directory each, on SQLite over one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use shipway_index::{Action, Config, Embedded, Running, serve};
use tokio::net::TcpListener;

use crate::backend::{Backend, backend};
use crate::kit::{Dist, Folder, Kit, blobs, client, config, wheel, wheel_with};

/// The configuration of another server of the index in that folder.
pub(crate) fn another(folder: &Path) -> Config {
    let mut config = config(folder);
    if backend() == Backend::Postgres {
        config.keys = Some(config.data.join("keys"));
        config.data = folder.join("another");
    }
    config
}

async fn start(config: Config) -> Running {
    serve(config, TcpListener::bind("127.0.0.1:0").await.unwrap()).await.unwrap()
}

/// Two servers, and one token that holds at both.
pub(crate) async fn pair() -> (Arc<Kit>, Arc<Kit>) {
    let one = Kit::standing().await;
    one.policy("[publish]\nlocal = \"allow\"\n").await;
    let folder = one.folder.path().to_owned();
    let running = start(another(&folder)).await;
    let token = one.token("all", &[], &[], Action::ALL).await;
    let other = Kit { folder: Folder::Lent(folder), server: Embedded { running, token }, http: client() };
    (Arc::new(one), Arc::new(other))
}

async fn at_once(pair: &(Arc<Kit>, Arc<Kit>), dists: Vec<Dist>) -> Vec<(Dist, u16)> {
    let mut tasks = tokio::task::JoinSet::new();
    for (at, dist) in dists.into_iter().enumerate() {
        let kit = if at % 2 == 0 { pair.0.clone() } else { pair.1.clone() };
        tasks.spawn(async move {
            let status = kit.upload(&dist).await.status().as_u16();
            (dist, status)
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i7_64_first_uploads_over_two_servers_lose_nothing() {
    let pair = pair().await;
    let projects = (0..64).map(|at| wheel(&format!("project{at}"), "1.0", "a")).collect();
    assert!(at_once(&pair, projects).await.iter().all(|(_, status)| *status == 200));
    let one_project =
        (0..64).map(|at| wheel_with("demo", "1.0", &format!("cp3{at}-none-any"), "a")).collect();
    assert!(at_once(&pair, one_project).await.iter().all(|(_, status)| *status == 200));
    for kit in [&pair.0, &pair.1] {
        assert_eq!(kit.json("/dev/simple/").await["projects"].as_array().unwrap().len(), 65);
        assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 64);
    }
    assert_eq!(blobs(pair.0.folder.path()).len(), 128);
    let admin = pair.0.admin().await;
    let found = admin.fsck(false).await.unwrap();
    assert_eq!((found.problems, found.blobs, found.projects), (Vec::new(), 128, 65));
    admin.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i7_of_64_names_that_look_alike_over_two_servers_one_is_taken() {
    let pair = pair().await;
    let name = |at: usize| -> String {
        let other = |(place, pair): (usize, &[char; 2])| pair[at >> place & 1];
        [['l', '1'], ['o', '0'], ['i', '1'], ['l', 'i'], ['o', '0'], ['i', '1']]
            .iter()
            .enumerate()
            .map(other)
            .chain("tool".chars())
            .collect()
    };
    let results = at_once(&pair, (0..64).map(|at| wheel(&name(at), "1.0", "a")).collect()).await;
    let taken: Vec<_> = results.iter().filter(|(_, status)| *status == 200).collect();
    assert_eq!(taken.len(), 1, "{:?}", taken.iter().map(|(dist, _)| &dist.filename).collect::<Vec<_>>());
    assert!(results.iter().all(|(_, status)| matches!(status, 200 | 400)));
    assert_eq!(pair.1.json("/dev/simple/").await["projects"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i7_64_uploads_of_one_filename_over_two_servers_give_one_winner() {
    let pair = pair().await;
    let equal = (0..64).map(|_| wheel("same", "1.0", "a")).collect();
    assert!(at_once(&pair, equal).await.iter().all(|(_, status)| *status == 200));
    let different = (0..64).map(|at| wheel("demo", "1.0", &at.to_string())).collect();
    let results = at_once(&pair, different).await;
    let page = pair.0.json("/dev/simple/demo/").await;
    assert_eq!(page, pair.1.json("/dev/simple/demo/").await);
    assert_eq!(page["files"].as_array().unwrap().len(), 1);
    let winner = page["files"][0]["hashes"]["sha256"].as_str().unwrap().to_owned();
    for (dist, status) in results {
        assert_eq!(status, if dist.sha256().to_hex() == winner { 200 } else { 422 });
    }
    assert_eq!(blobs(pair.0.folder.path()).len(), 2, "the bytes that lost are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f6_publishes_of_one_project_at_once_over_two_servers_come_one_after_the_other() {
    let pair = pair().await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..24 {
        let kit = if at % 2 == 0 { pair.0.clone() } else { pair.1.clone() };
        // Twelve releases, each published twice.
        let version = format!("1.{}", at / 2);
        tasks.spawn(async move {
            let files = [wheel("demo", &version, "a"), crate::kit::sdist("demo", &version, "a")];
            kit.publish("demo", &version, &files).await
        });
    }
    tasks.join_all().await;
    assert_eq!(pair.0.listed("dev", "demo").await.unwrap().len(), 24);
    let published = |stored: &str| {
        stored.lines().filter(|line| line.starts_with("journal") && line.contains("'publish'")).count()
    };
    assert_eq!(published(&pair.0.stored().await), 12, "the second of each found it done");

    // Other bytes for one release: one wins, whole, and the others are told.
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..24 {
        let kit = if at % 2 == 0 { pair.0.clone() } else { pair.1.clone() };
        tasks.spawn(async move { one_of_many(&kit, at).await });
    }
    let winners: Vec<_> = tasks.join_all().await.into_iter().filter_map(|won| won["won"].as_u64()).collect();
    let [winner] = winners[..] else { panic!("{winners:?} won") };
    let page = pair.1.json("/dev/simple/other/").await;
    let salt = winner.to_string();
    for file in [wheel("other", "1.0", &salt), crate::kit::sdist("other", "1.0", &salt)] {
        let listed = page["files"].as_array().unwrap();
        let found = listed.iter().find(|listed| listed["filename"] == file.filename.as_str()).unwrap();
        assert_eq!(found["hashes"]["sha256"], file.sha256().to_hex());
    }
    assert_eq!(page["files"].as_array().unwrap().len(), 2);
    let admin = pair.0.admin().await;
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new(), "the bytes that lost are gone");
    admin.close().await;
}

/// Tries to publish `other` 1.0 with bytes of its own; says whether it won.
async fn one_of_many(kit: &Kit, number: u64) -> serde_json::Value {
    let salt = number.to_string();
    let files = [wheel("other", "1.0", &salt), crate::kit::sdist("other", "1.0", &salt)];
    let (status, begun) = kit.post("/api/v1/sessions", crate::kit::session("other", "1.0", &files)).await;
    if status == 422 {
        return json!({});
    }
    assert_eq!(status, 201, "{begun}");
    let id = begun["id"].as_str().unwrap();
    for file in &files {
        let (status, body) = kit.put(id, file).await;
        if status != 200 {
            // A later session took its place.
            assert!(status == 404 || status == 422, "{status} {body}");
            return json!({});
        }
    }
    match kit.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await {
        (200, _) => json!({ "won": number }),
        (404 | 422, _) => json!({}),
        (status, body) => panic!("{status} {body}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l3_five_hundred_installers_at_once_over_two_servers_lose_no_request() {
    let pair = pair().await;
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(pair.0.upload(&dist).await.status(), 200);
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let together = Arc::new(tokio::sync::Barrier::new(500));
    let mut installers = tokio::task::JoinSet::new();
    for number in 0..500 {
        let kit = if number % 2 == 0 { pair.0.clone() } else { pair.1.clone() };
        let (file, dist, together) = (file.clone(), dist.clone(), together.clone());
        installers.spawn(async move {
            together.wait().await;
            if number % 100 == 7 {
                // Writes between the reads, at either server.
                let other = wheel("demo", &format!("2.{number}"), "a");
                assert_eq!(kit.upload(&other).await.status(), 200);
                assert!(kit.listed("dev", "demo").await.unwrap().contains(&other.filename));
            }
            assert!(kit.listed("dev", "demo").await.unwrap().contains(&dist.filename));
            let metadata = kit.get(&format!("{file}.metadata")).send().await.unwrap();
            assert_eq!(metadata.status(), 200);
            assert_eq!(metadata.bytes().await.unwrap(), dist.metadata);
            let part = kit.get(&file).header("range", "bytes=-22").send().await.unwrap();
            assert_eq!(part.status(), 206);
            let whole = kit.get(&file).send().await.unwrap();
            assert_eq!(whole.bytes().await.unwrap(), dist.bytes);
        });
    }
    installers.join_all().await;
    for kit in [&pair.0, &pair.1] {
        assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 6);
        let text = kit.get("/metrics").send().await.unwrap().text().await.unwrap();
        let failed =
            |line: &&str| line.starts_with("shipway_http_responses_total") && line.contains("status=\"5");
        assert_eq!(text.lines().find(failed), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i12_two_servers_go_on_with_one_log() {
    use shipway_dist::log::{Checkpoint, VerifierKey};
    let (one, other) = pair().await;
    let mut sizes = BTreeSet::new();
    for at in 0..6 {
        let kit = if at % 2 == 0 { &one } else { &other };
        assert_eq!(kit.upload(&wheel("demo", &format!("1.{at}"), "a")).await.status(), 200);
        for kit in [&one, &other] {
            let key: VerifierKey =
                kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
            let note = kit.get("/log/checkpoint").send().await.unwrap().text().await.unwrap();
            sizes.insert(Checkpoint::verify(&note, &key).unwrap().size);
        }
        assert_eq!(sizes.len(), at + 1, "both cover the upload, and nothing twice");
    }
}

#[tokio::test]
async fn i12_a_session_goes_on_at_another_server_when_one_is_gone() {
    let (one, other) = pair().await;
    let files = [wheel("demo", "1.0", "a"), crate::kit::sdist("demo", "1.0", "a")];
    let (status, session) = one.post("/api/v1/sessions", crate::kit::session("demo", "1.0", &files)).await;
    assert_eq!(status, 201, "{session}");
    let id = session["id"].as_str().unwrap();
    assert_eq!(one.put(id, &files[0]).await.0, 200);
    let Kit { folder: _kept, server, .. } = Arc::into_inner(one).unwrap();
    server.running.shutdown().await;
    assert_eq!(other.put(id, &files[1]).await.0, 200);
    let (status, body) = other.post(&format!("/api/v1/sessions/{id}/publish"), json!({})).await;
    assert_eq!((status, body["state"].as_str()), (200, Some("published")), "{body}");
    assert_eq!(other.listed("dev", "demo").await.unwrap().len(), 2);
}

#[tokio::test]
async fn i12_a_server_with_other_keys_refuses_to_start() {
    let kit = Kit::new().await;
    let mut stranger = another(kit.folder.path());
    let empty = tempfile::tempdir().unwrap();
    stranger.keys = Some(empty.path().join("keys"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = serve(stranger, listener).await.err().unwrap().to_string();
    assert!(error.contains("log.pem` is missing") && error.contains("--keys"), "{error}");
    assert!(!empty.path().join("keys").exists(), "and makes no key of its own");
    assert_eq!(kit.upload(&wheel("demo", "1.0", "a")).await.status(), 200);
}
