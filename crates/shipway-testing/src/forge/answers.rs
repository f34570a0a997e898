//! What each operation of the API answers.

use base64::Engine as _;
use serde_json::{Value, json};

use super::repository::Strategy;
use super::server::{Reply, Request, Shared, decode};
use super::shapes;
use super::state::{Origin, Pull, RunState, State};

/// The answer of an operation.
pub(super) fn answer(shared: &Shared, state: &mut State, request: &Request) -> Reply {
    let parts: Vec<String> = request.path.split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (named, rest) = match parts.as_slice() {
        ["repos", owner, name, rest @ ..] => (format!("{owner}/{name}"), rest),
        ["repositories", id, rest @ ..] if *id == state.id.to_string() => (state.full_name.clone(), rest),
        _ => return Reply::message(404, "Not Found"),
    };
    if state.earlier_name.as_deref() == Some(&named) {
        let query = request.target.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let tail = request.path.splitn(5, '/').nth(4).map(|tail| format!("/{tail}")).unwrap_or_default();
        let to = format!("{}/repositories/{}{tail}{query}", shared.api, state.id);
        let status = if request.method == "GET" { 301 } else { 307 };
        return Reply { status, headers: vec![("location", to)], body: Vec::new() };
    }
    if !named.eq_ignore_ascii_case(&state.full_name) {
        return Reply::message(404, "Not Found");
    }
    match request.method.as_str() {
        "GET" => get(shared, state, request, rest),
        "POST" => post(shared, state, request, rest),
        _ => Reply::message(405, "Method Not Allowed"),
    }
}

fn get(shared: &Shared, state: &mut State, request: &Request, rest: &[&str]) -> Reply {
    let git = &shared.repository;
    match rest {
        [] => Reply::json(200, &shapes::repository(state)),
        ["pulls"] => list_pulls(shared, state, request),
        ["pulls", number] => match find_pull(state, number) {
            Some(pull) => Reply::json(200, &shapes::pull(state, git, pull, true)),
            None => Reply::message(404, "Not Found"),
        },
        ["pulls", number, "files"] => match find_pull(state, number) {
            Some(pull) => {
                let items = shapes::files(git, pull);
                page(state, request, items, |items| json!(items))
            }
            None => Reply::message(404, "Not Found"),
        },
        ["commits", sha, "pulls"] => {
            let items = pulls_of(shared, state, sha);
            page(state, request, items, |items| json!(items))
        }
        ["branches", name] => branch(shared, state, name),
        ["compare", range] => compare(shared, range),
        ["contents", path @ ..] => {
            let path = path.join("/");
            match git.blob(request.query("ref").unwrap_or("HEAD"), &path) {
                Some((sha, bytes)) => {
                    let content = base64::engine::general_purpose::STANDARD.encode(&bytes);
                    let name = path.rsplit('/').next();
                    Reply::json(
                        200,
                        &json!({ "type": "file", "encoding": "base64", "size": bytes.len(), "name": name,
                                 "path": path, "content": format!("{content}\n"), "sha": sha }),
                    )
                }
                None => Reply::message(404, "Not Found"),
            }
        }
        ["git", "matching-refs", "tags", prefix @ ..] => {
            let items = git.tags(&prefix.join("/")).into_iter().map(
                |(name, sha, kind)| json!({ "ref": name, "node_id": "R", "object": { "sha": sha, "type": kind } }),
            );
            page(state, request, items.collect(), |items| json!(items))
        }
        ["actions", "workflows", file] => {
            match state.workflows.iter().find(|one| one.path.ends_with(&format!("/{file}"))) {
                Some(one) => Reply::json(
                    200,
                    &json!({ "id": one.id, "node_id": "W", "name": file, "path": one.path, "state": one.state }),
                ),
                None => Reply::message(404, "Not Found"),
            }
        }
        ["actions", "workflows", file, "runs"] => list_runs(state, request, file),
        ["actions", "runs", id] => match state.runs.iter().find(|one| one.id.to_string() == **id) {
            Some(run) => Reply::json(200, &shapes::run(state, run)),
            None => Reply::message(404, "Not Found"),
        },
        ["actions", "runs", id, "artifacts"] => {
            let of_run = state.artifacts.iter().filter(|one| one.run.to_string() == **id);
            let items: Vec<Value> = of_run.map(|one| shapes::artifact(state, one)).collect();
            let total = items.len();
            page(state, request, items, |items| json!({ "total_count": total, "artifacts": items }))
        }
        ["actions", "artifacts", id, "zip"] => {
            match state.artifacts.iter().find(|one| one.id.to_string() == **id) {
                Some(one) if one.expired => Reply::message(410, "Artifact has expired"),
                Some(one) => Reply {
                    status: 302,
                    headers: vec![("location", format!("{}/store/{}", shared.store, one.id))],
                    body: Vec::new(),
                },
                None => Reply::message(404, "Not Found"),
            }
        }
        ["attestations", digest] => match state.attestations.get(*digest) {
            Some(all) => Reply::json(200, &json!({ "attestations": all })),
            None => Reply::message(404, "Not Found"),
        },
        ["issues", number, "comments"] => {
            let own = state.comments.iter().filter(|(one, _)| one.to_string() == **number);
            let items: Vec<Value> =
                own.enumerate().map(|(at, (_, body))| json!({ "id": at + 1, "body": body })).collect();
            page(state, request, items, |items| json!(items))
        }
        ["releases", "tags", tag @ ..] => {
            let tag = tag.join("/");
            match state.releases.iter().find(|one| one["tag_name"] == *tag) {
                Some(one) => Reply::json(200, one),
                None => Reply::message(404, "Not Found"),
            }
        }
        _ => super::guards::answer(&state.guards, rest),
    }
}

