//! The files of upstream: checked whole against the digest of their page, then kept, then sent on.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use shipway_dist::digest::Sha256;

use super::{Upstream, UpstreamFile, client};
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::Index;
use crate::store;

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

    /// Makes sure that the bytes of a file of upstream are here, and gives their number.
    ///
    /// # Errors
    /// When upstream fails, or its bytes are not those that its page promised.
    pub(crate) async fn fetch_upstream(&self, name: &str, file: &UpstreamFile) -> Result<u64, IndexError> {
        if let Some(size) = self.kept_upstream(file).await? {
            return Ok(size);
        }
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
        let fetched = upstream.counted(self.receive_upstream(upstream, file)).await;
        let staged = match fetched {
            Ok(staged) => staged,
            Err(error) => return Err(flight.fail(error)),
        };
        self.keep_upstream(name, file, staged).await
    }

    /// The number of bytes of a file that was fetched before.
    async fn kept_upstream(&self, file: &UpstreamFile) -> Result<Option<u64>, IndexError> {
        let held = store::pinned(&mut *self.store.read().await?, &file.filename).await?;
        match held {
            Some(held) if held != file.sha256 => Err(changed(&file.filename)),
            Some(_) => self.blobs.size(&file.sha256).await,
            None => Ok(None),
        }
    }

    async fn receive_upstream(&self, upstream: &Upstream, file: &UpstreamFile) -> Result<Staged, IndexError> {
        let response = upstream.client().await?.file(&file.url).await?;
        let mut staging = self.blobs.stage(self.limits.file_size, None);
        let mut stream = response.bytes_stream();
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(|error| client::failed(&file.url, &error))?;
            staging.push(bytes).await?;
        }
        let staged = staging.finish().await?;
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
        staged: Staged,
    ) -> Result<u64, IndexError> {
        let size = staged.size;
        self.blobs.place(&staged).await?;
        let mut write = self.store.write_project(name).await?;
        self.blobs.place(&staged).await?;
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
    pub(crate) async fn upstream_metadata(&self, file: &UpstreamFile) -> Result<Option<Bytes>, IndexError> {
        let (Some(upstream), Some(promised)) = (&self.upstream, &file.metadata) else { return Ok(None) };
        if let Some(bytes) = store::metadata(&mut *self.store.read().await?, promised).await? {
            return Ok(Some(bytes.into()));
        }
        let began = Instant::now();
        let flight = upstream.flights.join(&format!("metadata {promised}")).await;
        if let Some(bytes) = store::metadata(&mut *self.store.read().await?, promised).await? {
            upstream.shared.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(bytes.into()));
        }
        if let Some(error) = flight.failed_since(began) {
            return Err(error);
        }
        let bytes = match upstream.counted(receive_metadata(upstream, file, promised)).await {
            Ok(bytes) => bytes,
            Err(error) => return Err(flight.fail(error)),
        };
        let mut write = self.store.write_project("").await?;
        store::insert_metadata(&mut write, promised, &bytes).await?;
        write.commit().await?;
        Ok(Some(bytes))
    }
}

async fn receive_metadata(
    upstream: &Upstream,
    file: &UpstreamFile,
    promised: &Sha256,
) -> Result<Bytes, IndexError> {
    let mut url = file.url.clone();
    url.set_path(&format!("{}.metadata", file.url.path()));
    let response = upstream.client().await?.file(&url).await?;
    let bytes = response.bytes().await.map_err(|error| client::failed(&url, &error))?;
    if Sha256::of(&bytes) != *promised {
        let why = format!("the metadata of `{}` is not what its page promised", file.filename);
        return Err(IndexError::Upstream { why });
    }
    Ok(bytes)
}

fn changed(filename: &str) -> IndexError {
    let why = format!("`{filename}` has another digest than when it was first served; it is not passed on");
    IndexError::Upstream { why }
}
