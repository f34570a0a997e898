//! What the configuration says about the forge: where the repository is, which workflows build and publish, and
//! what a release pull request may touch. No token may stand here.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use shipway_dist::signing::PublicKey;

use super::load::Merge;
use super::{Environment, environment as names};
use crate::error::Error;

/// The forge that holds the repository, and what a release asks of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawForge {
    /// `github` or `gitlab`, which stand for every server with that API; default: `gitlab` in a job of GitLab, else
    /// `github`.
    pub kind: Option<String>,
    /// `OWNER/NAME`, on GitLab the whole path of the project; default: `GITHUB_REPOSITORY` or `CI_PROJECT_PATH`, else
    /// what the URL of the git remote says.
    pub repository: Option<String>,
    /// The number of the repository, which a rename does not change; default: `GITHUB_REPOSITORY_ID` or
    /// `CI_PROJECT_ID`.
    pub repository_id: Option<u64>,
    /// The URL of the API; default: `GITHUB_API_URL` or `CI_API_V4_URL`, else what the URL of the git remote says.
    pub api: Option<String>,
    /// The file name of the workflow that builds every push to the base; default `ci.yml`. On GitLab the path of the
    /// project's CI file; default `.gitlab-ci.yml`.
    pub build_workflow: Option<String>,
    /// The file name of the workflow that publishes; default `publish.yml`. On GitLab the value of
    /// `SHIPWAY_WORKFLOW` in a pipeline that publishes; default `publish`.
    pub publish_workflow: Option<String>,
    /// What may be published: `merged-release` (default) or `base-run`, any successful push run of the base.
    pub release_from: Option<String>,
    /// Whether a release branch may be merged by fast-forward or pushed by hand; default false.
    pub fast_forward: Option<bool>,
    /// Globs of further files that a release pull request may change, relative to the project.
    pub allow: Option<Vec<String>>,
    /// The artifact that holds the distribution files; default `dist`. On GitLab the name of the job; default `build`.
    pub artifact: Option<String>,
    /// The artifact that holds the manifest; default `manifest`, on GitLab the same as `artifact`: one archive of both.
    pub manifest_artifact: Option<String>,
    /// The public keys whose build statement vouches for artifacts without a digest at the forge, each the line
    /// between BEGIN and END of its PEM; read at the commit before the release. Default: the index's CI keys.
    pub build_keys: Option<Vec<String>>,
    /// Blob ids of build workflows that were reviewed, besides the one on the base.
    pub reviewed_workflows: Option<Vec<String>>,
    /// Whether each file needs an attestation of the build workflow at the forge; default false.
    pub attestations: Option<bool>,
    /// The `trusted_root.json` of the sigstore instance that signs them, relative to the project; default: the public
    /// instance and GitHub's own, as this program knows them.
    pub trusted_root: Option<String>,
    /// Who vouches for the identity of a CI job; default: what GitHub, or its enterprise server, uses.
    pub oidc_issuer: Option<String>,
}

/// Which program runs the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, its enterprise server, and servers with its API.
    GitHub,
    /// GitLab, hosted or self-managed.
    GitLab,
}

impl ForgeKind {
    /// The path of a workflow file in the repository.
    pub fn workflow_path(self, file: &str) -> String {
        match self {
            Self::GitHub => format!(".github/workflows/{file}"),
            Self::GitLab => file.to_owned(),
        }
    }

    /// Whether a text can name a workflow to start.
    pub fn is_workflow(self, text: &str) -> bool {
        match self {
            Self::GitHub => text.ends_with(".yml") || text.ends_with(".yaml"),
            Self::GitLab => is_part(text),
        }
    }

    /// The marks in a commit's text for which the forge starts no run, in small letters.
    pub fn skip_marks(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &[
                "[skip ci]",
                "[ci skip]",
                "[no ci]",
                "[skip actions]",
                "[actions skip]",
                "skip-checks: true",
            ],
            Self::GitLab => &["[skip ci]", "[ci skip]"],
        }
    }
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
    /// The public keys of the build, where the project lists them.
    pub build_keys: Option<Vec<PublicKey>>,
    /// Blob ids of reviewed build workflows.
    pub reviewed_workflows: Vec<String>,
    /// Whether each file needs an attestation.
    pub attestations: bool,
    /// The trusted root of their signatures, relative to the project; none for the ones that this program knows.
    pub trusted_root: Option<String>,
    /// Who vouches for the identity of a CI job; none for the forge's usual issuer.
    pub oidc_issuer: Option<String>,
}

