//! The statement of the gate `provenance`: SLSA provenance v1, as far as the forge told it.

use std::collections::BTreeMap;

use serde_json::json;
use shipway_dist::evidence::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Provenance, Resource, RunDetails, Statement, Verdict,
};
use shipway_dist::{GateId, Manifest};

use crate::config::ForgeKind;
use crate::context::Context;
use crate::evidence::{Clocked, Found};
use crate::ops::forge::{Artifact, Forge, Run};
use crate::steps::forge::Making;

/// What was verified of the run and its files.
pub(super) fn of(
    context: &Context<'_>,
    forge: &dyn Forge,
    making: &mut Making,
    run: &Run,
    chosen: &[Artifact],
    manifest: &Manifest,
    clocked: Clocked,
) -> Statement {
    let location = forge.location();
    let root = location.server.as_ref().unwrap_or(&location.api);
    let repository = root.join(&location.repository).map_or_else(|_| location.repository.clone(), Into::into);
    let parameters = [
        ("repository", repository.clone()),
        ("repositoryId", run.repository.id.to_string()),
        ("ref", format!("refs/heads/{}", context.config.base_branch)),
        ("workflow", run.path.clone().unwrap_or_else(|| context.config.forge.build_workflow.clone())),
        ("event", run.event.clone()),
    ];
    let mut dependencies = vec![Resource::commit(&run.head_sha)];
    for called in run.referenced_workflows.iter().flatten() {
        let digest = BTreeMap::from([("gitCommit".to_owned(), called.sha.clone())]);
        let name = Some("called workflow".to_owned());
        dependencies.push(Resource { name, uri: Some(called.path.clone()), digest });
    }
    let (builder, invocation) = match location.kind {
        ForgeKind::GitHub => (
            format!("{repository}/actions/workflows/{}", run.workflow_id.unwrap_or_default()),
            format!("{repository}/actions/runs/{}/attempts/{}", run.id, run.run_attempt.unwrap_or(1)),
        ),
        ForgeKind::GitLab => {
            (format!("{repository}/-/pipelines"), format!("{repository}/-/pipelines/{}", run.id))
        }
    };
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: parameters.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            resolved_dependencies: dependencies,
        },
        run_details: RunDetails {
            builder: Builder { id: builder },
            metadata: BuildMetadata {
                invocation_id: Some(invocation),
                started_on: clocked.started_on().to_string(),
            },
            byproducts: vec![Resource::file("manifest", &manifest.digest())],
        },
    };
    let artifacts: Vec<_> = chosen
        .iter()
        .map(|one| json!({ "name": one.name, "id": one.id, "digest": one.digest, "size": one.size_in_bytes }))
        .collect();
    let detail = json!({ "artifacts": artifacts, "checks": making.decision().checks });
    let found = Found { detail, ..Found::default() };
    let mut statement = clocked.gate(GateId::Provenance, manifest, Verdict::Passed, found);
    statement.predicate.provenance = Some(Box::new(provenance));
    statement
}
