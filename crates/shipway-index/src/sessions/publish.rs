//! The files of a session, and the moment in which the release becomes visible with all of them.

use serde_json::json;
use shipway_dist::finding::Finding;
use shipway_dist::wire::{FileAccepted, Session, SessionState};
use sqlx::AnyConnection;

use super::local::Admission;
use super::standing::wrong_size;
use super::{answer, names, session_request};
use crate::accept::file::{self, Expected};
use crate::accept::siblings::Sibling;
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::evidence::Keep;
use crate::index::Index;
use crate::project::{Membership, Release, version_key};
use crate::store::{self, Entry, NewFile, NewRelease, SessionFile, SessionRow};
use crate::tokens::Identity;

impl Index {
    /// Takes one file of a session.
    ///
    /// # Errors
    /// When the bytes are not those that the session listed, or not sound.
    pub(crate) async fn take_file(
        &self,
        session: SessionRow,
        filename: &str,
        staged: Staged,
    ) -> Result<FileAccepted, IndexError> {
        let not_found = || IndexError::not_found(format!("`{filename}` in the session"));
        let listed = session.files.iter().find(|file| file.filename == filename).ok_or_else(not_found)?;
        if let Some(finding) = not_announced(&staged, listed) {
            return Err(IndexError::Invalid { findings: vec![finding] });
        }
        let accepted = |warnings: Vec<Finding>| FileAccepted {
            schema: "shipway.index.file/1".to_owned(),
            ok: true,
            filename: filename.to_owned(),
            sha256: listed.sha256,
            warnings,
        };
        if session.state == "published" || (listed.received && self.is_whole(listed).await?) {
            return Ok(accepted(Vec::new()));
        }
        let expected = Expected {
            name: Some(session.name.clone()),
            version: Some(session.version.clone()),
            filename: filename.to_owned(),
            form: None,
        };
        let judged = file::judge(staged, expected, Vec::new()).await?;
        let mut judged = self.place(judged).await?;
        let result = async {
            let mut write = self.store.write_project(session.name.normalized()).await?;
            let now = store::session(&mut write, &session.id).await?;
            match now.as_ref().map(|now| now.state.as_str()) {
                Some("open") => {}
                // Another publish of the same bytes was faster (row F6): they are there.
                Some("published") => return Ok(()),
                _ => return Err(IndexError::not_found("the session")),
            }
            self.judge_among(&mut write, now.as_ref().unwrap_or(&session), &mut judged).await?;
            self.blobs.place(&judged.staged).await?;
            if let Some((sha256, bytes)) = &judged.metadata {
                store::insert_metadata(&mut write, sha256, bytes).await?;
            }
            let received = SessionFile {
                metadata_sha256: judged.metadata.as_ref().map(|(sha256, _)| *sha256),
                requires_python: judged.requires_python.clone(),
                ..listed.clone()
            };
            store::mark_received(&mut write, &session.id, &received).await?;
            store::extend(&mut write, &session.id, &self.session_end()).await?;
            self.faults.pass("file.rows");
            write.commit().await?;
            self.faults.pass("file.committed");
            Ok(())
        };
        if let Err(error) = result.await {
            self.take_back(session.name.normalized(), judged.staged).await;
            return Err(error);
        }
        judged.staged.settle();
        Ok(accepted(judged.warnings))
    }

    /// Compares a file with those of its session that are there.
    async fn judge_among(
        &self,
        connection: &mut AnyConnection,
        session: &SessionRow,
        judged: &mut file::Judged,
    ) -> Result<(), IndexError> {
        let sibling = |file: &SessionFile| Sibling {
            filename: file.filename.clone(),
            sha256: file.sha256,
            metadata_sha256: file.metadata_sha256,
        };
        let there = session.files.iter().filter(|file| file.received && file.sha256 != judged.staged.sha256);
        let siblings: Vec<_> = there.map(sibling).collect();
        self.judge_siblings(connection, session.name.normalized(), judged, &siblings).await
    }

