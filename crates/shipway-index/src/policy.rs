//! The policy and the keys of the index: what is asked, and who may answer.
//!
//! Both are read in the transaction that needs them, so that a change by an administrator counts from the next
//! request on, whichever process made it.

use std::collections::HashSet;

use serde_json::json;
use shipway_dist::policy::{Policy, Role};
use shipway_dist::signing::PublicKey;
use shipway_dist::wire::{KeyList, KeyRecord, PolicyDocument};
use sqlx::AnyConnection;

use crate::error::IndexError;
use crate::index::Index;
use crate::store::{self, Entry};

impl Index {
    /// The policy, and whether nobody set it. The last channel is always in it: what is not said of it is not
    /// allowed.
    pub(crate) async fn policy(&self, connection: &mut AnyConnection) -> Result<(Policy, bool), IndexError> {
        let channels = store::channels(connection).await?;
        let names: Vec<_> = channels.into_iter().map(|channel| channel.name).collect();
        match store::policy(connection).await? {
            Some(policy) => Ok((policy.with_last(&names), false)),
            None => Ok((Policy::of_a_new_index(&names), true)),
        }
    }

    /// The policy as the wire shows it.
    pub(crate) async fn policy_document(&self) -> Result<PolicyDocument, IndexError> {
        let (policy, is_default) = self.policy(&mut *self.store.snapshot().await?).await?;
        Ok(PolicyDocument {
            schema: "shipway.index.policy/1".to_owned(),
            ok: true,
            digest: policy.digest(),
            policy,
            is_default,
        })
    }

    /// Every key ever known.
    pub(crate) async fn key_list(&self) -> Result<KeyList, IndexError> {
        let keys = store::keys(&mut *self.store.read().await?).await?;
        Ok(KeyList { schema: "shipway.index.keys/1".to_owned(), ok: true, keys })
    }

    /// A name for a key that no key bears that still speaks.
    pub(crate) async fn free_name(
        &self,
        connection: &mut AnyConnection,
        wanted: &str,
    ) -> Result<String, IndexError> {
        let keys = store::keys(connection).await?;
        let taken: HashSet<_> =
            keys.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.name.as_str()).collect();
        let numbered = (2..).map(|number: u64| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        Ok(names.find(|name| !taken.contains(name.as_str())).unwrap_or_default())
    }

    /// Makes the key known with which this index signs its decisions.
    pub(crate) async fn register_own_key(&self) -> Result<(), IndexError> {
        let public = self.key.public();
        let id = public.id().to_hex();
        if store::key(&mut *self.store.read().await?, &id).await?.is_some() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        if store::key(&mut write, &id).await?.is_none() {
            let name = self.free_name(&mut write, "index").await?;
            self.register(&mut write, "index", (&name, Role::Index, &public)).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Registers a key: one entry of the journal, one row.
    pub(crate) async fn register(
        &self,
        connection: &mut AnyConnection,
        actor: &str,
        (name, role, public): (&str, Role, &PublicKey),
    ) -> Result<KeyRecord, IndexError> {
        let at = self.clock.text();
        let object = public.id().to_hex();
        let detail = json!({ "name": name, "role": role });
        let entry = Entry { at: &at, actor, action: "add-key", project: "", object: &object, detail };
        store::append(connection, entry).await?;
        let key = KeyRecord {
            id: public.id(),
            name: name.to_owned(),
            role,
            public: *public,
            registered: true,
            since: at,
            revoked_at: None,
            compromised: false,
        };
        if store::key(connection, &object).await?.is_some() {
            store::register_key(connection, &key.id, name, role).await?;
        } else {
            store::insert_key(connection, &key).await?;
        }
        self.faults.pass("key.rows");
        Ok(key)
    }
}
