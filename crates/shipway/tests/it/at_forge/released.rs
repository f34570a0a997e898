//! The state that every way to a release must end in: each effect once.

use serde_json::Value;

use super::ground::Ground;

/// What was released.
pub(crate) struct Released<'a> {
    /// The commit of the merge.
    pub(crate) sha: &'a str,
    /// The channels that hold it.
    pub(crate) channels: &'a [&'a str],
    /// How many publishes were started at the forge.
    pub(crate) dispatches: usize,
}

/// Asserts that 1.4.0 is released, once.
#[track_caller]
pub(crate) fn assert_released(ground: &Ground, released: &Released<'_>, how: &str) {
    let git = ground.forge.git();
    let tags = git.git(&["tag", "--list"]);
    assert_eq!(tags, "v1.3.0\nv1.4.0", "{how}: tags");
    assert_eq!(git.git(&["cat-file", "-t", "refs/tags/v1.4.0"]), "tag", "{how}: annotated");
    assert_eq!(git.sha("refs/tags/v1.4.0").as_deref(), Some(released.sha), "{how}: at the merge");
    {
        let state = ground.forge.state();
        let own: Vec<_> = state.pulls.iter().filter(|pull| pull.head == "release/v1.4.0").collect();
        assert_eq!(own.len(), 1, "{how}: one pull request");
        assert!(own[0].merged && own[0].title == "chore(release): v1.4.0", "{how}: {own:?}");
        assert_eq!(state.dispatches.len(), released.dispatches, "{how}: publishes started");
        for (file, body) in &state.dispatches {
            assert_eq!((file.as_str(), &body["inputs"]["version"]), ("publish.yml", &Value::from("1.4.0")));
        }
        assert_eq!(state.releases.len(), 1, "{how}: releases at the forge");
        let shown = &state.releases[0];
        assert_eq!(shown["tag_name"], "v1.4.0", "{how}");
        assert_eq!(shown["body"], "- better & faster", "{how}: the notes");
        assert!(state.comments.is_empty(), "{how}: {:?}", state.comments);
        assert!(!state.leaked, "{how}: a token reached the store");
    }
    let status = ground.run(&ground.project(), &["status", "--json"]).ended(0).json();
    let files = &status["channels"][0]["files"];
    assert_eq!(files.as_array().map(Vec::len), Some(2), "{how}: {status:#}");
    for channel in status["channels"].as_array().unwrap() {
        let holds = released.channels.contains(&channel["name"].as_str().unwrap());
        let version = if holds { Value::from("1.4.0") } else { Value::Null };
        assert_eq!(channel["version"], version, "{how}: {status:#}");
        if holds {
            assert_eq!(&channel["files"], files, "{how}: the same bytes");
        }
    }
    assert!(status["blocked"].as_array().unwrap().is_empty(), "{how}: {status:#}");
    assert!(status.get("pull_request").is_none(), "{how}: {status:#}");
    assert_eq!(digests(files), built(ground), "{how}: the bytes of the CI");
    let log = ground.log();
    let count = |action: &str| log.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!(count("publish"), 1, "{how}: {log:#?}");
    assert_eq!(count("begin-session"), 1, "{how}: {log:#?}");
    assert_eq!(count("promote"), released.channels.len() - 1, "{how}: one a channel: {log:#?}");
}

fn digests(files: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (text(&file["filename"]), text(&file["sha256"])))
        .collect();
    all.sort();
    all
}

/// The files of the CI run's artifacts.
fn built(ground: &Ground) -> Vec<(String, String)> {
    let bytes = ground.forge.state().artifact("manifest").bytes.clone();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let manifest: Value = serde_json::from_reader(archive.by_name("manifest.json").unwrap()).unwrap();
    digests(&manifest["files"])
}
