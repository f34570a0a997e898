//! The project's configuration: read once, merged once, every value with the place it came from.
//!
//! Order: built-in defaults, the file, `SHIPWAY_*` variables, flags. All problems are reported together.
//! No secret may stand in the file.

mod declared;
mod entries;
pub mod environment;
pub(crate) mod forge;
mod load;
mod raw;
mod unknown;
pub(crate) mod workflows;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use shipway_dist::policy::Requirement;
use shipway_dist::{ChannelName, Finding, GateId, ProjectName, Severity};
use shipway_pyapi::{Acceptance, Mode};
use url::Url;

pub use declared::Declared;
pub use environment::Environment;
pub use forge::{ForgeKind, ForgeSettings, RawForge, ReleaseFrom};
pub use load::{Flags, data_dir, is_configured, load, schema};
pub use raw::RawConfig;
pub use workflows::{Authentication, Binary, PLATFORMS, SecretNames, WorkflowSettings};

/// The resolved configuration of a project.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with pyproject.toml.
    pub directory: PathBuf,
    /// The project.
    pub name: ProjectName,
    /// The shipway index, or none for the embedded one.
    pub index: Option<Url>,
    /// The channels of a foreign index; empty for a shipway index.
    pub foreign: BTreeMap<ChannelName, ForeignChannel>,
    /// The channels in order of promotion.
    pub channels: Vec<ChannelName>,
    /// What the project asks of a channel besides the policy of the index.
    pub requires: BTreeMap<ChannelName, Vec<Requirement>>,
    /// Whether a public index may be the target.
    pub public: bool,
    /// The branch that releases are cut from.
    pub base_branch: String,
    /// The git remote.
    pub remote: String,
    /// The changelog, relative to the project.
    pub changelog: Option<String>,
    /// The template of full release notes, when it is the project's own.
    pub notes_template: Option<String>,
    /// The template of a tag.
    pub tag: String,
    /// Every version place besides pyproject.toml, relative to the project.
    pub version_files: Vec<String>,
    /// How versions grow.
    pub scheme: Scheme,
    /// Whether `major` on 0.x gives 1.0.0.
    pub major_on_zero: bool,
    /// The interpreter asked for.
    pub python: Option<PathBuf>,
    /// How the project is built.
    pub build: BuildSettings,
    /// Where dependencies may come from in a smoke.
    pub dependencies: Dependencies,
    /// Extras installed in a smoke.
    pub extras: Vec<String>,
    /// The gates that run a command.
    pub gates: Vec<CommandGate>,
    /// What the project promises.
    pub contract: Contract,
    /// Commands run in a fresh install.
    pub probes: Vec<Probe>,
    /// Whether pyproject.toml names console scripts.
    pub has_scripts: bool,
    /// Breaks of the API that were accepted.
    pub accepted: Vec<Acceptance>,
    /// Findings about distribution files that weigh more or less here than by default.
    pub levels: Vec<LevelOverride>,
    /// The forge that holds the repository, and what a release asks of it.
    pub forge: ForgeSettings,
    /// How the generated workflows build, test and publish.
    pub workflows: WorkflowSettings,
    /// Where the embedded index and keys live.
    pub data_dir: PathBuf,
    /// Every value that is not nested in a table of its own, with its origin.
    pub origins: Vec<Setting>,
}

/// One setting and where it came from.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// The value, as JSON.
    pub value: serde_json::Value,
    /// `default`, the file, a variable's name or a flag.
    pub origin: String,
}

/// A channel of a foreign index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChannel {
    /// Takes legacy uploads.
    pub upload: Url,
    /// Serves simple pages.
    pub simple: Url,
}

/// How versions grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `X.Y.Z`, with PEP 440 pre-releases.
    Semver,
    /// Anything that PEP 440 allows.
    Pep440,
    /// `YYYY.MM.PATCH` or like; numbers grow, levels are not judged.
    Calver,
}

