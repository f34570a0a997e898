//! GitLab's face of the fake forge: other routes and shapes over the same repository and state.
//!
//! Source of routes and answers: GitLab's published description of its REST API, version 4 (pipelines, jobs, job
//! artifacts, merge requests, notes, repositories, tags, releases, job tokens).

mod answers;
mod merge;
mod paths;
mod shapes;

use super::server::{Reply, Request};

pub(super) use answers::answer;
pub(super) use merge::{merge, semi_linear, squash_forward, train};
pub(super) use paths::translated;

/// The operations: method and path with placeholders, the status, and the name of the shape.
pub const GITLAB_OPERATIONS: &[(&str, &str, u16, &str)] = &[
    ("GET", "/projects/{r}", 200, "project"),
    ("GET", "/projects/{r}/merge_requests", 200, "merge-request-list"),
    ("GET", "/projects/{r}/merge_requests/{n}", 200, "merge-request"),
    ("GET", "/projects/{r}/merge_requests/{n}/diffs", 200, "diff-list"),
    ("GET", "/projects/{r}/merge_requests/{n}/notes", 200, "note-list"),
    ("GET", "/projects/{r}/repository/commits/{sha}", 200, "commit"),
    ("GET", "/projects/{r}/repository/commits/{sha}/merge_requests", 200, "merge-request-list"),
    ("GET", "/projects/{r}/repository/branches/{b}", 200, "branch"),
    ("GET", "/projects/{r}/repository/merge_base?refs[]=main&refs[]={b}", 200, "commit"),
    ("GET", "/projects/{r}/repository/files/{path}", 200, "file"),
    ("GET", "/projects/{r}/repository/tags?search=^v", 200, "tag-list"),
    ("GET", "/projects/{r}/pipelines", 200, "pipeline-list"),
    ("GET", "/projects/{r}/pipelines/{id}", 200, "pipeline"),
    ("GET", "/projects/{r}/pipelines/{id}/jobs", 200, "job-list"),
    ("GET", "/projects/{r}/releases/{t}", 200, "release"),
    ("POST", "/projects/{r}/merge_requests", 201, "merge-request"),
    ("POST", "/projects/{r}/merge_requests/{n}/notes", 201, "note"),
    ("POST", "/projects/{r}/pipeline", 201, "pipeline"),
    ("POST", "/projects/{r}/repository/tags", 201, "tag"),
    ("POST", "/projects/{r}/releases", 201, "release"),
];

/// What a request's token may do.
pub(super) enum Token {
    /// An access token with the scope `api`.
    Access,
    /// The token of a job, which reaches few routes.
    Job,
}

/// The token of a request, when it is the right one in the right header.
pub(super) fn token(request: &Request, expected: &str) -> Option<Token> {
    if request.header("private-token") == Some(expected) {
        return Some(Token::Access);
    }
    let of_body = request.path.ends_with("/trigger/pipeline") && request.body["token"] == expected;
    (request.header("job-token") == Some(expected) || of_body).then_some(Token::Job)
}

/// Whether the token of a job reaches a route (documented under "job token access").
pub(super) fn is_for_jobs(method: &str, rest: &[&str]) -> bool {
    match (method, rest) {
        ("GET", ["repository", "branches", ..])
        | ("GET", ["repository", "commits", ..])
        | ("GET", ["repository", "tags"])
        | ("GET", ["merge_requests"])
        | ("GET", ["merge_requests", _])
        | ("GET", ["merge_requests", _, "notes", ..])
        | ("GET", ["jobs", _, "artifacts"])
        | ("POST", ["trigger", "pipeline"])
        | (_, ["releases", ..]) => true,
        ("GET", ["repository", "files", .., last]) => *last == "raw",
        _ => false,
    }
}

pub(super) fn refusal(status: u16, text: &str) -> Reply {
    Reply::json(status, &serde_json::json!({ "message": text }))
}
