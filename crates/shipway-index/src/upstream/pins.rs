//! What is held against upstream: a file keeps the digest under which it was first listed.
//!
//! The digests of a project are one row of the database, so that every server, and every start, remembers them.
//! It is written when a page names a file that it did not name before, and by nobody else.

use std::collections::{BTreeMap, HashSet};

use shipway_dist::digest::Sha256;

use crate::error::IndexError;
use crate::store::{self, Store};

/// What is known of the files of a project from before.
#[derive(Debug, Default)]
pub(super) struct Pins {
    digests: BTreeMap<String, Sha256>,
    served: HashSet<String>,
}

impl Pins {
    /// Pins what a page lists, unless it was listed before; whoever comes first has decided.
    ///
    /// # Errors
    /// When the database fails: what cannot be pinned is not passed on.
    pub(super) async fn at_sight<'a>(
        store: &Store,
        project: &str,
        listed: impl Iterator<Item = (&'a str, &'a Sha256)> + Clone,
        at: &str,
    ) -> Result<Self, IndexError> {
        let pins = Self::read(&mut *store.read().await?, project).await?;
        // Nearly every page names nothing new, and then nobody is kept from writing.
        if listed.clone().all(|(filename, _)| pins.digests.contains_key(filename)) {
            return Ok(pins);
        }
        let mut write = store.write_project(project).await?;
        let mut pins = Self::read(&mut write, project).await?;
        for (filename, sha256) in listed {
            pins.digests.entry(filename.to_owned()).or_insert(*sha256);
        }
        store::set_seen(&mut write, project, &pins.digests, at).await?;
        write.commit().await?;
        Ok(pins)
    }

    async fn read(connection: &mut sqlx::AnyConnection, project: &str) -> Result<Self, IndexError> {
        let mut digests = store::seen(connection, project).await?;
        // Bytes that were taken before anything was pinned at sight decide too.
        let served = store::pins_of(connection, project).await?;
        digests.extend(served.iter().cloned());
        Ok(Self { digests, served: served.into_iter().map(|(filename, _)| filename).collect() })
    }

    /// Whether a file was listed under another digest before.
    pub(super) fn refuses(&self, filename: &str, sha256: &Sha256) -> bool {
        self.digests.get(filename).is_some_and(|pinned| pinned != sha256)
    }

    /// Whether the bytes of a file were served before.
    pub(super) fn served(&self, filename: &str) -> bool {
        self.served.contains(filename)
    }

    #[cfg(test)]
    pub(super) fn of(digests: impl IntoIterator<Item = (String, Sha256)>) -> Self {
        Self { digests: digests.into_iter().collect(), served: HashSet::new() }
    }
}
