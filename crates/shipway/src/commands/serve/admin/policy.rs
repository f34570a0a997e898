//! `shipway admin policy`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use shipway_index::{Admin, IndexError, policy_text};
use shipway_release::{Error, Result};

use super::refused;
use crate::embedded::index_error;
use crate::output::Outcome;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Set what the channels ask, from a TOML file
    Set {
        /// The file; `-` for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the policy as the file that would be read
    Show,
    /// Go back to the policy of a new index
    Reset,
}

pub(super) async fn act(admin: &Admin, policy: &Policy) -> Result<Outcome> {
    match policy {
        Policy::Set { file } => {
            let text = read(file)?;
            let changed = admin.set_policy(&text).await.map_err(|error| unusable(file, &error))?;
            let said = if changed { "the policy holds from now on" } else { "that is the policy already" };
            done(admin, changed, said).await
        }
        Policy::Show => {
            let held = admin.policy().await.map_err(|error| index_error(&error))?;
            let mut text = policy_text(&held.policy).map_err(|error| index_error(&error))?;
            if held.is_default {
                text.insert_str(0, "# nobody set a policy: this is that of a new index\n");
            }
            let document =
                json!({ "policy": held.policy, "digest": held.digest, "is_default": held.is_default });
            Ok(Outcome::new(&document).print(text))
        }
        Policy::Reset => {
            let changed = admin.reset_policy().await.map_err(|error| refused(&error))?;
            let said = if changed {
                "the policy of a new index holds from now on"
            } else {
                "that of a new index is the policy already"
            };
            done(admin, changed, said).await
        }
    }
}

async fn done(admin: &Admin, changed: bool, said: &str) -> Result<Outcome> {
    let held = admin.policy().await.map_err(|error| index_error(&error))?;
    Ok(Outcome::new(&json!({ "changed": changed, "digest": held.digest })).say(said))
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| Error::io("read", file, &error))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| Error::io("read", file, &error))
}

/// Everything that is wrong with a policy.
fn unusable(file: &Path, error: &IndexError) -> Error {
    let IndexError::InvalidPolicy { findings } = error else { return refused(error) };
    let what = format!("`{}` is no policy of this index", file.display());
    let mut problem = Error::usage("policy", what);
    for finding in findings {
        problem = problem.cause(finding.message.clone());
    }
    match findings.iter().find_map(|finding| finding.hint.clone()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
