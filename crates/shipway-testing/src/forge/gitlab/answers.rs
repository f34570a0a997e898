//! What each operation of GitLab's API answers.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Token, is_for_jobs, refusal, shapes, token};
use crate::forge::server::{Reply, Request, Shared, decode};
use crate::forge::state::{Origin, Pull, RunState, State};

/// The answer of an operation.
pub(in super::super) fn answer(shared: &Shared, state: &mut State, request: &Request) -> Reply {
    let Some(token) = token(request, &shared.token) else { return refusal(401, "401 Unauthorized") };
    let parts: Vec<String> = request.path.split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["api", "v4", "projects", project, rest @ ..] = parts.as_slice() else {
        return refusal(404, "404 Not Found");
    };
    let is_this = *project == state.id.to_string() || project.eq_ignore_ascii_case(&state.full_name);
    if !is_this {
        return refusal(404, "404 Project Not Found");
    }
    if matches!(token, Token::Job) && !is_for_jobs(&request.method, rest) {
        return refusal(401, "401 Unauthorized");
    }
    match request.method.as_str() {
        "GET" => get(shared, state, request, rest),
        "POST" => post(shared, state, request, rest),
        _ => refusal(405, "405 Method Not Allowed"),
    }
}

fn get(shared: &Shared, state: &mut State, request: &Request, rest: &[&str]) -> Reply {
    let git = &shared.repository;
    match rest {
        [] => Reply::json(200, &shapes::project(state)),
        ["merge_requests"] => list(shared, state, request),
        ["merge_requests", number] => match find(state, number) {
            Some(pull) => Reply::json(200, &shapes::merge_request(state, git, pull, true)),
            None => refusal(404, "404 Not found"),
        },
        ["merge_requests", number, "diffs"] => match find(state, number) {
            Some(pull) => page(shared, state, request, shapes::diffs(git, pull)),
            None => refusal(404, "404 Not found"),
        },
        ["merge_requests", number, "notes"] => {
            let own = state.comments.iter().filter(|(one, _)| one.to_string() == **number);
            let mut items = vec![shapes::note(900, "added 1 commit", true)];
            items.extend(own.enumerate().map(|(at, (_, body))| shapes::note(at + 1, body, false)));
            page(shared, state, request, items)
        }
        ["repository", "commits", name] => match git.sha(name) {
            Some(sha) => Reply::json(200, &shapes::commit(git, &sha)),
            None => refusal(404, "404 Commit Not Found"),
        },
        ["repository", "commits", sha, "merge_requests"] => {
            let items = of_commit(shared, state, sha);
            page(shared, state, request, items)
        }
        ["repository", "branches", name] => match git.sha(&format!("refs/heads/{name}")) {
            Some(sha) => Reply::json(
                200,
                &json!({ "name": name, "commit": shapes::commit(git, &sha), "merged": false, "protected": true,
                         "default": *name == state.default_branch, "can_push": false, "web_url": "" }),
            ),
            None => refusal(404, "404 Branch Not Found"),
        },
        ["repository", "merge_base"] => merge_base(shared, request),
        ["repository", "files", path] => file(shared, request, path),
        ["repository", "tags"] => tags(shared, state, request),
        ["pipelines"] => pipelines(shared, state, request),
        ["pipelines", id] => match state.runs.iter().find(|one| one.id.to_string() == **id) {
            Some(run) => Reply::json(200, &shapes::pipeline(state, git, run, true)),
            None => refusal(404, "404 Pipeline Not Found"),
        },
        ["pipelines", id, "jobs"] => match state.runs.iter().find(|one| one.id.to_string() == **id) {
            Some(run) => {
                let items = shapes::jobs(state, run);
                page(shared, state, request, items)
            }
            None => refusal(404, "404 Pipeline Not Found"),
        },
        ["jobs", id, "artifacts"] => match state.artifacts.iter().find(|one| one.id.to_string() == **id) {
            Some(one) if !one.expired => Reply {
                status: 302,
                headers: vec![("location", format!("{}/store/{}", shared.store, one.id))],
                body: Vec::new(),
            },
            _ => refusal(404, "404 Not found"),
        },
        ["releases", tag] => match state.releases.iter().find(|one| one["tag_name"] == **tag) {
            Some(one) => Reply::json(200, one),
            None => refusal(404, "404 Not Found"),
        },
        _ => refusal(404, "404 Not Found"),
    }
}

