//! The tamper-evident log of the index: shown, and verified against what was pinned in the repository.
//!
//! Trust begins with the first look: the key of the log and its checkpoint are written to `.shipway/log.pin`,
//! which belongs into the repository. From then on a log that was rewritten, cut, or put in the place of another
//! is refused, whoever runs the index.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use shipway_dist::log::{
    Checkpoint, Frontier, Hash, Tile, TileHashes, VerifierKey, consistency_proof, entries_of, leaf_hash,
    tiles_of, verify_consistency,
};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::index::IndexClient;
use crate::ops::secret::public_url;

/// Entries of the log.
#[derive(Debug, Clone, Serialize)]
pub struct LogEntries {
    /// The log's name.
    pub origin: String,
    /// How many entries there are in all.
    pub size: u64,
    /// The entries shown, oldest first.
    pub entries: Vec<Value>,
}

/// What verifying showed.
#[derive(Debug, Clone, Serialize)]
pub struct LogVerified {
    /// The log's name.
    pub origin: String,
    /// How many entries there are.
    pub size: u64,
    /// The root over all of them, in hexadecimal digits.
    pub root: String,
    /// How many of them were pinned before; none when nothing was pinned.
    pub pinned: Option<u64>,
    /// How many entries were read and found under the root.
    pub entries: u64,
    /// The file that pins it now.
    pub pin: PathBuf,
    /// Whether the file was written.
    pub written: bool,
}

/// What is asked of [`show`].
#[derive(Debug, Clone, Default)]
pub struct LogRequest {
    /// Only entries of the configured project.
    pub own: bool,
    /// At most so many, the newest.
    pub limit: usize,
}

/// A log as its index gives it, with a checkpoint whose signature holds.
struct Remote<'a> {
    client: &'a IndexClient,
    key: VerifierKey,
    checkpoint: Checkpoint,
    note: String,
}

/// Shows the newest entries.
///
/// # Errors
/// When the index has no log, or its checkpoint or an entry is damaged.
pub fn show(context: &Context<'_>, request: &LogRequest) -> Result<LogEntries> {
    let target = context.target()?;
    let remote = Remote::open(target.shipway("keep a log")?)?;
    let size = remote.checkpoint.size;
    let own = context.config.name.normalized().to_owned();
    let mut entries = Vec::new();
    let mut bundles: Vec<Tile> = tiles_of(0, size).into_iter().filter(|tile| tile.level.is_none()).collect();
    while let Some(bundle) = bundles.pop() {
        let bytes = remote.tile(&bundle)?;
        for entry in entries_of(&bundle, &bytes).map_err(|error| damaged(&error))?.into_iter().rev() {
            let entry: Value = serde_json::from_slice(entry).map_err(|error| damaged(&error))?;
            if entries.len() < request.limit && (!request.own || entry["project"] == own.as_str()) {
                entries.push(entry);
            }
        }
        if entries.len() >= request.limit {
            break;
        }
    }
    entries.reverse();
    Ok(LogEntries { origin: remote.checkpoint.origin.clone(), size, entries })
}

/// Verifies that the log goes on where the pinned one ended and that every entry is under its root; pins it.
///
/// # Errors
/// When it is another log, was cut or rewritten, or a tile is damaged. The pin stays as it was then.
pub fn verify(context: &Context<'_>, write: bool) -> Result<LogVerified> {
    let target = context.target()?;
    let remote = Remote::open(target.shipway("keep a log")?)?;
    let path = context.config.directory.join(".shipway").join("log.pin");
    let pin = read_pin(&path)?;
    let task = context.progress.begin("verifying the log");
    let checkpoint = &remote.checkpoint;
    let tiles = remote.hash_tiles()?;
    let hashes = TileHashes::new(checkpoint.size, |tile: &Tile| {
        tiles.get(tile).cloned().ok_or_else(|| "the index did not give it".to_owned())
    });
    if let Some((key, old)) = &pin {
        remote.goes_on(key, old, &hashes)?;
    }
    let root = Frontier::load(checkpoint.size, &hashes).map_err(|error| damaged(&error))?.root();
    if root != checkpoint.root {
        return Err(damaged(&"its tiles do not give the root of its checkpoint"));
    }
    task.update("reading every entry");
    let entries = remote.verify_entries(&tiles)?;
    drop(task);
    let pinned = pin.as_ref().map(|(_, old)| old.size);
    let written = write && pinned != Some(checkpoint.size);
    if written {
        write_pin(&path, &remote.key, &remote.note)?;
    }
    Ok(LogVerified {
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        root: hex(&checkpoint.root),
        pinned,
        entries,
        pin: path,
        written,
    })
}

