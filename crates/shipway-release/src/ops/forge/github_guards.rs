//! What GitHub says about environments, rules and workflows. None of it takes "not found" for an answer: the API says
//! so too when the token may not read something.

use serde::Deserialize;

use super::github::{GitHub, PAGE};
use super::guards::{ActionsPolicy, BranchRule, Environment, Guards, Ruleset, WorkflowToken};
use crate::error::Result;

#[derive(Deserialize)]
struct Environments {
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
struct Branches {
    branch_policies: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Guards for GitHub {
    fn environments(&self) -> Result<Vec<Environment>> {
        let url = self.url(&["environments"], &[PAGE])?;
        self.client.pages("environments", url, |page: Environments| page.environments)
    }

    fn environment_branches(&self, environment: &str) -> Result<Vec<String>> {
        let url = self.url(&["environments", environment, "deployment-branch-policies"], &[PAGE])?;
        let what = format!("branches of environment `{environment}`");
        let named = |page: Branches| page.branch_policies.into_iter().map(|one| one.name).collect();
        self.client.pages(&what, url, named)
    }

    fn branch_rules(&self, branch: &str) -> Result<Vec<BranchRule>> {
        let url = self.url(&["rules", "branches", branch], &[PAGE])?;
        self.client.pages(&format!("rules of branch `{branch}`"), url, |page: Vec<BranchRule>| page)
    }

    fn tag_rulesets(&self) -> Result<Vec<Ruleset>> {
        let url = self.url(&["rulesets"], &[("targets", "tag"), PAGE])?;
        let listed = self.client.pages("rulesets", url, |page: Vec<Ruleset>| page)?;
        let active = listed.into_iter().filter(|one| {
            one.enforcement == "active" && one.target.as_deref().is_none_or(|target| target == "tag")
        });
        let whole = |one: Ruleset| {
            let id = one.id.to_string();
            self.client.get(&format!("ruleset `{id}`"), self.url(&["rulesets", &id], &[])?)
        };
        active.map(whole).collect()
    }

    fn workflow_token(&self) -> Result<WorkflowToken> {
        let url = self.url(&["actions", "permissions", "workflow"], &[])?;
        self.client.get("permissions of workflows", url)
    }

    fn actions_policy(&self) -> Result<ActionsPolicy> {
        self.client.get("permissions of actions", self.url(&["actions", "permissions"], &[])?)
    }
}
