//! Which files a configuration asks for, and what their templates are filled with.

use std::path::Path;

use serde_json::{Value, json};
use shipway_dist::GateId;

use super::pythons::{Said, supported};
use super::{Place, render, stamp};
use crate::config::workflows::is_plain_text;
use crate::config::{Authentication, Config, ForgeKind, PLATFORMS};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::gates::installed;

/// A file that the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its path, relative to the repository.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// Whether it can be executed.
    pub executable: bool,
}

/// The files, and the Pythons of their tests.
pub(super) fn files(
    context: &Context<'_>,
    place: &Place,
    composite: Option<&Path>,
) -> Result<(Vec<Generated>, Vec<String>)> {
    let config = &context.config;
    let errors = lacking(config, place);
    if !errors.is_empty() {
        return Err(Error::several("the workflows cannot be written", errors));
    }
    let pythons = match &config.workflows.pythons {
        Some(pythons) => pythons.clone(),
        None => {
            let path = config.directory.join("pyproject.toml");
            supported(&Said::read(&std::fs::read_to_string(&path).unwrap_or_default()))?
        }
    };
    let values = values(config, place, &pythons);
    let fill = |template: &str, first: Option<&str>| {
        let body = render::render(template, &values).map_err(|error| {
            Error::incomplete("template", format!("the template `{template}` could not be filled"))
                .cause(format!("{error:#}"))
        })?;
        Ok(stamp(first, &body))
    };
    let yaml = |path: String, template: &str| -> Result<Generated> {
        Ok(Generated { path, text: fill(template, None)?, executable: false })
    };
    let mut files = match config.forge.kind {
        ForgeKind::GitHub => vec![
            yaml(format!(".github/workflows/{}", config.forge.build_workflow), "ci.yml")?,
            yaml(format!(".github/workflows/{}", config.workflows.release_workflow), "release.yml")?,
            yaml(format!(".github/workflows/{}", config.forge.publish_workflow), "publish.yml")?,
        ],
        ForgeKind::GitLab => vec![
            yaml(".gitlab/shipway.yml".to_owned(), "gitlab.yml")?,
            yaml(".gitlab/shipway-release.yml".to_owned(), "gitlab-release.yml")?,
        ],
    };
    let text = fill("bootstrap.sh", Some("#!/bin/sh"))?;
    files.push(Generated { path: format!("{}.shipway/bin/shipway", place.prefix), text, executable: true });
    if let Some(folder) = composite {
        let folder = folder.to_string_lossy().replace('\\', "/");
        files.push(yaml(format!("{}/action.yml", folder.trim_end_matches('/')), "action.yml")?);
    }
    Ok((files, pythons))
}

