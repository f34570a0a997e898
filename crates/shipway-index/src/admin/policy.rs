//! The policy: read from TOML, checked whole against the channels, set, shown, given up.

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use shipway_dist::channel::ChannelName;
use shipway_dist::finding::Finding;
use shipway_dist::gate::GateId;
use shipway_dist::policy::{APPROVAL, Age, LocalReleases, Mode, Policy, Requirement, Role};
use shipway_dist::wire::PolicyDocument;
use toml_edit::{DocumentMut, Item, TableLike};

use super::{ACTOR, Admin};
use crate::error::IndexError;
use crate::store::{self, Entry};

const TOP: [&str; 2] = ["publish", "channel"];
const PUBLISH: [&str; 2] = ["local", "enrol-keys"];
const CHANNEL: [&str; 6] = ["requires", "roles", "approvals", "allow-local", "mode", "fresh"];

impl Admin {
    /// The policy that holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy(&self) -> Result<PolicyDocument, IndexError> {
        self.index.policy_document().await
    }

    /// Sets the policy from TOML; says whether that changed anything.
    ///
    /// # Errors
    /// Every problem of the text at once: unknown keys, gates, roles and channels, values of the wrong kind.
    pub async fn set_policy(&self, text: &str) -> Result<bool, IndexError> {
        let channels: Vec<_> = self.channels().await?.into_iter().map(|channel| channel.name).collect();
        let policy = read(text, &channels).map_err(|findings| IndexError::InvalidPolicy { findings })?;
        self.put_policy(Some(&policy.with_last(&channels))).await
    }

    /// Goes back to the policy of a new index; says whether that changed anything.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_policy(&self) -> Result<bool, IndexError> {
        self.put_policy(None).await
    }

    async fn put_policy(&self, policy: Option<&Policy>) -> Result<bool, IndexError> {
        let index = &self.index;
        let mut write = index.store.write().await?;
        let before = index.policy(&mut write).await?;
        let at = index.clock.text();
        store::set_policy(&mut write, policy, &at, ACTOR).await?;
        let after = index.policy(&mut write).await?;
        // Not committed: what was there stays, in whichever words.
        if after == before {
            return Ok(false);
        }
        let after = after.0;
        let action = if policy.is_some() { "set-policy" } else { "reset-policy" };
        let object = after.digest().to_hex();
        let detail = serde_json::json!({ "before": before.0.digest(), "policy": after });
        let entry = Entry { at: &at, actor: ACTOR, action, project: "", object: &object, detail };
        store::append(&mut write, entry).await?;
        index.faults.pass("policy.rows");
        write.commit().await?;
        Ok(true)
    }
}

/// The policy as the file that would be read again.
///
/// # Errors
/// When it cannot be written as TOML.
pub fn policy_text(policy: &Policy) -> Result<String, IndexError> {
    toml_edit::ser::to_string_pretty(policy)
        .map_err(|error| IndexError::Config { key: "policy", why: error.to_string() })
}

/// Reads a policy and finds everything that is wrong with it.
pub(crate) fn read(text: &str, channels: &[ChannelName]) -> Result<Policy, Vec<Finding>> {
    let problem = |error: String| vec![Finding::error("policy", error.trim_end().replace('\n', " "))];
    let document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| problem(error.to_string()))?;
    let mut reader = Reader { channels, problems: Vec::new() };
    reader.policy(document.as_table());
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    toml_edit::de::from_str(text).map_err(|error| problem(error.to_string()))
}

struct Reader<'a> {
    channels: &'a [ChannelName],
    problems: Vec<Finding>,
}

