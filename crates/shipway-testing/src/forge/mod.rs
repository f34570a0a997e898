//! A forge of a test: GitHub's or GitLab's API on loopback, over a real bare git repository.
//!
//! Merges, comparisons, parents and files are git's own. A scenario makes commits, pull requests, runs and
//! artifacts, says what goes wrong, and reads afterwards what was asked and what was changed.

mod answers;
mod fault;
mod gitlab;
mod guards;
mod repository;
mod schema;
mod server;
mod shapes;
mod state;

use std::path::Path;
use std::sync::{Arc, MutexGuard};

use shipway_dist::Sha256;

pub use fault::{Fault, Instead};
pub use gitlab::GITLAB_OPERATIONS;
pub use guards::Guards;
pub use repository::{Repository, STRATEGIES, Strategy};
pub use schema::{OPERATIONS, gitlab_violations, violations};
pub use state::{ApiDate, ArtifactState, Face, Origin, Pull, RunState, State, WorkflowState};

use server::Shared;

/// The token that the forge accepts; no output may ever hold it.
pub const CANARY: &str = "ghs_canary0000000000000000000000000000";

/// A forge that answers until the test's process ends.
#[derive(Debug)]
pub struct Forge {
    shared: Arc<Shared>,
}

impl Forge {
    /// Starts a forge with an empty repository in `folder`.
    ///
    /// # Panics
    /// When that fails.
    pub fn start(folder: &Path, full_name: &str) -> Self {
        Self::start_as(Face::GitHub, folder, full_name)
    }

    /// Starts a forge with this API and an empty repository in `folder`.
    ///
    /// # Panics
    /// When that fails.
    pub fn start_as(face: Face, folder: &Path, full_name: &str) -> Self {
        let repository = Repository::new(&folder.join("forge.git"));
        Self { shared: server::serve(repository, State::new(face, full_name), CANARY) }
    }

    /// The root of its API.
    pub fn url(&self) -> &str {
        &self.shared.api
    }

    /// The root of its store of artifacts, which is another host.
    pub fn store(&self) -> &str {
        &self.shared.store
    }

    /// Its repository.
    pub fn git(&self) -> &Repository {
        &self.shared.repository
    }

    /// What it knows, to be read and changed.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }

