//! The legacy upload API.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use shipway_index::{Action, Faults};

use crate::kit::{Dist, Kit, answer, blobs, form, sdist, wheel, wheel_with};

/// What clients' "skip existing" options take for success (clients.md).
const SKIPPED: [&str; 5] =
    ["already exist", "updating asset", "cannot be updated", "already been taken", "overwrite artifact"];

#[tokio::test]
async fn f3_identical_reupload_is_success_other_bytes_refused() {
    let kit = Kit::new().await;
    let first = wheel("demo", "1.0", "a");
    let response = kit.upload(&first).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), std::slice::from_ref(&first.filename));

    let before = kit.stored().await;
    let response = kit.upload(&first).await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("already present"));
    assert_eq!(kit.stored().await, before);

    let other = wheel("demo", "1.0", "b");
    let response = kit.upload(&other).await;
    assert_eq!(response.status(), 422);
    let text = response.text().await.unwrap();
    assert!(text.contains(&first.sha256().to_hex()) && text.contains(&other.sha256().to_hex()), "{text}");
    assert!(SKIPPED.iter().all(|phrase| !text.to_lowercase().contains(phrase)), "{text}");
    assert_eq!(kit.stored().await, before);
    let body = kit.get(&format!("/files/{}/{}", first.sha256(), first.filename)).send().await.unwrap();
    assert_eq!(body.bytes().await.unwrap(), first.bytes);
}

#[tokio::test]
async fn i1_every_upload_path_is_taken_without_redirect() {
    let kit = Kit::new().await;
    for (at, path) in ["/dev/", "/dev", "/dev/legacy/", "/dev/legacy"].into_iter().enumerate() {
        let dist = wheel("demo", &format!("1.{at}"), "a");
        assert_eq!(kit.upload_as(&dist, kit.server.token.expose(), path).await.status(), 200, "{path}");
    }
    let response = kit.upload(&sdist("demo", "1.0", "a")).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
}

#[tokio::test]
async fn i1_content_may_come_first_and_bearer_is_an_identity() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    let mut reversed =
        Form::new().part("content", Part::bytes(dist.bytes.clone()).file_name(dist.filename.clone()));
    for (name, value) in [
        ("name", "demo"),
        ("version", "1.0"),
        ("filetype", "bdist_wheel"),
        ("pyversion", "py3"),
        ("metadata_version", "2.1"),
        ("sha256_digest", &dist.sha256().to_hex()),
    ] {
        reversed = reversed.text(name.to_owned(), value.to_owned());
    }
    let request = kit.request(Method::POST, "/dev/?:action=file_upload").multipart(reversed);
    let (status, body) = answer(request.header("accept", "application/json").send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["sha256"], dist.sha256().to_hex());
}

#[tokio::test]
async fn i5_a_refused_upload_leaves_no_row_no_blob_no_name() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let good = wheel("demo", "1.0", "a");
    let renamed = |filename: &str| Dist { filename: filename.into(), ..good.clone() };
    let sha256 = good.sha256().to_hex();
    let zeros = "0".repeat(64);
    let cases: Vec<(&str, Form, u16)> = vec![
        ("digest", form(&good, &[("sha256_digest", &zeros)]), 400),
        ("blake2", form(&good, &[("blake2_256_digest", &zeros)]), 400),
        ("md5", form(&good, &[("md5_digest", &zeros[..32])]), 400),
        ("name", form(&good, &[("name", "other")]), 400),
        ("version", form(&good, &[("version", "2.0")]), 400),
        ("no version", form(&good, &[("version", "1.x")]), 400),
        ("filetype", form(&good, &[("filetype", "sdist")]), 400),
        ("egg", form(&good, &[("filetype", "bdist_egg")]), 400),
        ("action", form(&good, &[(":action", "submit")]), 410),
        ("no action", form(&good, &[(":action", "")]), 400),
        ("protocol", form(&good, &[("protocol_version", "2")]), 400),
        ("NUL", form(&good, &[("summary", "a\0b")]), 400),
        ("no digest", form(&good, &[("sha256_digest", "")]), 400),
        ("zip", form(&renamed("demo-1.0.zip"), &[("version", "1.0")]), 400),
        (
            "path",
            form(&renamed("../demo-1.0-py3-none-any.whl"), &[("name", "demo"), ("version", "1.0")]),
            400,
        ),
        ("case", form(&renamed("Demo-1.0-py3-none-any.whl"), &[]), 400),
        ("no zip", form(&Dist { bytes: b"\x89PNG".into(), ..good.clone() }, &[]), 400),
        ("twice", form(&good, &[]).text("name", "demo"), 400),
        ("no file", Form::new().text(":action", "file_upload").text("name", "demo"), 400),
        ("text file", form(&good, &[]).part("summary", Part::bytes(b"x".to_vec()).file_name("x")), 400),
        ("content text", Form::new().text(":action", "file_upload").text("content", sha256), 400),
    ];
    for (what, form, status) in cases {
        let response = kit.send_form(form, kit.server.token.expose(), "/dev/").await;
        assert_eq!(response.status(), status, "{what}: {}", response.text().await.unwrap());
        assert_eq!(kit.stored().await, before, "{what}");
        assert_eq!(kit.listed("dev", "demo").await, None, "{what}");
    }
}

