//! Tokens: what they allow, how they are made and how one is recognised.
//!
//! A token is shown once and stored as a digest. It never appears in an error, a log line or a document;
//! [`Secret`] can neither be printed nor serialized.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use shipway_dist::channel::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::name::ProjectName;
use subtle::ConstantTimeEq as _;

use crate::config::time_text;
use crate::error::IndexError;
use crate::project::Channel;
use crate::random;
use crate::store::TokenRow;
use crate::trust;

/// What every token begins with, so that scanners and people recognise one.
pub const TOKEN_PREFIX: &str = "shipway_";

macro_rules! actions {
    ($($variant:ident $text:literal $what:literal,)+) => {
        /// Something that a token may allow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $(#[doc = $what] $variant,)+
        }

        impl Action {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The action's name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

actions! {
    Upload "upload" "Uploads files, and reads the project uploaded to.",
    Promote "promote" "Promotes releases.",
    Yank "yank" "Yanks releases.",
    Block "block" "Blocks releases and rolls them back.",
    Read "read" "Reads pages and files.",
    Evidence "evidence" "Adds evidence.",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = IndexError;

    fn from_str(text: &str) -> Result<Self, IndexError> {
        let found = Self::ALL.iter().copied().find(|action| action.as_str() == text);
        let all = || Self::ALL.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| IndexError::Config {
            key: "action",
            why: format!("`{text}` is not an action; there are {}", all()),
        })
    }
}

/// A token in the clear. Neither printed nor serialized; [`Secret::expose`] says where it is needed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A token to create.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    /// Its name; one valid token may bear it.
    pub name: String,
    /// The projects it reaches; empty: all.
    pub projects: Vec<ProjectName>,
    /// The channels it reaches; empty: all.
    pub channels: Vec<ChannelName>,
    /// What it allows.
    pub actions: Vec<Action>,
    /// How long it holds; absent: for ever.
    pub expires: Option<SignedDuration>,
}

/// What bounds a token besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBounds {
    /// From when on it holds; absent: at once.
    pub not_before: Option<Timestamp>,
    /// How often it may change something: take a file or a release in, promote, yank, block; absent: as often
    /// as it likes.
    pub uses: Option<NonZeroU32>,
}

/// A token as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// The projects it reaches, normalized; empty: all.
    pub projects: Vec<String>,
    /// The channels it reaches; empty: all.
    pub channels: Vec<String>,
    /// What it allows.
    pub actions: Vec<Action>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// From when on it holds.
    pub not_before: Option<String>,
    /// How often it may change something, and how often it did.
    pub uses: Option<(u32, u32)>,
}

/// Reads a duration such as `30d`, `12h`, `15m`, `90s` or `4w`.
///
/// # Errors
/// When the text is no number with one of these units, or zero.
pub fn parse_duration(text: &str) -> Result<SignedDuration, IndexError> {
    let error = || IndexError::Config {
        key: "expires",
        why: format!(
            "`{}` is not a duration such as `30d`, `12h` or `15m`",
            text.chars().take(40).collect::<String>()
        ),
    };
    let unit = text.chars().last().ok_or_else(error)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(error()),
    };
    let digits = &text[..text.len() - 1];
    // Ten thousand years are enough, and end in a date that can be written.
    let number: i64 =
        digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit())).ok_or_else(error)?;
    number
        .checked_mul(seconds)
        .filter(|seconds| (1..=200_000_000_000).contains(seconds))
        .map(SignedDuration::from_secs)
        .ok_or_else(error)
}

/// What a holder may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) name: String,
    projects: Option<BTreeSet<String>>,
    channels: Option<BTreeSet<String>>,
    actions: BTreeSet<Action>,
    /// The id of a token whose uses are counted, and how many it has.
    counted: Option<(String, u32)>,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// Nobody in particular; may read where the index lets anybody read.
    Anonymous,
    /// The holder of a token.
    Holder(Arc<Grant>),
}

impl Grant {
    /// Everything, for the token of an embedded index.
    pub(crate) fn everything(name: &str) -> Self {
        let actions = Action::ALL.iter().copied().collect();
        Self { name: name.to_owned(), projects: None, channels: None, actions, counted: None }
    }

