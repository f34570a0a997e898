//! The pages of upstream that were read: in memory as they are served, on disk as they came.
//!
//! What is on disk is the last good answer: it serves when upstream fails, after a restart too. It is a cache:
//! nothing is synced, and a file that cannot be read is not there.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use shipway_dist::digest::Sha256;
use url::Url;

use super::client::RawPage;
use super::page::UpstreamPage;

/// More bytes of pages than this are not kept in memory.
const BOUND: usize = 16 * 1024 * 1024;
/// What upstream does not have takes room too.
const ABSENT: usize = 100;

/// An answer of upstream, and when it was given.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// `None`: there is no such project.
    pub(super) page: Option<Arc<UpstreamPage>>,
    pub(super) fetched: Instant,
}

/// The pages in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pages: Mutex<HashMap<String, Kept>>,
}

impl Memory {
    pub(super) fn get(&self, name: &str) -> Option<Kept> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn put(&self, name: &str, page: Option<Arc<UpstreamPage>>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.insert(name.to_owned(), Kept { page, fetched: Instant::now() });
        let mut total: usize = pages.values().map(weight).sum();
        while total > BOUND {
            let oldest = pages.iter().filter(|(key, _)| *key != name).min_by_key(|(_, kept)| kept.fetched);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            total -= pages.remove(&oldest).as_ref().map_or(0, weight);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).values().map(weight).sum()
    }
}

fn weight(kept: &Kept) -> usize {
    kept.page.as_ref().map_or(ABSENT, |page| page.weight())
}

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    url: Url,
    json: bool,
}

/// The last good answers of one upstream.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The folder of an upstream; another URL has another.
    pub(super) fn of(data: &Path, base: &Url) -> Self {
        let digest = Sha256::of(base.as_str().as_bytes()).to_hex();
        Self { folder: data.join("upstream").join(&digest[..16]) }
    }

    /// Keeps an answer. The name must be one of a project: it is the name of the file.
    pub(super) fn put(&self, name: &str, raw: &RawPage) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, &Head { url: raw.url.clone(), json: raw.is_json })?;
        file.write_all(b"\n")?;
        file.write_all(&raw.body)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    /// The last good answer, and its age.
    pub(super) fn get(&self, name: &str) -> Option<(RawPage, Duration)> {
        let path = self.folder.join(name);
        let modified = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        let bytes = bytes::Bytes::from(std::fs::read(&path).ok()?);
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let raw = RawPage { url: head.url, is_json: head.json, etag: None, body: bytes.slice(end + 1..) };
        Some((raw, age))
    }

    /// Forgets what upstream no longer has.
    pub(super) fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.folder.join(name));
    }
}