#[tokio::test]
async fn i5_all_problems_come_at_once_in_the_form_that_was_asked_for() {
    let kit = Kit::new().await;
    let bad =
        || form(&wheel("demo", "1.0", "a"), &[("version", "1.x"), ("filetype", "egg"), ("summary", "a\nb")]);
    let send = |accept: &'static str| {
        kit.request(Method::POST, "/dev/").header("accept", accept).multipart(bad()).send()
    };
    let response = send("application/json").await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["code"], "invalid-distribution");
    assert!(body["message"].is_string() && body["title"].is_string());
    assert_eq!(body["errors"].as_array().unwrap().len(), 3, "{body}");
    let response = send("application/problem+json").await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    // The last is what uv sends: it would show the code alone of a document, and shows all of a text.
    for accept in ["*/*", "application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7"] {
        let response = send(accept).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.text().await.unwrap().lines().count(), 3);
    }
}

#[tokio::test]
async fn i5_the_reason_phrase_says_why() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let kit = Kit::new().await;
    let mut stream = tokio::net::TcpStream::connect(kit.server.running.addr()).await.unwrap();
    let head = format!(
        "POST /dev/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        kit.server.token.expose()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 415 expected `multipart/form-data`"), "{text}");
}

#[tokio::test]
async fn i1_a_post_to_a_simple_page_names_the_upload_url() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    for path in ["/dev/simple/", "/dev/simple", "/dev/+simple/", "/dev/simple/demo/"] {
        let response = kit.upload_as(&dist, kit.server.token.expose(), path).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        assert!(response.text().await.unwrap().contains("`/dev/`"), "{path}");
    }
}

