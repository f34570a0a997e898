//! The status of a project (PEP 792), and the yank of single files (PEP 592).

use serde_json::{Value, json};
use shipway_index::Status;

use crate::kit::{Dist, JSON, Kit, sdist, session, wheel};

async fn html(kit: &Kit) -> String {
    kit.get("/dev/simple/demo/").header("accept", "text/html").send().await.unwrap().text().await.unwrap()
}

fn path_of(dist: &Dist) -> String {
    format!("/files/{}/{}", dist.sha256(), dist.filename)
}

async fn set(kit: &Kit, status: Status, reason: Option<&str>) -> bool {
    let admin = kit.admin().await;
    let changed = admin.set_project_status(&"demo".parse().unwrap(), status, reason).await.unwrap();
    admin.close().await;
    changed
}

#[tokio::test]
async fn i2_an_archived_project_says_so_and_takes_no_files() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    assert!(kit.json("/dev/simple/demo/").await.get("project-status").is_none());
    assert!(!html(&kit).await.contains("project-status"));
    // Another process set it; the next request sees it, in every form.
    assert!(set(&kit, Status::Archived, Some("see <other>")).await);
    assert!(!set(&kit, Status::Archived, Some("see <other>")).await);
    let page = kit.json("/dev/simple/demo/").await;
    assert_eq!(page["project-status"], json!({ "status": "archived", "reason": "see <other>" }), "{page}");
    assert_eq!(page["files"].as_array().unwrap().len(), 1);
    let text = html(&kit).await;
    assert!(text.contains("<meta name=\"pypi:project-status\" content=\"archived\">"), "{text}");
    assert!(
        text.contains("<meta name=\"pypi:project-status-reason\" content=\"see &lt;other&gt;\">"),
        "{text}"
    );
    let before = kit.stored().await;
    assert!(before.contains("set-status"), "the journal has it");
    for again in [wheel("demo", "1.1", "a"), dist.clone()] {
        let response = kit.upload(&again).await;
        assert_eq!(response.status(), 403);
        let said = response.text().await.unwrap();
        assert!(said.contains("`demo` is archived: see <other>"), "{said}");
        assert_eq!(kit.stored().await, before);
    }
    let (status, body) =
        kit.post("/api/v1/sessions", session("demo", "1.1", &[wheel("demo", "1.1", "a")])).await;
    assert_eq!((status, body["code"].as_str()), (403, Some("project-status")), "{body}");
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.get(&path_of(&dist)).send().await.unwrap().status(), 200);
    assert!(set(&kit, Status::Active, None).await);
    assert!(kit.json("/dev/simple/demo/").await.get("project-status").is_none());
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
}

#[tokio::test]
async fn i2_a_quarantined_project_lists_and_serves_no_file() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    kit.vouch("demo", "1.0").await;
    set(&kit, Status::Quarantined, Some("malware")).await;
    let page = kit.json("/dev/simple/demo/").await;
    assert_eq!((&page["files"], &page["versions"]), (&json!([]), &json!([])), "{page}");
    assert_eq!(page["project-status"]["status"], "quarantined");
    assert!(!html(&kit).await.contains("<a "));
    for path in [path_of(&dist), format!("{}.metadata", path_of(&dist))] {
        let response = kit.get(&path).send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        assert!(response.text().await.unwrap().contains("`demo` is quarantined: malware"));
    }
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 403);
    let (status, body) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!((status, body["code"].as_str()), (403, Some("project-status")), "{body}");
    set(&kit, Status::Active, None).await;
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), std::slice::from_ref(&dist.filename));
    assert_eq!(kit.get(&path_of(&dist)).send().await.unwrap().status(), 200);
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
}

