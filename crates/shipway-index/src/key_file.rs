//! The private keys of the index itself: `log.pem` signs checkpoints, `index.pem` signs decisions.
//!
//! They are files, never rows: who can write to the database alone cannot sign. The database holds the public
//! halves, so that all servers of one index sign alike; see docs/design/postgresql-and-s3.md.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use shipway_dist::signing::PrivateKey;

use crate::error::IndexError;
use crate::random;
use crate::store::{self, Store};

/// The key in a file, made the first time that anybody signs for this database.
pub(crate) async fn open(
    store: &Store,
    folder: &Path,
    filename: &'static str,
) -> Result<PrivateKey, IndexError> {
    let said = store::signer(&mut *store.read().await?, filename).await?;
    if let Some(said) = said {
        return same(folder, filename, &said);
    }
    // Alone: of two servers that begin at once, one says whose signature counts.
    let mut write = store.write().await?;
    if let Some(said) = store::signer(&mut write, filename).await? {
        return same(folder, filename, &said);
    }
    let key = match read(folder, filename)? {
        Some(key) => key,
        None => make(folder, filename)?,
    };
    store::set_signer(&mut write, filename, &key.public().to_pem()).await?;
    write.commit().await?;
    Ok(key)
}

/// The key in a file, which must be the one that the database names.
fn same(folder: &Path, filename: &'static str, said: &str) -> Result<PrivateKey, IndexError> {
    let path = folder.join(filename);
    let copy = "copy the folder of the keys from another server of this index, or name it with `--keys`";
    match read(folder, filename)? {
        Some(key) if key.public().to_pem() == said => Ok(key),
        Some(key) => Err(IndexError::Keys {
            why: format!(
                "`{}` holds the key {}, and this index signs with another; {copy}",
                path.display(),
                key.public().id()
            ),
        }),
        None => Err(IndexError::Keys {
            why: format!("`{}` is missing, and this index signs with it; {copy}", path.display()),
        }),
    }
}

/// The key in a file, if there is one.
pub(crate) fn read(folder: &Path, filename: &str) -> Result<Option<PrivateKey>, IndexError> {
    let path = folder.join(filename);
    match fs::read_to_string(&path) {
        Ok(pem) => PrivateKey::from_pem(&pem).map(Some).map_err(|source| IndexError::Key { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IndexError::io("read", &path)(error)),
    }
}

fn make(folder: &Path, filename: &str) -> Result<PrivateKey, IndexError> {
    let path = folder.join(filename);
    let key = PrivateKey::from_seed(&random::secret());
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        // A temporary file is readable by its owner alone, and stays so.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(key.to_pem().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(&path) {
            Ok(_) => File::open(folder)?.sync_all(),
            // Another process was first.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.error),
        }
    };
    write().map_err(IndexError::io("write", &path))?;
    read(folder, filename)?.ok_or_else(|| IndexError::io("read", &path)(io::ErrorKind::NotFound.into()))
}
