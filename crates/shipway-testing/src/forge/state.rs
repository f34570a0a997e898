//! What the fake forge knows besides its repository. Every field is open, so that a scenario can change anything.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fault::Fault;

/// The date of the API that is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiDate {
    /// 2022-11-28.
    Of2022,
    /// 2026-03-10, without the fields that it removed.
    Of2026,
}

/// Which forge's API is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// GitHub's.
    GitHub,
    /// GitLab's.
    GitLab,
}

/// Everything.
#[derive(Debug)]
pub struct State {
    /// Whose API it is.
    pub face: Face,
    /// On GitLab the project's setting of its CI file.
    pub ci_file: Option<String>,
    /// On GitLab who may see jobs: `enabled` or `disabled`.
    pub builds_access: &'static str,
    /// On GitLab the jobs that failed and were allowed to.
    pub failed_jobs: Vec<String>,
    /// On GitLab whether the changes of merge requests are not counted yet.
    pub uncounted: bool,
    /// The number of the repository.
    pub id: u64,
    /// `OWNER/NAME` now.
    pub full_name: String,
    /// The name before a rename, which redirects.
    pub earlier_name: Option<String>,
    /// The branch that clones check out.
    pub default_branch: String,
    /// The date of the API.
    pub date: ApiDate,
    /// Most items on a page.
    pub page: usize,
    /// Pull requests.
    pub pulls: Vec<Pull>,
    /// Workflows.
    pub workflows: Vec<WorkflowState>,
    /// Runs.
    pub runs: Vec<RunState>,
    /// Artifacts.
    pub artifacts: Vec<ArtifactState>,
    /// Releases.
    pub releases: Vec<Value>,
    /// Comments: pull request and text.
    pub comments: Vec<(u64, String)>,
    /// Starts of workflows: file and body.
    pub dispatches: Vec<(String, Value)>,
    /// Attestations by digest.
    pub attestations: BTreeMap<String, Vec<Value>>,
    /// Whether a start of a workflow tells its run.
    pub tells_run: bool,
    /// What the repository is guarded with.
    pub guards: super::Guards,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Every request to the API: method and path with query.
    pub log: Vec<String>,
    /// Whether a token reached the store, which must never get one.
    pub leaked: bool,
    /// The last number that was given.
    pub last: u64,
}

impl State {
    pub(super) fn new(face: Face, full_name: &str) -> Self {
        let workflow = |id, file: &str| WorkflowState {
            id,
            path: format!(".github/workflows/{file}"),
            state: "active".to_owned(),
        };
        Self {
            face,
            ci_file: None,
            builds_access: "enabled",
            failed_jobs: Vec::new(),
            uncounted: false,
            id: 4711,
            full_name: full_name.to_owned(),
            earlier_name: None,
            default_branch: "main".to_owned(),
            date: ApiDate::Of2022,
            page: 100,
            pulls: Vec::new(),
            workflows: vec![workflow(61, "ci.yml"), workflow(62, "publish.yml"), workflow(63, "other.yml")],
            runs: Vec::new(),
            artifacts: Vec::new(),
            releases: Vec::new(),
            comments: Vec::new(),
            dispatches: Vec::new(),
            attestations: BTreeMap::new(),
            tells_run: true,
            guards: super::Guards::default(),
            faults: Vec::new(),
            log: Vec::new(),
            leaked: false,
            last: 0,
        }
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A moment after every earlier one.
    pub fn moment(&mut self) -> String {
        let at = self.number();
        format!("2026-01-02T{:02}:{:02}:{:02}Z", at / 3600 % 24, at / 60 % 60, at % 60)
    }

    /// A pull request.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn pull(&mut self, number: u64) -> &mut Pull {
        self.pulls.iter_mut().find(|one| one.number == number).expect("a pull request")
    }

    /// A run.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn run(&mut self, id: u64) -> &mut RunState {
        self.runs.iter_mut().find(|one| one.id == id).expect("a run")
    }

    /// An artifact by its name.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn artifact(&mut self, name: &str) -> &mut ArtifactState {
        self.artifacts.iter_mut().find(|one| one.name == name).expect("an artifact")
    }
}

/// A repository that a pull request or run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The repository itself.
    Own,
    /// A fork with this number.
    Fork(u64),
    /// A repository that was deleted.
    Deleted,
}

/// A pull request.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// `open` or `closed`.
    pub state: &'static str,
    /// Whether it was merged.
    pub merged: bool,
    /// When.
    pub merged_at: Option<String>,
    /// Who merged it: name and kind.
    pub merged_by: (String, String),
    /// The commit of the merge, or of a test merge.
    pub merge_commit: Option<String>,
    /// The commit of all its changes that GitLab made and merged.
    pub squash_commit: Option<String>,
    /// The branch that it brings.
    pub head: String,
    /// The commit that it brings.
    pub head_sha: String,
    /// Where that comes from.
    pub origin: Origin,
    /// The branch that it goes to.
    pub base: String,
    /// Where that stood when it was opened.
    pub base_sha: String,
}

/// A workflow.
#[derive(Debug, Clone)]
pub struct WorkflowState {
    /// Its number.
    pub id: u64,
    /// Its file.
    pub path: String,
    /// `active`, or why not.
    pub state: String,
}

/// A run.
#[derive(Debug, Clone)]
pub struct RunState {
    /// Its number.
    pub id: u64,
    /// The workflow's number.
    pub workflow: u64,
    /// The workflow's file.
    pub path: String,
    /// What started it.
    pub event: String,
    /// How far it is.
    pub status: String,
    /// How it ended.
    pub conclusion: Option<String>,
    /// The branch or tag.
    pub branch: Option<String>,
    /// The commit.
    pub sha: String,
    /// The attempt.
    pub attempt: u32,
    /// When it last changed.
    pub updated: String,
    /// Its title.
    pub title: String,
    /// The number of the repository that it ran in.
    pub repository: u64,
    /// Where its commit comes from.
    pub origin: Origin,
}

/// An artifact.
#[derive(Debug, Clone)]
pub struct ArtifactState {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its run.
    pub run: u64,
    /// The run that it names, where that is another.
    pub claims_run: Option<u64>,
    /// Whether it is gone.
    pub expired: bool,
    /// The digest that is told.
    pub digest: Option<String>,
    /// What a download gives.
    pub bytes: Vec<u8>,
    /// What a download is called.
    pub content_type: &'static str,
}
