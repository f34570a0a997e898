//! What a process that was killed in the middle of an upload left behind, and its end.
//!
//! An upload is staged under a temporary name, stands under its digest, and then gets its row; the temporary
//! name goes last. So whatever is there without a row has a temporary name whose bytes tell its digest, and a
//! start finds it without looking at anything else. What has a row is never touched.

use std::path::{Path, PathBuf};

use shipway_dist::digest::{Hasher, Sha256};

use crate::error::IndexError;
use crate::index::Index;

impl Index {
    /// Removes old remains of uploads, and the files that they put into the storage and no row stands on.
    ///
    /// A failure leaves garbage, never damage, so it is only logged.
    pub(crate) async fn sweep(&self) {
        for path in self.blobs.remains(self.limits.unfinished) {
            if let Err(error) = self.sweep_one(&path).await {
                tracing::warn!(%error, path = %path.display(), "cannot remove an unfinished upload");
            }
        }
    }

    async fn sweep_one(&self, path: &Path) -> Result<(), IndexError> {
        let left = path.to_owned();
        let Some(sha256) = tokio::task::spawn_blocking(move || digest(left)).await?? else { return Ok(()) };
        // Nobody adds a row meanwhile, and whoever is about to puts the bytes again.
        let mut write = self.store.write().await?;
        if crate::store::references(&mut write, &sha256).await? == 0 {
            self.blobs.remove(&sha256).await?;
        }
        drop(write);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(IndexError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
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
