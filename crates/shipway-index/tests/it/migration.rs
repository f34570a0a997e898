//! A database that the first version filled.

use serde_json::{Value, json};
use shipway_dist::digest::Sha256;

use crate::backend::{Backend, backend, execute};
use crate::kit::{Folder, Kit, config};
use crate::vouch::{enrolling, files, key, lacks, pairs, says};

const FIRST: &str = include_str!("../../src/migrations/0001_initial.sql");

/// A migration as each database runs it.
pub(crate) fn dialect(sql: &str) -> String {
    match backend() {
        Backend::Sqlite => sql.to_owned(),
        Backend::Postgres => sql.replace(" TEXT", " TEXT COLLATE \"C\""),
    }
}

/// What migration 0001 and a server of its time leave behind: a local release with one unsigned statement.
async fn old_database(folder: &std::path::Path) {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    // Makes the database, where that is more than a file.
    config(folder);
    let rows = "
        CREATE TABLE migrations (number BIGINT PRIMARY KEY);
        INSERT INTO migrations (number) VALUES (1);
        INSERT INTO channels VALUES ('dev', 1, 1, 1), ('staging', 2, 0, 0), ('stable', 3, 0, 0);
        INSERT INTO projects VALUES ('demo', 'demo', '2026-01-01T00:00:00.000000Z', 2);
        INSERT INTO releases (project, version_key, version, commit_id, created_at)
            VALUES ('demo', '1', '1.0', 'c0ffee', '2026-01-01T00:00:00.000000Z');
        INSERT INTO channel_releases VALUES ('dev', 'demo', '1', 1, 'aa', '2026-01-01T00:00:00.000000Z');
        INSERT INTO sessions VALUES ('s', 'demo', 'demo', '1', '1.0', 'dev', 'ff', 'c0ffee', 1, 'published',
            'laptop', '2026-01-01T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z');
        INSERT INTO journal VALUES
            (1, 'aa', '2026-01-01T00:00:00.000000Z', 'laptop', 'publish', 'demo', '1.0', '{}'),
            (2, 'bb', '2026-01-01T00:00:01.000000Z', 'laptop', 'evidence', 'demo', '1.0', '{}');
        UPDATE state SET serial = 2, channel_serial = 3;";
    let mut sql = dialect(FIRST) + rows;
    for file in files() {
        let (name, sha256) = (&file.filename, file.sha256());
        sql.push_str(&format!(
            "INSERT INTO files (filename, folded, project, version_key, kind, sha256, size, uploaded_at, uploaded_by)
             VALUES ('{name}', '{name}', 'demo', '1', 'wheel', '{sha256}', {}, '2026-01-01T00:00:00.000000Z',
                     'laptop');",
            file.bytes.len()
        ));
    }
    let statement = serde_json::to_string(&says("distribution", &files())).unwrap();
    let id = Sha256::of(statement.as_bytes());
    sql.push_str(&format!(
        "INSERT INTO evidence VALUES ('demo', '1', '{id}', 2, '2026-01-01T00:00:01.000000Z', 'laptop', '{statement}');"
    ));
    execute(folder, &sql).await;
}

#[tokio::test]
async fn an_index_filled_before_evidence_was_signed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    old_database(folder.path()).await;
    let kit = Kit::over(Folder::Lent(folder.path().into()), |_| {}).await;
    let release = kit.project("demo").await["releases"][0].clone();
    assert_eq!((&release["local"], &release["publisher"]), (&json!(true), &json!("laptop")), "{release}");
    let list = kit.json("/api/v1/projects/demo/releases/1.0/evidence").await;
    let old = &list["statements"][0];
    assert_eq!(old["void"], "it came before evidence was signed");
    assert_eq!((&old["key"], &old["envelope"]["signatures"]), (&Value::Null, &json!([])));
    assert!(old["envelope"]["payload"].as_str().unwrap().len() > 100);
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    let missing = [("evidence-missing", "distribution"), ("evidence-missing", "smoke@dev")];
    assert_eq!(lacks(&refused), pairs(&missing), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("before evidence was signed"), "{refused}");
    // The same statement, signed, is another one.
    let signed = enrolling(&says("distribution", &files()), &key(1));
    assert_eq!(kit.send("demo", "1.0", signed).await.0, 201);
    kit.vouch("demo", "1.0").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    assert_eq!(kit.get("/log/checkpoint").send().await.unwrap().status(), 200);
    kit.server.running.shutdown().await;
    // Once is enough.
    shipway_index::Admin::open(&config(folder.path())).await.unwrap().close().await;
}
