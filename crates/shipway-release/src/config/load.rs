//! Reads and merges the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use shipway_dist::{ChannelName, ProjectName};
use url::Url;

use super::raw::{PathOrFalse, RawConfig};
use super::unknown::unknown_keys;
use super::{
    BuildSettings, Config, Contract, Dependencies, Environment, ForeignChannel, Scheme, Setting, environment,
};
use crate::error::{Error, Result};

/// What the command line says about configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--name`.
    pub name: Option<String>,
    /// `--index`.
    pub index: Option<String>,
    /// `--base-branch`.
    pub base_branch: Option<String>,
}

/// The JSON schema of the configuration.
pub fn schema() -> Value {
    schemars::schema_for!(RawConfig).to_value()
}

/// Loads the configuration of the project in `directory`.
///
/// # Errors
/// Every problem of the file, the variables and the flags at once, as wrong usage.
pub fn load(directory: &Path, environment: &Environment, flags: &Flags) -> Result<Config> {
    let file = read_file(directory)?;
    let mut merge = Merge { errors: Vec::new(), origins: Vec::new(), file: file.label.clone() };
    let raw = parse_raw(&file, &mut merge.errors);
    let config = merge.resolve(directory, raw, &file, environment, flags);
    if merge.errors.is_empty() {
        let mut config =
            config.ok_or_else(|| Error::usage("config", "the configuration could not be read"))?;
        config.origins = merge.origins;
        Ok(config)
    } else {
        Err(Error::several(&format!("wrong configuration in `{}`", file.label), merge.errors))
    }
}

/// Whether the folder holds a configuration of shipway at all.
///
/// # Errors
/// When a file that may hold one cannot be read.
pub fn is_configured(directory: &Path) -> Result<bool> {
    let file = read_file(directory)?;
    Ok(file.table.as_object().is_some_and(|table| !table.is_empty()))
}

struct File {
    label: String,
    table: Value,
    project_name: Option<String>,
    has_scripts: bool,
}

fn read_file(directory: &Path) -> Result<File> {
    let read = |name: &str| -> Result<Option<Value>> {
        let path = directory.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, &error)),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        toml_edit::de::from_str(text).map(Some).map_err(|error| {
            Error::usage("toml", format!("`{name}` is not valid TOML"))
                .cause(error.to_string().trim_end().to_owned())
        })
    };
    let pyproject = read("pyproject.toml")?;
    let own = read("shipway.toml")?;
    let at = |path: &str| pyproject.as_ref().and_then(|value| value.pointer(path)).cloned();
    let project_name =
        ["/project/name", "/tool/poetry/name", "/tool/flit/metadata/dist-name", "/tool/flit/metadata/module"]
            .iter()
            .find_map(|path| at(path))
            .and_then(|name| name.as_str().map(str::to_owned));
    let has_scripts = ["/project/scripts", "/project/gui-scripts", "/tool/poetry/scripts"]
        .iter()
        .any(|path| at(path).is_some_and(|scripts| scripts.as_object().is_some_and(|map| !map.is_empty())));
    match (own, at("/tool/shipway")) {
        (Some(_), Some(_)) => {
            Err(Error::usage("two-configurations", "both `shipway.toml` and `[tool.shipway]` exist")
                .hint("keep one of them"))
        }
        (Some(table), None) => {
            Ok(File { label: "shipway.toml".to_owned(), table, project_name, has_scripts })
        }
        (None, table) => Ok(File {
            label: "pyproject.toml".to_owned(),
            table: table.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            project_name,
            has_scripts,
        }),
    }
}

fn parse_raw(file: &File, errors: &mut Vec<Error>) -> RawConfig {
    let schema = schema();
    for key in unknown_keys(&file.table, &schema) {
        let error = Error::usage("unknown-key", format!("unknown key `{}`", key.path));
        errors.push(match key.suggestion {
            Some(suggestion) => error.hint(format!("did you mean `{suggestion}`?")),
            None => error.hint("`shipway config schema` lists every key"),
        });
    }
    let Some(table) = file.table.as_object() else {
        errors.push(Error::usage("config-type", "`tool.shipway` is not a table"));
        return RawConfig::default();
    };
    // One key at a time, so that every wrong type is reported and not only the first.
    let mut good = serde_json::Map::new();
    for (key, value) in table {
        let single = Value::Object([(key.clone(), value.clone())].into_iter().collect());
        match serde_path_to_error::deserialize::<_, RawConfig>(&single) {
            Ok(_) => {
                good.insert(key.clone(), value.clone());
            }
            Err(error) => errors.push(
                Error::usage("config-type", format!("key `{}` has the wrong type", error.path()))
                    .cause(error.inner().to_string()),
            ),
        }
    }
    serde_json::from_value(Value::Object(good)).unwrap_or_default()
}

