//! The log with a million leaves: how long the first checkpoint, one more entry, and a proof take.
//!
//! `cargo bench -p shipway-index --bench log [LEAVES]`. Beside them: one durable write of a tile's size, for an
//! append cannot be faster than its own `fsync`.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot prepare its ground fails")]

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use shipway_dist::log::{Checkpoint, Tile, TileHashes, VerifierKey, consistency_proof, inclusion_proof};
use shipway_index::{Admin, ChannelConfig, Config, embedded};
use sqlx::{Connection as _, SqliteConnection};

#[tokio::main]
async fn main() {
    // Without a provider the client refuses to be made, even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let leaves =
        std::env::args().filter_map(|argument| argument.parse::<u64>().ok()).next().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path().join("data"));
    Admin::open(&config).await.unwrap().close().await;
    fill(&folder.path().join("data/index.sqlite"), leaves).await;
    let server = embedded(config.clone()).await.unwrap();
    let token = server.token.expose().to_owned();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let url = format!("{}{path}", server.running.url());
        let response = http.get(url).bearer_auth(&token).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.bytes().await.unwrap()
    };
    let start = Instant::now();
    get("/log/checkpoint").await;
    println!("{leaves} leaves: first checkpoint {:.2?}", start.elapsed());

    let admin = Admin::open(&config).await.unwrap();
    let mut appends = Vec::new();
    for at in 0..50 {
        let channel = ChannelConfig {
            name: format!("extra{at}").parse().unwrap(),
            accepts_uploads: false,
            local_versions: false,
        };
        admin.create_channel(&channel).await.unwrap();
        let start = Instant::now();
        get("/log/checkpoint").await;
        appends.push(start.elapsed());
    }
    let durable = fsync(folder.path());
    println!(
        "one entry more, with its checkpoint: median {:.2?} (all of it, {} files made durable; one durable file of 8 KiB: {durable:.2?})",
        median(appends),
        4
    );

    let info: serde_json::Value = serde_json::from_slice(&get("/api/v1/log").await).unwrap();
    let key: VerifierKey = info["verifier_key"].as_str().unwrap().parse().unwrap();
    let note = String::from_utf8(get("/log/checkpoint").await.to_vec()).unwrap();
    let size = Checkpoint::verify(&note, &key).unwrap().size;
    let root = folder.path().join("data/log");
    let hashes =
        TileHashes::new(size, |tile: &Tile| std::fs::read(root.join(tile.path())).map_err(|e| e.to_string()));
    let mut inclusions = Vec::new();
    let mut consistencies = Vec::new();
    for at in 0..200_u64 {
        let index = at * 7_919 % size;
        let start = Instant::now();
        assert!(!inclusion_proof(index, size, &hashes).unwrap().is_empty());
        inclusions.push(start.elapsed());
        let start = Instant::now();
        consistency_proof(index + 1, size, &hashes).unwrap();
        consistencies.push(start.elapsed());
    }
    println!(
        "proofs out of the tiles: inclusion median {:.2?}, consistency median {:.2?}",
        median(inclusions),
        median(consistencies)
    );
}

/// A journal of so many entries, as the index writes them.
async fn fill(database: &Path, leaves: u64) {
    let mut connection =
        SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
    let serial: i64 =
        sqlx::query_scalar("SELECT serial FROM state").fetch_one(&mut connection).await.unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
        INSERT INTO journal (serial, id, at, actor, action, project, object, detail)
        SELECT i, lower(hex(randomblob(16))), '2026-01-01T00:00:00Z', 'ci', 'promote', 'demo-' || (i % 997),
               '1.' || i || ' in stable', '{\"to\":\"stable\",\"manifest_digest\":\"' || lower(hex(randomblob(32))) || '\"}'
        FROM n";
    let to = i64::try_from(leaves).unwrap();
    sqlx::query(sql).bind(serial).bind(to).execute(&mut connection).await.unwrap();
    sqlx::query("UPDATE state SET serial = ?1").bind(to).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn fsync(folder: &Path) -> Duration {
    let one = |at: usize| {
        let start = Instant::now();
        let mut file = std::fs::File::create(folder.join(format!("durable-{at}"))).unwrap();
        file.write_all(&[0; 8192]).unwrap();
        file.sync_all().unwrap();
        std::fs::File::open(folder).unwrap().sync_all().unwrap();
        start.elapsed()
    };
    median((0..50).map(one).collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