impl Merge {
    pub(super) fn forge(&mut self, raw: Option<RawForge>, environment: &Environment) -> ForgeSettings {
        let configured = raw.is_some();
        let raw = raw.unwrap_or_default();
        let kind = match raw.kind.as_deref() {
            None if environment.get(names::GITLAB).is_some() => ForgeKind::GitLab,
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
            && !is_repository(kind, repository)
        {
            self.errors.push(self.one_of("forge.repository", repository, "`OWNER/NAME`"));
        }
        let attestations = raw.attestations.unwrap_or(false);
        if attestations && kind == ForgeKind::GitLab {
            let text = "`forge.attestations` is true, and GitLab keeps none that shipway reads";
            self.errors.push(Error::usage("config-value", text).hint("attestations = false"));
        }
        let allow = raw.allow.unwrap_or_default();
        self.globs("forge.allow", &allow);
        let mut named = |key: &str, value: Option<String>, default: &str, ends: &[&str]| {
            let value = value.unwrap_or_else(|| default.to_owned());
            let is_plain = if kind == ForgeKind::GitLab && key == "build-workflow" {
                value.split('/').all(is_part)
            } else if kind == ForgeKind::GitLab && key == "publish-workflow" {
                is_part(&value)
            } else {
                !value.is_empty() && !value.contains(['/', '\\']) && !value.contains(char::is_control)
            };
            if !is_plain || !(ends.is_empty() || ends.iter().any(|end| value.ends_with(end))) {
                let text = format!("`forge.{key}` is `{value}`, which is no file name of that kind");
                self.errors.push(Error::usage("config-value", text).hint(format!("{key} = \"{default}\"")));
            }
            value
        };
        let yaml = [".yml", ".yaml"];
        let (build, publish, holder): (&str, (&str, &[&str]), &str) = match kind {
            ForgeKind::GitHub => ("ci.yml", ("publish.yml", &yaml), "dist"),
            ForgeKind::GitLab => (".gitlab-ci.yml", ("publish", &[]), "build"),
        };
        let build_workflow = named("build-workflow", raw.build_workflow, build, &yaml);
        let publish_workflow = named("publish-workflow", raw.publish_workflow, publish.0, publish.1);
        let artifact = named("artifact", raw.artifact, holder, &[]);
        let beside = if kind == ForgeKind::GitLab { artifact.as_str() } else { "manifest" };
        let manifest_artifact = named("manifest-artifact", raw.manifest_artifact, beside, &[]);
        let build_keys = raw.build_keys.map(|lines| {
            let read = |line: &String| {
                let key = build_key(line);
                if key.is_none() {
                    let text = format!("`forge.build-keys` holds `{line}`, which is no ed25519 public key");
                    self.errors.push(Error::usage("config-value", text).hint(
                        "give the line between BEGIN and END of its PEM: openssl pkey -in key.pem -pubout",
                    ));
                }
                key
            };
            lines.iter().filter_map(read).collect()
        });
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
            build_keys,
            reviewed_workflows: raw.reviewed_workflows.unwrap_or_default(),
            attestations,
            trusted_root: raw.trusted_root,
            oidc_issuer: raw.oidc_issuer,
        }
    }
}

/// Whether a text is `OWNER/NAME`; on GitLab also a path through groups.
pub(crate) fn is_repository(kind: ForgeKind, text: &str) -> bool {
    let parts = text.split('/').count();
    let is_deep = kind == ForgeKind::GitLab && parts > 2;
    (parts == 2 || is_deep) && text.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A public key from the one line of its PEM.
pub(crate) fn build_key(line: &str) -> Option<PublicKey> {
    PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n")).ok()
}

#[cfg(test)]
mod tests {
    use super::ForgeKind;
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
    fn gitlab_has_one_file_paths_through_groups_and_no_attestations() {
        let settings = of("kind = \"gitlab\"\nrepository = \"a/b/c/d\"\n").unwrap().forge;
        assert_eq!(settings.kind, ForgeKind::GitLab);
        let names = [
            &settings.build_workflow,
            &settings.publish_workflow,
            &settings.artifact,
            &settings.manifest_artifact,
        ];
        assert_eq!(names, [".gitlab-ci.yml", "publish", "build", "build"]);
        assert_eq!(
            of("kind = \"gitlab\"\nbuild-workflow = \"ci/main.yml\"\n").unwrap().forge.build_workflow,
            "ci/main.yml"
        );
        let wrong = "kind = \"gitlab\"\nrepository = \"a//c\"\nbuild-workflow = \"../ci.yml\"\nattestations = true\n\
                     publish-workflow = \"a b\"\nbuild-keys = [\"no key\"]\n";
        let error = of(wrong).unwrap_err();
        let messages: Vec<String> = error.problems().iter().map(|problem| problem.message.clone()).collect();
        assert_eq!(messages.len(), 5, "{messages:#?}");
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