fn branch(shared: &Shared, state: &State, name: &str) -> Reply {
    let git = &shared.repository;
    match git.sha(&format!("refs/heads/{name}")) {
        Some(sha) => {
            let (commit, protected) = (shapes::commit(git, &sha), state.guards.protected);
            Reply::json(200, &json!({ "name": name, "commit": commit, "protected": protected }))
        }
        None => Reply::message(404, "Branch not found"),
    }
}

fn post(shared: &Shared, state: &mut State, request: &Request, rest: &[&str]) -> Reply {
    let body = &request.body;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match rest {
        ["pulls"] => {
            let (head, base) = (text("head"), text("base"));
            let exists = |name: &str| shared.repository.sha(&format!("refs/heads/{name}")).is_some();
            if !exists(&head) || !exists(&base) {
                return Reply::json(
                    422,
                    &json!({ "message": "Validation Failed", "errors": [{ "field": "head", "code": "invalid",
                             "message": format!("no branch {head} or {base}") }] }),
                );
            }
            let is_open = |one: &Pull| one.head == head && one.base == base && one.state == "open";
            if state.pulls.iter().any(is_open) {
                let text = format!("A pull request already exists for {head}.");
                return Reply::json(
                    422,
                    &json!({ "message": "Validation Failed", "errors": [{ "message": text }] }),
                );
            }
            let number = super::open(state, &shared.repository, &head, &base, &text("title"));
            let pull = find_pull(state, &number.to_string()).cloned();
            match pull {
                Some(pull) => Reply::json(201, &shapes::pull(state, &shared.repository, &pull, true)),
                None => Reply::message(500, "lost"),
            }
        }
        ["issues", number, "comments"] => {
            let Ok(number) = number.parse() else { return Reply::message(404, "Not Found") };
            state.comments.push((number, text("body")));
            Reply::json(201, &json!({ "id": state.comments.len(), "body": text("body") }))
        }
        ["actions", "workflows", file, "dispatches"] => dispatch(shared, state, file, body),
        ["git", "tags"] => {
            let (name, object) = (text("tag"), text("object"));
            if shared.repository.sha(&object).is_none() {
                return Reply::message(422, "Object does not exist");
            }
            let sha = shared.repository.tag_object(&name, &object, &text("message"));
            Reply::json(
                201,
                &json!({ "sha": sha, "tag": name, "object": { "sha": object, "type": "commit" } }),
            )
        }
        ["git", "refs"] => {
            let (name, sha) = (text("ref"), text("sha"));
            if shared.repository.sha(&name).is_some() {
                return Reply::message(422, "Reference already exists");
            }
            shared.repository.git(&["update-ref", &name, &sha]);
            Reply::json(201, &json!({ "ref": name, "node_id": "R", "object": { "sha": sha, "type": "tag" } }))
        }
        ["releases"] => {
            let tag = text("tag_name");
            if state.releases.iter().any(|one| one["tag_name"] == *tag) {
                let error = json!({ "resource": "Release", "code": "already_exists", "field": "tag_name" });
                return Reply::json(422, &json!({ "message": "Validation Failed", "errors": [error] }));
            }
            let release = json!({
                "id": state.number(), "tag_name": tag, "name": text("name"), "body": text("body"),
                "draft": body["draft"], "prerelease": body["prerelease"], "immutable": false,
                "html_url": format!("{}/{}/releases/tag/{tag}", shared.api, state.full_name),
            });
            state.releases.push(release.clone());
            Reply::json(201, &release)
        }
        _ => Reply::message(404, "Not Found"),
    }
}

