//! The simple pages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{JSON, Kit, sdist, wheel};

const HTML: &str = "application/vnd.pypi.simple.v1+html";

async fn filled() -> Kit {
    let kit = Kit::new().await;
    kit.upload(&wheel("my_demo", "1.0", "a")).await;
    kit.upload(&sdist("my_demo", "1.0", "a")).await;
    kit.upload(&wheel("my_demo", "1.10", "a")).await;
    kit.upload(&wheel("my_demo", "1.9", "a")).await;
    kit
}

#[tokio::test]
async fn i2_the_json_page_has_everything_of_api_1_4() {
    let kit = filled().await;
    for path in ["/dev/simple/my-demo/", "/dev/+simple/my-demo/"] {
        let page = kit.json(path).await;
        assert_eq!(page["meta"]["api-version"], "1.4");
        assert_eq!(page["name"], "my-demo");
        assert_eq!(page["versions"], json!(["1.0", "1.9", "1.10"]));
        let files = page["files"].as_array().unwrap();
        assert_eq!(files.len(), 4);
        for file in files {
            assert_eq!(file["hashes"]["sha256"].as_str().unwrap().len(), 64);
            assert!(file["size"].as_u64().unwrap() > 0);
            assert_eq!(file["requires-python"], ">=3.8");
            assert_eq!(file["yanked"], false);
            let time = file["upload-time"].as_str().unwrap();
            assert_eq!((time.len(), time.ends_with('Z')), (27, true), "{time}");
            let url =
                reqwest::Url::parse(&kit.url(path)).unwrap().join(file["url"].as_str().unwrap()).unwrap();
            assert_eq!(kit.get(url.path()).send().await.unwrap().status(), 200, "{url}");
        }
    }
}

#[tokio::test]
async fn i2_the_html_page_says_the_same() {
    let kit = filled().await;
    let response = kit.get("/dev/simple/my-demo/").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let html = response.text().await.unwrap();
    assert!(html.contains("<meta name=\"pypi:repository-version\" content=\"1.4\">"), "{html}");
    assert_eq!(html.matches("<a ").count(), 4);
    assert_eq!(html.matches("data-requires-python=\"&gt;=3.8\"").count(), 4);
    assert_eq!(html.matches("#sha256=").count(), 4);
    assert!(!html.contains("<base"));
    let list = kit.get("/dev/simple/").send().await.unwrap().text().await.unwrap();
    assert!(list.contains("<a href=\"my-demo/\">my_demo</a>"), "{list}");
}

#[tokio::test]
async fn i2_negotiation_over_http() {
    let kit = filled().await;
    for path in ["/dev/simple/", "/dev/simple/my-demo/"] {
        for (accept, status, content_type) in [
            (Some(JSON), 200, JSON),
            (Some(HTML), 200, HTML),
            (Some("application/vnd.pypi.simple.latest+json"), 200, JSON),
            (
                Some("text/html;q=0.2, application/vnd.pypi.simple.v1+json;q=0.1"),
                200,
                "text/html; charset=utf-8",
            ),
            (Some("*/*"), 200, "text/html; charset=utf-8"),
            (None, 200, "text/html; charset=utf-8"),
            (Some("application/vnd.pypi.simple.v2+json"), 406, "text/plain; charset=utf-8"),
        ] {
            let mut request = kit.get(path);
            if let Some(accept) = accept {
                request = request.header("accept", accept);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{accept:?}");
            assert_eq!(response.headers()["content-type"], content_type, "{accept:?}");
            assert!(response.headers()["vary"].to_str().unwrap().contains("Accept"));
        }
        let asked = format!("{path}?format=application/vnd.pypi.simple.v1+json");
        let response = kit.get(&asked).header("accept", "text/html").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], JSON);
    }
}

#[tokio::test]
async fn i2_redirects_keep_the_query_and_work_behind_a_prefix() {
    let kit = filled().await;
    for (path, location) in [
        ("/dev/simple", "./simple/"),
        ("/dev/simple/my-demo", "./my-demo/"),
        ("/dev/simple/My_Demo/", "../my-demo/"),
        ("/dev/simple/My_Demo/?format=x", "../my-demo/?format=x"),
        ("/dev/+simple/my-demo?a=b", "./my-demo/?a=b"),
    ] {
        let response = kit.get(path).send().await.unwrap();
        assert_eq!(response.status(), 301, "{path}");
        assert_eq!(response.headers()["location"], location, "{path}");
    }
}

