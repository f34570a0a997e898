//! Keys: who makes them known, what they may say, and what a revocation takes back.

use serde_json::{Value, json};
use shipway_dist::policy::Role;

use crate::kit::Kit;
use crate::vouch::{approves, code, enrolling, files, key, lacks, pairs, says, says_in, signed};

const PATH: &str = "/api/v1/projects/demo/releases/1.0/evidence";

async fn published(policy: &str) -> Kit {
    let kit = Kit::new().await;
    kit.publish("demo", "1.0", &files()).await;
    kit.policy(policy).await;
    kit
}

async fn known(kit: &Kit, name: &str) -> Value {
    let keys = kit.json("/api/v1/keys").await;
    let found = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == name).cloned();
    found.unwrap_or(Value::Null)
}

#[tokio::test]
async fn a_key_is_enrolled_by_a_token_only_while_the_policy_enrols_and_counts_as_long() {
    let asks = "[channel.staging]\nrequires = [\"tests\"]\n";
    let kit = published(asks).await;
    let before = kit.stored().await;
    let (status, refused) = kit.send("demo", "1.0", enrolling(&says("tests", &files()), &key(1))).await;
    assert_eq!((status, code(&refused)), (422, "untrusted-evidence"), "{refused}");
    assert_eq!(refused["errors"][0]["hint"], "shipway admin key add --role ci --name NAME --public FILE");
    assert_eq!(kit.stored().await, before);

    kit.policy(&format!("[publish]\nenrol-keys = true\n{asks}")).await;
    for number in [1, 2] {
        let body = enrolling(&says("tests", &files()), &key(number));
        assert_eq!(kit.send("demo", "1.0", body).await.0, 201);
    }
    let first = known(&kit, "embedded").await;
    assert_eq!((&first["role"], &first["registered"]), (&json!("ci"), &json!(false)), "{first}");
    assert_eq!(known(&kit, "embedded-2").await["id"], key(2).public().id().to_hex());
    assert_eq!(kit.stored().await.matches("'enrol-key'").count(), 2);
    let digest = crate::kit::manifest_digest(&kit.project("demo").await, "1.0");
    let dry = json!({
        "project": "demo", "version": "1.0", "to": "staging", "manifest_digest": digest, "dry_run": true,
    });
    assert_eq!(kit.post("/api/v1/promotions", dry).await.0, 200);

    kit.policy(asks).await;
    let list = kit.json(PATH).await;
    let void = "its key was only enrolled, and the policy counts registered keys";
    assert_eq!(list["statements"][0]["void"], void);
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-missing", "tests")]));
    assert!(refused["message"].as_str().unwrap().contains("only enrolled"), "{refused}");
    // An administrator vouches for it.
    kit.register(Role::Ci, "pipeline", &key(1)).await;
    assert_eq!(kit.json(PATH).await["statements"][0]["void"], Value::Null);
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
}

#[tokio::test]
async fn the_role_that_the_policy_names_counts_and_no_other() {
    let kit = published(
        "[channel.staging]\nrequires = [\"tests\"]\nroles = { tests = \"release-manager\" }\napprovals = 1\n",
    )
    .await;
    kit.register(Role::Ci, "pipeline", &key(1)).await;
    kit.register(Role::ReleaseManager, "ada", &key(2)).await;
    kit.register(Role::Index, "elsewhere", &key(3)).await;
    let before = kit.stored().await;
    let (status, refused) = kit.send("demo", "1.0", signed(&says("tests", &files()), &key(3))).await;
    assert_eq!((status, code(&refused)), (422, "untrusted-evidence"), "an index key speaks for the index");
    let approval = approves("staging", "fine", &files());
    assert_eq!(kit.send("demo", "1.0", signed(&approval, &key(1))).await.0, 422);
    assert_eq!(kit.stored().await, before);

    kit.send("demo", "1.0", signed(&says("tests", &files()), &key(1))).await;
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-missing", "tests"), ("approval-missing", "approval")]));
    assert_eq!(refused["errors"][1]["hint"], "shipway approve 1.0 --to staging");
    assert!(refused["message"].as_str().unwrap().contains("`pipeline` signed as `ci`"), "{refused}");
    assert_eq!(kit.send("demo", "1.0", signed(&says("tests", &files()), &key(2))).await.0, 201);
    // For another channel, and then for this one.
    kit.send("demo", "1.0", signed(&approves("stable", "fine", &files()), &key(2))).await;
    assert_eq!(
        lacks(&kit.promote("demo", "1.0", "staging").await.1),
        pairs(&[("approval-missing", "approval")])
    );
    kit.send("demo", "1.0", signed(&approval, &key(2))).await;
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);
}