pub(super) struct Merge {
    pub(super) errors: Vec<Error>,
    pub(super) origins: Vec<Setting>,
    pub(super) file: String,
}

impl Merge {
    #[expect(clippy::too_many_lines, reason = "one line or two a key, in the order of the file")]
    fn resolve(
        &mut self,
        directory: &Path,
        raw: RawConfig,
        file: &File,
        env: &Environment,
        flags: &Flags,
    ) -> Option<Config> {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let name = self.pick(
            "name",
            None,
            &[
                (file.project_name.clone().map(Value::from), "pyproject.toml".to_owned()),
                (text(&raw.name), self.file.clone()),
                (text(&flags.name), "--name".to_owned()),
            ],
        );
        let name = match name.as_ref().and_then(Value::as_str) {
            Some(name) => self.parse::<ProjectName>("name", name),
            None => {
                self.errors.push(
                    Error::usage("no-project", format!("no project name in `{}`", directory.display()))
                        .hint("run it in the folder of a pyproject.toml with `project.name`, or give `--project DIR` or `--name`"),
                );
                None
            }
        };
        let index = self.pick(
            "index",
            None,
            &[
                (text(&raw.index), self.file.clone()),
                (env.get(environment::INDEX).map(Value::from), environment::INDEX.to_owned()),
                (text(&flags.index), "--index".to_owned()),
            ],
        );
        let index = index.as_ref().and_then(Value::as_str).and_then(|url| self.url("index", url));
        let raw_channels = raw.channel.unwrap_or_default();
        let foreign = self.foreign(&raw_channels);
        let foreign = self.foreign_by_environment(foreign, raw.channels.as_deref(), env);
        let is_foreign = !foreign.is_empty();
        let channels = self.channels(raw.channels, &foreign);
        let requires = self.requires(&raw_channels, &channels);
        let base_branch =
            self.string("base-branch", "main", raw.base_branch.as_ref(), flags.base_branch.as_deref());
        let remote = self.string("remote", "origin", raw.remote.as_ref(), None);
        let tag = self.string("tag", "v{version}", raw.tag.as_ref(), None);
        let sample = tag.replace("{version}", "1.2.3").replace("{name}", "name");
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
        let odd = ["..", "//", "@{", "/."].iter().any(|odd| sample.contains(odd));
        let ends =
            sample.starts_with(['-', '/', '.']) || sample.ends_with(['/', '.']) || sample.ends_with(".lock");
        if !tag.contains("{version}")
            || sample.contains(['{', '}'])
            || sample.contains(forbidden)
            || odd
            || ends
        {
            let error = Error::usage("config-value", format!("`tag` is `{tag}`, which cannot name tags"));
            self.errors.push(error.hint("tag = \"v{version}\""));
        }
        let changelog = self.changelog(directory, raw.changelog.as_ref());
        let public = self.flag("public", false, raw.public);
        let version = raw.version.unwrap_or_default();
        let scheme = match self.string("version.scheme", "semver", version.scheme.as_ref(), None).as_str() {
            "semver" => Scheme::Semver,
            "pep440" => Scheme::Pep440,
            "calver" => Scheme::Calver,
            other => {
                self.errors.push(self.one_of("version.scheme", other, "`semver`, `pep440` or `calver`"));
                Scheme::Semver
            }
        };
        let major_on_zero = self.flag("version.major-on-zero", true, version.major_on_zero);
        let smoke = raw.smoke.unwrap_or_default();
        let default = if foreign.is_empty() { "index" } else { "any" };
        let dependencies =
            match self.string("smoke.dependencies", default, smoke.dependencies.as_ref(), None).as_str() {
                "index" => Dependencies::Index,
                "any" => Dependencies::Any,
                other => {
                    self.errors.push(self.one_of("smoke.dependencies", other, "`index` or `any`"));
                    Dependencies::Index
                }
            };
        let build = raw.build.unwrap_or_default();
        let python = self.pick(
            "build.python",
            None,
            &[
                (text(&build.python), self.file.clone()),
                (env.get(environment::PYTHON).map(Value::from), environment::PYTHON.to_owned()),
            ],
        );
        let normalize = self.flag("build.normalize", false, build.normalize);
        self.globs("build.exclude", build.exclude.as_deref().unwrap_or_default());
        let contract = raw.contract.unwrap_or_default();
        self.globs("contract.data", contract.data.as_deref().unwrap_or_default());
        let mode = match self.string("contract.mode", "compat", contract.mode.as_ref(), None).as_str() {
            "contract" => shipway_pyapi::Mode::Contract,
            "compat" => shipway_pyapi::Mode::Compat,
            "strict" => shipway_pyapi::Mode::Strict,
            other => {
                self.errors.push(self.one_of("contract.mode", other, "`contract`, `compat` or `strict`"));
                shipway_pyapi::Mode::Compat
            }
        };
        let gates = raw
            .gate
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .filter_map(|(at, gate)| self.gate(at, gate))
            .collect();
        let probes = self.probes(raw.probe.unwrap_or_default());
        let errors = self.classes(contract.errors.unwrap_or_default());
        for path in version.files.iter().flatten().chain(build.lock.iter()) {
            if Path::new(path).is_absolute() || path.split(['/', '\\']).any(|part| part == "..") {
                self.errors.push(Error::usage("path", format!("`{path}` leads out of the project")));
            }
        }
        Some(Config {
            directory: directory.to_owned(),
            name: name?,
            index,
            foreign,
            channels,
            requires,
            public,
            base_branch,
            remote,
            changelog,
            notes_template: raw.notes.unwrap_or_default().template,
            tag,
            version_files: version.files.unwrap_or_default(),
            scheme,
            major_on_zero,
            python: python.as_ref().and_then(Value::as_str).map(PathBuf::from),
            build: BuildSettings { lock: build.lock, normalize, exclude: build.exclude.unwrap_or_default() },
            dependencies,
            extras: smoke.extras.unwrap_or_default(),
            gates,
            contract: Contract {
                mode,
                stable: contract.stable.unwrap_or_default(),
                provisional: contract.provisional.unwrap_or_default(),
                internal: contract.internal.unwrap_or_default(),
                commands: contract.commands.unwrap_or_default(),
                data: contract.data.unwrap_or_default(),
                errors,
            },
            probes,
            has_scripts: file.has_scripts,
            accepted: self.accepted(raw.accept.unwrap_or_default()),
            levels: self.levels(raw.level.unwrap_or_default()),
            forge: self.forge(raw.forge, env),
            workflows: self.workflows(raw.workflows, is_foreign),
            data_dir: self.data_dir(env)?,
            origins: Vec::new(),
        })
    }

