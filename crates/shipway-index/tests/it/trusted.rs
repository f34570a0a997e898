//! Trusted publishing: the identity of a CI job becomes a token (row F10, check 18).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shipway_index::{Action, Clock, IndexError, Publisher};
use shipway_testing::Reply;
use shipway_testing::oidc::Oidc;

use crate::kit::{Kit, answer, wheel};

use super::servers::pair;

const MINT: &str = "/_/oidc/mint-token";

fn claims(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What the jobs of the test issuer say.
fn of_the_job() -> BTreeMap<String, String> {
    let workflow = "team/demo/.github/workflows/publish.yml@*";
    claims(&[("repository", "team/demo"), ("job_workflow_ref", workflow), ("environment", "release")])
}

async fn trust(kit: &Kit, issuer: &Oidc, project: &str) -> Publisher {
    let admin = kit.admin().await;
    let actions = [Action::Upload, Action::Evidence];
    let added = admin.add_publisher(&project.parse().unwrap(), issuer.url(), &of_the_job(), &actions).await;
    admin.close().await;
    added.unwrap().0
}

async fn trusting() -> (Kit, Oidc, Publisher) {
    let (kit, issuer) = (Kit::new().await, Oidc::start(None, None));
    let publisher = trust(&kit, &issuer, "demo").await;
    (kit, issuer, publisher)
}

async fn audience(kit: &Kit) -> String {
    let (status, document) = answer(kit.http.get(kit.url("/_/oidc/audience")).send().await.unwrap()).await;
    assert_eq!(status, 200, "{document}");
    document["audience"].as_str().unwrap().to_owned()
}

async fn mint(kit: &Kit, identity: &str) -> (u16, Value) {
    let request = kit.http.post(kit.url(MINT)).json(&json!({ "token": identity }));
    answer(request.send().await.unwrap()).await
}

async fn minted(kit: &Kit, issuer: &Oidc) -> String {
    let (status, document) = mint(kit, &issuer.identity(&audience(kit).await)).await;
    assert_eq!(status, 200, "{document}");
    document["token"].as_str().unwrap().to_owned()
}

/// A clock, and what sets how many seconds it is ahead.
fn clock() -> (impl Fn(i64), Clock) {
    let ahead = Arc::new(AtomicI64::new(0));
    let shown = ahead.clone();
    let now = move || jiff::Timestamp::now() + jiff::SignedDuration::from_secs(shown.load(Ordering::SeqCst));
    (move |seconds| ahead.store(seconds, Ordering::SeqCst), Clock::new(now))
}

/// How often tokens were minted.
async fn tokens(kit: &Kit) -> usize {
    let admin = kit.admin().await;
    let tokens = admin.tokens().await.unwrap();
    admin.close().await;
    tokens.iter().filter(|token| token.name.starts_with("publisher:")).count()
}

#[tokio::test]
async fn f10_the_identity_of_a_job_becomes_a_token_for_its_project() {
    let (kit, issuer) = (Kit::new().await, Oidc::start(None, None));
    // Nobody is trusted: a client finds out that this is not offered.
    let response = kit.http.get(kit.url("/_/oidc/audience")).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let publisher = trust(&kit, &issuer, "Demo").await;
    assert_eq!((publisher.project.as_str(), publisher.issuer.as_str()), ("demo", issuer.url()));
    let audience = audience(&kit).await;
    assert!(audience.starts_with("shipway:") && audience.len() > 20, "{audience}");
    let (status, document) = mint(&kit, &issuer.identity(&audience)).await;
    assert_eq!((status, &document["success"]), (200, &json!(true)));
    let token = document["token"].as_str().unwrap();
    let holds = document["expires"].as_i64().unwrap() - jiff::Timestamp::now().as_second();
    assert!((890..=900).contains(&holds), "{holds}");
    // A second one beside it.
    assert_eq!(mint(&kit, &issuer.identity(&audience)).await.0, 200);
    let upload =
        async |name: &str| kit.upload_as(&wheel(name, "1.0", "a"), token, "/dev/").await.status().as_u16();
    assert_eq!((upload("demo").await, upload("other").await), (200, 403));
    // It reads what it uploaded, and does nothing else.
    let page = kit.http.get(kit.url("/dev/simple/demo/")).bearer_auth(token).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let yank = json!({ "project": "demo", "version": "1.0", "reason": "bad", "set": true });
    let yanked = kit.http.post(kit.url("/api/v1/yanks")).bearer_auth(token).json(&yank).send().await.unwrap();
    assert_eq!(yanked.status(), 403);
    let stored = kit.stored().await;
    assert!(stored.contains("mint-token") && stored.contains("repo:team/demo:environment:release"));
    assert!(stored.contains(&format!("publisher:{}", publisher.id)) && !stored.contains(token));
}

#[tokio::test]
async fn f10_a_minted_token_ends_with_its_publisher() {
    let (kit, issuer, publisher) = trusting().await;
    let token = minted(&kit, &issuer).await;
    let upload = async |version: &str| {
        kit.upload_as(&wheel("demo", version, "a"), &token, "/dev/").await.status().as_u16()
    };
    assert_eq!(upload("1.0").await, 200);
    let admin = kit.admin().await;
    admin.remove_publisher(&publisher.id).await.unwrap();
    assert!(matches!(admin.remove_publisher(&publisher.id).await, Err(IndexError::NotFound { .. })));
    admin.close().await;
    assert_eq!(upload("1.1").await, 401);
    let (status, document) = mint(&kit, &issuer.identity("shipway:any")).await;
    assert_eq!((status, &document["errors"][0]["code"]), (422, &json!("invalid-publisher")));
}

#[tokio::test]
async fn f10_a_minted_token_expires_and_is_forgotten() {
    let (later, clock) = clock();
    let kit = Kit::with(|config| config.clock = clock).await;
    let issuer = Oidc::start(None, None);
    trust(&kit, &issuer, "demo").await;
    let token = minted(&kit, &issuer).await;
    let upload = async |version: &str| {
        kit.upload_as(&wheel("demo", version, "a"), &token, "/dev/").await.status().as_u16()
    };
    assert_eq!(upload("1.0").await, 200);
    later(899);
    assert_eq!(upload("1.1").await, 200);
    later(901);
    assert_eq!(upload("1.2").await, 401);
    // A day later another one is minted, and the row of the first goes.
    later(90_000);
    let (status, document) = mint(
        &kit,
        &issuer.identity_with(&audience(&kit).await, |claims| {
            claims["exp"] = (jiff::Timestamp::now().as_second() + 90_300).into();
        }),
    )
    .await;
    assert_eq!((status, tokens(&kit).await), (200, 1), "{document}");
}

#[tokio::test]
async fn c18_what_is_wrong_with_an_identity_is_said_and_nothing_is_minted() {
    let (kit, issuer, _) = trusting().await;
    let audience = audience(&kit).await;
    let now = jiff::Timestamp::now().as_second();
    let with = |claim: &'static str, value: Value| {
        issuer.identity_with(&audience, move |claims| claims[claim] = value)
    };
    let good = issuer.identity(&audience);
    let parts: Vec<_> = good.split('.').collect();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = |alg: &str| encode(json!({ "alg": alg, "kid": "key-of-the-test", "typ": "JWT" }));
    let unsigned = format!("{}.{}.", header("none"), parts[1]);
    // Signed with what everybody knows, the public key.
    let shared = format!("{}.{}.{}", header("HS256"), parts[1], parts[2]);
    let stranger = encode(json!({ "alg": "RS256", "kid": "another", "typ": "JWT" }));
    let altered = {
        let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        claims["repository_owner_id"] = "1".into();
        format!("{}.{}.{}", parts[0], encode(claims), parts[2])
    };
    let cases = [
        ("invalid-payload", "no JSON Web Token", "nonsense".to_owned()),
        ("invalid-payload", "too long", format!("{good}{}", "a".repeat(20_000))),
        (
            "invalid-publisher",
            "no project of this index trusts identities of",
            with("iss", json!("https://else.test")),
        ),
        ("invalid-publisher", "no project of this index trusts", with("iss", json!("https://a\u{0}b.test"))),
        ("invalid-publisher", "no project of this index trusts", with("iss", json!(["https://else.test"]))),
        ("invalid-token", "", unsigned),
        ("invalid-token", "HS256", shared),
        ("invalid-token", "signature", altered),
        ("invalid-token", "no such key", format!("{stranger}.{}.{}", parts[1], parts[2])),
        ("invalid-token", "another audience", issuer.identity("pypi")),
        ("invalid-token", "expired", with("exp", json!(now - 60))),
        ("invalid-token", "exp", with("exp", Value::Null)),
        ("invalid-token", "future", with("nbf", json!(now + 120))),
        ("invalid-token", "future", with("iat", json!(now + 120))),
        ("invalid-token", "jti", with("jti", Value::Null)),
        ("invalid-token", "jti", with("jti", json!("a\u{0}b"))),
        (
            "invalid-publisher",
            "no project of this index trusts this job",
            with("repository", json!("evil/demo")),
        ),
        ("invalid-publisher", "expects `environment`", with("environment", json!("test"))),
        ("invalid-publisher", "expects `environment`", with("environment", Value::Null)),
        (
            "invalid-publisher",
            "expects `job_workflow_ref`",
            with("job_workflow_ref", json!("team/demo/.github/workflows/ci.yml@refs/heads/main")),
        ),
        ("invalid-publisher", "`event_name`", with("event_name", json!("pull_request_target"))),
    ];
    for (code, says, identity) in cases {
        let (status, document) = mint(&kit, &identity).await;
        let error = &document["errors"][0];
        assert_eq!((status, &error["code"]), (422, &json!(code)), "{says}: {document}");
        let text = error["description"].as_str().unwrap();
        assert!(text.contains(says), "{says}: {text}");
        assert!(!text.contains(&identity), "{text}");
    }
    // Who is no neighbour of a publisher is not told what it expects.
    let far = issuer.identity_with(&audience, |claims| {
        for claim in ["repository", "job_workflow_ref", "environment"] {
            claims[claim] = "elsewhere".into();
        }
    });
    let text = mint(&kit, &far).await.1.to_string();
    assert!(
        text.contains("no project of this index trusts this job") && !text.contains("team/demo"),
        "{text}"
    );
    let response = kit.http.post(kit.url(MINT)).body("[]").send().await.unwrap();
    let (status, document) = answer(response).await;
    assert_eq!((status, &document["errors"][0]["code"]), (422, &json!("invalid-payload")));
    assert_eq!(tokens(&kit).await, 0);
    // None of them was used up.
    assert_eq!(mint(&kit, &good).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f10_an_identity_is_good_once_whichever_server_is_asked() {
    let ((kit, other), issuer) = (pair().await, Oidc::start(None, None));
    trust(&kit, &issuer, "demo").await;
    assert_eq!(audience(&kit).await, audience(&other).await);
    let identity = issuer.identity(&audience(&kit).await);
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..16 {
        let (kit, identity) = (if at % 2 == 0 { kit.clone() } else { other.clone() }, identity.clone());
        tasks.spawn(async move { mint(&kit, &identity).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1, "{answers:?}");
    let reused = |(status, document): &&(u16, Value)| {
        *status == 422 && document["errors"][0]["code"] == "invalid-reuse-token"
    };
    assert_eq!(answers.iter().filter(reused).count(), 15, "{answers:?}");
    assert_eq!(tokens(&kit).await, 1);
}

#[tokio::test]
async fn f10_an_identity_is_good_once_within_the_leeway_of_clocks_too() {
    let (later, clock) = clock();
    let kit = Kit::with(|config| config.clock = clock).await;
    let issuer = Oidc::start(None, None);
    trust(&kit, &issuer, "demo").await;
    let audience = audience(&kit).await;
    let ends = |after: i64| {
        let end = jiff::Timestamp::now().as_second() + after;
        issuer.identity_with(&audience, move |claims| claims["exp"] = end.into())
    };
    let (identity, other) = (ends(20), ends(300));
    assert_eq!(mint(&kit, &identity).await.0, 200);
    // It ended, and is taken for 30 seconds more; what was forgotten meanwhile is asked for with another one.
    later(40);
    assert_eq!(mint(&kit, &other).await.0, 200);
    let (status, document) = mint(&kit, &identity).await;
    assert_eq!((status, &document["errors"][0]["code"]), (422, &json!("invalid-reuse-token")));
    later(60);
    let (_, document) = mint(&kit, &identity).await;
    assert_eq!(document["errors"][0]["code"], "invalid-token", "{document}");
}

#[tokio::test]
async fn f10_a_name_that_another_owner_took_over_is_not_trusted() {
    let (kit, issuer, publisher) = trusting().await;
    minted(&kit, &issuer).await;
    let audience = audience(&kit).await;
    let (status, document) =
        mint(&kit, &issuer.identity_with(&audience, |claims| claims["repository_owner_id"] = "48".into()))
            .await;
    let text = document["errors"][0]["description"].as_str().unwrap_or_default();
    assert_eq!(status, 422, "{document}");
    assert!(text.contains("expects `repository_owner_id` to be `47`, and it is `48`"), "{text}");
    // The same publisher again is the one that is there.
    assert_eq!(trust(&kit, &issuer, "demo").await.id, publisher.id);
}

#[tokio::test]
async fn f10_a_job_that_several_projects_trust_gets_one_token_for_them() {
    let (kit, issuer, _) = trusting().await;
    let second = trust(&kit, &issuer, "second").await;
    let token = minted(&kit, &issuer).await;
    let upload = async |name: &str, version: &str| {
        kit.upload_as(&wheel(name, version, "a"), &token, "/dev/").await.status().as_u16()
    };
    assert_eq!(
        (upload("demo", "1.0").await, upload("second", "1.0").await, upload("third", "1.0").await),
        (200, 200, 403)
    );
    let admin = kit.admin().await;
    admin.remove_publisher(&second.id).await.unwrap();
    admin.close().await;
    assert_eq!((upload("demo", "1.1").await, upload("second", "1.1").await), (401, 401));
}

#[tokio::test]
async fn l5_an_issuer_that_is_away_or_lies_mints_nothing() {
    let (kit, issuer, _) = trusting().await;
    let identity = issuer.identity(&audience(&kit).await);
    let discovery = "/.well-known/openid-configuration";
    let keys = format!("{}/jwks", issuer.url());
    let elsewhere = Reply { status: 302, headers: vec![("location".into(), keys.clone())], body: Vec::new() };
    let lies = [
        ("404", Reply::text(404, "nothing")),
        ("", Reply::text(200, "<html>")),
        ("302", elsewhere),
        ("it says that it is", Reply::json(200, &json!({ "issuer": "https://else.test", "jwks_uri": keys }))),
        (
            "not HTTPS",
            Reply::json(200, &json!({ "issuer": issuer.url(), "jwks_uri": "http://else.test/jwks" })),
        ),
        ("no end", Reply::text(200, &" ".repeat(2 * 1024 * 1024))),
    ];
    for (says, reply) in lies {
        issuer.instead(discovery, reply);
        let (status, document) = mint(&kit, &identity).await;
        assert_eq!(status, 502, "{says}: {document}");
        assert!(document.to_string().contains(says), "{says}: {document}");
        // It is left alone for a while, however many ask.
        let (status, document) = mint(&kit, &identity).await;
        assert_eq!(status, 502, "{document}");
        assert!(document.to_string().contains("a moment ago"), "{document}");
        tokio::time::sleep(Duration::from_millis(1050)).await;
    }
    issuer.state().instead.clear();
    assert_eq!(tokens(&kit).await, 0);
    // What it could not say was not the identity's fault.
    assert_eq!(mint(&kit, &identity).await.0, 200);
}

#[tokio::test]
async fn l5_an_issuer_that_hangs_keeps_nobody_back_whose_key_is_known() {
    let (kit, issuer, _) = trusting().await;
    let audience = audience(&kit).await;
    assert_eq!(mint(&kit, &issuer.identity(&audience)).await.0, 200);
    // Nobody has this key, so the issuer is asked, and it does not answer.
    let stranger = {
        let good = issuer.identity(&audience);
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "kid": "another" }).to_string());
        format!("{header}.{}", good.split_once('.').unwrap().1)
    };
    let asked = |what: &str| issuer.state().log.iter().filter(|line| line.contains(what)).count();
    for _ in 0..5 {
        let (status, document) = mint(&kit, &stranger).await;
        assert_eq!((status, &document["errors"][0]["code"]), (422, &json!("invalid-token")), "{document}");
    }
    assert_eq!(asked("/jwks"), 1, "asked again for every stranger");
    assert_eq!(mint(&kit, &issuer.identity(&audience)).await.0, 200);
}

#[tokio::test]
async fn f10_a_publisher_may_be_let_do_more_and_is_set_again() {
    let (kit, issuer, publisher) = trusting().await;
    let admin = kit.admin().await;
    let name = "demo".parse().unwrap();
    let more = [Action::Promote, Action::Upload, Action::Block, Action::Evidence];
    let (set, changed) = admin.add_publisher(&name, issuer.url(), &of_the_job(), &more).await.unwrap();
    assert!(changed && set.id == publisher.id && set.actions.len() == 4);
    assert!(!admin.add_publisher(&name, issuer.url(), &of_the_job(), &more).await.unwrap().1);
    assert!(admin.add_publisher(&name, issuer.url(), &of_the_job(), &[Action::Promote]).await.is_err());
    assert_eq!(admin.publishers().await.unwrap(), [set]);
    admin.close().await;
    let token = minted(&kit, &issuer).await;
    assert_eq!(kit.upload_as(&wheel("demo", "1.0", "a"), &token, "/dev/").await.status(), 200);
    let block = json!({ "project": "demo", "version": "1.0", "reason": "bad", "set": true });
    let blocked =
        kit.http.post(kit.url("/api/v1/blocks")).bearer_auth(&token).json(&block).send().await.unwrap();
    assert_eq!(blocked.status(), 200);
    // A job that two projects trust does no more to one than that one says.
    trust(&kit, &issuer, "second").await;
    let token = minted(&kit, &issuer).await;
    let unblock = json!({ "project": "demo", "version": "1.0", "reason": "good", "set": false });
    let refused =
        kit.http.post(kit.url("/api/v1/blocks")).bearer_auth(&token).json(&unblock).send().await.unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn f10_nobody_bears_the_name_of_a_publisher() {
    let kit = Kit::new().await;
    let admin = kit.admin().await;
    let spec = shipway_index::TokenSpec {
        name: "publisher:0123456789ab".into(),
        projects: Vec::new(),
        channels: Vec::new(),
        actions: vec![shipway_index::Action::Read],
        expires: None,
    };
    assert!(admin.create_token(&spec).await.is_err());
    let name = "demo".parse().unwrap();
    let everybody = claims(&[("environment", "a")]);
    let everybody = admin.add_publisher(&name, "https://issuer.test", &everybody, &[Action::Upload]).await;
    assert!(everybody.unwrap_err().to_string().contains("whose job"));
    admin.close().await;
}
