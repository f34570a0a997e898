//! Where the policy asks for it, each file has an attestation of the build workflow that verifies (row E16).

use shipway_dist::Manifest;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::attestation::{Expected, Trust};
use crate::ops::forge::github::plain;
use crate::ops::forge::{Attestation, Forge, Location, Run};
use crate::steps::forge::Making;

/// How many attestations about one file are looked at; a file of a release has one or two.
const MOST: usize = 30;

/// Notes the check `attestation`.
pub(super) fn judge(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    run: &Run,
    repository: u64,
    manifest: &Manifest,
) -> Result<()> {
    let settings = &context.config.forge;
    if !settings.attestations {
        return Ok(());
    }
    let trust = match &settings.trusted_root {
        Some(path) => Trust::from_file(&context.config.directory.join(path))?,
        None => Trust::embedded()?,
    };
    let name = forge.repository()?.full_name;
    let expected = expected(context, forge.location(), run, repository, &name, manifest)?;
    let mut lacking = Vec::new();
    for file in &manifest.files {
        let found = forge.attestations(&file.sha256)?;
        let outcomes: Vec<_> = found
            .iter()
            .take(MOST)
            .map(|one: &Attestation| trust.verify(&one.bundle, &file.sha256, &expected))
            .collect();
        if outcomes.iter().any(std::result::Result::is_ok) {
            continue;
        }
        let why = outcomes.into_iter().filter_map(std::result::Result::err).next();
        let why = why.map_or("there is none".to_owned(), |why| format!("{} found: {why}", found.len()));
        lacking.push(format!("`{}`: {why}", plain(&file.filename)));
    }
    let ok = lacking.is_empty();
    let detail = if ok {
        format!(
            "{} files have one, signed by `{}` at `{}`",
            manifest.files.len(),
            expected.workflow,
            expected.git_ref
        )
    } else {
        lacking.join("; ")
    };
    making.check("attestation", ok, detail);
    Ok(())
}

fn expected(
    context: &Context<'_>,
    location: &Location,
    run: &Run,
    repository_id: u64,
    name: &str,
    manifest: &Manifest,
) -> Result<Expected> {
    let server = location.server.as_ref().ok_or_else(|| {
        Error::usage("no-forge", "nothing says under which address the forge shows its pages")
            .hint("set GITHUB_SERVER_URL")
    })?;
    let server = server.as_str().trim_end_matches('/');
    let issuer = match &context.config.forge.oidc_issuer {
        Some(issuer) => issuer.clone(),
        None => location.usual_issuer(),
    };
    Ok(Expected {
        repository: format!("{server}/{name}"),
        repository_id,
        workflow: run.path.as_deref().and_then(|path| path.split('@').next()).unwrap_or_default().to_owned(),
        git_ref: format!("refs/heads/{}", context.config.base_branch),
        commit: run.head_sha.clone(),
        issuer,
        digests: manifest.files.iter().map(|file| file.sha256).collect(),
    })
}
