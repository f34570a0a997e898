//! Behind a proxy: who a limit counts, and readiness.

use std::num::NonZeroU32;

use shipway_index::ProxyHeader;

use crate::kit::{Kit, wheel};

#[tokio::test]
async fn a_limit_counts_whom_a_trusted_proxy_names_and_nobody_else_is_believed() {
    let limited = async |trusted: &[&str]| {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        Kit::with(|config| {
            config.limits.requests_per_minute = NonZeroU32::new(2);
            config.trusted_proxies = trusted;
        })
        .await
    };
    let get = async |kit: &Kit, client: &str| {
        let request = kit.http.get(kit.url("/dev/simple/")).header("x-forwarded-for", client);
        request.send().await.unwrap().status().as_u16()
    };
    let kit = limited(&["127.0.0.0/8"]).await;
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(
            [get(&kit, client).await, get(&kit, client).await, get(&kit, client).await],
            [200, 200, 429]
        );
    }
    // What the client itself wrote before the proxy's word changes nothing.
    assert_eq!(get(&kit, "203.0.113.9, 192.0.2.1").await, 429);
    let kit = limited(&[]).await;
    assert_eq!(
        [get(&kit, "192.0.2.1").await, get(&kit, "192.0.2.2").await, get(&kit, "192.0.2.3").await],
        [200, 200, 429]
    );
}

/// nginx and most others pass on what a client wrote into the field that they do not write themselves.
#[tokio::test]
async fn a_client_behind_a_trusted_proxy_cannot_choose_whom_a_limit_counts() {
    for (header, written, forged) in [
        (ProxyHeader::XForwardedFor, ("x-forwarded-for", "192.0.2.1"), "forwarded"),
        (ProxyHeader::Forwarded, ("forwarded", "for=192.0.2.1"), "x-forwarded-for"),
    ] {
        let kit = Kit::with(|config| {
            config.limits.requests_per_minute = NonZeroU32::new(2);
            config.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
            config.proxy_header = header;
        })
        .await;
        let mut statuses = Vec::new();
        for made_up in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
            let made_up = if forged == "forwarded" { format!("for={made_up}") } else { made_up.to_owned() };
            let request = kit.http.get(kit.url("/dev/simple/")).header(written.0, written.1);
            let response = request.header(forged, made_up).send().await.unwrap();
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [200, 200, 429], "{header:?}");
    }
}

#[tokio::test]
async fn a_storage_that_is_away_is_not_ready_and_the_process_is_alive() {
    let kit = Kit::new().await;
    assert_eq!(kit.upload(&wheel("demo", "1.0", "a")).await.status(), 200);
    assert_eq!(kit.get("/readyz").send().await.unwrap().text().await.unwrap(), "ready\n");
    let blobs = kit.folder.path().join("data/blobs");
    let away = kit.folder.path().join("data/away");
    std::fs::rename(&blobs, &away).unwrap();
    let response = kit.get("/readyz").send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.text().await.unwrap(), "the storage does not answer\n");
    assert_eq!(kit.get("/healthz").send().await.unwrap().status(), 200);
    std::fs::rename(&away, &blobs).unwrap();
    assert_eq!(kit.get("/readyz").send().await.unwrap().status(), 200);
}
