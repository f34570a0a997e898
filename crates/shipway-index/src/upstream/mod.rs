//! Projects that the index does not hold, passed through from one other simple index.
//!
//! A name that this index holds, claims or reserves is never asked for upstream; the caller decides the first
//! two. Every link is rewritten to this index, every file is checked against the digest of its page before a
//! byte of it is sent on or kept, and a digest that was listed once is pinned: the same filename with other
//! bytes is refused from then on. An upstream that fails is an error or the last good page, never an empty
//! answer. See docs/design/upstream.md.

pub(crate) mod client;
mod discover;
mod files;
mod flights;
mod kept;
pub(crate) mod page;
mod pins;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{AGE, WARNING};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use shipway_dist::name::ProjectName;
use tokio::sync::OnceCell;

use crate::config::{self, Config, time_text};
use crate::error::IndexError;
use crate::index::Index;
use crate::pages::{Body, Coding, Format};
use crate::store::Store;

use client::{Answer, Client, RawPage};
use files::Taken;
use flights::Flights;
use kept::{Disk, Memory};
pub(crate) use page::UpstreamFile;
use page::UpstreamPage;
use pins::Pins;
use rules::Rules;

/// The other index.
pub(crate) struct Upstream {
    setting: config::Upstream,
    client: OnceCell<Client>,
    data: PathBuf,
    believed: Duration,
    patience: Duration,
    stall: Duration,
    rules: Rules,
    memory: Memory,
    taken: Taken,
    flights: Flights,
    requests: AtomicU64,
    failures: AtomicU64,
    stale: AtomicU64,
    shared: AtomicU64,
    changed: AtomicU64,
    disk: Arc<kept::Bound>,
}

/// A page to serve.
pub(crate) struct Served {
    page: Arc<UpstreamPage>,
    /// How old it is, when upstream could not be asked.
    stale: Option<Duration>,
}

/// What was asked of upstream, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) stale: u64,
    pub(crate) shared: u64,
    pub(crate) changed: u64,
    pub(crate) bytes: usize,
}

impl Served {
    pub(crate) async fn body(&self, form: (Format, Coding)) -> Result<Body, IndexError> {
        self.page.body(form).await
    }

    /// Says in an answer that it is old (RFC 9111, 5.1; the warning is the one of RFC 7234, 5.5.1).
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        if let Some(age) = self.stale {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
            headers.insert(WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
        }
    }
}