fn post(shared: &Shared, state: &mut State, request: &Request, rest: &[&str]) -> Reply {
    let body = &request.body;
    let git = &shared.repository;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match rest {
        ["merge_requests"] => {
            let (head, base) = (text("source_branch"), text("target_branch"));
            let exists = |name: &str| git.sha(&format!("refs/heads/{name}")).is_some();
            if !exists(&head) || !exists(&base) {
                return Reply::json(422, &json!({ "message": { "source_branch": ["does not exist"] } }));
            }
            let is_open = |one: &&Pull| one.head == head && one.base == base && one.state == "open";
            if let Some(one) = state.pulls.iter().find(is_open) {
                let text = format!(
                    "Another open merge request already exists for this source branch: !{}",
                    one.number
                );
                return Reply::json(409, &json!({ "message": [text] }));
            }
            let number = crate::forge::open(state, git, &head, &base, &text("title"));
            match find(state, &number.to_string()).cloned() {
                Some(pull) => Reply::json(201, &shapes::merge_request(state, git, &pull, true)),
                None => refusal(500, "500 Internal Server Error"),
            }
        }
        ["merge_requests", number, "notes"] => {
            let Ok(number) = number.parse() else { return refusal(404, "404 Not found") };
            state.comments.push((number, text("body")));
            Reply::json(201, &shapes::note(state.comments.len(), &text("body"), false))
        }
        ["pipeline"] => {
            let variables = body["variables"].as_array().cloned().unwrap_or_default();
            let pairs = variables
                .iter()
                .filter_map(|one| Some((one["key"].as_str()?.to_owned(), one["value"].as_str()?.to_owned())));
            start(shared, state, &text("ref"), pairs.collect(), "api")
        }
        ["trigger", "pipeline"] => {
            let variables = body["variables"].as_object().cloned().unwrap_or_default();
            let pairs =
                variables.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
            start(shared, state, &text("ref"), pairs.collect(), "pipeline")
        }
        ["repository", "tags"] => {
            let (name, at) = (text("tag_name"), text("ref"));
            if git.sha(&format!("refs/tags/{name}")).is_some() {
                return refusal(400, &format!("Tag {name} already exists"));
            }
            let Some(commit) = git.sha(&at) else { return refusal(400, &format!("Target {at} is invalid")) };
            let message = text("message");
            let object = match message.is_empty() {
                true => commit,
                false => git.tag_object(&name, &commit, &message),
            };
            git.git(&["update-ref", &format!("refs/tags/{name}"), &object]);
            Reply::json(201, &shapes::tag(git, &name, &object, !message.is_empty()))
        }
        ["releases"] => {
            let tag = text("tag_name");
            if state.releases.iter().any(|one| one["tag_name"] == *tag) {
                return refusal(409, "Release already exists");
            }
            if git.sha(&format!("refs/tags/{tag}")).is_none() {
                return refusal(422, "Ref is not specified");
            }
            let page = format!("{}/{}/-/releases/{tag}", shared.api, state.full_name);
            let release = json!({
                "tag_name": tag, "name": text("name"), "description": text("description"),
                "created_at": "2026-01-01T00:00:00.000Z", "released_at": "2026-01-01T00:00:00.000Z",
                "upcoming_release": false, "evidences": [], "assets": { "count": 0, "sources": [], "links": [] },
                "_links": { "self": page },
            });
            state.releases.push(release.clone());
            Reply::json(201, &release)
        }
        _ => refusal(404, "404 Not Found"),
    }
}

