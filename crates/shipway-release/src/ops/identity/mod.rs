//! The identity of the CI job, as a signed token (OIDC): where it comes from, and what may be read of it.
//!
//! Nothing is verified here: the index does that. A token is shown to one server, the one whose audience it names,
//! and is never printed, logged or kept.

mod mask;
mod mint;
mod request;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

pub use mint::{Minted, Minter};

use crate::config::{Environment, environment};
use crate::error::{Error, Result};
use crate::ops::secret::Secret;

/// Where the identity of the job comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// GitHub: a token is made for every audience that is asked for.
    Request {
        /// The URL that makes one.
        url: Url,
        /// What it is asked with.
        token: Secret,
    },
    /// A variable that the CI filled when the job began; its audience stands fixed.
    Variable {
        /// The variable's name.
        name: String,
        /// The token.
        token: Secret,
        /// The CI, for people.
        ci: &'static str,
    },
}

/// Whether the job has an identity.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It has one.
    Here(Source),
    /// It has none, and why, where a CI is at work at all.
    Absent(Option<String>),
}

/// Looks for the identity of the job.
///
/// # Errors
/// When a variable that was named is not set, or what GitHub gives is no URL.
pub(crate) fn find(environment: &Environment) -> Result<Found> {
    let is = |name: &str| environment.get(name) == Some("true");
    let (is_github, is_gitlab) = (is(environment::ON_GITHUB), is(environment::ON_GITLAB));
    let ci = if is_gitlab { "GitLab" } else { "CI" };
    if let Some(name) = environment.get(environment::ID_TOKEN_VARIABLE) {
        let Some(token) = environment.get(name) else {
            return Err(Error::usage(
                "no-identity",
                format!("`{}` names `{name}`, which is not set", environment::ID_TOKEN_VARIABLE),
            )
            .hint("let the CI fill it, or unset the name"));
        };
        return Ok(Found::Here(Source::Variable { name: name.to_owned(), token: Secret::new(token), ci }));
    }
    if let Some(token) = environment.get(environment::ID_TOKEN) {
        let name = environment::ID_TOKEN.to_owned();
        return Ok(Found::Here(Source::Variable { name, token: Secret::new(token), ci }));
    }
    let [url, token] = environment::GITHUB_ID_TOKEN_REQUEST;
    if let (Some(text), Some(token)) = (environment.get(url), environment.get(token)) {
        let url = text.parse::<Url>().map_err(|error| {
            Error::incomplete("no-identity", format!("`{url}` holds no URL")).cause(error.to_string())
        })?;
        return Ok(Found::Here(Source::Request { url, token: Secret::new(token) }));
    }
    Ok(Found::Absent(if is_github {
        Some(format!(
            "this job may not ask for an identity: `{url}` is not set; give the job `permissions: id-token: write`"
        ))
    } else if is_gitlab {
        let name = environment::ID_TOKEN;
        Some(format!(
            "this job has no identity: `{name}` is not set; name it under the job's `id_tokens:` with the index's audience as `aud`"
        ))
    } else {
        None
    }))
}

impl Source {
    /// Where it comes from, for people.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Request { .. } => "the CI's identity (GitHub)".to_owned(),
            Self::Variable { name, ci, .. } => format!("the CI's identity ({ci}, `{name}`)"),
        }
    }

    /// Whether it can be had again, for another try.
    pub(crate) fn is_renewable(&self) -> bool {
        matches!(self, Self::Request { .. })
    }
}

/// What a token says about itself; not verified, for comparisons that spare it the journey.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    audience: Vec<String>,
    expires: Option<Timestamp>,
}

impl Claims {
    /// Reads them; none when the text is no such token.
    pub(crate) fn read(token: &Secret) -> Option<Self> {
        let mut parts = token.expose().split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let audience = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
            Some(one) => text(one).into_iter().collect(),
            None => Vec::new(),
        };
        let expires = claims.get("exp").and_then(Value::as_i64);
        Some(Self { audience, expires: expires.and_then(|at| Timestamp::from_second(at).ok()) })
    }

    /// Refuses a token that was made for somebody else, or that is over.
    pub(crate) fn judge(&self, audience: &str, now: Timestamp, what: &str) -> Result<()> {
        if self.audience != [audience] {
            return Err(Error::incomplete("identity-audience", format!("{what} is meant for another index"))
                .cause(format!(
                    "its `aud` is `{}`, the index asks for `{audience}`",
                    self.audience.join(", ")
                ))
                .hint(format!("let the CI make it with `aud: {audience}`")));
        }
        match self.expires {
            Some(at) if at <= now => {
                Err(Error::incomplete("identity-expired", format!("{what} was good until {at}"))
                    .hint("run the job again"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(pairs: &[(&str, &str)]) -> Result<Found> {
        find(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn f10_each_ci_is_asked_in_its_own_way() {
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://ci.example/token?v=1"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary"),
        ];
        let Ok(Found::Here(source)) = look(&github) else { panic!("an identity") };
        assert!(source.is_renewable() && !format!("{source:?}").contains("canary"));
        let Ok(Found::Absent(Some(why))) = look(&github[..1]) else { panic!("none") };
        assert!(why.contains("id-token: write"), "{why}");
        let gitlab = [("GITLAB_CI", "true"), ("SHIPWAY_ID_TOKEN", "canary")];
        let Ok(Found::Here(source)) = look(&gitlab) else { panic!("an identity") };
        assert_eq!(source.label(), "the CI's identity (GitLab, `SHIPWAY_ID_TOKEN`)");
        assert!(!source.is_renewable());
        let Ok(Found::Absent(Some(why))) = look(&gitlab[..1]) else { panic!("none") };
        assert!(why.contains("id_tokens"), "{why}");
        let named = [("SHIPWAY_ID_TOKEN_VARIABLE", "MINE"), ("MINE", "canary")];
        let Ok(Found::Here(source)) = look(&named) else { panic!("an identity") };
        assert_eq!(source.label(), "the CI's identity (CI, `MINE`)");
        assert_eq!(look(&named[..1]).unwrap_err().exit_code(), 2);
        assert!(matches!(look(&[]), Ok(Found::Absent(None))));
    }

    #[test]
    fn f10_a_token_for_somebody_else_is_not_sent() {
        let token = |claims: &str| Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
        let now = Timestamp::from_second(1_000).unwrap();
        let judge = |claims: &str| {
            let claims = Claims::read(&token(claims)).unwrap();
            claims.judge("index", now, "the token").map_err(|error| error.code())
        };
        assert_eq!(judge(r#"{"aud":"index","exp":1001}"#), Ok(()));
        assert_eq!(judge(r#"{"aud":["index"],"exp":1001}"#), Ok(()));
        assert_eq!(judge(r#"{"aud":["index","other"],"exp":1001}"#), Err("identity-audience"));
        assert_eq!(judge(r#"{"aud":"other","exp":1001}"#), Err("identity-audience"));
        assert_eq!(judge(r#"{"exp":1001}"#), Err("identity-audience"));
        assert_eq!(judge(r#"{"aud":"index","exp":1000}"#), Err("identity-expired"));
        for text in ["", "a.b", "a.!.c", "a.b.c.d"] {
            assert!(Claims::read(&Secret::new(text)).is_none(), "{text}");
        }
    }
}
