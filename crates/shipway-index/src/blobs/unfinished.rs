//! Where uploads wait until they stand under their digest: a folder for each process, so that the dead can be
//! told from the living.
//!
//! `unfinished/ID/` holds the temporary files of one process, and `unfinished/ID.lock` is locked as long as it
//! lives: the system lets go of the lock with the process, however it ends. What stands in a folder whose lock
//! can be taken was left behind. Where the file system has no locks, age decides. It refuses to remove files
//! itself: each may be all that tells of bytes without a row, which the caller removes first.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::error::IndexError;

/// The folders of all processes, of which one is this process's.
#[derive(Debug)]
pub(super) struct Unfinished {
    root: PathBuf,
    own: PathBuf,
    lock: PathBuf,
    /// Held until the process ends; nothing where the file system has no locks.
    _locked: Option<File>,
    /// Own files whose bytes may stand in the storage without a row.
    left: Mutex<Vec<PathBuf>>,
    more: Notify,
}

/// What a process that ended left behind. Nobody else looks at it as long as this is held.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) files: Vec<PathBuf>,
    folder: Option<(PathBuf, PathBuf)>,
    _locked: Option<File>,
}

impl Remains {
    /// Removes the folder, when nothing is in it any more.
    pub(crate) fn bury(self) {
        if let Some((folder, lock)) = self.folder
            && fs::remove_dir(folder).is_ok()
        {
            // After the folder: whoever sees one finds its lock.
            let _ = fs::remove_file(lock);
        }
    }
}

impl Unfinished {
    /// Makes the folder of this process.
    pub(super) fn open(root: PathBuf) -> Result<Self, IndexError> {
        fs::create_dir_all(&root).map_err(IndexError::io("create", &root))?;
        let id = crate::random::id();
        let (own, lock) = (root.join(&id), root.join(format!("{id}.lock")));
        // Before the folder: as soon as it can be seen, it is known to be of somebody who lives.
        File::create_new(&lock).map_err(IndexError::io("create", &lock))?;
        let locked = match take(&lock) {
            Lock::Taken(file) => Some(file),
            Lock::Busy | Lock::Unknown => None,
        };
        fs::create_dir(&own).map_err(IndexError::io("create", &own))?;
        Ok(Self { root, own, lock, _locked: locked, left: Mutex::default(), more: Notify::new() })
    }

    /// The folder of this process.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    /// Leaves a file of this process for the sweep.
    pub(super) fn leave(&self, path: PathBuf) {
        self.list().push(path);
        self.more.notify_one();
    }

    /// What this process itself left; whoever takes it sweeps it, or leaves it again.
    pub(super) fn take_left(&self) -> Vec<PathBuf> {
        std::mem::take(&mut *self.list())
    }

    /// Waits until there is something that this process left.
    pub(super) async fn something_left(&self) {
        loop {
            let more = self.more.notified();
            if !self.list().is_empty() {
                return;
            }
            more.await;
        }
    }

    /// What processes left that ended; where that cannot be told, what is as old as `keep` or older.
    pub(super) fn remains(&self, keep: Duration) -> Vec<Remains> {
        let mut found = Vec::new();
        for path in entries(&self.root) {
            if path == self.own || path == self.lock {
                continue;
            }
            if path.is_dir() {
                found.extend(of_folder(path, keep));
            } else if is_old(&path, keep) && !is_lock_of_folder(&path) {
                // Of a version that had no folders, or of a start that was killed.
                found.push(Remains { files: vec![path], folder: None, _locked: None });
            }
        }
        found
    }

    fn list(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What was left stays, under a lock that nobody holds any more.
        if fs::remove_dir(&self.own).is_ok() {
            let _ = fs::remove_file(&self.lock);
        }
    }
}

/// What becomes of a lock that is asked for.
enum Lock {
    Taken(File),
    /// Somebody holds it, or may.
    Busy,
    /// There is none, or the file system has no locks.
    Unknown,
}

fn take(path: &Path) -> Lock {
    // To read first: a file that is open to be written keeps a file system from being made read-only. NFS locks
    // only what is open to be written.
    for write in [false, true] {
        match File::options().read(true).write(write).open(path).map(|file| (file.try_lock(), file)) {
            Ok((Ok(()), file)) => return Lock::Taken(file),
            Ok((Err(TryLockError::WouldBlock), _)) => return Lock::Busy,
            Ok((Err(TryLockError::Error(_)), _)) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Lock::Unknown,
            Err(_) => return Lock::Busy,
        }
    }
    Lock::Unknown
}

fn of_folder(folder: PathBuf, keep: Duration) -> Option<Remains> {
    let lock = folder.with_extension("lock");
    let locked = match take(&lock) {
        Lock::Taken(file) => Some(file),
        Lock::Busy => return None,
        Lock::Unknown => None,
    };
    let dead = locked.is_some();
    let files: Vec<_> = entries(&folder).into_iter().filter(|path| dead || is_old(path, keep)).collect();
    // A folder that is young may be about to be used.
    let ends = dead || is_old(&folder, keep);
    Some(Remains { files, folder: ends.then_some((folder, lock)), _locked: locked })
}

fn is_lock_of_folder(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock") && path.with_extension("").is_dir()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    found.flatten().map(|entry| entry.path()).collect()
}

fn is_old(path: &Path, keep: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= keep))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of others, whatever its age.
    fn found(here: &Unfinished, keep: Duration) -> Vec<PathBuf> {
        here.remains(keep).into_iter().flat_map(|remains| remains.files).collect()
    }

    #[test]
    fn what_the_dead_left_is_found_at_once_and_the_living_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Unfinished::open(folder.path().to_owned()).unwrap();
        let (here, other) = (open(), open());
        let (mine, theirs) = (here.own().join("a"), other.own().join("b"));
        fs::write(&mine, b"a").unwrap();
        fs::write(&theirs, b"b").unwrap();
        assert_eq!(found(&here, Duration::ZERO), Vec::<PathBuf>::new());
        let day = Duration::from_secs(24 * 60 * 60);
        drop(other);
        assert_eq!(found(&here, day), std::slice::from_ref(&theirs));
        // Whoever looks at it is the only one.
        let held = here.remains(day);
        assert_eq!(found(&here, Duration::ZERO), Vec::<PathBuf>::new());
        fs::remove_file(theirs).unwrap();
        held.into_iter().for_each(Remains::bury);
        fs::remove_file(mine).unwrap();
        drop(here);
        assert_eq!(entries(folder.path()), Vec::<PathBuf>::new(), "an end without remains leaves nothing");
    }

    #[test]
    fn without_a_lock_age_decides() {
        let folder = tempfile::tempdir().unwrap();
        let here = Unfinished::open(folder.path().to_owned()).unwrap();
        let (old, other) = (folder.path().join(".tmpx"), folder.path().join("unlocked/.tmpy"));
        fs::write(&old, b"x").unwrap();
        fs::create_dir(other.parent().unwrap()).unwrap();
        fs::write(&other, b"y").unwrap();
        assert_eq!(found(&here, Duration::from_secs(60)), Vec::<PathBuf>::new());
        let mut all = found(&here, Duration::ZERO);
        all.sort();
        assert_eq!(all, [old, other]);
    }
}
