//! Trusted publishing: a job of a CI shows who it is, and gets a token for the projects that trust it.
//!
//! A [`Publisher`] says which identity a project trusts. [`issuer`] knows whether an identity is one, [`mint`]
//! gives a token for it. Nothing here believes a claim before its signature. See
//! docs/design/trusted-publishing.md.

mod issuer;
mod mint;
mod verifier;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::{Host, Url};

use crate::error::IndexError;
use crate::tokens::Action;

pub(crate) use issuer::Issuers;
pub(crate) use mint::MintError;

/// What the names of minted tokens begin with; the publisher's id follows, and what tells its tokens apart.
pub(crate) const MINTED: &str = "publisher:";

/// Who a token of this name is: all tokens of a publisher are the publisher.
pub(crate) fn bearer(name: &str) -> &str {
    let minted = name.strip_prefix(MINTED).and_then(|rest| rest.find('/'));
    minted.map_or(name, |end| &name[..MINTED.len() + end])
}

/// Claims that say whose job it is. Without one of them everybody who has a job at the issuer would be trusted.
/// The claim of the workflow does not: jobs of any repository may be of a workflow that is called from elsewhere.
const WHOSE: [&str; 5] = ["repository", "repository_id", "project_path", "project_id", "sub"];

/// Claims of an owner that are pinned at the first use of a publisher which names none.
pub(crate) const PINNED: [&str; 2] = ["repository_owner_id", "namespace_id"];

/// Events of GitHub under which code of strangers runs with the identity of the repository.
const REFUSED_EVENTS: [&str; 1] = ["pull_request_target"];

/// The claims of an identity whose signature was verified.
pub(crate) type Claims = Map<String, Value>;

/// Whom a project trusts to publish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Its identifier: 12 hexadecimal digits.
    pub id: String,
    /// The project, normalized.
    pub project: String,
    /// The URL of the issuer, without a slash at the end.
    pub issuer: String,
    /// What the identity must say, word by word. After a value that ends with `@*` any ref may stand.
    pub claims: BTreeMap<String, String>,
    /// What its tokens allow.
    pub actions: Vec<Action>,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: String,
}

/// A claim that is not what a publisher asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) claim: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Publisher {
    /// What an identity says otherwise than this publisher asks for, and whether it is one of the same repository.
    pub(crate) fn compare(&self, claims: &Claims) -> (Vec<Difference>, bool) {
        let (mut differences, mut near) = (Vec::new(), false);
        for (claim, expected) in &self.claims {
            let got = claims.get(claim).map(text).unwrap_or_default();
            if fits(expected, &got) {
                near |= WHOSE.contains(&claim.as_str());
            } else {
                differences.push(Difference { claim: claim.clone(), expected: expected.clone(), got });
            }
        }
        let event = claims.get("event_name").map(text).unwrap_or_default();
        if REFUSED_EVENTS.contains(&event.as_str()) {
            let expected = "an event under which no code of strangers runs".to_owned();
            differences.push(Difference { claim: "event_name".to_owned(), expected, got: event });
        }
        (differences, near)
    }
}

/// A claim as text: numbers and truth values are compared by how they are written.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn fits(expected: &str, got: &str) -> bool {
    match expected.strip_suffix('*') {
        Some(start) if start.ends_with('@') => got.starts_with(start) && got.len() > start.len(),
        _ => expected == got,
    }
}

