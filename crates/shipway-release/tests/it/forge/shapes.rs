//! The fake's answers have the published shapes.

use shipway_testing::forge::{CANARY, OPERATIONS, Strategy, violations};

use super::world::World;

#[test]
fn every_operation_answers_in_its_shape() {
    let world = World::new();
    let merged = world.release("1.4.0", Strategy::Merge);
    let open = world.open("1.5.0");
    world.forge.git().tag("v1.4.0", &merged.sha, true);
    world.forge.upload(merged.run, "dist", b"PK".to_vec());
    let digest = format!("sha256:{}", "0".repeat(64));
    let attestation = serde_json::json!({ "bundle": {}, "repository_id": 4711 });
    world.forge.state().attestations.insert(digest.clone(), vec![attestation]);
    world.commit("release/v1.6.0", &[("a", Some("b"))], "c");
    let fill = |path: &str| {
        path.replace("/pulls/{n}", &format!("/pulls/{open}"))
            .replace("{n}", &merged.number.to_string())
            .replace("{r}", "team/demo")
            .replace("{sha}", &merged.sha)
            .replace("{b}", "release%2Fv1.5.0")
            .replace("{range}", "main...release%2Fv1.5.0")
            .replace("{path}", "pyproject.toml?ref=main")
            .replace("{p}", "v")
            .replace("{f}", "ci.yml")
            .replace("{id}", &merged.run.to_string())
            .replace("{digest}", &digest)
            .replace("{t}", "v1.4.0")
    };
    let authorization = format!("Bearer {CANARY}");
    let headers = [("authorization", authorization.as_str())];
    // A release is read after it was made.
    let mut operations = OPERATIONS.to_vec();
    operations.sort_by_key(|(method, ..)| *method == "GET");
    for (method, path, status, shape) in operations {
        let body = match path {
            "/repos/{r}/pulls" => {
                serde_json::json!({ "head": "release/v1.6.0", "base": "main", "title": "t", "body": "b" })
            }
            "/repos/{r}/git/tags" => {
                serde_json::json!({ "tag": "v9", "object": merged.sha, "message": "m", "type": "commit" })
            }
            "/repos/{r}/git/refs" => serde_json::json!({ "ref": "refs/tags/v9", "sha": merged.sha }),
            "/repos/{r}/releases" => {
                serde_json::json!({ "tag_name": "v1.4.0", "name": "n", "body": "b", "draft": false, "prerelease": false })
            }
            _ => {
                serde_json::json!({ "ref": "main", "inputs": {}, "body": "text", "return_run_details": true })
            }
        };
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let url = format!("{}{}", world.forge.url(), fill(path));
        let answer = shipway_testing::request(method, &url, &headers, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(violations(shape, &value), [] as [String; 0], "{method} {path}");
        assert!(value.as_array().is_none_or(|items| !items.is_empty()), "{method} {path} shows nothing");
    }
}
