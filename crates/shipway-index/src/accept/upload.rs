//! The upload of one file through the legacy API, from a staged file to a visible one.

use serde_json::json;
use shipway_dist::digest::Sha256;
use shipway_dist::finding::Finding;

use super::file::{self, Expected, Judged};
use super::form::{Facts, Form};
use super::names::{judge_filename, judge_version};
use super::{Candidate, Decision, decide};
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::{Index, elsewhere};
use crate::project::{Channel, Membership, Requires};
use crate::store::{self, Entry, NewFile, NewRelease};
use crate::tokens::{Action, Identity};

/// An upload that arrived whole.
pub(crate) struct Upload {
    pub(crate) channel: Channel,
    pub(crate) form: Form,
    pub(crate) filename: String,
    pub(crate) staged: Staged,
    pub(crate) known: Known,
}

/// What is known of a file that comes from another index; nothing of an upload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Where it comes from, without credentials.
    pub(crate) source: Option<String>,
    /// When it was uploaded there, as the index writes times.
    pub(crate) uploaded_at: Option<String>,
    /// Why it is yanked there, when it is; may be empty.
    pub(crate) yanked: Option<String>,
}

/// What became of an upload.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) filename: String,
    pub(crate) sha256: Sha256,
    pub(crate) project: String,
    pub(crate) version: String,
    /// False when the same bytes were there.
    pub(crate) new: bool,
    pub(crate) warnings: Vec<Finding>,
}

impl Index {
    /// Takes one file into a release of a channel that takes uploads.
    ///
    /// # Errors
    /// Whatever the rules refuse; no row, no blob and no name is left then.
    pub(crate) async fn upload(&self, who: &Identity, upload: Upload) -> Result<Accepted, IndexError> {
        let Upload { channel, form, filename, staged, known } = upload;
        form.judge_action()?;
        let name = form.name()?;
        who.grant()?.require(Action::Upload, Some(name.normalized()), Some(channel.name.as_str()))?;
        let facts = form.judge()?;
        let kind = judge_names(&facts, &channel, &filename)?;
        form.judge_digests(&staged)?;

        // Cheap before expensive: what cannot be taken anyway is not unpacked. Judged again in the
        // transaction, where nobody else writes.
        let sha256 = staged.sha256;
        let candidate = Candidate { version: &facts.version, kind, filename: &filename, sha256 };
        let mut snapshot = self.store.snapshot().await?;
        let decision = self.judge_against_index(&mut snapshot, &facts, (&channel, &candidate)).await?;
        if decision == Decision::Add {
            let release = (facts.name.normalized(), &facts.version);
            self.admit_legacy(&mut snapshot, release).await?;
        }
        drop(snapshot);
        let accepted = |new: bool, warnings: Vec<Finding>| Accepted {
            filename: filename.clone(),
            sha256,
            project: facts.name.normalized().to_owned(),
            version: facts.version.to_string(),
            new,
            warnings,
        };
        if decision == Decision::Present {
            // Its row is there; bytes that were lost come back with whoever sends them again.
            self.blobs.place(&staged).await?;
            staged.settle();
            return Ok(accepted(false, facts.warnings.clone()));
        }
        let expected = Expected {
            name: facts.name.clone(),
            version: facts.version.clone(),
            filename: filename.clone(),
            kind,
            requires_python: facts.requires_python.clone(),
        };
        let judged = file::judge(staged, expected, facts.warnings.clone()).await?;
        let placed = self.place(judged).await?;
        let result = self.commit_upload(who, &facts, (&channel, &known), &candidate, &placed).await;
        let new = match result {
            Ok(new) => new,
            Err(error) => {
                self.take_back(facts.name.normalized(), placed.staged).await;
                return Err(error);
            }
        };
        placed.staged.settle();
        Ok(accepted(new, placed.warnings))
    }

