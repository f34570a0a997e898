//! Takes files of other places into a channel: every one is judged as an upload is, and what is refused is said.
//!
//! Nothing is remembered between runs: a file that is held is passed over, so a run that was broken off goes on
//! where it ended. A file comes with its digest, upload time and yank where its source knows them. Where a file
//! is held and the channel does not list its release, the channel does from then on: the source had it there.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use shipway_dist::ChannelName;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::name::ProjectName;
use sqlx::AnyConnection;
use tokio::io::AsyncReadExt as _;

use super::sources::{Item, Opened, Place, Source};
use crate::accept::form::Form;
use crate::accept::names::{judge_filename, judge_version};
use crate::accept::{Candidate, Decision, Upload, decide};
use crate::admin::Admin;
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::{Index, elsewhere};
use crate::project::{Channel, Membership, version_key};
use crate::store::{self, Entry};
use crate::tokens::{Grant, Identity};
use crate::upstream::client::Client;

/// Who stands in the journal.
const ACTOR: &str = "admin";

/// What to take in.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Where the files come from.
    pub source: Source,
    /// The channel that they go into.
    pub channel: ChannelName,
    /// The projects; none: all.
    pub projects: Vec<ProjectName>,
    /// How many files are fetched and judged at once.
    pub at_once: usize,
    /// Whether to only say what would be done, from the lists alone.
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The files that came in, or would be asked for.
    pub taken: u64,
    /// Their bytes; unknown in a dry run.
    pub bytes: u64,
    /// The files that were held before, with the same bytes.
    pub held: u64,
    /// The releases of held files that the channel did not list before, and lists now.
    pub listed: u64,
    /// The files that came without any digest to check.
    pub unverified: u64,
    /// What was refused, by filename.
    pub refused: Vec<Refused>,
    /// What could not be fetched; another run tries again.
    pub failed: Vec<Refused>,
}

/// A file that did not come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// Its name.
    pub filename: String,
    /// Why, in one line.
    pub why: String,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The files that were looked at.
    pub done: usize,
    /// All files.
    pub all: usize,
    /// The last one.
    pub filename: &'a str,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It came in.
    Taken,
    /// It was held.
    Held,
    /// It was refused.
    Refused,
    /// It could not be fetched.
    Failed,
}

/// What became of one file.
enum Ended {
    Taken {
        bytes: u64,
        verified: bool,
    },
    Held,
    /// It was held, and the release of this name is new in the channel.
    Listed(String),
    Refused(IndexError),
    Failed(IndexError),
}

impl Admin {
    /// Takes files of another place in.
    ///
    /// # Errors
    /// When the source cannot be listed, the channel does not exist, or the index itself fails. What is refused of
    /// single files is part of the answer.
    pub async fn take_in(
        &self,
        intake: &Intake,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Taken, IndexError> {
        let index = self.index();
        let channels = store::channels(&mut *index.store.read().await?).await?;
        let channel = channels.iter().find(|channel| channel.name == intake.channel).cloned();
        let channel =
            channel.ok_or_else(|| IndexError::not_found(format!("channel `{}`", intake.channel)))?;
        let Opened { items, client } = intake.source.open(&intake.projects).await?;
        let all = items.len();
        let client = client.as_ref();
        let channel = &channel;
        let work = futures_util::stream::iter(items).map(|item| async move {
            let ended = match intake.dry_run {
                true => index.would_take(channel, &item).await,
                false => index.take(channel, &item, client).await,
            };
            (item, ended)
        });
        let mut work = std::pin::pin!(work.buffer_unordered(intake.at_once.max(1)));
        let (mut taken, mut listed, mut done) = (Taken::default(), HashSet::new(), 0);
        while let Some((item, ended)) = work.next().await {
            done += 1;
            let outcome = taken.note(&item.filename, &mut listed, ended)?;
            progress(Progress { done, all, filename: &item.filename, outcome });
        }
        taken.refused.sort();
        taken.failed.sort();
        Ok(taken)
    }
}

impl Taken {
    fn note(
        &mut self,
        filename: &str,
        listed: &mut HashSet<String>,
        ended: Result<Ended, IndexError>,
    ) -> Result<Outcome, IndexError> {
        let refused = |error: &IndexError| Refused { filename: filename.to_owned(), why: said(error) };
        Ok(match ended? {
            Ended::Taken { bytes, verified } => {
                self.taken += 1;
                self.bytes += bytes;
                self.unverified += u64::from(!verified);
                Outcome::Taken
            }
            Ended::Held => {
                self.held += 1;
                Outcome::Held
            }
            Ended::Listed(release) => {
                self.held += 1;
                self.listed += u64::from(listed.insert(release));
                Outcome::Held
            }
            Ended::Refused(error) => {
                self.refused.push(refused(&error));
                Outcome::Refused
            }
            Ended::Failed(error) => {
                self.failed.push(refused(&error));
                Outcome::Failed
            }
        })
    }
}

/// Everything that stands against a file, in one line.
fn said(error: &IndexError) -> String {
    match error.findings() {
        [] | [_] => error.to_string(),
        several => several.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; "),
    }
}

/// Tells what is wrong with a file from what is wrong with its source or with the index.
fn ended(error: IndexError) -> Result<Ended, IndexError> {
    match &error {
        IndexError::Upstream { .. } => Ok(Ended::Failed(error)),
        _ if error.status().is_server_error() => Err(error),
        _ => Ok(Ended::Refused(error)),
    }
}

impl Index {
    /// Judges a file by its name and by what the index holds.
    async fn would_take(&self, channel: &Channel, item: &Item) -> Result<Ended, IndexError> {
        let parsed = match parse(channel, item) {
            Ok(parsed) => parsed,
            Err(error) => return ended(error),
        };
        let Some(sha256) = item.sha256() else { return Ok(Ended::Taken { bytes: 0, verified: false }) };
        let snapshot = &mut *self.store.snapshot().await?;
        match decided(snapshot, channel, &parsed, (&item.filename, sha256)).await {
            Ok(Decided::Held) => Ok(Ended::Held),
            Ok(Decided::Elsewhere) => Ok(Ended::Listed(release_of(&parsed))),
            Ok(Decided::New) => Ok(Ended::Taken { bytes: 0, verified: true }),
            Err(error) => ended(error),
        }
    }

