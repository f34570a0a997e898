//! What is kept in memory between requests, and how it notices that it is old.
//!
//! Before each answer the stamp of the database is compared with the one the cache was filled under: one
//! small read, no query. After a commit, by this process or another, one query says which projects
//! changed. A reader therefore always sees what was committed before its request began.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use shipway_dist::channel::ChannelName;
use tokio::sync::OnceCell;

use super::{Page, project_list, project_page, rendered};
use crate::error::IndexError;
use crate::project::{Channel, Project};
use crate::store::{self, Serials, Stamp, Store, TokenRow};

/// More bytes of pages than this are not kept.
const BOUND: usize = 32 * 1024 * 1024;

/// A project in memory, and its pages, built when first asked for.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) project: Project,
    pages: Mutex<HashMap<ChannelName, Built>>,
}

/// A page that is built once, whoever asks first; `None` when the channel never listed the project.
type Built = Arc<OnceCell<Option<Arc<Page>>>>;

#[derive(Debug, Default)]
struct Inner {
    stamp: Option<Stamp>,
    serials: Serials,
    channels: Option<Arc<Vec<Channel>>>,
    /// `None`: the index holds no such project.
    projects: HashMap<String, Option<Arc<Entry>>>,
    claimed: HashSet<String>,
    lists: HashMap<ChannelName, Arc<Page>>,
    tokens: HashMap<String, Arc<TokenRow>>,
    /// The pages that were built, oldest first, and the sum of their bytes.
    built: VecDeque<(Weak<Entry>, ChannelName, usize)>,
    weight: usize,
}

/// The memory of a server.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    inner: RwLock<Inner>,
    refreshing: tokio::sync::Mutex<()>,
}