impl Reader<'_> {
    fn policy(&mut self, table: &dyn TableLike) {
        for (key, item) in table.iter() {
            match key {
                "publish" => self.publish(item),
                "channel" => {
                    for (name, item) in self.table("channel", item).into_iter().flat_map(TableLike::iter) {
                        self.channel(name, item);
                    }
                }
                _ => self.unknown(key, "", &TOP),
            }
        }
    }

    fn publish(&mut self, item: &Item) {
        for (key, item) in self.table("publish", item).into_iter().flat_map(TableLike::iter) {
            let path = format!("publish.{key}");
            match key {
                "local" => self.value::<LocalReleases>(&path, item),
                "enrol-keys" => self.value::<bool>(&path, item),
                _ => self.unknown(key, "publish", &PUBLISH),
            }
        }
    }

    fn channel(&mut self, name: &str, item: &Item) {
        let path = format!("channel.{name}");
        self.known_channel(&path, name);
        for (key, item) in self.table(&path, item).into_iter().flat_map(TableLike::iter) {
            let at = format!("{path}.{key}");
            match key {
                "requires" => self.requires(&at, item),
                "roles" => self.roles(&at, item),
                "approvals" => self.value::<u32>(&at, item),
                "allow-local" => self.value::<bool>(&at, item),
                "mode" => self.value::<Mode>(&at, item),
                "fresh" => self.value::<Age>(&at, item),
                _ => self.unknown(key, &path, &CHANNEL),
            }
        }
    }

    fn requires(&mut self, path: &str, item: &Item) {
        let Some(array) = item.as_array() else {
            return self.problem(path, "it is not a list of gates".to_owned(), None);
        };
        for value in array {
            match value.as_str().map(str::parse::<Requirement>) {
                Some(Ok(Requirement { channel: Some(channel), .. })) => {
                    self.known_channel(path, channel.as_str());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => self.problem(path, error.to_string(), Some(gates())),
                None => {
                    self.problem(path, format!("`{}` is not a gate", value.to_string().trim()), Some(gates()))
                }
            }
        }
    }

    fn roles(&mut self, path: &str, item: &Item) {
        for (gate, item) in self.table(path, item).into_iter().flat_map(TableLike::iter) {
            if gate != APPROVAL && gate.parse::<GateId>().is_err() {
                self.problem(path, format!("`{gate}` is not a gate"), Some(gates()));
            }
            match item.as_str().map(str::parse::<Role>) {
                Some(Ok(_)) => {}
                Some(Err(error)) => self.problem(path, error.to_string(), None),
                None => self.problem(path, format!("the role of `{gate}` is not a text"), None),
            }
        }
    }

    fn known_channel(&mut self, path: &str, name: &str) {
        if self.channels.iter().all(|channel| channel.as_str() != name) {
            let names: Vec<_> = self.channels.iter().map(ChannelName::as_str).collect();
            let hint = format!("channels: {}", names.join(", "));
            self.problem(path, format!("there is no channel `{name}`"), Some(hint));
        }
    }

    fn table<'i>(&mut self, path: &str, item: &'i Item) -> Option<&'i dyn TableLike> {
        let table = item.as_table_like();
        if table.is_none() {
            self.problem(path, "it is not a table".to_owned(), None);
        }
        table
    }

    fn value<T: DeserializeOwned>(&mut self, path: &str, item: &Item) {
        let read = item.as_value().map(|value| T::deserialize(value.clone().into_deserializer()));
        match read {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.problem(path, error.to_string().trim_end().replace('\n', " "), None),
            None => self.problem(path, "it is not a value".to_owned(), None),
        }
    }

    fn unknown(&mut self, key: &str, path: &str, known: &[&str]) {
        let at = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        self.problem(&at, "there is no such key".to_owned(), Some(format!("keys: {}", known.join(", "))));
    }

    fn problem(&mut self, path: &str, why: String, hint: Option<String>) {
        let finding = Finding::error("policy", format!("`{path}`: {why}")).field(path);
        self.problems.push(match hint {
            Some(hint) => finding.hint(hint),
            None => finding,
        });
    }
}

fn gates() -> String {
    let gates: Vec<_> = GateId::ALL.iter().map(|gate| gate.as_str()).collect();
    format!("gates: {}", gates.join(", "))
}
