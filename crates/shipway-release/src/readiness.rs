//! How a release stands against what a channel asks.
//!
//! The index decides; here the same policy is judged by the same code ([`shipway_dist::policy`]), so that `ready`
//! and `status` foretell its answer. On a foreign index, which keeps no evidence and no policy, this is all there
//! is, and it decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use shipway_dist::evidence::Statement;
use shipway_dist::policy::{
    ChannelPolicy, Held, Item, ItemVerdict, Judged, Policy, Requirement, Role, Signer, judge,
};
use shipway_dist::signing::{Envelope, KeyId, PublicKey};
use shipway_dist::wire::{KeyRecord, ReleaseRecord};
use shipway_dist::{ChannelName, Manifest, Sha256};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence;
use crate::evidence::keys::pipeline_key;
use crate::ops::target::Target;

/// A statement of a release and whether it counts.
#[derive(Debug, Clone, Serialize)]
pub struct Known {
    /// Its id.
    pub id: Sha256,
    /// When the index received it; for one that is kept here only, when its gate began.
    pub at: Timestamp,
    /// The name of the key that signed it.
    pub signer: Option<String>,
    /// That key's role.
    pub role: Option<Role>,
    /// Why it counts for nothing.
    pub void: Option<String>,
    /// Whether the index holds it.
    pub at_index: bool,
    /// What it says.
    pub statement: Statement,
    /// The same, signed.
    pub envelope: Envelope,
}

/// What is asked of a release, and what is known of it.
pub struct Readiness {
    policy: Policy,
    asks: BTreeMap<ChannelName, Vec<Requirement>>,
    files: Vec<Sha256>,
    commit: String,
    run: Option<String>,
    attempt: Option<u32>,
    local: bool,
    publisher: Option<String>,
    known: Vec<Known>,
    now: Timestamp,
}

/// Whose signatures count.
struct Keys {
    /// Those that the index knows.
    known: Vec<KeyRecord>,
    /// This run's own, and whether it counts although nobody registered it.
    own: (PublicKey, bool),
}

impl Readiness {
    /// Gathers what is known of a release: its files as the manifest names them, its record at the index where it
    /// is there.
    ///
    /// # Errors
    /// When the index does not answer, or a statement kept here cannot be read.
    pub fn of(context: &Context<'_>, manifest: &Manifest, release: Option<&ReleaseRecord>) -> Result<Self> {
        let target = context.target()?;
        let config = &context.config;
        let policy = match target {
            Target::Shipway { client, .. } => client.policy()?.map(|document| document.policy),
            Target::Foreign(_) => None,
        };
        let policy = policy.unwrap_or_else(|| Policy::of_a_new_index(&config.channels));
        let keys = Keys::of(context, target, &policy)?;
        let known = gather(context, target, manifest, release, &keys)?;
        Ok(Self {
            policy,
            asks: config.requires.clone(),
            files: manifest.files.iter().map(|file| file.sha256).collect(),
            commit: manifest.commit.clone(),
            run: manifest.run.clone(),
            attempt: manifest.attempt,
            local: release.map_or(manifest.run.is_none(), |release| release.local),
            publisher: release.and_then(|release| release.publisher.clone()),
            known,
            now: (context.clock)(),
        })
    }

    /// Everything known.
    pub fn known(&self) -> &[Known] {
        &self.known
    }

    /// What a channel asks: the index's policy and the project's own wish, the stricter of both.
    pub fn policy_for(&self, channel: &ChannelName) -> ChannelPolicy {
        self.policy.of(channel).with(self.asks.get(channel).map(Vec::as_slice).unwrap_or_default())
    }

    /// How the release stands against a policy for a channel.
    pub fn judge(&self, policy: &ChannelPolicy, channel: &ChannelName) -> Vec<Item> {
        let held: Vec<Held<'_>> = self.known.iter().map(held).collect();
        let release = Judged {
            files: &self.files,
            commit: Some(&self.commit),
            run: self.run.as_deref(),
            attempt: self.attempt,
            local: self.local,
            publisher: self.publisher.as_deref(),
            statements: &held,
            now: self.now,
        };
        judge(policy, channel, &release)
    }

    /// What the release lacks for a channel.
    pub fn lacks(&self, channel: &ChannelName) -> Vec<Item> {
        let mut items = self.judge(&self.policy_for(channel), channel);
        items.retain(|item| item.verdict != ItemVerdict::Passed);
        items
    }
}

