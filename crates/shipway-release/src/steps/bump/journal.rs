//! What a bump is doing, written down so that the next command can put things right after a kill.
//!
//! The journal is a hint: recovery asks git and the remote what is really there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::progress::Progress;

/// What a bump has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Journal {
    /// The release branch.
    pub(super) branch: String,
    /// The release commit, once it exists.
    pub(super) commit: Option<String>,
}

impl Journal {
    fn path(git: &Git) -> PathBuf {
        git.private().join("bump.json")
    }

    pub(super) fn worktree(git: &Git) -> PathBuf {
        git.private().join("bump-worktree")
    }

    pub(super) fn write(&self, git: &Git) -> Result<()> {
        let path = Self::path(git);
        let folder = git.private();
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            serde_json::to_writer(&mut file, self)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Error::io("write", &path, &error))
    }

    pub(super) fn remove(git: &Git) -> Result<()> {
        match std::fs::remove_file(Self::path(git)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &Self::path(git), &error)),
        }
    }
}

/// Removes the working tree in which a release commit is made, and what git remembers of it.
pub(super) fn remove_worktree(git: &Git) -> Result<()> {
    let path = Journal::worktree(git);
    if path.exists() {
        std::fs::remove_dir_all(&path).map_err(|error| Error::io("remove", &path, &error))?;
    }
    git.read(["worktree", "prune"]).map(|_| ())
}

/// Whether a bump was begun and has not ended.
pub fn has_journal(git: &Git) -> bool {
    Journal::path(git).exists()
}

/// Puts right what a killed bump left: its working tree goes; its branch goes unless the remote has it.
///
/// # Errors
/// When what was left cannot be removed. The caller holds the project's lock.
pub fn recover(git: &Git, config: &Config, progress: &dyn Progress) -> Result<()> {
    let path = Journal::path(git);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let Ok(journal) = serde_json::from_slice::<Journal>(&bytes) else {
        return Err(Error::incomplete("journal", format!("`{}` cannot be read", path.display()))
            .hint("remove it if no shipway is running"));
    };
    undo(git, config, &journal, progress)
}

/// Undoes a bump that did not reach the remote; keeps one that did.
pub(super) fn undo(git: &Git, config: &Config, journal: &Journal, progress: &dyn Progress) -> Result<()> {
    remove_worktree(git)?;
    let local = format!("refs/heads/{}", journal.branch);
    if let Some(commit) = &journal.commit
        && git.commit_of(&local)?.as_deref() == Some(commit)
    {
        // A remote that does not answer counts as one without the branch: were it there after all, nothing
        // is lost, for the next bump finds it on the remote.
        if git.ls_remote(&config.remote).is_ok_and(|remote| remote.get(&local) == Some(commit)) {
            progress.done("recover", &format!("`{}` had been pushed; kept", journal.branch));
        } else {
            leave_branch(git, config, &journal.branch)?;
            git.read(["update-ref", "-d", &local, commit])?;
            progress.done(
                "recover",
                &format!("removed the unpushed `{}` of an interrupted bump", journal.branch),
            );
        }
    }
    Journal::remove(git)
}

/// Goes back to the base when the branch to be removed is checked out.
fn leave_branch(git: &Git, config: &Config, branch: &str) -> Result<()> {
    if git.branch()?.as_deref() == Some(branch) {
        git.read(["switch", "--quiet", &config.base_branch])?;
    }
    Ok(())
}