    /// The id of a token whose uses are counted.
    pub(crate) fn counted(&self) -> Option<&str> {
        self.counted.as_ref().map(|(id, _)| id.as_str())
    }

    /// The refusal when no use is left.
    pub(crate) fn spent(&self) -> IndexError {
        let uses = self.counted.as_ref().map_or(0, |(_, uses)| *uses);
        let has = format!("{uses} {}, all made", if uses == 1 { "use" } else { "uses" });
        IndexError::TokenScope { name: self.name.clone(), has, needs: "one more".to_owned() }
    }

    /// Whether an action is allowed; without a project or a channel, in any.
    pub(crate) fn allows(&self, action: Action, project: Option<&str>, channel: Option<&str>) -> bool {
        let holds = |limit: &Option<BTreeSet<String>>, wanted: Option<&str>| match (limit, wanted) {
            (Some(limit), Some(wanted)) => limit.contains(wanted),
            (None, _) | (_, None) => true,
        };
        self.actions.contains(&action) && holds(&self.projects, project) && holds(&self.channels, channel)
    }

    /// # Errors
    /// Says what the token is limited to and what this needs.
    pub(crate) fn require(
        &self,
        action: Action,
        project: Option<&str>,
        channel: Option<&str>,
    ) -> Result<(), IndexError> {
        if self.allows(action, project, channel) {
            return Ok(());
        }
        let list = |items: &BTreeSet<String>| {
            items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
        };
        let (has, needs) = match (&self.projects, project, &self.channels, channel) {
            _ if !self.actions.contains(&action) => {
                let actions: Vec<_> = self.actions.iter().map(|action| action.as_str()).collect();
                (format!("the actions {}", actions.join(", ")), format!("the action {action}"))
            }
            (Some(projects), Some(project), _, _) if !projects.contains(project) => {
                (format!("the projects {}", list(projects)), format!("the project `{project}`"))
            }
            (_, _, channels, channel) => {
                let channels = channels.as_ref().map(list).unwrap_or_default();
                (format!("the channels {channels}"), format!("the channel `{}`", channel.unwrap_or_default()))
            }
        };
        Err(IndexError::TokenScope { name: self.name.clone(), has, needs })
    }

    fn reads(&self, project: Option<&str>, channel: &str) -> bool {
        self.allows(Action::Read, project, Some(channel))
            // So that a client can compare what it uploaded (uv's check URL).
            || self.allows(Action::Upload, project, Some(channel))
    }
}

impl Identity {
    /// The name that the journal shows.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Holder(grant) => &grant.name,
        }
    }

    /// The holder's grant.
    ///
    /// # Errors
    /// When nobody in particular asks.
    pub(crate) fn grant(&self) -> Result<&Grant, IndexError> {
        match self {
            Self::Anonymous => Err(IndexError::Unauthenticated {
                why: "a token is needed: pass it as the password with any user name, or as `Authorization: Bearer`"
                    .to_owned(),
            }),
            Self::Holder(grant) => Ok(grant),
        }
    }

    /// Whether the pages of a channel, or of one project in it, may be read.
    pub(crate) fn may_read(&self, project: Option<&str>, channel: &str, anonymous_read: bool) -> bool {
        match self {
            Self::Anonymous => anonymous_read,
            Self::Holder(grant) => grant.reads(project, channel),
        }
    }

    /// The projects of a channel that may be read at most; nothing when all may be.
    pub(crate) fn limited_to(&self, channel: &str, anonymous_read: bool) -> Option<&BTreeSet<String>> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        match self {
            Self::Anonymous => (!anonymous_read).then_some(&NONE),
            Self::Holder(grant) if grant.reads(None, channel) => grant.projects.as_ref(),
            Self::Holder(_) => Some(&NONE),
        }
    }

    /// Whether whatever happens in any project may be read.
    pub(crate) fn reads_everything(&self, anonymous_read: bool) -> bool {
        match self {
            Self::Anonymous => anonymous_read,
            Self::Holder(grant) => {
                grant.projects.is_none() && grant.channels.is_none() && grant.actions.contains(&Action::Read)
            }
        }
    }

    /// Whether the record of a project may be read: whoever may act on it may.
    pub(crate) fn may_know(&self, project: &str, channels: &[Channel], anonymous_read: bool) -> bool {
        match self {
            Self::Anonymous => anonymous_read,
            Self::Holder(grant) => channels.iter().any(|channel| {
                let channel = Some(channel.name.as_str());
                Action::ALL.iter().any(|action| grant.allows(*action, Some(project), channel))
            }),
        }
    }
}