impl Cache {
    /// Forgets what commits since the last call made old. Every request calls it once, first.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), IndexError> {
        let stamp = store.stamp().await?;
        if self.read().stamp == Some(stamp) {
            return Ok(());
        }
        let _one = self.refreshing.lock().await;
        // Read again, and before the query: a commit that comes after it changes the stamp once more.
        let stamp = store.stamp().await?;
        let known = {
            let inner = self.read();
            if inner.stamp == Some(stamp) {
                return Ok(());
            }
            inner.serials
        };
        let mut snapshot = store.snapshot().await?;
        let serials = store::serials(&mut snapshot).await?;
        let changed = if serials.serial == known.serial {
            Vec::new()
        } else {
            store::changed_since(&mut snapshot, known.serial).await?
        };
        drop(snapshot);
        let mut inner = self.write();
        if serials.serial != known.serial {
            inner.lists.clear();
            inner.claimed.clear();
            inner.projects.retain(|_, entry| entry.is_some());
            for name in changed {
                inner.projects.remove(&name);
            }
        }
        if serials.tokens != known.tokens {
            inner.tokens.clear();
        }
        if serials.channels != known.channels {
            inner.channels = None;
        }
        inner.serials = serials;
        inner.stamp = Some(stamp);
        Ok(())
    }

    /// The channels in order of promotion.
    pub(crate) async fn channels(&self, store: &Store) -> Result<Arc<Vec<Channel>>, IndexError> {
        let known = {
            let inner = self.read();
            if let Some(channels) = &inner.channels {
                return Ok(channels.clone());
            }
            inner.serials
        };
        let channels = Arc::new(store::channels(&mut *store.read().await?).await?);
        let mut inner = self.write();
        if inner.serials == known {
            inner.channels = Some(channels.clone());
        }
        Ok(channels)
    }

    /// A token's row by its id. Unknown ids are not remembered: anyone can make them up.
    pub(crate) async fn token(&self, store: &Store, id: &str) -> Result<Option<Arc<TokenRow>>, IndexError> {
        let known = {
            let inner = self.read();
            if let Some(token) = inner.tokens.get(id) {
                return Ok(Some(token.clone()));
            }
            inner.serials
        };
        let token = store::token(&mut *store.read().await?, id).await?.map(Arc::new);
        let mut inner = self.write();
        if let Some(token) = &token
            && inner.serials == known
        {
            inner.tokens.insert(id.to_owned(), token.clone());
        }
        Ok(token)
    }

    /// A project by its normalized name.
    pub(crate) async fn project(&self, store: &Store, name: &str) -> Result<Option<Arc<Entry>>, IndexError> {
        let known = {
            let inner = self.read();
            if let Some(entry) = inner.projects.get(name) {
                return Ok(entry.clone());
            }
            inner.serials
        };
        let mut snapshot = store.snapshot().await?;
        let project = store::load_project(&mut snapshot, name).await?;
        let claimed = project.is_some() || store::is_claimed(&mut snapshot, name).await?;
        drop(snapshot);
        let entry = project.map(|project| Arc::new(Entry { project, pages: Mutex::default() }));
        let mut inner = self.write();
        // What was read may be older than a refresh that another request made in between.
        if inner.serials == known {
            if inner.projects.len() >= 50_000 {
                inner.projects.clear();
            }
            if claimed {
                inner.claimed.insert(name.to_owned());
            }
            inner.projects.insert(name.to_owned(), entry.clone());
        }
        Ok(entry)
    }

    /// Whether a name belongs to this index, so that upstream is never asked about it.
    pub(crate) async fn is_claimed(&self, store: &Store, name: &str) -> Result<bool, IndexError> {
        if self.project(store, name).await?.is_some() {
            return Ok(true);
        }
        if self.read().claimed.contains(name) {
            return Ok(true);
        }
        store::is_claimed(&mut *store.read().await?, name).await
    }

    /// The page of a project in a channel; nothing when the channel never listed it.
    pub(crate) async fn page(
        &self,
        entry: &Arc<Entry>,
        channel: &ChannelName,
    ) -> Result<Option<Arc<Page>>, IndexError> {
        let cell = {
            let mut pages = entry.pages.lock().unwrap_or_else(PoisonError::into_inner);
            pages.entry(channel.clone()).or_default().clone()
        };
        let build = || async {
            let (entry, channel) = (entry.clone(), channel.clone());
            let built = (Arc::downgrade(&entry), channel.clone());
            let build = move || match project_page(&entry.project, &channel) {
                None => Ok(None),
                Some(page) => rendered(&page).map(|page| Some(Arc::new(page))),
            };
            let page = tokio::task::spawn_blocking(build).await??;
            self.account(&built.0, &built.1, page.as_ref().map_or(0, |page| page.weight()));
            Ok::<_, IndexError>(page)
        };
        Ok(cell.get_or_try_init(build).await?.clone())
    }

    /// The list of the projects of a channel.
    pub(crate) async fn list(&self, store: &Store, channel: &ChannelName) -> Result<Arc<Page>, IndexError> {
        let known = {
            let inner = self.read();
            if let Some(list) = inner.lists.get(channel) {
                return Ok(list.clone());
            }
            inner.serials
        };
        let names = store::project_names(&mut *store.read().await?, channel).await?;
        let list = Arc::new(tokio::task::spawn_blocking(move || project_list(&names)).await??);
        let mut inner = self.write();
        if inner.serials == known {
            inner.lists.insert(channel.clone(), list.clone());
        }
        Ok(list)
    }

    /// Keeps the sum of all pages bounded: the oldest are forgotten and built anew when asked for.
    fn account(&self, entry: &Weak<Entry>, channel: &ChannelName, weight: usize) {
        if weight == 0 {
            return;
        }
        let mut inner = self.write();
        inner.weight += weight;
        inner.built.push_back((entry.clone(), channel.clone(), weight));
        while inner.weight > BOUND {
            let Some((entry, channel, weight)) = inner.built.pop_front() else { break };
            inner.weight -= weight;
            if let Some(entry) = entry.upgrade() {
                entry.pages.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
