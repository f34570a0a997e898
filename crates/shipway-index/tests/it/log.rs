//! The tamper-evident log: every change is a leaf, every checkpoint goes on where the last one ended.

use reqwest::StatusCode;
use shipway_dist::log::{
    Checkpoint, Frontier, Tile, TileHashes, VerifierKey, consistency_proof, entries_of, inclusion_proof,
    leaf_hash, verify_consistency, verify_inclusion,
};
use shipway_index::Action;
use std::collections::HashMap;

use crate::backend::{execute, note};
use crate::kit::{Folder, Kit, wheel};

async fn key(kit: &Kit) -> VerifierKey {
    kit.json("/api/v1/log").await["verifier_key"].as_str().unwrap().parse().unwrap()
}

async fn checkpoint(kit: &Kit) -> Checkpoint {
    let response = kit.get("/log/checkpoint").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    Checkpoint::verify(&response.text().await.unwrap(), &key(kit).await).unwrap()
}

/// All tiles that a log of that size has, as a client gets them.
async fn tiles(kit: &Kit, size: u64) -> HashMap<String, Vec<u8>> {
    let mut all = HashMap::new();
    for tile in shipway_dist::log::tiles_of(0, size) {
        let response = kit.get(&format!("/log/{}", tile.path())).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{}", tile.path());
        all.insert(tile.path(), response.bytes().await.unwrap().to_vec());
    }
    all
}

