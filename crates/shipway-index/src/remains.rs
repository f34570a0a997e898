//! What was left behind, and its end: bytes without a row, sessions that expired, files that were removed.
//!
//! An upload is staged under a temporary name, stands under its digest, and then gets its row; the temporary
//! name goes last. So whatever is there without a row has a temporary name whose bytes tell its digest, and a
//! sweep finds it without looking at anything else. A start sweeps what dead processes left, a server that
//! runs does it every hour, and what it could not take back itself as soon as that works. What has a row is
//! never touched.

use std::path::{Path, PathBuf};

use shipway_dist::digest::{Hasher, Sha256};
use sqlx::AnyConnection;

use crate::blobs::Staged;
use crate::error::IndexError;
use crate::index::Index;
use crate::store;

impl Index {
    /// Removes everything that was left behind.
    ///
    /// A failure leaves garbage, never damage, so it is only logged; the next sweep tries again.
    pub(crate) async fn sweep(&self) {
        for remains in self.blobs.remains(self.limits.unfinished) {
            for path in &remains.files {
                if let Err(error) = self.sweep_one(path).await {
                    tracing::warn!(%error, path = %path.display(), "cannot remove an unfinished upload");
                    // What is away for one is away for all.
                    if error.is_passing() {
                        return;
                    }
                }
            }
            remains.bury();
        }
        self.sweep_left().await;
        if let Err(error) = self.end_expired().await {
            tracing::warn!(%error, "cannot end the sessions that expired");
        }
        if let Err(error) = self.discard_removed().await {
            tracing::warn!(%error, "cannot remove the bytes of removed files");
        }
    }

    /// Removes what this process could not take back; says whether nothing is left.
    pub(crate) async fn sweep_left(&self) -> bool {
        let mut all = true;
        for path in self.blobs.take_left() {
            if let Err(error) = self.sweep_one(&path).await {
                tracing::warn!(%error, path = %path.display(), "cannot remove a refused upload yet");
                self.blobs.leave(path);
                all = false;
            }
        }
        all
    }

    async fn sweep_one(&self, path: &Path) -> Result<(), IndexError> {
        let left = path.to_owned();
        let Some(sha256) = tokio::task::spawn_blocking(move || digest(left)).await?? else { return Ok(()) };
        // Asked without the lock: a storage that is away keeps nobody from writing.
        if self.blobs.holds(&sha256).await? {
            // Nobody adds a row meanwhile, and whoever is about to puts the bytes again.
            let mut write = self.store.write().await?;
            self.drop_bytes(&mut write, &sha256).await?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(IndexError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the bytes of removed files that are still there, and their metadata.
    async fn discard_removed(&self) -> Result<(), IndexError> {
        let left = store::undiscarded(&mut *self.store.read().await?).await?;
        for filename in left {
            self.discard_file(&filename).await?;
        }
        Ok(())
    }

    /// Removes the bytes and the metadata of a file that was removed, unless another file has the same.
    pub(crate) async fn discard_file(&self, filename: &str) -> Result<(), IndexError> {
        let mut write = self.store.write().await?;
        let Some((sha256, metadata)) = store::undiscarded_file(&mut write, filename).await? else {
            return Ok(());
        };
        self.drop_bytes(&mut write, &sha256).await?;
        self.faults.pass("remove.bytes");
        if let Some(metadata) = metadata {
            store::drop_metadata(&mut write, &metadata).await?;
        }
        store::drop_sdist_metadata(&mut write, &sha256).await?;
        store::mark_discarded(&mut write, filename).await?;
        write.commit().await?;
        Ok(())
    }

    /// Takes back what a refused upload put into the storage. What cannot be taken back now keeps its temporary
    /// name, for the sweep.
    pub(crate) async fn take_back(&self, project: &str, staged: Staged) {
        let result = async {
            // Holding the project's lock: nobody adds a row for these bytes meanwhile.
            let mut write = self.store.write_project(project).await?;
            self.drop_bytes(&mut write, &staged.sha256).await
        };
        match result.await {
            Ok(()) => staged.settle(),
            Err(error) => tracing::warn!(%error, "cannot take back a refused upload yet"),
        }
    }

    /// Removes bytes that no row stands on; the caller holds the lock of whoever could add one.
    pub(crate) async fn drop_bytes(
        &self,
        connection: &mut AnyConnection,
        sha256: &Sha256,
    ) -> Result<(), IndexError> {
        if store::references(connection, sha256).await? == 0 {
            self.blobs.remove(sha256).await?;
        }
        Ok(())
    }
}

/// The digest of what is left; none when another process was first.
fn digest(path: PathBuf) -> Result<Option<Sha256>, IndexError> {
    let mut file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(IndexError::io("read", path)(error)),
    };
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).map_err(IndexError::io("read", &path))? {
            0 => return Ok(Some(hasher.finish().0)),
            count => hasher.update(&buffer[..count]),
        }
    }
}
