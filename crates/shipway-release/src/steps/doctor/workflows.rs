//! The workflows of the repository, generated or written by hand, read as the forge reads them: what lets a stranger's
//! text run, an action change under a release, or a publish start unguarded.

use super::{Level, Look};
use crate::context::Context;
use crate::ops::yaml::{self, Node};
use crate::steps::workflows::{self, Place, schema, workflow_files};

/// Words of a command that uploads a release somewhere.
const PUBLISHES: [&str; 8] = [
    "twine upload",
    "uv publish",
    "poetry publish",
    "flit publish",
    "hatch publish",
    "pdm publish",
    "shipway publish",
    "shipway release",
];

/// Actions that do.
const PUBLISHING_ACTIONS: [&str; 1] = ["pypa/gh-action-pypi-publish"];

/// Everything that is looked at in the workflows, and whether they are what the configuration says.
pub(super) fn looks(context: &Context<'_>) -> Vec<Look> {
    let unread = |error: &crate::Error| vec![Look::failed("workflows", "workflows", Level::Unknown, error)];
    let place = match Place::of(context) {
        Ok(place) => place,
        Err(error) => return unread(&error),
    };
    let files = match workflow_files(&place.root) {
        Ok(files) => files,
        Err(error) => return unread(&error),
    };
    let mut looks = drift(context);
    if files.is_empty() && looks.is_empty() {
        let text = "there are none";
        return vec![
            Look::new("workflows", "workflows", Level::Warning, text).hint("shipway workflows generate"),
        ];
    }
    let before = looks.len();
    for (path, text) in &files {
        looks.extend(of_file(path, text));
    }
    if looks.len() == before {
        looks.push(Look::new(
            "workflows",
            "workflows",
            Level::Ok,
            format!("nothing found in {} files", files.len()),
        ));
    }
    looks
}

/// Whether the generated files are what the configuration says, where it says anything about them.
fn drift(context: &Context<'_>) -> Vec<Look> {
    if !context.config.workflows.configured {
        return Vec::new();
    }
    match workflows::check(context) {
        Ok(report) => {
            let ours = report.findings.iter().filter_map(|finding| {
                let id = [
                    "workflow-missing",
                    "workflow-stale",
                    "workflow-edited",
                    "workflow-foreign",
                    "workflow-mode",
                ]
                .into_iter()
                .find(|id| *id == finding.id)?;
                let look = Look::new("workflows", id, Level::Error, finding.message.clone());
                Some(match &finding.hint {
                    Some(hint) => look.hint(hint.clone()),
                    None => look,
                })
            });
            ours.collect()
        }
        Err(error) => vec![Look::failed("workflows", "workflows", Level::Error, &error)],
    }
}

/// Collects what is found in one file.
struct Reading<'a> {
    path: &'a str,
    looks: Vec<Look>,
}

impl Reading<'_> {
    fn say(&mut self, id: &'static str, level: Level, node: &Node, text: impl std::fmt::Display) {
        let message = format!("{}:{}: {text}", self.path, node.line);
        self.looks.push(Look::new("workflows", id, level, message));
    }
}

/// Everything that is found in one file.
pub(super) fn of_file(path: &str, text: &str) -> Vec<Look> {
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let text = format!("{path}:{}: {}", error.line, error.message);
            return vec![Look::new("workflows", "workflow-yaml", Level::Error, text)];
        }
    };
    let mut reading = Reading { path, looks: Vec::new() };
    let broken = schema::judge(path, &root);
    reading.looks.extend(
        broken.into_iter().map(|one| Look::new("workflows", "workflow-schema", Level::Error, one.message)),
    );
    triggers(&mut reading, &root);
    permissions(&mut reading, &root);
    let jobs = root.get("jobs").map(Node::entries).unwrap_or_default();
    for (id, job) in jobs {
        let name = id.text().unwrap_or("?");
        if let Some(uses) = job.get("uses") {
            pinned(&mut reading, uses);
        }
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            of_step(&mut reading, step);
        }
        if job.get("permissions").and_then(Node::text) == Some("write-all") {
            reading.say("permissions", Level::Error, job, format!("job `{name}` may write everything"));
        }
        if publishes(job) {
            publish(&mut reading, &root, name, job);
        }
    }
    reading.looks
}

fn triggers(reading: &mut Reading<'_>, root: &Node) {
    let Some(on) = root.get("on") else { return };
    let mut names = on.texts();
    names.extend(on.entries().iter().filter_map(|(key, _)| key.text()));
    for name in ["pull_request_target", "workflow_run"] {
        if names.contains(&name) {
            let text = format!("`{name}` runs with the rights of the base on what a stranger wrote");
            reading.say("dangerous-trigger", Level::Error, on, text);
        }
    }
}

