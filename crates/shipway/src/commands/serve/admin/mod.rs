//! `shipway admin`

mod intake;
mod keys;
mod policy;
mod projects;
mod publishers;
mod whole;

use std::fmt::Write as _;
use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_dist::ProjectName;
use shipway_index::{
    Action, Admin, ChannelConfig, IndexError, Phase, TokenBounds, TokenInfo, TokenSpec, parse_duration,
};
use shipway_release::{Error, Result};

use super::Store;
use crate::commands::channel;
use crate::embedded::{index_error, runtime};
use crate::output::{Outcome, write_stderr};
use crate::session::Session;

/// Administer the index: tokens, publishers, channels, projects, keys, the policy, and the index as a whole
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    #[command(subcommand)]
    area: Area,
}

#[derive(Debug, Subcommand)]
enum Area {
    /// Tokens: who may do what, and until when
    #[command(subcommand)]
    Token(Token),
    /// Channels, in order of promotion
    #[command(subcommand)]
    Channel(Channel),
    /// Keys: who may sign evidence, and as what
    #[command(subcommand)]
    Key(keys::Key),
    /// The policy: what each channel asks of a release
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Projects: their names, status and limits
    #[command(subcommand)]
    Project(projects::Project),
    /// Namespaces: who may make projects that begin so
    #[command(subcommand)]
    Namespace(projects::Namespace),
    /// Publishers: whose CI jobs may upload without a token that is kept anywhere (trusted publishing)
    #[command(subcommand)]
    Publisher(publishers::Publisher),
    /// Replace a file by a reasoned tombstone; its name is never free again
    Remove {
        /// The filename
        filename: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    #[command(flatten)]
    Whole(whole::Whole),
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token; it is printed once, and nothing else is printed
    Create(TokenCreate),
    /// List tokens, never their secrets
    List,
    /// Revoke a token
    Revoke {
        /// The token's name
        #[arg(value_name = "NAME")]
        token: String,
    },
}

#[derive(Debug, Args)]
struct TokenCreate {
    /// What it is called; unique
    // `name` and `project` stand in for the global options of those names.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A project that it reaches; none: all
    #[arg(long, value_name = "PROJECT")]
    project: Vec<String>,
    /// A channel that it reaches; none: all
    #[arg(long = "channel", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// What it allows: upload, promote, yank, block, read, evidence
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',', required = true)]
    actions: Vec<String>,
    /// How long it holds, such as 30d or 12h; default: until revoked
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    /// When it begins to hold: a time such as 2030-01-31T12:00:00Z, or a duration from now; default: at once
    #[arg(long, value_name = "TIME|DURATION")]
    not_before: Option<String>,
    /// How often it may change something, such as 1; default: as often as it likes
    #[arg(long, value_name = "NUMBER")]
    uses: Option<NonZeroU32>,
}

#[derive(Debug, Subcommand)]
enum Channel {
    /// List the channels
    List,
    /// Add a channel at the end
    Create {
        /// Its name
        #[arg(value_name = "NAME")]
        channel: String,
        /// Let it take uploads
        #[arg(long)]
        accepts_uploads: bool,
    },
    /// Set which versions a channel does not take
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        channel: String,
        /// Kinds of versions: dev, pre, post; `none` for taking all
        #[arg(long, value_name = "KIND", value_delimiter = ',', required = true)]
        refuse: Vec<String>,
    },
}

pub(crate) fn run(arguments: &Arguments, session: &Session) -> Result<Outcome> {
    let config = arguments.store.config(session)?;
    if !arguments.store.is_named() && session.global.quiet == 0 {
        write_stderr(&format!(
            "administering the embedded index in {}; --data names another",
            config.data.display()
        ));
    }
    if let Area::Whole(whole::Whole::Import(from)) = &arguments.area
        && from.channel.is_none()
    {
        return runtime()?.block_on(whole::import(&config, std::path::Path::new(&from.from)));
    }
    runtime()?.block_on(async {
        let admin = Admin::open(&config).await.map_err(|error| index_error(&error))?;
        let result = match &arguments.area {
            Area::Whole(whole::Whole::Import(from)) => {
                intake::act(&admin, from, from.channel.as_deref().unwrap_or_default(), session).await
            }
            area => act(&admin, area).await,
        };
        admin.close().await;
        result
    })
}