    async fn judge_against_index(
        &self,
        connection: &mut sqlx::AnyConnection,
        facts: &Facts,
        (channel, candidate): (&Channel, &Candidate<'_>),
    ) -> Result<Decision, IndexError> {
        let project = store::load_project(connection, facts.name.normalized()).await?;
        let ledger = store::ledger(connection, candidate.filename, &candidate.sha256).await?;
        let decision = decide(project.as_ref(), &ledger, candidate)?;
        let release = project.as_ref().and_then(|project| project.release(candidate.version));
        match release.and_then(|release| elsewhere(release, &channel.name)) {
            Some(refusal) => Err(refusal),
            None => Ok(decision),
        }
    }

    async fn commit_upload(
        &self,
        who: &Identity,
        facts: &Facts,
        (channel, known): (&Channel, &Known),
        candidate: &Candidate<'_>,
        judged: &Judged,
    ) -> Result<bool, IndexError> {
        let mut write = self.store.write_project(facts.name.normalized()).await?;
        if self.judge_against_index(&mut write, facts, (channel, candidate)).await? == Decision::Present {
            return Ok(false);
        }
        self.admit_legacy(&mut write, (facts.name.normalized(), &facts.version)).await?;
        // Someone may have removed the blob since: a refused upload of the same bytes does.
        self.blobs.place(&judged.staged).await?;
        let at = self.clock.text();
        let normalized = facts.name.normalized();
        let mut detail = json!({ "channel": channel.name, "sha256": candidate.sha256 });
        if let Some(source) = &known.source {
            detail["from"] = json!(source);
        }
        if let Some(reason) = &known.yanked {
            detail["yanked"] = json!(reason);
        }
        let entry = Entry {
            at: &at,
            actor: who.name(),
            action: "upload",
            project: normalized,
            object: candidate.filename,
            detail,
        };
        let (serial, record) = store::append(&mut write, entry).await?;
        let release = NewRelease {
            name: &facts.name,
            version: &facts.version,
            commit: None,
            local: false,
            run: None,
            attempt: None,
            requires: &Requires::new(),
            at: &at,
            by: who.name(),
        };
        store::upsert_release(&mut write, &release).await?;
        if let Some((sha256, bytes)) = &judged.metadata {
            store::insert_metadata(&mut write, sha256, bytes).await?;
        }
        let file = NewFile {
            name: &facts.name,
            version: &facts.version,
            filename: candidate.filename,
            sha256: candidate.sha256,
            size: judged.staged.size,
            metadata_sha256: judged.metadata.as_ref().map(|(sha256, _)| *sha256),
            requires_python: judged.requires_python.as_deref(),
            at: known.uploaded_at.as_deref().unwrap_or(&at),
            by: who.name(),
        };
        store::insert_file(&mut write, &file).await?;
        if let Some(reason) = &known.yanked {
            store::yank_file(&mut write, candidate.filename, reason).await?;
        }
        self.faults.pass("upload.rows");
        let membership = Membership { serial, record };
        store::insert_membership(&mut write, &channel.name, (normalized, &facts.version), &membership, &at)
            .await?;
        store::touch(&mut write, normalized, serial).await?;
        self.faults.pass("upload.touched");
        write.commit().await?;
        self.faults.pass("upload.committed");
        tracing::info!(
            project = normalized,
            version = %facts.version,
            channel = %channel.name,
            digest = %candidate.sha256,
            "uploaded {}",
            candidate.filename
        );
        Ok(true)
    }

    /// Puts a judged file under its digest, durably.
    pub(crate) async fn place(&self, judged: Judged) -> Result<Judged, IndexError> {
        self.blobs.place(&judged.staged).await?;
        Ok(judged)
    }
}

fn judge_names(
    facts: &Facts,
    channel: &Channel,
    filename: &str,
) -> Result<shipway_dist::filename::Kind, IndexError> {
    let (parsed, mut findings) = judge_filename(filename, &facts.name, &facts.version);
    if let Some(parsed) = &parsed
        && parsed.kind != facts.kind
    {
        let message = format!("`filetype` does not fit `{filename}`");
        findings.push(Finding::error("form", message).field("filetype"));
    }
    findings.extend(judge_version(&facts.version, channel));
    if findings.is_empty() { Ok(facts.kind) } else { Err(IndexError::Invalid { findings }) }
}
