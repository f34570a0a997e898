//! Projects and what new ones may be called: created, given a status and limits; namespaces; what a channel takes.

use serde_json::json;
use shipway_dist::channel::ChannelName;
use shipway_dist::name::ProjectName;
use sqlx::AnyConnection;

use super::{ACTOR, Admin};
use crate::error::IndexError;
use crate::project::{Phase, Project, Standing, Status};
use crate::store::{self, Entry};

/// How a project stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectInfo {
    /// Its normalized name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Why, where it was said.
    pub reason: Option<String>,
    /// The largest file in bytes.
    pub file_limit: u64,
    /// The largest sum of all files in bytes.
    pub total_limit: u64,
    /// The sum of all files in bytes.
    pub used: u64,
}

impl Admin {
    /// Creates a project without a release: its name is claimed, whatever the rules for new names say.
    ///
    /// # Errors
    /// When the database fails; that it is there is no error, and false.
    pub async fn create_project(&self, name: &ProjectName) -> Result<bool, IndexError> {
        let index = &self.index;
        let normalized = name.normalized();
        let mut write = index.store.write_project(normalized).await?;
        let at = index.clock.text();
        if !store::insert_project(&mut write, name, &at, ACTOR).await? {
            return Ok(false);
        }
        self.note_project(&mut write, "create-project", name, json!({})).await?;
        write.commit().await?;
        Ok(true)
    }

    /// How a project stands.
    ///
    /// # Errors
    /// When there is no such project.
    pub async fn project(&self, name: &ProjectName) -> Result<ProjectInfo, IndexError> {
        let mut snapshot = self.index.store.snapshot().await?;
        Ok(self.info(&load(&mut snapshot, name).await?))
    }

    /// Sets the status of a project (PEP 792); says whether that changed anything.
    ///
    /// # Errors
    /// When there is no such project.
    pub async fn set_project_status(
        &self,
        name: &ProjectName,
        status: Status,
        reason: Option<&str>,
    ) -> Result<bool, IndexError> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        let reason = reason.filter(|_| status != Status::Active).map(str::to_owned);
        let detail = json!({ "status": status.as_str(), "reason": reason });
        let change = |standing: Standing| Standing { status, reason, ..standing };
        self.change_standing(name, ("set-status", detail), change).await
    }

    /// Sets the limits of a project in bytes, `None` for those of the server's configuration; says whether that
    /// changed anything.
    ///
    /// # Errors
    /// When there is no such project.
    pub async fn set_project_limits(
        &self,
        name: &ProjectName,
        file: Option<u64>,
        total: Option<u64>,
    ) -> Result<bool, IndexError> {
        let detail = json!({ "file": file, "total": total });
        let change = |standing| Standing { file_limit: file, total_limit: total, ..standing };
        self.change_standing(name, ("set-limits", detail), change).await
    }

    /// Gives a namespace to the tokens of these names, or with none to everybody again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_namespace(&self, prefix: &ProjectName, owners: &[String]) -> Result<bool, IndexError> {
        let index = &self.index;
        let mut write = index.store.write().await?;
        let held = store::namespaces(&mut write).await?;
        let held = held.iter().find(|(known, _)| known == prefix.normalized());
        if held.map_or(&[][..], |(_, owners)| owners) == owners {
            return Ok(false);
        }
        let at = index.clock.text();
        store::set_namespace(&mut write, prefix.normalized(), owners, &at).await?;
        let (action, object) = ("set-namespace", prefix.normalized());
        let detail = json!({ "owners": owners });
        store::append(&mut write, Entry { at: &at, actor: ACTOR, action, project: "", object, detail })
            .await?;
        write.commit().await?;
        Ok(true)
    }

    /// Every namespace and the names of the tokens that own it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn namespaces(&self) -> Result<Vec<(String, Vec<String>)>, IndexError> {
        store::namespaces(&mut *self.index.store.read().await?).await
    }

    /// Sets which versions a channel does not take; says whether that changed anything.
    ///
    /// # Errors
    /// When there is no such channel.
    pub async fn set_channel_refuses(
        &self,
        channel: &ChannelName,
        refuses: &[Phase],
    ) -> Result<bool, IndexError> {
        let mut refuses = refuses.to_vec();
        refuses.sort_unstable();
        refuses.dedup();
        let index = &self.index;
        let mut write = index.store.write().await?;
        let channels = store::channels(&mut write).await?;
        let held = channels.iter().find(|held| held.name == *channel);
        let held = held.ok_or_else(|| IndexError::not_found(format!("channel `{channel}`")))?;
        if held.refuses == refuses {
            return Ok(false);
        }
        store::set_refuses(&mut write, channel, &refuses).await?;
        let at = index.clock.text();
        let words: Vec<_> = refuses.iter().map(|phase| phase.as_str()).collect();
        let (action, object, detail) = ("set-channel", channel.as_str(), json!({ "refuses": words }));
        store::append(&mut write, Entry { at: &at, actor: ACTOR, action, project: "", object, detail })
            .await?;
        write.commit().await?;
        Ok(true)
    }

    async fn change_standing(
        &self,
        name: &ProjectName,
        (action, detail): (&'static str, serde_json::Value),
        change: impl FnOnce(Standing) -> Standing,
    ) -> Result<bool, IndexError> {
        let mut write = self.index.store.write_project(name.normalized()).await?;
        let project = load(&mut write, name).await?;
        let standing = change(project.standing.clone());
        if standing == project.standing {
            return Ok(false);
        }
        store::set_standing(&mut write, name.normalized(), &standing).await?;
        self.note_project(&mut write, action, name, detail).await?;
        self.index.faults.pass("standing.rows");
        write.commit().await?;
        Ok(true)
    }

    /// Appends to the journal and makes every page of the project old.
    async fn note_project(
        &self,
        connection: &mut AnyConnection,
        action: &'static str,
        name: &ProjectName,
        detail: serde_json::Value,
    ) -> Result<(), IndexError> {
        let at = self.index.clock.text();
        let normalized = name.normalized();
        let entry =
            Entry { at: &at, actor: ACTOR, action, project: normalized, object: name.display(), detail };
        let (serial, _) = store::append(connection, entry).await?;
        store::touch(connection, normalized, serial).await
    }

    fn info(&self, project: &Project) -> ProjectInfo {
        let (standing, limits) = (&project.standing, &self.index.limits);
        let files = project.releases.iter().flat_map(crate::project::Release::present);
        ProjectInfo {
            name: project.name.normalized().to_owned(),
            status: standing.status,
            reason: standing.reason.clone(),
            file_limit: standing.file_limit.unwrap_or(limits.project_file).min(limits.file_size),
            total_limit: standing.total_limit.unwrap_or(limits.project_total),
            used: files.map(|file| file.size).sum(),
        }
    }
}

async fn load(connection: &mut AnyConnection, name: &ProjectName) -> Result<Project, IndexError> {
    let project = store::load_project(connection, name.normalized()).await?;
    project.ok_or_else(|| IndexError::not_found(format!("project `{}`", name.normalized())))
}
