//! Where the index of a test is kept: SQLite and a folder, or PostgreSQL and S3.
//!
//! Every test stands in this binary twice, below `sqlite::` and below `postgres::`; which one runs is read off
//! its own path, so that the tests themselves say nothing of it. [`cross`] makes the other two combinations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use shipway_dist::Sha256;
use shipway_index::{Config, StorageOptions};
use shipway_testing::{Postgres, S3};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

/// The backend of this test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// The module that the test stands in.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A test runs on a thread of its name; where it runs alone in a process, the name is an argument.
pub(crate) fn backend() -> Backend {
    let of = |name: &str| match name.split("::").next() {
        Some("sqlite") => Some(Backend::Sqlite),
        Some("postgres") => Some(Backend::Postgres),
        _ => None,
    };
    let named = std::thread::current().name().and_then(of);
    named.or_else(|| std::env::args().find_map(|argument| of(&argument))).expect("a test below a backend")
}

/// The endpoint of S3 that a child process shares with its test.
pub(crate) const ENDPOINT: &str = "SHIPWAY_TEST_S3";

/// The S3 servers of this process by the folder of their test.
static SERVERS: Mutex<Option<HashMap<PathBuf, S3>>> = Mutex::new(None);

/// The endpoint for a folder; its server is started the first time.
pub(crate) fn endpoint(folder: &Path) -> String {
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        return endpoint;
    }
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let servers = servers.get_or_insert_default();
    servers.entry(folder.to_owned()).or_insert_with(|| S3::start(&folder.join("s3"))).url()
}

fn database(folder: &Path) -> String {
    format!("t{}", &Sha256::of(folder.to_string_lossy().as_bytes()).to_hex()[..24])
}

/// The URL of the database of a folder.
pub(crate) fn database_url(folder: &Path) -> String {
    url_of(backend(), folder)
}

fn url_of(backend: Backend, folder: &Path) -> String {
    match backend {
        Backend::Sqlite => format!("sqlite://{}?mode=rwc", folder.join("data/index.sqlite").display()),
        Backend::Postgres => Postgres::get().url(&database(folder)),
    }
}

/// Says in a configuration where the index is kept; the database is made the first time.
pub(crate) fn configure(config: &mut Config, folder: &Path) {
    configure_as(backend(), config, folder);
}

/// From now on the index of a folder has the other backend's storage: SQLite has S3, PostgreSQL has a folder.
pub(crate) fn cross(folder: &Path) {
    std::fs::write(folder.join(CROSSED), "").unwrap();
}

const CROSSED: &str = "crossed";

/// The same for a backend that need not be this test's.
pub(crate) fn configure_as(backend: Backend, config: &mut Config, folder: &Path) {
    let is_crossed = folder.join(CROSSED).exists();
    if backend == Backend::Postgres {
        create_database(folder);
        config.database = Some(url_of(backend, folder));
    }
    if (backend == Backend::Postgres) != is_crossed {
        config.storage = Some(S3::storage("index"));
        config.storage_options = StorageOptions::of(S3::variables(&endpoint(folder)));
    } else if is_crossed {
        config.storage = Some(folder.join("files").display().to_string());
    }
}

fn create_database(folder: &Path) {
    let stamp = folder.join("database");
    if !stamp.exists() {
        let (name, url) = (database(folder), Postgres::get().url("postgres"));
        aside(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let create = format!("CREATE DATABASE {name}");
            sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        });
        std::fs::write(stamp, "made").unwrap();
    }
}

