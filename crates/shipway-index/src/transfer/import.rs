//! Takes an export into an empty index: bytes first, then all rows in one transaction.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value};
use shipway_dist::digest::Sha256;
use shipway_dist::signing::PublicKey;

use super::archive::Source;
use super::{MANIFEST, Manifest, SCHEMA, TABLES, blob_file, rows, table_file};
use crate::blobs::Blobs;
use crate::config::Config;
use crate::error::IndexError;
use crate::index::{Index, Parts};
use crate::key_file;
use crate::log::Journaled;
use crate::store::{self, Entry, Store, Write};

/// Who stands in the journal.
const ACTOR: &str = "admin";

/// Imports an export into the index of a configuration, which must be empty.
///
/// Broken off, it has brought bytes and no row, and can be run again.
///
/// # Errors
/// When the index holds something, its keys are others, or the export is damaged.
pub async fn import(config: &Config, from: &Path) -> Result<Manifest, IndexError> {
    let source = Source::open(from)?;
    let manifest = read_manifest(&source)?;
    let Parts { store, blobs, lock, .. } = Parts::open(config).await?;
    let result = async {
        refuse_filled(&store).await?;
        check_keys(config, &source)?;
        check_log(&source, &manifest)?;
        let names = source.blobs()?;
        if names.len() as u64 != manifest.blobs {
            let why = format!("it has {} blobs, its manifest says {}", names.len(), manifest.blobs);
            return Err(IndexError::Export { why });
        }
        for name in &names {
            import_blob(&blobs, &source, name).await?;
        }
        let mut write = store.write().await?;
        sqlx::query("DELETE FROM state").execute(&mut *write).await?;
        for table in TABLES {
            import_table(&mut write, &source, table, &manifest).await?;
        }
        for sha256 in &manifest.removed {
            remove_again(&mut write, sha256, &config.clock.text()).await?;
        }
        write.commit().await?;
        Ok(())
    };
    let result = result.await;
    store.close().await;
    drop(lock);
    result?;
    // Opened as a server opens it, and the tiles made.
    let index = Index::open(config, crate::index::Access { anonymous_read: false, ephemeral: None }).await?;
    let noted = index.log.checkpoint(&index.store).await;
    index.store.close().await;
    noted?;
    Ok(manifest)
}

fn read_manifest(source: &Source) -> Result<Manifest, IndexError> {
    let mut text = Vec::new();
    source.read(MANIFEST)?.read_to_end(&mut text).map_err(IndexError::io("read", MANIFEST))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| IndexError::Export { why: error.to_string() })?;
    let known = store::newest();
    if manifest.schema != SCHEMA || manifest.migration != known {
        let why = format!(
            "it is `{}` at migration {}, this shipway reads `{SCHEMA}` at migration {known}",
            manifest.schema, manifest.migration
        );
        return Err(IndexError::Export { why });
    }
    Ok(manifest)
}

async fn refuse_filled(store: &Store) -> Result<(), IndexError> {
    let mut snapshot = store.snapshot().await?;
    let serials = store::serials(&mut snapshot).await?;
    if serials == store::Serials::default() && store::channels(&mut snapshot).await?.is_empty() {
        return Ok(());
    }
    let why = "the index is not empty; import into a new database before its first start".to_owned();
    Err(IndexError::Export { why })
}

/// The rows of a table, one at a time.
fn lines(
    source: &Source,
    table: &'static str,
) -> Result<impl Iterator<Item = Result<Map<String, Value>, IndexError>>, IndexError> {
    Ok(lines_of(source.read(&table_file(table))?, table))
}

/// The same of a text.
pub(super) fn lines_of(
    text: impl std::io::Read,
    table: &'static str,
) -> impl Iterator<Item = Result<Map<String, Value>, IndexError>> {
    BufReader::new(text).lines().map(move |line| {
        let line = line.map_err(IndexError::io("read", table_file(table)))?;
        let wrong = |error: serde_json::Error| IndexError::Export { why: format!("`{table}`: {error}") };
        serde_json::from_str(&line).map_err(wrong)
    })
}

