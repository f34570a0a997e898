//! The index: what the parts share, and who may do what.

use std::sync::Arc;

use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use shipway_dist::signing::PrivateKey;
use shipway_dist::wire::ProjectRecord;

use crate::blobs::Blobs;
use crate::config::{Clock, Config, Faults, Limits};
use crate::error::IndexError;
use crate::key_file;
use crate::log::Log;
use crate::pages::Cache;
use crate::project::Channel;
use crate::store::{self, Store};
use crate::tokens::{self, Grant, Identity};
use crate::upstream::Upstream;

/// An index over a data directory.
pub(crate) struct Index {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) cache: Cache,
    pub(crate) log: Log,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) anonymous_read: bool,
    /// The digest of the token that holds in this process alone.
    pub(crate) ephemeral: Option<Sha256>,
    /// What the index signs its decisions with.
    pub(crate) key: PrivateKey,
}

/// What opening a data directory needs beside its configuration.
pub(crate) struct Access {
    pub(crate) anonymous_read: bool,
    pub(crate) ephemeral: Option<Sha256>,
}

impl Index {
    /// Opens the data directory and creates what is missing in it.
    pub(crate) async fn open(config: &Config, access: Access) -> Result<Self, IndexError> {
        let (data, database) = (config.data.clone(), config.database_path()?);
        let storage = config.storage_path()?;
        let (keep, faults) = (config.limits.unfinished, config.faults.clone());
        let prepare = move || {
            std::fs::create_dir_all(&data).map_err(IndexError::io("create", &data))?;
            let path = data.join("lock");
            let lock = std::fs::File::create(&path).map_err(IndexError::io("create", &path))?;
            // One process at a time creates tables and switches the journal mode.
            lock.lock().map_err(IndexError::io("lock", &path))?;
            let key = key_file::open(&data, "index.pem")?;
            let log = Log::open(data, faults.clone())?;
            Ok::<_, IndexError>((lock, key, log, Blobs::open(storage, keep, faults)?))
        };
        let (lock, key, log, blobs) = tokio::task::spawn_blocking(prepare).await??;
        let store = Store::open(&database).await?;
        create_channels(&store, config).await?;
        let index = Self {
            store,
            blobs,
            cache: Cache::new(config.limits.cache),
            log,
            upstream: Upstream::new(config),
            limits: config.limits.clone(),
            clock: config.clock.clone(),
            faults: config.faults.clone(),
            anonymous_read: access.anonymous_read,
            ephemeral: access.ephemeral,
            key,
        };
        index.register_own_key().await?;
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

/// Creates the configured channels that are missing, after those that are there.
async fn create_channels(store: &Store, config: &Config) -> Result<(), IndexError> {
    let held = store::channels(&mut *store.read().await?).await?;
    let known = |name: &ChannelName, held: &[Channel]| held.iter().any(|channel| channel.name == *name);
    // Only what was asked for by name is added to an index that has channels.
    let wanted = if held.is_empty() { config.channels() } else { config.channels.clone() };
    if wanted.iter().all(|channel| known(&channel.name, &held)) {
        return Ok(());
    }
    let mut write = store.write().await?;
    let held = store::channels(&mut write).await?;
    for channel in wanted.iter().filter(|channel| !known(&channel.name, &held)) {
        store::insert_channel(&mut write, channel).await?;
    }
    write.commit().await?;
    Ok(())
}
