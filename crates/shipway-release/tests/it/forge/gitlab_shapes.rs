//! The answers of the fake's GitLab have the published shapes.

use shipway_testing::forge::{CANARY, Face, GITLAB_OPERATIONS, Strategy, gitlab_violations};

use super::world::World;

#[test]
fn every_operation_of_gitlab_answers_in_its_shape() {
    let world = World::at(Face::GitLab);
    let merged = world.release("1.4.0", Strategy::Squash);
    let open = world.open("1.5.0");
    world.forge.git().tag("v1.4.0", &merged.sha, true);
    world.forge.upload(merged.run, "build", b"PK".to_vec());
    world.forge.upload(merged.run, "old", b"PK".to_vec());
    world.forge.state().artifact("old").expired = true;
    world.commit("release/v1.6.0", &[("a", Some("b"))], "c");
    let fill = |path: &str| {
        path.replace("/merge_requests/{n}", &format!("/merge_requests/{open}"))
            .replace("{r}", "team%2Fdemo")
            .replace("{sha}", &merged.sha)
            .replace("{b}", "release%2Fv1.5.0")
            .replace("{path}", "pyproject.toml?ref=main")
            .replace("{id}", &merged.run.to_string())
            .replace("{t}", "v1.4.0")
    };
    let headers = [("private-token", CANARY)];
    // A release is read after it was made.
    let mut operations = GITLAB_OPERATIONS.to_vec();
    operations.sort_by_key(|(method, ..)| *method == "GET");
    for (method, path, status, shape) in operations {
        let body = match path.rsplit('/').next().unwrap() {
            "merge_requests" => {
                serde_json::json!({ "source_branch": "release/v1.6.0", "target_branch": "main", "title": "t" })
            }
            "tags" => serde_json::json!({ "tag_name": "v9", "ref": merged.sha, "message": "m" }),
            "releases" => serde_json::json!({ "tag_name": "v1.4.0", "name": "n", "description": "d" }),
            _ => serde_json::json!({ "ref": "main", "variables": [], "body": "text" }),
        };
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let url = format!("{}/api/v4{}", world.forge.url(), fill(path));
        let answer = shipway_testing::request(method, &url, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(gitlab_violations(shape, &value), [] as [String; 0], "{method} {path}");
        assert!(value.as_array().is_none_or(|items| !items.is_empty()), "{method} {path} shows nothing");
    }
}

#[test]
fn a_token_in_another_header_and_a_job_token_elsewhere_are_refused() {
    let world = World::at(Face::GitLab);
    let ask = |name: &str, path: &str| {
        let url = format!("{}/api/v4/projects/4711{path}", world.forge.url());
        shipway_testing::request("GET", &url, &[(name, CANARY)], b"").status
    };
    assert_eq!(ask("private-token", "/pipelines"), 200);
    assert_eq!(ask("job-token", "/pipelines"), 401);
    assert_eq!(ask("job-token", "/merge_requests"), 200);
    assert_eq!(ask("authorization", "/merge_requests"), 401);
}