fn text<'a>(row: &'a Map<String, Value>, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// Whoever signed for the index must sign on: its keys are not in the export.
fn check_keys(config: &Config, source: &Source) -> Result<(), IndexError> {
    let folder = config.keys();
    for row in lines(source, "signers")? {
        let row = row?;
        let (name, public) = (text(&row, "name"), text(&row, "public"));
        let known = ["log.pem", "index.pem"].into_iter().find(|known| *known == name);
        let Some(known) = known else {
            return Err(IndexError::Export {
                why: "it names a key that this shipway does not know".to_owned(),
            });
        };
        let same = key_file::read(&folder, known)?.is_some_and(|key| key.public().to_pem() == public);
        if !same {
            let why = format!(
                "`{}` is not the key that the exported index signs with; copy the folder of its keys there first",
                folder.join(known).display()
            );
            return Err(IndexError::Keys { why });
        }
    }
    Ok(())
}

/// The journal must lead to the checkpoint that was published.
fn check_log(source: &Source, manifest: &Manifest) -> Result<(), IndexError> {
    let Some(note) = &manifest.checkpoint else { return Ok(()) };
    let mut public = None;
    for row in lines(source, "signers")? {
        let row = row?;
        if text(&row, "name") == "log.pem" {
            public = PublicKey::from_pem(text(&row, "public")).ok();
        }
    }
    let wrong = |why: &str| IndexError::Export { why: why.to_owned() };
    let public = public.ok_or_else(|| wrong("it does not name the key of its log"))?;
    let mut journal = Vec::new();
    for row in lines(source, "journal")? {
        let row = row?;
        let entry = |column: &str| text(&row, column).to_owned();
        journal.push(store::JournalRow {
            serial: row.get("serial").and_then(Value::as_i64).unwrap_or_default(),
            id: entry("id"),
            at: entry("at"),
            actor: entry("actor"),
            action: entry("action"),
            project: entry("project"),
            object: entry("object"),
            detail: entry("detail"),
        });
    }
    journal.sort_by_key(|row| row.serial);
    Journaled::of(&journal)?.agrees_with(note, public)
}

async fn import_blob(blobs: &Blobs, source: &Source, name: &str) -> Result<(), IndexError> {
    let wrong = |what: &str| IndexError::Export { why: format!("the blob `{name}` {what}") };
    let sha256: Sha256 = name.parse().map_err(|_| wrong("is not named by a digest"))?;
    let file = blob_file(name);
    let mut reader = source.read(&file)?;
    let mut staging = blobs.stage(u64::MAX, None);
    loop {
        let mut buffer = vec![0; 256 * 1024];
        let read = reader.read(&mut buffer).map_err(IndexError::io("read", &file))?;
        if read == 0 {
            break;
        }
        buffer.truncate(read);
        staging.push(Bytes::from(buffer)).await?;
    }
    let staged = staging.finish().await?;
    if staged.sha256 != sha256 {
        return Err(wrong("has other bytes"));
    }
    blobs.place(&staged).await?;
    // Broken off, an import is run again, and its rows stand on them then.
    staged.settle();
    Ok(())
}

async fn import_table(
    write: &mut Write,
    source: &Source,
    table: &'static str,
    manifest: &Manifest,
) -> Result<(), IndexError> {
    let mut count = 0;
    for row in lines(source, table)? {
        rows::insert(write, table, &row?).await?;
        count += 1;
    }
    let said = manifest.tables.get(table).copied().unwrap_or_default();
    if count != said {
        let why = format!("`{table}` has {count} rows, the manifest says {said}");
        return Err(IndexError::Export { why });
    }
    Ok(())
}

/// Removes the files of bytes that were removed while the export was written.
async fn remove_again(write: &mut Write, sha256: &Sha256, at: &str) -> Result<(), IndexError> {
    for (project, filename) in store::files_of(write, sha256).await? {
        let reason = "it was removed while the export was written";
        let entry = Entry {
            at,
            actor: ACTOR,
            action: "remove-file",
            project: &project,
            object: &filename,
            detail: serde_json::json!({ "reason": reason, "sha256": sha256 }),
        };
        let (serial, _) = store::append(write, entry).await?;
        store::mark_removed(write, &filename, reason, at).await?;
        store::touch(write, &project, serial).await?;
    }
    Ok(())
}