impl Upstream {
    /// The upstream of a configuration; nothing when it is off. Asks nobody yet.
    pub(crate) fn new(config: &Config) -> Option<Arc<Self>> {
        if matches!(config.upstream, config::Upstream::Off) {
            return None;
        }
        Some(Arc::new(Self {
            setting: config.upstream.clone(),
            client: OnceCell::new(),
            data: config.data.clone(),
            believed: config.limits.upstream_page,
            patience: config.upstream_rules.patience,
            stall: config.limits.stall,
            rules: Rules::new(&config.upstream_rules),
            memory: Memory::default(),
            taken: Taken::default(),
            flights: Flights::default(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            changed: AtomicU64::new(0),
            disk: Arc::new(kept::Bound::new(config.limits.upstream_disk)),
        }))
    }

    /// What was asked.
    pub(crate) fn standing(&self) -> Standing {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Standing {
            requests: number(&self.requests),
            failures: number(&self.failures),
            stale: number(&self.stale),
            shared: number(&self.shared),
            changed: number(&self.changed),
            bytes: self.memory.bytes(),
        }
    }

    async fn client(&self) -> Result<&Client, IndexError> {
        self.client.get_or_try_init(|| Client::connect(&self.setting, self.stall)).await
    }

    /// Counts a request to upstream.
    async fn counted<T>(
        &self,
        request: impl Future<Output = Result<T, IndexError>>,
    ) -> Result<T, IndexError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = request.await;
        if result.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn believed(&self, name: &str) -> Option<Option<Arc<UpstreamPage>>> {
        let kept = self.memory.get(name)?;
        (kept.fetched.elapsed() < self.believed).then_some(kept.page)
    }

    /// Asks for a page, once for all who want it.
    async fn ask(
        self: Arc<Self>,
        store: Store,
        name: String,
        now: Timestamp,
    ) -> Result<Option<Arc<UpstreamPage>>, IndexError> {
        let began = Instant::now();
        let flight = self.flights.join(&format!("page {name}")).await;
        if let Some(kept) = self.memory.get(&name).filter(|kept| kept.fetched >= began) {
            self.shared.fetch_add(1, Ordering::Relaxed);
            return Ok(kept.page);
        }
        if let Some(error) = flight.failed_since(began) {
            self.shared.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        let result = self.counted(self.fetch(&store, &name, now)).await;
        match result {
            Ok(page) => {
                self.memory.put(&name, page.clone());
                Ok(page)
            }
            Err(error) => Err(flight.fail(error)),
        }
    }

    async fn fetch(
        &self,
        store: &Store,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<UpstreamPage>>, IndexError> {
        let known = self.memory.get(name).and_then(|kept| kept.page);
        // What is held back is due some time, without a change of the page.
        let known = known.filter(|page| page.held_back == 0);
        let client = self.client().await?;
        let disk = Disk::of(&self.data, client.base());
        let etag = known.as_ref().and_then(|page| page.etag.as_deref());
        let raw = match client.page(name, etag).await? {
            Answer::Unchanged => return Ok(known),
            Answer::Absent => {
                disk.remove(name);
                return Ok(None);
            }
            Answer::Page(raw) => raw,
        };
        let page = self.accept(store, name, raw.clone(), now).await?;
        let (name, bound) = (name.to_owned(), self.disk.clone());
        let keep = move || {
            if let Err(error) = disk.put(&name, &raw).and_then(|size| bound.keep(&disk, size)) {
                tracing::warn!(%error, project = name, "the page of upstream is not kept on disk");
            }
        };
        tokio::task::spawn_blocking(keep).await?;
        Ok(Some(page))
    }

    /// Reads a page, pins what it lists for the first time, and decides what of it is passed on.
    async fn accept(
        &self,
        store: &Store,
        name: &str,
        raw: RawPage,
        now: Timestamp,
    ) -> Result<Arc<UpstreamPage>, IndexError> {
        let own = name.to_owned();
        let judged = tokio::task::spawn_blocking(move || page::judge(&own, raw)).await??;
        let pins = Pins::at_sight(store, name, judged.digests(), &time_text(now)).await?;
        let (own, age) = (name.to_owned(), self.rules.at(now));
        let page = tokio::task::spawn_blocking(move || judged.pass_on(&own, &pins, &age)).await?;
        self.changed.fetch_add(page.changed, Ordering::Relaxed);
        Ok(Arc::new(page))
    }

    /// The last good page, and its age.
    async fn last_good(
        &self,
        store: &Store,
        name: &str,
        now: Timestamp,
    ) -> Option<(Arc<UpstreamPage>, Duration)> {
        if let Some(kept) = self.memory.get(name) {
            return Some((kept.page?, kept.fetched.elapsed()));
        }
        let disk = Disk::of(&self.data, self.client().await.ok()?.base());
        let own = name.to_owned();
        let (raw, old) = tokio::task::spawn_blocking(move || disk.get(&own)).await.ok()??;
        let page = self.accept(store, name, raw, now).await.ok()?;
        Some((page, old))
    }
}

/// A page as it is passed on where there are neither rules nor pins, for fuzzing.
pub(crate) fn passed_on(name: &str, raw: RawPage) -> Result<UpstreamPage, IndexError> {
    let age = Rules::new(&config::UpstreamRules::default()).at(Timestamp::UNIX_EPOCH);
    Ok(page::judge(name, raw)?.pass_on(name, &Pins::default(), &age))
}

impl Index {
    /// The page of a project that this index does not hold; nothing when upstream has none either, when
    /// the name is claimed or reserved here, or when there is no upstream.
    pub(crate) async fn upstream_page(&self, name: &str) -> Result<Option<Served>, IndexError> {
        let Some(upstream) = &self.upstream else { return Ok(None) };
        // What is no name of a project leads nowhere: neither to upstream nor to a file of that name.
        if name.parse::<ProjectName>().is_err() || upstream.rules.reserves(name) {
            return Ok(None);
        }
        if self.cache.is_claimed(&self.store, name, &self.clock.text()).await? {
            return Ok(None);
        }
        let fresh = |page: Option<Arc<UpstreamPage>>| page.map(|page| Served { page, stale: None });
        if let Some(page) = upstream.believed(name) {
            return Ok(fresh(page));
        }
        let now = self.clock.now();
        // A task of its own: it goes on when the client goes away, or has waited long enough.
        let mut asked = tokio::spawn(upstream.clone().ask(self.store.clone(), name.to_owned(), now));
        let answered = tokio::time::timeout(upstream.patience, &mut asked).await;
        let error = match answered {
            Ok(result) => match result? {
                Ok(page) => return Ok(fresh(page)),
                Err(error) => Some(error),
            },
            Err(_) => None,
        };
        if let Some((page, old)) = upstream.last_good(&self.store, name, now).await {
            let cause = error.map_or_else(|| "upstream is slow".to_owned(), |error| error.to_string());
            tracing::warn!(project = name, age_s = old.as_secs(), cause, "an old page of upstream is served");
            upstream.stale.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(Served { page, stale: Some(old) }));
        }
        match error {
            Some(error) => Err(error),
            None => Ok(fresh(asked.await??)),
        }
    }
}
