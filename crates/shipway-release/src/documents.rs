//! Documents written from the configuration: the stable surface and the checklist of a release.

use std::fmt::Write as _;

use serde::Serialize;
use shipway_dist::{Finding, GateId};

use crate::config::{Config, ProbeKind};
use crate::context::Context;
use crate::error::{Error, Result};

/// The first line of a document that is written from the configuration.
const MARK: &str =
    "<!-- Written by `shipway docs generate` from the configuration; changes here are lost. -->";

/// A document and how it stands.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// Its path, relative to the project.
    pub path: &'static str,
    /// `fresh`, `missing`, `stale` or `foreign` (somebody wrote it by hand).
    pub state: &'static str,
    /// What it must hold.
    #[serde(skip)]
    pub text: String,
}

/// The documents of a project, compared with what stands on disk.
///
/// # Errors
/// When one cannot be read.
pub fn all(context: &Context<'_>) -> Result<Vec<Document>> {
    let config = &context.config;
    let mut list = Vec::new();
    for (path, text) in
        [("docs/releasing.md", releasing(config)), ("docs/stable-surface.md", surface(config))]
    {
        let place = config.directory.join(path);
        let state = match std::fs::read_to_string(&place) {
            Ok(found) if found.replace("\r\n", "\n") == text => "fresh",
            Ok(found) if found.starts_with(MARK) => "stale",
            Ok(_) => "foreign",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing",
            Err(error) => return Err(Error::io("read", &place, &error)),
        };
        list.push(Document { path, state, text });
    }
    Ok(list)
}

/// Writes the documents that are missing or stale; what was written by hand stays.
///
/// # Errors
/// When one cannot be written.
pub fn generate(context: &Context<'_>, dry_run: bool) -> Result<Vec<Document>> {
    let list = all(context)?;
    for document in list.iter().filter(|one| matches!(one.state, "missing" | "stale")) {
        let place = context.config.directory.join(document.path);
        let folder = place.parent().unwrap_or(&place);
        if !dry_run {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
            std::fs::write(&place, &document.text).map_err(|error| Error::io("write", &place, &error))?;
        }
    }
    Ok(list)
}

/// Documents that no longer say what the configuration says.
pub(crate) fn drift(context: &Context<'_>) -> Result<Vec<Finding>> {
    let stale = all(context)?.into_iter().filter(|one| one.state == "stale");
    Ok(stale
        .map(|one| {
            let message = format!("`{}` is not what the configuration says", one.path);
            Finding::error("docs-drift", message).hint("shipway docs generate")
        })
        .collect())
}

fn channels(config: &Config) -> String {
    config.channels.iter().map(|channel| format!("`{channel}`")).collect::<Vec<_>>().join(" → ")
}

/// The checklist of a release (row D4).
fn releasing(config: &Config) -> String {
    let mut text = format!("{MARK}\n\n# Releasing {}\n\n", config.name.display());
    let _ =
        writeln!(text, "Channels: {}. Releases are cut from `{}`.\n", channels(config), config.base_branch);
    let mut steps = vec![
        "`shipway api status` says which bump the changes need".to_owned(),
        "`shipway notes check` passes".to_owned(),
        "`shipway bump LEVEL`, then merge the release branch".to_owned(),
        "`shipway build --verify`".to_owned(),
    ];
    let declared = config.gates.iter().map(|gate| (gate.id, gate.run.join(" ")));
    for (id, run) in declared {
        steps.push(format!("gate `{id}`: `{run}`"));
    }
    let always = [GateId::Distribution, GateId::StableApi, GateId::Semver, GateId::Notes];
    steps.extend(always.iter().map(|id| format!("gate `{id}`: {}", id.about().trim_end_matches('.'))));
    steps.push(format!("`shipway publish --to {}`", config.first_channel()));
    for channel in config.channels.iter().skip(1) {
        steps.push(format!("`shipway smoke VERSION`, then `shipway promote VERSION --to {channel}`"));
    }
    steps.push("`shipway status` shows the release where it belongs".to_owned());
    for step in steps {
        let _ = writeln!(text, "- [ ] {step}");
    }
    text.push_str("\nWhen a release is bad: `shipway rollback VERSION --reason TEXT`.\n");
    text
}

/// The page of what the project promises (row D22).
fn surface(config: &Config) -> String {
    let contract = &config.contract;
    let mut text = format!("{MARK}\n\n# The stable surface of {}\n\n", config.name.display());
    text.push_str("What stands here changes only as its version number says.\n");
    let mut part = |title: &str, items: Vec<String>| {
        if items.is_empty() {
            return;
        }
        let _ = write!(text, "\n## {title}\n\n");
        for item in items {
            let _ = writeln!(text, "- {item}");
        }
    };
    let code = |list: &[String]| list.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>();
    part("Symbols", code(&contract.stable));
    part("Provisional symbols", code(&contract.provisional));
    part("Commands", code(&contract.commands));
    part("Data files", code(&contract.data));
    let probes = |kind: ProbeKind| {
        let list = config.probes.iter().filter(|probe| probe.kind == kind);
        list.map(|probe| {
            let values: Vec<String> =
                probe.json.iter().map(|(key, value)| format!("`{key}` is `{value}`")).collect();
            let class = probe.class.as_ref().map(|class| format!("{class}: ")).unwrap_or_default();
            let values = if values.is_empty() { String::new() } else { format!("; {}", values.join(", ")) };
            format!("{class}`{}` exits with {}{values}", probe.run.join(" "), probe.exit)
        })
        .collect::<Vec<_>>()
    };
    part("Behaviour that is tried on every release", probes(ProbeKind::Smoke));
    part("Safety defaults", probes(ProbeKind::Safety));
    part("Errors", probes(ProbeKind::Error));
    part("Channels", vec![channels(config)]);
    let gates = config.gates.iter().map(|gate| gate.id);
    let always = [GateId::Distribution, GateId::StableApi, GateId::Semver, GateId::Notes];
    part(
        "Gates",
        gates.chain(always).map(|id| format!("`{id}`: {}", id.about().trim_end_matches('.'))).collect(),
    );
    text
}