/// The URL of an issuer as it is stored.
///
/// # Errors
/// When it is no HTTPS URL of a host, or HTTP of a loopback address.
pub(crate) fn issuer_url(text: &str) -> Result<String, IndexError> {
    let wrong = |why: &str| {
        let text: String = text.chars().take(200).collect();
        IndexError::Config { key: "issuer", why: format!("`{text}` {why}") }
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if !is_safe(&url) {
        return Err(wrong("is not an HTTPS URL; keys that come over plain HTTP prove nothing"));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(wrong("has more than a host and a path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether what comes from a URL can be believed: HTTPS, or this machine.
fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// Refuses claims that would trust everybody who has a job at the issuer.
///
/// # Errors
/// When none of them says whose job it is, or one is empty.
pub(crate) fn judge_claims(claims: &BTreeMap<String, String>) -> Result<(), IndexError> {
    let wrong = |why: String| Err(IndexError::Config { key: "claim", why });
    if let Some((name, _)) = claims.iter().find(|(name, value)| name.is_empty() || value.is_empty()) {
        return wrong(format!("the claim `{name}` has no name or no value"));
    }
    if !WHOSE.iter().any(|claim| claims.contains_key(*claim)) {
        return wrong(format!("nothing says whose job it is; name one of {}", WHOSE.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn publisher(claims: &[(&str, &str)]) -> Publisher {
        Publisher {
            id: "0".repeat(12),
            project: "demo".into(),
            issuer: "https://issuer.test".into(),
            claims: claims.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            actions: vec![Action::Upload],
            created_at: String::new(),
        }
    }

    fn differing(publisher: &Publisher, claims: Value) -> Vec<String> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        publisher.compare(&claims).0.into_iter().map(|difference| difference.claim).collect()
    }

    #[test]
    fn c18_every_claim_must_fit() {
        let workflow = "team/demo/.github/workflows/publish.yml@*";
        let trusted =
            publisher(&[("repository", "team/demo"), ("job_workflow_ref", workflow), ("owner", "47")]);
        let good = json!({
            "repository": "team/demo", "owner": 47,
            "job_workflow_ref": "team/demo/.github/workflows/publish.yml@refs/heads/main",
        });
        assert_eq!(differing(&trusted, good.clone()), [""; 0]);
        let with = |claim: &str, value: Value| {
            let mut claims = good.clone();
            claims[claim] = value;
            claims
        };
        for (claim, value) in [
            ("repository", json!("team/demo2")),
            ("repository", json!("Team/demo")),
            ("repository", Value::Null),
            ("owner", json!(471)),
            ("job_workflow_ref", json!("team/demo/.github/workflows/publish.yml@")),
            ("job_workflow_ref", json!("team/demo/.github/workflows/publish.yml")),
            ("job_workflow_ref", json!("other/demo/.github/workflows/publish.yml@refs/heads/main")),
            ("job_workflow_ref", json!("team/demo/.github/workflows/publish.yml2@refs/heads/main")),
        ] {
            assert_eq!(differing(&trusted, with(claim, value.clone())), [claim], "{value}");
        }
        assert_eq!(differing(&trusted, with("event_name", json!("pull_request_target"))), ["event_name"]);
        assert_eq!(differing(&trusted, with("event_name", json!("push"))), [""; 0]);
        // Only after `@` anything goes.
        assert!(!fits("team/*", "team/demo") && fits("team/*", "team/*"));
    }

    #[test]
    fn f10_an_issuer_is_asked_over_https_alone() {
        assert_eq!(issuer_url("https://forge.test/path/").unwrap(), "https://forge.test/path");
        assert_eq!(issuer_url("http://127.0.0.1:80").unwrap(), "http://127.0.0.1");
        for wrong in
            ["forge.test", "http://forge.test", "https://a@forge.test", "https://forge.test/?a", "file:///a"]
        {
            assert!(issuer_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn f10_tokens_of_a_publisher_are_the_publisher() {
        assert_eq!(bearer("publisher:0a/1b"), "publisher:0a");
        assert_eq!((bearer("publisher:0a"), bearer("team/demo")), ("publisher:0a", "team/demo"));
    }

    #[test]
    fn f10_a_publisher_says_whose_job_it_trusts() {
        let claims = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert!(judge_claims(&claims("repository", "team/demo")).is_ok());
        assert!(judge_claims(&claims("environment", "release")).is_err());
        assert!(judge_claims(&claims("job_workflow_ref", "team/demo/.github/workflows/a.yml@*")).is_err());
        assert!(judge_claims(&claims("repository", "")).is_err());
        assert!(judge_claims(&BTreeMap::new()).is_err());
    }
}