fn dispatch(shared: &Shared, state: &mut State, file: &str, body: &Value) -> Reply {
    let Some(workflow) = state.workflows.iter().find(|one| one.path.ends_with(&format!("/{file}"))).cloned()
    else {
        return Reply::message(404, "Not Found");
    };
    let branch = body["ref"].as_str().unwrap_or_default().to_owned();
    let Some(sha) = shared.repository.sha(&format!("refs/heads/{branch}")) else {
        return Reply::message(422, "No ref found");
    };
    state.dispatches.push((file.to_owned(), body.clone()));
    let input = |name: &str| body["inputs"][name].as_str().unwrap_or_default().to_owned();
    let (id, updated) = (state.number() + 9000, state.moment());
    state.runs.push(RunState {
        id,
        workflow: workflow.id,
        path: workflow.path,
        event: "workflow_dispatch".to_owned(),
        status: "queued".to_owned(),
        conclusion: None,
        branch: Some(branch),
        sha,
        attempt: 1,
        updated,
        title: format!("Publish {} (#{})", input("version"), input("pull_request")),
        repository: state.id,
        origin: Origin::Own,
    });
    if state.tells_run && body["return_run_details"] == true {
        let url = format!("{}/runs/{id}", shared.api);
        return Reply::json(200, &json!({ "workflow_run_id": id, "run_url": url, "html_url": url }));
    }
    Reply { status: 204, headers: Vec::new(), body: Vec::new() }
}

fn find_pull<'s>(state: &'s State, number: &str) -> Option<&'s Pull> {
    state.pulls.iter().find(|one| one.number.to_string() == number)
}

fn list_pulls(shared: &Shared, state: &State, request: &Request) -> Reply {
    let owner = state.full_name.split('/').next().unwrap_or_default();
    let mut found: Vec<&Pull> = state.pulls.iter().collect();
    if let Some(wanted) = request.query("state").filter(|wanted| *wanted != "all") {
        found.retain(|one| one.state == wanted);
    }
    if let Some(base) = request.query("base") {
        found.retain(|one| one.base == base);
    }
    if let Some(head) = request.query("head") {
        let from = |one: &Pull| match one.origin {
            Origin::Own => format!("{owner}:{}", one.head),
            Origin::Fork(_) => format!("stranger:{}", one.head),
            Origin::Deleted => format!("ghost:{}", one.head),
        };
        found.retain(|one| from(one) == head);
    }
    if request.query("direction") != Some("asc") {
        found.reverse();
    }
    let items = found.into_iter().map(|one| shapes::pull(state, &shared.repository, one, false)).collect();
    page(state, request, items, |items| json!(items))
}

