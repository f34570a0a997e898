//! The upload of one file through the legacy API, from a staged file to a visible one.

use pep440_rs::Version;
use serde_json::json;
use shipway_dist::digest::Sha256;
use shipway_dist::filename::{DistributionFilename, Kind};
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;
use sqlx::AnyConnection;

use super::admission::Applicant;
use super::file::{self, Expected, Judged};
use super::form::{Facts, Form};
use super::names::{agree, judge_version};
use super::siblings::Sibling;
use super::{Candidate, Decision, decide};
use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::{Index, elsewhere};
use crate::project::{Channel, Membership, Project, Requires};
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

/// An upload between the form and the file.
struct Door<'a> {
    who: &'a Identity,
    channel: &'a Channel,
    known: &'a Known,
    filename: &'a str,
    sha256: Sha256,
    size: u64,
}

/// What a form is for, when all of it can be read.
struct Release {
    name: ProjectName,
    version: Version,
    kind: Kind,
}

impl Index {
    /// Takes one file into a release of a channel that takes uploads.
    ///
    /// # Errors
    /// Whatever the rules refuse; no row, no blob and no name is left then. What is wrong with form, name,
    /// digests and file is said together.
    pub(crate) async fn upload(&self, who: &Identity, upload: Upload) -> Result<Accepted, IndexError> {
        let Upload { channel, form, filename, staged, known } = upload;
        form.judge_action()?;
        let Facts { name, version, kind, mut findings, warnings } = form.judge();
        if let Some(name) = &name {
            who.grant()?.require(Action::Upload, Some(name.normalized()), Some(channel.name.as_str()))?;
        }
        findings.extend(form.judge_digests(&staged));
        findings.extend(judge_names(&form, (name.as_ref(), version.as_ref(), kind), &channel, &filename));
        let (sha256, size) = (staged.sha256, staged.size);
        let door = Door { who, channel: &channel, known: &known, filename: &filename, sha256, size };
        // Cheap before expensive: what cannot be taken anyway is not unpacked. Judged again in the
        // transaction, where nobody else writes.
        let mut snapshot = self.store.snapshot().await?;
        let project = match &name {
            Some(name) => store::load_project(&mut snapshot, name.normalized()).await?,
            None => None,
        };
        let project = project.as_ref();
        let release = match (name.clone(), version.clone(), kind) {
            (Some(name), Some(version), Some(kind)) if findings.is_empty() => {
                let release = Release { name, version, kind };
                let (decision, found) = self.admit_upload(&mut snapshot, &door, &release, project).await?;
                if decision == Decision::Present {
                    // Its row is there; bytes that were lost come back with whoever sends them again.
                    self.blobs.place(&staged).await?;
                    staged.settle();
                    return Ok(accepted(&door, &release, (false, warnings)));
                }
                findings.extend(found);
                Some(release)
            }
            (Some(name), version, _) => {
                let asked = (&name, version.as_ref());
                findings.extend(self.admit_project(&mut snapshot, &door, asked, project).await?);
                None
            }
            _ => None,
        };
        drop(snapshot);
        let expected = expected((name, version), form, &filename, &findings);
        // Judged although something is wrong already, so that everything is said at once.
        let judged = match file::judge(staged, expected, warnings).await {
            Ok(judged) => Some(judged),
            Err(IndexError::Invalid { findings: found }) => {
                findings.extend(found);
                None
            }
            Err(error) => return Err(error),
        };
        let (Some(release), Some(judged), true) = (release, judged, findings.is_empty()) else {
            return Err(IndexError::Invalid { findings });
        };
        let mut placed = self.place(judged).await?;
        let new = match self.commit_upload(&door, &release, &mut placed).await {
            Ok(new) => new,
            Err(error) => {
                self.take_back(release.name.normalized(), placed.staged).await;
                return Err(error);
            }
        };
        placed.staged.settle();
        Ok(accepted(&door, &release, (new, placed.warnings)))
    }

    /// Judges whether the project may have the file, and gives what is wrong with its name.
    async fn admit_project(
        &self,
        connection: &mut AnyConnection,
        door: &Door<'_>,
        (name, version): (&ProjectName, Option<&Version>),
        project: Option<&Project>,
    ) -> Result<Vec<Finding>, IndexError> {
        if door.known.source.is_some() {
            return Ok(Vec::new());
        }
        let files = vec![(door.filename, door.size)];
        self.admit_files(connection, project, &Applicant { name, version, files, by: door.who.name() }).await
    }

    /// Judges a file against what the index holds, and gives what is wrong with its project's name.
    async fn admit_upload(
        &self,
        connection: &mut AnyConnection,
        door: &Door<'_>,
        release: &Release,
        project: Option<&Project>,
    ) -> Result<(Decision, Vec<Finding>), IndexError> {
        if let Some(project) = project {
            project.require_open()?;
        }
        let ledger = store::ledger(connection, door.filename, &door.sha256).await?;
        let candidate = Candidate {
            version: &release.version,
            kind: release.kind,
            filename: door.filename,
            sha256: door.sha256,
        };
        let decision = decide(project, &ledger, &candidate)?;
        let held = project.and_then(|project| project.release(&release.version));
        if let Some(refusal) = held.and_then(|held| elsewhere(held, &door.channel.name)) {
            return Err(refusal);
        }
        if decision == Decision::Present {
            return Ok((Decision::Present, Vec::new()));
        }
        let asked = (&release.name, Some(&release.version));
        let findings = self.admit_project(connection, door, asked, project).await?;
        if findings.is_empty() {
            self.require_use(connection, door.who).await?;
            self.admit_legacy(connection, (release.name.normalized(), &release.version)).await?;
        }
        Ok((Decision::Add, findings))
    }

