//! What the configuration says about the generated workflows: how a job authenticates at the index, where it gets
//! the shipway binary, what its gates are run with. Names of secrets stand here, never their values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use shipway_dist::ChannelName;
use url::Url;

use super::load::Merge;
use super::{Environment, ForeignChannel, environment};
use crate::error::Error;
use crate::ops::secret::is_private;

/// How the generated workflows build, test and publish.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawWorkflows {
    /// How the publish authenticates at the index: `secrets` (default) of the protected environment, or `oidc`.
    pub authentication: Option<String>,
    /// The protected environment of the publish; default `private-index`.
    pub environment: Option<String>,
    /// The environment of the job that runs the project's own gates once more for their signed evidence; it needs
    /// the secret `key` and nothing else. Default: none, and no such job.
    pub gates_environment: Option<String>,
    /// The file name of the workflow that notices a merged release; default `release.yml`.
    pub release_workflow: Option<String>,
    /// The channel that a publish goes up to unless another is chosen; default: the last.
    pub channel: Option<String>,
    /// A requirements file with hashes, relative to the project: what the gates are run with. Default: each gate's
    /// command brings what it needs.
    pub requirements: Option<String>,
    /// The Pythons that the tests run on, such as `["3.10", "3.14"]`; default: the oldest and the newest that the
    /// project supports.
    pub pythons: Option<Vec<String>>,
    /// The machine of the jobs; default `ubuntu-24.04`.
    pub runner: Option<String>,
    /// For GitLab: the image of the jobs, with its digest.
    pub image: Option<String>,
    /// For GitLab with `oidc`: the audience that the index asks for.
    pub audience: Option<String>,
    /// The names of the secrets that the jobs read.
    pub secrets: Option<SecretNames>,
    /// Where the shipway binary comes from, by platform: `linux-x86_64`, `linux-aarch64`, `macos-x86_64`,
    /// `macos-aarch64`.
    pub binary: Option<BTreeMap<String, RawBinary>>,
}

/// The names of the secrets that the jobs read; none is not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct SecretNames {
    /// The token of the index; default for a shipway index: `SHIPWAY_TOKEN`.
    pub token: Option<String>,
    /// The user at a foreign index; default `INDEX_USER`.
    pub user: Option<String>,
    /// The password at a foreign index; default `INDEX_PASSWORD`.
    pub password: Option<String>,
    /// The URL of the shipway index, where it may not stand in the configuration.
    pub index: Option<String>,
    /// The upload URL of the one channel of a foreign index, where it may not stand in the configuration.
    pub upload: Option<String>,
    /// The URL that the one channel of a foreign index is read from, where it may not stand in the configuration.
    pub simple: Option<String>,
    /// The key that evidence is signed with; default: none, and a key of the run.
    pub key: Option<String>,
}

/// The shipway binary for one platform.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct RawBinary {
    /// Where it is fetched from: the binary itself, over https.
    pub url: Option<String>,
    /// Its sha256.
    pub sha256: Option<String>,
}

/// How the publish authenticates at the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// By secrets of the protected environment.
    #[default]
    Secrets,
    /// By the identity of the CI job, which the index exchanges for a token.
    Oidc,
}

/// The platforms of a binary, with what `uname -s` and `uname -m` call them.
pub const PLATFORMS: [(&str, &str, &str); 4] = [
    ("linux-x86_64", "Linux", "x86_64"),
    ("linux-aarch64", "Linux", "aarch64"),
    ("macos-x86_64", "Darwin", "x86_64"),
    ("macos-aarch64", "Darwin", "arm64"),
];

/// The shipway binary for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// One of [`PLATFORMS`].
    pub platform: String,
    /// Where it is fetched from.
    pub url: String,
    /// Its digest.
    pub sha256: shipway_dist::Sha256,
}

/// What the project says about its generated workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkflowSettings {
    /// Whether the project has the table at all.
    pub configured: bool,
    /// How the publish authenticates.
    pub authentication: Authentication,
    /// The protected environment of the publish.
    pub environment: String,
    /// The environment of the job that runs the project's gates for evidence.
    pub gates_environment: Option<String>,
    /// The file name of the workflow that notices a merged release.
    pub release_workflow: String,
    /// The channel that a publish goes up to by default.
    pub channel: Option<String>,
    /// The requirements that gates are run with.
    pub requirements: Option<String>,
    /// The Pythons that the tests run on.
    pub pythons: Option<Vec<String>>,
    /// The machine of the jobs.
    pub runner: String,
    /// The image of the jobs on GitLab.
    pub image: Option<String>,
    /// The audience of the CI identity on GitLab.
    pub audience: Option<String>,
    /// The names of the secrets.
    pub secrets: SecretNames,
    /// The binary, by platform.
    pub binaries: Vec<Binary>,
}

