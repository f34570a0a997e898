//! What the configuration says about the forge: where the repository is, which workflows build and publish, and
//! what a release pull request may touch. No token may stand here.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::load::Merge;
use crate::error::Error;

/// The forge that holds the repository, and what a release asks of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawForge {
    /// `github` (default), which stands for every server with that API, or `gitlab`.
    pub kind: Option<String>,
    /// `OWNER/NAME`; default: `GITHUB_REPOSITORY`, else what the URL of the git remote says.
    pub repository: Option<String>,
    /// The number of the repository, which a rename does not change; default: `GITHUB_REPOSITORY_ID`.
    pub repository_id: Option<u64>,
    /// The URL of the API; default: `GITHUB_API_URL`, else what the URL of the git remote says.
    pub api: Option<String>,
    /// The file name of the workflow that builds every push to the base; default `ci.yml`.
    pub build_workflow: Option<String>,
    /// The file name of the workflow that publishes; default `publish.yml`.
    pub publish_workflow: Option<String>,
    /// What may be published: `merged-release` (default) or `base-run`, any successful push run of the base.
    pub release_from: Option<String>,
    /// Whether a release branch may be merged by fast-forward or pushed by hand; default false.
    pub fast_forward: Option<bool>,
    /// Globs of further files that a release pull request may change, relative to the project.
    pub allow: Option<Vec<String>>,
    /// The artifact that holds the distribution files; default `dist`.
    pub artifact: Option<String>,
    /// The artifact that holds the manifest; default `manifest`.
    pub manifest_artifact: Option<String>,
    /// Blob ids of build workflows that were reviewed, besides the one on the base.
    pub reviewed_workflows: Option<Vec<String>>,
    /// Whether each file needs an attestation of the build workflow at the forge; default false.
    pub attestations: Option<bool>,
}

/// Which program runs the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, its enterprise server, and servers with its API.
    GitHub,
    /// GitLab, hosted or self-managed.
    GitLab,
}

/// What may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseFrom {
    /// Only the commit of a merged release pull request.
    MergedRelease,
    /// Any successful push run of the base.
    BaseRun,
}

/// What the project says about its forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeSettings {
    /// Whether the project has the table at all.
    pub configured: bool,
    /// Which program runs it.
    pub kind: ForgeKind,
    /// `OWNER/NAME`.
    pub repository: Option<String>,
    /// The number of the repository.
    pub repository_id: Option<u64>,
    /// The URL of the API.
    pub api: Option<Url>,
    /// The file name of the workflow that builds.
    pub build_workflow: String,
    /// The file name of the workflow that publishes.
    pub publish_workflow: String,
    /// What may be published.
    pub release_from: ReleaseFrom,
    /// Whether a release branch may reach the base without a merge by the forge.
    pub fast_forward: bool,
    /// Globs of further files that a release pull request may change.
    pub allow: Vec<String>,
    /// The artifact that holds the distribution files.
    pub artifact: String,
    /// The artifact that holds the manifest.
    pub manifest_artifact: String,
    /// Blob ids of reviewed build workflows.
    pub reviewed_workflows: Vec<String>,
    /// Whether each file needs an attestation.
    pub attestations: bool,
}

impl Merge {
    pub(super) fn forge(&mut self, raw: Option<RawForge>) -> ForgeSettings {
        let configured = raw.is_some();
        let raw = raw.unwrap_or_default();
        let kind = match raw.kind.as_deref() {
            None | Some("github") => ForgeKind::GitHub,
            Some("gitlab") => ForgeKind::GitLab,
            Some(other) => {
                self.errors.push(self.one_of("forge.kind", other, "`github` or `gitlab`"));
                ForgeKind::GitHub
            }
        };
        let release_from = match raw.release_from.as_deref() {
            None | Some("merged-release") => ReleaseFrom::MergedRelease,
            Some("base-run") => ReleaseFrom::BaseRun,
            Some(other) => {
                self.errors.push(self.one_of("forge.release-from", other, "`merged-release` or `base-run`"));
                ReleaseFrom::MergedRelease
            }
        };
        if let Some(repository) = &raw.repository
            && !is_repository(repository)
        {
            self.errors.push(self.one_of("forge.repository", repository, "`OWNER/NAME`"));
        }
        let allow = raw.allow.unwrap_or_default();
        self.globs("forge.allow", &allow);
        let mut named = |key: &str, value: Option<String>, default: &str, ends: &[&str]| {
            let value = value.unwrap_or_else(|| default.to_owned());
            let is_plain =
                !value.is_empty() && !value.contains(['/', '\\']) && !value.contains(char::is_control);
            if !is_plain || !(ends.is_empty() || ends.iter().any(|end| value.ends_with(end))) {
                let text = format!("`forge.{key}` is `{value}`, which is no file name of that kind");
                self.errors.push(Error::usage("config-value", text).hint(format!("{key} = \"{default}\"")));
            }
            value
        };
        let yaml = [".yml", ".yaml"];
        let build_workflow = named("build-workflow", raw.build_workflow, "ci.yml", &yaml);
        let publish_workflow = named("publish-workflow", raw.publish_workflow, "publish.yml", &yaml);
        let artifact = named("artifact", raw.artifact, "dist", &[]);
        let manifest_artifact = named("manifest-artifact", raw.manifest_artifact, "manifest", &[]);
        ForgeSettings {
            configured,
            kind,
            repository: raw.repository,
            repository_id: raw.repository_id,
            api: raw.api.as_deref().and_then(|url| self.url("forge.api", url)),
            build_workflow,
            publish_workflow,
            release_from,
            fast_forward: raw.fast_forward.unwrap_or(false),
            allow,
            artifact,
            manifest_artifact,
            reviewed_workflows: raw.reviewed_workflows.unwrap_or_default(),
            attestations: raw.attestations.unwrap_or(false),
        }
    }
}

/// Whether a text is `OWNER/NAME`.
pub(crate) fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| is_part(owner) && is_part(name))
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, Flags, load};

    fn of(text: &str) -> crate::Result<crate::Config> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[project]\nname = \"demo\"\n[tool.shipway.forge]\n{text}");
        std::fs::write(folder.path().join("pyproject.toml"), text).unwrap();
        let environment = Environment::from_pairs([("SHIPWAY_DATA_DIR", "/tmp/data")]);
        load(folder.path(), &environment, &Flags::default())
    }

    #[test]
    fn the_defaults_are_the_names_of_the_generated_workflows() {
        let settings = of("").unwrap().forge;
        assert!(settings.configured && !settings.fast_forward && !settings.attestations);
        let names = [&settings.build_workflow, &settings.publish_workflow, &settings.artifact];
        assert_eq!(names, ["ci.yml", "publish.yml", "dist"]);
    }

    #[test]
    fn every_wrong_value_is_named_at_once() {
        let text = "kind = \"hub\"\nrepository = \"a/b/c\"\nbuild-workflow = \"../ci.yml\"\npublish-workflow = \"publish\"\n\
                    release-from = \"tag\"\nartifact = \"\"\nallow = [\"[\"]\napi = \"ftp://x\"\n";
        let error = of(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let messages: Vec<String> = error.problems().iter().map(|problem| problem.message.clone()).collect();
        assert_eq!(messages.len(), 8, "{messages:#?}");
        let secret = of("api = \"https://user:canary@forge.example/\"\n").unwrap_err();
        assert_eq!(secret.code(), "secret-in-config");
        assert!(!format!("{secret:?}").contains("canary"));
    }
}
