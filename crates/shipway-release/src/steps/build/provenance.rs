//! What a build says of itself: SLSA provenance v1.
//!
//! No level is claimed: who reads it judges the builder. A build on a person's machine says so.

use std::collections::BTreeMap;

use shipway_dist::evidence::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Provenance, Resource, RunDetails,
};
use shipway_dist::{Manifest, Sha256};

use crate::config::environment as names;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evidence::Clocked;

/// The builder of a release that was built on a person's machine.
const LOCAL_BUILDER: &str = "https://shipway.dev/builder/local/v1";

/// How the files of a manifest were built.
///
/// # Errors
/// When the lock of the build environment cannot be read.
pub(super) fn provenance(context: &Context<'_>, manifest: &Manifest, clocked: Clocked) -> Result<Provenance> {
    let environment = &context.environment;
    let of_run = |(key, name): (&str, &str)| Some((key.to_owned(), environment.get(name)?.to_owned()));
    let is_gitlab = environment.get(names::GITLAB).is_some();
    let parameters = if is_gitlab {
        [
            ("repository", names::GITLAB_REPOSITORY),
            ("ref", "CI_COMMIT_REF_NAME"),
            ("workflow", names::GITLAB_WORKFLOW),
        ]
    } else {
        [("repository", "GITHUB_REPOSITORY"), ("ref", "GITHUB_REF"), ("workflow", "GITHUB_WORKFLOW_REF")]
    };
    let mut dependencies = vec![Resource::commit(&manifest.commit)];
    if let Some(lock) = &context.config.build.lock {
        let path = context.config.directory.join(lock);
        let (sha256, _) = Sha256::of_file(&path).map_err(|error| Error::io("read", &path, &error))?;
        dependencies.push(Resource::file(lock, &sha256));
    }
    // Where the forge does not say what runs its jobs, its own address is all that is known.
    let builder = match (environment.get("GITHUB_SERVER_URL"), environment.get("RUNNER_ENVIRONMENT")) {
        (Some(server), Some(runner)) => format!("{server}/actions/runner/{runner}"),
        (Some(server), None) => server.to_owned(),
        (None, _) => environment.get(names::GITLAB_SERVER).unwrap_or(LOCAL_BUILDER).to_owned(),
    };
    let invocation = manifest.run.as_ref().map(|run| {
        // GitLab counts no attempts: a job that is run again has another number.
        let job = environment.get(names::GITLAB_JOB).filter(|_| is_gitlab);
        let which = match (manifest.attempt, job) {
            (Some(attempt), _) => format!("/attempts/{attempt}"),
            (None, Some(job)) => format!("/jobs/{job}"),
            (None, None) => String::new(),
        };
        format!("{run}{which}")
    });
    Ok(Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: parameters.into_iter().filter_map(of_run).collect::<BTreeMap<_, _>>(),
            resolved_dependencies: dependencies,
        },
        run_details: RunDetails {
            builder: Builder { id: builder },
            metadata: BuildMetadata {
                invocation_id: invocation,
                started_on: clocked.started_on().to_string(),
            },
            byproducts: vec![Resource::file("manifest", &manifest.digest())],
        },
    })
}