    /// Lists the release of a held file in the channel; says whether that was news.
    async fn list_release(
        &self,
        channel: &Channel,
        parsed: &DistributionFilename,
        (filename, sha256): (&str, Sha256),
    ) -> Result<bool, IndexError> {
        let project = parsed.name.normalized();
        let mut write = self.store.write_project(project).await?;
        match decided(&mut write, channel, parsed, (filename, sha256)).await? {
            Decided::Elsewhere => {}
            Decided::Held | Decided::New => return Ok(false),
        }
        let at = self.clock.text();
        let entry = Entry {
            at: &at,
            actor: ACTOR,
            action: "import",
            project,
            object: &parsed.version.to_string(),
            detail: serde_json::json!({ "channel": channel.name, "filename": filename, "sha256": sha256 }),
        };
        let (serial, record) = store::append(&mut write, entry).await?;
        let membership = Membership { serial, record };
        store::insert_membership(&mut write, &channel.name, (project, &parsed.version), &membership, &at)
            .await?;
        store::touch(&mut write, project, serial).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Takes one file in.
    async fn take(
        &self,
        channel: &Channel,
        item: &Item,
        client: Option<&Client>,
    ) -> Result<Ended, IndexError> {
        match self.try_take(channel, item, client).await {
            Ok(taken) => Ok(taken),
            Err(error) => ended(error),
        }
    }

    async fn try_take(
        &self,
        channel: &Channel,
        item: &Item,
        client: Option<&Client>,
    ) -> Result<Ended, IndexError> {
        let parsed = parse(channel, item)?;
        // What is held, or refused by its name, is not fetched.
        if let Some(sha256) = item.sha256()
            && let Some(held) = self.held(channel, &parsed, (&item.filename, sha256)).await?
        {
            return Ok(held);
        }
        let staged = match &item.place {
            Place::Path(path) => self.stage_file(path, &item.filename).await?,
            Place::Url(url) => self.stage_url(client, url, &item.filename).await?,
        };
        let verified = verify(item, &staged)?;
        // A folder promises no digest: only now it is known.
        if let Some(held) = self.held(channel, &parsed, (&item.filename, staged.sha256)).await? {
            // Bytes that were lost come back.
            self.blobs.place(&staged).await?;
            staged.settle();
            return Ok(held);
        }
        let bytes = staged.size;
        let upload = Upload {
            channel: channel.clone(),
            form: form(&parsed, &staged),
            filename: item.filename.clone(),
            staged,
            known: item.known.clone(),
        };
        let who = Identity::Holder(Arc::new(Grant::everything(ACTOR)));
        let accepted = self.upload(&who, upload).await?;
        Ok(if accepted.new { Ended::Taken { bytes, verified } } else { Ended::Held })
    }

    /// What becomes of a file that is held; nothing when it is not.
    async fn held(
        &self,
        channel: &Channel,
        parsed: &DistributionFilename,
        file: (&str, Sha256),
    ) -> Result<Option<Ended>, IndexError> {
        let decided = decided(&mut *self.store.snapshot().await?, channel, parsed, file).await?;
        Ok(match decided {
            Decided::New => None,
            Decided::Held => Some(Ended::Held),
            Decided::Elsewhere if self.list_release(channel, parsed, file).await? => {
                Some(Ended::Listed(release_of(parsed)))
            }
            Decided::Elsewhere => Some(Ended::Held),
        })
    }

    async fn stage_file(&self, path: &std::path::Path, filename: &str) -> Result<Staged, IndexError> {
        let mut file = tokio::fs::File::open(path).await.map_err(IndexError::io("read", path))?;
        let mut staging = self.blobs.stage(self.limits.file_size, Some(filename));
        loop {
            let mut buffer = vec![0; 256 * 1024];
            let read = file.read(&mut buffer).await.map_err(IndexError::io("read", path))?;
            if read == 0 {
                return staging.finish().await;
            }
            buffer.truncate(read);
            staging.push(Bytes::from(buffer)).await?;
        }
    }

    async fn stage_url(
        &self,
        client: Option<&Client>,
        url: &url::Url,
        filename: &str,
    ) -> Result<Staged, IndexError> {
        let client = client
            .ok_or_else(|| IndexError::Upstream { why: format!("`{filename}`: there is no connection") })?;
        let mut coming = client.file(url).await?;
        let mut staging = self.blobs.stage(self.limits.file_size, Some(filename));
        while let Some(bytes) = coming.next().await? {
            staging.push(bytes).await?;
        }
        staging.finish().await
    }
}

/// Where a file stands before it is taken.
enum Decided {
    New,
    Held,
    /// It is held, and the channel does not list its release.
    Elsewhere,
}

fn release_of(parsed: &DistributionFilename) -> String {
    format!("{} {}", parsed.name.normalized(), version_key(&parsed.version))
}

async fn decided(
    connection: &mut AnyConnection,
    channel: &Channel,
    parsed: &DistributionFilename,
    (filename, sha256): (&str, Sha256),
) -> Result<Decided, IndexError> {
    let project = store::load_project(connection, parsed.name.normalized()).await?;
    let ledger = store::ledger(connection, filename, &sha256).await?;
    let candidate = Candidate { version: &parsed.version, kind: parsed.kind, filename, sha256 };
    let decision = decide(project.as_ref(), &ledger, &candidate)?;
    let release = project.as_ref().and_then(|project| project.release(&parsed.version));
    match (decision, release.and_then(|release| elsewhere(release, &channel.name))) {
        (Decision::Present, None) => Ok(Decided::Held),
        (Decision::Present, Some(_)) => Ok(Decided::Elsewhere),
        (Decision::Add, None) => Ok(Decided::New),
        (Decision::Add, Some(refusal)) => Err(refusal),
    }
}

/// What the name says, where the channel takes it.
fn parse(channel: &Channel, item: &Item) -> Result<DistributionFilename, IndexError> {
    let parsed: DistributionFilename = item.filename.parse().map_err(|error| {
        IndexError::bad_request(format!(
            "`{}` is the name of neither a wheel nor an sdist: {error}",
            item.filename
        ))
    })?;
    let (_, mut findings) = judge_filename(&item.filename, &parsed.name, &parsed.version);
    findings.extend(judge_version(&parsed.version, channel));
    if findings.is_empty() { Ok(parsed) } else { Err(IndexError::Invalid { findings }) }
}

/// Compares the bytes with what the source promised; says whether it promised anything.
fn verify(item: &Item, staged: &Staged) -> Result<bool, IndexError> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let own = [("sha256", staged.sha256.to_hex()), ("md5", hex(&staged.digests.md5))];
    let mut verified = false;
    for (algorithm, found) in own {
        let Some(promised) = item.hashes.get(algorithm) else { continue };
        if !promised.eq_ignore_ascii_case(&found) {
            let why =
                format!("`{}` has {algorithm} `{found}`, its source promised `{promised}`", item.filename);
            return Err(IndexError::Upstream { why });
        }
        verified = true;
    }
    Ok(verified)
}

/// The form that a client would send: what the name says, and the digest that was found.
fn form(parsed: &DistributionFilename, staged: &Staged) -> Form {
    let (filetype, pyversion) = match parsed.kind {
        Kind::Wheel => ("bdist_wheel", parsed.tags.first().cloned().unwrap_or_default()),
        Kind::Sdist => ("sdist", "source".to_owned()),
    };
    let mut form = Form::default();
    for (name, value) in [
        (":action", "file_upload".to_owned()),
        ("protocol_version", "1".to_owned()),
        ("metadata_version", "2.1".to_owned()),
        ("name", parsed.name.display().to_owned()),
        ("version", parsed.version.to_string()),
        ("filetype", filetype.to_owned()),
        ("pyversion", pyversion),
        ("sha256_digest", staged.sha256.to_hex()),
    ] {
        form.push(name.to_owned(), value);
    }
    form
}
