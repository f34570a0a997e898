//! Who may see what.

use serde_json::json;
use shipway_index::{Action, serve};
use tokio::net::TcpListener;

use crate::kit::{JSON, Kit, wheel};

async fn closed() -> Kit {
    let kit = Kit::with(|config| config.anonymous_read = Some(false)).await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    kit.upload(&wheel("secret", "1.0", "a")).await;
    kit
}

fn paths() -> Vec<String> {
    let file = |name: &str| {
        let dist = wheel(name, "1.0", "a");
        format!("/files/{}/{}", dist.sha256(), dist.filename)
    };
    vec![
        "/dev/simple/secret/".into(),
        "/dev/simple/nosuch/".into(),
        "/api/v1/projects/secret".into(),
        "/api/v1/projects/nosuch".into(),
        file("secret"),
        file("nosuch"),
        format!("{}.metadata", file("secret")),
    ]
}

#[tokio::test]
async fn i9_unseen_is_404_to_a_token_and_401_to_nobody() {
    let kit = closed().await;
    let token = kit.token("demo", &["demo"], &[], &[Action::Read]).await;
    for path in paths() {
        let get = || kit.http.get(kit.url(&path)).header("accept", JSON);
        let anonymous = get().send().await.unwrap();
        assert_eq!(anonymous.status(), 401, "{path}");
        assert!(anonymous.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"), "{path}");
        let holder = get().basic_auth("x", Some(token.expose())).send().await.unwrap();
        assert_eq!(holder.status(), 404, "{path}");
        let bad = get().basic_auth("x", Some("shipway_x_y")).send().await.unwrap();
        assert_eq!(bad.status(), 401, "{path}");
    }
    let get = async |path: &str| {
        kit.http.get(kit.url(path)).bearer_auth(token.expose()).header("accept", JSON).send().await.unwrap()
    };
    assert_eq!(get("/dev/simple/demo/").await.status(), 200);
    let list: serde_json::Value =
        serde_json::from_slice(&get("/dev/simple/").await.bytes().await.unwrap()).unwrap();
    assert_eq!(list["projects"], json!([{ "name": "demo" }]));
}

#[tokio::test]
async fn i9_a_list_names_what_its_reader_may_see() {
    let kit = closed().await;
    kit.vouch("demo", "1.0").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    for (name, projects, channels, action, dev, staging) in [
        ("all", &[][..], &[][..], Action::Read, Some(json!(["demo", "secret"])), Some(json!(["demo"]))),
        ("one", &["demo", "nosuch"], &[], Action::Read, Some(json!(["demo"])), Some(json!(["demo"]))),
        ("upload", &["secret"], &[], Action::Upload, Some(json!(["secret"])), Some(json!([]))),
        ("none", &["nosuch"], &[], Action::Read, Some(json!([])), Some(json!([]))),
        ("staging", &[], &["staging"], Action::Read, None, Some(json!(["demo"]))),
        ("promote", &["demo"], &[], Action::Promote, None, None),
    ] {
        let token = kit.token(name, projects, channels, &[action]).await;
        for (channel, expected) in [("dev", dev), ("staging", staging)] {
            let request = kit.http.get(kit.url(&format!("/{channel}/simple/"))).bearer_auth(token.expose());
            let response = request.header("accept", JSON).send().await.unwrap();
            let listed = (response.status() == 200).then_some(response);
            let listed = match listed {
                Some(response) => {
                    let list: serde_json::Value =
                        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
                    let projects = list["projects"].as_array().unwrap();
                    Some(projects.iter().map(|project| project["name"].clone()).collect())
                }
                None => None,
            };
            assert_eq!(listed, expected, "{name} in {channel}");
        }
    }
}

#[tokio::test]
async fn i8_reading_needs_read_or_upload_in_that_channel() {
    let kit = closed().await;
    kit.vouch("demo", "1.0").await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    let dist = wheel("demo", "1.0", "a");
    let file = format!("/files/{}/{}", dist.sha256(), dist.filename);
    for (name, channels, action, dev, staging, bytes) in [
        ("up", &[][..], Action::Upload, 200, 200, 200),
        ("promote", &[], Action::Promote, 404, 404, 404),
        ("staging", &["staging"], Action::Read, 404, 200, 200),
        ("stable", &["stable"], Action::Read, 404, 404, 404),
    ] {
        let token = kit.token(name, &["demo"], channels, &[action]).await;
        let get = async |path: &str| {
            kit.http.get(kit.url(path)).bearer_auth(token.expose()).send().await.unwrap().status().as_u16()
        };
        assert_eq!(get("/dev/simple/demo/").await, dev, "{name}");
        assert_eq!(get("/staging/simple/demo/").await, staging, "{name}");
        assert_eq!(get(&file).await, bytes, "{name}");
        // Whoever may act on a project may know of it.
        assert_eq!(get("/api/v1/projects/demo").await, 200, "{name}");
        assert_eq!(get("/api/v1/projects/secret").await, 404, "{name}");
    }
}

#[tokio::test]
async fn i8_anonymous_read_is_off_unless_the_address_is_loopback() {
    let folder = tempfile::tempdir().unwrap();
    for (address, setting, status) in [
        ("127.0.0.1:0", None, 404),
        ("0.0.0.0:0", None, 401),
        ("0.0.0.0:0", Some(true), 404),
        ("127.0.0.1:0", Some(false), 401),
    ] {
        let mut config = crate::kit::config(folder.path());
        config.anonymous_read = setting;
        let running = serve(config, TcpListener::bind(address).await.unwrap()).await.unwrap();
        let url = format!("http://127.0.0.1:{}/dev/simple/nosuch/", running.addr().port());
        let response = crate::kit::client().get(url).send().await.unwrap();
        assert_eq!(response.status(), status, "{address} {setting:?}");
        running.shutdown().await;
    }
}

#[tokio::test]
async fn f8_no_answer_and_no_row_repeats_a_token() {
    let kit = closed().await;
    let canary = "shipway_cana_ry0123456789";
    for path in ["/dev/simple/demo/", "/api/v1/projects/demo", "/files/x/y", "/nowhere"] {
        for request in
            [kit.http.get(kit.url(path)), kit.http.post(kit.url(path)), kit.http.put(kit.url(path))]
        {
            let response = request.basic_auth(canary, Some(canary)).send().await.unwrap();
            let headers = format!("{:?}", response.headers());
            let text = headers + &response.text().await.unwrap();
            assert!(!text.contains(canary), "{text}");
        }
    }
    assert!(!kit.stored().await.contains(kit.server.token.expose()));
    assert!(!format!("{:?}", kit.server.token).contains(kit.server.token.expose()));
}
