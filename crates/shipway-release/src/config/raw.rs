//! The configuration as it is written: every field optional.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[tool.shipway]` of pyproject.toml, or a whole `shipway.toml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, title = "shipway configuration")]
pub struct RawConfig {
    /// The project's name; default: `project.name` of pyproject.toml.
    pub name: Option<String>,
    /// Root URL of the shipway index; absent: the embedded index in the user's data directory.
    pub index: Option<String>,
    /// The channels in order of promotion.
    pub channels: Option<Vec<String>>,
    /// Allows a public index as the target.
    pub public: Option<bool>,
    /// The branch that releases are cut from.
    pub base_branch: Option<String>,
    /// The git remote that releases are pushed to.
    pub remote: Option<String>,
    /// The changelog with an *Unreleased* section, relative to the project; `false` for none.
    pub changelog: Option<PathOrFalse>,
    /// The name of a release's tag; `{version}` and `{name}` are replaced.
    pub tag: Option<String>,
    /// What each channel asks besides the index's policy; for a foreign index, its pair of URLs.
    pub channel: Option<BTreeMap<String, RawChannel>>,
    /// Where the version stands and how it grows.
    pub version: Option<RawVersion>,
    /// How the project is built.
    pub build: Option<RawBuild>,
    /// How a release is installed and tried.
    pub smoke: Option<RawSmoke>,
    /// The gates that run a command.
    pub gate: Option<Vec<RawGate>>,
    /// What the project promises to its users.
    pub contract: Option<RawContract>,
    /// Commands run in a fresh install.
    pub probe: Option<Vec<RawProbe>>,
    /// Breaks of the API that were accepted.
    pub accept: Option<Vec<RawAccept>>,
    /// How release notes are written.
    pub notes: Option<RawNotes>,
    /// Findings about distribution files that weigh more or less here than by default.
    pub level: Option<Vec<RawLevel>>,
    /// The forge that holds the repository, and what a release asks of it.
    pub forge: Option<super::forge::RawForge>,
    /// How the generated workflows build, test and publish.
    pub workflows: Option<super::workflows::RawWorkflows>,
}

/// How release notes are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawNotes {
    /// A template of `shipway notes render`, relative to the project.
    pub template: Option<String>,
}

/// A finding about distribution files that weighs more or less than by default.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawLevel {
    /// The finding, as `shipway check` prints it.
    pub id: Option<String>,
    /// `error` refuses, `warning` only tells.
    pub level: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// A break of the API that was accepted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawAccept {
    /// The rule, such as `C05`, or `*` for any.
    pub id: Option<String>,
    /// The symbol; `*` stands for any part of it.
    pub symbol: Option<String>,
    /// Why it is accepted.
    pub reason: Option<String>,
    /// The last day on which it is, `YYYY-MM-DD`.
    pub expires: Option<String>,
}

/// A path, or `false`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PathOrFalse {
    /// `false` says that there is none.
    Flag(bool),
    /// The path.
    Path(String),
}

/// What the project says of one channel.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawChannel {
    /// For a foreign index: the URL that takes legacy uploads.
    pub upload: Option<String>,
    /// For a foreign index: the URL of the simple pages.
    pub simple: Option<String>,
    /// Gates whose evidence is asked for besides what the index asks: `GATE` or `GATE@CHANNEL`.
    pub requires: Option<Vec<String>>,
}

/// Where the version stands and how it grows.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawVersion {
    /// Every place besides pyproject.toml, relative to the project.
    pub files: Option<Vec<String>>,
    /// `semver` (default), `pep440` or `calver`.
    pub scheme: Option<String>,
    /// Whether `major` on 0.x gives 1.0.0 (true, SemVer) or the next 0.x minor (false).
    pub major_on_zero: Option<bool>,
}

/// How the project is built.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawBuild {
    /// The interpreter; default: `SHIPWAY_PYTHON`, else `python3` on the path.
    pub python: Option<String>,
    /// A requirements file with hashes that the build environment is installed from.
    pub lock: Option<String>,
    /// Whether the headers of the sdist are rewritten so that they depend on its contents alone; default false.
    pub normalize: Option<bool>,
    /// Globs of modules, relative to the project, that a release leaves out on purpose.
    pub exclude: Option<Vec<String>>,
}

/// How a release is installed and tried.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawSmoke {
    /// Where dependencies may come from: `index` (default) or `any` (default for a foreign index).
    pub dependencies: Option<String>,
    /// Extras installed with the project.
    pub extras: Option<Vec<String>>,
}

/// A gate that runs a command in a clean checkout.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawGate {
    /// `lint`, `format`, `types` or `tests`.
    pub id: Option<String>,
    /// The command, split like a shell would, run without one.
    pub run: Option<String>,
    /// Seconds until it is stopped; default 1800.
    pub timeout: Option<u64>,
}

/// What the project promises to its users.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawContract {
    /// What counts as public: `contract`, `compat` (default) or `strict`.
    pub mode: Option<String>,
    /// Dotted paths that stay.
    pub stable: Option<Vec<String>>,
    /// Dotted paths that may change, with a note.
    pub provisional: Option<Vec<String>>,
    /// Dotted paths that are nobody's business.
    pub internal: Option<Vec<String>>,
    /// Documented command lines, compared release to release.
    pub commands: Option<Vec<String>>,
    /// Packaged data files that users rely on.
    pub data: Option<Vec<String>>,
    /// The classes of error that are promised, each with a probe: `invalid-input`, `connection`, `policy`,
    /// `unavailable`.
    pub errors: Option<Vec<String>>,
}

/// A command run in a fresh install, in an empty directory.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawProbe {
    /// The probe's name, unique in the project.
    pub id: Option<String>,
    /// `smoke`, `safety` or `error`.
    pub kind: Option<String>,
    /// For kind `error`: `invalid-input`, `connection`, `policy` or `unavailable`.
    pub class: Option<String>,
    /// The command, split like a shell would, run without one.
    pub run: Option<String>,
    /// The exit code expected; default 0.
    pub exit: Option<i32>,
    /// Values expected in the JSON on stdout, by dotted path.
    pub json: Option<BTreeMap<String, serde_json::Value>>,
    /// Text that stdout must hold.
    pub stdout: Option<String>,
    /// Text that stderr must hold.
    pub stderr: Option<String>,
    /// Environment variables set for it.
    pub env: Option<BTreeMap<String, String>>,
    /// Files written for it before it runs: into its working directory, or with a leading `~/` into its HOME.
    pub files: Option<BTreeMap<String, String>>,
    /// Whether it may use the network; default false.
    pub network: Option<bool>,
    /// Seconds until it is stopped; default 60.
    pub timeout: Option<u64>,
}
