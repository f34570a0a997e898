//! Where a request for a release stands: everything that is against it, and what is there.

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
use crate::index::Index;
use crate::project::Project;
use crate::store::{self, SessionRow};

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
    pub(super) async fn stand(
        &self,
        connection: &mut AnyConnection,
        publisher: &str,
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
        if !published {
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
