//! Publishers: whose CI jobs may upload a project without a token that is kept anywhere.

use std::collections::BTreeMap;

use serde_json::json;
use shipway_dist::name::ProjectName;

use super::{ACTOR, Admin};
use crate::error::IndexError;
use crate::random;
use crate::store::{self, Entry};
use crate::tokens::{self, Action};
use crate::trust::{self, MINTED, PINNED, Publisher};

impl Admin {
    /// Lets the jobs whose identity makes these claims upload a project, and do what else is said; says whether that
    /// is new.
    ///
    /// # Errors
    /// When the issuer is no HTTPS URL, the claims do not say whose job it is, or uploading is not among the actions.
    pub async fn add_publisher(
        &self,
        project: &ProjectName,
        issuer: &str,
        claims: &BTreeMap<String, String>,
        actions: &[Action],
    ) -> Result<(Publisher, bool), IndexError> {
        let index = &self.index;
        if !actions.contains(&Action::Upload) {
            let why = "a publisher uploads".to_owned();
            return Err(IndexError::Config { key: "action", why });
        }
        // In their own order, each once.
        let actions: Vec<_> = Action::ALL.iter().filter(|action| actions.contains(action)).copied().collect();
        let issuer = trust::issuer_url(issuer)?;
        trust::judge_claims(claims)?;
        let mut write = index.store.write().await?;
        let held = store::publishers(&mut write).await?.into_iter().find(|held| {
            // The owner may have been pinned since.
            let same = |(name, value): (&String, &String)| claims.get(name) == Some(value);
            let pinned = |name: &str| PINNED.contains(&name) && !claims.contains_key(name);
            held.project == project.normalized()
                && held.issuer == issuer
                && claims.iter().all(|(name, value)| held.claims.get(name) == Some(value))
                && held.claims.iter().all(|claim| same(claim) || pinned(claim.0))
        });
        if let Some(mut held) = held {
            if held.actions == actions {
                return Ok((held, false));
            }
            store::set_actions(&mut write, &held.id, &actions).await?;
            held.actions = actions;
            self.note_publisher(&mut write, "set-publisher", &held).await?;
            write.commit().await?;
            return Ok((held, true));
        }
        let publisher = Publisher {
            id: random::id()[..12].to_owned(),
            project: project.normalized().to_owned(),
            issuer,
            claims: claims.clone(),
            actions,
            created_at: index.clock.text(),
        };
        store::insert_publisher(&mut write, &publisher).await?;
        self.note_publisher(&mut write, "add-publisher", &publisher).await?;
        write.commit().await?;
        Ok((publisher, true))
    }

    /// The audience that identities for this index must name.
    pub fn audience(&self) -> String {
        self.index.audience()
    }

    /// All publishers, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publishers(&self) -> Result<Vec<Publisher>, IndexError> {
        store::publishers(&mut *self.index.store.read().await?).await
    }

    /// Removes a publisher; the tokens that it was given are refused from the next request on.
    ///
    /// # Errors
    /// When there is none of that identifier.
    pub async fn remove_publisher(&self, id: &str) -> Result<(), IndexError> {
        let mut write = self.index.store.write().await?;
        let held = store::publishers(&mut write).await?.into_iter().find(|held| held.id == id);
        let held = held.ok_or_else(|| IndexError::not_found(format!("publisher `{id}`")))?;
        store::remove_publisher(&mut write, id).await?;
        let at = self.index.clock.text();
        // A token may be for several projects, and bears the name of one of their publishers.
        for row in store::tokens(&mut write).await? {
            let reaches = tokens::info(&row)?.projects.contains(&held.project);
            if reaches && row.name.starts_with(MINTED) && row.revoked_at.is_none() {
                store::revoke_token(&mut write, &row.name, &at).await?;
            }
        }
        self.note_publisher(&mut write, "remove-publisher", &held).await?;
        write.commit().await?;
        Ok(())
    }

    async fn note_publisher(
        &self,
        connection: &mut sqlx::AnyConnection,
        action: &'static str,
        publisher: &Publisher,
    ) -> Result<(), IndexError> {
        let at = self.index.clock.text();
        let actions: Vec<_> = publisher.actions.iter().map(|action| action.as_str()).collect();
        let detail = json!({ "issuer": publisher.issuer, "claims": publisher.claims, "actions": actions });
        let (project, object) = (publisher.project.as_str(), publisher.id.as_str());
        store::append(connection, Entry { at: &at, actor: ACTOR, action, project, object, detail }).await?;
        Ok(())
    }
}
