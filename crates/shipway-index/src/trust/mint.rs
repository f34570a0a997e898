//! Gives a short-lived token for an identity that a project trusts (row F10, check 18).

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shipway_dist::name::ProjectName;

use super::{Claims, Difference, MINTED, Publisher, issuer, text};
use crate::config::time_text;
use crate::error::IndexError;
use crate::index::Index;
use crate::random;
use crate::store::{self, Entry};
use crate::tokens::{self, Action, Secret, TokenBounds, TokenSpec};

/// How long a minted token holds.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// How long the row of one that ended is kept: whoever uses it is told that it expired.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The longest identity that is looked at, in bytes; those of forges have about 2,000.
const IDENTITY: usize = 16 * 1024;

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum MintError {
    /// The identity does not get one.
    Refused {
        /// One of the words that clients know.
        code: &'static str,
        /// For people.
        why: String,
    },
    /// The index or the issuer cannot say now.
    Failed(IndexError),
}

impl MintError {
    pub(super) fn refused(code: &'static str, why: String) -> Self {
        Self::Refused { code, why }
    }

    /// The request is no request for a token.
    pub(crate) fn payload(why: &str) -> Self {
        Self::refused("invalid-payload", why.to_owned())
    }
}

impl<E: Into<IndexError>> From<E> for MintError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Index {
    /// The audience that identities for this index must name: no other index has the same.
    pub(crate) fn audience(&self) -> String {
        format!("shipway:{}", self.key.public().id())
    }

    async fn publishers_of(&self, issuer: &str) -> Result<Vec<Publisher>, IndexError> {
        store::publishers_of(&mut *self.store.read().await?, issuer).await
    }

    /// Gives a token that uploads the projects which trust the identity, and says when it ends.
    ///
    /// # Errors
    /// Which part of the identity failed; or that the issuer does not answer.
    pub(crate) async fn mint(&self, identity: &str) -> Result<(Secret, Timestamp), MintError> {
        if identity.len() > IDENTITY {
            return Err(MintError::payload("the token is too long for an identity"));
        }
        let issuer = issuer::named(identity)?;
        // Nobody is asked for whom no publisher names.
        let known = match super::issuer_url(&issuer) {
            Ok(url) => url == issuer && !self.publishers_of(&issuer).await?.is_empty(),
            Err(_) => false,
        };
        if !known {
            let shown: String = issuer.chars().filter(|letter| !letter.is_control()).take(200).collect();
            let why = format!("no project of this index trusts identities of `{shown}`");
            return Err(MintError::refused("invalid-publisher", why));
        }
        let now = self.clock.now();
        let found = self.issuers.verify((identity, &issuer), &self.audience(), now).await?;
        let mut write = self.store.write().await?;
        // Whoever was removed while the issuer was asked trusts nobody any more.
        let publishers = store::publishers_of(&mut write, &issuer).await?;
        let (mut trusting, mut unlike): (Vec<Publisher>, Option<String>) = (Vec::new(), None);
        for publisher in publishers {
            let (differences, near) = publisher.compare(&found.claims);
            match differences.into_iter().next() {
                None => trusting.push(publisher),
                Some(difference) if near => unlike = Some(said(&publisher, &difference)),
                Some(_) => {}
            }
        }
        if trusting.is_empty() {
            // What is expected is told to jobs of the same repository alone.
            let why = unlike.unwrap_or_else(|| "no project of this index trusts this job".to_owned());
            return Err(MintError::refused("invalid-publisher", why));
        }
        let expires =
            now.checked_add(LIFETIME).map_err(|error| IndexError::bad_request(error.to_string()))?;
        let id = (issuer.as_str(), found.jti.as_str());
        // It is remembered beyond its end: clocks have their leeway.
        let ends = found.expires.checked_add(LIFETIME).map_or_else(|_| time_text(found.expires), time_text);
        if !store::use_identity(&mut write, id, &ends, &time_text(now)).await? {
            let why = "this identity was shown before; each is good once".to_owned();
            return Err(MintError::refused("invalid-reuse-token", why));
        }
        let name = format!("{MINTED}{}", trusting[0].id);
        let parse = |publisher: &Publisher| {
            let corrupt =
                |_| IndexError::Corrupt { place: "publishers.project", value: publisher.project.clone() };
            publisher.project.parse::<ProjectName>().map_err(corrupt)
        };
        let spec = TokenSpec {
            // A valid token of a name is the only one.
            name: format!("{name}/{}", &random::id()[..12]),
            projects: trusting.iter().map(parse).collect::<Result<_, _>>()?,
            channels: Vec::new(),
            actions: allowed(&trusting),
            expires: Some(LIFETIME),
        };
        let (secret, row) = tokens::make(&spec, TokenBounds::default(), now)?;
        if let Ok(before) = now.checked_sub(KEPT) {
            store::forget_minted(&mut write, MINTED, &time_text(before)).await?;
        }
        store::insert_token(&mut write, &row).await?;
        let at = time_text(now);
        for publisher in &mut trusting {
            let subject = found.claims.get("sub").map(text).unwrap_or_default();
            let subject: String = subject.chars().filter(|letter| !letter.is_control()).take(200).collect();
            let mut detail =
                json!({ "issuer": issuer, "publisher": publisher.id, "jti": found.jti, "token": row.name });
            if let Some((claim, owner)) = owner(publisher, &found.claims) {
                detail[claim] = json!(owner);
                publisher.claims.insert(claim.to_owned(), owner);
                store::set_claims(&mut write, &publisher.id, &publisher.claims).await?;
            }
            let (project, object) = (publisher.project.as_str(), subject.as_str());
            let entry = Entry { at: &at, actor: &name, action: "mint-token", project, object, detail };
            store::append(&mut write, entry).await?;
        }
        write.commit().await?;
        tracing::info!(issuer, token = name, projects = trusting.len(), "minted a token");
        Ok((secret, expires))
    }
}

/// What all of them allow: a job gets no more for one project than that project says.
fn allowed(trusting: &[Publisher]) -> Vec<Action> {
    let all = |action: &&Action| trusting.iter().all(|publisher| publisher.actions.contains(action));
    Action::ALL.iter().filter(all).copied().collect()
}

/// The claim that says who owns the repository now, unless the publisher has it: whoever later registers the name of
/// an owner that is gone is not that owner.
fn owner(publisher: &Publisher, claims: &Claims) -> Option<(&'static str, String)> {
    let (_, claim) = [("repository", "repository_owner_id"), ("project_path", "namespace_id")]
        .into_iter()
        .find(|(named, _)| publisher.claims.contains_key(*named))?;
    let owner = claims.get(claim).map(text).filter(|owner| !owner.is_empty())?;
    (!publisher.claims.contains_key(claim)).then_some((claim, owner))
}

fn said(publisher: &Publisher, difference: &Difference) -> String {
    let Difference { claim, expected, got } = difference;
    let got: String = got.chars().take(200).collect();
    let Publisher { id, project, .. } = publisher;
    format!("publisher {id} of `{project}` expects `{claim}` to be `{expected}`, and it is `{got}`")
}
