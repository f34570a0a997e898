//! What is kept in memory between requests, and how it notices that it is old.
//!
//! Before each answer the stamp of the database is compared with the one the cache was filled under: one
//! small read, no query. After a commit, by this process or another, one query says which projects
//! changed. A reader therefore always sees what was committed before its request began.
//!
//! Projects and their pages share one bound. The ones that nobody asked for lately go first, and are read
//! and built anew when somebody does.

mod projects;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use jiff::Timestamp;
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;

use super::loads::Loads;
use super::warm::{WarmFile, WarmFiles};
use super::{Body, Coding, Format, Former, List, Page, project_page, text};
use crate::error::IndexError;
use crate::project::{Channel, Project};
use crate::store::{self, Serials, Stamp, Store, TokenRow};
use crate::tokens::Grant;

/// Names that are known to be absent, and tokens; a flood of either is forgotten as a whole.
const REMEMBERED: usize = 10_000;
/// The parts of the pages of more large projects than this are not kept after a write.
const FORMER: usize = 64;
/// More changed projects than this, and a list is read anew.
const CHANGES: usize = 5_000;

/// The parts of earlier pages of a project, by channel.
type Formers = Vec<(ChannelName, Former)>;

/// A project in memory, and its pages, built when first asked for.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) project: Project,
    /// One page for each channel that ever listed the project.
    pages: Vec<(ChannelName, Page)>,
    weight: AtomicUsize,
    /// Set by readers, cleared by whoever looks for room.
    used: AtomicBool,
}

impl Entry {
    fn new(project: Project, former: Formers) -> Self {
        let channels: BTreeSet<_> =
            project.releases.iter().flat_map(|release| release.channels.keys()).collect();
        let page = |channel: &ChannelName| {
            let former = former.iter().find(|(name, _)| name == channel).map(|(_, former)| former.clone());
            (channel.clone(), Page::after(former))
        };
        let pages = channels.into_iter().map(page).collect();
        let weight = AtomicUsize::new(weight_of(&project));
        Self { project, pages, weight, used: AtomicBool::new(true) }
    }

    /// What the next pages of the project can take over.
    fn formers(&self) -> Formers {
        self.pages.iter().filter_map(|(channel, page)| Some((channel.clone(), page.former()?))).collect()
    }

    fn page(&self, channel: &str) -> Option<&Page> {
        self.pages.iter().find(|(name, _)| name.as_str() == channel).map(|(_, page)| page)
    }
}

/// About how many bytes a project takes, its pages aside.
fn weight_of(project: &Project) -> usize {
    let file = |file: &crate::project::StoredFile| {
        size_of_val(file) + file.filename.len() + 64 + file.requires_python.as_ref().map_or(0, String::len)
    };
    let release = |release: &crate::project::Release| {
        400 + 150 * release.channels.len() + release.files.iter().map(file).sum::<usize>()
    };
    500 + project.releases.iter().map(release).sum::<usize>()
}

#[derive(Debug, Default)]
struct Inner {
    stamp: Option<Stamp>,
    serials: Serials,
    channels: Option<Arc<Vec<Channel>>>,
    projects: HashMap<String, Arc<Entry>>,
    /// Parts of large pages that a commit made old, until they are asked for again.
    former: HashMap<String, Formers>,
    /// Names without a project.
    absent: HashSet<String>,
    /// Names that do not belong to this index.
    unclaimed: HashSet<String>,
    lists: HashMap<ChannelName, Listing>,
    /// What commits changed since the reading of a list began, so that its end need not be quiet.
    reading: HashMap<ChannelName, BTreeSet<String>>,
    files: WarmFiles,
    tokens: HashMap<String, Arc<TokenRow>>,
    /// Who was recognised by an `Authorization` field, by the digest of the field, and until when.
    grants: HashMap<Sha256, (Arc<Grant>, Option<Timestamp>)>,
    /// The projects in the order in which room is looked for.
    queue: VecDeque<Weak<Entry>>,
    weight: usize,
}

/// A list, and the projects that changed since it was put together.
#[derive(Debug)]
struct Listing {
    list: Arc<List>,
    changed: BTreeSet<String>,
}

/// What the cache holds and did, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) bytes: usize,
    pub(crate) projects: usize,
    pub(crate) built: u64,
    pub(crate) evicted: u64,
    pub(crate) refreshed: u64,
    /// Lists of projects that were read whole.
    pub(crate) lists_read: u64,
}

/// The memory of a server.
#[derive(Debug)]
pub(crate) struct Cache {
    inner: RwLock<Inner>,
    refreshing: tokio::sync::Mutex<()>,
    listing: tokio::sync::Mutex<()>,
    /// More bytes of projects and pages than this are not kept.
    bound: usize,
    built: AtomicU64,
    evicted: AtomicU64,
    refreshed: AtomicU64,
    lists_read: AtomicU64,
    loads: Loads<Option<Arc<Entry>>>,
    metadata: Loads<Option<bytes::Bytes>>,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(64 * 1024 * 1024)
    }
}

