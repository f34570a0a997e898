//! The user's own git, so that hooks, signing and credential helpers keep working.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::ops::process::{Call, Output};
use crate::ops::secret::redact;

/// A repository.
#[derive(Debug, Clone)]
pub struct Git {
    root: PathBuf,
    common: PathBuf,
    environment: Environment,
    quarantine: Option<PathBuf>,
}

/// The refs of a remote, as it lists them now.
#[derive(Debug, Clone, Default)]
pub struct RemoteRefs {
    /// Full ref name and object id.
    pub refs: Vec<(String, String)>,
}

impl RemoteRefs {
    /// The object id of a ref.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.refs.iter().find(|(one, _)| one == name).map(|(_, id)| id.as_str())
    }
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The remote has it.
    Done,
    /// The remote said no.
    Rejected(Vec<String>),
    /// It did not come through.
    Failed(Vec<String>),
}

impl Git {
    /// Opens the repository that holds `directory`.
    ///
    /// # Errors
    /// When git is missing, or the directory is in no repository with a working tree.
    pub fn open(directory: &Path, environment: &Environment) -> Result<Self> {
        let ask = |what: &str| -> Result<Option<PathBuf>> {
            let call = base(directory, environment).args(["rev-parse", "--path-format=absolute", what]);
            let output = call.run()?;
            Ok(output.success().then(|| PathBuf::from(output.stdout_text().trim_end_matches(['\n', '\r']))))
        };
        match (ask("--show-toplevel")?, ask("--git-common-dir")?) {
            (Some(root), Some(common)) => {
                Ok(Self { root, common, environment: environment.clone(), quarantine: None })
            }
            _ => Err(Error::refused(
                "no-repository",
                format!("`{}` is in no git repository", directory.display()),
            )
            .hint("run `git init`, commit the project, and add a remote")),
        }
    }

    /// The top of the working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where shipway keeps what must not be part of the tree: a folder in the repository's own.
    pub fn private(&self) -> PathBuf {
        self.common.join("shipway")
    }

    /// The same repository, with every object that git writes going to `folder` instead: for dry runs.
    #[must_use]
    pub fn quarantined(&self, folder: &Path) -> Self {
        Self { quarantine: Some(folder.to_owned()), ..self.clone() }
    }

