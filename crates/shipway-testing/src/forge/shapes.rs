//! The JSON of pull requests, runs, artifacts and the rest, with fields that shipway does not use.

use serde_json::{Value, json};

use super::repository::Repository;
use super::state::{ApiDate, ArtifactState, Origin, Pull, RunState, State};

pub(super) fn repository(state: &State) -> Value {
    let mut value = json!({
        "id": state.id, "node_id": "R_1", "name": state.full_name.split('/').nth(1), "full_name": state.full_name,
        "private": true, "fork": false, "default_branch": state.default_branch, "archived": false,
    });
    if let (ApiDate::Of2022, Value::Object(entries)) = (state.date, &mut value) {
        entries.insert("has_downloads".to_owned(), true.into());
    }
    value
}

fn origin(state: &State, origin: &Origin) -> Value {
    match origin {
        Origin::Own => repository(state),
        Origin::Fork(id) => {
            let mut value = repository(state);
            value["id"] = json!(id);
            value["full_name"] =
                json!(format!("stranger/{}", state.full_name.split('/').nth(1).unwrap_or_default()));
            value["fork"] = json!(true);
            value
        }
        Origin::Deleted => Value::Null,
    }
}

pub(super) fn pull(state: &State, git: &Repository, one: &Pull, whole: bool) -> Value {
    let mut value = json!({
        "id": 100_000 + one.number, "node_id": "PR", "number": one.number, "state": one.state, "locked": false,
        "title": one.title, "body": null, "draft": false, "user": { "login": "tester", "type": "User" },
        "created_at": "2026-01-01T00:00:00Z", "merged_at": one.merged_at, "merge_commit_sha": one.merge_commit,
        "html_url": format!("https://forge.invalid/{}/pull/{}", state.full_name, one.number),
        "head": { "label": format!("x:{}", one.head), "ref": one.head, "sha": one.head_sha,
                  "repo": origin(state, &one.origin) },
        "base": { "label": format!("x:{}", one.base), "ref": one.base, "sha": one.base_sha,
                  "repo": repository(state) },
    });
    if let (true, Value::Object(entries)) = (whole, &mut value) {
        let by = one.merged.then(|| json!({ "login": one.merged_by.0, "type": one.merged_by.1, "id": 1 }));
        entries.insert("merged".to_owned(), one.merged.into());
        entries.insert("merged_by".to_owned(), by.unwrap_or(Value::Null));
        entries.insert("mergeable".to_owned(), Value::Null);
        entries.insert("commits".to_owned(), 1.into());
        entries.insert("changed_files".to_owned(), files(git, one).len().into());
    }
    value
}

pub(super) fn files(git: &Repository, one: &Pull) -> Vec<Value> {
    let fork = git.merge_base(&one.base_sha, &one.head_sha).unwrap_or_else(|| one.base_sha.clone());
    let item = |(path, status, earlier): (String, &str, Option<String>)| {
        let mut value = json!({
            "sha": "0", "filename": path, "status": status, "additions": 1, "deletions": 1, "changes": 2,
        });
        if let (Some(earlier), Value::Object(entries)) = (earlier, &mut value) {
            entries.insert("previous_filename".to_owned(), earlier.into());
        }
        value
    };
    git.changes(&fork, &one.head_sha).into_iter().map(item).collect()
}

pub(super) fn commit(git: &Repository, sha: &str) -> Value {
    let parents: Vec<Value> =
        git.parents(sha).into_iter().map(|sha| json!({ "sha": sha, "url": "" })).collect();
    let who = json!({ "name": "Tester", "email": "tester@test.invalid", "date": "2026-01-01T00:00:00Z" });
    json!({
        "sha": sha, "node_id": "C", "html_url": "", "parents": parents,
        "commit": { "message": git.message(sha), "author": who, "committer": who, "comment_count": 0 },
    })
}

pub(super) fn run(state: &State, one: &RunState) -> Value {
    let mut own = repository(state);
    own["id"] = json!(one.repository);
    json!({
        "id": one.id, "node_id": "WFR", "name": "CI", "display_title": one.title, "workflow_id": one.workflow,
        "path": one.path, "event": one.event, "status": one.status, "conclusion": one.conclusion,
        "head_branch": one.branch, "head_sha": one.sha, "run_number": one.id, "run_attempt": one.attempt,
        "created_at": one.updated, "updated_at": one.updated, "run_started_at": one.updated,
        "previous_attempt_url": null, "actor": { "login": "tester", "type": "User" },
        "triggering_actor": { "login": "tester", "type": "User" }, "pull_requests": [],
        "referenced_workflows": [], "repository": own, "head_repository": origin(state, &one.origin),
    })
}

pub(super) fn artifact(state: &State, one: &ArtifactState) -> Value {
    let run = state.runs.iter().find(|run| run.id == one.run);
    json!({
        "id": one.id, "node_id": "A", "name": one.name, "size_in_bytes": one.bytes.len(), "expired": one.expired,
        "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-04-01T00:00:00Z", "digest": one.digest,
        "workflow_run": {
            "id": one.claims_run.unwrap_or(one.run), "repository_id": state.id, "head_repository_id": state.id,
            "head_branch": run.and_then(|run| run.branch.clone()), "head_sha": run.map(|run| run.sha.clone()),
        },
    })
}