/// Makes a token: what is shown once, and what is stored.
pub(crate) fn make(
    spec: &TokenSpec,
    bounds: TokenBounds,
    now: Timestamp,
) -> Result<(Secret, TokenRow), IndexError> {
    if spec.actions.is_empty() || spec.name.trim().is_empty() {
        let why = "a token needs a name and at least one action".to_owned();
        return Err(IndexError::Config { key: "token", why });
    }
    let id = random::id()[..12].to_owned();
    let secret = Secret(format!("{TOKEN_PREFIX}{id}_{}", random::hex(&random::secret())));
    let expires_at = match spec.expires {
        None => None,
        Some(after) => Some(
            now.checked_add(after)
                .map_err(|error| IndexError::Config { key: "expires", why: error.to_string() })?,
        ),
    };
    let projects: Vec<_> = spec.projects.iter().map(|project| project.normalized()).collect();
    let channels: Vec<_> = spec.channels.iter().map(ChannelName::as_str).collect();
    let actions: Vec<_> = spec.actions.iter().map(|action| action.as_str()).collect();
    let row = TokenRow {
        id,
        name: spec.name.clone(),
        hash: Sha256::of(secret.0.as_bytes()).to_hex(),
        projects: serde_json::to_string(&projects)?,
        channels: serde_json::to_string(&channels)?,
        actions: serde_json::to_string(&actions)?,
        created_at: time_text(now),
        expires_at: expires_at.map(time_text),
        revoked_at: None,
        not_before: bounds.not_before.map(time_text),
        uses: bounds.uses.map(|uses| uses.get().into()),
        used: 0,
    };
    Ok((secret, row))
}

/// A token that lives in this process alone.
pub(crate) fn ephemeral() -> (Secret, Sha256) {
    let secret = Secret(format!("{TOKEN_PREFIX}{}_{}", "embedded", random::hex(&random::secret())));
    let hash = Sha256::of(secret.0.as_bytes());
    (secret, hash)
}

/// The part of a token that finds its row; nothing when the text is no token of ours.
pub(crate) fn id_of(presented: &str) -> Option<&str> {
    presented.strip_prefix(TOKEN_PREFIX)?.split_once('_').map(|(id, _)| id)
}

/// Whether a presented token has a stored digest, in constant time.
pub(crate) fn matches(presented: &str, hash: &str) -> bool {
    Sha256::of(presented.as_bytes()).to_hex().as_bytes().ct_eq(hash.as_bytes()).into()
}

/// Judges a presented token against the row that its id found.
///
/// # Errors
/// Says whether the token is unknown, revoked or expired, and never repeats it.
pub(crate) fn judge(presented: &str, row: Option<&TokenRow>, now: Timestamp) -> Result<Grant, IndexError> {
    let refuse = |why: String| Err(IndexError::Unauthenticated { why });
    let Some(row) = row.filter(|row| matches(presented, &row.hash)) else {
        return refuse("the token is unknown".to_owned());
    };
    if let Some(at) = &row.revoked_at {
        return refuse(format!("the token `{}` was revoked at {at}", row.name));
    }
    if let Some(at) = &row.expires_at
        && time_text(now) >= *at
    {
        return refuse(format!("the token `{}` expired at {at}", row.name));
    }
    if let Some(at) = &row.not_before
        && time_text(now) < *at
    {
        return refuse(format!("the token `{}` does not hold before {at}", row.name));
    }
    let info = info(row)?;
    let set = |items: Vec<String>| (!items.is_empty()).then(|| items.into_iter().collect::<BTreeSet<_>>());
    Ok(Grant {
        name: trust::bearer(&row.name).to_owned(),
        projects: set(info.projects),
        channels: set(info.channels),
        actions: info.actions.into_iter().collect(),
        counted: info.uses.map(|(uses, _)| (row.id.clone(), uses)),
    })
}

