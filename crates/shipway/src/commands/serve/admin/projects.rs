//! `shipway admin project` and `shipway admin namespace`

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::json;
use shipway_dist::ProjectName;
use shipway_index::{Admin, Status};
use shipway_release::{Error, Result};

use super::refused;
use crate::embedded::index_error;
use crate::output::Outcome;

#[derive(Debug, Subcommand)]
pub(super) enum Project {
    /// Make a project without a release: the name is claimed, whatever the rules for new names say
    Create {
        /// Its name
        #[arg(value_name = "NAME")]
        target: String,
    },
    /// Show a project's status and limits
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        target: String,
    },
    /// Set a project's status (PEP 792): active, archived, quarantined, deprecated
    ///
    /// An archived project takes no more files. A quarantined one takes none, lists none and serves none.
    Status {
        /// Its name
        #[arg(value_name = "NAME")]
        target: String,
        /// The status
        status: String,
        /// Why, for everybody who reads its page
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Set how large a project's files may be, each and together
    Limit {
        /// Its name
        #[arg(value_name = "NAME")]
        target: String,
        /// The largest file in MiB, at most what the server takes at all; none: that of the server
        #[arg(long = "file", value_name = "MIB")]
        file: Option<u32>,
        /// All files together in MiB; none: that of the server
        #[arg(long = "total", value_name = "MIB")]
        total: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Namespace {
    /// List the namespaces and who owns them
    List,
    /// Let nobody but these tokens make projects called PREFIX or PREFIX-… (PEP 752)
    Grant {
        /// The prefix
        prefix: String,
        /// The name of a token that owns it
        #[arg(long = "token", value_name = "TOKEN", required = true)]
        tokens: Vec<String>,
    },
    /// Give a namespace back to everybody
    Revoke {
        /// The prefix
        prefix: String,
    },
}

pub(super) async fn act(admin: &Admin, project: &Project) -> Result<Outcome> {
    match project {
        Project::Create { target } => {
            let name = parse(target)?;
            let changed = admin.create_project(&name).await.map_err(|error| index_error(&error))?;
            let said = if changed { "created" } else { "there already:" };
            Ok(Outcome::new(&json!({ "project": name.normalized(), "changed": changed }))
                .say(format!("{said} `{}`", name.normalized())))
        }
        Project::Show { target } => {
            let info = admin.project(&parse(target)?).await.map_err(|error| refused(&error))?;
            let reason = info.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let text = format!(
                "{}  {}{reason}  {} of {} bytes, {} a file\n",
                info.name,
                info.status.as_str(),
                info.used,
                info.total_limit,
                info.file_limit
            );
            let document = json!({
                "project": info.name, "status": info.status.as_str(), "reason": info.reason,
                "used": info.used, "total_limit": info.total_limit, "file_limit": info.file_limit,
            });
            Ok(Outcome::new(&document).print(text))
        }
        Project::Status { target, status, reason } => {
            let name = parse(target)?;
            let status: Status = status.parse().map_err(|error| refused(&error))?;
            let changed = admin
                .set_project_status(&name, status, reason.as_deref())
                .await
                .map_err(|error| refused(&error))?;
            let document =
                json!({ "project": name.normalized(), "status": status.as_str(), "changed": changed });
            Ok(Outcome::new(&document).say(said(&name, changed, status.as_str())))
        }
        Project::Limit { target, file, total } => {
            let name = parse(target)?;
            let bytes = |mib: &Option<u32>| mib.map(|mib| u64::from(mib) * 1024 * 1024);
            let changed = admin
                .set_project_limits(&name, bytes(file), bytes(total))
                .await
                .map_err(|error| refused(&error))?;
            let document = json!({
                "project": name.normalized(), "file_limit": bytes(file), "total_limit": bytes(total),
                "changed": changed,
            });
            Ok(Outcome::new(&document).say(said(&name, changed, "limits set")))
        }
    }
}

pub(super) async fn act_namespace(admin: &Admin, namespace: &Namespace) -> Result<Outcome> {
    let set = async |prefix: &str, owners: &[String]| {
        let prefix = parse(prefix)?;
        let changed = admin.set_namespace(&prefix, owners).await.map_err(|error| index_error(&error))?;
        let what = if owners.is_empty() { "open to everybody".to_owned() } else { owners.join(", ") };
        let document = json!({ "prefix": prefix.normalized(), "owners": owners, "changed": changed });
        Ok(Outcome::new(&document).say(said(&prefix, changed, &what)))
    };
    match namespace {
        Namespace::List => {
            let namespaces = admin.namespaces().await.map_err(|error| index_error(&error))?;
            let mut text = String::new();
            for (prefix, owners) in &namespaces {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{prefix:<20} {}", owners.join(","));
            }
            let list: Vec<_> = namespaces
                .iter()
                .map(|(prefix, owners)| json!({ "prefix": prefix, "owners": owners }))
                .collect();
            Ok(Outcome::new(&json!({ "namespaces": list })).print(text))
        }
        Namespace::Grant { prefix, tokens } => set(prefix, tokens).await,
        Namespace::Revoke { prefix } => set(prefix, &[]).await,
    }
}

pub(super) fn parse(text: &str) -> Result<ProjectName> {
    text.parse()
        .map_err(|error: shipway_dist::name::NameError| Error::usage("bad-project", error.to_string()))
}

fn said(name: &ProjectName, changed: bool, what: &str) -> String {
    match changed {
        true => format!("`{}`: {what}", name.normalized()),
        false => format!("`{}`: already so", name.normalized()),
    }
}
