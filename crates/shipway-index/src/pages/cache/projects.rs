//! Projects and metadata, read from the database once for all who want them at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use shipway_dist::digest::Sha256;

use super::{Cache, Entry, REMEMBERED};
use crate::error::IndexError;
use crate::store::{self, Store};

impl Cache {
    /// A project by its normalized name.
    pub(crate) async fn project(&self, store: &Store, name: &str) -> Result<Option<Arc<Entry>>, IndexError> {
        if let Some(held) = self.held(name) {
            return Ok(held);
        }
        let read = || async {
            match self.held(name) {
                // Whoever read before kept it.
                Some(held) => Ok(held),
                None => self.load(store, name).await,
            }
        };
        self.loads.share(name, read).await
    }

    /// A project as far as it is in memory; also that there is none.
    fn held(&self, name: &str) -> Option<Option<Arc<Entry>>> {
        let inner = self.read();
        if let Some(entry) = inner.projects.get(name) {
            entry.used.store(true, Ordering::Relaxed);
            return Some(Some(entry.clone()));
        }
        inner.absent.contains(name).then_some(None)
    }

    async fn load(&self, store: &Store, name: &str) -> Result<Option<Arc<Entry>>, IndexError> {
        let known = self.read().serials;
        let mut snapshot = store.snapshot().await?;
        let project = store::load_project(&mut snapshot, name).await?;
        drop(snapshot);
        let former = self.read().former.get(name).cloned().unwrap_or_default();
        let entry = project.map(|project| Arc::new(Entry::new(project, former)));
        let mut inner = self.write();
        // What was read may be older than a refresh that another request made in between.
        if inner.serials == known {
            match &entry {
                Some(entry) => inner.keep(name, entry),
                None => {
                    if inner.absent.len() >= REMEMBERED {
                        inner.absent.clear();
                    }
                    inner.absent.insert(name.to_owned());
                }
            }
            self.make_room(&mut inner);
        }
        Ok(entry)
    }

    /// The metadata under a digest.
    pub(crate) async fn metadata(&self, store: &Store, sha256: &Sha256) -> Result<Option<Bytes>, IndexError> {
        let read = || async {
            let bytes = store::metadata(&mut *store.read().await?, sha256).await?;
            Ok(bytes.map(Bytes::from))
        };
        self.metadata.share(&sha256.to_hex(), read).await
    }

    /// Whether a name belongs to this index, so that upstream is never asked about it.
    ///
    /// The claim of a session is not remembered: it ends with time alone.
    pub(crate) async fn is_claimed(&self, store: &Store, name: &str, now: &str) -> Result<bool, IndexError> {
        if self.project(store, name).await?.is_some() {
            return Ok(true);
        }
        let known = {
            let inner = self.read();
            if inner.unclaimed.contains(name) {
                return Ok(false);
            }
            inner.serials
        };
        let is_claimed = store::is_claimed(&mut *store.read().await?, name, now).await?;
        let mut inner = self.write();
        // A session that claims it from now on has a serial of its own.
        if !is_claimed && inner.serials == known {
            if inner.unclaimed.len() >= REMEMBERED {
                inner.unclaimed.clear();
            }
            inner.unclaimed.insert(name.to_owned());
        }
        Ok(is_claimed)
    }
}