fn number(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A row as the list shows it.
pub(crate) fn info(row: &TokenRow) -> Result<TokenInfo, IndexError> {
    let actions: Vec<String> = serde_json::from_str(&row.actions)?;
    Ok(TokenInfo {
        name: row.name.clone(),
        projects: serde_json::from_str(&row.projects)?,
        channels: serde_json::from_str(&row.channels)?,
        actions: actions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        created_at: row.created_at.clone(),
        expires_at: row.expires_at.clone(),
        revoked_at: row.revoked_at.clone(),
        not_before: row.not_before.clone(),
        uses: row.uses.map(|uses| (number(uses), number(row.used))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TokenSpec {
        TokenSpec {
            name: "ci".into(),
            projects: vec!["Demo.Name".parse().unwrap()],
            channels: vec!["dev".parse().unwrap()],
            actions: vec![Action::Upload],
            expires: Some(parse_duration("30d").unwrap()),
        }
    }

    #[test]
    fn a_token_is_limited_to_project_channel_action_and_time() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let (secret, row) = make(&spec(), TokenBounds::default(), now).unwrap();
        assert!(secret.expose().starts_with(TOKEN_PREFIX));
        assert!(!format!("{secret:?}{row:?}").contains(secret.expose()));
        assert_eq!(id_of(secret.expose()), Some(row.id.as_str()));
        let grant = judge(secret.expose(), Some(&row), now).unwrap();
        grant.require(Action::Upload, Some("demo-name"), Some("dev")).unwrap();
        for (action, project, channel) in [
            (Action::Promote, "demo-name", "dev"),
            (Action::Upload, "other", "dev"),
            (Action::Upload, "demo-name", "stable"),
        ] {
            let error = grant.require(action, Some(project), Some(channel)).unwrap_err();
            assert!(matches!(error, IndexError::TokenScope { .. }), "{error}");
        }
        let late: Timestamp = "2030-01-31T00:00:00Z".parse().unwrap();
        let error = judge(secret.expose(), Some(&row), late).unwrap_err().to_string();
        assert!(error.contains("expired"), "{error}");
        let mut wrong = secret.expose().to_owned();
        wrong.pop();
        let error = judge(&wrong, Some(&row), now).unwrap_err().to_string();
        assert!(error.contains("unknown") && !error.contains(&wrong), "{error}");
    }

    #[test]
    fn what_is_allowed_is_what_is_required() {
        let set = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
        let actions = |actions: &[Action]| actions.iter().copied().collect();
        let all = Grant::everything("all");
        let projects = Grant { projects: set(&["demo"]), actions: actions(&[Action::Read]), ..all.clone() };
        let channels = Grant { channels: set(&["dev"]), actions: actions(&[Action::Upload]), ..all.clone() };
        for (grant, counted) in [(&all, 54), (&projects, 6), (&channels, 6)] {
            let mut allowed = 0;
            for action in Action::ALL {
                for project in [None, Some("demo"), Some("other")] {
                    for channel in [None, Some("dev"), Some("stable")] {
                        let required = grant.require(*action, project, channel);
                        assert_eq!(grant.allows(*action, project, channel), required.is_ok());
                        if let Err(error) = &required {
                            assert!(error.to_string().contains("is limited to the "), "{error}");
                        }
                        allowed += usize::from(required.is_ok());
                    }
                }
            }
            assert_eq!(allowed, counted, "{grant:?}");
        }
        let limited = |who: &Identity, channel: &str| who.limited_to(channel, false).cloned();
        let holder = |grant: &Grant| Identity::Holder(Arc::new(grant.clone()));
        assert_eq!(limited(&holder(&all), "dev"), None);
        assert_eq!(limited(&holder(&projects), "dev"), set(&["demo"]));
        assert_eq!(limited(&holder(&channels), "dev"), None);
        assert_eq!(limited(&holder(&channels), "stable"), set(&[]));
        assert_eq!(limited(&Identity::Anonymous, "dev"), set(&[]));
        assert_eq!(Identity::Anonymous.limited_to("dev", true), None);
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90s").unwrap().as_secs(), 90);
        assert_eq!(parse_duration("2w").unwrap().as_secs(), 14 * 86_400);
        for text in [
            "",
            "d",
            "-1d",
            "+1d",
            "1y",
            "0d",
            "1.5h",
            "99999999999999999999d",
            "30",
            "9223372036854775807w",
            "3é",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
