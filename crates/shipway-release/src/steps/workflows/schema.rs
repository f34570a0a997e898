//! What GitHub asks of a workflow before it runs it, as far as a mistake there would be found only after the merge:
//! keys, what a job and a step are made of, and names that must exist.
//!
//! The whole published schema is tried on the generated files by a test; this part judges files written by hand, and
//! says nothing about what it does not know.

use shipway_dist::Finding;

use crate::ops::yaml::{Node, Value};

const TOP: &[&str] =
    &["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs", "description"];
const JOB: &[&str] = &[
    "name",
    "needs",
    "if",
    "permissions",
    "runs-on",
    "environment",
    "concurrency",
    "outputs",
    "env",
    "defaults",
    "steps",
    "timeout-minutes",
    "strategy",
    "continue-on-error",
    "container",
    "services",
    "uses",
    "with",
    "secrets",
    "snapshot",
];
const STEP: &[&str] = &[
    "id",
    "if",
    "name",
    "uses",
    "run",
    "working-directory",
    "shell",
    "with",
    "env",
    "continue-on-error",
    "timeout-minutes",
];
const EVENTS: &[&str] = &[
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_target",
    "push",
    "registry_package",
    "release",
    "repository_dispatch",
    "schedule",
    "status",
    "watch",
    "workflow_call",
    "workflow_dispatch",
    "workflow_run",
];

struct Judge<'a> {
    path: &'a str,
    found: Vec<Finding>,
}

impl Judge<'_> {
    fn say(&mut self, node: &Node, text: impl std::fmt::Display) {
        let message = format!("{}:{}: {text}", self.path, node.line);
        self.found.push(Finding::error("workflow-schema", message));
    }

    /// Every key is known; none is known to be wrong.
    fn keys(&mut self, node: &Node, known: &[&str], what: &str) {
        for (key, _) in node.entries() {
            match key.text() {
                Some(text) if known.contains(&text) => {}
                Some(text) => self.say(key, format!("{what} has no `{text}`")),
                None => self.say(key, format!("a key of {what} is no text")),
            }
        }
    }
}

/// Everything in a workflow that the forge does not take.
pub(crate) fn judge(path: &str, root: &Node) -> Vec<Finding> {
    let mut judge = Judge { path, found: Vec::new() };
    if !root.is_map() {
        judge.say(root, "a workflow is a mapping");
        return judge.found;
    }
    judge.keys(root, TOP, "a workflow");
    match root.get("on") {
        None => judge.say(root, "a workflow needs `on`"),
        Some(on) => events(&mut judge, on),
    }
    let Some(jobs) = root.get("jobs") else {
        judge.say(root, "a workflow needs `jobs`");
        return judge.found;
    };
    if !jobs.is_map() || jobs.entries().is_empty() {
        judge.say(jobs, "`jobs` is a mapping with at least one job");
        return judge.found;
    }
    for (id, one) in jobs.entries() {
        job(&mut judge, jobs, id, one);
    }
    cycles(&mut judge, jobs);
    judge.found
}

