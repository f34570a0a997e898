//! `shipway workflows` over every variant: what must hold in each file, drift, and hand edits.

use std::os::unix::fs::PermissionsExt as _;

use shipway_release::ops::yaml::{Node, parse};
use shipway_release::steps::forge::publish_title;
use shipway_release::steps::workflows::pinned_actions;
use shipway_testing::{Place, Program};

use crate::variants::{HOSTILE, Variant, all, generated, project, workflows};

pub(crate) fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_shipway"))
}

pub(crate) fn named(name: &str) -> Variant {
    all().into_iter().find(|variant| variant.name == name).expect("a variant")
}

/// Runs a test over every file of every variant for GitHub: variant, path, text, tree.
fn each(test: impl Fn(&Variant, &str, &str, &Node)) {
    for variant in all().into_iter().filter(|variant| !variant.is_gitlab) {
        let place = place();
        let project = project(&place, &variant);
        workflows(&project, &variant, &["generate"]).must();
        let files = generated(&project);
        assert_eq!(files.len(), 3, "{}", variant.name);
        for (path, text) in files {
            let node = parse(&text).unwrap_or_else(|error| panic!("{} {path}: {error:?}", variant.name));
            test(&variant, &path, &text, &node);
        }
    }
}

fn jobs(node: &Node) -> Vec<(&str, &Node)> {
    node.get("jobs")
        .expect("jobs")
        .entries()
        .iter()
        .map(|(id, job)| (id.text().expect("an id"), job))
        .collect()
}

fn steps(job: &Node) -> &[Node] {
    job.get("steps").expect("steps").items()
}

fn runs(node: &Node) -> Vec<String> {
    let all = jobs(node).into_iter().flat_map(|(_, job)| steps(job));
    all.filter_map(|step| step.get("run").and_then(Node::text).map(str::to_owned)).collect()
}

#[test]
fn h2_to_h8_hold_for_every_job_and_step_of_every_variant() {
    each(|variant, path, text, node| {
        let at = format!("{} {path}", variant.name);
        for run in runs(node) {
            assert!(!run.contains("${{"), "h2 {at}: {run}");
        }
        let pins: Vec<String> = pinned_actions()
            .iter()
            .map(|pin| format!("{}@{} # {}", pin.name, pin.commit, pin.version))
            .collect();
        for line in text.lines().filter(|line| line.trim_start().starts_with("uses:")) {
            assert!(pins.contains(&line.trim().replacen("uses: ", "", 1)), "h3 {at}: {line}");
        }
        assert!(
            node.get("permissions").is_some_and(|top| top.is_map() && top.entries().is_empty()),
            "h4 {at}"
        );
        for (id, job) in jobs(node) {
            let granted =
                job.get("permissions").unwrap_or_else(|| panic!("h4 {at}: job {id} grants nothing"));
            for (key, _) in granted.entries() {
                let line = text.lines().nth(key.line - 1).expect("a line");
                assert!(line.contains(" # "), "h4 {at}: {line}");
            }
            for step in steps(job) {
                let uses = step.get("uses").and_then(Node::text).unwrap_or_default();
                if uses.starts_with("actions/checkout@") {
                    let kept = step.at(&["with", "persist-credentials"]).and_then(Node::text);
                    assert_eq!(kept, Some("false"), "h5 {at}: job {id}");
                }
            }
            assert!(job.get("timeout-minutes").is_some(), "{at}: job {id} has no time limit");
        }
        let on = node.get("on").expect("on");
        for never in ["pull_request_target", "workflow_run", "schedule"] {
            assert!(on.get(never).is_none(), "h6 {at}");
        }
        assert!(on.at(&["push", "tags"]).is_none(), "b4 {at}: a tag starts it");
        let cancel = node.at(&["concurrency", "cancel-in-progress"]).and_then(Node::text);
        let group = node.at(&["concurrency", "group"]).and_then(Node::text).expect("a group");
        if on.get("push").is_some() {
            assert_eq!(cancel, Some("${{ github.event_name == 'pull_request' }}"), "h8 {at}");
            assert!(group.contains("github.event_name == 'push' && github.sha"), "h8 {at}");
        } else {
            assert_eq!(cancel, Some("false"), "h7 {at}");
        }
    });
}