/// Starts a pipeline with variables; its name is what the CI file makes of them.
fn start(
    shared: &Shared,
    state: &mut State,
    branch: &str,
    variables: Vec<(String, String)>,
    source: &str,
) -> Reply {
    let Some(sha) = shared.repository.sha(&format!("refs/heads/{branch}")) else {
        return Reply::json(400, &json!({ "message": { "base": ["Reference not found"] } }));
    };
    let input = |name: &str| {
        let found = variables.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone());
        found.unwrap_or_default()
    };
    let inputs: serde_json::Map<String, Value> = variables
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix("SHIPWAY_")?.to_lowercase(), value.as_str().into()))
        })
        .collect();
    state.dispatches.push((input("SHIPWAY_WORKFLOW"), json!({ "ref": branch, "inputs": inputs })));
    let (id, updated) = (state.number() + 9000, state.moment());
    let run = RunState {
        id,
        workflow: 0,
        path: String::new(),
        event: source.to_owned(),
        status: "created".to_owned(),
        conclusion: None,
        branch: Some(branch.to_owned()),
        sha,
        attempt: 1,
        updated,
        title: format!("Publish {} (#{})", input("SHIPWAY_VERSION"), input("SHIPWAY_PULL_REQUEST")),
        repository: state.id,
        origin: Origin::Own,
    };
    state.runs.push(run.clone());
    Reply::json(201, &shapes::pipeline(state, &shared.repository, &run, true))
}

fn find<'s>(state: &'s State, number: &str) -> Option<&'s Pull> {
    state.pulls.iter().find(|one| one.number.to_string() == number)
}

fn list(shared: &Shared, state: &State, request: &Request) -> Reply {
    let mut found: Vec<&Pull> = state.pulls.iter().collect();
    if let Some(branch) = request.query("source_branch") {
        found.retain(|one| one.head == branch);
    }
    if let Some(branch) = request.query("target_branch") {
        found.retain(|one| one.base == branch);
    }
    if request.query("sort") != Some("asc") {
        found.reverse();
    }
    let git = &shared.repository;
    let items = found.into_iter().map(|one| shapes::merge_request(state, git, one, false)).collect();
    page(shared, state, request, items)
}

/// Those that hold the commit, or whose merge or squash made it, whatever their state and target.
fn of_commit(shared: &Shared, state: &State, sha: &str) -> Vec<Value> {
    let git = &shared.repository;
    let contains = |tip: &str| git.try_git(&["merge-base", "--is-ancestor", sha, tip]).is_some();
    let holds = |one: &&Pull| {
        let began = git.merge_base(&one.base_sha, &one.head_sha).unwrap_or_default();
        let made = [&one.merge_commit, &one.squash_commit];
        one.merged && made.into_iter().any(|made| made.as_deref() == Some(sha))
            || contains(&one.head_sha) && !contains(&began)
    };
    state.pulls.iter().filter(holds).map(|one| shapes::merge_request(state, git, one, false)).collect()
}

fn merge_base(shared: &Shared, request: &Request) -> Reply {
    let git = &shared.repository;
    let names: Vec<&str> =
        request.query.iter().filter(|(name, _)| name == "refs[]").map(|(_, value)| value.as_str()).collect();
    let [first, second] = names.as_slice() else { return refusal(400, "Provide at least 2 refs") };
    let unknown: Vec<&str> = names.iter().copied().filter(|name| git.sha(name).is_none()).collect();
    if !unknown.is_empty() {
        let noun = if unknown.len() == 1 { "ref" } else { "refs" };
        return refusal(400, &format!("Could not find {noun}: {}", unknown.join(", ")));
    }
    match git.merge_base(first, second) {
        Some(sha) => Reply::json(200, &shapes::commit(git, &sha)),
        None => refusal(404, "404 Merge Base Not Found"),
    }
}

