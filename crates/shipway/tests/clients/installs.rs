//! pip and uv install from a channel with a URL and a token, as their users have them configured.

use std::path::PathBuf;

use shipway_testing::{Forwarder, Ran, Wheel};

use crate::index::Index;

/// Installs with pip into a folder of its own.
fn pip_install(index: &Index, url: &str, requirement: &str, folder: &str) -> Ran {
    let target = index.place.path(folder);
    index.pip(["install", "--index-url", url, "--target"]).arg(target).arg(requirement).run()
}

/// Installs with uv into a folder of its own.
fn uv_install(index: &Index, url: &str, requirement: &str, folder: &str) -> Ran {
    let target = index.place.path(folder);
    index.uv(["pip", "install", "--default-index", url, "--target"]).arg(target).arg(requirement).run()
}

/// The version that stands in an installed wheel of these tests.
fn installed(index: &Index, folder: &str, module: &str) -> Option<String> {
    let path: PathBuf = index.place.path(folder).join(module);
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().trim_start_matches("VERSION = ").trim_matches('"').to_owned())
}

#[test]
fn pip_and_uv_install_with_a_token_in_the_url_or_in_netrc_and_not_without() {
    let index = Index::with(["--no-anonymous-read"]);
    let folder = index.place.folder("dist");
    index.upload(&Wheel::new("helper", "0.3.0").write(&folder));
    index.upload(&Wheel::new("demo", "1.0.0").requires("helper>=0.1").write(&folder));
    let reader = index.token("reader", &["--action", "read", "--channel", "dev"]);
    let plain = index.server.simple("dev");
    let with_user = plain.replacen("http://", &format!("http://__token__:{reader}@"), 1);

    pip_install(&index, &plain, "demo", "pip-without").failed();
    uv_install(&index, &plain, "demo", "uv-without").failed();
    assert_eq!(installed(&index, "pip-without", "demo.py"), None);
    pip_install(&index, &with_user, "demo", "pip-url").ended(0).never_says(&reader);
    uv_install(&index, &with_user, "demo", "uv-url").ended(0).never_says(&reader);
    index.place.write("home/.netrc", &format!("machine 127.0.0.1\nlogin __token__\npassword {reader}\n"));
    pip_install(&index, &plain, "demo", "pip-netrc").ended(0).never_says(&reader);
    uv_install(&index, &plain, "demo", "uv-netrc").ended(0).never_says(&reader);
    for folder in ["pip-url", "uv-url", "pip-netrc", "uv-netrc"] {
        assert_eq!(installed(&index, folder, "demo.py").as_deref(), Some("1.0.0"), "{folder}");
        assert_eq!(installed(&index, folder, "helper.py").as_deref(), Some("0.3.0"), "{folder}");
    }
    assert!(!index.server.log().contains(&reader), "no token in the log");
}

#[test]
fn pip_and_uv_pass_over_a_yanked_release_unless_it_is_pinned() {
    let index = Index::new();
    let folder = index.place.folder("dist");
    for version in ["1.0.0", "1.1.0"] {
        index.upload(&Wheel::new("demo", version).write(&folder));
    }
    let url = index.server.simple("dev");
    // A token for nothing but this does it, and says what it may not do besides.
    let token = index.token("yanker", &["--action", "yank,read"]);
    let yank = index.shipway("demo", ["yank", "1.1.0", "--reason", "drops readings"]);
    yank.env("SHIPWAY_TOKEN", token).must().says("yank done").says("needs the action evidence");
    pip_install(&index, &url, "demo>=1", "pip-range").ended(0);
    uv_install(&index, &url, "demo>=1", "uv-range").ended(0);
    pip_install(&index, &url, "demo==1.1.0", "pip-pin").ended(0).says("drops readings");
    uv_install(&index, &url, "demo==1.1.0", "uv-pin").ended(0).says("drops readings");
    for (folder, version) in
        [("pip-range", "1.0.0"), ("uv-range", "1.0.0"), ("pip-pin", "1.1.0"), ("uv-pin", "1.1.0")]
    {
        assert_eq!(installed(&index, folder, "demo.py").as_deref(), Some(version), "{folder}");
    }
    index.shipway("demo", ["unyank", "1.1.0"]).must();
    pip_install(&index, &url, "demo>=1", "pip-after").ended(0);
    assert_eq!(installed(&index, "pip-after", "demo.py").as_deref(), Some("1.1.0"));
}

#[test]
fn pip_and_uv_cannot_install_a_blocked_release_and_its_bytes_are_kept() {
    let index = Index::new();
    let folder = index.place.folder("dist");
    for version in ["1.0.0", "1.1.0"] {
        index.upload(&Wheel::new("demo", version).write(&folder));
    }
    let url = index.server.simple("dev");
    let blobs = index.state("demo").lines().filter(|line| line.contains("blobs")).count();
    index.shipway("demo", ["block", "1.1.0", "--reason", "writes are on by default"]).must();
    pip_install(&index, &url, "demo==1.1.0", "pip-pin").failed();
    uv_install(&index, &url, "demo==1.1.0", "uv-pin").failed();
    assert_eq!(installed(&index, "pip-pin", "demo.py"), None);
    pip_install(&index, &url, "demo", "pip-any").ended(0);
    uv_install(&index, &url, "demo", "uv-any").ended(0);
    for folder in ["pip-any", "uv-any"] {
        assert_eq!(installed(&index, folder, "demo.py").as_deref(), Some("1.0.0"), "{folder}");
    }
    let after = index.state("demo").lines().filter(|line| line.contains("blobs")).count();
    assert_eq!(blobs, after, "the bytes are kept");
}

#[test]
fn pip_and_uv_resolve_a_tree_from_metadata_and_fetch_no_wheel_whole() {
    let index = Index::new();
    let folder = index.place.folder("dist");
    let size = 6 << 20;
    index.upload(&Wheel::new("helper", "0.3.0").noise("noise.bin", size).write(&folder));
    let demo = Wheel::new("demo", "1.0.0").requires("helper>=0.1").noise("noise.bin", size);
    index.upload(&demo.write(&folder));

    let between = Forwarder::to(index.server.url());
    let url = format!("{}/dev/simple/", between.url());
    let report = index.place.path("report.json");
    let pip = index.pip(["install", "--dry-run", "--ignore-installed", "--index-url", &url, "--report"]);
    pip.arg(&report).arg("demo").must();
    let report = std::fs::read_to_string(report).expect("a report");
    assert!(report.contains("helper-0.3.0-py3-none-any.whl"), "{report}");
    let seen = between.seen();
    let of = |ending: &str| seen.requests.iter().filter(|line| line.contains(ending)).count();
    assert_eq!(of(".whl.metadata "), 2, "{:?}", seen.requests);
    assert!(seen.bytes < size, "pip took {} bytes: {:?}", seen.bytes, seen.requests);

    let between = Forwarder::to(index.server.url());
    let url = format!("{}/dev/simple/", between.url());
    let input = index.place.write("requirements.in", "demo\n");
    let uv = index.uv(["pip", "compile", "--default-index", &url, "--quiet"]).arg(input);
    uv.must().says("demo==1.0.0").says("helper==0.3.0");
    let seen = between.seen();
    assert!(seen.bytes < size, "uv took {} bytes: {:?}", seen.bytes, seen.requests);
    assert!(seen.requests.iter().any(|line| line.contains(".whl.metadata ")), "{:?}", seen.requests);
}
