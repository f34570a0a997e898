//! Prepares an existing project: finds out what it is, writes `[tool.shipway]`, and keeps every other byte.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::config::Environment;
use crate::error::{Error, Result};
use crate::version::{ReadFile, detect, setup_cfg_value};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// Show the changes, write nothing.
    pub dry_run: bool,
    /// Commit what was written.
    pub commit: bool,
}

/// What was found and written.
#[derive(Debug, Clone, Serialize)]
pub struct InitReport {
    /// The project.
    pub project: String,
    /// The version and where it stands.
    pub version: String,
    /// Where the version stands.
    pub version_place: String,
    /// The build backend.
    pub backend: String,
    /// Console scripts.
    pub scripts: Vec<String>,
    /// Tools in use.
    pub tools: Vec<String>,
    /// The files written (or that would be), with the text added to each.
    pub files: BTreeMap<String, String>,
    /// Whether the project was prepared before, so that nothing was written.
    pub already: bool,
    /// Whether nothing was written because nothing was to be.
    pub dry_run: bool,
    /// The commit, where one was asked for.
    pub commit: Option<String>,
    /// The commands that come next.
    pub next: Vec<String>,
}

const IGNORED: &str = "/dist/\n/.shipway/*\n!/.shipway/log.pin\n!/.shipway/bin/\n";

const CHANGELOG: &str = "# Changelog

The format is that of Keep a Changelog; versions follow Semantic Versioning.

## [Unreleased]

### Changed

- Releases are made with shipway.
";

/// Prepares the project in `directory`.
///
/// # Errors
/// When there is no project, its version has no place that can be edited, or a file cannot be written.
pub fn init(directory: &Path, environment: &Environment, request: &InitRequest) -> Result<InitReport> {
    let read_file = |path: &str| match std::fs::read(directory.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &directory.join(path), &error)),
    };
    let read: ReadFile<'_> = &read_file;
    let pyproject = text_of(read, "pyproject.toml")?;
    if pyproject.is_none() && text_of(read, "setup.cfg")?.is_none() && text_of(read, "setup.py")?.is_none() {
        return Err(Error::usage("no-project", format!("`{}` holds no Python project", directory.display()))
            .cause("there is neither pyproject.toml nor setup.cfg nor setup.py")
            .hint("run it in the project's folder, or give --project DIR"));
    }
    let text = pyproject.clone().unwrap_or_default();
    let value: Value = toml_edit::de::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        Error::usage("toml", "`pyproject.toml` is not valid TOML")
            .cause(error.to_string().trim_end().to_owned())
    })?;
    let place = detect(read)?;
    let found = Found::new(directory, environment, &value, &text);
    let already = value.pointer("/tool/shipway").is_some() || directory.join("shipway.toml").exists();
    let mut files = BTreeMap::new();
    if !already {
        let name_known = value
            .pointer("/project/name")
            .or(value.pointer("/tool/poetry/name"))
            .or(value.pointer("/tool/flit/metadata/module"));
        let table = table(directory, environment, &place.value, &found, name_known.is_none())?;
        files.insert("pyproject.toml".to_owned(), appended(&text, &table));
    }
    if !directory.join("CHANGELOG.md").exists() && found.changelog.is_none() {
        files.insert("CHANGELOG.md".to_owned(), CHANGELOG.to_owned());
    }
    let ignored = text_of(read, ".gitignore")?.unwrap_or_default();
    let missing: String = IGNORED
        .split_inclusive('\n')
        .filter(|line| !ignored.lines().any(|one| one.trim() == line.trim()))
        .collect();
    if !missing.is_empty() {
        files.insert(".gitignore".to_owned(), appended(&ignored, &missing));
    }
    let mut report = InitReport {
        project: found.name.clone(),
        version: place.value,
        version_place: format!("{} ({})", place.path, place.what),
        backend: found.backend.clone(),
        scripts: found.scripts.clone(),
        tools: found.tools.iter().map(|tool| tool.name.to_owned()).collect(),
        already: files.is_empty(),
        dry_run: request.dry_run,
        commit: None,
        next: vec![
            "git add -A && git commit -m \"build: release with shipway\"".to_owned(),
            "git push".to_owned(),
            "shipway release patch".to_owned(),
        ],
        files: BTreeMap::new(),
    };
    if !request.dry_run {
        for (path, text) in &files {
            write(&directory.join(path), text)?;
        }
        if request.commit && !files.is_empty() {
            report.commit = Some(commit(directory, environment, &files)?);
            report.next.remove(0);
        }
    }
    for (path, text) in files {
        let before = text_of(read, &path).ok().flatten().filter(|_| request.dry_run).unwrap_or_default();
        let added = text.strip_prefix(before.as_str()).unwrap_or(&text).to_owned();
        report.files.insert(path, added);
    }
    Ok(report)
}

struct Found {
    name: String,
    backend: String,
    scripts: Vec<String>,
    tools: Vec<Tool>,
    changelog: Option<String>,
}

struct Tool {
    name: &'static str,
    gate: &'static str,
    run: &'static str,
    here: bool,
}

