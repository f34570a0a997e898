//! Upload sessions: a release becomes visible with all its files in one transaction, or not at all.
//!
//! A session lists its files with their digests when it begins; the files arrive in any order, over as
//! many connections as it takes; publishing refuses unless exactly the listed bytes are there.

mod ending;
mod local;
mod publish;
mod standing;

use serde_json::json;
use shipway_dist::digest::Sha256;
use shipway_dist::finding::Finding;
use shipway_dist::manifest::digest_of_files;
use shipway_dist::wire::{Preflight, Session, SessionRequest, SessionState};

use crate::config::time_text;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::Release;
use crate::store::{self, Entry, SessionFile, SessionRow};
use crate::tokens::{Action, Identity};

/// A session and whether it is new.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) new: bool,
}

impl Index {
    /// Begins a session, or resumes the open one for the same bytes.
    ///
    /// # Errors
    /// The first thing that stands against it.
    pub(crate) async fn begin_session(
        &self,
        who: &Identity,
        request: SessionRequest,
    ) -> Result<Begun, IndexError> {
        let (normalized, channel) = (request.project.normalized(), request.channel.as_str());
        who.grant()?.require(Action::Upload, Some(normalized), Some(channel))?;
        let judged = self.judge_request(&request)?;
        let mut write = match judged.findings.is_empty() {
            true => self.store.write_project(normalized).await?,
            // Refused whatever the index holds: nobody waits for how.
            false => self.store.snapshot().await?,
        };
        let standing = self.stand(&mut write, who.name(), &request, judged).await?;
        if let Some(problem) = standing.problems.into_iter().next() {
            return Err(problem);
        }
        if standing.published {
            return Ok(Begun {
                session: answer(String::new(), SessionState::Published, Vec::new()),
                new: false,
            });
        }
        let expires_at = self.session_end();
        let mut stale = None;
        if let Some(open) = standing.open {
            if open.manifest_digest == digest_of(&request) && open.expires_at > self.clock.text() {
                store::extend(&mut write, &open.id, &expires_at).await?;
                store::renew(&mut write, &open.id, &request).await?;
                write.commit().await?;
                let lacking = self.lacking(&open.files).await?;
                return Ok(Begun {
                    session: answer(open.id, SessionState::Open, names(&lacking)),
                    new: false,
                });
            }
            self.end(&mut write, who.name(), &open).await?;
            stale = Some(open);
        }
        let release = standing.project.as_ref().and_then(|project| project.release(&standing.version));
        let row = SessionRow {
            id: crate::random::id(),
            name: request.project.clone(),
            version: standing.version.clone(),
            channel: request.channel.clone(),
            manifest_digest: digest_of(&request),
            commit: request.commit.clone(),
            local: request.local,
            run: request.run.clone(),
            attempt: request.attempt,
            requires: request.requires.clone(),
            vouchers: request.vouchers.clone(),
            state: "open".to_owned(),
            expires_at,
            files: request.files.iter().map(|file| session_file(file, release)).collect(),
        };
        let at = self.clock.text();
        let entry = Entry {
            at: &at,
            actor: who.name(),
            action: "begin-session",
            project: normalized,
            object: &request.version,
            detail: json!({ "session": row.id, "manifest_digest": row.manifest_digest, "local": row.local }),
        };
        store::append(&mut write, entry).await?;
        store::insert_session(&mut write, &row, &at, who.name()).await?;
        self.faults.pass("session.rows");
        write.commit().await?;
        self.faults.pass("session.committed");
        if let Some(stale) = stale {
            self.clear(&stale).await;
        }
        let missing: Vec<_> = row.files.iter().filter(|file| !file.received).cloned().collect();
        Ok(Begun { session: answer(row.id, SessionState::Open, names(&missing)), new: true })
    }

    /// Says everything that would stand against a session, and writes nothing.
    ///
    /// # Errors
    /// Only when nobody in particular asks.
    pub(crate) async fn preflight(
        &self,
        who: &Identity,
        request: &SessionRequest,
    ) -> Result<Preflight, IndexError> {
        let (normalized, channel) = (request.project.normalized(), request.channel.as_str());
        let mut problems = Vec::new();
        match who.grant()?.require(Action::Upload, Some(normalized), Some(channel)) {
            // What stands in a project beyond the token's reach is none of its business.
            Err(error) => problems.push(error),
            Ok(()) => {
                let mut snapshot = self.store.snapshot().await?;
                let judged = self.judge_request(request)?;
                problems = self.stand(&mut snapshot, who.name(), request, judged).await?.problems;
            }
        }
        for need in &request.also {
            let action = Action::ALL.iter().copied().find(|action| action.as_str() == need.action);
            let channel = need.channel.as_ref().map(|channel| channel.as_str());
            if let Some(action) = action {
                problems.extend(who.grant()?.require(action, Some(normalized), channel).err());
            }
        }
        let finding = |error: &IndexError| match error.findings() {
            [] => vec![Finding::error(error.code(), error.to_string())],
            findings => findings
                .iter()
                .map(|finding| Finding { id: error.code().to_owned(), ..finding.clone() })
                .collect(),
        };
        let problems: Vec<_> = problems.iter().flat_map(finding).collect();
        Ok(Preflight { schema: "shipway.index.preflight/1".to_owned(), ok: problems.is_empty(), problems })
    }

