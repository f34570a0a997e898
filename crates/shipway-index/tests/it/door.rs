//! What an upload is judged by besides its file: all problems at once, names, limits, time, tokens, siblings.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shipway_index::{Action, Clock, Config, Phase, TokenBounds, TokenSpec, Upstream, parse_duration};

use crate::kit::{Dist, Kit, answer, config, form, metadata, sdist, session, wheel, wheel_of, wheel_with};

const DAY: i64 = 86_400;

/// A clock that tests move.
fn clock() -> (Arc<AtomicI64>, Clock) {
    let seconds = Arc::new(AtomicI64::new(1_900_000_000));
    let shown = seconds.clone();
    (seconds, Clock::new(move || jiff::Timestamp::from_second(shown.load(Ordering::SeqCst)).unwrap()))
}

/// Asserts a refusal that says something and leaves nothing.
async fn refused(kit: &Kit, before: &str, response: Response, status: u16, says: &str) {
    let (found, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(found, status, "{text}");
    assert!(text.contains(says), "{says}: {text}");
    assert_eq!(kit.stored().await, before, "{text}");
}

async fn taken(response: Response) -> String {
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn i5_form_name_digest_and_file_are_judged_together() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let members = vec![("demo/__init__.py".to_owned(), b"A = 1\n".to_vec())];
    let forge = |rows: String| rows.replacen("sha256=", "sha256=x", 1);
    let dist = wheel_of(("demo", "1.0", "py3-none-any"), metadata("demo", "1.0"), members, forge);
    let wrong = form(
        &dist,
        &[
            ("name", "other"),
            ("summary", "two\nlines"),
            ("requires_python", ">=3.9"),
            ("pyversion", "cp39"),
            ("metadata_version", "2.0"),
            ("sha256_digest", &"0".repeat(64)),
        ],
    );
    let request = kit.request(Method::POST, "/dev/").header("accept", "application/json");
    let (status, body) = answer(request.multipart(wrong).send().await.unwrap()).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(kit.stored().await, before);
    let errors = body["errors"].as_array().unwrap();
    let has = |id: &str, field: &str| {
        errors.iter().any(|error| error["id"] == id && (field.is_empty() || error["field"] == field))
    };
    for (id, field) in [
        ("form", "summary"),
        ("form", "pyversion"),
        ("form", "metadata_version"),
        ("digest", "sha256_digest"),
        ("filename", "content"),
        ("metadata", "requires_python"),
        ("metadata", "Name"),
        ("record-hash-97", ""),
    ] {
        assert!(has(id, field), "{id} {field}: {body}");
    }
    // A field that is wrong by itself is not compared as well.
    assert_eq!(errors.iter().filter(|error| error["field"] == "summary").count(), 1, "{body}");
}

#[tokio::test]
async fn i5_the_file_is_judged_where_the_form_names_no_version() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let dist = Dist { bytes: b"PK\x03\x04 and no more".to_vec(), ..wheel("demo", "1.0", "a") };
    let response = kit.send_form(form(&dist, &[("version", "")]), kit.server.token.expose(), "/dev/").await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("`version` is missing") && text.lines().count() > 1, "{text}");
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn i5_a_form_that_disagrees_with_its_file_is_refused() {
    for dist in [wheel("demo", "1.0", "a"), sdist("demo", "1.0", "a")] {
        let kit = Kit::new().await;
        let before = kit.stored().await;
        let wrong = form(&dist, &[("summary", "Another"), ("license_expression", "MIT")]);
        let response = kit.send_form(wrong, kit.server.token.expose(), "/dev/").await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 400, "{text}");
        assert!(text.contains("Summary `A demo`, the upload says `Another`"), "{text}");
        assert!(text.contains("License-Expression"), "{text}");
        assert_eq!(kit.stored().await, before);
        let right = form(&dist, &[("summary", "A demo"), ("requires_python", ">= 3.8")]);
        taken(kit.send_form(right, kit.server.token.expose(), "/dev/").await).await;
    }
}