impl Found {
    fn new(directory: &Path, environment: &Environment, value: &Value, text: &str) -> Self {
        let string = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let scripts = value
            .pointer("/project/scripts")
            .or(value.pointer("/tool/poetry/scripts"))
            .and_then(Value::as_object);
        let name = string("/project/name")
            .or(string("/tool/poetry/name"))
            .or(string("/tool/flit/metadata/module"))
            .or_else(|| setup_cfg_name(directory))
            .unwrap_or_else(|| {
                directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            });
        let exists = |path: &str| directory.join(path).exists();
        let on_path = |program: &str| which::which_in(program, environment.path("PATH"), directory).is_ok();
        let uses = |tool: &str| text.contains(&format!("[tool.{tool}"));
        let all = [
            ("ruff", "lint", "ruff check .", uses("ruff") || exists("ruff.toml") || exists(".ruff.toml")),
            ("black", "format", "black --check .", uses("black")),
            ("mypy", "types", "mypy .", uses("mypy") || exists("mypy.ini")),
            ("pytest", "tests", "pytest -q", uses("pytest") || exists("pytest.ini") || exists("conftest.py")),
        ];
        let tools = all.into_iter().filter(|(.., used)| *used).map(|(name, gate, run, _)| Tool {
            name,
            gate,
            run,
            here: on_path(name),
        });
        let changelogs = [
            "CHANGELOG.md",
            "CHANGES.md",
            "HISTORY.md",
            "docs/changelog.md",
            "CHANGELOG.rst",
            "CHANGES.rst",
            "CHANGES",
            "HISTORY.rst",
            "NEWS.rst",
            "NEWS.md",
            "CHANGES.txt",
        ];
        Self {
            name,
            backend: string("/build-system/build-backend")
                .unwrap_or_else(|| "setuptools.build_meta:__legacy__".to_owned()),
            scripts: scripts.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            tools: tools.collect(),
            changelog: changelogs.into_iter().find(|path| exists(path)).map(str::to_owned),
        }
    }
}

fn setup_cfg_name(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join("setup.cfg")).ok()?;
    setup_cfg_value(&text, "metadata", "name").map(|(name, _)| name.to_owned())
}

/// The `[tool.shipway]` of a project, with what was found and with what a person may want next.
fn table(
    directory: &Path,
    environment: &Environment,
    version: &str,
    found: &Found,
    name_unknown: bool,
) -> Result<String> {
    let mut lines = vec!["[tool.shipway]".to_owned()];
    if name_unknown {
        lines.push(format!("name = \"{}\"", found.name));
    }
    lines.push("channels = [\"dev\", \"staging\", \"stable\"]".to_owned());
    lines.push(format!("base-branch = \"{}\"", base_branch(directory, environment)?));
    if let Some(changelog) =
        found.changelog.as_ref().filter(|path| path.ends_with(".md") && *path != "CHANGELOG.md")
    {
        lines.push(format!("changelog = \"{changelog}\""));
    }
    let semver = crate::version::parse_new(version, crate::config::Scheme::Semver).is_ok();
    if !semver {
        lines.push(String::new());
        lines.push("[tool.shipway.version]".to_owned());
        lines.push("scheme = \"pep440\"".to_owned());
    }
    for tool in &found.tools {
        lines.push(String::new());
        let comment = if tool.here { "" } else { "# " };
        if !tool.here {
            lines.push(format!(
                "# {} is configured here but was not on PATH; uncomment to make it a gate.",
                tool.name
            ));
        }
        for line in [
            "[[tool.shipway.gate]]".to_owned(),
            format!("id = \"{}\"", tool.gate),
            format!("run = \"{}\"", tool.run),
        ] {
            lines.push(format!("{comment}{line}"));
        }
    }
    for script in found.scripts.iter().take(1) {
        lines.push(String::new());
        lines.push(format!("# Uncomment to try `{script}` in every fresh install of a release."));
        for line in [
            "[[tool.shipway.probe]]".to_owned(),
            format!("id = \"{script}-help\""),
            "kind = \"smoke\"".to_owned(),
            format!("run = \"{script} --help\""),
        ] {
            lines.push(format!("# {line}"));
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

fn base_branch(directory: &Path, environment: &Environment) -> Result<String> {
    match crate::ops::git::Git::open(directory, environment) {
        Ok(git) => {
            let default = git.ask(["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"])?;
            let default = default.and_then(|name| name.strip_prefix("origin/").map(str::to_owned));
            Ok(default.or(git.branch()?).unwrap_or_else(|| "main".to_owned()))
        }
        Err(_) => Ok("main".to_owned()),
    }
}

/// The text with more at its end, in its own line ends, one blank line between.
fn appended(text: &str, more: &str) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = text.to_owned();
    if !out.is_empty() {
        if !out.ends_with('\n') {
            out.push_str(newline);
        }
        if more.starts_with('[') {
            out.push_str(newline);
        }
    }
    out.push_str(&more.replace('\n', newline));
    out
}

fn text_of(read: ReadFile<'_>, path: &str) -> Result<Option<String>> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::refused("not-utf8", format!("`{path}` is not UTF-8")).cause(error.to_string())
    })?;
    Ok(Some(text))
}

/// Writes a file whole or not at all, keeping its permissions.
fn write(path: &Path, text: &str) -> Result<()> {
    let act = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        let permissions = std::fs::metadata(path).map(|metadata| metadata.permissions());
        #[cfg(unix)]
        let permissions = permissions.unwrap_or_else(|_| std::os::unix::fs::PermissionsExt::from_mode(0o644));
        #[cfg(not(unix))]
        let permissions =
            permissions.or_else(|_| file.as_file().metadata().map(|metadata| metadata.permissions()))?;
        file.as_file().set_permissions(permissions)?;
        file.persist(path)?;
        Ok(())
    };
    act().map_err(|error| Error::io("write", path, &error))
}

fn commit(directory: &Path, environment: &Environment, files: &BTreeMap<String, String>) -> Result<String> {
    let git = crate::ops::git::Git::open(directory, environment)?;
    git.call_in(directory, ["add", "--"]).args(files.keys()).must("git-failed", "stage what was written")?;
    git.call_in(directory, ["commit", "--quiet", "-m", "build: release with shipway", "--only", "--"])
        .args(files.keys())
        .must("git-failed", "commit what was written")?;
    git.read(["rev-parse", "HEAD"])
}
