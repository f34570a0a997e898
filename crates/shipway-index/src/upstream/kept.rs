//! The pages of upstream that were read: in memory as they are served, on disk as they came.
//!
//! What is on disk is the last good answer: it serves when upstream fails, after a restart too. It is a cache:
//! nothing is synced, a file that cannot be read is not there, and beyond a bound the oldest answers go.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How many bytes of answers stay on disk.
///
/// Looked at when a sixteenth of it was written since the last look, so that a look costs little.
#[derive(Debug)]
pub(super) struct Bound {
    most: u64,
    written: AtomicU64,
}

impl Bound {
    pub(super) fn new(most: u64) -> Self {
        // The first answer looks: a start may find more than the bound.
        Self { most, written: AtomicU64::new(most) }
    }

    /// Notes an answer that was written, and removes the oldest ones when there are too many.
    pub(super) fn keep(&self, disk: &Disk, size: u64) -> std::io::Result<()> {
        if self.written.fetch_add(size, Ordering::Relaxed).saturating_add(size) < self.most / 16 {
            return Ok(());
        }
        self.written.store(0, Ordering::Relaxed);
        disk.shrink(self.most - self.most / 16)
    }
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
    /// Answers how many bytes were written.
    pub(super) fn put(&self, name: &str, raw: &RawPage) -> std::io::Result<u64> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, &Head { url: raw.url.clone(), json: raw.is_json })?;
        file.write_all(b"\n")?;
        file.write_all(&raw.body)?;
        let size = file.as_file().metadata()?.len();
        file.persist(self.folder.join(name))?;
        Ok(size)
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

    /// Removes the oldest answers until no more than so many bytes are left.
    fn shrink(&self, most: u64) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another server of this data directory may remove it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= most {
                break;
            }
            total -= size;
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    /// Forgets what upstream no longer has.
    pub(super) fn remove(&self, name: &str) {
        let _ = std::fs::remove_file(self.folder.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_on_disk_is_bounded_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let base: Url = "http://127.0.0.1:1/simple/".parse().unwrap();
        let disk = Disk::of(folder.path(), &base);
        let raw = |size: usize| RawPage {
            url: base.clone(),
            is_json: true,
            etag: None,
            body: vec![b'x'; size].into(),
        };
        let bound = Bound::new(16_000);
        for at in 0..40 {
            let name = format!("p{at:02}");
            let size = disk.put(&name, &raw(900)).unwrap();
            let file = std::fs::File::open(disk.folder.join(&name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + at)).unwrap();
            bound.keep(&disk, size).unwrap();
        }
        let total: u64 = std::fs::read_dir(&disk.folder)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(total <= 16_000, "{total}");
        assert!(disk.get("p39").is_some() && disk.get("p00").is_none());
        // An answer that is larger than the bound alone does not stay, and is no error.
        let size = disk.put("big", &raw(20_000)).unwrap();
        bound.keep(&disk, size).unwrap();
        assert!(disk.get("big").is_none());
    }
}