fn events(judge: &mut Judge<'_>, on: &Node) {
    let names: Vec<&Node> = match &on.value {
        Value::Scalar { .. } => vec![on],
        Value::List(items) => items.iter().collect(),
        Value::Map(entries) => entries.iter().map(|(key, _)| key).collect(),
    };
    if names.is_empty() {
        judge.say(on, "`on` names no event");
    }
    for name in names {
        match name.text() {
            Some(text) if EVENTS.contains(&text) => {}
            other => judge.say(name, format!("there is no event `{}`", other.unwrap_or("?"))),
        }
    }
    for event in ["push", "pull_request", "pull_request_target"] {
        let Some(filter) = on.get(event) else { continue };
        for (with, without) in
            [("branches", "branches-ignore"), ("tags", "tags-ignore"), ("paths", "paths-ignore")]
        {
            if filter.get(with).is_some() && filter.get(without).is_some() {
                judge.say(filter, format!("`{event}` has both `{with}` and `{without}`"));
            }
        }
    }
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn job(judge: &mut Judge<'_>, jobs: &Node, id: &Node, node: &Node) {
    let name = id.text().unwrap_or_default();
    if !is_id(name) {
        judge.say(id, format!("`{name}` cannot be the id of a job"));
    }
    if !node.is_map() {
        judge.say(node, format!("job `{name}` is no mapping"));
        return;
    }
    judge.keys(node, JOB, &format!("job `{name}`"));
    for needed in node.get("needs").map(Node::texts).unwrap_or_default() {
        if jobs.get(needed).is_none() {
            judge.say(node, format!("job `{name}` needs `{needed}`, which does not exist"));
        }
    }
    match (node.get("uses"), node.get("steps")) {
        (Some(_), Some(steps)) => judge.say(steps, format!("job `{name}` calls a workflow and has steps")),
        (Some(uses), None) => reference(judge, uses),
        (None, None) => judge.say(node, format!("job `{name}` has neither `steps` nor `uses`")),
        (None, Some(steps)) => {
            if node.get("runs-on").is_none_or(Node::is_nothing) {
                judge.say(node, format!("job `{name}` has no `runs-on`"));
            }
            if !steps.is_list() || steps.items().is_empty() {
                judge.say(steps, format!("job `{name}` has no list of steps"));
            }
            let mut ids: Vec<&str> = Vec::new();
            for one in steps.items() {
                step(judge, name, one);
                if let Some(id) = one.get("id").and_then(Node::text) {
                    if ids.contains(&id) || !is_id(id) {
                        judge
                            .say(one, format!("two steps of job `{name}` are called `{id}`, or none can be"));
                    }
                    ids.push(id);
                }
            }
        }
    }
}

fn step(judge: &mut Judge<'_>, job: &str, node: &Node) {
    if !node.is_map() {
        judge.say(node, format!("a step of job `{job}` is no mapping"));
        return;
    }
    judge.keys(node, STEP, &format!("a step of job `{job}`"));
    match (node.get("run"), node.get("uses")) {
        (Some(_), Some(_)) => judge.say(node, format!("a step of job `{job}` has both `run` and `uses`")),
        (None, None) => judge.say(node, format!("a step of job `{job}` has neither `run` nor `uses`")),
        (Some(run), None) => {
            if run.text().is_none_or(|text| text.trim().is_empty()) {
                judge.say(run, format!("`run` of a step of job `{job}` is empty"));
            }
        }
        (None, Some(uses)) => reference(judge, uses),
    }
    for key in ["with", "env"] {
        if let Some(values) = node.get(key)
            && !values.is_map()
            && values.text().is_none_or(|text| !text.contains("${{"))
        {
            judge.say(values, format!("`{key}` of a step of job `{job}` is no mapping"));
        }
    }
}

fn reference(judge: &mut Judge<'_>, uses: &Node) {
    let text = uses.text().unwrap_or_default();
    let is_local = text.starts_with("./") || text.starts_with("docker://");
    let is_pinned = text.split_once('@').is_some_and(|(name, at)| name.contains('/') && !at.is_empty());
    if !is_local && !is_pinned {
        judge.say(uses, format!("`uses: {text}` names no action and version"));
    }
}

/// Jobs that wait for each other never run.
fn cycles(judge: &mut Judge<'_>, jobs: &Node) {
    let needs = |id: &str| jobs.get(id).and_then(|job| job.get("needs")).map(Node::texts).unwrap_or_default();
    for (id, node) in jobs.entries() {
        let Some(name) = id.text() else { continue };
        let (mut seen, mut next): (Vec<&str>, Vec<&str>) = (Vec::new(), needs(name));
        while let Some(one) = next.pop() {
            if one == name {
                judge.say(node, format!("job `{name}` waits for itself"));
                return;
            }
            if !seen.contains(&one) {
                seen.push(one);
                next.extend(needs(one));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::yaml;

    fn of(text: &str) -> Vec<String> {
        let found = judge("w.yml", &yaml::parse(text).unwrap());
        found.into_iter().map(|one| one.message.trim_start_matches("w.yml:").to_owned()).collect()
    }

    #[test]
    fn a_workflow_that_the_forge_takes_has_no_findings() {
        let text = "on: [push]\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n  b:\n    needs: a\n    uses: o/r/.github/workflows/w.yml@v1\n";
        assert_eq!(of(text), Vec::<String>::new());
    }

    #[test]
    fn h9_each_mistake_is_named_with_its_line() {
        let head = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n";
        let cases = [
            ("jobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n".to_owned(), "needs `on`"),
            (
                "on: pushed\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n".to_owned(),
                "no event `pushed`",
            ),
            ("on: push\n".to_owned(), "needs `jobs`"),
            (format!("{head}      - run: a\n        uses: o/r@v1\n"), "both `run` and `uses`"),
            (format!("{head}      - name: a\n"), "neither `run` nor `uses`"),
            (format!("{head}      - uses: actions/checkout\n"), "names no action and version"),
            (format!("{head}      - run: a\n    need: b\n"), "has no `need`"),
            (format!("{head}      - run: a\n    needs: b\n"), "needs `b`, which does not exist"),
            (format!("{head}      - run: a\n    needs: a\n"), "waits for itself"),
            ("on: push\njobs:\n  a:\n    steps: [{run: a}]\n".to_owned(), "no `runs-on`"),
            (
                "on: push\njobs:\n  1a:\n    runs-on: x\n    steps: [{run: a}]\n".to_owned(),
                "cannot be the id",
            ),
        ];
        for (text, expected) in cases {
            let found = of(&text);
            assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        }
    }
}
