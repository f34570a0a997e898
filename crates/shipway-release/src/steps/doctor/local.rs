//! The project, the machine and the index: what every command needs, looked at beforehand.

use super::{Level, Look};
use crate::context::Context;
use crate::error::Result;
use crate::ops::git::Git;
use crate::ops::secret::public_url;
use crate::ops::target::Target;

/// What the project says about itself.
pub(super) fn project(context: &Context<'_>) -> Vec<Look> {
    let config = &context.config;
    let mut looks = Vec::new();
    if config.gates.is_empty() {
        let look = Look::new(
            "project",
            "no-gates",
            Level::Warning,
            "no gate runs a command: nothing tests a release",
        );
        looks.push(look.hint("add `[[tool.shipway.gate]]` with `id = \"tests\"`"));
    }
    if config.changelog.is_none() {
        let text = "there is no changelog, so that no release has notes";
        looks.push(Look::new("project", "no-changelog", Level::Warning, text));
    }
    looks
}

fn look(area: &'static str, id: &'static str, level: Level, found: Result<String>) -> Look {
    match found {
        Ok(text) => Look::new(area, id, Level::Ok, text),
        Err(error) => Look::failed(area, id, level, &error),
    }
}

/// git, its remote, Python and pip.
pub(super) fn machine(context: &Context<'_>) -> Vec<Look> {
    let mut looks = Vec::new();
    match Git::open(&context.config.directory, &context.environment) {
        Ok(git) => {
            looks.push(look("machine", "git", Level::Error, git.read(["--version"])));
            let remote = &context.config.remote;
            let reached = || -> Result<String> {
                let refs = git.ls_remote(remote)?;
                let base = format!("refs/heads/{}", context.config.base_branch);
                Ok(match refs.get(&base) {
                    Some(_) => format!("`{remote}` answers and has `{}`", context.config.base_branch),
                    None => format!("`{remote}` answers and has no `{}` yet", context.config.base_branch),
                })
            };
            looks.push(look("machine", "remote", Level::Error, reached()));
        }
        Err(error) => looks.push(Look::failed("machine", "git", Level::Error, &error)),
    }
    match context.python() {
        Ok(python) => {
            let text = format!("{} at {}", python.version, python.executable.display());
            looks.push(Look::new("machine", "python", Level::Ok, text));
            let found = python.check_pip().map(|()| python.pip.clone().unwrap_or_default());
            looks.push(look("machine", "pip", Level::Error, found));
        }
        Err(error) => looks.push(Look::failed("machine", "python", Level::Error, &error)),
    }
    looks
}

/// Whether the index answers, and with what credential.
pub(super) fn index(context: &Context<'_>) -> Vec<Look> {
    let config = &context.config;
    if config.index.is_none() && !config.is_foreign() {
        let text = format!("the embedded one, in `{}`", config.data_dir.display());
        return vec![Look::new("index", "index", Level::Ok, text)];
    }
    let target = match context.target() {
        Ok(target) => target,
        Err(error) => return vec![Look::failed("index", "index", Level::Error, &error)],
    };
    let credential = |source: Option<&str>| match source {
        Some(source) => Look::new("index", "credential", Level::Ok, format!("from {source}")),
        None => Look::new(
            "index",
            "credential",
            Level::Warning,
            "there is none here; a publish from this machine needs one",
        )
        .hint("set SHIPWAY_TOKEN"),
    };
    match target {
        Target::Shipway { client, .. } => {
            let has = client.http().credential().map(|one| one.source.clone());
            let reached = client.channels().map(|list| {
                let names: Vec<String> = list.channels.iter().map(|one| one.name.to_string()).collect();
                format!("{} answers: {}", target.label(), names.join(", "))
            });
            // Without a credential a private index says 401, which says nothing against it.
            let level = if has.is_some() { Level::Error } else { Level::Unknown };
            vec![look("index", "index", level, reached), credential(has.as_deref())]
        }
        Target::Foreign(index) => {
            let mut looks = Vec::new();
            let mut source = None;
            for (name, endpoint) in &index.channels {
                let has = endpoint.http.credential().map(|one| one.source.clone());
                let level = if has.is_some() { Level::Error } else { Level::Unknown };
                let url = public_url(&endpoint.urls.simple);
                let reached = endpoint.files(&config.name).map(|files| match files {
                    Some(files) => format!("`{name}` answers at {url} and lists {} files", files.len()),
                    None => format!("`{name}` answers at {url} and has no `{}`", config.name),
                });
                looks.push(look("index", "index", level, reached));
                source = source.or(has);
            }
            looks.push(credential(source.as_deref()));
            looks
        }
    }
}