#[test]
fn h7_only_the_publish_job_has_credentials_and_only_in_its_environment() {
    each(|variant, path, text, node| {
        let at = format!("{} {path}", variant.name);
        let Some(runs) = node.at(&["on", "workflow_dispatch"]) else {
            assert!(!text.contains("secrets."), "{at}");
            return;
        };
        let group = node.at(&["concurrency", "group"]).and_then(Node::text).expect("a group");
        assert!(group.contains("github.repository_id"), "f6 {at}: {group}");
        assert!(runs.at(&["inputs", "dry_run"]).is_some(), "f14 {at}");
        let oidc = variant.name.contains("oidc");
        for (id, job) in jobs(node) {
            let lines = text.lines().collect::<Vec<_>>();
            let end = jobs(node).iter().map(|(_, other)| other.line).find(|line| *line > job.line);
            let own = lines[job.line - 1..end.map_or(lines.len(), |line| line - 1)].join("\n");
            let credentials = own.matches("secrets.").count() - own.matches("secrets.CI_KEY").count();
            let identity = job.at(&["permissions", "id-token"]).is_some();
            if id == "publish" {
                assert_eq!((credentials > 0, identity), (!oidc, oidc), "{at}");
                assert!(job.at(&["environment", "name"]).is_some(), "{at}");
                assert!(job.get("needs").is_some_and(|needs| needs.texts().contains(&"verify")), "{at}");
            } else {
                assert_eq!((credentials, identity), (0, false), "{at}: job {id}");
            }
            let writes = job.at(&["permissions", "contents"]).and_then(Node::text) == Some("write");
            assert_eq!(writes, id == "finish", "{at}: job {id}");
        }
        let verify = node.at(&["jobs", "verify"]).expect("a job");
        assert!(verify.get("environment").is_none(), "nobody approves what may be refused");
    });
}

#[test]
fn b17_the_run_of_a_publish_has_the_title_that_is_looked_for() {
    each(|variant, _, _, node| {
        if let Some(title) = node.get("run-name").and_then(Node::text) {
            let shown =
                title.replace("${{ inputs.version }}", "1.4.0").replace("${{ inputs.pull_request }}", "7");
            assert_eq!(shown, publish_title("1.4.0", 7), "{}", variant.name);
            let inputs = node.at(&["on", "workflow_dispatch", "inputs"]).expect("inputs");
            let names: Vec<&str> = inputs.entries().iter().filter_map(|(name, _)| name.text()).collect();
            assert_eq!(names, ["version", "build_run_id", "pull_request", "channel", "dry_run"]);
        }
    });
}

#[test]
fn c2_and_c11_tests_run_apart_from_the_build_on_the_oldest_and_newest_python() {
    let place = place();
    let variant = named("secrets");
    let project = project(&place, &variant);
    let report = workflows(&project, &variant, &["generate", "--json"]).must().json();
    assert_eq!(report["pythons"], serde_json::json!(["3.10", "3.14"]));
    let ci = parse(&project.read(".github/workflows/ci.yml")).expect("a tree");
    let test = ci.at(&["jobs", "test"]).expect("a job");
    assert_eq!(test.at(&["strategy", "matrix", "python"]).expect("a matrix").texts(), ["3.10", "3.14"]);
    assert_eq!(test.get("needs").expect("needs").texts(), ["build"]);
    let build = ci.at(&["jobs", "build"]).expect("a job");
    let built: Vec<&str> =
        steps(build).iter().filter_map(|step| step.get("run")).filter_map(Node::text).collect();
    assert_eq!(built, [".shipway/bin/shipway build --out dist"]);
    let all = runs(&ci).join("\n");
    assert!(all.contains("gate run tests --requirements \"$REQUIREMENTS\""), "{all}");
    assert!(!all.contains("pip install"), "c10: {all}");
}

