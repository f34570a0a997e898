//! The shapes of the operations, written by hand after the published description of the API, and the small part of
//! JSON schema that they need: `type`, `properties`, `required`, `items`, `enum`, `pattern` as a plain prefix.

use serde_json::Value;

/// The operations: method and path with placeholders, the status, and the name of the shape in `shapes.json`.
pub const OPERATIONS: &[(&str, &str, u16, &str)] = &[
    ("GET", "/repos/{r}", 200, "repository"),
    ("GET", "/repos/{r}/pulls", 200, "pull-list"),
    ("GET", "/repos/{r}/pulls/{n}", 200, "pull"),
    ("GET", "/repos/{r}/pulls/{n}/files", 200, "file-list"),
    ("GET", "/repos/{r}/commits/{sha}/pulls", 200, "pull-list"),
    ("GET", "/repos/{r}/branches/{b}", 200, "branch"),
    ("GET", "/repos/{r}/compare/{range}", 200, "comparison"),
    ("GET", "/repos/{r}/contents/{path}", 200, "content"),
    ("GET", "/repos/{r}/git/matching-refs/tags/{p}", 200, "reference-list"),
    ("GET", "/repos/{r}/actions/workflows/{f}", 200, "workflow"),
    ("GET", "/repos/{r}/actions/workflows/{f}/runs", 200, "run-list"),
    ("GET", "/repos/{r}/actions/runs/{id}", 200, "run"),
    ("GET", "/repos/{r}/actions/runs/{id}/artifacts", 200, "artifact-list"),
    ("GET", "/repos/{r}/attestations/{digest}", 200, "attestation-list"),
    ("GET", "/repos/{r}/issues/{n}/comments", 200, "comment-list"),
    ("GET", "/repos/{r}/releases/tags/{t}", 200, "release"),
    ("GET", "/repos/{r}/environments", 200, "environment-list"),
    ("GET", "/repos/{r}/environments/private-index/deployment-branch-policies", 200, "branch-policy-list"),
    ("GET", "/repos/{r}/rules/branches/main", 200, "rule-list"),
    ("GET", "/repos/{r}/rulesets", 200, "ruleset-list"),
    ("GET", "/repos/{r}/rulesets/42", 200, "ruleset"),
    ("GET", "/repos/{r}/actions/permissions", 200, "actions-permissions"),
    ("GET", "/repos/{r}/actions/permissions/workflow", 200, "workflow-permissions"),
    ("POST", "/repos/{r}/pulls", 201, "pull"),
    ("POST", "/repos/{r}/issues/{n}/comments", 201, "comment"),
    ("POST", "/repos/{r}/actions/workflows/{f}/dispatches", 200, "dispatched"),
    ("POST", "/repos/{r}/git/tags", 201, "tag"),
    ("POST", "/repos/{r}/git/refs", 201, "reference"),
    ("POST", "/repos/{r}/releases", 201, "release"),
];

/// Everything in a value that does not fit the shape with this name.
///
/// # Panics
/// When there is no such shape.
pub fn violations(shape: &str, value: &Value) -> Vec<String> {
    violations_in(include_str!("shapes.json"), shape, value)
}

/// Everything in a value of GitLab's API that does not fit the shape with this name.
///
/// # Panics
/// When there is no such shape.
pub fn gitlab_violations(shape: &str, value: &Value) -> Vec<String> {
    violations_in(include_str!("gitlab/shapes.json"), shape, value)
}

fn violations_in(shapes: &str, shape: &str, value: &Value) -> Vec<String> {
    let all: Value = serde_json::from_str(shapes).expect("shapes in JSON");
    let mut found = Vec::new();
    walk(&all, &all[shape], value, shape, &mut found);
    assert!(all[shape].is_object(), "no shape `{shape}`");
    found
}

fn walk(all: &Value, shape: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = shape["$ref"].as_str() {
        if shape["nullable"] == true && value.is_null() {
            return;
        }
        return walk(all, &all[name], value, at, found);
    }
    let kinds: Vec<&str> = match &shape["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        found.push(format!("{at}: {kind}, expected {kinds:?}"));
        return;
    }
    if let (Some(allowed), true) = (shape["enum"].as_array(), !value.is_null())
        && !allowed.contains(value)
    {
        found.push(format!("{at}: {value} is not one of {allowed:?}"));
    }
    if let (Some(prefix), Some(text)) = (shape["prefix"].as_str(), value.as_str())
        && !text.starts_with(prefix)
    {
        found.push(format!("{at}: {text} does not begin with {prefix}"));
    }
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(all, &shape["items"], item, &format!("{at}[{number}]"), found);
            }
        }
        Value::Object(entries) => {
            for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !entries.contains_key(name) {
                    found.push(format!("{at}: `{name}` is missing"));
                }
            }
            for (name, inner) in entries {
                match shape["properties"].get(name) {
                    Some(property) => walk(all, property, inner, &format!("{at}.{name}"), found),
                    None if shape["open"] == true => {}
                    None => found.push(format!("{at}: `{name}` is no field of it")),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
