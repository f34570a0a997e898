//! Judges whether a project may have further files: its name, its standing, its limits (8, 23 to 28, 30, 31, 62).
//!
//! A project that an administrator created may have any name. What an administrator imports is judged by
//! nothing of this: deciding to import it was deciding that.

use std::time::Duration;

use jiff::Timestamp;
use pep440_rs::Version;
use shipway_dist::finding::Finding;
use shipway_dist::name::ProjectName;
use sqlx::AnyConnection;

use crate::config::time_text;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::{Project, Release};
use crate::store;

/// What new projects are counted over.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Files that want to become part of a project.
pub(crate) struct Applicant<'a> {
    pub(crate) name: &'a ProjectName,
    /// Absent where the form names none that can be read.
    pub(crate) version: Option<&'a Version>,
    /// Filenames and sizes.
    pub(crate) files: Vec<(&'a str, u64)>,
    /// The name of the token.
    pub(crate) by: &'a str,
}

impl Index {
    /// Judges whether a project may have further files, and gives what is wrong with a new name.
    ///
    /// # Errors
    /// What refuses the files whatever they are.
    pub(crate) async fn admit_files(
        &self,
        connection: &mut AnyConnection,
        project: Option<&Project>,
        applicant: &Applicant<'_>,
    ) -> Result<Vec<Finding>, IndexError> {
        let Some(project) = project else {
            self.admit_size(None, applicant)?;
            return self.admit_name(connection, applicant).await;
        };
        project.require_open()?;
        if let Some(release) = applicant.version.and_then(|version| project.release(version)) {
            self.require_young(release)?;
        }
        self.admit_size(Some(project), applicant)?;
        Ok(Vec::new())
    }

    /// Refuses further files of a release whose first file is too long ago (30).
    fn require_young(&self, release: &Release) -> Result<(), IndexError> {
        let first = release.present().map(|file| &file.uploaded_at).min();
        let (Some(after), Some(first)) = (self.limits.close_after, first) else { return Ok(()) };
        let Ok(closing) = self.clock.now().checked_sub(after).map(time_text) else { return Ok(()) };
        if *first >= closing {
            return Ok(());
        }
        let closed = first.parse::<Timestamp>().ok().and_then(|first| first.checked_add(after).ok());
        let why = format!(
            "version {} takes no further files since {}; publish a new version",
            release.version,
            closed.map_or_else(|| first.clone(), time_text),
        );
        Err(IndexError::ReleaseConflict { why })
    }

    /// Refuses files beyond the limits of a project (31, 62).
    fn admit_size(&self, project: Option<&Project>, applicant: &Applicant<'_>) -> Result<(), IndexError> {
        let name = applicant.name.normalized();
        let own = |limit: fn(&Project) -> Option<u64>| project.and_then(limit);
        let limit = own(|project| project.standing.file_limit)
            .unwrap_or(self.limits.project_file)
            .min(self.limits.file_size);
        if let Some((filename, size)) = applicant.files.iter().find(|(_, size)| *size > limit) {
            let what = format!("`{filename}` has {size} bytes and");
            return Err(IndexError::TooLarge { what, limit });
        }
        let held = |filename: &str| project.is_some_and(|project| project.file(filename).is_some());
        let sent: u64 = applicant.files.iter().filter(|(name, _)| !held(name)).map(|(_, size)| size).sum();
        let releases = project.iter().flat_map(|project| &project.releases);
        let used: u64 = releases.flat_map(Release::present).map(|file| file.size).sum();
        let limit = own(|project| project.standing.total_limit).unwrap_or(self.limits.project_total);
        if sent > 0 && used.saturating_add(sent) > limit {
            let what = format!("`{name}` holds {used} bytes, with {sent} more it");
            return Err(IndexError::TooLarge { what, limit });
        }
        Ok(())
    }

    /// Judges the name of a project that does not exist yet (8, 23 to 27).
    async fn admit_name(
        &self,
        connection: &mut AnyConnection,
        applicant: &Applicant<'_>,
    ) -> Result<Vec<Finding>, IndexError> {
        let name = applicant.name.normalized();
        if !self.names.auto_create {
            return Err(IndexError::NoProject { project: name.to_owned() });
        }
        let namespaces = store::namespaces(connection).await?;
        let covering = namespaces.into_iter().filter(|(prefix, _)| covers(prefix, name));
        if let Some((prefix, owners)) = covering.max_by_key(|(prefix, _)| prefix.len())
            && owners.iter().all(|owner| owner != applicant.by)
        {
            let owners: Vec<_> = owners.iter().map(|owner| format!("`{owner}`")).collect();
            let (owners, project) = (owners.join(", "), name.to_owned());
            return Err(IndexError::Namespace { prefix, owners, project });
        }
        if self.names.require_claim && store::came_from_upstream(connection, name).await? {
            return Err(IndexError::Unclaimed { project: name.to_owned() });
        }
        self.admit_another(connection, applicant.by).await?;
        let mut findings = Vec::new();
        let mut refuse = |message: String| {
            let hint = format!("shipway admin project create {name}");
            findings.push(Finding::error("name", message).field("name").hint(hint));
        };
        if is_reserved(name) {
            refuse(format!("`{name}` is the name of a module of the standard library"));
        }
        if self.names.prohibited.iter().any(|prohibited| prohibited == applicant.name) {
            refuse(format!("`{name}` is a name that this index does not allow"));
        }
        if let Some(other) = store::look_alike(connection, self.store.kind(), name).await? {
            refuse(format!("`{name}` looks too much like `{other}`, which is another project"));
        }
        Ok(findings)
    }

    /// Refuses another new project to whoever made as many as they may today (8).
    async fn admit_another(&self, connection: &mut AnyConnection, by: &str) -> Result<(), IndexError> {
        let Some(limit) = self.limits.new_projects_per_day else { return Ok(()) };
        let now = self.clock.now();
        let Ok(since) = now.checked_sub(DAY) else { return Ok(()) };
        let made = store::made_since(connection, by, &time_text(since)).await?;
        // When as many are left as to be one below the limit.
        let Some(at) =
            (made.len() + 1).checked_sub(limit.get() as usize).and_then(|over| over.checked_sub(1))
        else {
            return Ok(());
        };
        let free = made[at].parse::<Timestamp>().ok().map(|made| made.duration_since(since).as_secs());
        let seconds = free.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(DAY.as_secs());
        Err(IndexError::NewProjects { limit: limit.get(), seconds: seconds + 1 })
    }
}

/// Whether a namespace holds a name: `acme` holds `acme` and `acme-…` (PEP 752).
fn covers(prefix: &str, name: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether installing a project of this name would look like installing a part of Python (24).
fn is_reserved(normalized: &str) -> bool {
    // The one module whose name is not in lower case.
    normalized == "cprofile" || shipway_dist::is_stdlib(&normalized.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_a_namespace_holds_its_prefix_and_what_follows_it() {
        assert!(covers("acme", "acme") && covers("acme", "acme-lab") && covers("acme-lab", "acme-lab-x"));
        assert!(!covers("acme", "acmelab") && !covers("acme-lab", "acme") && !covers("acme", "my-acme"));
    }

    #[test]
    fn i5_names_of_the_standard_library_are_reserved() {
        assert!(is_reserved("json") && is_reserved("py-compile") && is_reserved("cprofile"));
        assert!(!is_reserved("demo") && !is_reserved("json-demo"));
    }
}