#[tokio::test]
async fn i5_a_channel_takes_the_versions_that_it_says() {
    let kit = Kit::new().await;
    let admin = kit.admin().await;
    let dev = "dev".parse().unwrap();
    assert!(admin.set_channel_refuses(&dev, &[Phase::Pre, Phase::Dev]).await.unwrap());
    assert!(!admin.set_channel_refuses(&dev, &[Phase::Dev, Phase::Pre]).await.unwrap());
    let before = kit.stored().await;
    for (version, what) in [("1.0rc1", "pre-releases"), ("1.0.dev1", "development releases")] {
        let response = kit.upload(&wheel("demo", version, "a")).await;
        refused(&kit, &before, response, 400, &format!("`dev` takes no {what}")).await;
        let (status, body) =
            kit.post("/api/v1/sessions", session("demo", version, &[wheel("demo", version, "a")])).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(kit.stored().await, before);
    }
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
    admin.set_channel_refuses(&dev, &[]).await.unwrap();
    admin.set_channel_refuses(&"staging".parse().unwrap(), &[Phase::Pre]).await.unwrap();
    admin.close().await;
    taken(kit.upload(&wheel("demo", "1.1rc1", "a")).await).await;
    let (status, body) = kit.promote("demo", "1.1rc1", "staging").await;
    assert_eq!(status, 422, "{body}");
    assert!(body["message"].as_str().unwrap().contains("takes no pre-releases"), "{body}");
}

#[tokio::test]
async fn i5_reserved_and_prohibited_names_are_refused_until_they_are_created() {
    for (name, says) in [("json", "standard library"), ("secret_name", "does not allow")] {
        let kit = Kit::with(|config| config.names.prohibited = vec!["Secret.Name".parse().unwrap()]).await;
        let before = kit.stored().await;
        let dist = wheel_of(
            (name, "1.0", "py3-none-any"),
            metadata(name, "1.0"),
            vec![(format!("{name}_x/__init__.py"), b"A = 1\n".to_vec())],
            |rows| rows,
        );
        refused(&kit, &before, kit.upload(&dist).await, 400, says).await;
        let (status, body) =
            kit.post("/api/v1/sessions", session(name, "1.0", std::slice::from_ref(&dist))).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(kit.stored().await, before);
        let admin = kit.admin().await;
        assert!(admin.create_project(&name.parse().unwrap()).await.unwrap());
        assert!(!admin.create_project(&name.parse().unwrap()).await.unwrap());
        admin.close().await;
        assert_eq!(kit.listed("dev", &name.replace('_', "-")).await, None, "a claim is no page");
        taken(kit.upload(&dist).await).await;
    }
}

#[tokio::test]
async fn i5_a_name_that_looks_like_another_is_refused() {
    let kit = Kit::new().await;
    taken(kit.upload(&wheel("pilot_tool", "1.0", "a")).await).await;
    let before = kit.stored().await;
    for name in ["pi1ot_tool", "pllot_t00l", "pilottool", "pilot_too1"] {
        let response = kit.upload(&wheel(name, "1.0", "a")).await;
        refused(&kit, &before, response, 400, "looks too much like `pilot-tool`").await;
    }
    taken(kit.upload(&wheel("pilot_tools", "1.0", "a")).await).await;
    taken(kit.upload(&wheel("pilot_tool", "1.1", "a")).await).await;
}