    /// Takes the last source that has a value and remembers which one it was.
    fn pick(
        &mut self,
        key: &str,
        default: Option<Value>,
        sources: &[(Option<Value>, String)],
    ) -> Option<Value> {
        let chosen = sources.iter().rev().find_map(|(value, origin)| Some((value.clone()?, origin.clone())));
        let (value, origin) = match chosen {
            Some(chosen) => chosen,
            None => (default?, "default".to_owned()),
        };
        let shown =
            value.as_str().map_or_else(|| value.clone(), |text| crate::ops::secret::redact(text).into());
        self.origins.push(Setting { key: key.to_owned(), value: shown, origin });
        Some(value)
    }

    fn string(&mut self, key: &str, default: &str, raw: Option<&String>, flag: Option<&str>) -> String {
        let sources =
            [(raw.cloned().map(Value::from), self.file.clone()), (flag.map(Value::from), format!("--{key}"))];
        let value = self.pick(key, Some(default.into()), &sources);
        value.as_ref().and_then(Value::as_str).unwrap_or(default).to_owned()
    }

    fn flag(&mut self, key: &str, default: bool, raw: Option<bool>) -> bool {
        let sources = [(raw.map(Value::from), self.file.clone())];
        self.pick(key, Some(default.into()), &sources).and_then(|value| value.as_bool()).unwrap_or(default)
    }

    pub(super) fn one_of(&self, key: &str, found: &str, expected: &str) -> Error {
        Error::usage("config-value", format!("`{key}` is `{found}`, expected {expected}"))
    }

    pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        key: &str,
        text: &str,
    ) -> Option<T> {
        text.parse()
            .map_err(|error: T::Err| {
                self.errors.push(Error::usage("config-value", format!("`{key}`: {error}")))
            })
            .ok()
    }

    pub(super) fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        let shown = crate::ops::secret::redact(text);
        match text.parse::<Url>() {
            Ok(url) if url.password().is_some() || !url.username().is_empty() => {
                self.errors.push(
                    Error::usage("secret-in-config", format!("`{key}` holds a user or password: `{shown}`"))
                        .hint("remove it from the URL and set SHIPWAY_TOKEN or use .pypirc"),
                );
                None
            }
            Ok(mut url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                Some(url)
            }
            Ok(_) | Err(_) => {
                self.errors.push(Error::usage(
                    "config-value",
                    format!("`{key}` is `{shown}`, expected an http or https URL"),
                ));
                None
            }
        }
    }

    fn channels(
        &mut self,
        raw: Option<Vec<String>>,
        foreign: &BTreeMap<ChannelName, ForeignChannel>,
    ) -> Vec<ChannelName> {
        let default: Vec<String> = if foreign.len() == 1 {
            foreign.keys().map(ToString::to_string).collect()
        } else {
            shipway_dist::channel::DEFAULT.map(str::to_owned).to_vec()
        };
        let sources = [(raw.map(Value::from), self.file.clone())];
        let value = self.pick("channels", Some(default.into()), &sources);
        let names: Vec<String> =
            value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        let channels: Vec<ChannelName> =
            names.iter().filter_map(|name| self.parse::<ChannelName>("channels", name)).collect();
        if channels.iter().collect::<BTreeSet<_>>().len() != names.len() || names.is_empty() {
            self.errors
                .push(Error::usage("config-value", "`channels` must name at least one channel, each once"));
        }
        if !foreign.is_empty() {
            for channel in channels.iter().filter(|channel| !foreign.contains_key(channel)) {
                self.errors.push(
                    Error::usage("config-value", format!("channel `{channel}` has no `[tool.shipway.channel.{channel}]`"))
                        .hint("give every channel of a foreign index its `upload` and `simple` URLs, or name fewer in `channels`"),
                );
            }
        }
        channels
    }

    fn changelog(&mut self, directory: &Path, raw: Option<&PathOrFalse>) -> Option<String> {
        let value = match raw {
            Some(PathOrFalse::Path(path)) => {
                if !directory.join(path).is_file() {
                    self.errors.push(
                        Error::usage(
                            "no-changelog",
                            format!("`changelog` names `{path}`, which does not exist"),
                        )
                        .hint("create it with an `## [Unreleased]` section, or set `changelog = false`"),
                    );
                }
                Some(Value::from(path.as_str()))
            }
            Some(PathOrFalse::Flag(false)) => Some(Value::Bool(false)),
            Some(PathOrFalse::Flag(true)) => {
                self.errors
                    .push(Error::usage("config-value", "`changelog` is `true`, expected a path or `false`"));
                None
            }
            None => None,
        };
        let default = directory.join("CHANGELOG.md").is_file().then(|| Value::from("CHANGELOG.md"));
        let value = self.pick("changelog", default, &[(value, self.file.clone())])?;
        value.as_str().map(str::to_owned)
    }

    fn data_dir(&mut self, env: &Environment) -> Option<PathBuf> {
        let own = env.path(environment::DATA_DIR);
        match data_dir(env) {
            Ok(path) => {
                let origin = if own.is_some() { environment::DATA_DIR } else { "default" };
                let value = Value::from(path.to_string_lossy());
                self.origins.push(Setting { key: "data-dir".to_owned(), value, origin: origin.to_owned() });
                Some(path)
            }
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }
}

/// Where the embedded index and keys live: `SHIPWAY_DATA_DIR`, else `shipway` in the user's data directory.
///
/// # Errors
/// When there is no home directory.
pub fn data_dir(env: &Environment) -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    if let Some(own) = env.path(environment::DATA_DIR) {
        return Ok(own);
    }
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Error::usage("no-data-dir", "no home directory to keep the embedded index in")
            .cause(error.to_string())
            .hint("set SHIPWAY_DATA_DIR")
    })?;
    Ok(base.data_dir().join("shipway"))
}
