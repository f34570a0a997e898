//! The same request in the words of GitLab's routes, so that one scenario says what goes wrong at both faces.

/// Parts of GitHub's routes and what they are at GitLab, in the order in which they are replaced.
const WORDS: [(&str, &str); 14] = [
    ("/repos/team/demo", "/api/v4/projects/4711"),
    ("/issues/", "/merge_requests/"),
    ("/comments", "/notes"),
    ("/pulls", "/merge_requests"),
    ("/files", "/diffs"),
    ("/ci.yml/runs", "/pipelines"),
    ("/compare/", "/merge_base"),
    ("/matching-refs/", "/repository/tags"),
    ("/dispatches", "/pipeline"),
    ("/artifacts", "/jobs"),
    ("/zip", "/artifacts"),
    ("/runs/", "/pipelines/"),
    ("/git/tags", "/repository/tags"),
    ("/git/refs", "/repository/tags"),
];

/// What hits the same request at GitLab.
pub(in super::super) fn translated(on: &str) -> String {
    if on.contains("/api/v4/") || on.starts_with("STORE ") {
        return on.to_owned();
    }
    WORDS.iter().fold(on.to_owned(), |on, (from, to)| on.replace(from, to))
}