fn permissions(reading: &mut Reading<'_>, root: &Node) {
    match root.get("permissions") {
        None => {
            let text = "there are no `permissions` on top: every job gets the repository's default";
            reading.say("permissions", Level::Warning, root, text);
        }
        Some(node) if node.text() == Some("write-all") => {
            reading.say("permissions", Level::Error, node, "every job may write everything");
        }
        Some(_) => {}
    }
}

fn of_step(reading: &mut Reading<'_>, step: &Node) {
    if let Some(run) = step.get("run") {
        let text = run.text().unwrap_or_default();
        interpolated(reading, run, text);
        if let Some(line) = text.lines().find(|line| pipes_a_script(line)) {
            let text = format!("a script from the network is executed unseen: `{}`", line.trim());
            reading.say("piped-installer", Level::Error, run, text);
        }
    }
    let Some(uses) = step.get("uses") else { return };
    pinned(reading, uses);
    let action = uses.text().unwrap_or_default().split('@').next().unwrap_or_default();
    if action.eq_ignore_ascii_case("actions/checkout") {
        let kept = step.at(&["with", "persist-credentials"]).and_then(Node::text);
        if kept != Some("false") {
            let text =
                "the checkout keeps the token where every later step reads it: `persist-credentials: false`";
            reading.say("persisted-credentials", Level::Warning, uses, text);
        }
    }
    if action.eq_ignore_ascii_case("actions/github-script")
        && let Some(script) = step.at(&["with", "script"])
    {
        interpolated(reading, script, script.text().unwrap_or_default());
    }
}

/// Expressions become part of a script before a shell reads it; what somebody else wrote is then a command.
fn interpolated(reading: &mut Reading<'_>, node: &Node, text: &str) {
    const OTHERS: [&str; 8] = [
        "github.event",
        "github.head_ref",
        "github.ref",
        "inputs.",
        "env.",
        "steps.",
        "needs.",
        "github.base_ref",
    ];
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let tail = &rest[start + 3..];
        let end = tail.find("}}").unwrap_or(tail.len());
        let expression = tail[..end].trim();
        let is_others = OTHERS.iter().any(|one| expression.contains(one));
        let level = if is_others { Level::Error } else { Level::Warning };
        let text = format!("`${{{{ {expression} }}}}` stands in a script; give it as a variable of the step");
        reading.say("interpolation", level, node, text);
        rest = &tail[end..];
    }
}

fn pinned(reading: &mut Reading<'_>, uses: &Node) {
    let text = uses.text().unwrap_or_default();
    if text.starts_with("./") || text.starts_with("$/") {
        return;
    }
    let at = text.split_once('@').map(|(_, at)| at).unwrap_or_default();
    let is_commit = at.len() == 40 && at.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_image = text.starts_with("docker://") && at.starts_with("sha256:");
    if !is_commit && !is_image {
        let text = format!("`{text}` can be changed under you: name the full commit");
        reading.say("action-not-pinned", Level::Error, uses, text);
    }
}

/// Whether a line hands what it downloads to an interpreter.
fn pipes_a_script(line: &str) -> bool {
    const SHELLS: [&str; 7] = ["sh", "bash", "zsh", "python", "python3", "iex", "perl"];
    let line = line.split(" #").next().unwrap_or_default();
    let fetches = |part: &str| {
        part.split(|c: char| c.is_whitespace() || "($`\"'".contains(c)).any(|word| {
            matches!(word, "curl" | "wget" | "iwr" | "irm" | "Invoke-WebRequest" | "Invoke-RestMethod")
        })
    };
    let program = |part: &str| {
        let mut words = part
            .split_whitespace()
            .skip_while(|word| *word == "sudo" || *word == "env" || word.contains('='));
        words.next().map(|word| word.rsplit('/').next().unwrap_or(word).to_owned())
    };
    let parts: Vec<&str> = line.split('|').collect();
    let piped = parts.iter().enumerate().skip(1).any(|(at, part)| {
        parts[..at].iter().any(|one| fetches(one))
            && program(part).is_some_and(|program| SHELLS.contains(&program.trim_end_matches(['"', ')'])))
    });
    let substituted =
        ["<(curl", "<(wget", "-c \"$(curl", "-c \"$(wget", "-c '$(curl", "eval \"$(curl", "eval $(curl"]
            .iter()
            .any(|one| line.contains(one));
    piped || substituted
}

