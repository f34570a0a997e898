//! Where a request for a release stands: everything that is against it, and what is there.

use std::collections::{HashMap, HashSet};

use pep440_rs::Version;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::finding::Finding;
use shipway_dist::wire::SessionRequest;
use sqlx::AnyConnection;

use super::digest_of;
use super::local::Admission;
use crate::accept::admission::Applicant;
use crate::accept::names::{judge_filename, judge_version};
use crate::accept::{Candidate, decide, parse_version};
use crate::error::IndexError;
use crate::index::{Index, elsewhere};
use crate::project::{Project, Release};
use crate::store::{self, SessionRow};

/// A request, judged by itself: nobody is kept from writing for that.
pub(super) struct Judged {
    version: Version,
    pub(super) findings: Vec<Finding>,
    /// Whether it has so many files that they were not looked at.
    too_many: bool,
}

/// Where a request stands: what is against it, and what is there.
pub(super) struct Standing {
    pub(super) problems: Vec<IndexError>,
    pub(super) version: Version,
    pub(super) project: Option<Project>,
    pub(super) published: bool,
    pub(super) open: Option<SessionRow>,
    pub(super) admission: Admission,
}

impl Index {
    /// Judges a request without a look at what the index holds.
    pub(super) fn judge_request(&self, request: &SessionRequest) -> Result<Judged, IndexError> {
        let version = parse_version(&request.version)?;
        let (count, most) = (request.files.len(), self.limits.release_files);
        let too_many = count > most;
        let findings = if too_many {
            let message = format!("the release has {count} files, the limit is {most}");
            vec![Finding::error("files", message)]
        } else {
            judge_files(request, &version, self.limits.file_size)
        };
        Ok(Judged { version, findings, too_many })
    }

    pub(super) async fn stand(
        &self,
        connection: &mut AnyConnection,
        publisher: &str,
        request: &SessionRequest,
        judged: Judged,
    ) -> Result<Standing, IndexError> {
        let Judged { version, mut findings, too_many } = judged;
        let channels = store::channels(connection).await?;
        let channel = channels.iter().find(|channel| channel.name == request.channel);
        let channel =
            channel.ok_or_else(|| IndexError::not_found(format!("channel `{}`", request.channel)))?;
        let mut problems = Vec::new();
        if !channel.accepts_uploads {
            problems.push(crate::index::closed(channel, &channels));
        }
        findings.extend(judge_version(&version, channel));
        let project = store::load_project(connection, request.project.normalized()).await?;
        let open = store::open_session(connection, request.project.normalized(), &version).await?;
        let release = project.as_ref().and_then(|project| project.release(&version));
        findings.extend(judge_sizes(request, release, open.as_ref()));
        if !findings.is_empty() {
            problems.push(IndexError::Invalid { findings });
        }
        let mut published = false;
        let away = release.and_then(|release| elsewhere(release, &channel.name));
        if let Some(release) = release {
            published = release.blocked.is_none()
                && away.is_none()
                && release.manifest_digest() == digest_of(request);
            let sent: HashSet<_> = request.files.iter().map(|file| &file.filename).collect();
            let extra = release.present().find(|file| !sent.contains(&file.filename));
            if let (Some(file), None) = (extra, &release.blocked) {
                let why = format!(
                    "{version} is published with `{}`, which is not among the files sent; publish a new version",
                    file.filename
                );
                problems.push(IndexError::ReleaseConflict { why });
            }
        }
        if !published && !too_many {
            let mut said: HashSet<_> = problems.iter().map(ToString::to_string).collect();
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
                    problems.extend(said.insert(error.to_string()).then_some(error));
                }
            }
        }
        if !published && away.is_none() {
            let held =
                |filename: &str| project.as_ref().is_some_and(|project| project.file(filename).is_some());
            let new = request.files.iter().filter(|file| !held(&file.filename));
            let files = new.map(|file| (file.filename.as_str(), file.size)).collect();
            let applicant =
                Applicant { name: &request.project, version: Some(&version), files, by: publisher };
            match self.admit_files(connection, project.as_ref(), &applicant).await {
                Ok(findings) if findings.is_empty() => {}
                Ok(findings) => problems.push(IndexError::Invalid { findings }),
                Err(error) if error.status().is_client_error() => {
                    let once = problems.iter().all(|known| known.to_string() != error.to_string());
                    problems.extend(once.then_some(error));
                }
                Err(failed) => return Err(failed),
            }
        }
        problems.extend(away);
        if let Some(open) = &open
            && !published
            && (open.manifest_digest != digest_of(request) || open.channel != request.channel)
            && open.expires_at > self.clock.text()
        {
            problems.push(IndexError::SessionConflict {
                project: request.project.normalized().to_owned(),
                version: version.to_string(),
                id: open.id.clone(),
            });
        }
        let mut admission = Admission { local: request.local, ..Admission::default() };
        // Nothing is taken of a release that is there.
        if !published {
            match self.admit(connection, publisher, request).await {
                Ok(admitted) => admission = admitted,
                Err(problem @ (IndexError::LocalRelease { .. } | IndexError::BadRequest { .. })) => {
                    problems.push(problem);
                }
                Err(failed) => return Err(failed),
            }
        }
        Ok(Standing { problems, version, project, published, open, admission })
    }
}

fn judge_files(request: &SessionRequest, version: &Version, limit: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if request.files.is_empty() {
        findings.push(Finding::error("files", "a release has at least one file"));
    }
    let mut sdists = 0;
    let (mut names, mut digests) = (HashSet::new(), HashSet::new());
    for file in &request.files {
        let (parsed, found) = judge_filename(&file.filename, &request.project, version);
        findings.extend(found);
        sdists += usize::from(parsed.is_some_and(|parsed| parsed.kind == Kind::Sdist));
        // Both are asked: each must remember the file.
        let (name, bytes) = (names.insert(file.filename.to_lowercase()), digests.insert(file.sha256));
        if !(name && bytes) {
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

/// The size of bytes that are here is known, whatever is announced.
fn judge_sizes(
    request: &SessionRequest,
    release: Option<&Release>,
    open: Option<&SessionRow>,
) -> Vec<Finding> {
    let held = release.into_iter().flat_map(Release::present).map(|file| (file.sha256, file.size));
    let received = open.into_iter().flat_map(|open| &open.files).filter(|file| file.received);
    let known: HashMap<_, _> = received.map(|file| (file.sha256, file.size)).chain(held).collect();
    let differs = |file: &shipway_dist::ManifestFile| {
        let size = *known.get(&file.sha256).filter(|size| **size != file.size)?;
        Some(wrong_size(&file.filename, file.size, size))
    };
    request.files.iter().filter_map(differs).collect()
}

/// The finding that a file has another size than was announced.
pub(super) fn wrong_size(filename: &str, announced: u64, size: u64) -> Finding {
    Finding::error("size", format!("`{filename}` was announced with {announced} bytes and has {size}"))
}