    /// A git command in the top of the tree.
    pub fn call<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Call<'_> {
        self.call_in(&self.root, arguments)
    }

    /// A git command in a folder.
    pub fn call_in<'a, I: AsRef<std::ffi::OsStr>>(
        &self,
        directory: &'a Path,
        arguments: impl IntoIterator<Item = I>,
    ) -> Call<'a> {
        let call = base(directory, &self.environment).args(arguments);
        match &self.quarantine {
            Some(folder) => call
                .env("GIT_OBJECT_DIRECTORY", folder)
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.common.join("objects")),
            None => call,
        }
    }

    /// Runs git, wants success, gives stdout without the final line end.
    ///
    /// # Errors
    /// When git fails, with what it said.
    pub fn read<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Result<String> {
        let output = self.call(arguments).must("git-failed", "ask git")?;
        Ok(output.stdout_text().trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Runs git and gives stdout, or none when it says no.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn ask<I: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Result<Option<String>> {
        let output = self.call(arguments).run()?;
        Ok(output.success().then(|| output.stdout_text().trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// A folder inside the repository, relative to its top: empty or ending in `/`.
    ///
    /// # Errors
    /// When git fails.
    pub fn prefix_of(&self, directory: &Path) -> Result<String> {
        let output = self.call_in(directory, ["rev-parse", "--show-prefix"]).must("git-failed", "ask git")?;
        Ok(output.stdout_text().trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The commit that a name stands for.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn commit_of(&self, name: &str) -> Result<Option<String>> {
        self.ask(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn has_object(&self, id: &str) -> Result<bool> {
        Ok(self.call(["cat-file", "-e", id]).run()?.success())
    }

    /// The branch checked out, or none on a detached HEAD.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn branch(&self) -> Result<Option<String>> {
        self.ask(["symbolic-ref", "--quiet", "--short", "HEAD"])
    }

    /// Whether any working tree of the repository stands on the branch.
    ///
    /// # Errors
    /// When git fails.
    pub fn is_checked_out(&self, branch: &str) -> Result<bool> {
        let line = format!("branch refs/heads/{branch}");
        Ok(self.read(["worktree", "list", "--porcelain"])?.lines().any(|one| one == line))
    }

    /// Paths that differ from HEAD or are untracked and not ignored; staged changes of ignored files count.
    ///
    /// # Errors
    /// When git fails.
    pub fn dirty(&self) -> Result<Vec<String>> {
        let output = self
            .call(["status", "--porcelain=v1", "-z", "--untracked-files=normal"])
            .must("git-failed", "ask git")?;
        let text = output.stdout_text();
        let mut entries = text.split('\0');
        let mut paths = Vec::new();
        while let Some(entry) = entries.next() {
            let Some((status, path)) = entry.split_at_checked(3) else { continue };
            paths.push(path.to_owned());
            if status.starts_with(['R', 'C']) {
                paths.extend(entries.next().map(str::to_owned));
            }
        }
        Ok(paths)
    }

    /// A file of a commit, or none.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn show(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>> {
        let output = self.call(["cat-file", "blob", &format!("{commit}:{path}")]).run()?;
        Ok(output.success().then_some(output.stdout))
    }

    /// Every file of a commit below `prefix` (empty, or ending in `/`), relative to it; submodules are left out.
    pub fn files(&self, commit: &str, prefix: &str) -> Result<Vec<String>> {
        let tree = format!("{commit}:{}", prefix.trim_end_matches('/'));
        let listing = self.read(["ls-tree", "-r", "-z", "--format=%(objecttype) %(path)", &tree])?;
        let files = listing.split('\0').filter_map(|line| line.strip_prefix("blob "));
        Ok(files.map(str::to_owned).collect())
    }

    /// Whether `ancestor` is in the history of `commit`.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool> {
        Ok(self.call(["merge-base", "--is-ancestor", ancestor, commit]).run()?.success())
    }

    /// How many commits `to` has that `from` has not.
    ///
    /// # Errors
    /// When git fails.
    pub fn count(&self, from: &str, to: &str) -> Result<u64> {
        Ok(self.read(["rev-list", "--count", &format!("{from}..{to}")])?.parse().unwrap_or(0))
    }

    /// Asks the remote for its branches and tags.
    ///
    /// # Errors
    /// When there is no such remote (refused) or it does not answer (incomplete).
    pub fn ls_remote(&self, remote: &str) -> Result<RemoteRefs> {
        if self.ask(["remote", "get-url", remote])?.is_none() {
            return Err(Error::refused("no-remote", format!("the repository has no remote `{remote}`"))
                .hint(format!("git remote add {remote} URL && git push -u {remote} HEAD")));
        }
        let output = self.network(["ls-remote", "--heads", "--tags", remote]).run()?;
        if !output.success() {
            let error =
                Error::incomplete("remote-unreachable", format!("cannot reach the remote `{remote}`"));
            return Err(output.tail(4).into_iter().fold(error, Error::cause));
        }
        let text = output.stdout_text();
        let parse = |line: &str| line.split_once('\t').map(|(id, name)| (name.to_owned(), id.to_owned()));
        Ok(RemoteRefs { refs: text.lines().filter_map(parse).collect() })
    }

    /// Brings the objects of remote refs here, without moving any ref.
    ///
    /// # Errors
    /// When the remote does not give them.
    pub fn fetch_objects(&self, remote: &str, refs: &[String]) -> Result<()> {
        if let Some(folder) = &self.quarantine {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
        }
        let arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", remote];
        let all = arguments.into_iter().map(str::to_owned).chain(refs.iter().cloned());
        self.network(all).must("fetch-failed", &format!("fetch from `{remote}`")).map(|_| ())
    }

    /// Pushes refspecs, all or none, never forced: each target must stand at the expected object, or must
    /// not exist (empty), or must be an ancestor (no expectation given).
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn push(
        &self,
        remote: &str,
        specs: &[(String, String, Option<String>)],
        dry_run: bool,
    ) -> Result<Push> {
        let mut arguments = vec!["push".to_owned(), "--porcelain".to_owned(), "--atomic".to_owned()];
        if dry_run {
            arguments.push("--dry-run".to_owned());
        }
        for (_, target, expected) in specs {
            if let Some(expected) = expected {
                arguments.push(format!("--force-with-lease={target}:{expected}"));
            }
        }
        arguments.push(remote.to_owned());
        arguments.extend(specs.iter().map(|(from, target, _)| format!("{from}:{target}")));
        let output = self.network(arguments).run()?;
        if output.success() {
            return Ok(Push::Done);
        }
        let said = said(&output);
        let rejected = output.stdout_text().lines().any(|line| line.starts_with('!'));
        Ok(if rejected { Push::Rejected(said) } else { Push::Failed(said) })
    }

    /// Whether a name can be a branch, and no tag or option hides behind it (row A11).
    ///
    /// # Errors
    /// When it cannot; wrong usage.
    pub fn check_branch_name(&self, branch: &str) -> Result<()> {
        let error = |why: String| {
            Err(Error::usage("bad-branch", format!("`{branch}` cannot be the base branch")).cause(why))
        };
        if branch.starts_with('-') {
            return error("a branch name does not begin with `-`".to_owned());
        }
        if self.ask(["check-ref-format", "--branch", branch])?.is_none() || branch.contains("@{") {
            return error("it is not a branch name".to_owned());
        }
        if self.ask(["show-ref", "--verify", "--quiet", &format!("refs/tags/{branch}")])?.is_some() {
            return error("a tag has that name, so git could take one for the other".to_owned());
        }
        Ok(())
    }

    fn network<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Call<'_> {
        self.call(arguments).timeout(Duration::from_secs(600))
    }
}

fn base<'a>(directory: &'a Path, environment: &Environment) -> Call<'a> {
    // C keeps the messages in one language; prompts would wait for an answer that nobody gives.
    let call =
        Call::new("git", directory).users(environment).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"].into_iter().fold(call, Call::without)
}

fn said(output: &Output) -> Vec<String> {
    let text = format!("{}\n{}", String::from_utf8_lossy(&output.stderr), output.stdout_text());
    redact(&text)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("To ") && *line != "Done")
        .map(str::to_owned)
        .take(12)
        .collect()
}
