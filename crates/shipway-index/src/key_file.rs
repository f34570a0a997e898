//! The private keys of the index itself: `keys/log.pem` signs checkpoints, `keys/index.pem` signs decisions.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use shipway_dist::signing::PrivateKey;

use crate::error::IndexError;
use crate::random;

/// The key in a file below the data directory, made the first time.
pub(crate) fn open(data: &Path, filename: &str) -> Result<PrivateKey, IndexError> {
    let folder = data.join("keys");
    let path = folder.join(filename);
    let read = |pem: &str| {
        PrivateKey::from_pem(pem).map_err(|source| IndexError::Key { path: path.clone(), source })
    };
    match fs::read_to_string(&path) {
        Ok(pem) => read(&pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = PrivateKey::from_seed(&random::secret());
            let write = || -> io::Result<()> {
                fs::create_dir_all(&folder)?;
                // A temporary file is readable by its owner alone, and stays so.
                let mut file = tempfile::NamedTempFile::new_in(&folder)?;
                file.write_all(key.to_pem().as_bytes())?;
                file.as_file().sync_all()?;
                match file.persist_noclobber(&path) {
                    Ok(_) => File::open(&folder)?.sync_all(),
                    // Another process was first.
                    Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    Err(error) => Err(error.error),
                }
            };
            write().map_err(IndexError::io("write", &path))?;
            read(&fs::read_to_string(&path).map_err(IndexError::io("read", &path))?)
        }
        Err(error) => Err(IndexError::io("read", &path)(error)),
    }
}