impl Merge {
    pub(super) fn workflows(&mut self, raw: Option<RawWorkflows>, foreign: bool) -> WorkflowSettings {
        let configured = raw.is_some();
        let raw = raw.unwrap_or_default();
        let foreign = foreign || raw.secrets.as_ref().is_some_and(|secrets| secrets.upload.is_some());
        let authentication = match raw.authentication.as_deref() {
            None | Some("secrets") => Authentication::Secrets,
            Some("oidc") => Authentication::Oidc,
            Some(other) => {
                self.errors.push(self.one_of("workflows.authentication", other, "`secrets` or `oidc`"));
                Authentication::Secrets
            }
        };
        let release_workflow = raw.release_workflow.unwrap_or_else(|| "release.yml".to_owned());
        let is_file = !release_workflow.contains(['/', '\\'])
            && [".yml", ".yaml"].iter().any(|end| release_workflow.ends_with(end));
        if !is_file {
            self.errors.push(self.one_of(
                "workflows.release-workflow",
                &release_workflow,
                "the name of a YAML file",
            ));
        }
        let requirements = raw.requirements.inspect(|path| {
            let is_inside = std::path::Path::new(path)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
            if path.is_empty() || !is_inside {
                self.errors.push(self.one_of("workflows.requirements", path, "a file of the project"));
            }
        });
        for python in raw.pythons.iter().flatten() {
            let is_version = python.split_once('.').is_some_and(|(major, minor)| {
                major == "3" && !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())
            });
            if !is_version {
                self.errors.push(self.one_of("workflows.pythons", python, "a version such as `3.14`"));
            }
        }
        let settings = WorkflowSettings {
            configured,
            authentication,
            environment: raw.environment.unwrap_or_else(|| "private-index".to_owned()),
            gates_environment: raw.gates_environment,
            release_workflow,
            channel: raw.channel,
            requirements,
            pythons: raw.pythons.filter(|pythons| !pythons.is_empty()),
            runner: raw.runner.unwrap_or_else(|| "ubuntu-24.04".to_owned()),
            image: raw.image,
            audience: raw.audience,
            secrets: self.secrets(raw.secrets.unwrap_or_default(), authentication, foreign),
            binaries: self.binaries(raw.binary.unwrap_or_default()),
        };
        let texts = [
            ("environment", Some(&settings.environment)),
            ("gates-environment", settings.gates_environment.as_ref()),
            ("release-workflow", Some(&settings.release_workflow)),
            ("requirements", settings.requirements.as_ref()),
            ("runner", Some(&settings.runner)),
            ("image", settings.image.as_ref()),
            ("audience", settings.audience.as_ref()),
        ];
        for (key, text) in texts {
            if let Some(text) = text.filter(|text| !is_plain_text(text)) {
                let key = format!("workflows.{key}");
                self.errors.push(self.one_of(
                    &key,
                    text,
                    "one line without `${{` and `}}`, which forges evaluate",
                ));
            }
        }
        settings
    }

    /// The URLs of a foreign index with one channel, where they are secrets and stand in the environment.
    pub(super) fn foreign_by_environment(
        &mut self,
        mut foreign: BTreeMap<ChannelName, ForeignChannel>,
        channels: Option<&[String]>,
        env: &Environment,
    ) -> BTreeMap<ChannelName, ForeignChannel> {
        let (Some(upload), Some(simple)) =
            (env.get(environment::UPLOAD_URL), env.get(environment::SIMPLE_URL))
        else {
            return foreign;
        };
        let only = match (foreign.keys().next(), channels) {
            (Some(name), _) if foreign.len() == 1 => Some(name.clone()),
            (None, Some([name])) => self.parse("channels", name),
            _ => None,
        };
        let (upload, simple) =
            (self.url(environment::UPLOAD_URL, upload), self.url(environment::SIMPLE_URL, simple));
        match (only, upload, simple) {
            (Some(name), Some(upload), Some(simple)) => {
                foreign.insert(name, ForeignChannel { upload, simple });
            }
            (None, ..) => {
                let text = format!(
                    "`{}` names the one channel of a foreign index, and there is not exactly one",
                    environment::UPLOAD_URL
                );
                self.errors.push(Error::usage("config-value", text).hint("channels = [\"stable\"]"));
            }
            _ => {}
        }
        foreign
    }

    fn secrets(&mut self, raw: SecretNames, by: Authentication, foreign: bool) -> SecretNames {
        let named = |name: Option<String>, default: &str, wanted: bool| {
            name.or_else(|| (wanted && by == Authentication::Secrets).then(|| default.to_owned()))
        };
        let names = SecretNames {
            token: named(raw.token, "SHIPWAY_TOKEN", !foreign),
            user: named(raw.user, "INDEX_USER", foreign),
            password: named(raw.password, "INDEX_PASSWORD", foreign),
            ..raw
        };
        let all = [
            ("token", &names.token),
            ("user", &names.user),
            ("password", &names.password),
            ("index", &names.index),
            ("upload", &names.upload),
            ("simple", &names.simple),
            ("key", &names.key),
        ];
        for (key, name) in all {
            if let Some(name) = name.as_ref().filter(|name| !is_secret_name(name)) {
                let key = format!("workflows.secrets.{key}");
                self.errors.push(self.one_of(&key, name, "the name of a secret: letters, digits and `_`"));
            }
        }
        names
    }

    fn binaries(&mut self, raw: BTreeMap<String, RawBinary>) -> Vec<Binary> {
        let mut binaries = Vec::new();
        for (platform, raw) in raw {
            let key = format!("workflows.binary.{platform}");
            if !PLATFORMS.iter().any(|(name, ..)| *name == platform) {
                let names: Vec<String> = PLATFORMS.iter().map(|(name, ..)| format!("`{name}`")).collect();
                self.errors.push(self.one_of("workflows.binary", &platform, &names.join(", ")));
                continue;
            }
            let (Some(url), Some(sha256)) = (raw.url, raw.sha256) else {
                let text = format!("`{key}` needs `url` and `sha256`");
                self.errors.push(Error::usage("config-value", text));
                continue;
            };
            match url.parse::<Url>() {
                Ok(parsed) if parsed.password().is_some() || !parsed.username().is_empty() => {
                    let text = format!("`{key}.url` holds a user or password");
                    self.errors.push(Error::usage("secret-in-config", text).hint("remove it from the URL"));
                }
                Ok(parsed) if is_private(&parsed) && is_plain_text(parsed.as_str()) => {
                    if let Some(sha256) = self.parse(&format!("{key}.sha256"), &sha256) {
                        binaries.push(Binary { platform, url: parsed.into(), sha256 });
                    }
                }
                _ => self.errors.push(self.one_of(&format!("{key}.url"), &url, "an https URL")),
            }
        }
        binaries
    }
}