#[tokio::test]
async fn i5_a_namespace_is_for_its_owners() {
    let kit = Kit::new().await;
    taken(kit.upload(&wheel("acme_old", "1.0", "a")).await).await;
    let admin = kit.admin().await;
    let owner = kit.token("lab", &[], &[], &[Action::Upload]).await;
    assert!(admin.set_namespace(&"Acme".parse().unwrap(), &["lab".to_owned()]).await.unwrap());
    assert_eq!(admin.namespaces().await.unwrap(), [("acme".to_owned(), vec!["lab".to_owned()])]);
    let before = kit.stored().await;
    for name in ["acme", "acme_new"] {
        refused(&kit, &before, kit.upload(&wheel(name, "1.0", "a")).await, 403, "belongs to `lab`").await;
    }
    let (status, body) =
        kit.post("/api/v1/sessions", session("acme_new", "1.0", &[wheel("acme_new", "1.0", "a")])).await;
    assert_eq!((status, body["code"].as_str()), (403, Some("name-refused")), "{body}");
    // What was there stays with whoever made it, and other names are nobody's.
    taken(kit.upload(&wheel("acme_old", "1.1", "a")).await).await;
    taken(kit.upload(&wheel("acmelab", "1.0", "a")).await).await;
    taken(kit.upload_as(&wheel("acme_new", "1.0", "a"), owner.expose(), "/dev/").await).await;
    assert!(admin.set_namespace(&"acme".parse().unwrap(), &[]).await.unwrap());
    admin.close().await;
    taken(kit.upload(&wheel("acme_more", "1.0", "a")).await).await;
}

#[tokio::test]
async fn i5_projects_are_created_first_where_the_index_says_so() {
    let kit = Kit::with(|config| config.names.auto_create = false).await;
    let before = kit.stored().await;
    refused(&kit, &before, kit.upload(&wheel("demo", "1.0", "a")).await, 403, "no project `demo`").await;
    let admin = kit.admin().await;
    admin.create_project(&"demo".parse().unwrap()).await.unwrap();
    admin.close().await;
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
}

#[tokio::test]
async fn i5_a_name_that_came_from_upstream_is_claimed_first_where_the_index_says_so() {
    let far = Kit::new().await;
    let dist = wheel("library", "1.0", "far");
    taken(far.upload(&dist).await).await;
    let url = far.url("/dev/simple/");
    let near = Kit::with(|config| {
        config.upstream = Upstream::Url(url);
        config.names.require_claim = true;
    })
    .await;
    near.json("/dev/simple/library/").await;
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    assert_eq!(near.get(&path).send().await.unwrap().status(), 200);
    let before = near.stored().await;
    let own = wheel("library", "2.0", "near");
    refused(&near, &before, near.upload(&own).await, 422, "claims the name first").await;
    taken(near.upload(&wheel("other", "1.0", "near")).await).await;
    let admin = near.admin().await;
    admin.create_project(&"library".parse().unwrap()).await.unwrap();
    admin.close().await;
    taken(near.upload(&own).await).await;
}

#[tokio::test]
async fn i5_files_and_projects_have_limits_of_their_own() {
    let size = wheel("demo", "1.0", "a").bytes.len() as u64;
    let kit = Kit::with(|config| {
        config.limits.project_file = size;
        config.limits.project_total = 2 * size;
    })
    .await;
    let before = kit.stored().await;
    let large = wheel("demo", "1.0", "more than that");
    refused(&kit, &before, kit.upload(&large).await, 413, &format!("limit of {size} bytes")).await;
    let (status, body) =
        kit.post("/api/v1/sessions", session("demo", "1.0", std::slice::from_ref(&large))).await;
    assert_eq!((status, body["code"].as_str()), (413, Some("too-large")), "{body}");
    assert_eq!(kit.stored().await, before);
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
    taken(kit.upload(&wheel("demo", "1.1", "a")).await).await;
    let before = kit.stored().await;
    let third = wheel("demo", "1.2", "a");
    let says = format!("holds {} bytes, with {size} more", 2 * size);
    refused(&kit, &before, kit.upload(&third).await, 413, &says).await;
    // What is there already is no more.
    taken(kit.upload(&wheel("demo", "1.1", "a")).await).await;
    let name = "demo".parse().unwrap();
    let admin = kit.admin().await;
    assert!(admin.set_project_limits(&name, Some(2 * size), Some(10 * size)).await.unwrap());
    assert!(!admin.set_project_limits(&name, Some(2 * size), Some(10 * size)).await.unwrap());
    assert_eq!(admin.project(&name).await.unwrap().used, 2 * size);
    taken(kit.upload(&third).await).await;
    taken(kit.upload(&wheel("demo", "1.3", "more than that")).await).await;
    assert!(admin.set_project_limits(&"nosuch".parse().unwrap(), None, None).await.is_err());
    admin.close().await;
}

