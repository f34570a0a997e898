//! The JSON of merge requests, pipelines, jobs and the rest, with fields that shipway does not use.

use serde_json::{Value, json};

use crate::forge::repository::Repository;
use crate::forge::state::{ArtifactState, Origin, Pull, RunState, State};

const MOMENT: &str = "2026-01-01T00:00:00.000Z";

fn user() -> Value {
    json!({ "id": 1, "username": "tester", "name": "Tester", "state": "active", "avatar_url": null,
            "web_url": "https://forge.invalid/tester" })
}

pub(super) fn project(state: &State) -> Value {
    let path = &state.full_name;
    json!({
        "id": state.id, "name": path.rsplit('/').next(), "path": path.rsplit('/').next(),
        "path_with_namespace": path, "default_branch": state.default_branch, "visibility": "private",
        "archived": false, "merge_method": "merge", "squash_option": "default_off", "public_jobs": true,
        "ci_config_path": state.ci_file, "builds_access_level": state.builds_access,
        "web_url": format!("https://forge.invalid/{path}"),
    })
}

pub(super) fn merge_request(state: &State, git: &Repository, one: &Pull, whole: bool) -> Value {
    let word = match (one.merged, one.state) {
        (true, _) => "merged",
        (false, "open") => "opened",
        (false, other) => other,
    };
    let source = match one.origin {
        Origin::Own => Some(state.id),
        Origin::Fork(id) => Some(id),
        Origin::Deleted => None,
    };
    let by = one.merged.then(user);
    let mut value = json!({
        "id": 100_000 + one.number, "iid": one.number, "project_id": state.id, "title": one.title,
        "description": "", "state": word, "created_at": MOMENT, "updated_at": MOMENT, "draft": false,
        "merged_at": one.merged_at, "merged_by": by, "merge_user": by, "author": user(), "labels": [],
        "source_branch": one.head, "target_branch": one.base, "source_project_id": source,
        "target_project_id": state.id, "sha": one.head_sha, "squash": one.squash_commit.is_some(),
        "merge_commit_sha": one.merge_commit.as_ref().filter(|_| one.merged),
        "squash_commit_sha": one.squash_commit,
        "web_url": format!("https://forge.invalid/{}/-/merge_requests/{}", state.full_name, one.number),
    });
    if let (true, Value::Object(entries)) = (whole, &mut value) {
        let count = match state.uncounted {
            true => Value::Null,
            false => json!(diffs(git, one).len().to_string()),
        };
        let began = git.merge_base(&one.base_sha, &one.head_sha);
        entries.insert("changes_count".to_owned(), count);
        entries.insert(
            "diff_refs".to_owned(),
            json!({ "base_sha": began, "head_sha": one.head_sha, "start_sha": one.base_sha }),
        );
    }
    value
}

pub(super) fn diffs(git: &Repository, one: &Pull) -> Vec<Value> {
    let began = git.merge_base(&one.base_sha, &one.head_sha).unwrap_or_else(|| one.base_sha.clone());
    let item = |(path, status, earlier): (String, &str, Option<String>)| {
        json!({
            "old_path": earlier.as_ref().unwrap_or(&path), "new_path": path, "a_mode": "100644",
            "b_mode": "100644", "diff": "@@ -1 +1 @@\n", "new_file": status == "added",
            "renamed_file": status == "renamed", "deleted_file": status == "removed", "generated_file": false,
        })
    };
    git.changes(&began, &one.head_sha).into_iter().map(item).collect()
}

pub(super) fn commit(git: &Repository, sha: &str) -> Value {
    let message = git.message(sha);
    json!({
        "id": sha, "short_id": sha.get(..8), "title": message.lines().next(), "message": message,
        "parent_ids": git.parents(sha), "created_at": MOMENT, "author_name": "Tester",
        "author_email": "tester@test.invalid", "authored_date": MOMENT, "committer_name": "Tester",
        "committer_email": "tester@test.invalid", "committed_date": MOMENT,
    })
}

pub(super) fn tag(git: &Repository, name: &str, target: &str, is_annotated: bool) -> Value {
    let sha = git.sha(&format!("refs/tags/{name}")).unwrap_or_else(|| target.to_owned());
    let message = is_annotated.then_some(name);
    json!({ "name": name, "target": target, "message": message, "commit": commit(git, &sha), "release": null,
            "protected": false, "created_at": is_annotated.then_some(MOMENT) })
}

