//! Whether a publish from this forge was ever read back from the index (row K9): fakes prove only what they imitate.
//!
//! `publish` says so in its own statement when a CI run of a forge that is not on this machine made it; that
//! statement is written after every byte was downloaded again. The index keeps it with the release, and a folder
//! that published to a foreign index keeps it in `.shipway/evidence/`.

use serde::Serialize;
use serde_json::{Value, json};
use shipway_dist::evidence::Verdict;
use url::Url;

use super::{DoctorRequest, Level, Look};
use crate::config::environment;
use crate::context::Context;
use crate::evidence;
use crate::ops::forge::Location;
use crate::ops::git::Git;
use crate::ops::secret::is_here;
use crate::ops::target::Target;

/// How many releases are looked through.
const MOST_RELEASES: usize = 20;

/// A publish that was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The version.
    pub version: String,
    /// The repository that published it.
    pub repository: String,
    /// The CI run.
    pub run: String,
    /// Where the statement is: `index` or `kept here`.
    pub kept: &'static str,
}

/// Where this run is, for the statement of a publish; none outside of a CI run, and for a forge of a test.
pub fn live_forge(context: &Context<'_>) -> Option<Value> {
    let run = context.environment.get(environment::FORGE_RUN)?;
    let location = location_of(context)?;
    (!is_here(&location.api))
        .then(|| json!({ "host": host_of(&location.api), "repository": location.repository, "run": run }))
}

fn location_of(context: &Context<'_>) -> Option<Location> {
    let git = Git::open(&context.config.directory, &context.environment).ok();
    Location::find(&context.config, &context.environment, git.as_ref()).ok().flatten()
}

fn host_of(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Says whether this forge is proven; nothing for a project without one.
pub(super) fn look(context: &Context<'_>, request: DoctorRequest) -> Option<(Look, Option<Proof>)> {
    let host = host_of(&location_of(context)?.api);
    let found = kept_here(context, &host);
    let found = if found.is_none() && !request.offline { at_index(context, &host) } else { Ok(found) };
    Some(match found {
        Ok(Some(proof)) => {
            let text = format!(
                "{} was published by run {} of {} at {host} and read back",
                proof.version, proof.run, proof.repository
            );
            (Look::new("forge", "unproven", Level::Ok, text), Some(proof))
        }
        Ok(None) => {
            let text = format!("unproven on this forge: no publish from {host} was read back yet");
            let hint = "publish once with the generated workflow; start with its dry run";
            (Look::new("forge", "unproven", Level::Warning, text).hint(hint), None)
        }
        Err(why) => {
            let text = format!("unproven on this forge as far as can be read here: {why}");
            (Look::new("forge", "unproven", Level::Unknown, text), None)
        }
    })
}

fn of_detail(detail: &Value, host: &str, version: &str, kept: &'static str) -> Option<Proof> {
    let forge = detail.get("forge")?;
    let text = |key: &str| forge.get(key).and_then(Value::as_str).map(str::to_owned);
    (text("host")? == host).then_some(())?;
    Some(Proof { version: version.to_owned(), repository: text("repository")?, run: text("run")?, kept })
}

fn kept_here(context: &Context<'_>, host: &str) -> Option<Proof> {
    let folders = std::fs::read_dir(context.records().join("evidence")).ok()?;
    let mut versions: Vec<String> =
        folders.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    versions.sort();
    versions.iter().rev().find_map(|version| {
        let path = context.records().join("evidence").join(version).join("publish.json");
        let kept = evidence::read(&path).or_else(|_| {
            // A statement about one channel has its name in the file's name.
            let first = context.config.first_channel();
            evidence::read(
                &context.records().join("evidence").join(version).join(format!("publish@{first}.json")),
            )
        });
        let predicate = kept.ok()?.statement.predicate;
        (predicate.gate == "publish" && predicate.result == Verdict::Passed).then_some(())?;
        of_detail(&predicate.detail, host, version, "kept here")
    })
}

fn at_index(context: &Context<'_>, host: &str) -> Result<Option<Proof>, String> {
    if context.config.index.is_none() {
        // The embedded index takes nothing from a forge, and a foreign one keeps no statements.
        return Ok(None);
    }
    let ask = || -> crate::Result<Option<Proof>> {
        let Target::Shipway { client, .. } = context.target()? else { return Ok(None) };
        let Some(record) = client.project(&context.config.name)? else { return Ok(None) };
        for release in record.releases.iter().rev().take(MOST_RELEASES) {
            let Some(list) = client.evidence(&context.config.name, &release.version)? else { continue };
            for stored in &list.statements {
                let Ok(statement) = stored.envelope.unverified() else { continue };
                let predicate = statement.predicate;
                if predicate.gate == "publish"
                    && predicate.result == Verdict::Passed
                    && let Some(proof) = of_detail(&predicate.detail, host, &release.version, "index")
                {
                    return Ok(Some(proof));
                }
            }
        }
        Ok(None)
    };
    ask().map_err(|error| error.to_string())
}