fn held(known: &Known) -> Held<'_> {
    let by = match (&known.void, known.role, &known.signer) {
        (Some(why), _, _) => Signer::Nobody(why),
        (None, Some(role), Some(signer)) => Signer::Known { role, signer },
        (None, _, _) => Signer::Nobody("nobody known signed it"),
    };
    Held { id: known.id, at: known.at, by, statement: &known.statement }
}

impl Keys {
    fn of(context: &Context<'_>, target: &Target, policy: &Policy) -> Result<Self> {
        let known = match target {
            Target::Shipway { client, .. } => client.keys()?.map(|list| list.keys).unwrap_or_default(),
            Target::Foreign(_) => Vec::new(),
        };
        let own = pipeline_key(context)?.public();
        Ok(Self { known, own: (own, policy.publish.enrol_keys) })
    }

    fn find(&self, hint: &str) -> Vec<PublicKey> {
        let all = self.known.iter().map(|key| key.public).chain([self.own.0]);
        all.filter(|key| hint.is_empty() || key.id().to_string() == hint).collect()
    }

    /// The name and role of a key, or why it counts for nothing.
    fn standing(&self, id: KeyId) -> std::result::Result<(String, Role), String> {
        if let Some(key) = self.known.iter().find(|key| key.id == id) {
            return match (&key.revoked_at, key.registered || self.own.1) {
                (Some(at), _) => Err(format!("its key `{}` was revoked at {at}", key.name)),
                (None, false) => Err(format!("its key `{}` is not registered", key.name)),
                (None, true) => Ok((key.name.clone(), key.role)),
            };
        }
        if id == self.own.0.id() && self.own.1 {
            return Ok(("this machine".to_owned(), Role::Ci));
        }
        Err("the index does not know its key".to_owned())
    }
}

/// What the index holds, in its order, then what is kept here and not there.
fn gather(
    context: &Context<'_>,
    target: &Target,
    manifest: &Manifest,
    release: Option<&ReleaseRecord>,
    keys: &Keys,
) -> Result<Vec<Known>> {
    let version = manifest.version.to_string();
    let mut known = Vec::new();
    if let (Target::Shipway { client, .. }, Some(release)) = (target, release) {
        let list = client.evidence(&context.config.name, &release.version)?;
        for stored in list.into_iter().flat_map(|list| list.statements) {
            let Some(statement) = stored.statement() else { continue };
            known.push(Known {
                id: stored.id,
                at: stored.received_at.parse().map_err(|error: jiff::Error| {
                    Error::incomplete("bad-time", format!("the index says `{}`", stored.received_at))
                        .cause(error.to_string())
                })?,
                signer: stored.signer,
                role: stored.role,
                void: stored.void,
                at_index: true,
                statement,
                envelope: stored.envelope,
            });
        }
    }
    let only_here = matches!(target, Target::Shipway { .. }) && release.is_some();
    let mut own = Vec::new();
    for kept in evidence::all_kept(context, &version)? {
        let id = kept.envelope.digest();
        if known.iter().any(|one: &Known| one.id == id) {
            continue;
        }
        let signer = match kept.envelope.verify(&|hint| keys.find(hint)) {
            Ok(verified) => keys.standing(verified.keys[0]),
            Err(error) => Err(error.to_string()),
        };
        let (signer, role, void) = match signer {
            Ok((signer, role)) => (Some(signer), Some(role), None),
            Err(why) => (None, None, Some(why)),
        };
        let void = void.or_else(|| only_here.then(|| "it is kept here and not at the index".to_owned()));
        let at = kept.statement.predicate.started_on.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        own.push(Known {
            id,
            at,
            signer,
            role,
            void,
            at_index: false,
            statement: kept.statement,
            envelope: kept.envelope,
        });
    }
    own.sort_by_key(|one| one.at);
    known.extend(own);
    Ok(known)
}

/// The command that gets what an item lacks.
pub fn next_command(item: &Item, version: &str, channel: &ChannelName) -> String {
    match item.id.split_once('@') {
        _ if item.id == shipway_dist::policy::APPROVAL => format!("shipway approve {version} --to {channel}"),
        Some(("smoke", before)) => format!("shipway smoke {version} --from {before}"),
        _ if item.id == "smoke" => format!("shipway smoke {version}"),
        _ if item.id == "local" => "release it from the configured CI".to_owned(),
        _ if item.id == "reproducible" => "shipway build --verify".to_owned(),
        _ if item.why.contains("kept here") => format!("shipway evidence send {version}"),
        _ => format!("shipway gate run {}", item.id),
    }
}
