//! Upload sessions: a release becomes visible with all its files in one transaction, or not at all.
//!
//! A session lists its files with their digests when it begins; the files arrive in any order, over as
//! many connections as it takes; publishing refuses unless exactly the listed bytes are there.

use serde_json::json;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::finding::Finding;
use shipway_dist::manifest::digest_of_files;
use shipway_dist::wire::{FileAccepted, Preflight, Session, SessionRequest, SessionState};
use sqlx::AnyConnection;

use crate::accept::file::{self, Expected};
use crate::accept::names::{judge_filename, judge_version};
use crate::accept::{Candidate, decide, parse_version};
use crate::blobs::Staged;
use crate::config::time_text;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::{Membership, Project, Release};
use crate::store::{self, Entry, NewFile, NewRelease, SessionFile, SessionRow};
use crate::tokens::{Action, Identity};

/// A session and whether it is new.
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) new: bool,
}

/// Where a request stands: what is against it, and what is there.
struct Standing {
    problems: Vec<IndexError>,
    version: pep440_rs::Version,
    project: Option<Project>,
    published: bool,
    open: Option<SessionRow>,
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
        let mut write = self.store.write().await?;
        let standing = self.stand(&mut write, &request).await?;
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
        let mut stale = Vec::new();
        if let Some(mut open) = standing.open {
            if open.manifest_digest == digest_of(&request) && open.expires_at > self.clock.text() {
                store::extend(&mut write, &open.id, &expires_at).await?;
                write.commit().await?;
                open.files.retain(|file| !file.received || !self.blobs.holds(&file.sha256));
                return Ok(Begun {
                    session: answer(open.id, SessionState::Open, names(&open.files)),
                    new: false,
                });
            }
            store::cancel(&mut write, &open.id).await?;
            stale.extend(open.files.iter().map(|file| file.sha256));
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
        if !stale.is_empty() {
            self.discard(&stale).await;
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
                problems = self.stand(&mut snapshot, request).await?.problems;
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

    async fn stand(
        &self,
        connection: &mut AnyConnection,
        request: &SessionRequest,
    ) -> Result<Standing, IndexError> {
        let channels = store::channels(connection).await?;
        let channel = channels.iter().find(|channel| channel.name == request.channel);
        let channel =
            channel.ok_or_else(|| IndexError::not_found(format!("channel `{}`", request.channel)))?;
        let version = parse_version(&request.version)?;
        let mut problems = Vec::new();
        if !channel.accepts_uploads {
            problems.push(crate::index::closed(channel, &channels));
        }
        let mut findings = judge_files(request, &version, self.limits.file_size);
        findings.extend(judge_version(&version, channel));
        if !findings.is_empty() {
            problems.push(IndexError::Invalid { findings });
        }
        let project = store::load_project(connection, request.project.normalized()).await?;
        let release = project.as_ref().and_then(|project| project.release(&version));
        let mut published = false;
        if let Some(release) = release {
            published = release.blocked.is_none() && release.manifest_digest() == digest_of(request);
            let extra =
                release.present().find(|file| request.files.iter().all(|f| f.filename != file.filename));
            if let (Some(file), None) = (extra, &release.blocked) {
                let why = format!(
                    "{version} is published with `{}`, which is not among the files sent; publish a new version",
                    file.filename
                );
                problems.push(IndexError::ReleaseConflict { why });
            }
        }
        if !published {
            for file in &request.files {
                let Ok(parsed) = file.filename.parse::<DistributionFilename>() else { continue };
                let candidate = Candidate {
                    version: &version,
                    kind: parsed.kind,
                    filename: &file.filename,
                    sha256: file.sha256,
                };
                let ledger = store::ledger(connection, &file.filename, &file.sha256).await?;
                if let Err(error) = decide(project.as_ref(), &ledger, &candidate) {
                    let once = problems.iter().all(|known| known.to_string() != error.to_string());
                    problems.extend(once.then_some(error));
                }
            }
        }
        let open = store::open_session(connection, request.project.normalized(), &version).await?;
        if let Some(open) = &open
            && !published
            && open.manifest_digest != digest_of(request)
            && open.expires_at > self.clock.text()
        {
            problems.push(IndexError::SessionConflict {
                project: request.project.normalized().to_owned(),
                version: version.to_string(),
                id: open.id.clone(),
            });
        }
        Ok(Standing { problems, version, project, published, open })
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
        if staged.sha256 != listed.sha256 {
            let message = format!(
                "`{filename}` was announced with sha256 {}, the bytes received have {}",
                listed.sha256, staged.sha256
            );
            return Err(IndexError::Invalid { findings: vec![Finding::error("digest", message)] });
        }
        let accepted = |warnings: Vec<Finding>| FileAccepted {
            schema: "shipway.index.file/1".to_owned(),
            ok: true,
            filename: filename.to_owned(),
            sha256: listed.sha256,
            warnings,
        };
        if session.state == "published" || (listed.received && self.blobs.holds(&listed.sha256)) {
            return Ok(accepted(Vec::new()));
        }
        let expected = Expected {
            name: session.name.clone(),
            version: session.version.clone(),
            filename: filename.to_owned(),
            kind: if filename.ends_with(".whl") { Kind::Wheel } else { Kind::Sdist },
            requires_python: None,
        };
        let judged = file::judge(staged, expected, Vec::new()).await?;
        let judged = self.place(judged).await?;
        let result = async {
            let mut write = self.store.write().await?;
            let now = store::session(&mut write, &session.id).await?;
            if now.is_none_or(|now| now.state != "open") {
                return Err(IndexError::not_found("the session"));
            }
            self.blobs.place(&judged.staged)?;
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
            self.discard(&[listed.sha256]).await;
            return Err(error);
        }
        Ok(accepted(judged.warnings))
    }

    /// Makes the release visible with all its files.
    ///
    /// # Errors
    /// When files are missing, or the index changed so that the release cannot be.
    pub(crate) async fn publish(&self, who: &Identity, id: &str) -> Result<Session, IndexError> {
        self.find_session(who, id).await?;
        let mut write = self.store.write().await?;
        let not_found = || IndexError::not_found("the session");
        let session = store::session(&mut write, id).await?.ok_or_else(not_found)?;
        let published = || answer(session.id.clone(), SessionState::Published, Vec::new());
        match session.state.as_str() {
            "published" => return Ok(published()),
            "open" => {}
            _ => return Err(not_found()),
        }
        let lacks = |file: &&SessionFile| !file.received || !self.blobs.holds(&file.sha256);
        let missing: Vec<_> = session.files.iter().filter(lacks).cloned().collect();
        if !missing.is_empty() {
            return Err(IndexError::SessionIncomplete { missing: names(&missing) });
        }
        let request = session_request(&session);
        let standing = self.stand(&mut write, &request).await?;
        if let Some(problem) = standing.problems.into_iter().next() {
            return Err(problem);
        }
        let release = standing.project.as_ref().and_then(|project| project.release(&session.version));
        self.make_visible(&mut write, who, &session, release).await?;
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
        release: Option<&Release>,
    ) -> Result<(), IndexError> {
        let at = self.clock.text();
        let normalized = session.name.normalized();
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
                "local": session.local,
            }),
        };
        let (serial, record) = store::append(write, entry).await?;
        self.faults.pass("publish.journal");
        let new = NewRelease {
            name: &session.name,
            version: &session.version,
            commit: session.commit.as_deref(),
            local: session.local,
            run: session.run.as_deref(),
            attempt: session.attempt,
            requires: &session.requires,
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
        let membership = Membership { serial, record };
        store::insert_membership(write, &session.channel, (normalized, &session.version), &membership, &at)
            .await?;
        self.faults.pass("publish.membership");
        store::touch(write, normalized, serial).await?;
        store::publish_session(write, &session.id).await?;
        self.faults.pass("publish.state");
        Ok(())
    }

