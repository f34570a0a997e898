//! Projects, releases, files, channels.

use std::collections::BTreeMap;

use pep440_rs::Version;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use sqlx::{AnyConnection, Row as _};

use super::{integer, parse};
use crate::config::ChannelConfig;
use crate::error::IndexError;
use crate::project::{Channel, Membership, Phase, Project, Release, Requires, version_key};

/// The counters that say what a cache must forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Serials {
    pub(crate) serial: i64,
    pub(crate) tokens: i64,
    pub(crate) channels: i64,
}

pub(crate) async fn serials(connection: &mut AnyConnection) -> Result<Serials, IndexError> {
    let row = sqlx::query("SELECT serial, token_serial, channel_serial FROM state WHERE id = 1")
        .fetch_one(connection)
        .await?;
    Ok(Serials {
        serial: row.try_get("serial")?,
        tokens: row.try_get("token_serial")?,
        channels: row.try_get("channel_serial")?,
    })
}

/// The projects that changed after a serial.
pub(crate) async fn changed_since(
    connection: &mut AnyConnection,
    serial: i64,
) -> Result<Vec<String>, IndexError> {
    let rows = sqlx::query("SELECT normalized FROM projects WHERE serial > $1")
        .bind(serial)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("normalized")?)).collect()
}

pub(crate) async fn channels(connection: &mut AnyConnection) -> Result<Vec<Channel>, IndexError> {
    let rows =
        sqlx::query("SELECT name, accepts_uploads, local_versions, refuses FROM channels ORDER BY position")
            .fetch_all(connection)
            .await?;
    let channel = |row: &sqlx::any::AnyRow| {
        Ok(Channel {
            name: parse("channels.name", row.try_get("name")?)?,
            accepts_uploads: row.try_get::<i64, _>("accepts_uploads")? != 0,
            local_versions: row.try_get::<i64, _>("local_versions")? != 0,
            refuses: phases(row.try_get("refuses")?)?,
        })
    };
    rows.iter().map(channel).collect()
}

fn phases(text: Option<String>) -> Result<Vec<Phase>, IndexError> {
    let text = text.unwrap_or_default();
    let words = text.split(',').filter(|word| !word.is_empty());
    words.map(|word| parse("channels.refuses", word.to_owned())).collect()
}

/// Sets which versions a channel does not take.
pub(crate) async fn set_refuses(
    connection: &mut AnyConnection,
    channel: &ChannelName,
    refuses: &[Phase],
) -> Result<(), IndexError> {
    let words: Vec<_> = refuses.iter().map(|phase| phase.as_str()).collect();
    sqlx::query("UPDATE channels SET refuses = $2 WHERE name = $1")
        .bind(channel.as_str())
        .bind(Some(words.join(",")).filter(|words| !words.is_empty()))
        .execute(&mut *connection)
        .await?;
    channels_changed(connection).await
}

/// Adds a channel after the last one.
pub(crate) async fn insert_channel(
    connection: &mut AnyConnection,
    channel: &ChannelConfig,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO channels (name, position, accepts_uploads, local_versions)
         VALUES ($1, (SELECT COALESCE(MAX(position), 0) + 1 FROM channels), $2, $3)",
    )
    .bind(channel.name.as_str())
    .bind(i64::from(channel.accepts_uploads))
    .bind(i64::from(channel.local_versions))
    .execute(&mut *connection)
    .await?;
    channels_changed(connection).await
}

