//! What the fake forge guards its repository with: environments, rules of branches and tags, what workflows may do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::Reply;

/// What is guarded, as a repository is that does everything right; a scenario takes away what it is about.
#[derive(Debug, Clone)]
pub struct Guards {
    /// Whether every branch is protected.
    pub protected: bool,
    /// The environments.
    pub environments: Vec<Value>,
    /// The branches that may use an environment, by its name.
    pub branches: BTreeMap<String, Vec<String>>,
    /// The rules that hold for the base.
    pub rules: Vec<Value>,
    /// The sets of rules.
    pub rulesets: Vec<Value>,
    /// What the token of a workflow may do.
    pub token: Value,
    /// What actions may be used.
    pub actions: Value,
}

impl Default for Guards {
    fn default() -> Self {
        let rule = |kind: &str| json!({ "type": kind });
        let reviewer = json!({ "type": "User", "reviewer": { "login": "lead", "id": 7, "type": "User" } });
        let environment = json!({
            "id": 161, "node_id": "EN", "name": "private-index",
            "protection_rules": [
                { "id": 3, "node_id": "GA", "type": "required_reviewers", "prevent_self_review": true, "reviewers": [reviewer] },
                { "id": 4, "node_id": "GB", "type": "branch_policy" },
            ],
            "deployment_branch_policy": { "protected_branches": false, "custom_branch_policies": true },
        });
        Self {
            protected: true,
            environments: vec![environment],
            branches: [("private-index".to_owned(), vec!["main".to_owned()])].into(),
            rules: vec![rule("pull_request"), rule("non_fast_forward")],
            rulesets: vec![json!({
                "id": 42, "name": "releases", "target": "tag", "source_type": "Repository", "source": "team/demo",
                "enforcement": "active", "rules": [rule("deletion"), rule("update")],
            })],
            token: json!({ "default_workflow_permissions": "read", "can_approve_pull_request_reviews": false }),
            actions: json!({ "enabled": true, "allowed_actions": "all", "sha_pinning_required": true }),
        }
    }
}

/// The answer of an operation about guards, which are the last that are known.
pub(super) fn answer(guards: &Guards, rest: &[&str]) -> Reply {
    match rest {
        ["environments"] => {
            let all = &guards.environments;
            Reply::json(200, &json!({ "total_count": all.len(), "environments": all }))
        }
        ["environments", name, "deployment-branch-policies"] => match guards.branches.get(*name) {
            Some(branches) => {
                let policy = |(at, name): (usize, &String)| json!({ "id": at + 1, "node_id": "P", "name": name, "type": "branch" });
                let all: Vec<Value> = branches.iter().enumerate().map(policy).collect();
                Reply::json(200, &json!({ "total_count": all.len(), "branch_policies": all }))
            }
            None => Reply::message(404, "Not Found"),
        },
        ["rules", "branches", _] => Reply::json(200, &json!(guards.rules)),
        ["rulesets"] => {
            let listed = guards.rulesets.iter().cloned().map(|mut one| {
                // Items of the list have no rules.
                if let Some(fields) = one.as_object_mut() {
                    fields.remove("rules");
                }
                one
            });
            Reply::json(200, &listed.collect())
        }
        ["rulesets", id] => {
            match guards.rulesets.iter().find(|one| id.parse() == Ok(one["id"].as_u64().unwrap_or_default()))
            {
                Some(one) => Reply::json(200, one),
                None => Reply::message(404, "Not Found"),
            }
        }
        ["actions", "permissions"] => Reply::json(200, &guards.actions),
        ["actions", "permissions", "workflow"] => Reply::json(200, &guards.token),
        _ => Reply::message(404, "Not Found"),
    }
}
