//! What an administrator does to a data directory, beside a running server or without one.
//!
//! Every change is committed when the call returns, and a running server sees it at its next request.

mod fsck;
mod keys;
mod policy;
mod projects;
mod publishers;

use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;

use crate::config::{ChannelConfig, Config};
use crate::error::IndexError;
use crate::index::{Access, Index};
use crate::store::{self, Entry};
use crate::tokens::{self, Secret, TokenBounds, TokenInfo, TokenSpec};
use crate::trust::MINTED;

pub use fsck::{Fsck, Problem};
pub use policy::policy_text;
pub(crate) use policy::read as read_policy;
pub use projects::ProjectInfo;

/// Who stands in the journal.
const ACTOR: &str = "admin";

/// A data directory, opened to administer it.
pub struct Admin {
    index: Index,
}

impl Admin {
    /// Opens the data directory; it is created when it is missing.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn open(config: &Config) -> Result<Self, IndexError> {
        let access = Access { anonymous_read: false, ephemeral: None };
        Ok(Self { index: Index::open(config, access).await? })
    }

    /// Makes a token. It is shown this once and stored as a digest.
    ///
    /// # Errors
    /// When a valid token bears the name, or a channel does not exist.
    pub async fn create_token(&self, spec: &TokenSpec) -> Result<Secret, IndexError> {
        self.create_bounded_token(spec, TokenBounds::default()).await
    }

    /// Makes a token that holds later or so many times.
    ///
    /// # Errors
    /// As [`Admin::create_token`].
    pub async fn create_bounded_token(
        &self,
        spec: &TokenSpec,
        bounds: TokenBounds,
    ) -> Result<Secret, IndexError> {
        let index = &self.index;
        let (secret, row) = tokens::make(spec, bounds, index.clock.now())?;
        let mut write = index.store.write().await?;
        let channels = store::channels(&mut write).await?;
        let unknown = spec.channels.iter().find(|name| channels.iter().all(|channel| channel.name != **name));
        if let Some(name) = unknown {
            return Err(IndexError::not_found(format!("channel `{name}`")));
        }
        if row.name.starts_with(MINTED) {
            let why = format!("names that begin with `{MINTED}` are those of minted tokens");
            return Err(IndexError::Config { key: "name", why });
        }
        let held = store::tokens(&mut write).await?;
        if held.iter().any(|held| held.name == row.name && held.revoked_at.is_none()) {
            let why =
                format!("`{}` names a token that is not revoked; revoke it or choose another name", row.name);
            return Err(IndexError::Config { key: "name", why });
        }
        store::insert_token(&mut write, &row).await?;
        self.note(&mut write, "create-token", &row.name).await?;
        write.commit().await?;
        Ok(secret)
    }

    /// All tokens ever made, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tokens(&self) -> Result<Vec<TokenInfo>, IndexError> {
        let rows = store::tokens(&mut *self.index.store.read().await?).await?;
        rows.iter().map(tokens::info).collect()
    }

    /// Revokes the token of a name; it is refused from the next request on.
    ///
    /// # Errors
    /// When no valid token bears the name.
    pub async fn revoke_token(&self, name: &str) -> Result<(), IndexError> {
        let mut write = self.index.store.write().await?;
        if store::revoke_token(&mut write, name, &self.index.clock.text()).await? == 0 {
            return Err(IndexError::not_found(format!("a token named `{name}` that is not revoked")));
        }
        self.note(&mut write, "revoke-token", name).await?;
        write.commit().await?;
        Ok(())
    }

    /// The channels in order of promotion.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn channels(&self) -> Result<Vec<ChannelConfig>, IndexError> {
        let channels = store::channels(&mut *self.index.store.read().await?).await?;
        let channel = |channel: crate::project::Channel| ChannelConfig {
            name: channel.name,
            accepts_uploads: channel.accepts_uploads,
            local_versions: channel.local_versions,
        };
        Ok(channels.into_iter().map(channel).collect())
    }

    /// Adds a channel after the last one.
    ///
    /// # Errors
    /// When there is one of that name.
    pub async fn create_channel(&self, channel: &ChannelConfig) -> Result<(), IndexError> {
        let mut write = self.index.store.write().await?;
        if store::channels(&mut write).await?.iter().any(|held| held.name == channel.name) {
            let why = format!("there is a channel `{}`", channel.name);
            return Err(IndexError::Config { key: "channel", why });
        }
        store::insert_channel(&mut write, channel).await?;
        self.note(&mut write, "create-channel", ChannelName::as_str(&channel.name)).await?;
        write.commit().await?;
        Ok(())
    }

    /// Removes a file: pages no longer list it, its URL answers 410, its bytes and its metadata go unless
    /// another file has the same. Its filename is never free again.
    ///
    /// # Errors
    /// When there is no such file, or it is removed and its bytes could not be: then the same again, or the
    /// sweep of a server, removes them.
    pub async fn remove_file(&self, filename: &str, reason: &str) -> Result<(), IndexError> {
        let index = &self.index;
        let parsed: shipway_dist::filename::DistributionFilename =
            filename.parse().map_err(|error: shipway_dist::filename::FilenameError| {
                IndexError::bad_request(error.to_string())
            })?;
        let normalized = parsed.name.normalized();
        let lingers =
            |source| IndexError::Lingers { filename: filename.to_owned(), source: Box::new(source) };
        let mut write = index.store.write().await?;
        if store::undiscarded_file(&mut write, filename).await?.is_some() {
            drop(write);
            return index.discard_file(filename).await.map_err(lingers);
        }
        let project = store::load_project(&mut write, normalized).await?;
        let found =
            project.as_ref().and_then(|project| project.file(filename)).filter(|(_, file)| !file.removed);
        let sha256: Sha256 = found
            .map(|(_, file)| file.sha256)
            .ok_or_else(|| IndexError::not_found(format!("`{filename}`")))?;
        let at = index.clock.text();
        let entry = Entry {
            at: &at,
            actor: ACTOR,
            action: "remove-file",
            project: normalized,
            object: filename,
            detail: serde_json::json!({ "reason": reason, "sha256": sha256 }),
        };
        let (serial, _) = store::append(&mut write, entry).await?;
        index.faults.pass("remove.journal");
        store::mark_removed(&mut write, filename, reason, &at).await?;
        store::touch(&mut write, normalized, serial).await?;
        index.faults.pass("remove.rows");
        write.commit().await?;
        index.faults.pass("remove.committed");
        index.discard_file(filename).await.map_err(lingers)
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Closes the database.
    pub async fn close(self) {
        self.index.store.close().await;
    }

    async fn note(
        &self,
        connection: &mut sqlx::AnyConnection,
        action: &'static str,
        object: &str,
    ) -> Result<(), IndexError> {
        let at = self.index.clock.text();
        let detail = serde_json::json!({});
        store::append(connection, Entry { at: &at, actor: ACTOR, action, project: "", object, detail })
            .await?;
        Ok(())
    }
}
