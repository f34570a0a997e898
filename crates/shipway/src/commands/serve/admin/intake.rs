//! `shipway admin import FROM --channel CHANNEL`: files of a folder or of another index.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use shipway_dist::ProjectName;
use shipway_index::{Admin, Intake, IntakeSource, Outcome as Became, Progress, Refused, Taken};
use shipway_release::{Error, Result};

use super::whole::unusable;
use crate::commands::channel;
use crate::output::{Outcome, write_stderr};
use crate::session::Session;

/// How often it is said how far it is.
const OFTEN: Duration = Duration::from_secs(5);

/// Where files come from, and where they go.
#[derive(Debug, Args)]
pub(super) struct From {
    /// An export; with --channel a folder of distribution files (also an export of devpi-server), or the URL of a
    /// simple index
    #[arg(value_name = "DIR|FILE|URL")]
    pub(super) from: String,
    /// The channel that files of a folder or of another index go into; the index may be in use
    #[arg(long, value_name = "CHANNEL")]
    pub(super) channel: Option<String>,
    /// A project to take; none: all
    // `project` stands in for the global option of that name.
    #[arg(long, value_name = "PROJECT", requires = "channel")]
    project: Vec<String>,
    /// How many files are fetched and judged at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
    /// Say what would be done, from the lists alone
    #[arg(long, requires = "channel")]
    dry_run: bool,
}

/// Takes the files in.
pub(super) async fn act(admin: &Admin, from: &From, into: &str, session: &Session) -> Result<Outcome> {
    let wrong = |error: shipway_dist::name::NameError| Error::usage("import", error.to_string());
    let projects = from.project.iter().map(|name| name.parse::<ProjectName>().map_err(wrong));
    let intake = Intake {
        source: source(&from.from, session)?,
        channel: channel(into)?,
        projects: projects.collect::<Result<_>>()?,
        at_once: usize::from(from.at_once),
        dry_run: from.dry_run,
    };
    let quiet = session.global.quiet > 0;
    let last = Mutex::new(Instant::now());
    let tell = |now: Progress<'_>| {
        if now.outcome == Became::Failed && !quiet {
            write_stderr(&format!("cannot fetch `{}`", now.filename));
        }
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !quiet && last.elapsed() > OFTEN {
            write_stderr(&format!("{} of {} files", now.done, now.all));
            *last = Instant::now();
        }
    };
    let taken = admin.take_in(&intake, &tell).await.map_err(|error| unusable(&error))?;
    report(&taken, into, from.dry_run)
}

/// A URL, with credentials of the environment where it has none of its own; else a folder.
fn source(text: &str, session: &Session) -> Result<IntakeSource> {
    use shipway_release::config::environment::{SOURCE_PASSWORD, SOURCE_USERNAME};

    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Ok(IntakeSource::Folder(PathBuf::from(text)));
    }
    let mut url: url::Url = text.parse().map_err(|error: url::ParseError| {
        Error::usage("import", "the source is no URL").cause(error.to_string())
    })?;
    if let (Some(password), true) = (session.environment.get(SOURCE_PASSWORD), url.password().is_none()) {
        let user = session.environment.get(SOURCE_USERNAME).unwrap_or("__token__");
        // Fails only for URLs that cannot hold any.
        let _ = url.set_username(user);
        let _ = url.set_password(Some(password));
    }
    Ok(IntakeSource::Simple(url.into()))
}

fn report(taken: &Taken, into: &str, dry_run: bool) -> Result<Outcome> {
    let list = |refused: &[Refused]| -> Vec<_> {
        refused.iter().map(|one| json!({ "filename": one.filename, "why": one.why })).collect()
    };
    let document = json!({
        "channel": into, "dry_run": dry_run, "taken": taken.taken, "bytes": taken.bytes, "held": taken.held,
        "listed": taken.listed, "unverified": taken.unverified, "refused": list(&taken.refused), "failed": list(&taken.failed),
    });
    let verb = if dry_run { "would take" } else { "took" };
    let mut said = format!(
        "{verb} {} files into `{into}`; {} were there, {} are refused, {} could not be fetched",
        taken.taken,
        taken.held,
        taken.refused.len(),
        taken.failed.len()
    );
    if taken.listed > 0 {
        let lists = if dry_run { "would list" } else { "lists now" };
        said.push_str(&format!("; `{into}` {lists} {} releases that other channels have", taken.listed));
    }
    if taken.unverified > 0 {
        said.push_str(&format!("; the source has no digest of {}", taken.unverified));
    }
    if !taken.failed.is_empty() {
        let error =
            Error::incomplete("import", said).hint("run the same command again: it goes on where it ended");
        return Err(taken.failed.iter().fold(error, |error, one| error.cause(one.why.clone())));
    }
    let lines: String =
        taken.refused.iter().map(|one| format!("refused  {}: {}\n", one.filename, one.why)).collect();
    Ok(Outcome::new(&document).print(lines).say(said))
}