#[tokio::test]
async fn i5_a_release_is_closed_some_time_after_its_first_file() {
    let (seconds, clock) = clock();
    let kit = Kit::with(|config| config.clock = clock).await;
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
    seconds.fetch_add(13 * DAY, Ordering::SeqCst);
    taken(kit.upload(&wheel_with("demo", "1.0", "cp312-none-any", "b")).await).await;
    seconds.fetch_add(2 * DAY, Ordering::SeqCst);
    let before = kit.stored().await;
    let late = wheel_with("demo", "1.0", "cp313-none-any", "c");
    refused(&kit, &before, kit.upload(&late).await, 422, "takes no further files since 2030-").await;
    let both = [wheel("demo", "1.0", "a"), wheel_with("demo", "1.0", "cp312-none-any", "b"), late];
    let (status, body) = kit.post("/api/v1/sessions", session("demo", "1.0", &both)).await;
    assert_eq!((status, body["code"].as_str()), (422, Some("release-conflict")), "{body}");
    assert_eq!(kit.stored().await, before);
    // The same bytes are still success, and a new version is open.
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
    taken(kit.upload(&wheel("demo", "1.1", "a")).await).await;
}

#[tokio::test]
async fn i5_new_projects_are_counted() {
    let (seconds, clock) = clock();
    let kit = Kit::with(|config| {
        config.clock = clock;
        config.limits.new_projects_per_day = NonZeroU32::new(2);
    })
    .await;
    taken(kit.upload(&wheel("one", "1.0", "a")).await).await;
    seconds.fetch_add(3600, Ordering::SeqCst);
    taken(kit.upload(&wheel("two", "1.0", "a")).await).await;
    taken(kit.upload(&wheel("two", "1.1", "a")).await).await;
    let before = kit.stored().await;
    let response = kit.upload(&wheel("three", "1.0", "a")).await;
    assert_eq!(response.headers()["retry-after"], (DAY - 3600 + 1).to_string().as_str());
    refused(&kit, &before, response, 429, "more than 2 new projects in a day").await;
    let other = kit.token("other", &[], &[], &[Action::Upload]).await;
    taken(kit.upload_as(&wheel("three", "1.0", "a"), other.expose(), "/dev/").await).await;
    seconds.fetch_add(DAY - 3600 + 1, Ordering::SeqCst);
    taken(kit.upload(&wheel("four", "1.0", "a")).await).await;
}

async fn bounded(kit: &Kit, config: &Config, name: &str, bounds: TokenBounds) -> String {
    let admin = shipway_index::Admin::open(config).await.unwrap();
    let spec = TokenSpec {
        name: name.into(),
        projects: vec![],
        channels: vec![],
        actions: vec![Action::Upload, Action::Yank],
        expires: Some(parse_duration("30d").unwrap()),
    };
    let token = admin.create_bounded_token(&spec, bounds).await.unwrap();
    admin.close().await;
    assert!(!kit.stored().await.contains(token.expose()));
    token.expose().to_owned()
}

#[tokio::test]
async fn i5_a_token_holds_from_its_time_on_and_as_often_as_it_says() {
    let (seconds, clock) = clock();
    let kit = Kit::with(|config| config.clock = clock.clone()).await;
    let mut config = config(kit.folder.path());
    config.clock = clock.clone();
    let not_before = clock.now().checked_add(parse_duration("1h").unwrap()).unwrap();
    let bounds = TokenBounds { not_before: Some(not_before), uses: NonZeroU32::new(1) };
    let token = bounded(&kit, &config, "once", bounds).await;
    let before = kit.stored().await;
    let first = wheel("demo", "1.0", "a");
    let early = kit.upload_as(&first, &token, "/dev/").await;
    refused(&kit, &before, early, 401, "does not hold before 2030-").await;
    seconds.fetch_add(3600, Ordering::SeqCst);
    taken(kit.upload_as(&first, &token, "/dev/").await).await;
    // An answer that got lost: the same bytes again change nothing and use nothing.
    taken(kit.upload_as(&first, &token, "/dev/").await).await;
    let before = kit.stored().await;
    let second = kit.upload_as(&wheel("demo", "1.1", "a"), &token, "/dev/").await;
    refused(&kit, &before, second, 403, "limited to 1 use, all made; this needs one more").await;
    let yank = json!({ "project": "demo", "version": "1.0", "set": true });
    let request = kit.http.post(kit.url("/api/v1/yanks")).bearer_auth(&token).json(&yank);
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!((status, body["code"].as_str()), (403, Some("token-scope")), "{body}");
    assert_eq!(kit.stored().await, before);
    let admin = kit.admin().await;
    let tokens = admin.tokens().await.unwrap();
    assert_eq!(tokens.iter().find(|token| token.name == "once").unwrap().uses, Some((1, 1)));
    admin.close().await;
}

