//! What files say and hold, kept to compare other files with: metadata, and the names that wheels import under.

use shipway_dist::digest::Sha256;
use sqlx::{AnyConnection, Row as _};

use crate::error::IndexError;

/// Keeps the bytes of a wheel's METADATA under their digest.
pub(crate) async fn insert_metadata(
    connection: &mut AnyConnection,
    sha256: &Sha256,
    body: &[u8],
) -> Result<(), IndexError> {
    sqlx::query("INSERT INTO metadata (sha256, body) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING")
        .bind(sha256.to_hex())
        .bind(body)
        .execute(connection)
        .await?;
    Ok(())
}

/// The bytes of a METADATA.
pub(crate) async fn metadata(
    connection: &mut AnyConnection,
    sha256: &Sha256,
) -> Result<Option<Vec<u8>>, IndexError> {
    let row = sqlx::query("SELECT body FROM metadata WHERE sha256 = $1")
        .bind(sha256.to_hex())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("body")).transpose()?)
}

/// Keeps the PKG-INFO of an sdist under the digest of the sdist.
pub(crate) async fn insert_sdist_metadata(
    connection: &mut AnyConnection,
    sdist: &Sha256,
    body: &[u8],
) -> Result<(), IndexError> {
    sqlx::query("INSERT INTO sdist_metadata (sha256, body) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING")
        .bind(sdist.to_hex())
        .bind(body)
        .execute(connection)
        .await?;
    Ok(())
}

/// The PKG-INFO of an sdist, where it came after it was kept.
pub(crate) async fn sdist_metadata(
    connection: &mut AnyConnection,
    sdist: &Sha256,
) -> Result<Option<Vec<u8>>, IndexError> {
    let row = sqlx::query("SELECT body FROM sdist_metadata WHERE sha256 = $1")
        .bind(sdist.to_hex())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("body")).transpose()?)
}

/// Notes that a wheel of a project makes a name importable.
pub(crate) async fn insert_import_name(
    connection: &mut AnyConnection,
    name: &str,
    project: &str,
) -> Result<(), IndexError> {
    sqlx::query(
        "INSERT INTO import_names (name, project) VALUES ($1, $2) ON CONFLICT (name, project) DO NOTHING",
    )
    .bind(name)
    .bind(project)
    .execute(connection)
    .await?;
    Ok(())
}

/// Another project with files that make the name importable.
pub(crate) async fn importer_of(
    connection: &mut AnyConnection,
    name: &str,
    except: &str,
) -> Result<Option<String>, IndexError> {
    let row = sqlx::query(
        "SELECT i.project FROM import_names i JOIN projects p ON p.normalized = i.project
         WHERE i.name = $1 AND i.project <> $2 ORDER BY i.project LIMIT 1",
    )
    .bind(name)
    .bind(except)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get("project")).transpose()?)
}