/// Merged ones that hold the commit, on the default branch; else open ones only, as the real one does.
fn pulls_of(shared: &Shared, state: &State, sha: &str) -> Vec<Value> {
    let git = &shared.repository;
    let default = git.branch(&state.default_branch);
    let contains = |tip: &str| git.try_git(&["merge-base", "--is-ancestor", sha, tip]).is_some();
    let on_default = contains(&default);
    let holds = |one: &&Pull| {
        let its_own = || {
            let fork = git.merge_base(&one.base_sha, &one.head_sha).unwrap_or_default();
            contains(&one.head_sha) && git.try_git(&["merge-base", "--is-ancestor", sha, &fork]).is_none()
        };
        if on_default {
            one.merge_commit.as_deref() == Some(sha) && one.merged || its_own()
        } else {
            one.state == "open" && its_own()
        }
    };
    state.pulls.iter().filter(holds).map(|one| shapes::pull(state, git, one, false)).collect()
}

fn list_runs(state: &State, request: &Request, file: &str) -> Reply {
    let Some(workflow) = state.workflows.iter().find(|one| one.path.ends_with(&format!("/{file}"))) else {
        return Reply::message(404, "Not Found");
    };
    let mut found: Vec<&RunState> = state.runs.iter().filter(|one| one.workflow == workflow.id).collect();
    if let Some(event) = request.query("event") {
        found.retain(|one| one.event == event);
    }
    if let Some(branch) = request.query("branch") {
        found.retain(|one| one.branch.as_deref() == Some(branch));
    }
    if let Some(sha) = request.query("head_sha") {
        found.retain(|one| one.sha == sha);
    }
    if let Some(since) = request.query("created").and_then(|text| text.strip_prefix(">=")) {
        found.retain(|one| one.updated.as_str() >= since);
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.id));
    let items: Vec<Value> = found.into_iter().map(|one| shapes::run(state, one)).collect();
    let total = items.len();
    page(state, request, items, |items| json!({ "total_count": total, "workflow_runs": items }))
}

fn compare(shared: &Shared, range: &str) -> Reply {
    let git = &shared.repository;
    let compared = range.split_once("...").and_then(|(first, second)| git.compare(first, second));
    match compared {
        Some(one) => Reply::json(
            200,
            &json!({ "status": one.status, "ahead_by": one.ahead, "behind_by": one.behind,
                     "total_commits": one.ahead, "merge_base_commit": shapes::commit(git, &one.merge_base) }),
        ),
        None => Reply::message(404, "Not Found"),
    }
}

fn page(state: &State, request: &Request, items: Vec<Value>, wrap: impl Fn(&[Value]) -> Value) -> Reply {
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(30).clamp(1, 100).min(state.page);
    let at = number("page").unwrap_or(1).max(1);
    let start = ((at - 1) * size).min(items.len());
    let end = (start + size).min(items.len());
    let mut reply = Reply::json(200, &wrap(&items[start..end]));
    if end < items.len() {
        let others: Vec<&str> = request
            .target
            .split_once('?')
            .map(|(_, query)| query.split('&').filter(|pair| !pair.starts_with("page=")).collect())
            .unwrap_or_default();
        let link = format!("<{}?{}&page={}>; rel=\"next\"", request.path, others.join("&"), at + 1);
        reply.headers.push(("link", link));
    }
    reply
}

/// A list without items, in the shape of the operation.
pub(super) fn empty(request: &Request) -> Reply {
    let key = if request.path.ends_with("/artifacts") { "artifacts" } else { "workflow_runs" };
    let is_wrapped = request.path.contains("/actions/");
    let value = if is_wrapped { json!({ "total_count": 0, key: [] }) } else { json!([]) };
    Reply::json(200, &value)
}

/// What a test merge of an open pull request would be.
pub(super) fn test_merge(shared: &super::Repository, base: &str, head: &str) -> String {
    shared.merged(base, head, Strategy::Merge, "test merge")
}
