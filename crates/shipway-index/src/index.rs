//! The index: what the parts share, and who may do what.

use std::sync::Arc;

use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use shipway_dist::signing::PrivateKey;
use shipway_dist::wire::ProjectRecord;

use crate::blobs::{Blobs, Objects, Place};
use crate::config::{Clock, Config, Faults, Limits, NameRules, Storage};
use crate::error::IndexError;
use crate::key_file;
use crate::log::{Log, Tiles};
use crate::metadata::Recent;
use crate::pages::Cache;
use crate::project::{Channel, Release};
use crate::store::{self, Database, Store};
use crate::tokens::{self, Grant, Identity};
use crate::trust::Issuers;
use crate::upstream::Upstream;

/// An index over a data directory.
pub(crate) struct Index {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) cache: Cache,
    pub(crate) recent_metadata: Recent,
    pub(crate) log: Log,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) limits: Limits,
    pub(crate) names: NameRules,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) anonymous_read: bool,
    /// The digest of the token that holds in this process alone.
    pub(crate) ephemeral: Option<Sha256>,
    /// What the index signs its decisions with.
    pub(crate) key: PrivateKey,
    /// Whether downloads are redirects to the storage.
    pub(crate) redirect_files: bool,
    /// Who signs the identities of CI jobs.
    pub(crate) issuers: Issuers,
}

/// The places of an index, opened; nothing was written to them but empty tables.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) tiles: Tiles,
    /// Held as long as what follows must be done by one process of this machine at a time.
    pub(crate) lock: std::fs::File,
}

impl Parts {
    /// Opens database and storage and creates what is missing.
    pub(crate) async fn open(config: &Config) -> Result<Self, IndexError> {
        let (data, database) = (config.data.clone(), config.database()?);
        let place = match config.storage()? {
            Storage::Folder(root) => Place::Folder(root),
            Storage::S3 { bucket, prefix } => {
                Place::Objects(Objects::new(&bucket, &prefix, &config.storage_options)?)
            }
        };
        // In the data directory, unless several servers have the files in common and so the log.
        let log = match (&place, &database) {
            (Place::Folder(root), Database::Postgres(_)) => root.join("log"),
            _ => data.join("log"),
        };
        let faults = config.faults.clone();
        let runtime = tokio::runtime::Handle::current();
        let prepare = move || {
            std::fs::create_dir_all(&data).map_err(IndexError::io("create", &data))?;
            let path = data.join("lock");
            let lock = std::fs::File::create(&path).map_err(IndexError::io("create", &path))?;
            // One process at a time creates tables and switches the journal mode.
            lock.lock().map_err(IndexError::io("lock", &path))?;
            let tiles = match &place {
                Place::Folder(_) => Tiles::folder(log)?,
                Place::Objects(objects) => Tiles::Objects(objects.clone(), runtime),
            };
            Ok::<_, IndexError>((lock, tiles, Blobs::open(&place, &data, faults)?))
        };
        let (lock, tiles, blobs) = tokio::task::spawn_blocking(prepare).await??;
        let store = Store::open(&database).await?;
        Ok(Self { store, blobs, tiles, lock })
    }
}

/// What opening a data directory needs beside its configuration.
pub(crate) struct Access {
    pub(crate) anonymous_read: bool,
    pub(crate) ephemeral: Option<Sha256>,
}

impl Index {
    /// Opens the data directory and creates what is missing in it.
    pub(crate) async fn open(config: &Config, access: Access) -> Result<Self, IndexError> {
        let parts = Parts::open(config).await?;
        let Parts { store, blobs, tiles, lock } = parts;
        create_channels(&store, config, access.ephemeral.is_some()).await?;
        let keys = config.keys();
        let log_key = key_file::open(&store, &keys, "log.pem").await?;
        let key = key_file::open(&store, &keys, "index.pem").await?;
        let log = Log::new(tiles, config.data.join("log"), log_key, config.faults.clone());
        let index = Self {
            store,
            blobs,
            cache: Cache::new(config.limits.cache),
            recent_metadata: Recent::default(),
            log,
            upstream: Upstream::new(config),
            limits: config.limits.clone(),
            names: config.names.clone(),
            clock: config.clock.clone(),
            faults: config.faults.clone(),
            anonymous_read: access.anonymous_read,
            ephemeral: access.ephemeral,
            key,
            redirect_files: config.redirect_files,
            issuers: Issuers::default(),
        };
        index.register_own_key().await?;
        index.sweep().await;
        drop(lock);
        Ok(index)
    }

    /// Says who presents a token.
    ///
    /// # Errors
    /// Which part of the token failed; never the token itself.
    pub(crate) async fn identify(&self, presented: Option<&str>) -> Result<Identity, IndexError> {
        let Some(presented) = presented else { return Ok(Identity::Anonymous) };
        if let Some(ephemeral) = &self.ephemeral
            && tokens::matches(presented, &ephemeral.to_hex())
        {
            return Ok(Identity::Holder(Arc::new(Grant::everything("embedded"))));
        }
        let row = match tokens::id_of(presented) {
            Some(id) => self.cache.token(&self.store, id).await?,
            None => None,
        };
        let grant = tokens::judge(presented, row.as_deref(), self.clock.now())?;
        Ok(Identity::Holder(Arc::new(grant)))
    }