/// Tells every server to read the channels anew.
async fn channels_changed(connection: &mut AnyConnection) -> Result<(), IndexError> {
    sqlx::query("UPDATE state SET channel_serial = channel_serial + 1 WHERE id = 1")
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether a name belongs to this index: it has a project, or an open session that will make one and has not
/// expired.
pub(crate) async fn is_claimed(
    connection: &mut AnyConnection,
    normalized: &str,
    now: &str,
) -> Result<bool, IndexError> {
    let row = sqlx::query(
        "SELECT 1 AS one FROM projects WHERE normalized = $1
         UNION SELECT 1 AS one FROM sessions WHERE project = $1 AND state = 'open' AND expires_at > $2",
    )
    .bind(normalized)
    .bind(now)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Whether there is a release, visible or not.
pub(crate) async fn holds_release(
    connection: &mut AnyConnection,
    (project, version_key): (&str, &str),
) -> Result<bool, IndexError> {
    let row = sqlx::query("SELECT 1 AS one FROM releases WHERE project = $1 AND version_key = $2")
        .bind(project)
        .bind(version_key)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Reads a project whole. The connection should be in a transaction.
pub(crate) async fn load_project(
    connection: &mut AnyConnection,
    normalized: &str,
) -> Result<Option<Project>, IndexError> {
    let Some((name, standing)) = super::standing::of(connection, normalized).await? else { return Ok(None) };
    let mut releases = load_releases(connection, normalized).await?;
    super::files::load(connection, normalized, &mut releases).await?;
    let memberships =
        sqlx::query("SELECT channel, version_key, serial, record FROM channel_releases WHERE project = $1")
            .bind(normalized)
            .fetch_all(&mut *connection)
            .await?;
    for row in memberships {
        let membership = Membership { serial: row.try_get("serial")?, record: row.try_get("record")? };
        let channel = parse("channel_releases.channel", row.try_get("channel")?)?;
        if let Some(release) = releases.get_mut(&row.try_get::<String, _>("version_key")?) {
            release.channels.insert(channel, membership);
        }
    }
    let mut releases: Vec<_> = releases.into_values().collect();
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(Some(Project { name, standing, releases }))
}

async fn load_releases(
    connection: &mut AnyConnection,
    normalized: &str,
) -> Result<BTreeMap<String, Release>, IndexError> {
    let rows = sqlx::query(
        "SELECT version_key, version, commit_id, closed_at, blocked, local, run, attempt, publisher, requires
         FROM releases WHERE project = $1",
    )
    .bind(normalized)
    .fetch_all(connection)
    .await?;
    let release = |row: &sqlx::any::AnyRow| {
        let release = Release {
            version: parse("releases.version", row.try_get("version")?)?,
            commit: row.try_get("commit_id")?,
            local: row.try_get::<i64, _>("local")? != 0,
            run: row.try_get("run")?,
            attempt: row.try_get::<Option<i64>, _>("attempt")?.and_then(|number| number.try_into().ok()),
            publisher: row.try_get("publisher")?,
            requires: match row.try_get::<Option<String>, _>("requires")? {
                Some(text) => serde_json::from_str(&text)?,
                None => BTreeMap::new(),
            },
            blocked: row.try_get("blocked")?,
            closed_at: row.try_get("closed_at")?,
            files: Vec::new(),
            channels: BTreeMap::new(),
        };
        Ok((row.try_get("version_key")?, release))
    };
    rows.iter().map(release).collect()
}

/// What the ledger says of a filename.
#[derive(Debug, Clone)]
pub(crate) struct LedgerRow {
    pub(crate) filename: String,
    pub(crate) sha256: Sha256,
    pub(crate) removed: bool,
}

/// The ledger's row for a filename, or for one that differs from it in case alone, or for these bytes.
pub(crate) async fn ledger(
    connection: &mut AnyConnection,
    filename: &str,
    sha256: &Sha256,
) -> Result<Vec<LedgerRow>, IndexError> {
    let rows = sqlx::query("SELECT filename, sha256, removed_at FROM files WHERE folded = $1 OR sha256 = $2")
        .bind(filename.to_lowercase())
        .bind(sha256.to_hex())
        .fetch_all(connection)
        .await?;
    let ledger = |row: &sqlx::any::AnyRow| {
        Ok(LedgerRow {
            filename: row.try_get("filename")?,
            sha256: parse("files.sha256", row.try_get("sha256")?)?,
            removed: row.try_get::<Option<String>, _>("removed_at")?.is_some(),
        })
    };
    rows.iter().map(ledger).collect()
}

/// How many rows stand on a blob: files that are not removed, files of open sessions, files of upstream.
pub(crate) async fn references(connection: &mut AnyConnection, sha256: &Sha256) -> Result<i64, IndexError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM files WHERE sha256 = $1 AND removed_at IS NULL)
              + (SELECT COUNT(*) FROM session_files f JOIN sessions s ON s.id = f.session
                 WHERE f.sha256 = $1 AND f.received = 1 AND s.state = 'open')
              + (SELECT COUNT(*) FROM upstream_files WHERE sha256 = $1) AS number",
    )
    .bind(sha256.to_hex())
    .fetch_one(connection)
    .await?;
    Ok(row.try_get("number")?)
}

/// A release to create, unless it is there.
pub(crate) struct NewRelease<'a> {
    pub(crate) name: &'a ProjectName,
    pub(crate) version: &'a Version,
    pub(crate) commit: Option<&'a str>,
    /// Once local, always local.
    pub(crate) local: bool,
    pub(crate) run: Option<&'a str>,
    pub(crate) attempt: Option<u32>,
    pub(crate) requires: &'a Requires,
    pub(crate) at: &'a str,
    pub(crate) by: &'a str,
}