    /// The open session of that id, if this token may upload to it.
    ///
    /// # Errors
    /// A session beyond the token's reach is not found.
    pub(crate) async fn find_session(&self, who: &Identity, id: &str) -> Result<SessionRow, IndexError> {
        let grant = who.grant()?;
        let not_found = || IndexError::not_found("the session");
        let session = store::session(&mut *self.store.snapshot().await?, id).await?.ok_or_else(not_found)?;
        let scope = (Some(session.name.normalized()), Some(session.channel.as_str()));
        grant.require(Action::Upload, scope.0, scope.1).map_err(|_| not_found())?;
        if session.state == "canceled" { Err(not_found()) } else { Ok(session) }
    }

    /// Gives a session up; its files go unless something else stands on them.
    ///
    /// # Errors
    /// When there is no such session.
    pub(crate) async fn delete_session(&self, who: &Identity, id: &str) -> Result<(), IndexError> {
        let session = self.find_session(who, id).await?;
        let mut write = self.store.write_project(session.name.normalized()).await?;
        let now = store::session(&mut write, id).await?;
        if now.is_none_or(|now| now.state != "open") {
            return Err(IndexError::not_found("the session"));
        }
        self.end(&mut write, who.name(), &session).await?;
        write.commit().await?;
        self.clear(&session).await;
        Ok(())
    }

    /// The files whose bytes are not there.
    pub(super) async fn lacking(&self, files: &[SessionFile]) -> Result<Vec<SessionFile>, IndexError> {
        let mut lacking = Vec::new();
        for file in files {
            if !file.received || !self.is_whole(file).await? {
                lacking.push(file.clone());
            }
        }
        Ok(lacking)
    }

    /// Whether the bytes of a file are there, as many as it has.
    async fn is_whole(&self, file: &SessionFile) -> Result<bool, IndexError> {
        Ok(self.blobs.size(&file.sha256).await? == Some(file.size))
    }

    fn session_end(&self) -> String {
        let now = self.clock.now();
        time_text(now.checked_add(self.limits.session).unwrap_or(now))
    }

    /// A session as the wire shows it.
    pub(crate) fn show_session(&self, session: &SessionRow) -> Session {
        if session.state == "published" {
            return answer(session.id.clone(), SessionState::Published, Vec::new());
        }
        let missing: Vec<_> = session.files.iter().filter(|file| !file.received).cloned().collect();
        answer(session.id.clone(), SessionState::Open, names(&missing))
    }
}

fn session_file(file: &shipway_dist::ManifestFile, release: Option<&Release>) -> SessionFile {
    let held = release.and_then(|release| release.present().find(|held| held.filename == file.filename));
    SessionFile {
        filename: file.filename.clone(),
        size: file.size,
        sha256: file.sha256,
        received: held.is_some(),
        metadata_sha256: held.and_then(|held| held.metadata_sha256),
        requires_python: held.and_then(|held| held.requires_python.clone()),
    }
}

fn session_request(session: &SessionRow) -> SessionRequest {
    let file = |file: &SessionFile| shipway_dist::ManifestFile {
        filename: file.filename.clone(),
        size: file.size,
        sha256: file.sha256,
    };
    SessionRequest {
        project: session.name.clone(),
        version: session.version.to_string(),
        channel: session.channel.clone(),
        files: session.files.iter().map(file).collect(),
        commit: session.commit.clone(),
        local: session.local,
        run: session.run.clone(),
        attempt: session.attempt,
        requires: session.requires.clone(),
        vouchers: session.vouchers.clone(),
        also: Vec::new(),
    }
}

fn digest_of(request: &SessionRequest) -> Sha256 {
    digest_of_files(request.files.iter().map(|file| (file.filename.as_str(), file.sha256)))
}

fn names(files: &[SessionFile]) -> Vec<String> {
    files.iter().map(|file| file.filename.clone()).collect()
}

fn answer(id: String, state: SessionState, missing: Vec<String>) -> Session {
    Session { schema: "shipway.index.session/1".to_owned(), ok: true, id, state, missing }
}
