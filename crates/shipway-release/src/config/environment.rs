//! Every environment variable that shipway reads for itself, by name; and the environment as a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The index's URL.
pub const INDEX: &str = "SHIPWAY_INDEX";
/// The upload URL of the one channel of a foreign index; counts together with the next.
pub const UPLOAD_URL: &str = "SHIPWAY_UPLOAD_URL";
/// The URL that the one channel of a foreign index is read from.
pub const SIMPLE_URL: &str = "SHIPWAY_SIMPLE_URL";
/// The index's token.
pub const TOKEN: &str = "SHIPWAY_TOKEN";
/// The key that evidence is signed with: PKCS#8 PEM, or the path of its file.
pub const KEY: &str = "SHIPWAY_KEY";
/// Where the embedded index and keys live.
pub const DATA_DIR: &str = "SHIPWAY_DATA_DIR";
/// The Python interpreter.
pub const PYTHON: &str = "SHIPWAY_PYTHON";
/// The log filter.
pub const LOG: &str = "SHIPWAY_LOG";
/// The identity of the CI job as a signed token, where the CI fills a variable with it.
pub const ID_TOKEN: &str = "SHIPWAY_ID_TOKEN";
/// The name of another variable that holds it.
pub const ID_TOKEN_VARIABLE: &str = "SHIPWAY_ID_TOKEN_VARIABLE";
/// Seconds that an uploaded file may take until the index lists it.
pub const VISIBLE_WITHIN: &str = "SHIPWAY_VISIBLE_WITHIN";
/// How a line of the log is written: `json`, else text.
pub const LOG_FORMAT: &str = "SHIPWAY_LOG_FORMAT";
/// The user at an index that is imported from.
pub const SOURCE_USERNAME: &str = "SHIPWAY_SOURCE_USERNAME";
/// The password at an index that is imported from.
pub const SOURCE_PASSWORD: &str = "SHIPWAY_SOURCE_PASSWORD";
/// For tests: abort the process when it reaches the named point.
pub const CRASH_AT: &str = "SHIPWAY_CRASH_AT";

/// The forge's API.
pub const FORGE_API: &str = "GITHUB_API_URL";
/// The forge's pages for people.
pub const FORGE_SERVER: &str = "GITHUB_SERVER_URL";
/// `OWNER/NAME` of the repository on the forge.
pub const FORGE_REPOSITORY: &str = "GITHUB_REPOSITORY";
/// The number of that repository, which a rename does not change.
pub const FORGE_REPOSITORY_ID: &str = "GITHUB_REPOSITORY_ID";
/// The token for the forge's API; the second is what its own command line reads.
pub const FORGE_TOKEN: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];
/// The event that started the CI run, as a JSON file.
pub const FORGE_EVENT: &str = "GITHUB_EVENT_PATH";
/// The file that takes a CI step's outputs.
pub const FORGE_OUTPUT: &str = "GITHUB_OUTPUT";
/// The file that takes a CI step's summary.
pub const FORGE_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// The CI run.
pub const FORGE_RUN: &str = "GITHUB_RUN_ID";
/// The attempt of the CI run.
pub const FORGE_ATTEMPT: &str = "GITHUB_RUN_ATTEMPT";
/// Whether the run is one of GitHub's CI, or of GitLab's.
pub const ON_GITHUB: &str = "GITHUB_ACTIONS";
/// See [`ON_GITHUB`].
pub const ON_GITLAB: &str = "GITLAB_CI";
/// Where a job of GitHub's CI asks for its identity, and with what.
pub const GITHUB_ID_TOKEN_REQUEST: [&str; 2] =
    ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// Set in every job of GitLab.
pub const GITLAB: &str = "GITLAB_CI";
/// GitLab's API.
pub const GITLAB_API: &str = "CI_API_V4_URL";
/// GitLab's pages for people.
pub const GITLAB_SERVER: &str = "CI_SERVER_URL";
/// The path of the project on GitLab, through all its groups.
pub const GITLAB_REPOSITORY: &str = "CI_PROJECT_PATH";
/// The number of that project, which a rename does not change.
pub const GITLAB_REPOSITORY_ID: &str = "CI_PROJECT_ID";
/// An access token for GitLab's API, which goes into `PRIVATE-TOKEN`.
pub const GITLAB_TOKEN: &str = "GITLAB_TOKEN";
/// The token of a job of GitLab, which goes into `JOB-TOKEN` and may do little.
pub const GITLAB_JOB_TOKEN: &str = "CI_JOB_TOKEN";
/// The pipeline of a job of GitLab: the run.
pub const GITLAB_RUN: &str = "CI_PIPELINE_ID";
/// The job of GitLab; a job that is run again has another number.
pub const GITLAB_JOB: &str = "CI_JOB_ID";
/// What started the pipeline.
pub const GITLAB_SOURCE: &str = "CI_PIPELINE_SOURCE";
/// The merge request that the pipeline is of.
pub const GITLAB_MERGE_REQUEST: &str = "CI_MERGE_REQUEST_IID";
/// The commit that the pipeline is of.
pub const GITLAB_COMMIT: &str = "CI_COMMIT_SHA";
/// The branch that the pipeline is of; absent for tags and merge requests.
pub const GITLAB_BRANCH: &str = "CI_COMMIT_BRANCH";
/// The branch that clones check out.
pub const GITLAB_DEFAULT_BRANCH: &str = "CI_DEFAULT_BRANCH";
/// The CI file of the project.
pub const GITLAB_WORKFLOW: &str = "CI_CONFIG_PATH";
/// The file that takes the outputs of a step as variables: a dotenv report of GitLab.
pub const DOTENV: &str = "SHIPWAY_DOTENV";

/// The environment of a run, captured once and passed in.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// Captures the process's environment; variables whose names are not UTF-8 are left out.
    pub fn capture() -> Self {
        Self {
            variables: std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v))).collect(),
        }
    }

    /// Builds an environment from pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { variables: pairs.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect() }
    }

    /// The same environment with one variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// The same environment with one variable unset.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The value of a variable that is set, not empty and UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// The value of a variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl std::fmt::Debug for Environment {
    // Values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