    /// Gives a session up; its files go unless something else stands on them.
    ///
    /// # Errors
    /// When there is no such session.
    pub(crate) async fn delete_session(&self, who: &Identity, id: &str) -> Result<(), IndexError> {
        let session = self.find_session(who, id).await?;
        let mut write = self.store.write().await?;
        let now = store::session(&mut write, id).await?;
        if now.is_none_or(|now| now.state != "open") {
            return Err(IndexError::not_found("the session"));
        }
        store::cancel(&mut write, id).await?;
        let at = self.clock.text();
        let entry = Entry {
            at: &at,
            actor: who.name(),
            action: "cancel-session",
            project: session.name.normalized(),
            object: &session.version.to_string(),
            detail: json!({ "session": id }),
        };
        store::append(&mut write, entry).await?;
        write.commit().await?;
        let digests: Vec<_> = session.files.iter().map(|file| file.sha256).collect();
        self.discard(&digests).await;
        Ok(())
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

fn judge_files(request: &SessionRequest, version: &pep440_rs::Version, limit: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.files.is_empty() {
        findings.push(Finding::error("files", "a release has at least one file"));
    }
    let mut sdists = 0;
    for (at, file) in request.files.iter().enumerate() {
        let (parsed, found) = judge_filename(&file.filename, &request.project, version);
        findings.extend(found);
        sdists += usize::from(parsed.is_some_and(|parsed| parsed.kind == Kind::Sdist));
        let same = |other: &shipway_dist::ManifestFile| {
            other.filename.to_lowercase() == file.filename.to_lowercase() || other.sha256 == file.sha256
        };
        if request.files[..at].iter().any(same) {
            let message = format!("`{}` stands twice, by name or by bytes", file.filename);
            findings.push(Finding::error("files", message));
        }
        if file.size > limit {
            let message = format!("`{}` has {} bytes, the limit is {limit}", file.filename, file.size);
            findings.push(Finding::error("files", message));
        }
    }
    if sdists > 1 {
        findings.push(Finding::error("files", format!("a release has one sdist, these are {sdists}")));
    }
    findings
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