/// How the project is built.
#[derive(Debug, Clone, Default)]
pub struct BuildSettings {
    /// Hash-locked requirements of the build environment, relative to the project.
    pub lock: Option<String>,
    /// Whether the headers of the sdist are rewritten.
    pub normalize: bool,
    /// Globs of modules that a release leaves out on purpose.
    pub exclude: Vec<String>,
}

/// A finding about distribution files that weighs more or less here than by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LevelOverride {
    /// The finding's id.
    pub id: String,
    /// What it weighs here.
    pub level: Severity,
    /// Why.
    pub reason: String,
}

/// Gives findings the weight that they have in this project, and puts those that refuse first.
pub fn weigh(levels: &[LevelOverride], findings: &mut [Finding]) {
    for finding in findings.iter_mut() {
        if let Some(level) = levels.iter().find(|level| level.id == finding.id) {
            finding.severity = level.level;
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

/// Where dependencies may come from in a smoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependencies {
    /// Only through the index itself.
    Index,
    /// From wherever the index points.
    Any,
}

/// A gate that runs a command in a clean checkout.
#[derive(Debug, Clone)]
pub struct CommandGate {
    /// Which gate.
    pub id: GateId,
    /// The command, split.
    pub run: Vec<String>,
    /// Seconds until it is stopped.
    pub timeout: u64,
}

/// What the project promises to its users.
#[derive(Debug, Clone, Default)]
pub struct Contract {
    /// What counts as public.
    pub mode: Mode,
    /// Dotted paths that stay.
    pub stable: Vec<String>,
    /// Dotted paths that may change, with a note.
    pub provisional: Vec<String>,
    /// Dotted paths that are nobody's business.
    pub internal: Vec<String>,
    /// Documented command lines.
    pub commands: Vec<String>,
    /// Packaged data files that users rely on.
    pub data: Vec<String>,
    /// The classes of error that are promised, each with a probe.
    pub errors: Vec<String>,
}

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// Does it work at all.
    Smoke,
    /// Do the safety defaults hold.
    Safety,
    /// Does a class of error look as declared.
    Error,
}

/// A command run in a fresh install.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its name.
    pub id: String,
    /// What it is for.
    pub kind: ProbeKind,
    /// For kind error: which class.
    pub class: Option<String>,
    /// The command, split.
    pub run: Vec<String>,
    /// The exit code expected.
    pub exit: i32,
    /// Values expected in the JSON on stdout, by dotted path.
    pub json: BTreeMap<String, serde_json::Value>,
    /// Text that stdout must hold.
    pub stdout: Option<String>,
    /// Text that stderr must hold.
    pub stderr: Option<String>,
    /// Environment variables set for it.
    pub env: BTreeMap<String, String>,
    /// Files written for it before it runs, by path; a leading `~/` stands for its HOME.
    pub files: BTreeMap<String, String>,
    /// Whether it may use the network.
    pub network: bool,
    /// Seconds until it is stopped.
    pub timeout: u64,
}

impl Config {
    /// The first channel: the one that is published to unless told otherwise.
    pub fn first_channel(&self) -> &ChannelName {
        &self.channels[0]
    }

    /// The last channel: where releases end up.
    pub fn last_channel(&self) -> &ChannelName {
        &self.channels[self.channels.len() - 1]
    }

    /// The channel before `channel`, if any.
    pub fn channel_before(&self, channel: &ChannelName) -> Option<&ChannelName> {
        let at = self.channels.iter().position(|one| one == channel)?;
        at.checked_sub(1).map(|before| &self.channels[before])
    }

    /// Whether the target is an index that shipway does not run itself.
    pub fn is_foreign(&self) -> bool {
        !self.foreign.is_empty()
    }

    /// The name of the tag of a version.
    pub fn tag_of(&self, version: &shipway_dist::Version) -> String {
        self.tag.replace("{version}", &version.to_string()).replace("{name}", self.name.normalized())
    }
}
