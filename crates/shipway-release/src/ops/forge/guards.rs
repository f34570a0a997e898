//! What a forge guards a repository with, and no file of the repository can set: environments, rules of branches and
//! tags, what workflows may do. Read only; the shapes are those of GitHub's API.

use serde::Deserialize;

use crate::error::Result;

/// An environment of deployments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// What must hold before a job of it starts.
    #[serde(default)]
    pub protection_rules: Vec<ProtectionRule>,
    /// Which branches may use it; none for every branch.
    #[serde(default)]
    pub deployment_branch_policy: Option<BranchPolicy>,
}

/// What must hold before a job of an environment starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProtectionRule {
    /// `required_reviewers`, `wait_timer`, `branch_policy`, or a name of somebody's own.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who reviews; their fields are not used.
    #[serde(default)]
    pub reviewers: Vec<serde_json::Value>,
    /// Whether who started the run may not approve it.
    #[serde(default)]
    pub prevent_self_review: bool,
}

/// Which branches may use an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct BranchPolicy {
    /// Every protected branch.
    pub protected_branches: bool,
    /// Those of a list.
    pub custom_branch_policies: bool,
}

/// A set of rules for branches or tags.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ruleset {
    /// Its number.
    pub id: u64,
    /// `branch`, `tag` or `push`.
    #[serde(default)]
    pub target: Option<String>,
    /// `active`, `evaluate` or `disabled`.
    pub enforcement: String,
    /// Its rules; only of a single set.
    #[serde(default)]
    pub rules: Vec<BranchRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BranchRule {
    /// Such as `pull_request`, `deletion`, `update`, `non_fast_forward`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What the token of a workflow may do unless the workflow says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkflowToken {
    /// `read` or `write`.
    pub default_workflow_permissions: String,
    /// Whether a workflow may approve pull requests.
    #[serde(default)]
    pub can_approve_pull_request_reviews: bool,
}

/// What actions a workflow may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ActionsPolicy {
    /// Whether workflows run at all.
    pub enabled: bool,
    /// Whether each action must be named by a full commit; not told by every server.
    #[serde(default)]
    pub sha_pinning_required: Option<bool>,
}

/// Reads what a forge guards a repository with. An answer 403 or 404 is an error: it says that this token may not
/// read it, and never that there is nothing to be said.
pub trait Guards {
    /// The environments.
    ///
    /// # Errors
    /// When the forge does not say all of them.
    fn environments(&self) -> Result<Vec<Environment>>;

    /// The names of the branches, or patterns, that may use an environment with a list of its own.
    ///
    /// # Errors
    /// When the forge does not say.
    fn environment_branches(&self, environment: &str) -> Result<Vec<String>>;

    /// The rules of sets that hold for a branch.
    ///
    /// # Errors
    /// When the forge does not say.
    fn branch_rules(&self, branch: &str) -> Result<Vec<BranchRule>>;

    /// The active sets of rules for tags, with their rules.
    ///
    /// # Errors
    /// When the forge does not say.
    fn tag_rulesets(&self) -> Result<Vec<Ruleset>>;

    /// What the token of a workflow may do.
    ///
    /// # Errors
    /// When the forge does not say.
    fn workflow_token(&self) -> Result<WorkflowToken>;

    /// What actions a workflow may use.
    ///
    /// # Errors
    /// When the forge does not say.
    fn actions_policy(&self) -> Result<ActionsPolicy>;
}