#[test]
fn hostile_names_stay_values_and_never_reach_a_script() {
    let place = place();
    let hostile = named("hostile");
    let project = project(&place, &hostile);
    workflows(&project, &hostile, &["generate"]).must();
    let [base, environment, artifact, requirements, folder] = HOSTILE;
    let read = |name: &str| parse(&project.read(&format!(".github/workflows/{name}"))).expect("a tree");
    let (ci, release, publish) = (read("ci.yml"), read("release.yml"), read("publish.yml"));
    for node in [&ci, &release, &publish] {
        assert_eq!(node.at(&["defaults", "run", "working-directory"]).and_then(Node::text), Some(folder));
        for run in runs(node) {
            assert!(!run.contains("touch") && !run.contains("pwned"), "{run}");
        }
    }
    // In a filter the signs that mean something there are escaped.
    let pattern = base.replace('+', "\\+").replace('!', "\\!");
    assert_eq!(ci.at(&["on", "push", "branches"]).expect("branches").texts(), [pattern.as_str()]);
    assert_eq!(
        publish.at(&["jobs", "publish", "environment", "name"]).and_then(Node::text),
        Some(environment)
    );
    let reached = |node: &Node, key: &str, value: &str| {
        let all = jobs(node).into_iter().flat_map(|(_, job)| steps(job));
        all.filter(|step| step.at(&["env", key]).and_then(Node::text) == Some(value)).count()
    };
    assert_eq!(reached(&publish, "BASE", &format!("refs/heads/{base}")), 1);
    assert_eq!(reached(&ci, "REQUIREMENTS", requirements), 2);
    let uploads = steps(ci.at(&["jobs", "build"]).expect("a job"));
    assert!(uploads.iter().any(|step| step.at(&["with", "name"]).and_then(Node::text) == Some(artifact)));
    // The one script with a value of the configuration, run by a shell.
    let guard = steps(publish.at(&["jobs", "verify"]).expect("a job"))[0]
        .get("run")
        .and_then(Node::text)
        .expect("a script");
    let full = format!("refs/heads/{base}");
    let shell = |reference: &str| {
        let program = Program::new("bash", project.directory()).args(["-e", "-c", guard]);
        program.env("BASE", &full).env("REF", reference).run()
    };
    assert_eq!(shell(&full).code, Some(0));
    assert_eq!(shell("refs/heads/other$(touch pwned)").code, Some(1));
    assert!(!project.directory().join("pwned").exists());
}

#[test]
fn what_a_forge_would_evaluate_is_refused_and_nothing_is_written() {
    let place = place();
    let mut variant = named("plain");
    variant.config = variant.config.replace(
        "[tool.shipway.workflows]",
        "base-branch = \"a${{github.token}}\"\n[tool.shipway.workflows]",
    );
    let project = project(&place, &variant);
    let ran = workflows(&project, &variant, &["generate", "--json"]).run();
    assert_eq!((ran.code, &ran.json()["code"]), (Some(2), &serde_json::json!("workflow-text")));
    assert!(!project.directory().join(".github").exists());
}

#[test]
fn without_a_binary_or_an_index_the_keys_are_named() {
    let place = place();
    let mut variant = named("plain");
    let at = variant.config.find("[tool.shipway.workflows.binary").expect("a table");
    variant.config.truncate(at);
    variant.config = variant.config.replace("index = \"https://packages.lab.example\"\n", "");
    let project = project(&place, &variant);
    let ran = workflows(&project, &variant, &["generate"]).run().ended(2);
    let ran = ran.says("workflows.binary.linux-x86_64").says("sha256");
    ran.says("workflows.secrets.index");
    assert!(!project.directory().join(".shipway/bin").exists());
}

#[test]
fn d23_one_channel_of_a_foreign_index_needs_the_key_that_its_gates_sign_with() {
    let place = place();
    let mut variant = named("one-url");
    variant.config = variant.config.replace(", key = \"CI_KEY\"", "");
    let project = project(&place, &variant);
    let ran = workflows(&project, &variant, &["generate", "--json"]).run();
    assert_eq!(
        (ran.code, &ran.json()["code"]),
        (Some(2), &serde_json::json!("no-evidence-key")),
        "{}",
        ran.stderr
    );
    assert!(!project.directory().join(".github").exists());
    project.write("pyproject.toml", &named("one-url").config);
    workflows(&project, &variant, &["generate"]).must();
    let publish = parse(&project.read(".github/workflows/publish.yml")).expect("a tree");
    let gates = publish.at(&["jobs", "gates"]).expect("a job");
    assert_eq!(gates.at(&["environment", "name"]).and_then(Node::text), Some("gates"));
    assert!(publish.at(&["jobs", "publish", "needs"]).expect("needs").texts().contains(&"gates"));
}

