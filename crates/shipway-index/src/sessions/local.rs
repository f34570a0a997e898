//! Who vouches for a release before it is taken: the configured CI, or a release manager for a local one.
//!
//! A release that was built on a person's machine is an exception. Where the policy allows none by itself, a
//! registered CI key must have signed a statement over exactly these files, or a release manager who is not the
//! publisher an approval that says why. The embedded index takes local releases always.

use std::collections::BTreeSet;

use shipway_dist::evidence::{APPROVAL, Verdict};
use shipway_dist::finding::Finding;
use shipway_dist::policy::{LocalReleases, Role};
use shipway_dist::signing::Envelope;
use shipway_dist::wire::{KeyRecord, SessionRequest, code};
use sqlx::AnyConnection;

use crate::error::IndexError;
use crate::evidence::{Sealed, unseal};
use crate::index::Index;

/// More vouchers than this nobody needs, and each costs a verification.
const MOST: usize = 100;

/// How a release is taken.
#[derive(Default)]
pub(super) struct Admission {
    /// Whether it is marked as local.
    pub(super) local: bool,
    /// The approvals that it is taken for, to be kept with it.
    pub(super) approvals: Vec<Approved>,
}

/// An approval that counts.
pub(super) struct Approved {
    pub(super) sealed: Sealed,
    pub(super) key: KeyRecord,
    pub(super) envelope: Envelope,
}

/// What a voucher proves.
#[derive(Debug, PartialEq, Eq)]
enum Proves {
    Ci,
    Approval,
}

impl Index {
    /// What is asked of releases that no CI vouches for.
    async fn local_releases(&self, connection: &mut AnyConnection) -> Result<LocalReleases, IndexError> {
        if self.ephemeral.is_some() {
            return Ok(LocalReleases::Allow);
        }
        Ok(self.policy(connection).await?.0.publish.local)
    }

    /// Judges who vouches for a release.
    pub(super) async fn admit(
        &self,
        connection: &mut AnyConnection,
        publisher: &str,
        request: &SessionRequest,
    ) -> Result<Admission, IndexError> {
        let mode = self.local_releases(connection).await?;
        if mode == LocalReleases::Allow {
            return Ok(Admission { local: request.local, approvals: Vec::new() });
        }
        if request.vouchers.len() > MOST {
            return Err(IndexError::bad_request(format!("there are more than {MOST} vouchers")));
        }
        let (mut ci, mut approvals, mut refused) = (false, Vec::new(), Vec::new());
        for envelope in &request.vouchers {
            let known = self.keys_for(connection, envelope).await?;
            let judged =
                unseal(envelope, &known, None).map_err(|error| error.to_string()).and_then(|sealed| {
                    let key = sealed.key.clone().ok_or_else(|| "its key is not known".to_owned())?;
                    Ok((judge(&sealed, &key, publisher, request)?, sealed, key))
                });
            match judged {
                Ok((Proves::Ci, ..)) => ci = true,
                Ok((Proves::Approval, sealed, key)) => {
                    approvals.push(Approved { sealed, key, envelope: envelope.clone() });
                }
                Err(why) => refused.push(why),
            }
        }
        match mode {
            LocalReleases::Approve if ci => Ok(Admission { local: request.local, approvals: Vec::new() }),
            LocalReleases::Approve if !approvals.is_empty() => Ok(Admission { local: true, approvals }),
            LocalReleases::Refuse if ci && !request.local => Ok(Admission::default()),
            LocalReleases::Allow | LocalReleases::Approve | LocalReleases::Refuse => {
                Err(refusal(mode, publisher, request, &refused))
            }
        }
    }

    /// Judges an upload by the legacy API, which cannot carry a voucher.
    ///
    /// # Errors
    /// Where a voucher is asked for.
    pub(crate) async fn admit_legacy(
        &self,
        connection: &mut AnyConnection,
        (project, version): (&str, &pep440_rs::Version),
    ) -> Result<(), IndexError> {
        if self.local_releases(connection).await? == LocalReleases::Allow {
            return Ok(());
        }
        let message = format!(
            "`{project}` {version} is refused: this index takes a release only with a signed statement over its \
             files, and this upload API carries none"
        );
        let finding = Finding::error(code::LOCAL_RELEASE, message).hint("shipway publish");
        Err(IndexError::LocalRelease { finding: finding.into() })
    }
}

/// What a voucher whose signature holds proves for a release.
fn judge(
    sealed: &Sealed,
    key: &KeyRecord,
    publisher: &str,
    request: &SessionRequest,
) -> Result<Proves, String> {
    let (name, predicate) = (&key.name, &sealed.statement.predicate);
    if key.revoked_at.is_some() {
        return Err(format!("the key of `{name}` was revoked"));
    }
    if !key.registered {
        return Err(format!("the key of `{name}` is only enrolled, and a registered one is needed"));
    }
    let spoken: BTreeSet<_> = sealed.statement.subject.iter().map(|subject| subject.digest.sha256).collect();
    if spoken != request.files.iter().map(|file| file.sha256).collect() {
        return Err(format!("the statement of `{name}` is not about exactly these files"));
    }
    if predicate.result == Verdict::Failed {
        return Err(format!("the statement of `{name}` says that `{}` failed", predicate.gate));
    }
    let approves = sealed.statement.predicate_type == APPROVAL;
    match key.role {
        Role::Ci if !approves => {
            let differs = request.commit.as_ref().is_some_and(|commit| *commit != predicate.commit)
                || request.run.is_some() && request.run != predicate.run
                || request.attempt.is_some() && request.attempt != predicate.attempt;
            if differs {
                return Err(format!("the statement of `{name}` is of another commit, run or attempt"));
            }
            Ok(Proves::Ci)
        }
        Role::ReleaseManager if approves => {
            let reason = predicate.detail.get("reason").and_then(serde_json::Value::as_str);
            if predicate.channel.as_deref() != Some(request.channel.as_str()) {
                return Err(format!("the approval of `{name}` is not for `{}`", request.channel));
            }
            if name == publisher {
                return Err(format!("`{name}` publishes it and cannot approve it"));
            }
            if reason.is_none_or(|reason| reason.trim().is_empty()) {
                return Err(format!("the approval of `{name}` gives no reason"));
            }
            Ok(Proves::Approval)
        }
        Role::Ci | Role::Index => {
            Err(format!("`{name}` is `{}`, and only a `release-manager` approves", key.role))
        }
        Role::ReleaseManager => Err(format!("the statement of `{name}` is no approval")),
    }
}

fn refusal(mode: LocalReleases, publisher: &str, request: &SessionRequest, refused: &[String]) -> IndexError {
    let (project, version, channel) = (request.project.normalized(), &request.version, &request.channel);
    let ci = "a statement of a registered `ci` key over exactly these files";
    let mut message = match mode {
        LocalReleases::Allow | LocalReleases::Approve => format!(
            "`{project}` {version} is a local release: this index takes it with {ci}, or with the approval of a \
             release manager other than `{publisher}` for `{channel}` that gives a reason"
        ),
        LocalReleases::Refuse => format!(
            "`{project}` {version} is a local release: this index takes releases from CI alone, with {ci}"
        ),
    };
    if !refused.is_empty() {
        message.push_str(&format!("; {}", refused.join("; ")));
    }
    let mut finding = Finding::error(code::LOCAL_RELEASE, message);
    if mode != LocalReleases::Refuse {
        finding = finding.hint(format!("shipway approve {version} --to {channel} --reason TEXT"));
    }
    IndexError::LocalRelease { finding: finding.into() }
}
