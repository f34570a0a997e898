//! Servers of two versions over one database: the older one goes on while the newer one brings the tables up to
//! date, and afterwards.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use shipway_dist::Sha256;
use shipway_index::{Action, Admin};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyPool, AssertSqlSafe, Row as _};

use super::migration::dialect;
use crate::backend::{database_url, execute};
use crate::kit::{Folder, JSON, Kit, config, session, wheel};

const STATEMENTS: &str = include_str!("older.sql");
/// The token that the older server made, as a client sends it.
const TOKEN: &str = "shipway_token{n}_secret";

/// The migrations in the order of their numbers.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/migrations");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// The connection of a server of an older version, which is kept, and every statement prepared on it with it.
async fn older(folder: &Path, known: usize) -> AnyPool {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    config(folder);
    let mut sql = "CREATE TABLE migrations (number BIGINT PRIMARY KEY);".to_owned();
    for (at, migration) in migrations().iter().take(known).enumerate() {
        sql.push_str(&dialect(migration));
        sql.push_str(&format!("INSERT INTO migrations (number) VALUES ({});", at + 1));
    }
    sql.push_str("INSERT INTO channels VALUES ('dev', 1, 1, 1), ('staging', 2, 0, 0), ('stable', 3, 0, 0);");
    execute(folder, &sql).await;
    install_default_drivers();
    AnyPoolOptions::new().max_connections(1).connect(&database_url(folder)).await.unwrap()
}

/// Runs every statement of the older version.
async fn run(pool: &AnyPool, number: usize) {
    let number = number.to_string();
    let hash = Sha256::of(TOKEN.replace("{n}", &number).as_bytes()).to_hex();
    let filled = STATEMENTS
        .replace("{n}", &number)
        .replace("{hash}", &hash)
        .replace("{sha256}", &Sha256::of(b"bytes").to_hex());
    let mut serial = 0;
    let mut count = 0;
    for part in filled.split("\n-- [").skip(1) {
        let (bound, sql) = part.split_once("]\n").unwrap();
        let bound: Vec<Value> = serde_json::from_str(&format!("[{bound}]")).unwrap();
        let mut query = sqlx::query(AssertSqlSafe(sql.trim().trim_end_matches(';').to_owned()));
        for value in bound {
            query = match value.as_str() {
                Some("SERIAL") => query.bind(serial),
                Some(text) => query.bind(text.to_owned()),
                None => query.bind(value.as_i64().unwrap()),
            };
        }
        let rows = query.fetch_all(pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        if sql.contains("RETURNING serial") {
            serial = rows[0].get("serial");
        }
        count += 1;
    }
    assert!(count > 25, "{count}");
}

#[tokio::test]
async fn i12_an_older_server_goes_on_while_a_newer_one_migrates() {
    let folder = tempfile::tempdir().unwrap();
    let pool = older(folder.path(), 2).await;
    run(&pool, 1).await;
    let kit = Kit::over(Folder::Lent(folder.path().to_owned()), |_| {}).await;
    assert_eq!(kit.upload(&wheel("demo", "1.0", "a")).await.status(), 200);
    run(&pool, 2).await;
    // The newer one serves what the older one wrote, before and after.
    for number in ["1", "2"] {
        let name = format!("old{number}");
        assert_eq!(kit.listed("dev", &name).await.unwrap(), [format!("{name}-1.0-py3-none-any.whl")]);
        assert_eq!(kit.project(&name).await["releases"][0]["publisher"], "older");
        let token = TOKEN.replace("{n}", number);
        let request = kit.http.get(kit.url("/dev/simple/")).bearer_auth(token).header("accept", JSON);
        assert_eq!(request.send().await.unwrap().status(), 200, "{number}");
    }
    assert_eq!(kit.json("/dev/simple/").await["projects"].as_array().unwrap().len(), 3);
    assert_eq!(kit.get("/log/checkpoint").send().await.unwrap().status(), 200);
    run(&pool, 3).await;
    pool.close().await;
    kit.server.running.shutdown().await;
}

/// The names of all tables.
fn tables() -> BTreeSet<String> {
    let text = migrations().concat();
    let names = text.split("CREATE TABLE ").skip(1);
    names.map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Everything that a server asks its database about tokens, keys, sessions, releases and policies.
async fn everything(kit: &Kit, admin: &Admin, round: usize) {
    let version = format!("{round}.0");
    let name = format!("reader{round}");
    let token = kit.token(&name, &[], &[], &[Action::Read]).await;
    let read = kit.http.get(kit.url("/dev/simple/")).bearer_auth(token.expose()).header("accept", JSON);
    assert_eq!(read.send().await.unwrap().status(), 200);
    assert_eq!(admin.tokens().await.unwrap().len(), round);
    let files = [wheel("demo", &version, "a"), crate::kit::sdist("demo", &version, "a")];
    for _ in 0..2 {
        let (status, begun) = kit.post("/api/v1/sessions", session("demo", &version, &files)).await;
        assert!(status == 201 || status == 200, "{begun}");
        assert_eq!(kit.put(begun["id"].as_str().unwrap(), &files[0]).await.0, 200);
    }
    kit.publish("demo", &version, &files).await;
    kit.vouch("demo", &version).await;
    assert_eq!(kit.promote("demo", &version, "staging").await.0, 200);
    let mark = |set: bool| json!({ "project": "demo", "version": version, "reason": "x", "set": set });
    for set in [true, false] {
        assert_eq!(kit.post("/api/v1/yanks", mark(set)).await.0, 200);
        assert_eq!(kit.post("/api/v1/blocks", mark(set)).await.0, 200);
    }
    for path in [
        "/api/v1/keys".to_owned(),
        "/api/v1/policy".to_owned(),
        "/api/v1/projects/demo".to_owned(),
        format!("/api/v1/projects/demo/releases/{version}/evidence"),
        "/dev/simple/demo/".to_owned(),
        "/log/checkpoint".to_owned(),
    ] {
        assert_eq!(kit.get(&path).header("accept", "*/*").send().await.unwrap().status(), 200, "{path}");
    }
}

#[tokio::test]
async fn i12_a_column_that_a_newer_version_adds_disturbs_no_statement_that_runs() {
    let kit = Kit::new().await;
    let admin = kit.admin().await;
    everything(&kit, &admin, 1).await;
    let tables = tables();
    assert!(tables.contains("tokens") && tables.contains("log_checkpoint"), "{tables:?}");
    for table in tables {
        execute(kit.folder.path(), &format!("ALTER TABLE {table} ADD COLUMN later TEXT")).await;
    }
    everything(&kit, &admin, 2).await;
    admin.close().await;
}