    async fn commit_upload(
        &self,
        door: &Door<'_>,
        release: &Release,
        judged: &mut Judged,
    ) -> Result<bool, IndexError> {
        let normalized = release.name.normalized();
        let mut write = self.store.write_project(normalized).await?;
        let project = store::load_project(&mut write, normalized).await?;
        let (decision, findings) = self.admit_upload(&mut write, door, release, project.as_ref()).await?;
        if decision == Decision::Present {
            return Ok(false);
        }
        if !findings.is_empty() {
            return Err(IndexError::Invalid { findings });
        }
        let held = project.as_ref().and_then(|project| project.release(&release.version));
        let siblings: Vec<_> = held.iter().flat_map(|held| held.present()).map(Sibling::of).collect();
        self.judge_siblings(&mut write, normalized, judged, &siblings).await?;
        self.spend(&mut write, door.who).await?;
        // Someone may have removed the blob since: a refused upload of the same bytes does.
        self.blobs.place(&judged.staged).await?;
        self.write_upload(&mut write, door, release, judged).await?;
        write.commit().await?;
        self.faults.pass("upload.committed");
        tracing::info!(
            project = normalized,
            version = %release.version,
            channel = %door.channel.name,
            digest = %door.sha256,
            "uploaded {}",
            door.filename
        );
        Ok(true)
    }

    /// Writes the journal's entry and the rows that make the file visible.
    async fn write_upload(
        &self,
        write: &mut AnyConnection,
        door: &Door<'_>,
        release: &Release,
        judged: &Judged,
    ) -> Result<(), IndexError> {
        let (known, channel) = (door.known, &door.channel.name);
        let at = self.clock.text();
        let normalized = release.name.normalized();
        let mut detail = json!({ "channel": channel, "sha256": door.sha256 });
        if let Some(source) = &known.source {
            detail["from"] = json!(source);
        }
        if let Some(reason) = &known.yanked {
            detail["yanked"] = json!(reason);
        }
        let (actor, object) = (door.who.name(), door.filename);
        let entry = Entry { at: &at, actor, action: "upload", project: normalized, object, detail };
        let (serial, record) = store::append(write, entry).await?;
        let new = NewRelease {
            name: &release.name,
            version: &release.version,
            commit: None,
            local: false,
            run: None,
            attempt: None,
            requires: &Requires::new(),
            at: &at,
            by: actor,
        };
        store::upsert_release(write, &new).await?;
        if let Some((sha256, bytes)) = &judged.metadata {
            store::insert_metadata(write, sha256, bytes).await?;
        }
        let file = NewFile {
            name: &release.name,
            version: &release.version,
            filename: door.filename,
            sha256: door.sha256,
            size: judged.staged.size,
            metadata_sha256: judged.metadata.as_ref().map(|(sha256, _)| *sha256),
            requires_python: judged.requires_python.as_deref(),
            at: known.uploaded_at.as_deref().unwrap_or(&at),
            by: actor,
        };
        store::insert_file(write, &file).await?;
        if known.yanked.is_some() {
            store::yank_file(write, door.filename, known.yanked.as_deref()).await?;
        }
        self.faults.pass("upload.rows");
        let membership = Membership { serial, record };
        store::insert_membership(write, channel, (normalized, &release.version), &membership, &at).await?;
        store::touch(write, normalized, serial).await?;
        self.faults.pass("upload.touched");
        Ok(())
    }

    /// Puts a judged file under its digest, durably.
    pub(crate) async fn place(&self, judged: Judged) -> Result<Judged, IndexError> {
        self.blobs.place(&judged.staged).await?;
        Ok(judged)
    }
}

/// What became of a file.
fn accepted(door: &Door<'_>, release: &Release, (new, warnings): (bool, Vec<Finding>)) -> Accepted {
    Accepted {
        filename: door.filename.to_owned(),
        sha256: door.sha256,
        project: release.name.normalized().to_owned(),
        version: release.version.to_string(),
        new,
        warnings,
    }
}

/// What the file is compared with: the form without the fields that are wrong anyway.
fn expected(
    (name, version): (Option<ProjectName>, Option<Version>),
    mut form: Form,
    filename: &str,
    findings: &[Finding],
) -> Expected {
    for field in findings.iter().filter_map(|finding| finding.field.as_deref()) {
        form.without(field);
    }
    Expected { name, version, filename: filename.to_owned(), form: Some(form) }
}

/// Judges a filename against the form. Its own form is judged with the file.
fn judge_names(
    form: &Form,
    (name, version, kind): (Option<&ProjectName>, Option<&Version>, Option<Kind>),
    channel: &Channel,
    filename: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(parsed) = filename.parse::<DistributionFilename>() {
        findings.extend(agree(&parsed, name, version));
        if kind.is_some_and(|kind| kind != parsed.kind) {
            let message = format!("`filetype` does not fit `{filename}`");
            findings.push(Finding::error("form", message).field("filetype"));
        }
        findings.extend(form.judge_python_tag(&parsed));
    }
    findings.extend(version.and_then(|version| judge_version(version, channel)));
    findings
}
