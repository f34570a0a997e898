//! twine and uv upload to a channel: the same bytes pass again, other bytes never, and no token does more
//! than it says.

use shipway_testing::Wheel;

use crate::index::Index;

#[test]
fn twine_uploads_the_same_wheel_twice_and_other_bytes_never() {
    let index = Index::new();
    let wheel = Wheel::new("demo", "1.0.0").write(&index.place.folder("first"));
    index.twine("dev", &index.token, &wheel.path).ended(0);
    let state = index.state("demo");
    index.twine("dev", &index.token, &wheel.path).ended(0);
    assert_eq!(index.state("demo"), state, "one stored copy");
    assert_eq!(index.listed("dev", "demo"), [(wheel.filename.clone(), wheel.sha256.clone())].into());

    let other = Wheel::new("demo", "1.0.0").file("demo.txt", "!").write(&index.place.folder("other"));
    assert_eq!((&other.filename, other.sha256 == wheel.sha256), (&wheel.filename, false));
    let refused = index.twine("dev", &index.token, &other.path).failed().says("422");
    let refused = refused.says(&wheel.filename).says(&wheel.sha256);
    // No client's option to skip what exists may take this for success.
    for phrase in ["already exist", "updating asset", "cannot be updated", "already been taken", "overwrite"]
    {
        let refused = refused.clone();
        refused.never_says(phrase);
    }
    assert_eq!(index.state("demo"), state, "the stored bytes are as before");
}

#[test]
fn uv_publishes_the_same_wheel_twice_with_and_without_check_url_and_other_bytes_never() {
    let index = Index::new();
    let wheel = Wheel::new("demo", "1.0.0").write(&index.place.folder("first"));
    let other = Wheel::new("demo", "1.0.0").file("demo.txt", "!").write(&index.place.folder("other"));
    let simple = index.server.simple("dev");
    for options in [&[][..], &["--check-url", simple.as_str()][..]] {
        index.uv_publish("dev", &index.token, options, &wheel.path).ended(0);
        let state = index.state("demo");
        index.uv_publish("dev", &index.token, options, &wheel.path).ended(0);
        assert_eq!(index.state("demo"), state, "one stored copy");
        index.uv_publish("dev", &index.token, options, &other.path).failed();
        assert_eq!(index.state("demo"), state, "the stored bytes are as before");
    }
    assert_eq!(index.listed("dev", "demo"), [(wheel.filename, wheel.sha256)].into());
}

#[test]
fn twine_with_a_token_that_does_not_cover_the_upload_changes_nothing() {
    let index = Index::new();
    let wheel = Wheel::new("demo", "1.0.0").write(&index.place.folder("dist"));
    let expired = index.token("expired", &["--action", "upload", "--expires", "1s"]);
    let cases = [
        ("project", index.token("project", &["--action", "upload", "--project", "other"]), "other"),
        ("channel", index.token("channel", &["--action", "upload", "--channel", "staging"]), "staging"),
        ("action", index.token("action", &["--action", "read"]), "upload"),
        ("revoked", index.token("revoked", &["--action", "upload"]), "revoked"),
        ("unknown", "shipway_nosuchtoken_canary".to_owned(), "token"),
    ];
    index.place.shipway(["admin", "token", "revoke", "revoked", "--data"]).arg(index.place.data()).must();
    let state = index.state("demo");
    for (what, token, named) in &cases {
        let refused = index.twine("dev", token, &wheel.path).failed();
        assert!(refused.says("HTTPError: 40").all().contains(named), "{what}");
        assert_eq!(index.state("demo"), state, "{what}");
    }
    std::thread::sleep(std::time::Duration::from_millis(1100));
    index.twine("dev", &expired, &wheel.path).failed().says("expired");
    assert_eq!(index.state("demo"), state, "a refused upload leaves no row, no blob, no name");
    let log = index.server.log();
    assert!(cases.iter().all(|(_, token, _)| !log.contains(token.as_str())), "no token in the log");
}

#[test]
fn twine_to_a_channel_that_takes_no_uploads_is_told_where_to_upload() {
    let index = Index::new();
    let wheel = Wheel::new("demo", "1.0.0").write(&index.place.folder("dist"));
    let state = index.state("demo");
    for channel in ["staging", "stable"] {
        let refused = index.twine(channel, &index.token, &wheel.path).failed();
        refused.says(&format!("channel `{channel}` takes no uploads")).says("`dev`");
        index.uv_publish(channel, &index.token, &[], &wheel.path).failed().says("takes no uploads");
    }
    assert_eq!(index.state("demo"), state);
}
