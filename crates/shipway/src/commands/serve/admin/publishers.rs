//! `shipway admin publisher`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_index::{Action, Admin, Publisher as Held};
use shipway_release::{Error, Result};

use super::projects::parse;
use super::refused;
use crate::embedded::index_error;
use crate::output::Outcome;

/// Who signs the identities of jobs at the forges' own hosts.
const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";

#[derive(Debug, Subcommand)]
pub(super) enum Publisher {
    /// List the publishers: whose jobs may upload what
    List,
    /// Let the jobs of a CI upload a project: they show who they are, and no token is kept anywhere
    ///
    /// A job shows the identity that its forge signs at `/_/oidc/mint-token`, as `shipway publish`, `uv publish`
    /// and `pdm publish` do by themselves, and gets a token for 15 minutes that uploads this project alone.
    #[command(after_help = "Examples:\n  \
        shipway admin publisher add demo --github team/demo --workflow publish.yml --environment release \\\n    \
          --action upload,evidence,promote,block\n  \
        shipway admin publisher add demo --gitlab team/demo --workflow .gitlab-ci.yml --ref refs/heads/main\n  \
        shipway admin publisher add demo --issuer https://ci.example --claim sub=project:demo")]
    Add(Add),
    /// Remove a publisher; what was minted for it is refused from the next request on
    Remove {
        /// Its identifier, as `list` shows it
        #[arg(value_name = "ID")]
        publisher: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The project; it need not exist yet
    #[arg(value_name = "NAME")]
    target: String,
    /// A repository at GitHub
    #[arg(long, value_name = "OWNER/REPOSITORY", requires = "workflow", group = "forge")]
    github: Option<String>,
    /// A project at GitLab
    #[arg(long, value_name = "GROUP/PROJECT", requires = "workflow", group = "forge")]
    gitlab: Option<String>,
    /// The workflow's file: its name at GitHub, its path at GitLab
    #[arg(long, value_name = "FILE", requires = "forge")]
    workflow: Option<String>,
    /// The environment that the job must have
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<String>,
    /// The ref that the job must run on, such as refs/heads/main
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Who signs the identities, an HTTPS URL; default: that of the forge's own host
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Something else that the identity must say; after a value that ends with `@*` any ref may stand
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// What its tokens allow: upload, evidence, promote, block, yank, read
    #[arg(long = "action", value_name = "ACTION", value_delimiter = ',', default_value = "upload,evidence")]
    actions: Vec<String>,
}

impl Add {
    /// The issuer, and what an identity must say.
    fn identity(&self) -> Result<(String, BTreeMap<String, String>)> {
        let usage = |why: String| Error::usage("bad-publisher", why);
        let mut claims = BTreeMap::new();
        for claim in &self.claims {
            let (name, value) =
                claim.split_once('=').ok_or_else(|| usage(format!("`{claim}` is not NAME=VALUE")))?;
            claims.insert(name.to_owned(), value.to_owned());
        }
        let mut set = |name: &str, value: String| claims.insert(name.to_owned(), value);
        let file = self.workflow.as_deref().unwrap_or_default();
        let mut issuer = self.issuer.clone();
        if let Some(repository) = &self.github {
            set("repository", repository.clone());
            // Whether it is named alone or with its folder.
            let file = file.trim_start_matches(".github/workflows/");
            set("job_workflow_ref", format!("{repository}/.github/workflows/{file}@*"));
            issuer.get_or_insert_with(|| GITHUB.to_owned());
        }
        if let Some(project) = &self.gitlab {
            let issuer = issuer.get_or_insert_with(|| GITLAB.to_owned());
            let host =
                issuer.split_once("://").map_or(issuer.as_str(), |(_, rest)| rest).trim_end_matches('/');
            set("project_path", project.clone());
            set("ci_config_ref_uri", format!("{host}/{project}//{file}@*"));
        }
        if let Some(environment) = &self.environment {
            set("environment", environment.clone());
        }
        if let Some(reference) = &self.reference {
            // GitLab says it without its kind.
            let (claim, value) = match &self.gitlab {
                Some(_) => ("ref_path", reference.clone()),
                None => ("ref", reference.clone()),
            };
            set(claim, value);
        }
        let issuer = issuer
            .ok_or_else(|| usage("name a forge (`--github`, `--gitlab`) or an `--issuer`".to_owned()))?;
        Ok((issuer, claims))
    }
}

pub(super) async fn act(admin: &Admin, publisher: &Publisher) -> Result<Outcome> {
    match publisher {
        Publisher::List => {
            let publishers = admin.publishers().await.map_err(|error| index_error(&error))?;
            let mut text = String::new();
            for publisher in &publishers {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}  {:<20} {}", publisher.id, publisher.project, publisher.issuer);
                let actions: Vec<_> = publisher.actions.iter().map(|action| action.as_str()).collect();
                let _ = writeln!(text, "              allows {}", actions.join(", "));
                for (claim, value) in &publisher.claims {
                    let _ = writeln!(text, "              {claim} = {value}");
                }
            }
            let list: Vec<_> = publishers.iter().map(document).collect();
            Ok(Outcome::new(&json!({ "audience": admin.audience(), "publishers": list })).print(text))
        }
        Publisher::Add(add) => {
            let (issuer, claims) = add.identity()?;
            let actions = add.actions.iter().map(|action| action.parse::<Action>());
            let actions =
                actions.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| refused(&error))?;
            let added = admin.add_publisher(&parse(&add.target)?, &issuer, &claims, &actions).await;
            let (publisher, new) = added.map_err(|error| refused(&error))?;
            let mut shown = document(&publisher);
            shown["changed"] = json!(new);
            let said = if new { "set" } else { "there already:" };
            shown["audience"] = json!(admin.audience());
            Ok(Outcome::new(&shown).say(format!(
                "{said} publisher {} of `{}`; its jobs ask for the audience `{}`",
                publisher.id,
                publisher.project,
                admin.audience()
            )))
        }
        Publisher::Remove { publisher } => {
            admin.remove_publisher(publisher).await.map_err(|error| refused(&error))?;
            Ok(Outcome::new(&json!({ "id": publisher })).say(format!("removed publisher {publisher}")))
        }
    }
}

fn document(publisher: &Held) -> serde_json::Value {
    let actions: Vec<_> = publisher.actions.iter().map(|action| action.as_str()).collect();
    json!({
        "actions": actions,
        "id": publisher.id, "project": publisher.project, "issuer": publisher.issuer,
        "claims": publisher.claims, "created_at": publisher.created_at,
    })
}
