//! The door for evidence: which signed statements are kept with a release, and which of them count.
//!
//! A signature is verified here, over the exact bytes of the payload, once. What is kept is never changed: a
//! later look asks only what became of the key. A statement about other bytes is kept too and counts as such;
//! see docs/design/evidence.md.

use serde_json::json;
use shipway_dist::evidence::{APPROVAL, Statement};
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;
use shipway_dist::policy::{Policy, Role, Signer};
use shipway_dist::signing::{Envelope, EnvelopeError, PublicKey};
use shipway_dist::wire::{EvidenceList, EvidenceRequest, KeyRecord, StoredStatement, code};
use sqlx::AnyConnection;

use crate::accept::parse_version;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::version_key;
use crate::store::{self, Entry, NewStatement, StatementRow};
use crate::tokens::{Action, Identity};

/// An envelope whose signature holds.
pub(crate) struct Sealed {
    pub(crate) statement: Statement,
    /// Exactly the bytes that were signed.
    pub(crate) payload: String,
    pub(crate) signer: PublicKey,
    /// What the index knows of the signer; absent when the request brought the key.
    pub(crate) key: Option<KeyRecord>,
}

/// A refusal of a statement that cannot be trusted.
pub(crate) fn untrusted(why: impl Into<String>) -> IndexError {
    IndexError::Untrusted { finding: Finding::error(code::UNTRUSTED, why).into() }
}

/// Verifies an envelope against the keys that its signature names, and one that the request offers.
pub(crate) fn unseal(
    envelope: &Envelope,
    known: &[KeyRecord],
    offered: Option<&PublicKey>,
) -> Result<Sealed, IndexError> {
    if envelope.signatures.len() != 1 {
        let why = format!("an envelope carries one signature, this one has {}", envelope.signatures.len());
        return Err(IndexError::bad_request(why));
    }
    let find = |hint: &str| -> Vec<PublicKey> {
        let offered = offered.into_iter().filter(|key| hint.is_empty() || key.id().to_hex() == hint);
        known.iter().map(|key| &key.public).chain(offered).copied().collect()
    };
    let opened = envelope.open(&find).map_err(|error| match error {
        EnvelopeError::UnknownKey { .. } => {
            let hint = "shipway admin key add --role ci --name NAME --public FILE";
            let finding = Finding::error(code::UNTRUSTED, error.to_string()).hint(hint);
            IndexError::Untrusted { finding: finding.into() }
        }
        EnvelopeError::Signature { .. } => untrusted(error.to_string()),
        EnvelopeError::Encoding { .. }
        | EnvelopeError::PayloadType { .. }
        | EnvelopeError::Statement { .. } => IndexError::bad_request(error.to_string()),
    })?;
    let statement = envelope.unverified().map_err(|error| IndexError::bad_request(error.to_string()))?;
    let payload =
        String::from_utf8(opened.payload).map_err(|_| IndexError::bad_request("the payload is not UTF-8"))?;
    let id = opened.keys.first().copied();
    let key = known.iter().find(|key| Some(key.id) == id).cloned();
    let signer = key.as_ref().map(|key| key.public).or(offered.copied());
    let signer = signer.ok_or_else(|| untrusted("no signature is by a known key"))?;
    Ok(Sealed { statement, payload, signer, key })
}

/// Whether a role may say this at all; which role a channel wants to hear it from is the policy's business.
pub(crate) fn judge_role(statement: &Statement, role: Role, name: &str) -> Result<(), IndexError> {
    let approval = statement.predicate_type == APPROVAL;
    match role {
        Role::ReleaseManager => Ok(()),
        Role::Ci if !approval => Ok(()),
        Role::Ci => {
            Err(untrusted(format!("`{name}` signs as `{role}`, and only a `release-manager` approves")))
        }
        Role::Index => {
            Err(untrusted(format!("`{name}` signs as `{role}`, whose statements come from the index alone")))
        }
    }
}

/// Why a stored statement counts for nothing, when it does.
pub(crate) fn void(row: &StatementRow, policy: &Policy) -> Option<&'static str> {
    match &row.key {
        None => Some("it came before evidence was signed"),
        Some(key) if key.compromised => Some("its key is compromised"),
        Some(key) if !key.registered && !policy.publish.enrol_keys => {
            Some("its key was only enrolled, and the policy counts registered keys")
        }
        // What a revoked key signed before: the door let nothing of it in since.
        Some(_) => None,
    }
}

/// Whose a stored statement is, as policies ask.
pub(crate) fn signer<'a>(row: &'a StatementRow, policy: &Policy) -> Signer<'a> {
    match (void(row, policy), &row.key) {
        (None, Some(key)) => Signer::Known { role: key.role, signer: &key.name },
        (Some(why), _) => Signer::Nobody(why),
        (None, None) => Signer::Nobody("its key is not known"),
    }
}

fn shown((row, envelope): (StatementRow, Envelope), policy: &Policy) -> StoredStatement {
    let void = void(&row, policy).map(str::to_owned);
    let StatementRow { id, at, by, key, .. } = row;
    StoredStatement {
        id,
        received_at: at,
        by,
        key: key.as_ref().map(|key| key.id),
        signer: key.as_ref().map(|key| key.name.clone()),
        role: key.as_ref().map(|key| key.role),
        void,
        envelope,
    }
}

