//! Lines of the protocol checklist that no other test shows, and the table that says which test shows which line.

use std::path::Path;

use reqwest::Method;

use crate::kit::{JSON, Kit, wheel, wheel_with};

#[tokio::test]
async fn i2_everything_that_answers_get_answers_head_alike() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let metadata = format!("{file}.metadata");
    for path in
        ["/dev/simple/", "/dev/simple/demo/", "/dev/simple/nosuch/", "/dev/simple/Demo/", &file, &metadata]
    {
        let get = kit.get(path).send().await.unwrap();
        let head = kit.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), get.status(), "{path}");
        for name in ["content-type", "content-length", "etag", "location", "vary"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path} {name}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn i2_the_format_in_the_query_is_read_with_its_plus_as_it_arrives() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    for format in ["application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1%2Bjson"] {
        let path = format!("/dev/simple/demo/?format={format}");
        let response = kit.get(&path).header("accept", "text/html").send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &JSON.parse().unwrap()),
            "{path}"
        );
    }
    let unknown = kit.get("/dev/simple/demo/?format=nonsense").send().await.unwrap();
    assert_eq!(unknown.status(), 406);
}

#[tokio::test]
async fn i2_equal_wishes_prefer_json_and_every_answer_varies() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    for accept in [
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html",
        // As pip and as uv ask.
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01",
    ] {
        let response = kit.get("/dev/simple/demo/").header("accept", accept).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], JSON, "{accept}");
        let vary = response.headers()["vary"].to_str().unwrap();
        assert!(
            ["Accept", "Accept-Encoding", "Authorization"].iter().all(|name| vary.contains(name)),
            "{vary}"
        );
    }
}

#[tokio::test]
async fn i2_a_project_whose_only_release_is_blocked_is_an_empty_page_and_an_unknown_one_none() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    let mark = serde_json::json!({ "project": "demo", "version": "1.0", "set": true, "reason": "bad" });
    assert_eq!(kit.post("/api/v1/blocks", mark).await.0, 200);
    assert_eq!(kit.listed("dev", "demo").await, Some(Vec::new()));
    assert_eq!(kit.listed("dev", "nosuch").await, None);
}

#[tokio::test]
async fn i4_a_local_version_is_found_under_both_spellings_of_its_plus() {
    let kit = Kit::new().await;
    let dist = wheel_with("demo", "1.0+lab", "py3-none-any", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let page = kit.json("/dev/simple/demo/").await;
    assert!(page["files"][0]["url"].as_str().unwrap().contains("%2B"), "{page}");
    for filename in [dist.filename.clone(), dist.filename.replace('+', "%2B")] {
        let path = format!("/files/{}/{filename}", dist.sha256());
        assert_eq!(kit.get(&path).send().await.unwrap().status(), 200, "{path}");
    }
}

/// hatch looks under `%2Bsimple/` and passes over a file whose name it finds there, whatever its bytes: it must
/// find nothing, so that it uploads and the index judges.
#[tokio::test]
async fn i6_the_spelling_that_hatch_looks_under_finds_nothing() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    assert_eq!(kit.get("/dev/%2Bsimple/demo/").send().await.unwrap().status(), 404);
    assert_eq!(kit.get("/dev/+simple/demo/").send().await.unwrap().status(), 200);
}

/// All sources below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_line_of_the_table_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["tests/it", "src", "../shipway/tests", "../shipway-dist/src", "../shipway-dist/tests"] {
        sources(&root.join(folder), &mut text);
    }
    // The clients' cases are made by a macro: `NAME: CLIENT,`.
    let known = |name: &str| text.contains(&format!("fn {name}(")) || text.contains(&format!("    {name}: "));
    let table = std::fs::read_to_string(root.join("../../docs/conformance.md")).unwrap();
    let mut lines = 0;
    for line in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| line")) {
        let shown = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        if shown.starts_with("open") {
            continue;
        }
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{line}");
        for name in names {
            assert!(known(name), "{name}: {line}");
        }
        lines += 1;
    }
    assert!(lines > 40, "{lines}");
}

/// The sections A to I are the checks 1 to 111; J is 112 to 117, of which some are no check of the index.
#[test]
fn every_check_of_an_upload_has_a_line_that_names_its_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let table = std::fs::read_to_string(path).unwrap();
    let mut lines = std::collections::BTreeMap::new();
    for line in table.lines() {
        let number = line.strip_prefix("| ").and_then(|rest| rest.split_once(". ")?.0.parse::<u16>().ok());
        if let Some(number) = number {
            assert!(lines.insert(number, line).is_none(), "{number} has two lines");
        }
    }
    for number in 1..=111 {
        assert!(lines.contains_key(&number), "check {number} has no line");
    }
    for rule in shipway_dist::rules::all() {
        // Rules of the gates alone stand beyond the numbered checks.
        let Some(line) = lines.get(&rule.check) else { continue };
        assert!(line.contains(&format!("`{}`", rule.id)), "check {} does not name `{}`", rule.check, rule.id);
    }
}