/// Whether a pipeline is one of a tag: its name is a tag's, and the branch of that name does not hold the commit.
fn is_tag(git: &Repository, one: &RunState) -> bool {
    let Some(name) = &one.branch else { return true };
    let of_branch = format!("refs/heads/{name}");
    git.sha(&format!("refs/tags/{name}")).as_ref() == Some(&one.sha)
        && git.try_git(&["merge-base", "--is-ancestor", &one.sha, &of_branch]).is_none()
}

pub(super) fn status(one: &RunState) -> &str {
    match (one.status.as_str(), one.conclusion.as_deref()) {
        ("completed", Some("failure")) => "failed",
        ("completed", Some("cancelled")) => "canceled",
        ("completed", Some(other)) => other,
        ("completed", None) => "failed",
        ("in_progress", _) => "running",
        ("queued", _) => "pending",
        ("waiting", _) => "manual",
        (other, _) => other,
    }
}

pub(super) fn source(one: &RunState) -> &str {
    match one.event.as_str() {
        "workflow_dispatch" => "api",
        "pull_request" => "merge_request_event",
        other => other,
    }
}

pub(super) fn pipeline(state: &State, git: &Repository, one: &RunState, whole: bool) -> Value {
    let mut value = json!({
        "id": one.id, "iid": one.id % 100, "project_id": one.repository, "status": status(one), "source": source(one),
        "ref": one.branch.as_deref().unwrap_or("v0"), "sha": one.sha, "name": one.title, "created_at": one.updated,
        "updated_at": one.updated,
        "web_url": format!("https://forge.invalid/{}/-/pipelines/{}", state.full_name, one.id),
    });
    if let (true, Value::Object(entries)) = (whole, &mut value) {
        let more = [
            ("tag", json!(is_tag(git, one))),
            ("before_sha", json!("0".repeat(40))),
            ("yaml_errors", Value::Null),
            ("user", user()),
            ("started_at", json!(one.updated)),
            ("finished_at", json!(one.updated)),
            ("coverage", Value::Null),
        ];
        entries.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    value
}

/// The jobs of a pipeline: one for each archive, and one that left none.
pub(super) fn jobs(state: &State, run: &RunState) -> Vec<Value> {
    let base = |id: u64, name: &str, run_id: u64| {
        json!({
            "id": id, "name": name, "stage": "build", "status": "success", "ref": run.branch, "tag": false,
            "allow_failure": false, "created_at": MOMENT, "started_at": MOMENT, "finished_at": MOMENT,
            "artifacts": [], "artifacts_expire_at": null, "user": user(), "runner": null,
            "pipeline": { "id": run_id, "project_id": run.repository, "ref": run.branch, "sha": run.sha,
                          "status": status(run) },
            "web_url": format!("https://forge.invalid/{}/-/jobs/{id}", state.full_name),
        })
    };
    let with = |one: &ArtifactState| {
        let mut value = base(one.id, &one.name, one.claims_run.unwrap_or(one.run));
        value["artifacts_expire_at"] = json!("2026-04-01T00:00:00.000Z");
        if state.failed_jobs.contains(&one.name) {
            value["status"] = json!("failed");
            value["allow_failure"] = json!(true);
        }
        if !one.expired {
            let size = one.bytes.len();
            value["artifacts_file"] = json!({ "filename": "artifacts.zip", "size": size });
            value["artifacts"] = json!([
                { "file_type": "archive", "size": size, "filename": "artifacts.zip", "file_format": "zip" },
                { "file_type": "metadata", "size": 186, "filename": "metadata.gz", "file_format": "gzip" },
            ]);
        }
        value
    };
    let mut all: Vec<Value> = state.artifacts.iter().filter(|one| one.run == run.id).map(with).collect();
    all.push(base(50_000 + run.id, "test", run.id));
    all.sort_by_key(|one| std::cmp::Reverse(one["id"].as_u64()));
    all
}

pub(super) fn note(id: usize, body: &str, is_system: bool) -> Value {
    json!({ "id": id, "body": body, "author": user(), "system": is_system, "created_at": MOMENT,
            "updated_at": MOMENT, "noteable_type": "MergeRequest", "resolvable": false })
}
