//! Looks at everything that is stored: bytes against rows, pages against rows, the log against the journal.
//!
//! A server may run meanwhile. An upload under way puts its bytes before its row, so bytes without a row are
//! looked at again under the lock before they are called extra; bytes that go away while they are looked at are
//! missing only if a row still stands on them. Repairing never takes a row away and never makes up bytes: what
//! only the publisher has is named, with how to send it again.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use shipway_dist::digest::{Hasher, Sha256};
use sqlx::AnyConnection;

use super::{ACTOR, Admin};
use crate::blobs::Held;
use crate::error::IndexError;
use crate::store::{self, Entry, Referent};

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fsck {
    /// How many blobs were read whole.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many projects were read.
    pub projects: u64,
    /// How many entries the published log has.
    pub entries: u64,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `missing`, `altered`, `extra`, `page`, `metadata`, `database` or `log`.
    pub kind: &'static str,
    /// What it is wrong with.
    pub object: String,
    /// What is wrong, and what to do where nothing was done.
    pub detail: String,
    /// Whether it was put right.
    pub repaired: bool,
}

impl Admin {
    /// Looks at everything, and with `repair` puts right what can be.
    ///
    /// # Errors
    /// When database or storage cannot be read at all.
    pub async fn fsck(&self, repair: bool) -> Result<Fsck, IndexError> {
        let mut found = Fsck::default();
        self.check_blobs(repair, &mut found).await?;
        self.check_projects(repair, &mut found).await?;
        self.check_metadata(&mut found).await?;
        let (entries, problems) = self.index.log.audit(&self.index.store).await?;
        found.entries = entries;
        for detail in problems {
            found.note("log", "the log", detail);
        }
        Ok(found)
    }

    async fn check_blobs(&self, repair: bool, found: &mut Fsck) -> Result<(), IndexError> {
        // What was not seen is left in it.
        let mut known = store::referents(&mut *self.index.store.long_snapshot().await?).await?;
        let mut listed = self.index.blobs.list();
        while let Some(held) = listed.next().await {
            let held = held?;
            match held.sha256.map(|sha256| (sha256, known.get(&sha256).copied())) {
                Some((sha256, Some(referent))) => {
                    if self.check_blob(repair, &held, (sha256, referent), found).await? {
                        known.remove(&sha256);
                    }
                }
                Some((sha256, None)) => self.check_extra(repair, &held, sha256, found).await?,
                None => found.note(
                    "extra",
                    &held.name,
                    "it stands where no file of the index does; remove it by hand".to_owned(),
                ),
            }
        }
        self.check_missing(&known, found).await
    }