/// Runs a future to its end on a thread of its own.
fn aside<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// Changes the database behind the index's back.
pub(crate) async fn execute(folder: &Path, sql: &str) {
    let (url, sql) = (database_url(folder), AssertSqlSafe(sql.to_owned()));
    match backend() {
        Backend::Sqlite => {
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        Backend::Postgres => {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// Waits for what a process that died may have left under way in PostgreSQL.
pub(crate) struct Waiter(Option<PgConnection>);

impl Waiter {
    pub(crate) async fn over(folder: &Path) -> Self {
        match backend() {
            Backend::Sqlite => Self(None),
            Backend::Postgres => Self(Some(PgConnection::connect(&database_url(folder)).await.unwrap())),
        }
    }

    /// Waits until nobody decides about a project.
    pub(crate) async fn wait(&mut self, project: &str) {
        let Some(connection) = &mut self.0 else { return };
        for call in ["pg_advisory_lock", "pg_advisory_unlock"] {
            let call = AssertSqlSafe(format!("SELECT {call}(hashtextextended($1, 0))"));
            sqlx::query(call).bind(project).execute(&mut *connection).await.unwrap();
        }
    }
}

/// Somebody who writes and keeps everybody else from it.
pub(crate) enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    pub(crate) async fn over(folder: &Path) -> Self {
        let url = database_url(folder);
        match backend() {
            Backend::Sqlite => {
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            Backend::Postgres => {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                // The lock of all projects.
                let lock = "SELECT pg_advisory_lock(1936222576, 0)";
                sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    pub(crate) async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// The rows of every table, each a line.
pub(crate) async fn rows(folder: &Path) -> String {
    match backend() {
        Backend::Sqlite => sqlite_rows(&database_url(folder)).await,
        Backend::Postgres => postgres_rows(&database_url(folder)).await,
    }
}

async fn sqlite_rows(url: &str) -> String {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let tables = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let tables = tables.fetch_all(&mut connection).await.unwrap();
    let mut text = String::new();
    for table in tables {
        let table: String = table.get("name");
        let columns = format!("SELECT group_concat(name, ', ') AS names FROM pragma_table_info('{table}')");
        let columns: String =
            sqlx::query(AssertSqlSafe(columns)).fetch_one(&mut connection).await.unwrap().get("names");
        let quoted: Vec<_> = columns.split(", ").map(|name| format!("quote({name})")).collect();
        let rows = format!("SELECT {} AS row FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
        let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
        for row in rows {
            text.push_str(&format!("{table}: {}\n", row.get::<String, _>("row")));
        }
    }
    connection.close().await.unwrap();
    text
}

async fn postgres_rows(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let tables = sqlx::query(tables).fetch_all(&mut connection).await.unwrap();
    let mut text = String::new();
    for table in tables {
        let table: String = table.get("name");
        // As SQLite's `quote` writes them.
        let columns = format!(
            "SELECT string_agg(CASE WHEN data_type = 'text' THEN 'quote_nullable(\"' || column_name || '\")'
                 ELSE 'COALESCE(\"' || column_name || '\"::text, ''NULL'')' END, ' || '','' || '
                 ORDER BY ordinal_position) AS row
             FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = 'public'"
        );
        let columns: String =
            sqlx::query(AssertSqlSafe(columns)).fetch_one(&mut connection).await.unwrap().get("row");
        let rows = format!("SELECT {columns} AS row FROM {table} ORDER BY 1");
        for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap() {
            text.push_str(&format!("{table}: {}\n", row.get::<String, _>("row")));
        }
    }
    connection.close().await.unwrap();
    text
}

/// Where the bytes are, and where uploads wait.
fn folders(folder: &Path) -> Vec<PathBuf> {
    match backend() {
        Backend::Sqlite => vec![folder.join("data/blobs")],
        Backend::Postgres => {
            vec![folder.join("s3/shipway/index/blobs"), folder.join("data/unfinished")]
        }
    }
}

/// Every file of the storage, unfinished uploads included, but not the locks of those who upload.
pub(crate) fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = folders(folder).into_iter().filter(|folder| folder.exists()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_none_or(|extension| extension != "lock") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The newest checkpoint's note.
pub(crate) async fn note(folder: &Path) -> String {
    match backend() {
        Backend::Sqlite => std::fs::read_to_string(folder.join("data/log/checkpoint")).unwrap(),
        Backend::Postgres => {
            let mut connection = PgConnection::connect(&database_url(folder)).await.unwrap();
            let row = sqlx::query("SELECT note FROM log_checkpoint").fetch_one(&mut connection);
            row.await.unwrap().get("note")
        }
    }
}