#[tokio::test]
async fn a_channel_that_takes_none_refuses_uploads() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let response = kit.upload_as(&wheel("demo", "1.0", "a"), kit.server.token.expose(), "/stable/").await;
    assert_eq!(response.status(), 403);
    assert!(response.text().await.unwrap().contains("`dev`"));
    assert_eq!(kit.stored().await, before);
    let response = kit.upload_as(&wheel("demo", "1.0", "a"), kit.server.token.expose(), "/nosuch/").await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn i6_one_release_has_one_sdist_and_bytes_have_one_name() {
    let kit = Kit::new().await;
    assert_eq!(kit.upload(&sdist("demo", "1.0", "a")).await.status(), 200);
    assert_eq!(kit.upload(&wheel("demo", "1.0", "a")).await.status(), 200);
    let before = kit.stored().await;
    // 1.0 and 1.0.0 are one release (PEP 440).
    let second = kit.upload(&sdist("demo", "1.0.0", "b")).await;
    assert_eq!(second.status(), 422, "{}", second.text().await.unwrap());
    let copy = Dist { filename: "demo-1.0-py2-none-any.whl".into(), ..wheel("demo", "1.0", "a") };
    assert_eq!(kit.upload(&copy).await.status(), 422);
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.upload(&wheel_with("demo", "1.0.0", "cp312-none-any", "c")).await.status(), 200);
    assert_eq!(kit.project("demo").await["releases"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn g8_a_filename_is_never_free_again_after_removal() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    kit.upload(&wheel("demo", "1.1", "a")).await;
    let admin = kit.admin().await;
    admin.remove_file(&dist.filename, "court order").await.unwrap();
    assert!(admin.remove_file(&dist.filename, "again").await.is_err());
    admin.close().await;
    assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), 1);
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().status(), 410);
    assert_eq!(blobs(kit.folder.path()).len(), 1);
    let before = kit.stored().await;
    for again in [dist, wheel("demo", "1.0", "b")] {
        let response = kit.upload(&again).await;
        assert_eq!(response.status(), 422);
        let text = response.text().await.unwrap();
        assert!(text.contains("never free again"), "{text}");
        assert!(SKIPPED.iter().all(|phrase| !text.to_lowercase().contains(phrase)), "{text}");
    }
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn a_full_disk_is_507_and_leaves_nothing() {
    let kit =
        Kit::with(|config| config.faults = Faults { disk_full_after: Some(100), ..Faults::default() }).await;
    let before = kit.stored().await;
    let (status, body) = answer(
        kit.request(Method::POST, "/dev/")
            .header("accept", "application/json")
            .multipart(form(&wheel("demo", "1.0", "a"), &[]))
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!((status, body["code"].as_str()), (507, Some("storage-full")), "{body}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn an_upload_larger_than_the_limit_is_413() {
    let kit = Kit::with(|config| config.limits.file_size = 300).await;
    let before = kit.stored().await;
    let response = kit.upload(&wheel("demo", "1.0", "a")).await;
    assert_eq!(response.status(), 413);
    assert!(response.text().await.unwrap().contains("300"));
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn local_versions_stay_in_the_channel_that_takes_them() {
    let kit = Kit::with(|config| {
        config.channels = vec![shipway_index::ChannelConfig {
            name: "only".parse().unwrap(),
            accepts_uploads: true,
            local_versions: false,
        }];
    })
    .await;
    let response = kit.upload_as(&wheel("demo", "1.0+abc", "a"), kit.server.token.expose(), "/only/").await;
    assert_eq!(response.status(), 400);
    let other = Kit::new().await;
    let dist = wheel("demo", "1.0+abc", "a");
    assert_eq!(other.upload(&dist).await.status(), 200);
    let page = other.json("/dev/simple/demo/").await;
    assert!(page["files"][0]["url"].as_str().unwrap().ends_with("demo-1.0%2Babc-py3-none-any.whl"));
    for filename in ["demo-1.0%2Babc-py3-none-any.whl", "demo-1.0+abc-py3-none-any.whl"] {
        let path = format!("/files/{}/{filename}", dist.sha256());
        assert_eq!(other.get(&path).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn i8_tokens_are_limited_expire_and_are_revoked() {
    let kit = Kit::new().await;
    let demo = wheel("demo", "1.0", "a");
    let good = kit.token("good", &["demo"], &["dev"], &[Action::Upload]).await;
    let before = kit.stored().await;
    for (name, projects, channels, action) in [
        ("project", &["other"][..], &["dev"][..], Action::Upload),
        ("channel", &["demo"], &["stable"], Action::Upload),
        ("action", &["demo"], &["dev"], Action::Read),
    ] {
        let token = kit.token(name, projects, channels, &[action]).await;
        let before = kit.stored().await;
        let response = kit.upload_as(&demo, token.expose(), "/dev/").await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 403, "{name}: {text}");
        assert!(text.contains("limited to") && text.contains("needs"), "{text}");
        assert!(!text.contains(token.expose()));
        assert_eq!(kit.stored().await, before);
    }
    drop(before);
    let response = kit.upload_as(&demo, "shipway_nosuch_token", "/dev/").await;
    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
    assert!(response.text().await.unwrap().contains("unknown"));

    assert_eq!(kit.upload_as(&demo, good.expose(), "/dev/").await.status(), 200);
    let admin = kit.admin().await;
    admin.revoke_token("good").await.unwrap();
    let response = kit.upload_as(&wheel("demo", "1.1", "a"), good.expose(), "/dev/").await;
    assert_eq!(response.status(), 401);
    assert!(response.text().await.unwrap().contains("revoked"));
    assert!(!kit.stored().await.contains(good.expose()));
    assert_eq!(admin.tokens().await.unwrap().len(), 4);
    admin.close().await;
}

#[tokio::test]
async fn i8_an_expired_token_says_so() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    let seconds = Arc::new(AtomicI64::new(1_900_000_000));
    let clock = {
        let seconds = seconds.clone();
        shipway_index::Clock::new(move || {
            jiff::Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap()
        })
    };
    let kit = Kit::with(|config| config.clock = clock.clone()).await;
    let mut config = crate::kit::config(kit.folder.path());
    config.clock = clock;
    let admin = shipway_index::Admin::open(&config).await.unwrap();
    let spec = shipway_index::TokenSpec {
        name: "ci".into(),
        projects: vec![],
        channels: vec![],
        actions: vec![Action::Upload],
        expires: Some(shipway_index::parse_duration("30d").unwrap()),
    };
    let token = admin.create_token(&spec).await.unwrap();
    assert_eq!(kit.upload_as(&wheel("demo", "1.0", "a"), token.expose(), "/dev/").await.status(), 200);
    seconds.fetch_add(31 * 86_400, Ordering::SeqCst);
    let response = kit.upload_as(&wheel("demo", "1.1", "a"), token.expose(), "/dev/").await;
    assert_eq!(response.status(), 401);
    assert!(response.text().await.unwrap().contains("expired"));
    admin.close().await;
}

#[tokio::test]
async fn an_upload_is_on_the_page_when_it_is_acknowledged() {
    let kit = Kit::new().await;
    for at in 0..10 {
        let dist = wheel("demo", &format!("1.{at}"), "a");
        assert_eq!(kit.upload(&dist).await.status(), 200);
        assert_eq!(kit.listed("dev", "demo").await.unwrap().len(), at + 1);
    }
    let list = kit.json("/dev/simple/").await;
    assert_eq!(list["projects"][0]["name"], "demo");
}
