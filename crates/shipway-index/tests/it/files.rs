//! Downloads.

use reqwest::{Method, Response};

use crate::kit::{Kit, wheel};

#[tokio::test]
async fn i4_ranges_are_right_and_never_claimed_without_being_served() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    let path = format!("/files/{}/{}", dist.sha256(), dist.filename);
    let size = dist.bytes.len();
    let get = async |range: &str| kit.get(&path).header("range", range).send().await.unwrap();

    let whole = kit.get(&path).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.headers()["content-type"], "application/octet-stream");
    assert_eq!(whole.headers()["content-length"].to_str().unwrap(), size.to_string());
    assert!(whole.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(whole.headers().get("content-encoding").is_none());
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let modified = whole.headers()["last-modified"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", dist.sha256()));
    assert_eq!(whole.bytes().await.unwrap(), dist.bytes);

    for (range, first, last) in [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, size - 1),
        ("bytes=-20", size - 20, size - 1),
        ("bytes=5-999999", 5, size - 1),
    ] {
        let response = get(range).await;
        assert_eq!(response.status(), 206, "{range}");
        let expected = format!("bytes {first}-{last}/{size}");
        assert_eq!(response.headers()["content-range"].to_str().unwrap(), expected);
        assert_eq!(response.headers()["content-length"].to_str().unwrap(), (last - first + 1).to_string());
        assert_eq!(response.bytes().await.unwrap(), dist.bytes[first..=last]);
    }
    let beyond = get("bytes=999999-").await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"].to_str().unwrap(), format!("bytes */{size}"));
    // Several ranges: everything, which is always right.
    assert_eq!(get("bytes=0-1,4-5").await.bytes().await.unwrap(), dist.bytes);

    let head = kit.request(Method::HEAD, &path).header("range", "bytes=0-1").send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), size.to_string());

    let conditional = async |name: &str, value: &str| -> Response {
        kit.get(&path).header("range", "bytes=0-1").header(name, value).send().await.unwrap()
    };
    assert_eq!(conditional("if-range", &etag).await.status(), 206);
    assert_eq!(conditional("if-range", &modified).await.status(), 206);
    assert_eq!(conditional("if-range", "\"other\"").await.status(), 200);
    assert_eq!(conditional("if-none-match", &etag).await.status(), 304);
    assert_eq!(conditional("if-modified-since", &modified).await.status(), 304);
    assert_eq!(conditional("if-none-match", "\"other\"").await.status(), 206);
}

#[tokio::test]
async fn i3_metadata_equals_the_bytes_in_the_wheel() {
    let kit = Kit::new().await;
    let dist = wheel("demo", "1.0", "a");
    kit.upload(&dist).await;
    kit.publish("demo", "1.1", &[wheel("demo", "1.1", "a")]).await;
    let page = kit.json("/dev/simple/demo/").await;
    let sha256 = shipway_dist::Sha256::of(&dist.metadata).to_hex();
    assert_eq!(page["files"][0]["core-metadata"]["sha256"], sha256, "{page}");
    assert_eq!(page["files"][0]["data-dist-info-metadata"]["sha256"], sha256);
    assert!(page["files"][1]["core-metadata"]["sha256"].is_string());
    let path = format!("/files/{}/{}.metadata", dist.sha256(), dist.filename);
    let response = kit.get(&path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"].to_str().unwrap(), format!("\"{sha256}\""));
    assert_eq!(response.bytes().await.unwrap(), dist.metadata);
    let range = kit.get(&path).header("range", "bytes=0-15").send().await.unwrap();
    assert_eq!(
        (range.status().as_u16(), range.bytes().await.unwrap()),
        (206, dist.metadata[..16].to_vec().into())
    );
}

#[tokio::test]
async fn i3_no_metadata_is_promised_for_an_sdist() {
    let kit = Kit::new().await;
    let dist = crate::kit::sdist("demo", "1.0", "a");
    assert_eq!(kit.upload(&dist).await.status(), 200);
    let page = kit.json("/dev/simple/demo/").await;
    assert!(page["files"][0].get("core-metadata").is_none(), "{page}");
    let path = format!("/files/{}/{}.metadata", dist.sha256(), dist.filename);
    assert_eq!(kit.get(&path).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn only_the_pair_of_digest_and_filename_is_a_file() {
    let kit = Kit::new().await;
    let (a, b) = (wheel("demo", "1.0", "a"), wheel("demo", "1.1", "a"));
    kit.upload(&a).await;
    kit.upload(&b).await;
    for path in [
        format!("/files/{}/{}", a.sha256(), b.filename),
        format!("/files/{}/nosuch-1.0-py3-none-any.whl", a.sha256()),
        format!("/files/nonsense/{}", a.filename),
        format!("/files/{}/..%2f..%2findex.sqlite", a.sha256()),
        format!("/files/{}/index.sqlite", a.sha256()),
    ] {
        assert_eq!(kit.get(&path).send().await.unwrap().status(), 404, "{path}");
    }
}