fn file(shared: &Shared, request: &Request, path: &str) -> Reply {
    let Some(at) = request.query("ref") else { return refusal(400, "ref is missing, ref is empty") };
    let Some((blob, bytes)) = shared.repository.blob(at, path) else {
        return refusal(404, "404 File Not Found");
    };
    Reply::json(
        200,
        &json!({
            "file_name": path.rsplit('/').next(), "file_path": path, "size": bytes.len(), "encoding": "base64",
            "content": base64::engine::general_purpose::STANDARD.encode(&bytes), "ref": at, "blob_id": blob,
            "content_sha256": shipway_dist::Sha256::of(&bytes).to_hex(), "commit_id": at, "last_commit_id": at,
            "execute_filemode": false,
        }),
    )
}

/// By name and after a token, as keyset pagination goes: the next page is only told by `Link`.
fn tags(shared: &Shared, state: &State, request: &Request) -> Reply {
    let git = &shared.repository;
    let search = request.query("search").unwrap_or_default();
    let prefix = search.strip_prefix('^').unwrap_or(search);
    let after = request.query("page_token").unwrap_or_default();
    let found = git.tags(prefix).into_iter().filter_map(|(full, object, kind)| {
        let name = full.strip_prefix("refs/tags/")?.to_owned();
        (name.as_str() > after).then(|| (name.clone(), shapes::tag(git, &name, &object, kind == "tag")))
    });
    let mut found: Vec<(String, Value)> = found.collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    let size = size_of(state, request);
    let next = (found.len() > size).then(|| found[size - 1].0.clone());
    let items: Vec<Value> = found.into_iter().take(size).map(|(_, value)| value).collect();
    let mut reply = Reply::json(200, &json!(items));
    if let Some(next) = next {
        reply.headers.push(("link", link(shared, request, &format!("page_token={next}"))));
    }
    reply
}

fn pipelines(shared: &Shared, state: &State, request: &Request) -> Reply {
    let mut found: Vec<&RunState> = state.runs.iter().collect();
    if let Some(source) = request.query("source") {
        found.retain(|one| shapes::source(one) == source);
    }
    if let Some(branch) = request.query("ref") {
        found.retain(|one| one.branch.as_deref() == Some(branch));
    }
    if let Some(sha) = request.query("sha") {
        found.retain(|one| one.sha == sha);
    }
    if let Some(since) = request.query("updated_after") {
        found.retain(|one| one.updated.as_str() >= since);
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.id));
    let git = &shared.repository;
    let items = found.into_iter().map(|one| shapes::pipeline(state, git, one, false)).collect();
    page(shared, state, request, items)
}

fn size_of(state: &State, request: &Request) -> usize {
    let asked = request.query("per_page").and_then(|text| text.parse::<usize>().ok());
    asked.unwrap_or(20).clamp(1, 100).min(state.page)
}

fn link(shared: &Shared, request: &Request, next: &str) -> String {
    let own = |pair: &&str| !pair.starts_with("page=") && !pair.starts_with("page_token=");
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let others: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).filter(own).collect();
    let root = format!("{}{}?{}", shared.api, request.path, others.join("&"));
    format!("<{root}&{next}>; rel=\"next\", <{root}&page=1>; rel=\"first\"")
}

fn page(shared: &Shared, state: &State, request: &Request, items: Vec<Value>) -> Reply {
    let size = size_of(state, request);
    let at = request.query("page").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).max(1);
    let start = ((at - 1) * size).min(items.len());
    let end = (start + size).min(items.len());
    let mut reply = Reply::json(200, &json!(items[start..end]));
    reply.headers.push(("x-page", at.to_string()));
    if end < items.len() {
        reply.headers.push(("x-next-page", (at + 1).to_string()));
        reply.headers.push(("link", link(shared, request, &format!("page={}", at + 1))));
    }
    reply
}