async fn act(admin: &Admin, area: &Area) -> Result<Outcome> {
    match area {
        Area::Token(Token::Create(create)) => {
            let (spec, bounds) = (spec(create)?, bounds(create)?);
            let secret = admin.create_bounded_token(&spec, bounds).await.map_err(|error| refused(&error))?;
            let document = json!({ "name": create.name, "token": secret.expose() });
            Ok(Outcome::new(&document).print(format!("{}\n", secret.expose())))
        }
        Area::Token(Token::List) => {
            let tokens = admin.tokens().await.map_err(|error| index_error(&error))?;
            Ok(list(&tokens))
        }
        Area::Token(Token::Revoke { token }) => {
            admin.revoke_token(token).await.map_err(|error| refused(&error))?;
            Ok(Outcome::new(&json!({ "name": token })).say(format!("revoked `{token}`")))
        }
        Area::Channel(Channel::List) => {
            let channels = admin.channels().await.map_err(|error| index_error(&error))?;
            let mut text = String::new();
            for channel in &channels {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{:<14} {}",
                    channel.name.as_str(),
                    if channel.accepts_uploads { "takes uploads" } else { "" }
                );
            }
            let list: Vec<_> = channels
                .iter()
                .map(|one| json!({ "name": one.name, "accepts_uploads": one.accepts_uploads }))
                .collect();
            Ok(Outcome::new(&json!({ "channels": list })).print(text))
        }
        Area::Channel(Channel::Create { channel: name, accepts_uploads }) => {
            let name = channel(name)?;
            let config = ChannelConfig {
                name: name.clone(),
                accepts_uploads: *accepts_uploads,
                local_versions: false,
            };
            admin.create_channel(&config).await.map_err(|error| refused(&error))?;
            Ok(Outcome::new(&json!({ "name": name })).say(format!("created `{name}`")))
        }
        Area::Channel(Channel::Set { channel: name, refuse }) => {
            let name = channel(name)?;
            let kinds = refuse.iter().map(String::as_str).filter(|kind| *kind != "none");
            let kinds = kinds.map(str::parse::<Phase>).collect::<std::result::Result<Vec<_>, _>>();
            let kinds = kinds.map_err(|error| refused(&error))?;
            let changed = admin.set_channel_refuses(&name, &kinds).await.map_err(|error| refused(&error))?;
            let words: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            let said = if changed { "set" } else { "already so:" };
            Ok(Outcome::new(&json!({ "name": name, "refuses": words, "changed": changed }))
                .say(format!("{said} `{name}`")))
        }
        Area::Project(project) => projects::act(admin, project).await,
        Area::Namespace(namespace) => projects::act_namespace(admin, namespace).await,
        Area::Publisher(publisher) => publishers::act(admin, publisher).await,
        Area::Key(key) => keys::act(admin, key).await,
        Area::Policy(policy) => policy::act(admin, policy).await,
        Area::Whole(whole) => whole::act(admin, whole).await,
        Area::Remove { filename, reason } => {
            admin.remove_file(filename, reason).await.map_err(|error| refused(&error))?;
            Ok(Outcome::new(&json!({ "filename": filename, "reason": reason }))
                .say(format!("removed `{filename}`")))
        }
    }
}

fn spec(create: &TokenCreate) -> Result<TokenSpec> {
    let wrong = |error: String| Error::usage("token", error);
    let projects = create
        .project
        .iter()
        .map(|name| name.parse::<ProjectName>().map_err(|error| wrong(error.to_string())));
    let actions = create.actions.iter().map(|text| {
        let known = Action::ALL.iter().copied().find(|action| action.as_str() == text.trim());
        known.ok_or_else(|| {
            let all: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
            wrong(format!("`{text}` is not an action")).hint(format!("actions: {}", all.join(", ")))
        })
    });
    let expires =
        create.expires.as_deref().map(|text| parse_duration(text).map_err(|error| wrong(error.to_string())));
    Ok(TokenSpec {
        name: create.name.clone(),
        projects: projects.collect::<Result<_>>()?,
        channels: create.channels.iter().map(|text| channel(text)).collect::<Result<_>>()?,
        actions: actions.collect::<Result<_>>()?,
        expires: expires.transpose()?,
    })
}

fn bounds(create: &TokenCreate) -> Result<TokenBounds> {
    let not_before = create.not_before.as_deref().map(|text| {
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return Ok(time);
        }
        let after = parse_duration(text).map_err(|_| {
            Error::usage("token", format!("`{text}` is neither a time nor a duration"))
                .hint("--not-before 2030-01-31T12:00:00Z, or --not-before 12h")
        })?;
        let time = jiff::Timestamp::now().checked_add(after);
        time.map_err(|error| Error::usage("token", error.to_string()))
    });
    Ok(TokenBounds { not_before: not_before.transpose()?, uses: create.uses })
}

fn list(tokens: &[TokenInfo]) -> Outcome {
    let mut text = String::new();
    let or_all = |list: &[String]| if list.is_empty() { "all".to_owned() } else { list.join(",") };
    let mut documents = Vec::new();
    for token in tokens {
        let actions: Vec<&str> = token.actions.iter().map(|action| action.as_str()).collect();
        let state = match (&token.revoked_at, &token.expires_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("until {at}"),
            (None, None) => "no end".to_owned(),
        };
        let begin = token.not_before.as_ref().map(|at| format!("  from {at}")).unwrap_or_default();
        let uses = token.uses.map(|(uses, used)| format!("  used {used} of {uses}")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<20} projects {}  channels {}  actions {}  {state}{begin}{uses}",
            token.name,
            or_all(&token.projects),
            or_all(&token.channels),
            actions.join(",")
        );
        documents.push(json!({
            "name": token.name, "projects": token.projects, "channels": token.channels, "actions": actions,
            "created_at": token.created_at, "expires_at": token.expires_at, "revoked_at": token.revoked_at,
            "not_before": token.not_before, "uses": token.uses.map(|(uses, _)| uses),
            "used": token.uses.map(|(_, used)| used),
        }));
    }
    Outcome::new(&json!({ "tokens": documents })).print(text)
}

/// What an administrator asked for and the index refused.
fn refused(error: &IndexError) -> Error {
    match index_error(error) {
        error @ Error::Usage { .. } => error,
        other => {
            let what = other.problems().first().map(|problem| problem.message.clone()).unwrap_or_default();
            let refusal = Error::refused("admin", what);
            other.problems().iter().flat_map(|problem| problem.causes.clone()).fold(refusal, Error::cause)
        }
    }
}