#[tokio::test]
async fn i2_a_deprecated_project_says_so_and_goes_on() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    set(&kit, Status::Deprecated, None).await;
    let page = kit.json("/dev/simple/demo/").await;
    assert_eq!(page["project-status"], json!({ "status": "deprecated" }));
    assert!(!html(&kit).await.contains("project-status-reason"));
    assert_eq!(kit.upload(&wheel("demo", "1.1", "a")).await.status(), 200);
    let admin = kit.admin().await;
    let missing = admin.set_project_status(&"nosuch".parse().unwrap(), Status::Archived, None).await;
    assert_eq!(missing.unwrap_err().status(), 404);
    admin.close().await;
}

fn mark(files: &[&str], set: bool) -> Value {
    json!({ "project": "demo", "version": "1.0", "files": files, "set": set, "reason": "broken <build>" })
}

#[tokio::test]
async fn g9_one_file_of_a_release_is_yanked_and_comes_back() {
    let kit = Kit::new().await;
    let (first, second) = (wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a"));
    kit.upload(&first).await;
    kit.upload(&second).await;
    let yanked = async || {
        let page = kit.json("/dev/simple/demo/").await;
        let files = page["files"].as_array().unwrap().clone();
        let of = |name: &str| files.iter().find(|file| file["filename"] == name).unwrap()["yanked"].clone();
        (of(&first.filename), of(&second.filename))
    };
    let before = kit.stored().await;
    let (status, body) = kit.post("/api/v1/yanks", mark(&["nosuch-1.0.tar.gz"], true)).await;
    assert_eq!(status, 404, "{body}");
    let (status, body) = kit.post("/api/v1/blocks", mark(&[&first.filename], true)).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(kit.stored().await, before);

    let (status, change) = kit.post("/api/v1/yanks", mark(&[&first.filename], true)).await;
    assert_eq!((status, &change["changed"]), (200, &json!(true)), "{change}");
    assert_eq!(change["project"]["releases"][0]["yanked"], false, "not all of it");
    assert_eq!(yanked().await, (json!("broken <build>"), json!(false)));
    let text = html(&kit).await;
    assert_eq!(text.matches("data-yanked=\"broken &lt;build&gt;\"").count(), 1, "{text}");
    assert_eq!(text.matches("<a ").count(), 2, "{text}");
    // Again: the same record.
    let (_, again) = kit.post("/api/v1/yanks", mark(&[&first.filename], true)).await;
    assert_eq!((&again["changed"], &again["id"]), (&json!(false), &change["id"]));
    // The bytes are there for whoever pinned them.
    assert_eq!(kit.get(&path_of(&first)).header("accept", JSON).send().await.unwrap().status(), 200);
    let (_, undone) = kit.post("/api/v1/yanks", mark(&[&first.filename], false)).await;
    assert_eq!(undone["changed"], true, "{undone}");
    assert_eq!(yanked().await, (json!(false), json!(false)));
    assert_eq!(kit.post("/api/v1/yanks", mark(&[], true)).await.1["project"]["releases"][0]["yanked"], true);
}

#[tokio::test]
async fn i10_yank_and_status_of_upstream_are_carried() {
    let far = Kit::new().await;
    far.upload(&wheel("demo", "1.0", "far")).await;
    far.upload(&sdist("demo", "1.0", "far")).await;
    far.post("/api/v1/yanks", mark(&[&wheel("demo", "1.0", "far").filename], true)).await;
    set(&far, Status::Deprecated, Some("use other")).await;
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| config.upstream = shipway_index::Upstream::Url(url)).await;
    let (own, carried) = (far.json("/dev/simple/demo/").await, near.json("/dev/simple/demo/").await);
    let yanks = |page: &Value| {
        let files = page["files"].as_array().unwrap().iter();
        files.map(|file| (file["filename"].clone(), file["yanked"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(yanks(&carried), yanks(&own));
    assert_eq!(
        carried["project-status"],
        json!({ "status": "deprecated", "reason": "use other" }),
        "{carried}"
    );
    assert_eq!(html(&near).await.matches("data-yanked=\"broken &lt;build&gt;\"").count(), 1);
}
