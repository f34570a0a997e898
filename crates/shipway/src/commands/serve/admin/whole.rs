//! `shipway admin fsck|export|import`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use shipway_index::{Admin, Config, Fsck, IndexError, Manifest};
use shipway_release::{Error, Result};

use super::refused;
use crate::embedded::index_error;
use crate::output::Outcome;

#[derive(Debug, Subcommand)]
pub(super) enum Whole {
    /// Look at every stored byte, every page and the log; exit 1 when something is wrong
    Fsck {
        /// Put right what can be: extra bytes go, altered ones are put aside
        #[arg(long)]
        repair: bool,
    },
    /// Write the whole index to a folder, or to a tar file where the name ends in `.tar`
    ///
    /// Private keys are not in it: copy their folder too.
    Export {
        /// The folder or file; it must not be there
        #[arg(value_name = "DIR|FILE")]
        to: PathBuf,
    },
    /// Take an export into an empty index, on whatever database and storage; or files into a channel
    ///
    /// With --channel every file of a folder, of an export of devpi-server, or of another simple index is judged as
    /// an upload is; it keeps its digest, upload time and yank where they are known. What is refused is listed, and
    /// a run that was broken off goes on when it is run again. Credentials of a source stand in its URL, or in
    /// SHIPWAY_SOURCE_USERNAME and SHIPWAY_SOURCE_PASSWORD.
    Import(super::intake::From),
}

pub(super) async fn act(admin: &Admin, whole: &Whole) -> Result<Outcome> {
    match whole {
        Whole::Fsck { repair } => {
            let found = admin.fsck(*repair).await.map_err(|error| index_error(&error))?;
            report(&found)
        }
        Whole::Export { to } => {
            let written = shipway_index::export(admin, to).await.map_err(|error| unusable(&error))?;
            let said =
                format!("exported {} to `{}`; its private keys are not in it", size(&written), to.display());
            Ok(Outcome::new(&json!({ "path": to, "tables": written.tables, "blobs": written.blobs, "bytes": written.bytes }))
                .say(said))
        }
        Whole::Import(_) => Err(Error::incomplete("internal", "an import opens the index itself")),
    }
}

/// Imports before any server has opened the index.
pub(super) async fn import(config: &Config, from: &Path) -> Result<Outcome> {
    let taken = shipway_index::import(config, from).await.map_err(|error| unusable(&error))?;
    let document =
        json!({ "path": from, "tables": taken.tables, "blobs": taken.blobs, "bytes": taken.bytes });
    Ok(Outcome::new(&document).say(format!("imported {} from `{}`", size(&taken), from.display())))
}

fn size(manifest: &Manifest) -> String {
    let rows: u64 = manifest.tables.values().sum();
    format!("{rows} rows and {} files of {} bytes", manifest.blobs, manifest.bytes)
}

fn report(found: &Fsck) -> Result<Outcome> {
    let mut text = String::new();
    for problem in &found.problems {
        let state = if problem.repaired { "repaired" } else { "wrong" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{state:<9} {:<9} {}: {}", problem.kind, problem.object, problem.detail);
    }
    let looked = format!(
        "looked at {} files ({} bytes), {} projects and {} entries of the log",
        found.blobs, found.bytes, found.projects, found.entries
    );
    let wrong = found.problems.iter().filter(|problem| !problem.repaired).count();
    if wrong > 0 {
        let refusal = Error::refused("fsck", format!("{wrong} things are wrong in the index"));
        let lines = text.lines().map(str::to_owned);
        return Err(lines.fold(refusal, Error::cause).cause(looked));
    }
    let list: Vec<_> = found
        .problems
        .iter()
        .map(|one| json!({ "kind": one.kind, "object": one.object, "detail": one.detail, "repaired": one.repaired }))
        .collect();
    let document = json!({
        "blobs": found.blobs, "bytes": found.bytes, "projects": found.projects, "entries": found.entries,
        "problems": list,
    });
    Ok(Outcome::new(&document).print(text).say(looked))
}

/// What stands against moving an index is refused; what fails on the way may succeed later.
pub(super) fn unusable(error: &IndexError) -> Error {
    match error {
        IndexError::Export { .. } | IndexError::Keys { .. } | IndexError::Log { .. } => refused(error),
        _ => index_error(error),
    }
}
