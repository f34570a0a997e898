//! The files of upstream: checked whole against the digest of their page, then kept, then sent on.
//!
//! Whoever calls what fetches here does so in a task of its own: a client that goes away, as pip does after
//! fifteen seconds, finds the file when it comes back.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use shipway_dist::digest::Sha256;

use super::{Upstream, UpstreamFile};
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::Index;
use crate::store;

/// The largest metadata that are read: as large as those of an upload may be.
const METADATA: usize = 8 * 1024 * 1024;
/// More pins than this are not kept in memory.
const REMEMBERED: usize = 10_000;

/// The files whose bytes were taken, and their digests. A row of that is never changed, so what is here is true.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<HashMap<String, Sha256>>);

impl Taken {
    fn get(&self, filename: &str) -> Option<Sha256> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(filename).copied()
    }

    fn put(&self, filename: &str, sha256: Sha256) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= REMEMBERED {
            taken.clear();
        }
        taken.insert(filename.to_owned(), sha256);
    }
}

impl Index {
    /// A file of upstream by the URL that its page here gave.
    pub(crate) async fn upstream_file(
        &self,
        name: &str,
        filename: &str,
        sha256: &Sha256,
    ) -> Result<Option<UpstreamFile>, IndexError> {
        let served = self.upstream_page(name).await?;
        let file = served.as_ref().and_then(|served| served.page.files.get(filename));
        Ok(file.filter(|file| file.sha256 == *sha256).cloned())
    }

    /// The number of bytes of a file of upstream that was fetched before.
    pub(crate) async fn kept_upstream(&self, file: &UpstreamFile) -> Result<Option<u64>, IndexError> {
        let Some(upstream) = &self.upstream else { return Ok(None) };
        let taken = match upstream.taken.get(&file.filename) {
            Some(sha256) => Some(sha256),
            None => store::pinned(&mut *self.store.read().await?, &file.filename).await?,
        };
        match taken {
            Some(sha256) if sha256 != file.sha256 => Err(changed(&file.filename)),
            Some(sha256) => {
                upstream.taken.put(&file.filename, sha256);
                // Bytes that were lost are fetched again.
                self.blobs.size(&file.sha256).await
            }
            None => Ok(None),
        }
    }

    /// Makes sure that the bytes of a file of upstream are here, and gives their number.
    ///
    /// # Errors
    /// When upstream fails, or its bytes are not those that its page promised.
    pub(crate) async fn fetch_upstream(&self, name: &str, file: &UpstreamFile) -> Result<u64, IndexError> {
        let Some(upstream) = &self.upstream else { return Err(IndexError::not_found("the file")) };
        let began = Instant::now();
        let flight = upstream.flights.join(&format!("file {}", file.sha256)).await;
        if let Some(size) = self.kept_upstream(file).await? {
            upstream.shared.fetch_add(1, Ordering::Relaxed);
            return Ok(size);
        }
        if let Some(error) = flight.failed_since(began) {
            upstream.shared.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        let fetched = async {
            let staged = upstream.counted(self.receive_upstream(upstream, file)).await?;
            match self.keep_upstream(name, file, &staged).await {
                Ok(size) => {
                    upstream.taken.put(&file.filename, file.sha256);
                    Ok(size)
                }
                Err(error) => {
                    self.take_back(name, staged).await;
                    Err(error)
                }
            }
        };
        fetched.await.map_err(|error| flight.fail(error))
    }

    async fn receive_upstream(&self, upstream: &Upstream, file: &UpstreamFile) -> Result<Staged, IndexError> {
        let mut coming = upstream.client().await?.file(&file.url).await?;
        let mut staging = self.blobs.stage(self.limits.file_size, None);
        let broken = loop {
            match coming.next().await {
                Ok(Some(bytes)) => staging.push(bytes).await?,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        // Also what broke off: its temporary file is gone then.
        let staged = staging.finish().await;
        if let Some(error) = broken {
            return Err(error);
        }
        let staged = staged?;
        if staged.sha256 != file.sha256 {
            let why = format!(
                "`{}` has sha256 {}, its page promised {}",
                file.filename, staged.sha256, file.sha256
            );
            return Err(IndexError::Upstream { why });
        }
        Ok(staged)
    }

    async fn keep_upstream(
        &self,
        name: &str,
        file: &UpstreamFile,
        staged: &Staged,
    ) -> Result<u64, IndexError> {
        let size = staged.size;
        self.blobs.place(staged).await?;
        let mut write = self.store.write_project(name).await?;
        self.blobs.place(staged).await?;
        store::pin(&mut write, (name, &file.filename), (&file.sha256, size), &self.clock.text()).await?;
        let held = store::pinned(&mut write, &file.filename).await?;
        if held.is_some_and(|held| held != file.sha256) {
            return Err(changed(&file.filename));
        }
        write.commit().await?;
        staged.settle();
        Ok(size)
    }

    /// The metadata of a file of upstream, when its page promised any.
    ///
    /// # Errors
    /// When upstream fails, or its bytes are not those that its page promised.
    pub(crate) async fn fetch_upstream_metadata(
        &self,
        file: &UpstreamFile,
    ) -> Result<Option<Bytes>, IndexError> {
        let (Some(upstream), Some(promised)) = (&self.upstream, &file.metadata) else { return Ok(None) };
        let began = Instant::now();
        let flight = upstream.flights.join(&format!("metadata {promised}")).await;
        if let Some(bytes) = self.metadata(promised).await? {
            upstream.shared.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(bytes));
        }
        if let Some(error) = flight.failed_since(began) {
            upstream.shared.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        let fetched = async {
            let bytes = upstream.counted(receive_metadata(upstream, file, promised)).await?;
            let mut write = self.store.write_project("").await?;
            store::insert_metadata(&mut write, promised, &bytes).await?;
            write.commit().await?;
            self.recent_metadata.put(*promised, bytes.clone());
            Ok(bytes)
        };
        fetched.await.map(Some).map_err(|error| flight.fail(error))
    }
}

async fn receive_metadata(
    upstream: &Upstream,
    file: &UpstreamFile,
    promised: &Sha256,
) -> Result<Bytes, IndexError> {
    let mut url = file.url.clone();
    url.set_path(&format!("{}.metadata", file.url.path()));
    let bytes = upstream.client().await?.file(&url).await?.all(METADATA).await?;
    if Sha256::of(&bytes) != *promised {
        let why = format!("the metadata of `{}` is not what its page promised", file.filename);
        return Err(IndexError::Upstream { why });
    }
    Ok(bytes)
}

fn changed(filename: &str) -> IndexError {
    let why = format!("`{filename}` has another digest than when it was first seen; it is not passed on");
    IndexError::Upstream { why }
}
