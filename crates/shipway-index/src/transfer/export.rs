//! Writes a whole index to a folder or a tar file, while servers run.
//!
//! The rows are those of one moment. Bytes that were removed since then are named in the manifest; bytes that
//! upstream has are left out when they are lost, because whoever asks for them gets them from there again.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Read as _, Seek as _, Write as _};
use std::path::Path;

use futures_util::StreamExt as _;
use shipway_dist::digest::{Hasher, Sha256};
use sqlx::AssertSqlSafe;

use super::archive::Sink;
use super::{MANIFEST, Manifest, SCHEMA, TABLES, blob_file, rows, table_file};
use crate::admin::Admin;
use crate::error::IndexError;
use crate::store::{self, Referent, Write};

/// Exports an index as it is at this moment.
///
/// # Errors
/// When a file's bytes are not there or not what their digest says, or the place cannot be written.
pub async fn export(admin: &Admin, to: &Path) -> Result<Manifest, IndexError> {
    let begun = begin(admin, to).await?;
    complete(admin, begun).await
}

/// An export whose rows are written.
struct Begun {
    sink: Sink,
    manifest: Manifest,
    referents: HashMap<Sha256, Referent>,
}

/// Writes the rows.
async fn begin(admin: &Admin, to: &Path) -> Result<Begun, IndexError> {
    let index = admin.index();
    let mut sink = Sink::create(to)?;
    // Brought up to the journal, so that whoever pinned it can go on from there.
    index.log.checkpoint(&index.store).await?;
    let checkpoint = index.log.newest_note(&index.store).await?;
    let mut snapshot = index.store.long_snapshot().await?;
    let mut tables = BTreeMap::new();
    for table in TABLES {
        let count = export_table(&mut snapshot, table, &mut sink).await?;
        tables.insert(table.to_owned(), count);
    }
    let referents = store::referents(&mut snapshot).await?;
    drop(snapshot);
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        migration: store::newest(),
        tables,
        blobs: 0,
        bytes: 0,
        checkpoint,
        removed: Vec::new(),
    };
    Ok(Begun { sink, manifest, referents })
}

/// Writes the bytes, and the manifest last.
async fn complete(admin: &Admin, begun: Begun) -> Result<Manifest, IndexError> {
    let Begun { mut sink, mut manifest, referents } = begun;
    let index = admin.index();
    let mut digests: Vec<_> = referents.keys().copied().collect();
    digests.sort_by_key(Sha256::to_hex);
    for sha256 in digests {
        match export_blob(admin, &sha256, &mut sink).await? {
            Some(size) => {
                manifest.bytes += size;
                manifest.blobs += 1;
            }
            None if referents[&sha256].upstream => {}
            None if store::references(&mut *index.store.read().await?, &sha256).await? == 0 => {
                manifest.removed.push(sha256);
            }
            None => {
                return Err(wrong(admin, &sha256, "are not there; `shipway admin fsck` says more").await?);
            }
        }
    }
    let text = serde_json::to_vec_pretty(&manifest)?;
    let mut entry = sink.begin(MANIFEST, text.len() as u64)?;
    entry.write(&text)?;
    entry.end()?;
    sink.finish()?;
    Ok(manifest)
}

async fn export_table(snapshot: &mut Write, table: &str, sink: &mut Sink) -> Result<u64, IndexError> {
    // A tar file says how long a file is before it begins.
    let failed = || IndexError::io("write", "a temporary file");
    let mut spool = BufWriter::new(tempfile::tempfile().map_err(failed())?);
    let sql = AssertSqlSafe(format!("SELECT * FROM {table}"));
    let mut count = 0;
    let mut found = sqlx::query(sql).fetch(&mut **snapshot);
    while let Some(row) = found.next().await {
        serde_json::to_writer(&mut spool, &rows::encode(&row?)?)?;
        spool.write_all(b"\n").map_err(failed())?;
        count += 1;
    }
    drop(found);
    let mut file = spool.into_inner().map_err(|error| failed()(error.into_error()))?;
    let size = file.stream_position().map_err(failed())?;
    file.rewind().map_err(failed())?;
    let mut entry = sink.begin(&table_file(table), size)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).map_err(failed())? {
            0 => break,
            read => entry.write(&buffer[..read])?,
        }
    }
    entry.end()?;
    Ok(count)
}

/// Writes bytes, and says how many; nothing when they are not there.
async fn export_blob(admin: &Admin, sha256: &Sha256, sink: &mut Sink) -> Result<Option<u64>, IndexError> {
    let blobs = &admin.index().blobs;
    let Some(size) = blobs.size(sha256).await? else { return Ok(None) };
    // Opened before the file of the export is begun: what is open can be read to its end.
    let mut chunks = match blobs.open_range(sha256, 0, size).await {
        Ok(chunks) => chunks,
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entry = sink.begin(&blob_file(&sha256.to_hex()), size)?;
    let mut hasher = Hasher::default();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        hasher.update(&chunk);
        entry.write(&chunk)?;
    }
    entry.end()?;
    if hasher.finish().0 != *sha256 {
        let what = "are not what their digest says; `shipway admin fsck` says more";
        return Err(wrong(admin, sha256, what).await?);
    }
    Ok(Some(size))
}

async fn wrong(admin: &Admin, sha256: &Sha256, what: &str) -> Result<IndexError, IndexError> {
    let filename = store::filename_of(&mut *admin.index().store.read().await?, sha256).await?;
    Ok(IndexError::Export { why: format!("the bytes of `{filename}` {what}") })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::config::Config;
    use crate::synthetic::{Size, generate};
    use crate::transfer::import;

    use super::*;

    const FILES: [&str; 2] =
        ["demo_000000-1.0.0-py3-none-any.whl", "demo_000000-1.0.0-cp312-cp312-manylinux_2_28_x86_64.whl"];

    /// An index with two files, whose bytes are their names.
    async fn filled(folder: &Path) -> (Config, Admin) {
        let config = Config::new(folder.join("data"));
        generate(&config, "demo", Size { projects: 1, files: 2, large: 0 }, |_| ()).await.unwrap();
        let admin = Admin::open(&config).await.unwrap();
        for filename in FILES {
            let mut staging = admin.index().blobs.stage(1000, None);
            staging.push(Bytes::from(filename)).await.unwrap();
            let staged = staging.finish().await.unwrap();
            admin.index().blobs.place(&staged).await.unwrap();
            staged.settle();
        }
        (config, admin)
    }

    #[tokio::test]
    async fn i14_a_file_that_is_removed_while_an_export_is_written_is_removed_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (config, admin) = filled(folder.path()).await;
        let to = folder.path().join("export");
        let begun = begin(&admin, &to).await.unwrap();
        admin.remove_file(FILES[0], "court order").await.unwrap();
        let manifest = complete(&admin, begun).await.unwrap();
        assert_eq!((manifest.blobs, manifest.removed.len()), (1, 1));
        admin.close().await;
        let mut target = Config::new(folder.path().join("target"));
        target.keys = Some(config.data.join("keys"));
        assert_eq!(import(&target, &to).await.unwrap(), manifest);
        let admin = Admin::open(&target).await.unwrap();
        assert!(admin.remove_file(FILES[0], "again").await.is_err(), "it is removed");
        let found = admin.fsck(false).await.unwrap();
        assert!(found.problems.iter().all(|problem| problem.kind != "missing"), "{found:?}");
        admin.close().await;
    }
}
