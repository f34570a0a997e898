//! What is found in workflows and by `shipway doctor`, with what it means and how to mend it.

use crate::rules::Rule;

/// All of them.
pub const RULES: &[Rule] = &[
    rule(
        "workflow-missing",
        "the configuration asks for a workflow that is not there",
        "shipway workflows generate",
    ),
    rule(
        "workflow-stale",
        "a generated workflow is that of an earlier configuration or an earlier shipway",
        "shipway workflows generate; look at it first with --dry-run",
    ),
    rule(
        "workflow-edited",
        "a generated workflow was changed by hand; the next writing would lose that",
        "bring the change to the configuration, then shipway workflows generate --overwrite",
    ),
    rule(
        "workflow-foreign",
        "a file stands where a generated workflow goes, and shipway did not write it",
        "move it away or give the generated one another name (`forge.build-workflow`), or --overwrite it",
    ),
    rule(
        "workflow-mode",
        "the script that fetches shipway cannot be executed, so that every job ends at once",
        "shipway workflows generate, then git add --chmod=+x",
    ),
    rule(
        "workflow-yaml",
        "a workflow is no YAML; the forge starts no run for it and tells nobody where a release is expected",
        "correct the line that is named",
    ),
    rule(
        "workflow-schema",
        "a workflow is YAML and yet nothing that the forge runs: a key, a job or a step is not as it must be",
        "correct the line that is named",
    ),
    rule(
        "workflows",
        "the repository has no workflows, or they could not be looked at",
        "shipway workflows generate",
    ),
    rule(
        "interpolation",
        "an expression is put into a script before a shell reads it, so that a branch name or a title can be a command",
        "set it as a variable of the step and write \"$NAME\" in the script",
    ),
    rule(
        "action-not-pinned",
        "an action is named by a tag or branch, which its owner, or who stole the account, can move",
        "name the full commit, with the version as a comment; shipway workflows upgrade for the generated ones",
    ),
    rule(
        "dangerous-trigger",
        "the workflow runs with the secrets of the base on what a pull request from anywhere brings",
        "use pull_request, or push to the base",
    ),
    rule(
        "permissions",
        "the token of a job may do more than the job needs",
        "write `permissions: {}` on top and grant each job what it needs",
    ),
    rule(
        "persisted-credentials",
        "the checkout leaves the token in the git configuration, where every later step reads it",
        "set `persist-credentials: false`",
    ),
    rule(
        "piped-installer",
        "a script from the network is executed without being looked at; tomorrow it is another one",
        "install by a pinned version and digest",
    ),
    rule(
        "publish-environment",
        "a job publishes without an environment, so that every branch may use its secrets",
        "give it a protected environment with reviewers and the base as its only branch",
    ),
    rule(
        "publish-gate",
        "a job publishes whatever there is; no job before it verified the run, the files and the pull request",
        "shipway workflows generate",
    ),
    rule(
        "publish-concurrency",
        "two publishes may run at once",
        "set `concurrency` with a group per repository and `cancel-in-progress: false`",
    ),
    rule("publish-cancelled", "a newer run cancels a publish half way", "set `cancel-in-progress: false`"),
    rule("configuration", "the configuration is not valid", "shipway config show"),
    rule(
        "no-gates",
        "no gate runs a command, so that a release is published untested",
        "add `[[tool.shipway.gate]]` with `id = \"tests\"` and a command",
    ),
    rule(
        "no-changelog",
        "there is no changelog, so that no release has notes",
        "shipway init, or name it with `changelog`",
    ),
    rule("git", "the project is in no git repository, or git is not there", "git init; install git"),
    rule("remote", "the git remote does not answer", "git remote -v; git ls-remote"),
    rule(
        "python",
        "there is no Python that builds and tries releases",
        "install Python 3, or set SHIPWAY_PYTHON",
    ),
    rule("pip", "the interpreter has no pip of 22.3 or later", "python3 -m pip install --upgrade pip"),
    rule(
        "index",
        "the index does not answer, or not with this credential",
        "look at `index` and the credential",
    ),
    rule(
        "credential",
        "there is no credential of the index on this machine; only a publish from here needs one",
        "set SHIPWAY_TOKEN, or a section of .pypirc",
    ),
    rule(
        "forge",
        "nothing says where the forge is, or it cannot be read",
        "set `[tool.shipway.forge]` and GITHUB_TOKEN",
    ),
    rule(
        "base-protected",
        "the branch that releases are cut from takes pushes without a pull request",
        "protect it at the forge: pull requests required, no force push, no deletion",
    ),
    rule(
        "tags-protected",
        "the tag of a release can be moved or made again at another commit",
        "add a ruleset for tags `v*` with the rules deletion and update",
    ),
    rule(
        "environment",
        "the environment of the publish does not exist; the forge makes an unguarded one at the first run",
        "make it at the forge, with reviewers and the base as its only branch",
    ),
    rule(
        "environment-reviewers",
        "nobody has to approve a publish, or who starts it may approve it",
        "set required reviewers and prevent self review",
    ),
    rule(
        "environment-branches",
        "other branches than the base may use the environment and its secrets",
        "set the deployment branches of the environment to the base",
    ),
    rule(
        "workflow-token",
        "the token of a workflow may write unless the workflow says less",
        "set the default workflow permissions to read",
    ),
    rule(
        "sha-pinning",
        "the forge runs actions that are named by a tag",
        "require actions to be pinned to a full-length commit",
    ),
    rule(
        "workflows-owned",
        "a change of the publish workflow needs no certain reviewer",
        "add the workflows and .shipway/bin to CODEOWNERS, and require the review of owners",
    ),
    rule(
        "unproven",
        "no publish from this forge was ever read back from the index; all that is known of it comes from tests",
        "publish once with the generated workflow, first with its dry run",
    ),
];

const fn rule(id: &'static str, why: &'static str, fix: &'static str) -> Rule {
    Rule { id, why, fix }
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn no_id_stands_for_two_findings() {
        let mut ids: Vec<&str> = RULES.iter().chain(crate::rules::RULES).map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    }
}
