//! Keys: who may sign evidence.

use shipway_dist::policy::Role;
use shipway_dist::signing::{PrivateKey, PublicKey};
use shipway_dist::wire::KeyRecord;

use super::{ACTOR, Admin};
use crate::error::IndexError;
use crate::random;
use crate::store::{self, Entry};

impl Admin {
    /// Makes a key and registers its public half. The private half is nowhere but in the answer.
    ///
    /// # Errors
    /// When a key that still speaks bears the name.
    pub async fn create_key(&self, role: Role, name: &str) -> Result<PrivateKey, IndexError> {
        let key = PrivateKey::from_seed(&random::secret());
        self.add_key(role, name, &key.public()).await?;
        Ok(key)
    }

    /// Registers a key; one that was only enrolled becomes a registered one. The same again is success.
    ///
    /// # Errors
    /// When another key that still speaks bears the name, or the key was revoked or is registered otherwise.
    pub async fn add_key(&self, role: Role, name: &str, public: &PublicKey) -> Result<KeyRecord, IndexError> {
        let wrong = |why: String| Err(IndexError::Config { key: "key", why });
        if name.trim().is_empty() || name.len() > 200 || name.contains(char::is_control) {
            return wrong("a key needs a name of at most 200 characters".to_owned());
        }
        let mut write = self.index.store.write().await?;
        let keys = store::keys(&mut write).await?;
        let id = public.id();
        if let Some(held) = keys.iter().find(|held| held.id == id) {
            if let Some(at) = &held.revoked_at {
                return wrong(format!("key {id} was revoked at {at}; make a new one"));
            }
            if held.registered && (held.role, held.name.as_str()) == (role, name) {
                return Ok(held.clone());
            }
            if held.registered {
                return wrong(format!("key {id} is `{}` and signs as `{}`", held.name, held.role));
            }
        }
        if keys.iter().any(|held| held.id != id && held.name == name && held.revoked_at.is_none()) {
            return wrong(format!(
                "`{name}` names a key that is not revoked; revoke it or choose another name"
            ));
        }
        let key = self.index.register(&mut write, ACTOR, (name, role, public)).await?;
        write.commit().await?;
        Ok(key)
    }

    /// Every key ever known, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, IndexError> {
        Ok(self.index.key_list().await?.keys)
    }

    /// Revokes the key of a name or an id: what it signs is refused from the next request on. What came before
    /// still counts, unless the key is compromised.
    ///
    /// # Errors
    /// When there is no such key, or it is the one that this index signs with.
    pub async fn revoke_key(&self, named: &str, compromised: bool) -> Result<KeyRecord, IndexError> {
        let mut write = self.index.store.write().await?;
        let keys = store::keys(&mut write).await?;
        let key = choose(&keys, named, compromised)?;
        if key.id == self.index.key.public().id() {
            let why = "this index signs with it; move `keys/index.pem` away, start the index again, and then revoke";
            return Err(IndexError::Config { key: "key", why: why.to_owned() });
        }
        let (at, object) = (self.index.clock.text(), key.id.to_hex());
        let detail = serde_json::json!({ "name": key.name, "role": key.role, "compromised": compromised });
        let entry =
            Entry { at: &at, actor: ACTOR, action: "revoke-key", project: "", object: &object, detail };
        store::append(&mut write, entry).await?;
        store::revoke_key(&mut write, &key.id, &at, compromised).await?;
        let after = store::key(&mut write, &object).await?;
        write.commit().await?;
        after.ok_or_else(|| IndexError::not_found(format!("key {object}")))
    }
}

/// The key that is meant: one that a revocation would still change.
fn choose<'a>(keys: &'a [KeyRecord], named: &str, compromised: bool) -> Result<&'a KeyRecord, IndexError> {
    let meant = |key: &&KeyRecord| {
        (key.id.to_hex() == named || key.name == named)
            && (key.revoked_at.is_none() || compromised && !key.compromised)
    };
    let found: Vec<_> = keys.iter().filter(meant).collect();
    let speaking = found.iter().find(|key| key.revoked_at.is_none());
    match (speaking, found.as_slice()) {
        (Some(key), _) | (None, [key]) => Ok(key),
        (None, []) => {
            let named: String = named.chars().take(200).collect();
            Err(IndexError::not_found(format!("a key `{named}` that is not revoked")))
        }
        (None, several) => {
            let why = format!("`{named}` names {} revoked keys; name one by its id", several.len());
            Err(IndexError::Config { key: "key", why })
        }
    }
}