fn entries(tiles: &HashMap<String, Vec<u8>>, size: u64) -> Vec<serde_json::Value> {
    let bundles = shipway_dist::log::tiles_of(0, size).into_iter().filter(|tile| tile.level.is_none());
    let parse = |entry: &[u8]| serde_json::from_slice(entry).unwrap();
    bundles
        .flat_map(|tile| {
            let bytes = &tiles[&tile.path()];
            entries_of(&tile, bytes).unwrap().into_iter().map(parse).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn g11_every_change_is_a_leaf_with_who_when_and_why() {
    let kit = Kit::new().await;
    let empty = checkpoint(&kit).await;
    for version in ["1.0", "1.1"] {
        kit.publish("demo", version, &[wheel("demo", version, "a")]).await;
        kit.vouch("demo", version).await;
        for channel in ["staging", "stable"] {
            assert_eq!(kit.promote("demo", version, channel).await.0, 200);
        }
    }
    let middle = checkpoint(&kit).await;
    let body = serde_json::json!({ "project": "demo", "version": "1.1", "reason": "loses data" });
    assert_eq!(kit.post("/api/v1/rollbacks", body).await.0, 200);
    let last = checkpoint(&kit).await;
    assert_eq!(last.size, middle.size + 1);

    let stored = tiles(&kit, last.size).await;
    let found = entries(&stored, last.size);
    let rollback = found.last().unwrap();
    assert_eq!((&rollback["action"], &rollback["project"]), (&"rollback".into(), &"demo".into()));
    assert_eq!(rollback["detail"]["reason"], "loses data");
    assert!(rollback["actor"].is_string() && rollback["at"].as_str().unwrap().ends_with('Z'), "{rollback}");
    let promotions = found.iter().filter(|entry| entry["action"] == "promote").count();
    assert_eq!(promotions, 4);
    assert!(found.iter().enumerate().all(|(at, entry)| entry["serial"] == at as u64 + 1));

    let hashes = TileHashes::new(last.size, |tile: &Tile| Ok(stored[&tile.path()].clone()));
    for (at, entry) in found.iter().enumerate() {
        let leaf = leaf_hash(&serde_json::to_vec(entry).unwrap());
        let proof = inclusion_proof(at as u64, last.size, &hashes).unwrap();
        verify_inclusion(&leaf, at as u64, last.size, &last.root, &proof).unwrap();
    }
    for old in [empty, middle] {
        let proof = consistency_proof(old.size, last.size, &hashes).unwrap();
        verify_consistency(old.size, last.size, &old.root, &last.root, &proof).unwrap();
    }
}

#[tokio::test]
async fn g11_the_log_goes_on_over_tiles_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Kit::over(Folder::Lent(folder.path().to_owned()), |_| {});
    let kit = open().await;
    kit.publish("demo", "1.0", &[wheel("demo", "1.0", "a")]).await;
    let first = checkpoint(&kit).await;
    let key_before = key(&kit).await;
    let mark = async |kit: &Kit, set: bool| {
        let body = serde_json::json!({ "project": "demo", "version": "1.0", "reason": "x", "set": set });
        assert_eq!(kit.post("/api/v1/yanks", body).await.0, 200);
    };
    let mut seen = vec![first];
    for turn in 0..130 {
        mark(&kit, true).await;
        mark(&kit, false).await;
        if turn % 13 == 0 {
            seen.push(checkpoint(&kit).await);
        }
    }
    drop(kit);
    let kit = open().await;
    assert_eq!(key(&kit).await, key_before, "the key stays");
    let last = checkpoint(&kit).await;
    assert!(last.size > 256, "{last:?}");
    let stored = tiles(&kit, last.size).await;
    assert!(stored.contains_key("tile/0/000") && stored.contains_key("tile/entries/000"), "full tiles");
    let hashes = TileHashes::new(last.size, |tile: &Tile| Ok(stored[&tile.path()].clone()));
    assert_eq!(Frontier::load(last.size, &hashes).unwrap().root(), last.root);
    for old in &seen {
        let proof = consistency_proof(old.size, last.size, &hashes).unwrap();
        verify_consistency(old.size, last.size, &old.root, &last.root, &proof).unwrap();
    }
    // A partial tile of an older checkpoint is still answered after its full one is there.
    let old = Tile { level: Some(0), index: 0, width: 5 };
    let response = kit.get(&format!("/log/{}", old.path())).send().await.unwrap();
    assert_eq!(response.bytes().await.unwrap()[..], stored["tile/0/000"][..5 * 32]);
    let bundle = Tile { level: None, index: 0, width: 5 };
    let response = kit.get(&format!("/log/{}", bundle.path())).send().await.unwrap();
    assert_eq!(entries_of(&bundle, &response.bytes().await.unwrap()).unwrap().len(), 5);
    let beyond = Tile { level: Some(0), index: 9, width: 256 };
    assert_eq!(kit.get(&format!("/log/{}", beyond.path())).send().await.unwrap().status(), 404);
    assert_eq!(kit.get("/log/tile/../checkpoint").send().await.unwrap().status(), 200, "the client folds it");
    assert_eq!(kit.get("/log/tile/0/%2e%2e%2fcheckpoint").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn g11_a_changed_journal_is_noticed_and_never_published() {
    let folder = tempfile::tempdir().unwrap();
    let kit = Kit::over(Folder::Lent(folder.path().to_owned()), |_| {}).await;
    kit.publish("demo", "1.0", &[wheel("demo", "1.0", "a")]).await;
    kit.vouch("demo", "1.0").await;
    let before = checkpoint(&kit).await;
    execute(folder.path(), "UPDATE journal SET actor = 'somebody else' WHERE serial = 1").await;
    let fresh = kit.get("/log/checkpoint").send().await.unwrap();
    assert_eq!(fresh.status(), StatusCode::OK, "nothing is new, so nothing is read again");
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
    let refused = kit.get("/log/checkpoint").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    execute(folder.path(), "UPDATE journal SET actor = 'index' WHERE serial = 1").await;
    execute(folder.path(), "DELETE FROM journal WHERE serial = 2").await;
    let refused = kit.get("/log/checkpoint").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let note = note(folder.path()).await;
    assert_eq!(Checkpoint::verify(&note, &key(&kit).await).unwrap(), before, "what was published stays");
}

#[tokio::test]
async fn g11_hashes_are_for_every_reader_and_entries_for_who_reads_everything() {
    let kit = Kit::with(|config| config.anonymous_read = Some(false)).await;
    kit.publish("demo", "1.0", &[wheel("demo", "1.0", "a")]).await;
    kit.get("/log/checkpoint").send().await.unwrap();
    let limited = kit.token("limited", &["demo"], &[], &[Action::Read]).await;
    let everything = kit.token("everything", &[], &[], &[Action::Read]).await;
    kit.get("/log/checkpoint").send().await.unwrap();
    let status = async |path: &str, token: Option<&str>| {
        let mut request = kit.http.get(kit.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let (hashes, bundle) = ("/log/tile/0/000.p/1", "/log/tile/entries/000.p/1");
    for (path, anonymous, of_limited, of_everything) in
        [("/log/checkpoint", 401, 200, 200), (hashes, 401, 200, 200), (bundle, 401, 404, 200)]
    {
        assert_eq!(status(path, None).await, anonymous, "{path}");
        assert_eq!(status(path, Some(limited.expose())).await, of_limited, "{path}");
        assert_eq!(status(path, Some(everything.expose())).await, of_everything, "{path}");
    }
}
