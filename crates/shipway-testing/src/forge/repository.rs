//! The bare repository behind the fake forge: commits, merges and comparisons are git's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// A merge commit.
    Merge,
    /// One commit with all changes.
    Squash,
    /// Every commit replayed on the base.
    Rebase,
    /// The base moved to the branch.
    FastForward,
}

/// Every strategy.
pub const STRATEGIES: [Strategy; 4] =
    [Strategy::Merge, Strategy::Squash, Strategy::Rebase, Strategy::FastForward];

/// How two commits stand to each other.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) status: &'static str,
    pub(super) ahead: u64,
    pub(super) behind: u64,
    pub(super) merge_base: String,
}

/// A bare repository.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    /// Every commit is a minute after the one before, so that ids depend on the scenario alone.
    minutes: AtomicU64,
}

impl Repository {
    pub(super) fn new(path: &Path) -> Self {
        let repository = Self { path: path.to_owned(), minutes: AtomicU64::new(0) };
        std::fs::create_dir_all(path).expect("a folder");
        repository.git(&["init", "--quiet", "--bare", "-b", "main"]);
        repository
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let minute = self.minutes.load(Ordering::Relaxed);
        let date = format!("{} +0000", 1_767_225_600 + minute * 60);
        let mut command = Command::new("git");
        command.current_dir(&self.path).args(arguments);
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Tester")
                .env(format!("GIT_{who}_EMAIL"), "tester@test.invalid");
            command.env(format!("GIT_{who}_DATE"), &date);
        }
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("LC_ALL", "C");
        command.stdin(Stdio::null());
        command
    }

    /// Runs git; none when it says no.
    pub fn try_git(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command(arguments).output().expect("git");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs git.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("git");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn tick(&self) {
        self.minutes.fetch_add(1, Ordering::Relaxed);
    }

    /// Commits files on top of `parent`, and puts the branch there; no content removes a file.
    ///
    /// # Panics
    /// When git fails.
    pub fn commit(
        &self,
        branch: &str,
        parent: Option<&str>,
        files: &[(&str, Option<&str>)],
        message: &str,
    ) -> String {
        self.tick();
        let date = 1_767_225_600 + self.minutes.load(Ordering::Relaxed) * 60;
        let mut stream = format!("commit refs/heads/{branch}\nmark :1\n");
        for who in ["author", "committer"] {
            stream.push_str(&format!("{who} Tester <tester@test.invalid> {date} +0000\n"));
        }
        stream.push_str(&format!("data {}\n{message}\n", message.len()));
        if let Some(parent) = parent {
            stream.push_str(&format!("from {parent}\n"));
        }
        for (path, content) in files {
            match content {
                Some(content) => {
                    stream.push_str(&format!("M 100644 inline {path}\ndata {}\n{content}\n", content.len()));
                }
                None => stream.push_str(&format!("D {path}\n")),
            }
        }
        stream.push_str("get-mark :1\ndone\n");
        let mut child = self
            .command(&["fast-import", "--quiet", "--force", "--done", "--cat-blob-fd=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git");
        child.stdin.take().expect("stdin").write_all(stream.as_bytes()).expect("a stream");
        let output = child.wait_with_output().expect("git");
        assert!(output.status.success(), "git fast-import");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The commit of a ref.
    pub fn sha(&self, name: &str) -> Option<String> {
        self.try_git(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
    }

    /// The commit of a branch.
    ///
    /// # Panics
    /// When there is no such branch.
    #[track_caller]
    pub fn branch(&self, name: &str) -> String {
        self.sha(&format!("refs/heads/{name}")).unwrap_or_else(|| panic!("no branch {name}"))
    }

    /// Puts a branch somewhere, or removes it.
    pub fn set_branch(&self, name: &str, to: Option<&str>) {
        let full = format!("refs/heads/{name}");
        match to {
            Some(to) => self.git(&["update-ref", &full, to]),
            None => self.git(&["update-ref", "-d", &full]),
        };
    }

    /// Makes a tag.
    pub fn tag(&self, name: &str, at: &str, annotated: bool) {
        if annotated {
            self.git(&["tag", "--annotate", "-m", name, name, at]);
        } else {
            self.git(&["tag", name, at]);
        }
    }

    /// Makes a tag object that no ref points at yet.
    pub(super) fn tag_object(&self, name: &str, commit: &str, message: &str) -> String {
        let text = format!(
            "object {commit}\ntype commit\ntag {name}\ntagger Tester <tester@test.invalid> 1767225600 +0000\n\n{message}\n"
        );
        let mut child =
            self.command(&["mktag"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git");
        child.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("a tag");
        let output = child.wait_with_output().expect("git");
        assert!(output.status.success(), "git mktag");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn merged_tree(&self, base: &str, ours: &str, theirs: &str) -> String {
        let merge_base = format!("--merge-base={base}");
        self.git(&["merge-tree", "--write-tree", &merge_base, ours, theirs])
    }

    /// Merges a commit into a branch; gives the commit that the branch stands at then.
    ///
    /// # Panics
    /// When there is a conflict.
    pub fn merge(&self, branch: &str, head: &str, strategy: Strategy, message: &str) -> String {
        self.tick();
        let tip = self.branch(branch);
        let new = self.merged(&tip, head, strategy, message);
        self.set_branch(branch, Some(&new));
        new
    }

    pub(super) fn merged(&self, tip: &str, head: &str, strategy: Strategy, message: &str) -> String {
        let fork = self.git(&["merge-base", tip, head]);
        match strategy {
            Strategy::Merge => {
                let tree = self.merged_tree(&fork, tip, head);
                self.git(&["commit-tree", &tree, "-p", tip, "-p", head, "-m", message])
            }
            Strategy::Squash => {
                let tree = self.merged_tree(&fork, tip, head);
                self.git(&["commit-tree", &tree, "-p", tip, "-m", message])
            }
            Strategy::Rebase => {
                let commits = self.git(&["rev-list", "--reverse", &format!("{fork}..{head}")]);
                commits.lines().fold(tip.to_owned(), |onto, commit| {
                    let tree = self.merged_tree(&format!("{commit}^"), &onto, commit);
                    let text = self.git(&["log", "-1", "--format=%B", commit]);
                    self.git(&["commit-tree", &tree, "-p", &onto, "-m", &text])
                })
            }
            Strategy::FastForward => {
                assert_eq!(fork, tip, "no fast-forward");
                head.to_owned()
            }
        }
    }

    pub(super) fn compare(&self, first: &str, second: &str) -> Option<Compared> {
        let (first, second) = (self.sha(first)?, self.sha(second)?);
        let merge_base = self.try_git(&["merge-base", &first, &second])?;
        let counts = self.git(&["rev-list", "--left-right", "--count", &format!("{first}...{second}")]);
        let (behind, ahead) = counts.split_once('\t').expect("two counts");
        let (behind, ahead): (u64, u64) = (behind.parse().expect("a count"), ahead.parse().expect("a count"));
        let status = match (ahead, behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            (_, _) => "diverged",
        };
        Some(Compared { status, ahead, behind, merge_base })
    }

    pub(super) fn parents(&self, sha: &str) -> Vec<String> {
        let line = self.git(&["rev-list", "--parents", "-n", "1", sha]);
        line.split(' ').skip(1).map(str::to_owned).collect()
    }

    pub(super) fn message(&self, sha: &str) -> String {
        self.git(&["log", "-1", "--format=%B", sha])
    }

    /// Path, state and earlier path of every file that differs.
    pub(super) fn changes(&self, base: &str, head: &str) -> Vec<(String, &'static str, Option<String>)> {
        let text = self.git(&["diff-tree", "-r", "-z", "--find-renames", "--name-status", base, head]);
        let mut parts = text.split('\0').filter(|part| !part.is_empty());
        let mut all = Vec::new();
        while let Some(kind) = parts.next() {
            let path = parts.next().expect("a path").to_owned();
            match kind.as_bytes()[0] {
                b'A' => all.push((path, "added", None)),
                b'D' => all.push((path, "removed", None)),
                b'R' => all.push((parts.next().expect("a path").to_owned(), "renamed", Some(path))),
                _ => all.push((path, "modified", None)),
            }
        }
        all
    }

    /// Blob id and content of a file, content as base64.
    pub(super) fn blob(&self, commit: &str, path: &str) -> Option<(String, Vec<u8>)> {
        let name = format!("{commit}:{path}");
        let id = self.try_git(&["rev-parse", "--verify", "--quiet", &name])?;
        let output = self.command(&["cat-file", "blob", &id]).output().expect("git");
        output.status.success().then_some((id, output.stdout))
    }

    pub(super) fn merge_base(&self, first: &str, second: &str) -> Option<String> {
        self.try_git(&["merge-base", first, second])
    }

    /// Name, object and kind of every tag that begins so.
    pub(super) fn tags(&self, prefix: &str) -> Vec<(String, String, String)> {
        let text =
            self.git(&["for-each-ref", "--format=%(refname) %(objectname) %(objecttype)", "refs/tags/"]);
        let full = format!("refs/tags/{prefix}");
        let parts = text.lines().filter(|line| line.starts_with(&full)).map(|line| {
            let mut parts = line.split(' ').map(str::to_owned);
            let mut next = || parts.next().expect("a part");
            (next(), next(), next())
        });
        parts.collect()
    }
}