/// Whether a text may stand in a workflow: forges evaluate `${{ }}` in nearly every value, quoted or not.
pub(crate) fn is_plain_text(text: &str) -> bool {
    !text.is_empty() && !text.contains("${{") && !text.contains("}}") && !text.contains(char::is_control)
}

fn is_secret_name(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.to_ascii_uppercase().starts_with("GITHUB_")
}

#[cfg(test)]
mod tests {
    use super::Authentication;
    use crate::config::{Environment, Flags, load};

    fn of(text: &str) -> crate::Result<crate::Config> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[project]\nname = \"demo\"\n[tool.shipway]\nchannels = [\"dev\"]\n[tool.shipway.workflows]\n{text}"
        );
        std::fs::write(folder.path().join("pyproject.toml"), text).unwrap();
        let environment = Environment::from_pairs([("SHIPWAY_DATA_DIR", "/tmp/data")]);
        load(folder.path(), &environment, &Flags::default())
    }

    #[test]
    fn the_defaults_are_secrets_of_one_environment() {
        let settings = of("").unwrap().workflows;
        assert_eq!(settings.authentication, Authentication::Secrets);
        assert_eq!(
            (settings.environment.as_str(), settings.runner.as_str()),
            ("private-index", "ubuntu-24.04")
        );
        assert_eq!(settings.secrets.token.as_deref(), Some("SHIPWAY_TOKEN"));
        let oidc = of("authentication = \"oidc\"\n").unwrap().workflows;
        assert_eq!(oidc.secrets.token, None);
    }

    #[test]
    fn what_a_forge_would_evaluate_is_refused_with_everything_else_that_is_wrong() {
        let text = "authentication = \"token\"\nenvironment = \"a${{ github.token }}\"\nrelease-workflow = \"../r.yml\"\n\
                    requirements = \"../dev.txt\"\npythons = [\"2.7\"]\nsecrets.token = \"GITHUB_X\"\n\
                    binary.linux-x86_64 = { url = \"http://files.example/shipway\", sha256 = \"00\" }\n\
                    binary.beos = { url = \"https://files.example/shipway\", sha256 = \"00\" }\n\
                    binary.macos-aarch64 = { url = \"https://files.example/shipway\" }\n";
        let error = of(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let messages: Vec<String> = error.problems().iter().map(|problem| problem.message.clone()).collect();
        assert_eq!(messages.len(), 9, "{messages:#?}");
        let secret = of("binary.linux-x86_64 = { url = \"https://a:canary@x.example/\", sha256 = \"00\" }\n");
        assert!(!format!("{:?}", secret.unwrap_err()).contains("canary"));
    }
}