impl<'a> Remote<'a> {
    fn open(client: &'a IndexClient) -> Result<Self> {
        let no_log = || Error::refused("no-log", format!("{} keeps no log", public_url(client.root())));
        let info = client.log_info()?.ok_or_else(no_log)?;
        let key: VerifierKey = info.verifier_key.parse().map_err(|error| damaged(&error))?;
        let note = client.log_checkpoint()?.ok_or_else(no_log)?;
        let checkpoint = Checkpoint::verify(&note, &key).map_err(|error| damaged(&error))?;
        Ok(Self { client, key, checkpoint, note })
    }

    fn tile(&self, tile: &Tile) -> Result<Vec<u8>> {
        self.client.log_tile(tile)?.ok_or_else(|| {
            let error =
                Error::refused("log-incomplete", format!("the index does not give `{}`", tile.path()));
            match tile.level {
                None => error.hint("a token that may read every project is needed to read the entries"),
                Some(_) => error,
            }
        })
    }

    /// Every tile of hashes, by tile.
    fn hash_tiles(&self) -> Result<HashMap<Tile, Vec<u8>>> {
        let tiles = tiles_of(0, self.checkpoint.size).into_iter().filter(|tile| tile.level.is_some());
        tiles.map(|tile| Ok((tile, self.tile(&tile)?))).collect()
    }

    /// Whether this log begins with the pinned one.
    fn goes_on<R: Fn(&Tile) -> std::result::Result<Vec<u8>, String>>(
        &self,
        key: &VerifierKey,
        old: &Checkpoint,
        hashes: &TileHashes<R>,
    ) -> Result<()> {
        let new = &self.checkpoint;
        let rewritten = |why: String| {
            Error::refused("log-rewritten", "the log of the index is not the one that was pinned")
                .cause(why)
                .hint("find out who changed the index; remove `.shipway/log.pin` only when its move to another log is known")
        };
        if *key != self.key {
            return Err(rewritten(format!("pinned key `{key}`, the index has `{}`", self.key)));
        }
        if new.size < old.size {
            return Err(rewritten(format!("pinned {} entries, the index has {}", old.size, new.size)));
        }
        let proof = consistency_proof(old.size, new.size, hashes).map_err(|error| damaged(&error))?;
        verify_consistency(old.size, new.size, &old.root, &new.root, &proof).map_err(|error| {
            rewritten(format!("the first {} entries are no longer what was pinned: {error}", old.size))
        })
    }

    /// Reads every entry and compares it with the hash that is under the root.
    fn verify_entries(&self, tiles: &HashMap<Tile, Vec<u8>>) -> Result<u64> {
        let mut count = 0;
        for bundle in tiles_of(0, self.checkpoint.size).into_iter().filter(|tile| tile.level.is_none()) {
            let bytes = self.tile(&bundle)?;
            let entries = entries_of(&bundle, &bytes).map_err(|error| damaged(&error))?;
            let hashes = tiles.get(&Tile { level: Some(0), ..bundle }).map(Vec::as_slice).unwrap_or_default();
            let (hashes, _) = hashes.as_chunks::<32>();
            for (entry, hash) in entries.iter().zip(hashes) {
                count += 1;
                if leaf_hash(entry) != *hash {
                    return Err(damaged(&format!("entry {count} is not the one that was logged")));
                }
            }
        }
        if count == self.checkpoint.size {
            Ok(count)
        } else {
            Err(damaged(&format!("it has {count} entries, its checkpoint says {}", self.checkpoint.size)))
        }
    }
}

fn damaged(why: &dyn std::fmt::Display) -> Error {
    Error::refused("log-damaged", "the log of the index does not hold together").cause(why.to_string())
}

/// The key and the checkpoint that the repository pins.
fn read_pin(path: &std::path::Path) -> Result<Option<(VerifierKey, Checkpoint)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path, &error)),
    };
    let bad = |why: String| {
        Error::refused("log-pin", format!("`{}` pins no checkpoint", path.display()))
            .cause(why)
            .hint("restore it from git")
    };
    let (key, note) = text.split_once('\n').ok_or_else(|| bad("it has one line only".to_owned()))?;
    let key: VerifierKey =
        key.parse().map_err(|error: shipway_dist::log::CheckpointError| bad(error.to_string()))?;
    let checkpoint = Checkpoint::verify(note, &key).map_err(|error| bad(error.to_string()))?;
    Ok(Some((key, checkpoint)))
}

fn write_pin(path: &std::path::Path, key: &VerifierKey, note: &str) -> Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(path);
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        write!(file, "{key}\n{note}")?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| Error::io("write", path, &error))
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
