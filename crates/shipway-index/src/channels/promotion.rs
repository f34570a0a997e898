//! Whether a release has what a channel asks: the index's decision, and the statement that it signs of it.
//!
//! [`shipway_dist::policy::judge`] judges; this file brings it what the index holds, and keeps the outcome. The
//! signatures were verified when the statements came, so a promotion reads rows and verifies nothing.

use serde_json::{Value, json};
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::evidence::{
    Resource, STATEMENT_TYPE, Statement, Subject, SubjectDigest, VERIFICATION_SUMMARY, VerificationSummary,
    Verifier,
};
use shipway_dist::finding::Finding;
use shipway_dist::policy::{APPROVAL, ChannelPolicy, Held, Item, ItemVerdict, Judged, Mode, Signer, judge};
use shipway_dist::signing::Envelope;
use shipway_dist::wire::Override;
use sqlx::AnyConnection;

use super::overrides;
use crate::config::time_text;
use crate::error::IndexError;
use crate::evidence::signer;
use crate::index::Index;
use crate::project::{Release, version_key};
use crate::store::{self, Entry, NewStatement, StatementRow};

/// The action of a refusal in the journal.
const REFUSE: &str = "refuse-promotion";

/// What the index decided of a promotion.
pub(super) struct Decision {
    pub(super) items: Vec<Item>,
    pub(super) passed_over: Vec<String>,
    /// The items that an auditing channel would have refused for.
    would_refuse: Vec<String>,
    policy: Sha256,
    /// The statements that were looked at.
    inputs: Vec<Sha256>,
    /// Set when the promotion is refused.
    pub(super) refusal: Option<IndexError>,
}

/// What a promotion is about.
#[derive(Clone, Copy)]
pub(super) struct Promotion<'a> {
    /// The normalized name.
    pub(super) project: &'a str,
    pub(super) release: &'a Release,
    pub(super) to: &'a ChannelName,
    pub(super) over: Option<&'a Override>,
}

impl Decision {
    /// What stands of the decision in the journal.
    pub(super) fn note(&self, detail: &mut Value) {
        detail["policy"] = json!(self.policy);
        if !self.passed_over.is_empty() {
            detail["passed_over"] = json!(self.passed_over);
        }
        if !self.would_refuse.is_empty() {
            detail["would_refuse"] = json!(self.would_refuse);
        }
    }

    /// The same for the same question and the same answer, whenever it is asked.
    fn standing(&self, promotion: &Promotion<'_>) -> Sha256 {
        let (digest, over) = (promotion.release.manifest_digest(), promotion.over);
        Sha256::of(json!([self.policy, self.items, self.inputs, digest, over]).to_string().as_bytes())
    }
}

impl Index {
    /// Judges a promotion that the rules of channels allow.
    pub(super) async fn decide(
        &self,
        connection: &mut AnyConnection,
        promotion: &Promotion<'_>,
    ) -> Result<Decision, IndexError> {
        let Promotion { project, release, to, over } = *promotion;
        let policy = self.policy(connection).await?.0;
        let asked = policy.of(to).with(release.requires.get(to).map_or(&[], Vec::as_slice));
        let rows = store::statements_of(connection, (project, &version_key(&release.version))).await?;
        let read: Vec<(&StatementRow, Statement)> = rows
            .iter()
            .filter(|row| row.gate.as_deref().is_none_or(|gate| asks(&asked, gate)))
            .filter_map(|row| Some((row, serde_json::from_str(&row.payload).ok()?)))
            .collect();
        let mut held = Vec::with_capacity(read.len());
        for (row, statement) in &read {
            let at = row
                .at
                .parse()
                .map_err(|_| IndexError::Corrupt { place: "evidence.received_at", value: row.at.clone() })?;
            let by: Signer<'_> = signer(row, &policy);
            held.push(Held { id: row.id, at, by, statement });
        }
        let files: Vec<_> = release.present().map(|file| file.sha256).collect();
        let judged = Judged {
            files: &files,
            commit: release.commit.as_deref(),
            run: release.run.as_deref(),
            attempt: release.attempt,
            local: release.local,
            publisher: release.publisher.as_deref(),
            statements: &held,
            now: self.clock.now(),
        };
        let items = judge(&asked, to, &judged);
        let mut passed_over = overrides::passed_over(over, &items);
        let lacks = |item: &&Item| item.verdict != ItemVerdict::Passed && !passed_over.contains(&item.id);
        let lacking: Vec<_> = items.iter().filter(lacks).cloned().collect();
        let ids: Vec<_> = lacking.iter().map(|item| item.id.clone()).collect();
        let mut decision = Decision {
            items,
            passed_over: Vec::new(),
            would_refuse: Vec::new(),
            policy: policy.digest(),
            inputs: held.iter().map(|held| held.id).collect(),
            refusal: None,
        };
        match asked.mode {
            Mode::Audit => {
                passed_over.extend(ids.iter().cloned());
                decision.would_refuse = ids;
            }
            Mode::Enforce if !lacking.is_empty() => {
                decision.refusal = Some(IndexError::NotReady {
                    project: project.to_owned(),
                    version: release.version.to_string(),
                    to: to.to_string(),
                    findings: lacking.iter().map(|item| finding(promotion, item)).collect(),
                });
            }
            Mode::Enforce => {}
        }
        decision.passed_over = passed_over;
        Ok(decision)
    }

