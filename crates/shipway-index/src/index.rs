//! The index: what the parts share, and who may do what.

use std::sync::Arc;

use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use shipway_dist::wire::{EvidenceList, EvidenceRequest, ProjectRecord, StoredStatement};

use crate::accept::parse_version;
use crate::blobs::Blobs;
use crate::config::{Clock, Config, Faults, Limits};
use crate::error::IndexError;
use crate::log::Log;
use crate::pages::Cache;
use crate::project::Channel;
use crate::store::{self, Entry, Store};
use crate::tokens::{self, Action, Grant, Identity};
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
            let log = Log::open(data, faults.clone())?;
            Ok::<_, IndexError>((lock, log, Blobs::open(storage, keep, faults)?))
        };
        let (lock, log, blobs) = tokio::task::spawn_blocking(prepare).await??;
        let store = Store::open(&database).await?;
        create_channels(&store, config).await?;
        drop(lock);
        Ok(Self {
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
        })
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

    /// Keeps a statement with a release; the same statement again is success.
    ///
    /// # Errors
    /// When a subject is no file of the release.
    pub(crate) async fn add_evidence(
        &self,
        who: &Identity,
        (project, version): (&ProjectName, &str),
        request: EvidenceRequest,
    ) -> Result<(StoredStatement, bool), IndexError> {
        let normalized = project.normalized();
        who.grant()?.require(Action::Evidence, Some(normalized), None)?;
        let version = parse_version(version)?;
        let statement = request.statement;
        let text = serde_json::to_string(&statement)?;
        let id = Sha256::of(text.as_bytes());
        let mut write = self.store.write().await?;
        let found = store::load_project(&mut write, normalized).await?;
        let release = found.as_ref().and_then(|project| project.release(&version));
        let release = release.ok_or_else(|| IndexError::not_found(format!("`{normalized}` {version}")))?;
        let held = |sha256: &Sha256| release.files.iter().any(|file| file.sha256 == *sha256);
        if let Some(subject) = statement.subject.iter().find(|subject| !held(&subject.digest.sha256)) {
            let name: String = subject.name.chars().take(200).collect();
            let why = format!("the subject `{name}` ({}) is no file of {version}", subject.digest.sha256);
            return Err(IndexError::bad_request(why));
        }
        if statement.subject.is_empty() || statement.kind != shipway_dist::evidence::STATEMENT_TYPE {
            let why = format!(
                "a statement is of type `{}` and has subjects",
                shipway_dist::evidence::STATEMENT_TYPE
            );
            return Err(IndexError::bad_request(why));
        }
        let key = crate::project::version_key(&version);
        let known = store::evidence_of(&mut write, normalized, &key).await?;
        if let Some(known) = known.into_iter().find(|known| known.id == id) {
            return Ok((known, false));
        }
        let at = self.clock.text();
        let entry = Entry {
            at: &at,
            actor: who.name(),
            action: "evidence",
            project: normalized,
            object: &version.to_string(),
            detail: serde_json::json!({ "id": id, "gate": statement.predicate.gate }),
        };
        let (serial, _) = store::append(&mut write, entry).await?;
        store::insert_evidence(&mut write, (normalized, &key), (&id, &text), (serial, &at, who.name()))
            .await?;
        write.commit().await?;
        Ok((StoredStatement { id, received_at: at, by: who.name().to_owned(), statement }, true))
    }

    /// The statements of a release.
    pub(crate) async fn evidence(
        &self,
        who: &Identity,
        project: &ProjectName,
        version: &str,
    ) -> Result<EvidenceList, IndexError> {
        let version = parse_version(version)?;
        let record = self.record(who, project).await?;
        let same = |text: &str| text.parse::<pep440_rs::Version>().is_ok_and(|other| other == version);
        if !record.releases.iter().any(|release| same(&release.version)) {
            return Err(IndexError::not_found(format!("`{}` {version}", project.normalized())));
        }
        let key = crate::project::version_key(&version);
        let statements =
            store::evidence_of(&mut *self.store.read().await?, project.normalized(), &key).await?;
        Ok(EvidenceList { schema: "shipway.index.evidence/1".to_owned(), ok: true, statements })
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