#[tokio::test]
async fn i4_pages_have_an_etag_for_each_representation_and_answer_304() {
    let kit = filled().await;
    let mut tags = std::collections::BTreeSet::new();
    for accept in [JSON, HTML] {
        for coding in ["identity", "gzip", "zstd"] {
            let get = |method: Method| {
                let request = kit.request(method, "/dev/simple/my-demo/").header("accept", accept);
                request.header("accept-encoding", coding)
            };
            let response = get(Method::GET).send().await.unwrap();
            let headers = response.headers().clone();
            let etag = headers["etag"].to_str().unwrap().to_owned();
            assert!(etag.starts_with('"') && tags.insert(etag.clone()), "{etag}");
            assert_eq!(headers["cache-control"], "max-age=0, must-revalidate, private");
            let encoding = headers.get("content-encoding").map(|value| value.to_str().unwrap());
            assert_eq!(encoding, (coding != "identity").then_some(coding));
            let body = response.bytes().await.unwrap();
            assert_eq!(headers["content-length"].to_str().unwrap(), body.len().to_string());

            let head = get(Method::HEAD).send().await.unwrap();
            assert_eq!((head.status().as_u16(), &head.headers()["etag"]), (200, &headers["etag"]));
            assert_eq!(head.headers()["content-length"], headers["content-length"]);

            let known = get(Method::GET).header("if-none-match", &etag).send().await.unwrap();
            assert_eq!((known.status().as_u16(), &known.headers()["etag"]), (304, &headers["etag"]));
            assert!(known.bytes().await.unwrap().is_empty());
        }
    }
    let old = tags.first().unwrap().clone();
    kit.upload(&wheel("my_demo", "2.0", "a")).await;
    let request = kit.get("/dev/simple/my-demo/").header("if-none-match", old);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn i2_compressed_pages_hold_the_same_bytes() {
    let kit = filled().await;
    let get = async |coding: &str| {
        let request =
            kit.get("/dev/simple/my-demo/").header("accept", JSON).header("accept-encoding", coding);
        request.send().await.unwrap().bytes().await.unwrap()
    };
    let plain = get("identity").await;
    let zipped = get("gzip").await;
    let unzip = flate2::read::GzDecoder::new(&zipped[..]);
    assert_eq!(std::io::read_to_string(unzip).unwrap().as_bytes(), plain);
    assert_eq!(zstd::decode_all(&get("zstd").await[..]).unwrap(), plain);
}

#[tokio::test]
async fn i2_an_unknown_project_is_404_in_a_type_that_installers_read() {
    let kit = filled().await;
    for (accept, content_type) in [(JSON, JSON), ("text/html", "text/html; charset=utf-8")] {
        let response = kit.get("/dev/simple/nosuch/").header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], content_type);
    }
    // Held, but never listed in this channel.
    assert_eq!(kit.listed("stable", "my-demo").await, None);
    assert_eq!(kit.listed("nosuch", "my-demo").await, None);
}

#[tokio::test]
async fn operations_answer() {
    let kit = filled().await;
    for path in ["/healthz", "/readyz"] {
        let response = kit.http.get(kit.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let metrics = kit.http.get(kit.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("shipway_http_responses_total{route=\"operations\",status=\"200\"} 2"),
        "{metrics}"
    );
    let home = kit.http.get(kit.url("/")).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("dev/simple/"), "{home}");
    let channels: Value = kit.json("/api/v1/channels").await;
    assert_eq!(channels["channels"][0], json!({ "name": "dev", "accepts_uploads": true }));
    assert_eq!(channels["channels"].as_array().unwrap().len(), 3);
    assert_eq!(kit.get("/no/such/path/at/all").send().await.unwrap().status(), 404);
    assert_eq!(kit.request(Method::DELETE, "/healthz").send().await.unwrap().status(), 405);
}
