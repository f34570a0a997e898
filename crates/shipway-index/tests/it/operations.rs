//! Metrics, identifiers of requests, and limits.

use std::num::NonZeroU32;
use std::time::Duration;

use shipway_index::{Action, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::kit::{JSON, Kit, wheel};

#[tokio::test]
async fn every_answer_names_its_request() {
    let kit = Kit::new().await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/dev/simple/demo/", "/dev/simple/demo/", "/dev/simple/", "/no/such/path", "/healthz"] {
        let response = kit.get(path).header("accept", JSON).send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.len() == 24 && seen.insert(id.clone()), "{id}");
        let own = kit.get(path).header("x-request-id", "trace-1.2").send().await.unwrap();
        assert_eq!(own.headers()["x-request-id"], "trace-1.2");
        let odd = kit.get(path).header("x-request-id", "a b").send().await.unwrap();
        assert_ne!(odd.headers()["x-request-id"], "a b");
    }
}

#[tokio::test]
async fn metrics_count_by_kind_and_status() {
    let far = Kit::new().await;
    far.upload(&wheel("library", "1.0", "far")).await;
    let url = far.url("/dev/simple/");
    let kit = Kit::with(|config| config.upstream = Upstream::Url(url)).await;
    kit.upload(&wheel("demo", "1.0", "a")).await;
    for _ in 0..3 {
        kit.json("/dev/simple/demo/").await;
    }
    kit.json("/dev/simple/library/").await;
    kit.get("/dev/simple/nosuch/").send().await.unwrap();
    let text = kit.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "shipway_http_responses_total{route=\"page\",status=\"200\"} 4",
        "shipway_http_responses_total{route=\"page\",status=\"404\"} 1",
        "shipway_http_responses_total{route=\"upload\",status=\"200\"} 1",
        "shipway_http_duration_seconds_count{route=\"page\"} 5",
        "shipway_http_duration_seconds_bucket{route=\"page\",le=\"+Inf\"} 5",
        "shipway_cache_projects 1",
        "shipway_upstream_requests_total 2",
        "shipway_upstream_failures_total 0",
        "shipway_uploads_running 0",
        "# TYPE shipway_http_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // Neither names of projects nor of tokens.
    assert!(!text.contains("demo") && !text.contains("embedded"), "{text}");
}

#[tokio::test]
async fn metrics_are_for_whoever_reads_everything() {
    let kit = Kit::with(|config| config.anonymous_read = Some(false)).await;
    let reader = kit.token("reader", &[], &[], &[Action::Read]).await;
    let limited = kit.token("limited", &["demo"], &[], &[Action::Read]).await;
    let get = async |token: Option<&str>| {
        let request = kit.http.get(kit.url("/metrics"));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get(None).await, 401);
    assert_eq!(get(Some(limited.expose())).await, 404);
    assert_eq!(get(Some(reader.expose())).await, 200);
}

#[tokio::test]
async fn metrics_move_to_an_address_of_their_own() {
    let kit = Kit::with(|config| {
        config.metrics = Some("127.0.0.1:0".into());
        config.anonymous_read = Some(false);
    })
    .await;
    assert_eq!(kit.get("/metrics").send().await.unwrap().status(), 404);
    let address = kit.server.running.metrics_addr().unwrap();
    let text = kit.http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("shipway_http_responses_total{route=\"operations\",status=\"404\"} 1"), "{text}");
    // Nothing else is there.
    let page = kit.http.get(format!("http://{address}/dev/simple/")).send().await.unwrap();
    assert_eq!(page.status(), 404);
}

#[tokio::test]
async fn an_identity_has_a_share_of_requests() {
    let kit = Kit::with(|config| config.limits.requests_per_minute = NonZeroU32::new(3)).await;
    let anonymous = async |path: &str| kit.http.get(kit.url(path)).send().await.unwrap();
    for _ in 0..3 {
        assert_eq!(anonymous("/dev/simple/").await.status(), 200);
    }
    let refused = anonymous("/dev/simple/").await;
    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&seconds), "{seconds}");
    assert!(refused.headers().contains_key("x-request-id"));
    // A made-up token counts for the address that sends it.
    let made_up = kit.http.get(kit.url("/dev/simple/")).bearer_auth("shipway_x_y");
    assert_eq!(made_up.send().await.unwrap().status(), 429);
    assert_eq!(anonymous("/healthz").await.status(), 200);
    // A limit that is spent keeps a new token of the same address out; one that is known has its own.
    let before = kit.stored().await;
    let refused = kit.upload(&wheel("demo", "1.0", "a")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(kit.stored().await, before);
}

#[tokio::test]
async fn a_recognised_token_has_a_share_of_its_own() {
    let kit = Kit::with(|config| config.limits.requests_per_minute = NonZeroU32::new(3)).await;
    let get = async || kit.get("/dev/simple/").send().await.unwrap().status().as_u16();
    assert_eq!(get().await, 200);
    for _ in 0..3 {
        kit.http.get(kit.url("/dev/simple/")).send().await.unwrap();
    }
    let anonymous = kit.http.get(kit.url("/dev/simple/")).send().await.unwrap();
    assert_eq!(anonymous.status(), 429);
    for _ in 0..3 {
        assert_eq!(get().await, 200);
    }
    assert_eq!(get().await, 429);
}

#[tokio::test]
async fn uploads_wait_for_a_place_and_are_told_to_come_again() {
    let kit = Kit::with(|config| {
        config.limits.uploads = 1;
        config.limits.stall = Duration::from_millis(400);
        config.limits.upload_rate = 0;
    })
    .await;
    // A client that trickles holds the only place.
    let mut slow = tokio::net::TcpStream::connect(kit.server.running.addr()).await.unwrap();
    let head = format!(
        "POST /dev/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 100000\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\ncontent-disposition: form-data; name=\"content\"; filename=\"a\"\r\n\r\n",
        kit.server.token.expose()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = slow.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    // Until its head is read the place is free.
    let refusal = async {
        for number in 0.. {
            let refused = kit.upload(&wheel(&format!("early{number}"), "1.0", "a")).await;
            if refused.status() == 503 {
                return refused;
            }
        }
        unreachable!("numbers do not end")
    };
    let refused = tokio::time::timeout(Duration::from_secs(20), refusal).await.unwrap();
    let dist = wheel("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(kit.listed("dev", "demo").await, None);
    trickle.abort();
    let _ = trickle.await;
    let mut rest = Vec::new();
    // The one that stopped is told so, and its place is free again.
    let _ = reader.read_to_end(&mut rest).await;
    assert_eq!(kit.upload(&dist).await.status(), 200);
    assert_eq!(kit.listed("dev", "demo").await.unwrap(), [dist.filename]);
}