#[test]
fn h9_drift_is_refused_with_a_diff_and_told_from_a_hand_edit() {
    let place = place();
    let variant = named("secrets");
    let project = project(&place, &variant);
    let check = || workflows(&project, &variant, &["check", "--json"]).run();
    let ids = |ran: &shipway_testing::Ran| -> Vec<String> {
        let found = ran.json()["findings"].as_array().cloned().unwrap_or_default();
        found.iter().map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let missing = check();
    assert_eq!((missing.code, ids(&missing)), (Some(1), vec!["workflow-missing".to_owned(); 4]));
    assert_eq!(missing.json()["schema"], "shipway.workflows-check/1");
    let dry = workflows(&project, &variant, &["generate", "--dry-run"]).must();
    assert!(
        dry.stdout.contains("+++ b/.github/workflows/ci.yml")
            && !project.directory().join(".github").exists()
    );
    workflows(&project, &variant, &["generate"]).must();
    let fresh = check();
    assert_eq!((fresh.code, ids(&fresh)), (Some(0), Vec::new()));

    // The configuration changes: what was generated is stale.
    project.write("pyproject.toml", &variant.config.replace("\"requirements-dev.txt\"", "\"dev.txt\""));
    let stale = check();
    assert_eq!((stale.code, ids(&stale)), (Some(1), vec!["workflow-stale".to_owned()]));
    let shown = workflows(&project, &variant, &["check"]).run();
    assert!(
        shown.stdout.contains(
            "-          REQUIREMENTS: \"requirements-dev.txt\"\n+          REQUIREMENTS: \"dev.txt\""
        ),
        "{}",
        shown.stdout
    );
    workflows(&project, &variant, &["generate"]).must();
    assert_eq!(check().code, Some(0));

    // Somebody edits one: it is told apart, and not overwritten unasked.
    let path = ".github/workflows/ci.yml";
    let edited = project.read(path).replace("persist-credentials: false", "persist-credentials: true");
    project.write(path, &edited);
    let found = check();
    assert_eq!((found.code, ids(&found)), (Some(1), vec!["workflow-edited".to_owned()]));
    workflows(&project, &variant, &["generate"]).run().ended(1).says("changed by hand");
    assert_eq!(project.read(path), edited);
    let script = project.directory().join(".shipway/bin/shipway");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    assert!(ids(&check()).contains(&"workflow-mode".to_owned()));
    workflows(&project, &variant, &["generate", "--overwrite"]).must();
    assert_eq!(check().code, Some(0));
}

#[test]
fn h9_any_workflow_that_the_forge_could_not_load_is_refused() {
    let place = place();
    let variant = named("plain");
    let project = project(&place, &variant);
    workflows(&project, &variant, &["generate"]).must();
    let cases = [
        ("on: push\njobs:\n  a:\n    runs-on: x\n   steps: []\n", "workflow-yaml"),
        (
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: a\n        uses: b/c@v1\n",
            "workflow-schema",
        ),
        ("on: push\non: pull_request\njobs: {}\n", "workflow-yaml"),
    ];
    for (text, id) in cases {
        project.write(".github/workflows/nightly.yaml", text);
        let ran = workflows(&project, &variant, &["check", "--json"]).run();
        assert_eq!((ran.code, &ran.json()["findings"][0]["id"]), (Some(1), &serde_json::json!(id)), "{text}");
        assert!(ran.json()["findings"][0]["message"].as_str().expect("a text").contains("nightly.yaml:"));
    }
}

#[test]
fn h3_upgrade_moves_generated_files_and_the_pins_of_edited_ones() {
    let place = place();
    let variant = named("plain");
    let project = project(&place, &variant);
    workflows(&project, &variant, &["generate"]).must();
    let path = ".github/workflows/ci.yml";
    let own = project.read(path).replace("timeout-minutes: 10", "timeout-minutes: 11");
    let old = own
        .replace("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "actions/checkout@v4");
    assert_ne!(own, old);
    project.write(path, &old);
    project.write(
        ".github/workflows/other.yml",
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n",
    );
    let dry = workflows(&project, &variant, &["upgrade", "--dry-run"]).must();
    assert!(dry.stdout.contains("-        uses: actions/checkout@v4"), "{}", dry.stdout);
    assert_eq!(project.read(path), old);
    workflows(&project, &variant, &["upgrade"]).must();
    assert_eq!(project.read(path), own, "the hand edit stays, the pins move");
    assert!(project.read(".github/workflows/other.yml").contains("@v4"), "what is not ours stays");
}

#[test]
fn the_composite_action_hands_every_argument_over_as_it_is() {
    let place = place();
    let variant = named("plain");
    let project = project(&place, &variant);
    workflows(&project, &variant, &["generate", "--composite-action"]).must();
    let action = parse(&project.read(".github/actions/shipway/action.yml")).expect("a tree");
    let script = action.at(&["runs", "steps"]).expect("steps").items()[0]
        .get("run")
        .and_then(Node::text)
        .expect("a script");
    project.write(".shipway/bin/shipway", "#!/bin/sh\nfor a in \"$@\"; do printf '[%s]' \"$a\"; done\n");
    let program = Program::new("sh", project.directory()).args(["-e", "-c", script]).env("PROJECT", ".");
    let ran = program.env("ARGUMENTS", "gate\nrun\n$(touch pwned) `id` \"x\"\n*\n").run();
    assert_eq!(ran.stdout, "[gate][run][$(touch pwned) `id` \"x\"][*]", "{}", ran.stderr);
    assert!(!project.directory().join("pwned").exists());
}

#[test]
fn gitlabs_scripts_take_variables_in_double_quotes_only() {
    for variant in all().into_iter().filter(|variant| variant.is_gitlab) {
        let place = place();
        let project = project(&place, &variant);
        workflows(&project, &variant, &["generate"]).must();
        workflows(&project, &variant, &["check"]).must();
        for (path, text) in generated(&project) {
            let node = parse(&text).expect("a tree");
            for (name, job) in node.entries() {
                for key in ["before_script", "script"] {
                    for line in job.get(key).map(Node::texts).unwrap_or_default() {
                        for (at, _) in line.match_indices('$') {
                            assert!(
                                line[..at].ends_with('"'),
                                "{path} {}: {line}",
                                name.text().unwrap_or("?")
                            );
                        }
                    }
                }
            }
            if path.ends_with("shipway.yml") {
                // What `forge merged-release --dispatch` looks for, and what it sends.
                let named = node.at(&["workflow", "rules"]).expect("rules").items();
                let title =
                    named[0].at(&["variables", "SHIPWAY_PIPELINE"]).and_then(Node::text).expect("a name");
                let shown = title.replace("$SHIPWAY_VERSION", "1.4.0").replace("$SHIPWAY_PULL_REQUEST", "7");
                assert_eq!(shown, publish_title("1.4.0", 7));
                assert_eq!(
                    node.at(&["variables", "SHIPWAY_PUBLISHES"]).and_then(Node::text),
                    Some("publish")
                );
                let build = node.get("build").expect("the job whose archive is verified");
                let kept = build.at(&["artifacts", "paths"]).expect("paths").texts();
                let at =
                    if variant.folder.is_empty() { String::new() } else { format!("{}/", variant.folder) };
                assert_eq!(
                    kept,
                    [
                        format!("{at}dist/*"),
                        format!("{at}.shipway/manifest.json"),
                        format!("{at}.shipway/evidence/"),
                    ]
                );
                let publish = node.get("shipway-publish").expect("a job");
                assert!(
                    publish.get("resource_group").is_some() && publish.at(&["environment", "name"]).is_some()
                );
                let identity =
                    node.entries().iter().filter(|(_, job)| job.get("id_tokens").is_some()).count();
                assert_eq!(identity, usize::from(variant.name == "gitlab-oidc"));
            }
        }
    }
}