/// Creates project and release where they are missing.
pub(crate) async fn upsert_release(
    connection: &mut AnyConnection,
    release: &NewRelease<'_>,
) -> Result<(), IndexError> {
    super::standing::insert(connection, release.name, release.at, release.by).await?;
    sqlx::query(
        "INSERT INTO releases (project, version_key, version, commit_id, created_at, local, run, attempt,
                               publisher, requires)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (project, version_key) DO UPDATE SET
             commit_id = COALESCE($4, releases.commit_id),
             local = CASE WHEN $6 = 1 THEN 1 ELSE releases.local END,
             run = COALESCE($7, releases.run),
             attempt = COALESCE($8, releases.attempt),
             publisher = COALESCE(releases.publisher, $9),
             requires = COALESCE($10, releases.requires)",
    )
    .bind(release.name.normalized())
    .bind(version_key(release.version))
    .bind(release.version.to_string())
    .bind(release.commit)
    .bind(release.at)
    .bind(i64::from(release.local))
    .bind(release.run)
    .bind(release.attempt.map(i64::from))
    .bind(release.by)
    .bind(if release.requires.is_empty() { None } else { Some(serde_json::to_string(release.requires)?) })
    .execute(connection)
    .await?;
    Ok(())
}

/// A file to make visible.
pub(crate) struct NewFile<'a> {
    pub(crate) name: &'a ProjectName,
    pub(crate) version: &'a Version,
    pub(crate) filename: &'a str,
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) metadata_sha256: Option<Sha256>,
    pub(crate) requires_python: Option<&'a str>,
    pub(crate) at: &'a str,
    pub(crate) by: &'a str,
}

pub(crate) async fn insert_file(
    connection: &mut AnyConnection,
    file: &NewFile<'_>,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO files (filename, folded, project, version_key, kind, sha256, size, metadata_sha256,
                            requires_python, uploaded_at, uploaded_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(file.filename)
    .bind(file.filename.to_lowercase())
    .bind(file.name.normalized())
    .bind(version_key(file.version))
    .bind(if file.filename.ends_with(".whl") { "wheel" } else { "sdist" })
    .bind(file.sha256.to_hex())
    .bind(integer(file.size))
    .bind(file.metadata_sha256.map(|sha256| sha256.to_hex()))
    .bind(file.requires_python)
    .bind(file.at)
    .bind(file.by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lists a release in a channel, unless it is; a second channel closes the release.
pub(crate) async fn insert_membership(
    connection: &mut AnyConnection,
    channel: &ChannelName,
    (project, version): (&str, &Version),
    membership: &Membership,
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO channel_releases (channel, project, version_key, serial, record, at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel, project, version_key) DO NOTHING",
    )
    .bind(channel.as_str())
    .bind(project)
    .bind(version_key(version))
    .bind(membership.serial)
    .bind(membership.record.clone())
    .bind(at)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE releases SET closed_at = $3 WHERE project = $1 AND version_key = $2 AND closed_at IS NULL
         AND (SELECT COUNT(*) FROM channel_releases WHERE project = $1 AND version_key = $2) > 1",
    )
    .bind(project)
    .bind(version_key(version))
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks a project as changed, so that every cache forgets it.
pub(crate) async fn touch(
    connection: &mut AnyConnection,
    project: &str,
    serial: i64,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE projects SET serial = $2 WHERE normalized = $1")
        .bind(project)
        .bind(serial)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn block(
    connection: &mut AnyConnection,
    (project, version): (&str, &Version),
    reason: &str,
    at: &str,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE releases SET blocked = $3, blocked_at = $4 WHERE project = $1 AND version_key = $2")
        .bind(project)
        .bind(version_key(version))
        .bind(reason)
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn unblock(
    connection: &mut AnyConnection,
    (project, version): (&str, &Version),
) -> Result<(), IndexError> {
    sqlx::query(
        "UPDATE releases SET blocked = NULL, blocked_at = NULL WHERE project = $1 AND version_key = $2",
    )
    .bind(project)
    .bind(version_key(version))
    .execute(connection)
    .await?;
    Ok(())
}

/// Yanks every file of a release, or with `None` undoes it.
pub(crate) async fn yank(
    connection: &mut AnyConnection,
    (project, version): (&str, &Version),
    reason: Option<&str>,
) -> Result<(), IndexError> {
    sqlx::query("UPDATE files SET yanked = $3 WHERE project = $1 AND version_key = $2")
        .bind(project)
        .bind(version_key(version))
        .bind(reason)
        .execute(connection)
        .await?;
    Ok(())
}

/// Yanks one file, or with `None` undoes it.
pub(crate) async fn yank_file(
    connection: &mut AnyConnection,
    filename: &str,
    reason: Option<&str>,
) -> Result<(), IndexError> {
    let query = sqlx::query("UPDATE files SET yanked = $2 WHERE filename = $1").bind(filename).bind(reason);
    query.execute(connection).await?;
    Ok(())
}