    /// The variables of a CI run at this forge.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let state = self.state();
        if state.face == Face::GitLab {
            return vec![
                ("GITLAB_CI", "true".to_owned()),
                ("CI_API_V4_URL", format!("{}/api/v4", self.url())),
                ("CI_SERVER_URL", self.url().to_owned()),
                ("CI_PROJECT_PATH", state.full_name.clone()),
                ("CI_PROJECT_ID", state.id.to_string()),
                ("CI_DEFAULT_BRANCH", state.default_branch.clone()),
                ("GITLAB_TOKEN", CANARY.to_owned()),
            ];
        }
        vec![
            ("GITHUB_API_URL", self.url().to_owned()),
            ("GITHUB_SERVER_URL", self.url().to_owned()),
            ("GITHUB_REPOSITORY", state.full_name.clone()),
            ("GITHUB_REPOSITORY_ID", state.id.to_string()),
            ("GITHUB_TOKEN", CANARY.to_owned()),
        ]
    }

    /// Says what goes wrong; at GitLab's face, what GitHub's routes say is meant of GitLab's.
    pub fn fault(&self, mut fault: Fault) {
        let mut state = self.state();
        if state.face == Face::GitLab {
            fault.on = gitlab::translated(&fault.on);
        }
        state.faults.push(fault);
    }

    /// Opens a pull request between two branches.
    ///
    /// # Panics
    /// When one does not exist.
    pub fn open(&self, head: &str, base: &str) -> u64 {
        open(&mut self.state(), self.git(), head, base, &format!("{head} into {base}"))
    }

    /// Merges a pull request; gives the commit that its merge made.
    ///
    /// # Panics
    /// When there is a conflict.
    pub fn merge(&self, number: u64, strategy: Strategy) -> String {
        self.merge_as(number, strategy, &format!("Merge pull request #{number}"))
    }

    /// Merges a pull request with a text of its own.
    ///
    /// # Panics
    /// When there is a conflict.
    pub fn merge_as(&self, number: u64, strategy: Strategy, message: &str) -> String {
        let mut state = self.state();
        let moment = state.moment();
        let face = state.face;
        let pull = state.pull(number);
        if face == Face::GitLab {
            pull.merged_at = Some(moment);
            return gitlab::merge(self.git(), pull, strategy, message);
        }
        pull.base_sha = self.git().branch(&pull.base);
        let sha = self.git().merge(&pull.base, &pull.head_sha, strategy, message);
        pull.state = "closed";
        pull.merged = true;
        pull.merged_at = Some(moment);
        pull.merge_commit = Some(sha.clone());
        sha
    }

    /// Merges as GitLab does with semi-linear history: rebased, then with a merge commit.
    pub fn merge_semi_linear(&self, number: u64) -> String {
        let mut state = self.state();
        let moment = state.moment();
        let pull = state.pull(number);
        pull.merged_at = Some(moment);
        gitlab::semi_linear(self.git(), pull, &format!("Merge branch '{}'", pull.head.clone()))
    }

    /// Merges as GitLab does with squash and fast-forward: one commit upon the base.
    pub fn merge_squash_forward(&self, number: u64) -> String {
        let mut state = self.state();
        let moment = state.moment();
        let pull = state.pull(number);
        pull.merged_at = Some(moment);
        gitlab::squash_forward(self.git(), pull, "squashed")
    }

    /// Merges several as a merge train does; gives the commit of each.
    pub fn merge_train(&self, numbers: &[u64]) -> Vec<String> {
        let mut state = self.state();
        let moment = state.moment();
        let mut pulls: Vec<&mut Pull> =
            state.pulls.iter_mut().filter(|one| numbers.contains(&one.number)).collect();
        for pull in &mut pulls {
            pull.merged_at = Some(moment.clone());
        }
        gitlab::train(self.git(), &mut pulls)
    }

    /// Closes a pull request without a merge; its stale test merge stays named.
    pub fn close(&self, number: u64) {
        self.state().pull(number).state = "closed";
    }

    /// A successful run of `ci.yml` for a push of a commit.
    pub fn push_run(&self, branch: &str, sha: &str) -> u64 {
        let id = self.begin_run(branch, sha);
        self.end_run(id);
        id
    }

    /// Ends a run well.
    pub fn end_run(&self, id: u64) {
        let mut state = self.state();
        let run = state.run(id);
        (run.status, run.conclusion) = ("completed".to_owned(), Some("success".to_owned()));
    }

    /// A run of `ci.yml` for a push of a commit that is not over yet.
    pub fn begin_run(&self, branch: &str, sha: &str) -> u64 {
        let mut state = self.state();
        let (id, updated) = (state.number() + 9000, state.moment());
        let (workflow, repository) = (state.workflows[0].clone(), state.id);
        state.runs.push(RunState {
            id,
            workflow: workflow.id,
            path: workflow.path,
            event: "push".to_owned(),
            status: "in_progress".to_owned(),
            conclusion: None,
            branch: Some(branch.to_owned()),
            sha: sha.to_owned(),
            attempt: 1,
            updated,
            title: "a push".to_owned(),
            repository,
            origin: Origin::Own,
        });
        id
    }

    /// Gives a run an artifact; what is no zip is a raw one.
    pub fn upload(&self, run: u64, name: &str, bytes: Vec<u8>) -> u64 {
        let mut state = self.state();
        let id = state.number() + 70_000;
        let content_type =
            if bytes.starts_with(b"PK") { "application/zip" } else { "application/octet-stream" };
        let digest = Some(format!("sha256:{}", Sha256::of(&bytes)));
        let artifact = ArtifactState {
            id,
            name: name.to_owned(),
            run,
            claims_run: None,
            expired: false,
            digest,
            bytes,
            content_type,
        };
        state.artifacts.push(artifact);
        id
    }
}

/// Opens a pull request.
fn open(state: &mut State, git: &Repository, head: &str, base: &str, title: &str) -> u64 {
    let (head_sha, base_sha) = (git.branch(head), git.branch(base));
    let number = state.pulls.len() as u64 + 1;
    let merge_commit = Some(answers::test_merge(git, &base_sha, &head_sha));
    state.pulls.push(Pull {
        number,
        title: title.to_owned(),
        state: "open",
        merged: false,
        merged_at: None,
        merged_by: ("tester".to_owned(), "User".to_owned()),
        merge_commit,
        squash_commit: None,
        head: head.to_owned(),
        head_sha,
        origin: Origin::Own,
        base: base.to_owned(),
        base_sha,
    });
    number
}