#[tokio::test]
async fn i5_two_uploads_at_once_cannot_share_one_use() {
    let kit = Kit::new().await;
    let bounds = TokenBounds { not_before: None, uses: NonZeroU32::new(1) };
    let token = bounded(&kit, &config(kit.folder.path()), "once", bounds).await;
    let dists: Vec<_> = (0..4).map(|at| wheel(&format!("demo{at}"), "1.0", "a")).collect();
    let uploads = dists.iter().map(|dist| kit.upload_as(dist, &token, "/dev/"));
    let statuses: Vec<u16> =
        futures_util::future::join_all(uploads).await.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 3, "{statuses:?}");
    assert_eq!(crate::kit::blobs(kit.folder.path()).len(), 1);
}

/// A wheel with its own metadata, and modules.
fn wheel_saying(name: &str, tag: &str, metadata: Vec<u8>, modules: &[&str]) -> Dist {
    let module = |path: &&str| ((*path).to_owned(), format!("A = \"{tag}\"\n").into_bytes());
    wheel_of((name, "1.0", tag), metadata, modules.iter().map(module).collect(), |rows| rows)
}

fn asking(python: &str) -> Vec<u8> {
    String::from_utf8(metadata("demo", "1.0")).unwrap().replace(">=3.8", python).into_bytes()
}

#[tokio::test]
async fn i5_a_wheel_says_what_the_sdist_of_its_release_promises() {
    let kit = Kit::new().await;
    taken(kit.upload(&sdist("demo", "1.0", "a")).await).await;
    let before = kit.stored().await;
    let other = wheel_saying("demo", "py3-none-any", asking(">=3.10"), &["demo/__init__.py"]);
    let sent = form(&other, &[("requires_python", ">=3.10")]);
    let response = kit.send_form(sent, kit.server.token.expose(), "/dev/").await;
    refused(&kit, &before, response, 422, "`requires-python` is `>=3.8` in the sdist, `>=3.10` in the wheel")
        .await;
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;

    // The sdist may be the one that comes last, and both may come in a session.
    let late = Kit::new().await;
    taken(
        late.send_form(form(&other, &[("requires_python", "")]), late.server.token.expose(), "/dev/").await,
    )
    .await;
    let before = late.stored().await;
    refused(&late, &before, late.upload(&sdist("demo", "1.0", "a")).await, 422, "in the sdist").await;

    let whole = Kit::new().await;
    let files = [sdist("demo", "1.0", "a"), other];
    let (_, begun) = whole.post("/api/v1/sessions", session("demo", "1.0", &files)).await;
    let id = begun["id"].as_str().unwrap();
    assert_eq!(whole.put(id, &files[0]).await.0, 200);
    let before = whole.stored().await;
    let (status, body) = whole.put(id, &files[1]).await;
    assert_eq!((status, body["code"].as_str()), (422, Some("release-conflict")), "{body}");
    assert_eq!(body["errors"][0]["id"], "static-field-111", "{body}");
    assert_eq!(whole.stored().await, before);
}

