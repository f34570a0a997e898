//! What no file of the repository can set, read at the forge: the base and the tags protected, the environment with
//! reviewers and its branch, the token read-only, full commits asked of actions, the workflows owned.
//!
//! An answer 403 or 404 is "could not be read with this token".

use super::owners::owners_of;
use super::{Level, Look};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::forge::Forge;
use crate::ops::forge::guards::{Environment, Guards};
use crate::steps::forge;
use crate::steps::workflows::Place;

/// Every look at the forge.
pub(super) fn looks(context: &Context<'_>) -> Vec<Look> {
    let mut looks = vec![owned(context)];
    let forge = match forge::open(context) {
        Ok(forge) => forge,
        Err(error) => {
            looks.push(Look::failed("forge", "forge", Level::Error, &error));
            return looks;
        }
    };
    let Some(guards) = forge.guards() else {
        looks.push(Look::new(
            "forge",
            "forge",
            Level::Unknown,
            "what this kind of forge guards cannot be read yet",
        ));
        return looks;
    };
    looks.push(of("base-protected", base_protected(context, &*forge, guards)));
    looks.push(of("tags-protected", tags_protected(guards)));
    looks.extend(environment(context, guards));
    looks.push(of("workflow-token", workflow_token(guards)));
    looks.push(of("sha-pinning", sha_pinning(guards)));
    looks
}

/// What was found, or that it could not be read; a forge that does not answer says nothing about the repository.
fn of(id: &'static str, found: Result<(Level, String)>) -> Look {
    match found {
        Ok((level, text)) => Look::new("forge", id, level, text),
        Err(error) => unreadable(id, &error),
    }
}

fn unreadable(id: &'static str, error: &Error) -> Look {
    match error.code() {
        "forbidden" | "not-found" | "unauthenticated" => {
            let text = format!("could not be read with this token: {error}");
            let hint = "use a token that may read the administration of the repository";
            Look::new("forge", id, Level::Unknown, text).hint(hint)
        }
        _ => Look::failed("forge", id, Level::Unknown, error),
    }
}

fn base_protected(context: &Context<'_>, forge: &dyn Forge, guards: &dyn Guards) -> Result<(Level, String)> {
    let base = &context.config.base_branch;
    let Some(branch) = forge.branch(base)? else {
        return Ok((Level::Error, format!("`{base}` does not exist at the forge")));
    };
    let rules: Vec<String> = guards.branch_rules(base)?.into_iter().map(|rule| rule.kind).collect();
    if branch.protected || rules.iter().any(|kind| kind == "pull_request") {
        let how = if rules.is_empty() {
            "protected".to_owned()
        } else {
            format!("protected by {}", rules.join(", "))
        };
        return Ok((Level::Ok, format!("`{base}` is {how}")));
    }
    Ok((
        Level::Error,
        format!("`{base}` is not protected: anybody who may write pushes to it without a pull request"),
    ))
}

fn tags_protected(guards: &dyn Guards) -> Result<(Level, String)> {
    let sets = guards.tag_rulesets()?;
    let has = |kind: &str| sets.iter().any(|set| set.rules.iter().any(|rule| rule.kind == kind));
    Ok(match (has("deletion"), has("update") || has("non_fast_forward")) {
        (true, true) => (Level::Ok, "tags can be neither moved nor deleted".to_owned()),
        (true, false) => (Level::Warning, "tags can be moved: add the rule `update`".to_owned()),
        (false, _) => (
            Level::Warning,
            "tags can be deleted and made again: add a ruleset for `v*` with `deletion` and `update`"
                .to_owned(),
        ),
    })
}

/// The protected environment of the publish: that it exists, who approves, and which branches may use it.
fn environment(context: &Context<'_>, guards: &dyn Guards) -> Vec<Look> {
    let name = &context.config.workflows.environment;
    let all = match guards.environments() {
        Ok(all) => all,
        Err(error) => {
            return ["environment", "environment-reviewers", "environment-branches"]
                .map(|id| unreadable(id, &error))
                .into();
        }
    };
    let Some(found) = all.into_iter().find(|one| one.name.eq_ignore_ascii_case(name)) else {
        let text =
            format!("there is no environment `{name}`; the first run would make one that guards nothing");
        return vec![Look::new("forge", "environment", Level::Error, text)];
    };
    vec![
        Look::new("forge", "environment", Level::Ok, format!("`{name}` exists")),
        reviewers(&found),
        of("environment-branches", branches(context, guards, &found)),
    ]
}