impl Index {
    /// Keeps a statement with a release; the same statement again is success, however it is wrapped.
    ///
    /// # Errors
    /// When it is no evidence, or nobody who is known and may say it signed it.
    pub(crate) async fn add_evidence(
        &self,
        who: &Identity,
        (project, version): (&ProjectName, &str),
        request: EvidenceRequest,
    ) -> Result<(StoredStatement, bool), IndexError> {
        let normalized = project.normalized();
        who.grant()?.require(Action::Evidence, Some(normalized), None)?;
        let version = parse_version(version)?;
        let key = version_key(&version);
        let release = (normalized, key.as_str());
        let envelope = &request.envelope;
        let mut write = self.store.write_project(normalized).await?;
        if !store::holds_release(&mut write, release).await? {
            return Err(IndexError::not_found(format!("`{normalized}` {version}")));
        }
        let policy = self.policy(&mut write).await?.0;
        let known = self.keys_for(&mut write, envelope).await?;
        let offered = request.public_key.as_ref().filter(|_| policy.publish.enrol_keys);
        let sealed = unseal(envelope, &known, offered)?;
        let signer = sealed.signer.id();
        if let Some(id) = store::same_statement(&mut write, release, &signer, &sealed.payload).await? {
            let held = store::evidence_of(&mut write, release).await?;
            let held = held.into_iter().find(|(row, _)| row.id == id);
            let held = held.ok_or_else(|| IndexError::not_found("the statement"))?;
            return Ok((shown(held, &policy), false));
        }
        let at = self.clock.text();
        let key = match sealed.key {
            Some(key) => key,
            None => self.enrol(&mut write, who.name(), &sealed.signer, &at).await?,
        };
        if let Some(revoked) = &key.revoked_at {
            return Err(untrusted(format!("the key of `{}` was revoked at {revoked}", key.name)));
        }
        judge_role(&sealed.statement, key.role, &key.name)?;
        let stored = StatementRow {
            id: envelope.digest(),
            at: at.clone(),
            by: who.name().to_owned(),
            gate: Some(sealed.statement.predicate.gate.clone()),
            payload: String::new(),
            key: Some((&key).into()),
        };
        let text = version.to_string();
        let keep = Keep { sealed: &sealed.statement, key: &key, envelope, payload: &sealed.payload };
        self.keep(&mut write, (who.name(), &at), (release, &text), &keep).await?;
        write.commit().await?;
        self.faults.pass("evidence.committed");
        Ok((shown((stored, request.envelope), &policy), true))
    }

    /// Writes the journal entry and the row of a statement.
    pub(crate) async fn keep(
        &self,
        connection: &mut AnyConnection,
        (actor, at): (&str, &str),
        (release, version): ((&str, &str), &str),
        keep: &Keep<'_>,
    ) -> Result<(), IndexError> {
        let predicate = &keep.sealed.predicate;
        let detail = json!({
            "id": keep.envelope.digest(),
            "gate": predicate.gate,
            "channel": predicate.channel,
            "result": predicate.result,
            "key": keep.key.id,
            "signer": keep.key.name,
        });
        let entry = Entry { at, actor, action: "evidence", project: release.0, object: version, detail };
        let (serial, _) = store::append(connection, entry).await?;
        self.faults.pass("evidence.journal");
        let new = NewStatement {
            release,
            envelope: keep.envelope,
            payload: keep.payload,
            gate: &predicate.gate,
            key: keep.key.id,
            serial,
            at,
            by: actor,
        };
        store::insert_evidence(connection, &new).await?;
        self.faults.pass("evidence.rows");
        Ok(())
    }

    /// The keys that may have signed an envelope: those that its signatures name, all where one names none.
    pub(crate) async fn keys_for(
        &self,
        connection: &mut AnyConnection,
        envelope: &Envelope,
    ) -> Result<Vec<KeyRecord>, IndexError> {
        let mut known = Vec::new();
        for signature in envelope.signatures.iter().take(1) {
            if signature.keyid.is_empty() {
                known = store::keys(connection).await?;
            } else {
                known.extend(store::key(connection, &signature.keyid).await?);
            }
        }
        Ok(known)
    }

    /// Makes the key of a token known, as `ci` and not registered.
    async fn enrol(
        &self,
        connection: &mut AnyConnection,
        token: &str,
        public: &PublicKey,
        at: &str,
    ) -> Result<KeyRecord, IndexError> {
        // Keys belong to no project: from here on nobody else makes one known.
        store::settle(connection).await?;
        if let Some(known) = store::key(connection, &public.id().to_hex()).await? {
            return Ok(known);
        }
        let key = KeyRecord {
            id: public.id(),
            name: self.free_name(connection, token).await?,
            role: Role::Ci,
            public: *public,
            registered: false,
            since: at.to_owned(),
            revoked_at: None,
            compromised: false,
        };
        let detail = json!({ "name": key.name, "role": key.role });
        let object = key.id.to_hex();
        let entry = Entry { at, actor: token, action: "enrol-key", project: "", object: &object, detail };
        store::append(connection, entry).await?;
        store::insert_key(connection, &key).await?;
        self.faults.pass("enrol.rows");
        Ok(key)
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
        let mut snapshot = self.store.snapshot().await?;
        let policy = self.policy(&mut snapshot).await?.0;
        let release = (project.normalized(), version_key(&version));
        let held = store::evidence_of(&mut snapshot, (release.0, &release.1)).await?;
        let statements = held.into_iter().map(|one| shown(one, &policy)).collect();
        Ok(EvidenceList { schema: "shipway.index.evidence/1".to_owned(), ok: true, statements })
    }
}

/// A verified statement on its way to its row.
pub(crate) struct Keep<'a> {
    pub(crate) sealed: &'a Statement,
    pub(crate) key: &'a KeyRecord,
    pub(crate) envelope: &'a Envelope,
    pub(crate) payload: &'a str,
}