#[tokio::test]
async fn i5_wheels_of_one_release_that_differ_are_warned_of() {
    let kit = Kit::new().await;
    assert!(!taken(kit.upload(&wheel("demo", "1.0", "a")).await).await.contains("differs from"));
    let other = wheel_saying("demo", "cp312-none-any", asking(">=3.10"), &["demo/__init__.py"]);
    let sent = form(&other, &[("requires_python", ""), ("pyversion", "cp312")]);
    let text = taken(kit.send_form(sent, kit.server.token.expose(), "/dev/").await).await;
    assert!(
        text.contains("warning: Requires-Python differs from that of `demo-1.0-py3-none-any.whl`"),
        "{text}"
    );
}

#[tokio::test]
async fn i5_a_module_of_another_project_is_warned_of() {
    let kit = Kit::new().await;
    taken(kit.upload(&wheel("demo", "1.0", "a")).await).await;
    let clashing =
        wheel_saying("rival", "py3-none-any", metadata("rival", "1.0"), &["demo/__init__.py", "single.py"]);
    let text = taken(kit.upload(&clashing).await).await;
    assert!(text.contains("warning: `demo` installs `demo` too"), "{text}");
    // A folder without an `__init__` is a namespace, which projects share.
    let sharing =
        wheel_saying("third", "py3-none-any", metadata("third", "1.0"), &["demo/third.py", "own.py"]);
    assert!(!taken(kit.upload(&sharing).await).await.contains("too;"));
    let single = wheel_saying("fourth", "py3-none-any", metadata("fourth", "1.0"), &["single.py"]);
    let (_, begun) =
        kit.post("/api/v1/sessions", session("fourth", "1.0", std::slice::from_ref(&single))).await;
    let (_, body): (u16, Value) = kit.put(begun["id"].as_str().unwrap(), &single).await;
    assert!(body["warnings"].to_string().contains("`rival` installs `single` too"), "{body}");
}

#[tokio::test]
async fn i5_what_is_ignored_of_a_form_is_said() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    let odd = form(&dist, &[("sumary", "x"), ("gpg_signature", "y"), ("author", "UNKNOWN")]);
    let text = taken(kit.send_form(odd, kit.server.token.expose(), "/dev/").await).await;
    assert!(text.contains("warning: the form field `sumary` is ignored"), "{text}");
    assert!(text.contains("warning: `gpg_signature` is not stored"), "{text}");
    // `UNKNOWN` is nothing: the file has no author, and the form is not said to disagree.
    assert!(!text.contains("author"), "{text}");
}

#[tokio::test]
async fn i5_every_section_of_the_checks_runs_at_the_door() {
    let kit = Kit::new().await;
    let before = kit.stored().await;
    let appended = |dist: Dist, more: &[u8]| Dist { bytes: [&dist.bytes, more].concat(), ..dist };
    let end_of_zip = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    let forge = |rows: String| rows.replacen("demo/__init__.py", "demo/other.py", 1);
    let members = vec![("demo/__init__.py".to_owned(), b"A = 1\n".to_vec())];
    let forged = wheel_of(("demo", "1.0", "py3-none-any"), metadata("demo", "1.0"), members, forge);
    let renamed = Dist { filename: "other-1.0.tar.gz".into(), ..sdist("demo", "1.0", "a") };
    for (dist, id) in [
        (wheel_with("demo", "1.0", "py3-none", "a"), "filename-wheel-55"),
        (appended(sdist("demo", "1.0", "a"), &end_of_zip), "file-polyglot-72"),
        (appended(wheel("demo", "1.0", "a"), b"more"), "zip-end-79"),
        (forged, "record-unlisted-96"),
        (renamed, "sdist-top-105"),
    ] {
        let request = kit.request(Method::POST, "/dev/").header("accept", "application/json");
        let (status, body) = answer(request.multipart(form(&dist, &[])).send().await.unwrap()).await;
        assert_eq!((status, body["code"].as_str()), (400, Some("invalid-distribution")), "{body}");
        assert!(body["errors"].as_array().unwrap().iter().any(|error| error["id"] == id), "{id}: {body}");
        assert_eq!(kit.stored().await, before, "{id}");
    }
}
