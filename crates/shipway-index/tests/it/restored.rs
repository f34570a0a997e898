//! A database put back from a copy: with its log, without it, and behind it. The steps are those of "Restore" in
//! docs/guide/running-the-index.md.

use std::path::{Path, PathBuf};

use serde_json::json;
use shipway_dist::log::{Checkpoint, VerifierKey};
use shipway_index::{Action, Admin, IndexError, TokenSpec, embedded};
use shipway_testing::Postgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::backend::{Backend, backend, database_url, execute, note};
use crate::kit::{Folder, Kit, config, stored, wheel};

async fn open(folder: &Path) -> Kit {
    Kit::over(Folder::Lent(folder.to_owned()), |_| {}).await
}

/// The newest checkpoint, by the key that the index names.
async fn checkpoint(kit: &Kit) -> Checkpoint {
    let key: VerifierKey = kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
    let response = kit.get("/log/checkpoint").send().await.unwrap();
    assert_eq!(response.status(), 200);
    Checkpoint::verify(&response.text().await.unwrap(), &key).unwrap()
}

/// A copy of a database that nobody uses.
struct Copy {
    folder: PathBuf,
    name: &'static str,
}

impl Copy {
    async fn of(folder: &Path, name: &'static str) -> Self {
        let copy = Self { folder: folder.to_owned(), name };
        match backend() {
            Backend::Sqlite => drop(std::fs::copy(copy.sqlite(""), folder.join(name)).unwrap()),
            Backend::Postgres => {
                let own = copy.postgres();
                copy.administer(&[format!("CREATE DATABASE {own}_{name} TEMPLATE {own}")]).await;
            }
        }
        copy
    }

    async fn put_back(&self) {
        match backend() {
            Backend::Sqlite => {
                for end in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(self.sqlite(end));
                }
                std::fs::copy(self.folder.join(self.name), self.sqlite("")).unwrap();
            }
            Backend::Postgres => {
                let (own, name) = (self.postgres(), self.name);
                let drop = format!("DROP DATABASE {own} WITH (FORCE)");
                self.administer(&[drop, format!("CREATE DATABASE {own} TEMPLATE {own}_{name}")]).await;
            }
        }
    }

    fn sqlite(&self, end: &str) -> PathBuf {
        self.folder.join(format!("data/index.sqlite{end}"))
    }

    fn postgres(&self) -> String {
        database_url(&self.folder).rsplit('/').next().unwrap().to_owned()
    }

    async fn administer(&self, statements: &[String]) {
        let mut connection = PgConnection::connect(&Postgres::get().url("postgres")).await.unwrap();
        for sql in statements {
            sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
        }
    }
}

/// Where the files of the log are.
fn log_folder(folder: &Path) -> PathBuf {
    match backend() {
        Backend::Sqlite => folder.join("data/log"),
        Backend::Postgres => folder.join("s3/shipway/index/log"),
    }
}

/// A start is refused for that reason, and changes nothing.
async fn refused(folder: &Path, why: &str) {
    let before = stored(folder).await;
    let Err(error) = embedded(config(folder)).await else { panic!("it starts: {why}") };
    assert!(matches!(error, IndexError::Behind { .. }) && error.to_string().contains(why), "{error}");
    assert_eq!(stored(folder).await, before);
}

async fn yank(kit: &Kit, set: bool) {
    let body = json!({ "project": "demo", "version": "1.0", "reason": "x", "set": set });
    assert_eq!(kit.post("/api/v1/yanks", body).await.0, 200);
}

/// As an administrator who does not know yet: each token is an entry of the journal.
async fn make_tokens(folder: &Path, count: usize) {
    let admin = Admin::open(&config(folder)).await.unwrap();
    for number in 0..count {
        let spec = TokenSpec {
            name: format!("t{number}"),
            projects: Vec::new(),
            channels: Vec::new(),
            actions: vec![Action::Read],
            expires: None,
        };
        admin.create_token(&spec).await.unwrap();
    }
    admin.close().await;
}