#[tokio::test]
async fn what_came_before_a_revocation_counts_and_nothing_of_a_compromised_key() {
    let kit =
        published("[channel.staging]\nrequires = [\"tests\"]\n[channel.stable]\nrequires = [\"tests\"]\n")
            .await;
    kit.register(Role::Ci, "pipeline", &key(1)).await;
    assert_eq!(kit.send("demo", "1.0", signed(&says("tests", &files()), &key(1))).await.0, 201);
    kit.revoke("pipeline", false).await;
    let before = kit.stored().await;
    let (status, refused) = kit.send("demo", "1.0", signed(&says("lint", &files()), &key(1))).await;
    assert_eq!((status, code(&refused)), (422, "untrusted-evidence"));
    assert!(refused["message"].as_str().unwrap().contains("was revoked at"), "{refused}");
    // Known is known: a retry of what came before is success and writes nothing.
    assert_eq!(kit.send("demo", "1.0", signed(&says("tests", &files()), &key(1))).await.0, 200);
    assert_eq!(kit.stored().await, before);
    assert_eq!(kit.promote("demo", "1.0", "staging").await.0, 200);

    kit.revoke("pipeline", true).await;
    assert_eq!(kit.json(PATH).await["statements"][0]["void"], "its key is compromised");
    let (_, refused) = kit.promote("demo", "1.0", "stable").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-missing", "tests")]), "{refused}");
    assert!(kit.listed("stable", "demo").await.is_none());
}

#[tokio::test]
async fn an_administrator_adds_lists_and_revokes_and_every_act_is_in_the_journal() {
    let kit = Kit::new().await;
    let admin = kit.admin().await;
    let private = admin.create_key(Role::ReleaseManager, "ada").await.unwrap();
    let stored = kit.stored().await;
    assert!(!stored.contains(private.to_pem().lines().nth(1).unwrap()), "the private half is stored nowhere");
    let listed = admin.keys().await.unwrap();
    let names: Vec<_> = listed.iter().map(|key| (key.name.as_str(), key.role, key.registered)).collect();
    assert_eq!(names, [("index", Role::Index, true), ("ada", Role::ReleaseManager, true)]);
    // The same again is success and writes nothing.
    admin.add_key(Role::ReleaseManager, "ada", &private.public()).await.unwrap();
    for (role, name, public) in [
        (Role::Ci, "ada", key(1).public()),
        (Role::Ci, " ", key(1).public()),
        (Role::Ci, "ada", private.public()),
        (Role::ReleaseManager, "grace", private.public()),
    ] {
        assert!(admin.add_key(role, name, &public).await.is_err(), "{role} {name}");
    }
    assert!(admin.revoke_key("nobody", false).await.is_err());
    let own = admin.revoke_key("index", false).await.unwrap_err().to_string();
    assert!(own.contains("keys/index.pem"), "{own}");
    assert_eq!(kit.stored().await, stored);

    let revoked = admin.revoke_key(&private.public().id().to_hex(), false).await.unwrap();
    assert!(revoked.revoked_at.is_some() && !revoked.compromised);
    assert!(admin.revoke_key("ada", false).await.is_err(), "once");
    assert!(
        admin.add_key(Role::ReleaseManager, "ada", &private.public()).await.is_err(),
        "never known again"
    );
    // The name is free for the next key.
    let next = admin.create_key(Role::ReleaseManager, "ada").await.unwrap();
    let worse = admin.revoke_key(&private.public().id().to_hex(), true).await.unwrap();
    assert!(worse.compromised && worse.revoked_at == revoked.revoked_at);
    assert!(kit.json("/api/v1/keys").await["keys"][2]["revoked_at"].is_null());
    assert_eq!(known_id(&kit).await, next.public().id().to_hex());
    let stored = kit.stored().await;
    for (action, times) in [("'add-key'", 3), ("'revoke-key'", 2)] {
        assert_eq!(stored.matches(action).count(), times, "{action}");
    }
    admin.close().await;
}

async fn known_id(kit: &Kit) -> String {
    let keys = kit.json("/api/v1/keys").await;
    keys["keys"][2]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn evidence_of_another_project_is_kept_and_counts_as_other_bytes() {
    let kit = published("[channel.staging]\nrequires = [\"smoke@dev\"]\n").await;
    kit.register(Role::Ci, "pipeline", &key(1)).await;
    let other = [crate::kit::wheel("other", "1.0", "a")];
    let body = signed(&says_in("smoke", "dev", &other), &key(1));
    assert_eq!(kit.send("demo", "1.0", body).await.0, 201);
    let (_, refused) = kit.promote("demo", "1.0", "staging").await;
    assert_eq!(lacks(&refused), pairs(&[("evidence-other-bytes", "smoke@dev")]));
    assert!(kit.listed("staging", "demo").await.is_none());
}