    /// Signs a decision and keeps it with the release; gives its id for the journal.
    ///
    /// It is signed before the journal entry and stored after it, because the entry names it.
    pub(super) fn sign_decision(
        &self,
        decision: &Decision,
        promotion: &Promotion<'_>,
    ) -> Result<(Envelope, String), IndexError> {
        let Promotion { project, release, to, .. } = *promotion;
        let holds = decision.items.iter().all(|item| item.verdict == ItemVerdict::Passed);
        let subject = release.present().map(|file| Subject {
            name: file.filename.clone(),
            digest: SubjectDigest { sha256: file.sha256 },
        });
        let statement = Statement {
            kind: STATEMENT_TYPE.to_owned(),
            subject: subject.collect(),
            predicate_type: VERIFICATION_SUMMARY.to_owned(),
            predicate: VerificationSummary {
                verifier: Verifier { id: self.log.verifier().name.clone() },
                time_verified: time_text(self.clock.now()),
                resource_uri: format!("pkg:pypi/{project}@{}?channel={to}", release.version),
                policy: Resource::statement("policy", &decision.policy),
                input_attestations: decision
                    .inputs
                    .iter()
                    .map(|id| Resource::statement("evidence", id))
                    .collect(),
                verification_result: if holds { "PASSED" } else { "FAILED" }.to_owned(),
                verified_levels: Vec::new(),
                items: decision.items.clone(),
            },
        };
        let payload = serde_json::to_string(&statement)?;
        Ok((Envelope::sign(&statement, &self.key), payload))
    }

    pub(super) async fn keep_decision(
        &self,
        connection: &mut AnyConnection,
        promotion: &Promotion<'_>,
        (envelope, payload): &(Envelope, String),
        (serial, at): (i64, &str),
    ) -> Result<(), IndexError> {
        let new = NewStatement {
            release: (promotion.project, &version_key(&promotion.release.version)),
            envelope,
            payload,
            // No gate has the name: a decision is never evidence for another one.
            gate: "decision",
            key: self.key.public().id(),
            serial,
            at,
            by: "index",
        };
        store::insert_evidence(connection, &new).await
    }

    /// Writes a refusal down: the signed decision and one entry, and nothing of the channel.
    ///
    /// The same refusal to the same person, with nothing new to judge, is written once.
    pub(super) async fn note_refusal(
        &self,
        connection: &mut AnyConnection,
        actor: &str,
        promotion: &Promotion<'_>,
        decision: &Decision,
    ) -> Result<bool, IndexError> {
        let object = format!("{} in {}", promotion.release.version, promotion.to);
        let standing = decision.standing(promotion);
        let last = store::last_entry(connection, promotion.project, &object, REFUSE).await?;
        if let Some((by, detail)) = last
            && by == actor
            && serde_json::from_str::<Value>(&detail)?["standing"] == json!(standing)
        {
            return Ok(false);
        }
        let signed = self.sign_decision(decision, promotion)?;
        let lacking: Vec<_> = decision
            .items
            .iter()
            .filter(|item| item.verdict != ItemVerdict::Passed)
            .map(|item| json!({ "id": item.id, "verdict": item.verdict }))
            .collect();
        let mut detail = json!({
            "to": promotion.to,
            "manifest_digest": promotion.release.manifest_digest(),
            "override": promotion.over,
            "items": lacking,
            "decision": signed.0.digest(),
            "standing": standing,
        });
        decision.note(&mut detail);
        let at = self.clock.text();
        let (project, object) = (promotion.project, object.as_str());
        let entry = Entry { at: &at, actor, action: REFUSE, project, object, detail };
        let (serial, _) = store::append(connection, entry).await?;
        self.faults.pass("refusal.journal");
        self.keep_decision(connection, promotion, &signed, (serial, &at)).await?;
        self.faults.pass("refusal.decision");
        Ok(true)
    }
}

fn asks(policy: &ChannelPolicy, gate: &str) -> bool {
    policy.requires.iter().any(|requirement| requirement.gate.as_str() == gate)
        || (policy.approvals > 0 && gate == APPROVAL)
}

/// An item that does not hold, with the command that gets it.
fn finding(promotion: &Promotion<'_>, item: &Item) -> Finding {
    let (version, to) = (&promotion.release.version, promotion.to);
    let id = match (item.id.as_str(), item.verdict) {
        (overrides::LOCAL, _) => "local-release",
        (APPROVAL, _) => "approval-missing",
        (_, ItemVerdict::Stale) => "evidence-stale",
        (_, ItemVerdict::OtherBytes) => "evidence-other-bytes",
        (_, ItemVerdict::Failed | ItemVerdict::Error) => "evidence-failed",
        (_, ItemVerdict::Missing | ItemVerdict::Passed) => "evidence-missing",
    };
    let says = match item.verdict {
        ItemVerdict::Missing | ItemVerdict::Passed => "is missing",
        ItemVerdict::Stale => "is stale",
        ItemVerdict::OtherBytes => "is about other bytes",
        ItemVerdict::Failed => "failed",
        ItemVerdict::Error => "could not run",
    };
    let hint = match item.id.split_once('@').unwrap_or((&item.id, "")) {
        (overrides::LOCAL, _) => {
            format!("shipway promote {version} --to {to} --override local --reason TEXT --approver NAME")
        }
        (APPROVAL, _) => format!("shipway approve {version} --to {to}"),
        ("smoke", "") => format!("shipway smoke {version}"),
        ("smoke", from) => format!("shipway smoke {version} --from {from}"),
        (gate, _) => format!("shipway gate run {gate}"),
    };
    let message =
        format!("`{}` of `{}` {version} for `{to}` {says}: {}", item.id, promotion.project, item.why);
    Finding::error(id, message).field(item.id.clone()).hint(hint)
}