/// An index with a copy of its database, and a checkpoint over more than that copy.
async fn ahead(folder: &Path) -> (Copy, Checkpoint, Checkpoint) {
    let kit = open(folder).await;
    kit.publish("demo", "1.0", &[wheel("demo", "1.0", "a")]).await;
    let old = checkpoint(&kit).await;
    kit.server.running.shutdown().await;
    let copy = Copy::of(folder, "early").await;
    let kit = open(folder).await;
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
    yank(&kit, true).await;
    let newest = checkpoint(&kit).await;
    assert_eq!(newest.size, old.size + 2);
    kit.server.running.shutdown().await;
    (copy, old, newest)
}

#[tokio::test]
async fn g11_a_database_behind_its_log_is_refused_until_a_newer_copy_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (early, old, newest) = ahead(folder).await;
    let late = Copy::of(folder, "late").await;
    early.put_back().await;
    let why = format!("the log covers {} entries, the journal has {}", newest.size, old.size);
    refused(folder, &why).await;
    let admin = Admin::open(&config(folder)).await.unwrap();
    let found = admin.fsck(false).await.unwrap();
    assert!(found.problems.iter().any(|problem| problem.kind == "log"), "{found:?}");
    admin.close().await;
    // Now the journal is longer than the log, and is not what was published.
    make_tokens(folder, 3).await;
    refused(folder, &format!("entry {} of the journal is not what was published", newest.size)).await;
    late.put_back().await;
    let kit = open(folder).await;
    let again = checkpoint(&kit).await;
    assert_eq!((again.size, again.root), (newest.size, newest.root));
    yank(&kit, false).await;
    assert_eq!(checkpoint(&kit).await.size, newest.size + 1);
    kit.server.running.shutdown().await;
}

#[tokio::test]
async fn g11_a_database_behind_its_log_goes_on_with_a_new_log() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (early, old, newest) = ahead(folder).await;
    early.put_back().await;
    refused(folder, "the log covers").await;
    std::fs::rename(log_folder(folder), folder.join("log-until-now")).unwrap();
    std::fs::rename(folder.join("data/keys/log.pem"), folder.join("log-until-now.pem")).unwrap();
    execute(folder, "DELETE FROM signers WHERE name = 'log.pem'; DELETE FROM log_checkpoint").await;
    let kit = open(folder).await;
    let begun = checkpoint(&kit).await;
    assert_eq!((begun.size, begun.root), (old.size, old.root));
    assert_ne!(begun.origin, newest.origin, "another log has another name");
    yank(&kit, true).await;
    assert_eq!(checkpoint(&kit).await.size, old.size + 1);
    let admin = kit.admin().await;
    let found = admin.fsck(true).await.unwrap();
    // The bytes of the release that the copy does not know.
    assert!(found.problems.iter().all(|problem| problem.kind == "extra"), "{found:?}");
    assert_eq!(admin.fsck(false).await.unwrap().problems, Vec::new());
    admin.close().await;
    kit.server.running.shutdown().await;
}

#[tokio::test]
async fn g11_a_log_that_is_lost_is_made_again_of_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_, _, newest) = ahead(folder).await;
    std::fs::remove_dir_all(log_folder(folder)).unwrap();
    execute(folder, "DELETE FROM log_checkpoint").await;
    let kit = open(folder).await;
    let again = checkpoint(&kit).await;
    assert_eq!((again.origin, again.size, again.root), (newest.origin, newest.size, newest.root));
    kit.server.running.shutdown().await;
}

#[tokio::test]
async fn g11_a_server_under_which_the_database_goes_back_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let kit = open(folder.path()).await;
    kit.publish("demo", "1.0", &[wheel("demo", "1.0", "a")]).await;
    yank(&kit, true).await;
    let before = checkpoint(&kit).await;
    let ready = async || {
        let response = kit.get("/readyz").send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    let size = before.size;
    let back = format!("DELETE FROM journal WHERE serial = {size}; UPDATE state SET serial = {size} - 1");
    execute(folder.path(), &back).await;
    assert_eq!(ready().await, (503, "the database is behind its log\n".to_owned()));
    assert_eq!(kit.get("/log/checkpoint").send().await.unwrap().status(), 500);
    yank(&kit, false).await;
    // As many entries as before, and the last one is another.
    assert_eq!(ready().await.0, 503);
    assert_eq!(kit.get("/healthz").send().await.unwrap().status(), 200);
    let key: VerifierKey = kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap();
    let stands = Checkpoint::verify(&note(folder.path()).await, &key).unwrap();
    assert_eq!(stands, before, "nothing was published over it");
}