    /// Makes the release visible with all its files.
    ///
    /// # Errors
    /// When files are missing, or the index changed so that the release cannot be.
    pub(crate) async fn publish(&self, who: &Identity, id: &str) -> Result<Session, IndexError> {
        let found = self.find_session(who, id).await?;
        let judged = self.judge_request(&session_request(&found))?;
        let mut write = self.store.write_project(found.name.normalized()).await?;
        let not_found = || IndexError::not_found("the session");
        let session = store::session(&mut write, id).await?.ok_or_else(not_found)?;
        let published = || answer(session.id.clone(), SessionState::Published, Vec::new());
        match session.state.as_str() {
            "published" => return Ok(published()),
            "open" => {}
            _ => return Err(not_found()),
        }
        let missing = self.lacking(&session.files).await?;
        if !missing.is_empty() {
            return Err(IndexError::SessionIncomplete { missing: names(&missing) });
        }
        let request = session_request(&session);
        let standing = self.stand(&mut write, who.name(), &request, judged).await?;
        if let Some(problem) = standing.problems.into_iter().next() {
            return Err(problem);
        }
        let admission = standing.admission;
        let release = standing.project.as_ref().and_then(|project| project.release(&session.version));
        self.spend(&mut write, who).await?;
        self.make_visible(&mut write, who, &session, (release, admission)).await?;
        write.commit().await?;
        self.faults.pass("publish.committed");
        tracing::info!(
            project = session.name.normalized(),
            version = %session.version,
            channel = %session.channel,
            digest = %session.manifest_digest,
            "published"
        );
        Ok(published())
    }

    async fn make_visible(
        &self,
        write: &mut AnyConnection,
        who: &Identity,
        session: &SessionRow,
        (release, admission): (Option<&Release>, Admission),
    ) -> Result<(), IndexError> {
        let at = self.clock.text();
        let normalized = session.name.normalized();
        let approvals: Vec<_> =
            admission.approvals.iter().map(|approved| approved.envelope.digest()).collect();
        // What was asked for a part of the release is still asked for the whole.
        let mut requires = session.requires.clone();
        for (channel, asked) in release.iter().flat_map(|release| &release.requires) {
            let all = requires.entry(channel.clone()).or_default();
            all.extend(asked.iter().filter(|one| !all.contains(one)).cloned().collect::<Vec<_>>());
        }
        let entry = Entry {
            at: &at,
            actor: who.name(),
            action: "publish",
            project: normalized,
            object: &session.version.to_string(),
            detail: json!({
                "channel": session.channel,
                "session": session.id,
                "manifest_digest": session.manifest_digest,
                "commit": session.commit,
                "local": admission.local,
                "run": session.run,
                "attempt": session.attempt,
                "requires": requires,
                "approvals": approvals,
            }),
        };
        let (serial, record) = store::append(write, entry).await?;
        self.faults.pass("publish.journal");
        let new = NewRelease {
            name: &session.name,
            version: &session.version,
            commit: session.commit.as_deref(),
            local: admission.local,
            run: session.run.as_deref(),
            attempt: session.attempt,
            requires: &requires,
            at: &at,
            by: who.name(),
        };
        store::upsert_release(write, &new).await?;
        for file in &session.files {
            if release.is_some_and(|release| release.present().any(|held| held.filename == file.filename)) {
                continue;
            }
            let file = NewFile {
                name: &session.name,
                version: &session.version,
                filename: &file.filename,
                sha256: file.sha256,
                size: file.size,
                metadata_sha256: file.metadata_sha256,
                requires_python: file.requires_python.as_deref(),
                at: &at,
                by: who.name(),
            };
            store::insert_file(write, &file).await?;
            self.faults.pass("publish.file");
        }
        let (key, version) = (version_key(&session.version), session.version.to_string());
        for approved in &admission.approvals {
            let (key, signer, payload) =
                ((normalized, key.as_str()), &approved.key, &approved.sealed.payload);
            if store::same_statement(write, key, &signer.id, payload).await?.is_none() {
                let sealed = &approved.sealed.statement;
                let keep = Keep { sealed, key: signer, envelope: &approved.envelope, payload };
                self.keep(write, (who.name(), &at), (key, &version), &keep).await?;
                self.faults.pass("publish.approval");
            }
        }
        let membership = Membership { serial, record };
        store::insert_membership(write, &session.channel, (normalized, &session.version), &membership, &at)
            .await?;
        self.faults.pass("publish.membership");
        store::touch(write, normalized, serial).await?;
        store::publish_session(write, &session.id).await?;
        self.faults.pass("publish.state");
        Ok(())
    }
}

/// In what bytes that arrived differ from those that the session lists.
fn not_announced(staged: &Staged, listed: &SessionFile) -> Option<Finding> {
    let filename = &listed.filename;
    if staged.sha256 != listed.sha256 {
        let (announced, received) = (listed.sha256, staged.sha256);
        let message =
            format!("`{filename}` was announced with sha256 {announced}, the bytes received have {received}");
        return Some(Finding::error("digest", message));
    }
    (staged.size != listed.size).then(|| wrong_size(filename, listed.size, staged.size))
}