    /// Refuses a token whose uses are all made (7).
    pub(crate) async fn require_use(
        &self,
        connection: &mut sqlx::AnyConnection,
        who: &Identity,
    ) -> Result<(), IndexError> {
        let grant = who.grant()?;
        let Some(id) = grant.counted() else { return Ok(()) };
        let row = store::token(connection, id).await?;
        let left = row.is_some_and(|row| row.uses.is_none_or(|uses| row.used < uses));
        if left { Ok(()) } else { Err(grant.spent()) }
    }

    /// Counts a use of a token, in the transaction that it is used for.
    pub(crate) async fn spend(
        &self,
        connection: &mut sqlx::AnyConnection,
        who: &Identity,
    ) -> Result<(), IndexError> {
        let grant = who.grant()?;
        let Some(id) = grant.counted() else { return Ok(()) };
        if store::spend(connection, id).await? { Ok(()) } else { Err(grant.spent()) }
    }

    /// The refusal to a reader: whoever shows no token is asked for one, whoever shows one learns nothing.
    pub(crate) fn hidden(&self, who: &Identity, what: impl Into<String>) -> IndexError {
        match who {
            Identity::Anonymous if !self.anonymous_read => {
                IndexError::Unauthenticated { why: "this index asks for a token to read".to_owned() }
            }
            Identity::Anonymous | Identity::Holder(_) => IndexError::not_found(what),
        }
    }

    /// The channel of that name, for a reader.
    pub(crate) async fn channel(&self, who: &Identity, name: &str) -> Result<Channel, IndexError> {
        let hidden = || self.hidden(who, format!("channel `{}`", name.chars().take(80).collect::<String>()));
        if matches!(who, Identity::Anonymous) && !self.anonymous_read {
            return Err(hidden());
        }
        let channels = self.cache.channels(&self.store).await?;
        channels.iter().find(|channel| channel.name.as_str() == name).cloned().ok_or_else(hidden)
    }

    /// A project's record, for whoever may know of it.
    pub(crate) async fn record(
        &self,
        who: &Identity,
        project: &ProjectName,
    ) -> Result<ProjectRecord, IndexError> {
        let normalized = project.normalized();
        let hidden = || self.hidden(who, format!("`{normalized}`"));
        let channels = self.cache.channels(&self.store).await?;
        if !who.may_know(normalized, &channels, self.anonymous_read) {
            return Err(hidden());
        }
        let entry = self.cache.project(&self.store, normalized).await?.ok_or_else(hidden)?;
        Ok(entry.project.record(&channels))
    }
}

/// The refusal of an upload to a channel that takes none.
pub(crate) fn closed(channel: &Channel, channels: &[Channel]) -> IndexError {
    let open: Vec<_> =
        channels.iter().filter(|c| c.accepts_uploads).map(|c| format!("`{}`", c.name)).collect();
    IndexError::ChannelClosed { channel: channel.name.to_string(), open: open.join(", ") }
}

/// The refusal of files for a channel that does not list their release, where another one does: there they come
/// by promotion, with all that stands against it.
pub(crate) fn elsewhere(release: &Release, channel: &ChannelName) -> Option<IndexError> {
    if release.channels.is_empty() || release.channels.contains_key(channel) {
        return None;
    }
    let holding: Vec<_> = release.channels.keys().map(|name| format!("`{name}`")).collect();
    let why = format!(
        "version {0} is in {1} and not in `{channel}`; it comes there whole with `shipway promote {0} --to {channel}`",
        release.version,
        holding.join(", ")
    );
    Some(IndexError::ReleaseConflict { why })
}

/// Creates the configured channels that are missing, after those that are there.
///
/// An embedded index is opened by whichever project names it: where the channels that it holds are not the first of the
/// project's, nothing is added, and the project is told.
async fn create_channels(store: &Store, config: &Config, is_embedded: bool) -> Result<(), IndexError> {
    let held = store::channels(&mut *store.read().await?).await?;
    let known = |name: &ChannelName, held: &[Channel]| held.iter().any(|channel| channel.name == *name);
    // Only what was asked for by name is added to an index that has channels.
    let wanted = if held.is_empty() { config.channels() } else { config.channels.clone() };
    if wanted.iter().all(|channel| known(&channel.name, &held)) {
        return Ok(());
    }
    let mut write = store.write().await?;
    let held = store::channels(&mut write).await?;
    let begins = wanted.iter().map(|channel| &channel.name).take(held.len());
    if is_embedded && !begins.eq(held.iter().map(|channel| &channel.name)) {
        return Ok(());
    }
    for channel in wanted.iter().filter(|channel| !known(&channel.name, &held)) {
        store::insert_channel(&mut write, channel).await?;
    }
    write.commit().await?;
    Ok(())
}