/// What the configuration lacks for workflows.
fn lacking(config: &Config, place: &Place) -> Vec<Error> {
    let mut errors = Vec::new();
    let settings = &config.workflows;
    if settings.binaries.is_empty() {
        errors.push(
            Error::usage("no-binary", "nothing says where a job gets the shipway binary")
                .cause("`workflows.binary.linux-x86_64` needs `url` and `sha256`")
                .hint(
                    "[tool.shipway.workflows.binary.linux-x86_64]\nurl = \"https://...\"\nsha256 = \"...\"",
                ),
        );
    }
    let has_secret_index = settings.secrets.index.is_some() || settings.secrets.upload.is_some();
    if config.index.is_none() && !config.is_foreign() && !has_secret_index {
        errors.push(
            Error::usage("no-index", "a workflow cannot publish to the embedded index")
                .hint("set `index`, the `[tool.shipway.channel]` of a foreign index, or the name of the secret that holds its URL in `workflows.secrets.index`"),
        );
    }
    if let Some(channel) = &settings.channel
        && !config.channels.iter().any(|one| one.as_str() == channel)
    {
        errors.push(Error::usage(
            "config-value",
            format!("`workflows.channel` is `{channel}`, which is no channel"),
        ));
    }
    let forge = &config.forge;
    let names = [
        ("base-branch", &config.base_branch),
        ("forge.build-workflow", &forge.build_workflow),
        ("forge.publish-workflow", &forge.publish_workflow),
        ("forge.artifact", &forge.artifact),
        ("forge.manifest-artifact", &forge.manifest_artifact),
    ];
    for (key, text) in names {
        if !is_plain_text(text) {
            let what = format!("`{key}` is `{text}`, and a forge evaluates `${{{{` and `}}}}`");
            errors.push(Error::usage("workflow-text", what));
        }
    }
    if !place.prefix.is_empty()
        && (!is_plain_text(&place.prefix) || place.prefix.contains(['*', '?', '[', '!']))
    {
        let what =
            format!("the project's folder is `{}`, which an upload would take for a pattern", place.prefix);
        errors.push(Error::usage("workflow-text", what));
    }
    if forge.build_workflow == forge.publish_workflow
        || [&forge.build_workflow, &forge.publish_workflow].contains(&&settings.release_workflow)
    {
        errors.push(Error::usage("config-value", "two workflows have one file name"));
    }
    errors.extend(evidence_key(config));
    if forge.kind == ForgeKind::GitLab && settings.image.is_none() {
        errors
            .push(Error::usage("no-image", "nothing says which image the jobs run in").hint(
                "[tool.shipway.workflows] image = \"...@sha256:...\", with Python, git and curl in it",
            ));
    }
    if forge.kind == ForgeKind::GitLab && forge.artifact != forge.manifest_artifact {
        let what =
            "the generated pipeline has one job that builds, and the configuration names two artifacts";
        errors.push(
            Error::usage("config-value", what)
                .hint("leave out `forge.manifest-artifact`, or name the same job in both"),
        );
    }
    if forge.kind == ForgeKind::GitLab
        && settings.authentication == Authentication::Oidc
        && settings.audience.is_none()
    {
        errors.push(
            Error::usage("no-audience", "nothing says which audience the index asks for")
                .hint("[tool.shipway.workflows] audience = \"...\""),
        );
    }
    errors
}

/// Where the one channel of a foreign index is all there is, `publish` asks for a statement of every declared gate
/// (row D23), signed by a key that the publish job has too.
fn evidence_key(config: &Config) -> Option<Error> {
    let settings = &config.workflows;
    let is_last_word =
        settings.secrets.upload.is_some() || (config.is_foreign() && config.channels.len() == 1);
    let needs = (is_last_word && !config.gates.is_empty() && config.forge.kind == ForgeKind::GitHub)
        || settings.gates_environment.is_some();
    if !needs || (settings.gates_environment.is_some() && settings.secrets.key.is_some()) {
        return None;
    }
    Some(
        Error::usage("no-evidence-key", "the publish asks for signed evidence of the project's gates, and no key is named for it")
            .cause("the job that runs the gates and the job that publishes sign with one key")
            .hint("[tool.shipway.workflows] gates-environment = \"gates\", secrets.key = \"SHIPWAY_KEY\", with that secret in both environments"),
    )
}

