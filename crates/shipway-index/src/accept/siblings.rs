//! Compares a file with the other files of its release (111, 115) and of the index (102).

use shipway_dist::check::compare_release;
use shipway_dist::digest::Sha256;
use shipway_dist::finding::{Finding, Severity};
use shipway_dist::metadata::Metadata;
use sqlx::AnyConnection;

use super::file::Judged;
use crate::error::IndexError;
use crate::index::Index;
use crate::project::StoredFile;
use crate::store;

/// A file of the same release.
pub(crate) struct Sibling {
    pub(crate) filename: String,
    pub(crate) sha256: Sha256,
    pub(crate) metadata_sha256: Option<Sha256>,
}

impl Sibling {
    /// A file that the index holds.
    pub(crate) fn of(file: &StoredFile) -> Self {
        Self { filename: file.filename.clone(), sha256: file.sha256, metadata_sha256: file.metadata_sha256 }
    }
}

/// What resolvers take from one file of a release for all of them.
const COMMON: [&str; 3] = ["Requires-Dist", "Requires-Python", "Provides-Extra"];

impl Index {
    /// Compares a judged file with the others of its release and keeps what the next one is compared with.
    ///
    /// # Errors
    /// [`IndexError::Inconsistent`] with every field that an sdist promises otherwise than its wheel says.
    pub(crate) async fn judge_siblings(
        &self,
        connection: &mut AnyConnection,
        project: &str,
        judged: &mut Judged,
        siblings: &[Sibling],
    ) -> Result<(), IndexError> {
        let is_wheel = judged.metadata.is_some();
        let (mut findings, mut compared) = (Vec::new(), false);
        for sibling in siblings {
            let other_is_wheel = sibling.filename.ends_with(".whl");
            // One other wheel stands for all: they were compared when they came.
            if !is_wheel && !other_is_wheel || is_wheel && other_is_wheel && compared {
                continue;
            }
            let Some(other) = of(connection, sibling).await? else { continue };
            match (is_wheel, other_is_wheel) {
                (true, true) => {
                    compared = true;
                    judged.warnings.extend(differing(&judged.parsed, &other, &sibling.filename));
                }
                (true, false) => findings.extend(compare_release(&other, &judged.parsed, false)),
                (false, _) => findings.extend(compare_release(&judged.parsed, &other, false)),
            }
        }
        findings.retain(|finding| finding.severity == Severity::Error);
        findings.dedup();
        if !findings.is_empty() {
            return Err(IndexError::Inconsistent { findings });
        }
        if let Some(bytes) = &judged.pkg_info {
            store::insert_sdist_metadata(connection, &judged.staged.sha256, bytes).await?;
        }
        for name in &judged.imports {
            if let Some(other) = store::importer_of(connection, name, project).await? {
                let message =
                    format!("`{other}` installs `{name}` too; installed together, one overwrites the other");
                judged.warnings.push(Finding::warning("import-clash-102", message));
            }
            store::insert_import_name(connection, name, project).await?;
        }
        Ok(())
    }
}

async fn of(connection: &mut AnyConnection, file: &Sibling) -> Result<Option<Metadata>, IndexError> {
    let bytes = match file.metadata_sha256 {
        Some(sha256) => store::metadata(connection, &sha256).await?,
        None => store::sdist_metadata(connection, &file.sha256).await?,
    };
    Ok(bytes.and_then(|bytes| Metadata::parse(&bytes).ok()))
}

/// Names the fields that two wheels of a release have otherwise.
fn differing(own: &Metadata, other: &Metadata, filename: &str) -> Vec<Finding> {
    let values = |metadata: &Metadata, field: &str| {
        let mut values: Vec<String> =
            metadata.all(field).map(|value| value.split_whitespace().collect()).collect();
        values.sort_unstable();
        values
    };
    let differing = COMMON.iter().filter(|field| values(own, field) != values(other, field));
    let finding = |field: &&str| {
        let message =
            format!("{field} differs from that of `{filename}`; resolvers may read either for the release");
        Finding::warning("release-metadata-115", message).field(*field)
    };
    differing.map(finding).collect()
}
