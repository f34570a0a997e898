//! Projects that the index does not hold, passed through from one other simple index.
//!
//! A name that this index holds or claims is never asked for upstream; the caller decides that first.
//! Every link is rewritten to this index, every file is checked against the digest of its page before a
//! byte of it is sent on, and a digest that was served once is pinned: the same filename with other bytes
//! is refused from then on. An upstream that fails is an error, never an empty answer.

mod client;
mod discover;
mod page;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use shipway_dist::digest::Sha256;
use tokio::sync::OnceCell;

use crate::config;
use crate::error::IndexError;
use crate::index::Index;
use crate::store;

use client::Client;
pub(crate) use page::{UpstreamFile, UpstreamPage};

/// More bytes of pages than this are not kept.
const BOUND: usize = 16 * 1024 * 1024;

/// The other index.
pub(crate) struct Upstream {
    setting: config::Upstream,
    client: OnceCell<Client>,
    believed: Duration,
    pages: Mutex<HashMap<String, Cached>>,
}

struct Cached {
    page: Option<Arc<UpstreamPage>>,
    fetched: Instant,
}

impl Upstream {
    /// The upstream of a configuration; nothing when it is off. Asks nobody yet.
    pub(crate) fn new(setting: &config::Upstream, believed: Duration) -> Option<Self> {
        if matches!(setting, config::Upstream::Off) {
            return None;
        }
        Some(Self { setting: setting.clone(), client: OnceCell::new(), believed, pages: Mutex::default() })
    }

    async fn client(&self) -> Result<&Client, IndexError> {
        self.client.get_or_try_init(|| Client::connect(&self.setting)).await
    }

    fn cached(&self, name: &str) -> Option<Option<Arc<UpstreamPage>>> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = pages.get(name).filter(|cached| cached.fetched.elapsed() < self.believed)?;
        Some(cached.page.clone())
    }

    fn keep(&self, name: &str, page: Option<Arc<UpstreamPage>>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.insert(name.to_owned(), Cached { page, fetched: Instant::now() });
        let weight = |cached: &Cached| cached.page.as_ref().map_or(100, |page| page.weight());
        let mut total: usize = pages.values().map(weight).sum();
        while total > BOUND {
            let oldest =
                pages.iter().filter(|(key, _)| *key != name).min_by_key(|(_, cached)| cached.fetched);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            total -= pages.remove(&oldest).as_ref().map_or(0, weight);
        }
    }
}

impl Index {
    /// The page of a project that this index does not hold; nothing when upstream has none either, when
    /// the name is claimed here, or when there is no upstream.
    pub(crate) async fn upstream_page(&self, name: &str) -> Result<Option<Arc<UpstreamPage>>, IndexError> {
        let Some(upstream) = &self.upstream else { return Ok(None) };
        if self.cache.is_claimed(&self.store, name).await? {
            return Ok(None);
        }
        if let Some(page) = upstream.cached(name) {
            return Ok(page);
        }
        let client = upstream.client().await?;
        let Some(raw) = client.page(name).await? else {
            upstream.keep(name, None);
            return Ok(None);
        };
        let pins = store::pins_of(&mut *self.store.read().await?, name).await?.into_iter().collect();
        let owned = name.to_owned();
        let build = move || page::rewrite(&owned, raw, &pins);
        let page = Arc::new(tokio::task::spawn_blocking(build).await??);
        upstream.keep(name, Some(page.clone()));
        Ok(Some(page))
    }

    /// A file of upstream by the URL that its page here gave.
    pub(crate) async fn upstream_file(
        &self,
        name: &str,
        filename: &str,
        sha256: &Sha256,
    ) -> Result<Option<UpstreamFile>, IndexError> {
        let page = self.upstream_page(name).await?;
        let file = page.as_ref().and_then(|page| page.files.get(filename));
        Ok(file.filter(|file| file.sha256 == *sha256).cloned())
    }

    /// Makes sure that the bytes of a file of upstream are here, and gives their number.
    ///
    /// # Errors
    /// When upstream fails, or its bytes are not those that its page promised.
    pub(crate) async fn fetch_upstream(&self, name: &str, file: &UpstreamFile) -> Result<u64, IndexError> {
        let held = store::pinned(&mut *self.store.read().await?, &file.filename).await?;
        if held.is_some_and(|held| held != file.sha256) {
            return Err(changed(&file.filename));
        }
        if held.is_some()
            && let Some(size) = self.blobs.size(&file.sha256).await?
        {
            return Ok(size);
        }
        let Some(upstream) = &self.upstream else { return Err(IndexError::not_found("the file")) };
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
        Ok(size)
    }

    /// The metadata of a file of upstream, when its page promised any.
    pub(crate) async fn upstream_metadata(&self, file: &UpstreamFile) -> Result<Option<Bytes>, IndexError> {
        let (Some(upstream), Some(promised)) = (&self.upstream, &file.metadata) else { return Ok(None) };
        if let Some(bytes) = store::metadata(&mut *self.store.read().await?, promised).await? {
            return Ok(Some(bytes.into()));
        }
        let mut url = file.url.clone();
        url.set_path(&format!("{}.metadata", file.url.path()));
        let response = upstream.client().await?.file(&url).await?;
        let bytes = response.bytes().await.map_err(|error| client::failed(&url, &error))?;
        if Sha256::of(&bytes) != *promised {
            let why = format!("the metadata of `{}` is not what its page promised", file.filename);
            return Err(IndexError::Upstream { why });
        }
        let mut write = self.store.write_project("").await?;
        store::insert_metadata(&mut write, promised, &bytes).await?;
        write.commit().await?;
        Ok(Some(bytes))
    }
}

fn changed(filename: &str) -> IndexError {
    let why = format!("`{filename}` has another digest than when it was first served; it is not passed on");
    IndexError::Upstream { why }
}