fn publishes(job: &Node) -> bool {
    job.get("steps").map(Node::items).unwrap_or_default().iter().any(|step| {
        let run = step.get("run").and_then(Node::text).unwrap_or_default();
        let words: Vec<&str> = run.split_whitespace().collect();
        let by_command = PUBLISHES.iter().any(|one| {
            let (program, action) = one.split_once(' ').unwrap_or((one, ""));
            words.windows(2).any(|pair| pair[0].rsplit('/').next() == Some(program) && pair[1] == action)
        });
        let uses = step.get("uses").and_then(Node::text).unwrap_or_default();
        by_command || PUBLISHING_ACTIONS.iter().any(|one| uses.split('@').next() == Some(one))
    })
}

/// A job that publishes waits for another, in an environment, one at a time, and is never cancelled.
fn publish(reading: &mut Reading<'_>, root: &Node, name: &str, job: &Node) {
    if job.get("environment").is_none_or(Node::is_nothing) {
        let text = format!("job `{name}` publishes without an environment: any branch may use its secrets");
        reading.say("publish-environment", Level::Error, job, text);
    }
    if job.get("needs").is_none() {
        let text = format!("job `{name}` publishes and waits for no job that verifies what it publishes");
        reading.say("publish-gate", Level::Error, job, text);
    }
    match job.get("concurrency").or(root.get("concurrency")) {
        None => {
            let text = format!("job `{name}` publishes and two of it may run at once: set `concurrency`");
            reading.say("publish-concurrency", Level::Warning, job, text);
        }
        Some(group) => {
            let cancel = group.get("cancel-in-progress").and_then(Node::text).unwrap_or("false");
            if cancel != "false" {
                let text = format!(
                    "job `{name}` publishes and can be cancelled half way: `cancel-in-progress: false`"
                );
                reading.say("publish-cancelled", Level::Error, group, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "on:\n  workflow_dispatch:\npermissions: {}\nconcurrency:\n  group: p\n  cancel-in-progress: false\njobs:\n  verify:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1\n        with: {persist-credentials: false}\n      - run: echo \"$X\"\n        env: {X: \"${{ github.head_ref }}\"}\n  publish:\n    needs: verify\n    environment: index\n    runs-on: x\n    steps:\n      - run: .shipway/bin/shipway publish\n";

    fn ids(text: &str) -> Vec<(&'static str, Level)> {
        of_file("w.yml", text).into_iter().map(|look| (look.id, look.level)).collect()
    }

    #[test]
    fn a_guarded_publish_has_nothing_to_be_said() {
        assert_eq!(of_file("w.yml", GOOD), []);
    }

    #[test]
    fn each_weakness_is_found_alone() {
        let error = Level::Error;
        let cases: [(&str, &str, &str, Level); 14] = [
            ("echo \"$X\"", "echo ${{ github.event.issue.title }}", "interpolation", error),
            ("echo \"$X\"", "echo ${{ runner.os }}", "interpolation", Level::Warning),
            (
                "echo \"$X\"",
                "curl -fsSL https://x.example/i.sh | sudo bash -s -- -y",
                "piped-installer",
                error,
            ),
            ("echo \"$X\"", "bash <(curl -s https://x.example/i.sh)", "piped-installer", error),
            ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7", "action-not-pinned", error),
            (
                " with: {persist-credentials: false}",
                " with: {fetch-depth: 0}",
                "persisted-credentials",
                Level::Warning,
            ),
            ("workflow_dispatch:", "pull_request_target:", "dangerous-trigger", error),
            ("workflow_dispatch:", "workflow_run:", "dangerous-trigger", error),
            ("permissions: {}\n", "", "permissions", Level::Warning),
            ("permissions: {}", "permissions: write-all", "permissions", error),
            ("    environment: index\n", "", "publish-environment", error),
            ("    needs: verify\n    environment", "    environment", "publish-gate", error),
            ("cancel-in-progress: false", "cancel-in-progress: true", "publish-cancelled", error),
            (
                "concurrency:\n  group: p\n  cancel-in-progress: false\n",
                "",
                "publish-concurrency",
                Level::Warning,
            ),
        ];
        for (from, to, id, level) in cases {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            assert_eq!(ids(&text), [(id, level)], "{to}");
        }
        assert_eq!(ids("on: [\n"), [("workflow-yaml", error)]);
        assert_eq!(ids("on: push\npermissions: {}\njobs: {}\n"), [("workflow-schema", error)]);
    }

    #[test]
    fn what_only_looks_like_a_piped_script_is_none() {
        for line in
            ["curl -o f https://x.example | tee log", "cat x | sh", "echo 'curl | sh' > doc # curl x | sh"]
        {
            assert!(!pipes_a_script(line), "{line}");
        }
        assert!(!pipes_a_script("curl https://x.example/f.json | jq ."));
        assert!(pipes_a_script("wget -qO- https://x.example/i | python3 -"));
    }
}