impl Cache {
    /// An empty memory with a bound in bytes.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            inner: RwLock::default(),
            refreshing: tokio::sync::Mutex::default(),
            listing: tokio::sync::Mutex::default(),
            bound,
            built: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            refreshed: AtomicU64::new(0),
            lists_read: AtomicU64::new(0),
            loads: Loads::default(),
            metadata: Loads::default(),
        }
    }

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
        let first = self.read().stamp.is_none();
        let changed = if serials.serial == known.serial || first {
            // At the beginning nothing is kept, so nothing is forgotten.
            Vec::new()
        } else {
            store::changed_since(&mut snapshot, known.serial).await?
        };
        drop(snapshot);
        self.refreshed.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.write();
        if serials.serial != known.serial {
            inner.forget(&changed);
        }
        if serials.tokens != known.tokens {
            inner.tokens.clear();
            inner.grants.clear();
        }
        if serials.channels != known.channels {
            inner.channels = None;
        }
        inner.serials = serials;
        inner.stamp = Some(stamp);
        Ok(())
    }

    /// The form of a page and the channels, if they are in memory and nothing was committed before the stamp.
    pub(crate) fn known(
        &self,
        stamp: &Stamp,
        (channel, project): (&str, &str),
        (format, coding): (Format, Coding),
    ) -> Option<(Arc<Vec<Channel>>, Body)> {
        let inner = self.read();
        if inner.stamp.as_ref() != Some(stamp) {
            return None;
        }
        let entry = inner.projects.get(project)?;
        let body = entry.page(channel)?.ready(format, coding)?;
        entry.used.store(true, Ordering::Relaxed);
        Some((inner.channels.clone()?, body.clone()))
    }

    /// Whether [`Cache::known`] may know the page: if not, the stamp need not be asked for.
    pub(crate) fn may_know(
        &self,
        (channel, project): (&str, &str),
        (format, coding): (Format, Coding),
    ) -> bool {
        let inner = self.read();
        let page = inner.projects.get(project).and_then(|entry| entry.page(channel));
        page.is_some_and(|page| page.ready(format, coding).is_some())
    }

    /// Whether [`Cache::known_file`] may know the file.
    pub(crate) fn may_know_file(&self, path: &str) -> bool {
        self.read().files.get(path).is_some()
    }

    /// What answers a request for a file, if it was given lately and nothing was committed before the stamp.
    pub(crate) fn known_file(&self, stamp: &Stamp, path: &str) -> Option<Arc<WarmFile>> {
        let inner = self.read();
        if inner.stamp.as_ref() != Some(stamp) {
            return None;
        }
        let warm = inner.files.get(path)?;
        let entry = inner.projects.get(&warm.file.project).filter(|entry| warm.is_of(entry))?;
        entry.used.store(true, Ordering::Relaxed);
        Some(warm.file.clone())
    }

    /// Remembers what answers a request for a file of this state of its project.
    pub(crate) fn keep_file(&self, path: &str, entry: &Arc<Entry>, file: WarmFile) {
        self.write().files.keep(path, entry, file);
    }

    /// Who was recognised by an `Authorization` field of this digest. Only after [`Cache::refresh`] or
    /// [`Cache::known`].
    pub(crate) fn grant(&self, field: &Sha256, now: Timestamp) -> Option<Arc<Grant>> {
        let inner = self.read();
        let (grant, until) = inner.grants.get(field)?;
        until.is_none_or(|until| now < until).then(|| grant.clone())
    }

    /// Remembers who was recognised, unless tokens changed meanwhile.
    pub(crate) fn remember_grant(
        &self,
        field: Sha256,
        grant: Arc<Grant>,
        until: Option<Timestamp>,
        tokens: i64,
    ) {
        let mut inner = self.write();
        if inner.serials.tokens == tokens {
            if inner.grants.len() >= REMEMBERED {
                inner.grants.clear();
            }
            inner.grants.insert(field, (grant, until));
        }
    }

    /// The serial of the last change to tokens that the cache knows.
    pub(crate) fn token_serial(&self) -> i64 {
        self.read().serials.tokens
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
            if inner.tokens.len() >= REMEMBERED {
                inner.tokens.clear();
            }
            inner.tokens.insert(id.to_owned(), token.clone());
        }
        Ok(token)
    }

    /// The page of a project in a channel; nothing when the channel never listed it.
    pub(crate) async fn page(
        &self,
        entry: &Arc<Entry>,
        channel: &ChannelName,
        (format, coding): (Format, Coding),
    ) -> Result<Option<Body>, IndexError> {
        let Some(page) = entry.page(channel.as_str()) else { return Ok(None) };
        if let Some(body) = page.ready(format, coding) {
            return Ok(Some(body.clone()));
        }
        let (source, listed) = (entry.clone(), channel.clone());
        let render = move |format| match project_page(&source.project, &listed) {
            Some(page) => text(&page, format),
            None => Err(IndexError::not_found(format!("channel `{listed}`"))),
        };
        let (body, added) = page.form(format, coding, render).await?;
        if added > 0 {
            self.built.fetch_add(1, Ordering::Relaxed);
            let mut inner = self.write();
            entry.weight.fetch_add(added, Ordering::Relaxed);
            let held = inner.projects.get(entry.project.name.normalized());
            if held.is_some_and(|held| Arc::ptr_eq(held, entry)) {
                inner.weight += added;
                self.make_room(&mut inner);
            }
        }
        Ok(Some(body))
    }

    /// The list of the projects of a channel.
    ///
    /// After a write only what it changed is read, and only the segments that hold it are rendered.
    pub(crate) async fn list(&self, store: &Store, channel: &ChannelName) -> Result<Arc<List>, IndexError> {
        if let Some(list) = self.read().lists.get(channel).filter(|listing| listing.changed.is_empty()) {
            return Ok(list.list.clone());
        }
        let _one = self.listing.lock().await;
        let held = {
            let mut inner = self.write();
            let held =
                inner.lists.get(channel).map(|listing| (listing.list.clone(), listing.changed.clone()));
            if let Some((list, changed)) = &held
                && changed.is_empty()
            {
                return Ok(list.clone());
            }
            // Before the snapshot: what is committed after it is then noted for whoever asks next.
            inner.reading.insert(channel.clone(), BTreeSet::new());
            held
        };
        let mut snapshot = store.snapshot().await?;
        let list = match held {
            Some((list, changed)) => {
                let mut changes = Vec::with_capacity(changed.len());
                for name in changed {
                    let display = store::listed_name(&mut snapshot, channel, &name).await?;
                    changes.push((name, display));
                }
                tokio::task::spawn_blocking(move || list.changed(&changes)).await?
            }
            None => {
                self.lists_read.fetch_add(1, Ordering::Relaxed);
                List::new(store::project_names(&mut snapshot, channel).await?)
            }
        };
        drop(snapshot);
        let list = Arc::new(list);
        let mut inner = self.write();
        if let Some(changed) = inner.reading.remove(channel) {
            inner.lists.insert(channel.clone(), Listing { list: list.clone(), changed });
        }
        Ok(list)
    }

    /// What is held and was done.
    pub(crate) fn standing(&self) -> Standing {
        let inner = self.read();
        Standing {
            bytes: inner.weight,
            projects: inner.projects.len(),
            built: self.built.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
            refreshed: self.refreshed.load(Ordering::Relaxed),
            lists_read: self.lists_read.load(Ordering::Relaxed),
        }
    }

    /// Forgets projects that were not asked for since the last look, until the bound holds.
    fn make_room(&self, inner: &mut Inner) {
        // Every project is looked at twice at most: all of them may have been used.
        let mut looks = 2 * inner.queue.len();
        while inner.weight > self.bound && looks > 0 {
            looks -= 1;
            let Some(oldest) = inner.queue.pop_front() else { break };
            let Some(entry) = oldest.upgrade() else { continue };
            let name = entry.project.name.normalized();
            if !inner.projects.get(name).is_some_and(|held| Arc::ptr_eq(held, &entry)) {
                continue;
            }
            if entry.used.swap(false, Ordering::Relaxed) {
                inner.queue.push_back(oldest);
            } else {
                inner.remove(name);
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        // Of projects that commits made old only the places in the queue are left.
        if inner.queue.len() > 2 * inner.projects.len() + 1000 {
            inner.queue.retain(|entry| entry.strong_count() > 0);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, changed: &[String]) {
        self.absent.clear();
        self.unclaimed.clear();
        for name in changed {
            let formers = self.remove(name).map(|entry| entry.formers()).unwrap_or_default();
            if !formers.is_empty() {
                if self.former.len() >= FORMER {
                    self.former.clear();
                }
                self.former.insert(name.clone(), formers);
            }
        }
        let note = |noted: &mut BTreeSet<String>| {
            noted.extend(changed.iter().cloned());
            noted.len() <= CHANGES
        };
        self.lists.retain(|_, listing| note(&mut listing.changed));
        self.reading.retain(|_, changed| note(changed));
    }

    fn keep(&mut self, name: &str, entry: &Arc<Entry>) {
        self.remove(name);
        self.former.remove(name);
        self.weight += entry.weight.load(Ordering::Relaxed);
        self.queue.push_back(Arc::downgrade(entry));
        self.projects.insert(name.to_owned(), entry.clone());
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Entry>> {
        let entry = self.projects.remove(name)?;
        self.weight = self.weight.saturating_sub(entry.weight.load(Ordering::Relaxed));
        Some(entry)
    }
}