/// What the templates are filled with.
fn values(config: &Config, place: &Place, pythons: &[String]) -> Value {
    let (settings, forge) = (&config.workflows, &config.forge);
    let command = |gate: &&GateId| config.gates.iter().any(|one| one.id == **gate);
    let checks: Vec<&GateId> = [GateId::Lint, GateId::Format, GateId::Types].iter().filter(command).collect();
    let has_tests = command(&&GateId::Tests);
    let channels: Vec<&str> = config.channels.iter().map(|channel| channel.as_str()).collect();
    let mut check_gates: Vec<&str> = checks.iter().map(|gate| gate.as_str()).collect();
    let mut command_gates = check_gates.clone();
    check_gates.push(GateId::Distribution.as_str());
    let mut jobs = vec![json!({
        "id": "checks", "name": "Check", "gates": check_gates, "matrix": false, "commands": !checks.is_empty(),
    })];
    if has_tests {
        command_gates.push(GateId::Tests.as_str());
        jobs.push(json!({
            "id": "test", "name": "Test on Python ${{ matrix.python }}", "gates": [GateId::Tests.as_str()],
            "matrix": true, "commands": true,
        }));
    }
    // A statement that another key signed counts for nothing, so that without the key there is none to be made.
    let evidence_gates = if settings.gates_environment.is_some() { command_gates } else { Vec::new() };
    json!({
        "title": if place.prefix.is_empty() { "" } else { config.name.normalized() },
        "base": config.base_branch,
        "prefix": place.prefix.trim_end_matches('/'),
        "in_project": place.prefix,
        "build_workflow": forge.build_workflow,
        "publish_workflow": forge.publish_workflow,
        "release_workflow": settings.release_workflow,
        "artifact": forge.artifact,
        "manifest_artifact": forge.manifest_artifact,
        "attestations": forge.attestations,
        "runner": settings.runner,
        "image": settings.image,
        "audience": settings.audience,
        "environment": settings.environment,
        "gates_environment": settings.gates_environment,
        "requirements": settings.requirements,
        "pythons": pythons,
        "python_programs": pythons.iter().map(|version| format!("python{version}")).collect::<Vec<_>>(),
        "newest": pythons.last(),
        "gate_job_ids": jobs.iter().map(|job| job["id"].clone()).collect::<Vec<_>>(),
        "gate_jobs": jobs,
        "evidence_gates": evidence_gates,
        "index_gates": index_gates(config),
        "channels": channels,
        "channel": settings.channel.as_deref().or(channels.last().copied()),
        "climb": climb(&channels),
        "oidc": settings.authentication == Authentication::Oidc,
        "secrets": secrets(config),
        "key_secret": settings.secrets.key,
        "binaries": binaries(config),
        "protocols": if settings.binaries.iter().all(|one| one.url.starts_with("https:")) { "=https" } else { "=https,http" },
    })
}

/// The gates that compare with what the index holds, or judge the files before they go there.
fn index_gates(config: &Config) -> Vec<&'static str> {
    let asked = |gate: &GateId| match gate {
        GateId::Distribution | GateId::StableApi | GateId::Semver => true,
        GateId::Notes => config.changelog.is_some(),
        other => installed::is_asked(config, *other),
    };
    GateId::ALL.iter().filter(|gate| asked(gate)).map(|gate| gate.as_str()).collect()
}

/// The variables of the steps that reach the index, each with the name of its secret.
fn secrets(config: &Config) -> Vec<(&'static str, &str)> {
    let names = &config.workflows.secrets;
    let all = [
        ("SHIPWAY_INDEX", &names.index),
        ("SHIPWAY_KEY", &names.key),
        ("SHIPWAY_SIMPLE_URL", &names.simple),
        ("SHIPWAY_TOKEN", &names.token),
        ("SHIPWAY_UPLOAD_URL", &names.upload),
        ("UV_PUBLISH_PASSWORD", &names.password),
        ("UV_PUBLISH_USERNAME", &names.user),
    ];
    all.into_iter().filter_map(|(variable, name)| Some((variable, name.as_deref()?))).collect()
}

/// From channel to channel: where a release is tried and where it goes next, each with the condition under which.
fn climb(channels: &[&str]) -> Vec<Value> {
    let reaches = |at: usize| {
        let names: Vec<String> = channels[at..].iter().map(|name| format!("\"{name}\"")).collect();
        format!("!inputs.dry_run && contains(fromJSON('[{}]'), inputs.channel)", names.join(", "))
    };
    let step = |at: usize| {
        let to = channels.get(at + 1);
        json!({
            "from": channels[at],
            "to": to,
            "tried": if at == 0 { "!inputs.dry_run".to_owned() } else { reaches(at) },
            "promoted": to.map(|_| reaches(at + 1)),
            "beyond": channels[at + 1..].to_vec(),
            "here": channels[at..].to_vec(),
        })
    };
    (0..channels.len()).map(step).collect()
}

fn binaries(config: &Config) -> Vec<Value> {
    let pattern = |platform: &str| {
        let (_, system, machine) = PLATFORMS.iter().find(|(name, ..)| *name == platform)?;
        Some(format!("{system}/{machine}"))
    };
    let one = |binary: &crate::config::Binary| {
        Some(
            json!({ "pattern": pattern(&binary.platform)?, "url": binary.url, "sha256": binary.sha256.to_hex() }),
        )
    };
    config.workflows.binaries.iter().filter_map(one).collect()
}