fn reviewers(environment: &Environment) -> Look {
    let name = &environment.name;
    let rule = environment.protection_rules.iter().find(|rule| rule.kind == "required_reviewers");
    let id = "environment-reviewers";
    match rule {
        Some(rule) if !rule.reviewers.is_empty() && rule.prevent_self_review => {
            let text =
                format!("`{name}` has {} reviewers, and nobody approves an own run", rule.reviewers.len());
            Look::new("forge", id, Level::Ok, text)
        }
        Some(rule) if !rule.reviewers.is_empty() => {
            Look::new("forge", id, Level::Warning, format!("who starts a publish may approve it in `{name}`"))
        }
        Some(_) | None => {
            Look::new("forge", id, Level::Error, format!("`{name}` asks nobody before a publish"))
        }
    }
}

fn branches(
    context: &Context<'_>,
    guards: &dyn Guards,
    environment: &Environment,
) -> Result<(Level, String)> {
    let (name, base) = (&environment.name, &context.config.base_branch);
    let Some(policy) = environment.deployment_branch_policy else {
        return Ok((Level::Error, format!("every branch may use `{name}` and its secrets")));
    };
    if !policy.custom_branch_policies {
        return Ok((Level::Ok, format!("protected branches may use `{name}`")));
    }
    let named = guards.environment_branches(&environment.name)?;
    let beyond: Vec<&String> = named.iter().filter(|one| *one != base).collect();
    Ok(if !named.contains(base) {
        (Level::Error, format!("`{base}` may not use `{name}`, only: {}", named.join(", ")))
    } else if beyond.is_empty() {
        (Level::Ok, format!("only `{base}` may use `{name}`"))
    } else {
        (Level::Warning, format!("besides `{base}`, these may use `{name}`: {}", named.join(", ")))
    })
}

fn workflow_token(guards: &dyn Guards) -> Result<(Level, String)> {
    let token = guards.workflow_token()?;
    Ok(match (token.default_workflow_permissions.as_str(), token.can_approve_pull_request_reviews) {
        ("read", false) => {
            (Level::Ok, "a workflow's token may only read unless the workflow says more".to_owned())
        }
        ("read", true) => (Level::Warning, "a workflow may approve pull requests".to_owned()),
        (other, _) => {
            (Level::Error, format!("a workflow's token may `{other}` unless the workflow says less"))
        }
    })
}

fn sha_pinning(guards: &dyn Guards) -> Result<(Level, String)> {
    let policy = guards.actions_policy()?;
    Ok(match (policy.enabled, policy.sha_pinning_required) {
        (false, _) => (Level::Error, "workflows are switched off for this repository".to_owned()),
        (true, Some(true)) => (Level::Ok, "every action must be named by its full commit".to_owned()),
        (true, Some(false)) => (Level::Warning, "actions may be named by tags, which move".to_owned()),
        (true, None) => {
            (Level::Unknown, "the forge does not say whether actions need a full commit".to_owned())
        }
    })
}

/// A file of the repository says who owns the workflows, and only the forge makes it count.
fn owned(context: &Context<'_>) -> Look {
    let id = "workflows-owned";
    let place = match Place::of(context) {
        Ok(place) => place,
        Err(error) => return unreadable(id, &error),
    };
    let path = format!(".github/workflows/{}", context.config.forge.publish_workflow);
    match owners_of(&place.root, &path) {
        Some(owners) => {
            Look::new("forge", id, Level::Ok, format!("`{path}` is owned by {}", owners.join(", ")))
        }
        None => Look::new(
            "forge",
            id,
            Level::Warning,
            format!("nobody owns `{path}`: a change of it needs no certain reviewer"),
        )
        .hint("add `/.github/workflows/ @TEAM` and `/.shipway/bin/ @TEAM` to .github/CODEOWNERS"),
    }
}