    /// Reads bytes whole; says whether they were there.
    async fn check_blob(
        &self,
        repair: bool,
        held: &Held,
        (sha256, referent): (Sha256, Referent),
        found: &mut Fsck,
    ) -> Result<bool, IndexError> {
        let (real, size) = match self.read_blob(&sha256, held.size).await {
            Ok(read) => read,
            // Removed since it was listed.
            Err(error) if error.is_gone() => return Ok(false),
            Err(error) => return Err(error),
        };
        found.blobs += 1;
        found.bytes += size;
        if real == sha256 && size == referent.size {
            return Ok(true);
        }
        let filename = store::filename_of(&mut *self.index.store.read().await?, &sha256).await?;
        if real == sha256 {
            // The digest says that the bytes are right.
            let what = format!("has {size} bytes, its row says {}", referent.size);
            if repair {
                self.correct_size(&sha256, size).await?;
                found.fixed("altered", &filename, format!("{what}; the row was corrected"));
            } else {
                found.note("altered", &filename, what);
            }
            return Ok(true);
        }
        let what = format!("`{}` has sha256 {real}", held.name);
        if !repair {
            found.note("altered", &filename, format!("{what}; {}", again(referent)));
            return Ok(true);
        }
        match self.index.blobs.set_aside(&sha256).await {
            Ok(()) => {
                // Whoever kept the file open to send it looks again.
                let mut write = self.index.store.write().await?;
                self.announce_files(&mut write, &sha256).await?;
                write.commit().await?;
                let detail = format!("{what}; put aside, so that nobody is given it; {}", again(referent));
                found.fixed("altered", &filename, detail);
                Ok(true)
            }
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read_blob(&self, sha256: &Sha256, size: u64) -> Result<(Sha256, u64), IndexError> {
        let mut hasher = Hasher::default();
        let mut chunks = self.index.blobs.open_range(sha256, 0, size).await?;
        while let Some(chunk) = chunks.next().await {
            hasher.update(&chunk?);
        }
        Ok(hasher.finish())
    }

    async fn correct_size(&self, sha256: &Sha256, size: u64) -> Result<(), IndexError> {
        let mut write = self.index.store.write().await?;
        store::set_size(&mut write, sha256, size).await?;
        self.announce_files(&mut write, sha256).await?;
        write.commit().await?;
        Ok(())
    }

    /// Has every server read the projects anew whose files are these bytes.
    async fn announce_files(&self, write: &mut AnyConnection, sha256: &Sha256) -> Result<(), IndexError> {
        for (project, _) in store::files_of(write, sha256).await? {
            self.announce(write, &project).await?;
        }
        Ok(())
    }

    async fn check_extra(
        &self,
        repair: bool,
        held: &Held,
        sha256: Sha256,
        found: &mut Fsck,
    ) -> Result<(), IndexError> {
        let index = &self.index;
        if !repair {
            if store::references(&mut *index.store.read().await?, &sha256).await? == 0 {
                found.note(
                    "extra",
                    &held.name,
                    "no row stands on it, unless an upload is under way".to_owned(),
                );
            }
            return Ok(());
        }
        // Nobody adds a row meanwhile, and whoever is about to puts the bytes again.
        let mut write = index.store.write().await?;
        if store::references(&mut write, &sha256).await? == 0 {
            index.blobs.remove(&sha256).await?;
            found.fixed("extra", &held.name, "no row stood on it; removed".to_owned());
        }
        Ok(())
    }

    async fn check_missing(
        &self,
        unseen: &HashMap<Sha256, Referent>,
        found: &mut Fsck,
    ) -> Result<(), IndexError> {
        let first = found.problems.len();
        for (sha256, referent) in unseen {
            // It may have come, or have been removed, while the storage was listed.
            let gone = !self.index.blobs.holds(sha256).await?
                && store::references(&mut *self.index.store.read().await?, sha256).await? > 0;
            if gone {
                let filename = store::filename_of(&mut *self.index.store.read().await?, sha256).await?;
                let detail = format!("the bytes with sha256 {sha256} are not there; {}", again(*referent));
                found.note("missing", &filename, detail);
            }
        }
        found.problems[first..].sort_by(|a, b| a.object.cmp(&b.object));
        Ok(())
    }

    async fn check_projects(&self, repair: bool, found: &mut Fsck) -> Result<(), IndexError> {
        let index = &self.index;
        index.cache.refresh(&index.store).await?;
        let mut snapshot = index.store.long_snapshot().await?;
        let channels = store::channels(&mut snapshot).await?;
        for name in store::all_projects(&mut snapshot).await? {
            found.projects += 1;
            let project = match store::load_project(&mut snapshot, &name).await {
                Ok(Some(project)) => project,
                Ok(None) => continue,
                Err(error) => {
                    found.note("database", &name, error.to_string());
                    continue;
                }
            };
            for channel in &channels {
                let expected = store::listed(&mut snapshot, channel.name.as_str(), &name).await?;
                let page = crate::pages::project_page(&project, &channel.name);
                let mut shown: Vec<_> = page
                    .into_iter()
                    .flat_map(|page| page.files)
                    .map(|file| (file.filename, file.hashes.get("sha256").cloned().unwrap_or_default()))
                    .collect();
                shown.sort();
                if shown != expected {
                    let detail =
                        format!("its page in `{}` does not list what the rows say", channel.name.as_str());
                    found.note("page", &name, detail);
                }
            }
        }
        let unannounced = store::unannounced(&mut snapshot).await?;
        drop(snapshot);
        for name in unannounced {
            let what = "its newest change was not announced, so servers may show an older page";
            if repair {
                let mut write = index.store.write().await?;
                self.announce(&mut write, &name).await?;
                write.commit().await?;
                found.fixed("page", &name, format!("{what}; announced"));
            } else {
                found.note("page", &name, what.to_owned());
            }
        }
        Ok(())
    }

    async fn announce(&self, write: &mut AnyConnection, project: &str) -> Result<(), IndexError> {
        let at = self.index.clock.text();
        let detail = serde_json::json!({});
        let entry = Entry { at: &at, actor: ACTOR, action: "repair", project, object: project, detail };
        let (serial, _) = store::append(write, entry).await?;
        store::touch(write, project, serial).await
    }

    async fn check_metadata(&self, found: &mut Fsck) -> Result<(), IndexError> {
        let mut snapshot = self.index.store.long_snapshot().await?;
        for filename in store::without_metadata(&mut snapshot).await? {
            found.note("metadata", &filename, "the metadata that its page promises is not there".to_owned());
        }
        let mut last = String::new();
        while let Some((sha256, body)) = store::next_metadata(&mut snapshot, &last).await? {
            if Sha256::of(&body).to_hex() != sha256 {
                found.note("metadata", &sha256, "the stored metadata has another digest".to_owned());
            }
            last = sha256;
        }
        Ok(())
    }
}

impl Fsck {
    /// Whether nothing is wrong any more.
    pub fn is_clean(&self) -> bool {
        self.problems.iter().all(|problem| problem.repaired)
    }

    fn note(&mut self, kind: &'static str, object: &str, detail: String) {
        self.problems.push(Problem { kind, object: object.to_owned(), detail, repaired: false });
    }

    fn fixed(&mut self, kind: &'static str, object: &str, detail: String) {
        self.problems.push(Problem { kind, object: object.to_owned(), detail, repaired: true });
    }
}

/// How missing bytes come back.
fn again(referent: Referent) -> &'static str {
    match referent.upstream {
        true => "the next download fetches it from upstream again",
        false => "upload the same file again, or restore it from a backup",
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    #[tokio::test]
    async fn i13_bytes_that_go_away_while_they_are_looked_at_are_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let admin = Admin::open(&Config::new(folder.path())).await.unwrap();
        let sha256 = Sha256::of(b"removed");
        let (held, referent) = (
            Held { sha256: Some(sha256), name: "removed".to_owned(), size: 7 },
            Referent { size: 7, upstream: false },
        );
        let mut found = Fsck::default();
        for repair in [false, true] {
            assert!(!admin.check_blob(repair, &held, (sha256, referent), &mut found).await.unwrap());
        }
        // No row stands on them any more.
        admin.check_missing(&HashMap::from([(sha256, referent)]), &mut found).await.unwrap();
        assert_eq!(found, Fsck::default());
        admin.close().await;
    }
}
